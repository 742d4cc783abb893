//! `planb prune`.

use jiff::tz::TimeZone;
use planb_model::retention::Retention;
use planb_pipeline::{Action, PruneReport, PruneSpec, Stop, prune};
use serde_json::json;

use crate::args::{Global, PruneArgs, RuleArgs};
use crate::commands::chosen;
use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::jobs::execute::{Own, Pass, Retained, retain};
use crate::printer::{Printer, bytes, duration, plural, table};
use crate::report::Report;
use crate::settings::{env_number, store_from};
use crate::signals;

pub(crate) async fn run(global: &Global, args: &PruneArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(None);
    if let Some(name) = &args.job {
        return of_job(global, args, name, &stop, printer).await;
    }
    let rules = rules(&args.rules)?;
    if rules.is_empty() && !args.orphans {
        return Err(Report::usage("which backups may go? No rule is given").with_hint(
            "for example --keep-daily 7 --keep-weekly 4, or --max-days 30; --orphans alone removes what crashed runs left",
        ));
    }
    let store = store_from(global, args.from.as_deref())?;
    let spec = PruneSpec {
        rules,
        zone: TimeZone::system(),
        orphans: args.orphans.then_some(args.older_than),
        dry_run: args.dry_run,
    };
    let report = prune(&store, &spec, |manifest| chosen(manifest, &args.of), &stop).await?;
    store.finish();
    printer.result(|| text(&report), || json!(report));
    match report.failed {
        None => Ok(Exit::Done),
        Some(error) => Err(Report::from(error)),
    }
}

/// By the rules of a job, in each of its stores.
async fn of_job(global: &Global, args: &PruneArgs, name: &str, stop: &Stop, printer: Printer) -> Result<Exit, Report> {
    let jobs = Jobs::load(global)?;
    let job = jobs.job(name)?;
    if !job.labels.contains_key("job") {
        return Err(Report::usage(format!(
            "which backups are those of {name} cannot be told: they have no label `job`"
        ))
        .with_hint("set JOB_ID, or name a store with --from and its rules"));
    }
    let own = Own::of(job, None);
    let pass = Pass { orphans: args.orphans.then_some(args.older_than), dry_run: args.dry_run };
    let Some(passes) = retain(job, &own, pass, stop).await else {
        return Err(Report::usage(format!("the job {name} has no retention rules"))
            .with_hint("give it `retention` in planb.toml, for example { daily = 7, weekly = 4 }"));
    };
    printer.result(
        || passes.iter().map(|pass| format!("{}\n{}", pass.store, of_store(pass))).collect::<Vec<_>>().join("\n"),
        || {
            let stores: Vec<_> = passes
                .iter()
                .map(|pass| json!({ "store": pass.store, "pruned": pass.report, "error": pass.error.as_ref().map(Report::json) }))
                .collect();
            json!({ "job": name, "stores": stores })
        },
    );
    // Each error was told when it came up.
    let failed: Vec<Exit> = passes.iter().filter_map(|pass| pass.error.as_ref()).map(|error| error.exit).collect();
    Ok(match failed.first() {
        None => Exit::Done,
        _ if failed.contains(&Exit::Interrupted) => Exit::Interrupted,
        Some(first) if failed.len() == passes.len() => *first,
        Some(_) => Exit::Partial,
    })
}

fn of_store(pass: &Retained) -> String {
    match (&pass.report, &pass.error) {
        (Some(report), _) => text(report),
        (None, error) => format!("FAILED  {}\n", error.as_ref().map_or("", |error| error.message.as_str())),
    }
}

/// The rules of the flags, or where there are none, of the environment.
pub(crate) fn rules(args: &RuleArgs) -> Result<Retention, Report> {
    let mut rules = Retention {
        keep_last: args.keep_last,
        hourly: args.keep_hourly,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
        yearly: args.keep_yearly,
        max_files: args.max_files,
        max_days: args.max_days,
        max_bytes: args.max_bytes,
        ..Retention::default()
    };
    for period in &args.keep_periods {
        rules.periods.push(period.parse().map_err(|error| Report::usage(format!("--keep-period {period}: {error}")))?);
    }
    if rules.is_empty() {
        rules.max_files = env_number("RETENTION_MAX_FILES")?.filter(|n| *n > 0);
        rules.max_days = match env_number("RETENTION_MAX_DAYS")? {
            None => env_number("RETENTION_DAYS")?,
            days => days,
        }
        .filter(|n| *n > 0);
    }
    Ok(rules)
}

fn text(report: &PruneReport) -> String {
    let mut out = String::new();
    if !report.backups.is_empty() {
        let rows: Vec<Vec<String>> = report
            .backups
            .iter()
            .map(|backup| {
                let word = match (backup.action, backup.removed, &backup.error) {
                    (Action::Keep, ..) => "keep",
                    (_, _, Some(_)) => "FAILED",
                    (Action::Remove, true, _) => "removed",
                    (Action::Remove, false, _) => "would go",
                };
                vec![
                    word.to_owned(),
                    backup.id.chars().take(8).collect(),
                    backup.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
                    backup.database.clone(),
                    bytes(backup.stored_bytes),
                    backup.error.clone().unwrap_or_else(|| backup.reasons.join("; ")),
                ]
            })
            .collect();
        out.push_str(&table(&["", "ID", "CREATED", "DATABASE", "STORED", "WHY"], &rows));
    }
    for orphan in &report.orphans {
        let word = match (&orphan.error, orphan.removed) {
            (Some(_), _) => "FAILED",
            (None, true) => "removed",
            (None, false) => "would go",
        };
        let age =
            orphan.age_seconds.map_or_else(String::new, |age| format!(", {} old", duration(age.saturating_mul(1000))));
        let run = orphan
            .run
            .as_ref()
            .map_or_else(String::new, |run| format!(", of the run {}", run.chars().take(8).collect::<String>()));
        out.push_str(&format!("{word}  {} ({}{age}{run})\n", orphan.key, bytes(orphan.bytes)));
    }
    let kept = report.backups.iter().filter(|backup| backup.action == Action::Keep).count() as u64;
    let gone = report.backups.len() as u64 - kept;
    let gone = match (gone, report.orphans.len() as u64) {
        (gone, 0) => gone.to_string(),
        (0, orphans) => plural(orphans, "orphan"),
        (gone, orphans) => format!("{} and {}", plural(gone, "backup"), plural(orphans, "orphan")),
    };
    let (verb, freed) = if report.dry_run { ("would go", "would be freed") } else { ("removed", "freed") };
    out.push_str(&format!("{} kept, {gone} {verb}, {} {freed}\n", plural(kept, "backup"), bytes(report.freed_bytes)));
    out
}
