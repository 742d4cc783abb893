//! What there is to tell.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::outcome::{Cause, Record, Work};

/// Something happened, or did not. Those of one job are told in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Notice {
    /// A run has begun.
    Started {
        /// The job.
        job: String,
        /// The run's id.
        run_id: String,
        /// What it does.
        work: Work,
        /// Why it was begun.
        cause: Cause,
        /// 1, and one more with each retry.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// A run, a drill or the removal of old backups has ended.
    Finished {
        /// The job.
        job: String,
        /// What became of it.
        record: Box<Record>,
        /// The one of the same work before it that was not skipped.
        previous: Option<Box<Record>>,
        /// The last good one before it.
        previous_good: Option<Box<Record>>,
        /// It is the first good one behind others that were not.
        recovered: bool,
        /// So many in a row, with this one, were not good.
        failures: u32,
        /// It will be tried again then.
        retry_at: Option<Timestamp>,
    },
    /// A run goes on although its time is over and it was asked to end.
    Hung {
        /// The job.
        job: String,
        /// The run's id.
        run_id: String,
        /// What it does.
        work: Work,
        /// When it began.
        since: Timestamp,
        /// How long it was to take at most.
        limit: SignedDuration,
    },
    /// The last good backup or drill is too old: once when it becomes so, and then each day.
    Stale {
        /// The job.
        job: String,
        /// Backup or drill.
        work: Work,
        /// When the last good one began. None: there was none since planb knows the job.
        last_good_at: Option<Timestamp>,
        /// How old it may be.
        limit: SignedDuration,
        /// Since when it is too old.
        since: Timestamp,
        /// It was told before.
        repeated: bool,
    },
    /// What was stale is fresh again.
    Fresh {
        /// The job.
        job: String,
        /// Backup or drill.
        work: Work,
        /// When the good one began. None: it may now be older than it was.
        last_good_at: Option<Timestamp>,
        /// Since when it had been too old.
        stale_since: Timestamp,
    },
}

impl Notice {
    /// Which job it is about.
    pub fn job(&self) -> &str {
        match self {
            Self::Started { job, .. }
            | Self::Finished { job, .. }
            | Self::Hung { job, .. }
            | Self::Stale { job, .. }
            | Self::Fresh { job, .. } => job,
        }
    }
}
