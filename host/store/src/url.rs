//! The URLs of stores: `file:///path`, `s3://bucket/prefix?endpoint=...`, `gs://`, `azblob://`, `memory://`.
//!
//! A URL is shown in reports and kept by people, so it holds no credential: those come from the environment
//! or from a file that the URL names.

use std::collections::BTreeMap;
use std::path::Path;

use planb_model::connection::did_you_mean;
use planb_model::secret::Secret;
use url::Url;

use crate::rclone::Remote;

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    S3,
    Gcs,
    Azblob,
    Rclone,
    Memory,
}

/// A parsed store URL.
#[derive(Debug, Clone)]
pub struct StoreUrl {
    pub(crate) kind: Kind,
    /// Bucket or container; empty for `file:` and `memory:`.
    pub(crate) bucket: String,
    /// The path below it, without slashes at its ends; absolute for `file:`.
    pub(crate) root: String,
    pub(crate) settings: BTreeMap<String, String>,
    /// Secrets that were given beside the URL, by their settings' names without `_file`.
    given: BTreeMap<String, Secret>,
    /// Of an `rclone:` URL.
    pub(crate) remote: Option<Remote>,
    /// Further arguments for rclone.
    pub(crate) rclone_args: Vec<String>,
    shown: String,
}

/// Why a URL is none of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StoreUrlError {
    /// What may be printed of the URL.
    pub shown: String,
    reason: String,
}

const FILE: &[&str] = &[];
const S3: &[&str] = &[
    "endpoint",
    "region",
    "profile",
    "access_key_id",
    "secret_access_key_file",
    "session_token_file",
    "anonymous",
    "virtual_host",
    "storage_class",
    "sse",
    "sse_kms_key_id",
    "checksum",
    "conditional",
    "timeout",
    "retries",
    "role_arn",
    "external_id",
];
const GCS: &[&str] =
    &["endpoint", "credential_file", "anonymous", "storage_class", "conditional", "timeout", "retries"];
const AZBLOB: &[&str] = &[
    "endpoint",
    "account_name",
    "account_key_file",
    "sas_token_file",
    "anonymous",
    "conditional",
    "timeout",
    "retries",
];
/// The file with the remotes, and what opens it.
const RCLONE: &[&str] = &["config", "config_pass_file", "config_text_file"];
/// What people put into such URLs elsewhere and must not here.
const SECRET: &[&str] = &[
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

impl StoreUrl {
    /// Reads a URL; a path without a scheme is a folder.
    ///
    /// # Errors
    /// [`StoreUrlError`]; its text never repeats a credential.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        // What cannot be read may hold a password anywhere behind its scheme.
        let early = |reason: String| {
            let scheme = text.split_once("://").map_or_else(String::new, |(scheme, _)| format!("{scheme}://..."));
            StoreUrlError { shown: scheme, reason }
        };
        if !text.contains("://") {
            if text.is_empty() {
                return Err(early("a store is a URL or a folder, not an empty text".to_owned()));
            }
            let path = std::path::absolute(text).map_err(|error| early(error.to_string()))?;
            let path = path.to_string_lossy().into_owned();
            let shown = format!("file://{path}");
            return Ok(Self {
                kind: Kind::File,
                bucket: String::new(),
                root: path,
                settings: BTreeMap::new(),
                given: BTreeMap::new(),
                remote: None,
                rclone_args: Vec::new(),
                shown,
            });
        }
        let url = Url::parse(text).map_err(|error| early(format!("it is not a URL: {error}")))?;
        let (kind, known) = match url.scheme() {
            "file" => (Kind::File, FILE),
            "s3" => (Kind::S3, S3),
            "gs" | "gcs" => (Kind::Gcs, GCS),
            "azblob" | "az" => (Kind::Azblob, AZBLOB),
            "rclone" => (Kind::Rclone, RCLONE),
            "memory" => (Kind::Memory, FILE),
            other => {
                return Err(early(format!(
                    "planb knows no stores of the kind `{other}:`; known are file, s3, gs, azblob and rclone"
                )));
            }
        };
        let path = percent_decode(url.path());
        let host = url.host_str().unwrap_or("").to_owned();
        let scheme = match kind {
            Kind::Gcs => "gs",
            Kind::Azblob => "azblob",
            _ => url.scheme(),
        };
        let mut settings = BTreeMap::new();
        let mut shown = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        let fail = |shown: &str, reason: String| StoreUrlError { shown: shown.to_owned(), reason };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail(
                &shown,
                "a store's URL holds no user or password; credentials come from the environment".to_owned(),
            ));
        }
        for (name, value) in url.query_pairs() {
            let name = name.into_owned();
            if SECRET.contains(&name.as_str()) {
                return Err(fail(
                    &shown,
                    format!(
                        "a store's URL holds no credentials, so not `{name}`: use the environment, or a file by `{name}_file=`"
                    ),
                ));
            }
            if !known.contains(&name.as_str()) {
                let nearest = did_you_mean(&name, known.iter().copied());
                return Err(fail(&shown, format!("`{scheme}:` stores have no setting `{name}`{nearest}")));
            }
            settings.insert(name, value.into_owned());
        }
        if !settings.is_empty() {
            let pairs: Vec<_> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
            shown = format!("{shown}?{}", pairs.join("&"));
        }
        let root = match kind {
            Kind::File if !host.is_empty() => {
                return Err(fail(&shown, "a folder's URL has three slashes: file:///path/to/folder".to_owned()));
            }
            Kind::File => path,
            // Where rclone tells absolute paths from others, the second slash makes the difference.
            Kind::Rclone => path.strip_prefix('/').unwrap_or(&path).trim_end_matches('/').to_owned(),
            _ => path.trim_matches('/').to_owned(),
        };
        let remote = match kind {
            Kind::Rclone => Some(Remote::of_url(&url).map_err(|error| fail(&shown, error.to_string()))?),
            _ => None,
        };
        if matches!(kind, Kind::S3 | Kind::Gcs | Kind::Azblob) && host.is_empty() {
            return Err(fail(&shown, format!("the bucket is missing: {scheme}://bucket/prefix")));
        }
        if root.split('/').any(|part| part == "..") {
            return Err(fail(&shown, "the path may not contain `..`".to_owned()));
        }
        Ok(Self { kind, bucket: host, root, settings, given: BTreeMap::new(), remote, rclone_args: Vec::new(), shown })
    }

    /// Gives it secrets that do not come from files or the environment: `secret_access_key`, `account_key`, and so on.
    ///
    /// # Errors
    /// [`StoreUrlError`] for one that this kind of store does not know.
    pub fn with_secrets(mut self, secrets: BTreeMap<String, Secret>) -> Result<Self, StoreUrlError> {
        let known = match self.kind {
            Kind::S3 => S3,
            Kind::Gcs => GCS,
            Kind::Azblob => AZBLOB,
            Kind::Rclone => RCLONE,
            Kind::File | Kind::Memory => FILE,
        };
        if let Some(name) = secrets.keys().find(|name| !known.contains(&format!("{name}_file").as_str())) {
            return Err(self.error(format!("this kind of store knows no secret `{name}`")));
        }
        self.given = secrets;
        Ok(self)
    }

    /// Gives it further arguments for the rclone program.
    #[must_use]
    pub fn with_rclone_args(mut self, args: Vec<String>) -> Self {
        self.rclone_args = args;
        self
    }

    /// The URL as it may be printed and kept: without anything secret, because it holds nothing secret.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The folder that it is, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        (self.kind == Kind::File).then(|| Path::new(&self.root))
    }

    /// The secrets in the files that the URL names: for whoever has to keep them out of sight.
    ///
    /// # Errors
    /// [`StoreUrlError`] for a file that cannot be read.
    pub fn secrets(&self) -> Result<Vec<Secret>, StoreUrlError> {
        let files = self.settings.iter().filter(|(name, _)| name.ends_with("_file"));
        files.map(|(name, _)| self.secret_file(name).map(|text| Secret::new(text.unwrap_or_default()))).collect()
    }

    /// A secret that was given beside the URL.
    pub(crate) fn given(&self, name: &str) -> Option<&Secret> {
        self.given.get(name)
    }

    /// A secret that the URL names by its file.
    pub(crate) fn secret_file(&self, setting: &str) -> Result<Option<String>, StoreUrlError> {
        if let Some(given) = setting.strip_suffix("_file").and_then(|name| self.given.get(name)) {
            return Ok(Some(given.expose().to_owned()));
        }
        let Some(path) = self.get(setting) else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| self.error(format!("`{setting}` {path}: {error}")))?;
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> StoreUrlError {
        StoreUrlError { shown: self.shown.clone(), reason: reason.into() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, StoreUrlError> {
        let parse = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(self.error(format!("`{name}` is a whole number from 1, not {text:?}"))),
            Ok(number) => Ok(number),
        };
        self.get(name).map(parse).transpose()
    }

    pub(crate) fn toggle(&self, name: &str) -> Result<Option<bool>, StoreUrlError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1" | "yes") => Ok(Some(true)),
            Some("false" | "0" | "no") => Ok(Some(false)),
            Some(other) => Err(self.error(format!("`{name}` is true or false, not {other:?}"))),
        }
    }
}

fn percent_decode(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind() {
        let url = StoreUrl::parse("s3://backups/orders/daily/?endpoint=http://h:1&region=eu").unwrap();
        assert_eq!((url.kind, url.bucket.as_str(), url.root.as_str()), (Kind::S3, "backups", "orders/daily"));
        assert_eq!(url.shown(), "s3://backups/orders/daily?endpoint=http://h:1&region=eu");
        let url = StoreUrl::parse("file:///var/my%20backups").unwrap();
        assert_eq!((url.kind, url.root.as_str()), (Kind::File, "/var/my backups"));
        assert!(StoreUrl::parse("relative/folder").unwrap().root.starts_with('/'));
        assert_eq!(StoreUrl::parse("gs://b").unwrap().kind, Kind::Gcs);
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        for text in ["s3://key:hunter2@bucket", "s3://b?secret_access_key=hunter2", "azblob://c?account_key=hunter2"] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert!(!format!("{error} {}", error.shown).contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let text = |url: &str| StoreUrl::parse(url).unwrap_err().to_string();
        assert_eq!(text("s3://b?endpont=x"), "`s3:` stores have no setting `endpont`; did you mean `endpoint`?");
        assert_eq!(text("file://tmp/x"), "a folder's URL has three slashes: file:///path/to/folder");
        assert_eq!(text("s3:///x"), "the bucket is missing: s3://bucket/prefix");
        assert!(text("ftp://h/x").starts_with("planb knows no stores of the kind `ftp:`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(s3|file|gs|azblob|x)?(://)?.*") {
            let _ = StoreUrl::parse(&text);
        }

        /// Wherever somebody puts a credential, no message and no text of the URL repeats it.
        #[test]
        fn no_credential_is_repeated(
            scheme in proptest::sample::select(&["s3", "gs", "azblob", "file", "memory", "ftp", "rclone"][..]),
            place in 0..4_u8,
            name in proptest::sample::select(&[
                "secret_access_key", "access_key", "account_key", "sas_token", "session_token", "credential", "password", "token",
                "AccountKey", "sig",
            ][..]),
            rest in "[a-z/]{0,8}",
        ) {
            const SECRET: &str = "Hunter2Hunter2";
            let text = match place {
                0 => format!("{scheme}://key:{SECRET}@bucket/{rest}"),
                1 => format!("{scheme}://{SECRET}@bucket/{rest}?region=x"),
                2 => format!("{scheme}://bucket/{rest}?{name}={SECRET}"),
                _ => format!("{scheme}://bucket/{rest}?region=x&{name}={SECRET}&x={SECRET}"),
            };
            match StoreUrl::parse(&text) {
                // What is taken as a part of a path or a name is none.
                Ok(url) => prop_assert!(!url.shown().contains(&format!("={SECRET}")), "{}", url.shown()),
                Err(error) => {
                    let told = format!("{error} {error:?} {}", error.shown);
                    prop_assert!(!told.contains(SECRET), "{told}");
                }
            }
        }
    }
}
