//! A run that somebody asks for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Core, Slot, index};
use crate::outcome::{Cause, Work};
use crate::timers::What;

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggered {
    /// Its id.
    pub run_id: String,
    /// It waits for its turn: as many runs go on as may, or the job's other work does.
    pub waits: bool,
}

/// Why a run was not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TriggerError {
    /// There is no such job.
    #[error("there is no job {job:?}{}", nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        job: String,
        /// The job with the most similar name.
        nearest: Option<String>,
    },
    /// It runs already, or waits to.
    #[error("the job {job:?} is busy: its run {run_id} {} {since}", if *waits { "waits since" } else { "goes on since" })]
    Busy {
        /// The job.
        job: String,
        /// The run.
        run_id: String,
        /// It has not begun yet.
        waits: bool,
        /// When it began, or was asked for.
        since: Timestamp,
    },
    /// It is switched off.
    #[error("the job {job:?} is switched off in the settings (`enabled = false`)")]
    Disabled {
        /// The job.
        job: String,
    },
    /// planb is about to end.
    #[error("planb is stopping and begins no more runs")]
    Stopping,
}

impl Core {
    /// Begins a backup or a drill now, or as soon as there is room.
    pub(crate) fn trigger(&mut self, name: &str, work: Work, now: Timestamp) -> Result<Triggered, TriggerError> {
        if self.stopping {
            return Err(TriggerError::Stopping);
        }
        let known = self.jobs.get_mut(name).filter(|job| !job.removed);
        let Some(job) = known else {
            let near = |known: &&String| strsim::jaro_winkler(known, name);
            let nearest = self.jobs.keys().max_by(|a, b| near(a).total_cmp(&near(b)));
            let nearest = nearest.filter(|known| near(known) > 0.7).cloned();
            return Err(TriggerError::Unknown { job: name.to_owned(), nearest });
        };
        let job_name = name.to_owned();
        if !job.spec.enabled {
            return Err(TriggerError::Disabled { job: job_name });
        }
        match &job.slots[index(work)] {
            Slot::Active(active) => {
                let (run_id, since) = (active.begun.run_id.clone(), active.begun.since);
                return Err(TriggerError::Busy { job: job_name, run_id, waits: false, since });
            }
            Slot::Queued(ticket) => {
                let (run_id, since) = (ticket.run_id.clone(), ticket.since);
                return Err(TriggerError::Busy { job: job_name, run_id, waits: true, since });
            }
            Slot::Idle => {}
        }
        if work == Work::Backup {
            job.state.retry = None;
            self.timers.clear(name, What::Retry);
        }
        let run_id = self.enqueue(name, work, Cause::Trigger, now, 1, now);
        self.pump(now);
        let waits = self.jobs.get(name).is_some_and(|job| job.slot(work).active().is_none());
        Ok(Triggered { run_id, waits })
    }
}
