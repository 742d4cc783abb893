//! `planb`: reads what was typed, hands it to a command, and prints how it ended.

mod args;
mod backing_up;
mod commands;
mod exit;
mod jobs;
mod logging;
mod pinned;
mod printer;
mod progress;
mod rclone;
mod report;
mod settings;
mod signals;

use std::process::ExitCode;

use planb_traces::Traces;

use crate::args::{Cli, Command, Output, PluginCommand};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;

fn main() -> ExitCode {
    // Started by itself to become a tool: nothing of the rest concerns that.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == planb_tool::shim::WORD) {
        return planb_tool::shim::main(std::env::args_os().skip(1));
    }
    // A backup is as confidential as its database: what planb writes is its user's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = args::parse();
    planb_store::start_rclone_by(rclone::starter);
    let printer = Printer { output: cli.global.output };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let within = runtime.enter();
            let traces = Traces::start(settings::env);
            logging::start(&cli.global, traces.as_ref().ok().and_then(Option::as_ref));
            if let Err(error) = &traces {
                tracing::warn!("{error}");
            }
            drop(within);
            let outcome = runtime.block_on(dispatch(cli, printer));
            if let Ok(Some(traces)) = traces {
                traces.finish();
            }
            // A thread that still compiles or reads is not waited for.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Report::usage(format!("planb cannot start its threads: {error}"))),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(report) => {
            let report = Report { message: logging::redact(&report.message), ..report };
            if printer.output == Output::Json {
                printer.result(String::new, || serde_json::json!({ "error": report.json() }));
            }
            Printer::styled(&report.text(Printer::interactive()));
            report.exit.into()
        }
    }
}

async fn dispatch(cli: Cli, printer: Printer) -> Result<Exit, Report> {
    let global = cli.global;
    match cli.command {
        Command::Run(args) => commands::run::run(&global, args, typed(&["run", "backup"]), printer).await,
        Command::Plan(mut args) => {
            args.dry_run = true;
            commands::run::run(&global, args, typed(&["plan"]), printer).await
        }
        Command::Restore(args) => commands::restore::run(&global, args, printer).await,
        Command::List(args) => commands::list::run(&global, &args, printer).await,
        Command::Show(args) => commands::show::run(&global, &args, printer).await,
        Command::Verify(args) => commands::verify::run(&global, args, printer).await,
        Command::Drill(args) => Box::pin(commands::drill::run(&global, args, printer)).await,
        Command::Prune(args) => commands::prune::run(&global, &args, printer).await,
        Command::Hold(args) => commands::hold::hold(&global, &args, printer).await,
        Command::Release(args) => commands::hold::release(&global, &args, printer).await,
        Command::Databases(args) => commands::databases::run(&global, &args, printer).await,
        Command::Dump(args) => commands::dump::run(&global, args, printer).await,
        Command::Upload(args) => commands::copy::upload(&global, &args, printer).await,
        Command::Download(args) => commands::copy::download(&global, &args, printer).await,
        Command::Serve(args) => commands::serve::run(&global, args).await,
        Command::Trigger(args) => commands::serve::trigger(&global, &args, printer).await,
        Command::Status(args) => commands::serve::status(&global, &args, printer).await,
        Command::Config(command) => commands::config::run(&global, command, printer).await,
        Command::Plugin(PluginCommand::Inspect { plugin }) => {
            commands::plugin::inspect(&global, &plugin, printer).await
        }
        Command::Plugin(PluginCommand::Add { file, allow_tools, allow_all }) => {
            commands::plugin::add(&global, &file, &allow_tools, allow_all, printer).await
        }
        Command::Plugin(PluginCommand::Test(args)) => commands::plugin_test::run(&global, args, printer).await,
        Command::Plugin(PluginCommand::List) => commands::plugin::list(&global, printer).await,
        Command::Plugin(PluginCommand::Remove { plugin }) => commands::plugin::remove(&global, &plugin, printer).await,
        Command::Completions { shell } => Ok(commands::completions(shell)),
    }
}

/// The words of the command line without its command, to be laid over a job's own.
fn typed(command: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(at) = words.iter().position(|word| command.contains(&word.as_str())) {
        words.remove(at);
    }
    words
}
