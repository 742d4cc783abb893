//! Targets as a file of settings has them, `[notify.NAME]` with a `type`, and how they become targets.
//!
//! What holds a secret can be given in three ways: `url = "..."`, `url_file = "path"` or `url_env = "NAME"`. This crate
//! reads neither files nor the environment: [`TargetSettings::resolve`] asks for each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use planb_model::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::endpoint::EndpointError;
use crate::event::Kind;
use crate::target::Tls;
use crate::when::When;

/// A secret that stands in the settings themselves.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Inline(pub Secret);

impl<'de> Deserialize<'de> for Inline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|value| Self(Secret::new(value)))
    }
}

/// Where a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Here.
    Value(Secret),
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
}

/// A target as it is written down.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum TargetSettings {
    /// An incoming webhook of Slack, Mattermost or Rocket.Chat.
    Slack(ChatSettings),
    /// A webhook of a Discord channel.
    Discord(ChatSettings),
    /// The event as JSON to any address.
    Webhook(WebhookSettings),
    /// The callback protocol of the Plan B runner.
    Callback(CallbackSettings),
    /// Mail by SMTP.
    Email(EmailSettings),
    /// A dead man's switch in the manner of healthchecks.io.
    Ping(PingSettings),
    /// A push message by ntfy.
    Ntfy(NtfySettings),
}

/// Settings of `slack` and `discord`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChatSettings {
    /// The webhook's address, which is a secret.
    pub url: Option<Inline>,
    /// A file with the address.
    pub url_file: Option<PathBuf>,
    /// A variable with the address.
    pub url_env: Option<String>,
    /// Which outcomes are told.
    pub on: When,
    /// What is told about; without it everything.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Settings of `webhook`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// The address.
    pub url: Option<Inline>,
    /// A file with the address.
    pub url_file: Option<PathBuf>,
    /// A variable with the address.
    pub url_env: Option<String>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Inline>,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A variable with the token.
    pub token_env: Option<String>,
    /// The key with which body and time are signed.
    pub secret: Option<Inline>,
    /// A file with the key.
    pub secret_file: Option<PathBuf>,
    /// A variable with the key.
    pub secret_env: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Inline>,
    /// Also told when something begins.
    pub started: bool,
    /// Which outcomes are told.
    pub on: When,
    /// What is told about; without it everything.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Settings of `callback`. It is told of every beginning.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackSettings {
    /// The address; metadata goes to `/metadata` below it.
    pub url: Option<Inline>,
    /// A file with the address.
    pub url_file: Option<PathBuf>,
    /// A variable with the address.
    pub url_env: Option<String>,
    /// Sent as `Authorization: Bearer`, and the key of the signature.
    pub secret: Option<Inline>,
    /// A file with it.
    pub secret_file: Option<PathBuf>,
    /// A variable with it.
    pub secret_env: Option<String>,
    /// Which outcomes are told; without it every one.
    pub on: Option<When>,
    /// What is told about; without it runs and restores.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Settings of `email`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmailSettings {
    /// The mail server.
    pub host: String,
    /// Its port; without it that of `tls`: 587, 465 or 25.
    pub port: Option<u16>,
    /// `starttls`, `tls` or `none`.
    pub tls: Tls,
    /// The account, where the server wants one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Inline>,
    /// A file with the password.
    pub password_file: Option<PathBuf>,
    /// A variable with the password.
    pub password_env: Option<String>,
    /// The sender: `Plan B <planb@example.org>`.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// Which outcomes are told.
    pub on: When,
    /// What is told about; without it everything.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Settings of `ping`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PingSettings {
    /// The address that says all is well; `/start` and `/fail` go below it.
    pub url: Option<Inline>,
    /// A file with the address.
    pub url_file: Option<PathBuf>,
    /// A variable with the address.
    pub url_env: Option<String>,
    /// Also pings `/start` when something begins.
    pub started: bool,
    /// Which outcomes are told; without it every one.
    pub on: Option<When>,
    /// What is told about; without it runs.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

impl Default for PingSettings {
    fn default() -> Self {
        Self { url: None, url_file: None, url_env: None, started: true, on: None, kinds: None, ca_file: None }
    }
}

/// Settings of `ntfy`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NtfySettings {
    /// Server and topic: `https://ntfy.sh/TOPIC`.
    pub url: Option<Inline>,
    /// A file with it.
    pub url_file: Option<PathBuf>,
    /// A variable with it.
    pub url_env: Option<String>,
    /// An access token.
    pub token: Option<Inline>,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A variable with the token.
    pub token_env: Option<String>,
    /// 1 to 5, for every message; without it by how bad it is.
    #[schemars(range(min = 1, max = 5))]
    pub priority: Option<u8>,
    /// Which outcomes are told.
    pub on: When,
    /// What is told about; without it everything.
    pub kinds: Option<Vec<Kind>>,
    /// Certificates of authorities to trust beside the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Why settings make no target. All of them are the settings' fault; none repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A setting without which nothing can be sent.
    #[error("`{0}` is missing")]
    Missing(String),
    /// The same thing in two ways.
    #[error("`{first}` and `{second}` are both set; keep one of them")]
    Twice {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A file or a variable cannot be read.
    #[error("`{key}`: {why}")]
    Secret {
        /// Which setting.
        key: String,
        /// What the reader said.
        why: String,
    },
    /// A value that is none of its kind.
    #[error("`{key}` {why}")]
    Wrong {
        /// Which setting.
        key: String,
        /// Why.
        why: String,
    },
}

impl SettingsError {
    pub(crate) fn url(key: &str, why: EndpointError) -> Self {
        Self::wrong(key, why)
    }

    pub(crate) fn wrong(key: &str, why: impl fmt::Display) -> Self {
        Self::Wrong { key: key.to_owned(), why: why.to_string() }
    }
}
