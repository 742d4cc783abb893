//! The commands: each resolves its settings, calls the house below, and prints.

pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod databases;
pub(crate) mod drill;
pub(crate) mod dump;
pub(crate) mod hold;
pub(crate) mod list;
pub(crate) mod plugin;
pub(crate) mod plugin_test;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod verify;

use clap::CommandFactory as _;
use clap_complete::Shell;
use planb_model::manifest::Manifest;
use planb_model::select::Selector;
use planb_pipeline::Trust;
use planb_store::{Catalogue, Entry, Store};

use crate::args::{Cli, OfArgs, PickArgs};
use crate::commands::list::artifact_key;
use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::printer::{Printer, plural};
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
    let catalogue = catalogue(store, &args.of).await?;
    let narrowed =
        args.of.source_database.is_some() || args.of.source_server.is_some() || !args.of.with_labels.is_empty();
    if catalogue.entries.is_empty() && narrowed {
        return Err(Report {
            exit: Exit::Failed,
            ..Report::usage("no backup here is of that database, server or label")
        }
        .with_hint("planb list shows what there is"));
    }
    let picked = match &args.backup {
        Some(text) => {
            let selector: Selector = text.parse()?;
            let manifests: Vec<Manifest> = catalogue.entries.iter().map(|entry| entry.manifest.clone()).collect();
            selector.pick(&manifests)?.id.clone()
        }
        None => by_object(&catalogue)?,
    };
    if let (Some(named), Some(hidden)) = (&args.backup, catalogue.unreadable.first()) {
        // An id is the same backup whatever else is there; the newest may be one that hides.
        if named == "latest" || named.starts_with("at:") {
            Printer::note(&format!(
                "warning: {} cannot be read ({}: {}), so `{named}` may not be the newest: it is {}\n",
                plural(catalogue.unreadable.len() as u64, "manifest"),
                hidden.key,
                hidden.reason,
                &picked[..picked.len().min(8)]
            ));
        }
    }
    let found = catalogue.entries.into_iter().find(|entry| entry.manifest.id == picked);
    let mut entry = found.ok_or_else(|| Report::usage("the backup is gone"))?;
    Trust::load(&args.trust_keys)?.check(store, &mut entry).await?;
    Ok(entry)
}

/// The backup whose object `BACKUP_PATH` names, as the Plan B runner is told what to restore.
fn by_object(catalogue: &Catalogue) -> Result<String, Report> {
    let missing = Report::usage("which backup? None is named")
        .with_hint("an id, the beginning of one, or `latest`; planb list shows them");
    let Some((_, found)) = Jobs::environment()? else { return Err(missing) };
    let Some(path) = found.path else { return Err(missing) };
    let wanted = path.trim_start_matches('/');
    let split = |key: &str| match key.rsplit_once('/') {
        Some((folder, file)) => (folder.to_owned(), file.to_owned()),
        None => (String::new(), key.to_owned()),
    };
    let stem = |file: &str| file.split('.').next().unwrap_or(file).to_owned();
    let (folder, file) = split(wanted);
    let of = |entry: &&Entry| {
        let key = artifact_key(entry);
        let (its_folder, its_file) = split(&key);
        // The object itself; or the same name with other endings; or with the run's id behind it, where it was taken.
        key == wanted
            || its_folder == folder && !file.is_empty() && {
                let its = stem(&its_file);
                its == stem(&file) || its == format!("{}-{}", stem(&file), entry.manifest.short_id())
            }
    };
    let mut found = catalogue.entries.iter().rev().filter(of);
    let entry = found.next();
    if let Some(entry) = entry {
        let more = found.count() as u64;
        let m = &entry.manifest;
        if more > 0 {
            Printer::note(&format!(
                "{path}: {} have this name; this is the newest, {} of {}; name another by its id\n",
                plural(more + 1, "backup"),
                m.short_id(),
                m.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
            ));
        }
    }
    entry.map(|entry| entry.manifest.id.clone()).ok_or_else(|| {
        Report::usage(format!("there is no backup of the object {path} (BACKUP_PATH)"))
            .with_hint("planb list shows what there is")
    })
}

/// The backups of a store, of one source where that is asked for. Manifests that cannot be read are told of.
pub(crate) async fn catalogue(store: &Store, of: &OfArgs) -> Result<Catalogue, Report> {
    let mut catalogue = store.catalogue().await?;
    for unreadable in &catalogue.unreadable {
        tracing::warn!(manifest = unreadable.key, reason = unreadable.reason, "a manifest cannot be read");
    }
    catalogue.entries.retain(|entry| chosen(&entry.manifest, of));
    Ok(catalogue)
}

/// Whether a backup is of the source that was asked for.
pub(crate) fn chosen(m: &Manifest, of: &OfArgs) -> bool {
    of.source_database.as_ref().is_none_or(|name| m.database == *name)
        && of.source_server.as_ref().is_none_or(|server| m.server.as_ref() == Some(server))
        && of.with_labels.iter().all(|(key, value)| m.labels.get(key) == Some(value))
}
