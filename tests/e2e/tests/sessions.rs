//! Whole sessions as people see them: what each command prints as text, typical mistakes, and how a backup is picked.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panicking, and start sqlite3 themselves"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use planb_harness::{Output, Planb, provision, skip};
use tempfile::TempDir;

/// A folder, always the same small database in it, and its commands with what they print.
struct Session {
    folder: TempDir,
}

impl Session {
    fn new() -> Self {
        let session = Self { folder: TempDir::new().unwrap() };
        let sql = "CREATE TABLE movies (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO movies VALUES (1, 'Metropolis'), (2, 'Rashomon');
            CREATE TABLE actors (name TEXT); INSERT INTO actors VALUES ('Brigitte Helm'); CREATE VIEW titles AS SELECT title FROM movies;";
        let made = Command::new("sqlite3").arg(session.path("app.db")).arg(sql).status().expect("sqlite3 starts");
        assert!(made.success());
        session
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, args: &[&str]) -> Output {
        Planb::new().current_dir(self.folder.path()).args(args).run()
    }

    /// The command and all that it printed, with what differs from run to run replaced.
    fn shown(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let mut text = format!("$ planb {}\n{}{}", args.join(" "), output.stdout, output.stderr);
        if output.code != Some(0) {
            text.push_str(&format!("exit code {}\n", output.code.unwrap_or(-1)));
        }
        let folder = std::fs::canonicalize(self.folder.path()).unwrap();
        let plugins = Planb::plugins();
        for (place, word) in [(folder.as_path(), "[folder]"), (self.folder.path(), "[folder]"), (&plugins, "[plugins]")]
        {
            text = text.replace(&place.display().to_string(), word);
        }
        text
    }
}

/// Replaces ids, times, digests, sizes of plugins, versions of tools.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, word) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
        (r"\b[0-9a-f]{64}\b", "[sha256]"),
        (r"sha256 [0-9a-f]{12}\b", "sha256 [short]"),
        (r"(?m)^[0-9a-f]{8}( +|\b)", "[id8]$1"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]"),
        (r"\d{4}-\d\d-\d\d-\d{6}", "[stamp]"),
        (r"\b\d+(\.\d+)? (ms|s)\b", "[duration]"),
        (r"\b\d+(\.\d+)? ([kMG]?B)/s", "[rate]"),
        (r"\b\d+(\.\d+)? (B|kB) stored", "[size] stored"),
        (r"(wasm \()\d+ kB", "${1}[size]"),
        (r"\b3\.\d+\.\d+\b", "[version]"),
        (r"\S*/bin/sqlite3\b", "[sqlite3]"),
        (r"@0\.2\.\d+", "@0.2.x"),
        (r"LOG_LEVEL=warn", "LOG_LEVEL="),
        // Whose width depends on what was replaced.
        (r"(?m)(\d{3} B  )\d+ B +", "$1[size]  "),
        (r"DATABASE +", "DATABASE  "),
        (r"plain, \d+ stored", "plain, [size] stored"),
        (r" +(\n|$)", "$1"),
    ] {
        settings.add_filter(pattern, word);
    }
    settings
}

#[test]
fn a_session_from_backup_to_restore() {
    skip!(provision::apt(&["sqlite3"]));
    let s = Session::new();
    let (db, store, copy) = (
        format!("sqlite://{}", s.path("app.db")),
        format!("file://{}", s.path("backups")),
        format!("sqlite://{}", s.path("copy.db")),
    );
    let _bound = settings().bind_to_scope();
    assert_snapshot!(s.shown(&["plan", "--db", &db, "--to", &store]), @r"
    $ planb plan --db sqlite://[folder]/app.db --to file://[folder]/backups
    would back up [folder]/app.db (sqlite, mode stream, server [version])
      run           [sqlite3] -batch -bail 'file:[folder]/app.db?mode=rw' '.timeout 10000' BEGIN 'SELECT '\''PRAGMA encoding='\'''\'''\'' || encoding || '\'''\'''\'';'\'' FROM pragma_encoding UNION ALL SELECT '\''PRAGMA user_version='\'' || user_version || '\'';'\'' FROM pragma_user_version UNION ALL SELECT '\''PRAGMA application_id='\'' || application_id || '\'';'\'' FROM pragma_application_id' .dump
      write         file://[folder]/backups/app-[stamp].sql.zst
    ");
    assert_snapshot!(s.shown(&["run", "--db", &db, "--to", &store, "--label", "why=test"]), @r"
    $ planb run --db sqlite://[folder]/app.db --to file://[folder]/backups --label why=test
    backed up [folder]/app.db (sqlite) in [duration]: 392 B, [size] stored, [rate]
      id     [id]
      in     file://[folder]/backups/app-[stamp].sql.zst
      holds  2 tables, 1 view, 3 rows
    ");
    assert_snapshot!(s.shown(&["list", "--from", &store]), @r"
    $ planb list --from file://[folder]/backups
    ID        CREATED                  ENGINE  DATABASE  SERVER  DRILL  HOLD  SIZE   STORED  KEY
    [id8]  [time]  sqlite  [folder]/app.db  -       -      -     392 B  [size]  app-[stamp].sql.zst
    ");
    assert_snapshot!(s.shown(&["show", "latest", "--from", &store]), @r"
    $ planb show latest --from file://[folder]/backups
    id         [id]
    database   [folder]/app.db
    engine     sqlite (plugin SQLite 0.1.0, sha256 [short])
    server     [version]
    created    [time]
    finished   [time]
    mode       stream, format sql
    size       392 B plain, [size] stored, zstd:3
    key        app-[stamp].sql.zst
    sha256     [sha256] (plain)
               [sha256] (stored)
    holds      2 tables, 1 view, 3 rows
    tool       sqlite3 [version] [sqlite3])
    label      why=test

    KIND   NAME    ROWS
    table  actors  1
    table  movies  2
    view   titles  -
    ");
    assert_snapshot!(s.shown(&["verify", "latest", "--from", &store]), @r"
    $ planb verify latest --from file://[folder]/backups
    [id8] of [folder]/app.db is whole
      ok    digests: 392 bytes plain, [size] stored
      ok    inspection: complete, 3 objects, 3 rows
    ");
    assert_snapshot!(s.shown(&["restore", "latest", "--from", &store, "--db", &copy]), @r"
    $ planb restore latest --from file://[folder]/backups --db sqlite://[folder]/copy.db
    restored [folder]/app.db (sqlite) into [folder]/copy.db in [duration]: 392 B
      its digest was checked before the tool got a byte
    ");
    assert_snapshot!(s.shown(&["restore", "latest", "--from", &store, "--db", &copy]), @r"
    $ planb restore latest --from file://[folder]/backups --db sqlite://[folder]/copy.db
    error (settings): `[folder]/copy.db` holds data already
    hint: restore into a database that is new or empty, or add --replace to lose what it holds
    exit code 1
    ");
    assert_snapshot!(s.shown(&["restore", "latest", "--from", &store, "--db", &copy, "--replace"]), @r"
    $ planb restore latest --from file://[folder]/backups --db sqlite://[folder]/copy.db --replace
    restored [folder]/app.db (sqlite) into [folder]/copy.db in [duration]: 392 B
      its digest was checked before the tool got a byte
    ");
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    skip!(provision::apt(&["sqlite3"]));
    let s = Session::new();
    let _bound = settings().bind_to_scope();
    let shown = |args: &[&str]| s.shown(args);
    assert_snapshot!(shown(&["run"]), @r"
    $ planb run
    error (settings): which engine? Neither --plugin nor a URL's scheme tells it
    hint: for example --plugin postgres --db postgresql://app@db.example/orders; planb plugin list shows the engines
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--db", "sqlite:///x.db"]), @r"
    $ planb run --db sqlite:///x.db
    error (settings): where to? --to is missing
    hint: for example --to /backups, or --to s3://bucket/prefix
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--db", "nosuch://h/d", "--to", "b"]), @r"
    $ planb run --db nosuch://h/d --to b
    error (settings): no plugin here knows databases of the kind `nosuch:`
    hint: planb plugin list shows the engines; --plugin names one
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "postgresql://h/d", "--to", "b"]), @r"
    $ planb run --plugin sqlite --db postgresql://h/d --to b
    error (settings): the database URL starts with `postgresql:`, but the SQLite engine knows `sqlite:` and `sqlite3:`
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "postgres", "--db", "postgresql://h/d?sslmod=require", "--to", "b"]), @r"
    $ planb run --plugin postgres --db postgresql://h/d?sslmod=require --to b
    error (settings): the PostgreSQL engine does not know the parameter `sslmod` of the database URL; did you mean `sslmode`?
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "postgres", "--db", "postgresql://u:pw@h/d", "--to", "b"]), @r"
    $ planb run --plugin postgres --db postgresql://u:pw@h/d --to b
    error (settings): a password in --db can be read by everyone on this machine (ps)
    hint: take it out of the URL and put it into DB_PASSWORD, a file (--password-file), or type it (--ask-password)
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--db", "sqlite:app.db", "--to", "s3://b/p?secret_access_key=abc"]), @r"
    $ planb run --db sqlite:app.db --to s3://b/p?secret_access_key=abc
    error (settings): the store s3://b/p: a store's URL holds no credentials, so not `secret_access_key`: use the environment, or a file by `secret_access_key_file=`
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--db", "sqlite:app.db", "--to", "s3://b/p?regoin=abc"]), @r"
    $ planb run --db sqlite:app.db --to s3://b/p?regoin=abc
    error (settings): the store s3://b/p: `s3:` stores have no setting `regoin`; did you mean `region`?
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--db", "sqlite:app.db", "--to", "ftp://h/x"]), @r"
    $ planb run --db sqlite:app.db --to ftp://h/x
    error (settings): the store ftp://...: planb knows no stores of the kind `ftp:`; known are file, s3, gs, azblob and rclone
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--to", "b"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --to b
    error (settings): the store file://[folder]/b is given twice
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--option", "formt=sql"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --option formt=sql
    error (settings): the SQLite engine has no option `formt`; did you mean `format`?
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--option", "format=csv"]), @r#"
    $ planb run --plugin sqlite --db app.db --to b --option format=csv
    error (settings): the option `format` takes one of sql, binary, not "csv"
    exit code 2
    "#);
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--mode", "directory"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --mode directory
    error (settings): [folder]/app.db: the SQLite engine has no mode directory; it has stream, file
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--compress", "lzma"]), @r#"
    $ planb run --plugin sqlite --db app.db --to b --compress lzma
    error (settings): "lzma" is not a compression: use zstd[:1-22], gzip[:1-9], none or native
    exit code 2
    "#);
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--compress", "native"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --compress native
    error (settings): [folder]/app.db: the SQLite engine's tools do not compress; use zstd or gzip
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--name", "../{db}"]), @r#"
    $ planb run --plugin sqlite --db app.db --to b --name ../{db}
    error (settings): the name template "../{db}" has to be a relative path without empty parts or `..`
    exit code 2
    "#);
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--name", "{dbb}"]), @r#"
    $ planb run --plugin sqlite --db app.db --to b --name {dbb}
    error (settings): the name template "{dbb}" has an unknown token {dbb}; known are {db} {engine} {date} {time} {ts} {timestamp} {uuid}
    exit code 2
    "#);
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--encrypt-to", "age1nonsense"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --encrypt-to age1nonsense
    error (settings): age1nonsense is not an age public key (age1...): invalid Bech32 encoding
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--tiemout", "3"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --tiemout 3
    error: unexpected argument '--tiemout' found

      tip: a similar argument exists: '--timeout'
      tip: to pass '--tiemout' as a value, use '-- --tiemout'

    Usage: planb run --plugin <NAME|FILE> --db <URL> --to <URL> --timeout <TIME> [-- <EXTRA ARGS>...]

    For more information, try '--help'.
    exit code 2
    ");
    assert_snapshot!(shown(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", "b", "--tool-path", "sqlite3=/nonexistent"]), @r"
    $ planb run --plugin sqlite --db app.db --to b --tool-path sqlite3=/nonexistent
    error (settings): the tool `sqlite3` was to be /nonexistent: there is no such file
    exit code 2
    ");
    assert_snapshot!(shown(&["list", "--from", "nowhere"]), @r"
    $ planb list --from nowhere
    error (storage): opening file://[folder]/nowhere: it is not there (No such file or directory (os error 2))
    hint: check the path; for a new store, write a backup to it first
    exit code 1
    ");
    std::fs::create_dir(s.path("empty")).unwrap();
    assert_snapshot!(shown(&["list", "--from", "empty"]), @r"
    $ planb list --from empty
    no backups
    ");
    assert_snapshot!(shown(&["show", "latest", "--from", "empty"]), @r"
    $ planb show latest --from empty
    error (settings): there is no backup here
    hint: planb list shows what there is
    exit code 1
    ");
    assert_snapshot!(shown(&["show", "at:yesterday", "--from", "empty"]), @r#"
    $ planb show at:yesterday --from empty
    error (settings): "at:yesterday" names no backup: use an id, a prefix of one, `latest`, or `at:2026-02-07T02:00:00Z`
    exit code 2
    "#);
    assert_snapshot!(shown(&["verify", "zzz", "--from", "empty"]), @r#"
    $ planb verify zzz --from empty
    error (settings): "zzz" names no backup: use an id, a prefix of one, `latest`, or `at:2026-02-07T02:00:00Z`
    exit code 2
    "#);
    // None of all this left anything.
    let left: BTreeSet<_> = files(s.folder.path());
    assert_eq!(left, BTreeSet::from(["app.db".to_owned()]));
}

#[test]
fn a_backup_is_picked_by_id_prefix_latest_or_time() {
    skip!(provision::apt(&["sqlite3"]));
    let s = Session::new();
    let store = s.path("store");
    let run = |template: &str| {
        s.run(&["run", "--plugin", "sqlite", "--db", "app.db", "--to", &store, "--name", template, "--output", "json"])
            .ok()
            .json()
    };
    let (first, second) = (run("one"), run("two"));
    let (id1, id2) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    let picked = |what: &str| s.run(&["show", what, "--from", &store, "--output", "json"]).ok().json()["id"].clone();
    assert_eq!(picked("latest"), id2);
    assert_eq!(picked(id1), id1);
    assert_eq!(picked(&id1[..8]), id1);
    assert_eq!(picked(&format!("at:{}", first["started_at"].as_str().unwrap())), id1);
    assert_eq!(picked("at:2999-01-01T00:00:00Z"), id2);
    s.run(&["show", "at:1999-01-01T00:00:00Z", "--from", &store]).expect_code(1);
    s.run(&["show", "ffffffff-ffff-4fff-bfff-ffffffffffff", "--from", &store]).expect_code(1);
    // The same name again takes another key, and what is there stays.
    let again = run("one");
    assert_ne!(again["stores"][0]["key"], first["stores"][0]["key"]);
    assert_eq!(picked(id1), id1);
    s.run(&["verify", id1, "--from", &store]).ok();
}

/// All files below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}
