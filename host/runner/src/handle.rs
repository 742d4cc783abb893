//! What holds a scheduler: asks it, changes it, ends it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::control;
use crate::core::{ReloadReport, TriggerError, Triggered};
use crate::job::{self, JobSpec};
use crate::outcome::Work;
use crate::serve::{LOOK, Shared, with_state};
use crate::snapshot::{Health, Reason, ReasonKind, SNAPSHOT_SCHEMA, Snapshot};

/// What is still to be told when planb ends may take so long.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// A scheduler at work. Copies hold the same one.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

/// What was left when the scheduler ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// How many runs were asked to end before their end.
    pub stopped: usize,
    /// Jobs whose runs did not end. The next start finds that they were cut off.
    pub left: Vec<String>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Begins a backup now, or as soon as there is room.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub fn trigger(&self, job: &str) -> Result<Triggered, TriggerError> {
        self.trigger_work(job, Work::Backup)
    }

    /// Begins a backup or a drill.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub fn trigger_work(&self, job: &str, work: Work) -> Result<Triggered, TriggerError> {
        self.0.act(|core, now| core.trigger(job, work, now.wall))
    }

    /// What goes on. It is answered without the loop, so that it tells when that is stuck.
    pub fn snapshot(&self) -> Snapshot {
        let health = self.health();
        self.0.see(|core, now| {
            let (running, queued) = core.counts();
            Snapshot {
                schema: SNAPSHOT_SCHEMA.to_owned(),
                now,
                started_at: self.0.started_at,
                health,
                stopping: core.stopping,
                concurrency: core.concurrency,
                running,
                queued,
                reload_problem: core.refused.clone(),
                jobs: core.show(now),
            }
        })
    }

    /// Whether planb itself is well.
    pub fn health(&self) -> Health {
        let (heartbeat_at, ago) = self.0.heartbeat();
        let (mut reasons, stopping) = self.0.see(|core, _| (core.hung_runs(), core.stopping));
        // Nothing is started in the time that a shutdown takes.
        if ago > LOOK * 3 && !stopping {
            let detail = format!("the scheduler last looked at the clock at {heartbeat_at}, {} s ago", ago.as_secs());
            reasons.push(Reason { kind: ReasonKind::SchedulerStuck, job: None, detail });
        }
        if let Some(detail) = self.0.keeper.as_ref().and_then(|keeper| keeper.problem()) {
            reasons.push(Reason { kind: ReasonKind::StateUnwritable, job: None, detail });
        }
        Health { healthy: reasons.is_empty(), ready: !stopping, reasons, heartbeat_at }
    }

    /// Changes with everything that [`Handle::snapshot`] shows, but for the progress of runs.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// How many runs may go on at a time, from now on.
    pub fn set_concurrency(&self, concurrency: usize) {
        self.0.act(|core, _| core.concurrency = concurrency.max(1));
    }

    /// Puts these jobs in the place of those before. Runs that go on are left to themselves.
    ///
    /// # Errors
    /// Why these cannot be; the jobs stay as they are.
    pub async fn reload(&self, jobs: Vec<JobSpec>) -> Result<ReloadReport, String> {
        if let Err(error) = job::check(&jobs) {
            return Err(self.refuse(error.to_string()));
        }
        if let Some(keeper) = &self.0.keeper {
            // What is read next has to be the newest.
            keeper.write().await;
        }
        let folder = self.0.folder.clone();
        let known = self.0.see(|core, _| core.jobs.keys().cloned().collect::<BTreeSet<_>>());
        let read = move || {
            let kept = |spec: &JobSpec| folder.as_deref().filter(|_| !known.contains(&spec.name));
            jobs.into_iter()
                .map(|spec| {
                    let kept = kept(&spec);
                    with_state(spec, kept)
                })
                .collect()
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(jobs) => Ok(self.0.act(|core, now| core.reload(jobs, now.wall))),
            Err(error) => Err(self.refuse(error.to_string())),
        }
    }

    /// Has the worker read the settings anew, and takes its jobs.
    ///
    /// # Errors
    /// Why they cannot be used; the jobs stay as they are, and the snapshot says why.
    pub async fn reread(&self) -> Result<ReloadReport, String> {
        match Arc::clone(&self.0.worker).reread().await {
            Ok(jobs) => self.reload(jobs).await,
            Err(error) => Err(self.refuse(error)),
        }
    }

    fn refuse(&self, why: String) -> String {
        warn!(why, "the settings were not taken over: the jobs stay as they are");
        self.0.act(|core, _| core.refused = Some(why.clone()));
        why
    }

    /// Ends: begins no run, waits up to `grace` for those that go on, asks them to end, waits a little longer, keeps
    /// state, tells what is to be told, gives back the folder.
    pub async fn shutdown(&self, grace: Duration) -> Rest {
        let shared = &self.0;
        shared.act(|core, _| core.stop());
        let mut rest = Rest::default();
        if !self.quiet(grace).await {
            rest.stopped = shared.act(|core, _| core.stop_runs());
            info!(runs = rest.stopped, "the grace time is over: the runs that go on are asked to end");
            if !self.quiet(shared.grace).await {
                rest.left = shared.see(|core, _| core.going_on());
                warn!(jobs = ?rest.left, "runs do not end and are left behind");
            }
        }
        shared.end.cancel();
        let _ = timeout(LAST_WORDS, shared.told()).await;
        if let Some(keeper) = &shared.keeper {
            if let Some(folder) = &shared.folder {
                control::remove(folder.path());
            }
            keeper.close().await;
        }
        shared.gone.cancel();
        rest
    }

    /// Waits until no run goes on. Gives whether that came to be in time.
    async fn quiet(&self, time: Duration) -> bool {
        let until = Instant::now().checked_add(time);
        loop {
            let ended = self.0.ended.notified();
            if self.0.see(|core, _| core.going_on().is_empty()) {
                return true;
            }
            let Some(until) = until else {
                ended.await;
                continue;
            };
            if timeout_at(until, ended).await.is_err() {
                return false;
            }
        }
    }

    /// Waits until it has ended.
    pub async fn gone(&self) {
        self.0.gone.cancelled().await;
    }
}
