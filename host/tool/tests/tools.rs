//! Real processes, started and ended in every way that matters.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bench;

use std::time::Duration;

use bench::{LIMITS, bench, gone, program, sh, sh_spec, text};
use planb_model::engine::{Purpose, ToolSpec};
use planb_model::plan::{Arg, ArgPiece, Command, Encoding, EnvVar, PrivatePiece, SecretRef};
use planb_tool::{Captured, Stdin, Stdout, ToolError, ToolSearch, Toolbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_gets_a_clean_environment() {
    let b = bench().await;
    let (exit, out) =
        b.launcher.run(&b.toolbox, &sh("env; pwd; umask; ulimit -c; cat; echo done >&2"), LIMITS).await.unwrap();
    let out = text(&out);
    assert_eq!(exit.code, Some(0));
    assert_eq!(exit.last_line(), "done");
    let names: Vec<_> = out.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
    for name in &names {
        assert!(
            ["PATH", "HOME", "TMPDIR", "LC_ALL", "TZ", "PWD", "OLDPWD", "SHLVL", "_"].contains(name),
            "{name} leaked: {out}"
        );
    }
    assert!(out.contains("\n0077\n0\n") || out.contains("\n077\n0\n"), "umask and core limit: {out}");
    assert!(out.contains(&b.launcher.work().path().display().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_tool_and_nothing_else() {
    let b = bench().await;
    let secret = |encoding| PrivatePiece::Secret(SecretRef { name: "password".into(), encoding });
    let mut command = sh("cat; printf ' %s' \"$SECRET\"; tr '\\0' ' ' </proc/$$/cmdline; echo \"I say $SECRET\" >&2");
    command.env = vec![EnvVar { name: "SECRET".into(), value: vec![secret(Encoding::Raw)] }];
    command.stdin = Some(vec![PrivatePiece::Text("in:".into()), secret(Encoding::Percent)]);
    let (exit, out) = b.launcher.run(&b.toolbox, &command, LIMITS).await.unwrap();
    let out = text(&out);
    assert!(out.starts_with("in:canary-5ecret canary-5ecret"), "{out}");
    assert_eq!(out.matches("canary-5ecret").count(), 2, "not in the command line: {out}");
    assert_eq!(exit.stderr, "I say ***\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_end_is_told_with_its_last_words() {
    let b = bench().await;
    let (exit, _) =
        b.launcher.run(&b.toolbox, &sh("echo first >&2; echo 'the disk is full' >&2; exit 3"), LIMITS).await.unwrap();
    assert_eq!((exit.code, exit.last_line()), (Some(3), "the disk is full"));
    let (exit, _) = b.launcher.run(&b.toolbox, &sh("kill -9 $$"), LIMITS).await.unwrap();
    assert_eq!(exit.describe(), "killed by signal 9");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_bounded() {
    let b = bench().await;
    let limits = Captured { stdout_bytes: 1000, ..LIMITS };
    let error = b.launcher.run(&b.toolbox, &sh("yes"), limits).await.unwrap_err();
    assert!(matches!(error, ToolError::TooMuch { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_whole_tree() {
    let b = bench().await;
    let pids = b.base.join("pids");
    // The tool ignores TERM, has a child, and one that left its session.
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $! >>{0}; setsid sleep 1000 & echo $$ >>{0}; sleep 0.3; pidof sleep >/dev/null; wait",
        pids.display()
    );
    let limits = Captured { time: Some(Duration::from_secs(3)), ..LIMITS };
    let error = b.launcher.run(&b.toolbox, &sh(&script), limits).await.unwrap_err();
    assert!(matches!(error, ToolError::Timeout(_)), "{error}");
    assert!(gone(&std::fs::read_to_string(&pids).unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_leaves_its_session_and_keeps_the_pipes_is_found() {
    let b = bench().await;
    let pid = b.base.join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ >{0}; exec sleep 1000' & while [ ! -s {0} ]; do sleep 0.05; done; exit 0",
        pid.display()
    );
    let (exit, _) = b.launcher.run(&b.toolbox, &sh(&script), LIMITS).await.unwrap();
    assert_eq!(exit.code, Some(0));
    assert!(gone(&std::fs::read_to_string(&pid).unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_what_runs() {
    let b = bench().await;
    let cancel = b.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    let error = b.launcher.run(&b.toolbox, &sh("sleep 1000"), LIMITS).await.unwrap_err();
    assert!(matches!(error, ToolError::Cancelled), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_child_is_killed_and_the_folder_goes() {
    let b = bench().await;
    let pid = b.base.join("pid");
    let child = b.launcher.start(
        &b.toolbox,
        &sh(&format!("echo $$ >{}; exec sleep 1000", pid.display())),
        Stdin::Piped,
        Stdout::Piped,
    );
    let child = child.unwrap();
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(child);
    let pid = std::fs::read_to_string(&pid).unwrap();
    assert!(gone(&pid).await);
    let work = b.launcher.work().path();
    drop(b.launcher);
    assert!(!work.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_told_before_it_is() {
    let b = bench().await;
    let mut command = sh("x");
    command.args = vec![Arg::Value(vec![ArgPiece::Text("-rf".into())])];
    let error = b.launcher.run(&b.toolbox, &command, LIMITS).await.unwrap_err();
    assert_eq!(error.to_string(), "the value \"-rf\" starts with a dash; the tool `sh` would take it for an option");

    let missing = ToolSpec {
        id: "pg_dump".into(),
        programs: vec!["no-such-program".into()],
        install_hint: Some("postgresql-client".into()),
        ..sh_spec()
    };
    let search = ToolSearch { folders: vec!["/usr/bin".into()], ..ToolSearch::default() };
    let toolbox = Toolbox::resolve(&[missing], &[Purpose::Backup], |_| true, &search, &b.launcher).await.unwrap();
    let error = toolbox.get("pg_dump").unwrap_err();
    assert_eq!(error.to_string(), "the tool `pg_dump` is not here: looked for no-such-program in /usr/bin");
    assert_eq!(error.hint().unwrap(), "install postgresql-client, or point to it with --tool-path pg_dump=/path/to/it");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_asked_for_and_held_against_the_requirement() {
    let b = bench().await;
    let fake = program(&b, "tool", "echo 'tool (Test) 12.7'").await;
    let spec =
        |req: &str| ToolSpec { version_args: vec!["--version".into()], version_req: Some(req.into()), ..sh_spec() };
    let search = ToolSearch { explicit: [("sh".to_owned(), fake)].into(), folders: vec![] };
    let toolbox = Toolbox::resolve(&[spec(">=12")], &[Purpose::Backup], |_| true, &search, &b.launcher).await.unwrap();
    assert_eq!(toolbox.for_request()[0].version.as_deref(), Some("12.7"));
    // One that does not suit is an error only where it is used.
    let toolbox = Toolbox::resolve(&[spec(">=13")], &[Purpose::Backup], |_| true, &search, &b.launcher).await.unwrap();
    let error = toolbox.get("sh").unwrap_err();
    assert!(matches!(&error, ToolError::Unfit(why) if matches!(**why, ToolError::Version { .. })), "{error}");
    assert!(error.to_string().contains("is version 12.7; this plugin needs >=13"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_kept_in_a_file_and_read_from_one() {
    let b = bench().await;
    let first = Command { stdout_to: Some("made/list".into()), ..sh("printf 'a\nb\n'") };
    let exit = b.launcher.run_unread(&b.toolbox, &first).await.unwrap();
    assert_eq!(exit.code, Some(0));
    let second = Command { stdin_from: Some("made/list".into()), ..sh("tr a-z A-Z") };
    let (_, out) = b.launcher.run(&b.toolbox, &second, LIMITS).await.unwrap();
    assert_eq!(text(&out), "A\nB\n");
    let file = b.launcher.work().below("made/list").unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).unwrap()) & 0o777, 0o600);
    // A link in the work directory leads to what is not the plan's.
    std::os::unix::fs::symlink("/etc/passwd", b.launcher.work().below("made/link").unwrap()).unwrap();
    let link = Command { stdin_from: Some("made/link".into()), ..sh("cat") };
    assert!(matches!(b.launcher.run(&b.toolbox, &link, LIMITS).await, Err(ToolError::NotPlain { .. })));
}
