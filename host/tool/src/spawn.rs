//! Starting a program behind the shim, whatever it is: a tool, a hook, a helper.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ChildStderr, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use planb_model::redact::Redactor;

use crate::child::{Child, Mark};
use crate::error::ToolError;
use crate::order::Order;
use crate::shim;
use crate::stderr;

/// Where programs are looked for by other programs, unless told otherwise. Not the caller's PATH: a plan's meaning does not
/// depend on a shell.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin";

/// A program that is about to be started, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Spawn {
    /// What it is called in messages.
    id: String,
    /// For its environment, its folder, its stdin and stdout.
    pub(crate) process: Process,
    /// The folder by which its descendants are known.
    pub(crate) mark: Option<Mark>,
}

impl Spawn {
    #[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
    pub(crate) fn new<A: AsRef<OsStr>>(
        id: &str,
        shim: &Path,
        order: &Order,
        program: &OsStr,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut process = Process::new(shim);
        process.arg(shim::WORD).args(order.words()).arg(program).args(args);
        Self { id: id.to_owned(), process, mark: None }
    }

    /// Starts it, with its stderr read and kept.
    pub(crate) fn start(mut self, redactor: &Arc<Redactor>) -> Result<Child, ToolError> {
        self.process.stderr(Stdio::piped());
        let (id, redactor) = (self.id.clone(), Arc::clone(redactor));
        self.spawn(|pipe| {
            let (sender, said) = channel();
            std::thread::spawn(move || {
                let _ = sender.send(stderr::drain(pipe, &id, &redactor));
            });
            said
        })
    }

    /// Starts it, where its stderr goes wherever it was told to.
    pub(crate) fn start_unheard(self) -> Result<Child, ToolError> {
        self.spawn(|_| channel().1)
    }

    fn spawn(self, listen: impl FnOnce(ChildStderr) -> Receiver<String>) -> Result<Child, ToolError> {
        use std::os::unix::process::CommandExt as _;
        let Self { id, mut process, mark } = self;
        process.process_group(0);
        let started = on_spawner(move || process.spawn());
        let started = started.unwrap_or_else(|| Err(std::io::Error::other("the thread that starts tools is gone")));
        match started {
            Ok(child) => Ok(Child::adopt(id, child, listen, mark)),
            Err(source) => Err(ToolError::Start { id, source }),
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs a closure on the one thread that starts processes.
///
/// A tool dies with the *thread* that started it (the parent-death signal is the thread's, prctl(2)), so that
/// thread has to live as long as planb.
pub(crate) fn on_spawner<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    static SPAWNER: OnceLock<Arc<Mutex<Sender<Job>>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for job in jobs {
                job();
            }
        });
        Arc::new(Mutex::new(sender))
    });
    let (sender, result) = channel();
    let job: Job = Box::new(move || {
        let _ = sender.send(work());
    });
    spawner.lock().ok()?.send(job).ok()?;
    result.recv().ok()
}
