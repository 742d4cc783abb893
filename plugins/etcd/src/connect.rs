//! How a connection becomes options and variables of `etcdctl`.
//!
//! `etcdctl` takes each of its global flags from the environment too (ETCDCTL_USER for --user; etcdctl/README.md), which keeps
//! the password out of the argument list. It reads it from no file. With --password set, --user is taken as a whole, so neither
//! may hold a colon that splits them.

use planb_sdk::{Command, Connection, Failure, Request, Secret};

/// Seconds for what is answered at once; an address where nothing answers takes as long.
const QUICK: u32 = 5;

/// `etcdctl` with everything but its subcommand, for all endpoints of the connection.
pub(crate) fn etcdctl(connection: &Connection) -> Result<Command, Failure> {
    to(connection, endpoints(connection)?, QUICK)
}

/// The same with the user's time limit, for what takes long.
pub(crate) fn patient(request: &Request) -> Result<Command, Failure> {
    to(&request.connection, endpoints(&request.connection)?, request.number("command-timeout")?.unwrap_or(60))
}

/// The same for the first endpoint alone: what is asked of a member, not of the cluster.
pub(crate) fn one_member(connection: &Connection) -> Result<Command, Failure> {
    to(connection, first_endpoint(connection)?, QUICK)
}

fn to(connection: &Connection, endpoints: String, seconds: u32) -> Result<Command, Failure> {
    let password = connection.secrets.iter().any(|secret| secret == "password");
    let mut command = Command::tool("etcdctl")
        .option("--endpoints", endpoints)
        .option("--dial-timeout", "5s")
        .option("--command-timeout", format!("{seconds}s"));
    for (flag, param) in [("--cacert", "cacert"), ("--cert", "cert"), ("--key", "key")] {
        if let Some(path) = connection.param(param) {
            command = command.option(flag, path);
        }
    }
    if matches!(connection.param("insecure-skip-tls-verify"), Some("true")) {
        command = command.flag("--insecure-skip-tls-verify");
    }
    match (&connection.user, password) {
        (Some(user), true) => {
            Ok(command.env("ETCDCTL_USER", user.clone()).env("ETCDCTL_PASSWORD", Secret::raw("password")))
        }
        // A client certificate's common name is a user too (authentication by TLS).
        (_, false) if connection.param("cert").is_some() => Ok(command),
        (None, false) => Ok(command),
        // etcdctl would ask a terminal.
        (Some(user), false) => Err(Failure::settings(format!("the password of the etcd user {user} is missing")).hint(
            "give it in DB_PASSWORD or --password-file, or leave the user out if the cluster has no authentication",
        )),
        (None, true) => Err(Failure::settings("a password is given, but no etcd user")
            .hint("write the user into the URL: etcd://root@host:2379")),
    }
}

fn endpoints(connection: &Connection) -> Result<String, Failure> {
    let mut all = vec![first_endpoint(connection)?];
    for other in &connection.others {
        all.push(endpoint(connection, &other.host, other.port)?);
    }
    Ok(all.join(","))
}

/// The endpoint of the connection's own host.
pub(crate) fn first_endpoint(connection: &Connection) -> Result<String, Failure> {
    if connection.socket.is_some() {
        return Err(Failure::settings("etcdctl is not pointed at a unix socket here")
            .hint("give host and port: etcd://127.0.0.1:2379"));
    }
    endpoint(connection, connection.host.as_deref().unwrap_or("127.0.0.1"), connection.port)
}

/// TLS is wanted by the scheme, or by what only makes sense with it.
fn endpoint(connection: &Connection, host: &str, port: Option<u16>) -> Result<String, Failure> {
    let tls = match connection.scheme.as_deref() {
        Some("etcds") => true,
        Some("etcd") => false,
        _ => ["cacert", "cert", "key"].iter().any(|param| connection.param(param).is_some()),
    };
    // A comma would begin another endpoint, a slash or an at sign another part of the URL.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(Failure::settings(format!("{host:?} is no host name or address")));
    }
    let scheme = if tls { "https" } else { "http" };
    let port = port.unwrap_or(2379);
    Ok(if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Endpoint, testing};

    use super::*;

    #[test]
    fn connections() {
        let mut request = testing::request("x").password().with_param("cacert", "/ca.pem");
        request.connection.others.push(Endpoint { host: "::1".to_owned(), port: Some(1) });
        let all = "ETCDCTL_USER=app ETCDCTL_PASSWORD={secret password} etcdctl --endpoints=https://db:2379,https://[::1]:1 \
                   --dial-timeout=5s --command-timeout=5s --cacert=/ca.pem";
        assert_eq!(etcdctl(&request.connection).unwrap().to_string(), all);
        request.connection.scheme = Some("etcd".to_owned());
        assert!(one_member(&request.connection).unwrap().to_string().contains("--endpoints=http://db:2379 "));
        for host in ["a,b", "a/b", "u@a", "", "a\nb", "a b", "'\"\\`"] {
            request.connection.host = Some(host.to_owned());
            assert!(etcdctl(&request.connection).is_err(), "{host:?}");
        }
    }

    #[test]
    fn half_a_login_is_refused() {
        let mut request = testing::request("x");
        assert!(etcdctl(&request.connection).unwrap_err().message.contains("password of the etcd user app"));
        request = request.with_param("cert", "/c.pem");
        assert!(!etcdctl(&request.connection).unwrap().to_string().contains("ETCDCTL_USER"));
        request.connection.user = None;
        request = request.password();
        assert!(etcdctl(&request.connection).unwrap_err().message.contains("no etcd user"));
    }
}
