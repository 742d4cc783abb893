//! Passwords, sockets, TLS, and what is said when a connection fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use planb_harness::postgres::{Options, Postgres, Version, escape, literal};
use planb_harness::{Output, Planb, skip};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

const PASSWORD: &str = "first:pass\\word";

fn guarded(ssl: bool) -> Result<Postgres, planb_harness::Skip> {
    let server = Postgres::start(Version::V15, Options { password: Some(PASSWORD.to_owned()), ssl })?;
    server.psql(
        "postgres",
        "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 10); CREATE ROLE app LOGIN SUPERUSER;",
    );
    Ok(server)
}

fn planb(server: &Postgres) -> Planb {
    Planb::new().env("PLANB_TOOL_PATH", server.bin_dir())
}

fn entries(store: &Path) -> usize {
    std::fs::read_dir(store).map_or(0, Iterator::count)
}

fn app_url(server: &Postgres) -> String {
    format!("postgresql://app@127.0.0.1:{}/postgres", server.port())
}

/// Backs up, and restores into a new database, with this password.
fn there_and_back(server: &Postgres, password: &str, n: usize) {
    server.psql("postgres", &format!("ALTER ROLE app PASSWORD {}", literal(password)));
    let store = TempDir::new().unwrap();
    let secret = store.path().with_extension("password");
    std::fs::write(&secret, password).unwrap();
    let hidden = |output: Output| {
        if password.len() > 5 {
            assert!(!format!("{}{}", output.stdout, output.stderr).contains(password), "{output:?}");
        }
        output
    };
    let backup = planb(server).env("LOG_LEVEL", "debug").env("DB_PASSWORD", password);
    hidden(backup.args(["run", "--db", &app_url(server), "--to"]).arg(store.path()).run().ok());
    let copy = app_url(server).replace("/postgres", &format!("/copy{n}"));
    let restore = planb(server).args(["restore", "latest", "--db", &copy, "--password-file"]).arg(&secret);
    hidden(restore.arg("--from").arg(store.path()).run().ok());
    assert_eq!(server.psql(&format!("copy{n}"), "SELECT count(*) FROM t"), "10");
    std::fs::remove_file(secret).unwrap();
}

#[test]
fn odd_passwords() {
    let server = skip!(guarded(false));
    let long = "x".repeat(200);
    let passwords = [
        "colon:in:it",
        "back\\slash\\",
        "\\:",
        "with space",
        " leading and trailing ",
        "quote'single",
        "quote\"double",
        "ünïcödé 密码 🔑",
        "-leading",
        "--password=x",
        "per%41cent%",
        "#hash",
        "$HOME`id`$(id)",
        "a=b&c;d|e",
        "{}[]<>?*!~^",
        "@/:?#",
        "tab\tinside",
        &long,
    ];
    for (n, password) in passwords.iter().enumerate() {
        eprintln!("{password:?}");
        there_and_back(&server, password, n);
    }
}

#[test]
fn random_passwords() {
    let server = skip!(guarded(false));
    let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
    let counter = AtomicUsize::new(0);
    runner
        .run(&"[ -~à-ÿ]{1,40}", |password| {
            // PostgreSQL takes text that looks like a stored verifier for one.
            prop_assume!(!password.starts_with("md5") && !password.starts_with("SCRAM-SHA-256$"));
            let n = counter.fetch_add(1, Ordering::Relaxed);
            there_and_back(&server, &password, n);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_newline_in_a_password_is_refused() {
    let server = skip!(guarded(false));
    let store = TempDir::new().unwrap();
    let output = planb(&server)
        .env("DB_PASSWORD", "two\nlines-of-it")
        .args(["run", "--db", &app_url(&server), "--to"])
        .arg(store.path())
        .run()
        .expect_code(2);
    let said = output.stderr.to_lowercase();
    assert!(said.contains("password") && (said.contains("newline") || said.contains("line")), "{output:?}");
    assert!(!said.contains("lines-of-it"), "{output:?}");
    assert_eq!(entries(store.path()), 0);
}

#[test]
fn a_file_of_a_password_may_end_with_a_newline() {
    let server = skip!(guarded(false));
    let store = TempDir::new().unwrap();
    let secret = TempDir::new().unwrap();
    let file = secret.path().join("pw");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    for args in [vec!["--password-file".into(), file.clone().into_os_string()], vec![]] {
        let mut command = planb(&server).args(["run", "--db", &server.url("postgres"), "--to"]).arg(store.path());
        command = if args.is_empty() { command.env("DB_PASSWORD_FILE", &file) } else { command.args(args) };
        command.run().ok();
    }
}

#[test]
fn a_unix_socket() {
    let server = skip!(guarded(false));
    let store = TempDir::new().unwrap();
    let port = server.port().to_string();
    let socket = server.socket_dir();
    let by_flags =
        planb(&server).env("DB_PASSWORD", PASSWORD).args(["run", "--plugin", "postgres", "--host"]).arg(&socket);
    by_flags
        .args(["--port", &port, "--user", "postgres", "--database", "postgres", "--to"])
        .arg(store.path())
        .run()
        .ok();
    let escaped = escape(&socket.to_string_lossy());
    let url = format!("postgresql://postgres@{escaped}:{port}/postgres");
    planb(&server).env("DB_PASSWORD", PASSWORD).args(["run", "--db", &url, "--to"]).arg(store.path()).run().ok();
    assert_eq!(entries(store.path()), 4);
}

#[test]
fn a_unix_socket_in_the_query_of_the_url() {
    // As libpq's own documentation writes it.
    let server = skip!(guarded(false));
    let store = TempDir::new().unwrap();
    let port = server.port().to_string();
    let socket = server.socket_dir();
    for socket in [socket.to_string_lossy().into_owned(), escape(&socket.to_string_lossy())] {
        for url in [
            format!("postgresql:///postgres?host={socket}&port={port}&user=postgres"),
            format!("postgresql://postgres@/postgres?host={socket}&port={port}"),
        ] {
            planb(&server)
                .env("DB_PASSWORD", PASSWORD)
                .args(["run", "--db", &url, "--to"])
                .arg(store.path())
                .run()
                .ok();
        }
    }
}

#[test]
fn tls() {
    let server = skip!(guarded(true));
    let base = server.url("postgres");
    let ca = escape(&server.ca_file().to_string_lossy());
    let run = |url: &str| {
        let store = TempDir::new().unwrap();
        let output =
            planb(&server).env("DB_PASSWORD", PASSWORD).args(["run", "--db", url, "--to"]).arg(store.path()).run();
        (output, entries(store.path()))
    };
    for params in ["sslmode=require".to_owned(), format!("sslmode=verify-full&sslrootcert={ca}")] {
        run(&format!("{base}?{params}")).0.ok();
    }
    // Certificates are looked at: by an authority that did not sign it, nothing is let through.
    let other = skip!(guarded(true));
    let wrong = escape(&other.ca_file().to_string_lossy());
    let (output, left) = run(&format!("{base}?sslmode=verify-full&sslrootcert={wrong}"));
    output.expect_code(2).says(&["certificate", "sslrootcert"]);
    assert_eq!(left, 0);
    // A server without TLS.
    let plain = skip!(guarded(false));
    let (output, left) = run(&format!("{}?sslmode=require", plain.url("postgres")));
    output.expect_code(2).says(&["SSL", "sslmode"]);
    assert_eq!(left, 0);
}

#[test]
fn failures_say_whose_fault_it_is() {
    let server = skip!(guarded(false));
    let free = planb_harness::free_port();
    let good = server.url("postgres");
    let cases = [
        ("a wrong password", good.clone(), "wrong-password", vec!["password"]),
        (
            "nothing listens",
            format!("postgresql://postgres@127.0.0.1:{free}/postgres"),
            PASSWORD,
            vec!["127.0.0.1", "refused"],
        ),
        ("no such host", "postgresql://postgres@db.invalid/postgres".to_owned(), PASSWORD, vec!["db.invalid"]),
        ("no such database", server.url("no such db"), PASSWORD, vec!["no such db", "does not exist"]),
        ("no such role", good.replace("postgres@", "nobody%20here@"), PASSWORD, vec!["nobody here"]),
    ];
    for (case, url, password, words) in cases {
        let store = TempDir::new().unwrap();
        let output = planb(&server)
            .env("DB_PASSWORD", password)
            .args(["run", "--db", &url, "--to"])
            .arg(store.path())
            .run()
            .expect_code(1)
            .says(&words);
        eprintln!("{case}: {}", output.stderr);
        let said = output.stderr.to_lowercase();
        assert!(said.contains("database") || said.contains("settings"), "{case} blames somebody: {output:?}");
        assert!(
            said.contains("help:") || said.contains("hint:") || said.contains("next:"),
            "{case} says what to do: {output:?}"
        );
        assert!(!said.contains("wrong-password") && !said.contains(PASSWORD), "{output:?}");
        assert_eq!(entries(store.path()), 0, "{case}");
    }
}

#[test]
fn a_password_is_not_taken_by_the_command_line() {
    let store = TempDir::new().unwrap();
    for url in ["postgresql://app:sesame-open@127.0.0.1:1/db", "postgresql://app@127.0.0.1:1/db?password=sesame-open"] {
        let output = Planb::new().args(["run", "--db", url, "--to"]).arg(store.path()).run().expect_code(2);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("sesame-open"), "{output:?}");
        output.says(&["DB_PASSWORD"]);
    }
    assert_eq!(entries(store.path()), 0);
}
