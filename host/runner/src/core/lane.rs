//! A lane: what a job is doing of one kind of work.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::outcome::{Cause, Work};
use crate::state::Begun;
use crate::stop::Stop;
use crate::worker::{Progress, RunContext};

/// A run that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) job: String,
    pub(crate) work: Work,
    pub(crate) run_id: String,
    pub(crate) cause: Cause,
    pub(crate) attempt: u32,
    pub(crate) tick: Timestamp,
    /// When it was asked for.
    pub(crate) since: Timestamp,
}

/// A run that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) begun: Begun,
    /// What it does by now: removal follows a backup.
    pub(crate) work: Work,
    pub(crate) limit: SignedDuration,
    pub(crate) stop: Stop,
    pub(crate) progress: Arc<Progress>,
    /// It was asked to end, its time being over.
    pub(crate) over_time: bool,
    /// And did not.
    pub(crate) hung: bool,
}

/// What a lane is doing.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    Idle,
    Queued(Ticket),
    Active(Box<Active>),
}

impl Slot {
    pub(crate) fn active(&self) -> Option<&Active> {
        match self {
            Self::Active(active) => Some(active),
            Self::Idle | Self::Queued(_) => None,
        }
    }

    /// The run of this id, if it is the one that goes on.
    pub(super) fn active_mut(&mut self, run_id: &str) -> Option<&mut Active> {
        match self {
            Self::Active(active) if active.begun.run_id == run_id => Some(active),
            _ => None,
        }
    }
}

impl Active {
    pub(super) fn new(ticket: &Ticket, limit: SignedDuration, now: Timestamp) -> Self {
        let begun = Begun {
            run_id: ticket.run_id.clone(),
            cause: ticket.cause,
            attempt: ticket.attempt,
            tick: ticket.tick,
            since: now,
        };
        Self {
            begun,
            work: ticket.work,
            limit,
            stop: Stop::default(),
            progress: Arc::default(),
            over_time: false,
            hung: false,
        }
    }

    pub(crate) fn context(&self) -> RunContext {
        RunContext {
            run_id: self.begun.run_id.clone(),
            attempt: self.begun.attempt,
            cause: self.begun.cause,
            tick: self.begun.tick,
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
        }
    }
}
