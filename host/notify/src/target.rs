//! Where messages go, with every secret in its place: what [`TargetSettings`](crate::TargetSettings) are resolved to.

use std::fmt;

use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::email::Server;
use crate::endpoint::Endpoint;
use crate::event::{Event, Kind, Phase, Status};
use crate::when::When;

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// In clear first, then encrypted, or not at all: port 587.
    #[default]
    Starttls,
    /// Encrypted from the first byte: port 465.
    Tls,
    /// In clear: port 25.
    None,
}

/// One place to which messages go, and which it gets.
#[derive(Clone)]
pub struct Target {
    pub(crate) when: When,
    pub(crate) kinds: Vec<Kind>,
    /// Whether it is told of beginnings too.
    pub(crate) started: bool,
    /// Certificates of authorities to trust beside the system's, in PEM.
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) channel: Channel,
}

/// The kinds of places.
#[derive(Debug, Clone)]
pub(crate) enum Channel {
    Slack(Endpoint),
    Discord(Endpoint),
    Webhook { endpoint: Endpoint, bearer: Option<Secret>, signing: Option<Secret>, headers: HeaderMap },
    Callback { endpoint: Endpoint, secret: Option<Secret> },
    Email(Box<Server>),
    Ping(Endpoint),
    Ntfy { endpoint: Endpoint, topic: String, token: Option<Secret>, priority: Option<u8> },
}

pub(crate) const ALL_KINDS: [Kind; 6] = [Kind::Run, Kind::Restore, Kind::Drill, Kind::Prune, Kind::Stale, Kind::Hung];

impl Target {
    /// Its type, as settings name it.
    pub fn type_name(&self) -> &'static str {
        match self.channel {
            Channel::Slack(_) => "slack",
            Channel::Discord(_) => "discord",
            Channel::Webhook { .. } => "webhook",
            Channel::Callback { .. } => "callback",
            Channel::Email(_) => "email",
            Channel::Ping(_) => "ping",
            Channel::Ntfy { .. } => "ntfy",
        }
    }

    /// The host that it speaks to: all of its address that may be shown.
    pub fn host(&self) -> String {
        match &self.channel {
            Channel::Slack(endpoint)
            | Channel::Discord(endpoint)
            | Channel::Ping(endpoint)
            | Channel::Webhook { endpoint, .. }
            | Channel::Callback { endpoint, .. }
            | Channel::Ntfy { endpoint, .. } => endpoint.host(),
            Channel::Email(server) => format!("{}:{}", server.host, server.port),
        }
    }

    /// Whether it is told of this event.
    pub fn wants(&self, event: &Event) -> bool {
        if !self.kinds.contains(&event.kind) {
            return false;
        }
        if event.phase == Phase::Started && event.kind != Kind::Hung {
            return self.started;
        }
        if matches!(self.channel, Channel::Ping(_)) && event.status == Status::Skipped {
            return false;
        }
        self.when.wants(event)
    }

    /// Hides everything secret of it.
    pub(crate) fn redactor(&self) -> Redactor {
        let mut secrets: Vec<Secret> = Vec::new();
        match &self.channel {
            Channel::Slack(endpoint) | Channel::Discord(endpoint) | Channel::Ping(endpoint) => {
                secrets.extend(endpoint.secrets());
            }
            Channel::Webhook { endpoint, bearer, signing, headers } => {
                secrets.extend(endpoint.secrets());
                secrets.extend(bearer.iter().chain(signing).cloned());
                let values = headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
                secrets.extend(values.map(Secret::new));
            }
            Channel::Callback { endpoint, secret } => {
                secrets.extend(endpoint.secrets());
                secrets.extend(secret.clone());
            }
            Channel::Email(server) => secrets.extend(server.login.iter().map(|(_, password)| password.clone())),
            Channel::Ntfy { endpoint, topic, token, .. } => {
                secrets.extend(endpoint.secrets());
                secrets.push(Secret::new(topic.clone()));
                secrets.extend(token.clone());
            }
        }
        Redactor::new(&secrets)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.type_name(), self.host())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::settings::{SecretSource, TargetSettings};
    use serde_json::json;

    fn target(json: serde_json::Value) -> Target {
        let settings: TargetSettings = serde_json::from_value(json).unwrap();
        let read = |source| match source {
            SecretSource::Value(secret) => Ok(secret),
            _ => Err("no"),
        };
        settings.resolve(&read).unwrap()
    }

    fn wanted(target: &Target, kind: Kind) -> [bool; 3] {
        let event = |phase, status| Event::new(kind, phase, status, "nightly");
        [
            event(Phase::Started, Status::Running),
            event(Phase::Finished, Status::Success),
            event(Phase::Finished, Status::Failed),
        ]
        .map(|event| target.wants(&event))
    }

    #[test]
    fn each_hears_what_it_is_for() {
        let chat = target(json!({"type": "slack", "url": "https://h/x"}));
        assert_eq!(wanted(&chat, Kind::Run), [false, false, true]);
        assert_eq!(wanted(&chat, Kind::Prune), [false, false, true]);
        // It did not begin, it does not end: that is told although nothing is finished.
        assert_eq!(wanted(&chat, Kind::Hung), [true; 3]);
        let callback = target(json!({"type": "callback", "url": "https://h/x"}));
        assert_eq!(wanted(&callback, Kind::Restore), [true; 3]);
        assert_eq!(wanted(&callback, Kind::Prune), [false; 3]);
        let ping = target(json!({"type": "ping", "url": "https://h/x"}));
        assert_eq!(wanted(&ping, Kind::Run), [true; 3]);
        assert_eq!(wanted(&ping, Kind::Drill), [false; 3]);
        let drills = target(
            json!({"type": "ping", "url": "https://h/x", "kinds": ["drill"], "started": false, "on": "failure"}),
        );
        assert_eq!(wanted(&drills, Kind::Drill), [false, false, true]);
        let webhook = target(json!({"type": "webhook", "url": "https://h/x", "started": true, "on": "success"}));
        assert_eq!(wanted(&webhook, Kind::Run), [true, true, false]);
    }
}
