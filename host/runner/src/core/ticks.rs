//! Ticks: which one is next, which were missed, and what a clock that goes back means for them.

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::{Core, Job, Slot, index};
use crate::outcome::{Cause, Work};
use crate::timers::What;

/// A tick that is handled no later than this was not missed: the scheduler looks at least twice in that time.
const PUNCTUAL: SignedDuration = SignedDuration::from_secs(60);

/// A clock that goes back by no more than this runs nothing again, whatever the schedule.
const SMALL_JUMP: SignedDuration = SignedDuration::from_hours(1);
/// Nor by this, where that leaves out no more than one tick. Further back, and the clock had been wrong: the ticks
/// that it showed say nothing of those to come.
const LARGE_JUMP: SignedDuration = SignedDuration::from_hours(24);

/// Missed ticks are counted up to here.
const COUNTED: u64 = 500;

/// Up to when ticks are done with, where that may be ahead of a clock that was put back.
pub(super) fn floor(job: &Job, work: Work, floor: Timestamp, now: Timestamp) -> Timestamp {
    let ahead = floor.duration_since(now);
    if !ahead.is_positive() || ahead <= SMALL_JUMP {
        return floor;
    }
    let next = job.schedule(work).and_then(|schedule| schedule.next(now, &job.spec.zone));
    if ahead <= LARGE_JUMP && next.is_none_or(|next| next >= floor) {
        return floor;
    }
    warn!(job = job.spec.name, last_tick = %floor, "the last tick lies in the future: the clock had been wrong");
    now
}

impl Core {
    /// Sets a lane's timer to its next tick, and handles the newest one where it is due.
    pub(super) fn plan(&mut self, name: &str, work: Work, now: Timestamp) {
        self.timers.clear(name, What::Tick(work));
        loop {
            let Some(job) = self.jobs.get_mut(name) else { return };
            if self.stopping || job.removed || !job.spec.enabled {
                return;
            }
            let Some(schedule) = job.schedule(work) else { return };
            let (zone, since) = (&job.spec.zone, job.floors[index(work)]);
            let Some(first) = schedule.next(since, zone) else { return };
            let newest = match schedule.next(first, zone) {
                Some(second) if second <= now => schedule.latest_due(second, now, zone).unwrap_or(second),
                _ => first,
            };
            // Two lanes of one job have two jitters.
            let seed = if work == Work::Drill { format!("{name}\0drill") } else { name.to_owned() };
            let due = newest + schedule.jitter(&seed, newest, job.spec.jitter, zone);
            let missed = if newest > first { count(job, work, since, newest) } else { 0 };
            job.lane(work).counters.missed_ticks += missed;
            if due > now {
                if newest > first {
                    // Those before it are done with.
                    job.floors[index(work)] = newest - SignedDuration::from_nanos(1);
                }
                self.timers.set(name, What::Tick(work), due);
                return;
            }
            job.floors[index(work)] = newest;
            self.tick(name, work, newest, now.duration_since(due) > PUNCTUAL, now);
        }
    }

    fn tick(&mut self, name: &str, work: Work, tick: Timestamp, late: bool, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        if work == Work::Backup {
            // What was to be tried again is tried now.
            job.state.retry = None;
            self.timers.clear(name, What::Retry);
        }
        if !matches!(job.slots[index(work)], Slot::Idle) {
            info!(job = name, ?work, %tick, "a tick is skipped: the run before goes on or waits");
            job.lane(work).counters.skipped_ticks += 1;
        } else if late && !job.spec.catch_up {
            info!(job = name, ?work, %tick, "a tick was missed and is not made up for");
            job.lane(work).counters.missed_ticks += 1;
        } else {
            // Done with only when the run begins: one that still waits when planb ends is made up for.
            let cause = if late { Cause::CatchUp } else { Cause::Schedule };
            self.enqueue(name, work, cause, tick, 1, now);
            return;
        }
        job.lane(work).last_tick = Some(tick);
        self.save(name);
    }

    /// At a start: a run for what was cut off, and for jobs that run whenever planb starts.
    pub(super) fn make_up(&mut self, name: &str, work: Work, now: Timestamp, start: bool) {
        let Some(job) = self.jobs.get(name) else { return };
        if !job.spec.enabled || self.stopping || !matches!(job.slot(work), Slot::Idle) {
            return;
        }
        let lane = job.state.lane(work);
        let once = job.schedule(work).is_some_and(|schedule| schedule.is_once()) && lane.last_good_at.is_none();
        let at_start = start && work == Work::Backup && job.spec.on_start;
        if at_start || once {
            self.enqueue(name, work, Cause::Start, now, 1, now);
        } else if let (Some(tick), true, true) = (lane.interrupted, job.spec.catch_up, start) {
            self.enqueue(name, work, Cause::CatchUp, tick, 1, now);
        }
    }
}

/// How many ticks lie between two instants.
fn count(job: &Job, work: Work, since: Timestamp, before: Timestamp) -> u64 {
    let mut from = since;
    let mut count = 0;
    while let Some(next) = job.schedule(work).and_then(|schedule| schedule.next(from, &job.spec.zone))
        && next < before
        && count < COUNTED
    {
        from = next;
        count += 1;
    }
    count
}
