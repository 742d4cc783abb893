//! What is kept of a job over restarts: `planb.state/v1`. Fields are only ever added.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::outcome::{Cause, Record, Status, Work};

/// The value of `schema`.
pub(crate) const SCHEMA: &str = "planb.state/v1";

/// So many runs of a job are kept, and so many drills.
pub const HISTORY: usize = 100;

/// So many of the newest keep their `detail`, where it is no longer than [`LONGEST_DETAIL`].
const DETAILED: usize = 10;
const LONGEST_DETAIL: usize = 16 * 1024;

/// A job's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobState {
    pub(crate) schema: String,
    pub(crate) job: String,
    /// When planb first knew the job: there are no missed ticks and no age before.
    pub(crate) known_since: Timestamp,
    #[serde(default)]
    pub(crate) backup: LaneState,
    #[serde(default)]
    pub(crate) drill: LaneState,
    #[serde(default)]
    pub(crate) retry: Option<Retry>,
    #[serde(default)]
    pub(crate) last_prune: Option<Record>,
}

/// What is kept of a job's backups, or of its drills.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LaneState {
    /// The schedule that `last_tick` was a tick of, with its zone.
    pub(crate) schedule: Option<String>,
    /// The newest tick that was run, skipped or given up.
    pub(crate) last_tick: Option<Timestamp>,
    /// The run that goes on. Found at a start, it was cut off.
    pub(crate) running: Option<Begun>,
    /// The tick of a run that was cut off, until another run begins.
    pub(crate) interrupted: Option<Timestamp>,
    pub(crate) last_good: Option<Record>,
    pub(crate) last_good_at: Option<Timestamp>,
    pub(crate) failures: u32,
    pub(crate) counters: Counters,
    pub(crate) stale: Option<Stale>,
    pub(crate) history: History,
}

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub(crate) run_id: String,
    pub(crate) cause: Cause,
    pub(crate) attempt: u32,
    pub(crate) tick: Timestamp,
    pub(crate) since: Timestamp,
}

/// Since when the last good one is too old, and when that was last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stale {
    pub(crate) since: Timestamp,
    pub(crate) told_at: Timestamp,
}

/// A failed run that will be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// When.
    pub at: Timestamp,
    /// Which attempt it will be.
    pub attempt: u32,
    /// The tick that it is for.
    pub tick: Timestamp,
}

/// Counts since the first run that planb remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Runs that ended, by how.
    pub by_status: BTreeMap<Status, u64>,
    /// Runs that failed, by whose fault it was: the words of [`planb_model::Blame`].
    pub by_blame: BTreeMap<String, u64>,
    /// Ticks that came while the job was still at it.
    pub skipped_ticks: u64,
    /// Ticks that came while planb was away, or the machine asleep, and that no run was made for.
    pub missed_ticks: u64,
    /// Runs that went on after they were asked to end.
    pub hung: u64,
}

impl JobState {
    pub(crate) fn new(job: &str, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            job: job.to_owned(),
            known_since: now,
            backup: LaneState::default(),
            drill: LaneState::default(),
            retry: None,
            last_prune: None,
        }
    }

    pub(crate) fn lane(&self, work: Work) -> &LaneState {
        if work == Work::Drill { &self.drill } else { &self.backup }
    }

    pub(crate) fn lane_mut(&mut self, work: Work) -> &mut LaneState {
        if work == Work::Drill { &mut self.drill } else { &mut self.backup }
    }
}

impl LaneState {
    /// Keeps a run that ended.
    pub(crate) fn record(&mut self, record: Record) {
        let record = record.bounded();
        let count = self.counters.by_status.entry(record.outcome.status).or_default();
        *count = count.saturating_add(1);
        match record.outcome.status {
            Status::Success => {
                self.failures = 0;
                self.last_good_at = Some(record.started_at);
                self.last_good = Some(detailed(record.clone()));
            }
            Status::Partial | Status::Failed => {
                self.failures = self.failures.saturating_add(1);
                if let Some(blame) = record.outcome.blame {
                    let count = self.counters.by_blame.entry(blame.to_string()).or_default();
                    *count = count.saturating_add(1);
                }
            }
            Status::Skipped => {}
        }
        self.history.push(record);
    }

    /// The newest run that was not skipped.
    pub(crate) fn previous(&self) -> Option<&Record> {
        self.history.iter().rev().find(|record| record.outcome.status != Status::Skipped)
    }
}

fn detailed(mut record: Record) -> Record {
    let length = |detail: &Value| serde_json::to_string(detail).map_or(usize::MAX, |text| text.len());
    if !record.outcome.detail.is_null() && length(&record.outcome.detail) > LONGEST_DETAIL {
        record.outcome.detail = Value::Null;
    }
    record
}

/// Runs that ended, newest last, at most [`HISTORY`]. Copies share their content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(Arc<VecDeque<Record>>);

impl History {
    pub(crate) fn push(&mut self, record: Record) {
        let records = Arc::make_mut(&mut self.0);
        records.push_back(detailed(record));
        while records.len() > HISTORY {
            records.pop_front();
        }
        // The one that just ceased to be among the newest.
        let old = records.len().checked_sub(DETAILED + 1).and_then(|old| records.get_mut(old));
        if let Some(old) = old {
            old.outcome.detail = Value::Null;
        }
    }

    /// From the oldest to the newest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.0.iter()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Record> {
        self.0.back()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut history = Self::default();
        for record in VecDeque::<Record>::deserialize(deserializer)? {
            history.push(record);
        }
        Ok(history)
    }
}
