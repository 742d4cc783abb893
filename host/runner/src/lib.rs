//! The scheduler of `planb serve`: when jobs run, what became of them, and who is told.
//!
//! It knows no databases and no stores. Whoever does the work implements [`Worker`]; this crate decides when it is
//! asked, keeps what has to survive a restart, and answers what goes on.
//!
//! - `core` is the scheduler itself: one state, changed by calls that take the time and give back what is to be done.
//!   It waits for nothing and reads no clock, so that days of a thousand jobs pass in a test within seconds.
//! - [`Serve`] is what drives it: it sleeps until something is due, spawns runs with their time limits, writes state,
//!   tells of events.
//! - [`control`] is how another planb talks to the one that serves.
//!
//! The rules, each held by tests in `tests/` and by those of `core`:
//!
//! 1. A job never overlaps itself, and its drill never its backup. A tick during a run is skipped and counted.
//! 2. What was missed is made up for by one run, for the newest missed tick.
//! 3. A tick is handled once, also when the clock is put back over it.
//! 4. A run that does not end holds up its own job and no other.
//! 5. A run that was cut off by a crash is a failed run.
//! 6. A failed run is tried again before the next tick, or not at all.
//! 7. What should have happened and did not is told once a day, and so is its end, once.

mod clock;
pub mod control;
mod core;
mod folder;
mod handle;
mod job;
mod keeper;
mod notice;
mod outcome;
mod serve;
mod snapshot;
mod state;
mod stop;
mod supervise;
mod timers;
mod worker;

pub use clock::{Clock, SystemClock};
pub use core::{ReloadReport, TriggerError, Triggered};
pub use folder::FolderError;
pub use handle::{Handle, Rest};
pub use job::{JobError, JobSpec};
pub use notice::Notice;
pub use outcome::{Cause, Outcome, Record, Status, StoreOutcome, Work};
pub use serve::{Options, Serve, ServeError};
pub use snapshot::{
    Health, JobSnapshot, Queued, Reason, ReasonKind, Running, SNAPSHOT_SCHEMA, Snapshot, Staleness, WorkSnapshot,
};
pub use state::{Counters, HISTORY, History, Retry};
pub use stop::{Stop, StopReason};
pub use worker::{Progress, RunContext, Worker};
