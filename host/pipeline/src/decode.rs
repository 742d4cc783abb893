//! Reading back: volumes in their order, measured as stored, decrypted, decompressed, measured as plain, and never
//! more than the manifest says.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use planb_model::compression::Compression;
use planb_model::manifest::{FileRecord, Manifest};
use planb_store::{Entry, Store, StoreError};
use tokio::sync::mpsc;

use crate::codec::{DecodeError, decoder};
use crate::error::RunError;
use crate::judge::Meter;
use crate::stop::Stop;

/// Pieces that may wait between the store and the decoder.
const QUEUE: usize = 8;

type Fetched = Result<Bytes, StoreError>;
/// Keys that open a backup.
pub(crate) type Keys = Arc<Vec<Box<dyn age::Identity + Send + Sync>>>;

/// Fetches a file's volumes, one after the other, in a task of its own.
pub(crate) fn fetch(store: &Store, entry: &Entry, file: &FileRecord, stop: &Arc<Stop>) -> mpsc::Receiver<Fetched> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let volumes: Vec<_> = file.volumes.iter().map(|volume| (entry.volume_key(&volume.key), volume.bytes)).collect();
    let (store, stop) = (store.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        for (key, bytes) in volumes {
            let mut reader = match store.read(&key, bytes).await {
                Ok(reader) => reader,
                Err(error) => {
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            loop {
                let next = tokio::select! {
                    next = reader.next() => next,
                    // Dropping the sender is an early end, which the reader below tells from a real one by its size.
                    () = stop.token().cancelled() => return,
                };
                match next {
                    Ok(Some(bytes)) => {
                        if sender.send(Ok(bytes)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let _ = sender.send(Err(error)).await;
                        return;
                    }
                }
            }
        }
    });
    receiver
}

#[derive(Default)]
struct Raw {
    meter: Meter,
    error: Option<StoreError>,
}

/// The stored bytes of a file as a blocking reader that measures them.
struct Stored {
    fetched: mpsc::Receiver<Fetched>,
    current: Bytes,
    raw: Arc<Mutex<Raw>>,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.fetched.blocking_recv() {
                None => return Ok(0),
                Some(Ok(bytes)) => {
                    self.raw.lock().unwrap_or_else(PoisonError::into_inner).meter.add(&bytes);
                    self.current = bytes;
                }
                Some(Err(error)) => {
                    self.raw.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error);
                    return Err(io::Error::other("the store failed"));
                }
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}

/// The plain bytes of a file, to be read in a blocking thread; [`Plain::finish`] tells whether they were right.
pub(crate) struct Plain {
    id: String,
    name: String,
    inner: Box<dyn Read + Send>,
    raw: Arc<Mutex<Raw>>,
    meter: Meter,
    expected: FileRecord,
    stop: Arc<Stop>,
}

impl Plain {
    /// Opens a file; blocks until its first bytes are there if it is encrypted.
    pub(crate) fn open(
        manifest: &Manifest,
        file: &FileRecord,
        keys: &Keys,
        fetched: mpsc::Receiver<Fetched>,
        stop: &Arc<Stop>,
    ) -> Result<Self, RunError> {
        let raw = Arc::new(Mutex::new(Raw::default()));
        let stored = Stored { fetched, current: Bytes::new(), raw: Arc::clone(&raw) };
        let compression: Compression = manifest.compression.parse().map_err(|error| RunError::Damaged {
            id: manifest.id.clone(),
            what: format!("its manifest's compression: {error}"),
        })?;
        let damaged = |what: String| RunError::Damaged { id: manifest.id.clone(), what };
        let inner = decoder(compression, manifest.encryption.is_some(), keys, stored);
        let inner = match inner {
            Ok(inner) => inner,
            Err(error) => {
                if let Some(error) = raw.lock().unwrap_or_else(PoisonError::into_inner).error.take() {
                    return Err(store_or_damaged(&manifest.id, error));
                }
                return Err(match (error, stop.reason()) {
                    (_, Some(reason)) => reason.into(),
                    (DecodeError::NoKey, _) => RunError::WrongKey(manifest.short_id().to_owned()),
                    (error @ DecodeError::TooMuchWork, _) => RunError::Settings(error.to_string()),
                    (other, _) => damaged(other.to_string()),
                });
            }
        };
        Ok(Self {
            id: manifest.id.clone(),
            name: if file.path.is_empty() { "its dump".to_owned() } else { file.path.clone() },
            inner,
            raw,
            meter: Meter::default(),
            expected: file.clone(),
            stop: Arc::clone(stop),
        })
    }

    /// Plain bytes that are still to come, by the manifest.
    pub(crate) fn remaining(&self) -> u64 {
        self.expected.plain_bytes.saturating_sub(self.meter.bytes())
    }

    /// The backup's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn damaged(&self, what: String) -> RunError {
        RunError::Damaged { id: self.id.clone(), what }
    }

    /// The next plain bytes; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RunError> {
        let n = loop {
            match self.inner.read(buffer) {
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        };
        self.meter.add(&buffer[..n]);
        if self.meter.bytes() > self.expected.plain_bytes {
            return Err(self.damaged(format!(
                "{} unpacks to more than the {} bytes of its manifest",
                self.name, self.expected.plain_bytes
            )));
        }
        Ok(n)
    }

    fn failed(&self, error: &io::Error) -> RunError {
        if let Some(reason) = self.stop.reason() {
            return reason.into();
        }
        if let Some(error) = self.raw.lock().unwrap_or_else(PoisonError::into_inner).error.take() {
            return store_or_damaged(&self.id, error);
        }
        self.damaged(format!("{} cannot be unpacked: {error}", self.name))
    }

    /// After the last byte: whether both digests are those of the manifest.
    pub(crate) fn finish(mut self) -> Result<(), RunError> {
        // What a decoder leaves behind its own end still belongs to the stored digest.
        let mut rest = vec![0; 64 << 10];
        while self.read(&mut rest)? > 0 {}
        drop(std::mem::replace(&mut self.inner, Box::new(io::empty())));
        if let Some(reason) = self.stop.reason() {
            return Err(reason.into());
        }
        let raw = std::mem::take(&mut *self.raw.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(error) = raw.error {
            return Err(store_or_damaged(&self.id, error));
        }
        let (id, name, expected) = (self.id.clone(), self.name.clone(), self.expected.clone());
        let damaged = |what: String| Err(RunError::Damaged { id: id.clone(), what });
        let stored = raw.meter.finish();
        if stored.bytes != expected.stored_bytes {
            return damaged(format!(
                "{name} has {} stored bytes and should have {}",
                stored.bytes, expected.stored_bytes
            ));
        }
        if stored.sha256 != expected.stored_sha256 {
            return damaged(format!(
                "the stored bytes of {name} are not those that were written (SHA-256 {} and not {})",
                stored.sha256, expected.stored_sha256
            ));
        }
        let plain = self.meter.finish();
        if plain.bytes != expected.plain_bytes || plain.sha256 != expected.plain_sha256 {
            return damaged(format!(
                "the plain bytes of {name} are not those that were dumped (SHA-256 {} and not {})",
                plain.sha256, expected.plain_sha256
            ));
        }
        Ok(())
    }
}

/// An object that is gone or has another size is a damaged backup, not a store that failed.
pub(crate) fn store_or_damaged(id: &str, error: StoreError) -> RunError {
    match error.kind {
        planb_store::StoreErrorKind::NotFound => {
            RunError::Damaged { id: id.to_owned(), what: format!("{} is not there", error.at) }
        }
        planb_store::StoreErrorKind::Damaged => {
            RunError::Damaged { id: id.to_owned(), what: format!("{}: {}", error.at, error.detail) }
        }
        _ => RunError::Store(error),
    }
}

impl Read for Plain {
    /// For readers that want one (tar). The error of [`Plain::read`] is inside.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::read(self, buffer).map_err(|error| io::Error::other(Carried(Mutex::new(Some(error)))))
    }
}

/// Carries an error through a library that knows only `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("reading the backup failed")]
pub(crate) struct Carried(Mutex<Option<RunError>>);

/// Takes a carried error out again.
pub(crate) fn uncarry(error: io::Error) -> Result<RunError, io::Error> {
    let carried = error.get_ref().and_then(|inner| inner.downcast_ref::<Carried>());
    let inner = carried.and_then(|carried| carried.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    inner.ok_or(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use sha2::{Digest as _, Sha256};
    use std::io::Write as _;

    fn packed(compression: &str, plain: &[u8]) -> Vec<u8> {
        match compression {
            "zstd:3" => zstd::encode_all(plain, 3).unwrap(),
            "gzip:6" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            _ => plain.to_vec(),
        }
    }

    fn digest(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    /// Reads stored bytes as those of a file that should have been `plain`. Gives what came out, and how it ended.
    fn read(compression: &str, file: &FileRecord, stored: &[u8], piece: usize) -> (Vec<u8>, Result<(), RunError>) {
        let manifest = Manifest { compression: compression.to_owned(), encryption: None, ..Manifest::example() };
        let (sender, fetched) = mpsc::channel(stored.len() / piece + 2);
        for piece in stored.chunks(piece) {
            sender.try_send(Ok(Bytes::copy_from_slice(piece))).unwrap();
        }
        drop(sender);
        let keys = Arc::new(Vec::new());
        let mut out = Vec::new();
        let mut plain = match Plain::open(&manifest, file, &keys, fetched, &Arc::new(Stop::default())) {
            Ok(plain) => plain,
            Err(error) => return (out, Err(error)),
        };
        let mut buffer = vec![0; 1 << 10];
        loop {
            match plain.read(&mut buffer) {
                Ok(0) => return (out, plain.finish()),
                Ok(n) => out.extend_from_slice(&buffer[..n]),
                Err(error) => return (out, Err(error)),
            }
        }
    }

    fn record(plain: &[u8], stored: &[u8]) -> FileRecord {
        FileRecord {
            path: String::new(),
            plain_bytes: plain.len() as u64,
            plain_sha256: digest(plain),
            stored_bytes: stored.len() as u64,
            stored_sha256: digest(stored),
            volumes: Vec::new(),
        }
    }

    proptest! {
        /// What was written comes back; what was changed anywhere is damaged, and never more than was promised comes out.
        #[test]
        fn every_change_is_found(
            compression in select(&["zstd:3", "gzip:6", "none"][..]),
            plain in prop_oneof![vec(any::<u8>(), 1..3000), "[ab\n]{1,3000}".prop_map(String::into_bytes)],
            piece in 1..700_usize,
            changes in vec((any::<Index>(), 1..=255_u8), 1..4),
            cut in any::<Index>(),
            more in vec(any::<u8>(), 1..2000),
        ) {
            let stored = packed(compression, &plain);
            let file = record(&plain, &stored);
            let (came, ended) = read(compression, &file, &stored, piece);
            prop_assert!(ended.is_ok(), "{ended:?}");
            prop_assert_eq!(&came, &plain);

            let mut changed = stored.clone();
            for (at, with) in changes {
                let at = at.index(changed.len());
                changed[at] ^= with;
            }
            let cut = stored[..cut.index(stored.len())].to_vec();
            let longer = [stored.clone(), more.clone()].concat();
            let longer_inside = [stored.clone(), packed(compression, &more)].concat();
            for bad in [changed, cut, longer, longer_inside, more] {
                if bad == stored {
                    continue;
                }
                let (came, ended) = read(compression, &file, &bad, piece);
                let damaged = matches!(ended, Err(RunError::Damaged { .. }));
                prop_assert!(damaged, "{ended:?}");
                prop_assert!(came.len() <= plain.len());
            }
        }
    }
}
