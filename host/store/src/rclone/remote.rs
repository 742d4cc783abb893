//! The name of a remote and a path in it: `backups:orders/daily`, or as a URL `rclone://backups/orders/daily`.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

/// What a URL's path cannot hold as it is.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%');
/// What its host cannot.
const HOST: &AsciiSet = &PATH.add(b'@').add(b'+');

/// A place that rclone knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    name: String,
    /// Without a slash at its end; with one at its beginning where the path is absolute.
    path: String,
}

/// Why a text names no remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RemoteError {
    #[error("a remote of rclone is written NAME:PATH, for example backups:orders/daily, and not as {0:?}")]
    NoColon(String),
    #[error("the remote's name is missing: rclone://NAME/path")]
    NoName,
    #[error(
        "{0:?} is no name of a remote of rclone; it takes letters, digits and `_ . + @ -`, and settings belong into rclone's configuration file"
    )]
    Name(String),
    #[error("the path of a remote may not contain `..` or control characters")]
    Path,
}

impl Remote {
    /// A path in the remote of this name. Where rclone tells absolute paths from others (disks, SFTP), a slash at the
    /// beginning makes the difference.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn new(name: &str, path: &str) -> Result<Self, RemoteError> {
        // A dash in front would be an option; a comma or a colon a connection string, in which passwords stand.
        let plain = |c: char| c.is_alphanumeric() || "_.+@- ".contains(c);
        if name.is_empty() {
            return Err(RemoteError::NoName);
        }
        if !name.chars().all(plain) || name.starts_with(['-', ' ']) || name.ends_with(' ') {
            return Err(RemoteError::Name(name.to_owned()));
        }
        if path.split('/').any(|part| part == "..") || path.chars().any(char::is_control) {
            return Err(RemoteError::Path);
        }
        let root = if path.starts_with('/') { "/" } else { "" };
        Ok(Self { name: name.to_owned(), path: format!("{root}{}", path.trim_matches('/')) })
    }

    /// The remote of a URL: its host is the name, and what follows the slash behind it the path. So
    /// `rclone://disk/backups` is `disk:backups`, and `rclone://disk//backups` is `disk:/backups`.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn of_url(url: &Url) -> Result<Self, RemoteError> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = url.path();
        Self::new(&decode(url.host_str().unwrap_or_default()), &decode(path.strip_prefix('/').unwrap_or(path)))
    }

    /// The URL of it, without settings.
    pub fn url(&self) -> String {
        let (name, path) = (utf8_percent_encode(&self.name, HOST), utf8_percent_encode(&self.path, PATH));
        if self.path.is_empty() { format!("rclone://{name}") } else { format!("rclone://{name}/{path}") }
    }

    /// The remote's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path in it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Something below the path, as rclone takes it for an argument.
    pub(super) fn below(&self, key: &str) -> String {
        let key = key.trim_matches('/');
        match (self.path.as_str(), key) {
            (path, "") => format!("{}:{path}", self.name),
            ("", key) => format!("{}:{key}", self.name),
            ("/", key) => format!("{}:/{key}", self.name),
            (path, key) => format!("{}:{path}/{key}", self.name),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.path)
    }
}

impl FromStr for Remote {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, RemoteError> {
        let (name, path) = text.split_once(':').ok_or_else(|| RemoteError::NoColon(text.to_owned()))?;
        Self::new(name, path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_one_place() {
        for (text, url, below) in [
            ("backups:orders/daily", "rclone://backups/orders/daily", "backups:orders/daily/k/x"),
            ("disk:/var/my backups", "rclone://disk//var/my%20backups", "disk:/var/my backups/k/x"),
            ("My_Drive 2:", "rclone://My_Drive%202", "My_Drive 2:k/x"),
            ("disk:/", "rclone://disk//", "disk:/k/x"),
            ("a@b:x%20y", "rclone://a%40b/x%2520y", "a@b:x%20y/k/x"),
        ] {
            let remote: Remote = text.parse().unwrap();
            assert_eq!((remote.to_string().as_str(), remote.url().as_str()), (text, url));
            assert_eq!(Remote::of_url(&Url::parse(url).unwrap()).unwrap(), remote);
            assert_eq!(remote.below("k/x"), below);
            assert_eq!(remote.below("/"), text);
        }
        assert_eq!("backups:orders/".parse::<Remote>().unwrap().to_string(), "backups:orders");
    }

    #[test]
    fn what_is_no_remote() {
        let error = |text: &str| text.parse::<Remote>().unwrap_err();
        assert_eq!(error("/var/backups"), RemoteError::NoColon("/var/backups".to_owned()));
        assert_eq!(error(":s3,secret_access_key=hunter2:bucket"), RemoteError::NoName);
        assert!(matches!(error("--config:x"), RemoteError::Name(_)));
        assert!(matches!(error("s3,endpoint=x:y"), RemoteError::Name(_)));
        assert_eq!(error("a:b/../c"), RemoteError::Path);
        assert_eq!(error("a:b\n"), RemoteError::Path);
    }

    proptest! {
        #[test]
        fn a_url_gives_its_remote_back(name in "[a-zA-Z0-9_][a-zA-Z0-9_.+@ -]{0,8}[a-z]", path in "/?[^/\\p{C}.]{1,9}(/[^/\\p{C}]{1,9}[a-z])?") {
            let remote = Remote::new(&name, &path).unwrap();
            let url = Url::parse(&format!("{}?config=/x", remote.url())).unwrap();
            prop_assert_eq!(Remote::of_url(&url).unwrap(), remote);
        }

        #[test]
        fn no_remote_is_an_option(text in ".{0,12}", key in "[-a-z./]{0,12}") {
            if let Ok(remote) = text.parse::<Remote>() {
                prop_assert!(!remote.below(&key).starts_with('-'));
            }
        }
    }
}
