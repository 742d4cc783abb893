//! The scheduler: one state, changed by calls that take the time and leave behind what is to be done.
//!
//! Nothing here waits, reads a clock or touches a file.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use planb_model::schedule::Schedule;
use tracing::warn;

use crate::job::JobSpec;
use crate::notice::Notice;
use crate::outcome::{Cause, Work};
use crate::state::{JobState, LaneState};
use crate::stop::StopReason;
use crate::timers::{Timers, What};

mod ask;
mod lane;
mod reload;
mod runs;
mod show;
mod stale;
#[cfg(test)]
mod tests;
mod ticks;

pub use ask::{TriggerError, Triggered};
pub(crate) use lane::{Active, Slot, Ticket};
pub use reload::ReloadReport;

/// A job has two lanes, each with runs of one kind, of which one goes on at a time.
const LANES: [Work; 2] = [Work::Backup, Work::Drill];

/// The clock may be this far off what passed without that being a jump.
const STEADY: SignedDuration = SignedDuration::from_secs(2);

/// Now, by the clock on the wall and by one that only runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) ran: Duration,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Keep this over a restart.
    Save(Box<JobState>),
    /// Keep this over a restart, and then begin the run.
    Start(Box<JobState>, Ticket, Active),
    /// Tell this.
    Tell(Notice),
}

/// A job and what is known of it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) state: JobState,
    /// Up to here ticks are done with, for each lane.
    floors: [Timestamp; 2],
    slots: [Slot; 2],
    /// No longer in the settings: it goes when its run ends.
    pub(crate) removed: bool,
}

impl Job {
    fn new(spec: JobSpec, state: JobState, now: Timestamp) -> Self {
        Self { spec, state, floors: [now; 2], slots: [Slot::Idle, Slot::Idle], removed: false }
    }

    fn schedule(&self, work: Work) -> Option<&Schedule> {
        if work == Work::Drill { self.spec.drill_schedule.as_ref() } else { Some(&self.spec.schedule) }
    }

    fn max_age(&self, work: Work) -> Option<SignedDuration> {
        if work == Work::Drill { self.spec.max_drill_age } else { self.spec.max_age }
    }

    fn lane(&mut self, work: Work) -> &mut LaneState {
        self.state.lane_mut(work)
    }

    /// Forgets ticks of another schedule: they say nothing of what was missed.
    fn follow(&mut self, work: Work, now: Timestamp) {
        let zone = zone_name(&self.spec.zone);
        let enabled = self.spec.enabled && !self.removed;
        let schedule = self.schedule(work).filter(|_| enabled).map(|schedule| format!("{schedule} {zone}"));
        if self.lane(work).schedule != schedule {
            self.lane(work).schedule = schedule;
            self.renew(work, now);
        }
    }

    /// From the next tick on.
    fn renew(&mut self, work: Work, now: Timestamp) {
        self.floors[index(work)] = now;
        self.lane(work).last_tick = Some(now);
    }

    pub(crate) fn slot(&self, work: Work) -> &Slot {
        &self.slots[index(work)]
    }

    fn idle(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot, Slot::Idle))
    }

    fn runs(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Active(_)))
    }
}

fn index(work: Work) -> usize {
    usize::from(work == Work::Drill)
}

/// The scheduler.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) jobs: BTreeMap<String, Job>,
    timers: Timers,
    /// Runs that wait for their turn, the oldest in front.
    queue: VecDeque<Ticket>,
    pub(crate) concurrency: usize,
    /// So many runs go on that are not hung.
    taken: usize,
    pub(crate) stopping: bool,
    effects: Vec<Effect>,
    last: Option<Moment>,
    /// Why the last reload was refused.
    pub(crate) refused: Option<String>,
}

impl Core {
    /// `jobs` with what was kept of them.
    pub(crate) fn new(jobs: Vec<(JobSpec, Option<JobState>)>, concurrency: usize, now: Timestamp) -> Self {
        let jobs = jobs.into_iter().map(|(spec, state)| {
            let state = state.unwrap_or_else(|| JobState::new(&spec.name, now));
            (spec.name.clone(), Job::new(spec, state, now))
        });
        Self {
            jobs: jobs.collect(),
            timers: Timers::default(),
            queue: VecDeque::new(),
            concurrency: concurrency.max(1),
            taken: 0,
            stopping: false,
            effects: Vec::new(),
            last: None,
            refused: None,
        }
    }

    /// What is to be done since the last call.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        mem::take(&mut self.effects)
    }

    /// Begins: what was cut off, what was missed, what runs at the start.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        let names: Vec<_> = self.jobs.keys().cloned().collect();
        for name in names {
            self.admit(&name, now, true);
        }
        self.pump(now);
    }

    /// Takes a job in. At a start it makes up for what it missed; behind a reload it runs from its next tick on.
    fn admit(&mut self, name: &str, now: Timestamp, start: bool) {
        for work in LANES {
            self.cut_off(name, work, now);
            let Some(job) = self.jobs.get_mut(name) else { return };
            if !start {
                job.renew(work, now);
            }
            job.follow(work, now);
            let floor = job.lane(work).last_tick.unwrap_or(now);
            job.floors[index(work)] = ticks::floor(job, work, floor, now);
            self.plan(name, work, now);
            self.make_up(name, work, now, start);
            self.check_age(name, work, now);
        }
        self.resume_retry(name, now);
        self.save(name);
    }

    /// Looks at the clock, and does what is due. Gives how long to wait for the next.
    pub(crate) fn look(&mut self, now: Moment) -> Option<SignedDuration> {
        if let Some(last) = self.last.replace(now) {
            let passed = SignedDuration::try_from(now.ran.saturating_sub(last.ran)).unwrap_or(SignedDuration::MAX);
            let jumped = now.wall.duration_since(last.wall).saturating_sub(passed);
            if jumped.abs() > STEADY {
                self.clock_jumped(jumped, now.wall);
            }
        }
        let now = now.wall;
        while let Some((name, what)) = self.timers.pop(now) {
            match what {
                What::Tick(work) => self.plan(&name, work, now),
                What::Retry => self.retry(&name, now),
                What::Stale(work) => self.check_age(&name, work, now),
            }
        }
        self.pump(now);
        Some(self.timers.first()?.duration_since(now).max(SignedDuration::ZERO))
    }

    fn clock_jumped(&mut self, by: SignedDuration, now: Timestamp) {
        warn!(by = %format!("{by:#}"), "the clock was set, or the machine was asleep: schedules are looked at anew");
        let names: Vec<_> = self.jobs.keys().cloned().collect();
        for name in names {
            // A wait is a length of time, not a time on the wall.
            let Some(job) = self.jobs.get_mut(&name) else { continue };
            if let Some(retry) = &mut job.state.retry
                && let Ok(at) = retry.at.checked_add(by)
            {
                retry.at = at;
                self.timers.set(&name, What::Retry, at);
            }
            for work in LANES {
                if by.is_negative()
                    && let Some(job) = self.jobs.get_mut(&name)
                {
                    job.floors[index(work)] = ticks::floor(job, work, job.floors[index(work)], now);
                    self.plan(&name, work, now);
                }
                self.check_age(&name, work, now);
            }
        }
    }

    /// No run begins from here on. What waits is left to the next start.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        let waiting: Vec<_> = self.queue.drain(..).collect();
        for ticket in waiting {
            if let Some(job) = self.jobs.get_mut(&ticket.job) {
                job.slots[index(ticket.work)] = Slot::Idle;
                if ticket.cause != Cause::Start {
                    job.lane(ticket.work).interrupted = Some(ticket.tick);
                }
                self.save(&ticket.job);
            }
        }
        self.timers = Timers::default();
    }

    /// Asks all runs to end.
    pub(crate) fn stop_runs(&mut self) -> usize {
        let active = self.jobs.values().flat_map(|job| &job.slots).filter_map(Slot::active);
        active.map(|active| active.stop.now(StopReason::Shutdown)).count()
    }

    /// The runs that go on, as `job: work`.
    pub(crate) fn going_on(&self) -> Vec<String> {
        self.jobs.iter().filter(|(_, job)| job.runs()).map(|(name, _)| name.clone()).collect()
    }

    fn save(&mut self, name: &str) {
        if let Some(job) = self.jobs.get(name) {
            self.effects.push(Effect::Save(Box::new(job.state.clone())));
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Tell(notice));
    }
}

/// A zone's name for people; a zone that has none is told by its offset.
fn zone_name(zone: &jiff::tz::TimeZone) -> String {
    let offset = || zone.to_fixed_offset().map_or_else(|_| "local time".to_owned(), |offset| offset.to_string());
    zone.iana_name().map_or_else(offset, str::to_owned)
}
