//! Drives the scheduler: sleeps until something is due, begins runs, keeps state, tells.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::{Clock, SystemClock};
use crate::control;
use crate::core::{Core, Effect, Moment};
use crate::folder::{Folder, FolderError};
use crate::handle::Handle;
use crate::job::{self, JobError, JobSpec};
use crate::keeper::Keeper;
use crate::notice::Notice;
use crate::state::JobState;
use crate::supervise::supervise;
use crate::worker::{AnyWorker, Worker};

/// It looks at the clock at least so often, since nobody tells when that is set or the machine wakes up.
pub(crate) const LOOK: Duration = Duration::from_secs(30);
/// Not below a timer's grain.
const SHORTEST: Duration = Duration::from_millis(1);
/// How long telling of one event may take.
const TELLING: Duration = Duration::from_mins(5);
/// So many events are told at a time.
const TELLERS: usize = 16;

/// How jobs are served.
#[derive(Debug, Clone)]
pub struct Options {
    /// So many runs go on at a time.
    pub concurrency: usize,
    /// How long a run may take to end once it was asked to, before it counts as hung.
    pub grace: Duration,
    /// Where state survives a restart and where the control socket is. None: nothing survives, nobody can ask.
    pub state_dir: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrency: 4, grace: Duration::from_secs(30), state_dir: None, clock: Arc::new(SystemClock) }
    }
}

/// Why jobs are not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A job that cannot be.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The state folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Reading what was kept broke off.
    #[error("reading the state folder broke inside planb: {0}")]
    Broken(#[source] tokio::task::JoinError),
}

/// Jobs that are about to be served.
#[derive(Debug)]
pub struct Serve {
    jobs: Vec<JobSpec>,
    worker: ErasedWorker,
    options: Options,
    folder: Option<Arc<Folder>>,
}

struct ErasedWorker(Arc<dyn AnyWorker>);

impl fmt::Debug for ErasedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

impl Serve {
    /// Takes the state folder. From here on no other planb can serve from it.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn new<W: Worker>(jobs: Vec<JobSpec>, worker: W, options: Options) -> Result<Self, ServeError> {
        job::check(&jobs)?;
        if let Some(folder) = &options.state_dir {
            control::check(folder)?;
        }
        let folder = options.state_dir.as_deref().map(Folder::open).transpose()?.map(Arc::new);
        Ok(Self { jobs, worker: ErasedWorker(Arc::new(worker)), options, folder })
    }

    /// Begins to serve, in tasks of its own. [`Handle::shutdown`] ends it.
    ///
    /// # Errors
    /// [`ServeError::Folder`]: the control socket cannot be made.
    pub async fn start(self) -> Result<Handle, ServeError> {
        let Self { jobs, worker, options, folder } = self;
        let now = options.clock.now();
        let reader = folder.clone();
        let read = move || jobs.into_iter().map(|spec| with_state(spec, reader.as_deref())).collect();
        let jobs = tokio::task::spawn_blocking(read).await.map_err(ServeError::Broken)?;
        let shared = Arc::new(Shared {
            core: Mutex::new(Core::new(jobs, options.concurrency, now)),
            worker: worker.0,
            clock: options.clock,
            grace: options.grace,
            keeper: folder.clone().map(Keeper::new),
            folder,
            wake: Notify::new(),
            ended: Notify::new(),
            changed: watch::Sender::new(0),
            heart: Mutex::new((now, Instant::now())),
            begun: Instant::now(),
            started_at: now,
            end: CancellationToken::new(),
            gone: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
            tellers: Semaphore::new(TELLERS),
            telling: Mutex::default(),
        });
        if let Some(folder) = &shared.folder {
            control::listen(&shared, folder.path())?;
        }
        shared.act(|core, now| core.begin(now.wall));
        if shared.keeper.is_some() {
            let keeping = Arc::clone(&shared);
            shared.runtime.spawn(async move {
                if let Some(keeper) = &keeping.keeper {
                    let _ = keeping.gone.run_until_cancelled(keeper.keep_writing()).await;
                }
            });
        }
        shared.runtime.spawn(turn(Arc::clone(&shared)));
        Ok(Handle::new(shared))
    }
}

/// A job with what was kept of it.
pub(crate) fn with_state(spec: JobSpec, folder: Option<&Folder>) -> (JobSpec, Option<JobState>) {
    let state = folder.and_then(|folder| folder.load(&spec.name));
    (spec, state)
}

/// What the tasks of one scheduler have in common.
pub(crate) struct Shared {
    core: Mutex<Core>,
    pub(crate) worker: Arc<dyn AnyWorker>,
    clock: Arc<dyn Clock>,
    pub(crate) grace: Duration,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) folder: Option<Arc<Folder>>,
    /// Something changed that the loop has to look at.
    wake: Notify,
    /// A run has ended.
    pub(crate) ended: Notify,
    pub(crate) changed: watch::Sender<u64>,
    /// When the loop last looked, by both clocks.
    heart: Mutex<(Timestamp, Instant)>,
    begun: Instant,
    pub(crate) started_at: Timestamp,
    /// The loop and the socket end.
    pub(crate) end: CancellationToken,
    /// All of it has ended.
    pub(crate) gone: CancellationToken,
    pub(crate) runtime: tokio::runtime::Handle,
    tellers: Semaphore,
    /// The last event of each job that is being told.
    telling: Mutex<HashMap<String, JoinHandle<()>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("started_at", &self.started_at).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), ran: self.begun.elapsed() }
    }

    /// Looks at the scheduler.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&Core, Timestamp) -> T) -> T {
        look(&lock(&self.core), self.clock.now())
    }

    /// Changes the scheduler, and does what it says. The order of what is kept and told is that of the changes: both
    /// are handed over before another change can come.
    pub(crate) fn act<T>(self: &Arc<Self>, change: impl FnOnce(&mut Core, Moment) -> T) -> T {
        let result = self.turn(change);
        self.wake.notify_one();
        result
    }

    fn turn<T>(self: &Arc<Self>, change: impl FnOnce(&mut Core, Moment) -> T) -> T {
        let mut core = lock(&self.core);
        let result = change(&mut core, self.now());
        let effects = core.take_effects();
        let changed = !effects.is_empty();
        for effect in effects {
            self.perform(effect);
        }
        drop(core);
        if changed {
            self.changed.send_modify(|version| *version = version.wrapping_add(1));
        }
        result
    }

    fn perform(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Save(state) => {
                if let Some(keeper) = &self.keeper {
                    keeper.put(*state);
                }
            }
            Effect::Start(state, ticket, active) => {
                let kept = self.keeper.as_ref().map(|keeper| keeper.put(*state));
                self.runtime.spawn(supervise(Arc::clone(self), ticket, active, kept));
            }
            Effect::Tell(notice) => self.tell(notice),
        }
    }

    /// Tells an event behind those of the same job.
    fn tell(self: &Arc<Self>, notice: Notice) {
        let mut telling = lock(&self.telling);
        telling.retain(|_, last| !last.is_finished());
        let job = notice.job().to_owned();
        let (before, shared) = (telling.remove(&job), Arc::clone(self));
        let told = self.runtime.spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let _one = shared.tellers.acquire().await;
            let job = notice.job().to_owned();
            if timeout(TELLING, Arc::clone(&shared.worker).notify(notice)).await.is_err() {
                warn!(job, "telling of an event took too long and was given up");
            }
        });
        telling.insert(job, told);
    }

    /// Waits until all events are told.
    pub(crate) async fn told(&self) {
        let telling: Vec<_> = lock(&self.telling).drain().collect();
        for (_, told) in telling {
            let _ = told.await;
        }
    }

    /// When the loop last looked, and how long ago that is.
    pub(crate) fn heartbeat(&self) -> (Timestamp, Duration) {
        let (at, when) = *lock(&self.heart);
        (at, when.elapsed())
    }
}

/// The loop: looks at the clock, does what is due, sleeps.
async fn turn(shared: Arc<Shared>) {
    loop {
        let next = shared.turn(|core, now| core.look(now));
        *lock(&shared.heart) = (shared.clock.now(), Instant::now());
        let next = next.and_then(|next| Duration::try_from(next).ok()).unwrap_or(LOOK);
        tokio::select! {
            () = sleep(next.clamp(SHORTEST, LOOK)) => {}
            () = shared.wake.notified() => {}
            () = shared.end.cancelled() => return,
        }
    }
}
