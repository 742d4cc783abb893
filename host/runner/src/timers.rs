//! What is due, and when: at most one time for each thing of each job.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::outcome::Work;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The next tick of a schedule, its jitter added.
    Tick(Work),
    /// A failed run is tried again.
    Retry,
    /// The last good one becomes too old, or that is told again.
    Stale(Work),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Timestamp, String, What)>,
    of: BTreeMap<(String, What), Timestamp>,
}

impl Timers {
    pub(crate) fn set(&mut self, job: &str, what: What, at: Timestamp) {
        self.clear(job, what);
        self.due.insert((at, job.to_owned(), what));
        self.of.insert((job.to_owned(), what), at);
    }

    pub(crate) fn clear(&mut self, job: &str, what: What) {
        if let Some((key, at)) = self.of.remove_entry(&(job.to_owned(), what)) {
            self.due.remove(&(at, key.0, what));
        }
    }

    pub(crate) fn clear_job(&mut self, job: &str) {
        for work in [Work::Backup, Work::Drill] {
            self.clear(job, What::Tick(work));
            self.clear(job, What::Stale(work));
        }
        self.clear(job, What::Retry);
    }

    pub(crate) fn get(&self, job: &str, what: What) -> Option<Timestamp> {
        self.of.get(&(job.to_owned(), what)).copied()
    }

    /// When the next one is due.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// Takes the next one that is due.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(String, What)> {
        if self.first()? > now {
            return None;
        }
        let (_, job, what) = self.due.pop_first()?;
        self.of.remove(&(job.clone(), what));
        Some((job, what))
    }
}
