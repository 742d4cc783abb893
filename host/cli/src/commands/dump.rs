//! `planb dump`: databases into a folder.

use crate::args::{DumpArgs, Global, RunArgs};
use crate::commands;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;

pub(crate) async fn run(global: &Global, args: DumpArgs, printer: Printer) -> Result<Exit, Report> {
    let dir = std::path::absolute(&args.dir)
        .map_err(|error| Report::usage(format!("--dir {}: {error}", args.dir.display())))?;
    let mut run = RunArgs::typed(Vec::new()).map_err(|error| Report::usage(error.to_string()))?;
    run.db = args.db;
    run.to = vec![dir.to_string_lossy().into_owned()];
    run.compress = args.compress;
    run.mode = args.mode;
    run.jobs = args.jobs;
    run.extra = args.extra;
    commands::run::plain(global, run, printer).await
}
