//! The SQLite engine of Plan B: the `sqlite3` command-line program, from version 3.27.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `plan` | how a database file is opened, dumped, put back and asked |
//! | `scan` | where statements and strings begin and end in a dump |
//! | `inspect` | what a dump held: SQL, or a copy of the file |
//! | `filter` | what a dump may not do on its way back |
//! | `explain` | what the program's last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod describe;
mod explain;
mod filter;
mod inspect;
mod plan;
mod query;
mod scan;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The SQLite engine.
#[derive(Debug)]
pub struct Sqlite;

impl Engine for Sqlite {
    type Inspector = inspect::SqliteInspector;
    type Filter = filter::SqlFilter;

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
        Answer::from_lines("sqlite3", query, stdout)
    }
    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        explain::explain(tool, code, stderr)
    }
    fn plan_scratch(_: &[u16]) -> Result<ScratchPlan, Failure> {
        Ok(plan::scratch())
    }
    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        plan::seed(request)
    }
}

planb_sdk::export_engine!(Sqlite);
