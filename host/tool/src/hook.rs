//! The user's own commands around a run: before it, after it, when it failed.
//!
//! A hook is no tool of a plugin. It is written by whoever runs planb, so nothing is kept from it: it has planb's environment (unless
//! told otherwise), its rights, and may write where it likes. What it has in common with a tool is its end: a process group of its
//! own, which is asked to end and then made to, when its time is up or the run is stopped, and what it prints, which is logged
//! line by line within bounds.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use planb_model::redact::Redactor;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::child::{Exit, GRACE, LAST_WORDS};
use crate::error::ToolError;
use crate::order::Order;
use crate::spawn::{PATH, Spawn};
use crate::text::Lines;

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookCommand {
    /// A program, looked for in PATH, and its arguments.
    Argv(Vec<String>),
    /// A line for `sh -c`.
    Shell(String),
}

/// A command of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What is run.
    pub command: HookCommand,
    /// Set for it, over what it inherits.
    pub env: BTreeMap<String, String>,
    /// Where it runs. None: where planb does.
    pub cwd: Option<PathBuf>,
    /// How long it may take. None: as long as it likes.
    pub timeout: Option<Duration>,
    /// Whether it has planb's own environment.
    pub inherit_env: bool,
    /// Names that it does not inherit all the same.
    pub without_env: Vec<String>,
}

impl Hook {
    /// In planb's environment and folder, without a limit of time.
    pub fn new(command: HookCommand) -> Self {
        Self { command, env: BTreeMap::new(), cwd: None, timeout: None, inherit_env: true, without_env: Vec::new() }
    }
}

/// How a hook came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEnd {
    /// By itself, with this code; 127 where there is no such program.
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It was ended when this much time was over.
    TimedOut(Duration),
    /// It was ended because the run was stopped.
    Stopped,
    /// In a way that nobody knows.
    Lost,
}

/// What became of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// How it came to its end.
    pub end: HookEnd,
    /// The last lines that it printed, on stdout and stderr as they came, redacted and without control characters.
    pub lines: Vec<String>,
    /// How many more it had printed before these.
    pub earlier: u64,
    /// How long it took.
    pub took: Duration,
}

impl HookOutcome {
    /// Whether it did what it was for.
    pub fn succeeded(&self) -> bool {
        self.end == HookEnd::Code(0)
    }

    /// `exit code 1`, `did not end within 30 s`.
    pub fn describe(&self) -> String {
        match self.end {
            HookEnd::Code(code) => format!("exit code {code}"),
            HookEnd::Signal(signal) => format!("killed by signal {signal}"),
            HookEnd::TimedOut(after) => format!("did not end within {} s", after.as_secs_f64()),
            HookEnd::Stopped => "stopped with the run".to_owned(),
            HookEnd::Lost => "ended in an unknown way".to_owned(),
        }
    }
}

/// How many of its last lines are kept.
const KEPT: usize = 100;
/// How many of its first lines are told one by one.
const TOLD: u64 = 1_000;

/// Runs a hook to its end. `on_line` gets each line that it prints, as it comes; after the first thousand no more.
///
/// What it leaves running in its process group is ended with it; a service that a hook starts needs a session of its own
/// (`setsid`, `systemd-run`). Given up, it is killed.
///
/// # Errors
/// [`ToolError::Start`] where it cannot be tried; all else is a [`HookOutcome`].
pub async fn run_hook(
    shim: &Path,
    hook: &Hook,
    redactor: &Redactor,
    stop: &CancellationToken,
    mut on_line: impl FnMut(&str) + Send,
) -> Result<HookOutcome, ToolError> {
    let begun = Instant::now();
    let fail = |source| ToolError::Start { id: "hook".to_owned(), source };
    let (reader, writer) = std::io::pipe().map_err(fail)?;
    let mut spawn = prepare(shim, hook)?;
    // One pipe, so that what it says stays in its order.
    let other = writer.try_clone().map_err(fail)?;
    spawn.process.stdin(Stdio::null()).stdout(writer).stderr(other);
    let mut child = spawn.start_unheard()?;
    let reader = std::process::ChildStdout::from(OwnedFd::from(reader));
    let mut reader = tokio::process::ChildStdout::from_std(reader).map_err(fail)?;

    let mut heard = Heard::default();
    let mut lines = Lines::default();
    let mut buffer = vec![0; 16 << 10];
    let mut open = true;
    // Why it is being ended, if it is.
    let mut ending: Option<HookEnd> = None;
    let mut killed = false;
    let mut exit: Option<Exit> = None;
    let mut until = hook.timeout.map(|time| begun + time);
    while open || exit.is_none() {
        let due = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = reader.read(&mut buffer), if open => match read {
                Ok(n) if n > 0 => lines.push(&buffer[..n], redactor, &mut |line| heard.line(line, &mut on_line)),
                _ => open = false,
            },
            ended = child.wait(), if exit.is_none() => {
                exit = Some(ended);
                // Something that has left its group may hold the pipe, and is not waited for.
                until = Some(Instant::now() + LAST_WORDS);
            }
            () = stop.cancelled(), if exit.is_none() && ending.is_none() => {
                ending = Some(HookEnd::Stopped);
                child.signal(Signal::TERM);
                until = Some(Instant::now() + GRACE);
            }
            () = due => match &exit {
                Some(_) => open = false,
                None if ending.is_none() => {
                    ending = Some(HookEnd::TimedOut(hook.timeout.unwrap_or_default()));
                    child.signal(Signal::TERM);
                    until = Some(Instant::now() + GRACE);
                }
                None => {
                    child.kill();
                    killed = true;
                    until = None;
                }
            },
        }
    }
    lines.end(redactor, &mut |line| heard.line(line, &mut on_line));
    if killed {
        tracing::debug!("the hook did not heed TERM");
    }
    let end = ending.unwrap_or(match exit {
        Some(Exit { code: Some(code), .. }) => HookEnd::Code(code),
        Some(Exit { signal: Some(signal), .. }) => HookEnd::Signal(signal),
        _ => HookEnd::Lost,
    });
    Ok(HookOutcome { end, lines: heard.last.into(), earlier: heard.earlier, took: begun.elapsed() })
}

fn prepare(shim: &Path, hook: &Hook) -> Result<Spawn, ToolError> {
    let argv: Vec<&str> = match &hook.command {
        HookCommand::Shell(line) => vec!["/bin/sh", "-c", line],
        HookCommand::Argv(argv) => argv.iter().map(String::as_str).collect(),
    };
    let empty = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "its command is empty");
    let [program, args @ ..] = argv.as_slice() else {
        return Err(ToolError::Start { id: "hook".to_owned(), source: empty() });
    };
    let order = Order { free: true, ..Order::mine() };
    let mut spawn = Spawn::new("hook", shim, &order, OsStr::new(program), args);
    let process = &mut spawn.process;
    if !hook.inherit_env {
        process.env_clear().env("PATH", PATH);
    }
    for name in &hook.without_env {
        process.env_remove(name);
    }
    process.envs(&hook.env);
    if let Some(cwd) = &hook.cwd {
        process.current_dir(cwd);
    }
    Ok(spawn)
}

/// What a hook has said.
#[derive(Default)]
struct Heard {
    last: VecDeque<String>,
    earlier: u64,
}

impl Heard {
    fn line(&mut self, line: &str, on_line: &mut (impl FnMut(&str) + Send)) {
        let count = self.earlier + self.last.len() as u64;
        if count < TOLD {
            on_line(line);
        } else if count == TOLD {
            on_line("(more lines are not logged)");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.earlier += 1;
        }
        self.last.push_back(line.to_owned());
    }
}
