//! Tools that do not behave, as real processes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bench;

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use bench::{Bench, LIMITS, SECRET, bench, gone, instead_of_sh, line_in, program, sh, text};
use planb_model::Blame;
use planb_tool::{Exit, Stdin, Stdout, ToolError};

/// Far more than any grace time: what takes longer waits for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(2), what).await.unwrap()
}

/// Starts a script, reads its stdout to the end and waits for its own.
async fn dumped(b: &Bench, script: &str) -> (Exit, String) {
    let mut child = b.launcher.start(&b.toolbox, &sh(script), Stdin::Planned, Stdout::Piped).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        stdout.read_to_end(&mut out).unwrap();
        text(&out)
    });
    let out = soon(read).await.unwrap();
    (child.wait().await, out)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ignores_term_is_killed() {
    let b = bench().await;
    let ready = b.base.join("ready");
    let script = format!("trap '' TERM; echo x >{}; while :; do sleep 1000; done", ready.display());
    let mut child = b.launcher.start(&b.toolbox, &sh(&script), Stdin::Planned, Stdout::Piped).unwrap();
    line_in(&ready).await;
    let exit = child.stop().await;
    assert_eq!(exit.describe(), "killed by signal 9");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_heeds_term_may_say_why() {
    let b = bench().await;
    let ready = b.base.join("ready");
    let script = format!("trap 'echo bye >&2; exit 3' TERM; echo x >{}; while :; do sleep 0.05; done", ready.display());
    let mut child = b.launcher.start(&b.toolbox, &sh(&script), Stdin::Planned, Stdout::Piped).unwrap();
    line_in(&ready).await;
    let exit = child.stop().await;
    assert_eq!((exit.code, exit.last_line()), (Some(3), "bye"));
}

/// Each leaves a process behind that holds the dump's pipe. The reader waits for the last writer, so it has to go.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_ends_though_a_child_keeps_its_stdout() {
    let b = bench().await;
    let pid = b.base.join("pid");
    let p = pid.display();
    for (what, script) in [
        (
            "in its group",
            format!("sh -c 'echo $$ >{p}; exec sleep 1000' & while [ ! -s {p} ]; do sleep 0.02; done; echo all"),
        ),
        (
            "in a session of its own, without a stderr",
            format!(
                "setsid sh -c 'echo $$ >{p}; exec sleep 1000' 2>/dev/null & while [ ! -s {p} ]; do sleep 0.02; done; echo all"
            ),
        ),
        (
            "with another environment",
            format!(
                "env -i setsid sh -c 'echo $$ >{p}; exec sleep 1000' 2>/dev/null & while [ ! -s {p} ]; do sleep 0.02; done; echo all"
            ),
        ),
        (
            "a daemon that forked twice and cleared its environment",
            format!(
                "(setsid sh -c 'env -i sh -c \"echo \\$\\$ >{p}; exec sleep 1000\" & exit' &); while [ ! -s {p} ]; do sleep 0.02; done; echo all"
            ),
        ),
    ] {
        let (exit, out) = dumped(&b, &script).await;
        assert_eq!((exit.code, out.as_str()), (Some(0), "all\n"), "{what}: {}", exit.stderr);
        let left = line_in(&pid).await;
        assert!(gone(&left).await, "{what}: {left} lives");
        fs::remove_file(&pid).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_ends_though_a_child_keeps_its_stdin() {
    let b = bench().await;
    let pid = b.base.join("pid");
    let script = format!(
        "exec 3<&0; env -i setsid sh -c 'echo $$ >{0}; exec sleep 1000' 0<&3 2>/dev/null & while [ ! -s {0} ]; do sleep 0.02; done; exit 1",
        pid.display()
    );
    let mut child = b.launcher.start(&b.toolbox, &sh(&script), Stdin::Piped, Stdout::Null).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let fed = tokio::task::spawn_blocking(move || {
        loop {
            if let Err(error) = stdin.write_all(&[0; 8192]) {
                return error.kind();
            }
        }
    });
    assert_eq!(soon(fed).await.unwrap(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(child.wait().await.code, Some(1));
    assert!(gone(&line_in(&pid).await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_cannot_steer_a_terminal_nor_tell_a_secret() {
    let b = bench().await;
    let script = format!(
        "printf 'a\\033[2J\\033]0;title\\007b\\r\\010\\000c\\302\\233d \\342\\200\\256e {SECRET}\\377\\n' >&2; printf '\\033[31mout' ; kill -SEGV $$"
    );
    let (exit, out) = dumped(&b, &script).await;
    assert_eq!(exit.stderr, "a[2J]0;titlebcd e ***\u{fffd}\n");
    assert_eq!(exit.describe(), "killed by signal 11");
    // A dump is nobody's text.
    assert_eq!(out, "\u{1b}[31mout");
}

fn replaced(error: &ToolError) -> String {
    assert!(matches!(error, ToolError::Replaced { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Tool);
    assert!(error.hint().unwrap().contains("looked for anew"));
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_replaced_is_not_started() {
    let b = bench().await;
    let path = program(&b, "tool", "echo one").await;
    let toolbox = instead_of_sh(&b, &path).await;
    let (_, out) = b.launcher.run(&toolbox, &sh(":"), LIMITS).await.unwrap();
    assert_eq!(text(&out), "one\n");

    let other = program(&b, "other", "echo two").await;
    fs::rename(&other, &path).unwrap();
    let error = b.launcher.run(&toolbox, &sh(":"), LIMITS).await.unwrap_err();
    let message = format!("the tool `sh`: {} was replaced since it was approved", path.display());
    assert_eq!(replaced(&error), message);

    // The next operation looks for it anew.
    let (_, out) = b.launcher.run(&instead_of_sh(&b, &path).await, &sh(":"), LIMITS).await.unwrap();
    assert_eq!(text(&out), "two\n");

    fs::remove_file(&path).unwrap();
    let error = b.launcher.run(&toolbox, &sh(":"), LIMITS).await.unwrap_err();
    assert!(replaced(&error).contains("cannot be found any more"));
}

/// Between planb's look and the shim's: the shim is told of a file that is no more what it was.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_replaced_while_it_was_started_is_not_started() {
    let b = bench().await;
    let path = program(&b, "tool", "echo one").await;
    // A shim that takes its time: it lets the file be replaced first.
    let wait = format!("mv {0}/other {1}; exec {2} \"$@\"", b.base.display(), path.display(), bench::shim().display());
    program(&b, "other", "echo two").await;
    let slow = program(&b, "slow-shim", &wait).await;
    let toolbox = instead_of_sh(&b, &path).await;
    let secrets = std::sync::Arc::new(planb_model::secret::Secrets::default());
    let work = std::sync::Arc::new(planb_tool::WorkDir::create(&b.base).unwrap());
    let launcher = planb_tool::Launcher::new(slow, work, secrets, std::sync::Arc::default(), b.cancel.clone());
    let error = launcher.run(&toolbox, &sh(":"), LIMITS).await.unwrap_err();
    assert!(replaced(&error).ends_with("was replaced since it was approved"));

    // Who reads a dump is told by its exit.
    program(&b, "other", "echo three").await;
    let toolbox = instead_of_sh(&b, &path).await;
    let mut child = launcher.start(&toolbox, &sh(":"), Stdin::Planned, Stdout::Piped).unwrap();
    let exit = child.wait().await;
    assert!(replaced(&exit.replaced("sh").unwrap()).ends_with("was replaced since it was approved"), "{exit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_of_another_planb_starts_nothing() {
    let b = bench().await;
    let old = format!("shift; exec {} __tool later=1 \"$@\"", bench::shim().display());
    let old = program(&b, "old-shim", &old).await;
    let secrets = std::sync::Arc::new(planb_model::secret::Secrets::default());
    let work = std::sync::Arc::new(planb_tool::WorkDir::create(&b.base).unwrap());
    let launcher = planb_tool::Launcher::new(old, work, secrets, std::sync::Arc::default(), b.cancel.clone());
    let (exit, _) = launcher.run(&b.toolbox, &sh("echo started >&2"), LIMITS).await.unwrap();
    assert_eq!(exit.code, Some(127));
    assert!(exit.last_line().contains("planb was replaced while it ran"), "{}", exit.stderr);
}
