//! The Redis engine of Plan B, also for Valkey: `redis-cli` or `valkey-cli`, from version 6.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options of `redis-cli` |
//! | `facts` | what a plan has to know of the server, as part of its version |
//! | `backup`, `restore`, `query`, `scratch` | the plans |
//! | `rdb`, `visitor`, `layout`, `number`, `strings`, `seal`, `crc64` | the RDB format, read as it passes |
//! | `inspect`, `groups` | what a dump held |
//! | `filter` | an RDB as commands |
//! | `explain` | what the tool's last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod crc64;
mod describe;
mod explain;
mod facts;
mod filter;
mod groups;
mod inspect;
mod layout;
mod number;
mod query;
mod rdb;
mod restore;
mod scratch;
mod seal;
mod strings;
mod visitor;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

pub use filter::RestoreFilter;
pub use inspect::RedisInspector;

/// The Redis engine.
#[derive(Debug)]
pub struct Redis;

impl Engine for Redis {
    type Inspector = RedisInspector;
    type Filter = RestoreFilter;

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

planb_sdk::export_engine!(Redis);
