//! `planb verify`.

use std::sync::Arc;

use planb_pipeline::{Check, Progress};
use serde_json::json;

use crate::args::{DrillArgs, Global, VerifyArgs};
use crate::commands::drill::drilled;
use crate::commands::pick;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress;
use crate::report::Report;
use crate::settings::{identities, plugin, plugin_for_engine, store_from};
use crate::signals;

pub(crate) async fn run(global: &Global, args: VerifyArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(None);
    let identities = identities(&args.keys)?;
    let store = store_from(global, args.pick.from.as_deref())?;
    let entry = pick(&store, &args.pick).await?;
    let plugin = match &args.plugin {
        Some(name) => Some(plugin(global, name).await?),
        None => plugin_for_engine(global, &entry.manifest.engine).await?,
    };
    let progress = Arc::new(Progress::default());
    let shown = progress::show(&progress, "verifying", entry.manifest.short_id().to_owned());
    let report = planb_pipeline::verify(&store, &entry, plugin.as_ref(), &identities, &progress, &stop).await;
    drop(shown);
    let mut report = report?;
    if args.drill && report.ok {
        let Some(plugin) = &plugin else {
            return Err(Report::usage(format!("no plugin here is for the engine `{}`", entry.manifest.engine))
                .with_hint("name one with --plugin"));
        };
        let drill = DrillArgs::of(&args, plugin.path());
        let record = drilled(global, &drill, store, entry.clone(), stop).await?;
        report.ok &= record.ok;
        let checks = record.checks.into_iter();
        report.checks.extend(checks.map(|c| Check { name: format!("drill: {}", c.name), ok: c.ok, detail: c.detail }));
    }
    for warning in &report.warnings {
        Printer::note(&format!("warning: {warning}\n"));
    }
    printer.result(
        || {
            let m = &entry.manifest;
            let opened = m.encryption.is_none() || !identities.is_empty();
            let verdict = match (report.ok, opened) {
                (true, true) => "is whole",
                (true, false) => "has all its stored bytes; what is inside was not checked",
                (false, _) => "is DAMAGED",
            };
            let mut out = format!("{} of {} {verdict}\n", m.short_id(), m.database);
            for check in &report.checks {
                out.push_str(&format!(
                    "  {}  {}: {}\n",
                    if check.ok { "ok  " } else { "FAIL" },
                    check.name,
                    check.detail
                ));
            }
            out
        },
        || json!(report),
    );
    Ok(if report.ok { Exit::Done } else { Exit::Verification })
}
