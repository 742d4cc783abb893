//! How a connection becomes a URL and a configuration of `curl`.
//!
//! User and password stand in a private file that `curl` reads with `--config`. Inside its double quotes a backslash
//! escapes (curl manual, `-K`). `curl` follows no redirect unless it is told to, so the password goes to this host alone.

use planb_sdk::{Command, Connection, Failure, PrivateFile, Request, Secret, path, quote};

const CONFIG: &str = "curl.conf";

/// `curl` with everything but what is asked for.
pub(crate) fn curl(request: &Request) -> Result<Command, Failure> {
    let connection = &request.connection;
    let mut command = Command::tool("curl")
        // First, or it has no effect: no .curlrc.
        .flag("--disable")
        .flag("--no-progress-meter")
        .flag("--globoff")
        .pair("--proto", "http,https")
        .pair("--connect-timeout", "15")
        .pair("--header", "Accept: application/json");
    for (option, param) in [("--cacert", "cacert"), ("--cert", "cert"), ("--key", "key")] {
        if let Some(file) = connection.param(param).filter(|file| !file.is_empty()) {
            command = command.pair(option, file);
        }
    }
    if connection.param("insecure") == Some("true") {
        command = command.flag("--insecure");
    }
    Ok(match login(connection)? {
        Some(_) => command.pair("--config", path(CONFIG)),
        None => command,
    })
}

/// The private file with user and password, where there are any.
pub(crate) fn login(connection: &Connection) -> Result<Option<PrivateFile>, Failure> {
    let password = connection.secrets.iter().any(|secret| secret == "password");
    match (&connection.user, password) {
        (None, false) => Ok(None),
        (Some(user), true) => {
            // In HTTP's Basic scheme the first colon ends the user (RFC 7617, 2).
            if user.is_empty() || user.contains(|c: char| c.is_control() || c == ':') {
                return Err(Failure::settings("the user is empty, or holds a colon or a control character")
                    .hint("check the user in --db"));
            }
            let user = user.replace('\\', "\\\\").replace('"', "\\\"");
            let file = PrivateFile::new(CONFIG).text(format!("user = \"{user}:"));
            Ok(Some(file.secret(Secret::quoted("password")).text("\"\n")))
        }
        // curl would ask a terminal.
        (Some(user), false) => Err(Failure::settings(format!("the password of the CouchDB user {user} is missing"))
            .hint("give it in DB_PASSWORD or --password-file, or leave the user out if the server asks for none")),
        (None, true) => Err(Failure::settings("a password is given, but no CouchDB user")
            .hint("write the user into the URL: couchdb://app@host/orders")),
    }
}

/// The URL of the server, without a slash at its end.
pub(crate) fn server(connection: &Connection) -> Result<String, Failure> {
    if connection.socket.is_some() {
        return Err(Failure::settings("CouchDB listens on no unix socket").hint("give host and port"));
    }
    let host = connection.host.as_deref().unwrap_or("127.0.0.1");
    // Anything else could begin another part of the URL.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
        return Err(Failure::settings(format!("{host:?} is no host name or address")));
    }
    // A browser's URL means a browser's ports; CouchDB's own are those of its documentation (httpd and ssl).
    let (scheme, port) = match connection.scheme.as_deref() {
        Some("https") => ("https", 443),
        Some("http") => ("http", 80),
        Some("couchdbs") => ("https", 6984),
        _ => ("http", 5984),
    };
    let port = connection.port.unwrap_or(port);
    let mut url =
        if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") };
    for part in connection.param("prefix").unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." {
            return Err(Failure::settings("the prefix is a path of the server's URL, without steps back"));
        }
        url.push('/');
        url.push_str(&quote::percent(part, ""));
    }
    Ok(url)
}

/// The URL of the request's database.
pub(crate) fn database(request: &Request) -> Result<String, Failure> {
    let name = request.database()?;
    // CouchDB documentation, "PUT /{db}"; its own databases begin with an underscore.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_$()+-/".contains(c);
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    if !name.starts_with(first) || !name.chars().all(plain) || name.len() > 238 {
        return Err(Failure::settings(format!("{:?} is no name of a CouchDB database", short(name)))
            .hint("a name is a small letter, followed by small letters, digits, and _ $ ( ) + - /"));
    }
    Ok(format!("{}/{}", server(&request.connection)?, quote::percent(name, "")))
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn urls() {
        let url = |scheme: Option<&str>, host: &str, port: Option<u16>| {
            let mut request = testing::request("a/b+c");
            request.connection.scheme = scheme.map(str::to_owned);
            request.connection.host = Some(host.to_owned());
            request.connection.port = port;
            database(&request).map_err(|failure| failure.message)
        };
        assert_eq!(url(None, "db", None).unwrap(), "http://db:5984/a%2Fb%2Bc");
        assert_eq!(url(Some("couchdbs"), "db", None).unwrap(), "https://db:6984/a%2Fb%2Bc");
        assert_eq!(url(Some("https"), "db", None).unwrap(), "https://db:443/a%2Fb%2Bc");
        assert_eq!(url(Some("http"), "::1", Some(1)).unwrap(), "http://[::1]:1/a%2Fb%2Bc");
        for host in ["", "a/b", "a@b", "a b", "a\nb", "a?b", "a#b", "[x", "'\"\\`"] {
            assert!(url(None, host, None).is_err(), "{host:?}");
        }
        let mut request = testing::request("x").with_param("prefix", "/couch db/");
        assert_eq!(database(&request).unwrap(), "http://db:5984/couch%20db/x");
        request = testing::request("x").with_param("prefix", "a/../b");
        assert!(database(&request).is_err());
    }

    #[test]
    fn names() {
        for name in ["", ".", "..", "A", "a b", "-a", "a\"", "é", "1a", "a?b", "a#", "a\n", &"x".repeat(239)] {
            assert!(database(&testing::request(name)).is_err(), "{name:?}");
        }
        for name in ["_users", "a", "a1_$()+-/x"] {
            assert!(database(&testing::request(name)).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn logins() {
        let mut request = testing::request("x");
        assert!(login(&request.connection).unwrap_err().message.contains("password of the CouchDB user app"));
        request = request.password();
        request.connection.user = Some("a\"b\\c".to_owned());
        let file = login(&request.connection).unwrap().unwrap();
        assert_eq!(file.content.len(), 3);
        assert_eq!(file.content[0], "user = \"a\\\"b\\\\c:".into());
        for user in ["", "a:b", "a\nb", "a\tb"] {
            request.connection.user = Some(user.to_owned());
            assert!(login(&request.connection).is_err(), "{user:?}");
        }
        request.connection.user = None;
        assert!(login(&request.connection).unwrap_err().message.contains("no CouchDB user"));
        assert!(!curl(&testing_anonymous()).unwrap().to_string().contains("--config"));
    }

    fn testing_anonymous() -> Request {
        let mut request = testing::request("x");
        request.connection.user = None;
        request
    }

    #[test]
    fn encryption() {
        let request = testing_anonymous().with_param("cacert", "/ca.pem").with_param("insecure", "true");
        let shown = curl(&request).unwrap().to_string();
        assert!(shown.ends_with("--cacert /ca.pem --insecure"), "{shown}");
    }
}
