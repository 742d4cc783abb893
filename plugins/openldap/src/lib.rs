//! The OpenLDAP engine of Plan B: `ldapsearch` over the network, `slapcat` and `slapadd` beside the server.
//!
//! | module | what it knows |
//! |---|---|
//! | `describe` | what the engine is called, needs and can do |
//! | `connect` | how a connection and the server's configuration become options |
//! | `plan` | how a directory is dumped and put back |
//! | `query` | questions about a directory |
//! | `ldif` | the entries of an LDIF file, and its end |
//! | `inspect` | what a dump held |
//! | `filter` | what a dump may not do on its way back |
//! | `scratch` | a throw-away server, and a small known directory in it |
//! | `explain` | what the tools' last words mean |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod connect;
mod describe;
mod explain;
mod filter;
mod inspect;
mod ldif;
mod plan;
mod query;
mod scratch;

use planb_sdk::{
    Answer, BackupPlan, Description, Engine, Failure, Query, QueryPlan, Request, RestorePlan, RestoreRequest,
    ScratchPlan, SeedPlan,
};

/// The OpenLDAP engine.
#[derive(Debug)]
pub struct OpenLdap;

impl Engine for OpenLdap {
    type Inspector = inspect::LdifInspector;
    type Filter = filter::LdifFilter;

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

planb_sdk::export_engine!(OpenLdap);
