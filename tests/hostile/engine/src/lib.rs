//! An engine that attacks the host that runs it, in the way that it is told to.
//!
//! Untold it is a decent engine: its database is a text file, which `cat` backs up and `tee` puts back. What it is told
//! stands in the setting `attack`, or, for what comes before any request, over the dashes behind the mark in the built
//! component: `what@call` or `what@call=with`, for example `loop@feed`, `literal@plan=--flag`; several orders with `;;` between them. A call
//! is one of the contract's; or it is a part of what is answered: `plan`, `question` (the plan of a query), `restore`, `answer`,
//! `explained`, `inspection`, `filtered`, `scratch`.

mod deed;
mod description;
mod order;
mod plans;
mod probe;

use planb_sdk::{
    Answer, Artifact, BackupPlan, Description, Engine, Failure, Filter, Inspection, Inspector, Object, Query,
    QueryPlan, Request, RestorePlan, RestoreRequest, ScratchPlan, SeedPlan, TargetState,
};

/// The engine.
#[derive(Debug)]
pub struct Hostile;

impl Engine for Hostile {
    type Inspector = Reader;
    type Filter = Gate;

    fn describe() -> Description {
        deed::at("describe");
        description::describe()
    }

    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        order::take(request);
        deed::at("plan-backup");
        plans::backup(request)
    }

    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        order::take(&request.request);
        deed::at("plan-restore");
        plans::restore(request)
    }

    fn plan_query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
        order::take(request);
        if !plans::asked(query) {
            return Err(Failure::unsupported("a text file does not know"));
        }
        deed::at("plan-query");
        plans::query(request)
    }

    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        deed::at("read-query");
        plans::answer(query, stdout)
    }

    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        // No request comes with this call, so the tool says what is to be done.
        if let Some(told) = stderr.lines().find_map(|line| line.strip_prefix("attack ")) {
            order::set(told);
        }
        deed::at("explain");
        plans::explained(tool, code, stderr)
    }

    fn plan_scratch(_: &[u16]) -> Result<ScratchPlan, Failure> {
        deed::at("plan-scratch");
        Ok(plans::scratch())
    }

    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        deed::at("plan-seed");
        plans::seed(request)
    }
}

/// Counts bytes and takes every dump for a whole one.
#[derive(Debug)]
pub struct Reader {
    bytes: u64,
}

impl Inspector for Reader {
    fn new(request: &Request, _: &Artifact) -> Self {
        order::take(request);
        deed::at("inspector");
        Self { bytes: 0 }
    }

    fn open(&mut self, _: &str) {
        deed::at("open");
    }

    fn feed(&mut self, chunk: &[u8]) {
        deed::at("feed");
        self.bytes += chunk.len() as u64;
    }

    fn finish(self) -> Inspection {
        deed::at("finish");
        plans::inspection(self.bytes)
    }
}

/// Lets everything through.
#[derive(Debug)]
pub struct Gate;

impl Filter for Gate {
    fn new(request: &RestoreRequest) -> Self {
        order::take(&request.request);
        deed::at("filter");
        Self
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        deed::at("push");
        Ok(plans::filtered(chunk))
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        deed::at("filter-finish");
        Ok(Vec::new())
    }
}

/// What a file that is there counts for.
fn held(stdout: &[u8]) -> (TargetState, Vec<Object>) {
    if stdout.is_empty() {
        return (TargetState::Empty, Vec::new());
    }
    (TargetState::Occupied, vec![Object::new("file", "all").rows(1)])
}

planb_sdk::export_engine!(Hostile);
