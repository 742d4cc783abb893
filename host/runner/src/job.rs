//! A job, as far as the scheduler has to know it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use planb_model::schedule::Schedule;

use crate::folder;

/// When a job runs and what it may take. What it backs up, and to where, only the worker knows, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Its name, which no other job has.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// The time zone of both schedules.
    pub zone: TimeZone,
    /// It starts up to this much behind its tick, so that jobs of the same tick do not start as one.
    pub jitter: SignedDuration,
    /// It also runs when planb starts.
    pub on_start: bool,
    /// It makes up for ticks that were missed: one run for the newest.
    pub catch_up: bool,
    /// A failed run is tried again so often.
    pub retries: u32,
    /// The wait before the first of them; each next waits twice as long.
    pub retry_delay: SignedDuration,
    /// How long a run may take, and a drill, and the removal of old backups, each.
    pub timeout: SignedDuration,
    /// When a backup is restored to see whether it can be.
    pub drill_schedule: Option<Schedule>,
    /// The last good backup may be so old.
    pub max_age: Option<SignedDuration>,
    /// The last good drill may be so old.
    pub max_drill_age: Option<SignedDuration>,
    /// Whether it is run at all.
    pub enabled: bool,
}

impl JobSpec {
    /// A job in UTC with a day for each run, two retries, and everything else off but catching up.
    pub fn new(name: impl Into<String>, schedule: Schedule) -> Self {
        Self {
            name: name.into(),
            schedule,
            zone: TimeZone::UTC,
            jitter: SignedDuration::ZERO,
            on_start: false,
            catch_up: true,
            retries: 2,
            retry_delay: SignedDuration::from_mins(1),
            timeout: SignedDuration::from_hours(24),
            drill_schedule: None,
            max_age: None,
            max_drill_age: None,
            enabled: true,
        }
    }
}

/// Why a list of jobs is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// A name that no file can have.
    #[error(
        "a job cannot be called {0:?}: a name has 1 to 200 bytes, fewer where it holds more than letters and digits"
    )]
    Name(String),
    /// Two jobs of one name would share their state.
    #[error("two jobs are called {0:?}")]
    Twice(String),
    /// Nothing could run.
    #[error("the job {0:?} has a time limit of {1}, in which nothing can run")]
    NoTime(String, SignedDuration),
}

pub(crate) fn check(specs: &[JobSpec]) -> Result<(), JobError> {
    let mut names = BTreeSet::new();
    for spec in specs {
        if spec.name.is_empty() || folder::file_name(&spec.name).is_none() {
            return Err(JobError::Name(spec.name.chars().take(60).collect()));
        }
        if !names.insert(spec.name.as_str()) {
            return Err(JobError::Twice(spec.name.clone()));
        }
        if !spec.timeout.is_positive() {
            return Err(JobError::NoTime(spec.name.clone(), spec.timeout));
        }
    }
    Ok(())
}
