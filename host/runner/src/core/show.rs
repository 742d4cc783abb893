//! What goes on, for those who ask.

use jiff::Timestamp;

use super::{Active, Core, Job, Slot, stale, zone_name};
use crate::outcome::Work;
use crate::snapshot::{JobSnapshot, Queued, Reason, ReasonKind, Running, Staleness, WorkSnapshot};
use crate::timers::What;

impl Core {
    pub(crate) fn show(&self, now: Timestamp) -> Vec<JobSnapshot> {
        self.jobs.values().map(|job| self.show_job(job, now)).collect()
    }

    /// How many runs go on, and how many wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let slots = self.jobs.values().flat_map(|job| &job.slots);
        (slots.filter(|slot| slot.active().is_some()).count(), self.queue.len())
    }

    /// Runs that do not end.
    pub(crate) fn hung_runs(&self) -> Vec<Reason> {
        let slots = self.jobs.iter().flat_map(|(name, job)| job.slots.iter().map(move |slot| (name, slot)));
        let active = slots.filter_map(|(name, slot)| Some((name, slot.active()?)));
        active
            .filter(|(_, active)| active.hung)
            .map(|(name, active)| Reason {
                kind: ReasonKind::RunHung,
                job: Some(name.clone()),
                detail: format!(
                    "the run {} of {name} began at {}, was asked to end after {:#} and goes on",
                    active.begun.run_id, active.begun.since, active.limit
                ),
            })
            .collect()
    }

    fn show_job(&self, job: &Job, now: Timestamp) -> JobSnapshot {
        JobSnapshot {
            name: job.spec.name.clone(),
            enabled: job.spec.enabled,
            removed: job.removed,
            zone: zone_name(&job.spec.zone),
            backup: self.show_work(job, Work::Backup, now),
            drill: self.show_work(job, Work::Drill, now),
            retry: job.state.retry,
            last_prune: job.state.last_prune.clone(),
            known_since: job.state.known_since,
        }
    }

    fn show_work(&self, job: &Job, work: Work, now: Timestamp) -> WorkSnapshot {
        let (lane, schedule) = (job.state.lane(work), job.schedule(work));
        let too_old_at = stale::too_old_at(job, work).filter(|at| *at <= now);
        WorkSnapshot {
            schedule: schedule.map(ToString::to_string),
            schedule_words: schedule.map(|schedule| schedule.words()),
            next_run: self.timers.get(&job.spec.name, What::Tick(work)),
            queued: match job.slot(work) {
                Slot::Queued(ticket) => {
                    Some(Queued { run_id: ticket.run_id.clone(), cause: ticket.cause, since: ticket.since })
                }
                Slot::Idle | Slot::Active(_) => None,
            },
            running: job.slot(work).active().map(running),
            last: lane.history.last().cloned(),
            last_good: lane.last_good.clone(),
            last_good_at: lane.last_good_at,
            max_age: job.max_age(work),
            stale: too_old_at.map(|since| Staleness { since, told_at: lane.stale.map(|stale| stale.told_at) }),
            failures: lane.failures,
            counters: lane.counters.clone(),
            history: lane.history.clone(),
        }
    }
}

fn running(active: &Active) -> Running {
    let begun = &active.begun;
    Running {
        run_id: begun.run_id.clone(),
        work: active.work,
        cause: begun.cause,
        attempt: begun.attempt,
        tick: begun.tick,
        since: begun.since,
        deadline: begun.since.saturating_add(active.limit).unwrap_or(Timestamp::MAX),
        stage: active.progress.stage(),
        bytes: active.progress.plain(),
        stored_bytes: active.progress.stored(),
        expected_bytes: active.progress.expected(),
        over_time: active.over_time,
        hung: active.hung,
    }
}
