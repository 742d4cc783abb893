//! The ArangoDB engine of Plan B: `arangodump`, `arangorestore` and `arangosh`, from version 3.10.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options and a private configuration file |
//! | `plan`, `query`, `scratch` | the plans |
//! | `gunzip` | whether a gzip file is whole, and what is in it |
//! | `inspect` | which collections a dump holds, and whether all of its files are whole |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod connect;
mod describe;
mod explain;
mod gunzip;
mod inspect;
mod plan;
mod query;
mod scratch;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The ArangoDB engine.
#[derive(Debug)]
pub struct Arango;

impl Engine for Arango {
    type Inspector = inspect::ArangoInspector;
    type Filter = NoFilter;

    fn describe() -> Description {
        describe::describe()
    }
    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        plan::backup(request)
    }
    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        plan::restore(request)
    }
    fn plan_query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
        query::plan(request, query)
    }
    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        query::read(query, stdout)
    }
    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        explain::explain(tool, code, stderr)
    }
    fn plan_scratch(ports: &[u16]) -> Result<ScratchPlan, Failure> {
        scratch::server(ports)
    }
    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        scratch::seed(request)
    }
}

planb_sdk::export_engine!(Arango);
