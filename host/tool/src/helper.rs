//! A program that planb itself talks to through its stdin and stdout, such as `rclone` for a store: no tool of a plugin, no work directory,
//! but no less kept in hand.
//!
//! It has an environment of what the caller gives and nothing else, a process group of its own, and dies with planb. It may
//! write where its user may: what it is for is known to who starts it.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use planb_model::redact::Redactor;
use tokio::process::{ChildStdin, ChildStdout};

use crate::child::{Child, Exit};
use crate::error::ToolError;
use crate::order::Order;
use crate::spawn::{PATH, Spawn};

/// A running helper. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Helper {
    /// What it reads, where it was started with one. Dropping it is the end of its input.
    pub stdin: Option<ChildStdin>,
    /// What it prints. At its end everything in its process group is ended, so there is an end of this too.
    pub stdout: ChildStdout,
    child: Child,
}

/// Starts a helper. `env` is all of its environment, but for a PATH where that names none. What it says on stderr is logged, and
/// its end is in [`Exit::stderr`], redacted.
///
/// To be called inside a Tokio runtime. `shim` is as for [`crate::Launcher::new`].
///
/// # Errors
/// [`ToolError::Start`]. Where there is no such program, it ends with the code 127 and says so on its stderr.
pub fn spawn_helper(
    shim: &Path,
    redactor: &Arc<Redactor>,
    program: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
    stdin: bool,
) -> Result<Helper, ToolError> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let mut spawn = Spawn::new(&name, shim, &Order::mine(), program.as_os_str(), args);
    spawn
        .process
        .env_clear()
        .env("PATH", PATH)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped());
    let mut child = spawn.start(redactor)?;
    let fail = |source| ToolError::Start { id: name.to_string(), source };
    let lost = || fail(std::io::Error::other("it has no stdout"));
    let stdin = child.stdin.take().map(ChildStdin::from_std).transpose().map_err(fail)?;
    let stdout = ChildStdout::from_std(child.stdout.take().ok_or_else(lost)?).map_err(fail)?;
    Ok(Helper { stdin, stdout, child })
}

/// A helper's process, apart from its pipes. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct HelperProcess(Child);

impl HelperProcess {
    /// Waits for its end. Can be given up and called again.
    pub async fn wait(&mut self) -> Exit {
        self.0.wait().await
    }

    /// Asks it to end, and after a grace time ends it and all its descendants.
    pub async fn stop(&mut self) -> Exit {
        self.0.stop().await
    }

    /// Ends it and all its descendants now.
    pub fn kill(&self) {
        self.0.kill();
    }
}

impl Helper {
    /// Its process, stdin and stdout, for whoever keeps them apart. The process first: what is dropped in this order is ended
    /// before its input is.
    pub fn into_parts(self) -> (HelperProcess, Option<ChildStdin>, ChildStdout) {
        (HelperProcess(self.child), self.stdin, self.stdout)
    }

    /// Waits for its end. Can be given up and called again. One that still has its stdin may wait for that.
    pub async fn wait(&mut self) -> Exit {
        self.child.wait().await
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.child.ended()
    }

    /// Asks it to end, and after a grace time ends it and all its descendants.
    pub async fn stop(&mut self) -> Exit {
        self.stdin = None;
        self.child.stop().await
    }

    /// Ends it and all its descendants now.
    pub fn kill(&self) {
        self.child.kill();
    }
}
