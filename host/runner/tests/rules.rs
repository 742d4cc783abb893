//! The rules of running jobs, in time that does not have to pass.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Bench, Plan, at, hours, job, mins, pass, shown};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use planb_model::schedule::Schedule;
use planb_runner::{Cause, JobSpec, Options, Outcome, ReasonKind, Rest, Status, TriggerError, Work};

const START: &str = "2026-01-01T00:00:30Z";

#[tokio::test(start_paused = true)]
async fn a_job_runs_at_its_ticks_and_does_not_drift() {
    let bench = Bench::good(START, mins(7));
    let handle = bench.serve(vec![job("a", "0 */6 * * *")]).await;
    assert_eq!(shown(&handle, "a").backup.next_run, Some(at("2026-01-01T06:00:00Z")));
    pass(hours(73)).await;
    let seen = bench.seen.lock().unwrap();
    assert_eq!(seen.begun.len(), 12);
    for (begun, number) in seen.begun.iter().zip(1..) {
        assert_eq!(begun.tick, at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(6 * number));
        assert!(begun.at.duration_since(begun.tick) < SignedDuration::from_millis(5), "{begun:?}");
        assert_eq!((begun.cause, begun.attempt), (Cause::Schedule, 1));
    }
    drop(seen);
    let job = shown(&handle, "a");
    assert_eq!(job.backup.history.len(), 12);
    assert_eq!(job.backup.last.unwrap().duration_ms / 1000, 420);
    assert_eq!(job.backup.counters.by_status[&Status::Success], 12);
    assert_eq!(job.backup.schedule_words.as_deref(), Some("at minute 0, of every 6 hours"));
}

#[tokio::test(start_paused = true)]
async fn a_tick_during_a_run_is_skipped_and_counted() {
    let bench = Bench::good(START, mins(150));
    let handle = bench.serve(vec![job("a", "0 * * * *")]).await;
    pass(hours(9)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T01:00", "Schedule 01T04:00", "Schedule 01T07:00"]);
    assert_eq!(shown(&handle, "a").backup.counters.skipped_ticks, 6);
    assert!(bench.seen.lock().unwrap().overlaps.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drill_never_overlaps_its_backup() {
    let bench = Bench::good(START, mins(40));
    let spec = JobSpec { drill_schedule: Some(Schedule::parse("0 * * * *").unwrap()), ..job("a", "30 * * * *") };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(24)).await;
    // There is more to do than time for it: they take turns, and neither starves.
    assert!(bench.seen.lock().unwrap().overlaps.is_empty());
    let (backups, drills) = (bench.count("a", Work::Backup), bench.count("a", Work::Drill));
    assert!((15..=18).contains(&backups) && (15..=18).contains(&drills), "{backups} {drills}");
    let job = shown(&handle, "a");
    assert!(job.drill.last_good_at.is_some() && job.backup.last_good_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn no_more_run_than_may_and_in_their_order() {
    let bench = Bench::good(START, mins(10));
    let jobs: Vec<_> = (0..9).map(|i| job(&format!("job-{i}"), "0 3 * * *")).collect();
    let options = Options { concurrency: 2, ..bench.options(None) };
    let handle = bench.serve_with(jobs, options).await;
    pass(hours(3)).await;
    let now = handle.snapshot();
    assert_eq!((now.running, now.queued, now.concurrency), (2, 7, 2));
    assert!(now.jobs[5].backup.queued.as_ref().is_some_and(|queued| queued.cause == Cause::Schedule));
    pass(hours(1)).await;
    let seen = bench.seen.lock().unwrap();
    assert_eq!(seen.most, 2);
    let order: Vec<_> = seen.begun.iter().map(|begun| begun.job.as_str()).collect();
    assert_eq!(order, ["job-0", "job-1", "job-2", "job-3", "job-4", "job-5", "job-6", "job-7", "job-8"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_tried_again_with_growing_waits() {
    let bench = Bench::new(START, |begun| if begun.attempt < 4 { Plan::bad(mins(1)) } else { Plan::good(mins(1)) });
    let spec = JobSpec { retries: 3, retry_delay: SignedDuration::from_mins(4), ..job("a", "0 3 * * *") };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(3) + mins(3)).await;
    let retry = shown(&handle, "a").retry.unwrap();
    assert_eq!((retry.attempt, retry.tick), (2, at("2026-01-01T03:00:00Z")));
    pass(hours(5)).await;
    {
        let seen = bench.seen.lock().unwrap();
        let runs: Vec<_> = seen.begun.iter().filter(|begun| begun.work == Work::Backup).collect();
        assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(runs[1..].iter().all(|run| run.cause == Cause::Retry && run.tick == runs[0].tick));
        for (pair, delay) in runs.windows(2).zip([4, 8, 16]) {
            let wait = pair[1].at.duration_since(pair[0].at) - SignedDuration::from_mins(1);
            let delay = SignedDuration::from_mins(delay);
            assert!(wait >= delay && wait <= delay * 5 / 4 + SignedDuration::from_secs(1), "{wait:?} {delay:?}");
        }
    }
    assert_eq!(
        bench.told("a").into_iter().filter(|told| told.starts_with("Backup")).collect::<Vec<_>>(),
        ["Backup Failed again x1", "Backup Failed again x2", "Backup Failed again x3", "Backup Success recovered"]
    );
    assert_eq!(shown(&handle, "a").backup.counters.by_blame["database"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_tried_again_before_the_next_tick_or_not_at_all() {
    let bench = Bench::new(START, |_| Plan::bad(mins(1)));
    let spec = JobSpec { retries: 9, retry_delay: SignedDuration::from_mins(10), ..job("a", "0 * * * *") };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(2) + mins(30)).await;
    let seen = bench.seen.lock().unwrap();
    let attempts: Vec<_> = seen.begun.iter().map(|run| (run.cause, run.attempt)).collect();
    // After the second retry the next wait would end behind the tick.
    assert_eq!(
        attempts,
        [(Cause::Schedule, 1), (Cause::Retry, 2), (Cause::Retry, 3), (Cause::Schedule, 1), (Cause::Retry, 2)]
    );
    drop(seen);
    assert_eq!(shown(&handle, "a").backup.counters.skipped_ticks, 0);
    // What is told of it is what will be.
    let told: Vec<_> = bench.told("a").into_iter().filter(|told| told.starts_with("Backup")).collect();
    assert_eq!(told[..3], ["Backup Failed again x1", "Backup Failed again x2", "Backup Failed x3"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_is_not_tried_again() {
    let bench = Bench::new(START, |_| Plan {
        outcome: Outcome { retryable: false, ..Plan::bad(mins(1)).outcome },
        ..Plan::bad(mins(1))
    });
    bench.serve(vec![JobSpec { retries: 3, ..job("a", "0 3 * * *") }]).await;
    pass(hours(20)).await;
    assert_eq!(bench.count("a", Work::Backup), 1);
}

#[tokio::test(start_paused = true)]
async fn removal_follows_a_backup_and_belongs_to_it() {
    let bench = Bench::new(START, |begun| match begun.work {
        Work::Prune if begun.tick > at("2026-01-01T02:30:00Z") => Plan::bad(mins(20)),
        Work::Prune => Plan::good(mins(20)),
        _ => Plan::good(mins(50)),
    });
    let handle = bench.serve(vec![job("a", "0 * * * *")]).await;
    pass(hours(1) + mins(55)).await;
    let running = shown(&handle, "a").backup.running.unwrap();
    assert_eq!((running.work, running.stage.as_str()), (Work::Prune, "streaming"));
    assert_eq!(shown(&handle, "a").backup.counters.by_status[&Status::Success], 1);
    pass(hours(3)).await;
    // The tick at 2:00 came while old backups were removed.
    assert_eq!(bench.backups("a"), ["Schedule 01T01:00", "Schedule 01T03:00"]);
    assert_eq!(bench.count("a", Work::Prune), 2);
    assert_eq!(shown(&handle, "a").last_prune.unwrap().outcome.status, Status::Failed);
    assert!(bench.told("a").contains(&"Prune Failed x1".to_owned()));
    // That it could not remove does not make the backup bad.
    assert_eq!(shown(&handle, "a").backup.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_asked_to_end_in_time_says_why() {
    let bench = Bench::new(START, |_| Plan::good(hours(5)));
    let spec = JobSpec { timeout: SignedDuration::from_hours(2), ..job("a", "0 3 * * *") };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(8)).await;
    let last = shown(&handle, "a").backup.last.unwrap();
    assert_eq!(last.outcome.status, Status::Failed);
    assert_eq!(last.outcome.error.as_deref(), Some("stopped at its time limit of 2h: ended early"));
    assert!(handle.health().healthy);
}

#[tokio::test(start_paused = true)]
async fn a_hung_run_holds_up_its_own_job_and_no_other() {
    let bench = Bench::new(START, |begun| if begun.job == "a" { Plan::for_ever() } else { Plan::good(mins(1)) });
    let a = JobSpec { timeout: SignedDuration::from_mins(30), ..job("a", "0 * * * *") };
    let options = Options { concurrency: 1, ..bench.options(None) };
    let handle = bench.serve_with(vec![a, job("b", "10 * * * *")], options).await;
    pass(hours(1) + mins(29)).await;
    assert!(handle.health().healthy);
    assert_eq!(bench.count("b", Work::Backup), 1);
    pass(mins(1)).await;
    let running = shown(&handle, "a").backup.running.unwrap();
    assert!(running.over_time && !running.hung);
    pass(hours(4)).await;
    let health = handle.health();
    assert!(!health.healthy && health.ready);
    assert_eq!((health.reasons[0].kind, health.reasons[0].job.as_deref()), (ReasonKind::RunHung, Some("a")));
    // The other one runs as if it were alone. Its tick of 1:10 had to wait until the place was given back.
    assert_eq!(bench.count("b", Work::Backup), 6);
    let job = shown(&handle, "a");
    assert!(job.backup.running.unwrap().hung);
    assert_eq!((job.backup.counters.hung, job.backup.counters.skipped_ticks), (1, 4));
    assert_eq!(bench.told("a"), ["started Backup Schedule", "hung"]);
    assert!(matches!(handle.trigger("a"), Err(TriggerError::Busy { waits: false, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_breaks_is_a_failed_run() {
    let bench = Bench::new(START, |begun| {
        assert!(begun.attempt > 1, "a mistake in the worker");
        Plan::good(mins(1))
    });
    let handle = bench.serve(vec![JobSpec { retries: 1, ..job("a", "0 3 * * *") }]).await;
    pass(hours(4)).await;
    let history = shown(&handle, "a").backup.history;
    let first = history.iter().next().unwrap();
    assert_eq!((first.outcome.status, first.outcome.blame.unwrap().to_string()), (Status::Failed, "planb".to_owned()));
    assert_eq!(history.last().unwrap().outcome.status, Status::Success);
}

#[tokio::test(start_paused = true)]
async fn somebody_asks() {
    let bench = Bench::good(START, mins(10));
    let off = JobSpec { enabled: false, ..job("off", "0 3 * * *") };
    let options = Options { concurrency: 1, ..bench.options(None) };
    let handle = bench.serve_with(vec![job("orders", "manual"), job("b", "manual"), off], options).await;
    let changes = handle.watch();
    let first = handle.trigger("orders").unwrap();
    assert!(!first.waits && changes.has_changed().unwrap());
    let second = handle.trigger("b").unwrap();
    assert!(second.waits);
    pass(mins(1)).await;
    match handle.trigger("orders").unwrap_err() {
        TriggerError::Busy { run_id, waits, since, .. } => {
            assert_eq!((run_id, waits, since), (first.run_id.clone(), false, at(START)));
        }
        other => panic!("{other}"),
    }
    assert!(matches!(handle.trigger("b"), Err(TriggerError::Busy { waits: true, .. })));
    assert!(matches!(handle.trigger("off"), Err(TriggerError::Disabled { .. })));
    let unknown = handle.trigger("order").unwrap_err().to_string();
    assert_eq!(unknown, "there is no job \"order\"; did you mean \"orders\"?");
    assert!(matches!(handle.trigger("xyz"), Err(TriggerError::Unknown { nearest: None, .. })));
    pass(hours(1)).await;
    assert_eq!(bench.records("orders")[0].run_id, first.run_id);
    // A drill that is asked for waits for the backup.
    handle.trigger("orders").unwrap();
    assert!(handle.trigger_work("orders", Work::Drill).unwrap().waits);
    pass(hours(1)).await;
    assert_eq!(bench.count("orders", Work::Drill), 1);
    assert!(bench.seen.lock().unwrap().overlaps.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_the_start_and_once() {
    let bench = Bench::good(START, mins(1));
    let start = JobSpec { on_start: true, ..job("start", "0 3 * * *") };
    bench.serve(vec![start, job("once", "once"), job("never", "manual")]).await;
    pass(hours(30)).await;
    assert_eq!(bench.backups("start"), ["Start 01T00:00", "Schedule 01T03:00", "Schedule 02T03:00"]);
    assert_eq!(bench.backups("once"), ["Start 01T00:00"]);
    assert!(bench.backups("never").is_empty());
}

#[tokio::test(start_paused = true)]
async fn jitter_spreads_and_stays_with_its_tick() {
    let bench = Bench::good(START, Duration::from_secs(1));
    let jobs: Vec<_> = (0..20)
        .map(|i| JobSpec { jitter: SignedDuration::from_mins(30), ..job(&format!("job-{i}"), "0 3 * * *") })
        .collect();
    bench.serve(jobs).await;
    pass(hours(27) + mins(35)).await;
    let seen = bench.seen.lock().unwrap();
    assert_eq!(seen.begun.len(), 40);
    let mut minutes: Vec<_> = seen.begun.iter().map(|begun| begun.at.duration_since(begun.tick).as_mins()).collect();
    assert!(minutes.iter().all(|minutes| (0..30).contains(minutes)));
    minutes.sort_unstable();
    minutes.dedup();
    assert!(minutes.len() > 10);
}

#[tokio::test(start_paused = true)]
async fn days_on_which_clocks_are_changed() {
    let zoned =
        |name: &str, schedule: &str, zone: &str| JobSpec { zone: TimeZone::get(zone).unwrap(), ..job(name, schedule) };
    let jobs = || {
        vec![
            zoned("fixed", "30 2 * * *", "Europe/Berlin"),
            zoned("often", "*/15 * * * *", "Europe/Berlin"),
            zoned("far", "30 2 * * *", "America/New_York"),
        ]
    };
    let spring = Bench::good("2026-03-28T12:00:30Z", mins(1));
    spring.serve(jobs()).await;
    pass(hours(48)).await;
    // In UTC: 02:30 winter time would be 01:30, summer time begins at 01:00.
    assert_eq!(spring.backups("fixed"), ["Schedule 29T01:00", "Schedule 30T00:30"]);
    assert_eq!(spring.count("often", Work::Backup), 192);
    assert_eq!(spring.backups("far"), ["Schedule 29T06:30", "Schedule 30T06:30"]);

    let autumn = Bench::good("2026-10-24T12:00:30Z", mins(1));
    autumn.serve(jobs()).await;
    pass(hours(48)).await;
    assert_eq!(autumn.backups("fixed"), ["Schedule 25T00:30", "Schedule 26T01:30"]);
    assert_eq!(autumn.count("often", Work::Backup), 192);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_happen_is_told_once_a_day() {
    let bench = Bench::new(START, |begun| match begun.work {
        Work::Prune => Plan { outcome: Outcome::skipped("no retention"), ..Plan::good(Duration::ZERO) },
        // Bad from the second to the fifth day.
        _ if (2..=5).contains(&begun.tick.to_zoned(TimeZone::UTC).day()) => Plan::bad(mins(1)),
        _ => Plan::good(mins(1)),
    });
    let spec = JobSpec {
        max_age: Some(SignedDuration::from_hours(36)),
        max_drill_age: Some(SignedDuration::from_hours(60)),
        ..job("a", "0 3 * * *")
    };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(24 * 3)).await;
    let stale = shown(&handle, "a").backup.stale.unwrap();
    assert_eq!(stale.since, at("2026-01-02T15:00:00Z"));
    // Failing is not planb's illness.
    assert!(handle.health().healthy);
    pass(hours(24 * 4)).await;
    let told: Vec<_> = bench.told("a").into_iter().filter(|told| !told.starts_with("started")).collect();
    assert_eq!(
        told,
        [
            "Backup Success",
            "Backup Failed x1",
            "stale Backup",
            "Backup Failed x2",
            // Never drilled since planb knows the job.
            "stale Drill",
            "stale Backup still",
            "Backup Failed x3",
            "stale Drill still",
            "stale Backup still",
            "Backup Failed x4",
            "stale Drill still",
            "stale Backup still",
            "Backup Success recovered",
            "fresh Backup",
            "stale Drill still",
            "Backup Success",
            "stale Drill still",
        ]
    );
    let job = shown(&handle, "a");
    assert!(job.backup.stale.is_none() && job.drill.stale.is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_who_listens_holds_up_nothing() {
    let bench = Bench::good(START, mins(1));
    bench.deaf.store(true, Ordering::SeqCst);
    let handle = bench.serve(vec![job("a", "0 * * * *"), job("b", "0 * * * *")]).await;
    pass(hours(5)).await;
    assert_eq!((bench.count("a", Work::Backup), bench.count("b", Work::Backup)), (5, 5));
    assert!(handle.health().healthy);
    assert_eq!(handle.shutdown(mins(1)).await, Rest::default());
}

#[tokio::test(start_paused = true)]
async fn partial_is_no_good_backup_and_skipped_is_no_failure() {
    let bench = Bench::new(START, |begun| {
        let status = if begun.tick < at("2026-01-02T00:00:00Z") { Status::Partial } else { Status::Skipped };
        Plan { outcome: Outcome { status, ..Outcome::success() }, ..Plan::good(mins(1)) }
    });
    let handle = bench.serve(vec![JobSpec { retries: 2, ..job("a", "0 3 * * *") }]).await;
    pass(hours(48)).await;
    let backup = shown(&handle, "a").backup;
    assert_eq!((backup.last_good_at, backup.failures, backup.history.len()), (None, 1, 2));
    assert_eq!(bench.backups("a").len(), 2);
}
