//! A thousand jobs in one process, for days.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Bench, Plan, hours, job, pass};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use planb_model::schedule::Schedule;
use planb_runner::{JobSpec, Options, Outcome, Status, Work};

const START: &str = "2026-03-27T12:00:30Z";
const JOBS: usize = 1000;

/// Every kind of schedule, and how often each ticks in three days around the last Sunday of March in Berlin.
const KINDS: [(&str, usize); 5] = [
    ("every 2h", 36),
    // Both of these are about local time; the second falls into the hour that is left out.
    ("15 */3 * * *", 24),
    ("30 2 * * *", 3),
    ("@hourly", 72),
    ("every 90m", 48),
];

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_for_three_days() {
    let bench = Bench::new(START, |begun| {
        let number: usize = begun.job[4..].parse().unwrap();
        match begun.work {
            Work::Prune => Plan { outcome: Outcome::skipped("no retention"), ..Plan::good(Duration::ZERO) },
            _ => Plan::good(Duration::from_secs(20 + number as u64 % 40)),
        }
    });
    let jobs: Vec<_> = (0..JOBS)
        .map(|i| JobSpec {
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            max_age: Some(SignedDuration::from_hours(30)),
            drill_schedule: (i % 10 == 0).then(|| Schedule::parse("45 5 * * *").unwrap()),
            ..job(&format!("job-{i:03}"), KINDS[i % KINDS.len()].0)
        })
        .collect();
    let options = Options { concurrency: 1000, ..bench.options(None) };
    let handle = bench.serve_with(jobs, options).await;
    pass(hours(72)).await;

    let seen = bench.seen.lock().unwrap();
    assert!(seen.overlaps.is_empty());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut drills = 0;
    for begun in &seen.begun {
        assert!(begun.at.duration_since(begun.tick) < SignedDuration::from_millis(5), "{begun:?}");
        match begun.work {
            Work::Backup => *counts.entry(&begun.job).or_default() += 1,
            Work::Drill => drills += 1,
            Work::Prune => {}
        }
    }
    assert_eq!((counts.len(), drills), (JOBS, 100 * 3));
    for (name, count) in counts {
        let number: usize = name[4..].parse().unwrap();
        let expected = KINDS[number % KINDS.len()];
        assert_eq!(count, expected.1, "{name} {}", expected.0);
    }
    drop(seen);
    let now = handle.snapshot();
    assert!(now.health.healthy && now.queued == 0);
    for job in &now.jobs {
        assert!(job.backup.history.len() <= 100 && job.backup.stale.is_none());
        assert_eq!((job.backup.counters.skipped_ticks, job.backup.counters.missed_ticks), (0, 0));
        assert!(!job.backup.counters.by_status.contains_key(&Status::Failed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_of_one_tick_share_eight_places() {
    let bench = Bench::good(START, Duration::from_mins(1));
    let jobs: Vec<_> = (0..JOBS).map(|i| job(&format!("job-{i:03}"), "0 3 * * *")).collect();
    let folder = tempfile::tempdir().unwrap();
    let options = Options { concurrency: 8, ..bench.options(Some(folder.path())) };
    let handle = bench.serve_with(jobs, options).await;
    pass(hours(24)).await;
    {
        let seen = bench.seen.lock().unwrap();
        assert_eq!((seen.begun.len(), seen.most), (JOBS, 8));
        // First come, first served, and nobody is left behind.
        assert!(seen.begun.is_sorted_by_key(|begun| begun.at));
        let last = seen.begun.last().unwrap();
        assert!(last.at.duration_since(last.tick) < SignedDuration::from_mins(126));
    }
    assert_eq!(handle.snapshot().jobs.iter().filter(|job| job.backup.history.len() == 1).count(), JOBS);
    handle.shutdown(Duration::ZERO).await;
}
