//! Another planb talks to the one that serves. The socket is a real one, and so is the time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, job};
use planb_runner::control::{self, ControlError};
use planb_runner::{Options, Status, SystemClock, TriggerError, Work};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const START: &str = "2026-01-01T00:00:30Z";

#[tokio::test]
async fn status_trigger_and_reload() {
    let (bench, folder) = (Bench::good(START, Duration::ZERO), tempfile::tempdir().unwrap());
    let dir = folder.path();
    assert!(matches!(control::status(dir, false).await, Err(ControlError::NotServing(_))));
    let handle = bench.serve_from(vec![job("orders", "manual")], dir).await;
    let mode = std::fs::metadata(control::socket(dir)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let status = control::status(dir, true).await.unwrap();
    assert_eq!((status.jobs.len(), status.health.ready), (1, true));
    let run = control::trigger(dir, "orders", Work::Backup).await.unwrap();
    let last = loop {
        let status = control::status(dir, true).await.unwrap();
        if let Some(last) = status.job("orders").unwrap().backup.history.last() {
            break last.clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((last.run_id, last.outcome.status), (run.run_id, Status::Success));
    let brief = control::status(dir, false).await.unwrap();
    assert!(brief.job("orders").unwrap().backup.history.is_empty());
    assert!(brief.job("orders").unwrap().backup.last.is_some());

    match control::trigger(dir, "order", Work::Backup).await {
        Err(ControlError::NotTriggered(TriggerError::Unknown { nearest, .. })) => {
            assert_eq!(nearest.as_deref(), Some("orders"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(control::reload(dir).await, Err(ControlError::Refused(why)) if why.contains("line 3")));
    *bench.next_jobs.lock().unwrap() = Some(vec![job("new", "manual")]);
    assert_eq!(control::reload(dir).await.unwrap().added, ["new"]);

    handle.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(control::status(dir, false).await, Err(ControlError::NotServing(_))));
}

#[tokio::test]
async fn with_the_machines_own_clock() {
    let bench = Bench::good(START, Duration::ZERO);
    let options = Options { clock: Arc::new(SystemClock), ..bench.options(None) };
    let handle = bench.serve_with(vec![job("a", "* * * * * *")], options).await;
    let mut changes = handle.watch();
    while handle.snapshot().jobs[0].backup.history.len() < 2 {
        changes.changed().await.unwrap();
    }
    let snapshot = handle.snapshot();
    let mut ticks = snapshot.jobs[0].backup.history.iter().map(|run| run.tick);
    assert!(ticks.next().unwrap() < ticks.next().unwrap());
    handle.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_nobody() {
    let (bench, folder) = (Bench::good(START, Duration::ZERO), tempfile::tempdir().unwrap());
    drop(std::os::unix::net::UnixListener::bind(control::socket(folder.path())).unwrap());
    assert!(matches!(control::status(folder.path(), false).await, Err(ControlError::NotServing(_))));
    let handle = bench.serve_from(vec![], folder.path()).await;
    assert!(control::status(folder.path(), false).await.is_ok());
    handle.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn nonsense_is_refused_and_a_flood_ends() {
    let (bench, folder) = (Bench::good(START, Duration::ZERO), tempfile::tempdir().unwrap());
    let handle = bench.serve_from(vec![], folder.path()).await;
    for nonsense in [b"{\"ask\":\"format-disk\"}\n".to_vec(), b"\xff\n".to_vec(), vec![b'x'; 70_000]] {
        let mut stream = tokio::net::UnixStream::connect(control::socket(folder.path())).await.unwrap();
        // It may be cut off before all of it is taken.
        let _ = stream.write_all(&nonsense).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.contains("does not understand"), "{answer}");
    }
    assert!(control::status(folder.path(), false).await.is_ok());
    handle.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_folder_of_too_long_a_path_is_refused() {
    let (bench, folder) = (Bench::good(START, Duration::ZERO), tempfile::tempdir().unwrap());
    let long = folder.path().join("x".repeat(100));
    let serve = planb_runner::Serve::new(vec![], common::Hand(bench.clone()), bench.options(Some(&long)));
    assert!(serve.unwrap_err().to_string().contains("too long"));
}
