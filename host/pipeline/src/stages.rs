//! The stages of one backup, set up, watched and brought to one end.
//!
//! Whatever happens, it is decided in one order: a run that was stopped, then a stage that broke, then the tool's
//! own end, then what the inspector saw. Only if all of them are well is the last object closed.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use planb_model::engine::{Inspection, Mode};
use planb_model::manifest::{FileRecord, VolumeRecord};
use planb_model::plan::{BackupPlan, Command, Source};
use planb_plugin::{PluginError, Session};
use planb_store::{Store, StoreError};
use planb_tool::{Child, Exit, Folder, Stdin, Stdout, ToolError};
use tokio::task::JoinHandle;

use crate::backup::all_stores;
use crate::encode::{EncodeError, Encoding, encode};
use crate::error::RunError;
use crate::fan::{Fan, FanIn, remove};
use crate::judge::{self, Measured};
use crate::operation::Operation;
use crate::progress::{Progress, Stage};
use crate::pump::{self, Outlets, PumpError, QUEUE, Seen, Waiting};
use crate::stop::{Stop, StopReason};

/// What one backup's stages work on.
pub(crate) struct StagesSpec<'a> {
    pub(crate) plan: &'a BackupPlan,
    pub(crate) encoding: &'a Encoding,
    pub(crate) stores: &'a [Store],
    pub(crate) volume_bytes: u64,
    pub(crate) progress: &'a Arc<Progress>,
    /// Of the artifact, or of the folder of a directory's objects.
    pub(crate) key: &'a str,
    /// The manifest's folder with its slash, or empty: what volume keys are relative to.
    pub(crate) folder: String,
}

/// What came out of the stages.
pub(crate) struct Streamed {
    pub(crate) files: Vec<FileRecord>,
    pub(crate) inspection: Inspection,
    /// For each store what went wrong, in the stores' order.
    pub(crate) failed: Vec<Option<StoreError>>,
    /// All objects that were closed, for taking them back.
    pub(crate) keys: Vec<String>,
}

pub(crate) struct Stages<'a, 'p> {
    op: &'a Operation<'p>,
    spec: StagesSpec<'a>,
    session: Box<dyn Session>,
    judge: Option<SyncSender<Seen>>,
    judging: Option<JoinHandle<Result<Inspection, PluginError>>>,
    out: Streamed,
}

/// One file of the dump: how it is read, and what becomes of it.
struct Part<'c> {
    key: String,
    path: String,
    /// After it there is no other: the inspector's judgement is due before it is closed.
    last: bool,
    /// The tool whose stdout it is.
    tool: Option<(&'c mut Child, &'c Command)>,
    waiting: Option<Arc<Waiting>>,
}

impl<'a, 'p> Stages<'a, 'p> {
    /// `inspector`: a session in which the inspector was made. `failed`: the stores that are out already.
    pub(crate) fn new(
        op: &'a Operation<'p>,
        spec: StagesSpec<'a>,
        session: Box<dyn Session>,
        inspector: Box<dyn Session>,
        failed: Vec<Option<StoreError>>,
    ) -> Self {
        let (judge, seen) = sync_channel(QUEUE);
        let judging = judge::inspect(inspector, seen);
        let out = Streamed { files: Vec::new(), inspection: Inspection::default(), failed, keys: Vec::new() };
        Self { op, spec, session, judge: Some(judge), judging: Some(judging), out }
    }

    pub(crate) fn into_streamed(self) -> Streamed {
        self.out
    }

    pub(crate) async fn run(&mut self, mode: Mode) -> Result<(), RunError> {
        let plan = self.spec.plan;
        let one = |last| Part { key: self.spec.key.to_owned(), path: String::new(), last, tool: None, waiting: None };
        match &plan.source {
            Source::Stdout { command, trim } => {
                let mut part = one(true);
                self.spec.progress.enter(Stage::Streaming);
                let mut child = self.op.launcher.start(&self.op.toolbox, command, Stdin::Planned, Stdout::Piped)?;
                let stdout =
                    child.stdout.take().ok_or_else(|| RunError::Internal("a tool without a stdout".to_owned()))?;
                // Fewer switches between the tool and us; where it is not allowed, the usual 64 KiB do.
                #[cfg(target_os = "linux")]
                let _ = rustix::pipe::fcntl_setpipe_size(&stdout, 1 << 20);
                let (trim, waiting) = (trim.clone(), Arc::new(Waiting::new()));
                part.tool = Some((&mut child, command));
                part.waiting = Some(Arc::clone(&waiting));
                self.part(part, move |out| pump::stream(stdout, "", trim.as_ref(), &waiting, out)).await
            }
            Source::File { command, path } => {
                let part = one(true);
                self.dump(command).await?;
                let opened = self.op.launcher.folder()?.file(path).map_err(|error| left_nothing(error, command))?;
                self.spec.progress.expect(opened.metadata().map_or(0, |meta| meta.len()));
                self.part(part, move |out| pump::stream(opened, "", None, &Waiting::new(), out)).await
            }
            Source::Tree { command, path } => {
                let part = one(true);
                self.dump(command).await?;
                let root = self.op.launcher.folder()?.folder(path).map_err(|error| left_nothing(error, command))?;
                self.tree(part, &command.tool, root, mode).await
            }
            Source::Served(_) => Err(RunError::Settings(
                "this planb does not serve an address that a database could push its backup to".to_owned(),
            )),
        }
    }

    /// A tool that writes into the work directory.
    async fn dump(&mut self, command: &Command) -> Result<(), RunError> {
        self.spec.progress.enter(Stage::Dumping);
        let stall = self.op.spec.timeouts.stall;
        let work = Arc::new(self.op.launcher.folder()?);
        let dumped = tokio::select! {
            dumped = self.op.run_all(&mut self.session, &[], std::slice::from_ref(command)) => Some(dumped),
            () = growth(work, stall) => None,
        };
        match dumped {
            Some(dumped) => dumped?,
            None => {
                // The future that is gone has killed the tool.
                self.op.stop.now(StopReason::Stalled(stall));
                return Err(StopReason::Stalled(stall).into());
            }
        }
        self.spec.progress.enter(Stage::Streaming);
        Ok(())
    }

    async fn tree(&mut self, part: Part<'_>, tool: &str, root: Folder, mode: Mode) -> Result<(), RunError> {
        let files = root.files()?;
        if files.is_empty() {
            return Err(RunError::Empty(tool.to_owned()));
        }
        self.spec.progress.expect(files.iter().map(|file| file.bytes).sum());
        if mode != Mode::Directory {
            return self.part(part, move |out| pump::tar(&root, &files, out)).await;
        }
        let last = files.len() - 1;
        for (at, file) in files.into_iter().enumerate() {
            let opened = root.file(&file.path)?;
            let key = format!("{}/{}{}", self.spec.key, file.path, self.spec.encoding.suffix());
            let part = Part { key, path: file.path.clone(), last: at == last, tool: None, waiting: None };
            self.part(part, move |out| pump::stream(opened, &file.path, None, &Waiting::new(), out)).await?;
        }
        Ok(())
    }

    /// One file through all stages, into all stores that still work, and closed there.
    async fn part(
        &mut self,
        mut part: Part<'_>,
        pump: impl FnOnce(&Outlets) -> Result<(), PumpError> + Send + 'static,
    ) -> Result<(), RunError> {
        let living: Vec<usize> = (0..self.spec.stores.len()).filter(|at| self.out.failed[*at].is_none()).collect();
        let stores: Vec<Store> = living.iter().map(|at| self.spec.stores[*at].clone()).collect();
        let bounded = stores.iter().any(|store| !store.unbounded_objects());
        let media_type = if self.spec.encoding.is_identity() {
            self.spec.plan.artifact.media_type.as_str()
        } else {
            "application/octet-stream"
        };
        let (fan_in, fan) = Fan::open(&stores, &part.key, media_type, bounded.then_some(self.spec.volume_bytes));
        let (digest, to_digest) = sync_channel(QUEUE);
        let (store, to_store) = sync_channel(QUEUE);
        let digesting = judge::digest(to_digest);
        let encoding = encode(self.spec.encoding.clone(), to_store, fan_in, Arc::clone(self.spec.progress));
        let judge = self.judge.clone().ok_or_else(|| RunError::Internal("the inspector has ended".to_owned()))?;
        let outlets =
            Outlets { judge, digest, store, progress: Arc::clone(self.spec.progress), stop: Arc::clone(&self.op.stop) };
        let pumping = tokio::task::spawn_blocking(move || pump(&outlets));

        let (pumped, exit) = self.flow(&mut part, pumping).await;
        let encoded = joined(encoding).await?;
        let measured = joined(digesting).await?;
        let verdict = self.verdict(&part, pumped, exit.as_ref(), &encoded, &measured).await;
        let (fan_in, stored) = match (verdict, encoded) {
            (Ok(()), Ok(encoded)) => encoded,
            // Whatever goes down here, the fan's end goes with it: the stores abort.
            (verdict, encoded) => {
                drop(encoded);
                let errors: Vec<_> = fan.ended().await.into_iter().filter_map(Result::err).collect();
                let all = !errors.is_empty() && errors.len() == stores.len() && self.op.stopped().is_none();
                return if all { Err(all_stores(errors)) } else { verdict };
            }
        };
        self.commit(part, &living, fan, fan_in, measured, stored).await
    }

    /// Waits for the end of the stream, or brings it about.
    async fn flow(
        &self,
        part: &mut Part<'_>,
        mut pumping: JoinHandle<Result<(), PumpError>>,
    ) -> (Result<(), PumpError>, Option<Exit>) {
        let stop: &Stop = &self.op.stop;
        let stall = self.op.spec.timeouts.stall;
        let pumped = tokio::select! {
            pumped = &mut pumping => Some(pumped),
            () = stop.token().cancelled() => None,
            () = watchdog(part.waiting.as_deref(), stall) => {
                stop.now(StopReason::Stalled(stall));
                None
            }
        };
        let exit = match (&mut part.tool, &pumped) {
            (Some((child, _)), Some(Ok(Ok(())))) => Some(self.ended(child).await),
            // Stopped, or nobody takes its bytes any more: the tool ends, and the stream with it.
            (Some((child, _)), _) => Some(child.stop().await),
            (None, _) => None,
        };
        let pumped = match pumped {
            Some(pumped) => pumped,
            None => pumping.await,
        };
        (pumped.unwrap_or(Err(PumpError::Gone)), exit)
    }

    /// Waits for the end of a tool that has closed its stdout.
    async fn ended(&self, child: &mut Child) -> Exit {
        let stall = self.op.spec.timeouts.stall;
        if !stall.is_zero() && tokio::time::timeout(stall, child.wait()).await.is_err() {
            self.op.stop.now(StopReason::Stalled(stall));
        }
        self.op.ended(child).await
    }

    async fn verdict(
        &mut self,
        part: &Part<'_>,
        pumped: Result<(), PumpError>,
        exit: Option<&Exit>,
        encoded: &Result<(FanIn, Option<Measured>), EncodeError>,
        measured: &Measured,
    ) -> Result<(), RunError> {
        if let Some(error) = self.op.stopped() {
            return Err(error);
        }
        let tool = self.spec.plan.source.command().tool.clone();
        match encoded {
            Err(EncodeError::Codec(error)) => {
                return Err(RunError::Internal(format!("compressing or encrypting failed: {error}")));
            }
            Err(EncodeError::AllGone) => return Err(RunError::Internal("no store is left".to_owned())),
            Ok(_) => {}
        }
        match pumped {
            Ok(()) => {}
            Err(PumpError::Gone) => {
                // Of the stages behind the pump only the inspector is left to have ended.
                self.judgement().await?;
                return Err(RunError::Internal("a stage ended early".to_owned()));
            }
            Err(PumpError::File(error)) => return Err((*error).into()),
            Err(PumpError::Read(source)) => {
                return Err(if part.tool.is_some() {
                    ToolError::Pipe { id: tool, source }.into()
                } else {
                    RunError::Work(source)
                });
            }
        }
        if let (Some((_, command)), Some(exit)) = (&part.tool, exit)
            && !exit.code.is_some_and(|code| command.accepts(code))
        {
            return Err(self.op.explain(&mut self.session, &tool, exit).await);
        }
        if measured.bytes == 0 && part.path.is_empty() {
            return Err(RunError::Empty(tool));
        }
        if part.last {
            let inspection = self.judgement().await?;
            if !inspection.complete {
                let why = if inspection.findings.is_empty() {
                    "its end is missing".to_owned()
                } else {
                    inspection.findings.join("; ")
                };
                return Err(RunError::Incomplete { tool, why });
            }
            self.out.inspection = inspection;
        }
        Ok(())
    }

    /// Ends the inspector and takes what it saw.
    async fn judgement(&mut self) -> Result<Inspection, RunError> {
        self.judge = None;
        let judging =
            self.judging.take().ok_or_else(|| RunError::Internal("the inspector was asked twice".to_owned()))?;
        Ok(joined(judging).await??)
    }

    async fn commit(
        &mut self,
        part: Part<'_>,
        living: &[usize],
        fan: Fan,
        fan_in: FanIn,
        measured: Measured,
        stored: Option<Measured>,
    ) -> Result<(), RunError> {
        let committed = fan.commit(fan_in).await;
        for (at, result) in living.iter().zip(committed.results) {
            if let Err(error) = result {
                tracing::debug!(%error, "a store has dropped out of the run");
                // Of a directory it may hold files already, which no manifest will name.
                remove(&self.spec.stores[*at], &self.out.keys).await;
                self.out.failed[*at] = Some(error);
            }
        }
        self.out.keys.extend(committed.volumes.iter().map(|(key, _)| key.clone()));
        if self.out.failed.iter().all(Option::is_some) {
            return Err(all_stores(self.out.failed.iter().flatten().cloned().collect()));
        }
        let stored = stored.unwrap_or_else(|| measured.clone());
        let relative = |key: String| key.strip_prefix(&self.spec.folder).map(str::to_owned).unwrap_or(key);
        self.out.files.push(FileRecord {
            path: part.path,
            plain_bytes: measured.bytes,
            plain_sha256: measured.sha256,
            stored_bytes: stored.bytes,
            stored_sha256: stored.sha256,
            volumes: committed
                .volumes
                .into_iter()
                .map(|(key, bytes)| VolumeRecord { key: relative(key), bytes })
                .collect(),
        });
        Ok(())
    }
}

/// A tool that ended well and did not make what its plan says.
fn left_nothing(error: ToolError, command: &Command) -> RunError {
    match error {
        ToolError::Work { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            RunError::Empty(command.tool.clone())
        }
        error => error.into(),
    }
}

/// Returns when the pump has waited for the tool for too long.
async fn watchdog(waiting: Option<&Waiting>, limit: Duration) {
    let Some(waiting) = waiting.filter(|_| !limit.is_zero()) else { return std::future::pending().await };
    let step = (limit / 10).clamp(Duration::from_millis(100), Duration::from_secs(5));
    while waiting.time() < limit {
        tokio::time::sleep(step).await;
    }
}

/// Returns when nothing below a folder has grown for too long.
async fn growth(folder: Arc<Folder>, limit: Duration) {
    if limit.is_zero() {
        return std::future::pending().await;
    }
    let step = (limit / 10).clamp(Duration::from_millis(100), Duration::from_secs(10));
    let (mut size, mut since) = (0, std::time::Instant::now());
    while since.elapsed() < limit {
        tokio::time::sleep(step).await;
        // A large tree takes its time.
        let looked = Arc::clone(&folder);
        let now = tokio::task::spawn_blocking(move || looked.bytes()).await.unwrap_or(size);
        if now != size {
            (size, since) = (now, std::time::Instant::now());
        }
    }
}

/// The end of a stage's thread; a panic in one is Plan B's fault.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> Result<T, RunError> {
    task.await.map_err(|error| RunError::Internal(format!("a stage broke: {error}")))
}
