//! The inspector against backups that gbak 3.0.11 wrote of one database: portable and packed in runs, as it does unless told
//! otherwise, in the machine's own form (`-nt`), and not packed (`-expand`).
//!
//! The database has a table with a blob, one with an array and a computed column, a comment, a view, and one of each kind of other
//! metadata: a trigger, a package, a role, a mapping, a collation, an expression index.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_firebird::Firebird;
use planb_sdk::{Artifact, Engine, Inspection, testing};

const PORTABLE: &[u8] = include_bytes!("fixtures/portable-3.0.fbk");
const NATIVE: &[u8] = include_bytes!("fixtures/native-3.0.fbk");
const EXPANDED: &[u8] = include_bytes!("fixtures/expanded-3.0.fbk");

fn inspect(backup: &[u8], chunk: usize) -> Inspection {
    let artifact = Artifact::new("fbk", "application/octet-stream", "gbak");
    testing::inspect::<<Firebird as Engine>::Inspector>(&testing::request("x"), &artifact, backup, chunk)
}

const OBJECTS: &str = "\
sequence G1 -
table ACTORS 3
table MOVIES 3
table WITHDOM 1
table odd \"n 4
temporary-table GTT -
view V -";

#[test]
fn tables_and_rows() {
    for backup in [PORTABLE, NATIVE, EXPANDED] {
        let whole = inspect(backup, usize::MAX);
        let rows = |rows: Option<u64>| rows.map_or("-".to_owned(), |rows| rows.to_string());
        let objects: Vec<String> = whole
            .objects
            .iter()
            .map(|object| format!("{} {} {}", object.kind, object.name, rows(object.rows)))
            .collect();
        assert_eq!(objects.join("\n"), OBJECTS);
        assert!(whole.complete && whole.findings.is_empty(), "{:?}", whole.findings);
        for chunk in [1, 2, 3, 7, 64, 65536] {
            assert_eq!(inspect(backup, chunk), whole, "chunks of {chunk}");
        }
    }
}

#[test]
fn a_cut_is_found_anywhere() {
    for backup in [PORTABLE, NATIVE, EXPANDED] {
        for end in 0..backup.len() {
            let cut = inspect(&backup[..end], 65536);
            assert!(!cut.complete && !cut.findings.is_empty(), "cut at {end}");
        }
    }
}

#[test]
fn other_files_are_refused() {
    assert!(inspect(&[b'x'; 512], 100).findings[0].contains("no backup of gbak"));
    let mut longer = PORTABLE.to_vec();
    longer.extend([0; 512]);
    assert!(!inspect(&longer, 100).complete);
    let mut newer = PORTABLE.to_vec();
    assert_eq!(newer[1..7], [2, 4, 10, 0, 0, 0]);
    newer[3] = 12;
    assert!(inspect(&newer, 100).findings[0].contains("newer"));
}
