//! Errors as people and scripts get them. The one place that gives hints and exit codes.

use planb_model::Blame;
use planb_model::connection::ConnectionError;
use planb_model::engine::FailureCode;
use planb_model::redact::strip_control;
use planb_model::select::SelectError;
use planb_pipeline::RunError;
use planb_plugin::{PluginError, TrustError};
use planb_store::{StoreError, StoreErrorKind};
use planb_tool::ToolError;
use serde_json::json;

use crate::exit::Exit;

/// Everything that a command can end with.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) message: String,
    pub(crate) blame: Blame,
    pub(crate) hint: Option<String>,
    /// The tool's own last words.
    pub(crate) last_words: Option<String>,
    pub(crate) exit: Exit,
}

impl Report {
    /// Something about what was typed or set.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), blame: Blame::Settings, hint: None, last_words: None, exit: Exit::Usage }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For stderr.
    pub(crate) fn text(&self, colour: bool) -> String {
        let (red, bold, off) = if colour { ("\x1b[31;1m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut out = if self.exit == Exit::Interrupted {
            // Nobody's fault.
            format!("{}\n", strip_control(&self.message))
        } else {
            format!("{red}error{off} ({}): {}\n", self.blame, strip_control(&self.message))
        };
        if let Some(words) = self.last_words.as_ref().filter(|words| !words.is_empty()) {
            for line in strip_control(words).lines() {
                out.push_str("  | ");
                out.push_str(line);
                out.push('\n');
            }
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("{bold}hint{off}: {}\n", strip_control(hint)));
        }
        out
    }

    /// For `--output json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "message": strip_control(&self.message),
            "blame": self.blame,
            "hint": self.hint,
            "last_words": self.last_words,
            "exit_code": self.exit as u8,
        })
    }
}

impl From<RunError> for Report {
    fn from(error: RunError) -> Self {
        let blame = error.blame();
        let message = error.to_string();
        let report =
            |exit, hint: Option<String>| Self { message: message.clone(), blame, hint, last_words: None, exit };
        match error {
            RunError::Plugin(error) => error.into(),
            RunError::Store(error) => error.into(),
            RunError::Tool(error) => error.into(),
            RunError::AllStores(errors) => report(Exit::Failed, errors.iter().find_map(StoreError::hint)),
            RunError::NotGranted { plugin, sha256, hint, .. } => report(
                Exit::Plugin,
                Some(format!(
                    "if you trust it with them, say so for this run with {hint}, or for good with: planb plugin add {plugin} {hint} (sha256 {sha256})"
                )),
            ),
            RunError::Refused(failure) => {
                let exit = if failure.blame == Blame::Plugin {
                    Exit::Plugin
                } else if failure.blame == Blame::Settings {
                    Exit::Usage
                } else {
                    Exit::Failed
                };
                Self { message: failure.message, blame, hint: failure.hint, last_words: None, exit }
            }
            RunError::ToolFailed { tool, end, failure, last_words } => {
                let refused = failure.code == FailureCode::InvalidRequest;
                Self {
                    message: format!("{} ({tool}: {end})", failure.message),
                    blame,
                    hint: failure.hint,
                    last_words: Some(last_words),
                    exit: if refused { Exit::Usage } else { Exit::Failed },
                }
            }
            RunError::Settings(_) => report(Exit::Usage, None),
            RunError::Occupied { .. } => report(
                Exit::Failed,
                Some("restore into a database that is new or empty, or add --replace to lose what it holds".to_owned()),
            ),
            RunError::UnknownTarget { .. } => {
                report(Exit::Failed, Some("look yourself, and add --replace if what it may hold can go".to_owned()))
            }
            RunError::Damaged { .. } => report(
                Exit::Verification,
                Some("restore another backup: planb list shows them; planb verify checks one".to_owned()),
            ),
            RunError::Leaving(_) => report(
                Exit::Failed,
                Some("try again in 5 minutes (in an hour, if that prune still runs): by then it is gone or free; planb list shows the others".to_owned()),
            ),
            RunError::Gone(_) => report(Exit::Failed, Some("planb list shows what is there".to_owned())),
            RunError::Untrusted { .. } => report(
                Exit::Verification,
                Some("if it was made before signing began, or by another key, name that key with --trust-key, or none; otherwise somebody forged it".to_owned()),
            ),
            RunError::Busy { .. } => report(
                Exit::Failed,
                Some("nothing was begun; wait for it with --wait-lock TIME. After a crash on another host its lease ends within 4 minutes".to_owned()),
            ),
            RunError::NeedsKey(_) => report(
                Exit::Usage,
                Some("give the secret key with --identity FILE, or --passphrase-file FILE".to_owned()),
            ),
            RunError::WrongKey(_) => {
                report(Exit::Failed, Some("planb show tells to which public keys it was encrypted".to_owned()))
            }
            RunError::Incomplete { .. } => {
                report(Exit::Failed, Some("nothing was kept; look at the tool's log and run it again".to_owned()))
            }
            RunError::Empty(_) => {
                report(Exit::Failed, Some("nothing was kept; check that the database is the one you mean".to_owned()))
            }
            RunError::Work(error) => {
                let full = error.kind() == std::io::ErrorKind::StorageFull;
                report(
                    Exit::Failed,
                    full.then(|| {
                        "the disk of the work directory is full: use another with --work-dir, or --mode stream"
                            .to_owned()
                    }),
                )
            }
            RunError::Timeout(_) => report(Exit::Failed, Some("give it more time with --timeout".to_owned())),
            RunError::Stalled(_) => {
                report(Exit::Failed, Some("look for locks in the database; more patience: --stall-timeout".to_owned()))
            }
            RunError::Interrupted => report(Exit::Interrupted, None),
            RunError::Internal(_) => {
                report(Exit::Failed, Some("this is a mistake in planb; please report it".to_owned()))
            }
        }
    }
}

impl From<PluginError> for Report {
    fn from(error: PluginError) -> Self {
        let hint = match &error {
            PluginError::NotFound { .. } => {
                Some("planb plugin list shows what is there; --plugin-dir names another folder".to_owned())
            }
            PluginError::ContractVersion { newer: true, .. } => {
                Some("upgrade planb, or use an older release of the plugin".to_owned())
            }
            PluginError::ContractVersion { newer: false, .. } => {
                Some("upgrade the plugin: rebuild it with the current planb-sdk".to_owned())
            }
            PluginError::OtherWorld { .. } => {
                Some("a plugin exports planb:engine/engine; see wit/ and the planb-sdk crate".to_owned())
            }
            PluginError::ForbiddenImport { .. } | PluginError::UnknownImport { .. } => {
                Some("build it with no more than wasi:cli and wasi:io; see the planb-sdk crate".to_owned())
            }
            PluginError::NotAComponent { .. } | PluginError::Invalid { .. } | PluginError::WrongShape { .. } => {
                Some("build it with the planb-sdk crate: cargo build --release --target wasm32-wasip2".to_owned())
            }
            PluginError::Fuel { .. }
            | PluginError::Memory { .. }
            | PluginError::Time { .. }
            | PluginError::Trap { .. } => Some("this is a mistake in the plugin; tell its author".to_owned()),
            _ => None,
        };
        // A name that is mistyped is the user's, a file that is none is the plugin's.
        let blame = if matches!(error, PluginError::NotFound { .. } | PluginError::Read { .. }) {
            Blame::Settings
        } else {
            Blame::Plugin
        };
        Self { message: error.to_string(), blame, hint, last_words: None, exit: Exit::Plugin }
    }
}

impl From<StoreError> for Report {
    fn from(error: StoreError) -> Self {
        let exit = if error.kind == StoreErrorKind::Settings { Exit::Usage } else { Exit::Failed };
        Self {
            message: error.to_string(),
            blame: planb_pipeline::blame_of(&error),
            hint: error.hint(),
            last_words: None,
            exit,
        }
    }
}

impl From<ToolError> for Report {
    fn from(error: ToolError) -> Self {
        let exit = match &error {
            ToolError::BadPath { .. } | ToolError::Arg(_) | ToolError::Secret(_) => Exit::Usage,
            ToolError::NotGranted { .. } | ToolError::NotPlain { .. } => Exit::Plugin,
            ToolError::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        };
        Self { message: error.to_string(), blame: error.blame(), hint: error.hint(), last_words: None, exit }
    }
}

macro_rules! settings {
    ($($error:ty),*) => {
        $(impl From<$error> for Report {
            fn from(error: $error) -> Self {
                Self::usage(error.to_string())
            }
        })*
    };
}
settings!(
    ConnectionError,
    TrustError,
    planb_model::compression::CompressionError,
    planb_model::name::NameError,
    planb_model::settings::SettingError
);

impl From<planb_store::StoreUrlError> for Report {
    fn from(error: planb_store::StoreUrlError) -> Self {
        Self::usage(format!("the store {}: {error}", error.shown))
    }
}

impl From<SelectError> for Report {
    fn from(error: SelectError) -> Self {
        let hint = match &error {
            SelectError::AmbiguousDatabase { .. } => Some("say which with --source-database NAME".to_owned()),
            SelectError::AmbiguousServer { .. } => Some("say which with --source-server HOST:PORT".to_owned()),
            SelectError::AmbiguousId { .. } | SelectError::Malformed(_) => None,
            _ => Some("planb list shows what there is".to_owned()),
        };
        let exit = if matches!(
            error,
            SelectError::Malformed(_)
                | SelectError::AmbiguousDatabase { .. }
                | SelectError::AmbiguousServer { .. }
                | SelectError::AmbiguousId { .. }
        ) {
            Exit::Usage
        } else {
            Exit::Failed
        };
        Self { message: error.to_string(), blame: Blame::Settings, hint, last_words: None, exit }
    }
}
