//! Every variable that planb reads, and those of the systems that it replaces: one table, from which the tables of
//! docs/environment.md are made.

/// Where a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// Plan B's own.
    PlanB,
    /// dbstash.
    Dbstash,
    /// The Plan B runner.
    Runner,
    /// StarTree's MariaDB backup.
    StarTree,
    /// A convention of many programs, or of a store's service.
    Common,
}

/// What a variable is about: the table of the documentation that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Group {
    Database,
    Run,
    Storage,
    Cloud,
    Rclone,
    When,
    Retention,
    Messages,
    StarTree,
    Tools,
    Log,
    Services,
    Ignored,
    Building,
}

/// A variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name. Of a family of names, with a word in capitals for what differs.
    pub name: &'static str,
    /// Of a family: what all its names begin with.
    pub prefix: Option<&'static str>,
    /// Whether `NAME_FILE` can name a file with the value. It beats the variable itself.
    pub file_variant: bool,
    /// The flag that beats it, in Markdown where it is more than one; empty for none.
    pub flag: &'static str,
    /// What it is for, and what it beats.
    pub meaning: &'static str,
    /// What holds without it; empty for nothing.
    pub default: &'static str,
    /// The variable whose other name it is. That one beats it.
    pub alias_of: Option<&'static str>,
    /// Who else knows it.
    pub seeds: &'static [Seed],
    /// What it is about.
    pub group: Group,
}

const fn var(group: Group, name: &'static str, meaning: &'static str, default: &'static str) -> Variable {
    Variable {
        name,
        prefix: None,
        file_variant: false,
        flag: "",
        meaning,
        default,
        alias_of: None,
        seeds: &[Seed::PlanB],
        group,
    }
}

impl Variable {
    const fn file(self) -> Self {
        Self { file_variant: true, ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }

    const fn alias_of(self, name: &'static str) -> Self {
        Self { alias_of: Some(name), ..self }
    }

    const fn of(self, seeds: &'static [Seed]) -> Self {
        Self { seeds, ..self }
    }

    const fn family(self, prefix: &'static str) -> Self {
        Self { prefix: Some(prefix), ..self }
    }

    /// Whether this is the name, or one of the family's.
    pub fn covers(&self, name: &str) -> bool {
        self.name == name
            || self.prefix.is_some_and(|prefix| name.len() > prefix.len() && name.starts_with(prefix))
            || self.file_variant && name.strip_suffix("_FILE") == Some(self.name)
    }
}

const DBSTASH: &[Seed] = &[Seed::Dbstash];
const RUNNER: &[Seed] = &[Seed::Runner];
const STARTREE: &[Seed] = &[Seed::StarTree];
const COMMON: &[Seed] = &[Seed::Common];
const BOTH: &[Seed] = &[Seed::Dbstash, Seed::Runner];

use Group::{
    Building, Cloud, Database, Ignored, Log, Messages, Rclone, Retention, Run, Services, StarTree, Storage, Tools, When,
};

/// All of them.
pub static VARIABLES: &[Variable] = &[
    // The database.
    var(Database, "DB_ENGINE", "The plugin: a name, a file, or an engine's key or alias. Beats the URL's scheme; not read by `verify`", "what the URL's scheme tells; at restore the backup's engine").flag("--plugin").of(RUNNER),
    var(Database, "DB_TYPE", "The same", "").alias_of("DB_ENGINE").of(RUNNER),
    var(Database, "DB_URI", "The database's URL. Here it may hold a password, which `--db` may not. Not read where `--db` is given", "").file().flag("--db").of(DBSTASH),
    var(Database, "DB_HOST", "Host, address, or a unix socket's folder", "the tool's own").flag("--host").of(BOTH),
    var(Database, "DB_PORT", "TCP port. One that Kubernetes sets for a Service called `db` (`tcp://...`) is left alone", "the engine's").flag("--port").of(BOTH),
    var(Database, "DB_USER", "Account", "the engine's").flag("--user").of(DBSTASH),
    var(Database, "DB_USERNAME", "The same", "").alias_of("DB_USER").of(RUNNER),
    var(Database, "DB_NAME", "Database, `*` for each of the server", "each database, where the engine can list").flag("--database").of(BOTH),
    var(Database, "DB_PASSWORD", "The password. Beats one in `DB_URI`", "").file().flag("`--password-file`, `--ask-password`").of(BOTH),
    var(Database, "DB_SECRET_NAME", "Another secret of the engine (`planb plugin inspect` lists them), its name in capitals with `_` for `-` and `.`: `DB_SECRET_SSLPASSWORD`", "").family("DB_SECRET_").file().flag("--secret-file NAME=FILE"),
    var(Database, "DB_AUTH_SOURCE", "MongoDB: the database that knows the account. Not read beside `DB_URI`", "`admin`").of(DBSTASH),
    var(Database, "SSL_MODE", "`true`: only an encrypted connection. `false`: one where the server offers it. Each engine's own parameter is set; one that planb does not know it of is an error. The URL's query beats it", "the engine's").of(RUNNER),
    var(Database, "BACKUP_ALL_DATABASES", "`true`: everything that the server holds in one dump. Beats `DB_NAME`", "`false`").flag("--all-databases").of(DBSTASH),
    var(Database, "BACKUP_ALL_DBS", "The same", "").alias_of("BACKUP_ALL_DATABASES").of(DBSTASH),
    // A run.
    var(Run, "OPERATION_TYPE", "`backup`, or `restore`: then `BACKUP_PATH` names the backup", "`backup`").of(RUNNER),
    var(Run, "JOB_ID", "The label `job` of the backup, and the `job_id` of callbacks", "").of(RUNNER),
    var(Run, "BACKUP_MODE", "`stream`, `file`, `directory`, `tar`", "the engine's first").flag("--mode").of(DBSTASH),
    var(Run, "BACKUP_NAME_TEMPLATE", "The backup's name, see [manifest.md](manifest.md#names)", "`{db}-{date}-{time}`").flag("--name").of(DBSTASH),
    var(Run, "BACKUP_COMPRESS", "`true`: the tool compresses where it can, else planb does. `false`: nobody does. Or what `--compress` takes: `zstd`, `gzip:9`, ... Beats the ending of `BACKUP_PATH`", "`zstd`").flag("--compress").of(DBSTASH),
    var(Run, "BACKUP_EXTENSION", "The dump's file extension, with or without its dot, instead of the engine's", "the engine's").of(DBSTASH),
    var(Run, "DUMP_EXTRA_ARGS", "Further arguments for the dump tool, as words of a shell: quotes and backslashes count, nothing is expanded", "").flag("-- EXTRA ARGS").of(DBSTASH),
    var(Run, "BACKUP_TIMEOUT", "End the run after this time: `90s`, `30m`, `2h`; a bare number is seconds, 0 no limit", "no limit").flag("`--timeout` of `run`").of(DBSTASH),
    var(Run, "BACKUP_LOCK", "`false`: run although another run of the job is under way", "`true`").flag("--no-lock").of(DBSTASH),
    var(Run, "BACKUP_TEMP_DIR", "Where private work directories are made; made if it is missing", "`TMPDIR`, else `/tmp`").flag("--work-dir").of(DBSTASH),
    var(Run, "DRY_RUN", "Show what would be done. Off: not set, empty, `0`, `f`, `false`, `n`, `no`, `off`. Anything else is on", "off").flag("`--dry-run` of `run`, `restore` and `prune`").of(DBSTASH),
    var(Run, "PLANB_SIGN_KEY", "The file of a minisign secret key, with which manifests are signed", "").flag("--sign-key"),
    var(Run, "PLANB_TRUST_KEY", "Minisign public keys, or files with one, separated by commas: a backup that none of them signed is refused", "").flag("--trust-key"),
    var(Run, "PLANB_SIGN_PASSWORD", "The password of `--sign-key`", "").file(),
    var(Run, "TZ", "The zone of schedules, and of `{date}`, `{time}` and `{timestamp}` in names. Manifests are in UTC. Tools run with `TZ=UTC`", "the system's").of(DBSTASH),
    // Where to.
    var(Storage, "STORAGE_TYPE", "`s3`, `gcs`, `azure`, or `file`", "`s3`, where there is a bucket").of(RUNNER),
    var(Storage, "STORAGE_ENDPOINT", "The service's address. Without a scheme it is https; `http://` has to be written", "the provider's").of(RUNNER),
    var(Storage, "STORAGE_BUCKET", "Bucket or container; of the type `file` a folder", "").of(RUNNER),
    var(Storage, "STORAGE_REGION", "The bucket's region", "`AWS_REGION`, else us-east-1").of(RUNNER),
    var(Storage, "STORAGE_ACCESS_KEY_ID", "The id of the key; of the type `azure` the storage account", "as in [stores.md](stores.md)").file().of(RUNNER),
    var(Storage, "STORAGE_SECRET_ACCESS_KEY", "The key itself; of the type `azure` the account's key", "as in [stores.md](stores.md)").file().of(RUNNER),
    var(Storage, "BACKUP_PATH", "Where in the bucket: a folder (with a slash at its end), or the object's name. See below", "the top").of(RUNNER),
    // The same as StarTree says it.
    var(Cloud, "CLOUD_PROVIDER", "`aws`, `azure` or `gcp`: which of the buckets below holds", "").of(STARTREE),
    var(Cloud, "S3_BUCKET", "The bucket, for `aws`", "").of(STARTREE),
    var(Cloud, "S3_REGION", "Its region, for `aws`", "").of(STARTREE),
    var(Cloud, "AZURE_STORAGE_CONTAINER", "The container, for `azure`. The account is `AZURE_STORAGE_ACCOUNT`", "").of(STARTREE),
    var(Cloud, "GCS_BUCKET", "The bucket, for `gcp`", "").of(STARTREE),
    // The same as dbstash says it.
    var(Rclone, "RCLONE_REMOTE", "`REMOTE:bucket/path`, a path, or a remote on the spot (`:s3,provider=AWS:bucket/path`). Remotes of the types s3, google cloud storage, azureblob, local and alias become stores of planb; any other, crypt among them, goes through the rclone program", "").of(DBSTASH),
    var(Rclone, "RCLONE_CONFIG", "The rclone.conf itself, in base64. `RCLONE_CONFIG_FILE` beats it. A path, which is what rclone takes here, is taken too", "").of(DBSTASH),
    var(Rclone, "RCLONE_CONFIG_FILE", "The path of an rclone.conf, which is not in base64", "`/config/rclone.conf`, then rclone's own, where they are there").of(DBSTASH),
    var(Rclone, "RCLONE_CONFIG_PASS", "The password of an encrypted rclone.conf. Its remotes all go through the rclone program", "").file().of(COMMON),
    var(Rclone, "RCLONE_CONFIG_REMOTE_KEY", "rclone's own way to set keys of a remote: `RCLONE_CONFIG_MYS3_REGION`. Beats the rclone.conf", "").family("RCLONE_CONFIG_").of(COMMON),
    var(Rclone, "RCLONE_EXTRA_ARGS", "Further arguments for the rclone program, as words of a shell. Stores of planb do not have them, and say so", "").of(DBSTASH),
    // When.
    var(When, "BACKUP_SCHEDULE", "A cron expression, `every 6h`, `@daily`, or `once`. With a schedule `planb run` keeps running; `once` ends with the run's exit code", "one run").of(DBSTASH),
    var(When, "BACKUP_ON_START", "`true`: with a schedule, a run at the start too", "`false`").of(DBSTASH),
    var(When, "PLANB_LISTEN", "With a schedule: where health, metrics and the status page are. `off` for nowhere", "`0.0.0.0:8080`, as dbstash's container has it"),
    var(When, "PLANB_STATE_DIR", "The folder in which `planb serve` keeps its state over restarts, and in which `trigger`, `status` and `config reload` look for it", "`state_dir` of planb.toml, else `$XDG_STATE_HOME/planb`").flag("--state-dir"),
    // What is kept.
    var(Retention, "RETENTION_MAX_FILES", "Keep at most so many backups of the job; 0 is no limit", "no limit").flag("`--max-files` of `prune`").of(DBSTASH),
    var(Retention, "RETENTION_MAX_DAYS", "Remove backups of the job that are older than so many days; 0 is no limit", "no limit").flag("`--max-days` of `prune`").of(DBSTASH),
    var(Retention, "RETENTION_DAYS", "The same", "").alias_of("RETENTION_MAX_DAYS").of(RUNNER),
    // Who is told, and what runs.
    var(Messages, "NOTIFY_WEBHOOK_URL", "Slack's, Discord's or another webhook; the address tells which", "").file().of(DBSTASH),
    var(Messages, "NOTIFY_ON", "`always`, `failure`, `success`, `recovery`", "`failure`").of(DBSTASH),
    var(Messages, "CALLBACK_URL", "Told of each run's beginning and end, and of the backup at `/metadata` below it", "").of(RUNNER),
    var(Messages, "CALLBACK_SECRET", "Sent as `Authorization: Bearer`, and the key of the signature", "").file().of(RUNNER),
    var(Messages, "HOOK_PRE_BACKUP", "A line for the shell before the run. If it fails, there is no run", "").of(DBSTASH),
    var(Messages, "HOOK_POST_BACKUP", "A line for the shell after the run, whatever its end", "").of(DBSTASH),
    // StarTree's job.
    var(StarTree, "MARIADB_HA_SERVICE_NAME", "The server, where no `DB_HOST` or `DB_URI` is set. Then the engine is `mariadb`, the account `root`, all databases are one dump, and names begin with `mariadb-ha-backup/`; each of them can be set as above", "").of(STARTREE),
    var(StarTree, "MARIADB_HA_SECRET_NAME", "Not looked up: planb asks no Kubernetes API. With it and without a password planb says how to hand the Secret's key `root-password` over as `DB_PASSWORD`", "").of(STARTREE),
    var(StarTree, "CELL_DEFAULT_NAMESPACE", "The namespace of that Secret, for the same message", "").of(STARTREE),
    // Tools and plugins.
    var(Tools, "PLANB_CONFIG", "The planb.toml, see [config.md](config.md#where-it-is)", "").flag("--config"),
    var(Tools, "PLANB_TOOL_PATH", "Folders, separated by colons, in which tools are looked for before `PATH`. The flag names one program for one tool and beats both", "").flag("--tool-path TOOL=PATH"),
    var(Tools, "PATH", "Where tools are looked for. Only absolute folders. A tool itself gets a fixed PATH", "").of(COMMON),
    var(Tools, "PLANB_PLUGIN_PATH", "Folders with plugins, separated by colons, looked into after those of the flag", "").flag("--plugin-dir"),
    var(Tools, "PLANB_CONFINE", "`off`: tools may write wherever their user may (docs/confinement.md)", "`on`: confined where the kernel can"),
    var(Tools, "XDG_DATA_HOME", "Your plugins are in `planb/plugins` below it", "`~/.local/share`").of(COMMON),
    var(Tools, "XDG_CONFIG_HOME", "Grants are in `planb/grants.json` below it, settings in `planb/planb.toml`", "`~/.config`").of(COMMON),
    var(Tools, "XDG_STATE_HOME", "What `planb serve` remembers is in `planb` below it", "`~/.local/state`").of(COMMON),
    var(Tools, "XDG_CACHE_HOME", "Compiled plugins are in `planb/compiled` below it. A folder that others can write to is not used", "`~/.cache`").of(COMMON),
    var(Tools, "HOME", "The base of the four. Without it there are no kept grants, no cache and no plugin folder of yours", "").of(COMMON),
    var(Tools, "TMPDIR", "The base of work directories where nothing else is said", "`/tmp`").of(COMMON),
    // The log.
    var(Log, "LOG_LEVEL", "`error`, `warn`, `info`, `debug`, `trace`, for planb; libraries are kept to warnings", "`warn` on a terminal, else `info`").flag("--log-level").of(DBSTASH),
    var(Log, "LOG_FORMAT", "`text` or `json`", "`text`").flag("--log-format").of(DBSTASH),
    var(Log, "RUST_LOG", "A filter of `tracing`; replaces the level, and shows libraries too. Set to nothing it leaves errors only", "").of(COMMON),
    var(Log, "OTEL_EXPORTER_OTLP_ENDPOINT", "A collector for [traces](observability.md#traces), as `http://collector:4318`; `/v1/traces` is put behind it. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is taken as it is and beats it", "No traces").of(COMMON),
    var(Log, "OTEL_EXPORTER_OTLP_PROTOCOL", "`http/protobuf` or `http/json`", "`http/protobuf`").of(COMMON),
    var(Log, "OTEL_EXPORTER_OTLP_HEADERS", "Headers for the collector, as `name=value,name=value`", "").of(COMMON),
    var(Log, "OTEL_SERVICE_NAME", "The service that traces are of", "`planb`").of(COMMON),
    var(Log, "OTEL_RESOURCE_ATTRIBUTES", "More attributes of all traces, as `name=value,name=value`", "").of(COMMON),
    var(Log, "OTEL_SDK_DISABLED", "`true`: no traces, whatever else is set. `OTEL_TRACES_EXPORTER=none` says the same", "").of(COMMON),
    var(Log, "OTEL_TRACES_SAMPLER", "Which traces are kept, with `OTEL_TRACES_SAMPLER_ARG`", "`parentbased_always_on`").of(COMMON),
    // The stores' services.
    var(Services, "AWS_ENDPOINT_URL_S3", "S3: endpoint, where the URL has no `endpoint=`. Beats `AWS_ENDPOINT_URL`", "Amazon's").of(COMMON),
    var(Services, "AWS_ENDPOINT_URL", "The same", "").alias_of("AWS_ENDPOINT_URL_S3").of(COMMON),
    var(Services, "AWS_REGION", "S3: region, where the URL has no `region=`. Beats `AWS_DEFAULT_REGION`", "`us-east-1`").of(COMMON),
    var(Services, "AWS_DEFAULT_REGION", "The same", "").alias_of("AWS_REGION").of(COMMON),
    var(Services, "STORAGE_EMULATOR_HOST", "Google: endpoint, where the URL has none. With its scheme: `http://127.0.0.1:4443`", "Google's").of(COMMON),
    var(Services, "AZURE_STORAGE_ACCOUNT", "Azure: account, where the URL has no `account_name=`", "").of(COMMON),
    var(Services, "AZURE_STORAGE_ACCOUNT_NAME", "The same", "").alias_of("AZURE_STORAGE_ACCOUNT").of(COMMON),
    var(Services, "AZURE_STORAGE_KEY", "Azure: account key, where the URL has no `account_key_file=`", "").of(COMMON),
    var(Services, "AZURE_STORAGE_ACCOUNT_KEY", "The same", "").alias_of("AZURE_STORAGE_KEY").of(COMMON),
    var(Services, "AZURE_STORAGE_SAS_TOKEN", "Azure: SAS token, where the URL has no `sas_token_file=`", "").of(COMMON),
    // Known elsewhere, and without a meaning here.
    var(Ignored, "DB_VERSION", "Of an image: the tools are asked for their versions", "").of(RUNNER),
    var(Ignored, "CONTAINER_VERSION", "Of an image", "").of(RUNNER),
    // For those who build planb.
    var(Building, "PLANB_PINNED_PLUGINS", "The file of plugin digests that the binary is built with. `cargo xtask build` sets it", ""),
    var(Building, "PLANB_WRITE_SCHEMA", "Lets tests write what is made from the code: `docs/*.schema.json`, the tables of `docs/config.md` and of this page. `cargo xtask schema` sets it", ""),
    var(Building, "PLANB_REQUIRE_ALL", "`1`: a test that would be skipped fails. `cargo xtask ci` sets it", ""),
];

/// The variable that a name belongs to.
pub fn find(name: &str) -> Option<&'static Variable> {
    // The names themselves come before families.
    let own = |variable: &&Variable| variable.name == name || variable.file_variant && variable.covers(name);
    VARIABLES.iter().find(own).or_else(|| VARIABLES.iter().find(|variable| variable.covers(name)))
}
