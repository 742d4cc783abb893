//! What these tests work on: a launcher in a folder of its own, and `sh` as the tool.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]
#![allow(clippy::print_stderr, reason = "a test that cannot be run says so")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use planb_model::engine::{Purpose, ToolSpec};
use planb_model::plan::{Arg, Command, PrivatePiece};
use planb_model::redact::Redactor;
use planb_model::secret::{Secret, Secrets};
use planb_tool::{Captured, Confinement, Launcher, ToolSearch, Toolbox, WorkDir, confinement};
use tokio_util::sync::CancellationToken;

pub const SECRET: &str = "canary-5ecret";

pub struct Bench {
    _base: tempfile::TempDir,
    /// Outside of the work directory.
    pub base: PathBuf,
    pub launcher: Launcher,
    pub toolbox: Toolbox,
    pub cancel: CancellationToken,
}

pub fn shim() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_planb-tool-shim"))
}

pub fn sh_spec() -> ToolSpec {
    ToolSpec {
        id: "sh".into(),
        programs: vec!["dash-that-is-not".into(), "sh".into()],
        version_args: vec![],
        version_ok: vec![],
        version_req: None,
        used_for: vec![Purpose::Backup],
        install_hint: None,
    }
}

pub async fn bench() -> Bench {
    let base = tempfile::tempdir().unwrap();
    let mut secrets = Secrets::default();
    secrets.insert("password", Secret::new(SECRET.into()));
    let redactor = Redactor::new(secrets.values());
    let cancel = CancellationToken::new();
    let work = Arc::new(WorkDir::create(base.path()).unwrap());
    let launcher = Launcher::new(shim(), work, Arc::new(secrets), Arc::new(redactor), cancel.clone());
    let search = ToolSearch { folders: vec!["/usr/bin".into(), "/bin".into()], ..ToolSearch::default() };
    let toolbox = Toolbox::resolve(&[sh_spec()], &[Purpose::Backup], |_| true, &search, &launcher).await.unwrap();
    Bench { base: base.path().canonicalize().unwrap(), _base: base, launcher, toolbox, cancel }
}

/// A toolbox whose `sh` is this program.
pub async fn instead_of_sh(b: &Bench, program: &Path) -> Toolbox {
    let search = ToolSearch { explicit: [("sh".to_owned(), program.to_path_buf())].into(), folders: vec![] };
    Toolbox::resolve(&[sh_spec()], &[Purpose::Backup], |_| true, &search, &b.launcher).await.unwrap()
}

pub fn sh(script: &str) -> Command {
    Command {
        tool: "sh".into(),
        args: vec![Arg::Literal("-c".into()), Arg::Script(script.into())],
        env: vec![],
        stdin: None,
        stdin_from: None,
        stdout_to: None,
        ok: vec![],
    }
}

/// Writes a script that can be run. By a process of its own: what this one has open for writing, a child of another test could
/// hold for a moment, and until then it cannot be run.
pub async fn program(b: &Bench, name: &str, script: &str) -> PathBuf {
    let path = b.base.join(name);
    let write = format!("cat >'{0}.new' && chmod 755 '{0}.new' && mv '{0}.new' '{0}'", path.display());
    let stdin = vec![PrivatePiece::Text(format!("#!/bin/sh\n{script}\n"))];
    let (exit, _) = b.launcher.run(&b.toolbox, &Command { stdin: Some(stdin), ..sh(&write) }, LIMITS).await.unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    path
}

pub const LIMITS: Captured = Captured { stdout_bytes: 1 << 20, time: Some(Duration::from_secs(30)) };

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process lives (and is more than a zombie that its new parent has yet to reap).
pub fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Whether these processes, one a line, are gone, or will be once they have got their signal.
pub async fn gone(pids: &str) -> bool {
    for _ in 0..250 {
        if !pids.lines().any(alive) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// Until a file holds a whole line.
pub async fn line_in(path: &Path) -> String {
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Whether this kernel confines; says so where it does not, since the test then tests nothing.
pub fn confines() -> bool {
    match confinement() {
        Confinement::None(why) => not_run(why),
        _ => true,
    }
}

pub fn not_run(why: &str) -> bool {
    eprintln!("NOT RUN: {why}");
    false
}
