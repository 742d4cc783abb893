//! `planb list`.

use serde_json::json;

use crate::args::{Global, ListArgs};
use crate::commands::catalogue;
use crate::exit::Exit;
use crate::printer::{Printer, bytes, plural, table};
use crate::report::Report;
use crate::settings::store_from;

pub(crate) async fn run(global: &Global, args: &ListArgs, printer: Printer) -> Result<Exit, Report> {
    let store = store_from(global, args.from.as_deref())?;
    let catalogue = catalogue(&store, &args.of).await?;
    let text = || {
        if catalogue.entries.is_empty() {
            return "no backups\n".to_owned();
        }
        let rows: Vec<Vec<String>> = catalogue
            .entries
            .iter()
            .map(|entry| {
                let m = &entry.manifest;
                vec![
                    m.short_id().to_owned(),
                    m.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
                    m.engine.clone(),
                    m.database.clone(),
                    m.server.clone().unwrap_or_else(|| "-".to_owned()),
                    drilled(entry),
                    if entry.hold.is_some() { "held" } else { "-" }.to_owned(),
                    bytes(m.plain_bytes),
                    bytes(m.stored_bytes),
                    artifact_key(entry),
                ]
            })
            .collect();
        table(&["ID", "CREATED", "ENGINE", "DATABASE", "SERVER", "DRILL", "HOLD", "SIZE", "STORED", "KEY"], &rows)
    };
    let json = || {
        let all: Vec<_> = catalogue
            .entries
            .iter()
            .map(|entry| {
                let m = &entry.manifest;
                json!({
                    "id": m.id,
                    "engine": m.engine,
                    "database": m.database,
                    "server": m.server,
                    "scope": m.scope,
                    "created_at": m.created_at,
                    "key": artifact_key(entry),
                    "plain_bytes": m.plain_bytes,
                    "stored_bytes": m.stored_bytes,
                    "status": "success",
                    "drill": entry.drill,
                    "held": entry.hold.is_some(),
                    "hold": entry.hold,
                    "labels": m.labels,
                })
            })
            .collect();
        json!(all)
    };
    printer.result(text, json);
    if !catalogue.unreadable.is_empty() {
        let n = catalogue.unreadable.len() as u64;
        Printer::note(&format!("warning: {} cannot be read:\n", plural(n, "manifest")));
        for unreadable in &catalogue.unreadable {
            Printer::note(&format!("  {}: {}\n", unreadable.key, unreadable.reason));
        }
    }
    Ok(Exit::Done)
}

/// How and when its newest drill ended.
fn drilled(entry: &planb_store::Entry) -> String {
    entry.drill.as_ref().map_or_else(
        || "-".to_owned(),
        |drill| format!("{} {}", if drill.ok { "ok" } else { "FAILED" }, drill.at.strftime("%Y-%m-%d")),
    )
}

/// The key of a backup's first object, or the folder of its objects.
pub(crate) fn artifact_key(entry: &planb_store::Entry) -> String {
    let manifest = &entry.manifest;
    if manifest.mode == planb_model::engine::Mode::Directory {
        return entry.key.strip_suffix(planb_model::manifest::SUFFIX).unwrap_or(&entry.key).to_owned();
    }
    let first = manifest.files.first().and_then(|file| file.volumes.first());
    first.map_or_else(|| entry.key.clone(), |volume| entry.volume_key(&volume.key))
}
