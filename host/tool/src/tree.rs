//! Ending all of a tool: its process group, and whatever left it.

use rustix::process::{Pid, Signal, kill_process_group};

/// Sends a signal to every process of the group.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    // ESRCH: all of them are gone already.
    let _ = kill_process_group(group, signal);
}

/// Kills the processes that still run on behalf of this folder, wherever they went: each was started with a
/// `TMPDIR` at or below it, which no other process has.
#[cfg(target_os = "linux")]
pub(crate) fn sweep(work: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt as _;
    let mut mark = b"TMPDIR=".to_vec();
    mark.extend_from_slice(work.as_os_str().as_bytes());
    let here = |var: &[u8]| var.strip_prefix(mark.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    kill_where(|process| {
        let environ = std::fs::read(process.join("environ"));
        environ.is_ok_and(|environ| environ.split(|byte| *byte == 0).any(here))
    });
}

/// Kills the processes that hold one of these pipes: what is left of a tool and has forgotten its environment.
///
/// Only where no other process of ours is being started: for a moment that one holds what planb holds.
#[cfg(target_os = "linux")]
pub(crate) fn sweep_pipes(inodes: &[u64]) {
    let names: Vec<_> = inodes.iter().map(|inode| format!("pipe:[{inode}]")).collect();
    kill_where(|process| {
        let Ok(files) = std::fs::read_dir(process.join("fd")) else { return false };
        let leads = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        leads.into_iter().any(|path| path.to_str().is_some_and(|path| names.iter().any(|name| name == path)))
    });
}

/// Until there are no more: one may start another while it is looked for.
#[cfg(target_os = "linux")]
fn kill_where(is_meant: impl Fn(&std::path::Path) -> bool) {
    const ROUNDS: usize = 16;
    let mut killed = vec![rustix::process::getpid()];
    for _ in 0..ROUNDS {
        let before = killed.len();
        let Ok(entries) = std::fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let Some(pid) = pid.filter(|pid| !killed.contains(pid)) else { continue };
            // Only this user's (or, for root, everyone's) can be looked into; others are not ours either.
            if is_meant(&entry.path()) {
                tracing::warn!(pid = pid.as_raw_nonzero().get(), "a process that outlived its tool is killed");
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                killed.push(pid);
            }
        }
        if killed.len() == before {
            return;
        }
    }
}

/// Elsewhere the process group has to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sweep(_work: &std::path::Path) {}

/// Elsewhere the process group has to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sweep_pipes(_inodes: &[u64]) {}
