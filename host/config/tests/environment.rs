//! Environments written for the systems that Plan B replaces, read as one job.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use common::{env, job, secrets, warned, with, wrong};
use planb_config::variables::{VARIABLES, find};
use planb_config::{Env, EnvJob, FixedEnv, HookCommand, Operation, Origin};
use serde_json::Value;

const COMPOSE: &str = include_str!("fixtures/dbstash-compose.yaml");
const CLOUD_RUN: &str = include_str!("fixtures/runner-cloud-run.yaml");
const CRON_JOB: &str = include_str!("fixtures/startree-cronjob.yaml");

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a container of the compose file gets, its secrets in a folder of the test.
fn compose(service: &str, secrets: &Path) -> FixedEnv {
    let secrets = secrets.to_str().unwrap();
    let environment = &yaml(COMPOSE)["services"][service]["environment"];
    let pairs = environment.as_object().unwrap().iter();
    pairs.map(|(name, value)| (name.clone(), plain(value).replace("SECRETS", secrets))).collect()
}

fn container(env: &Value) -> FixedEnv {
    env.as_array().unwrap().iter().map(|one| (plain(&one["name"]), plain(&one["value"]))).collect()
}

fn cloud_run() -> FixedEnv {
    container(&yaml(CLOUD_RUN)["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["env"])
}

fn cron_job() -> FixedEnv {
    container(&yaml(CRON_JOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"])
}

#[test]
fn a_compose_file_of_dbstash() {
    let secrets = secrets();
    let pg = job(&compose("backup-pg", secrets.path()));
    assert_eq!(pg.warnings, []);
    assert_eq!(pg.operation, Operation::Backup);
    assert_eq!(pg.job.db.as_ref().unwrap().expose(), "postgresql://app:p%40ss@db:5432/myapp?sslmode=require");
    assert_eq!(pg.job.schedule.as_ref().unwrap().to_string(), "0 */6 * * *");
    assert_eq!(pg.job.timezone.as_ref().unwrap().iana_name(), Some("Asia/Kolkata"));
    assert_eq!(pg.job.timeout, Some(Duration::from_hours(1)));
    assert_eq!(pg.job.name.as_deref(), Some("{db}-{date}-{time}"));
    assert_eq!(pg.job.hooks.pre, Some(HookCommand::Shell("echo 'Starting PG backup'".to_owned())));
    let rules = pg.job.retention.as_ref().unwrap();
    assert_eq!((rules.max_files, rules.max_days, rules.keep_last), (Some(20), Some(30), None));
    assert_eq!(pg.stores()[0].url, "s3://my-bucket/backups/pg?access_key_id=AKIAEXAMPLE&region=eu-central-1");
    assert_eq!(pg.stores()[0].secrets["secret_access_key"].expose(), "s3secret");
    assert_eq!((pg.notify[0].kind.as_str(), &pg.notify[0].table["on"]), ("discord", &Value::from("failure")));
    assert_eq!(pg.job.notify, ["webhook"]);
    assert_eq!(pg.listen.unwrap().to_string(), "0.0.0.0:8080");
    assert_eq!(pg.job.labels.get("job"), None);

    let mongo = job(&compose("backup-mongo", secrets.path()));
    assert_eq!((mongo.job.host.as_deref(), mongo.job.port), (Some("mongodb"), Some(27017)));
    assert_eq!((mongo.job.user.as_deref(), mongo.job.database.as_deref()), (Some("root"), Some("analytics")));
    assert_eq!(mongo.job.password.as_ref().unwrap().expose(), "mongo pass");
    assert_eq!(mongo.job.params["authSource"], "admin");
    assert_eq!(mongo.stores()[0].url.split('?').next(), Some("s3://my-bucket/backups/mongo"));
    assert_eq!((mongo.notify[0].kind.as_str(), &mongo.notify[0].table["on"]), ("slack", &Value::from("always")));
}

#[test]
fn a_cloud_run_job_of_the_runner() {
    let run = job(&cloud_run());
    assert_eq!(run.warnings, []);
    assert_eq!(run.job_id.as_deref(), Some("job-42"));
    assert_eq!((run.job.job.as_str(), run.job.labels["job"].as_str()), ("job-42", "job-42"));
    assert_eq!(run.job.plugin.as_deref(), Some("postgresql"));
    assert_eq!(run.job.user.as_deref(), Some("postgres"));
    assert_eq!(run.job.params["sslmode"], "require");
    assert_eq!(
        run.stores()[0].url,
        "s3://backups-bucket?access_key_id=AKIAEXAMPLE&endpoint=https://s3.amazonaws.com&region=eu-west-1"
    );
    assert_eq!(run.stores()[0].secrets["secret_access_key"].expose(), "storage_secret");
    assert_eq!(run.job.name.as_deref(), Some("daily/2025-01-15/{db}-{date}-{time}"));
    assert_eq!(run.job.retention.as_ref().unwrap().max_days, Some(30));
    assert_eq!(
        (run.notify[0].kind.as_str(), &run.notify[0].table["url"]),
        ("callback", &"https://api.planb.com/callback".into())
    );
    assert_eq!(run.notify[0].table["secret"], "webhook_secret_key");
    assert_eq!((run.job.schedule.as_ref(), run.listen), (None, None));
    // What was said where.
    assert_eq!(run.job.origin("user"), Origin::Environment("DB_USERNAME".to_owned()));
    assert_eq!(run.job.origin("compress"), Origin::BuiltIn);

    let restore = job(&with(&cloud_run(), &[("OPERATION_TYPE", "restore"), ("BACKUP_PATH", "daily/app.sql.gz")]));
    assert_eq!((restore.operation, restore.path.as_deref()), (Operation::Restore, Some("daily/app.sql.gz")));
    assert_eq!(restore.job.name, None);
}

#[test]
fn the_cron_job_of_startree() {
    let run = job(&cron_job());
    assert_eq!(run.warnings, []);
    assert_eq!((run.job.plugin.as_deref(), run.job.host.as_deref()), (Some("mariadb"), Some("startree-mariadb-ha")));
    assert_eq!((run.job.user.as_deref(), run.job.all_databases), (Some("root"), true));
    assert_eq!(run.job.name.as_deref(), Some("mariadb-ha-backup/{db}-{date}-{time}"));
    assert_eq!(run.stores()[0].url, "s3://platform-backups?region=us-west-2");
    for (provider, bucket, url) in
        [("azure", "AZURE_STORAGE_CONTAINER", "azblob://blobs"), ("gcp", "GCS_BUCKET", "gs://blobs")]
    {
        let other = with(&cron_job(), &[("CLOUD_PROVIDER", provider), (bucket, "blobs")]);
        assert_eq!(job(&other).stores()[0].url, url);
    }
    // The password cannot be looked up, and how to give it is said.
    let text = wrong(&with(&cron_job(), &[("DB_PASSWORD", "")]));
    assert!(
        text.contains("secretKeyRef {name: mariadb, key: root-password}") && text.contains("Secret mariadb of cell"),
        "{text}"
    );
    let text = wrong(&with(&cron_job(), &[("S3_BUCKET", "")]));
    assert_eq!(text, "CLOUD_PROVIDER: aws needs S3_BUCKET");
}

#[test]
fn nothing_of_a_job_is_no_job() {
    for pairs in [
        &[][..],
        &[("PATH", "/bin"), ("TZ", "UTC"), ("LOG_LEVEL", "debug"), ("BACKUP_TEMP_DIR", "/x"), ("DRY_RUN", "1")],
        &[("RCLONE_CONFIG", "/x"), ("RCLONE_CONFIG_PASS", "x"), ("AWS_REGION", "x"), ("DB_HOST", "")],
    ] {
        assert_eq!(EnvJob::from_env(&env(pairs)), Ok(None), "{pairs:?}");
    }
}

#[test]
fn files_of_secrets_beat_values_and_are_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, empty) = (file("good", "line\n\n"), file("empty", "\n"));
    let read = job(&env(&[("DB_HOST", "x"), ("DB_PASSWORD", "value"), ("DB_PASSWORD_FILE", &good)]));
    assert_eq!(read.job.password.as_ref().unwrap().expose(), "line\n");
    assert_eq!(read.job.origin("password"), Origin::Environment("DB_PASSWORD_FILE".to_owned()));
    for variable in VARIABLES.iter().filter(|variable| variable.file_variant && variable.prefix.is_none()) {
        // These are asked for only beside others.
        let beside: &[(&str, &str)] = match variable.name {
            "RCLONE_CONFIG_PASS" => continue,
            "PLANB_SIGN_PASSWORD" | "DB_PASSWORD" => &[("DB_HOST", "x")],
            _ => &[],
        };
        let name = format!("{}_FILE", variable.name);
        let missing = folder.path().join("missing");
        let text = wrong(&with(&env(beside), &[(&name, missing.to_str().unwrap()), (variable.name, "value")]));
        assert!(text.starts_with(&format!("{name}: ")) && text.contains("missing cannot be read"), "{text}");
        let text = wrong(&with(&env(beside), &[(&name, &empty)]));
        assert_eq!(text, format!("{name}: {empty} is empty"));
    }
}

#[test]
fn wrong_values_are_named_all_at_once_and_secrets_are_not_repeated() {
    let text = wrong(&env(&[
        ("DB_PORT", "http"),
        ("DB_PASSWORD", "hunter2"),
        ("BACKUP_MODE", "steam"),
        ("BACKUP_SCHEDULE", "0 25 * * *"),
        ("BACKUP_TIMEOUT", "soon"),
        ("BACKUP_COMPRESS", "lz4"),
        ("BACKUP_ON_START", "maybe"),
        ("BACKUP_NAME_TEMPLATE", "{nope}"),
        ("BACKUP_EXTENSION", "../x"),
        ("DUMP_EXTRA_ARGS", "it's"),
        ("RETENTION_MAX_DAYS", "-3"),
        ("NOTIFY_ON", "sometimes"),
        ("OPERATION_TYPE", "delete"),
        ("SSL_MODE", "require"),
        ("STORAGE_TYPE", "ftp"),
        ("STORAGE_BUCKET", "b"),
        ("CLOUD_PROVIDER", "home"),
        ("PLANB_LISTEN", "everywhere"),
    ]));
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    for name in [
        "DB_PORT",
        "BACKUP_MODE",
        "BACKUP_SCHEDULE",
        "BACKUP_TIMEOUT",
        "BACKUP_COMPRESS",
        "BACKUP_ON_START",
        "BACKUP_NAME_TEMPLATE",
        "BACKUP_EXTENSION",
        "DUMP_EXTRA_ARGS",
        "RETENTION_MAX_DAYS",
        "NOTIFY_ON",
        "OPERATION_TYPE",
        "SSL_MODE",
        "STORAGE_TYPE",
        "CLOUD_PROVIDER",
        "PLANB_LISTEN",
    ] {
        assert!(names.contains(&name), "{name} is missing in {text}");
    }
    assert!(!text.contains("hunter2"));
    assert!(text.contains("DB_PORT: it takes a whole number from 1 to 65535, not \"http\""), "{text}");
}

#[test]
fn aliases_and_what_beats_what() {
    let both = job(&env(&[("DB_USER", "one"), ("DB_USERNAME", "two"), ("DB_ENGINE", "pg"), ("DB_TYPE", "mysql")]));
    assert_eq!((both.job.user.as_deref(), both.job.plugin.as_deref()), (Some("one"), Some("pg")));
    let both =
        job(&env(&[("RETENTION_DAYS", "9"), ("RETENTION_MAX_DAYS", "3"), ("BACKUP_ALL_DBS", "1"), ("DB_NAME", "x")]));
    assert_eq!(both.job.retention.unwrap().max_days, Some(3));
    assert_eq!((both.job.all_databases, both.job.database), (true, None));
    let none = job(&env(&[("RETENTION_MAX_FILES", "0"), ("RETENTION_DAYS", "0")]));
    assert_eq!(none.job.retention, None);
    // Kubernetes' own.
    let service = job(&env(&[
        ("DB_HOST", "db"),
        ("DB_PORT", "tcp://10.0.0.1:5432"),
        ("DB_PORT_5432_TCP", "tcp://10.0.0.1:5432"),
    ]));
    assert_eq!(service.job.port, None);
    assert_eq!(warned(&service), "DB_PORT: left alone: Kubernetes set it for a Service called `db`");
    // A URL says all of it, so what is only for its parts is not read beside it.
    let url = job(&env(&[("DB_URI", "mongodb://h/x"), ("DB_AUTH_SOURCE", "other")]));
    assert!(url.job.params.is_empty());
    let pg = job(&env(&[("DB_ENGINE", "pg"), ("DB_AUTH_SOURCE", "admin")]));
    assert!(pg.job.params.is_empty());
}

#[test]
fn ssl_mode_is_each_engines_own() {
    let tls = |engine: &str, mode: &str| {
        let job = job(&env(&[("DB_ENGINE", engine), ("SSL_MODE", mode)])).job;
        let pairs = job
            .params
            .into_iter()
            .chain(job.options.into_iter().map(|(name, value)| (format!("option {name}"), value)));
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (tls("postgresql", "true"), tls("pg", "false")),
        ("sslmode=require".to_owned(), "sslmode=prefer".to_owned())
    );
    assert_eq!(
        (tls("mysql", "true"), tls("mysql", "false")),
        ("ssl-mode=REQUIRED".to_owned(), "ssl-mode=PREFERRED".to_owned())
    );
    assert_eq!((tls("mariadb", "true"), tls("mariadb", "false")), ("ssl=true".to_owned(), String::new()));
    assert_eq!(tls("./engines/mongodb.wasm", "true"), "tls=true");
    assert_eq!((tls("redis", "true"), tls("redis", "false")), ("option tls=true".to_owned(), String::new()));
    assert_eq!(tls("neo4j", "false"), "");
    // Never silently in the clear.
    assert!(
        wrong(&env(&[("DB_ENGINE", "neo4j"), ("SSL_MODE", "true")])).contains("does not know how the engine neo4j")
    );
    assert!(wrong(&env(&[("DB_HOST", "x"), ("SSL_MODE", "true")])).contains("set DB_ENGINE"));
    assert!(job(&env(&[("DB_URI", "rediss://h"), ("SSL_MODE", "true")])).job.params.is_empty());
    assert_eq!(job(&env(&[("DB_URI", "postgres://h/x"), ("SSL_MODE", "true")])).job.params["sslmode"], "require");
}

#[test]
fn how_a_run_is_done() {
    let run = job(&env(&[
        ("BACKUP_MODE", "file"),
        ("BACKUP_COMPRESS", "true"),
        ("BACKUP_EXTENSION", ".dump"),
        ("BACKUP_LOCK", "false"),
        ("BACKUP_TIMEOUT", "90"),
        ("BACKUP_TEMP_DIR", "/scratch"),
        ("BACKUP_ON_START", "TRUE"),
        ("BACKUP_SCHEDULE", "once"),
        ("BACKUP_NAME_TEMPLATE", "{db}-{timestamp}"),
        ("DUMP_EXTRA_ARGS", "--jobs=2 --exclude-table='a b' -n \"x y\""),
        ("HOOK_POST_BACKUP", "echo $DBSTASH_STATUS"),
        ("DRY_RUN", "yes"),
        ("PLANB_LISTEN", "off"),
    ]));
    assert_eq!(
        (run.job.mode.as_deref(), run.job.extension.as_deref(), run.job.lock),
        (Some("file"), Some("dump"), false)
    );
    assert_eq!((run.job.compress.unwrap().to_string().as_str(), run.job.native_if_known), ("native", true));
    assert_eq!(run.job.timeout, Some(Duration::from_secs(90)));
    assert!(run.job.on_start && run.job.schedule.as_ref().unwrap().is_once() && run.dry_run && run.listen.is_none());
    assert_eq!(run.job.extra_args, ["--jobs=2", "--exclude-table=a b", "-n", "x y"]);
    assert_eq!(run.job.hooks.post, Some(HookCommand::Shell("echo $DBSTASH_STATUS".to_owned())));
    let compress = |text: &str| job(&env(&[("BACKUP_COMPRESS", text)])).job;
    assert_eq!(compress("false").compress.unwrap().to_string(), "none");
    assert_eq!(
        (compress("gzip:9").compress.unwrap().to_string().as_str(), compress("gzip:9").native_if_known),
        ("gzip:9", false)
    );
    assert!(!compress("native").native_if_known);
    for off in ["0", "F", "false", "n", "No", "off"] {
        assert!(!job(&env(&[("DB_HOST", "x"), ("DRY_RUN", off)])).dry_run, "{off}");
    }
    let odd = job(&env(&[("DB_HOST", "x"), ("TZ", ":/etc/localtime")]));
    assert!(odd.job.timezone.is_none() && warned(&odd).starts_with("TZ: "));
}

#[test]
fn misspelt_variables_are_told() {
    let run =
        job(&env(&[("DB_HOST", "x"), ("DB_PASWORD", "hunter2"), ("BACKUP_SHEDULE", "x"), ("BACKUP_WINDOW", "x")]));
    assert_eq!(
        warned(&run),
        "BACKUP_SHEDULE: planb does not read it; did you mean `BACKUP_SCHEDULE`?\n\
         DB_PASWORD: planb does not read it; did you mean `DB_PASSWORD`?"
    );
}

/// Remembers what it was asked for.
struct Asked<'a>(&'a FixedEnv, RefCell<BTreeSet<String>>);

impl Env for Asked<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.1.borrow_mut().insert(name.to_owned());
        self.0.get(name)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

#[test]
fn whatever_is_read_stands_in_the_table_and_whatever_others_read_too() {
    let folder = secrets();
    let mut asked = BTreeSet::new();
    for env in [compose("backup-pg", folder.path()), compose("backup-mongo", folder.path()), cloud_run(), cron_job()] {
        let recorder = Asked(&env, RefCell::default());
        assert!(EnvJob::from_env(&recorder).unwrap().is_some());
        asked.extend(recorder.1.into_inner());
        asked.extend(env.names());
    }
    // What the real programs read beyond their own examples.
    asked.extend(
        "BACKUP_ALL_DATABASES BACKUP_ALL_DBS BACKUP_TEMP_DIR BACKUP_EXTENSION DUMP_EXTRA_ARGS RCLONE_CONFIG RCLONE_EXTRA_ARGS DB_URI \
         DB_PASSWORD BACKUP_LOCK BACKUP_ON_START DRY_RUN LOG_FORMAT HOOK_POST_BACKUP OPERATION_TYPE AZURE_STORAGE_CONTAINER GCS_BUCKET"
            .split_whitespace()
            .map(str::to_owned),
    );
    assert!(asked.len() > 60);
    for name in asked {
        assert!(find(&name).is_some(), "{name} is not in the table");
    }
}
