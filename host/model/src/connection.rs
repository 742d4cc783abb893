//! Where a database is: `--db URL` or its parts, put together into one checked target.
//!
//! Errors name the part that is wrong and never repeat the URL: it may hold a password.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::engine::{Connection, Description, Endpoint};
use crate::secret::{Secret, Secrets};
use crate::settings;

/// A database as the user gave it. Later [`Target::resolve`]d against what the engine knows.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The URL's scheme, if it was a URL.
    pub scheme: Option<String>,
    /// Host name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// The further hosts of a URL that names several.
    pub others: Vec<Endpoint>,
    /// A unix socket's file or directory.
    pub socket: Option<String>,
    /// The account.
    pub user: Option<String>,
    /// Database name, or path for a file-based engine.
    pub database: Option<String>,
    /// The query part of the URL, in its order.
    pub params: Vec<(String, String)>,
    /// The password, from wherever it came.
    pub password: Option<Secret>,
    /// Further secrets, by the names that the engine declares.
    pub secrets: Vec<(String, Secret)>,
}

/// Why a connection is not usable. No message holds the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ConnectionError {
    #[error("the database URL cannot be read: {0}")]
    Malformed(String),
    #[error("the database URL starts with `{scheme}:`, but the {engine} engine knows {known}")]
    Scheme { scheme: String, engine: String, known: String },
    #[error("the {engine} engine does not know the parameter `{name}` of the database URL{nearest}")]
    Param { engine: String, name: String, nearest: String },
    #[error("the parameter `{name}` of the database URL takes {takes}, not {value:?}")]
    Value { name: String, takes: String, value: String },
    #[error("the {engine} engine has no secret `{name}` beside the password{nearest}")]
    Secret { engine: String, name: String, nearest: String },
    #[error("the parameter `{0}` stands twice in the database URL")]
    Twice(String),
    #[error("{what} of the database contains {character:?}, which no engine takes")]
    Character { what: &'static str, character: char },
    #[error("the {0} engine keeps a database in a file: give its path, as in `sqlite:///var/lib/app.db`")]
    NeedsPath(String),
}

/// The nearest known name to a mistyped one, as the end of a sentence: `; did you mean ...?`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let best = known.into_iter().map(|k| (strsim::damerau_levenshtein(name, k), k)).min();
    match best {
        Some((distance, nearest)) if distance <= name.len().max(3) / 3 => format!("; did you mean `{nearest}`?"),
        _ => String::new(),
    }
}

impl Target {
    /// Reads a URL, or, where it has no `scheme:`, a path.
    ///
    /// # Errors
    /// [`ConnectionError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ConnectionError> {
        // Of an unset variable, most likely: it does not mean every database.
        if text.is_empty() {
            return Err(ConnectionError::Malformed("it is empty".to_owned()));
        }
        if !has_scheme(text) {
            return Ok(Self { database: Some(text.to_owned()), ..Self::default() });
        }
        let malformed = |what: &str| ConnectionError::Malformed(what.to_owned());
        let (text, others) = split_hosts(text)?;
        let url = Url::parse(&with_host(&text)).map_err(|error| malformed(&error.to_string()))?;
        let decode = |part: &str, what: &str| {
            let text = percent_decode_str(part).decode_utf8();
            text.map(std::borrow::Cow::into_owned).map_err(|_| malformed(&format!("{what} is not UTF-8")))
        };
        let mut target = Self { scheme: Some(url.scheme().to_owned()), port: url.port(), others, ..Self::default() };
        if let Some(host) = url.host_str().filter(|host| !host.is_empty() && *host != NO_HOST) {
            let host = decode(host, "the host")?;
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            if host.starts_with('/') { target.socket = Some(host) } else { target.host = Some(host) }
        }
        if !url.username().is_empty() {
            target.user = Some(decode(url.username(), "the user")?);
        }
        if let Some(password) = url.password() {
            target.password = Some(Secret::new(decode(password, "the password")?));
        }
        target.database = Some(decode(url.path(), "the database")?).filter(|path| !path.is_empty() && path != "/");
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                // libpq's way of writing these in a URL whose authority cannot hold them.
                "host" if value.starts_with('/') => target.socket = Some(value.into_owned()),
                "host" => target.host = Some(value.into_owned()),
                "port" => target.port = Some(value.parse().map_err(|_| malformed("the port is no number"))?),
                "user" => target.user = Some(value.into_owned()),
                "password" => target.password = Some(Secret::new(value.into_owned())),
                "dbname" => target.database = Some(format!("/{value}")),
                _ if target.params.iter().any(|(known, _)| *known == name) => {
                    return Err(ConnectionError::Twice(name.into_owned()));
                }
                _ => target.params.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok(target)
    }

    /// Checks the target against what the engine knows, and parts what a plugin may see from the secrets.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn resolve(self, engine: &Description) -> Result<(Connection, Option<String>, Secrets), ConnectionError> {
        if let Some(scheme) = &self.scheme
            && !engine.schemes.contains(scheme)
        {
            return Err(ConnectionError::Scheme {
                scheme: scheme.clone(),
                engine: engine.name.clone(),
                known: engine.schemes.iter().map(|s| format!("`{s}:`")).collect::<Vec<_>>().join(" and "),
            });
        }
        if self.scheme.is_none() && self.database.is_some() && !engine.file_based && self.looks_like_a_path() {
            return Err(ConnectionError::Malformed(format!(
                "it has no scheme; write it as {}://user@host/database",
                engine.schemes.first().map_or("scheme", String::as_str)
            )));
        }
        let mut secrets = Secrets::default();
        for (name, value) in self.secrets {
            if !engine.secrets.iter().any(|secret| secret.name == name) {
                let nearest = did_you_mean(&name, engine.secrets.iter().map(|secret| secret.name.as_str()));
                return Err(ConnectionError::Secret { engine: engine.name.clone(), name, nearest });
            }
            secrets.insert(name, value);
        }
        let mut params = Vec::new();
        for (name, value) in self.params {
            if engine.secrets.iter().any(|secret| secret.name == name) {
                secrets.insert(name, Secret::new(value));
            } else if let Some(param) = engine.params.iter().find(|param| param.name == name) {
                let value = settings::value(param, &value).map_err(|takes| ConnectionError::Value {
                    name: name.clone(),
                    takes,
                    value: value.clone(),
                })?;
                params.push((name, value));
            } else {
                let known = engine.params.iter().map(|p| &p.name).chain(engine.secrets.iter().map(|s| &s.name));
                let nearest = did_you_mean(&name, known.map(String::as_str));
                return Err(ConnectionError::Param { engine: engine.name.clone(), name, nearest });
            }
        }
        if let Some(password) = self.password {
            secrets.insert("password", password);
        }
        let database = match self.database {
            // Of a URL `scheme://host/name`, the name is behind the slash; of a file, the path is all of it.
            Some(path) if self.scheme.is_some() && !engine.file_based => match path.strip_prefix('/') {
                Some(name) => Some(name.to_owned()).filter(|name| !name.is_empty()),
                // `postgresql:orders`: neither a host nor a name.
                None => {
                    return Err(ConnectionError::Malformed("two slashes have to stand behind its scheme".to_owned()));
                }
            },
            other => other,
        };
        if engine.file_based && database.is_none() {
            return Err(ConnectionError::NeedsPath(engine.name.clone()));
        }
        // A socket in `--host`, as libpq's tools take it.
        let (host, socket) = match self.host {
            Some(host) if host.starts_with('/') => (None, Some(host)),
            host => (host, self.socket),
        };
        let connection = Connection {
            scheme: self.scheme,
            others: self.others,
            port: self.port.or(engine.default_port),
            user: self.user.or_else(|| engine.default_user.clone()),
            host: if socket.is_some() { None } else { host },
            socket,
            secrets: secrets.names(),
            params,
        };
        for (what, text) in [
            ("the host", &connection.host),
            ("the socket", &connection.socket),
            ("the user", &connection.user),
            ("the name", &database),
        ] {
            if let Some(character) = text.as_ref().and_then(|text| text.chars().find(|c| *c == '\0')) {
                return Err(ConnectionError::Character { what, character });
            }
        }
        Ok((connection, database, secrets))
    }

    fn looks_like_a_path(&self) -> bool {
        self.host.is_none()
            && self.socket.is_none()
            && self.user.is_none()
            && self.database.as_ref().is_some_and(|name| name.contains('/'))
    }
}

/// Stands for a host that is not there; no host name has such letters alone.
const NO_HOST: &str = "_";

/// `mongodb://user@a:27017,b:27018/db`: several hosts, which the URL standard does not know. Leaves the first in its place.
fn split_hosts(text: &str) -> Result<(String, Vec<Endpoint>), ConnectionError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok((text.to_owned(), Vec::new())) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let Some((first, others)) = hosts.split_once(',') else { return Ok((text.to_owned(), Vec::new())) };
    let at = if user.is_empty() { "" } else { "@" };
    let malformed = |what: &str| ConnectionError::Malformed(what.to_owned());
    let other = |other: &str| {
        // The parser that knows ports and brackets.
        let url = Url::parse(&format!("{scheme}://{other}/")).map_err(|error| malformed(&error.to_string()))?;
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| malformed("one of its hosts is empty"))?;
        let host = percent_decode_str(host).decode_utf8().map_err(|_| malformed("a host is not UTF-8"))?;
        Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), url.port()))
    };
    let others = others.split(',').map(other).collect::<Result<_, _>>()?;
    Ok((format!("{scheme}://{user}{at}{first}{behind}"), others))
}

/// libpq takes a user without a host (`postgresql://app@/orders?host=/run/postgresql`), the URL standard does not.
fn with_host(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) if host.is_empty() || host.starts_with(':') => {
            format!("{scheme}://{user}@{NO_HOST}{host}{behind}")
        }
        _ => text.to_owned(),
    }
}

/// RFC 3986, 3.1: `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":"`. One letter would be a drive.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn param(name: &str) -> crate::engine::Setting {
        let kind = crate::engine::SettingKind::Text;
        crate::engine::Setting { name: name.to_owned(), kind, default: None, summary: String::new() }
    }

    fn engine(file_based: bool) -> Description {
        Description {
            key: "pg".into(),
            name: "PostgreSQL".into(),
            aliases: vec![],
            version: "0.1.0".into(),
            schemes: if file_based { vec!["sqlite".into()] } else { vec!["postgresql".into(), "postgres".into()] },
            default_port: (!file_based).then_some(5432),
            default_user: None,
            file_based,
            tools: vec![],
            env: vec![],
            inherit: vec![],
            params: ["sslmode", "sslrootcert"].map(param).to_vec(),
            secrets: vec![crate::engine::NamedSecret { name: "sslpassword".into(), summary: String::new() }],
            settings: vec![],
            modes: vec![],
            scopes: vec![],
            native_compression: false,
            stream_conflicts: vec![],
            plans_by_inventory: false,
            restores_offline: false,
        }
    }

    fn resolve(url: &str, file_based: bool) -> Result<(Connection, Option<String>, Secrets), ConnectionError> {
        Target::parse(url)?.resolve(&engine(file_based))
    }

    #[test]
    fn a_full_url() {
        let (connection, database, secrets) =
            resolve("postgresql://app:p%40s%3As@db.example:6432/my%20orders?sslmode=require&sslpassword=k", false)
                .unwrap();
        assert_eq!(connection.host.as_deref(), Some("db.example"));
        assert_eq!(connection.port, Some(6432));
        assert_eq!(connection.user.as_deref(), Some("app"));
        assert_eq!(connection.params, [("sslmode".to_owned(), "require".to_owned())]);
        assert_eq!(connection.secrets, ["password", "sslpassword"]);
        assert_eq!(database.as_deref(), Some("my orders"));
        assert_eq!(secrets.get("password").unwrap().expose(), "p@s:s");
    }

    #[test]
    fn sockets_in_each_spelling() {
        for url in [
            "postgresql:///app?host=/run/pg",
            "postgresql://me@/app?host=/run/pg",
            "postgresql://me:pw@:5433/app?host=/run/pg",
            "postgresql://%2Frun%2Fpg/app",
        ] {
            let (connection, database, _) = resolve(url, false).unwrap();
            assert_eq!((connection.socket.as_deref(), connection.host), (Some("/run/pg"), None), "{url}");
            assert_eq!(database.as_deref(), Some("app"));
        }
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets() {
        assert_eq!(resolve("postgres://[::1]:5433/x", false).unwrap().0.host.as_deref(), Some("::1"));
    }

    #[test]
    fn several_hosts() {
        let (connection, database, secrets) =
            resolve("postgresql://app:a%2Cb@one:1,two,[::1]:3/orders?sslmode=require", false).unwrap();
        assert_eq!((connection.host.as_deref(), connection.port), (Some("one"), Some(1)));
        assert_eq!(connection.others, [("two".to_owned(), None), ("::1".to_owned(), Some(3))]);
        assert_eq!((connection.user.as_deref(), database.as_deref()), (Some("app"), Some("orders")));
        assert_eq!(secrets.get("password").unwrap().expose(), "a,b");
        assert!(resolve("postgresql://one,,two/x", false).is_err());
    }

    #[test]
    fn files() {
        assert_eq!(resolve("sqlite:///var/lib/a%20b.db", true).unwrap().1.as_deref(), Some("/var/lib/a b.db"));
        assert_eq!(resolve("./a.db", true).unwrap().1.as_deref(), Some("./a.db"));
        assert!(matches!(resolve("sqlite://", true), Err(ConnectionError::NeedsPath(_))));
    }

    #[test]
    fn mistakes_are_named_and_nothing_is_repeated() {
        let error = resolve("postgresql://u:hunter2@h/d?sslmod=x", false).unwrap_err().to_string();
        assert_eq!(
            error,
            "the PostgreSQL engine does not know the parameter `sslmod` of the database URL; did you mean `sslmode`?"
        );
        assert!(matches!(resolve("mysql://u:hunter2@h/d", false), Err(ConnectionError::Scheme { .. })));
        assert!(!resolve("postgresql://u:hunter2@h:99999/d", false).unwrap_err().to_string().contains("hunter2"));
        assert!(matches!(resolve("postgresql://h/d?sslmode=a&sslmode=b", false), Err(ConnectionError::Twice(_))));
    }

    proptest! {
        #[test]
        fn what_is_percent_encoded_comes_back(user in "[^\0]{1,20}", password in "[^\0]{1,20}", name in "[^\0]{1,20}") {
            let enc = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let url = format!("postgresql://{}:{}@h/{}", enc(&user), enc(&password), enc(&name));
            let (connection, database, secrets) = resolve(&url, false).unwrap();
            prop_assert_eq!(connection.user.unwrap(), user);
            // RFC 3986 has `.` and `..` as steps of a path even when they are escaped.
            if name != "." && name != ".." {
                prop_assert_eq!(database.unwrap(), name);
            }
            prop_assert_eq!(secrets.get("password").unwrap().expose(), password);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = resolve(&text, false);
        }
    }
}
