//! What survives a restart, a crash, a clock that is set, and a file that cannot be read.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Bench, Hand, Plan, at, hours, job, mins, pass, shown};
use jiff::SignedDuration;
use planb_model::schedule::Schedule;
use planb_runner::{Handle, JobSpec, Outcome, ReasonKind, Rest, Serve, ServeError, Status, TriggerError, Work};

const START: &str = "2026-01-01T00:00:30Z";

async fn end(handle: &Handle) -> Rest {
    handle.shutdown(Duration::from_secs(5)).await
}

/// What a power cut would leave on the disk.
fn as_it_is_on_the_disk(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_one_run() {
    let (bench, folder) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let jobs = || vec![job("a", "0 3 * * *"), JobSpec { catch_up: false, ..job("b", "0 3 * * *") }];
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(4)).await;
    end(&handle).await;
    // Forty days without planb.
    pass(hours(24 * 40) + mins(30)).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(1)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00", "CatchUp 10T03:00"]);
    assert_eq!(bench.backups("b"), ["Schedule 01T03:00"]);
    assert_eq!(shown(&handle, "a").backup.counters.missed_ticks, 39);
    assert_eq!(shown(&handle, "b").backup.counters.missed_ticks, 40);
    pass(hours(24)).await;
    assert_eq!(bench.backups("a")[2..], ["Schedule 11T03:00"]);
    assert_eq!(bench.backups("b")[1..], ["Schedule 11T03:00"]);
    assert_eq!(shown(&handle, "a").backup.history.len(), 3);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_across_a_tick_is_no_missed_tick_and_one_between_ticks_is_nothing() {
    let (bench, folder) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let jobs = || vec![JobSpec { catch_up: false, ..job("a", "0 3 * * *") }];
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(2) + mins(59)).await;
    end(&handle).await;
    pass(Duration::from_secs(45)).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(mins(5)).await;
    end(&handle).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(1)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00"]);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_new_or_has_a_new_schedule_missed_nothing() {
    let (bench, folder) = (Bench::good("2026-01-01T12:00:00Z", mins(1)), tempfile::tempdir().unwrap());
    let handle = bench.serve_from(vec![job("a", "0 3 * * *")], folder.path()).await;
    pass(hours(1)).await;
    end(&handle).await;
    let handle = bench.serve_from(vec![job("a", "0 11 * * *"), job("b", "0 11 * * *")], folder.path()).await;
    pass(hours(12)).await;
    assert!(bench.backups("a").is_empty() && bench.backups("b").is_empty());
    pass(hours(12)).await;
    assert_eq!((bench.count("a", Work::Backup), bench.count("b", Work::Backup)), (1, 1));
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_crash_cut_off_has_failed_and_is_made_up_for() {
    let (bench, folder) = (Bench::good(START, hours(2)), tempfile::tempdir().unwrap());
    let jobs = || {
        let drill_schedule = Some(Schedule::parse("0 9 * * *").unwrap());
        vec![JobSpec { drill_schedule, ..job("a", "0 3 * * *") }, JobSpec { catch_up: false, ..job("b", "0 3 * * *") }]
    };
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(4)).await;
    let crashed = as_it_is_on_the_disk(folder.path());
    let cut = shown(&handle, "a").backup.running.unwrap();

    // Another machine takes up what the disk holds.
    let next = Bench::good("2026-01-01T04:30:00Z", mins(1));
    let handle = next.serve_from(jobs(), crashed.path()).await;
    pass(hours(1)).await;
    assert_eq!(next.backups("a"), ["CatchUp 01T03:00"]);
    assert!(next.backups("b").is_empty());
    let first = shown(&handle, "a").backup.history.iter().next().unwrap().clone();
    assert_eq!((first.run_id, first.started_at, first.outcome.status), (cut.run_id, cut.since, Status::Failed));
    assert!(first.outcome.error.unwrap().starts_with("interrupted by a crash"));
    assert_eq!(next.told("a"), ["Backup Failed x1", "started Backup CatchUp", "Backup Success recovered"]);
    assert_eq!(shown(&handle, "b").backup.failures, 1);
    // It is not found again.
    end(&handle).await;
    let handle = next.serve_from(jobs(), crashed.path()).await;
    pass(mins(10)).await;
    assert_eq!(shown(&handle, "a").backup.history.len(), 2);
    assert_eq!(next.count("a", Work::Backup), 1);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn the_beginning_of_a_run_is_on_the_disk_before_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let bench = Bench::new(START, move |begun| {
        let text = fs::read_to_string(path.join("a.json")).unwrap();
        assert!(text.contains(&begun.run_id), "{text}");
        Plan::good(mins(1))
    });
    let handle = bench.serve_from(vec![job("a", "0 * * * *")], folder.path()).await;
    pass(hours(3)).await;
    let statuses = shown(&handle, "a").backup.counters.by_status;
    assert_eq!((statuses.get(&Status::Success), statuses.get(&Status::Failed)), (Some(&2), None));
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_then_asks_then_leaves() {
    let plan = |begun: &common::Begun| match begun.job.as_str() {
        "quick" => Plan::good(mins(2)),
        "slow" => Plan::good(hours(9)),
        _ => Plan::for_ever(),
    };
    let (bench, folder) = (Bench::new(START, plan), tempfile::tempdir().unwrap());
    let jobs = || vec![job("quick", "0 3 * * *"), job("slow", "0 3 * * *"), job("waits", "0 3 * * *")];
    let options = planb_runner::Options { concurrency: 2, ..bench.options(Some(folder.path())) };
    let handle = bench.serve_with(jobs(), options.clone()).await;
    pass(hours(3) + mins(1)).await;
    assert_eq!(handle.snapshot().queued, 1);
    let stopping = {
        let handle = handle.clone();
        tokio::spawn(async move { handle.shutdown(mins(10)).await })
    };
    pass(mins(5)).await;
    // What waited did not begin when there was room.
    assert!(!handle.health().ready && handle.snapshot().stopping);
    assert_eq!((handle.snapshot().running, handle.trigger("quick")), (1, Err(TriggerError::Stopping)));
    assert_eq!(stopping.await.unwrap(), Rest { stopped: 1, left: Vec::new() });
    handle.gone().await;
    assert!(bench.backups("waits").is_empty());
    assert_eq!(bench.records("slow")[0].outcome.error.as_deref(), Some("stopped, since planb ends: ended early"));
    assert_eq!(bench.records("quick")[0].outcome.status, Status::Success);

    // The next start makes up for what was cut off and for what waited.
    let again = Bench::good("2026-01-01T03:30:00Z", mins(1));
    let handle = again.serve_from(jobs(), folder.path()).await;
    pass(mins(10)).await;
    assert_eq!(again.backups("slow"), ["CatchUp 01T03:00"]);
    assert_eq!(again.backups("waits"), ["CatchUp 01T03:00"]);
    assert!(again.backups("quick").is_empty());
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_is_left_and_found_at_the_next_start() {
    let (bench, folder) = (Bench::new(START, |_| Plan::for_ever()), tempfile::tempdir().unwrap());
    let handle = bench.serve_from(vec![job("a", "0 3 * * *")], folder.path()).await;
    pass(hours(4)).await;
    assert_eq!(end(&handle).await, Rest { stopped: 1, left: vec!["a".to_owned()] });
    let again = Bench::good("2026-01-01T05:00:00Z", mins(1));
    let handle = again.serve_from(vec![job("a", "0 3 * * *")], folder.path()).await;
    pass(mins(10)).await;
    assert_eq!(again.told("a")[0], "Backup Failed x1");
    assert_eq!(again.backups("a"), ["CatchUp 01T03:00"]);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn another_try_survives_a_restart() {
    let (bench, folder) = (Bench::new(START, |_| Plan::bad(mins(1))), tempfile::tempdir().unwrap());
    let jobs = || vec![JobSpec { retries: 1, retry_delay: SignedDuration::from_hours(1), ..job("a", "0 3 * * *") }];
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(3) + mins(30)).await;
    end(&handle).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    assert_eq!(shown(&handle, "a").retry.unwrap().attempt, 2);
    pass(hours(2)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00", "Retry 01T03:00"]);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn being_stale_survives_a_restart() {
    let (bench, folder) = (Bench::new(START, |_| Plan::bad(mins(1))), tempfile::tempdir().unwrap());
    let jobs = || vec![JobSpec { max_age: Some(SignedDuration::from_hours(30)), ..job("a", "0 3 * * *") }];
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(31)).await;
    end(&handle).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(1)).await;
    assert_eq!(bench.told("a").iter().filter(|told| told.starts_with("stale")).count(), 1);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn two_do_not_share_a_folder() {
    let (bench, folder) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let handle = bench.serve_from(vec![job("a", "0 3 * * *")], folder.path()).await;
    let other = Serve::new(vec![], Hand(bench.clone()), bench.options(Some(folder.path())));
    match other.unwrap_err() {
        ServeError::Folder(error) => {
            let text = error.to_string();
            assert!(text.contains("another planb serves") && text.contains(&std::process::id().to_string()), "{text}");
        }
        error => panic!("{error}"),
    }
    end(&handle).await;
    let handle = bench.serve_from(vec![job("a", "0 3 * * *")], folder.path()).await;
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_used_is_set_aside() {
    let (bench, folder) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("broken.json", "{\"schema\":\"planb.state/v1\",");
    write("newer.json", "{\"schema\":\"planb.state/v2\",\"job\":{}}");
    write("other.json", "{\"schema\":\"planb.state/v1\",\"job\":\"broken\",\"known_since\":\"2026-01-01T00:00:00Z\"}");
    write(
        "sparse.json",
        "{\"schema\":\"planb.state/v1\",\"job\":\"sparse\",\"known_since\":\"2020-01-01T00:00:00Z\",\"x\":1}",
    );
    write("half.json.planb-tmp", "{");
    fs::write(folder.path().join("binary.json"), [0xff, 0xfe, 0x00]).unwrap();
    let names = ["broken", "newer", "other", "sparse", "binary"];
    let handle = bench.serve_from(names.map(|name| job(name, "0 3 * * *")).to_vec(), folder.path()).await;
    pass(hours(4)).await;
    for name in names {
        assert_eq!(bench.count(name, Work::Backup), 1, "{name}");
    }
    assert_eq!(shown(&handle, "sparse").known_since, at("2020-01-01T00:00:00Z"));
    end(&handle).await;
    let files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files.iter().filter(|name| name.contains(".unreadable-")).count(), 4, "{files:?}");
    assert!(!files.iter().any(|name| name.ends_with("planb-tmp")), "{files:?}");
}

#[tokio::test(start_paused = true)]
async fn any_name_is_a_file_of_the_folder() {
    let (bench, folder) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let names = ["../up", "a/b", ".hidden", "Ünï cödé", "serve.lock", "a%2Fb", "..", "CON"];
    let jobs = || names.map(|name| job(name, "0 3 * * *")).to_vec();
    let handle = bench.serve_from(jobs(), folder.path()).await;
    pass(hours(4)).await;
    end(&handle).await;
    let handle = bench.serve_from(jobs(), folder.path()).await;
    for name in names {
        assert_eq!(shown(&handle, name).backup.history.len(), 1, "{name}");
    }
    end(&handle).await;
    let long = Serve::new(vec![job(&"ü".repeat(40), "1h")], Hand(bench.clone()), bench.options(None));
    assert!(long.unwrap_err().to_string().contains("a job cannot be called"));
    let twice = Serve::new(vec![job("a", "1h"), job("a", "2h")], Hand(bench.clone()), bench.options(None));
    assert!(twice.unwrap_err().to_string().contains("two jobs"));
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_written_stops_no_backup_and_is_told() {
    let (bench, parent) = (Bench::good(START, mins(1)), tempfile::tempdir().unwrap());
    let folder = parent.path().join("state");
    let handle = bench.serve_from(vec![job("a", "0 * * * *")], &folder).await;
    pass(mins(30)).await;
    assert!(handle.health().healthy);
    fs::remove_dir_all(&folder).unwrap();
    pass(hours(2)).await;
    let health = handle.health();
    assert_eq!((bench.count("a", Work::Backup), health.healthy), (2, false));
    assert_eq!(health.reasons[0].kind, ReasonKind::StateUnwritable);
    fs::create_dir(&folder).unwrap();
    pass(mins(5)).await;
    assert!(handle.health().healthy);
    assert!(fs::read_to_string(folder.join("a.json")).unwrap().contains("\"success\":2"));
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_and_details_of_old_runs_go() {
    let bench = Bench::new(START, |begun| {
        let detail = if begun.work == Work::Prune { serde_json::Value::Null } else { serde_json::json!({"tables": 9}) };
        let status = if begun.work == Work::Prune { Status::Skipped } else { Status::Success };
        Plan { outcome: Outcome { detail, status, ..Outcome::success() }, ..Plan::good(Duration::from_secs(1)) }
    });
    let handle = bench.serve(vec![job("a", "* * * * *")]).await;
    pass(hours(5)).await;
    let backup = shown(&handle, "a").backup;
    assert_eq!((backup.history.len(), backup.counters.by_status[&Status::Success]), (100, 300));
    assert_eq!(backup.history.iter().filter(|run| !run.outcome.detail.is_null()).count(), 10);
    assert!(!backup.history.last().unwrap().outcome.detail.is_null());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_runs_no_tick_twice() {
    let bench = Bench::good(START, mins(1));
    let handle = bench.serve(vec![job("daily", "0 3 * * *"), job("hourly", "0 * * * *"), job("often", "*/5 * * * *")]);
    let handle = handle.await;
    pass(hours(3) + mins(10)).await;
    let before = bench.count("often", Work::Backup);
    bench.clock.jump(-20 * 60);
    pass(mins(22)).await;
    // 3:00 came twice on the wall, 3:10 nearly did.
    assert_eq!((bench.count("daily", Work::Backup), bench.count("hourly", Work::Backup)), (1, 3));
    assert_eq!(bench.count("often", Work::Backup), before);
    pass(mins(10)).await;
    assert_eq!(bench.count("often", Work::Backup), before + 2);
    pass(hours(24)).await;
    assert_eq!(bench.count("daily", Work::Backup), 2);
    // A clock that had been a year ahead does not stop all for a year.
    bench.clock.jump(-365 * 24 * 3600);
    pass(hours(25)).await;
    assert_eq!(bench.count("daily", Work::Backup), 3);
    assert!(bench.count("hourly", Work::Backup) >= 50);
    assert!(handle.health().healthy);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_runs_once_when_it_wakes() {
    let bench = Bench::good(START, mins(1));
    let no = JobSpec { catch_up: false, ..job("no", "0 * * * *") };
    let handle = bench.serve(vec![job("a", "0 * * * *"), no]).await;
    pass(mins(20)).await;
    bench.clock.jump(10 * 3600);
    pass(mins(2)).await;
    assert_eq!(bench.backups("a"), ["CatchUp 01T10:00"]);
    assert!(bench.backups("no").is_empty());
    pass(hours(1)).await;
    assert_eq!(bench.backups("a")[1..], ["Schedule 01T11:00"]);
    assert_eq!(bench.backups("no"), ["Schedule 01T11:00"]);
    assert_eq!(shown(&handle, "a").backup.counters.missed_ticks, 9);
    assert_eq!(shown(&handle, "no").backup.counters.missed_ticks, 10);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_does_not_change_how_long_a_wait_is() {
    let bench = Bench::new(START, |begun| if begun.attempt == 1 { Plan::bad(mins(1)) } else { Plan::good(mins(1)) });
    let spec = JobSpec { retries: 1, retry_delay: SignedDuration::from_mins(20), ..job("a", "0 3 * * *") };
    let handle = bench.serve(vec![spec]).await;
    pass(hours(3) + mins(5)).await;
    bench.clock.jump(-2 * 3600);
    pass(mins(30)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00", "Retry 01T03:00"]);
    assert_eq!(shown(&handle, "a").backup.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_good_backup_from_a_wrong_future_does_not_hide_that_none_followed() {
    let bench = Bench::new("2030-01-01T00:00:30Z", |begun| {
        if begun.at > at("2029-01-01T00:00:00Z") { Plan::good(mins(1)) } else { Plan::bad(mins(1)) }
    });
    bench.serve(vec![JobSpec { max_age: Some(SignedDuration::from_hours(30)), ..job("a", "0 3 * * *") }]).await;
    pass(hours(4)).await;
    bench.clock.jump(-4 * 365 * 24 * 3600);
    pass(hours(48)).await;
    assert!(bench.told("a").contains(&"stale Backup".to_owned()), "{:?}", bench.told("a"));
}

#[tokio::test(start_paused = true)]
async fn jobs_are_replaced_and_runs_go_on() {
    let (bench, folder) = (Bench::good(START, hours(2)), tempfile::tempdir().unwrap());
    let jobs =
        vec![job("same", "0 3 * * *"), job("other", "0 3 * * *"), job("gone", "0 3 * * *"), job("off", "0 3 * * *")];
    let handle = bench.serve_from(jobs, folder.path()).await;
    pass(hours(4)).await;
    let off = JobSpec { enabled: false, ..job("off", "0 3 * * *") };
    let jobs = || vec![job("same", "0 3 * * *"), job("other", "30 4 * * *"), job("new", "30 3 * * *"), off.clone()];
    *bench.next_jobs.lock().unwrap() = Some(jobs());
    let report = handle.reread().await.unwrap();
    assert_eq!((report.added, report.removed), (vec!["new".to_owned()], vec!["gone".to_owned()]));
    assert_eq!((report.changed, report.unchanged), (vec!["other".to_owned(), "off".to_owned()], 1));
    // All four go on; the one that is gone takes no trigger.
    assert_eq!(handle.snapshot().running, 4);
    assert!(shown(&handle, "gone").removed);
    assert!(matches!(handle.trigger("gone"), Err(TriggerError::Unknown { .. })));
    pass(hours(2)).await;
    assert!(handle.snapshot().job("gone").is_none());
    assert_eq!(bench.records("gone")[0].outcome.status, Status::Success);
    // Its tick of 4:30 came during the run of 3:00 and is skipped as any other; the new one's 3:30 was before its time.
    pass(hours(23)).await;
    assert_eq!(bench.backups("other"), ["Schedule 01T03:00", "Schedule 02T04:30"]);
    assert_eq!(bench.backups("new"), ["Schedule 02T03:30"]);
    assert_eq!(bench.backups("same"), ["Schedule 01T03:00", "Schedule 02T03:00"]);
    assert_eq!(bench.count("off", Work::Backup), 1);

    // Settings that cannot be used change nothing, and the snapshot says why.
    assert_eq!(handle.reread().await, Err("line 3: a job without a database".to_owned()));
    assert_eq!(handle.snapshot().reload_problem.as_deref(), Some("line 3: a job without a database"));
    assert!(handle.reload(vec![job("a", "1h"), job("a", "1h")]).await.unwrap_err().contains("two jobs"));
    assert_eq!(handle.snapshot().jobs.len(), 4);
    assert_eq!(handle.reload(jobs()).await.unwrap().unchanged, 4);
    assert_eq!(handle.snapshot().reload_problem, None);
    // One that comes back still knows its runs.
    handle.reload(vec![job("gone", "0 3 * * *")]).await.unwrap();
    assert_eq!(shown(&handle, "gone").backup.history.len(), 1);
    end(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_schedule_counts_from_its_next_tick() {
    let bench = Bench::good(START, mins(1));
    let handle = bench.serve(vec![job("a", "0 3 * * *")]).await;
    pass(hours(12)).await;
    handle.reload(vec![job("a", "0 11 * * *")]).await.unwrap();
    pass(hours(12)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00"]);
    pass(hours(12)).await;
    assert_eq!(bench.backups("a")[1..], ["Schedule 02T11:00"]);
    // Switched off for a while, it missed nothing.
    handle.reload(vec![JobSpec { enabled: false, ..job("a", "0 11 * * *") }]).await.unwrap();
    pass(hours(48)).await;
    handle.reload(vec![job("a", "0 11 * * *")]).await.unwrap();
    pass(hours(12)).await;
    assert_eq!(bench.count("a", Work::Backup), 2);
    pass(hours(12)).await;
    assert_eq!(bench.backups("a")[2..], ["Schedule 05T11:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_comes_back_while_its_run_goes_on_is_the_same() {
    let bench = Bench::good(START, hours(2));
    let handle = bench.serve(vec![job("a", "0 3 * * *")]).await;
    pass(hours(4)).await;
    handle.reload(vec![]).await.unwrap();
    pass(mins(10)).await;
    handle.reload(vec![job("a", "30 4 * * *")]).await.unwrap();
    assert!(matches!(handle.trigger("a"), Err(TriggerError::Busy { .. })));
    pass(hours(24)).await;
    assert_eq!(bench.backups("a"), ["Schedule 01T03:00"]);
    pass(hours(1)).await;
    assert_eq!(bench.count("a", Work::Backup), 2);
    assert!(bench.seen.lock().unwrap().overlaps.is_empty());
}
