//! Errors of operations.
//!
//! Policy: an operation fails for one reason, the first in the chain of causes: when a store fails and planb therefore
//! stops the tool, the store is named and not the tool's death. Each error knows whose fault it is ([`RunError::blame`]);
//! hints and exit codes are given in one place, the command line.

use std::time::Duration;

use planb_model::Blame;
use planb_model::engine::{Failure, FailureCode};
use planb_plugin::{CallError, PluginError};
use planb_store::{StoreError, StoreErrorKind};
use planb_tool::ToolError;

use crate::stop::StopReason;

/// Why an operation did not succeed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RunError {
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The plugin cannot do what was asked.
    #[error(transparent)]
    Refused(#[from] Failure),
    #[error("plugin {plugin} may not use the tool{} {tools}", if *.several {"s"} else {""})]
    NotGranted { plugin: String, sha256: String, tools: String, several: bool, hint: String },
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A tool ended badly, and what its plugin says of that.
    #[error("{failure}")]
    ToolFailed { tool: String, end: String, failure: Failure, last_words: String },
    #[error("the tool `{tool}` ended without an error, but its dump is not whole: {why}")]
    Incomplete { tool: String, why: String },
    #[error("the tool `{0}` wrote nothing at all")]
    Empty(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no store took the backup: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    AllStores(Vec<StoreError>),
    #[error("{0}")]
    Settings(String),
    /// With the number of its objects and rows, where they were counted.
    #[error("{what} holds data already{}", .holds.map_or_else(String::new, |(objects, rows)| format!(" ({objects} objects, {rows} rows)")))]
    Occupied { what: String, holds: Option<(usize, u64)> },
    #[error("whether {what} holds data cannot be told")]
    UnknownTarget { what: String },
    #[error("the backup {id} is damaged: {what}")]
    Damaged { id: String, what: String },
    /// Its manifest was there and is not any more.
    #[error("the backup {0} was removed meanwhile, by a prune")]
    Gone(String),
    /// Its removal was written down and goes on, for all that can be told.
    #[error("the backup {0} is about to be removed by a prune")]
    Leaving(String),
    #[error("the backup {0} is encrypted, and no key to open it was given")]
    NeedsKey(String),
    #[error("none of the given keys opens the backup {0}")]
    WrongKey(String),
    /// Its manifest is not signed by a trusted key.
    #[error("the backup {id} is not to be trusted: {why}")]
    Untrusted { id: String, why: String },
    /// Another run of the same job holds the lease.
    #[error("another run of {job} is under way: since {since}, by process {pid} on {host}")]
    Busy { job: String, host: String, pid: u32, since: jiff::Timestamp },
    #[error("the work directory failed: {0}")]
    Work(std::io::Error),
    #[error("the run took longer than {}", seconds(*.0))]
    Timeout(Duration),
    #[error("the tool wrote nothing for {}", seconds(*.0))]
    Stalled(Duration),
    #[error("interrupted")]
    Interrupted,
    #[error("{0}")]
    Internal(String),
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

impl From<CallError> for RunError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Plugin(error) => Self::Plugin(error),
            CallError::Failure(failure) => Self::Refused(failure),
        }
    }
}

impl From<StopReason> for RunError {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Interrupted => Self::Interrupted,
            StopReason::Timeout(time) => Self::Timeout(time),
            StopReason::Stalled(time) => Self::Stalled(time),
        }
    }
}

impl RunError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Plugin(_) | Self::NotGranted { .. } => Blame::Plugin,
            Self::Refused(failure) | Self::ToolFailed { failure, .. } => failure.blame,
            Self::Tool(error) => error.blame(),
            Self::Incomplete { .. } | Self::Empty(_) | Self::Stalled(_) => Blame::Tool,
            Self::Store(error) => blame_of(error),
            Self::AllStores(errors) => errors.first().map_or(Blame::Storage, blame_of),
            Self::Damaged { .. } | Self::Untrusted { .. } => Blame::Storage,
            Self::Settings(_)
            | Self::Occupied { .. }
            | Self::UnknownTarget { .. }
            | Self::Gone(_)
            | Self::Leaving(_)
            | Self::NeedsKey(_)
            | Self::WrongKey(_)
            | Self::Work(_)
            | Self::Timeout(_)
            | Self::Busy { .. }
            | Self::Interrupted => Blame::Settings,
            Self::Internal(_) => Blame::PlanB,
        }
    }

    /// What the plugin calls it, where it does.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Refused(failure) | Self::ToolFailed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// Whether the plugin calls it this.
    pub fn is(&self, code: FailureCode) -> bool {
        self.failure().is_some_and(|failure| failure.code == code)
    }
}

/// A store's error is the store's fault, or that of how it was set up.
pub fn blame_of(error: &StoreError) -> Blame {
    if error.kind == StoreErrorKind::Settings { Blame::Settings } else { Blame::Storage }
}
