//! Why and how a run is ended before its end.

use std::sync::{Arc, OnceLock};
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
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// For a part of a run: it can end alone, and ends with the whole.
    pub fn part(whole: &Arc<Self>) -> Self {
        Self { token: whole.token.child_token(), reason: OnceLock::new(), parent: Some(Arc::clone(whole)) }
    }

    /// Asks for the end.
    pub fn now(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Why, once it was asked for.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied().or_else(|| self.parent.as_ref()?.reason())
    }

    /// What tools and stages listen to.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
