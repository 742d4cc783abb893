//! Every key of planb.toml: what it is called, takes and means. The reader, the JSON Schema and the tables of
//! docs/config.md are all made from here.

use crate::kind::Kind;

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, in one or two sentences.
    pub meaning: &'static str,
    /// What holds without it, in words; empty for nothing.
    pub default: &'static str,
    /// Of a store's keys: the kinds of stores that have it. Empty for all.
    pub of: &'static [&'static str],
}

const fn key(name: &'static str, kind: Kind, meaning: &'static str, default: &'static str) -> Key {
    Key { name, kind, meaning, default, of: &[] }
}

const fn of(stores: &'static [&'static str], key: Key) -> Key {
    Key { of: stores, ..key }
}

const ANY: u64 = u64::MAX;
const MOST: u64 = u32::MAX as u64;
const MIB: u64 = 1 << 20;

/// The tables at the top of the file.
pub static TOP: &[(&str, &str)] = &[
    ("stores", "Places for backups, each with a name."),
    ("jobs", "What is backed up, each with a name."),
    ("defaults", "Keys of jobs for all jobs that do not say otherwise."),
    ("notify", "Where messages go, each with a name."),
    ("serve", "What `planb serve` itself needs."),
];

/// Rules of retention. In each, 0 is the same as no rule.
pub static RETENTION: &[Key] = &[
    key("keep_last", Kind::Count(0, MOST), "Keep this many of the newest.", ""),
    key("hourly", Kind::Count(0, MOST), "Keep the newest of each hour, for this many newest hours that have one.", ""),
    key("daily", Kind::Count(0, MOST), "Keep the newest of each day, for this many newest days that have one.", ""),
    key(
        "weekly",
        Kind::Count(0, MOST),
        "Keep the newest of each week (Monday to Sunday), for this many newest weeks that have one.",
        "",
    ),
    key(
        "monthly",
        Kind::Count(0, MOST),
        "Keep the newest of each month, for this many newest months that have one.",
        "",
    ),
    key("yearly", Kind::Count(0, MOST), "Keep the newest of each year, for this many newest years that have one.", ""),
    key(
        "periods",
        Kind::Periods,
        "Keep the first backup of each period, which a strftime format names, for a time from the period's beginning on. `\"nectgmbh\"` is the default of NectGmbH's db-backup-controller.",
        "",
    ),
    key("max_days", Kind::Count(0, MOST), "Remove what is older than this many days.", ""),
    key("max_files", Kind::Count(0, MOST), "Remove the oldest beyond this many.", ""),
    key("max_bytes", Kind::Size(0, ANY), "Remove the oldest beyond this size of all together.", ""),
];

/// Commands around a run.
pub static HOOKS: &[Key] = &[
    key("pre", Kind::Command, "Before the run. If it fails, the run is aborted and counts as failed.", ""),
    key("post", Kind::Command, "After the run, whatever its end.", ""),
    key("on_failure", Kind::Command, "After a run that failed.", ""),
    key("on_success", Kind::Command, "After a run that succeeded.", ""),
    key("timeout", Kind::Duration, "A hook that takes longer is ended, and has failed.", "5m"),
];

/// Restores that prove backups.
pub static DRILL: &[Key] = &[
    key("schedule", Kind::Schedule, "When the newest backup is restored and compared.", ""),
    key(
        "into",
        Kind::Url,
        "An empty or missing database to restore into, instead of a throw-away server.",
        "a throw-away server",
    ),
    key("password", Kind::Secret, "The password of `into`.", ""),
    key("identity", Kind::Path, "A file with the age secret key that opens the backups.", ""),
    key(
        "trust_keys",
        Kind::Texts,
        "Minisign public keys, or files with one: a backup that none of them signed fails the drill.",
        "",
    ),
    key("timeout", Kind::Duration, "End the drill after this time; 0s is no limit.", "no limit"),
];

/// `[serve]`.
pub static SERVE: &[Key] = &[
    key("listen", Kind::Address, "Where the status page, health and metrics are.", "127.0.0.1:8080"),
    key("token", Kind::Secret, "Who shows it may trigger runs; at least 16 characters. Without one nobody may.", ""),
    key(
        "hosts",
        Kind::Texts,
        "Names by which the page may be asked for, besides addresses and `localhost`: those of a reverse proxy. On other addresses than loopback names are only checked where some are given.",
        "",
    ),
    key("concurrency", Kind::Count(1, 1000), "Runs at once, over all jobs.", "2"),
    key(
        "state_dir",
        Kind::Path,
        "Where runs, times and results are kept over restarts.",
        "`$XDG_STATE_HOME/planb`, else `~/.local/state/planb`",
    ),
    key("grace", Kind::Duration, "How long runs under way may go on after a signal to stop.", "30s"),
];

/// `[notify.NAME]`: what every target has. The rest depends on its type.
pub static NOTIFY: &[Key] = &[
    key("type", Kind::Text, "`slack`, `discord`, `webhook`, `callback`, `email`, `ntfy` or `ping`.", ""),
    key("on", Kind::Choice(&["always", "failure", "success", "recovery"]), "Which outcomes are told.", "failure"),
];

/// `[stores.NAME]`.
pub static STORE: &[Key] = &[
    key(
        "url",
        Kind::Text,
        "A folder, `file:///path`, `s3://bucket/prefix`, `gs://`, `azblob://` or `rclone://REMOTE/path`. Its settings can stand in its query or as keys of their own.",
        "",
    ),
    of(
        &["s3", "gs", "azblob"],
        key("endpoint", Kind::Text, "The service's address, where it is not the provider's own.", ""),
    ),
    of(&["s3"], key("region", Kind::Text, "The bucket's region.", "`AWS_REGION`, else us-east-1")),
    of(&["s3"], key("profile", Kind::Text, "A profile of `~/.aws`.", "`AWS_PROFILE`")),
    of(&["s3"], key("access_key_id", Kind::Text, "The id of static credentials.", "from the environment")),
    of(
        &["s3"],
        key("secret_access_key", Kind::Secret, "The secret that belongs to `access_key_id`.", "from the environment"),
    ),
    of(&["s3"], key("session_token", Kind::Secret, "The token of temporary credentials.", "")),
    of(&["s3"], key("role_arn", Kind::Text, "Assume this role.", "")),
    of(&["s3"], key("external_id", Kind::Text, "The external id for `role_arn`.", "")),
    of(&["s3"], key("virtual_host", Kind::Toggle, "The bucket in the host's name instead of the path.", "false")),
    of(&["s3"], key("sse", Kind::Choice(&["AES256", "aws:kms"]), "Encryption by the service.", "the bucket's")),
    of(&["s3"], key("sse_kms_key_id", Kind::Text, "The key for `sse = \"aws:kms\"`.", "")),
    of(
        &["s3"],
        key(
            "checksum",
            Kind::Choice(&["crc32c", "none"]),
            "Send a checksum with each request. Old S3-compatible servers do not know it.",
            "none",
        ),
    ),
    of(&["s3", "gs"], key("storage_class", Kind::Text, "`STANDARD_IA`, `NEARLINE`, ...", "the bucket's")),
    of(
        &["gs"],
        key(
            "credential",
            Kind::Secret,
            "The content of a credentials file (service account, external account).",
            "from the environment",
        ),
    ),
    of(&["azblob"], key("account_name", Kind::Text, "The storage account.", "`AZURE_STORAGE_ACCOUNT`")),
    of(&["azblob"], key("account_key", Kind::Secret, "The account's key.", "from the environment")),
    of(&["azblob"], key("sas_token", Kind::Secret, "A SAS token.", "from the environment")),
    of(&["s3", "gs", "azblob"], key("anonymous", Kind::Toggle, "Do not sign requests.", "false")),
    of(&["s3", "gs", "azblob"], key("conditional", Kind::Toggle, "Ask the store to refuse overwriting.", "true")),
    of(
        &["s3", "gs", "azblob"],
        key("timeout", Kind::Duration, "How long a call without a body may take, in whole seconds.", "1m"),
    ),
    of(
        &["s3", "gs", "azblob"],
        key("retries", Kind::Count(1, 1000), "How often a call that failed is tried again.", "4"),
    ),
    of(&["rclone"], key("config", Kind::Path, "The rclone.conf that has the remote.", "rclone's own")),
    of(&["rclone"], key("config_pass", Kind::Secret, "The password of an encrypted rclone.conf.", "")),
    of(&["rclone"], key("rclone_args", Kind::Texts, "Further arguments for rclone.", "")),
    key(
        "part_size",
        Kind::Size(5 * MIB, 512 * MIB),
        "Size of the parts in which objects are sent to this store. Beats the job's.",
        "the job's",
    ),
    key(
        "volume_size",
        Kind::Size(5 * MIB, ANY),
        "Largest object; a longer dump goes on in further objects. Beats the job's.",
        "the job's",
    ),
    key(
        "retention",
        Kind::Table(RETENTION),
        "What is kept in this store, of every job that writes to it. Beats the jobs' own.",
        "the job's",
    ),
];

/// `[jobs.NAME]` and `[defaults]`.
pub static JOB: &[Key] = &[
    key("enabled", Kind::Toggle, "`false`: the job is checked and shown, but does not run.", "true"),
    // The database.
    key(
        "plugin",
        Kind::Text,
        "The engine's plugin: a name or a file. Can be left out where the URL's scheme tells it.",
        "what the scheme of `db` tells",
    ),
    key(
        "db",
        Kind::Url,
        "The database's URL: `postgresql://app@db.example/orders?sslmode=require`, `sqlite:///var/lib/app.db`.",
        "",
    ),
    key("host", Kind::Text, "Host name, address, or the folder of a unix socket.", "the tool's own"),
    key("port", Kind::Count(1, 65_535), "TCP port.", "the engine's"),
    key("user", Kind::Text, "Account.", "the engine's"),
    key("database", Kind::Text, "Database; `*` for each of the server.", "each database, where the engine can list"),
    key("all_databases", Kind::Toggle, "Everything that the server holds in one dump, where the engine can.", "false"),
    key(
        "globals",
        Kind::Toggle,
        "Also what belongs to the server (roles, tablespaces), as a backup of its own.",
        "false",
    ),
    key("password", Kind::Secret, "The password.", ""),
    key(
        "secrets",
        Kind::Secrets,
        "Further secrets of the engine, by the names that `planb plugin inspect` lists: `secrets.sslpassword_file = \"...\"`.",
        "",
    ),
    key("params", Kind::Map, "What would stand in the query of the database's URL: `{ sslmode = \"require\" }`.", ""),
    key("options", Kind::Map, "Options of the engine; `planb plugin inspect` lists them.", ""),
    key(
        "tool_paths",
        Kind::Paths,
        "Use these programs for tools of the plugin: `{ pg_dump = \"/usr/lib/postgresql/17/bin/pg_dump\" }`.",
        "found on the path",
    ),
    key(
        "allow_tools",
        Kind::Texts,
        "Tools that the plugin may use in this job. Not needed for the plugins that planb was built with.",
        "",
    ),
    key("extra_args", Kind::Texts, "Further arguments for the dump tool.", ""),
    // The backup.
    key("to", Kind::Texts, "Where to: names of stores, URLs or folders. The dump is made once and goes to all.", ""),
    key("mode", Kind::Choice(&["stream", "file", "directory", "tar"]), "How the dump is taken.", "the engine's first"),
    key(
        "compress",
        Kind::Compression,
        "How the dump is compressed: `zstd[:1-22]`, `gzip[:1-9]`, `none`, or `native` (the tool does it).",
        "zstd",
    ),
    key("extension", Kind::Text, "The dump's file extension, instead of the engine's own.", "the engine's"),
    key("encrypt_to", Kind::Recipients, "Encrypt to these age public keys.", ""),
    key("passphrase", Kind::Secret, "Encrypt with this passphrase.", ""),
    key("sign_key", Kind::Path, "Sign manifests with this minisign secret key.", ""),
    key("sign_password", Kind::Secret, "The password of `sign_key`.", ""),
    key(
        "name",
        Kind::Name,
        "The backup's name; tokens are `{db} {engine} {date} {time} {ts} {timestamp} {uuid}`.",
        "`{db}-{date}-{time}`",
    ),
    key("labels", Kind::Map, "Labels of the backup.", "`job`: the job's name"),
    key("timeout", Kind::Duration, "End the run after this time; 0s is no limit.", "no limit"),
    key("stall_timeout", Kind::Duration, "End the run if the tool writes nothing for this time.", "30m"),
    key("threads", Kind::Count(1, 64), "Threads for compressing.", "the processors, at most 4"),
    key("jobs", Kind::Count(1, 64), "Back up this many databases at once, where there are several.", "1"),
    key("part_size", Kind::Size(5 * MIB, 512 * MIB), "Size of the parts in which objects are sent.", "16MiB"),
    key(
        "volume_size",
        Kind::Size(5 * MIB, ANY),
        "Largest object in a bucket; a longer dump goes on in further objects.",
        "15000MiB",
    ),
    key("work_dir", Kind::Path, "Where private work directories are made.", "`TMPDIR`, else `/tmp`"),
    key("lock", Kind::Toggle, "`false`: do not refuse to run while another run of the job is under way.", "true"),
    key("wait_lock", Kind::Duration, "Wait this long for another run of the job to end.", "0s"),
    // When.
    key(
        "schedule",
        Kind::Schedule,
        "When `planb serve` runs it: a cron expression, `every 6h`, `@daily`, `once` at the start, or `manual`.",
        "only when triggered",
    ),
    key(
        "timezone",
        Kind::Timezone,
        "The zone of the schedule and of `{date}` and `{time}` in names.",
        "`TZ`, else the system's",
    ),
    key(
        "jitter",
        Kind::Duration,
        "Start up to this much later, each job at its own time, so that jobs of the same minute do not start as one.",
        "0s",
    ),
    key("on_start", Kind::Toggle, "Run when `planb serve` starts, too.", "false"),
    key("catch_up", Kind::Toggle, "Run once after a downtime in which a run was missed.", "true"),
    key("retries", Kind::Count(0, 100), "Try a failed run again so many times.", "0"),
    key("retry_delay", Kind::Duration, "Wait before the first retry; each further one waits twice as long.", "1m"),
    // Afterwards.
    key("retention", Kind::Table(RETENTION), "What is kept. Without rules nothing is ever removed.", "everything"),
    key("hooks", Kind::Table(HOOKS), "Commands around a run.", ""),
    key("notify", Kind::Texts, "Names of the targets that are told.", ""),
    key("drill", Kind::Table(DRILL), "Restores that prove the backups.", ""),
    key("max_age", Kind::Duration, "Alert when the last good backup is older.", ""),
    key("max_drill_age", Kind::Duration, "Alert when the last good drill is older.", ""),
];

/// The names that can be written in a table with these keys: a secret has three.
pub fn spellings(keys: &[Key]) -> Vec<String> {
    let mut names = Vec::new();
    for key in keys {
        names.push(key.name.to_owned());
        if key.kind.is_secret() {
            names.push(format!("{}_file", key.name));
            names.push(format!("{}_env", key.name));
        }
    }
    names
}
