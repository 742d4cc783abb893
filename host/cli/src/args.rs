//! What can be typed: the commands, their flags and their help texts. No logic.

mod backups;
mod service;
mod values;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use planb_config::StoreConfig;
use planb_model::secret::Secret;

pub(crate) use backups::{
    DrillArgs, HoldArgs, KeyArgs, ListArgs, OfArgs, PickArgs, PruneArgs, RestoreArgs, RuleArgs, VerifyArgs,
};
pub(crate) use service::{ConfigCommand, ServeArgs, StatusArgs, TriggerArgs};
use values::{pair, time};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        Cli::command().debug_assert();
    }
}
