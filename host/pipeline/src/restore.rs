//! A restore: the same way back, with the digests checked before a byte reaches the tool where that can be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use planb_model::engine::{FailureCode, RestoreRequest, Scope, TargetState};
use planb_model::manifest::{Manifest, is_plain_relative};
use planb_model::plan::{Command, RestorePlan, Sink};
use planb_plugin::Session;
use planb_store::{Entry, Store};
use planb_tool::{Folder, Stdin, Stdout};
use serde::Serialize;
use tokio::runtime::Handle;
use tracing::Instrument as _;

use crate::codec::Identities;
use crate::decode::{Keys, Plain, fetch};
use crate::error::RunError;
use crate::lock::{is_gone, reading};
use crate::operation::Operation;
use crate::progress::{Progress, Stage};
use crate::pump::CHUNK;
use crate::stages::joined;
use crate::traced;
use crate::unpack;
use crate::verify::check_stored;

/// What to restore, and where to.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// The database to restore into.
    pub target: Scope,
    /// The target may hold data, and that data may go.
    pub replace: bool,
    /// Read everything once and check it before the tool gets a byte.
    pub verify_first: bool,
    /// What opens an encrypted backup.
    pub identities: Identities,
}

/// When the digests were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DigestChecked {
    /// Before the tool got a byte.
    Before,
    /// While the tool was fed, before it got the last bytes.
    During,
}

/// What `planb restore` reports.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words are those of the manifest")]
pub struct RestoreReport {
    pub id: String,
    pub status: &'static str,
    pub engine: String,
    pub database: String,
    pub target: String,
    pub duration_ms: u64,
    pub plain_bytes: u64,
    pub digest_checked: DigestChecked,
    pub warnings: Vec<String>,
}

/// What `planb restore --dry-run` shows.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words are those of the manifest")]
pub struct PlannedRestore {
    pub id: String,
    pub engine: String,
    pub database: String,
    pub server: Option<String>,
    pub created_at: Timestamp,
    pub plain_bytes: u64,
    pub target: String,
    pub target_server: Option<String>,
    /// None: it cannot be told.
    pub target_holds_data: Option<bool>,
    /// Where they had to be counted.
    pub target_objects: Option<usize>,
    /// Path to content, with `***` for secrets.
    pub private_files: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub warnings: Vec<String>,
}

/// What is held back from a tool's stdin until the digests are right.
const HELD_BACK: usize = 1 << 20;
/// What is still read of a backup after the tool has failed.
const READ_ON: u64 = 256 << 20;

/// A restore of one backup with an open operation.
pub struct Restore<'o, 'p> {
    op: &'o mut Operation<'p>,
    spec: RestoreSpec,
    store: Store,
    entry: Entry,
    keys: Keys,
    progress: Arc<Progress>,
}

impl std::fmt::Debug for Restore<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restore").field("spec", &self.spec).field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl<'o, 'p> Restore<'o, 'p> {
    /// Of this backup. The operation has greeted the server.
    ///
    /// # Errors
    /// [`RunError`] where the plugin or the keys do not suit the backup.
    pub fn new(
        op: &'o mut Operation<'p>,
        spec: RestoreSpec,
        store: Store,
        entry: Entry,
        progress: Arc<Progress>,
    ) -> Result<Self, RunError> {
        let manifest = &entry.manifest;
        let description = op.description();
        if !description.answers_to(&manifest.engine) {
            return Err(RunError::Settings(format!(
                "the backup {} is of the engine `{}`, and the plugin is for {}",
                manifest.short_id(),
                manifest.engine,
                description.name
            )));
        }
        if manifest.encryption.is_some() && spec.identities.is_empty() {
            return Err(RunError::NeedsKey(manifest.short_id().to_owned()));
        }
        let keys = Arc::new(spec.identities.load()?);
        Ok(Self { op, spec, store, entry, keys, progress })
    }

    /// What a run would do, without doing it.
    ///
    /// # Errors
    /// [`RunError`], as the run would fail.
    pub async fn preview(&mut self) -> Result<PlannedRestore, RunError> {
        let (_, request, plan, holds) = self.plan().await?;
        let mut commands = Vec::new();
        for command in plan.prepare.iter().chain([plan.sink.command()]).chain(&plan.finish).chain(&plan.cleanup) {
            commands.push(self.op.launcher.shown(&self.op.toolbox, command)?);
        }
        let manifest = &self.entry.manifest;
        Ok(PlannedRestore {
            id: manifest.id.clone(),
            engine: manifest.engine.clone(),
            database: manifest.database.clone(),
            server: manifest.server.clone(),
            created_at: manifest.created_at,
            plain_bytes: manifest.plain_bytes,
            target: self.spec.target.label().to_owned(),
            target_server: request.request.connection.place(),
            target_holds_data: match request.target {
                TargetState::Occupied => Some(true),
                TargetState::Missing | TargetState::Empty => Some(false),
                TargetState::Unknown => None,
            },
            target_objects: holds.map(|(objects, _)| objects),
            private_files: self.op.launcher.shown_files(&plan.files)?,
            commands,
            warnings: plan.warnings,
        })
    }

    /// Looks at the target and asks the plugin for its plan.
    async fn plan(
        &mut self,
    ) -> Result<(Box<dyn Session>, RestoreRequest, RestorePlan, Option<(usize, u64)>), RunError> {
        self.op.open_scope(&self.spec.target);
        let offline = self.op.description().restores_offline;
        let (target, holds) = match &self.spec.target {
            // Roles and tablespaces are always there; the plugin adds what is missing.
            Scope::Globals => (TargetState::Unknown, None),
            scope => match self.op.look_at(&scope.clone()).await {
                Err(error) if offline && error.is(FailureCode::Unreachable) => (TargetState::Unknown, None),
                found => found?,
            },
        };
        if !self.spec.replace {
            let what = format!("`{}`", self.spec.target);
            match target {
                TargetState::Occupied => return Err(RunError::Occupied { what, holds }),
                // An engine that restores offline looks by itself, when it places the files.
                TargetState::Unknown if self.spec.target != Scope::Globals && !offline => {
                    return Err(RunError::UnknownTarget { what });
                }
                _ => {}
            }
        }
        let manifest = self.entry.manifest.clone();
        let request = self.op.request(self.spec.target.clone(), manifest.mode, false);
        let request = RestoreRequest {
            request,
            artifact: manifest.artifact.clone(),
            source_scope: manifest.source(),
            source_version: manifest.server_version.clone(),
            objects: manifest.inspection.objects.clone(),
            files: manifest.files.iter().map(|file| file.path.clone()).filter(|path| !path.is_empty()).collect(),
            target,
            replace: self.spec.replace,
        };
        let mut session = self.op.plugin.session().await?;
        let plan = session.plan_restore(&request).await?;
        self.op.check(plan.prepare.iter().chain([plan.sink.command()]).chain(&plan.finish).chain(&plan.cleanup))?;
        Ok((session, request, plan, holds))
    }

    /// Restores.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(self) -> Result<RestoreReport, RunError> {
        let reading = reading(&self.store, &self.entry).await?;
        let (store, entry) = (self.store.clone(), self.entry.clone());
        let manifest = &entry.manifest;
        let span = traced::span("restore", &manifest.engine, &manifest.database, &manifest.id);
        let progress = Arc::clone(&self.progress);
        progress.trace(&span);
        let outcome = self.restore().instrument(span.clone()).await;
        progress.traced();
        traced::ended(&span, outcome.as_ref().err());
        if let Some(lease) = reading {
            lease.release(true).await;
        }
        match outcome {
            Err(RunError::Damaged { .. }) if is_gone(&store, &entry).await => {
                Err(RunError::Gone(entry.manifest.short_id().to_owned()))
            }
            outcome => outcome,
        }
    }

    async fn restore(mut self) -> Result<RestoreReport, RunError> {
        let started = Instant::now();
        self.progress.enter(Stage::Preparing);
        self.progress.expect(self.entry.manifest.plain_bytes);
        let (mut session, request, plan, _) = self.plan().await?;
        let manifest = self.entry.manifest.clone();
        let mut checked = DigestChecked::During;
        if self.spec.verify_first && matches!(plan.sink, Sink::Stdin(_)) {
            for file in &manifest.files {
                check_stored(&self.store, &self.entry, file, &self.op.stop).await?;
            }
            checked = DigestChecked::Before;
        }
        let outcome = self.put_back(&mut session, &request, &plan, &mut checked).await;
        self.op.clean_up(&plan.cleanup).await;
        outcome?;
        Ok(RestoreReport {
            id: manifest.id,
            status: "success",
            engine: manifest.engine,
            database: manifest.database,
            target: self.spec.target.label().to_owned(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            plain_bytes: manifest.plain_bytes,
            digest_checked: checked,
            warnings: plan.warnings,
        })
    }

    async fn put_back(
        &mut self,
        session: &mut Box<dyn Session>,
        request: &RestoreRequest,
        plan: &RestorePlan,
        checked: &mut DigestChecked,
    ) -> Result<(), RunError> {
        match &plan.sink {
            Sink::Stdin(command) => {
                // A backup that is smaller than what is held back is checked as a whole first: open it before the
                // target is touched.
                if self.entry.manifest.plain_bytes <= HELD_BACK as u64 {
                    *checked = DigestChecked::Before;
                }
                let plain = self.open_single().await?;
                self.op.run_all(session, &plan.files, &plan.prepare).await?;
                let filter = self.filter(request, plan).await?;
                self.progress.enter(Stage::Streaming);
                self.feed(session, command, plain, filter).await?;
            }
            Sink::File { command, path } => {
                *checked = DigestChecked::Before;
                let filter = self.filter(request, plan).await?;
                let plain = self.open_single().await?;
                self.progress.enter(Stage::Streaming);
                self.to_file(plain, self.op.launcher.folder()?.new_file(path)?, filter).await?;
                self.op.run_all(session, &plan.files, &plan.prepare).await?;
                self.progress.enter(Stage::Finishing);
                self.op.run_all(session, &[], std::slice::from_ref(command)).await?;
            }
            Sink::Served(_) => return Err(RunError::Internal("a sink that was refused before".to_owned())),
            Sink::Tree { command, path } => {
                *checked = DigestChecked::Before;
                self.progress.enter(Stage::Streaming);
                self.to_tree(self.op.launcher.folder()?.make_folder(path)?).await?;
                self.op.run_all(session, &plan.files, &plan.prepare).await?;
                self.progress.enter(Stage::Finishing);
                self.op.run_all(session, &[], std::slice::from_ref(command)).await?;
            }
        }
        self.progress.enter(Stage::Finishing);
        self.op.run_all(session, &[], &plan.finish).await
    }

    async fn filter(&self, request: &RestoreRequest, plan: &RestorePlan) -> Result<Option<Box<dyn Session>>, RunError> {
        if !plan.filter {
            return Ok(None);
        }
        let mut session = self.op.plugin.session().await?;
        session.filter(request).await?;
        Ok(Some(session))
    }

    async fn open(&self, at: usize) -> Result<Plain, RunError> {
        let manifest: Manifest = self.entry.manifest.clone();
        let file =
            manifest.files.get(at).cloned().ok_or_else(|| RunError::Internal("a file that is not there".to_owned()))?;
        let fetched = fetch(&self.store, &self.entry, &file, &self.op.stop);
        let (keys, stop) = (Arc::clone(&self.keys), Arc::clone(&self.op.stop));
        let record = file.clone();
        let opened = joined(tokio::task::spawn_blocking(move || Plain::open(&manifest, &file, &keys, fetched, &stop)));
        let opened = opened.await?;
        if matches!(opened, Err(RunError::WrongKey(_))) {
            // A damaged header fits no key either.
            check_stored(&self.store, &self.entry, &record, &self.op.stop).await?;
        }
        opened
    }

    async fn open_single(&self) -> Result<Plain, RunError> {
        if self.entry.manifest.files.len() != 1 {
            return Err(self
                .op
                .plugin
                .bad_plan("it wants one stream, and the backup is a directory".to_owned())
                .into());
        }
        self.open(0).await
    }

    /// Feeds a tool's stdin, all but the last bytes, and those after the digests were found right.
    async fn feed(
        &self,
        session: &mut Box<dyn Session>,
        command: &Command,
        plain: Plain,
        filter: Option<Box<dyn Session>>,
    ) -> Result<(), RunError> {
        let mut child = self.op.launcher.start(&self.op.toolbox, command, Stdin::Piped, Stdout::Null)?;
        let stdin = child.stdin.take().ok_or_else(|| RunError::Internal("a tool without a stdin".to_owned()))?;
        let progress = Arc::clone(&self.progress);
        let mut feeding = tokio::task::spawn_blocking(move || {
            let mut out = HoldBack { inner: stdin, held: Vec::new() };
            let fed = copy(plain, &mut out, filter, &progress);
            match fed {
                Ok(()) => {
                    progress.enter(Stage::Finishing);
                    out.release().map(drop).map_err(Fed::Write)
                }
                // The pipe stays open until the tool was stopped: it must not take this for the end of its input.
                Err(error) => Err(error.with(out.inner)),
            }
        });
        let fed = tokio::select! {
            fed = &mut feeding => Some(fed),
            () = self.op.stop.token().cancelled() => None,
        };
        let (fed, exit) = match fed {
            Some(Ok(Ok(()))) => (Ok(()), self.op.ended(&mut child).await),
            Some(Ok(Err(Fed::Write(error)))) => {
                // It no longer reads: it is ending, and its own words tell why.
                let exit = tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await;
                (
                    Err(Fed::Write(error)),
                    match exit {
                        Ok(exit) => exit,
                        Err(_) => child.stop().await,
                    },
                )
            }
            Some(Ok(Err(error))) => {
                child.kill();
                let exit = child.wait().await;
                (Err(error), exit)
            }
            Some(Err(error)) => {
                child.kill();
                return Err(RunError::Internal(format!("a stage broke: {error}")));
            }
            None => {
                child.kill();
                let exit = child.wait().await;
                let _ = feeding.await;
                (Ok(()), exit)
            }
        };
        if let Some(error) = self.op.stopped() {
            return Err(error);
        }
        match fed {
            Err(Fed::Run { error, .. }) => Err(*error),
            // Also where all of it was written: the tool's end is what counts.
            Ok(()) | Err(Fed::Write(_)) if !exit.code.is_some_and(|code| command.accepts(code)) => {
                Err(self.op.explain(session, &command.tool, &exit).await)
            }
            Err(Fed::Write(error)) => {
                Err(planb_tool::ToolError::Pipe { id: command.tool.clone(), source: error }.into())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn to_file(&self, plain: Plain, mut file: File, filter: Option<Box<dyn Session>>) -> Result<(), RunError> {
        let progress = Arc::clone(&self.progress);
        joined(tokio::task::spawn_blocking(move || copy(plain, &mut file, filter, &progress).map_err(Fed::into_run)))
            .await?
    }

    async fn to_tree(&self, root: Folder) -> Result<(), RunError> {
        let manifest = &self.entry.manifest;
        let single = manifest.files.len() == 1 && manifest.files[0].path.is_empty();
        if single {
            let (plain, progress) = (self.open(0).await?, Arc::clone(&self.progress));
            return joined(tokio::task::spawn_blocking(move || unpack::untar(plain, &root, &progress))).await?;
        }
        for (at, file) in manifest.files.iter().enumerate() {
            // Checked when the manifest was read; what is joined to a path is looked at once more.
            if !is_plain_relative(&file.path) {
                return Err(RunError::Damaged {
                    id: manifest.id.clone(),
                    what: format!("its file {:?} leaves the dump", file.path),
                });
            }
            let plain = self.open(at).await?;
            self.to_file(plain, root.new_file(&file.path)?, None).await?;
        }
        Ok(())
    }
}

/// How feeding ended early: through what was read, or through what was written to.
enum Fed {
    /// With the tool's stdin where there is one: it is closed only once the tool is gone.
    Run {
        error: Box<RunError>,
        _open: Option<std::process::ChildStdin>,
    },
    Write(io::Error),
}

impl Fed {
    fn with(self, stdin: std::process::ChildStdin) -> Self {
        match self {
            Self::Run { error, .. } => Self::Run { error, _open: Some(stdin) },
            Self::Write(error) => Self::Write(error),
        }
    }

    fn into_run(self) -> RunError {
        match self {
            Self::Run { error, .. } => *error,
            Self::Write(error) => RunError::Work(error),
        }
    }
}

impl<E: Into<RunError>> From<E> for Fed {
    fn from(error: E) -> Self {
        Self::Run { error: Box::new(error.into()), _open: None }
    }
}

/// Copies the plain bytes, filtered, and checks the digests at their end.
///
/// Where the tool or the filter chokes on them, the rest is read if it is not much: if the backup is damaged, that is why.
fn copy(
    mut plain: Plain,
    to: &mut impl Write,
    mut filter: Option<Box<dyn Session>>,
    progress: &Progress,
) -> Result<(), Fed> {
    let passed = pass(&mut plain, to, &mut filter, progress);
    if let Err(Fed::Run { error, .. }) = &passed
        && !matches!(**error, RunError::Refused(_))
    {
        return passed;
    }
    if passed.is_err() && plain.remaining() > READ_ON {
        return passed;
    }
    plain.finish()?;
    passed
}

fn pass(
    plain: &mut Plain,
    to: &mut impl Write,
    filter: &mut Option<Box<dyn Session>>,
    progress: &Progress,
) -> Result<(), Fed> {
    let handle = Handle::current();
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = plain.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        progress.add_plain(n);
        match filter {
            Some(filter) => {
                let bytes = handle.block_on(filter.filter_push(&buffer[..n]))?;
                to.write_all(&bytes).map_err(Fed::Write)?;
            }
            None => to.write_all(&buffer[..n]).map_err(Fed::Write)?,
        }
    }
    if let Some(filter) = filter {
        let bytes = handle.block_on(filter.filter_finish())?;
        to.write_all(&bytes).map_err(Fed::Write)?;
    }
    Ok(())
}

/// Passes on all but the last bytes until it is released.
struct HoldBack<W> {
    inner: W,
    held: Vec<u8>,
}

impl<W: Write> HoldBack<W> {
    fn release(mut self) -> io::Result<W> {
        self.inner.write_all(&self.held)?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for HoldBack<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= 2 * HELD_BACK {
            let pass = self.held.len() - HELD_BACK;
            self.inner.write_all(&self.held[..pass])?;
            self.held.drain(..pass);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
