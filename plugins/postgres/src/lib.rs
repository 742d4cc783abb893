//! The PostgreSQL engine of Plan B: `pg_dump`, `pg_restore`, `psql` and `pg_dumpall`, versions 13 to 18.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options, `PG*` variables and a password file |
//! | `backup`, `restore`, `query`, `scratch` | the plans |
//! | `place` | how a restored database takes its place, or another's, with what belongs to it |
//! | `scan` | where statements, strings, comments and rows begin and end in a plain dump |
//! | `names` | which object a statement makes or fills |
//! | `inspect` | what a dump held: plain, custom, directory |
//! | `filter` | what a plain dump may not do on its way back |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod filter;
mod inspect;
mod names;
mod place;
mod query;
mod restore;
mod scan;
mod scratch;
#[cfg(test)]
mod testing;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The PostgreSQL engine.
#[derive(Debug)]
pub struct Postgres;

impl Engine for Postgres {
    type Inspector = inspect::PostgresInspector;
    type Filter = filter::PlainFilter;

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
        Answer::from_lines("psql", query, stdout)
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

planb_sdk::export_engine!(Postgres);
