//! Databases to back up, tools that misbehave, and small helpers.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// Runs `sqlite3` itself, without planb.
pub fn sqlite3(db: &Path, sql: &str) -> String {
    let output = Command::new("sqlite3").arg(db).arg(sql).output().expect("sqlite3 runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The dump of a database, for comparing two.
pub fn dump(db: &Path) -> String {
    sqlite3(db, ".dump")
}

/// A small database of a few tables.
pub fn small(folder: &Path, name: &str) -> PathBuf {
    let db = folder.join(name);
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

/// A database whose dump has a little more than `mib` MiB that do not compress much.
pub fn large(folder: &Path, name: &str, mib: usize) -> PathBuf {
    let db = folder.join(name);
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

/// The URL of a SQLite file.
pub fn sqlite_url(db: &Path) -> String {
    format!("sqlite://{}", db.display())
}

/// A program of our own making.
pub fn program(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
    path.to_owned()
}

/// `--tool-path` for a `sqlite3` that does this. Asked for its version, it answers as the real one does.
pub fn fake_sqlite3(folder: &Path, body: &str) -> String {
    let text = format!("#!/bin/sh\ncase \"$*\" in *sqlite_version*|*--version*) exec sqlite3 \"$@\";; esac\n{body}\n");
    format!("sqlite3={}", program(&folder.join("sqlite3"), &text).display())
}

/// The paths of all files below a folder, hidden ones too, sorted.
pub fn files(folder: &Path) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else if let Ok(path) = entry.path().strip_prefix(folder) {
                found.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for path in files(from) {
        let target = to.join(&path);
        fs::create_dir_all(target.parent().expect("a parent")).expect("a folder");
        fs::copy(from.join(&path), target).expect("a copy");
    }
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The processes whose command line or environment holds a text, with their command lines.
pub fn processes_with(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let has = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let line = read("cmdline");
        // A process that has ended and was not yet waited for has neither.
        if id != std::process::id() && (has(&line) || has(&read("environ"))) {
            found.push((id, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Waits until something is so; how long a busy machine needs for it does not matter.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_mins(2), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The most memory that a living process has had, in KiB.
pub fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
}
