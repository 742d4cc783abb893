//! `planb plugin test`: the conformance suite.

use std::sync::Arc;

use planb_pipeline::{Stop, Timeouts};
use planb_plugin::Plugin;
use planb_proof::{Check, Lab, LabSpec, Live, Outcome, Place, SuiteReport, test_plugin};
use serde_json::json;

use crate::args::{DbArgs, Global, PluginTestArgs};
use crate::exit::Exit;
use crate::logging;
use crate::printer::{Printer, duration, table};
use crate::report::Report;
use crate::settings::{Database, absolute, workshop};
use crate::signals;

pub(crate) async fn run(global: &Global, args: PluginTestArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(args.timeout);
    let plugin = crate::settings::plugin(global, &args.plugin).await?;
    let db = |url: Option<&String>| DbArgs {
        plugin: Some(args.plugin.clone()),
        db: url.cloned(),
        options: args.options.clone(),
        tool_paths: args.tool_paths.clone(),
        allow_tools: args.allow_tools.clone(),
        password_file: args.password_file.clone(),
        ..DbArgs::default()
    };
    let live = match &args.live {
        Some(url) => {
            let source = place(global, &db(Some(url))).await?;
            let target = match &args.into {
                Some(url) => Some(place(global, &db(Some(url))).await?),
                None => None,
            };
            Some(Live { source, target })
        }
        None => None,
    };
    let mut lab = lab(global, &db(None), &plugin, stop)?;
    let mut tell = |check: &Check| {
        if Printer::interactive() {
            Printer::note(&line(check));
        }
    };
    let mut report = Box::pin(test_plugin(&mut lab, live, &mut tell)).await?;
    if logging::leaked() {
        report.failed += 1;
        report.ok = false;
        report.checks.push(Check {
            group: "secrets".to_owned(),
            name: "log".to_owned(),
            outcome: Outcome::Failed,
            detail: "a password stood in a line of the log (it was taken out)".to_owned(),
            rule: Some("A plugin never holds a secret; none reaches a log. (contract, rule 2)"),
        });
    }
    let exit = if report.ok { Exit::Done } else { Exit::Plugin };
    printer.result(|| text(&report), || json!(report));
    Ok(exit)
}

/// A plugin with the tools of this machine.
pub(crate) fn lab<'p>(global: &Global, args: &DbArgs, plugin: &'p Plugin, stop: Arc<Stop>) -> Result<Lab<'p>, Report> {
    let workshop = workshop(global, args, plugin)?;
    let spec = LabSpec {
        shim: workshop.shim,
        work_base: workshop.work_base,
        search: workshop.search,
        grants: workshop.grants,
        confine: workshop.confine,
        inherited: workshop.inherited,
        hide: logging::hide,
        timeouts: Timeouts::default(),
    };
    Ok(Lab::new(plugin, spec, stop))
}

pub(crate) async fn place(global: &Global, args: &DbArgs) -> Result<Place, Report> {
    let database = Database::resolve(global, &DbArgs { alone: true, ..args.clone() }, None).await?;
    let scope = match &database.database {
        _ if !database.has_databases() => planb_model::engine::Scope::All,
        Some(name) => planb_model::engine::Scope::Database(name.clone()),
        None => return Err(Report::usage("the URL has to name the database: nothing else does here")),
    };
    let mut settings = planb_model::settings::resolve(database.plugin.description(), &args.options)?;
    absolute(&database.plugin.description().settings, &mut settings, "--option ")?;
    Ok(Place { connection: database.connection, secrets: database.secrets, settings, scope })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed => "FAILED",
        Outcome::NotRun => "not run",
    }
}

fn line(check: &Check) -> String {
    format!("{:<8} {}: {}: {}\n", word(check.outcome), check.group, check.name, short(&check.detail))
}

fn short(text: &str) -> String {
    const MOST: usize = 100;
    let text = text.replace('\n', " ");
    if text.chars().count() > MOST { text.chars().take(MOST).chain(['…']).collect() } else { text }
}

/// A table, and below it what the contract says of each failure.
fn text(report: &SuiteReport) -> String {
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|check| {
            vec![word(check.outcome).to_owned(), check.group.clone(), check.name.clone(), short(&check.detail)]
        })
        .collect();
    let mut out = table(&["", "WHERE", "CHECK", "SEEN"], &rows);
    for check in report.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
        out.push_str(&format!("\n{}: {}: {}\n", check.group, check.name, check.detail));
        if let Some(rule) = check.rule {
            out.push_str(&format!("  the rule: {rule}\n"));
        }
    }
    let server = report.server_version.as_ref().map_or_else(String::new, |version| format!(" with server {version}"));
    out.push_str(&format!(
        "\n{} {}{server}: {} passed, {} failed, {} not run, in {}\n",
        report.engine,
        report.plugin_version,
        report.passed,
        report.failed,
        report.not_run,
        duration(report.duration_ms)
    ));
    out
}
