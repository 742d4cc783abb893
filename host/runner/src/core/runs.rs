//! Runs: the queue, their beginning and their end, and what is tried again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use planb_model::Blame;
use tracing::{error, info, warn};

use super::{Active, Core, Effect, Slot, Ticket, index};
use crate::notice::Notice;
use crate::outcome::{Cause, Outcome, Record, Status, Work};
use crate::state::Retry;
use crate::stop::{Stop, StopReason};
use crate::timers::What;
use crate::worker::RunContext;

/// No wait before another try is longer, unless it was set to be.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(1);

impl Core {
    /// Asks for a run, in the lane of its work, which is idle. Gives its id.
    pub(super) fn enqueue(
        &mut self,
        name: &str,
        work: Work,
        cause: Cause,
        tick: Timestamp,
        attempt: u32,
        now: Timestamp,
    ) -> String {
        let run_id = uuid::Uuid::new_v4().to_string();
        let ticket = Ticket { job: name.to_owned(), work, run_id: run_id.clone(), cause, attempt, tick, since: now };
        if let Some(job) = self.jobs.get_mut(name) {
            job.slots[index(work)] = Slot::Queued(ticket.clone());
            self.queue.push_back(ticket);
        }
        run_id
    }

    /// Begins what waits, in its order, as far as there is room. A job's drill waits for its backup and the other way
    /// round, and lets others pass.
    pub(super) fn pump(&mut self, now: Timestamp) {
        while self.taken < self.concurrency && !self.stopping {
            let free = |ticket: &Ticket| self.jobs.get(&ticket.job).is_some_and(|job| !job.runs());
            let Some(place) = self.queue.iter().position(free) else { return };
            if let Some(ticket) = self.queue.remove(place) {
                self.start(ticket, now);
            }
        }
    }

    fn start(&mut self, ticket: Ticket, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&ticket.job) else { return };
        let active = Active::new(&ticket, job.spec.timeout, now);
        job.slots[index(ticket.work)] = Slot::Active(Box::new(active.clone()));
        self.taken += 1;
        let floor = job.floors[index(ticket.work)];
        let lane = job.lane(ticket.work);
        lane.running = Some(active.begun.clone());
        lane.interrupted = None;
        if matches!(ticket.cause, Cause::Schedule | Cause::CatchUp) {
            lane.last_tick = Some(floor);
        }
        if ticket.work == Work::Backup {
            job.state.retry = None;
            self.timers.clear(&ticket.job, What::Retry);
        }
        info!(job = ticket.job, run_id = ticket.run_id, work = ?ticket.work, cause = ?ticket.cause, "a run begins");
        let notice = Notice::Started {
            job: ticket.job.clone(),
            run_id: ticket.run_id.clone(),
            work: ticket.work,
            cause: ticket.cause,
            attempt: ticket.attempt,
            at: now,
        };
        self.tell(notice);
        if let Some(job) = self.jobs.get(&ticket.job) {
            self.effects.push(Effect::Start(Box::new(job.state.clone()), ticket, active));
        }
    }

    /// A run's time is over: it was asked to end.
    pub(crate) fn over_time(&mut self, name: &str, work: Work, run_id: &str) {
        if let Some(active) = self.active(name, work, run_id) {
            active.over_time = true;
            warn!(job = name, run_id, "a run takes longer than it may and is asked to end");
        }
    }

    /// And it did not. Its place goes to others; its job stays with it.
    pub(crate) fn hung(&mut self, name: &str, work: Work, run_id: &str, now: Timestamp) {
        let Some(active) = self.active(name, work, run_id) else { return };
        if active.hung {
            return;
        }
        active.hung = true;
        let (work_now, since, limit) = (active.work, active.begun.since, active.limit);
        self.taken = self.taken.saturating_sub(1);
        warn!(job = name, run_id, "a run does not end although it was asked to: its job is stuck");
        if let Some(job) = self.jobs.get_mut(name) {
            job.lane(work).counters.hung += 1;
        }
        self.tell(Notice::Hung { job: name.to_owned(), run_id: run_id.to_owned(), work: work_now, since, limit });
        self.save(name);
        self.pump(now);
    }

    fn active(&mut self, name: &str, work: Work, run_id: &str) -> Option<&mut Active> {
        self.jobs.get_mut(name)?.slots[index(work)].active_mut(run_id)
    }

    /// A run has ended. Gives what the removal of old backups is to be given, where that comes now; otherwise the lane
    /// is free.
    pub(crate) fn finished(
        &mut self,
        name: &str,
        work: Work,
        run_id: &str,
        mut outcome: Outcome,
        took: Duration,
        now: Timestamp,
    ) -> Option<RunContext> {
        let stopping = self.stopping;
        let active = self.active(name, work, run_id)?;
        if outcome.status == Status::Failed
            && let Some(reason) = active.stop.reason()
        {
            let why = match reason {
                StopReason::TimeLimit(limit) => format!("stopped at its time limit of {limit:#}"),
                StopReason::Shutdown => "stopped, since planb ends".to_owned(),
            };
            outcome.error = Some(outcome.error.map_or_else(|| why.clone(), |error| format!("{why}: {error}")));
        }
        let shut_down = active.stop.reason() == Some(StopReason::Shutdown) && outcome.status == Status::Failed;
        let (begun, pruned) = (active.begun.clone(), matches!(outcome.status, Status::Success | Status::Partial));
        let prune = work == Work::Backup && pruned && !stopping;
        let stuck = std::mem::take(&mut active.hung);
        let next = prune.then(|| {
            active.work = Work::Prune;
            active.over_time = false;
            active.stop = Stop::default();
            active.progress.set_stage("removing old backups");
            active.context()
        });
        // It has its place back, which its end gives to the next.
        self.taken += usize::from(stuck);
        let record = Record {
            run_id: run_id.to_owned(),
            work,
            cause: begun.cause,
            attempt: begun.attempt,
            tick: begun.tick,
            started_at: begun.since,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome,
        };
        let lane = self.jobs.get_mut(name)?.lane(work);
        lane.running = None;
        lane.interrupted = shut_down.then_some(begun.tick);
        self.record(name, work, record, now);
        if next.is_none() {
            self.release(name, work, now);
        }
        next
    }

    /// Keeps a run that ended, tells of it, and plans another try where it failed.
    fn record(&mut self, name: &str, work: Work, record: Record, now: Timestamp) {
        let retry = self.plan_retry(name, work, &record, now);
        let Some(job) = self.jobs.get_mut(name) else { return };
        job.state.retry = retry.or(job.state.retry.filter(|_| work != Work::Backup));
        let lane = job.lane(work);
        let boxed = |record: &Record| Box::new(record.clone());
        let (previous, previous_good) = (lane.previous().map(boxed), lane.last_good.as_ref().map(boxed));
        let recovered = record.outcome.status == Status::Success && lane.failures > 0;
        lane.record(record);
        let (failures, kept) = (lane.failures, lane.history.last().map(boxed));
        if let Some(record) = kept {
            let outcome = &record.outcome;
            if let (Status::Failed | Status::Partial, Some(error)) = (outcome.status, &outcome.error) {
                let blame = outcome.blame.map(|blame| format!("{blame:?}").to_lowercase());
                error!(
                    job = name,
                    run_id = record.run_id,
                    ?work,
                    blame,
                    error,
                    hint = outcome.hint,
                    "a run has failed"
                );
            }
            info!(job = name, run_id = record.run_id, ?work, status = ?outcome.status, "a run has ended");
            self.tell(Notice::Finished {
                job: name.to_owned(),
                record,
                previous,
                previous_good,
                recovered,
                failures,
                retry_at: retry.map(|retry| retry.at),
            });
        }
        self.check_age(name, work, now);
        self.save(name);
    }

    /// Old backups were removed, or not; where there was nothing to do, nothing is kept.
    pub(crate) fn pruned(&mut self, name: &str, run_id: &str, outcome: Outcome, took: Duration, now: Timestamp) {
        let Some(active) = self.active(name, Work::Backup, run_id) else { return };
        let begun = active.begun.clone();
        if outcome.status != Status::Skipped
            && let Some(job) = self.jobs.get_mut(name)
        {
            let record = Record {
                run_id: run_id.to_owned(),
                work: Work::Prune,
                cause: begun.cause,
                attempt: 1,
                tick: begun.tick,
                started_at: now.saturating_sub(took).unwrap_or(now),
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                outcome,
            };
            let record = record.bounded();
            let previous = job.state.last_prune.replace(record.clone()).map(Box::new);
            let bad = |record: &Record| record.outcome.status != Status::Success;
            let recovered = previous.as_deref().is_some_and(bad) && !bad(&record);
            let failures = u32::from(bad(&record));
            self.tell(Notice::Finished {
                job: name.to_owned(),
                record: Box::new(record),
                previous,
                previous_good: None,
                recovered,
                failures,
                retry_at: None,
            });
            self.save(name);
        }
        self.release(name, Work::Backup, now);
    }

    fn release(&mut self, name: &str, work: Work, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        if job.slots[index(work)].active().is_some_and(|active| !active.hung) {
            self.taken = self.taken.saturating_sub(1);
        }
        job.slots[index(work)] = Slot::Idle;
        if job.removed && job.idle() {
            self.jobs.remove(name);
        }
        self.pump(now);
    }

    fn plan_retry(&mut self, name: &str, work: Work, record: &Record, now: Timestamp) -> Option<Retry> {
        let job = self.jobs.get(name)?;
        let spec = &job.spec;
        let failed = record.outcome.status == Status::Failed && record.outcome.retryable;
        if work != Work::Backup || !failed || self.stopping || job.removed || !spec.enabled {
            return None;
        }
        if record.attempt > spec.retries {
            return None;
        }
        let longest = LONGEST_DELAY.max(spec.retry_delay);
        let factor = 1_i32 << (record.attempt - 1).min(20);
        let delay = spec.retry_delay.saturating_mul(factor).min(longest);
        // Up to a quarter more, so that jobs that failed together do not come back as one.
        let quarter = u64::try_from(delay.as_millis() / 4).unwrap_or(0);
        let random = record.run_id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
        let more = SignedDuration::from_millis(i64::try_from(random % (quarter + 1)).unwrap_or(0));
        let at = now.checked_add(delay.saturating_add(more)).ok()?;
        // The next tick tries again by itself.
        if self.timers.get(name, What::Tick(Work::Backup)).is_some_and(|tick| tick <= at) {
            return None;
        }
        self.timers.set(name, What::Retry, at);
        Some(Retry { at, attempt: record.attempt + 1, tick: record.tick })
    }

    /// What was to be tried again when planb ended still is.
    pub(super) fn resume_retry(&mut self, name: &str, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let Some(retry) = job.state.retry else { return };
        let next = self.timers.get(name, What::Tick(Work::Backup));
        let at = retry.at.max(now);
        let idle = matches!(job.slots[index(Work::Backup)], Slot::Idle);
        if idle && job.spec.enabled && next.is_none_or(|tick| tick > at) {
            job.state.retry = Some(Retry { at, ..retry });
            self.timers.set(name, What::Retry, at);
        } else {
            job.state.retry = None;
        }
    }

    pub(super) fn retry(&mut self, name: &str, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        if let Some(retry) = job.state.retry.take()
            && matches!(job.slots[index(Work::Backup)], Slot::Idle)
        {
            self.enqueue(name, Work::Backup, Cause::Retry, retry.tick, retry.attempt, now);
        }
    }

    /// A run that had begun when planb ended without ending it has failed.
    pub(super) fn cut_off(&mut self, name: &str, work: Work, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let lane = job.lane(work);
        let Some(begun) = lane.running.take() else { return };
        lane.interrupted = Some(begun.tick);
        let mut outcome = Outcome::failed(Blame::PlanB, "interrupted by a crash: planb ended while this run went on");
        // Whether it is made up for is not a matter of retries.
        outcome.retryable = false;
        let record = Record {
            run_id: begun.run_id,
            work,
            cause: begun.cause,
            attempt: begun.attempt,
            tick: begun.tick,
            started_at: begun.since,
            duration_ms: 0,
            outcome,
        };
        self.record(name, work, record, now);
    }
}
