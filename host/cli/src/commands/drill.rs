//! `planb drill`.

use std::sync::Arc;

use planb_model::drill::DrillRecord;
use planb_model::secret::Secret;
use planb_pipeline::{Progress, RunError, Stop};
use planb_proof::Drill;
use planb_store::{Entry, Store};
use serde_json::json;

use crate::args::{DbArgs, DrillArgs, Global};
use crate::commands::pick;
use crate::commands::plugin_test::{lab, place};
use crate::exit::Exit;
use crate::printer::{Printer, duration};
use crate::progress;
use crate::report::Report;
use crate::settings::{identities, plugin, plugin_for_engine, store_from};
use crate::signals;

pub(crate) async fn run(global: &Global, args: DrillArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let store = store_from(global, args.pick.from.as_deref())?;
    let entry = pick(&store, &args.pick).await?;
    let (short, database) = (entry.manifest.short_id().to_owned(), entry.manifest.database.clone());
    let record = drilled(global, &args, store, entry, stop).await?;
    printer.result(
        || {
            let verdict = record.verdict().trim_start_matches("it ");
            let mut out = format!("{short} of {database} {verdict} ({})\n", duration(record.duration_ms));
            for check in &record.checks {
                let word = if check.ok { "ok  " } else { "FAIL" };
                out.push_str(&format!("  {word}  {}: {}\n", check.name, check.detail));
            }
            out
        },
        || json!(record),
    );
    Ok(if record.ok { Exit::Done } else { Exit::Verification })
}

/// Drills a backup, and keeps the result beside it.
pub(crate) async fn drilled(
    global: &Global,
    args: &DrillArgs,
    store: Store,
    entry: Entry,
    stop: Arc<Stop>,
) -> Result<DrillRecord, Report> {
    drilled_in(global, args, None, store, entry, stop).await
}

/// The same; `url` is that of the settings, which may hold a password.
pub(crate) async fn drilled_in(
    global: &Global,
    args: &DrillArgs,
    url: Option<Secret>,
    store: Store,
    entry: Entry,
    stop: Arc<Stop>,
) -> Result<DrillRecord, Report> {
    let identities = identities(&args.keys)?;
    let engine = &entry.manifest.engine;
    let plugin = match &args.plugin {
        Some(name) => plugin(global, name).await?,
        None => plugin_for_engine(global, engine).await?.ok_or_else(|| {
            Report::usage(format!("no plugin here is for the engine `{engine}`")).with_hint("name one with --plugin")
        })?,
    };
    let db = DbArgs {
        plugin: Some(plugin.path().to_string_lossy().into_owned()),
        db: args.into.clone(),
        tool_paths: args.tool_paths.clone(),
        allow_tools: args.allow_tools.clone(),
        password_file: args.password_file.clone(),
        password: args.password.clone(),
        of_job: url.is_some(),
        url,
        ..DbArgs::default()
    };
    let into = if args.into.is_some() || db.url.is_some() { Some(place(global, &db).await?) } else { None };
    let lab = lab(global, &db, &plugin, stop)?;
    let progress = Arc::new(Progress::default());
    let shown = progress::show(&progress, "drilling", entry.manifest.short_id().to_owned());
    let name = entry.name().to_owned();
    let keeping = store.clone();
    let drilled = Drill { store, entry, identities, into }.run(&lab, &progress).await;
    drop(shown);
    let record = drilled.map_err(|error| {
        let occupied = matches!(error, RunError::Occupied { .. } | RunError::UnknownTarget { .. });
        let report = Report::from(error);
        if occupied {
            report.with_hint("a drill wants a database that is new or empty: name another with --into")
        } else {
            report
        }
    })?;
    if !args.no_record {
        keep(&keeping, &record.key(&name), &record).await;
    }
    Ok(record)
}

/// Keeps the result beside the backup. A store that may only be read does not make the drill a failure.
async fn keep(store: &Store, key: &str, record: &DrillRecord) {
    let kept = match serde_json::to_vec_pretty(record) {
        Ok(json) => store.put_new(key, json.into()).await.map_err(|not| not.error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    store.finish();
    if let Err(error) = kept {
        Printer::note(&format!("warning: the result could not be kept beside the backup: {error}\n"));
    }
}
