//! The user's own commands, as real processes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bench;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::{SECRET, alive, gone, line_in, shim};
use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use planb_tool::{Hook, HookCommand, HookEnd, HookOutcome, ToolError, run_hook};
use tokio_util::sync::CancellationToken;

fn shell(line: &str) -> Hook {
    Hook::new(HookCommand::Shell(line.to_owned()))
}

async fn run(hook: &Hook) -> (HookOutcome, Vec<String>) {
    let redactor = Redactor::new(&[Secret::new(SECRET.to_owned())]);
    let mut said = Vec::new();
    let stop = CancellationToken::new();
    let outcome = run_hook(&shim(), hook, &redactor, &stop, |line| said.push(line.to_owned())).await.unwrap();
    (outcome, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_prints_comes_line_by_line_and_clean() {
    let line = format!("echo one; echo 'two {SECRET}' >&2; printf '\\033[31mthree'; exit 4");
    let (outcome, said) = run(&shell(&line)).await;
    assert_eq!(said, ["one", "two ***", "[31mthree"]);
    assert_eq!(outcome.lines, said);
    assert_eq!((outcome.end, outcome.earlier, outcome.succeeded()), (HookEnd::Code(4), 0, false));
    assert_eq!(outcome.describe(), "exit code 4");
    let (outcome, _) = run(&shell("true")).await;
    assert!(outcome.succeeded());
    let (outcome, _) = run(&shell("kill -9 $$")).await;
    assert_eq!(outcome.describe(), "killed by signal 9");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_the_callers_environment_and_more() {
    // Cargo gives this one to every test.
    const INHERITED: &str = "CARGO_MANIFEST_DIR";
    let mut hook = shell("env");
    hook.env.insert("DBSTASH_STATUS".to_owned(), "success".to_owned());
    hook.env.insert("LANG".to_owned(), "a b\nc".to_owned());
    let (outcome, _) = run(&hook).await;
    let has =
        |outcome: &HookOutcome, name: &str| outcome.lines.iter().any(|line| line.starts_with(&format!("{name}=")));
    assert!(has(&outcome, INHERITED) && has(&outcome, "PATH"), "{:?}", outcome.lines);
    assert!(outcome.lines.contains(&"DBSTASH_STATUS=success".to_owned()) && outcome.lines.contains(&"c".to_owned()));
    hook.without_env.push(INHERITED.to_owned());
    let (outcome, _) = run(&hook).await;
    assert!(!has(&outcome, INHERITED) && has(&outcome, "PATH"));
    hook.inherit_env = false;
    let (outcome, _) = run(&hook).await;
    let mut names: Vec<_> =
        outcome.lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["DBSTASH_STATUS", "LANG", "PATH"]);
}

/// A hook may need `sudo`, and what it writes is for others: nothing of a tool's confinement is for it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn it_may_do_what_planb_may() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let line = |text: &str| text.lines().find(|line| line.starts_with("NoNewPrivs")).unwrap().to_owned();
    let (outcome, said) = run(&shell(&format!("cat /proc/self/status; echo x >{}", file.display()))).await;
    assert!(outcome.succeeded() && file.exists());
    assert_eq!(line(&said.join("\n")), line(&std::fs::read_to_string("/proc/self/status").unwrap()));
    let tool = bench::bench().await;
    let status = bench::sh("cat /proc/self/status");
    let (_, out) = tool.launcher.run(&tool.toolbox, &status, bench::LIMITS).await.unwrap();
    assert_eq!(line(&bench::text(&out)), "NoNewPrivs:\t1");
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_arguments() {
    let argv = ["printf", "<%s>\n", "a b", "$HOME; echo x", ""].map(str::to_owned).to_vec();
    let folder = tempfile::tempdir().unwrap();
    let (outcome, said) = run(&Hook::new(HookCommand::Argv(argv))).await;
    assert!(outcome.succeeded());
    assert_eq!(said, ["<a b>", "<$HOME; echo x>", "<>"]);
    let mut hook = Hook::new(HookCommand::Argv(vec!["pwd".to_owned()]));
    hook.cwd = Some(folder.path().to_path_buf());
    let (_, said) = run(&hook).await;
    assert_eq!(said, [folder.path().canonicalize().unwrap().display().to_string()]);

    let (outcome, said) = run(&Hook::new(HookCommand::Argv(vec!["no-such-program-here".to_owned()]))).await;
    assert_eq!(outcome.end, HookEnd::Code(127));
    assert!(said[0].contains("no-such-program-here cannot be started"), "{said:?}");
    let stop = CancellationToken::new();
    let empty = Hook::new(HookCommand::Argv(vec![]));
    let error = run_hook(&shim(), &empty, &Redactor::default(), &stop, |_| {}).await.unwrap_err();
    assert!(matches!(error, ToolError::Start { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_too_long_is_ended_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // It ignores TERM.
    let line =
        format!("trap '' TERM; sleep 1000 & echo $! >>{0}; echo $$ >>{0}; while :; do sleep 0.1; done", pids.display());
    let mut hook = shell(&line);
    hook.timeout = Some(Duration::from_secs(3));
    let (outcome, _) = run(&hook).await;
    assert_eq!(outcome.end, HookEnd::TimedOut(Duration::from_secs(3)));
    assert_eq!(outcome.describe(), "did not end within 3 s");
    assert!(gone(&std::fs::read_to_string(&pids).unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let stop = CancellationToken::new();
    let hook =
        shell(&format!("trap 'echo tidied; exit 0' TERM; echo x >{}; while :; do sleep 0.05; done", ready.display()));
    let said = Arc::new(Mutex::new(Vec::new()));
    let (heard, token) = (Arc::clone(&said), stop.clone());
    // In a task of its own: a runner spawns them.
    let running = tokio::spawn(async move {
        let on_line = move |line: &str| heard.lock().unwrap().push(line.to_owned());
        run_hook(&shim(), &hook, &Redactor::default(), &token, on_line).await.unwrap()
    });
    line_in(&ready).await;
    stop.cancel();
    let outcome = running.await.unwrap();
    assert_eq!((outcome.end, outcome.succeeded()), (HookEnd::Stopped, false));
    assert_eq!(said.lock().unwrap().last().unwrap(), "tidied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_behind_does_not_keep_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // In its group: ended. In a session of its own: left alone, and not waited for, though it holds the pipe.
    let line = format!(
        "sleep 1000 & echo $! >{0}; setsid sh -c 'echo $$ >{0}.own; exec sleep 1000' & while [ ! -s {0}.own ]; do sleep 0.02; done; echo done",
        pid.display()
    );
    let (outcome, said) = run(&shell(&line)).await;
    assert!(outcome.succeeded());
    assert_eq!(said, ["done"]);
    assert!(gone(&line_in(&pid).await).await);
    let own = line_in(&folder.path().join("pid.own")).await;
    assert!(alive(&own));
    let own = rustix::process::Pid::from_raw(own.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_bounded() {
    let (outcome, said) = run(&shell("seq 1 100000; yes | head -c 10000000 | tr -d '\\n'")).await;
    assert!(outcome.succeeded());
    assert_eq!((said.len(), said[999].as_str(), said[1000].as_str()), (1001, "1000", "(more lines are not logged)"));
    assert_eq!((outcome.lines.len(), outcome.earlier), (100, 99_901));
    assert_eq!(outcome.lines[98], "100000");
    assert!(outcome.lines[99].len() <= 2048);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_given_up_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let hook = shell(&format!("echo $$ >{}; exec sleep 1000", pid.display()));
    let (redactor, stop) = (Redactor::default(), CancellationToken::new());
    let shim = shim();
    let running = run_hook(&shim, &hook, &redactor, &stop, |_| {});
    let pid = tokio::select! {
        _ = running => unreachable!("it sleeps"),
        pid = line_in(&pid) => pid,
    };
    assert!(gone(&pid).await);
}
