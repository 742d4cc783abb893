//! The MySQL engine of Plan B: `mysqldump` and `mysql`, versions 5.7 to 9.
//!
//! What it shares with MariaDB is in `planb-mysql-family`; here is what is MySQL's own.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `family` | its options and its TLS |
//! | `accounts` | how accounts are dumped, by the client, and put back |
//! | `scratch` | a throw-away server |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod accounts;
mod describe;
mod family;
mod scratch;
#[cfg(test)]
mod testing;

use planb_mysql_family::{backup, explain, query, restore};
use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The MySQL engine.
#[derive(Debug)]
pub struct MySql;

impl Engine for MySql {
    type Inspector = accounts::AnyInspector;
    type Filter = accounts::AnyFilter;

    fn describe() -> Description {
        describe::describe()
    }
    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        backup::plan::<Self>(request)
    }
    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        restore::plan::<Self>(request)
    }
    fn plan_query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
        query::plan::<Self>(request, query)
    }
    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        query::read::<Self>(query, stdout)
    }
    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        explain::explain::<Self>(tool, code, stderr)
    }
    fn plan_scratch(_: &[u16]) -> Result<ScratchPlan, Failure> {
        Ok(scratch::server())
    }
    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        planb_mysql_family::scratch::seed::<Self>(request)
    }
}

planb_sdk::export_engine!(MySql);
