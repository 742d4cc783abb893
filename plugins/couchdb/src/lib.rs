//! The CouchDB engine of Plan B: CouchDB's HTTP API, spoken by `curl` from version 7.76.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes a URL and a configuration of `curl` |
//! | `backup` | how all documents of a database are read |
//! | `restore` | how they are written again, in requests of bounded size |
//! | `query` | questions about a live server |
//! | `walk` | where documents begin and end in the answer of `_all_docs` |
//! | `inspect` | what a dump held |
//! | `filter` | a dump as the bodies of requests |
//! | `scratch` | a throw-away server, and a small known database in it |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod filter;
mod inspect;
mod query;
mod restore;
mod scratch;
mod walk;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The CouchDB engine.
#[derive(Debug)]
pub struct CouchDb;

impl Engine for CouchDb {
    type Inspector = inspect::AllDocsInspector;
    type Filter = filter::Bodies;

    fn describe() -> Description {
        describe::describe()
    }
    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        backup::plan(request)
    }
    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        restore::plan(request)
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

planb_sdk::export_engine!(CouchDb);
