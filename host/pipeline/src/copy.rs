//! Copying a committed backup from one store to another: its stored bytes as they are, checked on the way, and the
//! manifest last.

use std::sync::Arc;

use planb_model::manifest::LARGEST;
use planb_store::{Entry, NotPut, SIGNATURE, Store, StoreErrorKind};
use serde::Serialize;
use tracing::Instrument as _;

use crate::decode::store_or_damaged;
use crate::error::RunError;
use crate::fan::remove;
use crate::judge::Meter;
use crate::lock::{Leases, Lock, is_gone, reading};
use crate::progress::{Progress, Stage};
use crate::stop::Stop;
use crate::traced;

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words are those of the manifest")]
pub struct CopyReport {
    pub id: String,
    pub database: String,
    pub key: String,
    pub stored_bytes: u64,
    /// False: it was there already.
    pub copied: bool,
}

/// Copies a backup under its own name. One that is there already is left as it is.
///
/// # Errors
/// [`RunError`]; nothing is left in the target then. `Damaged` where the source is not what its manifest says.
pub async fn copy(
    from: &Store,
    entry: &Entry,
    to: &Store,
    progress: &Arc<Progress>,
    stop: &Arc<Stop>,
) -> Result<CopyReport, RunError> {
    let manifest = &entry.manifest;
    let mut report = CopyReport {
        id: manifest.id.clone(),
        database: manifest.database.clone(),
        key: entry.name().to_owned(),
        stored_bytes: manifest.stored_bytes,
        copied: false,
    };
    if to.size_of(&entry.key).await?.is_some() {
        let there = planb_model::manifest::Manifest::parse(&to.read_small(&entry.key, LARGEST).await?);
        if there.is_ok_and(|there| there.id == manifest.id && there.stored_sha256 == manifest.stored_sha256) {
            return Ok(report);
        }
        return Err(RunError::Settings(format!("{} has another backup under the name {}", to.shown(), entry.name())));
    }
    progress.expect(manifest.stored_bytes);
    // What is written, should planb be killed; and what is read, should a prune come by.
    let mut keys: Vec<String> =
        manifest.files.iter().flat_map(|file| &file.volumes).map(|volume| entry.volume_key(&volume.key)).collect();
    keys.push(format!("{}{SIGNATURE}", entry.key));
    let lease = Leases { id: &manifest.id, job: "copy", keys, manifest: entry.key.clone() };
    let mut failed = [None];
    let held = lease.take(std::slice::from_ref(to), Lock::Off, &mut failed, stop).await?;
    let mut written = Written::default();
    let outcome = match reading(from, entry).await {
        Ok(read) => {
            let span = traced::span("copy", &manifest.engine, &manifest.database, &manifest.id);
            progress.trace(&span);
            progress.enter(Stage::Streaming);
            let outcome = bring(from, entry, to, progress, stop, &mut written).instrument(span.clone()).await;
            progress.traced();
            traced::ended(&span, outcome.as_ref().err());
            if let Some(read) = read {
                read.release(true).await;
            }
            outcome
        }
        Err(error) => Err(error),
    };
    if outcome.is_err() {
        // Objects go only where no manifest can name them.
        if written.perhaps && to.delete(&entry.key).await.is_err() {
            tracing::warn!(
                store = to.shown(),
                key = entry.key,
                "whether the manifest was written cannot be told, so the backup's objects are left: planb verify tells"
            );
        } else {
            remove(to, &written.keys).await;
        }
    }
    held.release(std::iter::once(outcome.is_ok())).await;
    match outcome {
        Err(RunError::Damaged { .. }) if is_gone(from, entry).await => {
            return Err(RunError::Gone(manifest.short_id().to_owned()));
        }
        outcome => outcome?,
    }
    report.copied = true;
    Ok(report)
}

/// What a copy has left so far.
#[derive(Debug, Default)]
struct Written {
    keys: Vec<String>,
    /// Whether the manifest may be there although its writing failed.
    perhaps: bool,
}

async fn bring(
    from: &Store,
    entry: &Entry,
    to: &Store,
    progress: &Arc<Progress>,
    stop: &Arc<Stop>,
    written: &mut Written,
) -> Result<(), RunError> {
    let manifest = &entry.manifest;
    for file in &manifest.files {
        let mut meter = Meter::default();
        for volume in &file.volumes {
            let key = entry.volume_key(&volume.key);
            let mut reader =
                from.read(&key, volume.bytes).await.map_err(|error| store_or_damaged(&manifest.id, error))?;
            let mut writer = to.begin(&key, "application/octet-stream").await?;
            loop {
                let next = match stop.reason() {
                    Some(reason) => Err(reason.into()),
                    None => reader.next().await.map_err(|error| store_or_damaged(&manifest.id, error)),
                };
                let bytes = match next {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break,
                    Err(error) => {
                        writer.abort().await;
                        return Err(error);
                    }
                };
                meter.add(&bytes);
                progress.add_plain(bytes.len());
                if let Err(error) = writer.write(bytes).await {
                    writer.abort().await;
                    return Err(error.into());
                }
            }
            writer.close().await?;
            written.keys.push(key);
        }
        let measured = meter.finish();
        if measured.sha256 != file.stored_sha256 || measured.bytes != file.stored_bytes {
            return Err(RunError::Damaged {
                id: manifest.id.clone(),
                what: "its stored bytes are not those that were written".to_owned(),
            });
        }
    }
    progress.enter(Stage::Finishing);
    let put = |not: NotPut| RunError::Store(not.error);
    let signature = format!("{}{SIGNATURE}", entry.key);
    match from.read_small(&signature, LARGEST).await {
        Ok(bytes) => {
            to.put_new(&signature, bytes).await.map_err(put)?;
            written.keys.push(signature);
        }
        Err(error) if error.kind == StoreErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    // Its own bytes, which may be signed.
    let bytes = from.read_small(&entry.key, LARGEST).await?;
    to.put_new(&entry.key, bytes).await.map_err(|not| {
        written.perhaps = not.perhaps;
        put(not)
    })
}
