//! A clock that a test sets and a worker that does what it is told to, in the runtime's paused time.
#![allow(dead_code, clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests; each uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use planb_model::Blame;
use planb_model::schedule::Schedule;
use planb_runner::{
    Cause, Clock, Handle, JobSnapshot, JobSpec, Notice, Options, Outcome, Record, RunContext, Serve, Status, Work,
    Worker,
};
use tokio::time::Instant;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

pub(crate) fn mins(mins: u64) -> Duration {
    Duration::from_mins(mins)
}

pub(crate) fn job(name: &str, schedule: &str) -> JobSpec {
    JobSpec { retries: 0, ..JobSpec::new(name, Schedule::parse(schedule).unwrap()) }
}

/// The wall's time runs with the runtime's, from a day on that a test chooses, until it is set.
#[derive(Debug)]
pub(crate) struct FakeClock {
    start: Timestamp,
    begun: Instant,
    skew: AtomicI64,
}

impl FakeClock {
    pub(crate) fn new(start: &str) -> Arc<Self> {
        Arc::new(Self { start: at(start), begun: Instant::now(), skew: AtomicI64::new(0) })
    }

    /// The clock is put forward or back, or the machine sleeps.
    pub(crate) fn jump(&self, seconds: i64) {
        self.skew.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).unwrap();
        self.start + passed + SignedDuration::from_secs(self.skew.load(Ordering::SeqCst))
    }
}

/// A run that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) job: String,
    pub(crate) work: Work,
    pub(crate) cause: Cause,
    pub(crate) attempt: u32,
    pub(crate) tick: Timestamp,
    pub(crate) run_id: String,
    pub(crate) at: Timestamp,
}

/// What a run does.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) takes: Duration,
    pub(crate) outcome: Outcome,
    /// It ends when it is asked to.
    pub(crate) heeds: bool,
}

impl Plan {
    pub(crate) fn good(takes: Duration) -> Self {
        Self { takes, outcome: Outcome::success(), heeds: true }
    }

    pub(crate) fn bad(takes: Duration) -> Self {
        Self { takes, outcome: Outcome::failed(Blame::Database, "the server is not there"), heeds: true }
    }

    pub(crate) fn for_ever() -> Self {
        Self { takes: Duration::from_hours(24 * 365 * 10), outcome: Outcome::success(), heeds: false }
    }
}

type Planner = Box<dyn Fn(&Begun) -> Plan + Send + Sync>;

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) begun: Vec<Begun>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) going_on: BTreeMap<String, usize>,
    /// Jobs of which two runs were seen at once.
    pub(crate) overlaps: BTreeSet<String>,
    pub(crate) most: usize,
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) seen: Mutex<Seen>,
    planner: Planner,
    /// Nobody can be told anything.
    pub(crate) deaf: AtomicBool,
    pub(crate) next_jobs: Mutex<Option<Vec<JobSpec>>>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bench")
    }
}

/// The bench as a worker.
pub(crate) struct Hand(pub(crate) Arc<Bench>);

impl Bench {
    /// `planner` says what each run does; removals are skipped where it says nothing else of `Work::Prune`.
    pub(crate) fn new(start: &str, planner: impl Fn(&Begun) -> Plan + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            clock: FakeClock::new(start),
            seen: Mutex::default(),
            planner: Box::new(planner),
            deaf: AtomicBool::new(false),
            next_jobs: Mutex::default(),
        })
    }

    /// All runs are good and take so long.
    pub(crate) fn good(start: &str, takes: Duration) -> Arc<Self> {
        Self::new(start, move |begun| match begun.work {
            Work::Prune => Plan { outcome: Outcome::skipped("no retention"), ..Plan::good(Duration::ZERO) },
            Work::Backup | Work::Drill => Plan::good(takes),
        })
    }

    pub(crate) fn options(&self, state_dir: Option<&Path>) -> Options {
        Options {
            concurrency: 4,
            grace: Duration::from_secs(30),
            state_dir: state_dir.map(Path::to_path_buf),
            clock: self.clock.clone(),
        }
    }

    pub(crate) async fn serve(self: &Arc<Self>, jobs: Vec<JobSpec>) -> Handle {
        self.serve_with(jobs, self.options(None)).await
    }

    pub(crate) async fn serve_from(self: &Arc<Self>, jobs: Vec<JobSpec>, state_dir: &Path) -> Handle {
        self.serve_with(jobs, self.options(Some(state_dir))).await
    }

    pub(crate) async fn serve_with(self: &Arc<Self>, jobs: Vec<JobSpec>, options: Options) -> Handle {
        Serve::new(jobs, Hand(Arc::clone(self)), options).unwrap().start().await.unwrap()
    }

    /// The backups that have begun, as `cause tick`.
    pub(crate) fn backups(&self, job: &str) -> Vec<String> {
        self.begun(job, Work::Backup)
    }

    pub(crate) fn begun(&self, job: &str, work: Work) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let of = seen.begun.iter().filter(|begun| begun.job == job && begun.work == work);
        of.map(|begun| format!("{:?} {}", begun.cause, begun.tick.strftime("%dT%H:%M"))).collect()
    }

    pub(crate) fn count(&self, job: &str, work: Work) -> usize {
        self.begun(job, work).len()
    }

    /// What was told of a job, in short.
    pub(crate) fn told(&self, job: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.notices.iter().filter(|notice| notice.job() == job).map(brief).collect()
    }

    pub(crate) fn records(&self, job: &str) -> Vec<Record> {
        let seen = self.seen.lock().unwrap();
        let of = seen.notices.iter().filter(|notice| notice.job() == job);
        of.filter_map(|notice| match notice {
            Notice::Finished { record, .. } => Some(Record::clone(record)),
            _ => None,
        })
        .collect()
    }

    async fn work(&self, job: &str, work: Work, run: RunContext) -> Outcome {
        let begun = Begun {
            job: job.to_owned(),
            work,
            cause: run.cause,
            attempt: run.attempt,
            tick: run.tick,
            run_id: run.run_id.clone(),
            at: self.clock.now(),
        };
        let plan = (self.planner)(&begun);
        let removes = work == Work::Prune && plan.outcome.status == Status::Skipped;
        if !removes {
            let mut seen = self.seen.lock().unwrap();
            seen.begun.push(begun);
            let count = seen.going_on.entry(job.to_owned()).or_default();
            *count += 1;
            if *count > 1 {
                seen.overlaps.insert(job.to_owned());
            }
            let all = seen.going_on.values().sum();
            seen.most = seen.most.max(all);
        }
        run.progress.set_stage("streaming");
        run.progress.set_plain(17);
        let stopped = async {
            if plan.heeds {
                run.stop.token().cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let outcome = tokio::select! {
            () = tokio::time::sleep(plan.takes) => plan.outcome,
            () = stopped => Outcome::failed(Blame::Settings, "ended early"),
        };
        if !removes {
            *self.seen.lock().unwrap().going_on.get_mut(job).unwrap() -= 1;
        }
        outcome
    }
}

fn brief(notice: &Notice) -> String {
    match notice {
        Notice::Started { work, cause, .. } => format!("started {work:?} {cause:?}"),
        Notice::Finished { record, recovered, retry_at, failures, .. } => format!(
            "{:?} {:?}{}{}{}",
            record.work,
            record.outcome.status,
            if *recovered { " recovered" } else { "" },
            if retry_at.is_some() { " again" } else { "" },
            if *failures > 0 { format!(" x{failures}") } else { String::new() },
        ),
        Notice::Hung { .. } => "hung".to_owned(),
        Notice::Stale { work, repeated, .. } => format!("stale {work:?}{}", if *repeated { " still" } else { "" }),
        Notice::Fresh { work, .. } => format!("fresh {work:?}"),
    }
}

impl Worker for Hand {
    async fn run(&self, job: &str, run: RunContext) -> Outcome {
        self.0.work(job, Work::Backup, run).await
    }

    async fn drill(&self, job: &str, run: RunContext) -> Outcome {
        self.0.work(job, Work::Drill, run).await
    }

    async fn prune(&self, job: &str, run: RunContext) -> Outcome {
        self.0.work(job, Work::Prune, run).await
    }

    async fn notify(&self, notice: Notice) {
        if self.0.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.0.seen.lock().unwrap().notices.push(notice);
    }

    async fn reread(&self) -> Result<Vec<JobSpec>, String> {
        self.0.next_jobs.lock().unwrap().take().ok_or_else(|| "line 3: a job without a database".to_owned())
    }
}

pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A job as it is now.
pub(crate) fn shown(handle: &Handle, job: &str) -> JobSnapshot {
    handle.snapshot().job(job).unwrap().clone()
}
