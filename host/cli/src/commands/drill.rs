//! `planb drill`.

use std::sync::Arc;

use planb_pipeline::Progress;
use planb_proof::Drill;
use planb_store::Store;
use serde_json::json;

use crate::args::{DbArgs, DrillArgs, Global};
use crate::commands::pick;
use crate::commands::plugin_test::{lab, place};
use crate::exit::Exit;
use crate::printer::{Printer, duration};
use crate::progress;
use crate::report::Report;
use crate::settings::{identities, plugin, plugin_for_engine, store_from, store_urls, stores_to};
use crate::signals;

pub(crate) async fn run(global: &Global, args: DrillArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let identities = identities(&args.keys)?;
    let store = store_from(&args.pick.from)?;
    let entry = pick(&store, &args.pick).await?;
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
        ..DbArgs::default()
    };
    let into = match &args.into {
        Some(_) => Some(place(global, &db).await?),
        None => None,
    };
    let lab = lab(global, &db, &plugin, stop)?;
    let progress = Arc::new(Progress::default());
    let shown = progress::show(&progress, "drilling", entry.manifest.short_id().to_owned());
    let name = entry.name().to_owned();
    let (short, database) = (entry.manifest.short_id().to_owned(), entry.manifest.database.clone());
    let drilled = Drill { store, entry, identities, into }.run(&lab, &progress).await;
    drop(shown);
    let record = drilled?;
    if !args.no_record {
        keep(&args.pick.from, &record.key(&name), &record).await;
    }
    printer.result(
        || {
            let verdict = if record.ok { "came back as it was" } else { "did NOT come back as it was" };
            let mut out = format!("{short} of {database} {verdict}, in {}\n", duration(record.duration_ms));
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

/// Keeps the result beside the backup. A store that may only be read does not make the drill a failure.
async fn keep(from: &str, key: &str, record: &planb_model::drill::DrillRecord) {
    let kept = async {
        let urls = store_urls(std::slice::from_ref(&from.to_owned()))?;
        let stores: Vec<Store> = stores_to(&urls, planb_store::WriteSettings::default())?;
        let json = serde_json::to_vec_pretty(record).map_err(|error| Report::usage(error.to_string()))?;
        for store in stores {
            store.put_new(key, json.clone().into()).await.map_err(|not| Report::from(not.error))?;
            store.finish();
        }
        Ok::<_, Report>(())
    };
    if let Err(error) = kept.await {
        Printer::note(&format!("warning: the result could not be kept beside the backup: {}\n", error.message));
    }
}
