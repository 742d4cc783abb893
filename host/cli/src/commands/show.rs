//! `planb show`.

use serde_json::json;

use crate::args::{Global, PickArgs};
use crate::commands::list::artifact_key;
use crate::commands::pick;
use crate::commands::run::holds;
use crate::exit::Exit;
use crate::printer::{Printer, bytes, count, table};
use crate::report::Report;
use crate::settings::store_from;

/// Objects that the text form lists; the JSON form has all.
const SHOWN: usize = 50;

pub(crate) async fn run(global: &Global, args: &PickArgs, printer: Printer) -> Result<Exit, Report> {
    let store = store_from(global, args.from.as_deref())?;
    let entry = pick(&store, args).await?;
    let m = &entry.manifest;
    let text = || {
        let mut rows: Vec<(&str, String)> = vec![
            ("id", m.id.clone()),
            ("database", m.database.clone()),
            (
                "engine",
                format!(
                    "{} (plugin {} {}, sha256 {})",
                    m.engine,
                    m.plugin.name,
                    m.plugin.version,
                    &m.plugin.sha256[..m.plugin.sha256.len().min(12)]
                ),
            ),
            (
                "server",
                match (&m.server, &m.server_version) {
                    (Some(server), Some(version)) => format!("{server}, version {version}"),
                    (Some(server), None) => server.clone(),
                    (None, version) => version.clone().unwrap_or_else(|| "not asked".to_owned()),
                },
            ),
            ("created", m.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
            ("finished", m.finished_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
            ("mode", format!("{}, format {}", m.mode, m.artifact.format)),
            ("size", format!("{} plain, {} stored, {}", bytes(m.plain_bytes), bytes(m.stored_bytes), m.compression)),
            ("key", artifact_key(&entry)),
            ("sha256", format!("{} (plain)", m.plain_sha256)),
            ("", format!("{} (stored)", m.stored_sha256)),
            ("holds", holds(&m.inspection)),
        ];
        if let Some(encryption) = &m.encryption {
            let to = if encryption.passphrase { "a passphrase".to_owned() } else { encryption.recipients.join(", ") };
            rows.push(("encrypted", format!("{} to {to}", encryption.format)));
        }
        if let Some(hold) = &entry.hold {
            let since = hold.at.strftime("since %Y-%m-%d %H:%M:%S UTC");
            let why = hold.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            rows.push(("held", format!("{since}{why}")));
        }
        if let Some(drill) = &entry.drill {
            let at = drill.at.strftime("%Y-%m-%d %H:%M:%S UTC");
            rows.push(("drill", format!("{}, {at}", drill.verdict())));
        }
        for tool in &m.tools {
            rows.push(("tool", format!("{} {} ({})", tool.id, tool.version.as_deref().unwrap_or(""), tool.path)));
        }
        for (key, value) in &m.labels {
            rows.push(("label", format!("{key}={value}")));
        }
        for warning in &m.warnings {
            rows.push(("warning", warning.clone()));
        }
        let mut out: String = rows.into_iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
        if !m.inspection.objects.is_empty() {
            let objects: Vec<Vec<String>> = m
                .inspection
                .objects
                .iter()
                .take(SHOWN)
                .map(|object| {
                    vec![object.kind.clone(), object.name.clone(), object.rows.map_or_else(|| "-".to_owned(), count)]
                })
                .collect();
            out.push('\n');
            out.push_str(&table(&["KIND", "NAME", "ROWS"], &objects));
            if m.inspection.objects.len() > SHOWN {
                out.push_str(&format!(
                    "... and {} more; --output json shows all\n",
                    m.inspection.objects.len() - SHOWN
                ));
            }
        }
        out
    };
    printer.result(text, || json!(m));
    Ok(Exit::Done)
}
