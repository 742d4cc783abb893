//! `[serve]`: what the long-running planb itself needs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use planb_model::secret::Secret;

use crate::keys::SERVE;
use crate::show::{Shown, list};
use crate::value::{Secrecy, Settings};

/// The settings of `planb serve`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeConfig {
    /// Where the page, health and metrics are.
    pub listen: SocketAddr,
    /// Who shows it may trigger runs. None: nobody may.
    pub token: Option<Secret>,
    /// Names by which the page may be asked for, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Runs at once.
    pub concurrency: usize,
    /// Where state is kept. None: the user's usual place.
    pub state_dir: Option<PathBuf>,
    /// How long runs may go on after a signal to stop.
    pub grace: Duration,
    settings: Settings,
}

/// Where a file says that state is kept, whatever else is wrong with it. None: it says nothing, or cannot be read at all.
pub fn state_dir(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let path = match text.parse::<toml::Table>() {
        Ok(table) => table.get("serve")?.as_table()?.get("state_dir")?.as_str()?.to_owned(),
        // A quote that is missing elsewhere: the line itself may still say it.
        Err(_) => text.lines().find_map(|line| {
            let table: toml::Table = line.parse().ok()?;
            table.get("state_dir")?.as_str().map(str::to_owned)
        })?,
    };
    Some(file.parent().unwrap_or(Path::new("")).join(path))
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self::of(Settings::default())
    }
}

impl ServeConfig {
    pub(crate) fn of(settings: Settings) -> Self {
        Self {
            listen: settings
                .text("listen")
                .and_then(|text| text.parse().ok())
                .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            token: settings.secret("token"),
            hosts: settings.texts("hosts").unwrap_or_default(),
            concurrency: settings.count("concurrency").and_then(|count| usize::try_from(count).ok()).unwrap_or(2),
            state_dir: settings.text("state_dir").map(PathBuf::from),
            grace: settings.duration("grace").unwrap_or(Duration::from_secs(30)),
            settings,
        }
    }

    /// Each setting with its value and origin, for `planb config show`.
    pub fn shown(&self) -> Vec<Shown> {
        list("serve", &self.settings, SERVE)
    }

    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> toml::Table {
        self.settings.to_toml(secrecy)
    }
}
