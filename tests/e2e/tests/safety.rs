//! What keeps a person from losing data by a slip: previews, questions, names that have to be said, servers kept apart.
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
use planb_harness::{Planb, provision, skip};
use support::{backed_up, dump, folder, list, manifest, restore, run, small, sqlite_url, sqlite3};

fn store(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_restore_is_shown_before_it_is_done() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &[]);
    let copy = folder.path().join("copy.db");
    let text =
        || Planb::new().args(["restore", "latest", "--from", &store(&to), "--db", &sqlite_url(&copy), "--dry-run"]);
    let shown = text().run().ok();
    for words in ["would restore", "which holds no data", "sqlite3", "restored.db", "integrity_check"] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    assert!(!copy.exists());
    // The same by the variable that `run` obeys too, and as JSON.
    let json = restore(&store(&to), &copy).env("DRY_RUN", "true").run().ok().json();
    assert_eq!((json["target_holds_data"].as_bool(), json["engine"].as_str()), (Some(false), Some("sqlite")));
    assert!(!copy.exists());
    // It fails as the restore would.
    sqlite3(&copy, "CREATE TABLE precious(a); INSERT INTO precious VALUES (1)");
    restore(&store(&to), &copy).arg("--dry-run").run().expect_code(1).says(&["holds data already", "--replace"]);
    let shown = text().arg("--replace").run().ok();
    assert!(shown.stdout.contains("which holds data that would be lost"), "{}", shown.stdout);
    assert!(dump(&copy).contains("precious"));
}

#[test]
fn data_is_not_replaced_in_a_database_that_nobody_named() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("orders");
    server.psql("orders", "CREATE TABLE t AS SELECT 1 AS a");
    let folder = folder();
    let port = server.port().to_string();
    let tools = server.bin("psql").parent().unwrap().to_owned();
    let planb = |args: &[&str]| {
        let planb = Planb::new().args(args).env("PLANB_TOOL_PATH", &tools);
        planb.env("DB_HOST", "127.0.0.1").env("DB_PORT", &port).env("DB_USER", "postgres")
    };
    let to = store(folder.path());
    planb(&["run", "--plugin", "postgres", "--database", "orders", "--to", &to]).run().ok();
    server.psql("orders", "INSERT INTO t VALUES (2)");
    // As in a container whose DB_HOST is production: the backup's own name would be the target.
    let unnamed = planb(&["restore", "latest", "--from", &to, "--replace"]).run();
    unnamed.expect_code(2).says(&["needs the database by its name"]);
    assert_eq!(server.psql("orders", "SELECT count(*) FROM t").trim(), "2");
    planb(&["restore", "latest", "--from", &to, "--replace", "--database", "orders"]).run().ok();
    assert_eq!(server.psql("orders", "SELECT count(*) FROM t").trim(), "1");
}

#[test]
fn latest_does_not_choose_between_servers() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &["--name", "one", "--label", "tier=gold"]);
    backed_up(&db, &to, &["--name", "two"]);
    for (name, server) in [("one", "prod:5432"), ("two", "staging:5432")] {
        let path = to.join(format!("{name}.manifest.json"));
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json["server"] = server.into();
        fs::write(&path, json.to_string()).unwrap();
    }
    let copy = folder.path().join("copy.db");
    restore(&store(&to), &copy).run().expect_code(2).says(&["several servers", "prod:5432, staging:5432"]);
    restore(&store(&to), &copy).args(["--source-server", "prod:5432"]).run().ok();
    let listed = list(&store(&to)).args(["--with-label", "tier=gold"]).run().ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["server"], "prod:5432");
}

#[test]
fn one_manifest_that_cannot_be_read_hides_no_other() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &[]);
    // Larger than any manifest may be.
    let large = fs::File::create(to.join("large.manifest.json")).unwrap();
    large.set_len(65 << 20).unwrap();
    let output = Planb::new().args(["list", "--from", &store(&to)]).run().ok();
    assert!(output.stdout.contains("shop"), "{}", output.stdout);
    output.says(&["1 manifest cannot be read", "large.manifest.json"]);
    restore(&store(&to), &folder.path().join("copy.db")).run().ok();
}

#[test]
fn what_others_wrote_does_not_steer_the_terminal() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &["--label", "note=\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}x"]);
    let (path, _) = manifest(&to);
    let text = fs::read_to_string(&path).unwrap().replace("\"customer\"", "\"cust\\u001b[31momer\"");
    fs::write(&path, text).unwrap();
    let shown = Planb::new().args(["show", "latest", "--from", &store(&to)]).run().ok();
    assert!(!shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", shown.stdout);
    assert!(shown.stdout.contains("cust[31momer"), "{}", shown.stdout);
}

#[test]
fn several_files_by_one_pattern() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    for name in ["a.db", "b.db", "c.txt"] {
        sqlite3(&folder.path().join(name), "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    }
    let to = folder.path().join("store");
    let pattern = folder.path().join("*.db");
    let report = run(&pattern).args(["--to", &store(&to)]).run().ok().json();
    let names: Vec<_> =
        report["runs"].as_array().unwrap().iter().map(|run| run["database"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names[0].ends_with("a.db") && names[1].ends_with("b.db"), "{names:?}");
    run(&folder.path().join("*.none")).args(["--to", &store(&to)]).run().expect_code(2).says(&["no file is named by"]);
    // A file that is really called so is one database.
    let odd = folder.path().join("[x].db");
    sqlite3(&odd, "CREATE TABLE t(x)");
    run(&odd).args(["--to", &store(&to)]).run().ok();
}

#[test]
fn parts_and_volumes_have_to_fit() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let db = small(folder.path());
    let output = Planb::new()
        .args(["run", "--db", &sqlite_url(&db), "--to", "s3://bucket/x", "--part-size", "5", "--volume-size", "100000"])
        .run();
    output.expect_code(2).says(&["20000 parts", "--volume-size"]);
}

#[test]
fn no_stall_time_means_no_watchdog() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &["--stall-timeout", "0"]);
    backed_up(&db, &to, &["--stall-timeout", "0", "--mode", "file", "--name", "second"]);
}
