//! The `planb` binary, run as a person would, in an environment of its own.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// One command of `planb`: a cleared environment, a private home, the workspace's plugins, a warm compile cache.
#[derive(Debug, Clone)]
pub struct Planb {
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    home: Arc<TempDir>,
}

impl Default for Planb {
    fn default() -> Self {
        Self::new()
    }
}

impl Planb {
    /// A command without arguments. The binary is `PLANB_BIN`, else the workspace's release build.
    pub fn new() -> Self {
        Self { args: Vec::new(), env: Vec::new(), folder: None, home: Arc::new(TempDir::new().expect("a home folder")) }
    }

    /// The binary that is run.
    pub fn binary() -> PathBuf {
        std::env::var_os("PLANB_BIN").map_or_else(|| crate::workspace().join("target/release/planb"), PathBuf::from)
    }

    /// The folder that holds the plugins built with the binary.
    pub fn plugins() -> PathBuf {
        crate::workspace().join("target/plugins")
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of its environment; a later value wins.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder; else it runs in its home.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Its private home folder, kept as long as this command, a clone, its output or its process.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        let binary = Self::binary();
        assert!(binary.exists(), "{} is not built: run `cargo xtask build`", binary.display());
        let mut command = Command::new(binary);
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", crate::workspace().join("target/planb-cache"))
            .env("LOG_LEVEL", "warn")
            .env("PLANB_PLUGIN_PATH", Self::plugins())
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .args(&self.args)
            .current_dir(self.folder.as_deref().unwrap_or_else(|| self.home()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The command as one would type it.
    pub fn line(&self) -> String {
        let args: Vec<_> = self.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        format!("planb {}", args.join(" "))
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.spawn().wait()
    }

    /// Starts it. The process is killed when the guard is dropped.
    pub fn spawn(&self) -> Running {
        let mut child = self.command().spawn().expect("planb starts");
        let stdout = collect(child.stdout.take().expect("a pipe"));
        let stderr = collect(child.stderr.take().expect("a pipe"));
        Running { child, pipes: Some((stdout, stderr)), line: self.line(), home: Arc::clone(&self.home) }
    }
}

/// What a thread reads from a pipe until its end.
type Collected = JoinHandle<Vec<u8>>;

fn collect(mut pipe: impl Read + Send + 'static) -> Collected {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// A running `planb`.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pipes: Option<(Collected, Collected)>,
    line: String,
    home: Arc<TempDir>,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn kill(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("the signal is sent");
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// The ids of its children, their children, and so on, as they are now.
    pub fn descendants(&self) -> Vec<u32> {
        descendants(self.pid())
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let status = self.child.wait().expect("its end");
        let (stdout, stderr) = self.pipes.take().expect("wait is called once");
        let text = |handle: Collected| String::from_utf8_lossy(&handle.join().expect("a reader")).into_owned();
        Output {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
            line: self.line.clone(),
            _home: Arc::clone(&self.home),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// The ids of all descendants of a process, as /proc shows them now.
#[must_use]
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in brackets, may hold anything: the fields begin after its last bracket.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        if let Some(parent) = parent {
            parents.push((id, parent));
        }
    }
    let mut found = BTreeSet::from([pid]);
    loop {
        let before = found.len();
        found
            .extend(parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(id, _)| *id).collect::<Vec<_>>());
        if found.len() == before {
            break;
        }
    }
    found.remove(&pid);
    found.into_iter().collect()
}

/// What a command of `planb` left.
#[derive(Clone)]
pub struct Output {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its words for people.
    pub stderr: String,
    line: String,
    _home: Arc<TempDir>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "$ {}\nexit code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.line, self.code, self.stdout, self.stderr
        )
    }
}

impl Output {
    /// Itself, if the exit code is 0; panics with everything else.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }

    /// Itself, if the exit code is this; panics with everything else.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code} of\n{self:?}");
        self
    }

    /// Its stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}):\n{self:?}"))
    }

    /// Panics unless its words for people hold each of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "expected {word:?} on stderr of\n{self:?}");
        }
        self
    }
}
