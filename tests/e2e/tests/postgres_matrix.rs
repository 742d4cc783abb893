//! Each version of PostgreSQL, in each mode and format, there and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

use std::path::Path;

use planb_harness::postgres::{Options, Postgres, Version, assert_same};
use planb_harness::{Planb, skip};
use tempfile::TempDir;

/// A database with a bit of everything.
const SCHEMA: &str = r#"
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TABLE shop.customers (id bigserial PRIMARY KEY, name text NOT NULL UNIQUE, feels shop.mood, born date, tags text[],
    doc jsonb, raw bytea, price numeric(12, 4), at timestamptz DEFAULT now());
INSERT INTO shop.customers (name, feels, born, tags, doc, raw, price)
    SELECT 'n' || i || E'\t\\ \n''"', CASE i % 3 WHEN 0 THEN 'happy'::shop.mood WHEN 1 THEN 'it''s ok' END, date '1970-01-01' + i,
        ARRAY['a' || i, NULL, 'b"c'], jsonb_build_object('k', i, 'ü', E'\u2028'), decode(md5(i::text), 'hex'), i / 7.0
    FROM generate_series(1, 5000) i;
CREATE TABLE shop.orders (id int GENERATED ALWAYS AS IDENTITY, customer bigint REFERENCES shop.customers, note text);
INSERT INTO shop.orders (customer, note) SELECT i, CASE WHEN i % 2 = 0 THEN E'\\.\n-- COPY x FROM stdin;\nDROP TABLE y;' END
    FROM generate_series(1, 3000) i;
CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (100) TO (200);
INSERT INTO parted SELECT i, 'v' || i FROM generate_series(0, 199) i;
CREATE TABLE empty (a int, b text);
CREATE TABLE no_columns ();
CREATE VIEW shop.totals AS SELECT customer, count(*) FROM shop.orders GROUP BY customer;
CREATE MATERIALIZED VIEW shop.cached AS SELECT * FROM shop.totals;
CREATE INDEX "odd index" ON shop.orders ((lower(note)));
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION touch();
CREATE SEQUENCE counter START 40 INCREMENT 2;
SELECT nextval('counter'), nextval('counter');
SELECT lo_from_bytea(4711, decode(repeat('00ff10', 30000), 'hex'));
SELECT lo_from_bytea(4712, '\x');
"#;

/// A way to dump: its name, arguments, and how many objects the artifact has at least.
const WAYS: [(&str, &[&str]); 8] = [
    ("plain", &[]),
    ("plain gzip", &["--compress", "gzip"]),
    ("custom", &["--option", "format=custom"]),
    ("custom native", &["--option", "format=custom", "--compress", "native"]),
    ("directory", &["--mode", "directory", "--option", "jobs=2"]),
    ("tar", &["--mode", "tar"]),
    ("file plain", &["--mode", "file"]),
    ("file custom", &["--mode", "file", "--option", "format=custom"]),
];

fn planb(server: &Postgres) -> Planb {
    Planb::new().env("PLANB_TOOL_PATH", server.bin_dir())
}

fn listed(store: &Path) -> usize {
    let list = Planb::new().args(["list", "--output", "json", "--from"]).arg(store).run().ok().json();
    list.as_array().expect("an array").len()
}

fn matrix(version: Version) {
    let server = skip!(Postgres::start(version, Options::default()));
    server.create_database("shop");
    server.psql("shop", SCHEMA);
    let source = server.fingerprint("shop");
    assert!(source.contains("shop.customers|5000|"), "{source}");
    for (n, (way, args)) in WAYS.iter().enumerate() {
        eprintln!("{version:?} {way}");
        let store = TempDir::new().unwrap();
        let run = planb(&server)
            .args(["run", "--output", "json", "--db", &server.url("shop"), "--to"])
            .arg(store.path())
            .args(*args)
            .run()
            .ok()
            .json();
        assert_eq!(run["status"], "success", "{way}");
        assert_eq!(run["engine"], "pg");
        assert_eq!(run["database"], "shop");
        let id = run["id"].as_str().unwrap();
        let objects = run["inspection"]["objects"].as_array().expect("objects");
        assert!(objects.len() >= 6, "{way}: {objects:?}");
        assert_eq!(run["inspection"]["complete"], true, "{way}");

        let list = Planb::new().args(["list", "--output", "json", "--from"]).arg(store.path()).run().ok().json();
        assert_eq!(list[0]["id"], id);
        assert_eq!(list.as_array().unwrap().len(), 1);
        let show =
            Planb::new().args(["show", "latest", "--output", "json", "--from"]).arg(store.path()).run().ok().json();
        assert!(show["server_version"].as_str().unwrap().starts_with(&version.major().to_string()), "{show}");
        let verify =
            Planb::new().args(["verify", &id[..8], "--output", "json", "--from"]).arg(store.path()).run().ok().json();
        assert_eq!(verify["ok"], true, "{way}: {verify}");

        let copy = format!("copy{n}");
        let restore = planb(&server)
            .args(["restore", "latest", "--output", "json", "--db", &server.url(&copy), "--from"])
            .arg(store.path())
            .run()
            .ok()
            .json();
        assert_eq!(restore["status"], "success");
        assert_same(&server.fingerprint(&copy), &source, &format!("{version:?} {way}"));
    }
}

#[test]
fn every_way_with_postgres_15() {
    matrix(Version::V15);
}

#[test]
fn every_way_with_postgres_17() {
    matrix(Version::V17);
}

#[test]
fn every_way_with_postgres_18() {
    matrix(Version::V18);
}

#[test]
fn rows_are_counted_table_by_table() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("shop");
    server.psql("shop", SCHEMA);
    let store = TempDir::new().unwrap();
    let run = planb(&server)
        .args(["run", "--output", "json", "--db", &server.url("shop"), "--to"])
        .arg(store.path())
        .run()
        .ok()
        .json();
    let rows = |name: &str| {
        let objects = run["inspection"]["objects"].as_array().unwrap();
        objects.iter().find(|object| object["name"] == name).unwrap_or_else(|| panic!("{name} in {objects:?}"))["rows"]
            .clone()
    };
    assert_eq!(rows("shop.customers"), 5000);
    assert_eq!(rows("shop.orders"), 3000);
    assert_eq!(rows("public.parted_a"), 100);
    assert_eq!(rows("public.empty"), 0);
}

#[test]
fn the_artifact_restores_without_planb() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("shop");
    server.psql("shop", SCHEMA);
    let store = TempDir::new().unwrap();
    let run = planb(&server)
        .args(["run", "--output", "json", "--compress", "none", "--db", &server.url("shop"), "--to"])
        .arg(store.path())
        .run()
        .ok()
        .json();
    let artifact = store.path().join(run["stores"][0]["key"].as_str().unwrap());
    server.create_database("copy");
    server.psql("copy", &std::fs::read_to_string(artifact).unwrap());
    assert_same(&server.fingerprint("copy"), &server.fingerprint("shop"), "restored by psql alone");
}

#[test]
fn a_thousand_tables() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("many");
    let tables: String = (0..1000)
        .map(|i| format!("CREATE TABLE t{i} (a int PRIMARY KEY, b text); INSERT INTO t{i} SELECT g, 'x' || g FROM generate_series(1, {}) g;\n", i % 7))
        .collect();
    server.psql("many", &tables);
    let store = TempDir::new().unwrap();
    let run = planb(&server)
        .args(["run", "--output", "json", "--db", &server.url("many"), "--to"])
        .arg(store.path())
        .run()
        .ok()
        .json();
    let objects = run["inspection"]["objects"].as_array().unwrap();
    assert_eq!(objects.iter().filter(|object| object["kind"] == "table").count(), 1000);
    planb(&server).args(["restore", "latest", "--db", &server.url("copy"), "--from"]).arg(store.path()).run().ok();
    assert_same(&server.fingerprint("copy"), &server.fingerprint("many"), "a thousand tables");
}

#[test]
fn a_tool_older_than_the_server_is_named() {
    let server = skip!(Postgres::start(Version::V18, Options::default()));
    let old = skip!(Version::V15.bin_dir());
    let store = TempDir::new().unwrap();
    let output = Planb::new()
        .env("PLANB_TOOL_PATH", &old)
        .args(["run", "--db", &server.url("postgres"), "--to"])
        .arg(store.path())
        .run();
    let output = output.expect_code(1).says(&["15", "18"]);
    let said = output.stderr.to_lowercase();
    assert!(said.contains("install") && said.contains("older"), "{output:?}");
    assert_eq!(listed(store.path()), 0);
    assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 0, "no litter");
}
