#![allow(clippy::unwrap_used, reason = "tests")]
use std::collections::{BTreeMap, BTreeSet};

use planb_model::Blame;
use proptest::prelude::*;

use super::*;
use crate::outcome::Outcome;

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes, in seconds.
    Pass(u64),
    /// The clock is put back, by less than an hour in all.
    Back(i64),
    /// The machine sleeps.
    Sleep(i64),
    /// The nth run that goes on ends.
    End(usize, bool),
    /// The nth run that goes on does not end.
    Hang(usize),
    Trigger(usize, bool),
    /// Other jobs: those of the mask, with other schedules or not.
    Reload(u8, bool),
    Concurrency(usize),
    /// planb is killed and started again.
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..5000_u64).prop_map(Event::Pass),
        3 => (1..1500_i64).prop_map(Event::Back),
        1 => (1..90_000_i64).prop_map(Event::Sleep),
        6 => (0..4_usize, any::<bool>()).prop_map(|(nth, good)| Event::End(nth, good)),
        1 => (0..4_usize).prop_map(Event::Hang),
        2 => (0..4_usize, any::<bool>()).prop_map(|(nth, drill)| Event::Trigger(nth, drill)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(mask, other)| Event::Reload(mask, other)),
        1 => (1..4_usize).prop_map(Event::Concurrency),
        1 => Just(Event::Crash),
    ]
}

fn jobs(mask: u8, other: bool) -> Vec<JobSpec> {
    let all = [("a", "*/10 * * * *"), ("b", "0 * * * *"), ("c", "every 2h"), ("d", "manual")];
    let specs = all.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(i, (name, schedule))| {
        let schedule = if other && i % 2 == 0 { "30 * * * *" } else { schedule };
        JobSpec {
            jitter: SignedDuration::from_secs(if i == 1 { 300 } else { 0 }),
            drill_schedule: (i < 2).then(|| Schedule::parse("45 * * * *").unwrap()),
            max_age: Some(SignedDuration::from_hours(3)),
            catch_up: i != 2,
            enabled: i != 1 || !other,
            ..JobSpec::new(*name, Schedule::parse(schedule).unwrap())
        }
    });
    specs.collect()
}

/// The world around a scheduler.
struct World {
    core: Core,
    now: Moment,
    /// The second that the wall has shown at the latest: a clock that is put back never goes back an hour behind it.
    latest: Timestamp,
    ids: BTreeSet<String>,
    /// Ticks that runs were begun for by themselves, with the schedule that they were ticks of.
    ticks: BTreeSet<(String, Work, Timestamp)>,
    states: BTreeMap<String, JobState>,
    specs: Vec<JobSpec>,
}

impl World {
    fn new() -> Self {
        let now = Moment { wall: "2026-01-01T00:00:30Z".parse().unwrap(), ran: Duration::ZERO };
        let specs = jobs(0xff, false);
        let core = Core::new(specs.iter().map(|spec| (spec.clone(), None)).collect(), 2, now.wall);
        let mut world = Self {
            core,
            now,
            latest: now.wall,
            ids: BTreeSet::new(),
            ticks: BTreeSet::new(),
            states: BTreeMap::new(),
            specs,
        };
        world.core.begin(now.wall);
        world
    }

    fn running(&self) -> Vec<(String, Work, String)> {
        let of = |name: &String, job: &Job| {
            let active = LANES.map(|work| (work, job.slot(work).active().cloned()));
            let active = active.into_iter().filter_map(|(work, active)| Some((work, active?)));
            active.map(|(work, active)| (name.clone(), work, active.begun.run_id)).collect::<Vec<_>>()
        };
        self.core.jobs.iter().flat_map(|(name, job)| of(name, job)).collect()
    }

    fn happens(&mut self, event: &Event) {
        let wall = self.now.wall;
        match event {
            Event::Pass(seconds) => {
                // The loop looks at least each half minute, and when something is due.
                let mut left = Duration::from_secs(*seconds);
                while !left.is_zero() {
                    let next = self.core.look(self.now).and_then(|next| Duration::try_from(next).ok());
                    let step = next.unwrap_or(left).clamp(Duration::from_millis(1), Duration::from_secs(30)).min(left);
                    self.now.wall += SignedDuration::try_from(step).unwrap();
                    self.now.ran += step;
                    left -= step;
                    self.check();
                }
            }
            Event::Back(seconds) => {
                let back = wall - SignedDuration::from_secs(*seconds);
                if self.latest.duration_since(back) < SignedDuration::from_mins(55) {
                    self.now.wall = back;
                }
            }
            Event::Sleep(seconds) => self.now.wall += SignedDuration::from_secs(*seconds),
            Event::End(nth, good) => {
                if let Some((job, work, id)) = self.running().get(*nth) {
                    let outcome = if *good { Outcome::success() } else { Outcome::failed(Blame::Database, "no") };
                    let took = Duration::from_secs(1);
                    if self.core.jobs[job].slot(*work).active().unwrap().work == Work::Prune {
                        self.core.pruned(job, id, outcome, took, wall);
                    } else {
                        let _ = self.core.finished(job, *work, id, outcome, took, wall);
                    }
                }
            }
            Event::Hang(nth) => {
                if let Some((job, work, id)) = self.running().get(*nth) {
                    self.core.over_time(job, *work, id);
                    self.core.hung(job, *work, id, wall);
                }
            }
            Event::Trigger(nth, drill) => {
                let work = if *drill { Work::Drill } else { Work::Backup };
                let _ = self.core.trigger(["a", "b", "c", "d"][*nth], work, wall);
            }
            Event::Reload(mask, other) => {
                self.specs = jobs(*mask, *other);
                let kept = |spec: &JobSpec| self.states.get(&spec.name).cloned();
                let specs = self.specs.iter().map(|spec| (spec.clone(), kept(spec))).collect();
                self.core.reload(specs, wall);
                // Another schedule may have had the same tick.
                self.ticks.clear();
            }
            Event::Concurrency(most) => self.core.concurrency = *most,
            Event::Crash => {
                let kept = |spec: &JobSpec| self.states.get(&spec.name).cloned();
                let specs = self.specs.iter().map(|spec| (spec.clone(), kept(spec))).collect();
                // What was cut off is made up for, by its own tick where no other was missed.
                for (job, work, _) in self.running() {
                    let tick = self.core.jobs[&job].slot(work).active().unwrap().begun.tick;
                    self.ticks.remove(&(job, work, tick));
                }
                self.core = Core::new(specs, 2, wall);
                self.core.begin(wall);
            }
        }
        self.check();
        self.core.look(self.now);
        self.check();
        self.is_planned();
    }

    /// What holds at any time.
    fn check(&mut self) {
        self.latest = self.latest.max(self.now.wall);
        for effect in self.core.take_effects() {
            match effect {
                Effect::Start(state, ticket, _) => {
                    assert!(self.ids.insert(ticket.run_id.clone()), "a run began twice");
                    assert_eq!(state.lane(ticket.work).running.as_ref().unwrap().run_id, ticket.run_id);
                    if matches!(ticket.cause, Cause::Schedule | Cause::CatchUp) {
                        let tick = (ticket.job.clone(), ticket.work, ticket.tick);
                        assert!(self.ticks.insert(tick.clone()), "a tick ran twice: {tick:?}");
                        assert!(ticket.tick <= self.latest, "a tick ran before its time: {tick:?}");
                    }
                    self.states.insert(ticket.job, *state);
                }
                Effect::Save(state) => {
                    self.states.insert(state.job.clone(), *state);
                }
                Effect::Tell(_) => {}
            }
        }
        let mut queued = BTreeSet::new();
        let mut active = 0;
        for job in self.core.jobs.values() {
            assert!(job.slots.iter().filter(|slot| slot.active().is_some()).count() <= 1, "a job overlaps itself");
            for slot in &job.slots {
                match slot {
                    Slot::Queued(ticket) => drop(queued.insert(ticket.run_id.clone())),
                    Slot::Active(run) if !run.hung => active += 1,
                    Slot::Active(_) | Slot::Idle => {}
                }
            }
            assert!(!job.removed || !job.idle(), "a job that is gone stays");
        }
        assert_eq!(self.core.taken, active);
        assert_eq!(self.core.queue.len(), queued.len());
        assert!(self.core.queue.iter().all(|ticket| queued.contains(&ticket.run_id)));
    }

    /// What holds after a look at the clock.
    fn is_planned(&self) {
        for (name, job) in &self.core.jobs {
            let tick = self.core.timers.get(name, What::Tick(Work::Backup));
            let ticks = job.spec.enabled && !job.removed && job.spec.schedule.ticks();
            assert_eq!(tick.is_some(), ticks, "{name}");
            assert!(tick.is_none_or(|tick| tick > self.now.wall), "{name} is late");
            let retry = self.core.timers.get(name, What::Retry);
            assert_eq!(retry, job.state.retry.map(|retry| retry.at));
            // A clock that was just put back has moved both.
            assert!(
                retry.is_none() || !matches!(job.slot(Work::Backup), Slot::Active(_)),
                "{name} runs and is tried again"
            );
        }
        // There is no room left, or nobody who could take it.
        let could = |ticket: &Ticket| !self.core.jobs[&ticket.job].runs();
        assert!(self.core.taken >= self.core.concurrency || !self.core.queue.iter().any(could), "a place is free");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens(events in proptest::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
        }
    }
}

#[test]
fn timers_have_one_time_for_each_thing() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut timers = Timers::default();
    timers.set("a", What::Retry, at(5));
    timers.set("a", What::Retry, at(3));
    timers.set("b", What::Tick(Work::Backup), at(4));
    assert_eq!(timers.first(), Some(at(3)));
    assert_eq!(timers.pop(at(2)), None);
    assert_eq!(timers.pop(at(9)), Some(("a".to_owned(), What::Retry)));
    timers.clear_job("b");
    assert_eq!((timers.pop(at(9)), timers.first()), (None, None));
}
