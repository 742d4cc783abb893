//! What a snapshot held, and whether it is whole.
//!
//! A snapshot is the member's database file (bbolt) with the SHA-256 of its bytes after it (server/etcdserver/api/v3rpc/
//! maintenance.go). So a file that was cut anywhere, or changed, is found; `etcdutl snapshot restore` checks the same.

mod bolt;
pub(crate) mod proto;

use planb_sdk::{Artifact, Inspection, Inspector, Request};
use sha2::{Digest as _, Sha256};

use bolt::{Bolt, Keys};

const DIGEST: usize = 32;

/// The inspector of snapshots.
#[derive(Debug)]
pub struct SnapshotInspector {
    hasher: Sha256,
    /// The last bytes, which are the digest if nothing follows.
    held: Vec<u8>,
    bolt: Bolt,
    bytes: u64,
}

impl Inspector for SnapshotInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self { hasher: Sha256::new(), held: Vec::new(), bolt: Bolt::default(), bytes: 0 }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        // What was held back is no digest as far as as many bytes have come after it.
        let (older, newest) = chunk.split_at(chunk.len().saturating_sub(DIGEST));
        let surplus = (self.held.len() + newest.len()).saturating_sub(DIGEST);
        let surplus = if older.is_empty() { surplus } else { self.held.len() };
        for bytes in [self.held.get(..surplus).unwrap_or_default(), older] {
            self.hasher.update(bytes);
            self.bolt.feed(bytes);
        }
        self.held.drain(..surplus);
        self.held.extend_from_slice(newest);
    }

    fn finish(self) -> Inspection {
        let whole = self.held.len() == DIGEST && self.hasher.finalize().as_slice() == self.held;
        let none =
            |finding: &str| Inspection { complete: false, objects: Vec::new(), findings: vec![finding.to_owned()] };
        if self.bytes == 0 {
            return none("the snapshot is empty");
        }
        if !whole {
            return none("the snapshot's bytes are not those of the SHA-256 at its end: it was cut off or changed");
        }
        let (objects, finding) = match self.bolt.keys() {
            Keys::Counted(objects) => (objects, None),
            Keys::NotCounted => (Vec::new(), Some("the snapshot is too large for its keys to be counted")),
            Keys::Unreadable => return none("the snapshot is whole, but it is no database of etcd"),
        };
        Inspection { complete: true, objects, findings: finding.into_iter().map(str::to_owned).collect() }
    }
}
