//! The Couchbase engine of Plan B: `cbbackupmgr` 7.0 and newer, and the REST API through `curl`.
//!
//! A backup is a directory: an archive of `cbbackupmgr` that holds one repository with one full backup, what `cbbackupmgr info`
//! says of it, and a list of its files with their sizes, by which a file that is missing or cut is seen.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options, variables and a file of curl's |
//! | `backup`, `restore`, `query` | the plans |
//! | `inspect` | what a dump held, and whether it is whole |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod inspect;
mod query;
mod restore;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
};

/// The Couchbase engine.
#[derive(Debug)]
pub struct Couchbase;

impl Engine for Couchbase {
    type Inspector = inspect::ArchiveInspector;
    type Filter = NoFilter;

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

planb_sdk::export_engine!(Couchbase);
