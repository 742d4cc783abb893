//! The CockroachDB engine of Plan B: the `cockroach` program, from version 22.2.
//!
//! CockroachDB writes its own backups (`BACKUP ... INTO`), and only to places that its nodes reach. One of them is the cluster
//! itself: files in tables (`userfile`), which `cockroach userfile get` fetches through the SQL connection. A backup is
//! taken into such tables in a database of its own, fetched, and the database is dropped; a restore goes the other way.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes a URL and a password file |
//! | `sql` | quoting, the statements, and reading what they print |
//! | `plan`, `query`, `scratch` | the plans |
//! | `inspect` | whether all files of a backup are there, and which tables it holds |
//! | `explain` | what the program's last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod connect;
mod describe;
mod explain;
mod inspect;
mod plan;
mod query;
mod scratch;
mod sql;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The CockroachDB engine.
#[derive(Debug)]
pub struct Cockroach;

impl Engine for Cockroach {
    type Inspector = inspect::CockroachInspector;
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

planb_sdk::export_engine!(Cockroach);
