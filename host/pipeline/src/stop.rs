//! Why and how a run is ended before its end.

use std::sync::OnceLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Why a run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT or SIGTERM.
    Interrupted,
    /// The run's own time (`--timeout`) is over.
    Timeout(Duration),
    /// The tool wrote nothing for this long.
    Stalled(Duration),
}

/// Ends a run: the first reason given is the one that counts.
#[derive(Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: OnceLock<StopReason>,
}

impl Stop {
    /// Asks for the end.
    pub fn now(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Why, once it was asked for.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// What tools and stages listen to.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
