//! Errors of running tools.
//!
//! Policy: what a tool *does* (its exit code, its last words) is no error here but an [`crate::Exit`], which the plugin
//! explains; errors are what keeps a tool from being run as planned. No message holds a secret: values that could
//! pass through [`planb_model::argv`] and [`planb_model::secret`], which name and do not show them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use planb_model::Blame;

/// Why a tool was not run, or not to its end.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ToolError {
    #[error("the tool `{id}` is not here: looked for {programs} in {searched}")]
    Missing { id: String, programs: String, searched: String, install_hint: Option<String> },
    #[error("the tool `{id}` was to be {path}: {why}")]
    BadPath { id: String, path: PathBuf, why: String },
    #[error("the tool `{id}` at {path} is version {version}; this plugin needs {needs}")]
    Version { id: String, path: PathBuf, version: String, needs: String, install_hint: Option<String> },
    #[error("the tool `{id}` at {path} does not tell its version: {detail}")]
    Probe { id: String, path: PathBuf, detail: String },
    /// The file is not the one that was found and approved.
    #[error("the tool `{id}`: {what}")]
    Replaced { id: String, what: String },
    #[error(transparent)]
    Unfit(Arc<ToolError>),
    #[error("the plugin may not use the tool `{id}`")]
    NotGranted { id: String },
    #[error(transparent)]
    Arg(#[from] planb_model::argv::ArgError),
    #[error(transparent)]
    Secret(#[from] planb_model::secret::SecretError),
    /// A plugin's plan or its tool made it what it is.
    #[error("the plan's {path:?} is a link, or behind one, or no plain file: nothing of it is read or written")]
    NotPlain { path: String },
    #[error("the private work directory {path} cannot be used: {source}")]
    Work { path: PathBuf, source: std::io::Error },
    #[error("`{id}` cannot be started: {source}")]
    Start { id: String, source: std::io::Error },
    #[error("`{id}` printed more than {limit} bytes where an answer was expected")]
    TooMuch { id: String, limit: usize },
    #[error("`{}` did not end within {}", .0.id, humane(.0.after))]
    Timeout(TimedOut),
    #[error("interrupted")]
    Cancelled,
    #[error("talking to `{id}` failed: {source}")]
    Pipe { id: String, source: std::io::Error },
}

/// Which tool was stopped, and when.
#[derive(Debug)]
pub struct TimedOut {
    /// Its id in the plugin.
    pub id: String,
    /// Its time.
    pub after: Duration,
}

fn humane(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

impl ToolError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unfit(error) => error.blame(),
            Self::Missing { .. }
            | Self::Version { .. }
            | Self::Probe { .. }
            | Self::Replaced { .. }
            | Self::Start { .. }
            | Self::TooMuch { .. }
            | Self::Timeout(_)
            | Self::Pipe { .. } => Blame::Tool,
            Self::NotPlain { .. } => Blame::Plugin,
            Self::BadPath { .. }
            | Self::NotGranted { .. }
            | Self::Arg(_)
            | Self::Secret(_)
            | Self::Work { .. }
            | Self::Cancelled => Blame::Settings,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit(error) => error.hint(),
            Self::Missing { id, install_hint, .. } | Self::Version { id, install_hint, .. } => {
                let install = install_hint.as_ref().map(|hint| format!("install {hint}, or ")).unwrap_or_default();
                Some(format!("{install}point to it with --tool-path {id}=/path/to/it"))
            }
            Self::Replaced { .. } => Some(
                "if it was upgraded just now, run this again: tools are looked for anew each time; otherwise find out who changed it"
                    .to_owned(),
            ),
            Self::Work { .. } => {
                Some("use another place with --work-dir, one with room that only you can write to".to_owned())
            }
            _ => None,
        }
    }
}
