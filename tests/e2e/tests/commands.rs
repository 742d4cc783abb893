//! What the commands print: help, plans, JSON, completions, and the usual mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "the tests make databases by sqlite3")]
#![allow(
    clippy::semicolon_if_nothing_returned,
    clippy::needless_raw_string_hashes,
    reason = "short snapshots, as insta writes them"
)]

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
    settings.add_filter(r"\b\d+ stored\b", "[n] stored");
    settings.bind(body);
}

fn regex(path: &Path) -> String {
    path.to_string_lossy().replace('.', "\\.")
}

#[test]
fn help_names_the_commands_and_exit_codes() {
    let output = planb(Path::new("/"), &["--help"]).ok();
    for word in [
        "run ",
        "restore ",
        "list ",
        "show ",
        "verify ",
        "databases ",
        "plan ",
        "plugin ",
        "completions ",
        "Exit codes:",
    ] {
        assert!(output.stdout.contains(word), "{word} in {output:?}");
    }
    let output = planb(Path::new("/"), &["run", "--help"]).ok();
    for word in ["--db <URL>", "--to <URL>", "--password-file", "--compress", "--encrypt-to", "--dry-run", "Examples:"]
    {
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

/// Runs a command that is refused with this exit code, and looks at what it says.
fn refused(code: i32, args: &[&str], look: impl FnOnce(&str)) {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    let output = planb(folder.path(), args);
    assert!(output.code == Some(code), "{output:?}");
    assert_eq!(output.stdout, "", "stdout is for data");
    stable(folder.path(), || look(&output.stderr));
    assert!(!folder.path().join("store").exists(), "nothing is made of a command that is refused");
}

#[test]
fn no_store() {
    refused(2, &["run", "--db", "sqlite:app.db"], |said| {
        assert_snapshot!(said, @r#"
    error (settings): where to? --to is missing
    hint: for example --to /backups, or --to s3://bucket/prefix
    "#)
    });
}

#[test]
fn no_database() {
    refused(2, &["run", "--to", "store"], |said| {
        assert_snapshot!(said, @r#"
    error (settings): which engine? Neither --plugin nor a URL's scheme tells it
    hint: for example --plugin postgres --db postgresql://app@db.example/orders; planb plugin list shows the engines
    "#)
    });
}

#[test]
fn an_unknown_flag() {
    refused(2, &["run", "--db", "sqlite:app.db", "--too", "store"], |said| {
        assert_snapshot!(said, @r#"
    error: unexpected argument '--too' found

      tip: a similar argument exists: '--to'
      tip: to pass '--too' as a value, use '-- --too'

    Usage: planb run --db <URL> --to <URL> [-- <EXTRA ARGS>...]

    For more information, try '--help'.
    "#)
    });
}

#[test]
fn an_unknown_command() {
    refused(2, &["snapshot", "--db", "sqlite:app.db"], |said| {
        assert_snapshot!(said, @r#"
    error: unrecognized subcommand 'snapshot'

    Usage: planb [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#)
    });
}

#[test]
fn an_unknown_option() {
    refused(
        2,
        &["run", "--db", "sqlite:app.db", "--to", "store", "--option", "formt=sql"],
        |said| assert_snapshot!(said, @r#"error (settings): the SQLite engine has no option `formt`; did you mean `format`?"#),
    );
}

#[test]
fn a_wrong_value_of_an_option() {
    refused(
        2,
        &["run", "--db", "sqlite:app.db", "--to", "store", "--option", "format=xml"],
        |said| assert_snapshot!(said, @r#"error (settings): the option `format` takes one of sql, binary, not "xml""#),
    );
}

#[test]
fn an_unknown_parameter() {
    refused(
        2,
        &["run", "--db", "postgresql://a@127.0.0.1:1/b?sslmod=require", "--to", "store"],
        |said| assert_snapshot!(said, @r#"error (settings): the PostgreSQL engine does not know the parameter `sslmod` of the database URL; did you mean `sslmode`?"#),
    );
}

#[test]
fn an_unknown_plugin() {
    refused(4, &["run", "--plugin", "postgre", "--db", "postgresql://a@h/b", "--to", "store"], |said| {
        assert_snapshot!(said, @r#"
    error (settings): there is no plugin "postgre" (did you mean `postgres`?); looked for postgre.wasm in [plugins]
    hint: planb plugin list shows what is there; --plugin-dir names another folder
    "#)
    });
}

#[test]
fn an_unknown_scheme() {
    refused(2, &["run", "--db", "sqllite:app.db", "--to", "store"], |said| {
        assert_snapshot!(said, @r#"
    error (settings): no plugin here knows databases of the kind `sqllite:`
    hint: planb plugin list shows the engines; --plugin names one
    "#)
    });
}

#[test]
fn an_unknown_store() {
    refused(
        2,
        &["run", "--db", "sqlite:app.db", "--to", "s4://bucket"],
        |said| assert_snapshot!(said, @r#"error (settings): the store s4://...: planb knows no stores of the kind `s4:`; known are file, s3, gs, azblob and rclone"#),
    );
}

#[test]
fn an_unknown_compression() {
    refused(
        2,
        &["run", "--db", "sqlite:app.db", "--to", "store", "--compress", "zstd:99"],
        |said| assert_snapshot!(said, @r#"error (settings): "zstd:99" is not a compression: use zstd[:1-22], gzip[:1-9], none or native"#),
    );
}

#[test]
fn an_unknown_token() {
    refused(
        2,
        &["run", "--db", "sqlite:app.db", "--to", "store", "--name", "{dbb}-{date}"],
        |said| assert_snapshot!(said, @r#"error (settings): the name template "{dbb}-{date}" has an unknown token {dbb}; known are {db} {engine} {date} {time} {ts} {timestamp} {uuid}"#),
    );
}

#[test]
fn a_plan_does_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    // The two are compared by a name of their own: the usual one is another in the next second.
    let plan = planb(folder.path(), &["plan", "--db", "sqlite:app.db", "--to", "store"]).ok();
    let args = ["--db", "sqlite:app.db", "--to", "store", "--name", "app"];
    let named = planb(folder.path(), &[&["plan"][..], &args[..]].concat()).ok();
    let dry = planb(folder.path(), &[&["run", "--dry-run"][..], &args[..]].concat()).ok();
    stable(folder.path(), || {
        assert_snapshot!(plan.stdout, @r#"
        would back up [folder]/app.db (sqlite, mode stream, server [version])
          run           [sqlite3] -batch -bail 'file:[folder]/app.db?mode=rw' '.timeout 10000' BEGIN 'SELECT '\''PRAGMA encoding='\'''\'''\'' || encoding || '\'''\'''\'';'\'' FROM pragma_encoding UNION ALL SELECT '\''PRAGMA user_version='\'' || user_version || '\'';'\'' FROM pragma_user_version UNION ALL SELECT '\''PRAGMA application_id='\'' || application_id || '\'';'\'' FROM pragma_application_id' .dump
          write         file://[folder]/store/app-[stamp].sql.zst
        "#);
    });
    assert_eq!(dry.stdout, named.stdout);
    assert!(!folder.path().join("store").exists(), "a plan makes no folder");
    let json =
        planb(folder.path(), &["plan", "--output", "json", "--db", "sqlite:app.db", "--to", "store"]).ok().json();
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
    let run = json(&["run", "--db", "sqlite:app.db", "--to", "store", "--label", "why=test"]);
    let list = json(&["list", "--from", "store"]);
    let show = json(&["show", "latest", "--from", "store"]);
    let verify = json(&["verify", "latest", "--from", "store"]);
    let restore = json(&["restore", "latest", "--from", "store", "--db", "sqlite:copy.db"]);
    stable(folder.path(), || {
        assert_snapshot!(run, @r#"
        {
          "database": "[folder]/app.db",
          "duration_ms": [number],
          "engine": "sqlite",
          "id": "[id]",
          "inspection": {
            "complete": true,
            "findings": [],
            "objects": [
              {
                "kind": "table",
                "name": "t",
                "rows": 2
              },
              {
                "kind": "table",
                "name": "u",
                "rows": 0
              }
            ]
          },
          "plain_bytes": 227,
          "plain_sha256": "[digest]",
          "started_at": "[time]",
          "status": "success",
          "stored_bytes": [number],
          "stored_sha256": "[digest]",
          "stores": [
            {
              "error": null,
              "key": "app-[stamp].sql.zst",
              "status": "success",
              "url": "file://[folder]/store"
            }
          ],
          "warnings": []
        }
        "#);
        assert_snapshot!(list, @r#"
        [
          {
            "created_at": "[time]",
            "database": "[folder]/app.db",
            "drill": null,
            "engine": "sqlite",
            "held": false,
            "hold": null,
            "id": "[id]",
            "key": "app-[stamp].sql.zst",
            "labels": {
              "why": "test"
            },
            "plain_bytes": 227,
            "scope": "database",
            "server": null,
            "status": "success",
            "stored_bytes": [number]
          }
        ]
        "#);
        assert_snapshot!(show, @r#"
        {
          "artifact": {
            "compressed": false,
            "extension": "sql",
            "format": "sql",
            "media_type": "application/sql"
          },
          "compression": "zstd:3",
          "created_at": "[time]",
          "database": "[folder]/app.db",
          "engine": "sqlite",
          "files": [
            {
              "path": "",
              "plain_bytes": 227,
              "plain_sha256": "[digest]",
              "stored_bytes": [number],
              "stored_sha256": "[digest]",
              "volumes": [
                {
                  "bytes": [number],
                  "key": "app-[stamp].sql.zst"
                }
              ]
            }
          ],
          "finished_at": "[time]",
          "id": "[id]",
          "inspection": {
            "complete": true,
            "findings": [],
            "objects": [
              {
                "kind": "table",
                "name": "t",
                "rows": 2
              },
              {
                "kind": "table",
                "name": "u",
                "rows": 0
              }
            ]
          },
          "labels": {
            "why": "test"
          },
          "mode": "stream",
          "options": {
            "busy-timeout": "10000",
            "format": "sql",
            "preserve-rowids": "false"
          },
          "plain_bytes": 227,
          "plain_sha256": "[digest]",
          "planb_version": "0.1.0",
          "plugin": {
            "name": "SQLite",
            "sha256": "[digest]",
            "version": "0.1.0"
          },
          "schema": "planb.manifest/v1",
          "scope": "database",
          "server_version": "[version]",
          "stored_bytes": [number],
          "stored_sha256": "[digest]",
          "tools": [
            {
              "id": "sqlite3",
              "path": "[sqlite3]",
              "version": "[version]"
            }
          ],
          "warnings": []
        }
        "#);
        assert_snapshot!(verify, @r#"
        {
          "checks": [
            {
              "detail": "227 bytes plain, [n] stored",
              "name": "digests",
              "ok": true
            },
            {
              "detail": "complete, 2 objects, 2 rows",
              "name": "inspection",
              "ok": true
            }
          ],
          "id": "[id]",
          "ok": true,
          "warnings": []
        }
        "#);
        assert_snapshot!(restore, @r#"
        {
          "database": "[folder]/app.db",
          "digest_checked": "before",
          "duration_ms": [number],
          "engine": "sqlite",
          "id": "[id]",
          "plain_bytes": 227,
          "status": "success",
          "target": "[folder]/copy.db",
          "warnings": []
        }
        "#);
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
        assert_snapshot!(never.stderr, @r#"
        error (settings): no backup has an id that starts with "00000000000"
        hint: planb list shows what there is
        "#);
        assert_snapshot!(before.stderr, @r#"
        error (settings): there is no backup at or before [time]
        hint: planb list shows what there is
        "#);
        assert_snapshot!(empty.stderr, @r#"
        error (storage): opening file://[folder]/elsewhere: it is not there (No such file or directory (os error 2))
        hint: check the path; for a new store, write a backup to it first
        "#);
    });
}

#[test]
fn names_and_labels() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = sample();
    let args = [
        "run",
        "--output",
        "json",
        "--db",
        "sqlite:app.db",
        "--to",
        "store",
        "--name",
        "x-{engine}-{db}",
        "--label",
        "a=b=c",
    ];
    let run = planb(folder.path(), &args).ok().json();
    assert!(run["stores"][0]["key"].as_str().unwrap().starts_with("x-sqlite-app"), "{run}");
    let list = planb(folder.path(), &["list", "--from", "store", "--output", "json"]).ok().json();
    assert_eq!(list[0]["labels"]["a"], "b=c");
    // The same name again is another backup, not the same file.
    planb(folder.path(), &args).ok();
    let list = planb(folder.path(), &["list", "--from", "store", "--output", "json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 2);
}
