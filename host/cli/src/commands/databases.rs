//! `planb databases`.

use planb_model::engine::{Purpose, Scope};
use planb_pipeline::{Operation, Timeouts};
use serde_json::json;

use crate::args::{DatabasesArgs, Global};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::Database;
use crate::signals;

pub(crate) async fn run(global: &Global, args: &DatabasesArgs, printer: Printer) -> Result<Exit, Report> {
    let stop = signals::stop(None);
    let database = Database::resolve(global, &args.db, None).await?;
    let spec = database.operation(global, &args.db, vec![Purpose::Query], Vec::new(), Timeouts::default())?;
    let mut op = Operation::open(&database.plugin, spec, stop).await?;
    op.greet(&Scope::All).await?;
    let names = op.databases().await?;
    printer.result(
        // One a line, for scripts; what would break a line is shown escaped.
        || names.iter().map(|name| format!("{}\n", name.escape_debug())).collect(),
        || json!(names),
    );
    Ok(Exit::Done)
}
