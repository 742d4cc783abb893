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
    let me = rustix::process::getpid();
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|pid| *pid != me) else { continue };
        // Only this user's (or, for root, everyone's) can be read; others are not ours either.
        let Ok(environ) = std::fs::read(entry.path().join("environ")) else { continue };
        if environ.split(|byte| *byte == 0).any(here) {
            tracing::warn!(pid = pid.as_raw_nonzero().get(), "a process that outlived its tool is killed");
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

/// Elsewhere the process group has to do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sweep(_work: &std::path::Path) {}
