//! A running tool: its pipes, its end, and how to bring that about.

use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::sync::watch;

use crate::launch::Mark;
use crate::tree;

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
}

/// A running tool. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Child {
    pub(crate) id: String,
    group: Pid,
    /// For the dump of a restore.
    pub stdin: Option<ChildStdin>,
    /// For the dump of a backup.
    pub stdout: Option<ChildStdout>,
    exit: watch::Receiver<Option<Exit>>,
}

/// After TERM, before KILL.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// After the tool's end, for what it said last to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Child {
    pub(crate) fn adopt(id: String, mut child: std::process::Child, stderr: Receiver<String>, mark: Mark) -> Self {
        let (sender, exit) = watch::channel(None);
        let group = Pid::from_child(&child);
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let tool = id.clone();
        std::thread::spawn(move || {
            // Seen, but not yet reaped: until then nobody else can get its process id, so the group is still ours.
            while matches!(
                waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
                Err(rustix::io::Errno::INTR)
            ) {}
            tree::signal_group(group, Signal::KILL);
            let status = child.wait();
            let mut said = stderr.recv_timeout(LAST_WORDS);
            if said == Err(RecvTimeoutError::Timeout) {
                // Something left the group and still holds the pipes.
                tree::sweep(&mark.0);
                said = stderr.recv_timeout(LAST_WORDS);
            }
            let exit = match status {
                Ok(status) => Exit {
                    code: status.code(),
                    signal: std::os::unix::process::ExitStatusExt::signal(&status),
                    stderr: said.unwrap_or_default(),
                },
                Err(_) => Exit { code: None, signal: None, stderr: said.unwrap_or_default() },
            };
            tracing::debug!(tool, end = exit.describe(), "tool ended");
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
            tree::signal_group(self.group, Signal::TERM);
            if tokio::time::timeout(GRACE, self.wait()).await.is_err() {
                tracing::debug!(tool = self.id, "the tool did not heed TERM");
                self.kill();
            }
        }
        self.wait().await
    }

    /// Ends it and all its descendants now.
    pub fn kill(&self) {
        if !self.ended() {
            tree::signal_group(self.group, Signal::KILL);
        }
    }
}

const LOST: Exit = Exit { code: None, signal: None, stderr: String::new() };

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs a closure on the one thread that starts processes.
///
/// A tool dies with the *thread* that started it (the parent-death signal is the thread's, prctl(2)), so that
/// thread has to live as long as planb.
pub(crate) fn on_spawner<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    static SPAWNER: OnceLock<Arc<std::sync::Mutex<Sender<Job>>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for job in jobs {
                job();
            }
        });
        Arc::new(std::sync::Mutex::new(sender))
    });
    let (sender, result) = channel();
    let job: Job = Box::new(move || {
        let _ = sender.send(work());
    });
    spawner.lock().ok()?.send(job).ok()?;
    result.recv().ok()
}
