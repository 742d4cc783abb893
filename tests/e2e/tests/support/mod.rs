//! What the tests of stores, faults, kills, secrets and plugins share.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses a part of it, and it starts programs itself"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use planb_harness::{Output, Planb};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A folder for one test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Runs `sqlite3` itself, without planb.
pub(crate) fn sqlite3(db: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3").arg(db).arg(sql).output().expect("sqlite3 runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A small database of a few tables.
pub(crate) fn small(folder: &Path) -> PathBuf {
    let db = folder.join("shop.db");
    sqlite3(
        &db,
        "CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO customer(name) VALUES('Ann'), ('B''ob'), ('Zoë'), (NULL);
         CREATE TABLE \"odd \"\"name\"(a BLOB, b REAL);
         INSERT INTO \"odd \"\"name\" VALUES(x'00ff', 1.5), ('line' || char(10) || '.shell', -0.0);
         CREATE INDEX by_name ON customer(name);
         CREATE VIEW v AS SELECT name FROM customer;",
    );
    db
}

/// A database whose dump has more than `mib` MiB that do not compress much.
pub(crate) fn large(folder: &Path, mib: usize) -> PathBuf {
    let db = folder.join("large.db");
    // A dump has a blob in hex: two letters a byte.
    let rows = mib * 8 + 1;
    sqlite3(
        &db,
        &format!(
            "CREATE TABLE noise(id INTEGER PRIMARY KEY, data BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO noise SELECT i, randomblob(65536) FROM n;"
        ),
    );
    db
}

/// The dump of a database, for comparing two.
pub(crate) fn dump(db: &Path) -> String {
    sqlite3(db, ".dump")
}

/// The URL of a SQLite file.
pub(crate) fn sqlite_url(db: &Path) -> String {
    format!("sqlite://{}", db.display())
}

/// `planb run` of a SQLite file.
pub(crate) fn run(db: &Path) -> Planb {
    Planb::new().args(["run", "--output", "json", "--db", &sqlite_url(db)])
}

/// `planb restore` of a store's only backup into a SQLite file.
pub(crate) fn restore(from: &str, db: &Path) -> Planb {
    Planb::new().args(["restore", "latest", "--output", "json", "--from", from, "--db", &sqlite_url(db)])
}

/// `planb verify` of a store's only backup.
pub(crate) fn verify(from: &str) -> Planb {
    Planb::new().args(["verify", "latest", "--output", "json", "--from", from])
}

/// `planb list`.
pub(crate) fn list(from: &str) -> Planb {
    Planb::new().args(["list", "--output", "json", "--from", from])
}

/// With more variables.
pub(crate) fn with<K: AsRef<str>>(command: Planb, env: &[(K, String)]) -> Planb {
    env.iter().fold(command, |command, (key, value)| command.env(key.as_ref(), value))
}

/// Backs a SQLite file up into a folder, and panics if it does not work.
pub(crate) fn backed_up(db: &Path, to: &Path, more: &[&str]) -> Output {
    run(db).arg("--to").arg(to).args(more).run().ok()
}

/// The only manifest in a folder: its path and what it says.
pub(crate) fn manifest(folder: &Path) -> (PathBuf, Value) {
    let all: Vec<_> = files(folder).into_iter().filter(|key| key.ends_with(".manifest.json")).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    let path = folder.join(&all[0]);
    let text = fs::read_to_string(&path).expect("a manifest");
    (path, serde_json::from_str(&text).expect("JSON"))
}

/// The keys of a manifest's objects.
pub(crate) fn keys(manifest: &Value) -> Vec<String> {
    let files = manifest["files"].as_array().expect("files").iter();
    let volumes = files.flat_map(|file| file["volumes"].as_array().expect("volumes").clone());
    volumes.map(|volume| volume["key"].as_str().expect("a key").to_owned()).collect()
}

/// The paths of all files below a folder, hidden ones too, sorted.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, at: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Panics unless a folder is missing, or has nothing in it but empty folders.
#[track_caller]
pub(crate) fn assert_empty(folder: &Path) {
    let left = files(folder);
    assert!(left.is_empty(), "{} still holds {left:?}", folder.display());
}

/// Panics unless a folder is missing, or has nothing at all in it.
#[track_caller]
pub(crate) fn assert_bare(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{} still holds {left:?}", folder.display());
}

/// Panics if a store lists a backup.
#[track_caller]
pub(crate) fn assert_nothing_listed(from: &str) {
    let listed = list(from).run().ok();
    assert_eq!(listed.json(), serde_json::json!([]), "{listed:?}");
    assert!(listed.stderr.is_empty(), "{listed:?}");
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A tool of our own making. Asked for its version, it answers as the real one does.
pub(crate) fn fake_sqlite3(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("sqlite3");
    let text = format!("#!/bin/sh\ncase \"$*\" in *sqlite_version*|*--version*) exec sqlite3 \"$@\";; esac\n{body}\n");
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    path
}

/// The ids of the processes whose command line or environment holds a text.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let has = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        // A process that has ended and was not yet waited for has neither.
        if id != std::process::id() && (has("cmdline") || has("environ")) {
            found.push(id);
        }
    }
    found
}

/// Waits until something is so; how long a busy machine needs for it does not matter.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_mins(2), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
