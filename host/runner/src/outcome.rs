//! What became of a run: what the worker says, and the record that is kept of it.

use jiff::Timestamp;
use planb_model::Blame;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An error's text is kept up to here.
const LONGEST_ERROR: usize = 4096;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All of it was done.
    Success,
    /// Some stores have the backup. It does not count as a good one: a store is without.
    Partial,
    /// None has.
    Failed,
    /// It was not begun, since there was nothing to do or another planb was at it.
    Skipped,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Takes a backup.
    Backup,
    /// Restores one into a throw-away server.
    Drill,
    /// Removes old ones, behind a backup.
    Prune,
}

/// Why a run was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its tick.
    Schedule,
    /// planb started (`on_start`, or a schedule of `once`).
    Start,
    /// Ticks were missed, or a run was cut off.
    CatchUp,
    /// Somebody asked.
    Trigger,
    /// The one before failed.
    Retry,
}

/// What became of it in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreOutcome {
    /// Its name in the settings, or its URL without secrets.
    pub store: String,
    /// Whether it has the backup.
    pub ok: bool,
    /// The dump's object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the worker says of a run. Texts in it have been through the redactor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The backup's id, where there is one: the one made, or the one that was drilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_id: Option<String>,
    /// Bytes before compression.
    #[serde(default)]
    pub plain_bytes: u64,
    /// Bytes as stored.
    #[serde(default)]
    pub stored_bytes: u64,
    /// Rows in the dump, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// What failed, or why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whose fault it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// What was odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The stores, each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<StoreOutcome>,
    /// Whether the same again may succeed.
    #[serde(default = "yes")]
    pub retryable: bool,
    /// Whatever else is to be kept with the newest runs: the inspection, the checks of a drill.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

fn yes() -> bool {
    true
}

impl Outcome {
    fn new(status: Status) -> Self {
        Self {
            status,
            backup_id: None,
            plain_bytes: 0,
            stored_bytes: 0,
            rows: None,
            error: None,
            hint: None,
            blame: None,
            warnings: Vec::new(),
            stores: Vec::new(),
            retryable: true,
            detail: Value::Null,
        }
    }

    /// It was done.
    pub fn success() -> Self {
        Self::new(Status::Success)
    }

    /// It was not begun.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self { error: Some(why.into()), ..Self::new(Status::Skipped) }
    }

    /// It failed.
    pub fn failed(blame: Blame, error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), blame: Some(blame), ..Self::new(Status::Failed) }
    }
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub run_id: String,
    /// What it did.
    pub work: Work,
    /// Why it was begun.
    pub cause: Cause,
    /// 1, and one more with each retry.
    pub attempt: u32,
    /// The tick that it was for; without one, when it was asked for.
    pub tick: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Record {
    /// Cuts what has no bound of its own.
    pub(crate) fn bounded(mut self) -> Self {
        for text in [&mut self.outcome.error, &mut self.outcome.hint].into_iter().flatten() {
            if text.len() > LONGEST_ERROR {
                let end = (0..=LONGEST_ERROR).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                text.truncate(end);
                text.push_str(" ...");
            }
        }
        self.outcome.warnings.truncate(20);
        self.outcome.stores.truncate(100);
        self
    }
}
