//! The etcd engine of Plan B: `etcdctl` from version 3.4, and `etcdutl` for restores where it is there.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options and variables of `etcdctl` |
//! | `plan` | how a snapshot is saved and how a new data directory is made of it |
//! | `query` | questions about a live cluster |
//! | `keys` | under which name a key is counted |
//! | `inspect` | the snapshot's digest, and the keys in it |
//! | `scratch` | a throw-away member, and a small known keyspace in it |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod connect;
mod describe;
mod explain;
mod inspect;
mod keys;
mod plan;
mod query;
mod scratch;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The etcd engine.
#[derive(Debug)]
pub struct Etcd;

impl Engine for Etcd {
    type Inspector = inspect::SnapshotInspector;
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

planb_sdk::export_engine!(Etcd);
