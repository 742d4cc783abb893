//! Names with every nasty character, all databases of a server, globals, and what a restore overwrites.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use planb_harness::postgres::{Options, Postgres, Version, assert_same, quote};
use planb_harness::{Output, Planb, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use tempfile::TempDir;

// Not `*`: it stands for all databases.
const NAMES: [&str; 14] = [
    "with space",
    "Upper",
    "quote\"double",
    "quote'single",
    "back\\slash",
    "postgresql://x",
    "a=b host=elsewhere",
    "-leading",
    "--help",
    "ünïcödé 数据库",
    "a;b",
    "$(touch x)`y`",
    "%41%",
    "a#b?c&d/e",
];

fn planb(server: &Postgres) -> Planb {
    Planb::new().env("PLANB_TOOL_PATH", server.bin_dir())
}

fn run(server: &Postgres, database: &str, store: &Path, args: &[&str]) -> Output {
    planb(server).args(["run", "--output", "json", "--db", &server.url(database), "--to"]).arg(store).args(args).run()
}

fn restore(server: &Postgres, database: &str, store: &Path, args: &[&str]) -> Output {
    planb(server)
        .args(["restore", "latest", "--output", "json", "--db", &server.url(database), "--from"])
        .arg(store)
        .args(args)
        .run()
}

fn list(store: &Path) -> Vec<Value> {
    let output = Planb::new().args(["list", "--output", "json", "--from"]).arg(store).run().ok();
    output.json().as_array().expect("an array").clone()
}

/// A database with a table, rows, a schema and a column, all of this name.
fn fill(server: &Postgres, database: &str, name: &str) {
    server.create_database(database);
    let name = quote(name);
    server.psql(
        database,
        &format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.{name} ({name} text, id serial); CREATE TABLE {name} (a int);
             INSERT INTO {name}.{name} ({name}) SELECT 'v' || i FROM generate_series(1, 50) i; INSERT INTO {name} VALUES (1), (2);"
        ),
    );
}

#[test]
fn odd_names_go_there_and_back() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    for (n, name) in NAMES.iter().enumerate() {
        fill(&server, name, name);
        let source = server.fingerprint(name);
        for (way, args) in [("plain", &[][..]), ("custom", &["--option", "format=custom"][..])] {
            let store = TempDir::new().unwrap();
            let result = run(&server, name, store.path(), args).ok().json();
            assert_eq!(result["database"], *name);
            assert_eq!(list(store.path())[0]["database"], *name);
            let copy = format!("{name} {way} {n}");
            restore(&server, &copy, store.path(), &[]).ok();
            assert_same(&server.fingerprint(&copy), &source, &format!("{name:?} {way}"));
        }
    }
}

#[test]
fn a_newline_in_a_name_is_kept_or_refused() {
    // PostgreSQL allows it in names of tables; of databases too, but its tools then refuse what is not safe in a script.
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    fill(&server, "lines", "two\nlines");
    let store = TempDir::new().unwrap();
    run(&server, "lines", store.path(), &[]).ok();
    restore(&server, "copy", store.path(), &[]).ok();
    assert_same(&server.fingerprint("copy"), &server.fingerprint("lines"), "newline in a table's name");
}

#[test]
fn a_database_given_by_option_instead_of_url() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    for name in ["postgresql://x", "a=b host=elsewhere", "-leading"] {
        fill(&server, name, name);
        let store = TempDir::new().unwrap();
        let port = server.port().to_string();
        planb(&server)
            .args(["run", "--plugin", "postgres", "--host", "127.0.0.1", "--port", &port, "--user", "postgres"])
            .arg(format!("--database={name}"))
            .arg("--to")
            .arg(store.path())
            .run()
            .ok();
        assert_eq!(list(store.path())[0]["database"], name);
    }
}

#[test]
fn only_some_tables() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("db");
    server.psql("db", "CREATE TABLE \"One Table\" (a int); CREATE TABLE two (a int); INSERT INTO two VALUES (1);");
    let store = TempDir::new().unwrap();
    let result = run(&server, "db", store.path(), &["--option", "table=\"One Table\""]).ok().json();
    let objects = result["inspection"]["objects"].as_array().unwrap();
    assert_eq!(objects.iter().filter(|object| object["kind"] == "table").count(), 1, "{objects:?}");
}

#[test]
fn random_names() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let counter = AtomicUsize::new(0);
    runner
        .run(&"[ -~äß数\t]{1,20}", |name| {
            let n = counter.fetch_add(1, Ordering::Relaxed);
            let database = format!("{name}{n}");
            fill(&server, &database, &name);
            let store = TempDir::new().unwrap();
            run(&server, &database, store.path(), &[]).ok();
            let copy = format!("copy {n}");
            restore(&server, &copy, store.path(), &[]).ok();
            prop_assert_eq!(server.fingerprint(&copy), server.fingerprint(&database));
            Ok(())
        })
        .unwrap();
}

#[test]
fn each_database_of_a_server() {
    let server = skip!(Postgres::start(Version::V17, Options::default()));
    for name in ["one", "Two 2", "*"] {
        fill(&server, name, "t");
    }
    server.psql("postgres", "CREATE ROLE \"app role\" LOGIN PASSWORD 'x'; CREATE DATABASE tpl IS_TEMPLATE true;");
    server.psql("one", "ALTER TABLE t OWNER TO \"app role\"");
    let found = planb(&server).args(["databases", "--output", "json", "--db", &server.url("")]).run().ok().json();
    let text = found.to_string();
    assert!(text.contains("Two 2") && !text.contains("template1"), "{text}");

    let store = TempDir::new().unwrap();
    planb(&server)
        .args(["run", "--output", "json", "--db", &server.url(""), "--database", "*", "--to"])
        .arg(store.path())
        .run()
        .ok();
    let rows = list(store.path());
    let mut databases: Vec<_> =
        rows.iter().filter(|row| row["scope"] == "database").map(|row| row["database"].as_str().unwrap()).collect();
    databases.sort_unstable();
    assert_eq!(databases, ["*", "Two 2", "one", "postgres"], "templates are left out");
    let globals: Vec<_> = rows.iter().filter(|row| row["scope"] == "globals").collect();
    assert_eq!(globals.len(), 1, "{rows:?}");

    // All of it into another cluster: the roles first, since tables belong to them.
    let other = skip!(Postgres::start(Version::V17, Options::default()));
    planb(&other)
        .args(["restore", globals[0]["id"].as_str().unwrap(), "--db", &other.url(""), "--from"])
        .arg(store.path())
        .run()
        .ok();
    assert_eq!(other.psql("postgres", "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'app role'"), "t");
    planb(&other)
        .args(["restore", "latest", "--source-database", "one", "--db", &other.url("one"), "--from"])
        .arg(store.path())
        .run()
        .ok();
    assert_same(&other.fingerprint("one"), &server.fingerprint("one"), "in another cluster");
    assert_eq!(other.psql("one", "SELECT tableowner FROM pg_tables WHERE schemaname = 'public'"), "app role");
}

#[test]
fn one_failing_database_does_not_stop_the_others() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    for name in ["good", "bad", "zgood"] {
        fill(&server, name, "t");
        server.psql(
            name,
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN
                 CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader; END IF; END $$;",
        );
    }
    // Row security hides rows from everybody but the owner: pg_dump refuses to leave them out.
    server.psql("bad", "ALTER TABLE t ENABLE ROW LEVEL SECURITY");
    let store = TempDir::new().unwrap();
    let url = format!("postgresql://reader@127.0.0.1:{}/", server.port());
    let output = planb(&server)
        .args([
            "run",
            "--output",
            "json",
            "--db",
            &url,
            "--database",
            "*",
            "--option",
            "no-role-passwords=true",
            "--to",
        ])
        .arg(store.path())
        .run()
        .expect_code(3);
    assert!(output.stderr.contains("bad"), "{output:?}");
    let rows = list(store.path());
    let mut databases: Vec<_> =
        rows.iter().filter(|row| row["scope"] == "database").map(|row| row["database"].as_str().unwrap()).collect();
    databases.sort_unstable();
    assert_eq!(databases, ["good", "postgres", "zgood"]);
    let litter: Vec<_> = std::fs::read_dir(store.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!litter.iter().any(|name| name.to_string_lossy().starts_with("bad-")), "{litter:?}");
}

#[test]
fn a_database_with_data_is_only_replaced_when_told() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    fill(&server, "source", "t");
    for (way, args) in [("plain", &[][..]), ("custom", &["--option", "format=custom"][..])] {
        let target = format!("target {way}");
        server.create_database(&target);
        server.psql(&target, "CREATE TABLE precious (a int); INSERT INTO precious VALUES (7)");
        let store = TempDir::new().unwrap();
        run(&server, "source", store.path(), args).ok();
        let before = server.fingerprint(&target);
        restore(&server, &target, store.path(), &[]).expect_code(1).says(&["--replace"]);
        assert_same(&server.fingerprint(&target), &before, "a refused restore changes nothing");
        restore(&server, &target, store.path(), &["--replace"]).ok();
        assert_same(&server.fingerprint(&target), &server.fingerprint("source"), way);
        // Twice is as good as once.
        restore(&server, &target, store.path(), &["--replace"]).ok();
        assert_same(&server.fingerprint(&target), &server.fingerprint("source"), way);
    }
    // An empty one needs no word.
    server.create_database("waiting");
    let store = TempDir::new().unwrap();
    run(&server, "source", store.path(), &[]).ok();
    restore(&server, "waiting", store.path(), &[]).ok();
    assert_same(&server.fingerprint("waiting"), &server.fingerprint("source"), "into an empty database");
}

#[test]
fn a_failing_restore_leaves_the_database_as_it_was() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("source");
    server.psql(
        "source",
        "CREATE ROLE gone; CREATE TABLE a (x int); CREATE TABLE b (x int); ALTER TABLE b OWNER TO gone;",
    );
    let store = TempDir::new().unwrap();
    run(&server, "source", store.path(), &[]).ok();
    server.psql("source", "DROP TABLE b; DROP ROLE gone;");
    server.create_database("target");
    let output = restore(&server, "target", store.path(), &[]).expect_code(1);
    assert!(output.stderr.contains("gone"), "the tool's own words: {output:?}");
    assert_eq!(server.fingerprint("target"), "", "one transaction: nothing is left");
    restore(&server, "target", store.path(), &["--option", "no-owner=true"]).ok();
}
