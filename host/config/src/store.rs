//! `[stores.NAME]`: a place for backups, with its secrets beside its URL and not in it.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use planb_model::connection::did_you_mean;
use planb_model::retention::Retention;
use planb_model::secret::Secret;

use crate::keys::STORE;
use crate::origin::{Origin, Problem};
use crate::rclone::Translated;
use crate::retention::rules;
use crate::show::{Shown, list};
use crate::value::{Secrecy, Settings, Value};

/// A store as a job writes to it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreConfig {
    /// Its name in the file; of one that a job names by its URL, that URL.
    pub name: String,
    /// The URL with all settings in its query and nothing secret.
    pub url: String,
    /// Its secrets, by the names of the settings that would hold them: `secret_access_key`, `session_token`,
    /// `credential`, `account_key`, `sas_token`, `config_pass`, and `config_text` for an rclone.conf that is no file.
    pub secrets: BTreeMap<String, Secret>,
    /// Size of parts in bytes, where the store has its own.
    pub part_size: Option<u64>,
    /// Largest object in bytes, where the store has its own.
    pub volume_size: Option<u64>,
    /// What is kept here, where the store has its own rules. They beat the job's.
    pub retention: Option<Retention>,
    /// Further arguments for rclone.
    pub rclone_args: Vec<String>,
    /// What has to be kept out of sight beside `secrets`: of an rclone.conf, every secret in it.
    pub hidden: Vec<Secret>,
    pub(crate) settings: Settings,
}

/// What may stay as it is in a query's value.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':').remove(b',');

/// The kinds of stores by their schemes, aliases behind the name that the keys use.
const SCHEMES: [(&str, &str); 8] = [
    ("file", "file"),
    ("s3", "s3"),
    ("gs", "gs"),
    ("gcs", "gs"),
    ("azblob", "azblob"),
    ("az", "azblob"),
    ("rclone", "rclone"),
    ("memory", "memory"),
];

/// What people put into such URLs elsewhere, and must not here.
const SECRET: [&str; 10] = [
    "secret_access_key",
    "secret",
    "secret_key",
    "session_token",
    "account_key",
    "sas_token",
    "sas",
    "credential",
    "token",
    "password",
];

/// Which kind of store a URL is for. A folder needs no scheme.
///
/// # Errors
/// What is wrong with it, without a word of what may be a password in it.
pub(crate) fn kind_of(url: &str) -> Result<&'static str, String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Ok("file") };
    let known = SCHEMES.iter().find(|(name, _)| *name == scheme).map(|(_, kind)| *kind);
    let kind = known.ok_or_else(|| {
        let nearest = did_you_mean(scheme, SCHEMES.iter().map(|(name, _)| *name));
        format!("planb knows no stores of the kind `{scheme}:`{nearest}")
    })?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // An `@` in a folder's or remote's name is one; in front of a bucket stand credentials.
    if !matches!(kind, "file" | "rclone" | "memory") && place.split('/').next().is_some_and(|host| host.contains('@')) {
        return Err("a store's URL holds no user or password".to_owned());
    }
    if let Some(name) = names(query).find(|name| SECRET.contains(name)) {
        return Err(format!("a store's URL holds no credentials, so not `{name}`"));
    }
    if matches!(kind, "s3" | "gs" | "azblob") && place.split('/').next().is_none_or(str::is_empty) {
        return Err(format!("the bucket is missing: {scheme}://bucket/prefix"));
    }
    Ok(kind)
}

fn names(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// Adds a setting to a URL's query.
pub(crate) fn with_query(url: &str, name: &str, value: &str) -> String {
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{name}={}", utf8_percent_encode(value, QUERY))
}

impl StoreConfig {
    /// A store that a job names by its URL.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub(crate) fn by_url(url: &str, origin: Origin, folder: Option<&Path>) -> Result<Self, Problem> {
        let mut settings = Settings::default();
        settings.set("url", Value::Text(url.to_owned()), origin);
        let mut problems = Vec::new();
        let store = Self::resolve(url, settings, folder, &mut problems);
        match (store, problems.pop()) {
            (Some(store), None) => Ok(store),
            (_, problem) => {
                Err(problem.unwrap_or_else(|| Problem::new(Origin::BuiltIn, format!("`{url}` is no store"))))
            }
        }
    }

    /// From the keys of its table. Says what is wrong and gives none then.
    /// A relative folder begins at `folder`.
    pub(crate) fn resolve(
        name: &str,
        settings: Settings,
        folder: Option<&Path>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut url = settings.text("url")?;
        let origin = settings.origin("url");
        let kind = match kind_of(&url) {
            Ok(kind) => kind,
            Err(message) => {
                let hint = "put them into keys of the store: secret_access_key_file, account_key_env, ...";
                let credentials = message.contains("credentials") || message.contains("password");
                let problem = Problem::new(origin, message);
                problems.push(if credentials { problem.with_hint(hint) } else { problem });
                return None;
            }
        };
        if let (false, Some(folder)) = (url.contains("://"), folder) {
            url = folder.join(url).to_string_lossy().into_owned();
        }
        let before = problems.len();
        let query: Vec<String> =
            url.split_once('?').map(|(_, query)| names(query).map(str::to_owned).collect()).unwrap_or_default();
        let mut secrets = BTreeMap::new();
        for (key, located) in settings.iter() {
            let Some(known) = STORE.iter().find(|known| known.name == key).filter(|known| !known.of.is_empty()) else {
                continue;
            };
            if !known.of.contains(&kind) {
                let fits = known.of.iter().map(|kind| format!("`{kind}:`")).collect::<Vec<_>>().join(", ");
                let message = format!("`{key}` is for stores of the kind {fits}, and this one is `{kind}:`");
                problems.push(Problem::new(located.origin.clone(), message));
                continue;
            }
            if query.iter().any(|name| name.strip_suffix("_file").unwrap_or(name) == key) {
                let message = format!("`{key}` stands in the URL as well");
                problems.push(Problem::new(located.origin.clone(), message).with_hint("leave one of them out"));
            }
            match (&located.value, known.kind) {
                (Value::Secret(secret), _) => drop(secrets.insert(key.to_owned(), secret.clone())),
                (Value::Text(text), _) => url = with_query(&url, key, text),
                (Value::Toggle(on), _) => url = with_query(&url, key, &on.to_string()),
                (Value::Count(count), _) => url = with_query(&url, key, &count.to_string()),
                // A store takes whole seconds, and not none.
                (Value::Duration(time), _) => url = with_query(&url, key, &time.as_secs().max(1).to_string()),
                _ => {}
            }
        }
        let pair = (settings.said("access_key_id"), settings.said("secret_access_key"));
        let in_url = |name: &str| query.iter().any(|known| known == name);
        let pair = (pair.0 || in_url("access_key_id"), pair.1 || in_url("secret_access_key_file"));
        if pair.0 != pair.1 {
            let missing = if pair.0 { "secret_access_key" } else { "access_key_id" };
            let message = format!("`access_key_id` and `secret_access_key` go together, and `{missing}` is missing");
            problems.push(Problem::new(origin.clone(), message));
        }
        if let Some(problem) = volumes(&settings) {
            problems.push(problem);
        }
        if let Some(problem) = empty_rules(&settings) {
            problems.push(problem);
        }
        if problems.len() > before {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            url,
            secrets,
            part_size: settings.size("part_size"),
            volume_size: settings.size("volume_size"),
            retention: settings.table("retention").map(rules),
            rclone_args: settings.texts("rclone_args").unwrap_or_default(),
            hidden: Vec::new(),
            settings,
        })
    }

    /// A remote of rclone's as a store.
    pub(crate) fn translated(
        name: &str,
        translated: Translated,
        args: Vec<String>,
        origin: &Origin,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut settings = Settings::default();
        let mut url = translated.url;
        for (key, value) in translated.keys {
            match STORE.iter().find(|known| known.name == key) {
                Some(known) => match known.kind.read(&value) {
                    Ok(value) => settings.set(known.name, value, origin.clone()),
                    Err(takes) => {
                        problems.push(Problem::new(origin.clone(), format!("`{key}` takes {takes}, not {value:?}")));
                    }
                },
                // The file of a secret, which the store itself reads.
                None => url = with_query(&url, key, &value),
            }
        }
        settings.set("url", Value::Text(url), origin.clone());
        let mut config_text = None;
        for (key, secret) in translated.secrets {
            match STORE.iter().find(|known| known.name == key) {
                Some(known) => settings.set(known.name, Value::Secret(secret), origin.clone()),
                None => config_text = Some((key.to_owned(), secret)),
            }
        }
        if translated.through.is_some() && !args.is_empty() {
            settings.set("rclone_args", Value::Texts(args), origin.clone());
        }
        let mut store = Self::resolve(name, settings, None, problems)?;
        store.secrets.extend(config_text);
        store.hidden = translated.hidden;
        Some(store)
    }

    /// Each setting with its value and origin, for `planb config show`.
    pub fn shown(&self) -> Vec<Shown> {
        list(&format!("stores.{}", self.name), &self.settings, STORE)
    }

    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> toml::Table {
        self.settings.to_toml(secrecy)
    }
}

/// More parts than any bucket takes.
pub(crate) fn volumes(settings: &Settings) -> Option<Problem> {
    const PART: u64 = 16 << 20;
    const VOLUME: u64 = 15_000 << 20;
    let part = settings.size("part_size").unwrap_or(PART);
    let volume = settings.size("volume_size").unwrap_or(VOLUME);
    let parts = volume.div_ceil(part);
    let key = if settings.has("volume_size") { "volume_size" } else { "part_size" };
    (settings.has(key) && parts > 10_000).then(|| {
        Problem::new(
            settings.origin(key),
            format!("these volumes are {parts} parts, and no bucket takes more than 10,000 for an object"),
        )
        .with_hint("smaller volumes (volume_size), or larger parts (part_size)")
    })
}

/// A table of rules without a rule, which would be read as `keep nothing` by some and as `keep all` by others.
pub(crate) fn empty_rules(settings: &Settings) -> Option<Problem> {
    settings.table("retention").filter(|rules| rules.is_empty()).map(|_| {
        Problem::new(settings.origin("retention"), "`retention` has no rule")
            .with_hint("leave it out to keep everything, or say what to keep: retention = { daily = 7 }")
    })
}

/// Whether a text names a store by its place and not by its name.
pub(crate) fn is_place(text: &str) -> bool {
    text.contains("://") || text.contains('/') || text == "."
}
