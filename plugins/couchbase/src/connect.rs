//! How a connection becomes options, variables and a file of curl's.
//!
//! cbbackupmgr takes a password on its command line, from a prompt or from CB_PASSWORD (cbbackupmgr-backup, "ENVIRONMENT AND
//! CONFIGURATION VARIABLES"): so it goes by the environment. curl reads it from a private file (`--config`, curl(1)).

use planb_sdk::{Command, Failure, PrivateFile, Request, Scope, Secret, path};

use crate::describe::MANAGER;

const CONFIG: &str = "curl.conf";

/// The bucket of a request; none: the whole cluster. Names have up to 100 letters, digits and `_ - . %` (Couchbase
/// documentation, "Create a Bucket").
pub(crate) fn bucket(scope: &Scope) -> Result<Option<&str>, Failure> {
    match scope {
        Scope::All => Ok(None),
        Scope::Globals => {
            Err(Failure::unsupported("Couchbase has no dump of users alone: they are part of a whole cluster's"))
        }
        Scope::Database(name) => {
            let fine = (1..=100).contains(&name.len())
                && !name.starts_with(['.', '-'])
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.%".contains(&byte));
            if fine {
                return Ok(Some(name));
            }
            Err(Failure::missing_database(format!("{name:?} cannot be a bucket"))
                .hint("write --db couchbase://user@host/bucket"))
        }
    }
}

/// A scope or a collection: up to 251 letters, digits and `_ - %`.
pub(crate) fn part(name: &str) -> bool {
    (1..=251).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte))
}

fn tls(request: &Request) -> bool {
    request.connection.scheme.as_deref() == Some("couchbases")
}

/// `http://host:8091`, or `https://host:18091`: what both tools take.
pub(crate) fn url(request: &Request) -> Result<String, Failure> {
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(Failure::settings("Couchbase has no unix socket").hint("write couchbase://user@host/bucket"));
    }
    let host = connection.host.as_deref().unwrap_or("127.0.0.1");
    let plain = |host: &str| {
        !host.is_empty()
            && !host.starts_with('-')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
    };
    if !plain(host) {
        return Err(Failure::settings(format!("{host:?} is no host name")));
    }
    let (scheme, port) = if tls(request) { ("https", 18091) } else { ("http", 8091) };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(format!("{scheme}://{host}:{}", connection.port.unwrap_or(port)))
}

/// How a request logs in.
enum Login<'a> {
    Password(&'a str),
    Certificate(&'a str, &'a str),
}

fn login(request: &Request) -> Result<Login<'_>, Failure> {
    match (
        &request.connection.user,
        request.has_secret("password"),
        request.param("clientcert"),
        request.param("clientkey"),
    ) {
        (Some(user), true, None, None) => Ok(Login::Password(user)),
        (None, false, Some(certificate), Some(key)) if tls(request) => Ok(Login::Certificate(certificate, key)),
        (Some(_), false, ..) => {
            Err(Failure::settings("there is a user and no password, and cbbackupmgr would ask for one")
                .hint("set DB_PASSWORD"))
        }
        _ => Err(Failure::settings(
            "Couchbase wants a user and a password, or clientcert and clientkey with couchbases://",
        )
        .hint("write couchbase://user@host/bucket and set DB_PASSWORD")),
    }
}

/// Whether the server's certificate is checked.
fn verified(request: &Request) -> Result<bool, Failure> {
    match request.param("sslverify") {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(Failure::settings(format!("sslverify={other} is neither true nor false"))),
    }
}

/// `cbbackupmgr` that acts on the archive alone.
pub(crate) fn manager(request: &Request, action: &'static str, archive: &str) -> Result<Command, Failure> {
    request.need_tool("cbbackupmgr", MANAGER)?;
    Ok(Command::tool("cbbackupmgr").flag(action).pair("--archive", path(archive)).pair("--repo", "planb"))
}

/// `cbbackupmgr` that talks to the cluster.
pub(crate) fn manager_online(request: &Request, action: &'static str, archive: &str) -> Result<Command, Failure> {
    let mut command = manager(request, action, archive)?.pair("--cluster", url(request)?).flag("--no-progress-bar");
    command = match login(request)? {
        Login::Password(user) => command.env("CB_USERNAME", user).env("CB_PASSWORD", Secret::raw("password")),
        Login::Certificate(certificate, key) => command.pair("--client-cert", certificate).pair("--client-key", key),
    };
    if tls(request) {
        command = match (request.param("cacert"), verified(request)?) {
            (_, false) => command.flag("--no-ssl-verify"),
            (Some(file), true) => command.pair("--cacert", file),
            (None, true) => {
                return Err(Failure::settings("the certificate authority is missing")
                    .hint("add cacert=/path/to/ca.pem to the URL, or sslverify=false to trust any certificate"));
            }
        };
    }
    if let Some(threads) = request.number("threads")?.filter(|threads| *threads > 0) {
        command = command.pair("--threads", threads.to_string());
    }
    Ok(command)
}

/// The private file of every plan that runs curl.
pub(crate) fn curl_config(request: &Request) -> Result<Option<PrivateFile>, Failure> {
    let Login::Password(user) = login(request)? else { return Ok(None) };
    // A colon would end the user; a control character cannot be written between quotes.
    if user.contains(|c: char| c == ':' || c.is_control()) {
        return Err(Failure::settings(format!("{user:?} cannot be a user of Couchbase")));
    }
    let user = user.replace('\\', "\\\\").replace('"', "\\\"");
    let file = PrivateFile::new(CONFIG).text(format!("user = \"{user}:"));
    Ok(Some(file.secret(Secret::quoted("password")).text("\"\n")))
}

/// `curl` for a path of the REST API. It fails where the server answers with an error.
pub(crate) fn curl(request: &Request, resource: &str) -> Result<Command, Failure> {
    request.need_tool("curl", "curl")?;
    // First, so that no .curlrc is read.
    let mut command = Command::tool("curl")
        .flag("--disable")
        .flag("--silent")
        .flag("--show-error")
        .flag("--fail")
        .flag("--globoff")
        .flag("--proto")
        .flag("=http,https")
        .flag("--connect-timeout")
        .flag("10")
        .flag("--max-time")
        .flag("110");
    command = match login(request)? {
        Login::Password(_) => command.pair("--config", path(CONFIG)),
        Login::Certificate(certificate, key) => command.pair("--cert", certificate).pair("--key", key),
    };
    if !verified(request)? {
        command = command.flag("--insecure");
    } else if let Some(file) = request.param("cacert") {
        command = command.pair("--cacert", file);
    }
    Ok(command.value(format!("{}{resource}", url(request)?)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request(bucket: &str) -> Request {
        let mut request = planb_sdk::testing::request(bucket)
            .password()
            .tool("cbbackupmgr", "7.6.2")
            .tool("curl", "7.88.1")
            .tool("find", "4.9.0")
            .mode(planb_sdk::Mode::Tar);
        for tool in request.tools.iter_mut().filter(|tool| tool.id == "find") {
            tool.banner = Some("find (GNU findutils) 4.9.0".to_owned());
        }
        request
    }

    const CURL: &str =
        "curl --disable --silent --show-error --fail --globoff --proto =http,https --connect-timeout 10 --max-time 110";

    #[test]
    fn a_password() {
        assert_eq!(
            manager_online(&request("b").with_setting("threads", "4"), "backup", "a").unwrap().to_string(),
            "CB_USERNAME=app CB_PASSWORD={secret password} cbbackupmgr backup --archive {work}/a --repo planb --cluster http://db:8091 \
             --no-progress-bar --threads 4"
        );
        assert_eq!(
            curl(&request("b"), "/pools").unwrap().to_string(),
            format!("{CURL} --config {{work}}/curl.conf http://db:8091/pools")
        );
        let mut odd = request("b");
        odd.connection.user = Some("a\"b\\c".to_owned());
        let file = curl_config(&odd).unwrap().unwrap();
        assert_eq!(file.content[0], "user = \"a\\\"b\\\\c:".into());
        for bad in ["a:b", "a\nb"] {
            odd.connection.user = Some(bad.to_owned());
            assert!(curl_config(&odd).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn encrypted() {
        let mut request = request("b");
        request.connection.scheme = Some("couchbases".to_owned());
        assert!(manager_online(&request, "backup", "a").unwrap_err().message.contains("authority"));
        let request = request.with_param("cacert", "/ca.pem");
        let text = manager_online(&request, "backup", "a").unwrap().to_string();
        assert!(text.ends_with("--cluster https://db:18091 --no-progress-bar --cacert /ca.pem"), "{text}");
        assert!(curl(&request, "/pools").unwrap().to_string().ends_with("--cacert /ca.pem https://db:18091/pools"));
        let loose = request.clone().with_param("sslverify", "false");
        assert!(curl(&loose, "/pools").unwrap().to_string().contains("--insecure"));
        let mut certificate = request.with_param("clientcert", "/c.pem").with_param("clientkey", "/k.pem");
        assert!(curl(&certificate, "/").is_err());
        certificate.connection.user = None;
        certificate.connection.secrets.clear();
        assert!(curl(&certificate, "/").unwrap().to_string().contains("--cert /c.pem --key /k.pem --cacert"));
        assert_eq!(curl_config(&certificate), Ok(None));
    }

    #[test]
    fn names() {
        for bad in ["", "a b", "a/b", ".x", "-x", "a'\"\\`", "é", "a\nb", &"x".repeat(101)] {
            assert!(bucket(&Scope::Database(bad.to_owned())).is_err(), "{bad:?}");
        }
        let mut request = request("b");
        for bad in ["a b", "h/x@", "-x", "a\nb", "h?x"] {
            request.connection.host = Some(bad.to_owned());
            assert!(url(&request).is_err(), "{bad:?}");
        }
        request.connection.host = Some("::1".to_owned());
        assert_eq!(url(&request).unwrap(), "http://[::1]:8091");
    }
}
