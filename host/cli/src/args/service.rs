//! Of `planb serve`, of who asks it, and of its settings.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::address;

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
