//! A backup run: from a plan to a committed manifest, or to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::{Timestamp, Zoned};
use planb_model::compression::Compression;
use planb_model::engine::{Answer, Mode, Query, Request, Scope, ScopeKind};
use planb_model::manifest::{self, Manifest, PluginRecord, ToolRecord, combined_sha256};
use planb_model::name::{NameTemplate, NameValues};
use planb_model::plan::BackupPlan;
use planb_store::{NotPut, SIGNATURE, Store, StoreError};
use tracing::Instrument as _;

use crate::codec::Encryption;
use crate::encode::Encoding;
use crate::error::{RunError, blame_of};
use crate::fan::remove;
use crate::lock::{Held, Leases, Lock};
use crate::operation::Operation;
use crate::progress::{Progress, Stage};
use crate::report::{PlannedBackup, RunReport, RunStatus, StoreReport};
use crate::sign::Signer;
use crate::stages::{Stages, StagesSpec, Streamed};
use crate::traced;

/// What to back up, and how.
#[derive(Debug, Clone)]
pub struct BackupSpec {
    /// One database, everything, or the globals.
    pub scope: Scope,
    /// None: the engine's default.
    pub mode: Option<Mode>,
    /// How the host compresses.
    pub compression: Compression,
    /// Threads for zstd.
    pub threads: u32,
    /// To whom it is encrypted.
    pub encryption: Encryption,
    /// How it is named.
    pub name: NameTemplate,
    /// Put into the manifest.
    pub labels: BTreeMap<String, String>,
    /// An object is never larger, except in stores without limits.
    pub volume_bytes: u64,
    /// Ask the server for the size, for the progress line.
    pub want_size: bool,
    /// The start, in the zone that names are written in.
    pub at: Zoned,
    /// Whether another run of the same job is waited for.
    pub lock: Lock,
    /// Signs the manifest.
    pub signer: Option<Signer>,
    /// What the artifact's name ends with, instead of what the plugin says.
    pub extension: Option<String>,
}

/// What a run is to do.
struct Planned {
    request: Request,
    plan: BackupPlan,
    encoding: Encoding,
    name: String,
}

/// A backup of one scope with an open operation.
#[derive(Debug)]
pub struct Backup<'o, 'p> {
    op: &'o mut Operation<'p>,
    spec: BackupSpec,
    stores: Vec<Store>,
    progress: Arc<Progress>,
}

impl<'o, 'p> Backup<'o, 'p> {
    /// Into these stores. The operation has greeted the server.
    pub fn new(op: &'o mut Operation<'p>, spec: BackupSpec, stores: Vec<Store>, progress: Arc<Progress>) -> Self {
        Self { op, spec, stores, progress }
    }

    fn request(&self) -> Request {
        let mode = self.spec.mode.unwrap_or_else(|| self.op.default_mode());
        self.op.request(self.spec.scope.clone(), mode, self.spec.compression == Compression::Native)
    }

    async fn plan(&mut self) -> Result<(Request, BackupPlan), RunError> {
        self.op.open_scope(&self.spec.scope);
        let description = self.op.description();
        let mode = self.spec.mode.unwrap_or_else(|| self.op.default_mode());
        if !description.modes.contains(&mode) {
            let known: Vec<_> = description.modes.iter().map(|mode| mode.as_str()).collect();
            return Err(RunError::Settings(format!(
                "the {} engine has no mode {mode}; it has {}",
                description.name,
                known.join(", ")
            )));
        }
        if !description.scopes.contains(&self.spec.scope.kind()) {
            return Err(RunError::Settings(format!(
                "the {} engine cannot back up {}",
                description.name,
                scope_words(&self.spec.scope)
            )));
        }
        if self.spec.compression == Compression::Native && !description.native_compression {
            return Err(RunError::Settings(format!(
                "the {} engine's tools do not compress; use zstd or gzip",
                description.name
            )));
        }
        let mut request = self.request();
        if description.plans_by_inventory {
            let scope = self.spec.scope.clone();
            match self.op.query(&scope, &Query::Inventory(scope.clone())).await? {
                Answer::Inventory(objects) => request.objects = Some(objects),
                _ => return Err(self.op.plugin.bad_plan("its answer to `inventory` is none".to_owned()).into()),
            }
        }
        let description = self.op.description();
        let mut session = self.op.plugin.session().await?;
        let mut plan = session.plan_backup(&request).await?;
        self.op.check(plan.prepare.iter().chain([plan.source.command()]).chain(&plan.cleanup))?;
        if mode == Mode::Stream {
            let extra = &self.op.spec.extra_args;
            for conflict in
                description.stream_conflicts.iter().filter(|conflict| extra.iter().any(|arg| is_flag(arg, conflict)))
            {
                plan.warnings.push(format!(
                    "the extra argument {conflict} makes the tool write elsewhere than to stdout, which stream mode reads"
                ));
            }
        }
        Ok((request, plan))
    }

    /// What a run would do, without doing it.
    ///
    /// # Errors
    /// [`RunError`], as the run would fail.
    ///
    /// `stores`: the printable URLs; none of them is opened.
    pub async fn dry_run(mut self, stores: Vec<String>) -> Result<PlannedBackup, RunError> {
        let (request, plan) = self.plan().await?;
        let encoding = self.encoding(&plan);
        let name = self.name("00000000-0000-0000-0000-000000000000")?;
        let mut commands = Vec::new();
        for command in plan.prepare.iter().chain([plan.source.command()]).chain(&plan.cleanup) {
            commands.push(self.op.launcher.shown(&self.op.toolbox, command)?);
        }
        Ok(PlannedBackup {
            engine: self.op.description().key.clone(),
            database: self.spec.scope.label().to_owned(),
            server: request.connection.place(),
            mode: request.mode,
            artifact: self.artifact_key(&name, &plan, request.mode, &encoding),
            stores,
            private_files: self.op.launcher.shown_files(&plan.files)?,
            commands,
            tools: self
                .op
                .toolbox
                .found()
                .map(|tool| {
                    (
                        tool.id.clone(),
                        format!("{} ({})", tool.path.display(), tool.version.as_deref().unwrap_or("version not asked")),
                    )
                })
                .collect(),
            server_version: self.op.server_version().map(str::to_owned),
            warnings: plan.warnings,
        })
    }

    /// Runs. The report says how it ended; `Err` comes with it where no store has the backup.
    pub async fn run(mut self) -> (RunReport, Option<RunError>) {
        let started = Instant::now();
        let mut report = RunReport {
            started_at: self.spec.at.timestamp(),
            status: RunStatus::Failed,
            ..RunReport::skipped(&self.op.description().key, &self.spec.scope)
        };
        let id = report.id.clone();
        let span = traced::span("backup", &report.engine, &report.database, &id);
        self.progress.trace(&span);
        let outcome = self.try_run(&id, &mut report).instrument(span.clone()).await;
        self.progress.traced();
        // One that some stores lack is no good one.
        let partial = report.store_errors.first().map(blame_of);
        traced::blamed(&span, outcome.as_ref().map_or_else(|error| Some(error.blame()), |()| partial));
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                let failed = report.stores.iter().any(|store| store.status == RunStatus::Failed);
                report.status = if failed { RunStatus::Partial } else { RunStatus::Success };
                (report, None)
            }
            Err(error) => {
                let busy = matches!(error, RunError::Busy { .. });
                report.status = if busy { RunStatus::Skipped } else { RunStatus::Failed };
                for store in &mut report.stores {
                    store.status = RunStatus::Failed;
                    store.error.get_or_insert_with(|| error.to_string());
                }
                (report, Some(error))
            }
        }
    }

    async fn try_run(&mut self, id: &str, report: &mut RunReport) -> Result<(), RunError> {
        self.progress.enter(Stage::Preparing);
        let (request, plan) = self.plan().await?;
        report.warnings.clone_from(&plan.warnings);
        if self.spec.want_size
            && let Ok(Answer::Size(bytes)) =
                self.op.query(&self.spec.scope.clone(), &Query::Size(self.spec.scope.clone())).await
        {
            self.progress.expect(bytes);
        }
        let encoding = self.encoding(&plan);
        let (mut name, mut failed) = self.free_name(id, &plan, request.mode, &encoding).await?;
        let mut artifact = self.artifact_key(&name, &plan, request.mode, &encoding);
        let mut leases = self.leases(id, &request, &name, &artifact, &mut failed).await?;
        // Everybody writes a lease before looking at those of others, so of two that chose the same name one sees it at least.
        let apart = format!("{}-{}", self.name(id)?, &id[..8]);
        if name != apart && self.contested(id, &name, &artifact, &failed).await {
            leases.release(std::iter::repeat(true)).await;
            name = apart;
            artifact = self.artifact_key(&name, &plan, request.mode, &encoding);
            leases = self.leases(id, &request, &name, &artifact, &mut failed).await?;
        }
        report.stores = self
            .stores
            .iter()
            .map(|store| StoreReport {
                url: store.shown().to_owned(),
                key: artifact.clone(),
                status: RunStatus::Success,
                error: None,
            })
            .collect();
        let planned = Planned { request, plan, encoding, name };
        let outcome = self.take(id, &planned, failed, report).await;
        let committed = report.stores.iter().map(|store| outcome.is_ok() && store.status == RunStatus::Success);
        leases.release(committed).await;
        outcome
    }

    /// Whether another run that goes on, or one that has just ended, has the same name.
    async fn contested(&self, id: &str, name: &str, artifact: &str, failed: &[Option<StoreError>]) -> bool {
        let manifest = format!("{name}{}", manifest::SUFFIX);
        for (store, _) in self.stores.iter().zip(failed).filter(|(_, failed)| failed.is_none()) {
            // Where that cannot be told, the writing tells. Leases first: one that is given back meanwhile leaves its objects.
            if store.is_being_written(Some(id), &manifest).await.unwrap_or(false) {
                return true;
            }
            for key in [manifest.as_str(), artifact] {
                if matches!(store.size_of(key).await, Ok(Some(_))) {
                    return true;
                }
            }
        }
        false
    }

    /// The leases of this run in the stores that have not failed yet.
    async fn leases(
        &self,
        id: &str,
        request: &Request,
        name: &str,
        artifact: &str,
        failed: &mut [Option<StoreError>],
    ) -> Result<Held, RunError> {
        let folder = if request.mode == Mode::Directory { "/" } else { "" };
        let manifest = format!("{name}{}", manifest::SUFFIX);
        let keys = vec![format!("{artifact}{folder}"), format!("{manifest}{SIGNATURE}")];
        // A job that has a name is one job, wherever its server is now.
        let job = match self.spec.labels.get("job") {
            Some(job) => format!("job {job}, {}", self.spec.scope.label()),
            None => {
                let (engine, label) = (&self.op.description().key, self.spec.scope.label());
                let server = request.connection.place().map_or_else(String::new, |server| format!(" on {server}"));
                match self.spec.scope.kind() {
                    ScopeKind::Database => format!("{engine} {label}{server}"),
                    // A database may be called `globals`.
                    kind => format!("{engine} {label} ({}){server}", format!("{kind:?}").to_lowercase()),
                }
            }
        };
        let leases = Leases { id, job: &job, keys, manifest };
        leases.take(&self.stores, self.spec.lock, failed, &self.op.stop).await
    }

    async fn take(
        &mut self,
        id: &str,
        planned: &Planned,
        failed: Vec<Option<StoreError>>,
        report: &mut RunReport,
    ) -> Result<(), RunError> {
        let Planned { request, plan, encoding, name } = planned;
        let streamed = self.stream(request, plan, name, encoding, failed).await;
        self.op.clean_up(&plan.cleanup).await;
        let mut streamed = streamed?;

        self.progress.enter(Stage::Finishing);
        let manifest = self.manifest(id, request, plan, encoding, &streamed);
        report.plain_bytes = manifest.plain_bytes;
        report.stored_bytes = manifest.stored_bytes;
        report.plain_sha256 = Some(manifest.plain_sha256.clone());
        report.stored_sha256 = Some(manifest.stored_sha256.clone());
        report.inspection = Some(manifest.inspection.clone());

        // The commit. Before this line nothing is a backup; an interrupt until here takes everything back.
        if let Some(error) = self.op.stopped() {
            self.take_back(&streamed).await;
            return Err(error);
        }
        let mut json = serde_json::to_vec_pretty(&manifest).map_err(|error| RunError::Internal(error.to_string()))?;
        json.push(b'\n');
        if json.len() as u64 > manifest::LARGEST {
            self.take_back(&streamed).await;
            return Err(RunError::Internal(format!(
                "the manifest has {} bytes, and nobody reads more than {}",
                json.len(),
                manifest::LARGEST
            )));
        }
        let json = bytes::Bytes::from(json);
        let key = format!("{name}{}", manifest::SUFFIX);
        let signature = match &self.spec.signer {
            Some(signer) => match signer.sign(&json, id) {
                Ok(signature) => {
                    // What is taken back is taken back with its signature.
                    let key = format!("{key}{SIGNATURE}");
                    streamed.keys.push(key.clone());
                    Some((key, signature))
                }
                Err(error) => {
                    self.take_back(&streamed).await;
                    return Err(error);
                }
            },
            None => None,
        };
        for (at, store) in self.stores.iter().enumerate() {
            if streamed.failed[at].is_some() {
                continue;
            }
            // Before the manifest, so that there is never one without its signature.
            let signed = match &signature {
                Some((key, signature)) => store.put_new(key, signature.clone()).await,
                None => Ok(()),
            };
            let put = match signed {
                Ok(()) => store.put_new(&key, json.clone()).await,
                // The manifest was not even tried.
                Err(NotPut { error, .. }) => Err(NotPut { error, perhaps: false }),
            };
            if let Err(NotPut { error, perhaps }) = put {
                // Objects go only where no manifest can name them.
                if perhaps && store.delete(&key).await.is_err() {
                    tracing::warn!(
                        store = store.shown(),
                        key,
                        "whether the manifest was written cannot be told, so the backup's objects are left: planb verify tells"
                    );
                } else {
                    remove(store, &streamed.keys).await;
                }
                streamed.failed[at] = Some(error);
            }
        }
        for (store, failed) in report.stores.iter_mut().zip(&streamed.failed) {
            if let Some(error) = failed {
                store.status = RunStatus::Failed;
                store.error = Some(error.to_string());
            }
        }
        let errors: Vec<StoreError> = streamed.failed.into_iter().flatten().collect();
        if errors.len() == self.stores.len() {
            return Err(all_stores(errors));
        }
        report.store_errors = errors;
        Ok(())
    }

    fn encoding(&self, plan: &BackupPlan) -> Encoding {
        // What the tool compressed is not compressed again.
        let compression = if plan.artifact.compressed { Compression::Native } else { self.spec.compression };
        Encoding { compression, threads: self.spec.threads, encryption: self.spec.encryption.clone() }
    }

    fn name(&self, id: &str) -> Result<String, RunError> {
        let values =
            NameValues { database: self.spec.scope.label(), engine: &self.op.description().key, at: &self.spec.at, id };
        self.spec.name.fill(&values).map_err(|error| RunError::Settings(error.to_string()))
    }

    /// The key of a backup's one object, or of the folder of its objects.
    fn artifact_key(&self, name: &str, plan: &BackupPlan, mode: Mode, encoding: &Encoding) -> String {
        if mode == Mode::Directory {
            return name.to_owned();
        }
        let extension = self.spec.extension.as_ref().unwrap_or(&plan.artifact.extension);
        format!("{name}.{extension}{}", encoding.suffix())
    }

    /// The name, or, where a store has something under it already, the name with the first letters of the id. With it
    /// what is wrong with each store that does not even let us look.
    async fn free_name(
        &self,
        id: &str,
        plan: &BackupPlan,
        mode: Mode,
        encoding: &Encoding,
    ) -> Result<(String, Vec<Option<StoreError>>), RunError> {
        let name = self.name(id)?;
        let keys = [format!("{name}{}", manifest::SUFFIX), self.artifact_key(&name, plan, mode, encoding)];
        let mut taken = false;
        let mut failed = Vec::with_capacity(self.stores.len());
        for store in &self.stores {
            let mut error = None;
            for key in &keys {
                match store.size_of(key).await {
                    Ok(size) => taken |= size.is_some() || store.claimed(key),
                    Err(found) => {
                        error = Some(found);
                        break;
                    }
                }
            }
            failed.push(error);
        }
        if failed.iter().all(Option::is_some) {
            return Err(all_stores(failed.into_iter().flatten().collect()));
        }
        Ok((if taken { format!("{name}-{}", &id[..8]) } else { name }, failed))
    }

    /// Runs the tool and everything behind it. On `Err` nothing is left in any store.
    async fn stream(
        &mut self,
        request: &Request,
        plan: &BackupPlan,
        name: &str,
        encoding: &Encoding,
        failed: Vec<Option<StoreError>>,
    ) -> Result<Streamed, RunError> {
        let mut session = self.op.plugin.session().await?;
        self.op.run_all(&mut session, &plan.files, &plan.prepare).await?;
        let mut inspector = self.op.plugin.session().await?;
        inspector.inspect(request, &plan.artifact).await?;
        let key = self.artifact_key(name, plan, request.mode, encoding);
        let part = StagesSpec {
            plan,
            encoding,
            stores: &self.stores,
            volume_bytes: self.spec.volume_bytes,
            progress: &self.progress,
            key: &key,
            folder: name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/")),
        };
        let mut stages = Stages::new(self.op, part, session, inspector, failed);
        match stages.run(request.mode).await {
            Ok(()) => Ok(stages.into_streamed()),
            Err(error) => {
                let streamed = stages.into_streamed();
                self.take_back(&streamed).await;
                Err(error)
            }
        }
    }

    /// Removes what was written: without a manifest it is no backup.
    async fn take_back(&self, streamed: &Streamed) {
        for (store, failed) in self.stores.iter().zip(&streamed.failed) {
            // One that has failed has been asked already, and what it had closed was taken back then.
            if failed.is_none() {
                remove(store, &streamed.keys).await;
            }
        }
    }

    fn manifest(
        &self,
        id: &str,
        request: &Request,
        plan: &BackupPlan,
        encoding: &Encoding,
        streamed: &Streamed,
    ) -> Manifest {
        let op = &self.op;
        let description = op.description();
        let files = &streamed.files;
        let redactor = op.launcher.redactor();
        let commands: Vec<_> = plan.prepare.iter().chain([plan.source.command()]).chain(&plan.cleanup).collect();
        Manifest {
            schema: manifest::SCHEMA.to_owned(),
            id: id.to_owned(),
            engine: description.key.clone(),
            scope: self.spec.scope.kind(),
            database: self.spec.scope.label().to_owned(),
            server: request.connection.place(),
            mode: request.mode,
            created_at: self.spec.at.timestamp(),
            finished_at: Timestamp::now(),
            planb_version: env!("CARGO_PKG_VERSION").to_owned(),
            plugin: PluginRecord {
                name: description.name.clone(),
                version: description.version.clone(),
                sha256: op.plugin.sha256().to_owned(),
            },
            tools: op
                .toolbox
                .found()
                .filter(|tool| commands.iter().any(|command| command.tool == tool.id))
                .map(|tool| ToolRecord {
                    id: tool.id.clone(),
                    path: tool.path.display().to_string(),
                    version: tool.version.clone(),
                })
                .collect(),
            server_version: op.server_version().map(str::to_owned),
            options: request.settings.iter().cloned().collect(),
            extra_args: request.extra_args.iter().map(|arg| redactor.redact(arg)).collect(),
            artifact: plan.artifact.clone(),
            compression: encoding.compression.to_string(),
            encryption: encoding.encryption.record(),
            plain_bytes: files.iter().map(|file| file.plain_bytes).sum(),
            stored_bytes: files.iter().map(|file| file.stored_bytes).sum(),
            plain_sha256: combined_sha256(files.iter().map(|f| (f.path.as_str(), f.plain_sha256.as_str()))),
            stored_sha256: combined_sha256(files.iter().map(|f| (f.path.as_str(), f.stored_sha256.as_str()))),
            files: files.clone(),
            inspection: streamed.inspection.clone(),
            labels: self.spec.labels.clone(),
            warnings: plan.warnings.clone(),
        }
    }
}

/// Whether an argument is this flag, with or without its value: `--file`, `--file=x`, `-f`, `-fx`.
fn is_flag(arg: &str, flag: &str) -> bool {
    let Some(rest) = arg.strip_prefix(flag) else { return false };
    let short = flag.len() == 2 && !flag.starts_with("--");
    rest.is_empty() || rest.starts_with('=') || flag.ends_with('=') || short
}

fn scope_words(scope: &Scope) -> &'static str {
    match scope {
        Scope::Database(_) => "one database",
        Scope::All => "everything in one dump; name what is to be backed up",
        Scope::Globals => "what belongs to the server alone (globals)",
    }
}

/// One store's error is the run's error; of several, all are told.
pub(crate) fn all_stores(mut errors: Vec<StoreError>) -> RunError {
    if errors.len() == 1
        && let Some(error) = errors.pop()
    {
        return error.into();
    }
    RunError::AllStores(errors)
}
