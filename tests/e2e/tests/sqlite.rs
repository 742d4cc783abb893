//! SQLite: odd paths and contents, databases in use, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the tests make and read databases by sqlite3")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use planb_harness::{Planb, provision, skip};
use tempfile::TempDir;

const SCHEMA: &str = "
PRAGMA user_version=42; PRAGMA application_id=77;
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, photo BLOB, score REAL, note);
INSERT INTO people VALUES (1, 'a', x'00ff10270a0d', 1.5, NULL), (2, 'b''; DROP TABLE people;--', zeroblob(5000), -0.0, 9223372036854775807),
    (3, 'line
INSERT INTO people VALUES(9,''x'');
COMMIT;
.quit
', NULL, 1e300, 'ünï 数据 🔑'), (40, '', x'', NULL, 0.1);
CREATE TABLE \"odd \"\"name\" (\"a b\" TEXT, \"select\" INT);
INSERT INTO \"odd \"\"name\" VALUES ('x', 1), (NULL, NULL);
CREATE TABLE empty (a);
CREATE TABLE pairs (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO pairs VALUES ('one', 1), ('two', NULL);
CREATE VIEW named AS SELECT name FROM people WHERE photo IS NOT NULL;
CREATE INDEX by_score ON people (score DESC) WHERE score > 0;
CREATE TRIGGER kept AFTER DELETE ON people BEGIN INSERT INTO empty VALUES (old.name); END;
";

/// A path that sqlite3 reads neither as an option nor as a URI.
fn sqlite(path: &Path, sql: &str) -> String {
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) };
    let mut child = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sqlite3 starts");
    child.stdin.take().expect("a pipe").write_all(sql.as_bytes()).expect("sqlite3 reads");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that a copy has to have in common with its source.
fn fingerprint(path: &Path) -> String {
    let tables = sqlite(path, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let mut all = sqlite(
        path,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name; PRAGMA user_version; PRAGMA application_id; PRAGMA integrity_check",
    );
    for table in tables.lines() {
        let name = table.replace('"', "\"\"");
        all.push_str(&sqlite(path, &format!(".mode quote\nSELECT * FROM \"{name}\" ORDER BY 1")));
        all.push_str(&sqlite(path, &format!("SELECT count(*) FROM \"{name}\"")));
    }
    all
}

fn sample(path: &Path) {
    sqlite(path, SCHEMA);
}

fn url(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped: Vec<_> = path.split('/').map(planb_harness::postgres::escape).collect();
    format!("sqlite://{}", escaped.join("/"))
}

fn there_and_back(folder: &Path, source: &Path, args: &[&str]) {
    let store = TempDir::new_in(folder).unwrap();
    let run = Planb::new()
        .args(["run", "--output", "json", "--db", &url(source), "--to"])
        .arg(store.path())
        .args(args)
        .run()
        .ok()
        .json();
    assert_eq!(run["status"], "success");
    assert_eq!(run["engine"], "sqlite");
    assert_eq!(run["inspection"]["complete"], true);
    let verify =
        Planb::new().args(["verify", "latest", "--output", "json", "--from"]).arg(store.path()).run().ok().json();
    assert_eq!(verify["ok"], true);
    let copy = store.path().join("the copy.db");
    Planb::new().args(["restore", "latest", "--db", &url(&copy), "--from"]).arg(store.path()).run().ok();
    assert_eq!(fingerprint(&copy), fingerprint(source), "{}", source.display());
}

#[test]
fn odd_paths() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    for name in [
        "plain.db",
        "with space.db",
        "quote'single.db",
        "quote\"double.db",
        "ünïcödé 数据.db",
        "-leading.db",
        "--help",
        "a?b.db",
        "a#b.db",
        "100%.db",
        "%41.db",
        "a&b=c;d.db",
        "$(touch x)`y`.db",
        "back\\slash.db",
        "no-ending",
        "*",
        ":memory:",
    ] {
        let inside = folder.path().join("in it's").join(name.replace('*', "star"));
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        sample(&inside);
        there_and_back(folder.path(), &inside, &[]);
    }
}

#[test]
fn a_relative_path() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    sample(&folder.path().join("-app.db"));
    for database in ["sqlite:-app.db", "sqlite:./-app.db"] {
        let store = TempDir::new().unwrap();
        Planb::new().current_dir(folder.path()).args(["run", "--db", database, "--to"]).arg(store.path()).run().ok();
        let copy = store.path().join("copy.db");
        Planb::new().args(["restore", "latest", "--db", &url(&copy), "--from"]).arg(store.path()).run().ok();
        assert_eq!(fingerprint(&copy), fingerprint(&folder.path().join("-app.db")));
    }
}

#[test]
fn the_binary_format() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("app.db");
    sample(&source);
    there_and_back(folder.path(), &source, &["--mode", "file", "--option", "format=binary"]);
    there_and_back(folder.path(), &source, &["--mode", "file", "--compress", "none"]);
}

#[test]
fn tables_and_rows_are_counted() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("app.db");
    sample(&source);
    let run = Planb::new()
        .args(["run", "--output", "json", "--db", &url(&source), "--to"])
        .arg(folder.path().join("store"))
        .run()
        .ok()
        .json();
    let objects = run["inspection"]["objects"].as_array().unwrap();
    let rows = |name: &str| {
        objects.iter().find(|object| object["name"] == name).unwrap_or_else(|| panic!("{name} in {objects:?}"))["rows"]
            .clone()
    };
    assert_eq!(rows("people"), 4);
    assert_eq!(rows("odd \"name"), 2);
    assert_eq!(rows("empty"), 0);
}

/// A process that inserts the numbers from 1 on, two a transaction, until it is dropped.
struct Writer(Child);

impl Writer {
    fn start(path: &Path) -> Self {
        let script = r#"
            i=0
            while :; do
                echo "BEGIN IMMEDIATE; INSERT INTO log VALUES ($((i+1)), 'x'); INSERT INTO log VALUES ($((i+2)), 'y'); COMMIT;"
                i=$((i+2))
            done | sqlite3 -cmd '.timeout 10000' "$1"
        "#;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "sh", "-c", script, "sh"])
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the writer starts");
        Self(child)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        for pid in planb_harness::planb::descendants(self.0.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_database_that_is_written_to_is_copied_as_of_one_moment() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    for journal in ["wal", "delete"] {
        let source = folder.path().join(format!("busy-{journal}.db"));
        sqlite(&source, &format!("PRAGMA journal_mode={journal}; CREATE TABLE log (n INTEGER PRIMARY KEY, t TEXT)"));
        let writer = Writer::start(&source);
        let until = Instant::now() + Duration::from_secs(20);
        let busy = || sqlite(&source, ".timeout 10000\nSELECT count(*) FROM log").trim().parse::<u64>().unwrap();
        while busy() < 100 {
            assert!(Instant::now() < until, "the writer does not write");
        }
        for (n, args) in [vec![], vec!["--mode", "file", "--option", "format=binary"]].into_iter().enumerate() {
            let store = folder.path().join(format!("{journal}{n}"));
            let before = busy();
            Planb::new().args(["run", "--db", &url(&source), "--to"]).arg(&store).args(args).run().ok();
            let copy = folder.path().join(format!("{journal}{n}.db"));
            Planb::new().args(["restore", "latest", "--db", &url(&copy), "--from"]).arg(&store).run().ok();
            assert_eq!(sqlite(&copy, "PRAGMA integrity_check"), "ok\n");
            let state = sqlite(&copy, "SELECT count(*), min(n), max(n) FROM log");
            let state: Vec<u64> = state.trim().split('|').map(|n| n.parse().unwrap()).collect();
            assert!(state[0] >= before, "{state:?} of {before}");
            assert_eq!((state[1], state[2]), (1, state[0]), "what was written first is there, without gaps");
            assert_eq!(state[0] % 2, 0, "whole transactions only");
        }
        drop(writer);
    }
}

#[test]
fn an_occupied_file_is_only_replaced_when_told() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let (source, target, store) = (folder.path().join("a.db"), folder.path().join("b.db"), folder.path().join("store"));
    sample(&source);
    sqlite(&target, "CREATE TABLE precious (a); INSERT INTO precious VALUES (7)");
    let before = std::fs::read(&target).unwrap();
    Planb::new().args(["run", "--db", &url(&source), "--to"]).arg(&store).run().ok();
    let restore = Planb::new().args(["restore", "latest", "--db", &url(&target), "--from"]).arg(&store);
    restore.run().expect_code(1).says(&["--replace"]);
    assert_eq!(std::fs::read(&target).unwrap(), before, "a refused restore changes nothing");
    restore.arg("--replace").run().ok();
    assert_eq!(fingerprint(&target), fingerprint(&source));
}

#[test]
fn a_missing_file_is_not_made() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let (missing, store) = (folder.path().join("missing.db"), folder.path().join("store"));
    let output = Planb::new().args(["run", "--db", &url(&missing), "--to"]).arg(&store).run();
    assert!(matches!(output.code, Some(1 | 2)), "{output:?}");
    output.says(&["missing.db"]);
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(&store).map_or(0, Iterator::count), 0);
}

#[test]
fn a_corrupt_database_is_not_listed() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let fails = |source: &Path| {
        for args in [vec![], vec!["--mode", "file", "--option", "format=binary"]] {
            let output = Planb::new().args(["run", "--db", &url(source), "--to"]).arg(&store).args(&args).run();
            assert!(matches!(output.code, Some(1 | 2)), "{output:?}");
            assert!(output.stderr.to_lowercase().contains("database"), "{output:?}");
            assert_eq!(std::fs::read_dir(&store).map_or(0, Iterator::count), 0, "{args:?}");
        }
    };
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, whatever it is called\n".repeat(200)).unwrap();
    fails(&text);

    // One page of a table, in the middle of the file, is not what it was.
    let torn = folder.path().join("torn.db");
    sqlite(
        &torn,
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT i, hex(randomblob(50)) FROM n",
    );
    let mut bytes = std::fs::read(&torn).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    std::fs::write(&torn, bytes).unwrap();
    fails(&torn);
}
