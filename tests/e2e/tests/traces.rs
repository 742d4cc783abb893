//! Traces: what a collector hears of a run, and that one that is deaf costs nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the tests make databases by sqlite3")]

#[path = "support/web.rs"]
mod web;

use std::process::Command;

use planb_harness::{Planb, provision, skip};
use serde_json::Value;
use tempfile::TempDir;

use web::Ear;

fn database() -> TempDir {
    let folder = TempDir::new().unwrap();
    let made = Command::new("sqlite3")
        .arg(folder.path().join("app.db"))
        .arg("create table t(a); insert into t values (1), (2);")
        .status();
    assert!(made.unwrap().success());
    folder
}

fn run(folder: &TempDir, collector: &str) -> Planb {
    let db = format!("sqlite://{}", folder.path().join("app.db").display());
    Planb::new()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .args(["run", "--plugin", "sqlite", "--db", &db, "--to"])
        .arg(folder.path().join("backups"))
}

/// A span as OTLP's JSON has it.
struct Span(Value);

impl Span {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// An attribute, whatever its type, as text.
    fn attribute(&self, name: &str) -> Option<String> {
        let all = self.0["attributes"].as_array()?;
        let value = &all.iter().find(|attribute| attribute["key"] == name)?["value"];
        let value = value.as_object()?.values().next()?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn took(&self) -> i128 {
        let time = |field| self.text(field).parse::<i128>().unwrap();
        time("endTimeUnixNano") - time("startTimeUnixNano")
    }
}

fn spans(ear: &Ear) -> Vec<Span> {
    let mut all = Vec::new();
    for heard in ear.heard().iter().filter(|heard| heard.path == "/v1/traces") {
        for resource in heard.body["resourceSpans"].as_array().unwrap() {
            let service = resource["resource"]["attributes"].to_string();
            assert!(service.contains(r#""service.name""#) && service.contains(r#""planb""#), "{service}");
            for scope in resource["scopeSpans"].as_array().unwrap() {
                all.extend(scope["spans"].as_array().unwrap().iter().cloned().map(Span));
            }
        }
    }
    all
}

fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.text("name") == name);
    let first = found.next().unwrap_or_else(|| {
        let names: Vec<_> = spans.iter().map(|span| span.text("name")).collect();
        panic!("no {name} in {names:?}")
    });
    assert!(found.next().is_none(), "{name} is there more than once");
    first
}

#[test]
fn a_collector_hears_of_each_stage() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = database();
    let ear = Ear::start();
    run(&folder, &ear.url("")).run().ok();
    let spans = spans(&ear);
    let backup = only(&spans, "backup");
    assert_eq!(backup.attribute("db.system.name").as_deref(), Some("sqlite"));
    assert!(backup.attribute("db.namespace").unwrap().ends_with("app.db"));
    assert!(backup.attribute("planb.plain_bytes").unwrap().parse::<u64>().unwrap() > 20);
    assert_eq!(backup.attribute("planb.backup_id").unwrap().len(), 36);
    // STATUS_CODE_OK
    assert_eq!(backup.0["status"]["code"], 1);
    for stage in ["preparing", "streaming", "finishing"] {
        let stage = only(&spans, stage);
        assert_eq!(stage.text("parentSpanId"), backup.text("spanId"));
        assert_eq!(stage.text("traceId"), backup.text("traceId"));
        assert!(stage.took() <= backup.took());
    }
    let tools: Vec<_> = spans.iter().filter(|span| span.text("name") == "sqlite3").collect();
    assert!(!tools.is_empty());
    assert!(tools.iter().any(|tool| tool.attribute("process.exit.code").as_deref() == Some("0")));
}

#[test]
fn a_failure_has_its_blame_and_no_words() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = database();
    let ear = Ear::start();
    let mut args = run(&folder, &ear.url(""));
    std::fs::write(folder.path().join("app.db"), "this is no database, and hunter2 is no secret of it").unwrap();
    args = args.args(["--label", "note=hunter2"]);
    args.run().expect_code(2);
    let spans = spans(&ear);
    let backup = only(&spans, "backup");
    // STATUS_CODE_ERROR
    assert_eq!(backup.0["status"]["code"], 2);
    assert_eq!(backup.attribute("error.type").as_deref(), Some("settings"));
    let all: String = spans.iter().map(|span| span.0.to_string()).collect();
    assert!(!all.contains("hunter2") && !all.contains("not a database"), "{all}");
}

#[test]
fn protobuf_is_what_collectors_get_unless_told_otherwise() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = database();
    let ear = Ear::start();
    run(&folder, "http://127.0.0.1:1/")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ear.url("/own/path"))
        .run()
        .ok();
    let heard = ear.heard();
    let first = heard.iter().find(|heard| heard.path == "/own/path").expect("a request");
    assert_eq!(first.headers["content-type"], "application/x-protobuf");
    // Strings stand in it as they are.
    assert!(String::from_utf8_lossy(&first.raw).contains("db.system.name"));
}

#[test]
fn a_collector_that_is_not_there_costs_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = database();
    let output = run(&folder, "http://127.0.0.1:1/").run().ok();
    assert_eq!(output.stderr.matches("traces could not be sent").count(), 1, "{output:?}");

    let output = run(&folder, "http://127.0.0.1:1/").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").run().ok();
    assert!(output.stderr.contains("http/protobuf and http/json are what planb speaks"), "{output:?}");

    let output = run(&folder, "http://127.0.0.1:1/").env("OTEL_SDK_DISABLED", "true").run().ok();
    assert!(!output.stderr.contains("traces"), "{output:?}");
}
