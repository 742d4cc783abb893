//! The conformance suite on every engine whose tools are here, and on an engine with planted faults.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use planb_harness::postgres::Version;
use planb_harness::{Planb, Skip, faulty_engine, provision, skip};
use serde_json::Value;

/// Runs the suite; gives its report.
fn report(plugin: &Path, tools: &[PathBuf], more: &[&str]) -> (i32, Value) {
    let path = std::env::join_paths(tools).expect("folders");
    let planb =
        Planb::new().args(["plugin", "test", "--output", "json"]).arg(plugin).env("PLANB_TOOL_PATH", path).args(more);
    let output = planb.run();
    let code = output.code.unwrap_or(-1);
    assert!(matches!(code, 0 | 4), "{output:?}");
    (code, output.json())
}

fn failed(report: &Value) -> Vec<String> {
    named(report, "failed")
        .into_iter()
        .map(|check| format!("{}: {}: {}", text(check, "group"), text(check, "name"), text(check, "detail")))
        .collect()
}

fn named<'r>(report: &'r Value, outcome: &str) -> Vec<&'r Value> {
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().filter(|check| check["outcome"] == outcome).collect()
}

fn text<'r>(check: &'r Value, field: &str) -> &'r str {
    check[field].as_str().unwrap_or_default()
}

/// The suite has to pass, and nothing but `not_run` may have been left out.
#[track_caller]
fn passes(name: &str, tools: &[PathBuf], not_run: &[&str]) -> Value {
    passes_with(name, tools, &[], not_run)
}

#[track_caller]
fn passes_with(name: &str, tools: &[PathBuf], more: &[&str], not_run: &[&str]) -> Value {
    let plugin = Planb::plugins().join(format!("{name}.wasm"));
    let (_, report) = report(&plugin, tools, more);
    assert_eq!(failed(&report), [""; 0], "{name}");
    let left_out: Vec<_> = named(&report, "not-run").into_iter().map(|check| text(check, "name")).collect();
    let unexpected: Vec<_> = left_out.iter().filter(|name| !not_run.contains(name)).collect();
    assert!(unexpected.is_empty(), "{name}: not run: {unexpected:?}");
    eprintln!(
        "conformance: {name} with {}: {} checks passed",
        report["server_version"].as_str().unwrap_or("no server"),
        report["passed"]
    );
    report
}

/// The modes in which a backup was made, restored and found equal.
fn round_trips(report: &Value) -> Vec<&str> {
    let equal = |check: &&Value| text(check, "name") == "equal";
    named(report, "passed").into_iter().filter(equal).map(|check| text(check, "group")).collect()
}

#[test]
fn sqlite() {
    skip!(provision::apt(&["sqlite3"]));
    // A copy of the database file does not show what it holds to somebody who cannot seek in it.
    let report = passes("sqlite", &[], &["databases", "inspection", "wrong password", "command lines"]);
    assert_eq!(round_trips(&report), ["stream", "file", "file, format=binary"]);
}

fn postgres(version: Version) -> Result<(), Skip> {
    let report = passes("postgres", &[version.bin_dir()?], &[]);
    let trips = round_trips(&report);
    for way in ["stream", "stream, format=custom", "file", "directory", "tar"] {
        assert!(trips.contains(&way), "{way}: {trips:?}");
    }
    assert!(text(&report, "server_version").starts_with(&version.major().to_string()));
    Ok(())
}

#[test]
fn postgres_15() {
    skip!(postgres(Version::V15));
}

#[test]
fn postgres_17() {
    skip!(postgres(Version::V17));
}

#[test]
fn postgres_18() {
    skip!(postgres(Version::V18));
}

/// A server from the system's packages; `ways`: those in which a backup has to have come back.
#[track_caller]
fn packaged(name: &str, packages: &[&str], not_run: &[&str], ways: &[&str]) {
    skip!(provision::apt(packages));
    let report = passes(name, &[], not_run);
    let trips = round_trips(&report);
    for way in ways {
        assert!(trips.contains(way), "{name}: {way}: {trips:?}");
    }
}

/// A server from a folder of programs, of this version.
#[track_caller]
fn of_folder(name: &str, folder: Result<PathBuf, Skip>, version: &str, not_run: &[&str], ways: &[&str]) {
    let folder = skip!(folder);
    let report = passes(name, &[folder], not_run);
    let trips = round_trips(&report);
    for way in ways {
        assert!(trips.contains(way), "{name}: {way}: {trips:?}");
    }
    assert!(text(&report, "server_version").contains(version), "{}", report["server_version"]);
}

#[test]
fn mysql_9() {
    of_folder("mysql", provision::mysql(), "9.7", &[], &["stream", "file"]);
}

#[test]
fn mariadb_10() {
    packaged("mariadb", &["mariadb-server", "mariadb-client"], &[], &["stream", "file"]);
}

#[test]
fn mariadb_11() {
    of_folder("mariadb", provision::mariadb_11(), "11.8", &[], &["stream", "file"]);
}

#[test]
fn redis_7() {
    packaged("redis", &["redis-server", "redis-tools"], &["databases"], &["stream", "file"]);
}

#[test]
fn redis_8() {
    of_folder("redis", provision::redis_8(), "8.0", &["databases"], &["stream", "file"]);
}

#[test]
fn valkey_8() {
    let folder = skip!(provision::valkey());
    // By the names that Redis' programs go by, Redis' would be found first.
    let tool = |id: &str, program: &str| format!("{id}={}", folder.join(program).display());
    let (client, server) = (tool("redis-cli", "valkey-cli"), tool("redis-server", "valkey-server"));
    let report = passes_with("redis", &[], &["--tool-path", &client, "--tool-path", &server], &["databases"]);
    assert_eq!(text(&report, "server_version").split('.').next(), Some("Valkey 8"), "{}", report["server_version"]);
    let trips = round_trips(&report);
    assert!(trips.contains(&"stream") && trips.contains(&"file"), "{trips:?}");
}

#[test]
fn memcached() {
    packaged("memcached", &["memcached", "socat"], &["databases", "wrong password", "command lines"], &["stream"]);
}

#[test]
fn etcd() {
    packaged("etcd", &["etcd-server", "etcd-client"], &["databases"], &["file"]);
}

#[test]
fn openldap() {
    packaged("openldap", &["slapd", "ldap-utils"], &["databases", "version", "size"], &["stream", "file"]);
}

#[test]
fn firebird() {
    packaged("firebird", &["firebird3.0-server", "firebird3.0-utils"], &["databases"], &["stream", "file"]);
}

#[test]
fn influxdb() {
    packaged("influxdb", &["influxdb", "influxdb-client"], &["size"], &["directory", "tar"]);
}

#[test]
fn clickhouse() {
    packaged("clickhouse", &["clickhouse-server", "clickhouse-client"], &[], &["tar", "directory", "stream"]);
}

#[test]
fn an_engine_without_a_fault_passes() {
    let (_folder, plugin) = faulty_engine("");
    let (code, report) = report(&plugin, &[], &["--allow-tool", "cat", "--allow-tool", "tee"]);
    assert_eq!((code, failed(&report)), (0, Vec::new()));
}

/// The check that has to fail, the words that its detail has to hold, and the words that the rule has to hold.
const FAULTS: [(&str, &str, &str, &str); 14] = [
    ("secret-in-argument", "command lines", "on the command line of `sh`", "A plugin never holds a secret"),
    ("idle-tool", "every tool used", "no plan uses ls", "to trust the plugin with it"),
    ("no-end-mark", "cuts", "counts as complete", "end mark"),
    ("other-plan-each-time", "same plan", "answered differently", "same request gives the same plan"),
    ("undeclared-tool", "declared only", "\"head\"", "that `describe` declares"),
    ("value-becomes-option", "hostile values", "the literal \"--planb7probe\"", "never becomes an option"),
    ("path-from-value", "hostile values", "below the work directory is built from it", "never becomes an option"),
    ("miscounts", "inspection", "(3 rows)", "what the seed holds"),
    ("restores-nothing", "equal", "only the source has", "what was backed up"),
    ("says-empty", "occupied target", "without being told to", "unless `replace` is set"),
    ("trap", "hostile values", "a name with a quote", "never becomes an option"),
    ("blames-wrongly", "nothing there", "the fault of Tool", "missing-database"),
    ("undeclared-setting", "scratch plan", "`colour`", "that `describe` declares"),
    ("trusts-chunks", "cuts", "in other chunks", "end mark"),
];

#[test]
fn each_planted_fault_is_found_and_explained() {
    for (fault, name, detail, rule) in FAULTS {
        let (_folder, plugin) = faulty_engine(fault);
        let declared = ["cat", "tee", "ls", "sh"].into_iter().filter(|tool| declares(fault, tool));
        let allow: Vec<_> = declared.flat_map(|tool| ["--allow-tool", tool]).collect();
        let (code, report) = report(&plugin, &[], &allow);
        assert_eq!(code, 4, "{fault}");
        let found = named(&report, "failed").into_iter().find(|check| text(check, "name") == name);
        let found = found.unwrap_or_else(|| panic!("{fault}: `{name}` did not fail, but {:?}", failed(&report)));
        assert!(text(found, "detail").contains(detail), "{fault}: {found}");
        assert!(text(found, "rule").contains(rule), "{fault}: {found}");
    }
}

/// `--allow-tool` wants a tool that the plugin declares.
fn declares(fault: &str, tool: &str) -> bool {
    match tool {
        "ls" => fault == "idle-tool",
        "sh" => fault == "secret-in-argument",
        _ => true,
    }
}

#[test]
fn a_person_reads_a_table() {
    let (_folder, plugin) = faulty_engine("miscounts");
    let output =
        Planb::new().args(["plugin", "test"]).arg(&plugin).args(["--allow-tool", "cat", "--allow-tool", "tee"]).run();
    let output = output.expect_code(4);
    for words in ["CHECK", "FAILED", "the rule: ", "1 failed", "not run"] {
        assert!(output.stdout.contains(words), "{words}: {output:?}");
    }
}

#[test]
fn without_a_server_it_says_what_was_not_run() {
    let output =
        Planb::new().args(["plugin", "test", "postgres", "--output", "json"]).env("PATH", "/nonexistent").run();
    let report = output.expect_code(0).json();
    let left_out = named(&report, "not-run");
    assert!(left_out.iter().any(|check| text(check, "detail").contains("initdb")), "{left_out:?}");
    assert!(report["passed"].as_u64().is_some_and(|passed| passed >= 4));
}

/// PouchDB's server speaks as CouchDB does; the suite runs in two databases of it, since it is no program of the plugin's.
#[test]
fn couchdb_by_pouchdb_server() {
    skip!(provision::apt(&["curl", "mawk"]));
    let folder = skip!(provision::npm(&[provision::POUCHDB]));
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.json");
    std::fs::write(&config, r#"{"admins": {"app": "k3y-of-the-suite"}}"#).unwrap();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let log = std::fs::File::create(home.path().join("log")).unwrap();
    let mut server = std::process::Command::new(folder.join("node_modules/.bin/pouchdb-server"))
        .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--no-color-logs", "--dir"])
        .arg(home.path())
        .arg("--config")
        .arg(&config)
        .current_dir(home.path())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < std::time::Duration::from_mins(1), "pouchdb-server does not answer");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let url = |database: &str| format!("couchdb://app@127.0.0.1:{port}/{database}");
    let output = Planb::new()
        .args(["plugin", "test", "couchdb", "--output", "json", "--live", &url("suite"), "--into", &url("copy")])
        .env("DB_PASSWORD", "k3y-of-the-suite")
        .run();
    server.kill().unwrap();
    server.wait().unwrap();
    let report = output.ok().json();
    assert_eq!(failed(&report), [""; 0]);
    assert_eq!(round_trips(&report), ["stream"], "the second mode finds the target full");
}
