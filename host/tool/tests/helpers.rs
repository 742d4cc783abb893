//! Programs that planb talks to, as real processes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bench;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use bench::{SECRET, gone, line_in, shim};
use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use planb_tool::{Helper, spawn_helper};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn start(script: &str, env: &[(&str, &str)], stdin: bool) -> Helper {
    let redactor = Arc::new(Redactor::new(&[Secret::new(SECRET.to_owned())]));
    let args = ["-c", script].map(OsString::from);
    let env: Vec<_> = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
    spawn_helper(&shim(), &redactor, Path::new("/bin/sh"), &args, &env, stdin).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_in_and_come_out() {
    let mut helper = start("cat; echo end >&2; exit 3", &[], true);
    let mut stdin = helper.stdin.take().unwrap();
    let sent: Vec<u8> = (0..10_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let writing = {
        let sent = sent.clone();
        tokio::spawn(async move {
            stdin.write_all(&sent).await.unwrap();
            stdin.shutdown().await.unwrap();
        })
    };
    let mut got = Vec::new();
    helper.stdout.read_to_end(&mut got).await.unwrap();
    writing.await.unwrap();
    assert!(got == sent);
    let exit = helper.wait().await;
    assert_eq!((exit.code, exit.last_line()), (Some(3), "end"));
    assert!(helper.ended());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_the_environment_that_it_is_given() {
    let mut helper = start("env; cat; ulimit -c; umask", &[("RCLONE_CONFIG", "/x y"), ("HOME", "/h")], false);
    let mut got = String::new();
    helper.stdout.read_to_string(&mut got).await.unwrap();
    let mut names: Vec<_> = got.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "PATH", "RCLONE_CONFIG"]);
    assert!(got.contains("RCLONE_CONFIG=/x y\n") && got.ends_with("\n0\n0077\n"), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_is_wrong_without_secrets() {
    let mut helper = start("echo \"$PASSWORD is wrong\" >&2; exit 1", &[("PASSWORD", SECRET)], false);
    assert_eq!(helper.wait().await.stderr, "*** is wrong\n");
    let redactor = Arc::new(Redactor::default());
    let mut helper = spawn_helper(&shim(), &redactor, Path::new("/no/such/rclone"), &[], &[], true).unwrap();
    let exit = helper.wait().await;
    assert_eq!(exit.code, Some(127));
    assert!(exit.last_line().contains("/no/such/rclone cannot be started"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to_and_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $! >>{0}; echo $$ >>{0}; echo ready; wait; sleep 1000",
        pids.display()
    );
    for kill in [true, false] {
        let mut helper = start(&script, &[], true);
        let mut ready = [0; 6];
        helper.stdout.read_exact(&mut ready).await.unwrap();
        if kill {
            helper.kill();
            assert_eq!(helper.wait().await.signal, Some(9));
        }
        drop(helper);
        assert!(gone(&line_in(&pids).await).await);
    }
    let mut helper = start("cat", &[], true);
    let exit = helper.stop().await;
    assert!(exit.code == Some(0) || exit.signal == Some(15), "by the end of its input, or by TERM: {exit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_output_ends_with_it() {
    let mut helper = start("sleep 1000 & echo all", &[], false);
    let mut got = String::new();
    helper.stdout.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "all\n");
    // And one whose output nobody wants any more ends by itself.
    let Helper { mut stdout, .. } = start("true", &[], false);
    stdout.read_to_string(&mut got).await.unwrap();
}
