//! The stages that look at the bytes: the plugin's inspector and the digest, each in a thread of its own.

use std::sync::mpsc::Receiver;

use bytes::Bytes;
use planb_model::engine::Inspection;
use planb_plugin::{PluginError, Session};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::pump::Seen;

/// Size and digest of a stream, in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// Feeds the inspector of a session until its senders are gone; gives what the plugin saw.
pub(crate) fn inspect(
    mut session: Box<dyn Session>,
    seen: Receiver<Seen>,
) -> JoinHandle<Result<Inspection, PluginError>> {
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        for next in seen {
            match next {
                Seen::Open(path) => handle.block_on(session.inspect_open(&path))?,
                Seen::Bytes(bytes) => handle.block_on(session.inspect_feed(&bytes))?,
            }
        }
        handle.block_on(session.inspect_finish())
    })
}

/// Measures one stream.
pub(crate) fn digest(bytes: Receiver<Bytes>) -> JoinHandle<Measured> {
    tokio::task::spawn_blocking(move || {
        let mut meter = Meter::default();
        for chunk in bytes {
            meter.add(&chunk);
        }
        meter.finish()
    })
}

/// Counts and digests.
#[derive(Default)]
pub(crate) struct Meter {
    hash: Sha256,
    bytes: u64,
}

impl Meter {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn finish(self) -> Measured {
        Measured { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) }
    }
}
