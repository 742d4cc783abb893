//! What the scheduler notices, and what a single run comes to, as events for people and programs.

use jiff::Timestamp;
use planb_config::JobConfig;
use planb_model::Blame;
use planb_notify::{Event, Kind, Phase, Previous, Problem, Pruned, Staleness, Status, StoreResult, Wanted};
use planb_runner::{Cause, Notice, Outcome, Record, StoreOutcome, Work};
use planb_store::holder;
use serde_json::Value;

use crate::jobs::Jobs;
use crate::jobs::execute::Executed;
use crate::jobs::worker::outcome;
use crate::report::Report;

/// What is told of a notice. `job_id`: under which a platform knows the job.
pub(crate) fn event(notice: &Notice, job_id: Option<&str>) -> Event {
    let mut event = match notice {
        Notice::Started { job, run_id, work, at, .. } => Event {
            run_id: Some(run_id.clone()),
            started_at: Some(*at),
            ..Event::new(kind(*work), Phase::Started, Status::Running, job)
        },
        Notice::Finished { job, record, previous, previous_good, retry_at, failures, .. } => {
            let mut event = finished(job, record);
            event.previous_status = previous.as_ref().map(|record| status(record.outcome.status));
            event.previous = previous_good
                .as_ref()
                .map(|record| Previous { plain_bytes: Some(record.outcome.plain_bytes), rows: record.outcome.rows });
            event.retry_at = *retry_at;
            event.failures = Some(*failures);
            event
        }
        Notice::Hung { job, run_id, work, since, limit } => Event {
            run_id: Some(run_id.clone()),
            started_at: Some(*since),
            error: Some(Problem {
                message: format!(
                    "the {} goes on although its time of {limit:#} is over and it was asked to end",
                    if *work == Work::Drill { "drill" } else { "run" }
                ),
                blame: Some(Blame::Tool),
                hint: Some("look at its processes; a restart of planb ends them".to_owned()),
                last_words: None,
            }),
            ..Event::new(Kind::Hung, Phase::Started, Status::Running, job)
        },
        Notice::Stale { job, work, last_good_at, limit, since, .. } => Event {
            stale: Some(staleness(*work, *last_good_at, *limit, *since)),
            ..Event::new(Kind::Stale, Phase::Finished, Status::Failed, job)
        },
        Notice::Fresh { job, work, last_good_at, stale_since } => Event {
            stale: Some(staleness(*work, *last_good_at, jiff::SignedDuration::ZERO, *stale_since)),
            previous_status: Some(Status::Failed),
            ..Event::new(Kind::Stale, Phase::Finished, Status::Recovered, job)
        },
    };
    event.job_id = job_id.map(str::to_owned);
    event.host = Some(holder().host.clone());
    event
}

/// The end of a run.
pub(crate) fn finished(job: &str, record: &Record) -> Event {
    let outcome = &record.outcome;
    let text = |name: &str| outcome.detail.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| outcome.detail.get(name).and_then(Value::as_u64);
    Event {
        run_id: Some(record.run_id.clone()),
        backup_id: outcome.backup_id.clone(),
        engine: text("engine"),
        database: text("database"),
        server: text("server"),
        started_at: Some(record.started_at),
        duration_ms: Some(record.duration_ms),
        plain_bytes: (outcome.plain_bytes > 0).then_some(outcome.plain_bytes),
        stored_bytes: (outcome.stored_bytes > 0).then_some(outcome.stored_bytes),
        rows: outcome.rows,
        stores: outcome.stores.iter().map(store).collect(),
        object_key: outcome.stores.iter().find_map(|store| store.key.clone()),
        pruned: (record.work == Work::Prune).then(|| Pruned {
            removed: number("removed").unwrap_or_default(),
            kept: number("kept").unwrap_or_default(),
            freed_bytes: number("freed_bytes").unwrap_or_default(),
        }),
        warnings: outcome.warnings.clone(),
        error: problem(outcome),
        ..Event::new(kind(record.work), Phase::Finished, status(outcome.status), job)
    }
}

fn problem(outcome: &Outcome) -> Option<Problem> {
    let message = outcome.error.clone()?;
    let last_words = outcome.detail.get("last_words").and_then(Value::as_str).map(str::to_owned);
    Some(Problem { message, blame: outcome.blame, hint: outcome.hint.clone(), last_words })
}

fn store(store: &StoreOutcome) -> StoreResult {
    StoreResult {
        url: store.store.clone(),
        status: if store.ok { Status::Success } else { Status::Failed },
        key: store.key.clone(),
        error: store.error.clone(),
    }
}

fn kind(work: Work) -> Kind {
    match work {
        Work::Backup => Kind::Run,
        Work::Drill => Kind::Drill,
        Work::Prune => Kind::Prune,
    }
}

fn status(status: planb_runner::Status) -> Status {
    match status {
        planb_runner::Status::Success => Status::Success,
        planb_runner::Status::Partial => Status::Partial,
        planb_runner::Status::Failed => Status::Failed,
        planb_runner::Status::Skipped => Status::Skipped,
    }
}

fn staleness(work: Work, last: Option<Timestamp>, limit: jiff::SignedDuration, since: Timestamp) -> Staleness {
    let now = Timestamp::now();
    let whole = |time: jiff::SignedDuration| u64::try_from(time.as_secs()).unwrap_or_default();
    Staleness {
        wanted: if work == Work::Drill { Wanted::Drill } else { Wanted::Backup },
        last,
        // Where there never was one, it is as old as our knowledge of the job.
        age_seconds: whole(
            last.map_or_else(|| now.duration_since(since).saturating_add(limit), |at| now.duration_since(at)),
        ),
        limit_seconds: whole(limit),
    }
}

/// One run outside `planb serve`, and who is told of it.
pub(crate) struct Once<'j> {
    jobs: &'j Jobs,
    job: &'j JobConfig,
    run_id: String,
    begun: Timestamp,
}

impl<'j> Once<'j> {
    /// Tells that it has begun.
    pub(crate) async fn begin(jobs: &'j Jobs, job: &'j JobConfig) -> Self {
        let once = Self { jobs, job, run_id: uuid::Uuid::new_v4().to_string(), begun: Timestamp::now() };
        let notice = Notice::Started {
            job: job.job.clone(),
            run_id: once.run_id.clone(),
            work: Work::Backup,
            cause: Cause::Trigger,
            attempt: 1,
            at: once.begun,
        };
        once.send(&notice).await;
        once
    }

    /// Tells how it ended.
    pub(crate) async fn end(self, executed: &Executed) {
        let took = Timestamp::now().duration_since(self.begun).as_millis();
        let record = Record {
            run_id: self.run_id.clone(),
            work: Work::Backup,
            cause: Cause::Trigger,
            attempt: 1,
            tick: self.begun,
            started_at: self.begun,
            duration_ms: u64::try_from(took).unwrap_or_default(),
            outcome: outcome(executed),
        };
        let notice = Notice::Finished {
            job: self.job.job.clone(),
            record: Box::new(record),
            previous: None,
            previous_good: None,
            recovered: false,
            failures: 0,
            retry_at: None,
        };
        self.send(&notice).await;
    }

    async fn send(&self, notice: &Notice) {
        let event = event(notice, self.jobs.job_id.as_deref());
        self.jobs.notifier.send_to(&event, |target| self.job.notify.iter().any(|name| name == target)).await;
    }
}

/// A restore, and who is told of it.
pub(crate) struct Restoring<'j> {
    jobs: &'j Jobs,
    job: &'j JobConfig,
    begun: Timestamp,
}

impl<'j> Restoring<'j> {
    /// Tells that it has begun.
    pub(crate) async fn begin(jobs: &'j Jobs, job: &'j JobConfig) -> Self {
        let restoring = Self { jobs, job, begun: Timestamp::now() };
        restoring.send(Phase::Started, Status::Running, None).await;
        restoring
    }

    /// Tells how it ended.
    pub(crate) async fn end(self, error: Option<&Report>) {
        let status = if error.is_some() { Status::Failed } else { Status::Success };
        self.send(Phase::Finished, status, error).await;
    }

    async fn send(&self, phase: Phase, status: Status, error: Option<&Report>) {
        let took = Timestamp::now().duration_since(self.begun).as_millis();
        let event = Event {
            job_id: self.jobs.job_id.clone(),
            host: Some(holder().host.clone()),
            started_at: Some(self.begun),
            duration_ms: (phase == Phase::Finished).then(|| u64::try_from(took).unwrap_or_default()),
            error: error.map(|report| Problem {
                message: report.message.clone(),
                blame: Some(report.blame),
                hint: report.hint.clone(),
                last_words: report.last_words.clone(),
            }),
            ..Event::new(Kind::Restore, phase, status, &self.job.job)
        };
        self.jobs.notifier.send_to(&event, |target| self.job.notify.iter().any(|name| name == target)).await;
    }
}
