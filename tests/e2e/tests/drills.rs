//! Drills: a backup is restored into a throw-away server and compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::Path;

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{Output, Planb, provision, skip};
use support::{backed_up, dump, folder, keys, list, manifest, small};

fn drill(from: &Path, more: &[&str]) -> Output {
    Planb::new().args(["drill", "latest", "--output", "json", "--from"]).arg(from).args(more).run()
}

#[test]
fn a_good_backup_comes_back_and_the_source_is_not_touched() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &[]);
    let before = dump(&db);
    let listed = |to: &Path| list(&to.display().to_string()).run().ok().json();
    assert!(listed(&to)[0]["drill"].is_null());
    let record = drill(&to, &[]).ok().json();
    assert_eq!((record["ok"].as_bool(), record["schema"].as_str()), (Some(true), Some("planb.drill/v1")));
    let checks: Vec<_> =
        record["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(checks, ["restore", "compare"]);
    // Its result is kept and shown, and is no backup.
    assert_eq!(listed(&to).as_array().map(Vec::len), Some(1));
    assert_eq!(listed(&to)[0]["drill"]["ok"], true);
    let text = Planb::new().args(["list", "--from"]).arg(&to).run().ok();
    assert!(text.stdout.contains("ok 20"), "{}", text.stdout);
    assert_eq!(dump(&db), before);
    // Without a record nothing is added.
    let files = || fs::read_dir(&to).unwrap().count();
    let there = files();
    drill(&to, &["--no-record"]).ok();
    assert_eq!(files(), there);
}

#[test]
fn a_backup_that_does_not_come_back_is_a_failed_drill() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &[]);
    // As if a row had been lost on the way: the manifest has seen one more.
    let (path, _) = manifest(&to);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"rows\": 4", "\"rows\": 5", 1)).unwrap();
    let output = drill(&to, &[]).expect_code(5);
    let record = output.json();
    assert_eq!(record["checks"][0]["ok"], true, "{record}");
    assert!(record["checks"][1]["detail"].as_str().unwrap().contains("has 4 rows, the dump had 5"), "{record}");
    assert_eq!(list(&to.display().to_string()).run().ok().json()[0]["drill"]["ok"], false);
    // And a damaged one is not restored at all.
    fs::write(&path, text).unwrap();
    let (_, json) = manifest(&to);
    let object = to.join(&keys(&json)[0]);
    let mut bytes = fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes).unwrap();
    let record = drill(&to, &["--no-record"]).expect_code(5).json();
    assert_eq!(
        (record["checks"][0]["name"].as_str(), record["checks"][0]["ok"].as_bool()),
        (Some("restore"), Some(false))
    );
}

#[test]
fn postgres_in_a_server_of_its_own() {
    let server =
        skip!(Postgres::start(Version::V15, Options { password: Some("s3cret".to_owned()), ..Options::default() }));
    server.create_database("orders");
    // Roles are the server's, and a throw-away server has none of them.
    server.psql("orders", "CREATE ROLE clerk; CREATE ROLE \"odd clerk\"");
    server.psql(
        "orders",
        "CREATE TABLE owned (a int); ALTER TABLE owned OWNER TO clerk; GRANT SELECT ON owned TO \"odd clerk\"",
    );
    server.psql(
        "orders",
        "CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 1000) g; CREATE VIEW v AS SELECT a FROM t",
    );
    let folder = folder();
    let tools = server.bin("psql").parent().unwrap().to_owned();
    let planb = |args: &[&str]| Planb::new().args(args).env("PLANB_TOOL_PATH", &tools);
    let to = folder.path().display().to_string();
    let run = planb(&["run", "--db", &server.url("orders"), "--to", &to]).env("DB_PASSWORD", "s3cret");
    run.run().ok();
    let record = planb(&["drill", "latest", "--from", &to, "--output", "json"]).run().ok().json();
    assert_eq!(record["ok"], true, "{record}");
    assert!(record["server_version"].as_str().unwrap().starts_with("15"), "{record}");
    // Into a database of a server that is there.
    let into = server.url("drill");
    let record =
        planb(&["drill", "latest", "--from", &to, "--output", "json", "--into", &into]).env("DB_PASSWORD", "s3cret");
    assert_eq!(record.run().ok().json()["ok"], true);
    assert_eq!(server.psql("drill", "SELECT count(*) FROM t").trim(), "1000");
    // The globals of a server cannot be compared.
    let globals = planb(&["run", "--db", &server.url("orders"), "--to", &to, "--globals"]).env("DB_PASSWORD", "s3cret");
    globals.run().ok();
    let refused = planb(&["drill", "latest", "--from", &to, "--source-database", "globals"]).run();
    refused.expect_code(2).says(&["globals"]);
}
