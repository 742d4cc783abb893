//! The inspector against a dump that sqlite3 3.40 wrote, cut at every byte and fed in chunks of any size.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_sqlite::Sqlite;
use planb_sdk::{Artifact, Engine, Inspection, testing};

type Inspector = <Sqlite as Engine>::Inspector;

fn artifact(format: &str) -> Artifact {
    Artifact::new("x", "x/x", format)
}

fn inspect(format: &str, dump: &[u8], chunk: usize) -> Inspection {
    testing::inspect::<Inspector>(&testing::request("/x.db"), &artifact(format), dump, chunk)
}

const OBJECTS: &str = "\
table fts_config 1
table fts_content 1
table fts_data 3
table fts_docsize 1
table fts_idx 1
table movies 3
table odd \"n 2
table seq 1
view v -
virtual-table fts -";

#[test]
fn sql() {
    let dump = include_bytes!("fixtures/dump.sql");
    let whole = inspect("sql", dump, usize::MAX);
    let rows = |rows: Option<u64>| rows.map_or("-".to_owned(), |rows| rows.to_string());
    let objects: Vec<String> =
        whole.objects.iter().map(|object| format!("{} {} {}", object.kind, object.name, rows(object.rows))).collect();
    assert_eq!(objects.join("\n"), OBJECTS);
    assert!(whole.complete, "{:?}", whole.findings);
    assert_eq!(whole.findings, Vec::<String>::new());
    for chunk in [1, 2, 3, 7, 64, 65536] {
        assert_eq!(inspect("sql", dump, chunk), whole, "chunks of {chunk}");
    }
    testing::inspect_cut_anywhere::<Inspector>(&testing::request("/x.db"), &artifact("sql"), dump);
    // Nor is the line's end missing.
    assert!(!inspect("sql", &dump[..dump.len() - 1], 65536).complete);
}

#[test]
fn a_dump_of_a_damaged_database() {
    let dump = "BEGIN TRANSACTION;\nCREATE TABLE t(a);\n/****** CORRUPTION ERROR *******/\n/****** database disk image is malformed ******/\nROLLBACK; -- due to errors\n";
    let inspection = inspect("sql", dump.as_bytes(), 5);
    assert!(!inspection.complete);
    assert!(inspection.findings.concat().contains("errors in the database"));
}

#[test]
fn binary() {
    let mut file = vec![0; 8192];
    file[..16].copy_from_slice(b"SQLite format 3\0");
    file[16..18].copy_from_slice(&4096_u16.to_be_bytes());
    file[28..32].copy_from_slice(&2_u32.to_be_bytes());
    for chunk in [1, 3, 64, 65536] {
        assert!(inspect("binary", &file, chunk).complete);
    }
    testing::inspect_cut_anywhere::<Inspector>(&testing::request("/x.db"), &artifact("binary"), &file);
    file[0] = b'x';
    assert!(!inspect("binary", &file, 64).complete);
}
