//! The Cassandra engine of Plan B: `nodetool snapshot`, `cqlsh` and `tar`, for Apache Cassandra 4.0 and newer.
//!
//! A backup is a tar stream: the keyspace's schema, and the files of a snapshot of one node. COPY of cqlsh is no way to take
//! one: it writes control characters and backslashes in a form that it does not read back, and drops the times of writes.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options and credential files |
//! | `backup`, `restore`, `query` | the plans |
//! | `schema` | the statements of a schema |
//! | `inspect` | what a dump held, and whether it is whole |
//! | `filter` | what a dump may not do on its way back |
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
mod schema;
#[cfg(test)]
mod testing;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
};

/// The Cassandra engine.
#[derive(Debug)]
pub struct Cassandra;

impl Engine for Cassandra {
    type Inspector = inspect::SnapshotInspector;
    type Filter = filter::SnapshotFilter;

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
}

planb_sdk::export_engine!(Cassandra);
