//! The commands: each resolves its settings, calls the house below, and prints.

pub(crate) mod databases;
pub(crate) mod drill;
pub(crate) mod list;
pub(crate) mod plugin;
pub(crate) mod plugin_test;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod verify;

use clap::CommandFactory as _;
use clap_complete::Shell;
use planb_model::manifest::Manifest;
use planb_model::select::Selector;
use planb_store::{Catalogue, Entry, Store};

use crate::args::{Cli, OfArgs, PickArgs};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;

/// `planb completions`.
pub(crate) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "planb", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    // A script is its own format, whatever --output says.
    Printer { output: crate::args::Output::Text }.result(|| script, || serde_json::Value::Null);
    Exit::Done
}

/// The one backup that is meant.
pub(crate) async fn pick(store: &Store, args: &PickArgs) -> Result<Entry, Report> {
    let selector: Selector = args.backup.parse()?;
    let catalogue = catalogue(store, &args.of).await?;
    let manifests: Vec<Manifest> = catalogue.entries.iter().map(|entry| entry.manifest.clone()).collect();
    let picked = selector.pick(&manifests)?.id.clone();
    let found = catalogue.entries.into_iter().find(|entry| entry.manifest.id == picked);
    found.ok_or_else(|| Report::usage("the backup is gone"))
}

/// The backups of a store, of one source where that is asked for. Manifests that cannot be read are told of.
pub(crate) async fn catalogue(store: &Store, of: &OfArgs) -> Result<Catalogue, Report> {
    let mut catalogue = store.catalogue().await?;
    for unreadable in &catalogue.unreadable {
        tracing::warn!(manifest = unreadable.key, reason = unreadable.reason, "a manifest cannot be read");
    }
    catalogue.entries.retain(|entry| {
        let m = &entry.manifest;
        of.source_database.as_ref().is_none_or(|name| m.database == *name)
            && of.source_server.as_ref().is_none_or(|server| m.server.as_ref() == Some(server))
            && of.with_labels.iter().all(|(key, value)| m.labels.get(key) == Some(value))
    });
    Ok(catalogue)
}
