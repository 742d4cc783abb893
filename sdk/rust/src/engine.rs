//! The trait that an engine implements, and the glue between it and the generated bindings.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::bindings::exports::planb::engine::engine as guest;
use crate::{
    Answer, Artifact, BackupPlan, Description, Failure, Inspection, Query, QueryPlan, Request, RestorePlan,
    RestoreRequest, ScratchPlan, SeedPlan,
};

/// An engine: what Plan B knows of one kind of database.
///
/// All functions are free of state: the same request gives the same plan. What has no default an engine
/// must say; what has one is answered with "unsupported" until the engine can do it.
pub trait Engine: 'static {
    /// Reads a dump as it passes. [`NoInspector`] where the engine cannot.
    type Inspector: Inspector;
    /// Changes a dump on its way back. [`NoFilter`] where nothing has to be changed.
    type Filter: Filter;

    /// What the engine is called, needs and can do.
    fn describe() -> Description;

    /// How a backup is taken.
    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure>;

    /// How a backup is put back.
    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        let _ = request;
        Err(Failure::unsupported("this engine cannot restore"))
    }

    /// How a question is put to a live server.
    fn plan_query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
        let _ = request;
        Err(Failure::unsupported(format!("this engine cannot answer {}", query.name())))
    }

    /// Reads what the command of [`Engine::plan_query`] printed.
    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        let _ = stdout;
        Err(Failure::unsupported(format!("this engine cannot answer {}", query.name())))
    }

    /// Turns a tool's exit code and last words into a failure that says whose fault it was.
    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        Failure::of_tool(tool, code, stderr)
    }

    /// A throw-away server in a work directory of its own; eight ports are free for it.
    fn plan_scratch(ports: &[u16]) -> Result<ScratchPlan, Failure> {
        let _ = ports;
        Err(Failure::unsupported("this engine has no scratch server"))
    }

    /// Three movies and three actors, in a scratch server.
    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        let _ = request;
        Err(Failure::unsupported("this engine has no seed"))
    }
}

/// Reads a dump as it passes, in chunks whose borders mean nothing, and says what it held.
pub trait Inspector: Sized + 'static {
    /// For a dump of this request that will become this artifact.
    fn new(request: &Request, artifact: &Artifact) -> Self;

    /// The next bytes are of this file; a dump that is one stream has one call, with an empty path.
    fn open(&mut self, path: &str) {
        let _ = path;
    }

    /// The next bytes.
    fn feed(&mut self, chunk: &[u8]);

    /// After the last byte.
    fn finish(self) -> Inspection;
}

/// Changes the bytes of a restore on their way to the tool. Asked for with [`RestorePlan::filtered`].
pub trait Filter: Sized + 'static {
    /// For this restore.
    fn new(request: &RestoreRequest) -> Self;

    /// Takes the next bytes and gives those that can go on. Chunk borders mean nothing.
    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure>;

    /// What is left after the last byte.
    fn finish(self) -> Result<Vec<u8>, Failure>;
}

/// The inspector of an engine that cannot look into its dumps: it takes any dump that is not empty for complete, and says so.
#[derive(Debug)]
pub struct NoInspector {
    bytes: bool,
}

impl Inspector for NoInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self { bytes: false }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes |= !chunk.is_empty();
    }

    fn finish(self) -> Inspection {
        let finding = if self.bytes { "this engine does not look into its dumps" } else { "the dump is empty" };
        Inspection { complete: self.bytes, objects: Vec::new(), findings: vec![finding.to_owned()] }
    }
}

/// The filter of an engine whose dumps go back as they are.
#[derive(Debug)]
pub struct NoFilter;

impl Filter for NoFilter {
    fn new(_: &RestoreRequest) -> Self {
        Self
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(chunk)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }
}

/// An [`Engine`] as the generated bindings want it.
#[derive(Debug)]
pub struct Exported<E>(PhantomData<E>);

impl<E: Engine> guest::Guest for Exported<E> {
    type Inspector = InspectorCell<E::Inspector>;
    type Filter = FilterCell<E::Filter>;

    fn describe() -> Description {
        E::describe()
    }
    fn plan_backup(request: Request) -> Result<BackupPlan, Failure> {
        E::plan_backup(&request)
    }
    fn plan_restore(request: RestoreRequest) -> Result<RestorePlan, Failure> {
        E::plan_restore(&request)
    }
    fn plan_query(request: Request, query: Query) -> Result<QueryPlan, Failure> {
        E::plan_query(&request, &query)
    }
    fn read_query(query: Query, stdout: Vec<u8>) -> Result<Answer, Failure> {
        E::read_query(&query, &stdout)
    }
    fn explain(tool: String, code: Option<i32>, stderr: String) -> Failure {
        E::explain(&tool, code, &stderr)
    }
    fn plan_scratch(ports: Vec<u16>) -> Result<ScratchPlan, Failure> {
        E::plan_scratch(&ports)
    }
    fn plan_seed(request: Request) -> Result<SeedPlan, Failure> {
        E::plan_seed(&request)
    }
}

/// The contract's resource around an [`Inspector`]; empty once it is finished.
#[derive(Debug)]
pub struct InspectorCell<I>(RefCell<Option<I>>);

impl<I: Inspector> guest::GuestInspector for InspectorCell<I> {
    fn new(request: Request, artifact: Artifact) -> Self {
        Self(RefCell::new(Some(I::new(&request, &artifact))))
    }
    fn open(&self, path: String) {
        if let Some(inspector) = self.0.borrow_mut().as_mut() {
            inspector.open(&path);
        }
    }
    fn feed(&self, chunk: Vec<u8>) {
        if let Some(inspector) = self.0.borrow_mut().as_mut() {
            inspector.feed(&chunk);
        }
    }
    fn finish(&self) -> Inspection {
        let used = || Inspection {
            complete: false,
            objects: Vec::new(),
            findings: vec!["the inspector was finished before".to_owned()],
        };
        self.0.take().map_or_else(used, I::finish)
    }
}

/// The contract's resource around a [`Filter`]; empty once it is finished.
#[derive(Debug)]
pub struct FilterCell<F>(RefCell<Option<F>>);

impl<F: Filter> guest::GuestFilter for FilterCell<F> {
    fn new(request: RestoreRequest) -> Self {
        Self(RefCell::new(Some(F::new(&request))))
    }
    fn push(&self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.0.borrow_mut().as_mut().map_or_else(|| Err(finished()), |filter| filter.push(chunk))
    }
    fn finish(&self) -> Result<Vec<u8>, Failure> {
        self.0.take().map_or_else(|| Err(finished()), F::finish)
    }
}

fn finished() -> Failure {
    Failure::plugin("the filter was finished before")
}
