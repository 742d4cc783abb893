//! What can be typed: the commands, their flags and their help texts. No logic.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use planb_config::StoreConfig;
use planb_model::secret::Secret;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 partial, 4 plugin refused or unfit, 5 verification failed, 130 interrupted.
Each command explains itself: planb help run";

/// Back up and restore databases. Engines are sandboxed WebAssembly plugins; stores are folders and buckets.
#[derive(Debug, Parser)]
#[command(name = "planb", version, styles = STYLES, after_help = AFTER, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command has.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The settings: stores, jobs, notifications [default: ./planb.toml, ~/.config/planb/planb.toml, /etc/planb/planb.toml]
    #[arg(long, global = true, env = "PLANB_CONFIG", value_name = "FILE", help_heading = "General")]
    pub(crate) config: Option<PathBuf>,
    /// How to print results
    #[arg(long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT", help_heading = "General")]
    pub(crate) output: Output,
    /// A folder with plugins; can be given more than once [env: PLANB_PLUGIN_PATH, separated by colons]
    #[arg(long = "plugin-dir", global = true, value_name = "DIR", help_heading = "General")]
    pub(crate) plugin_dirs: Vec<PathBuf>,
    /// Where private work directories are made
    #[arg(long, global = true, env = "BACKUP_TEMP_DIR", value_name = "DIR", help_heading = "General")]
    pub(crate) work_dir: Option<PathBuf>,
    /// What goes to the log on stderr [default: warn on a terminal, else info]
    #[arg(long, global = true, env = "LOG_LEVEL", value_name = "LEVEL", help_heading = "General", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub(crate) log_level: Option<String>,
    /// How the log is written
    #[arg(long, global = true, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", help_heading = "General")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a backup now
    #[command(visible_alias = "backup")]
    Run(RunArgs),
    /// Put a backup back into a database
    Restore(RestoreArgs),
    /// List the backups of a store
    List(ListArgs),
    /// Show everything that is known of a backup
    Show(PickArgs),
    /// Check that a backup is whole: its bytes, and what the plugin sees in them
    Verify(VerifyArgs),
    /// Restore a backup into a throw-away server and compare it with what was backed up
    Drill(DrillArgs),
    /// Remove old backups by rules, and what crashed runs left
    Prune(PruneArgs),
    /// Keep a backup from being pruned, whatever the rules
    Hold(HoldArgs),
    /// Give a held backup back to the rules
    Release(PickArgs),
    /// List the databases of a server
    #[command(visible_alias = "ls")]
    Databases(DatabasesArgs),
    /// Back up databases into a folder, to be uploaded later
    Dump(DumpArgs),
    /// Copy backups from a folder into a store, checked on the way
    Upload(UploadArgs),
    /// Copy backups from a store into a folder, checked on the way
    Download(DownloadArgs),
    /// Show what `run` would do, without doing it (the same as `run --dry-run`)
    Plan(RunArgs),
    /// Run the jobs of planb.toml on their schedules, with a status page, health and metrics
    Serve(ServeArgs),
    /// Ask a running `planb serve` to run a job now
    Trigger(TriggerArgs),
    /// Show what a running `planb serve` does
    Status(StatusArgs),
    /// Check, show and import settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at plugins, and decide what they may use
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// Which database, and with what.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DbArgs {
    /// The engine's plugin: a name (`postgres` finds postgres.wasm in the plugin folders) or a file. Can be left out where the URL's scheme tells it [env: DB_ENGINE]
    #[arg(long, value_name = "NAME|FILE", help_heading = "Database")]
    pub(crate) plugin: Option<String>,
    /// The database's URL, without a password: postgresql://app@db.example/orders?sslmode=require, sqlite:///var/lib/app.db [env: DB_URI, DB_URI_FILE]
    #[arg(long, value_name = "URL", help_heading = "Database")]
    pub(crate) db: Option<String>,
    /// Host name, address, or the folder of a unix socket [env: DB_HOST]
    #[arg(long, value_name = "HOST", help_heading = "Database")]
    pub(crate) host: Option<String>,
    /// TCP port [env: DB_PORT]
    #[arg(long, value_name = "PORT", help_heading = "Database")]
    pub(crate) port: Option<u16>,
    /// Account [env: DB_USER]
    #[arg(long, value_name = "USER", help_heading = "Database")]
    pub(crate) user: Option<String>,
    /// Database name; '*' for each database of the server [env: DB_NAME]
    #[arg(long, value_name = "NAME", help_heading = "Database")]
    pub(crate) database: Option<String>,
    /// A file with the password [env: DB_PASSWORD_FILE; or the password itself in DB_PASSWORD]
    #[arg(long, value_name = "FILE", help_heading = "Database")]
    pub(crate) password_file: Option<PathBuf>,
    /// A file with another secret of the engine, which `planb plugin inspect` lists [env: DB_SECRET_NAME_FILE, DB_SECRET_NAME]
    #[arg(long = "secret-file", value_name = "NAME=FILE", value_parser = pair, help_heading = "Database")]
    pub(crate) secret_files: Vec<(String, String)>,
    /// Ask for the password
    #[arg(long, conflicts_with = "password_file", help_heading = "Database")]
    pub(crate) ask_password: bool,
    /// An option of the engine; `planb plugin inspect` lists them
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = pair, help_heading = "Database")]
    pub(crate) options: Vec<(String, String)>,
    /// Use this program for a tool of the plugin: pg_dump=/usr/lib/postgresql/17/bin/pg_dump [env: PLANB_TOOL_PATH, folders separated by colons]
    #[arg(long = "tool-path", value_name = "TOOL=PATH", value_parser = pair, help_heading = "Database")]
    pub(crate) tool_paths: Vec<(String, String)>,
    /// Let the plugin use this tool in this run. Not needed for the plugins that planb was built with
    #[arg(long = "allow-tool", value_name = "TOOL", help_heading = "Database")]
    pub(crate) allow_tools: Vec<String>,
    /// The environment names the source of backups: it says nothing of where this is.
    #[arg(skip)]
    pub(crate) alone: bool,
    /// The settings of a job say all of this: the environment has no password for it.
    #[arg(skip)]
    pub(crate) of_job: bool,
    /// From the settings of a job: the URL whole, perhaps with a password.
    #[arg(skip)]
    pub(crate) url: Option<Secret>,
    /// The same: the password.
    #[arg(skip)]
    pub(crate) password: Option<Secret>,
    /// The same: other secrets of the engine.
    #[arg(skip)]
    pub(crate) secrets: Vec<(String, Secret)>,
    /// The same: parameters of the connection, as a URL's query has them.
    #[arg(skip)]
    pub(crate) params: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planb run --plugin postgres --db postgresql://app@db/orders --to s3://backups/orders
  planb run --db sqlite:///var/lib/app.db --to file:///backups --to s3://bucket/app
  planb run --plugin postgres --db postgresql://admin@db/ --database '*' --to /backups --encrypt-to age1...")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) db: DbArgs,
    /// Run this job of planb.toml, with its hooks, notifications and retention; other flags change it for this run
    #[arg(long, value_name = "NAME", help_heading = "Backup")]
    pub(crate) job: Option<String>,
    /// Where to: a folder, file:///path, s3://bucket/prefix, gs://, azblob://, rclone://, or a store of planb.toml by its name. Can be given more than once; the dump is made once
    #[arg(long, value_name = "URL", help_heading = "Backup")]
    pub(crate) to: Vec<String>,
    /// Everything that the server holds in one dump, where the engine can; `--database '*'` makes one backup of each database
    #[arg(long, conflicts_with = "database", help_heading = "Backup")]
    pub(crate) all_databases: bool,
    /// How the dump is compressed: zstd[:1-22], gzip[:1-9], none, or native (the tool does it)
    #[arg(long, default_value = "zstd", value_name = "HOW", help_heading = "Backup")]
    pub(crate) compress: String,
    /// From the settings of a job: an engine that does not compress by itself takes zstd instead of refusing `native`.
    #[arg(skip)]
    pub(crate) native_if_known: bool,
    /// Another extension of the artifact's name.
    #[arg(skip)]
    pub(crate) extension: Option<String>,
    /// From the settings of a job: the time zone of its names.
    #[arg(skip)]
    pub(crate) zone: Option<jiff::tz::TimeZone>,
    /// From the settings of a job: stores, with their secrets.
    #[arg(skip)]
    pub(crate) stores: Vec<StoreConfig>,
    /// From the settings of a job, where flags name files.
    #[arg(skip)]
    pub(crate) passphrase: Option<Secret>,
    /// The same.
    #[arg(skip)]
    pub(crate) sign_password: Option<Secret>,
    /// Encrypt to an age public key (age1...). Can be given more than once
    #[arg(long, value_name = "RECIPIENT", help_heading = "Backup")]
    pub(crate) encrypt_to: Vec<String>,
    /// Encrypt with the passphrase in this file
    #[arg(long, value_name = "FILE", conflicts_with = "encrypt_to", help_heading = "Backup")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How the dump is taken: stream, file, directory or tar [default: the engine's]
    #[arg(long, env = "BACKUP_MODE", value_name = "MODE", help_heading = "Backup", value_parser = ["stream", "file", "directory", "tar"])]
    pub(crate) mode: Option<String>,
    /// The backup's name; tokens are {db} {engine} {date} {time} {ts} {timestamp} {uuid}
    #[arg(
        long,
        env = "BACKUP_NAME_TEMPLATE",
        default_value = "{db}-{date}-{time}",
        value_name = "TEMPLATE",
        help_heading = "Backup"
    )]
    pub(crate) name: String,
    /// Back up what belongs to the server too (roles, tablespaces), as a backup of its own. '*' does so by itself
    #[arg(long, help_heading = "Backup")]
    pub(crate) globals: bool,
    /// Put a label on the backup
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair, help_heading = "Backup")]
    pub(crate) labels: Vec<(String, String)>,
    /// Show what would be done, and do nothing
    #[arg(long, env = "DRY_RUN", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Backup")]
    pub(crate) dry_run: bool,
    /// End the run after this time: 90s, 30m, 2h
    #[arg(long, env = "BACKUP_TIMEOUT", value_name = "TIME", value_parser = time, help_heading = "Backup")]
    pub(crate) timeout: Option<std::time::Duration>,
    /// End the run if the tool writes nothing for this time
    #[arg(long, default_value = "30m", value_name = "TIME", value_parser = time, help_heading = "Backup")]
    pub(crate) stall_timeout: std::time::Duration,
    /// Size of the parts in which objects are sent, in MiB
    #[arg(long, default_value_t = 16, value_name = "MIB", value_parser = clap::value_parser!(u64).range(5..=512), help_heading = "Backup")]
    pub(crate) part_size: u64,
    /// Largest object in a bucket, in MiB; a longer dump goes on in further objects (.001, .002, ...)
    #[arg(long, default_value_t = 15_000, value_name = "MIB", value_parser = clap::value_parser!(u64).range(5..), help_heading = "Backup")]
    pub(crate) volume_size: u64,
    /// Back up this many databases at once, where there are several
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Backup")]
    pub(crate) jobs: u8,
    /// Sign the manifest with this minisign secret key; its password, where it has one, by PLANB_SIGN_PASSWORD or PLANB_SIGN_PASSWORD_FILE
    #[arg(long, env = "PLANB_SIGN_KEY", value_name = "FILE", help_heading = "Backup")]
    pub(crate) sign_key: Option<PathBuf>,
    /// Wait this long for another run of the same job to end, and skip this one if it does not
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = time, help_heading = "Backup")]
    pub(crate) wait_lock: std::time::Duration,
    /// Run beside other runs of the same job [env: BACKUP_LOCK=false]
    #[arg(long, conflicts_with = "wait_lock", help_heading = "Backup")]
    pub(crate) no_lock: bool,
    /// Threads for compressing [default: the processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Backup")]
    pub(crate) threads: Option<u32>,
    /// Further arguments for the dump tool, after `--`
    #[arg(last = true, value_name = "EXTRA ARGS")]
    pub(crate) extra: Vec<String>,
}

/// Which backup of which store.
#[derive(Debug, Clone, Args)]
pub(crate) struct PickArgs {
    /// An id, the beginning of one, `latest`, or `at:2026-02-07T02:00:00Z` (the newest at or before) [env: BACKUP_PATH, by its object]
    pub(crate) backup: Option<String>,
    /// The store: a URL, a folder, or a store of planb.toml by its name [default: that of the environment, or the only one of planb.toml]
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfArgs,
    /// Take a backup only if this minisign key signed its manifest: a public key, or a file with one. Can be given more than once
    #[arg(long = "trust-key", env = "PLANB_TRUST_KEY", value_delimiter = ',', value_name = "KEY|FILE")]
    pub(crate) trust_keys: Vec<String>,
}

/// Of which source a backup has to be.
#[derive(Debug, Clone, Args)]
pub(crate) struct OfArgs {
    /// Only backups of this database; needed for `latest` where a store holds several
    #[arg(long, value_name = "NAME")]
    pub(crate) source_database: Option<String>,
    /// Only backups from this server, as `planb list` shows it; needed for `latest` where a store holds several
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) source_server: Option<String>,
    /// Only backups with this label. Can be given more than once
    #[arg(long = "with-label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) with_labels: Vec<(String, String)>,
}

/// What opens an encrypted backup.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyArgs {
    /// A file with an age secret key. Can be given more than once
    #[arg(long = "identity", value_name = "FILE", help_heading = "Encryption")]
    pub(crate) identities: Vec<PathBuf>,
    /// The file with the passphrase
    #[arg(long, value_name = "FILE", help_heading = "Encryption")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// From the settings of a job.
    #[arg(skip)]
    pub(crate) passphrase: Option<Secret>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  planb restore latest --from s3://backups/orders --db postgresql://app@db/orders_copy
  planb restore 8f14e45f --from /backups --db sqlite:///tmp/app.db --replace")]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,
    #[command(flatten)]
    pub(crate) db: DbArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Restore into a database that holds data, which is then gone
    #[arg(long)]
    pub(crate) replace: bool,
    /// Do not ask before data is replaced (without a terminal nothing is asked)
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show which backup would go where, and by which commands, without doing it
    #[arg(long, env = "DRY_RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) dry_run: bool,
    /// Read and check the whole backup once before the tool gets a byte
    #[arg(long)]
    pub(crate) verify_first: bool,
    /// End the restore after this time: 90s, 30m, 2h
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<std::time::Duration>,
    /// Further arguments for the restore tool, after `--`
    #[arg(last = true, value_name = "EXTRA ARGS")]
    pub(crate) extra: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The store: a URL, a folder, or a store of planb.toml by its name [default: that of the environment, or the only one of planb.toml]
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,
    /// Why, for those who come after
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Retention rules.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RuleArgs {
    /// Keep the newest N
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_last: Option<u32>,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_hourly: Option<u32>,
    /// Keep the newest of each of the last N days that have one
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_daily: Option<u32>,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_weekly: Option<u32>,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_monthly: Option<u32>,
    /// Keep the newest of each of the last N years that have one
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) keep_yearly: Option<u32>,
    /// Keep the first of each period of this strftime format for this long: '%Y-%m=372d'. Can be given more than once
    #[arg(long = "keep-period", value_name = "FORMAT=TIME", help_heading = "Rules")]
    pub(crate) keep_periods: Vec<String>,
    /// Remove all but the newest N [env: RETENTION_MAX_FILES]
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) max_files: Option<u32>,
    /// Remove what is older than N days [env: RETENTION_MAX_DAYS, RETENTION_DAYS]
    #[arg(long, value_name = "N", help_heading = "Rules")]
    pub(crate) max_days: Option<u32>,
    /// Remove the oldest until the rest has no more than this: 500GiB
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Rules")]
    pub(crate) max_bytes: Option<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The keep rules are a union: what none of them keeps is removed. Limits (--max-...) then remove further, the oldest first.
Whatever the rules say, the newest good backup of a job stays, and the newest that a drill has proven, and what is held.
Each job (label `job`, else server and database) is looked at by itself. A backup is removed manifest first.
Examples:
  planb prune --from s3://backups/orders --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  planb prune --from /backups --max-days 30 --orphans
  planb prune --job orders --dry-run      # what the rules of planb.toml will remove")]
pub(crate) struct PruneArgs {
    /// Apply the rules of this job of planb.toml, in each of its stores, to its backups
    #[arg(long, value_name = "NAME", conflicts_with_all = ["RuleArgs", "OfArgs", "from"])]
    pub(crate) job: Option<String>,
    /// The store: a URL, a folder, or a store of planb.toml by its name [default: that of the environment, or the only one of planb.toml]
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfArgs,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Remove what crashed runs left: objects that no manifest names
    #[arg(long)]
    pub(crate) orphans: bool,
    /// Only orphans that are at least this old
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = time, requires = "orphans")]
    pub(crate) older_than: std::time::Duration,
    /// Show what would be removed and why, and remove nothing
    #[arg(long, env = "DRY_RUN", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Restore it into a throw-away server as well, as `planb drill` does
    #[arg(long)]
    pub(crate) drill: bool,
    /// The engine's plugin [default: the one that answers to the backup's engine]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) plugin: Option<String>,
    /// For the drill: use this program for a tool of the plugin
    #[arg(long = "tool-path", value_name = "TOOL=PATH", value_parser = pair, requires = "drill")]
    pub(crate) tool_paths: Vec<(String, String)>,
    /// For the drill: let the plugin use this tool
    #[arg(long = "allow-tool", value_name = "TOOL", requires = "drill")]
    pub(crate) allow_tools: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The server is started from the plugin's own plan in a private folder, with the programs that are here, and is gone afterwards.
The result is kept beside the backup; planb list shows it. Exit code 5: the backup did not come back as it was.
Examples:
  planb drill latest --from /backups
  planb drill latest --from s3://backups/orders --into postgresql://app@spare/drill_orders")]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// An empty or missing database to restore into, instead of a throw-away server. It stays as it is then
    #[arg(long, value_name = "URL")]
    pub(crate) into: Option<String>,
    /// The engine's plugin [default: the one that answers to the backup's engine]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) plugin: Option<String>,
    /// A file with the password of --into [env: DB_PASSWORD_FILE, DB_PASSWORD]
    #[arg(long, value_name = "FILE", requires = "into")]
    pub(crate) password_file: Option<PathBuf>,
    /// Use this program for a tool of the plugin [env: PLANB_TOOL_PATH, folders separated by colons]
    #[arg(long = "tool-path", value_name = "TOOL=PATH", value_parser = pair)]
    pub(crate) tool_paths: Vec<(String, String)>,
    /// Let the plugin use this tool. Not needed for the plugins that planb was built with
    #[arg(long = "allow-tool", value_name = "TOOL")]
    pub(crate) allow_tools: Vec<String>,
    /// From the settings of a job: the same, where flags name a file.
    #[arg(skip)]
    pub(crate) password: Option<Secret>,
    /// Do not keep the result in the store
    #[arg(long)]
    pub(crate) no_record: bool,
    /// End the drill after this time: 90s, 30m
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<std::time::Duration>,
}

impl DrillArgs {
    /// The drill of a job's backup.
    pub(crate) fn of_job(job: &planb_config::JobConfig) -> Self {
        let drill = job.drill.as_ref();
        let of = OfArgs { source_database: None, source_server: None, with_labels: Vec::new() };
        Self {
            pick: PickArgs {
                backup: None,
                from: None,
                of,
                trust_keys: drill.map(|drill| drill.trust_keys.clone()).unwrap_or_default(),
            },
            keys: KeyArgs {
                identities: drill.and_then(|drill| drill.identity.clone()).into_iter().collect(),
                passphrase_file: None,
                passphrase: job.passphrase.clone(),
            },
            into: None,
            plugin: job.plugin.clone(),
            tool_paths: job.tool_paths.iter().map(|(tool, path)| (tool.clone(), path.display().to_string())).collect(),
            allow_tools: job.allow_tools.clone(),
            password_file: None,
            password: drill.and_then(|drill| drill.password.clone()),
            no_record: false,
            timeout: drill.and_then(|drill| drill.timeout),
        }
    }

    /// The drill that a verification goes on with.
    pub(crate) fn of(verify: &VerifyArgs, plugin: &std::path::Path) -> Self {
        Self {
            pick: verify.pick.clone(),
            keys: verify.keys.clone(),
            into: None,
            plugin: Some(plugin.to_string_lossy().into_owned()),
            tool_paths: verify.tool_paths.clone(),
            allow_tools: verify.allow_tools.clone(),
            password_file: None,
            password: None,
            no_record: false,
            timeout: None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
All databases of the server are dumped, each as a backup of its own, unless one is named. What is in the folder is what \
`planb run` would have written there: `planb list`, `verify` and `restore` take the folder as a store.
Examples:
  planb dump --plugin postgres --db postgresql://admin@db/ --dir ./dumps --jobs 4
  planb upload --dir ./dumps --to s3://backups/pg")]
pub(crate) struct DumpArgs {
    #[command(flatten)]
    pub(crate) db: DbArgs,
    /// The folder
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// How the dump is compressed: zstd[:1-22], gzip[:1-9], none, or native (the tool does it)
    #[arg(long, default_value = "zstd", value_name = "HOW")]
    pub(crate) compress: String,
    /// How the dump is taken: stream, file, directory or tar [default: the engine's]
    #[arg(long, value_name = "MODE", value_parser = ["stream", "file", "directory", "tar"])]
    pub(crate) mode: Option<String>,
    /// Dump this many databases at once
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
    /// Further arguments for the dump tool, after `--`
    #[arg(last = true, value_name = "EXTRA ARGS")]
    pub(crate) extra: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// The folder
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The store: a URL, or a store of planb.toml by its name
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// The store: a URL, a folder, or a store of planb.toml by its name [default: that of the environment, or the only one of planb.toml]
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    /// The folder
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Which backups to copy.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// One backup: an id, the beginning of one, `latest`, or `at:TIME` [default: all]
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfArgs,
    /// Copy this many at once
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
    /// Copy a backup only if this minisign key signed its manifest
    #[arg(long = "trust-key", env = "PLANB_TRUST_KEY", value_delimiter = ',', value_name = "KEY|FILE")]
    pub(crate) trust_keys: Vec<String>,
}

/// A run's arguments alone, where later words beat earlier ones.
#[derive(Debug, Parser)]
#[command(name = "planb run", no_binary_name = true, args_override_self = true)]
struct Typed {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    run: RunArgs,
}

impl RestoreArgs {
    /// A restore that nobody typed anything of.
    pub(crate) fn untyped() -> Result<Self, clap::Error> {
        #[derive(Debug, Parser)]
        #[command(name = "planb restore", no_binary_name = true)]
        struct Typed {
            #[command(flatten)]
            restore: RestoreArgs,
        }
        Typed::try_parse_from(Vec::<String>::new()).map(|typed| typed.restore)
    }
}

impl RunArgs {
    /// The arguments of a run as if they were typed.
    pub(crate) fn typed(words: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        Typed::try_parse_from(words).map(|typed| typed.run)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DatabasesArgs {
    #[command(flatten)]
    pub(crate) db: DbArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
SIGHUP, or a changed file, reads the settings again; a file with mistakes changes nothing. SIGTERM and SIGINT begin no new run \
and wait for those under way, for as long as the grace time; a second signal ends at once.
Without a planb.toml the one job that the environment describes is served (docs/environment.md).")]
pub(crate) struct ServeArgs {
    /// Where the status page, health and metrics are [default: that of planb.toml, else 127.0.0.1:8080] [env: PLANB_LISTEN]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where state is kept over restarts
    #[arg(long, env = "PLANB_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port are wanted, as in 127.0.0.1:8080 or [::1]:8080".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// The job
    pub(crate) job: String,
    /// Drill its newest backup, instead of taking one
    #[arg(long)]
    pub(crate) drill: bool,
    /// The state folder of the `planb serve` that is asked
    #[arg(long, env = "PLANB_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The state folder of the `planb serve` that is asked
    #[arg(long, env = "PLANB_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read planb.toml, or the environment, and say what is wrong with it
    Check {
        /// Also reach every store and every database
        #[arg(long)]
        connect: bool,
    },
    /// Show every setting, without secrets, and where it came from
    Show,
    /// Write the stores of an rclone.conf as planb.toml has them, to stdout. Its secrets are written too: keep it where only you can read it
    Import {
        /// rclone.conf
        file: PathBuf,
        /// These with their path; the others get BUCKET in the place of one
        #[arg(value_name = "REMOTE:PATH")]
        remotes: Vec<String>,
    },
    /// Print the JSON Schema of planb.toml, for editors
    Schema,
    /// Read the settings of a running `planb serve` again
    Reload {
        /// The state folder of the `planb serve` that is asked
        #[arg(long, env = "PLANB_STATE_DIR", value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --live the suite starts throw-away servers of its own, with the programs that the plugin names for that.
Exit codes: 0 all passed, 4 something failed. What could not be run is named and is no failure.
Examples:
  planb plugin test postgres
  planb plugin test ./myengine.wasm --allow-tool mydump --allow-tool myload --output json
  planb plugin test mongodb --live mongodb://root@127.0.0.1/suite --into mongodb://root@127.0.0.1:27018/suite")]
pub(crate) struct PluginTestArgs {
    /// A name or a file
    pub(crate) plugin: String,
    /// An empty database to seed and back up, instead of a throw-away server
    #[arg(long, value_name = "URL")]
    pub(crate) live: Option<String>,
    /// An empty database to restore into [default: a throw-away server]
    #[arg(long, value_name = "URL", requires = "live")]
    pub(crate) into: Option<String>,
    /// A file with the password of both [env: DB_PASSWORD_FILE, DB_PASSWORD]
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(crate) password_file: Option<PathBuf>,
    /// An option of the engine, with --live
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = pair, requires = "live")]
    pub(crate) options: Vec<(String, String)>,
    /// Use this program for a tool of the plugin [env: PLANB_TOOL_PATH, folders separated by colons]
    #[arg(long = "tool-path", value_name = "TOOL=PATH", value_parser = pair)]
    pub(crate) tool_paths: Vec<(String, String)>,
    /// Let the plugin use this tool. Not needed for the plugins that planb was built with
    #[arg(long = "allow-tool", value_name = "TOOL")]
    pub(crate) allow_tools: Vec<String>,
    /// End the suite after this time: 90s, 30m
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<std::time::Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Put a plugin through the conformance suite: its plans, backups in each mode, restores, failures
    Test(PluginTestArgs),
    /// Show what a plugin is, what it can do and what it wants
    Inspect {
        /// A name or a file
        plugin: String,
    },
    /// Copy a plugin into your plugin folder and let it use tools from now on
    Add {
        /// A file
        file: PathBuf,
        /// Let it use this tool; can be given more than once [default: ask for all that it declares]
        #[arg(long = "allow-tool", value_name = "TOOL")]
        allow_tools: Vec<String>,
        /// Let it use all the tools that it declares
        #[arg(long)]
        allow_all: bool,
    },
    /// List the plugins that are found by name
    List,
    /// Take a plugin out of your plugin folder, and its grants back
    Remove {
        /// Its name
        plugin: String,
    },
}

/// Reads the command line; ends planb with a message where it cannot be.
pub(crate) fn parse() -> Cli {
    let matches = without_empty_env(Cli::command()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// A variable that is set to nothing, as compose files and Kubernetes have them, is not set.
fn without_empty_env(command: clap::Command) -> clap::Command {
    let unset = |arg: clap::Arg| match arg.get_env().map(std::env::var_os) {
        Some(Some(value)) if value.is_empty() => arg.env(None::<&str>),
        _ => arg,
    };
    command.mut_args(unset).mut_subcommands(without_empty_env)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it has to be KEY=VALUE".to_owned()),
    }
}

/// A time as people write it; a bare number is seconds, and 0 no limit at all.
fn time(text: &str) -> Result<std::time::Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(std::time::Duration::from_secs(seconds));
    }
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|time| time.try_into().ok())
        .ok_or_else(|| "it has to be a time such as 90s, 30m or 2h".to_owned())
}

/// `500GiB`, `2G`, or bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim().find(|c: char| !c.is_ascii_digit()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("it has to be a size such as 512MiB or 2GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "it has to be a size such as 512MiB or 2GiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "it is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!((size("10"), size("2G"), size("1 kb")), (Ok(10), Ok(2 << 30), Ok(1024)));
        assert!(size("much").is_err() && size("99999999999T").is_err() && size("").is_err());
    }

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(time("90"), Ok(std::time::Duration::from_secs(90)));
        assert_eq!(time("1h30m"), Ok(std::time::Duration::from_mins(90)));
        assert!(time("-5s").is_err() && time("soon").is_err());
    }
}
