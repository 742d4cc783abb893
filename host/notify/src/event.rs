//! What happened: the one thing that every target is told, each in its own words.

use jiff::Timestamp;
use planb_model::Blame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The value of `schema`.
pub const SCHEMA: &str = "planb.event/v1";

/// Smaller dumps may shrink as they like: their size says little.
const SMALLEST_BYTES: u64 = 4096;
/// Fewer rows likewise.
const SMALLEST_ROWS: u64 = 10;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A backup.
    Run,
    /// A backup put back.
    Restore,
    /// A restore into a throw-away server, compared.
    Drill,
    /// The removal of old backups.
    Prune,
    /// What should have happened and did not: the last good backup or drill is too old.
    Stale,
    /// A run that goes on although its time is over and it was asked to end.
    Hung,
}

/// Whether it begins or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Phase {
    Started,
    Finished,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It has begun.
    Running,
    /// All of it was done.
    Success,
    /// Some of it: a store has no copy.
    Partial,
    /// None of it.
    Failed,
    /// Not begun: another one of the same job was at it.
    Skipped,
    /// What was stale is fresh again.
    Recovered,
}

impl Status {
    /// Something is wrong.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Partial)
    }

    /// Nothing is wrong.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Success | Self::Recovered)
    }

    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Recovered => "recovered",
        }
    }
}

/// What became of one store's copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreResult {
    /// Its URL, which holds no credential.
    pub url: String,
    /// `success` or `failed`.
    pub status: Status,
    /// The object, where there is one.
    pub key: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
}

/// The backup of the same job before this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Previous {
    /// Bytes of its dump.
    pub plain_bytes: Option<u64>,
    /// Rows in it, where they were counted.
    pub rows: Option<u64>,
}

/// This backup against the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Percent of bytes more (or, negative, less).
    pub plain_bytes_percent: Option<i64>,
    /// Percent of rows more (or, negative, less).
    pub rows_percent: Option<i64>,
    /// Half of it or more is gone: a warning, and a reason to tell those who hear of failures alone.
    pub shrank: bool,
}

/// What is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Staleness {
    /// What is missing.
    pub wanted: Wanted,
    /// The last good one. None: there was never one.
    pub last: Option<Timestamp>,
    /// Its age, or the time since the job is known.
    pub age_seconds: u64,
    /// The age that is allowed.
    pub limit_seconds: u64,
}

/// What should have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Wanted {
    Backup,
    Drill,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Backups that are gone.
    pub removed: u64,
    /// Backups that stay.
    pub kept: u64,
    /// Stored bytes that are free again.
    pub freed_bytes: u64,
}

/// An error as people are told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What failed.
    pub message: String,
    /// Whose fault it is.
    pub blame: Option<Blame>,
    /// What to do.
    pub hint: Option<String>,
    /// The end of what the tool said.
    pub last_words: Option<String>,
}

/// What happened. Texts in it have been through the redactor already.
///
/// Make one by [`Event::new`] and set what is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Always `planb.event/v1`. Fields are only ever added.
    pub schema: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// Whether it begins or is over.
    pub phase: Phase,
    /// How it stands.
    pub status: Status,
    /// How the last one of the same job and kind ended that was not skipped. None: there was none.
    pub previous_status: Option<Status>,
    /// So many in a row, with this one, did not end well.
    pub failures: Option<u32>,
    /// When it will be tried again, before its next turn.
    pub retry_at: Option<Timestamp>,
    /// When this was so.
    pub at: Timestamp,
    /// The job's name.
    pub job: String,
    /// The id under which a platform knows the job (`JOB_ID`); without one the name stands for it.
    pub job_id: Option<String>,
    /// The id of the run, the same when it begins and when it ends.
    pub run_id: Option<String>,
    /// The id of the backup that it made or looked at; of several, the first.
    pub backup_id: Option<String>,
    /// The engine's key.
    pub engine: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The server, `host:port`.
    pub server: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// Bytes of the dump.
    pub plain_bytes: Option<u64>,
    /// Bytes in each store.
    pub stored_bytes: Option<u64>,
    /// Rows in the dump, where they were counted.
    pub rows: Option<u64>,
    /// What became of each store's copy.
    pub stores: Vec<StoreResult>,
    /// The dump's object, the first where it has several.
    pub object_key: Option<String>,
    /// The backup before.
    pub previous: Option<Previous>,
    /// What is too old, or was.
    pub stale: Option<Staleness>,
    /// What a prune did.
    pub pruned: Option<Pruned>,
    /// What should be looked at, although it did not fail.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<Problem>,
    /// The machine or container on which planb runs.
    pub host: Option<String>,
}

impl Event {
    /// One of now, of which nothing else is known yet.
    pub fn new(kind: Kind, phase: Phase, status: Status, job: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA,
            kind,
            phase,
            status,
            previous_status: None,
            failures: None,
            retry_at: None,
            at: Timestamp::now(),
            job: job.into(),
            job_id: None,
            run_id: None,
            backup_id: None,
            engine: None,
            database: None,
            server: None,
            started_at: None,
            duration_ms: None,
            plain_bytes: None,
            stored_bytes: None,
            rows: None,
            stores: Vec::new(),
            object_key: None,
            previous: None,
            stale: None,
            pruned: None,
            warnings: Vec::new(),
            error: None,
            host: None,
        }
    }

    /// What it is called: the job, else the database.
    pub fn name(&self) -> &str {
        match (&*self.job, &self.database) {
            ("", Some(database)) => database,
            (job, _) => job,
        }
    }

    /// Bytes of the dump in a second.
    pub fn rate(&self) -> Option<u64> {
        let (bytes, ms) = (self.plain_bytes?, self.duration_ms.filter(|ms| *ms > 0)?);
        u64::try_from(u128::from(bytes) * 1000 / u128::from(ms)).ok()
    }

    /// This backup against the one before. None: there is nothing to compare.
    pub fn change(&self) -> Option<Change> {
        let previous = self.previous?;
        let bytes = self.plain_bytes.zip(previous.plain_bytes);
        let rows = self.rows.zip(previous.rows);
        if bytes.is_none() && rows.is_none() {
            return None;
        }
        let halved = |(now, then): (u64, u64), least: u64| then >= least && now <= then / 2;
        Some(Change {
            plain_bytes_percent: bytes.and_then(percent),
            rows_percent: rows.and_then(percent),
            shrank: bytes.is_some_and(|pair| halved(pair, SMALLEST_BYTES))
                || rows.is_some_and(|pair| halved(pair, SMALLEST_ROWS)),
        })
    }

    /// A backup that is there, and half of what the one before was.
    pub fn shrank(&self) -> bool {
        self.change().is_some_and(|change| change.shrank)
    }

    /// The first good one after a bad one.
    pub fn is_recovery(&self) -> bool {
        self.status == Status::Recovered
            || self.status == Status::Success && self.previous_status.is_some_and(Status::is_bad)
    }

    /// The event as the JSON that is sent, with what follows from its fields: `rate` and `change`.
    pub fn document(&self) -> Value {
        let mut document = serde_json::to_value(self).unwrap_or_default();
        document["rate"] = self.rate().into();
        document["change"] = serde_json::to_value(self.change()).unwrap_or_default();
        document
    }
}

/// By how many percent the first is more than the second.
fn percent((now, then): (u64, u64)) -> Option<i64> {
    let more = i128::from(now) - i128::from(then);
    (then > 0).then(|| more * 100 / i128::from(then)).and_then(|percent| i64::try_from(percent).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn sized(now: (u64, u64), then: (u64, u64)) -> Event {
        let mut event = Event::new(Kind::Run, Phase::Finished, Status::Success, "orders");
        (event.plain_bytes, event.rows) = (Some(now.0), Some(now.1));
        event.previous = Some(Previous { plain_bytes: Some(then.0), rows: Some(then.1) });
        event
    }

    #[test]
    fn half_of_the_bytes_or_of_the_rows_is_a_shrunken_dump() {
        assert!(!sized((501_000, 90), (1_000_000, 90)).shrank());
        assert!(sized((500_000, 90), (1_000_000, 90)).shrank());
        assert!(sized((1_000_000, 45), (1_000_000, 90)).shrank());
        assert!(sized((0, 0), (4096, 10)).shrank());
        // What is nearly nothing says nothing.
        assert!(!sized((10, 1), (4000, 9)).shrank());
        let mut unknown = sized((1, 1), (9999, 99));
        unknown.previous = None;
        assert_eq!(unknown.change(), None);
    }

    #[test]
    fn the_document_has_what_follows_from_the_fields() {
        let mut event = sized((500_000, 60), (1_000_000, 50));
        event.duration_ms = Some(250);
        let document = event.document();
        assert_eq!(document["schema"], "planb.event/v1");
        assert_eq!(document["rate"], 2_000_000);
        assert_eq!(
            document["change"],
            serde_json::json!({"plain_bytes_percent": -50, "rows_percent": 20, "shrank": true})
        );
        assert_eq!((&document["kind"], &document["phase"]), (&"run".into(), &"finished".into()));
    }

    #[test]
    fn the_first_success_after_a_failure_is_a_recovery() {
        let mut event = sized((1, 1), (1, 1));
        assert!(!event.is_recovery());
        event.previous_status = Some(Status::Partial);
        assert!(event.is_recovery());
        event.status = Status::Failed;
        assert!(!event.is_recovery());
    }

    proptest! {
        #[test]
        fn no_sizes_break_it(now: (u64, u64), then: (u64, u64), ms: u64) {
            let mut event = sized(now, then);
            event.duration_ms = Some(ms);
            let change = event.change().unwrap();
            let lost = u128::from(then.0.saturating_sub(now.0)) * 100;
            let less = change.plain_bytes_percent.is_some_and(|percent| percent < 0);
            prop_assert_eq!(less, then.0 > 0 && lost >= u128::from(then.0));
            prop_assert!(event.document().is_object());
        }
    }
}
