//! The SQL Server engine of Plan B: `BACKUP DATABASE` by `sqlcmd`, for SQL Server 2016 and newer.
//!
//! The server writes its backup to its own file system. A folder that both the server and planb see is read from here, so a
//! backup is a tar stream of two files: the list of what the database holds, and the `.bak` itself. The frame tells a
//! whole stream from one that was cut, which a `.bak`, whose format is documented in part only, does not.
//!
//! `sqlpackage` and its bacpac files are not used: it takes a password on its command line only.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options of either `sqlcmd` |
//! | `quote` | names and strings of Transact-SQL, and names of files |
//! | `backup`, `restore`, `query` | the plans |
//! | `inspect` | what a dump held, what it may hold on its way back |
//! | `explain` | what the server's messages mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod backup;
mod connect;
mod describe;
mod explain;
mod inspect;
mod query;
mod quote;
mod restore;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
};

/// The SQL Server engine.
#[derive(Debug)]
pub struct Mssql;

impl Engine for Mssql {
    type Inspector = inspect::BakInspector;
    type Filter = inspect::BakFilter;

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

planb_sdk::export_engine!(Mssql);
