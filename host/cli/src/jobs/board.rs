//! What `planb serve` shows of its jobs: the scheduler's snapshot with what the settings and stores say besides.

use std::sync::{Arc, PoisonError};

use planb_model::drill::DrillRecord;
use planb_model::engine::Inspection;
use planb_runner::{Handle, JobSnapshot, Record, Work};
use planb_store::holder;
use planb_web::status::{
    DrillSummary, FailureCounts, HISTORY, InspectionSummary, JobStatus, Reason, ReasonKind, RetentionStatus, RunCounts,
    RunStatus, RunStore, RunSummary, RunningStatus, SCHEMA, StoreStatus,
};
use planb_web::{Board, Snapshot, TriggerError};
use serde_json::Value;

use crate::jobs::worker::House;

/// The status page's view.
pub(crate) struct View {
    pub(crate) handle: Handle,
    pub(crate) house: Arc<House>,
}

impl Board for View {
    fn snapshot(&self) -> Snapshot {
        snapshot(&self.handle.snapshot(), Some(&self.house))
    }

    fn trigger(&self, job: &str) -> Result<String, TriggerError> {
        use planb_runner::TriggerError as E;
        match self.handle.trigger(job) {
            Ok(triggered) if triggered.waits => Ok(format!("{job} will run as soon as there is room")),
            Ok(triggered) => Ok(format!("{job} runs: {}", triggered.run_id)),
            Err(error) => Err((match error {
                E::Unknown { .. } => TriggerError::Unknown,
                E::Busy { .. } => TriggerError::Busy,
                E::Disabled { .. } => TriggerError::Disabled,
                E::Stopping => TriggerError::Stopping,
            })(error.to_string())),
        }
    }
}

/// `house`: none for another process's snapshot, of whose settings nothing is known here.
pub(crate) fn snapshot(from: &planb_runner::Snapshot, house: Option<&House>) -> Snapshot {
    let reasons = from.health.reasons.iter().map(|reason| Reason {
        kind: match reason.kind {
            planb_runner::ReasonKind::RunHung => ReasonKind::RunHung,
            planb_runner::ReasonKind::SchedulerStuck => ReasonKind::SchedulerStuck,
            planb_runner::ReasonKind::StateUnwritable => ReasonKind::StateUnwritable,
        },
        job: reason.job.clone(),
        detail: reason.detail.clone(),
    });
    Snapshot {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: holder().host.clone(),
        started_at: from.started_at,
        now: from.now,
        ready: from.health.ready,
        healthy: from.health.healthy,
        reasons: reasons.collect(),
        config_problem: from.reload_problem.clone(),
        jobs: from.jobs.iter().map(|job| status(job, house)).collect(),
    }
}

fn status(from: &JobSnapshot, house: Option<&House>) -> JobStatus {
    let jobs = house.map(House::jobs);
    let config = jobs.as_ref().and_then(|jobs| jobs.jobs.get(&from.name));
    let newest = from.backup.last.iter().chain(from.backup.last_good.iter());
    let told = |name: &str| newest.clone().find_map(|record| text(record, name));
    let engine = told("engine").or_else(|| config.and_then(|job| job.plugin.clone()));
    let database = told("database").or_else(|| config.and_then(|job| job.database.clone()));
    let seconds = |time: jiff::SignedDuration| u64::try_from(time.as_secs()).unwrap_or_default();
    let drills: Vec<&Record> = from.drill.history.iter().collect();
    let mut history: Vec<RunSummary> =
        from.backup.history.iter().map(|record| run(record, &drills)).rev().take(HISTORY).collect();
    history.reverse();
    let counters = &from.backup.counters;
    let count = |status| counters.by_status.get(&status).copied().unwrap_or_default();
    let blame = |word: &str| counters.by_blame.get(word).copied().unwrap_or_default();
    JobStatus {
        name: from.name.clone(),
        enabled: from.enabled && !from.removed,
        engine: engine.unwrap_or_default(),
        database: database.unwrap_or_default(),
        server: told("server"),
        schedule: from.backup.schedule_words.clone().or_else(|| from.backup.schedule.clone()),
        timezone: Some(from.zone.clone()),
        next_run: from.backup.next_run,
        retry_at: from.retry.map(|retry| retry.at),
        queued_at: from.backup.queued.as_ref().map(|queued| queued.since),
        drill_schedule: from.drill.schedule_words.clone().or_else(|| from.drill.schedule.clone()),
        next_drill: from.drill.next_run,
        running: from.backup.running.as_ref().or(from.drill.running.as_ref()).map(|running| RunningStatus {
            run_id: running.run_id.clone(),
            work: serde_json::to_value(running.work).ok().and_then(|word| word.as_str().map(str::to_owned)),
            hung: running.hung,
            since: running.since,
            stage: if running.work == Work::Prune { "removing old backups".to_owned() } else { running.stage.clone() },
            bytes: running.bytes,
            expected_bytes: running.expected_bytes,
            deadline: Some(running.deadline),
        }),
        last: from.backup.last.as_ref().map(|record| run(record, &drills)),
        last_success_at: from.backup.last_good_at,
        last_drill: from.drill.last.as_ref().map(drill),
        last_drill_ok_at: from.drill.last_good_at,
        max_age_seconds: from.backup.max_age.map(seconds),
        drill_max_age_seconds: from.drill.max_age.map(seconds),
        stale: from.backup.stale.is_some(),
        drill_stale: from.drill.stale.is_some(),
        history,
        runs: RunCounts {
            success: count(planb_runner::Status::Success),
            partial: count(planb_runner::Status::Partial),
            failed: count(planb_runner::Status::Failed),
            skipped: count(planb_runner::Status::Skipped),
        },
        failures: FailureCounts {
            settings: blame("settings"),
            tool: blame("tool"),
            database: blame("database"),
            storage: blame("storage"),
            plugin: blame("plugin"),
            planb: blame("planb"),
        },
        retention: from.last_prune.as_ref().map(|record| RetentionStatus {
            kept: number(record, "kept"),
            removed: house.map_or_else(|| number(record, "removed"), |house| removed(&from.name, house)),
            last_at: Some(record.started_at),
            error: record.outcome.error.clone(),
        }),
        stores: house.map_or_else(Vec::new, |house| stores(&from.name, house)),
    }
}

fn removed(job: &str, house: &House) -> u64 {
    house.removed.lock().unwrap_or_else(PoisonError::into_inner).get(job).copied().unwrap_or_default()
}

fn stores(job: &str, house: &House) -> Vec<StoreStatus> {
    let seen = house.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.get(job).cloned().unwrap_or_default();
    seen.into_iter()
        .map(|seen| StoreStatus {
            ok: seen.error.is_none(),
            name: seen.name,
            url: Some(seen.url),
            error: seen.error,
            last_latency_ms: seen.latency.and_then(|time| u64::try_from(time.as_millis()).ok()),
            backups: seen.backups,
            bytes: seen.bytes,
        })
        .collect()
}

fn text(record: &Record, name: &str) -> Option<String> {
    record.outcome.detail.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn number(record: &Record, name: &str) -> u64 {
    record.outcome.detail.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn run(record: &Record, drills: &[&Record]) -> RunSummary {
    let outcome = &record.outcome;
    let inspections: Vec<Inspection> =
        outcome.detail.get("inspections").and_then(|all| serde_json::from_value(all.clone()).ok()).unwrap_or_default();
    let objects: u64 = inspections.iter().map(|inspection| inspection.objects.len() as u64).sum();
    let drilled =
        drills.iter().rev().find(|drill| outcome.backup_id.is_some() && drill.outcome.backup_id == outcome.backup_id);
    RunSummary {
        id: outcome.backup_id.clone().unwrap_or_else(|| record.run_id.clone()),
        started_at: record.started_at,
        duration_ms: record.duration_ms,
        status: match outcome.status {
            planb_runner::Status::Success => RunStatus::Success,
            planb_runner::Status::Partial => RunStatus::Partial,
            planb_runner::Status::Failed => RunStatus::Failed,
            planb_runner::Status::Skipped => RunStatus::Skipped,
        },
        plain_bytes: outcome.plain_bytes,
        stored_bytes: outcome.stored_bytes,
        rows: outcome.rows,
        objects: (objects > 0).then_some(objects),
        error: outcome.error.clone(),
        hint: outcome.hint.clone(),
        blame: outcome.blame,
        warnings: outcome.warnings.clone(),
        stores: outcome
            .stores
            .iter()
            .map(|store| RunStore { name: store.store.clone(), ok: store.ok, error: store.error.clone() })
            .collect(),
        inspection: inspections.first().map(InspectionSummary::of),
        drill: drilled.map(|record| drill(record)),
    }
}

fn drill(record: &Record) -> DrillSummary {
    let found = record.outcome.detail.get("drill");
    match found.and_then(|found| serde_json::from_value::<DrillRecord>(found.clone()).ok()) {
        Some(found) => DrillSummary::of(&found),
        None => DrillSummary {
            id: record.outcome.backup_id.clone().unwrap_or_else(|| record.run_id.clone()),
            at: record.started_at,
            duration_ms: record.duration_ms,
            ok: record.outcome.status == planb_runner::Status::Success,
            error: record.outcome.error.clone(),
            checks: Vec::new(),
        },
    }
}
