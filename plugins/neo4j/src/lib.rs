//! The Neo4j engine of Plan B: `neo4j-admin` and `cypher-shell`, from version 4.4.
//!
//! `neo4j-admin` reads and writes the server's own files, so planb runs where the server is, as its user. A database has to be stopped
//! for it: in the Community Edition that means the server; in the Enterprise Edition the plans can do it.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `tools` | how the two tools are run |
//! | `plan`, `query` | the plans, and reading what `cypher-shell` prints |
//! | `inspect` | whether a dump is whole |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod describe;
mod explain;
mod inspect;
mod plan;
mod query;
mod tools;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan,
};

/// The Neo4j engine.
#[derive(Debug)]
pub struct Neo4j;

impl Engine for Neo4j {
    type Inspector = inspect::Neo4jInspector;
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
    fn plan_scratch(_: &[u16]) -> Result<ScratchPlan, Failure> {
        Err(Failure::unsupported(
            "a running Neo4j of the Community Edition cannot be dumped, so there is no throw-away server",
        ))
    }
}

planb_sdk::export_engine!(Neo4j);
