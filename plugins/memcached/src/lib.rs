//! The Memcached engine of Plan B: conversations by `socat`, answers read by `awk`. Servers from 1.6.18.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a conversation becomes a run of `socat` |
//! | `scripts` | what `awk` makes of answers |
//! | `plan`, `scratch` | the plans |
//! | `answers` | a dump, read as it passes |
//! | `inspect`, `groups` | what a dump held |
//! | `filter` | a dump as commands |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod answers;
mod connect;
mod describe;
mod explain;
mod filter;
mod groups;
mod inspect;
mod plan;
mod scratch;
mod scripts;
#[cfg(test)]
mod tests;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The Memcached engine.
#[derive(Debug)]
pub struct Memcached;

impl Engine for Memcached {
    type Inspector = inspect::MemcachedInspector;
    type Filter = filter::RestoreFilter;

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
        plan::query(request, query)
    }
    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        plan::read(query, stdout)
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

planb_sdk::export_engine!(Memcached);
