//! What the server shows and asks: the side of whoever runs the jobs.

use crate::status::Snapshot;

/// Whoever runs the jobs.
///
/// Both are called on threads that may block. One that does not answer in time is told to the world as unhealthy.
pub trait Board: Send + Sync {
    /// This moment.
    fn snapshot(&self) -> Snapshot;

    /// Begins a run of a job now. The answer is for people: what will happen.
    ///
    /// # Errors
    /// [`TriggerError`].
    fn trigger(&self, job: &str) -> Result<String, TriggerError>;
}

/// Why a run was not begun, each with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// There is no such job.
    #[error("{0}")]
    Unknown(String),
    /// It runs already, or waits to.
    #[error("{0}")]
    Busy(String),
    /// It is switched off.
    #[error("{0}")]
    Disabled(String),
    /// planb is about to end.
    #[error("{0}")]
    Stopping(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}
