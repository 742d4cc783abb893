//! `planb upload` and `planb download`: committed backups from a folder to a store and back.

use std::path::Path;
use std::sync::Arc;

use futures::StreamExt as _;
use planb_model::manifest::Manifest;
use planb_model::select::Selector;
use planb_pipeline::{Progress, Trust, copy};
use planb_store::{Entry, Store, WriteSettings};
use serde_json::json;

use crate::args::{DownloadArgs, Global, UploadArgs, WhichArgs};
use crate::commands::catalogue;
use crate::exit::Exit;
use crate::printer::{Printer, bytes, plural};
use crate::progress;
use crate::report::Report;
use crate::settings::{store_from, store_urls, stores_to};
use crate::signals;

pub(crate) async fn upload(global: &Global, args: &UploadArgs, printer: Printer) -> Result<Exit, Report> {
    let source = store_from(global, Some(&folder(&args.dir)?))?;
    run(global, source, &args.to, &args.which, "uploading", printer).await
}

pub(crate) async fn download(global: &Global, args: &DownloadArgs, printer: Printer) -> Result<Exit, Report> {
    let source = store_from(global, args.from.as_deref())?;
    run(global, source, &folder(&args.dir)?, &args.which, "downloading", printer).await
}

fn folder(dir: &Path) -> Result<String, Report> {
    let path = std::path::absolute(dir).map_err(|error| Report::usage(format!("--dir {}: {error}", dir.display())))?;
    Ok(path.to_string_lossy().into_owned())
}

async fn run(
    global: &Global,
    source: Store,
    to: &str,
    which: &WhichArgs,
    verb: &'static str,
    printer: Printer,
) -> Result<Exit, Report> {
    let stop = signals::stop(None);
    let entries = chosen(&source, which).await?;
    let urls = store_urls(global, &[to.to_owned()], &[])?;
    let Some(target) = stores_to(&urls, WriteSettings::default())?.pop() else {
        return Err(Report::usage("where to?"));
    };
    let each = entries.iter().map(|entry| {
        let (source, target, stop) = (&source, &target, &stop);
        async move {
            let progress = Arc::new(Progress::default());
            let shown = progress::show(&progress, verb, entry.manifest.database.clone());
            let outcome = copy(source, entry, target, &progress, stop).await;
            drop(shown);
            outcome.map_err(Report::from)
        }
    });
    let outcomes: Vec<_> = futures::stream::iter(each).buffered(usize::from(which.jobs)).collect().await;
    source.finish();
    target.finish();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (entry, outcome) in entries.iter().zip(outcomes) {
        match outcome {
            Ok(report) => done.push(report),
            Err(error) => {
                let m = &entry.manifest;
                Printer::styled(&error.text(Printer::interactive()));
                failed.push((json!({ "id": m.id, "database": m.database, "error": error.json() }), error.exit));
            }
        }
    }
    let exit = match failed.first() {
        None => Exit::Done,
        Some((_, Exit::Interrupted)) => Exit::Interrupted,
        Some(_) if !done.is_empty() => Exit::Partial,
        Some((_, exit)) => *exit,
    };
    printer.result(
        || {
            let mut out = String::new();
            for report in &done {
                let word = if report.copied { "copied" } else { "was there" };
                out.push_str(&format!(
                    "{word}  {} ({}, {})\n",
                    report.key,
                    report.database,
                    bytes(report.stored_bytes)
                ));
            }
            let copied: Vec<_> = done.iter().filter(|report| report.copied).collect();
            let total = copied.iter().map(|report| report.stored_bytes).sum();
            out.push_str(&format!("{} copied, {}\n", plural(copied.len() as u64, "backup"), bytes(total)));
            out
        },
        || json!({ "backups": done, "failed": failed.iter().map(|(error, _)| error).collect::<Vec<_>>() }),
    );
    Ok(exit)
}

/// The one that is named, or all.
async fn chosen(store: &Store, which: &WhichArgs) -> Result<Vec<Entry>, Report> {
    let mut entries = catalogue(store, &which.of).await?.entries;
    if let Some(text) = &which.backup {
        let selector: Selector = text.parse()?;
        let manifests: Vec<Manifest> = entries.iter().map(|entry| entry.manifest.clone()).collect();
        let picked = selector.pick(&manifests)?.id.clone();
        entries.retain(|entry| entry.manifest.id == picked);
        entries.truncate(1);
    }
    let trust = Trust::load(&which.trust_keys)?;
    for entry in &mut entries {
        trust.check(store, entry).await?;
    }
    Ok(entries)
}
