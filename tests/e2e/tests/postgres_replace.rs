//! `restore --replace` of PostgreSQL: the database that was there goes only when the new one is whole, and what belongs to it stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{Planb, Skip, skip};
use tempfile::TempDir;

struct Setting {
    server: Postgres,
    store: TempDir,
}

impl Setting {
    /// A database `orders` that was backed up with one row and holds two since.
    fn new() -> Result<Self, Skip> {
        let server = Postgres::start(Version::V15, Options::default())?;
        server.create_database("orders");
        server.psql("orders", "CREATE TABLE t AS SELECT 1 AS a");
        let setting = Self { server, store: TempDir::new().unwrap() };
        setting.planb(&["run", "--db", &setting.server.url("orders"), "--to", &setting.store()]).run().ok();
        setting.server.psql("orders", "INSERT INTO t VALUES (2)");
        Ok(setting)
    }

    fn store(&self) -> String {
        self.store.path().display().to_string()
    }

    fn planb(&self, args: &[&str]) -> Planb {
        Planb::new().args(args).env("PLANB_TOOL_PATH", self.server.bin("psql").parent().unwrap())
    }

    fn replace(&self) -> Planb {
        let url = self.server.url("orders");
        self.planb(&["restore", "latest", "--from", &self.store(), "--db", &url, "--replace"])
    }

    fn rows(&self) -> String {
        self.server.psql("orders", "SELECT count(*) FROM t").trim().to_owned()
    }

    fn databases(&self) -> String {
        self.server
            .psql("postgres", "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")
            .trim()
            .to_owned()
    }
}

#[test]
fn sessions_do_not_keep_the_old_database() {
    let s = skip!(Setting::new());
    let port = s.server.port().to_string();
    let mut session = Command::new(s.server.bin("psql"))
        .args(["-X", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "orders", "-c", "SELECT pg_sleep(120)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while s.server.psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)'").trim()
        == "0"
    {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    s.replace().run().ok();
    assert_eq!(s.rows(), "1");
    assert!(!session.wait().unwrap().success(), "the session was ended");
    assert_eq!(s.databases(), "orders postgres template0 template1");
}

#[test]
fn what_belongs_to_the_database_stays() {
    let s = skip!(Setting::new());
    s.server.psql(
        "postgres",
        "CREATE ROLE \"odd owner\"; CREATE ROLE reader; ALTER DATABASE orders OWNER TO \"odd owner\"; \
         REVOKE ALL ON DATABASE orders FROM PUBLIC; GRANT CONNECT ON DATABASE orders TO reader; \
         ALTER DATABASE orders SET search_path = 'odd schema', public; ALTER DATABASE orders SET work_mem = '7MB'; \
         ALTER DATABASE orders CONNECTION LIMIT 17; COMMENT ON DATABASE orders IS 'it''s ours'",
    );
    let properties = "SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype, datconnlimit, datacl, \
                      shobj_description(oid, 'pg_database'), (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting, unnest(setconfig) s WHERE setdatabase = d.oid) \
                      FROM pg_database d WHERE datname = 'orders'";
    let before = s.server.psql("postgres", properties);
    assert!(before.contains("odd owner") && before.contains("work_mem=7MB"), "{before}");
    s.replace().run().ok();
    assert_eq!(s.server.psql("postgres", properties), before);
    assert_eq!(s.rows(), "1");
}

/// A psql that fails where it is given a script with these words.
fn failing_psql(folder: &Path, real: &Path, words: &str) -> String {
    let path = folder.join("psql");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {real} \"$@\";; esac\nscript=$(cat)\ncase \"$script $*\" in *'{words}'*) echo 'psql: error: FATAL:  terminating connection' >&2; exit 2;; esac\nprintf '%s\\n' \"$script\" | exec {real} \"$@\"\n",
        real = real.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_swap_that_fails_leaves_the_old_database_as_it_was() {
    let s = skip!(Setting::new());
    let folder = TempDir::new().unwrap();
    for words in ["RENAME TO", "ALLOW_CONNECTIONS false"] {
        let psql = failing_psql(folder.path(), &s.server.bin("psql"), words);
        let failed = s.replace().args(["--tool-path", &format!("psql={psql}")]).run();
        assert!(matches!(failed.code, Some(1)), "{words}: {failed:?}");
        assert_eq!(s.rows(), "2", "{words}");
        assert_eq!(s.databases(), "orders postgres template0 template1", "{words}");
    }
    s.replace().run().ok();
    assert_eq!(s.rows(), "1");
}
