//! What goes on, at one moment.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::outcome::{Cause, Record, Work};
use crate::state::{Counters, History, Retry};

/// The value of `schema`.
pub const SNAPSHOT_SCHEMA: &str = "planb.serve/v1";

/// One moment of a scheduler. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always `planb.serve/v1`.
    pub schema: String,
    /// When this was taken.
    pub now: Timestamp,
    /// When it began to serve.
    pub started_at: Timestamp,
    /// Whether planb itself is well.
    pub health: Health,
    /// It is about to end.
    pub stopping: bool,
    /// So many runs go on at a time.
    pub concurrency: usize,
    /// So many go on, the hung ones counted.
    pub running: usize,
    /// So many wait for their turn.
    pub queued: usize,
    /// Why the last reload was refused: the jobs from before it are in force.
    #[serde(default)]
    pub reload_problem: Option<String>,
    /// The jobs, by name.
    pub jobs: Vec<JobSnapshot>,
}

/// Whether planb itself is well. Failed and stale backups are not its illness; a run that does not end is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// There are no reasons.
    pub healthy: bool,
    /// It takes triggers: it serves and is not about to end.
    pub ready: bool,
    /// What is wrong.
    pub reasons: Vec<Reason>,
    /// When the scheduler last looked at the clock. It does so every 30 seconds at least.
    pub heartbeat_at: Timestamp,
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
    /// A run goes on although it was asked to end.
    RunHung,
    /// The scheduler does not look at the clock any more.
    SchedulerStuck,
    /// What has to survive a restart cannot be written.
    StateUnwritable,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSnapshot {
    /// Its name.
    pub name: String,
    /// Whether it is run at all.
    pub enabled: bool,
    /// It is no longer in the settings and goes when its run ends.
    pub removed: bool,
    /// The time zone of its schedules.
    pub zone: String,
    /// Its backups.
    pub backup: WorkSnapshot,
    /// Its drills.
    pub drill: WorkSnapshot,
    /// A failed backup that will be tried again.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// The newest removal of old backups.
    #[serde(default)]
    pub last_prune: Option<Record>,
    /// When planb first knew it.
    pub known_since: Timestamp,
}

/// A job's backups, or its drills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkSnapshot {
    /// The schedule as it was written. None: there is none.
    #[serde(default)]
    pub schedule: Option<String>,
    /// And in words.
    #[serde(default)]
    pub schedule_words: Option<String>,
    /// When it is due, its jitter added.
    #[serde(default)]
    pub next_run: Option<Timestamp>,
    /// The run that waits for its turn.
    #[serde(default)]
    pub queued: Option<Queued>,
    /// The run that goes on.
    #[serde(default)]
    pub running: Option<Running>,
    /// The newest that ended.
    #[serde(default)]
    pub last: Option<Record>,
    /// The newest good one.
    #[serde(default)]
    pub last_good: Option<Record>,
    /// When it began.
    #[serde(default)]
    pub last_good_at: Option<Timestamp>,
    /// How old it may be.
    #[serde(default)]
    pub max_age: Option<SignedDuration>,
    /// It is older.
    #[serde(default)]
    pub stale: Option<Staleness>,
    /// So many in a row were not good.
    pub failures: u32,
    /// Counts since the first that planb remembers.
    pub counters: Counters,
    /// Those that ended, newest last. Left out of an answer that was asked for without.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub history: History,
}

/// The last good one is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// Since then.
    pub since: Timestamp,
    /// When that was last told.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
}

/// A run that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Its id.
    pub run_id: String,
    /// Why it was asked for.
    pub cause: Cause,
    /// When.
    pub since: Timestamp,
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its id.
    pub run_id: String,
    /// What it does by now: a backup is followed by the removal of old ones.
    pub work: Work,
    /// Why it was begun.
    pub cause: Cause,
    /// 1, and one more with each retry.
    pub attempt: u32,
    /// The tick that it is for.
    pub tick: Timestamp,
    /// When it began.
    pub since: Timestamp,
    /// When it is asked to end.
    pub deadline: Timestamp,
    /// Where it is: `streaming`.
    pub stage: String,
    /// Bytes before compression so far.
    pub bytes: u64,
    /// Bytes as stored so far.
    pub stored_bytes: u64,
    /// How many there may be.
    #[serde(default)]
    pub expected_bytes: Option<u64>,
    /// It was asked to end, its time being over.
    pub over_time: bool,
    /// And did not.
    pub hung: bool,
}

impl JobSnapshot {
    /// Its backups or its drills.
    pub fn of(&self, work: Work) -> &WorkSnapshot {
        if work == Work::Drill { &self.drill } else { &self.backup }
    }
}

impl Snapshot {
    /// The job of this name.
    pub fn job(&self, name: &str) -> Option<&JobSnapshot> {
        self.jobs.iter().find(|job| job.name == name)
    }

    /// Without the runs of the past.
    #[must_use]
    pub fn without_history(mut self) -> Self {
        for job in &mut self.jobs {
            job.backup.history = History::default();
            job.drill.history = History::default();
        }
        self
    }
}
