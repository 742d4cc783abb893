//! Does the work of `planb serve`: runs, drills and prunes the jobs of the settings, and tells of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use planb_config::JobConfig;
use planb_model::Blame;
use planb_model::schedule::Schedule;
use planb_pipeline::{Progress, RunStatus, Stop, StopReason};
use planb_runner::{JobSpec, Notice, Outcome, RunContext, Status, StoreOutcome, Worker};
use serde_json::{Value, json};

use crate::args::Global;
use crate::jobs::execute::{Executed, Own, Pass, Retained, drill, execute, open, retain};
use crate::jobs::{Jobs, arguments, tell};
use crate::report::Report;

/// What is known of a store from the last time it was looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) error: Option<String>,
    pub(crate) latency: Option<Duration>,
    pub(crate) backups: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

/// The settings as they are now, and what was seen of stores. Shared with the status page.
pub(crate) struct House {
    pub(crate) global: Global,
    pub(crate) jobs: RwLock<Arc<Jobs>>,
    pub(crate) seen: Mutex<BTreeMap<String, Vec<Seen>>>,
    /// Backups of each job that were removed since the start.
    pub(crate) removed: Mutex<BTreeMap<String, u64>>,
    /// Of the newest run of each job: with these retention knows a job's backups where it has no label.
    own: Mutex<BTreeMap<String, Arc<Own>>>,
}

/// The worker of [`planb_runner::Serve`].
pub(crate) struct Hands(pub(crate) Arc<House>);

impl House {
    pub(crate) fn new(global: Global, jobs: Jobs) -> Self {
        Self {
            global,
            jobs: RwLock::new(Arc::new(jobs)),
            seen: Mutex::default(),
            removed: Mutex::default(),
            own: Mutex::default(),
        }
    }

    pub(crate) fn jobs(&self) -> Arc<Jobs> {
        Arc::clone(&self.jobs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn job(&self, name: &str) -> Option<(Arc<Jobs>, JobConfig)> {
        let jobs = self.jobs();
        let job = jobs.jobs.get(name)?.clone();
        Some((jobs, job))
    }

    async fn run(&self, name: &str, run: RunContext) -> Outcome {
        let Some((jobs, job)) = self.job(name) else { return gone() };
        let args = match arguments::of(&job, Vec::new(), !jobs.of_environment) {
            Ok(args) => args,
            Err(error) => return failed(&error),
        };
        let stop = stop_of(&run);
        let shown: Arc<Mutex<Vec<Arc<Progress>>>> = Arc::default();
        let begun = Arc::clone(&shown);
        let watch = move |_: &_, progress: &Arc<Progress>| {
            begun.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(progress));
        };
        let progress = Arc::clone(&run.progress);
        let pump = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                let all = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                progress.set_plain(all.iter().map(|one| one.plain()).sum());
                progress.set_stored(all.iter().map(|one| one.stored()).sum());
                progress.set_expected(all.iter().map(|one| one.expected()).sum());
                if let Some(newest) = all.last() {
                    progress.set_stage(newest.stage().as_str());
                }
            }
        });
        let executed = execute(&self.global, &job, &args, &stop, &watch).await;
        pump.abort();
        let own = Arc::new(Own::of(&job, Some(&executed)));
        self.look(&job, &own).await;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), own);
        outcome(&executed)
    }

    async fn drill(&self, name: &str, run: RunContext) -> Outcome {
        let Some((_, job)) = self.job(name) else { return gone() };
        match drill(&self.global, &job, &stop_of(&run)).await {
            Ok(record) => {
                let wrong = record.checks.iter().find(|check| !check.ok);
                let mut outcome = match wrong {
                    None => Outcome::success(),
                    Some(check) => Outcome::failed(
                        Blame::Storage,
                        format!("the backup did not come back as it was: {}: {}", check.name, check.detail),
                    ),
                };
                outcome.backup_id = Some(record.id.clone());
                outcome.detail = json!({ "drill": record });
                outcome
            }
            Err(error) => failed(&error),
        }
    }

    /// Looks at the stores of a job: whether they answer, how fast, and what they hold.
    pub(crate) async fn look(&self, job: &JobConfig, own: &Own) {
        let mut all = Vec::new();
        for config in &job.to {
            let mut seen = Seen { name: config.name.clone(), url: config.url.clone(), ..Seen::default() };
            match open(config) {
                Ok(store) => {
                    seen.url = store.shown().to_owned();
                    let begun = Instant::now();
                    match store.catalogue().await {
                        Ok(catalogue) => {
                            seen.latency = Some(begun.elapsed());
                            let mine = catalogue.entries.iter().filter(|entry| own.has(&entry.manifest));
                            let (mut backups, mut bytes) = (0, 0);
                            for entry in mine {
                                backups += 1;
                                bytes += entry.manifest.stored_bytes;
                            }
                            (seen.backups, seen.bytes) = (Some(backups), Some(bytes));
                        }
                        Err(error) => seen.error = Some(error.to_string()),
                    }
                }
                Err(error) => seen.error = Some(error.message),
            }
            all.push(seen);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(job.job.clone(), all);
    }
}

impl Worker for Hands {
    async fn run(&self, name: &str, run: RunContext) -> Outcome {
        let (house, name) = (Arc::clone(&self.0), name.to_owned());
        apart(move || async move { house.run(&name, run).await }).await
    }

    async fn drill(&self, name: &str, run: RunContext) -> Outcome {
        let (house, name) = (Arc::clone(&self.0), name.to_owned());
        apart(move || async move { house.drill(&name, run).await }).await
    }

    async fn prune(&self, name: &str, run: RunContext) -> Outcome {
        let Some((_, job)) = self.0.job(name) else { return gone() };
        let known = self.0.own.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let own = known.unwrap_or_else(|| Arc::new(Own::of(&job, None)));
        let Some(reports) = retain(&job, &own, Pass::AFTER_A_RUN, &stop_of(&run)).await else {
            return Outcome::skipped("the job has no retention rules");
        };
        self.0.look(&job, &own).await;
        let gone = reports
            .iter()
            .filter_map(|pass| pass.report.as_ref())
            .flat_map(|report| &report.backups)
            .filter(|backup| backup.removed)
            .count();
        let mut removed = self.0.removed.lock().unwrap_or_else(PoisonError::into_inner);
        *removed.entry(name.to_owned()).or_default() += gone as u64;
        drop(removed);
        pruned(&reports)
    }

    async fn notify(&self, notice: Notice) {
        let jobs = self.0.jobs();
        // One whose job has gone is told to nobody: nobody says whom.
        let Some(job) = jobs.jobs.get(notice.job()) else { return };
        let event = tell::event(&notice, jobs.job_id.as_deref());
        jobs.notifier.send_to(&event, |target| job.notify.iter().any(|name| name == target)).await;
    }

    async fn reread(&self) -> Result<Vec<JobSpec>, String> {
        let path: Option<PathBuf> = self.0.jobs().path.clone();
        let Some(path) = path else { return Err("the job is the environment's, which does not change".to_owned()) };
        let jobs = Jobs::read(&path).map_err(|report| report.message)?;
        let specs = specs(&jobs);
        *self.0.jobs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(jobs);
        Ok(specs)
    }
}

/// Does something in a thread of its own: a plugin's session is one thread's at a time.
async fn apart<F>(work: impl FnOnce() -> F + Send + 'static) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work())).await;
    done.unwrap_or_else(|error| Outcome::failed(Blame::PlanB, format!("planb itself broke: {error}")))
}

/// What the scheduler has to know of each job.
pub(crate) fn specs(jobs: &Jobs) -> Vec<JobSpec> {
    let signed = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    jobs.jobs
        .values()
        .map(|job| {
            let schedule = job.schedule.clone().unwrap_or_else(Schedule::manual);
            let default = JobSpec::new(job.job.clone(), schedule);
            JobSpec {
                zone: job.timezone.clone().unwrap_or_else(TimeZone::system),
                jitter: signed(job.jitter),
                on_start: job.on_start,
                catch_up: job.catch_up,
                retries: job.retries,
                retry_delay: signed(job.retry_delay),
                timeout: job.timeout.map_or(default.timeout, signed),
                drill_schedule: job.drill.as_ref().and_then(|drill| drill.schedule.clone()),
                max_age: job.max_age.map(signed),
                max_drill_age: job.max_drill_age.map(signed),
                enabled: job.enabled,
                ..default
            }
        })
        .collect()
}

/// Ends a run when the scheduler asks for it.
fn stop_of(run: &RunContext) -> Arc<Stop> {
    let (stop, asked) = (Arc::new(Stop::default()), run.stop.clone());
    let ends = Arc::downgrade(&stop);
    tokio::spawn(async move {
        asked.token().cancelled().await;
        let Some(stop) = ends.upgrade() else { return };
        stop.now(match asked.reason() {
            Some(planb_runner::StopReason::TimeLimit(limit)) => {
                StopReason::Timeout(Duration::try_from(limit).unwrap_or_default())
            }
            _ => StopReason::Interrupted,
        });
    });
    stop
}

fn gone() -> Outcome {
    Outcome::skipped("the job is no longer in the settings")
}

fn failed(error: &Report) -> Outcome {
    Outcome {
        hint: error.hint.clone(),
        detail: json!({ "last_words": error.last_words }),
        // The same settings fail the same way.
        retryable: error.blame != Blame::Settings || error.exit == crate::exit::Exit::Failed,
        ..Outcome::failed(error.blame, error.message.clone())
    }
}

/// What a run came to, as the scheduler keeps it.
pub(crate) fn outcome(executed: &Executed) -> Outcome {
    let reports: Vec<_> = executed.reports().collect();
    let mut outcome = match executed.error() {
        Some(error) => failed(error),
        None => Outcome::success(),
    };
    outcome.status = match executed.status() {
        RunStatus::Success => Status::Success,
        RunStatus::Partial => Status::Partial,
        RunStatus::Failed => Status::Failed,
        RunStatus::Skipped => Status::Skipped,
    };
    let committed = |status| matches!(status, RunStatus::Success | RunStatus::Partial);
    outcome.backup_id = reports.iter().find(|report| committed(report.status)).map(|report| report.id.clone());
    outcome.plain_bytes = reports.iter().map(|report| report.plain_bytes).sum();
    outcome.stored_bytes = reports.iter().map(|report| report.stored_bytes).sum();
    let counted = reports.iter().filter_map(|report| report.inspection.as_ref());
    let counted: Vec<u64> = counted
        .filter(|inspection| inspection.objects.iter().any(|object| object.rows.is_some()))
        .map(planb_model::engine::Inspection::rows)
        .collect();
    outcome.rows = (!counted.is_empty()).then(|| counted.iter().sum());
    outcome.warnings =
        reports.iter().flat_map(|report| report.warnings.clone()).chain(executed.warnings.clone()).collect();
    for report in &reports {
        for store in &report.stores {
            let ok = store.status == RunStatus::Success && committed(report.status);
            match outcome.stores.iter_mut().find(|known| known.store == store.url) {
                Some(known) if !ok => {
                    known.ok = false;
                    known.error.clone_from(&store.error);
                }
                Some(_) => {}
                None => outcome.stores.push(StoreOutcome {
                    store: store.url.clone(),
                    ok,
                    key: Some(store.key.clone()),
                    error: store.error.clone(),
                }),
            }
        }
    }
    // The partial run of one database has no error of its own.
    if outcome.status == Status::Partial && outcome.error.is_none() {
        outcome.blame = Some(Blame::Storage);
        let failed = outcome.stores.iter().find(|store| !store.ok);
        outcome.error = failed
            .map(|store| format!("{} has no copy: {}", store.store, store.error.as_deref().unwrap_or("it failed")));
    }
    let (engine, database) = match reports.as_slice() {
        [] => (Value::Null, Value::Null),
        [one] => (json!(one.engine), json!(one.database)),
        [first, ..] => (json!(first.engine), json!(format!("{} databases", reports.len()))),
    };
    let last_words = executed.error().and_then(|error| error.last_words.clone());
    outcome.detail = json!({
        "engine": engine,
        "database": database,
        "server": executed.server,
        "last_words": last_words,
        "inspections": reports.iter().filter_map(|report| report.inspection.as_ref()).collect::<Vec<_>>(),
    });
    outcome
}

fn pruned(passes: &[Retained]) -> Outcome {
    let mut outcome = Outcome::success();
    let (mut kept, mut removed, mut freed) = (0_u64, 0_u64, 0_u64);
    for pass in passes {
        if let Some(report) = &pass.report {
            removed += report.backups.iter().filter(|backup| backup.removed).count() as u64;
            kept += report.backups.iter().filter(|backup| !backup.removed).count() as u64;
            freed += report.freed_bytes;
        }
        let told = pass.error.as_ref().map(|error| error.message.clone());
        let store = StoreOutcome { store: pass.store.clone(), ok: told.is_none(), key: None, error: told };
        if let Some(error) = &pass.error {
            let stores = std::mem::take(&mut outcome.stores);
            outcome = Outcome { stores, ..failed(error) };
        }
        outcome.stores.push(store);
    }
    outcome.detail = json!({ "kept": kept, "removed": removed, "freed_bytes": freed });
    outcome
}
