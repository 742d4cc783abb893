//! Values of settings with their origins, before and after defaults are laid under them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use planb_model::secret::Secret;
use toml::{Table, Value as Toml};

use crate::origin::Origin;
use crate::units::{show_duration, show_size};

/// What a hook runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookCommand {
    /// A program and its arguments. No shell looks at them.
    Argv(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

/// A value that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Toggle(bool),
    Count(u64),
    Duration(Duration),
    Size(u64),
    Texts(Vec<String>),
    Map(BTreeMap<String, String>),
    Secret(Secret),
    Url(Secret),
    Secrets(BTreeMap<String, Secret>),
    Command(HookCommand),
    Table(Settings),
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// The values of one table. Two are equal if they say the same, wherever it was said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<&'static str, Located>,
    /// Keys whose values were wrong, which is said already.
    wrong: BTreeSet<&'static str>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let values = |settings: &Self| -> Vec<(&'static str, Value)> {
            settings.values.iter().map(|(key, located)| (*key, located.value.clone())).collect()
        };
        values(self) == values(other)
    }
}

impl Eq for Settings {}

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// As `***`.
    Redacted,
    /// As it is. For a file that only its owner can read.
    Exposed,
}

impl Settings {
    pub(crate) fn set(&mut self, key: &'static str, value: Value, origin: Origin) {
        self.values.insert(key, Located { value, origin });
    }

    pub(crate) fn set_wrong(&mut self, key: &'static str) {
        self.wrong.insert(key);
    }

    /// Whether somebody said something, even if it was wrong.
    pub(crate) fn said(&self, key: &str) -> bool {
        self.has(key) || self.wrong.contains(key)
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Located> {
        self.values.remove(key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.wrong.is_empty()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Located> {
        self.values.get(key)
    }

    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::BuiltIn, |located| located.origin.clone())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Located)> {
        self.values.iter().map(|(key, located)| (*key, located))
    }

    /// Lays defaults under these values: what is said here wins. Tables whose keys stand for themselves are joined
    /// key by key; rules of retention are one statement and are not mixed.
    pub(crate) fn under(&mut self, defaults: &Self) {
        self.wrong.extend(&defaults.wrong);
        for (key, below) in &defaults.values {
            match self.values.get_mut(key) {
                None => {
                    self.values.insert(key, below.clone());
                }
                Some(above) => match (&mut above.value, &below.value) {
                    (Value::Map(above), Value::Map(below)) => lay(above, below),
                    (Value::Secrets(above), Value::Secrets(below)) => lay(above, below),
                    (Value::Table(above), Value::Table(below)) if *key != "retention" => above.under(below),
                    _ => {}
                },
            }
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(crate) fn toggle(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Toggle(on) => Some(*on),
            _ => None,
        }
    }

    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Count(count) => Some(*count),
            _ => None,
        }
    }

    pub(crate) fn count32(&self, key: &str) -> Option<u32> {
        self.count(key).and_then(|count| u32::try_from(count).ok())
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        match self.value(key)? {
            Value::Duration(time) => Some(*time),
            _ => None,
        }
    }

    pub(crate) fn size(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Size(bytes) => Some(*bytes),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Option<Vec<String>> {
        match self.value(key)? {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    pub(crate) fn map(&self, key: &str) -> Option<BTreeMap<String, String>> {
        match self.value(key)? {
            Value::Map(map) => Some(map.clone()),
            _ => None,
        }
    }

    pub(crate) fn secret(&self, key: &str) -> Option<Secret> {
        match self.value(key)? {
            Value::Secret(secret) | Value::Url(secret) => Some(secret.clone()),
            _ => None,
        }
    }

    pub(crate) fn secrets(&self, key: &str) -> Option<BTreeMap<String, Secret>> {
        match self.value(key)? {
            Value::Secrets(secrets) => Some(secrets.clone()),
            _ => None,
        }
    }

    pub(crate) fn command(&self, key: &str) -> Option<HookCommand> {
        match self.value(key)? {
            Value::Command(command) => Some(command.clone()),
            _ => None,
        }
    }

    pub(crate) fn table(&self, key: &str) -> Option<&Self> {
        match self.value(key)? {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(|located| &located.value)
    }

    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> Table {
        self.values.iter().map(|(key, located)| ((*key).to_owned(), located.value.to_toml(secrecy))).collect()
    }
}

impl Value {
    /// As it stands in a file.
    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> Toml {
        let text = |text: &str| Toml::String(text.to_owned());
        let texts = |texts: &[String]| Toml::Array(texts.iter().map(|one| text(one)).collect());
        let secret = |secret: &Secret| match secrecy {
            Secrecy::Redacted => text("***"),
            Secrecy::Exposed => text(secret.expose()),
        };
        match self {
            Self::Text(value) => text(value),
            Self::Toggle(on) => Toml::Boolean(*on),
            Self::Count(count) => Toml::Integer(i64::try_from(*count).unwrap_or(i64::MAX)),
            Self::Duration(time) => text(&show_duration(*time)),
            Self::Size(bytes) => text(&show_size(*bytes)),
            Self::Texts(values) => texts(values),
            Self::Map(map) => Toml::Table(map.iter().map(|(key, value)| (key.clone(), text(value))).collect()),
            Self::Secret(value) => secret(value),
            Self::Url(url) if secrecy == Secrecy::Redacted => text(&shown_url(url.expose())),
            Self::Url(url) => secret(url),
            Self::Secrets(map) => Toml::Table(map.iter().map(|(key, value)| (key.clone(), secret(value))).collect()),
            Self::Command(HookCommand::Argv(argv)) => texts(argv),
            Self::Command(HookCommand::Shell(line)) => text(line),
            Self::Table(settings) => Toml::Table(settings.to_toml(secrecy)),
        }
    }
}

fn lay<V: Clone>(above: &mut BTreeMap<String, V>, below: &BTreeMap<String, V>) {
    for (key, value) in below {
        above.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Names in a URL's query whose values are not shown.
const HIDDEN: [&str; 5] = ["pass", "secret", "token", "key", "credential"];

/// A URL without what may be secret in it.
pub(crate) fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    // The last `@`: a password that was not encoded may hold one, or a slash.
    let rest = match rest.rsplit_once('@') {
        Some((account, host)) => match account.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => rest.to_owned(),
        },
        // A password with a `?` in it that was not encoded: what is behind the colon is no port.
        None => match rest.split('/').next().and_then(|authority| authority.split_once(':')) {
            Some((user, port)) if !user.starts_with('[') && !port.bytes().all(|b| b.is_ascii_digit() || b == b',') => {
                return format!("{scheme}://{user}:***");
            }
            _ => rest.to_owned(),
        },
    };
    let Some(query) = query else { return format!("{scheme}://{rest}") };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if HIDDEN.iter().any(|word| name.to_ascii_lowercase().contains(word)) => {
                format!("{name}=***")
            }
            _ => pair.to_owned(),
        })
        .collect();
    format!("{scheme}://{rest}?{}", pairs.join("&"))
}

/// Whether a URL holds a password or something like it.
pub(crate) fn holds_secret(url: &str) -> bool {
    shown_url(url) != url
}

impl fmt::Display for Value {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_toml(Secrecy::Redacted).fmt(f)
    }
}
