//! `planb restore`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use planb_model::engine::{FailureCode, Purpose, Scope};
use planb_pipeline::{DigestChecked, Operation, PlannedRestore, Progress, Restore, RestoreSpec, Timeouts};
use serde_json::json;

use crate::args::{Global, RestoreArgs};
use crate::commands::pick;
use crate::commands::run::steps;
use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::jobs::tell::Restoring;
use crate::printer::{Printer, bytes, duration};
use crate::progress;
use crate::report::Report;
use crate::settings::{Database, identities, store_from};
use crate::signals;

pub(crate) async fn run(global: &Global, args: RestoreArgs, printer: Printer) -> Result<Exit, Report> {
    // Whom the environment names is told of restores too.
    let told = match Jobs::environment()? {
        Some((jobs, found)) if !args.dry_run && jobs.notifier.names().next().is_some() => Some((jobs, found)),
        _ => None,
    };
    let Some((jobs, found)) = told else { return restore(global, args, printer).await };
    let restoring = Restoring::begin(&jobs, &found.job).await;
    let outcome = restore(global, args, printer).await;
    restoring.end(outcome.as_ref().err()).await;
    outcome
}

async fn restore(global: &Global, args: RestoreArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let identities = identities(&args.keys)?;
    let store = store_from(global, args.pick.from.as_deref())?;
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

    // Where a whole server is meant, it has to be named here, not by the environment.
    let whole = target == Scope::All && (args.db.db.is_some() || args.db.host.is_some());
    let named = database.database.is_some() || whole;
    if args.replace && !named && target != Scope::Globals && !Printer::interactive() {
        return Err(Report::usage("--replace without a terminal needs the database by its name: it would replace that of the backup's name, wherever DB_HOST leads")
            .with_hint("say --database NAME, or name it in the URL"));
    }
    let progress = Arc::new(Progress::default());
    let what = format!("{} into {}", entry.manifest.short_id(), target.label());
    let spec = RestoreSpec { target, replace: args.replace, verify_first: args.verify_first, identities };
    let mut restore = Restore::new(&mut op, spec, store, entry, Arc::clone(&progress))?;
    if args.dry_run {
        let planned = restore.preview().await?;
        printer.result(|| text(&planned), || json!(planned));
        return Ok(Exit::Done);
    }
    if args.replace && !args.yes && Printer::interactive() && std::io::stdin().is_terminal() {
        let planned = restore.preview().await?;
        if planned.target_holds_data != Some(false) && !confirmed(&planned) {
            return Err(Report::usage("nothing was restored"));
        }
    }
    let shown = progress::show(&progress, "restoring", what);
    let report = restore.run().await;
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

fn at(server: Option<&String>) -> String {
    server.map_or_else(String::new, |server| format!(" on {server}"))
}

fn text(planned: &PlannedRestore) -> String {
    let holds = match planned.target_holds_data {
        Some(true) => "which holds data that would be lost",
        Some(false) => "which holds no data",
        None => "of which cannot be told whether it holds data",
    };
    let mut out = format!(
        "would restore {} of {} ({}), {}, from {}{}\n  into {}{}, {holds}\n",
        &planned.id[..planned.id.len().min(8)],
        planned.database,
        planned.engine,
        bytes(planned.plain_bytes),
        planned.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        at(planned.server.as_ref()),
        planned.target,
        at(planned.target_server.as_ref()),
    );
    out.push_str(&steps(&planned.private_files, &planned.commands));
    for warning in &planned.warnings {
        out.push_str(&format!("  warning       {warning}\n"));
    }
    out
}

/// Asks on the terminal.
fn confirmed(planned: &PlannedRestore) -> bool {
    Printer::note(&format!(
        "The data of {}{} will be replaced by the backup {} of {}{} from {}. Go on? [y/N] ",
        planned.target,
        at(planned.target_server.as_ref()),
        &planned.id[..planned.id.len().min(8)],
        planned.database,
        at(planned.server.as_ref()),
        planned.created_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    ));
    let _ = std::io::stderr().flush();
    signals::while_asking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    })
}
