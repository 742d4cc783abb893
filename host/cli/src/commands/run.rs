//! `planb run` and `planb plan`.

use std::sync::Arc;

use planb_config::{JobConfig, Operation};
use planb_model::engine::Scope;
use planb_pipeline::{Backup, RunReport, RunStatus, Stop};
use serde_json::json;

use crate::args::{Global, RestoreArgs, RunArgs};
use crate::backing_up::{Job, Wish};
use crate::commands;
use crate::commands::serve::serve;
use crate::exit::Exit;
use crate::jobs::execute::{Own, Pass, execute, retain};
use crate::jobs::tell::Once;
use crate::jobs::{Jobs, arguments};
use crate::printer::{Printer, bytes, duration, plural};
use crate::report::Report;
use crate::settings::env;
use crate::signals;

/// `planb run`, `planb plan`. `typed`: the words of the command line.
pub(crate) async fn run(global: &Global, args: RunArgs, typed: Vec<String>, printer: Printer) -> Result<Exit, Report> {
    if let Some(name) = args.job.clone() {
        let jobs = Jobs::load(global)?;
        let job = jobs.job(&name)?.clone();
        let mut of_job = arguments::of(&job, typed, true)?;
        of_job.dry_run |= args.dry_run;
        return with_job(global, &jobs, &job, of_job, printer).await;
    }
    let Some((jobs, found)) = Jobs::environment()? else { return plain(global, args, printer).await };
    // The runner's one command does both.
    if found.operation == Operation::Restore {
        let restore = RestoreArgs::untyped().map_err(|error| Report::usage(error.to_string()))?;
        return Box::pin(commands::restore::run(global, restore, printer)).await;
    }
    let mut of_env = arguments::of(&found.job, typed, false)?;
    of_env.dry_run |= args.dry_run || found.dry_run;
    // A schedule makes it a service, as in dbstash's container.
    if found.job.schedule.as_ref().is_some_and(planb_model::schedule::Schedule::ticks) && !of_env.dry_run {
        return serve(global, jobs, None, env("PLANB_STATE_DIR").map(Into::into)).await;
    }
    with_job(global, &jobs, &found.job, of_env, printer).await
}

/// A run that nothing surrounds.
pub(crate) async fn plain(global: &Global, args: RunArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let job = Job::resolve(global, &args).await?;
    if args.dry_run {
        return planned(&job, &stop, printer).await;
    }
    let reports = job.run(&stop, &|_, _| {}).await?;
    Ok(conclude(&reports, printer))
}

async fn planned(job: &Job, stop: &Arc<Stop>, printer: Printer) -> Result<Exit, Report> {
    let mut op = job.open(Arc::clone(stop)).await?;
    let scopes = job.scopes(&mut op).await?;
    dry_run(&mut op, &job.wish, job.shown_stores(), &scopes, printer).await
}

/// A run with the hooks, notifications and retention of its job.
async fn with_job(
    global: &Global,
    jobs: &Jobs,
    job: &JobConfig,
    args: RunArgs,
    printer: Printer,
) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    if args.dry_run {
        return planned(&Job::resolve(global, &args).await?, &stop, printer).await;
    }
    let once = Once::begin(jobs, job).await;
    let executed = execute(global, job, &args, &stop, &|_, _| {}).await;
    once.end(&executed).await;
    if executed.status() != RunStatus::Failed {
        let own = Own::of(job, Some(&executed));
        // What it says it says on stderr: the backup is there.
        retain(job, &own, Pass::AFTER_A_RUN, &stop).await;
    }
    match executed.failed {
        // It was said on stderr already, when it happened.
        Some(error) if executed.done.is_empty() => {
            printer.result(String::new, || json!({ "error": error.json() }));
            Ok(error.exit)
        }
        _ => Ok(conclude(&executed.done, printer)),
    }
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
    op: &mut planb_pipeline::Operation<'_>,
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
