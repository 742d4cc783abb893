//! Other jobs than before, without losing what goes on.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::{Core, Job, LANES, Slot, index};
use crate::job::JobSpec;
use crate::state::JobState;

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Jobs that there were not before. They run from their next tick on.
    pub added: Vec<String>,
    /// Jobs that are other than before. A run that goes on is left to itself.
    pub changed: Vec<String>,
    /// Jobs that are no more. A run that goes on is left to itself, and then the job goes.
    pub removed: Vec<String>,
    /// How many are as they were.
    pub unchanged: usize,
}

impl Core {
    /// Puts these jobs in the place of those before. New ones come with what was kept of them.
    pub(crate) fn reload(&mut self, jobs: Vec<(JobSpec, Option<JobState>)>, now: Timestamp) -> ReloadReport {
        let mut report = ReloadReport::default();
        let gone: Vec<String> = self
            .jobs
            .iter()
            .filter(|(name, job)| !job.removed && !jobs.iter().any(|(spec, _)| spec.name == **name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.remove(&name);
            report.removed.push(name);
        }
        for (spec, state) in jobs {
            let name = spec.name.clone();
            match self.jobs.get_mut(&name) {
                Some(job) if job.spec == spec && !job.removed => report.unchanged += 1,
                Some(_) => {
                    self.change(spec, now);
                    report.changed.push(name);
                }
                None => {
                    let state = state.unwrap_or_else(|| JobState::new(&name, now));
                    self.jobs.insert(name.clone(), Job::new(spec, state, now));
                    self.admit(&name, now, false);
                    report.added.push(name);
                }
            }
        }
        self.refused = None;
        self.pump(now);
        info!(added = ?report.added, changed = ?report.changed, removed = ?report.removed, "the jobs were read anew");
        report
    }

    fn remove(&mut self, name: &str) {
        self.timers.clear_job(name);
        self.unqueue(name);
        let Some(job) = self.jobs.get_mut(name) else { return };
        job.removed = true;
        job.state.retry = None;
        for work in LANES {
            job.lane(work).schedule = None;
        }
        let idle = job.idle();
        self.save(name);
        if idle {
            self.jobs.remove(name);
        }
    }

    fn change(&mut self, spec: JobSpec, now: Timestamp) {
        let name = spec.name.clone();
        let enabled = spec.enabled;
        let Some(job) = self.jobs.get_mut(&name) else { return };
        job.spec = spec;
        job.removed = false;
        if !enabled {
            job.state.retry = None;
            self.timers.clear_job(&name);
            self.unqueue(&name);
        }
        for work in LANES {
            let Some(job) = self.jobs.get_mut(&name) else { return };
            job.follow(work, now);
            self.plan(&name, work, now);
            self.make_up(&name, work, now, false);
            self.check_age(&name, work, now);
        }
        self.save(&name);
    }

    /// Takes back what waits for its turn.
    fn unqueue(&mut self, name: &str) {
        self.queue.retain(|ticket| ticket.job != name);
        let Some(job) = self.jobs.get_mut(name) else { return };
        for work in LANES {
            if matches!(job.slots[index(work)], Slot::Queued(_)) {
                job.slots[index(work)] = Slot::Idle;
            }
        }
    }
}
