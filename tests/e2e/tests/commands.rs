//! What the commands print: help, plans, JSON, completions, and the usual mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the tests make databases by sqlite3")]

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use planb_harness::{Output, Planb, provision, skip};
use tempfile::TempDir;

/// A folder with a small database, `app.db`.
fn sample() -> TempDir {
    let folder = TempDir::with_prefix("planb-commands-").unwrap();
    let sql = "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL); CREATE TABLE u (c)";
    let status = Command::new("sqlite3").arg(folder.path().join("app.db")).arg(sql).status().expect("sqlite3 starts");
    assert!(status.success());
    folder
}

fn planb(folder: &Path, args: &[&str]) -> Output {
    Planb::new().current_dir(folder).args(args).run()
}

/// Runs the body with what changes from run to run replaced.
fn stable(folder: &Path, body: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    let real = std::fs::canonicalize(folder).unwrap();
    settings.add_filter(&regex(&real), "[folder]");
    settings.add_filter(&regex(&Planb::plugins()), "[plugins]");
    settings.add_filter(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[id]");
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[digest]");
    settings.add_filter(r"\d{4}-\d\d-\d\d-\d{6}", "[stamp]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]");
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "[time]");
    settings.add_filter(r#""(/usr)?/bin/sqlite3""#, "\"[sqlite3]\"");
    settings.add_filter(r"(/usr)?/bin/sqlite3 ", "[sqlite3] ");
    settings.add_filter(r"\b3\.\d+\.\d+\b", "[version]");
    settings.add_filter(r#""(duration_ms|stored_bytes|bytes)": \d+"#, "\"$1\": [number]");
    settings.add_filter(r"\b\d+ ms\b", "[n] ms");
    settings.bind(body);
}

fn regex(path: &Path) -> String {
    path.to_string_lossy().replace('.', "\\.")
}

#[test]
fn help_names_the_commands_and_exit_codes() {
    let output = planb(Path::new("/"), &["--help"]).ok();
    for word in ["run ", "restore ", "list ", "show ", "verify ", "databases ", "plan ", "plugin ", "completions ", "Exit codes:"] {
        assert!(output.stdout.contains(word), "{word} in {output:?}");
    }
    let output = planb(Path::new("/"), &["run", "--help"]).ok();
    for word in ["--db <URL>", "--to <URL>", "--password-file", "--compress", "--encrypt-to", "--dry-run", "Examples:"] {
        assert!(output.stdout.contains(word), "{word} in {output:?}");
    }
    assert!(!output.stdout.contains("--password <"), "a password on the command line is seen by everybody");
    for command in ["restore", "list", "show", "verify", "databases", "plan", "plugin", "completions"] {
        let long = planb(Path::new("/"), &[command, "--help"]).ok();
        let help = planb(Path::new("/"), &["help", command]).ok();
        assert_eq!(long.stdout, help.stdout, "{command}");
    }
    let version = planb(Path::new("/"), &["--version"]).ok();
    assert!(version.stdout.starts_with("planb "), "{version:?}");
}

#[test]
fn completions_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = planb(Path::new("/"), &["completions", shell]).ok();
        assert!(output.stdout.contains("planb") && output.stdout.contains("restore"), "{shell}");
    }
    planb(Path::new("/"), &["completions", "sh"]).expect_code(2);
}

macro_rules! refused {
    ($name:ident, $args:expr, @$snapshot:literal) => {
        #[test]
        fn $name() {
            skip!(provision::apt(&["sqlite3"]));
            let folder = sample();
            let output = planb(folder.path(), &$args).expect_code(2);
            assert_eq!(output.stdout, "", "stdout is for data");
            assert!(!folder.path().join("store").exists());
            stable(folder.path(), || assert_snapshot!(output.stderr, @$snapshot));
        }
    };
}

refused!(no_store, ["run", "--db", "sqlite:app.db"], @"");
refused!(no_database, ["run", "--to", "store"], @"");
refused!(an_unknown_flag, ["run", "--db", "sqlite:app.db", "--too", "store"], @"");
refused!(an_unknown_command, ["backup", "--db", "sqlite:app.db"], @"");
refused!(an_unknown_option, ["run", "--db", "sqlite:app.db", "--to", "store", "--option", "formt=sql"], @"");
refused!(a_wrong_value_of_an_option, ["run", "--db", "sqlite:app.db", "--to", "store", "--option", "format=xml"], @"");
refused!(an_unknown_parameter, ["run", "--db", "postgresql://a@127.0.0.1:1/b?sslmod=require", "--to", "store"], @"");
refused!(an_unknown_plugin, ["run", "--plugin", "postgre", "--db", "postgresql://a@h/b", "--to", "store"], @"");
refused!(an_unknown_scheme, ["run", "--db", "sqllite:app.db", "--to", "store"], @"");
refused!(an_unknown_store, ["run", "--db", "sqlite:app.db", "--to", "s4://bucket"], @"");
refused!(an_unknown_compression, ["run", "--db", "sqlite:app.db", "--to", "store", "--compress", "zstd:99"], @"");
refused!(an_unknown_token, ["run", "--db", "sqlite:app.db", "--to", "store", "--name", "{dbb}-{date}"], @"");

#[test]
fn a_plan_does_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    let plan = planb(folder.path(), &["plan", "--db", "sqlite:app.db", "--to", "store"]).ok();
    let dry = planb(folder.path(), &["run", "--dry-run", "--db", "sqlite:app.db", "--to", "store"]).ok();
    assert!(!folder.path().join("store").exists());
    stable(folder.path(), || {
        assert_snapshot!(plan.stdout, @"");
        assert_snapshot!(dry.stdout, @"");
    });
    let json = planb(folder.path(), &["plan", "--output", "json", "--db", "sqlite:app.db", "--to", "store"]).ok().json();
    assert!(json.is_object(), "{json}");
}

#[test]
fn the_life_of_a_backup_as_json() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    let json = |args: &[&str]| {
        let output = planb(folder.path(), &[args, &["--output", "json"]].concat()).ok();
        assert_eq!(output.stderr, "", "nothing to say");
        output.json();
        output.stdout
    };
    let empty = planb(folder.path(), &["list", "--from", "store", "--output", "json"]);
    let run = json(&["run", "--db", "sqlite:app.db", "--to", "store", "--label", "why=test"]);
    let list = json(&["list", "--from", "store"]);
    let show = json(&["show", "latest", "--from", "store"]);
    let verify = json(&["verify", "latest", "--from", "store"]);
    let restore = json(&["restore", "latest", "--from", "store", "--db", "sqlite:copy.db"]);
    eprintln!("{empty:?}");
    stable(folder.path(), || {
        assert_snapshot!(run, @"");
        assert_snapshot!(list, @"");
        assert_snapshot!(show, @"");
        assert_snapshot!(verify, @"");
        assert_snapshot!(restore, @"");
    });
}

#[test]
fn the_life_of_a_backup_as_text() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    planb(folder.path(), &["run", "--db", "sqlite:app.db", "--to", "store"]).ok();
    let verify = planb(folder.path(), &["verify", "latest", "--from", "store"]).ok();
    assert!(verify.stdout.contains("is whole"), "{verify:?}");
    let list = planb(folder.path(), &["list", "--from", "store"]).ok();
    let lines: Vec<_> = list.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{list:?}");
    assert!(lines[0].starts_with("ID"));
    // The short id that `list` shows names the backup.
    let id = lines[1].split_whitespace().next().unwrap();
    let show = planb(folder.path(), &["show", id, "--from", "store"]).ok();
    assert!(show.stdout.contains(id), "{show:?}");
}

#[test]
fn a_backup_that_is_not_there() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    planb(folder.path(), &["run", "--db", "sqlite:app.db", "--to", "store"]).ok();
    let never = planb(folder.path(), &["show", "00000000000", "--from", "store"]);
    assert!(matches!(never.code, Some(1 | 2)), "{never:?}");
    let before = planb(folder.path(), &["show", "at:2001-01-01T00:00:00Z", "--from", "store"]);
    assert!(matches!(before.code, Some(1 | 2)), "{before:?}");
    planb(folder.path(), &["show", "at:2999-01-01T00:00:00Z", "--from", "store"]).ok();
    planb(folder.path(), &["show", "at:yesterday", "--from", "store"]).expect_code(2);
    let empty = planb(folder.path(), &["show", "latest", "--from", "elsewhere"]);
    assert!(matches!(empty.code, Some(1 | 2)), "{empty:?}");
    stable(folder.path(), || {
        assert_snapshot!(never.stderr, @"");
        assert_snapshot!(before.stderr, @"");
        assert_snapshot!(empty.stderr, @"");
    });
}

#[test]
fn names_and_labels() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    let args = ["run", "--output", "json", "--db", "sqlite:app.db", "--to", "store", "--name", "x-{engine}-{db}", "--label", "a=b=c"];
    let run = planb(folder.path(), &args).ok().json();
    assert!(run["stores"][0]["key"].as_str().unwrap().starts_with("x-sqlite-app"), "{run}");
    let list = planb(folder.path(), &["list", "--from", "store", "--output", "json"]).ok().json();
    assert_eq!(list[0]["labels"]["a"], "b=c");
    // The same name again is another backup, not the same file.
    planb(folder.path(), &args).ok();
    let list = planb(folder.path(), &["list", "--from", "store", "--output", "json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 2);
}
