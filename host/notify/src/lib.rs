//! Messages about runs, restores, drills, prunes and staleness, to where people and machines read them.
//!
//! An [`Event`] says what happened. A [`Notifier`] brings it to every [`Target`] that wants it, all at the same time,
//! each with its own limit of time and its own retries, and answers with one [`Delivery`] each. Nothing here can fail a
//! backup.
//!
//! Targets are written as [`TargetSettings`] in a file of settings; somebody who may read files and the environment
//! resolves their secrets ([`TargetSettings::resolve`]). A URL with a token in it never reaches an error or a log: they
//! show hosts.

mod callback;
mod discord;
mod email;
mod endpoint;
mod event;
mod http;
mod message;
mod notifier;
mod ntfy;
mod ping;
mod resolve;
mod retry;
mod settings;
mod sign;
mod slack;
mod target;
mod webhook;
mod when;
mod words;

pub use event::{
    Change, Event, Kind, Phase, Previous, Problem, Pruned, SCHEMA, Staleness, Status, StoreResult, Wanted,
};
pub use message::{Fact, Message, Tone};
pub use notifier::{Delivery, Notifier};
pub use retry::Limits;
pub use settings::{
    CallbackSettings, ChatSettings, EmailSettings, Inline, NtfySettings, PingSettings, SecretSource, SettingsError,
    TargetSettings, WebhookSettings,
};
pub use sign::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
pub use target::{Target, Tls};
pub use when::When;
