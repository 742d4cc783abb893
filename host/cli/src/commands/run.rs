//! `planb run` and `planb plan`.

use std::sync::Arc;

use planb_model::compression::Compression;
use planb_model::engine::{Mode, Purpose, Scope, ScopeKind};
use planb_model::name::NameTemplate;
use planb_pipeline::{Backup, BackupSpec, Encryption, Operation, Progress, RunReport, RunStatus, Stop, Timeouts};
use planb_store::{Store, WriteSettings};
use serde_json::json;

use crate::args::{Global, RunArgs};
use crate::exit::Exit;
use crate::printer::{Printer, bytes, duration, plural};
use crate::progress;
use crate::report::Report;
use crate::settings::{Database, secret_file, store_urls, stores_to};
use crate::signals;

pub(crate) async fn run(global: &Global, args: RunArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let compression: Compression = args.compress.parse()?;
    let name: NameTemplate = args.name.parse()?;
    let passphrase =
        args.passphrase_file.as_deref().map(|path| secret_file(path, "the passphrase file")).transpose()?;
    let encryption = Encryption::new(args.encrypt_to.clone(), passphrase)?;
    let database = Database::resolve(global, &args.db, None).await?;
    // S3 takes 10,000 parts for an object.
    if args.volume_size.div_ceil(args.part_size) > 10_000 && urls_need_parts(&args.to) {
        return Err(Report::usage(format!(
            "volumes of {} MiB in parts of {} MiB are {} parts, and no bucket takes more than 10,000",
            args.volume_size,
            args.part_size,
            args.volume_size.div_ceil(args.part_size)
        ))
        .with_hint("smaller volumes (--volume-size), or larger parts (--part-size)"));
    }
    let part_bytes = usize::try_from(args.part_size << 20).unwrap_or(usize::MAX);
    let urls = store_urls(&args.to)?;
    let timeouts = Timeouts { stall: args.stall_timeout, ..Timeouts::default() };
    let purposes = vec![Purpose::Backup, Purpose::Query];
    let spec = database.operation(global, &args.db, purposes, args.extra.clone(), timeouts)?;
    let mut op = Operation::open(&database.plugin, spec, Arc::clone(&stop)).await?;

    let wish = Wish {
        mode: args.mode.as_deref().map(parse_mode),
        compression,
        threads: args.threads.unwrap_or_else(default_threads),
        encryption,
        name,
        labels: args.labels.iter().cloned().collect(),
        volume_bytes: args.volume_size << 20,
    };
    let globals = args.globals || database.globals_option(&args.db);
    let scopes = scopes(&mut op, &database, globals, args.all_databases).await?;
    if args.dry_run {
        let urls = urls.iter().map(|url| url.shown().to_owned()).collect();
        return dry_run(&mut op, &wish, urls, &scopes, printer).await;
    }
    // To open a store for writing is to make its folder: not before everything else is known to be well.
    let stores = stores_to(&urls, WriteSettings { part_bytes, ..WriteSettings::default() })?;
    let mut reports = Vec::new();
    for scope in scopes {
        if stop.reason().is_some() {
            let report = RunReport::skipped(&database.plugin.description().key, &scope);
            Printer::note(&format!("warning: {}: not begun\n", report.database));
            reports.push((report, None));
            continue;
        }
        // One database that stalls does not end the others.
        op.stopped_by(Arc::new(Stop::part(&stop)));
        reports.push(one(&mut op, &wish, &stores, scope, &stop).await);
    }
    drop(op);
    finish(&stores);
    Ok(conclude(&reports, printer))
}

/// Whether any of the stores is a bucket.
fn urls_need_parts(urls: &[String]) -> bool {
    urls.iter().any(|url| url.contains("://") && !url.starts_with("file:"))
}

/// What was asked for, for each scope.
struct Wish {
    mode: Option<Mode>,
    compression: Compression,
    threads: u32,
    encryption: Encryption,
    name: NameTemplate,
    labels: std::collections::BTreeMap<String, String>,
    volume_bytes: u64,
}

impl Wish {
    fn spec(&self, scope: Scope) -> BackupSpec {
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
            at: jiff::Zoned::now(),
        }
    }
}

fn finish(stores: &[Store]) {
    for store in stores {
        store.finish();
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

async fn one(
    op: &mut Operation<'_>,
    wish: &Wish,
    stores: &[Store],
    scope: Scope,
    stop: &Arc<Stop>,
) -> (RunReport, Option<Report>) {
    let progress = Arc::new(Progress::default());
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

/// Prints what came out, and gives the exit code of all of it.
fn conclude(reports: &[(RunReport, Option<Report>)], printer: Printer) -> Exit {
    let good = reports.iter().filter(|(report, _)| report.status == RunStatus::Success).count();
    let partial = reports.iter().any(|(report, _)| report.status == RunStatus::Partial);
    let skipped = reports.iter().any(|(report, _)| report.status == RunStatus::Skipped);
    let worst = reports.iter().find_map(|(_, error)| error.as_ref().map(|error| error.exit));
    let interrupted =
        reports.iter().any(|(_, error)| error.as_ref().is_some_and(|error| error.exit == Exit::Interrupted));
    let exit = match worst {
        _ if interrupted => Exit::Interrupted,
        Some(_) if good > 0 || partial => Exit::Partial,
        Some(exit) => exit,
        None if partial || skipped && good > 0 => Exit::Partial,
        None if skipped => Exit::Failed,
        None => Exit::Done,
    };
    let text = || {
        let mut out: String = reports
            .iter()
            .filter(|(report, error)| error.is_none() && report.status != RunStatus::Skipped)
            .map(|(report, _)| summary(report))
            .collect();
        if reports.len() > 1 {
            out.push_str(&format!("{good} of {} done\n", plural(reports.len() as u64, "backup")));
        }
        out
    };
    printer.result(text, || match reports {
        [(report, _)] => json!(report),
        many => {
            let status = match exit {
                Exit::Done => RunStatus::Success,
                Exit::Partial => RunStatus::Partial,
                _ => RunStatus::Failed,
            };
            json!({ "status": status, "runs": many.iter().map(|(report, _)| report).collect::<Vec<_>>() })
        }
    });
    exit
}

fn summary(report: &RunReport) -> String {
    let rate = report.plain_bytes.saturating_mul(1000) / report.duration_ms.max(1);
    let mut out = format!(
        "{} {} ({}) in {}: {}, {} stored, {}/s\n  id     {}\n",
        if report.status == RunStatus::Partial { "PARTLY backed up" } else { "backed up" },
        report.database,
        report.engine,
        duration(report.duration_ms),
        bytes(report.plain_bytes),
        bytes(report.stored_bytes),
        bytes(rate),
        report.id
    );
    for store in report.stores.iter().filter(|store| store.status == RunStatus::Success) {
        let base = store.url.split('?').next().unwrap_or(&store.url).trim_end_matches('/');
        out.push_str(&format!("  in     {base}/{}\n", store.key));
    }
    if let Some(inspection) = &report.inspection {
        out.push_str(&format!("  holds  {}\n", holds(inspection)));
        for finding in &inspection.findings {
            out.push_str(&format!("  note   {finding}\n"));
        }
    }
    out
}

/// `12 tables, 3 sequences, 1,234 rows`.
pub(crate) fn holds(inspection: &planb_model::engine::Inspection) -> String {
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for object in &inspection.objects {
        match kinds.iter_mut().find(|(kind, _)| *kind == object.kind) {
            Some((_, n)) => *n += 1,
            None => kinds.push((&object.kind, 1)),
        }
    }
    let mut parts: Vec<String> = kinds.into_iter().map(|(kind, n)| plural(n, kind)).collect();
    if inspection.objects.iter().any(|object| object.rows.is_some()) {
        parts.push(plural(inspection.rows(), "row"));
    }
    if parts.is_empty() {
        parts.push("no objects".to_owned());
    }
    parts.join(", ")
}

/// Private files and commands of a plan, as `--dry-run` prints them.
pub(crate) fn steps(files: &std::collections::BTreeMap<String, String>, commands: &[String]) -> String {
    let indented = |text: &str| text.trim_end_matches('\n').replace('\n', "\n                ");
    let mut out = String::new();
    for (path, content) in files {
        out.push_str(&format!("  private file  {path}\n                {}\n", indented(content)));
    }
    for command in commands {
        out.push_str(&format!("  run           {}\n", indented(command)));
    }
    out
}

async fn dry_run(
    op: &mut Operation<'_>,
    wish: &Wish,
    urls: Vec<String>,
    scopes: &[Scope],
    printer: Printer,
) -> Result<Exit, Report> {
    let mut planned = Vec::new();
    for scope in scopes {
        let backup = Backup::new(op, wish.spec(scope.clone()), Vec::new(), Arc::default());
        planned.push(backup.dry_run(urls.clone()).await?);
    }
    let text = || {
        let mut out = String::new();
        for plan in &planned {
            out.push_str(&format!("would back up {} ({}, mode {}", plan.database, plan.engine, plan.mode));
            out.push_str(
                &plan.server_version.as_ref().map_or(")\n".to_owned(), |version| format!(", server {version})\n")),
            );
            out.push_str(&steps(&plan.private_files, &plan.commands));
            for store in &plan.stores {
                let base = store.split('?').next().unwrap_or(store).trim_end_matches('/');
                out.push_str(&format!("  write         {base}/{}\n", plan.artifact));
            }
            for warning in &plan.warnings {
                out.push_str(&format!("  warning       {warning}\n"));
            }
        }
        out
    };
    printer.result(text, || match planned.as_slice() {
        [one] => json!(one),
        many => json!(many),
    });
    Ok(Exit::Done)
}
