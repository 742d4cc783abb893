//! The time on the wall, as something that a test can set.

use std::fmt;

use jiff::Timestamp;

/// Tells the time on the wall.
///
/// How long something takes is never asked of it, since it may be put forward or back at any moment: that is the
/// runtime's clock, which only runs.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
