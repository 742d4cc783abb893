//! What `planb run` does and `planb serve` does for each job: from arguments to finished backups.

use std::sync::Arc;

use futures::StreamExt as _;
use planb_model::compression::Compression;
use planb_model::engine::{Mode, Purpose, Scope, ScopeKind};
use planb_model::name::NameTemplate;
use planb_pipeline::{
    Backup, BackupSpec, Encryption, Lock, Operation, OperationSpec, Progress, RunError, RunReport, RunStatus, Signer,
    Stop, StoreReport, Timeouts,
};
use planb_store::{Access, Store, StoreUrl, WriteSettings};

use crate::args::{Global, RunArgs};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress;
use crate::report::Report;
use crate::settings::{Database, env_is_false, secret_env, secret_file, store_urls};

/// How a scope ended, and why it failed if it did.
pub(crate) type Done = (RunReport, Option<Report>);

/// Is shown each scope's progress when it begins.
pub(crate) type Watch<'w> = &'w (dyn Fn(&Scope, &Arc<Progress>) + Sync);

/// A backup that can be run.
pub(crate) struct Job {
    database: Database,
    spec: OperationSpec,
    pub(crate) wish: Wish,
    urls: Vec<StoreUrl>,
    writing: WriteSettings,
    globals: bool,
    all_databases: bool,
    at_once: usize,
}

impl Job {
    /// Everything that can be known before the server is asked and a store is opened.
    pub(crate) async fn resolve(global: &Global, args: &RunArgs) -> Result<Self, Report> {
        let mut compression: Compression = args.compress.parse()?;
        let name: NameTemplate = args.name.parse()?;
        let passphrase =
            args.passphrase_file.as_deref().map(|path| secret_file(path, "the passphrase file")).transpose()?;
        let encryption = Encryption::new(args.encrypt_to.clone(), passphrase.or_else(|| args.passphrase.clone()))?;
        let signer = match &args.sign_key {
            Some(path) => {
                let password = match &args.sign_password {
                    Some(password) => Some(password.clone()),
                    None => secret_env("PLANB_SIGN_PASSWORD")?,
                };
                Some(Signer::load(path, password.as_ref())?)
            }
            None => None,
        };
        let database = Database::resolve(global, &args.db, None).await?;
        if args.native_if_known
            && compression == Compression::Native
            && !database.plugin.description().native_compression
        {
            compression = Compression::default();
        }
        // S3 takes 10,000 parts for an object.
        if args.volume_size.div_ceil(args.part_size) > 10_000 && urls_need_parts(args) {
            return Err(Report::usage(format!(
                "volumes of {} MiB in parts of {} MiB are {} parts, and no bucket takes more than 10,000",
                args.volume_size,
                args.part_size,
                args.volume_size.div_ceil(args.part_size)
            ))
            .with_hint("smaller volumes (--volume-size), or larger parts (--part-size)"));
        }
        let part_bytes = usize::try_from(args.part_size << 20).unwrap_or(usize::MAX);
        let urls = store_urls(global, &args.to, &args.stores)?;
        let timeouts = Timeouts { stall: args.stall_timeout, ..Timeouts::default() };
        let purposes = vec![Purpose::Backup, Purpose::Query];
        let spec = database.operation(global, &args.db, purposes, args.extra.clone(), timeouts)?;
        let wish = Wish {
            mode: args.mode.as_deref().map(parse_mode),
            compression,
            threads: args.threads.unwrap_or_else(default_threads),
            encryption,
            name,
            labels: args.labels.iter().cloned().collect(),
            volume_bytes: args.volume_size << 20,
            lock: if args.no_lock || env_is_false("BACKUP_LOCK")? { Lock::Off } else { Lock::Wait(args.wait_lock) },
            signer,
            extension: args.extension.clone(),
            zone: args.zone.clone().unwrap_or_else(jiff::tz::TimeZone::system),
        };
        Ok(Self {
            globals: args.globals || database.globals_option(&args.db),
            database,
            spec,
            wish,
            urls,
            writing: WriteSettings { part_bytes, ..WriteSettings::default() },
            all_databases: args.all_databases,
            at_once: usize::from(args.jobs),
        })
    }

    /// Where its databases are, where that is a place.
    pub(crate) fn server(&self) -> Option<String> {
        self.database.connection.place()
    }

    /// Where it goes to, as it may be printed.
    pub(crate) fn shown_stores(&self) -> Vec<String> {
        self.urls.iter().map(|url| url.shown().to_owned()).collect()
    }

    /// Opens the plugin's tools.
    pub(crate) async fn open(&self, stop: Arc<Stop>) -> Result<Operation<'_>, Report> {
        Ok(Operation::open(&self.database.plugin, self.spec.clone(), stop).await?)
    }

    /// Greets the server, and finds what is to be backed up.
    pub(crate) async fn scopes(&self, op: &mut Operation<'_>) -> Result<Vec<Scope>, Report> {
        scopes(op, &self.database, self.globals, self.all_databases).await
    }

    /// Backs up each scope. One that fails does not end the others.
    pub(crate) async fn run(&self, stop: &Arc<Stop>, watch: Watch<'_>) -> Result<Vec<Done>, Report> {
        let mut op = self.open(Arc::clone(stop)).await?;
        let scopes = self.scopes(&mut op).await?;
        // To open a store for writing is to make its folder: not before everything else is known to be well.
        let (mut stores, mut gone) = (Vec::new(), Vec::new());
        for (at, url) in self.urls.iter().enumerate() {
            match Store::open(url, Access::Write, self.writing) {
                Ok(store) => stores.push(store),
                Err(error) => gone.push((at, url.shown().to_owned(), error)),
            }
        }
        if stores.is_empty() && !gone.is_empty() {
            return Err(RunError::AllStores(gone.into_iter().map(|(_, _, error)| error).collect()).into());
        }
        let mut reports = Vec::new();
        if self.at_once < 2 || scopes.len() < 2 {
            for scope in scopes {
                reports.push(self.next(&mut op, &stores, scope, stop, watch).await);
            }
            drop(op);
        } else {
            drop(op);
            let each = scopes.into_iter().map(|scope| self.apart(&stores, scope, stop, watch));
            // In the order in which they were begun, whichever ends first.
            reports = futures::stream::iter(each).buffered(self.at_once).collect().await;
        }
        for store in &stores {
            store.finish();
        }
        // One that cannot even be opened costs the others nothing.
        let made = |report: &RunReport| matches!(report.status, RunStatus::Success | RunStatus::Partial);
        let backed_up = reports.iter().any(|(report, _)| made(report));
        for (report, _) in reports.iter_mut().filter(|(report, _)| report.status != RunStatus::Skipped) {
            for (at, url, error) in &gone {
                let key = report.stores.first().map(|store| store.key.clone()).unwrap_or_default();
                let failed =
                    StoreReport { url: url.clone(), key, status: RunStatus::Failed, error: Some(error.to_string()) };
                report.stores.insert((*at).min(report.stores.len()), failed);
            }
            if report.status == RunStatus::Success && !gone.is_empty() {
                report.status = RunStatus::Partial;
            }
        }
        for (_, url, error) in &gone {
            let what = if backed_up { "has no copy of this backup" } else { "could not be opened" };
            Printer::note(&format!("warning: {url} {what}: {error}\n"));
            if let Some(hint) = error.hint() {
                Printer::note(&format!("hint: {hint}\n"));
            }
        }
        Ok(reports)
    }

    async fn next(
        &self,
        op: &mut Operation<'_>,
        stores: &[Store],
        scope: Scope,
        stop: &Arc<Stop>,
        watch: Watch<'_>,
    ) -> Done {
        if stop.reason().is_some() {
            let report = RunReport::skipped(&self.database.plugin.description().key, &scope);
            Printer::note(&format!("warning: {}: not begun\n", report.database));
            return (report, None);
        }
        // One database that stalls does not end the others.
        op.stopped_by(Arc::new(Stop::part(stop)));
        one(op, &self.wish, stores, scope, stop, watch).await
    }

    /// One scope with an operation of its own, beside others.
    async fn apart(&self, stores: &[Store], scope: Scope, stop: &Arc<Stop>, watch: Watch<'_>) -> Done {
        let opened = async {
            let mut op = self.open(Arc::clone(stop)).await?;
            op.greet(&scope).await?;
            Ok::<_, Report>(op)
        };
        match opened.await {
            Ok(mut op) => self.next(&mut op, stores, scope, stop, watch).await,
            Err(error) => {
                let skipped = RunReport::skipped(&self.database.plugin.description().key, &scope);
                let report = RunReport { status: RunStatus::Failed, error: Some(error.json()), ..skipped };
                Printer::styled(&error.text(Printer::interactive()));
                (report, Some(error))
            }
        }
    }
}

/// Whether any of the stores is a bucket.
fn urls_need_parts(args: &RunArgs) -> bool {
    let mut urls = args.to.iter().chain(args.stores.iter().map(|store| &store.url));
    urls.any(|url| url.contains("://") && !url.starts_with("file:"))
}

/// What was asked for, for each scope.
pub(crate) struct Wish {
    mode: Option<Mode>,
    compression: Compression,
    threads: u32,
    encryption: Encryption,
    name: NameTemplate,
    labels: std::collections::BTreeMap<String, String>,
    volume_bytes: u64,
    lock: Lock,
    signer: Option<Signer>,
    extension: Option<String>,
    zone: jiff::tz::TimeZone,
}

impl Wish {
    pub(crate) fn spec(&self, scope: Scope) -> BackupSpec {
        // Globals are one small stream, whatever the databases are asked to be.
        let mode = if scope == Scope::Globals { None } else { self.mode };
        let native = scope == Scope::Globals && self.compression == Compression::Native;
        BackupSpec {
            scope,
            mode,
            compression: if native { Compression::default() } else { self.compression },
            threads: self.threads,
            encryption: self.encryption.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            volume_bytes: self.volume_bytes,
            want_size: Printer::interactive(),
            at: jiff::Zoned::now().with_time_zone(self.zone.clone()),
            lock: self.lock,
            signer: self.signer.clone(),
            extension: self.extension.clone(),
        }
    }
}

fn parse_mode(word: &str) -> Mode {
    match word {
        "file" => Mode::File,
        "directory" => Mode::Directory,
        "tar" => Mode::Tar,
        _ => Mode::Stream,
    }
}

fn default_threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors.min(4)).unwrap_or(1)
}

/// What is to be backed up: the database named, or each that the server has.
async fn scopes(op: &mut Operation<'_>, database: &Database, globals: bool, all: bool) -> Result<Vec<Scope>, Report> {
    let description = database.plugin.description();
    let has = |kind| description.scopes.contains(&kind);
    if globals && !has(ScopeKind::Globals) {
        return Err(Report::usage(format!("the {} engine has no globals", description.name)));
    }
    if all && !has(ScopeKind::All) {
        return Err(Report::usage(format!("the {} engine cannot put all databases into one dump", description.name))
            .with_hint("--database '*' makes one backup of each"));
    }
    let mut scopes = match database.database.as_deref() {
        _ if all => vec![Scope::All],
        Some("*") | None if has(ScopeKind::Database) && !description.file_based => {
            op.greet(&Scope::All).await?;
            let names = op.databases().await?;
            if names.is_empty() {
                return Err(Report {
                    exit: Exit::Failed,
                    ..Report::usage("the server shows no database to this account, so there is nothing to back up")
                        .with_hint("check the account's rights, or name the database with --database")
                });
            }
            let globals = has(ScopeKind::Globals).then_some(Scope::Globals);
            let scopes: Vec<_> = globals.into_iter().chain(names.into_iter().map(Scope::Database)).collect();
            return Ok(scopes);
        }
        Some("*") | None => vec![Scope::All],
        // `redis://host/0`, as other tools have it.
        Some(name) if !database.has_databases() => {
            Printer::note(&format!(
                "warning: {} is backed up as a whole: the database {name:?} of the URL is not taken alone\n",
                description.name
            ));
            vec![Scope::All]
        }
        Some(pattern) if description.file_based && is_pattern(pattern) => files(pattern)?,
        Some(name) => vec![Scope::Database(name.to_owned())],
    };
    op.greet(&scopes[0]).await?;
    if globals {
        scopes.insert(0, Scope::Globals);
    }
    Ok(scopes)
}

/// Whether a path names several files: a pattern, unless a file has just that name.
fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !std::path::Path::new(path).exists()
}

/// The database files of a pattern, each a backup of its own.
fn files(pattern: &str) -> Result<Vec<Scope>, Report> {
    let paths = glob::glob(pattern).map_err(|error| Report::usage(format!("the pattern {pattern:?}: {error}")))?;
    let files: Vec<_> = paths
        .flatten()
        .filter(|path| path.is_file())
        .map(|path| Scope::Database(path.to_string_lossy().into_owned()))
        .collect();
    if files.is_empty() {
        return Err(Report::usage(format!("no file is named by {pattern}"))
            .with_hint("in a pattern, * and ? stand for parts of one name, and ** for folders"));
    }
    Ok(files)
}

/// Backs up one scope with an operation that has greeted its server, and says on stderr what went wrong.
async fn one(
    op: &mut Operation<'_>,
    wish: &Wish,
    stores: &[Store],
    scope: Scope,
    stop: &Arc<Stop>,
    watch: Watch<'_>,
) -> Done {
    let progress = Arc::new(Progress::default());
    watch(&scope, &progress);
    let shown = progress::show(&progress, "backing up", scope.label().to_owned());
    let spec = wish.spec(scope);
    let (mut report, error) = match op.clear() {
        Ok(()) => Backup::new(op, spec, stores.to_vec(), progress).run().await,
        Err(error) => {
            let failed =
                RunReport { status: RunStatus::Failed, ..RunReport::skipped(&op.description().key, &spec.scope) };
            (failed, Some(error))
        }
    };
    drop(shown);
    let error = error.map(Report::from);
    tracing::info!(
        id = report.id,
        database = report.database,
        status = ?report.status,
        plain_bytes = report.plain_bytes,
        stored_bytes = report.stored_bytes,
        duration_ms = report.duration_ms,
        "run ended"
    );
    if let Some(error) = &error {
        report.error = Some(error.json());
        let whose = if stop.reason().is_none() { format!("{}: ", report.database) } else { String::new() };
        Printer::styled(
            &Report {
                message: format!("{whose}{}", error.message),
                hint: error.hint.clone(),
                last_words: error.last_words.clone(),
                ..*error
            }
            .text(Printer::interactive()),
        );
    }
    for warning in &report.warnings {
        Printer::note(&format!("warning: {}: {warning}\n", report.database));
    }
    for (store, error) in report.stores.iter().filter_map(|store| store.error.as_ref().map(|error| (store, error))) {
        if report.status == RunStatus::Partial {
            let hint = report.store_errors.iter().find_map(planb_store::StoreError::hint);
            Printer::note(&format!("warning: {} has no copy of this backup: {error}\n", store.url));
            if let Some(hint) = hint {
                Printer::note(&format!("hint: {hint}\n"));
            }
        }
    }
    (report, error)
}
