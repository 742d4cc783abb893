//! Verification: is what the manifest says still there, byte for byte, and does the plugin see in it what it saw then?

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use bytes::Bytes;
use planb_model::Blame;
use planb_model::engine::{Connection, Inspection, Mode, Request};
use planb_model::manifest::{FileRecord, Manifest};
use planb_plugin::Plugin;
use planb_store::{Entry, Store};
use serde::Serialize;
use tracing::Instrument as _;

use crate::codec::Identities;
use crate::decode::{Keys, Plain, fetch, store_or_damaged, uncarry};
use crate::error::RunError;
use crate::judge::{self, Meter};
use crate::lock::{is_gone, reading};
use crate::progress::Progress;
use crate::pump::CHUNK;
use crate::pump::{QUEUE, Seen};
use crate::stages::joined;
use crate::stop::Stop;
use crate::traced;
use crate::unpack::each_file;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}

/// What `planb verify` reports. Fixed: people script on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct VerifyReport {
    pub id: String,
    pub ok: bool,
    pub checks: Vec<Check>,
    /// What could not be looked at, and why.
    pub warnings: Vec<String>,
}

/// Verifies a backup: all its stored bytes; its plain bytes if they can be opened; its inspection if the plugin is here.
///
/// # Errors
/// [`RunError`] where it could not be looked at (a store that fails, a run that is stopped). What is wrong with the
/// backup is no error but a failed check.
pub async fn verify(
    store: &Store,
    entry: &Entry,
    plugin: Option<&Plugin>,
    identities: &Identities,
    progress: &Arc<Progress>,
    stop: &Arc<Stop>,
) -> Result<VerifyReport, RunError> {
    let reading = reading(store, entry).await?;
    let manifest = &entry.manifest;
    let span = traced::span("verify", &manifest.engine, &manifest.database, &manifest.id);
    progress.trace(&span);
    let outcome = look(store, entry, plugin, identities, progress, stop).instrument(span.clone()).await;
    progress.traced();
    let damaged = |report: &VerifyReport| (!report.ok).then_some(Blame::Storage);
    traced::blamed(&span, outcome.as_ref().map_or_else(|error| Some(error.blame()), damaged));
    if let Some(lease) = reading {
        lease.release(true).await;
    }
    if outcome.as_ref().is_ok_and(|report| !report.ok) && is_gone(store, entry).await {
        return Err(RunError::Gone(entry.manifest.short_id().to_owned()));
    }
    outcome
}

async fn look(
    store: &Store,
    entry: &Entry,
    plugin: Option<&Plugin>,
    identities: &Identities,
    progress: &Arc<Progress>,
    stop: &Arc<Stop>,
) -> Result<VerifyReport, RunError> {
    let manifest = &entry.manifest;
    let mut report = VerifyReport { id: manifest.id.clone(), ok: true, checks: Vec::new(), warnings: Vec::new() };
    progress.expect(manifest.plain_bytes);
    let opens = manifest.encryption.is_none() || !identities.is_empty();
    if !opens {
        report.warnings.push("it is encrypted and no key was given, so only its stored bytes were checked".to_owned());
        for file in &manifest.files {
            let checked = check_stored(store, entry, file, stop).await;
            report.add(&check_name("stored digest", file), checked.map(|()| format!("{} bytes", file.stored_bytes)))?;
        }
        return Ok(report);
    }
    let keys: Keys = Arc::new(identities.load()?);
    let mut inspector = None;
    if let Some(plugin) = plugin {
        let mut session = plugin.session().await?;
        session.inspect(&request(manifest), &manifest.artifact).await?;
        let (sender, seen) = sync_channel(QUEUE);
        inspector = Some((sender, judge::inspect(session, seen)));
    } else {
        report.warnings.push(format!(
            "no plugin for the engine `{}` is here, so its content was not inspected again",
            manifest.engine
        ));
    }
    for file in &manifest.files {
        let fetched = fetch(store, entry, file, stop);
        let (manifest, file2, keys, stop2) = (manifest.clone(), file.clone(), Arc::clone(&keys), Arc::clone(stop));
        let (progress, sender) = (Arc::clone(progress), inspector.as_ref().map(|(sender, _)| sender.clone()));
        let read = joined(tokio::task::spawn_blocking(move || {
            let plain = Plain::open(&manifest, &file2, &keys, fetched, &stop2)?;
            read_all(plain, &file2, manifest.mode, sender.as_ref(), &progress)
        }))
        .await?;
        let read = match read {
            // A damaged header fits no key either.
            Err(RunError::WrongKey(id)) => {
                check_stored(store, entry, file, stop).await.and(Err(RunError::WrongKey(id)))
            }
            other => other,
        };
        let ok = read.is_ok();
        report.add(
            &check_name("digests", file),
            read.map(|()| format!("{} bytes plain, {} stored", file.plain_bytes, file.stored_bytes)),
        )?;
        if !ok {
            return Ok(report);
        }
    }
    if let Some((sender, judging)) = inspector {
        drop(sender);
        let now = joined(judging).await??;
        let same = same_inspection(&manifest.inspection, &now);
        let detail = match &same {
            Ok(()) => format!("complete, {} objects, {} rows", now.objects.len(), now.rows()),
            Err(difference) => difference.clone(),
        };
        report.ok &= same.is_ok();
        report.checks.push(Check { name: "inspection".to_owned(), ok: same.is_ok(), detail });
    }
    Ok(report)
}

impl VerifyReport {
    /// Damage is a failed check; anything else is an error of the verification itself.
    fn add(&mut self, name: &str, outcome: Result<String, RunError>) -> Result<(), RunError> {
        let (ok, detail) = match outcome {
            Ok(detail) => (true, detail),
            Err(RunError::Damaged { what, .. }) => (false, what),
            Err(other) => return Err(other),
        };
        self.ok &= ok;
        self.checks.push(Check { name: name.to_owned(), ok, detail });
        Ok(())
    }
}

fn check_name(what: &str, file: &FileRecord) -> String {
    if file.path.is_empty() { what.to_owned() } else { format!("{what} of {}", file.path) }
}

/// What the plugin was asked when the backup was made, as far as inspecting needs it.
fn request(manifest: &Manifest) -> Request {
    Request {
        connection: Connection::default(),
        scope: manifest.source(),
        mode: manifest.mode,
        native_compression: manifest.compression == "native",
        settings: manifest.options.clone().into_iter().collect(),
        extra_args: manifest.extra_args.clone(),
        tools: Vec::new(),
        server_version: manifest.server_version.clone(),
        objects: None,
        serve_at: None,
    }
}

fn same_inspection(then: &Inspection, now: &Inspection) -> Result<(), String> {
    if !now.complete {
        return Err(format!("the plugin no longer finds it complete: {}", now.findings.join("; ")));
    }
    let sorted = |inspection: &Inspection| {
        let mut objects = inspection.objects.clone();
        objects.sort();
        objects
    };
    if sorted(then) == sorted(now) {
        return Ok(());
    }
    Err(format!(
        "the manifest has {} objects with {} rows, the dump holds {} with {}",
        then.objects.len(),
        then.rows(),
        now.objects.len(),
        now.rows()
    ))
}

struct Gone;

fn read_all(
    mut plain: Plain,
    file: &FileRecord,
    mode: Mode,
    judge: Option<&SyncSender<Seen>>,
    progress: &Progress,
) -> Result<(), RunError> {
    // An inspector that ended early tells why itself, when it is asked.
    let tell = |seen: Seen| judge.map_or(Ok(()), |judge| judge.send(seen).map_err(|_| Gone));
    if mode == Mode::Tar {
        return read_tar(plain, judge, progress);
    }
    let mut told = tell(Seen::Open(file.path.clone()));
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = plain.read(&mut buffer)?;
        if n == 0 {
            return plain.finish();
        }
        progress.add_plain(n);
        if told.is_ok() {
            told = tell(Seen::Bytes(Bytes::copy_from_slice(&buffer[..n])));
        }
    }
}

/// The inspector of a tar sees its files, as it did when it was made.
fn read_tar(plain: Plain, judge: Option<&SyncSender<Seen>>, progress: &Progress) -> Result<(), RunError> {
    let id = plain.id().to_owned();
    let wrap = |error: std::io::Error| {
        uncarry(error).unwrap_or_else(|error| RunError::Damaged {
            id: id.clone(),
            what: format!("its tar cannot be read: {error}"),
        })
    };
    let tell = |seen: Seen| judge.is_some_and(|judge| judge.send(seen).is_ok());
    let mut buffer = vec![0; CHUNK];
    let plain = each_file(plain, &id, |path, file| {
        let mut told = tell(Seen::Open(path.to_owned()));
        loop {
            let n = file.read(&mut buffer).map_err(&wrap)?;
            if n == 0 {
                return Ok(());
            }
            progress.add_plain(n);
            told = told && tell(Seen::Bytes(Bytes::copy_from_slice(&buffer[..n])));
        }
    })?;
    plain.finish()
}

/// Whether the stored bytes of a file are those of the manifest, without opening them.
pub(crate) async fn check_stored(
    store: &Store,
    entry: &Entry,
    file: &FileRecord,
    stop: &Arc<Stop>,
) -> Result<(), RunError> {
    let id = &entry.manifest.id;
    let mut fetched = fetch(store, entry, file, stop);
    let mut meter = Meter::default();
    while let Some(bytes) = fetched.recv().await {
        meter.add(&bytes.map_err(|error| store_or_damaged(id, error))?);
    }
    if let Some(reason) = stop.reason() {
        return Err(reason.into());
    }
    let measured = meter.finish();
    if measured.bytes != file.stored_bytes || measured.sha256 != file.stored_sha256 {
        return Err(RunError::Damaged {
            id: id.clone(),
            what: format!(
                "its stored bytes are not those that were written (SHA-256 {} and not {})",
                measured.sha256, file.stored_sha256
            ),
        });
    }
    Ok(())
}
