//! The Oracle engine of Plan B: Data Pump (`expdp`, `impdp`) and SQL*Plus, for Oracle Database 12.1 and newer.
//!
//! Data Pump's files are written by the server, into a directory object of its own. Where planb sees that folder, a backup is a tar
//! stream of the dump files and of the export's log, whose last line says whether all went well, and which names the
//! files of the set and the rows of each table: the dump files' own format is not documented.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `names` | names of schemas, directories and files, and what a parameter file can hold |
//! | `connect` | how a connection becomes a line of a parameter file, or of a SQL*Plus script |
//! | `backup`, `restore`, `query` | the plans |
//! | `log` | what the log of an export says |
//! | `inspect` | what a dump held, what it may hold on its way back |
//! | `explain` | what the server's messages mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod inspect;
mod log;
mod names;
mod query;
mod restore;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
};

/// The Oracle engine.
#[derive(Debug)]
pub struct Oracle;

impl Engine for Oracle {
    type Inspector = inspect::DumpInspector;
    type Filter = inspect::DumpFilter;

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
        Answer::from_lines("sqlplus", query, stdout)
    }
    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        explain::explain(tool, code, stderr)
    }
}

planb_sdk::export_engine!(Oracle);
