//! What `/metrics` prints: one table of metrics, from which the output and the reference in the documentation are
//! made. Base units: seconds and bytes.
//!
//! The label is `job_name` and not `job`: Prometheus gives each target a label `job` of its own.

use jiff::Timestamp;

use crate::exposition::{Kind, Samples, Value};
use crate::health::Health;
use crate::status::{BLAMES, JobStatus, ReasonKind, RunStatus, Snapshot, StoreStatus};
use crate::text;

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind of numbers it gives.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    read: Read,
}

/// Where its numbers come from.
#[derive(Debug)]
enum Read {
    /// One number, or none.
    Whole(fn(&Snapshot) -> Option<Value>),
    /// One number for each job that has it.
    Job(fn(&JobStatus, Timestamp) -> Option<Value>),
    /// One number for each store of each job.
    Store(fn(&StoreStatus) -> Option<Value>),
    /// Several.
    Many(fn(&Snapshot, &mut Samples<'_>)),
}

const JOB: &[&str] = &["job_name"];
const STORE: &[&str] = &["job_name", "store"];

const fn whole(name: &'static str, help: &'static str, read: fn(&Snapshot) -> Option<Value>) -> Metric {
    Metric { name, kind: Kind::Gauge, help, labels: &[], read: Read::Whole(read) }
}

const fn job(name: &'static str, help: &'static str, read: fn(&JobStatus, Timestamp) -> Option<Value>) -> Metric {
    Metric { name, kind: Kind::Gauge, help, labels: JOB, read: Read::Job(read) }
}

const fn store(name: &'static str, help: &'static str, read: fn(&StoreStatus) -> Option<Value>) -> Metric {
    Metric { name, kind: Kind::Gauge, help, labels: STORE, read: Read::Store(read) }
}

const fn many(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Snapshot, &mut Samples<'_>),
) -> Metric {
    Metric { name, kind, help, labels, read: Read::Many(read) }
}

/// All metrics, in the order in which they are printed.
pub static METRICS: &[Metric] = &[
    // planb itself.
    many("planb_build_info", Kind::Gauge, &["version"], "Always 1; which planb it is.", |snapshot, out| {
        out.add(&[&snapshot.version], 1);
    }),
    whole("planb_start_time_seconds", "When planb began to serve, in Unix time.", |snapshot| at(snapshot.started_at)),
    whole("planb_ready", "1 if the settings are read and the schedule runs.", |snapshot| Some(snapshot.ready.into())),
    whole("planb_healthy", "1 if nothing is wrong with planb itself; what /healthz says.", |snapshot| {
        Some(snapshot.healthy.into())
    }),
    many(
        "planb_unhealthy_reasons",
        Kind::Gauge,
        &["kind"],
        "What is wrong with planb itself: how many reasons of each kind.",
        |snapshot, out| {
            for kind in ReasonKind::ALL {
                let reasons = snapshot.reasons.iter().filter(|reason| reason.kind == kind).count();
                out.add(&[kind.as_str()], reasons as u64);
            }
        },
    ),
    whole(
        "planb_config_last_reload_successful",
        "0 if the last reload of the settings was refused and those from before are in force.",
        |snapshot| Some(snapshot.config_problem.is_none().into()),
    ),
    many("planb_jobs", Kind::Gauge, &["state"], "Jobs by their state.", |snapshot, out| {
        for health in Health::ALL {
            let jobs = snapshot.jobs.iter().filter(|job| job.judge(snapshot.now).health == health).count();
            out.add(&[health.as_str()], jobs as u64);
        }
    }),
    // A job.
    many(
        "planb_job_info",
        Kind::Gauge,
        &["job_name", "engine", "database", "server", "schedule", "timezone"],
        "Always 1; what a job backs up and when.",
        |snapshot, out| {
            for job in &snapshot.jobs {
                let [server, schedule, timezone] =
                    [&job.server, &job.schedule, &job.timezone].map(|text| text.as_deref().unwrap_or_default());
                out.add(&[&job.name, &job.engine, &job.database, server, schedule, timezone], 1);
            }
        },
    ),
    job("planb_job_enabled", "0 if the job is switched off.", |job, _| Some(job.enabled.into())),
    job("planb_job_next_run_timestamp_seconds", "When the job is due, in Unix time.", |job, _| {
        job.next_run.and_then(at)
    }),
    job("planb_job_queued", "1 while a run waits for its turn.", |job, _| Some(job.queued_at.is_some().into())),
    job("planb_job_max_age_seconds", "How old the last good backup may be.", |job, _| job.max_age_seconds.map(seconds)),
    job("planb_job_stale", "1 if the last good backup is older than it may be.", |job, _| Some(job.stale.into())),
    // The run that goes on.
    job("planb_job_running", "1 while a run goes on.", |job, _| Some(job.running.is_some().into())),
    job("planb_job_running_start_timestamp_seconds", "When the run that goes on began, in Unix time.", |job, _| {
        job.running.as_ref().and_then(|run| at(run.since))
    }),
    job("planb_job_running_plain_bytes", "Bytes of the run that goes on, before compression.", |job, _| {
        job.running.as_ref().map(|run| run.bytes.into())
    }),
    job("planb_job_running_expected_bytes", "How many bytes the run that goes on may have.", |job, _| {
        job.running.as_ref()?.expected_bytes.map(Value::from)
    }),
    job("planb_job_running_deadline_timestamp_seconds", "When the run that goes on will be ended.", |job, _| {
        job.running.as_ref()?.deadline.and_then(at)
    }),
    job("planb_job_hung", "1 if the run should have been ended and goes on.", |job, now| Some(job.hung(now).into())),
    // Runs that ended.
    many(
        "planb_runs_total",
        Kind::Counter,
        &["job_name", "status"],
        "Runs that ended: success (every store has the backup), partial (some), failed (none), skipped.",
        |snapshot, out| {
            for job in &snapshot.jobs {
                for status in RunStatus::ALL {
                    out.add(&[&job.name, status.as_str()], job.runs.of(status));
                }
            }
        },
    ),
    many(
        "planb_failures_total",
        Kind::Counter,
        &["job_name", "blame"],
        "Runs that failed, by whose fault it was.",
        |snapshot, out| {
            for job in &snapshot.jobs {
                for blame in BLAMES {
                    out.add(&[&job.name, &blame.to_string()], job.failures.of(blame));
                }
            }
        },
    ),
    many(
        "planb_job_last_run_status",
        Kind::Gauge,
        &["job_name", "status"],
        "1 for how the last run ended, 0 for the others; skipped runs are passed over.",
        |snapshot, out| {
            for (job, run) in snapshot.jobs.iter().filter_map(|job| Some((job, job.last_made()?))) {
                for status in [RunStatus::Success, RunStatus::Partial, RunStatus::Failed] {
                    out.add(&[&job.name, status.as_str()], run.status == status);
                }
            }
        },
    ),
    job("planb_job_last_run_timestamp_seconds", "When the last run began, in Unix time.", |job, _| {
        job.last_made().and_then(|run| at(run.started_at))
    }),
    job("planb_job_last_run_duration_seconds", "How long the last run took.", |job, _| {
        job.last_made().map(|run| Value::Millis(run.duration_ms.into()))
    }),
    job(
        "planb_job_last_success_timestamp_seconds",
        "When the last run began that left a backup in every store, in Unix time.",
        |job, _| job.last_success_at.and_then(at),
    ),
    job("planb_job_last_success_age_seconds", "How long ago that is.", |job, now| age(job.last_success_at, now)),
    // The newest backup.
    job("planb_job_last_backup_plain_bytes", "Size of the newest backup before compression.", |job, _| {
        job.committed().next().map(|run| run.plain_bytes.into())
    }),
    job("planb_job_last_backup_stored_bytes", "Size of the newest backup as stored.", |job, _| {
        job.committed().next().map(|run| run.stored_bytes.into())
    }),
    job("planb_job_previous_backup_plain_bytes", "Size of the backup before the newest one.", |job, _| {
        job.committed().nth(1).map(|run| run.plain_bytes.into())
    }),
    job("planb_job_last_backup_duration_seconds", "How long the newest backup took.", |job, _| {
        job.committed().next().map(|run| Value::Millis(run.duration_ms.into()))
    }),
    job("planb_job_last_backup_bytes_per_second", "How fast the newest backup was, before compression.", |job, _| {
        job.committed().next().map(|run| text::rate(run.plain_bytes, run.duration_ms).into())
    }),
    job("planb_job_last_backup_rows", "Rows that the plugin counted in the newest backup.", |job, _| {
        job.committed().next()?.rows.map(Value::from)
    }),
    job("planb_job_last_backup_objects", "Objects (tables, collections) in the newest backup.", |job, _| {
        job.committed().next()?.objects.map(Value::from)
    }),
    // Drills.
    job("planb_job_last_drill_success", "1 if the last drill found everything as it was.", |job, _| {
        job.last_drill.as_ref().map(|drill| drill.ok.into())
    }),
    job("planb_job_last_drill_timestamp_seconds", "When the last drill began, in Unix time.", |job, _| {
        job.last_drill.as_ref().and_then(|drill| at(drill.at))
    }),
    job("planb_job_last_drill_duration_seconds", "How long the last drill took.", |job, _| {
        job.last_drill.as_ref().map(|drill| Value::Millis(drill.duration_ms.into()))
    }),
    job("planb_job_last_drill_success_timestamp_seconds", "When the last good drill began, in Unix time.", |job, _| {
        job.last_drill_ok_at.and_then(at)
    }),
    job("planb_job_last_drill_success_age_seconds", "How long ago that is.", |job, now| age(job.last_drill_ok_at, now)),
    job("planb_job_next_drill_timestamp_seconds", "When a drill is due, in Unix time.", |job, _| {
        job.next_drill.and_then(at)
    }),
    job("planb_job_drill_max_age_seconds", "How old the last good drill may be.", |job, _| {
        job.drill_max_age_seconds.map(seconds)
    }),
    job("planb_job_drill_stale", "1 if the last good drill is older than it may be.", |job, _| {
        Some(job.drill_stale.into())
    }),
    // Retention and stores.
    job("planb_retention_kept_backups", "Backups that the last pass of retention kept.", |job, _| {
        job.retention.as_ref().map(|retention| retention.kept.into())
    }),
    Metric {
        name: "planb_retention_removed_backups_total",
        kind: Kind::Counter,
        help: "Backups that retention removed.",
        labels: JOB,
        read: Read::Job(|job, _| job.retention.as_ref().map(|retention| retention.removed.into())),
    },
    job("planb_retention_last_timestamp_seconds", "When retention last ran, in Unix time.", |job, _| {
        job.retention.as_ref()?.last_at.and_then(at)
    }),
    job("planb_retention_last_success", "0 if the last pass of retention was not finished.", |job, _| {
        job.retention.as_ref().map(|retention| retention.error.is_none().into())
    }),
    store("planb_store_up", "1 if the last use of the store went well.", |store| Some(store.ok.into())),
    store("planb_store_latency_seconds", "How long the store last took to answer a small request.", |store| {
        store.last_latency_ms.map(|ms| Value::Millis(ms.into()))
    }),
    store("planb_store_backups", "Backups of the job in the store.", |store| store.backups.map(Value::from)),
    store("planb_store_bytes", "Size of the job's backups in the store.", |store| store.bytes.map(Value::from)),
];

/// A snapshot as Prometheus reads it.
pub fn render(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let mut samples = Samples::begin(&mut out, metric.name, metric.kind, metric.help, metric.labels);
        match metric.read {
            Read::Whole(read) => {
                if let Some(value) = read(snapshot) {
                    samples.add(&[], value);
                }
            }
            Read::Job(read) => {
                for job in &snapshot.jobs {
                    if let Some(value) = read(job, snapshot.now) {
                        samples.add(&[&job.name], value);
                    }
                }
            }
            Read::Store(read) => {
                for (job, store) in
                    snapshot.jobs.iter().flat_map(|job| job.stores.iter().map(move |store| (job, store)))
                {
                    if let Some(value) = read(store) {
                        samples.add(&[&job.name, &store.name], value);
                    }
                }
            }
            Read::Many(read) => read(snapshot, &mut samples),
        }
    }
    out
}

/// The table of all metrics as it stands in the documentation.
pub fn reference() -> String {
    let mut out = "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels, help) = (metric.name, metric.kind.as_str(), labels.join(", "), metric.help);
        out.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    out
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a reader")]
fn at(at: Timestamp) -> Option<Value> {
    Some(Value::Millis(at.as_millisecond().into()))
}

fn age(since: Option<Timestamp>, now: Timestamp) -> Option<Value> {
    // A clock that was set back makes no negative age.
    since.map(|since| Value::Millis(now.duration_since(since).as_millis().max(0)))
}

fn seconds(seconds: u64) -> Value {
    Value::Count(seconds)
}
