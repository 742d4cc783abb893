//! What a key takes, and how a text becomes its value.

use std::net::SocketAddr;

use planb_model::compression::Compression;
use planb_model::name::NameTemplate;
use planb_model::retention::Retention;
use planb_model::schedule::Schedule;
use planb_model::secret::Secret;

use crate::keys::Key;
use crate::retention::NECTGMBH;
use crate::units;
use crate::value::{HookCommand, Value};

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text but an empty one.
    Text,
    /// A file or folder. A relative one is looked for beside planb.toml.
    Path,
    /// `true` or `false`.
    Toggle,
    /// A whole number from the first to the second.
    Count(u64, u64),
    /// A time with its unit.
    Duration,
    /// A size with its unit, in bytes from the first to the second.
    Size(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A table of texts.
    Map,
    /// A table of files.
    Paths,
    /// A table of times, by a strftime format.
    Periods,
    /// A secret: `KEY`, `KEY_file` or `KEY_env`.
    Secret,
    /// A database's URL, which may hold a password: `KEY`, `KEY_file` or `KEY_env`.
    Url,
    /// A table of secrets by their names, each as a secret.
    Secrets,
    /// A program with its arguments as a list, or a line for the shell as a text.
    Command,
    /// `zstd[:1-22]`, `gzip[:1-9]`, `none` or `native`.
    Compression,
    /// The template of a backup's name.
    Name,
    /// `0 3 * * *`, `every 6h` or `once`.
    Schedule,
    /// The name of a time zone.
    Timezone,
    /// `HOST:PORT`, with an address as the host.
    Address,
    /// A list of age public keys.
    Recipients,
    /// A table of keys.
    Table(&'static [Key]),
}

/// The ends of "it takes ..." that are needed more than once.
const TEXT: &str = "a text that is not empty";

impl Kind {
    /// What it takes, in words.
    pub fn takes(self) -> String {
        match self {
            Self::Text => TEXT.to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Toggle => "true or false".to_owned(),
            Self::Count(0, most) if most == u64::from(u32::MAX) => "a whole number".to_owned(),
            Self::Count(least, u64::MAX) => format!("a whole number from {least} on"),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Duration => "a time with its unit, as in 90s, 30m, 6h or 7d".to_owned(),
            Self::Size(0, _) => "a size with its unit, as in 512MiB or 5GiB".to_owned(),
            Self::Size(least, u64::MAX) => format!("a size of at least {}", units::show_size(least)),
            Self::Size(least, most) => format!("a size from {} to {}", units::show_size(least), units::show_size(most)),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Texts => "a list of texts".to_owned(),
            Self::Map => "a table of texts".to_owned(),
            Self::Paths => "a table of paths".to_owned(),
            Self::Periods => {
                "a table of times by strftime formats, as in { \"%Y-%m-%d\" = \"7d\" }, or \"nectgmbh\"".to_owned()
            }
            Self::Secret => "a text".to_owned(),
            Self::Url => "a URL".to_owned(),
            Self::Secrets => "a table of secrets".to_owned(),
            Self::Command => {
                "a list of texts (a program and its arguments) or one text (a line for the shell)".to_owned()
            }
            Self::Compression => "zstd[:1-22], gzip[:1-9], none or native".to_owned(),
            Self::Name => "a name with tokens, as in {db}-{date}-{time}".to_owned(),
            Self::Schedule => "a cron expression (\"0 3 * * *\"), \"every 6h\", \"once\" or \"manual\"".to_owned(),
            Self::Timezone => "the name of a time zone, as in Europe/Berlin or UTC".to_owned(),
            Self::Address => "an address and a port, as in 127.0.0.1:8080".to_owned(),
            Self::Recipients => "a list of age public keys (age1...)".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }

    /// Reads a text that stands for one value.
    ///
    /// # Errors
    /// The end of the sentence "it takes ...".
    pub(crate) fn read(self, text: &str) -> Result<Value, String> {
        let filled = || if text.is_empty() { Err(TEXT.to_owned()) } else { Ok(text.to_owned()) };
        Ok(match self {
            Self::Text | Self::Path => Value::Text(filled()?),
            Self::Toggle => Value::Toggle(match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" | "t" | "y" => true,
                "false" | "no" | "off" | "0" | "f" | "n" => false,
                _ => return Err(self.takes()),
            }),
            Self::Count(..) => return text.trim().parse().map_err(|_| self.takes()).and_then(|n| self.count(n)),
            Self::Duration => Value::Duration(units::duration(text)?),
            Self::Size(least, most) => match units::size(text)? {
                bytes if bytes < least || bytes > most => return Err(self.takes()),
                bytes => Value::Size(bytes),
            },
            Self::Choice(words) if words.contains(&text) => Value::Text(text.to_owned()),
            Self::Secret | Self::Url if text.is_empty() => return Err(TEXT.to_owned()),
            Self::Secret => Value::Secret(Secret::new(text.to_owned())),
            Self::Url => Value::Url(Secret::new(text.to_owned())),
            Self::Command => Value::Command(HookCommand::Shell(filled()?)),
            Self::Compression => match text.parse::<Compression>() {
                Ok(compression) => Value::Text(compression.to_string()),
                Err(_) => return Err(self.takes()),
            },
            Self::Name => match text.parse::<NameTemplate>() {
                Ok(_) => Value::Text(text.to_owned()),
                Err(error) => return Err(format!("{}: {error}", self.takes())),
            },
            Self::Schedule => match text.parse::<Schedule>() {
                Ok(schedule) => Value::Text(schedule.to_string()),
                Err(error) => return Err(format!("{}: {error}", self.takes())),
            },
            Self::Timezone => match jiff::tz::TimeZone::get(text) {
                Ok(_) => Value::Text(text.to_owned()),
                Err(_) => return Err(self.takes()),
            },
            Self::Address => match text.parse::<SocketAddr>() {
                Ok(address) => Value::Text(address.to_string()),
                Err(_) => return Err(self.takes()),
            },
            Self::Periods if text == NECTGMBH => Value::Map(
                Retention::nectgmbh_default()
                    .periods
                    .iter()
                    .map(|period| (period.format().to_owned(), period.hold_text()))
                    .collect(),
            ),
            Self::Choice(_)
            | Self::Texts
            | Self::Map
            | Self::Paths
            | Self::Periods
            | Self::Secrets
            | Self::Recipients
            | Self::Table(_) => return Err(self.takes()),
        })
    }

    /// Takes a number.
    ///
    /// # Errors
    /// The end of the sentence "it takes ...".
    pub(crate) fn count(self, number: u64) -> Result<Value, String> {
        match self {
            Self::Count(least, most) if number >= least && number <= most => Ok(Value::Count(number)),
            _ => Err(self.takes()),
        }
    }

    /// Whether it has the spellings `KEY_file` and `KEY_env` too.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Url)
    }
}
