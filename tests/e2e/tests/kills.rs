//! Runs that are ended in the middle: by their user, by the kernel, or with their tool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Planb, Running, provision, skip};
use rustix::process::{Pid, Signal, kill_process};
use support::{
    assert_bare, assert_empty, assert_nothing_listed, fake_sqlite3, files, folder, list, processes_with, run, small,
    until, verify, with,
};

/// A tool that writes 12 MB, tells so, and then waits with a child of its own in another session.
fn slow(at: &Path, extra: &str) -> String {
    let started = at.join("started");
    let body = format!(
        "{extra}\nsetsid sleep 1000 &\necho BEGIN\nhead -c 12000000 /dev/urandom | base64\ntouch {}\nsleep 1000\n",
        started.display()
    );
    format!("sqlite3={}", fake_sqlite3(at, &body).display())
}

#[test]
fn a_run_that_its_user_ends_leaves_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    for (signal, extra) in [(Signal::TERM, ""), (Signal::INT, ""), (Signal::TERM, "trap '' TERM INT HUP")] {
        let at = folder();
        let db = small(at.path());
        let (work, store) = (at.path().join("work"), at.path().join("store"));
        let planb = run(&db).args(["--compress", "none", "--tool-path", &slow(at.path(), extra), "--work-dir"]);
        let planb = planb.arg(&work).arg("--to").arg(&store).spawn();
        until("the tool has written", || at.path().join("started").exists());
        planb.kill(signal);
        let done = planb.wait().expect_code(130);
        assert!(done.stderr.contains("interrupted"), "{done:?}");
        assert_bare(&work);
        assert_empty(&store);
        assert_nothing_listed(&store.display().to_string());
        let left = processes_with(&work.display().to_string());
        assert!(left.is_empty(), "still running: {left:?}");
        let next = run(&db).arg("--work-dir").arg(&work).arg("--to").arg(&store).run().ok();
        assert_eq!(next.json()["status"], "success");
        verify(&store.display().to_string()).run().ok();
    }
}

#[test]
fn a_run_that_is_killed_leaves_nothing_listed_and_the_next_one_cleans_up() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let (work, store) = (at.path().join("work"), at.path().join("store"));
    let from = store.display().to_string();
    let planb = run(&db).args(["--compress", "none", "--tool-path", &slow(at.path(), ""), "--work-dir"]);
    let planb = planb.arg(&work).arg("--to").arg(&store).spawn();
    until("the tool has written", || at.path().join("started").exists());
    planb.kill(Signal::KILL);
    assert_eq!(planb.wait().code, None);
    let marker = work.display().to_string();
    let fake = at.path().join("sqlite3").display().to_string();
    until("the tool is gone", || processes_with(&fake).is_empty());
    assert_nothing_listed(&from);
    assert!(!files(&work).is_empty(), "nobody could have removed it");
    run(&db).arg("--work-dir").arg(&work).arg("--to").arg(&store).run().ok();
    assert_bare(&work);
    // The child that had left its tool is gone now at the latest.
    assert!(processes_with(&marker).is_empty());
    assert_eq!(list(&from).run().ok().json().as_array().map(Vec::len), Some(1));
    verify(&from).run().ok();
}

#[test]
fn a_tool_that_is_killed_is_a_failed_run() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let (work, store) = (at.path().join("work"), at.path().join("store"));
    let planb = run(&db).args(["--compress", "none", "--tool-path", &slow(at.path(), ""), "--work-dir"]);
    let planb = planb.arg(&work).arg("--to").arg(&store).spawn();
    until("the tool has written", || at.path().join("started").exists());
    let fake = at.path().join("sqlite3").display().to_string();
    // Its own children are `sleep`s; the script itself is what planb started.
    let tool = planb
        .descendants()
        .into_iter()
        .find(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&fake)));
    kill(tool.expect("the tool runs"), Signal::KILL);
    planb.wait().expect_code(1).says(&["(tool)", "killed by signal 9"]);
    assert_bare(&work);
    assert_empty(&store);
    assert!(processes_with(&work.display().to_string()).is_empty());
}

#[test]
fn no_unfinished_upload_is_left_in_a_bucket() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("stopped");
    let at = folder();
    let db = small(at.path());
    let url = s3.url("stopped", "p");
    let started = || {
        let planb = with(run(&db), &s3.env()).args(["--compress", "none", "--part-size", "5"]);
        let planb = planb.args(["--tool-path", &slow(at.path(), ""), "--to", &url]).spawn();
        until("parts have been sent", || s3.unfinished_uploads("stopped") == 1);
        planb
    };
    for signal in [Signal::TERM, Signal::INT] {
        let planb = started();
        planb.kill(signal);
        planb.wait().expect_code(130);
        assert_eq!(s3.unfinished_uploads("stopped"), 0);
        assert!(s3.objects("stopped").is_empty());
    }
    // A failed tool, and one out of time, too.
    for (tool, code) in [
        ("head -c 12000000 /dev/urandom | base64; sleep 2; exit 1", 1),
        ("head -c 12000000 /dev/urandom | base64; sleep 1000", 1),
    ] {
        let tool = format!("sqlite3={}", fake_sqlite3(at.path(), tool).display());
        let planb = with(run(&db), &s3.env()).args(["--compress", "none", "--part-size", "5", "--timeout", "4s"]);
        planb.args(["--tool-path", &tool, "--to", &url]).run().expect_code(code);
        assert_eq!(s3.unfinished_uploads("stopped"), 0);
        assert!(s3.objects("stopped").is_empty());
    }
    // Nothing can be asked of one that is killed, but nothing is listed, and the next run works.
    let planb = started();
    planb.kill(Signal::KILL);
    planb.wait();
    assert_eq!(with(list(&url), &s3.env()).run().ok().json(), serde_json::json!([]));
    with(run(&db), &s3.env()).args(["--to", &url]).run().ok();
    with(verify(&url), &s3.env()).run().ok();
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits for a `pg_dump` of planb that has written a megabyte, and stops it there.
fn stopped_pg_dump(planb: &mut Running) -> u32 {
    let mut found = None;
    until("pg_dump is in the middle", || {
        assert!(!planb.ended(), "planb ended too early");
        found = planb.descendants().into_iter().find(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
            let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse::<u64>().ok());
            name.trim() == "pg_dump" && written.is_some_and(|bytes| bytes > 1 << 20)
        });
        if let Some(pid) = found {
            kill(pid, Signal::STOP);
        }
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_real_dump_that_is_ended_in_the_middle() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("big");
    server.psql(
        "big",
        "CREATE TABLE noise AS SELECT i, repeat(md5(i::text), 30) AS text FROM generate_series(1, 300000) AS i",
    );
    let at = folder();
    let (work, store) = (at.path().join("work"), at.path().join("store"));
    let from = store.display().to_string();
    let planb = || {
        let planb = Planb::new().args(["run", "--plugin", "postgres", "--db", &server.url("big"), "--output", "json"]);
        let planb = planb.env("PLANB_TOOL_PATH", server.bin_dir()).arg("--work-dir").arg(&work);
        planb.arg("--to").arg(&store)
    };
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'big'";
    let gone = |dump: u32| {
        let state = fs::read_to_string(format!("/proc/{dump}/comm")).unwrap_or_default();
        assert_ne!(state.trim(), "pg_dump", "it still runs");
        assert_nothing_listed(&from);
        until("the server has noticed", || server.psql("postgres", connections) == "0");
    };

    for signal in [Signal::TERM, Signal::INT] {
        let mut running = planb().spawn();
        let dump = stopped_pg_dump(&mut running);
        running.kill(signal);
        running.wait().expect_code(130);
        assert_bare(&work);
        assert_empty(&store);
        gone(dump);
    }

    let mut running = planb().spawn();
    let dump = stopped_pg_dump(&mut running);
    kill(dump, Signal::KILL);
    running.wait().expect_code(1).says(&["(tool)", "killed by signal 9"]);
    assert_bare(&work);
    assert_empty(&store);
    gone(dump);

    // The server ends the connection: the database is to blame then, or the tool that lost it.
    let mut running = planb().spawn();
    let dump = stopped_pg_dump(&mut running);
    assert_eq!(server.psql("postgres", connections), "1");
    server.psql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'big'");
    kill(dump, Signal::CONT);
    running.wait().expect_code(1).says(&["pg_dump"]);
    assert_bare(&work);
    assert_empty(&store);
    gone(dump);

    let mut running = planb().spawn();
    let dump = stopped_pg_dump(&mut running);
    running.kill(Signal::KILL);
    running.wait();
    until("pg_dump is gone", || {
        fs::read_to_string(format!("/proc/{dump}/comm")).map_or(true, |c| c.trim() != "pg_dump")
    });
    gone(dump);
    let left = files(&store);
    assert!(left.iter().all(|path| path.starts_with(".planb-tmp/") || path.starts_with(".planb/leases/")), "{left:?}");

    let done = planb().run().ok().json();
    assert_eq!(done["status"], "success");
    assert_bare(&work);
    assert_eq!(list(&from).run().ok().json().as_array().map(Vec::len), Some(1));
    verify(&from).run().ok();
}
