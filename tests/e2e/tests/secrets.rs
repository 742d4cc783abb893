//! Secrets are in no command line, no environment, no log, no manifest and no message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Output, Planb, skip};
use support::{files, folder, list, verify};

const PASSWORD: &str = "canary-1 of:the\\\"pass'word%41";
const CANARIES: [&str; 7] = [
    "canary-1",
    "canary-2-of-the-bucket",
    "canary-3-of-the-seal",
    "canary-4-that-is-wrong",
    // As URLs and connection strings would have it.
    "canary%2D1",
    "pass'word",
    "canary-5-in-the-url",
];

#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    for canary in CANARIES {
        let Some(place) = bytes.windows(canary.len()).position(|window| window == canary.as_bytes()) else { continue };
        let around = &bytes[place.saturating_sub(500)..(place + 200).min(bytes.len())];
        panic!("{what} holds {canary}: {}", String::from_utf8_lossy(around));
    }
}

/// Runs a command and looks at the command lines and environments of it and all its descendants, over and over.
#[track_caller]
fn watched(planb: &Planb) -> Output {
    let running = planb.clone().env("LOG_LEVEL", "trace").env("RUST_LOG", "trace").env("PGDEBUG", "1").spawn();
    let (pid, over, rounds) = (running.pid(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sampler = {
        let (over, rounds) = (Arc::clone(&over), Arc::clone(&rounds));
        std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !over.load(Ordering::Relaxed) {
                for id in planb_harness::planb::descendants(pid).into_iter().chain([pid]) {
                    for file in ["cmdline", "environ"] {
                        let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
                        if !bytes.is_empty() {
                            seen.insert((id, bytes), file);
                        }
                    }
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            seen
        })
    };
    let output = running.wait();
    over.store(true, Ordering::Relaxed);
    let seen = sampler.join().unwrap();
    assert!(rounds.load(Ordering::Relaxed) > 0);
    for ((id, bytes), file) in seen {
        clean(&format!("/proc/{id}/{file} during {}", planb.line()), &bytes);
    }
    clean("stdout", output.stdout.as_bytes());
    clean("stderr", output.stderr.as_bytes());
    // What a failing test shows is better without the log.
    let mut output = output;
    let quiet = |line: &&str| !line.contains(" TRACE ") && !line.contains(" DEBUG ");
    output.stderr = output.stderr.lines().filter(quiet).collect::<Vec<_>>().join("\n");
    output
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn no_secret_is_seen_anywhere() {
    let options = Options { password: Some(PASSWORD.to_owned()), ..Options::default() };
    let server = skip!(Postgres::start(Version::V15, options));
    let s3 = skip!(SeaweedFs::start_with("canary-2-of-the-bucket"));
    s3.create_bucket("vault");
    server.create_database("shop");
    server.psql("shop", "CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 200000) AS i");
    let at = folder();
    let password = write(at.path(), "password", PASSWORD);
    let wrong = write(at.path(), "wrong", "canary-4-that-is-wrong");
    let bucket = write(at.path(), "bucket", "canary-2-of-the-bucket\n");
    let passphrase = write(at.path(), "passphrase", "canary-3-of-the-seal\n");
    let store = at.path().join("store").display().to_string();
    let key_id = &s3.env()[0].1;
    let with_secret = |file: &str| {
        format!("{}&region=us-east-1&access_key_id={key_id}&secret_access_key_file={file}", s3.url("vault", "x"))
    };
    let url = with_secret(&bucket);
    let work = at.path().join("work");
    let command = |verb: &str, password: &str, database: &str| {
        let planb = Planb::new().args([verb, "--plugin", "postgres", "--db", &server.url(database)]);
        let planb = planb.args(["--password-file", password, "--output", "json", "--work-dir"]).arg(&work);
        planb.env("PLANB_TOOL_PATH", server.bin_dir())
    };

    let sealed = ["--passphrase-file", &passphrase];
    watched(&command("run", &password, "shop").args(sealed).args(["--to", &store, "--to", &url])).ok();
    for (number, mode) in ["directory", "tar", "file"].iter().enumerate() {
        let name = format!("mode{number}");
        let run = command("run", &password, "shop").args(["--mode", mode, "--name", &name, "--to"]);
        let run = run.arg(at.path().join("modes"));
        let done = watched(&run);
        assert!(matches!(done.code, Some(0 | 2)), "{done:?}");
    }
    let all = at.path().join("all");
    watched(&command("run", &password, "postgres").args(["--database", "*", "--to"]).arg(&all)).ok();
    let databases = watched(&command("databases", &password, "shop")).ok();
    assert!(databases.stdout.contains("shop"));
    watched(&command("run", &password, "shop").args(["--dry-run", "--to", &store])).ok();
    watched(&list(&url)).ok();
    watched(&verify(&url).args(sealed)).ok();
    server.create_database("copy");
    let restore = command("restore", &password, "copy").args(["latest", "--from", &url]).args(sealed);
    watched(&restore).ok();
    assert_eq!(server.fingerprint("shop"), server.fingerprint("copy"));

    // What fails is what talks most.
    watched(&command("run", &wrong, "shop").args(["--to", &store])).expect_code(1);
    watched(&command("run", &password, "nothere").args(["--to", &store])).expect_code(1);
    watched(&command("databases", &wrong, "shop")).expect_code(1);
    watched(&command("restore", &wrong, "copy").args(["latest", "--from", &url]).args(sealed)).expect_code(1);
    watched(&command("run", &password, "shop").args(["--to", &with_secret(&wrong)])).expect_code(1);
    let none = format!("127.0.0.1:{}", planb_harness::free_port());
    let unreachable = Planb::new().args(["run", "--plugin", "postgres", "--to", &store, "--password-file", &password]);
    let unreachable = unreachable.args(["--db", &format!("postgresql://u@{none}/x")]);
    watched(&unreachable.env("PLANB_TOOL_PATH", server.bin_dir())).expect_code(1);

    // Nothing that was stored holds one either; the dumps themselves are not asked.
    for folder in [at.path().join("store"), at.path().join("modes"), all] {
        for path in files(&folder).iter().filter(|path| path.ends_with(".manifest.json")) {
            clean(path, &fs::read(folder.join(path)).unwrap());
        }
    }
    for (key, _) in s3.objects("vault").iter().filter(|(key, _)| key.ends_with(".manifest.json")) {
        clean(key, &s3.get("vault", key));
    }
    support::assert_bare(&work);
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_repeated() {
    let at = folder();
    let to = at.path().join("never").display().to_string();
    let refused = |args: &[&str]| {
        // This command line has the secret in it, so only what planb says is looked at.
        let done = Planb::new().args(args).env("LOG_LEVEL", "trace").run().expect_code(2);
        clean("stdout", done.stdout.as_bytes());
        clean("stderr", done.stderr.as_bytes());
        done
    };
    let secret = "canary-5-in-the-url";
    let db = format!("postgresql://app:{secret}@localhost/x");
    refused(&["run", "--plugin", "postgres", "--db", &db, "--to", &to]).says(&["DB_PASSWORD", "--password-file"]);
    refused(&["databases", "--plugin", "postgres", "--db", &db]);
    let query = format!("postgresql://app@localhost/x?password={secret}");
    refused(&["run", "--plugin", "postgres", "--db", &query, "--to", &to]);
    let plain = "sqlite:///tmp/x.db";
    for store in [
        format!("s3://key:{secret}@bucket/x"),
        format!("s3://bucket/x?secret_access_key={secret}"),
        format!("azblob://c/x?account_key={secret}"),
        format!("azblob://c/x?sas_token={secret}"),
        format!("gs://c/x?credential={secret}"),
    ] {
        refused(&["run", "--db", plain, "--to", &store]);
        refused(&["list", "--from", &store]);
    }
    support::assert_empty(&at.path().join("never"));
}

#[test]
fn secrets_by_the_environment_go_no_further() {
    let options = Options { password: Some(PASSWORD.to_owned()), ..Options::default() };
    let server = skip!(Postgres::start(Version::V15, options));
    let at = folder();
    let seen = at.path().join("seen");
    let body = |real: &Path| {
        let seen = seen.display();
        format!(
            "#!/bin/sh\ntr '\\0' '\\n' </proc/$$/environ >>{seen}\ntr '\\0' '\\n' </proc/$$/cmdline >>{seen}\nexec {} \"$@\"\n",
            real.display()
        )
    };
    let mut tools = Vec::new();
    for tool in ["pg_dump", "psql"] {
        let path = at.path().join(tool);
        fs::write(&path, body(&server.bin(tool))).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        tools.extend(["--tool-path".to_owned(), format!("{tool}={}", path.display())]);
    }
    // A secret that the tools have no business with.
    let run = Planb::new().args(["run", "--plugin", "postgres", "--db", &server.url("postgres"), "--to"]);
    let run = run.arg(at.path().join("store")).args(tools).env("PLANB_TOOL_PATH", server.bin_dir());
    let done = run
        .env("DB_PASSWORD", PASSWORD)
        .env("AWS_SECRET_ACCESS_KEY", "canary-2-of-the-bucket")
        .env("AZURE_STORAGE_KEY", "canary-3-of-the-seal")
        .env("LOG_LEVEL", "trace")
        // The tools tell what they were given in a file of the test.
        .env("PLANB_CONFINE", "off")
        .run()
        .ok();
    clean("stdout", done.stdout.as_bytes());
    clean("stderr", done.stderr.as_bytes());
    let seen = fs::read(&seen).unwrap();
    assert!(seen.windows(7).any(|window| window == b"pg_dump"), "the tools were not watched");
    clean("what the tools were given", &seen);
}
