//! Settings by environment: what each variable does, and who wins where two say different things.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panicking, and start sqlite3 themselves"
)]

use std::process::Command;

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{Output, Planb, provision, skip};
use tempfile::TempDir;

const PASSWORD: &str = "s3cret: of 'the' \\environment";

fn server() -> Result<Postgres, planb_harness::Skip> {
    let server = Postgres::start(Version::V15, Options { password: Some(PASSWORD.to_owned()), ..Options::default() })?;
    server.create_database("right");
    server.create_database("wrong");
    server.psql("right", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    Ok(server)
}

/// What was backed up, of a run that has to work.
#[track_caller]
fn database(output: Output) -> String {
    output.ok().json()["database"].as_str().unwrap().to_owned()
}

#[test]
fn a_database_by_variables_alone_and_who_wins() {
    let server = skip!(server());
    let at = TempDir::new().unwrap();
    let base = Planb::new()
        .env("PLANB_TOOL_PATH", server.bin_dir())
        .args(["run", "--output", "json", "--to"])
        .arg(at.path().join("store"));
    let all = base
        .clone()
        .env("DB_ENGINE", "postgres")
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", server.port().to_string())
        .env("DB_USER", "postgres")
        .env("DB_NAME", "right")
        .env("DB_PASSWORD", PASSWORD);
    assert_eq!(database(all.run()), "right");
    // A flag beats its variable.
    assert_eq!(database(all.clone().env("DB_NAME", "wrong").args(["--database", "right"]).run()), "right");
    assert_eq!(database(all.clone().env("DB_PORT", "1").args(["--port", &server.port().to_string()]).run()), "right");
    // A URL beats the variables of its parts, and fills none that it leaves out.
    let url = format!("postgresql://postgres@127.0.0.1:{}/right", server.port());
    assert_eq!(
        database(
            all.clone()
                .env("DB_NAME", "wrong")
                .env("DB_PORT", "1")
                .env("DB_HOST", "nowhere.invalid")
                .args(["--db", &url])
                .run()
        ),
        "right"
    );
    assert_eq!(
        database(
            all.clone().env("DB_HOST", "").args(["--db", &format!("postgresql://127.0.0.1:{}", server.port())]).run()
        ),
        "right"
    );
    // A flag beats the URL.
    assert_eq!(
        database(all.clone().args(["--db", &url.replace("right", "wrong"), "--database", "right"]).run()),
        "right"
    );
    // A URL with its password in a variable, which only its owner can read.
    let escaped = planb_harness::postgres::escape(PASSWORD);
    let secret_url = url.replace("postgres@", &format!("postgres:{escaped}@"));
    let by_uri = base.clone().env("DB_URI", &secret_url).run();
    assert!(!format!("{by_uri:?}").contains(PASSWORD) && !format!("{by_uri:?}").contains(&escaped));
    assert_eq!(database(by_uri), "right");
    let file = at.path().join("uri");
    std::fs::write(&file, format!("{secret_url}\n")).unwrap();
    assert_eq!(
        database(base.clone().env("DB_URI_FILE", &file).env("DB_URI", "postgresql://nobody@nowhere.invalid/x").run()),
        "right"
    );
    // DB_PASSWORD beats the one in DB_URI.
    assert_eq!(
        database(base.env("DB_URI", url.replace("postgres@", "postgres:wrong@")).env("DB_PASSWORD", PASSWORD).run()),
        "right"
    );
}

#[test]
fn a_password_by_file_beats_one_by_value_and_is_never_guessed() {
    let server = skip!(server());
    let at = TempDir::new().unwrap();
    let good = at.path().join("good");
    std::fs::write(&good, format!("{PASSWORD}\n")).unwrap();
    let run = || {
        let base = Planb::new().env("PLANB_TOOL_PATH", server.bin_dir());
        base.args(["run", "--output", "json", "--db", &server.url("right"), "--to"]).arg(at.path().join("store"))
    };
    assert_eq!(database(run().env("DB_PASSWORD_FILE", &good).env("DB_PASSWORD", "wrong").run()), "right");
    assert_eq!(database(run().env("DB_PASSWORD", "wrong").arg("--password-file").arg(&good).run()), "right");
    // Set to nothing is not set.
    assert_eq!(database(run().env("DB_PASSWORD_FILE", "").env("DB_PASSWORD", PASSWORD).run()), "right");
    // A file that is not there is an error, though a good value is beside it.
    let missing =
        run().env("DB_PASSWORD_FILE", at.path().join("missing")).env("DB_PASSWORD", PASSWORD).run().expect_code(2);
    assert!(missing.stderr.contains("missing") && missing.stderr.contains("cannot be read"), "{missing:?}");
    run().env("DB_PASSWORD", "wrong").run().expect_code(1).says(&["PostgreSQL refused user or password"]);
    // What libpq itself would read is not handed on: nobody is let in by it.
    let passfile = at.path().join("pgpass");
    std::fs::write(&passfile, "*:*:*:*:x\n").unwrap();
    run()
        .env("PGPASSWORD", PASSWORD)
        .env("PGPASSFILE", &passfile)
        .run()
        .expect_code(1)
        .says(&["PostgreSQL refused user or password"]);
    run().env("DB_PASSWORD", PASSWORD).env("PGHOST", "nowhere.invalid").env("PGOPTIONS", "-c nonsense=1").run().ok();
}

fn sqlite(at: &TempDir) -> Planb {
    let db = at.path().join("app.db");
    assert!(Command::new("sqlite3").arg(&db).arg("CREATE TABLE IF NOT EXISTS t (a);").status().unwrap().success());
    Planb::new()
        .args(["run", "--output", "json", "--plugin", "sqlite", "--db"])
        .arg(db)
        .arg("--to")
        .arg(at.path().join("store"))
}

#[test]
fn how_a_run_goes_by_variables() {
    skip!(provision::apt(&["sqlite3"]));
    let at = TempDir::new().unwrap();
    let key = |output: Output| output.ok().json()["stores"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(
        key(sqlite(&at).env("BACKUP_NAME_TEMPLATE", "by-variable/{db}-{engine}").run()),
        "by-variable/app-sqlite.sql.zst"
    );
    assert_eq!(key(sqlite(&at).env("BACKUP_NAME_TEMPLATE", "no").args(["--name", "by-flag"]).run()), "by-flag.sql.zst");
    sqlite(&at).env("BACKUP_MODE", "sideways").run().expect_code(2).says(&["sideways"]);
    sqlite(&at).env("BACKUP_MODE", "directory").run().expect_code(2).says(&["no mode directory"]);
    let shown = |output: Output| output.ok().json();
    let show = Planb::new().args(["show", "latest", "--output", "json", "--from"]).arg(at.path().join("store"));
    sqlite(&at).env("BACKUP_MODE", "file").run().ok();
    assert_eq!(shown(show.run())["mode"], "file");
    // Names are in the zone that people live in; manifests are in UTC.
    let name = key(sqlite(&at).env("TZ", "Pacific/Kiritimati").env("BACKUP_NAME_TEMPLATE", "{timestamp}").run());
    assert!(name.contains("+14"), "{name}");
    assert!(shown(show.run())["created_at"].as_str().unwrap().ends_with('Z'));
    // A work directory is made, used, and left empty.
    let work = at.path().join("work/deep");
    sqlite(&at).env("BACKUP_TEMP_DIR", &work).run().ok();
    assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0);
    sqlite(&at).env("BACKUP_TIMEOUT", "soon").run().expect_code(2).says(&["90s, 30m, 6h or 7d"]);
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    skip!(provision::apt(&["sqlite3"]));
    for (value, dry) in
        [("1", true), ("true", true), ("yes", true), ("0", false), ("false", false), ("no", false), ("", false)]
    {
        let at = TempDir::new().unwrap();
        let output = sqlite(&at).env("DRY_RUN", value).run().ok();
        assert_eq!(at.path().join("store").exists(), !dry, "DRY_RUN={value:?}: {output:?}");
    }
    let at = TempDir::new().unwrap();
    sqlite(&at).arg("--dry-run").run().ok();
    assert!(!at.path().join("store").exists(), "--dry-run");
}

#[test]
fn logs_are_text_or_json_and_stdout_is_data() {
    skip!(provision::apt(&["sqlite3"]));
    let at = TempDir::new().unwrap();
    let output = sqlite(&at).env("LOG_LEVEL", "debug").env("LOG_FORMAT", "json").run().ok();
    assert!(!output.stderr.is_empty());
    for line in output.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert_eq!(output.json()["status"], "success");
    let output = sqlite(&at).env("LOG_LEVEL", "error").run().ok();
    assert_eq!(output.stderr, "");
    let output = sqlite(&at).env("LOG_LEVEL", "error").args(["--log-level", "info"]).run().ok();
    assert!(output.stderr.contains("run ended"), "{output:?}");
    assert!(!output.stderr.contains('\u{1b}'), "no colours where there is no terminal");
    sqlite(&at).env("LOG_LEVEL", "loud").run().expect_code(2);
}
