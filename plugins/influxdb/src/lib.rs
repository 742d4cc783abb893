//! The InfluxDB engine of Plan B: `influxd` and `influx` of InfluxDB 1.5 to 1.x.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection becomes options and variables of `influx` and `influxd` |
//! | `plan` | how a portable backup is made and put back |
//! | `query` | questions about a server |
//! | `csv` | what `influx` prints |
//! | `inspect` | the files of a portable backup, and the values in them |
//! | `scratch` | a throw-away server, and a small known database in it |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod connect;
mod csv;
mod describe;
mod explain;
mod inspect;
mod plan;
mod query;
mod scratch;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, NoFilter, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The InfluxDB engine.
#[derive(Debug)]
pub struct InfluxDb;

impl Engine for InfluxDb {
    type Inspector = inspect::PortableInspector;
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

planb_sdk::export_engine!(InfluxDb);
