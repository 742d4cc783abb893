//! What `planb serve` knows of itself and its jobs at one moment: `planb.status/v1`.
//!
//! `/api/status` and `planb status --output json` print it, the page and the metrics are made from it. Fields are only
//! ever added. Every text in it may come from a database, a store or a settings file, so nothing here is safe to show
//! as it stands.

mod counts;
mod run;

use std::collections::VecDeque;

use jiff::Timestamp;
use planb_model::Blame;
use serde::{Deserialize, Serialize};

pub use counts::{BLAMES, FailureCounts, RunCounts};
pub use run::{DrillSummary, InspectionSummary, LINES, OBJECTS, RunStatus, RunStore, RunSummary};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.status/v1";

/// So many runs of a job are kept and shown.
pub const HISTORY: usize = 100;

/// So many of the newest runs keep the objects that their inspection saw.
pub const INSPECTED: usize = 10;

/// One moment of `planb serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always `planb.status/v1`.
    pub schema: String,
    /// The version of planb.
    pub version: String,
    /// The name of the machine.
    pub host: String,
    /// When this planb began to serve.
    pub started_at: Timestamp,
    /// When this was taken.
    pub now: Timestamp,
    /// Settings are read and the schedule runs.
    pub ready: bool,
    /// Nothing is wrong with planb itself: there are no `reasons`. Failed backups do not count, hung ones do.
    pub healthy: bool,
    /// Why it is not healthy.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Why the last reload was refused. The settings from before it are in force.
    #[serde(default)]
    pub config_problem: Option<String>,
    /// All jobs, in the order of the settings.
    #[serde(default)]
    pub jobs: Vec<JobStatus>,
}

/// Something that is wrong with planb itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub kind: ReasonKind,
    /// The job that it is about.
    #[serde(default)]
    pub job: Option<String>,
    /// For people: one sentence.
    pub detail: String,
}

/// The kinds of [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// A run goes on past its time limit.
    RunHung,
    /// The loop that starts runs did not turn, or does not answer.
    SchedulerStuck,
    /// What has to survive a restart cannot be written.
    StateUnwritable,
    /// Anything else.
    Other,
}

impl ReasonKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RunHung, Self::SchedulerStuck, Self::StateUnwritable, Self::Other];

    /// The word in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunHung => "run-hung",
            Self::SchedulerStuck => "scheduler-stuck",
            Self::StateUnwritable => "state-unwritable",
            Self::Other => "other",
        }
    }
}

/// One job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its name in the settings.
    pub name: String,
    /// Whether it is run at all.
    pub enabled: bool,
    /// The engine's key: `pg`.
    pub engine: String,
    /// The database, or the word for the whole server.
    pub database: String,
    /// Where it is: `host:port`.
    #[serde(default)]
    pub server: Option<String>,
    /// The schedule as it was written. None: it is only run when asked to.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The IANA time zone of the schedule.
    #[serde(default)]
    pub timezone: Option<String>,
    /// When it is due.
    #[serde(default)]
    pub next_run: Option<Timestamp>,
    /// A failed run will be tried again then.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
    /// A run is asked for and waits for its turn since then.
    #[serde(default)]
    pub queued_at: Option<Timestamp>,
    /// The run that goes on now.
    #[serde(default)]
    pub running: Option<RunningStatus>,
    /// The newest run that ended.
    #[serde(default)]
    pub last: Option<RunSummary>,
    /// The start of the newest run that left a backup in every store.
    #[serde(default)]
    pub last_success_at: Option<Timestamp>,
    /// The schedule of its drills as it was written.
    #[serde(default)]
    pub drill_schedule: Option<String>,
    /// When a drill is due.
    #[serde(default)]
    pub next_drill: Option<Timestamp>,
    /// The newest drill.
    #[serde(default)]
    pub last_drill: Option<DrillSummary>,
    /// The newest drill that found everything as it was.
    #[serde(default)]
    pub last_drill_ok_at: Option<Timestamp>,
    /// The last good backup may be so old.
    #[serde(default)]
    pub max_age_seconds: Option<u64>,
    /// The last good drill may be so old.
    #[serde(default)]
    pub drill_max_age_seconds: Option<u64>,
    /// The last good backup is older than it may be.
    #[serde(default)]
    pub stale: bool,
    /// The last good drill is older than it may be.
    #[serde(default)]
    pub drill_stale: bool,
    /// Runs that ended, newest last, at most [`HISTORY`].
    #[serde(default)]
    pub history: Vec<RunSummary>,
    /// Runs that ended, by how.
    #[serde(default)]
    pub runs: RunCounts,
    /// Runs that failed, by whose fault it was.
    #[serde(default)]
    pub failures: FailureCounts,
    /// What its retention did.
    #[serde(default)]
    pub retention: Option<RetentionStatus>,
    /// The stores that it writes to.
    #[serde(default)]
    pub stores: Vec<StoreStatus>,
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningStatus {
    /// Its id, which its backup will have.
    pub run_id: String,
    /// What it does: `backup`, `drill`, `prune`. None is a backup.
    #[serde(default)]
    pub work: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// Where it is: `preparing`, `dumping`, `streaming`, `finishing`.
    pub stage: String,
    /// Bytes before compression so far.
    pub bytes: u64,
    /// How many there may be.
    #[serde(default)]
    pub expected_bytes: Option<u64>,
    /// When it will be ended.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// It was to end and did not, as whoever runs it found.
    #[serde(default)]
    pub hung: bool,
}

/// What a job's retention did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionStatus {
    /// Backups that the last pass kept, in all stores.
    pub kept: u64,
    /// Backups removed by all passes since the first that planb remembers.
    pub removed: u64,
    /// When the last pass was.
    #[serde(default)]
    pub last_at: Option<Timestamp>,
    /// Why the last pass could not be finished.
    #[serde(default)]
    pub error: Option<String>,
}

/// A store of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Its name in the settings, or its URL.
    pub name: String,
    /// Its URL, without secrets.
    #[serde(default)]
    pub url: Option<String>,
    /// The last use of it went well.
    pub ok: bool,
    /// Why not.
    #[serde(default)]
    pub error: Option<String>,
    /// How long it last took to answer a small request.
    #[serde(default)]
    pub last_latency_ms: Option<u64>,
    /// Backups of this job in it.
    #[serde(default)]
    pub backups: Option<u64>,
    /// Their size as stored.
    #[serde(default)]
    pub bytes: Option<u64>,
}

impl JobStatus {
    /// Takes in a run that ended: history, counters, last and last good one, each within its bound.
    pub fn record(&mut self, mut run: RunSummary) {
        run.warnings.truncate(LINES);
        self.runs.add(run.status);
        if run.status == RunStatus::Failed {
            self.failures.add(run.blame.unwrap_or(Blame::PlanB));
        }
        if run.status == RunStatus::Success {
            self.last_success_at = self.last_success_at.max(Some(run.started_at));
        }
        self.last = Some(run.clone());
        let mut history = VecDeque::from(std::mem::take(&mut self.history));
        history.push_back(run);
        while history.len() > HISTORY {
            history.pop_front();
        }
        self.history = history.into();
        let plain = self.history.len().saturating_sub(INSPECTED);
        for old in self.history.iter_mut().take(plain) {
            old.inspection = None;
        }
    }

    /// Takes in a drill that ended, and notes it at its backup.
    pub fn record_drill(&mut self, drill: DrillSummary) {
        if drill.ok {
            self.last_drill_ok_at = self.last_drill_ok_at.max(Some(drill.at));
        }
        for run in self.history.iter_mut().chain(self.last.as_mut()).filter(|run| run.id == drill.id) {
            run.drill = Some(drill.clone());
        }
        self.last_drill = Some(drill);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn run(id: usize, status: RunStatus) -> RunSummary {
        RunSummary {
            id: id.to_string(),
            started_at: Timestamp::from_second(i64::try_from(id).unwrap()).unwrap(),
            duration_ms: 1,
            status,
            plain_bytes: 0,
            stored_bytes: 0,
            rows: None,
            objects: None,
            error: None,
            hint: None,
            blame: None,
            warnings: Vec::new(),
            stores: Vec::new(),
            inspection: Some(InspectionSummary::default()),
            drill: None,
        }
    }

    proptest! {
        #[test]
        fn a_job_stays_bounded_and_its_counters_are_those_of_its_runs(kinds in proptest::collection::vec(0..4usize, 1..250)) {
            let mut job = JobStatus::default();
            for (id, kind) in kinds.iter().enumerate() {
                job.record(run(id, RunStatus::ALL[*kind]));
            }
            prop_assert_eq!(job.history.len(), kinds.len().min(HISTORY));
            prop_assert_eq!(&job.history.last().unwrap().id, &(kinds.len() - 1).to_string());
            prop_assert!(job.history.iter().filter(|run| run.inspection.is_some()).count() <= INSPECTED);
            for status in RunStatus::ALL {
                let seen = kinds.iter().filter(|kind| RunStatus::ALL[**kind] == status).count() as u64;
                prop_assert_eq!(job.runs.of(status), seen);
            }
            let good = kinds.iter().rposition(|kind| RunStatus::ALL[*kind] == RunStatus::Success);
            let good = good.map(|id| run(id, RunStatus::Success).started_at);
            prop_assert_eq!(job.last_success_at, good);
        }
    }

    #[test]
    fn a_drill_is_noted_at_its_backup() {
        let mut job = JobStatus::default();
        job.record(run(1, RunStatus::Success));
        job.record(run(2, RunStatus::Success));
        let at = Timestamp::from_second(9).unwrap();
        let drill = DrillSummary { id: "1".into(), at, duration_ms: 5, ok: false, error: None, checks: Vec::new() };
        job.record_drill(drill.clone());
        assert_eq!((job.last_drill_ok_at, job.last_drill.as_ref()), (None, Some(&drill)));
        assert_eq!(job.history[0].drill, Some(drill.clone()));
        assert_eq!(job.history[1].drill, None);
        job.record_drill(DrillSummary { ok: true, id: "2".into(), ..drill });
        assert_eq!(job.last_drill_ok_at, Some(at));
        assert!(job.last.unwrap().drill.unwrap().ok);
    }

    #[test]
    fn a_status_of_another_version_is_read() {
        let text = r#"{"schema":"planb.status/v1","version":"9","host":"h","started_at":"2026-01-01T00:00:00Z",
            "now":"2026-01-01T00:00:00Z","ready":true,"healthy":true,"from_the_future":1,
            "jobs":[{"name":"a","enabled":true,"engine":"pg","database":"d"}]}"#;
        let snapshot: Snapshot = serde_json::from_str(text).unwrap();
        assert_eq!(snapshot.jobs[0].name, "a");
        let again: Snapshot = serde_json::from_str(&serde_json::to_string(&snapshot).unwrap()).unwrap();
        assert_eq!(again, snapshot);
    }
}
