//! The MariaDB engine of Plan B: `mariadb-dump` and `mariadb`, versions 10.5 to 12, by their old names too.
//!
//! What it shares with MySQL is in `planb-mysql-family`; here is what is MariaDB's own.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `family` | its options, its TLS, its accounts |
//! | `scratch` | a throw-away server |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod describe;
mod family;
mod scratch;

use planb_mysql_family::{SqlFilter, SqlInspector, backup, explain, query, restore};
use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The MariaDB engine.
#[derive(Debug)]
pub struct MariaDb;

impl Engine for MariaDb {
    type Inspector = SqlInspector;
    type Filter = SqlFilter;

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

planb_sdk::export_engine!(MariaDb);
