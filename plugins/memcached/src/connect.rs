//! How a conversation with the server becomes a run of `socat`, which sends its stdin and prints the answers.
//!
//! In an address of socat's, commas and colons part options (its manual, "ADDRESS SPECIFICATIONS"), so nothing of the request stands
//! in one that holds any character with a meaning there.

use planb_sdk::{Command, Failure, Request, Scope};

use crate::describe::SOCAT;

/// After its stdin has ended, socat waits so many seconds for the server to end the connection: as long as the longest listing of keys.
const PATIENCE: &str = "604800";

/// A conversation. Its stdin still has to be said. It needs no `quit`: where it ends, socat ends its side of the connection, and the server
/// the other once it has answered. (Over TLS, a server that quits resets the connection, and its last answers may be lost; and behind
/// the listing of keys a `quit` is not read.)
pub(crate) fn talk(request: &Request) -> Result<Command, Failure> {
    request.need_tool("socat", SOCAT)?;
    let socat = Command::tool("socat").flag("-t").flag(PATIENCE).flag("-");
    Ok(socat.value(address(request)?))
}

fn address(request: &Request) -> Result<String, Failure> {
    let connection = &request.connection;
    let by_scheme = connection.scheme.as_deref() == Some("memcacheds");
    let tls = by_scheme || request.toggle("tls")?;
    let insecure = insecure(request)?;
    let files = ["cacert", "cert", "key"].map(|name| (name, request.param(name).filter(|path| !path.is_empty())));
    if !tls
        && let Some(name) =
            files.iter().find(|(_, path)| path.is_some()).map(|(name, _)| *name).or(insecure.then_some("insecure"))
    {
        return Err(Failure::settings(format!("the parameter {name} is for TLS, and this connection has none"))
            .hint("write memcacheds:// for memcached:// in the URL, or add --option tls=true"));
    }
    if let Some(socket) = &connection.socket {
        if tls {
            return Err(Failure::settings("a socket has no TLS"));
        }
        return Ok(format!("UNIX-CONNECT:{}", path("the socket", socket)?));
    }
    let host = host(connection.host.as_deref().unwrap_or("127.0.0.1"))?;
    let port = connection.port.unwrap_or(11211);
    if !tls {
        return Ok(format!("TCP:{host}:{port},connect-timeout=10"));
    }
    let mut address = format!("OPENSSL:{host}:{port},connect-timeout=10,verify={}", u8::from(!insecure));
    for ((name, file), option) in files.into_iter().zip(["cafile", "cert", "key"]) {
        if let Some(file) = file {
            address.extend([",", option, "=", path(name, file)?]);
        }
    }
    Ok(address)
}

fn host(host: &str) -> Result<String, Failure> {
    if !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        Ok(host.to_owned())
    } else if host.parse::<std::net::Ipv6Addr>().is_ok() {
        Ok(format!("[{host}]"))
    } else {
        Err(Failure::settings(format!("{host:?} is not the name or address of a host")))
    }
}

fn path<'a>(what: &str, path: &'a str) -> Result<&'a str, Failure> {
    let special = |c: char| c.is_control() || ",:!\"'\\([{)]}".contains(c);
    if path.starts_with('/') && !path.contains(special) {
        return Ok(path);
    }
    Err(Failure::settings(format!(
        "{what} has to be an absolute path without any of , : ! \" ' \\ and brackets, and is {path:?}"
    ))
    .hint("these have a meaning of their own in socat's addresses: make a link with a plain name"))
}

fn insecure(request: &Request) -> Result<bool, Failure> {
    match request.param("insecure") {
        None | Some("false" | "no" | "off" | "0") => Ok(false),
        Some("" | "true" | "yes" | "on" | "1") => Ok(true),
        Some(other) => Err(Failure::settings(format!("the parameter insecure is a toggle and cannot be {other:?}"))),
    }
}

/// What is said of plans for a connection that is less than it could be.
pub(crate) fn warnings(request: &Request) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    if insecure(request)? {
        warnings.push(
            "the server's certificate is not checked (insecure): anybody on the way can read and change what passes"
                .to_owned(),
        );
    }
    // The server lists its keys only where nothing was sent on the connection before in one go, and so no password either.
    if request.has_secret("password") || request.connection.user.is_some() {
        warnings.push("user and password are not sent: this engine cannot (memcached -Y, SASL)".to_owned());
    }
    if let Scope::Database(name) = &request.scope {
        warnings.push(format!("memcached has no databases: the name {name:?} is passed over"));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    fn request() -> Request {
        let mut request = testing::request("").scope(Scope::All).tool("socat", "1.7.4");
        request.connection.user = None;
        request
    }

    #[test]
    fn addresses() {
        let of = |change: &dyn Fn(&mut Request)| {
            let mut request = request();
            change(&mut request);
            address(&request).unwrap_or_else(|failure| failure.message)
        };
        assert_eq!(of(&|_| ()), "TCP:db:11211,connect-timeout=10");
        assert_eq!(of(&|r| r.connection.host = Some("::1".to_owned())), "TCP:[::1]:11211,connect-timeout=10");
        assert_eq!(of(&|r| r.connection.socket = Some("/run/m.sock".to_owned())), "UNIX-CONNECT:/run/m.sock");
        let tls = |r: &mut Request| {
            r.connection.scheme = Some("memcacheds".to_owned());
            r.connection.params =
                vec![("cacert".to_owned(), "/ca.pem".to_owned()), ("cert".to_owned(), "/c.pem".to_owned())];
        };
        assert_eq!(of(&tls), "OPENSSL:db:11211,connect-timeout=10,verify=1,cafile=/ca.pem,cert=/c.pem");
        assert!(of(&|r| r.connection.params = vec![("insecure".to_owned(), "true".to_owned())]).contains("is for TLS"));
    }

    #[test]
    fn nothing_gets_into_an_address() {
        for host in ["", "a,exec=x", "a:b", "a b", "a!!b", "fe80::1%eth0", "é", "::1,x"] {
            let mut request = request();
            request.connection.host = Some(host.to_owned());
            assert!(talk(&request).is_err(), "{host}");
        }
        for socket in ["x", "/a,b", "/a:b", "/a\"b", "/a'b", "/a\\b", "/a\nb", "/a!b", "/a(b"] {
            let mut request = request();
            request.connection.socket = Some(socket.to_owned());
            assert!(talk(&request).is_err(), "{socket}");
        }
        assert!(warnings(&request().password()).unwrap().concat().contains("not sent"));
    }
}
