//! Pruning: what retention rules let go of, what dead runs left, and what an earlier prune did not finish.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use planb_model::manifest::Manifest;
use planb_model::retention::{Candidate, Decision, Retention, decide};
use planb_store::{Entry, Orphan, Removed, Store, StoreError, Survey};
use serde::Serialize;
use tracing::Instrument as _;

use crate::error::{RunError, blame_of};
use crate::stop::Stop;
use crate::traced;

/// What to remove.
#[derive(Debug, Clone)]
pub struct PruneSpec {
    /// The rules; none keep everything.
    pub rules: Retention,
    /// In which zone days begin.
    pub zone: TimeZone,
    /// Remove what dead runs left, at least this old.
    pub orphans: Option<Duration>,
    /// Only tell.
    pub dry_run: bool,
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Action {
    Keep,
    Remove,
}

/// A backup and what becomes of it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words are those of the manifest")]
pub struct PrunedBackup {
    pub id: String,
    pub key: String,
    pub engine: String,
    pub database: String,
    pub server: Option<String>,
    pub created_at: Timestamp,
    pub stored_bytes: u64,
    pub action: Action,
    /// Why.
    pub reasons: Vec<String>,
    /// Whether it is gone.
    pub removed: bool,
    pub error: Option<String>,
}

impl PrunedBackup {
    fn stay(&mut self, reason: &str) {
        (self.action, self.reasons) = (Action::Keep, vec![reason.to_owned()]);
    }
}

const READ: &str = "a restore or drill reads it now";

/// An object that no backup needs.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct PrunedOrphan {
    pub key: String,
    pub bytes: u64,
    pub age_seconds: Option<u64>,
    /// Of which run.
    pub run: Option<String>,
    pub removed: bool,
    pub error: Option<String>,
}

/// What `planb prune` reports. Fixed: people script on it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct PruneReport {
    pub store: String,
    pub dry_run: bool,
    pub backups: Vec<PrunedBackup>,
    pub orphans: Vec<PrunedOrphan>,
    /// Removals that an earlier prune had begun, by the backups' ids.
    pub finished: Vec<String>,
    pub freed_bytes: u64,
    /// The first store error, for hints.
    #[serde(skip)]
    pub failed: Option<StoreError>,
}

/// What one retention rule is applied to: the backups of one job.
fn job(manifest: &Manifest) -> (String, String, String, String) {
    let label = manifest.labels.get("job").cloned().unwrap_or_default();
    // A job's backups are one series, wherever its server is now; without a job, the server tells databases apart.
    let server = if label.is_empty() { manifest.server.clone().unwrap_or_default() } else { String::new() };
    let scope = format!("{:?} {}", manifest.scope, manifest.database);
    (label, manifest.engine.clone(), server, scope)
}

/// Removes what the rules let go of among the backups that `chosen` says, and orphans where that is asked for.
///
/// One that cannot be removed is reported and does not end the rest.
///
/// # Errors
/// [`RunError`] where the store cannot be looked at.
pub async fn prune(
    store: &Store,
    spec: &PruneSpec,
    chosen: impl Fn(&Manifest) -> bool,
    stop: &Stop,
) -> Result<PruneReport, RunError> {
    let span = traced::prune(spec.dry_run);
    let outcome = clear(store, spec, chosen, stop).instrument(span.clone()).await;
    if let Ok(report) = &outcome {
        span.record("planb.removed", report.backups.iter().filter(|backup| backup.removed).count());
        span.record("planb.freed_bytes", report.freed_bytes);
    }
    let failed =
        outcome.as_ref().map_or_else(|error| Some(error.blame()), |report| report.failed.as_ref().map(blame_of));
    traced::blamed(&span, failed);
    outcome
}

async fn clear(
    store: &Store,
    spec: &PruneSpec,
    chosen: impl Fn(&Manifest) -> bool,
    stop: &Stop,
) -> Result<PruneReport, RunError> {
    let now = Timestamp::now();
    let survey = store.survey().await?;
    let mut report = PruneReport {
        store: store.shown().to_owned(),
        dry_run: spec.dry_run,
        backups: Vec::new(),
        orphans: Vec::new(),
        finished: Vec::new(),
        freed_bytes: 0,
        failed: None,
    };
    let decisions = decisions(&survey, spec, chosen, now);
    for (entry, decision) in decisions {
        let manifest = &entry.manifest;
        let mut reasons = decision.reasons;
        let mut action = if decision.keep { Action::Keep } else { Action::Remove };
        if action == Action::Remove && survey.being_read(&manifest.id) {
            action = Action::Keep;
            reasons = vec![READ.to_owned()];
        }
        let mut pruned = PrunedBackup {
            id: manifest.id.clone(),
            key: entry.name().to_owned(),
            engine: manifest.engine.clone(),
            database: manifest.database.clone(),
            server: manifest.server.clone(),
            created_at: manifest.created_at,
            stored_bytes: manifest.stored_bytes,
            action,
            reasons,
            removed: false,
            error: None,
        };
        if action == Action::Remove {
            if let Some(reason) = stop.reason() {
                return Err(reason.into());
            }
            if spec.dry_run {
                report.freed_bytes += manifest.stored_bytes;
            } else {
                match store.remove_backup(&survey, entry).await {
                    Ok(Removed::Held) => pruned.stay("held"),
                    Ok(Removed::Read) => pruned.stay(READ),
                    Ok(Removed::Gone(bytes)) => {
                        pruned.removed = true;
                        report.freed_bytes += bytes;
                        tracing::info!(id = manifest.id, key = entry.name(), reasons = ?pruned.reasons, "a backup was removed");
                    }
                    Err(error) => {
                        pruned.error = Some(error.to_string());
                        report.failed.get_or_insert(error);
                    }
                }
            }
        }
        report.backups.push(pruned);
    }
    if !spec.dry_run {
        match store.finish_removals(&survey).await {
            Ok(ids) => report.finished = ids,
            Err(error) => drop(report.failed.get_or_insert(error)),
        }
    }
    if let Some(older) = spec.orphans {
        let orphans = survey.orphans(now, older);
        let outcomes = if spec.dry_run { Vec::new() } else { store.remove_orphans(&survey, &orphans).await };
        let mut outcomes = outcomes.into_iter();
        for Orphan { key, bytes, age, run } in orphans {
            let outcome = outcomes.next();
            let removed = matches!(outcome, Some(Ok(true)));
            if removed || spec.dry_run {
                report.freed_bytes += bytes;
            }
            // It is no orphan after all.
            if matches!(outcome, Some(Ok(false))) {
                continue;
            }
            let error = outcome.and_then(Result::err);
            report.orphans.push(PrunedOrphan {
                key,
                bytes,
                age_seconds: age.map(|age| age.as_secs()),
                run,
                removed,
                error: error.as_ref().map(ToString::to_string),
            });
            if let Some(error) = error {
                report.failed.get_or_insert(error);
            }
        }
    }
    Ok(report)
}

/// What the rules say of each chosen backup, oldest first.
fn decisions<'s>(
    survey: &'s Survey,
    spec: &PruneSpec,
    chosen: impl Fn(&Manifest) -> bool,
    now: Timestamp,
) -> Vec<(&'s Entry, Decision)> {
    let mut jobs: BTreeMap<_, Vec<&Entry>> = BTreeMap::new();
    for entry in survey.catalogue.entries.iter().filter(|entry| chosen(&entry.manifest)) {
        jobs.entry(job(&entry.manifest)).or_default().push(entry);
    }
    let mut all = Vec::new();
    for entries in jobs.into_values() {
        let candidates: Vec<Candidate> = entries
            .iter()
            .map(|entry| Candidate {
                id: entry.manifest.id.clone(),
                key: entry.name().to_owned(),
                created_at: entry.manifest.created_at,
                stored_bytes: entry.manifest.stored_bytes,
                good: survey.whole(entry).is_ok(),
                proven: entry.drill.as_ref().is_some_and(|drill| drill.ok),
                held: entry.hold.is_some(),
            })
            .collect();
        all.extend(entries.into_iter().zip(decide(&spec.rules, &candidates, now, &spec.zone)));
    }
    all.sort_by_key(|(entry, _)| (entry.manifest.created_at, entry.key.clone()));
    all
}
