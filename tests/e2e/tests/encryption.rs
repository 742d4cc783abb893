//! Encrypted backups: what planb writes the `age` program opens, and without a key nothing gets out.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panicking, and start the tools themselves"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{Output, Planb, provision, skip};
use tempfile::TempDir;

/// What never may be seen in a store.
const CANARY: &str = "canary in the coal mine";

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        // Rows that do not compress well, so that the artifact has several of age's chunks of 64 KiB.
        let sql = format!(
            "CREATE TABLE t (a TEXT, b BLOB); INSERT INTO t VALUES ('{CANARY}', NULL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, randomblob(200) FROM n;"
        );
        assert!(Command::new("sqlite3").arg(place.path("app.db")).arg(sql).status().unwrap().success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a key by the `age-keygen` program: its file, and the public half.
    fn key(&self, name: &str) -> (PathBuf, String) {
        let file = self.path(name);
        assert!(Command::new("age-keygen").arg("-o").arg(&file).output().unwrap().status.success());
        let public = Command::new("age-keygen").arg("-y").arg(&file).output().unwrap();
        (file, String::from_utf8(public.stdout).unwrap().trim().to_owned())
    }

    fn run(&self, store: &str, args: &[&str]) -> Output {
        let run = Planb::new().args(["run", "--output", "json", "--plugin", "sqlite", "--db"]).arg(self.path("app.db"));
        run.arg("--to").arg(self.path(store)).args(args).run()
    }

    /// One of the commands that read, on the latest backup.
    fn read(&self, command: &str, store: &str) -> Planb {
        Planb::new().args([command, "latest", "--output", "json", "--from"]).arg(self.path(store))
    }

    fn restore(&self, store: &str, target: &str) -> Planb {
        self.read("restore", store).arg("--db").arg(self.path(target))
    }

    fn dump(&self, name: &str) -> String {
        let dump = Command::new("sqlite3").arg(self.path(name)).arg(".dump").output().unwrap();
        String::from_utf8(dump.stdout).unwrap()
    }
}

/// The output of a shell pipeline, of which no part may fail.
#[track_caller]
fn pipe(script: &str) -> Vec<u8> {
    let output = Command::new("bash").args(["-c", &format!("set -euo pipefail; {script}")]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn artifact(store: &Path, run: &serde_json::Value) -> PathBuf {
    store.join(run["stores"][0]["key"].as_str().unwrap())
}

#[test]
fn either_of_two_keys_opens_it_and_no_other() {
    skip!(provision::apt(&["sqlite3", "age", "zstd"]));
    let p = Place::new();
    let ((one, public_one), (two, public_two), (other, _)) = (p.key("one.key"), p.key("two.key"), p.key("other.key"));
    let run = p.run("store", &["--encrypt-to", &public_one, "--encrypt-to", &public_two]).ok().json();
    let file = artifact(&p.path("store"), &run);
    assert!(file.to_string_lossy().ends_with(".sql.zst.age"), "{}", file.display());
    let before = p.dump("app.db");
    for (n, key) in [&one, &two].into_iter().enumerate() {
        // Without Plan B.
        let sql = pipe(&format!("age -d -i {} {} | zstd -d", key.display(), file.display()));
        assert!(String::from_utf8_lossy(&sql).contains(CANARY));
        // With it.
        let target = format!("copy{n}.db");
        p.restore("store", &target).arg("--identity").arg(key).run().ok();
        assert_eq!(p.dump(&target), before);
        let verified = p.read("verify", "store").arg("--identity").arg(key).run().ok().json();
        assert_eq!(verified["ok"], true);
    }
    let wrong = p.restore("store", "wrong.db").arg("--identity").arg(&other).run().expect_code(1);
    wrong.says(&["none of the given keys opens the backup", "planb show"]);
    p.restore("store", "none.db").run().expect_code(2).says(&["encrypted", "--identity"]);
    assert!(!p.path("wrong.db").exists() && !p.path("none.db").exists(), "nothing was made");
    let shown = p.read("show", "store").run().ok().json();
    assert_eq!(shown["encryption"]["recipients"], serde_json::json!([public_one, public_two]));
}

#[test]
fn without_a_key_the_stored_bytes_can_still_be_checked() {
    skip!(provision::apt(&["sqlite3", "age"]));
    let p = Place::new();
    let (_, public) = p.key("one.key");
    let run = p.run("store", &["--encrypt-to", &public]).ok().json();
    // Whatever it can check without a key it does, and it says what it could not.
    let verified = p.read("verify", "store").run();
    let text = format!("{}{}", verified.stdout, verified.stderr);
    assert!(text.contains("key") || text.contains("encrypted"), "{verified:?}");
    // A changed byte is seen all the same, or no verdict is given at all: it is never called whole.
    let file = artifact(&p.path("store"), &run);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&file, bytes).unwrap();
    let damaged = p.read("verify", "store").run();
    assert!(matches!(damaged.code, Some(2 | 5)), "{damaged:?}");
}

#[test]
fn a_passphrase() {
    skip!(provision::apt(&["sqlite3", "age", "zstd"]));
    let p = Place::new();
    for (name, phrase) in [("right", "cörrect 'horse' \"battery\"\n"), ("wrong", "incorrect\n"), ("empty", "")] {
        std::fs::write(p.path(name), phrase).unwrap();
    }
    let (right, wrong, empty) = (p.path("right"), p.path("wrong"), p.path("empty"));
    let run = p.run("store", &["--passphrase-file", &right.to_string_lossy()]).ok().json();
    let head = std::fs::read(artifact(&p.path("store"), &run)).unwrap();
    assert!(head.starts_with(b"age-encryption.org/v1\n-> scrypt "), "a passphrase makes a scrypt recipient");
    p.restore("store", "copy.db").arg("--passphrase-file").arg(&right).run().ok();
    assert_eq!(p.dump("copy.db"), p.dump("app.db"));
    p.restore("store", "no.db")
        .arg("--passphrase-file")
        .arg(&wrong)
        .run()
        .expect_code(1)
        .says(&["none of the given keys"]);
    let refused = p.run("other", &["--passphrase-file", &empty.to_string_lossy()]).expect_code(2);
    assert!(refused.stderr.contains("passphrase"), "{refused:?}");
    assert!(!p.path("other").exists() || std::fs::read_dir(p.path("other")).unwrap().next().is_none());
}

#[test]
fn damage_of_an_encrypted_backup_is_damage() {
    skip!(provision::apt(&["sqlite3", "age"]));
    let p = Place::new();
    let (key, public) = p.key("one.key");
    let run = p.run("store", &["--encrypt-to", &public]).ok().json();
    let file = artifact(&p.path("store"), &run);
    let whole = std::fs::read(&file).unwrap();
    let cut = [whole.len() - 1, whole.len() - 16, 65_000, 100, 0];
    let changed = [30, 200, 70_000, whole.len() - 1].map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    });
    for bytes in cut.map(|at| whole[..at].to_vec()).into_iter().chain(changed) {
        std::fs::write(&file, &bytes).unwrap();
        p.read("verify", "store").arg("--identity").arg(&key).run().expect_code(5);
        p.restore("store", "copy.db").arg("--identity").arg(&key).run().expect_code(5);
        assert!(!p.path("copy.db").exists(), "nothing was made");
    }
    std::fs::write(&file, &whole).unwrap();
    p.restore("store", "copy.db").arg("--identity").arg(&key).run().ok();
}

#[test]
fn postgres_restores_by_age_zstd_and_psql_alone() {
    skip!(provision::apt(&["age", "zstd"]));
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("orders");
    server.psql(
        "orders",
        "CREATE TABLE \"Ünï code\" (id serial PRIMARY KEY, note text); INSERT INTO \"Ünï code\" (note) SELECT repeat('x' || i, 20) FROM generate_series(1, 20000) i;
         SELECT lo_from_bytea(99, '\\x0001ff');",
    );
    let p = TempDir::new().unwrap();
    let key = p.path().join("key");
    assert!(Command::new("age-keygen").arg("-o").arg(&key).output().unwrap().status.success());
    let public = String::from_utf8(Command::new("age-keygen").arg("-y").arg(&key).output().unwrap().stdout).unwrap();
    let store = p.path().join("store");
    let run = Planb::new()
        .env("PLANB_TOOL_PATH", server.bin_dir())
        .args(["run", "--output", "json", "--encrypt-to", public.trim(), "--db", &server.url("orders"), "--to"])
        .arg(&store)
        .run()
        .ok()
        .json();
    server.create_database("by hand");
    pipe(&format!(
        "age -d -i {} {} | zstd -d | '{}' -X -q -v ON_ERROR_STOP=1 -h {} -p {} -U postgres -d 'by hand'",
        key.display(),
        artifact(&store, &run).display(),
        server.bin("psql").display(),
        server.socket_dir().display(),
        server.port()
    ));
    assert_eq!(server.fingerprint("by hand"), server.fingerprint("orders"));
}
