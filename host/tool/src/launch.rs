//! From a planned command to a running tool.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use planb_model::argv::{render, shell, shell_word};
use planb_model::plan::{Command, PrivateFile, PrivatePiece};
use planb_model::redact::Redactor;
use planb_model::secret::Secrets;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::bounds::Bounds;
use crate::child::{Child, Exit, Mark};
use crate::confine::{self, Confine, Confinement};
use crate::error::{TimedOut, ToolError};
use crate::folder::Folder;
use crate::limits::Limits;
use crate::order::Order;
use crate::seal::Seal;
use crate::spawn::{PATH, Spawn};
use crate::toolbox::Toolbox;
use crate::work::WorkDir;

/// What a tool reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// What the plan gives it, or nothing.
    Planned,
    /// The dump, through [`Child::stdin`].
    Piped,
}

/// Where a tool prints to, unless its plan keeps that in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// Nowhere.
    Null,
    /// To [`Child::stdout`].
    Piped,
    /// To what [`Launcher::run`] gives.
    Captured,
}

/// What [`Launcher::run`] waits for.
#[derive(Debug, Clone, Copy)]
pub struct Captured {
    /// More output than this is an error.
    pub stdout_bytes: usize,
    /// A longer run is stopped.
    pub time: Option<Duration>,
}

/// Starts tools for one run.
#[derive(Debug, Clone)]
pub struct Launcher {
    shim: PathBuf,
    work: Arc<WorkDir>,
    secrets: Arc<Secrets>,
    redactor: Arc<Redactor>,
    extra: Arc<[String]>,
    inherited: Arc<[(String, OsString)]>,
    account: Option<Account>,
    /// None: tools write wherever they may.
    bounds: Option<Arc<Bounds>>,
    limits: Limits,
    cancel: CancellationToken,
    count: Arc<AtomicU32>,
}

impl Launcher {
    /// `shim` is a program that calls [`crate::shim::main`] when its first argument is [`crate::shim::WORD`].
    /// Tools are not confined until [`Launcher::with_confine`] says so.
    pub fn new(
        shim: PathBuf,
        work: Arc<WorkDir>,
        secrets: Arc<Secrets>,
        redactor: Arc<Redactor>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            shim,
            work,
            secrets,
            redactor,
            extra: Arc::from([]),
            inherited: Arc::from([]),
            account: None,
            bounds: None,
            limits: Limits::default(),
            cancel,
            count: Arc::default(),
        }
    }

    /// The same with the user's extra arguments for the dump tool.
    #[must_use]
    pub fn with_extra(mut self, extra: &[String]) -> Self {
        self.extra = Arc::from(extra);
        self
    }

    /// The same with variables of planb's own environment.
    #[must_use]
    pub fn with_inherited(mut self, variables: Vec<(String, OsString)>) -> Self {
        self.inherited = variables.into();
        self
    }

    /// The same, with tools that run as another user.
    #[must_use]
    pub fn as_account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// The same, with tools that write below the run's work directory and within these bounds, as far as this kernel can see to it.
    ///
    /// A path that is not absolute is one of the work directory, and says nothing new.
    #[must_use]
    pub fn with_confine(mut self, confine: Confine, bounds: Bounds) -> Self {
        self.bounds = match confine {
            Confine::WorkDir => {
                confine::announce();
                Some(Arc::new(bounds))
            }
            Confine::Off => None,
        };
        self
    }

    /// Where tools are confined: from now on they may write to these too.
    pub fn also_writable(&mut self, more: Vec<PathBuf>) {
        if let Some(bounds) = &mut self.bounds {
            let writable = &mut Arc::make_mut(bounds).writable;
            writable.extend(more.into_iter().filter(|path| !writable.contains(path)).collect::<Vec<_>>());
        }
    }

    /// The same, with tools that may use this much of the machine.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What to do where a tool failed for want of a permission, and it may be for where it may write. None: it is not.
    pub fn confine_hint(&self, exit: &Exit) -> Option<&'static str> {
        const WORDS: [&str; 4] = ["permission denied", "eacces", "os error 13", "cross-device link"];
        let confined = self.bounds.is_some() && !matches!(confine::confinement(), Confinement::None(_));
        let said = confined.then(|| exit.stderr.to_lowercase())?;
        WORDS.iter().any(|word| said.contains(word)).then_some(
            "if the tool wanted to write somewhere else than to the run's work directory: it is kept from that, see docs/confinement.md",
        )
    }

    /// The same, stopped by another.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The run's work directory.
    pub fn work(&self) -> &WorkDir {
        &self.work
    }

    /// What plans write to and read from in it.
    ///
    /// # Errors
    /// [`ToolError`] where something else stands in its place.
    pub fn folder(&self) -> Result<Folder, ToolError> {
        self.work.folder(self.account)
    }

    /// What stops everything.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Cleans a text from elsewhere.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Writes a plan's private files.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn write_files(&self, files: &[PrivateFile]) -> Result<(), ToolError> {
        self.work.write(files, &self.secrets, self.account)
    }

    /// The command as a person would type it, for `--dry-run` and logs.
    ///
    /// # Errors
    /// [`ToolError`] where it could not be run either.
    pub fn typed(&self, toolbox: &Toolbox, command: &Command) -> Result<String, ToolError> {
        let tool = toolbox.get(&command.tool)?;
        let args = render(&command.tool, &command.args, &self.work.path(), &self.extra)?;
        Ok(self.redactor.redact(&shell(&tool.path.to_string_lossy(), &args)))
    }

    /// The same with what it gets beside its arguments: its environment before it, and what it reads behind it.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn shown(&self, toolbox: &Toolbox, command: &Command) -> Result<String, ToolError> {
        let mut out = String::new();
        for var in &command.env {
            out.push_str(&format!("{}={} ", var.name, shell_word(&self.shown_pieces(&var.value)?)));
        }
        out.push_str(&self.typed(toolbox, command)?);
        if let Some(path) = &command.stdin_from {
            out.push_str(&format!(" <{}", shell_word(&self.work.below(path)?.to_string_lossy())));
        }
        if let Some(path) = &command.stdout_to {
            out.push_str(&format!(" >{}", shell_word(&self.work.below(path)?.to_string_lossy())));
        }
        if let Some(stdin) = &command.stdin {
            out.push_str(&format!(" <<'END'\n{}\nEND", self.shown_pieces(stdin)?.trim_end_matches('\n')));
        }
        Ok(self.redactor.redact(&out))
    }

    /// Private files by their paths below the work directory, with `***` where a secret stands.
    ///
    /// # Errors
    /// [`ToolError`].
    pub fn shown_files(&self, files: &[PrivateFile]) -> Result<BTreeMap<String, String>, ToolError> {
        let shown = |file: &PrivateFile| Ok((file.path.clone(), self.shown_pieces(&file.content)?));
        files.iter().map(shown).collect()
    }

    fn shown_pieces(&self, pieces: &[PrivatePiece]) -> Result<String, ToolError> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                PrivatePiece::Text(text) => out.push_str(text),
                PrivatePiece::Path(path) => out.push_str(&self.work.below(path)?.to_string_lossy()),
                PrivatePiece::Secret(_) => out.push_str("***"),
            }
        }
        Ok(self.redactor.redact(&out))
    }

    /// Starts a planned command.
    ///
    /// # Errors
    /// [`ToolError`], before or while the tool is started.
    pub fn start(
        &self,
        toolbox: &Toolbox,
        command: &Command,
        stdin: Stdin,
        stdout: Stdout,
    ) -> Result<Child, ToolError> {
        let tool = toolbox.get(&command.tool)?;
        let args = render(&command.tool, &command.args, &self.work.path(), &self.extra)?;
        let mut env = Vec::with_capacity(command.env.len());
        for var in &command.env {
            let value = self.work.assemble(&var.value, &self.secrets)?;
            env.push((var.name.clone(), value));
        }
        let input = match stdin {
            Stdin::Piped => None,
            Stdin::Planned => command
                .stdin
                .as_ref()
                .map(|pieces: &Vec<PrivatePiece>| self.work.assemble(pieces, &self.secrets))
                .transpose()?,
        };
        let typed = self.redactor.redact(&shell(&tool.path.to_string_lossy(), &args));
        // What takes its time is worth a line; questions and small steps are many.
        if stdin == Stdin::Piped || stdout == Stdout::Piped {
            tracing::info!(command = typed, "starting");
        } else {
            tracing::debug!(command = typed, "starting");
        }
        // The shim looks once more, when there is nobody left to tell but who reads its stderr.
        if let Err(what) = tool.seal.check(&tool.path) {
            return Err(ToolError::Replaced { id: tool.id.clone(), what: format!("{} {what}", tool.path.display()) });
        }
        let mut spawn = self.prepare(&tool.id, &tool.path, tool.seal, &args)?;
        for (name, value) in &env {
            use std::os::unix::ffi::OsStrExt as _;
            spawn.process.env(name, std::ffi::OsStr::from_bytes(value));
        }
        spawn.process.stdin(match &command.stdin_from {
            Some(path) if stdin == Stdin::Planned && input.is_none() => self.folder()?.file(path)?.into(),
            _ if stdin == Stdin::Piped || input.is_some() => Stdio::piped(),
            _ => Stdio::null(),
        });
        spawn.process.stdout(match &command.stdout_to {
            Some(path) => self.folder()?.put_file(path)?.into(),
            None if stdout == Stdout::Null => Stdio::null(),
            None => Stdio::piped(),
        });
        let mut child = spawn.start(&self.redactor)?;
        if let Some(input) = input
            && let Some(mut pipe) = child.stdin.take()
        {
            // In a thread of its own: a tool may print more than a pipe holds before it has read all.
            std::thread::spawn(move || {
                let _ = pipe.write_all(&input);
            });
        }
        Ok(child)
    }

    /// Runs a planned command to its end and gives what it printed.
    ///
    /// # Errors
    /// [`ToolError`]; a bad exit code is not one.
    pub async fn run(
        &self,
        toolbox: &Toolbox,
        command: &Command,
        limits: Captured,
    ) -> Result<(Exit, Vec<u8>), ToolError> {
        let child = self.start(toolbox, command, Stdin::Planned, Stdout::Captured)?;
        self.finish(child, limits).await
    }

    /// Runs a planned command whose output nobody reads to its end.
    ///
    /// # Errors
    /// [`ToolError`]; a bad exit code is not one.
    pub async fn run_unread(&self, toolbox: &Toolbox, command: &Command) -> Result<Exit, ToolError> {
        let child = self.start(toolbox, command, Stdin::Planned, Stdout::Null)?;
        let (exit, _) = self.finish(child, Captured { stdout_bytes: 0, time: None }).await?;
        Ok(exit)
    }

    /// Asks a program for its version.
    pub(crate) async fn probe(
        &self,
        id: &str,
        path: &Path,
        seal: Seal,
        args: &[String],
        time: Duration,
    ) -> Result<(Exit, Vec<u8>), ToolError> {
        let mut spawn = self.prepare(id, path, seal, args)?;
        spawn.process.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = spawn.start(&self.redactor)?;
        self.finish(child, Captured { stdout_bytes: 64 << 10, time: Some(time) }).await
    }

    async fn finish(&self, mut child: Child, limits: Captured) -> Result<(Exit, Vec<u8>), ToolError> {
        let id = child.id().to_owned();
        let stdout = child.stdout.take();
        let read = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            if let Some(stdout) = stdout {
                stdout.take(limits.stdout_bytes as u64 + 1).read_to_end(&mut out)?;
            }
            Ok::<_, std::io::Error>(out)
        });
        let all = async {
            let out = read.await.map_err(std::io::Error::other).flatten();
            // Whoever prints more than is read is stopped, not waited for.
            if out.as_ref().is_ok_and(|out| out.len() > limits.stdout_bytes) {
                child.kill();
            }
            (child.wait().await, out)
        };
        let deadline = async {
            match limits.time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = all => Ok(ended),
            () = deadline => Err(ToolError::Timeout(TimedOut { id: id.clone(), after: limits.time.unwrap_or_default() })),
            () = self.cancel.cancelled() => Err(ToolError::Cancelled),
        };
        match ended {
            Ok((exit, Ok(out))) if out.len() <= limits.stdout_bytes => match exit.replaced(&id) {
                Some(error) => Err(error),
                None => Ok((exit, out)),
            },
            Ok((_, Ok(_))) => Err(ToolError::TooMuch { id, limit: limits.stdout_bytes }),
            Ok((_, Err(source))) => Err(ToolError::Pipe { id, source }),
            Err(error) => {
                child.stop().await;
                Err(error)
            }
        }
    }

    /// Everything about a program's start but its pipes and its own environment.
    fn prepare(&self, id: &str, program: &Path, seal: Seal, args: &[String]) -> Result<Spawn, ToolError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mark = Mark(self.work.temporary(&number.to_string(), self.account)?);
        let order = Order {
            account: self.account,
            seal: Some(seal),
            walls: self.walls(id, program),
            limits: Some(self.limits),
            ..Order::mine()
        };
        let mut spawn = Spawn::new(id, &self.shim, &order, program.as_os_str(), args);
        spawn
            .process
            .current_dir(self.work.path())
            .env_clear()
            .envs(self.inherited.iter().map(|(name, value)| (name, value)))
            .env("PATH", PATH)
            .env("HOME", self.work.home())
            .env("TMPDIR", &mark.0)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        spawn.mark = Some(mark);
        Ok(spawn)
    }

    /// What a program may write to. The work directory's own folder and its lock are planb's.
    fn walls(&self, id: &str, program: &Path) -> Option<Vec<PathBuf>> {
        let bounds = self.bounds.as_ref()?;
        if bounds.spare(program) {
            tracing::debug!(tool = id, "not confined: it works on a server's own files, wherever they are");
            return None;
        }
        let own = [self.work.path(), self.work.home(), self.work.tmp()];
        Some(own.into_iter().chain(bounds.writable.iter().filter(|path| path.is_absolute()).cloned()).collect())
    }
}
