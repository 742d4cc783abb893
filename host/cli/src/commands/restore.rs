//! `planb restore`.

use std::sync::Arc;

use planb_model::engine::{FailureCode, Purpose};
use planb_pipeline::{DigestChecked, Operation, Progress, Restore, RestoreSpec, Timeouts};
use serde_json::json;

use crate::args::{Global, RestoreArgs};
use crate::commands::pick;
use crate::exit::Exit;
use crate::printer::{Printer, bytes, duration};
use crate::progress;
use crate::report::Report;
use crate::settings::{Database, identities, store_from};
use crate::signals;

pub(crate) async fn run(global: &Global, args: RestoreArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let identities = identities(&args.keys)?;
    let store = store_from(&args.pick.from)?;
    let entry = pick(&store, &args.pick).await?;
    let database = Database::resolve(global, &args.db, Some(&entry.manifest.engine)).await?;
    let source = entry.manifest.source();
    let target = database.target(&source);
    let purposes = vec![Purpose::Restore, Purpose::Query];
    let spec = database.operation(global, &args.db, purposes, args.extra.clone(), Timeouts::default())?;
    let mut op = Operation::open(&database.plugin, spec, stop).await?;
    let greeted = op.server_scope(&target);
    let offline = op.description().restores_offline;
    match op.greet(&greeted).await {
        // The files of a server that is not running can be all that this engine needs.
        Err(error) if offline && error.is(FailureCode::Unreachable) => {}
        greeted => drop(greeted?),
    }

    let progress = Arc::new(Progress::default());
    let what = format!("{} into {}", entry.manifest.short_id(), target.label());
    let shown = progress::show(&progress, "restoring", what);
    let restore = RestoreSpec { target, replace: args.replace, verify_first: args.verify_first, identities };
    let report = Restore::new(&mut op, restore, store, entry, progress)?.run().await;
    drop(shown);
    let report = report?;
    for warning in &report.warnings {
        Printer::note(&format!("warning: {warning}\n"));
    }
    let checked = match report.digest_checked {
        DigestChecked::Before => "its digest was checked before the tool got a byte",
        DigestChecked::During => "its digest was checked while it streamed, before the tool got the last bytes",
    };
    printer.result(
        || {
            format!(
                "restored {} ({}) into {} in {}: {}\n  {checked}\n",
                report.database,
                report.engine,
                report.target,
                duration(report.duration_ms),
                bytes(report.plain_bytes)
            )
        },
        || json!(report),
    );
    Ok(Exit::Done)
}
