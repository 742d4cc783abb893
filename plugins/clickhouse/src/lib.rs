//! The ClickHouse engine of Plan B: `clickhouse-client`, from version 18.16.
//!
//! ClickHouse has no dump tool. The client can be made to print everything that one needs: `CREATE` statements out of
//! `system.tables`, and rows in the format `Values`, which every version writes and reads, and whose input may end
//! with a `;`: the end mark that tells a whole dump from one that was cut.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options and a private configuration file |
//! | `sql` | quoting, and the statements that are run |
//! | `backup`, `restore`, `query`, `scratch` | the plans |
//! | `scan` | where statements, strings and rows begin and end |
//! | `inspect` | what a dump held: a script, or a directory |
//! | `filter` | what a script may not do on its way back |
//! | `explain` | what the client's last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod filter;
mod inspect;
mod query;
mod restore;
mod scan;
mod scratch;
mod sql;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The ClickHouse engine.
#[derive(Debug)]
pub struct ClickHouse;

impl Engine for ClickHouse {
    type Inspector = inspect::ClickHouseInspector;
    type Filter = filter::ScriptFilter;

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
        Answer::from_lines("clickhouse-client", query, stdout)
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

planb_sdk::export_engine!(ClickHouse);
