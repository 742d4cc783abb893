//! Asking a run to end, and why.

use std::sync::{Arc, OnceLock};

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

/// Why a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Its time limit, which was this long, is over.
    TimeLimit(SignedDuration),
    /// planb ends.
    Shutdown,
}

/// Asks a run to end. The first reason is the one that counts.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<StopReason>>,
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

    /// What a run listens to.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}
