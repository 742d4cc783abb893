//! rclone.conf: sections of keys and values.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use planb_model::secret::Secret;

use super::obscure::reveal;
use crate::env::Env;

/// The first line of a file that rclone has encrypted.
const ENCRYPTED: &str = "RCLONE_ENCRYPT_V";

/// The remotes that rclone knows. Prints their names and kinds alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RcloneConf {
    pub(crate) remotes: BTreeMap<String, BTreeMap<String, String>>,
    /// The file, where it was one.
    pub(crate) file: Option<PathBuf>,
    /// Whether it holds more than its file.
    pub(crate) changed: bool,
    /// Of an encrypted one: its text, of which nothing can be known.
    pub(crate) encrypted: Option<Secret>,
}

/// Why a text is no rclone.conf. Does not repeat the line: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RcloneError {
    #[error("line {0} is neither a section ([NAME]) nor a key with a value (KEY = VALUE)")]
    Line(usize),
    #[error("it is encrypted: planb cannot read it, and only the rclone program can use it")]
    Encrypted,
}

impl RcloneConf {
    /// Reads an rclone.conf. An encrypted one is kept as it is.
    ///
    /// # Errors
    /// [`RcloneError`].
    pub fn parse(text: &str) -> Result<Self, RcloneError> {
        let mut conf = Self::default();
        let mut section: Option<&mut BTreeMap<String, String>> = None;
        for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if section.is_none() && line.starts_with(ENCRYPTED) {
                return Ok(Self { encrypted: Some(Secret::new(text.to_owned())), ..Self::default() });
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(conf.remotes.entry(name.trim().to_owned()).or_default());
                continue;
            }
            let (key, value) = line.split_once(['=', ':']).ok_or(RcloneError::Line(at + 1))?;
            // rclone takes what stands before the first section, and makes nothing of it.
            if let Some(section) = &mut section {
                section.insert(key.trim().to_owned(), unquoted(value.trim()).to_owned());
            }
        }
        Ok(conf)
    }

    /// The same, of a file.
    #[must_use]
    pub fn of_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }

    /// Adds what the environment says of remotes: `RCLONE_CONFIG_{REMOTE}_{KEY}`. It beats the file.
    pub(crate) fn add_env(&mut self, remote: &str, env: &dyn Env) {
        let prefix = format!("RCLONE_CONFIG_{}_", remote.to_uppercase());
        for name in env.names() {
            if let (Some(key), Some(value)) = (name.strip_prefix(&prefix), env.get(&name))
                && !key.is_empty()
                && !remote.is_empty()
            {
                self.changed = true;
                self.remotes.entry(remote.to_owned()).or_default().insert(key.to_lowercase(), value);
            }
        }
    }

    /// The names of the remotes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.remotes.keys().map(String::as_str)
    }

    /// A key of a remote; one that is empty is not set.
    pub(crate) fn get(&self, remote: &str, key: &str) -> Option<&str> {
        self.remotes.get(remote)?.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// As a file has it.
    pub(crate) fn text(&self) -> Secret {
        if let Some(text) = &self.encrypted {
            return text.clone();
        }
        let mut out = String::new();
        for (name, keys) in &self.remotes {
            let _ = writeln!(out, "[{name}]");
            for (key, value) in keys {
                let _ = writeln!(out, "{key} = {value}");
            }
            out.push('\n');
        }
        Secret::new(out)
    }

    /// Every value that may be a secret, as it stands there and as it is when it is revealed: for the redactor.
    pub fn secrets(&self) -> Vec<Secret> {
        const WORDS: [&str; 7] = ["pass", "secret", "token", "key", "credential", "sas", "auth"];
        let mut secrets = Vec::new();
        for (key, value) in self.remotes.values().flatten() {
            let tells = WORDS.iter().any(|word| key.contains(word));
            let harmless = key.ends_with("_file") || key.ends_with("_id") || matches!(key.as_str(), "env_auth");
            if tells && !harmless && value.len() > 3 {
                secrets.push(Secret::new(value.clone()));
                secrets.extend(reveal(value).filter(|plain| !plain.expose().is_empty()));
            }
        }
        secrets
    }
}

impl fmt::Debug for RcloneConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.remotes.iter().map(|(name, keys)| (name, keys.get("type")));
        f.debug_map().entries(kinds).finish()
    }
}

/// rclone's library for such files writes values with a backtick in them between quotes.
fn unquoted(value: &str) -> &str {
    for quote in ["\"\"\"", "`"] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::env::FixedEnv;
    use proptest::prelude::*;

    #[test]
    fn sections_and_keys() {
        let conf = RcloneConf::parse(
            "# made by rclone\n[one]\ntype = s3\nendpoint = https://h:9000\n\n[two three]\ntype=local\nempty =\n",
        )
        .unwrap();
        assert_eq!(conf.names().collect::<Vec<_>>(), ["one", "two three"]);
        assert_eq!(conf.get("one", "endpoint"), Some("https://h:9000"));
        assert_eq!(conf.get("two three", "empty"), None);
        assert_eq!(RcloneConf::parse("[a]\nhunter2"), Err(RcloneError::Line(2)));
        let encrypted =
            RcloneConf::parse("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc=\n").unwrap();
        assert!(encrypted.encrypted.is_some() && encrypted.remotes.is_empty());
    }

    #[test]
    fn what_rclone_itself_reads_in_an_odd_file() {
        // Each value as `rclone config dump` of version 1.60.1 prints it.
        let conf = RcloneConf::parse(
            "\u{feff}; comment\nx = 1\n[a]\n  type   =  local  \nkey: value\ncolon = a:b=c\nquoted = \"x y\"\nback = `x=y`\n\
             triple = \"\"\"t\"\"\"\n# c\nhash = a # b\nsemi = a ; b\n[a]\nlater = 1\n[ b ]\ntype=local\nEmpty =\nx==y\n",
        )
        .unwrap();
        for (key, value) in [
            ("type", "local"),
            ("key", "value"),
            ("colon", "a:b=c"),
            ("quoted", "\"x y\""),
            ("back", "x=y"),
            ("triple", "t"),
            ("hash", "a # b"),
            ("semi", "a ; b"),
            ("later", "1"),
        ] {
            assert_eq!(conf.get("a", key), Some(value), "{key}");
        }
        assert_eq!((conf.get("b", "x"), conf.get("b", "Empty")), (Some("=y"), None));
        assert_eq!(conf.names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn secrets_are_known_in_both_forms_and_not_printed() {
        let conf =
            RcloneConf::parse("[dav]\ntype = webdav\npass = 6nu4dTOxX9G1Vz8xZTdtcK1F6tbqDA\nuser = me\n").unwrap();
        let secrets: Vec<_> = conf.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["6nu4dTOxX9G1Vz8xZTdtcK1F6tbqDA", "potato"]);
        assert_eq!(format!("{conf:?}"), r#"{"dav": Some("webdav")}"#);
    }

    #[test]
    fn the_environment_beats_the_file() {
        let env: FixedEnv =
            [("RCLONE_CONFIG_MY-S3_REGION", "eu"), ("RCLONE_CONFIG_OTHER_TYPE", "s3")].into_iter().collect();
        let mut conf = RcloneConf::parse("[my-s3]\ntype = s3\nregion = us\n").unwrap();
        conf.add_env("my-s3", &env);
        assert_eq!((conf.get("my-s3", "region"), conf.changed), (Some("eu"), true));
        assert_eq!(conf.names().count(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[[a-z]{0,3}\\]\n|[a-z]{0,3} ?= ?\\PC{0,8}\n|.{0,8}\n){0,8}") {
            if let Ok(conf) = RcloneConf::parse(&text) {
                let _ = conf.secrets();
            }
        }

        #[test]
        fn what_is_written_is_read(remotes in proptest::collection::btree_map("[a-z]{1,4}", proptest::collection::btree_map("[a-z_]{1,6}", "[a-zA-Z0-9:/=.-]{0,8}", 0..4), 0..4)) {
            let conf = RcloneConf { remotes, ..RcloneConf::default() };
            prop_assert_eq!(RcloneConf::parse(conf.text().expose()).unwrap(), conf);
        }
    }
}
