//! What runs between `planb` and a tool: `planb` starts itself with [`WORD`], sets the last things that only the
//! process itself can set, and becomes the tool.
//!
//! (The usual way, code between fork and exec, is unsafe in a program with threads; nextest's double-spawn does the
//! same as this for the same reason.) The tool then dies with planb, even if planb is killed; it writes no core
//! dump, which could hold a password; it cannot gain privileges; its files are its user's alone; it writes where it may
//! ([`crate::Confine`]); and it is the file that was approved, not another that has its name.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::confine::walls::Walls;
use crate::limits::Limits;
use crate::order::Order;

/// The first argument that makes `planb` act as the shim.
pub const WORD: &str = "__tool";

/// The exit code if the tool cannot be started, as a shell has it.
const CANNOT_START: u8 = 127;
/// The exit code if it was replaced.
pub(crate) const REPLACED: u8 = 126;
/// What the shim's own words on stderr begin with.
pub(crate) const SAYS: &str = "planb: ";

#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
/// Acts as the shim: `WORD ORDER... -- PROGRAM ARGS...`, where the order is planb's own. Returns only if the tool cannot be started.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().skip(1);
    let order = Order::read(&mut args);
    let (Some(order), Some(program)) = (order, args.next()) else {
        return fail(CANNOT_START, "this is not for use by hand, or planb was replaced while it ran");
    };
    // While it may still do what its parent may: look at every path, and raise limits.
    if let Some(Err(error)) = order.limits.map(Limits::set) {
        return fail(CANNOT_START, &format!("its limits cannot be set: {error}"));
    }
    let walls = match order.walls.as_deref().map(Walls::around).transpose() {
        Ok(walls) => walls,
        Err(error) => return fail(CANNOT_START, &unconfined(&error)),
    };
    #[cfg(target_os = "linux")]
    {
        // Before the parent-death signal, which a change of the user takes away again (prctl(2)).
        if let Some(crate::Account { uid, gid }) = order.account {
            use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
            // The process has one thread.
            let (uid, gid) = (rustix::process::Uid::from_raw(uid), rustix::process::Gid::from_raw(gid));
            if let Err(error) =
                set_thread_groups(&[]).and_then(|()| set_thread_gid(gid)).and_then(|()| set_thread_uid(uid))
            {
                return fail(CANNOT_START, &format!("it cannot be run as another user: {error}"));
            }
        }
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        if !order.free {
            let _ = rustix::thread::set_no_new_privs(true);
        }
    }
    // It may have died before the line above took effect.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if parent != Some(order.parent) {
        return ExitCode::from(CANNOT_START);
    }
    if !order.free {
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    if let Some(Err(error)) = walls.map(Walls::raise) {
        return fail(CANNOT_START, &unconfined(&error));
    }
    // Last of all, so that as little time as can be is left to replace it.
    if let Some(seal) = order.seal
        && let Err(what) = seal.check(Path::new(&program))
    {
        return fail(REPLACED, &format!("{} {what}", program.display()));
    }
    let error = Command::new(&program).args(args).exec();
    fail(CANNOT_START, &format!("{} cannot be started: {error}", program.display()))
}

fn unconfined(error: &str) -> String {
    format!("the kernel can confine it, and did not: {error} (PLANB_CONFINE=off runs tools without that)")
}

#[expect(clippy::print_stderr, reason = "this is the tool's stderr, which planb reads")]
fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("{SAYS}{message}");
    ExitCode::from(code)
}
