//! `planb hold` and `planb release`.

use jiff::Timestamp;
use planb_model::hold::{self, HoldRecord};
use planb_store::Entry;
use serde_json::json;

use crate::args::{Global, HoldArgs, PickArgs};
use crate::commands::pick;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::store_from;

pub(crate) async fn hold(global: &Global, args: &HoldArgs, printer: Printer) -> Result<Exit, Report> {
    let store = store_from(global, args.pick.from.as_deref())?;
    let entry = pick(&store, &args.pick).await?;
    let record = HoldRecord {
        schema: hold::SCHEMA.to_owned(),
        id: entry.manifest.id.clone(),
        at: Timestamp::now(),
        // Holding it once more takes no reason away.
        reason: args.reason.clone().or_else(|| entry.hold.as_ref().and_then(|hold| hold.reason.clone())),
    };
    let held = planb_pipeline::hold(&store, &entry, &record).await;
    store.finish();
    held?;
    printer.result(
        || line(&entry, "is held: no rule removes it"),
        || json!({ "id": entry.manifest.id, "held": true, "hold": record }),
    );
    Ok(Exit::Done)
}

pub(crate) async fn release(global: &Global, args: &PickArgs, printer: Printer) -> Result<Exit, Report> {
    let store = store_from(global, args.from.as_deref())?;
    let entry = pick(&store, args).await?;
    let was = entry.hold.is_some();
    store.remove_hold(&entry).await?;
    let word = if was { "is held no more" } else { "was not held" };
    printer.result(|| line(&entry, word), || json!({ "id": entry.manifest.id, "held": false, "was_held": was }));
    Ok(Exit::Done)
}

fn line(entry: &Entry, word: &str) -> String {
    let m = &entry.manifest;
    format!("{} of {} from {} {word}\n", m.short_id(), m.database, m.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"))
}
