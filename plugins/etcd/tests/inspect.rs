//! The inspector against a snapshot that etcd 3.4.23 wrote, cut at every byte and fed in chunks of any size.
//!
//! It holds three movies, of which one was written twice, three actors, a key without a slash, and one that was deleted.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_etcd::Etcd;
use planb_sdk::{Artifact, Engine, Inspection, Mode, Scope, testing};
use sha2::Digest as _;

const SNAPSHOT: &[u8] = include_bytes!("fixtures/snapshot-3.4.db");

fn inspect(snapshot: &[u8], chunk: usize) -> Inspection {
    let request = testing::request("").scope(Scope::All).mode(Mode::File);
    let artifact = Artifact::new("db", "application/octet-stream", "snapshot");
    testing::inspect::<<Etcd as Engine>::Inspector>(&request, &artifact, snapshot, chunk)
}

#[test]
fn keys_are_counted() {
    let whole = inspect(SNAPSHOT, usize::MAX);
    let objects: Vec<String> =
        whole.objects.iter().map(|object| format!("{} {} {:?}", object.kind, object.name, object.rows)).collect();
    assert_eq!(
        objects,
        ["prefix (keys without a slash) Some(1)", "prefix /actors/ Some(3)", "prefix /movies/ Some(3)"]
    );
    assert!(whole.complete && whole.findings.is_empty(), "{:?}", whole.findings);
    for chunk in [1, 7, 31, 32, 33, 4095, 65536] {
        assert_eq!(inspect(SNAPSHOT, chunk), whole, "chunks of {chunk}");
    }
}

#[test]
fn a_cut_is_found_anywhere() {
    for end in 0..SNAPSHOT.len() {
        let cut = inspect(&SNAPSHOT[..end], 65536);
        assert!(!cut.complete && !cut.findings.is_empty(), "cut at {end}");
    }
}

#[test]
fn a_change_is_found() {
    let mut changed = SNAPSHOT.to_vec();
    changed[9000] ^= 1;
    assert!(!inspect(&changed, 100).complete);
    // Right digest, but no database.
    let mut other = b"no database".to_vec();
    other.extend_from_slice(&sha2::Sha256::digest(b"no database"));
    assert!(!inspect(&other, 5).complete);
}
