//! The MongoDB engine of Plan B: `mongodump` and `mongorestore` of the Database Tools from 100.3, and `mongosh`.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes a connection string in a file that only the tool can read |
//! | `names` | what a database may be called, and what a namespace is |
//! | `backup`, `restore`, `scratch` | the plans |
//! | `shell` | the scripts that `mongosh` runs, and with them the questions to a live server |
//! | `bson`, `crc` | the bytes of a document, and the checksum that an archive has for each collection |
//! | `archive`, `directory` | what a dump held: `--archive` and `--out` |
//! | `inspect` | which of the two it is, and whether it is compressed |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic"))]

mod archive;
mod backup;
mod bson;
mod connect;
mod crc;
mod describe;
mod directory;
mod explain;
mod inspect;
mod names;
mod restore;
mod scratch;
mod shell;
#[cfg(test)]
mod testing;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The MongoDB engine.
#[derive(Debug)]
pub struct Mongodb;

impl Engine for Mongodb {
    type Inspector = inspect::MongoInspector;
    type Filter = NoFilter;

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
        shell::ask(request, query)
    }
    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        Answer::from_lines("mongosh", query, stdout)
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

planb_sdk::export_engine!(Mongodb);
