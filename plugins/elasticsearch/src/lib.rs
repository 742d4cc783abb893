//! The Elasticsearch and OpenSearch engine of Plan B: their snapshot interface, by `curl`, and the files of a snapshot, by `tar`.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `http` | how requests become a file that only `curl` can read |
//! | `names` | what an index may be called |
//! | `repository` | where a snapshot lies, for the nodes and for this machine |
//! | `backup`, `restore`, `query`, `seed` | the plans |
//! | `tar` | where the files of an archive begin and end |
//! | `snapshot` | which files a snapshot is made of |
//! | `inspect`, `filter` | what a dump held, and what it may not hold |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic"))]

mod backup;
mod describe;
mod explain;
mod filter;
mod http;
mod inspect;
mod names;
mod query;
mod repository;
mod restore;
mod seed;
mod snapshot;
mod tar;
#[cfg(test)]
mod testing;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest, SeedPlan,
};

/// The Elasticsearch and OpenSearch engine.
#[derive(Debug)]
pub struct Elasticsearch;

impl Engine for Elasticsearch {
    type Inspector = inspect::SnapshotInspector;
    type Filter = filter::FilesOnly;

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
    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        seed::plan(request)
    }
}

planb_sdk::export_engine!(Elasticsearch);
