//! What runs between `planb` and a tool: `planb` starts itself with [`WORD`], sets the last things that only the
//! process itself can set, and becomes the tool.
//!
//! (The usual way, code between fork and exec, is unsafe in a program with threads; nextest's double-spawn does the
//! same as this for the same reason.) The tool then dies with planb, even if planb is killed; it writes no core
//! dump, which could hold a password; it cannot gain privileges; its files are its user's alone.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use crate::account::Account;

/// The first argument that makes `planb` act as the shim.
pub const WORD: &str = "__tool";

/// The exit code if the tool cannot be started, as a shell has it.
const CANNOT_START: u8 = 127;

#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
/// Acts as the shim: `WORD PARENT PROGRAM ARGS...`, with what `parent_word` gives as the second. Returns only if the tool cannot be started.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().skip(1);
    let parent = args.next().and_then(|word| read_parent_word(word.to_str()?));
    let (Some((parent, account)), Some(program)) = (parent, args.next()) else {
        return fail("this is not for use by hand");
    };
    #[cfg(target_os = "linux")]
    {
        // First of all: a change of the user takes the parent-death signal away again (prctl(2)).
        if let Some(Account { uid, gid }) = account {
            use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
            // The process has one thread.
            let (uid, gid) = (rustix::process::Uid::from_raw(uid), rustix::process::Gid::from_raw(gid));
            if let Err(error) =
                set_thread_groups(&[]).and_then(|()| set_thread_gid(gid)).and_then(|()| set_thread_uid(uid))
            {
                return fail(&format!("it cannot be run as another user: {error}"));
            }
        }
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let _ = rustix::thread::set_no_new_privs(true);
    }
    // It may have died before the line above took effect.
    if rustix::process::getppid().is_none_or(|pid| pid.as_raw_nonzero().get() != parent) {
        return ExitCode::from(CANNOT_START);
    }
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let error = Command::new(&program).args(args).exec();
    fail(&format!("{} cannot be started: {error}", program.display()))
}

/// Tells the shim who its parent is, and as whom the tool shall run.
pub(crate) fn parent_word(account: Option<Account>) -> String {
    let parent = std::process::id();
    account.map_or_else(|| parent.to_string(), |Account { uid, gid }| format!("{parent}:{uid}:{gid}"))
}

fn read_parent_word(word: &str) -> Option<(i32, Option<Account>)> {
    let mut parts = word.split(':');
    let parent = parts.next()?.parse().ok()?;
    let account = match (parts.next(), parts.next()) {
        (Some(uid), Some(gid)) => Some(Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? }),
        (None, _) => None,
        _ => return None,
    };
    Some((parent, account))
}

#[expect(clippy::print_stderr, reason = "this is the tool's stderr, which planb reads")]
fn fail(message: &str) -> ExitCode {
    eprintln!("planb: {message}");
    ExitCode::from(CANNOT_START)
}
