//! Of commands on backups that there are: which one, what opens it, what becomes of it.

use std::path::PathBuf;

use clap::{Args, Parser};
use planb_model::secret::Secret;

use super::DbArgs;
use super::values::{pair, size, time};

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
