//! From settings to targets: secrets are asked for, and everything is checked that can be without a network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use planb_model::secret::Secret;
use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING};

use crate::email::Server;
use crate::endpoint::Endpoint;
use crate::event::Kind;
use crate::http::sensitive;
use crate::settings::{
    CallbackSettings, ChatSettings, EmailSettings, Inline, NtfySettings, PingSettings, SecretSource, SettingsError,
    TargetSettings, WebhookSettings,
};
use crate::target::{ALL_KINDS, Channel, Target, Tls};
use crate::when::When;

type Read<'a, E> = &'a dyn Fn(SecretSource) -> Result<Secret, E>;

impl TargetSettings {
    /// The target, its secrets fetched by `read` and everything checked that can be without a network.
    pub fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        match self {
            Self::Slack(chat) => chat.resolve(read, Channel::Slack),
            Self::Discord(chat) => chat.resolve(read, Channel::Discord),
            Self::Webhook(webhook) => webhook.resolve(read),
            Self::Callback(callback) => callback.resolve(read),
            Self::Email(email) => email.resolve(read),
            Self::Ping(ping) => ping.resolve(read),
            Self::Ntfy(ntfy) => ntfy.resolve(read),
        }
    }
}

/// One of three ways to give a secret, or none.
fn secret<E: fmt::Display>(
    read: Read<'_, E>,
    key: &str,
    value: Option<Inline>,
    file: Option<PathBuf>,
    env: Option<String>,
) -> Result<Option<Secret>, SettingsError> {
    let given = [
        value.map(|value| (key.to_owned(), SecretSource::Value(value.0))),
        file.map(|file| (format!("{key}_file"), SecretSource::File(file))),
        env.map(|env| (format!("{key}_env"), SecretSource::Env(env))),
    ];
    let mut given = given.into_iter().flatten();
    let Some((key, source)) = given.next() else { return Ok(None) };
    if let Some((second, _)) = given.next() {
        return Err(SettingsError::Twice { first: key, second });
    }
    let secret = read(source).map_err(|why| SettingsError::Secret { key: key.clone(), why: why.to_string() })?;
    if secret.expose().trim().is_empty() {
        return Err(SettingsError::wrong(&key, "is empty"));
    }
    Ok(Some(secret))
}

fn required(key: &str, secret: Option<Secret>) -> Result<Secret, SettingsError> {
    secret.ok_or_else(|| SettingsError::Missing(key.to_owned()))
}

/// Reads certificates, and looks whether they are some.
fn authority<E: fmt::Display>(read: Read<'_, E>, file: Option<PathBuf>) -> Result<Option<Vec<u8>>, SettingsError> {
    let Some(file) = file else { return Ok(None) };
    let wrong = |why: String| SettingsError::Secret { key: "ca_file".to_owned(), why };
    let pem = read(SecretSource::File(file)).map_err(|why| wrong(why.to_string()))?.expose().as_bytes().to_vec();
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(Some(pem)),
        _ => Err(wrong("no certificates in PEM form in it".to_owned())),
    }
}

fn all_kinds(kinds: Option<Vec<Kind>>) -> Vec<Kind> {
    kinds.unwrap_or_else(|| ALL_KINDS.to_vec())
}

impl ChatSettings {
    fn resolve<E: fmt::Display>(
        self,
        read: Read<'_, E>,
        channel: fn(Endpoint) -> Channel,
    ) -> Result<Target, SettingsError> {
        let url = required("url", secret(read, "url", self.url, self.url_file, self.url_env)?)?;
        let endpoint = Endpoint::parse(&url).map_err(|why| SettingsError::url("url", why))?;
        let authority = authority(read, self.ca_file)?;
        Ok(Target {
            when: self.on,
            kinds: all_kinds(self.kinds),
            started: false,
            authority,
            channel: channel(endpoint),
        })
    }
}

impl WebhookSettings {
    fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        let url = required("url", secret(read, "url", self.url, self.url_file, self.url_env)?)?;
        let bearer = secret(read, "token", self.token, self.token_file, self.token_env)?;
        let signing = secret(read, "secret", self.secret, self.secret_file, self.secret_env)?;
        let headers = headers(self.headers, bearer.is_some())?;
        let parse = if bearer.is_some() { Endpoint::parse_for_token } else { Endpoint::parse };
        let endpoint = parse(&url).map_err(|why| SettingsError::url("url", why))?;
        Ok(Target {
            when: self.on,
            kinds: all_kinds(self.kinds),
            started: self.started,
            authority: authority(read, self.ca_file)?,
            channel: Channel::Webhook { endpoint, bearer: token("token", bearer)?, signing, headers },
        })
    }
}

/// A token that has to fit into a header.
fn token(key: &str, token: Option<Secret>) -> Result<Option<Secret>, SettingsError> {
    if token.as_ref().is_some_and(|token| sensitive(token.expose()).is_none()) {
        return Err(SettingsError::wrong(key, "has a character that cannot stand in a header"));
    }
    Ok(token)
}

fn headers(given: BTreeMap<String, Inline>, bearer: bool) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let key = format!("headers.{name}");
        let name = HeaderName::try_from(&name).map_err(|_| SettingsError::wrong(&key, "is no header's name"))?;
        let own = name.as_str().starts_with("x-planb-") || bearer && name == AUTHORIZATION;
        if own || [CONTENT_TYPE, CONTENT_LENGTH, HOST, TRANSFER_ENCODING].contains(&name) {
            return Err(SettingsError::wrong(&key, "is set by Plan B itself"));
        }
        let value = sensitive(value.0.expose());
        let value = value.ok_or_else(|| SettingsError::wrong(&key, "has a character that cannot stand in a header"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

impl CallbackSettings {
    fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        let url = required("url", secret(read, "url", self.url, self.url_file, self.url_env)?)?;
        let secret = token("secret", secret(read, "secret", self.secret, self.secret_file, self.secret_env)?)?;
        let parse = if secret.is_some() { Endpoint::parse_for_token } else { Endpoint::parse };
        let endpoint = parse(&url).map_err(|why| SettingsError::url("url", why))?;
        Ok(Target {
            when: self.on.unwrap_or(When::Always),
            kinds: self.kinds.unwrap_or_else(|| vec![Kind::Run, Kind::Restore]),
            started: true,
            authority: authority(read, self.ca_file)?,
            channel: Channel::Callback { endpoint, secret },
        })
    }
}

impl EmailSettings {
    fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        let missing = |key: &str| SettingsError::Missing(key.to_owned());
        let host = Some(self.host).filter(|host| !host.is_empty()).ok_or_else(|| missing("host"))?;
        if host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
            return Err(SettingsError::wrong("host", "is no host's name or address"));
        }
        let mailbox = |key: &str, text: &str| {
            text.parse::<Mailbox>().map_err(|why| SettingsError::wrong(key, format!("is no mail address: {why}")))
        };
        if self.from.is_empty() {
            return Err(missing("from"));
        }
        let from = mailbox("from", &self.from)?;
        let to = self.to.iter().map(|to| mailbox("to", to)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(missing("to"));
        }
        let password = secret(read, "password", self.password, self.password_file, self.password_env)?;
        let login = match (self.user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => return Err(missing("password")),
            (None, Some(_)) => return Err(missing("user")),
        };
        let near = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if login.is_some() && self.tls == Tls::None && !near {
            let why = "is `none`, which would send the password in clear; use `starttls` or `tls`";
            return Err(SettingsError::wrong("tls", why));
        }
        let port = self.port.unwrap_or(match self.tls {
            Tls::Starttls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        });
        let server = Server { host, port, tls: self.tls, login, from, to };
        Ok(Target {
            when: self.on,
            kinds: all_kinds(self.kinds),
            started: false,
            authority: authority(read, self.ca_file)?,
            channel: Channel::Email(Box::new(server)),
        })
    }
}

impl PingSettings {
    fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        let url = required("url", secret(read, "url", self.url, self.url_file, self.url_env)?)?;
        let endpoint = Endpoint::parse(&url).map_err(|why| SettingsError::url("url", why))?;
        Ok(Target {
            when: self.on.unwrap_or(When::Always),
            kinds: self.kinds.unwrap_or_else(|| vec![Kind::Run]),
            started: self.started,
            authority: authority(read, self.ca_file)?,
            channel: Channel::Ping(endpoint),
        })
    }
}

impl NtfySettings {
    fn resolve<E: fmt::Display>(self, read: Read<'_, E>) -> Result<Target, SettingsError> {
        let url = required("url", secret(read, "url", self.url, self.url_file, self.url_env)?)?;
        let access = secret(read, "token", self.token, self.token_file, self.token_env)?;
        let parse = if access.is_some() { Endpoint::parse_for_token } else { Endpoint::parse };
        let (endpoint, topic) =
            parse(&url).and_then(|endpoint| endpoint.split()).map_err(|why| SettingsError::url("url", why))?;
        if !topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) || topic.len() > 64 {
            return Err(SettingsError::wrong("url", "has no topic of letters, digits, `-` and `_` at its end"));
        }
        if self.priority.is_some_and(|priority| !(1..=5).contains(&priority)) {
            return Err(SettingsError::wrong("priority", "is not 1 to 5"));
        }
        Ok(Target {
            when: self.on,
            kinds: all_kinds(self.kinds),
            started: false,
            authority: authority(read, self.ca_file)?,
            channel: Channel::Ntfy { endpoint, topic, token: token("token", access)?, priority: self.priority },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Files and variables hold their own name.
    fn read(source: SecretSource) -> Result<Secret, String> {
        match source {
            SecretSource::Value(secret) => Ok(secret),
            SecretSource::File(path) if path.as_os_str() == "gone" => Err("no such file".to_owned()),
            SecretSource::File(path) => Ok(Secret::new(path.to_string_lossy().into_owned())),
            SecretSource::Env(name) => Ok(Secret::new(format!("https://env.example/{name}"))),
        }
    }

    fn settings(json: serde_json::Value) -> Result<Target, String> {
        let settings: TargetSettings = serde_json::from_value(json).map_err(|error| error.to_string())?;
        settings.resolve(&read).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_becomes_a_target() {
        use serde_json::json;
        let from = json!("Plan B <planb@example.org>");
        for (given, shown) in [
            (json!({"type": "slack", "url_env": "HOOK"}), "slack at env.example"),
            (json!({"type": "discord", "url_file": "https://discord.com/api/webhooks/1/x"}), "discord at discord.com"),
            (
                json!({"type": "webhook", "url": "http://h:8080/x", "token": "t", "headers": {"X-Team": "db"}}),
                "webhook at h:8080",
            ),
            (json!({"type": "callback", "url": "https://h/cb", "secret": "s"}), "callback at h"),
            (
                json!({"type": "ping", "url": "https://hc-ping.com/1-2-3", "kinds": ["run", "drill"]}),
                "ping at hc-ping.com",
            ),
            (json!({"type": "ntfy", "url": "https://ntfy.sh/planb", "priority": 5}), "ntfy at ntfy.sh"),
            (
                json!({"type": "email", "host": "mail.example", "from": from, "to": ["a@example.org"]}),
                "email at mail.example:587",
            ),
            (
                json!({"type": "email", "host": "mail.example", "tls": "tls", "user": "u", "password": "p", "from": from, "to": ["a@example.org"]}),
                "email at mail.example:465",
            ),
        ] {
            assert_eq!(settings(given.clone()).map(|target| format!("{target:?}")).as_deref(), Ok(shown), "{given}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is() {
        use serde_json::json;
        let mail = |more: serde_json::Value| {
            let mut all =
                json!({"type": "email", "host": "mail.example", "from": "planb@example.org", "to": ["a@example.org"]});
            for (key, value) in more.as_object().unwrap() {
                all[key] = value.clone();
            }
            all
        };
        let wrong = [
            json!({"type": "slack"}),
            json!({"type": "slack", "url": "hunter2"}),
            json!({"type": "slack", "url": "https://hunter2/x", "url_env": "HOOK"}),
            json!({"type": "slack", "url_file": "gone"}),
            json!({"type": "slack", "url": " "}),
            json!({"type": "slack", "uri": "https://hunter2/x"}),
            json!({"type": "pager", "url": "https://hunter2/x"}),
            json!({"type": "slack", "url": "https://h/x", "on": "never"}),
            json!({"type": "slack", "url": "https://h/x", "ca_file": "not a certificate"}),
            json!({"type": "webhook", "url": "https://u:hunter2@h/x", "token": "hunter2"}),
            json!({"type": "webhook", "url": "https://h/x", "token": "hunter2\n"}),
            json!({"type": "webhook", "url": "https://h/x", "headers": {"X-A": "hunter2\r\nX-B: 1"}}),
            json!({"type": "webhook", "url": "https://h/x", "headers": {"X A": "hunter2"}}),
            json!({"type": "webhook", "url": "https://h/x", "headers": {"x-planb-signature": "hunter2"}}),
            json!({"type": "ntfy", "url": "https://ntfy.sh"}),
            json!({"type": "ntfy", "url": "https://ntfy.sh/hunter2!"}),
            json!({"type": "ntfy", "url": "https://ntfy.sh/x", "priority": 6}),
            mail(json!({"host": ""})),
            mail(json!({"to": []})),
            mail(json!({"to": ["a@example.org\r\nBcc: b@example.org"]})),
            mail(json!({"from": "nobody"})),
            mail(json!({"user": "u"})),
            mail(json!({"password": "hunter2"})),
            mail(json!({"user": "u", "password": "hunter2", "tls": "none"})),
        ];
        let said: Vec<_> = wrong.into_iter().map(|given| settings(given).unwrap_err()).collect();
        assert!(said.iter().all(|said| !said.contains("hunter2")), "{said:#?}");
        insta::assert_snapshot!(said.join("\n"), @r"
        `url` is missing
        `url` is not a URL
        `url` and `url_env` are both set; keep one of them
        `url_file`: no such file
        `url` is empty
        unknown field `uri`, expected one of `url`, `url_file`, `url_env`, `on`, `kinds`, `ca_file`
        unknown variant `pager`, expected one of `slack`, `discord`, `webhook`, `callback`, `email`, `ping`, `ntfy`
        unknown variant `never`, expected one of `always`, `failure`, `success`, `recovery`
        `ca_file`: no certificates in PEM form in it
        `url` has a user or password in it, but a token is sent instead; keep one of them
        `token` has a character that cannot stand in a header
        `headers.X-A` has a character that cannot stand in a header
        `headers.X A` is no header's name
        `headers.x-planb-signature` is set by Plan B itself
        `url` has no topic; it has to be like https://ntfy.sh/TOPIC
        `url` has no topic of letters, digits, `-` and `_` at its end
        `priority` is not 1 to 5
        `host` is missing
        `to` is missing
        `to` is no mail address: Invalid input
        `from` is no mail address: Invalid input
        `password` is missing
        `user` is missing
        `tls` is `none`, which would send the password in clear; use `starttls` or `tls`
        ");
    }

    #[test]
    fn a_password_in_clear_stays_on_the_machine() {
        let near = serde_json::json!({"type": "email", "host": "127.0.0.1", "tls": "none", "user": "u", "password": "p", "from": "a@b.example", "to": ["a@b.example"]});
        assert_eq!(settings(near).unwrap().host(), "127.0.0.1:25");
    }

    #[test]
    fn settings_never_print_a_secret() {
        let given = serde_json::json!({"type": "callback", "url": "https://h/hunter2", "secret": "hunter2"});
        let settings: TargetSettings = serde_json::from_value(given).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!format!("{:?}", settings.resolve(&read).unwrap().channel).contains("hunter2"));
    }
}
