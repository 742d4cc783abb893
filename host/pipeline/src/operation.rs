//! What backup, restore and query have in common: a plugin, its tools on this machine, a connection, a work directory.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use planb_model::engine::{
    Answer, Connection, Description, FailureCode, Mode, Purpose, Query, Request, Scope, TargetState, ToolSpec,
};
use planb_model::plan::{Command, PrivateFile};
use planb_model::redact::Redactor;
use planb_model::secret::Secrets;
use planb_plugin::{Grants, Plugin, Session};
use planb_tool::{
    Account, Bounds, Captured, Child, Confine, Exit, Launcher, TimedOut, ToolError, ToolSearch, Toolbox, WorkDir,
};

use crate::error::RunError;
use crate::stop::Stop;

/// The times of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a question to the server.
    pub query: Duration,
    /// How long a tool may write nothing while its dump is waited for.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { query: Duration::from_mins(2), stall: Duration::from_mins(30) }
    }
}

/// What an operation is made of.
#[derive(Debug, Clone)]
pub struct OperationSpec {
    /// A program that acts as the shim (`planb` itself).
    pub shim: PathBuf,
    /// Where the work directory is made.
    pub work_base: PathBuf,
    /// Where tools are looked for.
    pub search: ToolSearch,
    /// Which tools the plugin may use.
    pub grants: Grants,
    /// Where the server is.
    pub connection: Connection,
    /// What opens it.
    pub secrets: Arc<Secrets>,
    /// Checked settings of the engine.
    pub settings: Vec<(String, String)>,
    /// The user's own arguments for the dump tool.
    pub extra_args: Vec<String>,
    /// Variables of planb's own environment that the engine declares for its tools.
    pub inherited: Vec<(String, OsString)>,
    /// As whom tools run, where not as planb's user.
    pub account: Option<Account>,
    /// Whether tools are kept from writing elsewhere than they need to.
    pub confine: Confine,
    /// What the tools are needed for.
    pub purposes: Vec<Purpose>,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// An operation under way. Dropping it removes its work directory and ends its tools.
pub struct Operation<'p> {
    pub(crate) plugin: &'p Plugin,
    pub(crate) toolbox: Toolbox,
    pub(crate) launcher: Launcher,
    pub(crate) spec: OperationSpec,
    pub(crate) stop: Arc<Stop>,
    server_version: Option<String>,
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("plugin", &self.plugin)
            .field("toolbox", &self.toolbox)
            .finish_non_exhaustive()
    }
}

/// An answer of a server fits into this.
const ANSWER: usize = 16 << 20;

/// For all clean-up commands of a plan.
const CLEAN_UP: Duration = Duration::from_mins(10);

impl<'p> Operation<'p> {
    /// Makes the work directory and finds the tools that the plugin was granted.
    ///
    /// # Errors
    /// [`RunError`] where that cannot be.
    pub async fn open(plugin: &'p Plugin, spec: OperationSpec, stop: Arc<Stop>) -> Result<Operation<'p>, RunError> {
        let work = Arc::new(WorkDir::create(&spec.work_base)?);
        let redactor = Arc::new(Redactor::new(spec.secrets.values()));
        let launcher =
            Launcher::new(spec.shim.clone(), work, Arc::clone(&spec.secrets), redactor, stop.token().clone())
                .with_extra(&spec.extra_args)
                .with_inherited(spec.inherited.clone())
                .as_account(spec.account);
        // Of a plugin that came with planb, what it says of its tools counts too.
        let trusted = spec.grants.pinned.contains(plugin.sha256());
        let bounds = Bounds::of(plugin.description(), &spec.connection, &spec.settings, trusted);
        let launcher = launcher.with_confine(spec.confine, bounds);
        if let Some(account) = spec.account {
            launcher.work().give_to(account)?;
        }
        let declared = &plugin.description().tools;
        let granted = |tool: &ToolSpec| spec.grants.allows(plugin.sha256(), &tool.id);
        let toolbox = Toolbox::resolve(declared, &spec.purposes, granted, &spec.search, &launcher).await;
        let toolbox = toolbox.map_err(|error| stop.reason().map_or_else(|| error.into(), RunError::from))?;
        Ok(Self { plugin, toolbox, launcher, spec, stop, server_version: None })
    }

    /// What the engine says of itself.
    pub fn description(&self) -> &Description {
        self.plugin.description()
    }

    /// The plugin.
    pub fn plugin(&self) -> &'p Plugin {
        self.plugin
    }

    /// The absolute path of a plan's path.
    ///
    /// # Errors
    /// [`RunError`] for one that leaves the work directory.
    pub fn below(&self, path: &str) -> Result<String, RunError> {
        Ok(self.launcher.work().below(path)?.to_string_lossy().into_owned())
    }

    /// Starts a command that runs on: a server.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn start(&self, command: &Command) -> Result<Child, RunError> {
        Ok(self.launcher.start(&self.toolbox, command, planb_tool::Stdin::Planned, planb_tool::Stdout::Null)?)
    }

    /// From now on this ends it.
    pub fn stopped_by(&mut self, stop: Arc<Stop>) {
        self.launcher = self.launcher.clone().with_cancel(stop.token().clone());
        self.stop = stop;
    }

    /// Makes everything in the work directory that of the account that tools run as.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn give_away(&self) -> Result<(), RunError> {
        self.spec.account.map_or(Ok(()), |account| Ok(self.launcher.work().give_to(account)?))
    }

    /// From now on tools may also write where this scope's files are, if it is one of files.
    pub fn open_scope(&mut self, scope: &Scope) {
        self.launcher.also_writable(Bounds::of_scope(self.plugin.description(), scope));
    }

    /// Empties the work directory, for the next scope of the same server.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn clear(&self) -> Result<(), RunError> {
        Ok(self.launcher.work().clear()?)
    }

    /// The scope in which to greet a server before the database asked for is known to exist.
    pub fn server_scope(&self, scope: &Scope) -> Scope {
        if self.description().scopes.contains(&planb_model::engine::ScopeKind::Globals) {
            Scope::Globals
        } else {
            scope.clone()
        }
    }

    /// The request for a scope.
    pub fn request(&self, scope: Scope, mode: Mode, native_compression: bool) -> Request {
        Request {
            connection: self.spec.connection.clone(),
            scope,
            mode,
            native_compression,
            settings: self.spec.settings.clone(),
            extra_args: self.spec.extra_args.clone(),
            tools: self.toolbox.for_request(),
            server_version: self.server_version.clone(),
            objects: None,
            serve_at: None,
        }
    }

    /// Asks the server a question.
    ///
    /// # Errors
    /// [`RunError`]; one with the plugin's code `unsupported` where the engine has no such question.
    pub async fn query(&mut self, scope: &Scope, query: &Query) -> Result<Answer, RunError> {
        self.open_scope(scope);
        let request = self.request(scope.clone(), self.default_mode(), false);
        let mut session = self.plugin.session().await?;
        let plan = session.plan_query(&request, query).await?;
        self.check(plan.prepare.iter().chain([&plan.command]))?;
        // Counting a large database takes its time; the run's own limit holds.
        let time = (!matches!(query, Query::Inventory(_))).then_some(self.spec.timeouts.query);
        let prepared = self.run_all(&mut session, &plan.files, &plan.prepare);
        match time {
            // What is given up takes its tool with it.
            Some(after) => tokio::time::timeout(after, prepared).await.unwrap_or_else(|_| {
                let id = plan.prepare.first().map_or_else(String::new, |command| command.tool.clone());
                Err(ToolError::Timeout(TimedOut { id, after }).into())
            }),
            None => prepared.await,
        }?;
        let ended = self.launcher.run(&self.toolbox, &plan.command, Captured { stdout_bytes: ANSWER, time }).await;
        let (exit, stdout) = ended.map_err(|error| self.stopped().unwrap_or(error.into()))?;
        if !exit.code.is_some_and(|code| plan.command.accepts(code)) {
            return Err(self.explain(&mut session, &plan.command.tool, &exit).await);
        }
        Ok(session.read_query(query, &stdout).await?)
    }

    /// Asks for the server's version once, which also tells whether it is there and lets us in.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn greet(&mut self, scope: &Scope) -> Result<Option<&str>, RunError> {
        match self.query(scope, &Query::Version).await {
            Ok(Answer::Version(version)) => self.server_version = Some(version),
            Ok(_) => return Err(self.plugin.bad_plan("its answer to `version` is none".to_owned()).into()),
            Err(error) if error.is(FailureCode::Unsupported) => {}
            Err(error) => return Err(error),
        }
        Ok(self.server_version.as_deref())
    }

    /// What the server said it is.
    pub fn server_version(&self) -> Option<&str> {
        self.server_version.as_deref()
    }

    /// The databases that `--database '*'` means.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn databases(&mut self) -> Result<Vec<String>, RunError> {
        match self.query(&Scope::All, &Query::Databases).await? {
            Answer::Databases(names) => Ok(names),
            _ => Err(self.plugin.bad_plan("its answer to `databases` is none".to_owned()).into()),
        }
    }

    /// What is at the place to restore into, and, where it had to be counted for that, how much.
    pub(crate) async fn look_at(&mut self, scope: &Scope) -> Result<(TargetState, Option<(usize, u64)>), RunError> {
        match self.query(scope, &Query::State(scope.clone())).await {
            Ok(Answer::State(state)) => return Ok((state, None)),
            Ok(_) => return Err(self.plugin.bad_plan("its answer to `state` is none".to_owned()).into()),
            Err(error) if error.is(FailureCode::MissingDatabase) => return Ok((TargetState::Missing, None)),
            Err(error) if error.is(FailureCode::Unsupported) => {}
            Err(error) => return Err(error),
        }
        match self.query(scope, &Query::Inventory(scope.clone())).await {
            Ok(Answer::Inventory(objects)) if objects.is_empty() => Ok((TargetState::Empty, None)),
            Ok(Answer::Inventory(objects)) => {
                let rows = planb_model::engine::rows(&objects);
                Ok((TargetState::Occupied, Some((objects.len(), rows))))
            }
            Ok(_) => Err(self.plugin.bad_plan("its answer to `inventory` is none".to_owned()).into()),
            Err(error) if error.is(FailureCode::MissingDatabase) => Ok((TargetState::Missing, None)),
            Err(error) if error.is(FailureCode::Unsupported) => Ok((TargetState::Unknown, None)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn default_mode(&self) -> Mode {
        self.description().modes.first().copied().unwrap_or(Mode::Stream)
    }

    /// Holds the commands of a plan against what the plugin was granted. That they are possible, and declared, its session has seen to.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn check<'a>(&self, commands: impl IntoIterator<Item = &'a Command>) -> Result<(), RunError> {
        let grants = &self.spec.grants;
        let sha256 = self.plugin.sha256();
        let mut missing: Vec<&str> =
            commands.into_iter().map(|c| c.tool.as_str()).filter(|tool| !grants.allows(sha256, tool)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // One answer should be enough: everything that this kind of operation will want.
        for tool in &self.description().tools {
            let wanted = tool.used_for.iter().any(|purpose| self.spec.purposes.contains(purpose));
            if wanted && !grants.allows(sha256, &tool.id) {
                missing.push(&tool.id);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        let flags: Vec<_> = missing.iter().map(|tool| format!("--allow-tool {tool}")).collect();
        Err(RunError::NotGranted {
            plugin: self.plugin.path().display().to_string(),
            sha256: sha256.to_owned(),
            several: missing.len() > 1,
            tools: self.description().tools_with_programs(missing),
            hint: flags.join(" "),
        })
    }

    /// Runs commands in their order; the first that fails ends it.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run_all(
        &self,
        session: &mut Box<dyn Session>,
        files: &[PrivateFile],
        commands: &[Command],
    ) -> Result<(), RunError> {
        self.launcher.write_files(files)?;
        for command in commands {
            let ended = self.launcher.run_unread(&self.toolbox, command).await;
            let exit = ended.map_err(|error| self.stopped().unwrap_or(error.into()))?;
            if !exit.code.is_some_and(|code| command.accepts(code)) {
                return Err(self.explain(session, &command.tool, &exit).await);
            }
        }
        Ok(())
    }

    /// Runs clean-up commands: each, whatever the others do, and outside the run's own end. All of them together have an end.
    pub(crate) async fn clean_up(&self, commands: &[Command]) {
        let begun = Instant::now();
        for (at, command) in commands.iter().enumerate() {
            let left = CLEAN_UP.saturating_sub(begun.elapsed());
            if left.is_zero() {
                tracing::warn!(
                    commands = commands.len() - at,
                    "cleaning up took too long, and the rest of it is left out"
                );
                break;
            }
            let ended =
                match self.launcher.start(&self.toolbox, command, planb_tool::Stdin::Planned, planb_tool::Stdout::Null)
                {
                    Ok(mut child) => tokio::time::timeout(self.spec.timeouts.query.min(left), child.wait())
                        .await
                        .map_err(|_| "it did not end".to_owned()),
                    Err(error) => Err(error.to_string()),
                };
            match ended {
                Ok(exit) if exit.code.is_some_and(|code| command.accepts(code)) => {}
                Ok(exit) => tracing::warn!(
                    tool = command.tool,
                    end = exit.describe(),
                    said = exit.last_line(),
                    "cleaning up failed"
                ),
                Err(error) => tracing::warn!(tool = command.tool, error, "cleaning up failed"),
            }
        }
    }

    /// Waits for a tool's end, and stops it when the run is stopped.
    pub(crate) async fn ended(&self, child: &mut Child) -> Exit {
        tokio::select! {
            exit = child.wait() => return exit,
            () = self.stop.token().cancelled() => {}
        }
        child.stop().await
    }

    /// What a tool's bad end means.
    pub async fn explain(&self, session: &mut Box<dyn Session>, tool: &str, exit: &Exit) -> RunError {
        if let Some(error) = self.stopped() {
            return error;
        }
        if let Some(error) = exit.replaced(tool) {
            return error.into();
        }
        let explained = session.explain(tool, exit.code, &exit.stderr).await;
        match explained {
            Ok(mut failure) => {
                let redactor = self.launcher.redactor();
                failure.message = redactor.clean(&failure.message);
                let confined = || self.launcher.confine_hint(exit).map(str::to_owned);
                failure.hint = failure.hint.map(|hint| redactor.clean(&hint)).or_else(confined);
                RunError::ToolFailed {
                    tool: tool.to_owned(),
                    end: exit.describe(),
                    failure,
                    last_words: last_words(&exit.stderr),
                }
            }
            Err(error) => error.into(),
        }
    }

    pub(crate) fn stopped(&self) -> Option<RunError> {
        self.stop.reason().map(RunError::from)
    }
}

/// The last lines of a tool, for a report.
pub(crate) fn last_words(stderr: &str) -> String {
    const LINES: usize = 8;
    let lines: Vec<_> = stderr.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
