//! Whoever does the work.

use std::borrow::Cow;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::job::JobSpec;
use crate::notice::Notice;
use crate::outcome::{Cause, Outcome};
use crate::stop::Stop;

/// Does the work of jobs. `async fn` will do for each method.
///
/// A run that panics is a failed run, and Plan B's own fault. Nothing here is ever dropped before its end: what is to
/// end is asked to, by [`RunContext::stop`].
pub trait Worker: Send + Sync + 'static {
    /// Takes a backup.
    fn run(&self, job: &str, run: RunContext) -> impl Future<Output = Outcome> + Send;

    /// Restores a backup into a throw-away server and compares.
    fn drill(&self, job: &str, run: RunContext) -> impl Future<Output = Outcome> + Send;

    /// Removes old backups. Called behind each run that left a backup, before another run of the job can begin.
    /// [`Outcome::skipped`] where the job has no retention: that is not recorded.
    fn prune(&self, job: &str, run: RunContext) -> impl Future<Output = Outcome> + Send;

    /// Tells people and programs. It has a few minutes; what it does not tell in them is logged.
    fn notify(&self, notice: Notice) -> impl Future<Output = ()> + Send;

    /// Reads the settings anew, for a reload that another process asks for.
    ///
    /// # Errors
    /// Why they cannot be used. The jobs stay as they are.
    fn reread(&self) -> impl Future<Output = Result<Vec<JobSpec>, String>> + Send {
        async { Err("this planb does not read its settings anew: restart it".to_owned()) }
    }
}

/// What a run is given.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Its id. A backup should have the same.
    pub run_id: String,
    /// 1, and one more with each retry.
    pub attempt: u32,
    /// Why it was begun.
    pub cause: Cause,
    /// The tick that it is for; without one, when it was asked for.
    pub tick: Timestamp,
    /// Says when it is to end before its end.
    pub stop: Stop,
    /// Where it says how far it is.
    pub progress: Arc<Progress>,
}

/// How far a run is.
#[derive(Debug, Default)]
pub struct Progress {
    plain: AtomicU64,
    stored: AtomicU64,
    expected: AtomicU64,
    stage: Mutex<Cow<'static, str>>,
}

impl Progress {
    /// Bytes before compression so far.
    pub fn set_plain(&self, bytes: u64) {
        self.plain.store(bytes, Ordering::Relaxed);
    }

    /// Bytes as stored so far.
    pub fn set_stored(&self, bytes: u64) {
        self.stored.store(bytes, Ordering::Relaxed);
    }

    /// How many plain bytes there may be; 0 where nobody knows.
    pub fn set_expected(&self, bytes: u64) {
        self.expected.store(bytes, Ordering::Relaxed);
    }

    /// Where the run is: `streaming`.
    pub fn set_stage(&self, stage: impl Into<Cow<'static, str>>) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage.into();
    }

    pub(crate) fn plain(&self) -> u64 {
        self.plain.load(Ordering::Relaxed)
    }

    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    pub(crate) fn expected(&self) -> Option<u64> {
        Some(self.expected.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    pub(crate) fn stage(&self) -> String {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.is_empty() { "preparing".to_owned() } else { stage.clone().into_owned() }
    }
}

/// A worker whose type is forgotten.
pub(crate) trait AnyWorker: Send + Sync {
    fn run(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome>;
    fn drill(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome>;
    fn prune(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome>;
    fn notify(self: Arc<Self>, notice: Notice) -> BoxFuture<'static, ()>;
    fn reread(self: Arc<Self>) -> BoxFuture<'static, Result<Vec<JobSpec>, String>>;
}

impl<W: Worker> AnyWorker for W {
    fn run(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome> {
        Box::pin(async move { Worker::run(&*self, &job, run).await })
    }

    fn drill(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome> {
        Box::pin(async move { Worker::drill(&*self, &job, run).await })
    }

    fn prune(self: Arc<Self>, job: String, run: RunContext) -> BoxFuture<'static, Outcome> {
        Box::pin(async move { Worker::prune(&*self, &job, run).await })
    }

    fn notify(self: Arc<Self>, notice: Notice) -> BoxFuture<'static, ()> {
        Box::pin(async move { Worker::notify(&*self, notice).await })
    }

    fn reread(self: Arc<Self>) -> BoxFuture<'static, Result<Vec<JobSpec>, String>> {
        Box::pin(async move { Worker::reread(&*self).await })
    }
}
