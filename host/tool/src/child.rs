//! A running tool: its pipes, its end, and how to bring that about.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::sync::watch;
use tracing::field::Empty;

use crate::error::ToolError;
use crate::spawn::on_spawner;
use crate::{shim, tree};

/// How a tool ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// None: a signal ended it.
    pub code: Option<i32>,
    /// Which one.
    pub signal: Option<i32>,
    /// The tail of its stderr, redacted and without control characters.
    pub stderr: String,
}

impl Exit {
    /// `exit code 1`, `killed by signal 9`.
    pub fn describe(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "ended in an unknown way".to_owned(),
        }
    }

    /// The last line it wrote that says something.
    pub fn last_line(&self) -> &str {
        self.stderr.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing")
    }

    /// What the shim said if it did not become the tool, because the tool is another file now.
    pub fn replaced(&self, id: &str) -> Option<ToolError> {
        let what = self.last_line().strip_prefix(shim::SAYS)?;
        (self.code == Some(shim::REPLACED.into()))
            .then(|| ToolError::Replaced { id: id.to_owned(), what: what.to_owned() })
    }
}

/// The folder that is a child's `TMPDIR`, by which its descendants are known. Removed with the child.
#[derive(Debug)]
pub(crate) struct Mark(pub(crate) PathBuf);

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running tool. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Child {
    pub(crate) id: String,
    /// None: it was reaped, and the number may be somebody else's by now.
    group: Arc<Mutex<Option<Pid>>>,
    /// For the dump of a restore.
    pub stdin: Option<ChildStdin>,
    /// For the dump of a backup.
    pub stdout: Option<ChildStdout>,
    exit: watch::Receiver<Option<Exit>>,
}

/// After TERM, before KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// After the tool's end, for what it said last to be read, and for its pipes to be closed.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

impl Child {
    /// `listen`: takes its stderr, and tells what it said when there is no more.
    pub(crate) fn adopt(
        id: String,
        mut child: std::process::Child,
        listen: impl FnOnce(ChildStderr) -> Receiver<String>,
        mark: Option<Mark>,
    ) -> Self {
        let (sender, exit) = watch::channel(None);
        let pid = Pid::from_child(&child);
        let group = Arc::new(Mutex::new(Some(pid)));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let inodes = [inode(stdin.as_ref()), inode(stdout.as_ref()), inode(stderr.as_ref())];
        let mut pipes = Pipes {
            stdin: stdin.is_some(),
            stdout: None,
            stderr: stderr.map_or_else(|| channel().1, listen),
            said: None,
            inodes: inodes.into_iter().flatten().collect(),
        };
        if mark.is_some() {
            pipes.stdout = stdout.as_ref().and_then(|stdout| stdout.as_fd().try_clone_to_owned().ok());
        }
        let (tool, shared) = (id.clone(), Arc::clone(&group));
        let span = tracing::info_span!(target: planb_model::TRACE, "tool", otel.name = id, process.exit.code = Empty);
        std::thread::spawn(move || {
            // Seen, but not yet reaped: until then nobody else can get its process id, so the group is still ours.
            while matches!(
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
                Err(rustix::io::Errno::INTR)
            ) {}
            tree::signal_group(pid, Signal::KILL);
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let status = child.wait().ok();
            pipes.close(mark.as_ref());
            let exit = Exit {
                code: status.and_then(|status| status.code()),
                signal: status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status)),
                stderr: pipes.said.unwrap_or_default(),
            };
            tracing::debug!(tool, end = exit.describe(), "tool ended");
            if let Some(code) = exit.code {
                span.record("process.exit.code", code);
            }
            drop(span);
            sender.send_replace(Some(exit));
            // The mark (its TMPDIR) goes with this thread, after the tool.
            drop(mark);
        });
        Self { id, group, stdin, stdout, exit }
    }

    /// Its id in the plugin.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for its end. Can be given up and called again.
    pub async fn wait(&mut self) -> Exit {
        match self.exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.clone().unwrap_or(LOST),
            Err(_) => LOST,
        }
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// Asks it to end, and after a grace time ends it and all its descendants.
    pub async fn stop(&mut self) -> Exit {
        self.stdin = None;
        if !self.ended() {
            self.signal(Signal::TERM);
            if tokio::time::timeout(GRACE, self.wait()).await.is_err() {
                tracing::debug!(tool = self.id, "the tool did not heed TERM");
                self.kill();
            }
        }
        self.wait().await
    }

    /// Ends it and all its descendants now.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal to its whole process group.
    pub(crate) fn signal(&self, signal: Signal) {
        // Held meanwhile, so that it is not reaped in between.
        if let Some(group) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            tree::signal_group(group, signal);
        }
    }
}

const LOST: Exit = Exit { code: None, signal: None, stderr: String::new() };

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The pipes of a tool, which whatever it started can keep open.
struct Pipes {
    stderr: Receiver<String>,
    said: Option<String>,
    /// Only looked at, never read.
    stdout: Option<OwnedFd>,
    /// Whether it has one. From this end nobody can tell whether somebody still reads.
    stdin: bool,
    /// By which all of them are known.
    inodes: Vec<u64>,
}

impl Pipes {
    /// Sees to it that nobody holds them any more after the tool's end: who reads a dump waits for the last writer, who writes
    /// one for the last reader.
    fn close(&mut self, mark: Option<&Mark>) {
        let closed = self.closed();
        let Some(mark) = mark.filter(|_| !closed || self.stdin) else { return };
        // Something may have left the group.
        tree::sweep(&mark.0);
        if self.stdin || !self.closed() {
            // And have another TMPDIR.
            let inodes = std::mem::take(&mut self.inodes);
            on_spawner(move || tree::sweep_pipes(&inodes));
            self.closed();
        }
    }

    fn closed(&mut self) -> bool {
        if self.said.is_none() {
            match self.stderr.recv_timeout(LAST_WORDS) {
                Ok(said) => self.said = Some(said),
                Err(RecvTimeoutError::Disconnected) => self.said = Some(String::new()),
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
        let Some(stdout) = &self.stdout else { return true };
        // Without anything to wait for: that there is no writer any more is always told, bytes or none.
        let mut fds = [PollFd::new(stdout, PollFlags::empty())];
        let time = Timespec { tv_sec: 0, tv_nsec: LAST_WORDS.subsec_nanos().into() };
        loop {
            match poll(&mut fds, Some(&time)) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) => return false,
                _ => return true,
            }
        }
    }
}

fn inode(pipe: Option<impl AsFd>) -> Option<u64> {
    rustix::fs::fstat(pipe?).ok().map(|stat| stat.st_ino)
}
