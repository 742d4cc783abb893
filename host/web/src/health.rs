//! The judgement of a snapshot: whether planb is well, and in what state each job is. Pure rules.

use jiff::{SignedDuration, Timestamp};

use crate::status::{JobStatus, Reason, ReasonKind, RunStatus, RunSummary, Snapshot};
use crate::text;

/// A run that was told to end has so long to do it before it counts as hung.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// In what state a job is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Its run goes on past its time limit.
    Hung,
    /// Its last run or its last drill failed.
    Failing,
    /// Its last good backup or drill is too old.
    Late,
    /// There is a backup, but not all is as it should be.
    Warning,
    /// Nothing has run yet, and nothing is late.
    NeverRan,
    /// All is well.
    Ok,
    /// It is switched off.
    Disabled,
}

impl Health {
    /// All of them, the worst first.
    pub const ALL: [Self; 7] =
        [Self::Hung, Self::Failing, Self::Late, Self::Warning, Self::NeverRan, Self::Ok, Self::Disabled];

    /// The word in metrics and in the page's addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hung => "hung",
            Self::Failing => "failing",
            Self::Late => "late",
            Self::Warning => "warning",
            Self::NeverRan => "never-ran",
            Self::Ok => "ok",
            Self::Disabled => "disabled",
        }
    }

    /// The same for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeverRan => "never ran",
            other => other.as_str(),
        }
    }

    /// Whether a person should look at it.
    pub fn needs_attention(self) -> bool {
        matches!(self, Self::Hung | Self::Failing | Self::Late | Self::Warning)
    }
}

/// The state of a job and what is wrong with it, as sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The worst of it.
    pub health: Health,
    /// Each thing that is wrong, with the state that it alone would be, the worst first.
    pub troubles: Vec<(Health, String)>,
}

impl Snapshot {
    /// Adds what follows from the data itself: a run that is past its time limit is hung, whether or not whoever
    /// watches over it noticed; and `healthy` says whether there are reasons.
    #[must_use]
    pub fn settled(mut self) -> Self {
        for job in self.jobs.iter().filter(|job| job.hung(self.now)) {
            let known = |reason: &Reason| reason.kind == ReasonKind::RunHung && reason.job.as_ref() == Some(&job.name);
            if !self.reasons.iter().any(known) {
                let detail = format!("the run of {} goes on past its time limit", job.name);
                self.reasons.push(Reason { kind: ReasonKind::RunHung, job: Some(job.name.clone()), detail });
            }
        }
        if !self.healthy && self.reasons.is_empty() {
            let detail = "planb says that it is not well, without a reason".to_owned();
            self.reasons.push(Reason { kind: ReasonKind::Other, job: None, detail });
        }
        self.healthy = self.reasons.is_empty();
        self
    }
}

impl JobStatus {
    /// Whether its run was found hung, or should have ended [`GRACE`] ago.
    pub fn hung(&self, now: Timestamp) -> bool {
        self.running
            .as_ref()
            .is_some_and(|run| run.hung || run.deadline.is_some_and(|deadline| now.duration_since(deadline) > GRACE))
    }

    /// The newest run that was really made: one that was skipped says nothing about the next.
    pub fn last_made(&self) -> Option<&RunSummary> {
        let made = |run: &&RunSummary| run.status != RunStatus::Skipped;
        self.history.iter().rev().find(made).or_else(|| self.last.as_ref().filter(made))
    }

    /// The runs that left a backup, newest first.
    pub fn committed(&self) -> impl Iterator<Item = &RunSummary> {
        self.history.iter().rev().filter(|run| run.status.committed())
    }

    /// The newest backup and the one before it, if the newest is less than half as large.
    pub fn shrank(&self) -> Option<(&RunSummary, &RunSummary)> {
        let mut backups = self.committed();
        let (new, old) = (backups.next()?, backups.next()?);
        (new.plain_bytes < old.plain_bytes / 2).then_some((new, old))
    }

    /// Its state, and what is wrong with it.
    pub fn judge(&self, now: Timestamp) -> Judgement {
        let mut troubles = Vec::new();
        if self.hung(now) {
            let deadline = self.running.as_ref().and_then(|run| run.deadline).filter(|deadline| *deadline < now);
            let said = match deadline {
                Some(deadline) => format!("should have ended {} ago", text::span_between(deadline, now)),
                None => "was told to end".to_owned(),
            };
            troubles.push((Health::Hung, format!("the run {said} and goes on")));
        }
        if self.enabled {
            self.ended(&mut troubles);
            self.aged(now, &mut troubles);
            self.odd(&mut troubles);
        }
        troubles.sort_by_key(|(health, _)| *health);
        let health = match troubles.first() {
            Some((health, _)) => *health,
            None if !self.enabled => Health::Disabled,
            None if self.last_made().is_none() && self.last_success_at.is_none() => Health::NeverRan,
            None => Health::Ok,
        };
        Judgement { health, troubles }
    }

    fn ended(&self, troubles: &mut Vec<(Health, String)>) {
        match self.last_made() {
            Some(run) if run.status == RunStatus::Failed => {
                let why = run.error.as_deref().unwrap_or("no reason was given");
                troubles.push((Health::Failing, format!("the last run failed: {why}")));
            }
            Some(run) if run.status == RunStatus::Partial => {
                let missing: Vec<&str> =
                    run.stores.iter().filter(|store| !store.ok).map(|store| store.name.as_str()).collect();
                troubles.push((Health::Warning, format!("the last backup is not in {}", missing.join(", "))));
            }
            _ => {}
        }
        if let Some(drill) = self.last_drill.as_ref().filter(|drill| !drill.ok) {
            let failed = drill.checks.iter().find(|check| !check.ok).map(|check| check.detail.as_str());
            let why = drill.error.as_deref().or(failed).unwrap_or("no reason was given");
            troubles.push((Health::Failing, format!("the last drill failed: {why}")));
        }
    }

    fn aged(&self, now: Timestamp, troubles: &mut Vec<(Health, String)>) {
        let said = |what: &str, at: Option<Timestamp>, limit: Option<u64>| {
            let age = match at {
                Some(at) => format!("the last good {what} is {} old", text::span_between(at, now)),
                None => format!("there is no good {what}"),
            };
            match limit {
                Some(limit) => format!("{age}; {} are allowed", text::span(limit)),
                None => age,
            }
        };
        if self.stale {
            troubles.push((Health::Late, said("backup", self.last_success_at, self.max_age_seconds)));
        }
        if self.drill_stale {
            troubles.push((Health::Late, said("drill", self.last_drill_ok_at, self.drill_max_age_seconds)));
        }
    }

    fn odd(&self, troubles: &mut Vec<(Health, String)>) {
        if let Some((new, old)) = self.shrank() {
            let (new, old) = (text::bytes(new.plain_bytes), text::bytes(old.plain_bytes));
            troubles.push((Health::Warning, format!("the last backup is less than half as large: {new} after {old}")));
        }
        for store in self.stores.iter().filter(|store| !store.ok) {
            let why = store.error.as_deref().unwrap_or("no reason was given");
            troubles.push((Health::Warning, format!("the store {} fails: {why}", store.name)));
        }
        if let Some(why) = self.retention.as_ref().and_then(|retention| retention.error.as_ref()) {
            troubles.push((Health::Warning, format!("retention was not finished: {why}")));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn example() -> Snapshot {
        Snapshot::example("2026-11-21T12:00:00Z".parse().unwrap())
    }

    fn job(snapshot: &Snapshot, health: Health) -> &JobStatus {
        snapshot.jobs.iter().find(|job| job.judge(snapshot.now).health == health).unwrap()
    }

    #[test]
    fn the_example_has_every_state() {
        let snapshot = example();
        for health in Health::ALL {
            let found = job(&snapshot, health).judge(snapshot.now);
            assert_eq!(found.troubles.is_empty(), !health.needs_attention(), "{health:?}");
        }
    }

    #[test]
    fn a_run_past_its_limit_makes_planb_unhealthy_even_if_nobody_noticed() {
        let mut snapshot = example();
        snapshot.reasons.clear();
        snapshot.healthy = true;
        let hung = job(&snapshot, Health::Hung).name.clone();
        let snapshot = snapshot.settled();
        assert!(!snapshot.healthy);
        assert_eq!(snapshot.reasons.len(), 1);
        assert_eq!(snapshot.reasons[0].job.as_deref(), Some(hung.as_str()));
        assert_eq!(snapshot.clone().settled(), snapshot);
    }

    #[test]
    fn a_run_within_its_grace_is_not_hung() {
        let mut snapshot = example();
        let now = snapshot.now;
        let job = snapshot.jobs.iter_mut().find(|job| job.running.is_some()).unwrap();
        job.running.as_mut().unwrap().deadline = Some(now - GRACE);
        assert!(!job.hung(now));
        job.running.as_mut().unwrap().deadline = Some(now - GRACE - SignedDuration::from_millis(1));
        assert!(job.hung(now));
        let run = job.running.as_mut().unwrap();
        (run.deadline, run.hung) = (None, true);
        assert_eq!(job.judge(now).troubles[0], (Health::Hung, "the run was told to end and goes on".to_owned()));
    }

    #[test]
    fn a_skipped_run_hides_no_failure() {
        let mut snapshot = example();
        let now = snapshot.now;
        let job = snapshot.jobs.iter_mut().find(|job| job.judge(now).health == Health::Failing).unwrap();
        let mut skipped = job.last_made().unwrap().clone();
        skipped.status = RunStatus::Skipped;
        job.record(skipped);
        assert_eq!(job.judge(now).health, Health::Failing);
    }

    #[test]
    fn unhealthy_without_a_reason_stays_unhealthy() {
        let mut snapshot = example();
        snapshot.jobs.clear();
        snapshot.reasons.clear();
        snapshot.healthy = false;
        let snapshot = snapshot.settled();
        assert!(!snapshot.healthy && snapshot.reasons[0].kind == ReasonKind::Other);
    }
}
