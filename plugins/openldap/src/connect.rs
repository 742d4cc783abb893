//! How a connection and the server's configuration become options (ldapsearch(1), ldap.conf(5), slapcat(8)).

use planb_sdk::{Command, Connection, Failure, PrivateFile, Request, Secret, path, quote};

const PASSWORD: &str = "password";

/// The password file. The clients take all of it, a line break at its end too.
pub(crate) fn passfile(connection: &Connection) -> Option<PrivateFile> {
    has_password(connection).then(|| PrivateFile::new(PASSWORD).secret(Secret::raw("password")))
}

fn has_password(connection: &Connection) -> bool {
    connection.secrets.iter().any(|secret| secret == "password")
}

/// A client with its server and its login.
pub(crate) fn client(tool: &str, connection: &Connection) -> Result<Command, Failure> {
    let mut command = Command::tool(tool).pair("-H", addresses(connection)?).flag("-o").flag("nettimeout=10");
    if connection.param("starttls") == Some("true") {
        command = command.flag("-ZZ");
    }
    for (param, name) in
        [("cacert", "LDAPTLS_CACERT"), ("cert", "LDAPTLS_CERT"), ("key", "LDAPTLS_KEY"), ("reqcert", "LDAPTLS_REQCERT")]
    {
        if let Some(value) = connection.param(param) {
            command = command.env(name, value);
        }
    }
    let by_socket = is_ldapi(connection) && connection.user.is_none() && connection.param("mech") != Some("simple");
    if connection.param("mech") == Some("external") || by_socket {
        return Ok(command.flag("-Q").flag("-Y").flag("EXTERNAL"));
    }
    let command = command.flag("-x");
    match (&connection.user, has_password(connection)) {
        (Some(user), true) => Ok(command.pair("-D", user.clone()).pair("-y", path(PASSWORD))),
        (None, false) => Ok(command),
        (Some(_), false) => Err(Failure::settings("a DN to log in with is given, but no password")
            .hint("give it in DB_PASSWORD or --password-file")),
        (None, true) => Err(Failure::settings("a password is given, but no DN to log in with")
            .hint("add --user cn=admin,dc=example,dc=org")),
    }
}

/// Whether the connection names a server at all.
pub(crate) fn names_a_server(connection: &Connection) -> bool {
    connection.host.is_some() || connection.socket.is_some() || is_ldapi(connection)
}

fn is_ldapi(connection: &Connection) -> bool {
    connection.socket.is_some() || connection.scheme.as_deref() == Some("ldapi")
}

/// The server's URL, or several, which the client tries in their order.
fn addresses(connection: &Connection) -> Result<String, Failure> {
    if let Some(socket) = &connection.socket {
        return Ok(format!("ldapi://{}", quote::percent(socket, "")));
    }
    let Some(host) = connection.host.as_deref() else {
        return if is_ldapi(connection) {
            Ok("ldapi:///".to_owned())
        } else {
            Err(Failure::settings("no server is named")
                .hint("write its host: ldap://host/dc=example,dc=org; or back up beside it, with --mode file"))
        };
    };
    let mut all = vec![address(connection, host, connection.port)?];
    for other in &connection.others {
        all.push(address(connection, &other.host, other.port)?);
    }
    Ok(all.join(" "))
}

fn address(connection: &Connection, host: &str, port: Option<u16>) -> Result<String, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err(Failure::settings(format!("{host:?} is no host name or address")));
    }
    let scheme = if connection.scheme.as_deref() == Some("ldaps") { "ldaps" } else { "ldap" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

/// `ldapsearch` for LDIF whose lines are not folded, with referrals as the entries that they are.
pub(crate) fn search(connection: &Connection) -> Result<Command, Failure> {
    Ok(client("ldapsearch", connection)?.flag("-o").flag("ldif-wrap=no").flag("-M"))
}

/// One of the server's tools with its configuration and the database's suffix.
pub(crate) fn offline(tool: &str, request: &Request, suffix: &str) -> Result<Command, Failure> {
    let (folder, file) = (request.text("config-dir"), request.text("config-file"));
    if folder.is_some() && file.is_some() {
        return Err(Failure::settings("config-dir and config-file are two ways to say the same").hint("leave one out"));
    }
    let mut command = Command::tool(tool);
    if let Some(folder) = folder {
        command = command.pair("-F", folder);
    }
    if let Some(file) = file {
        command = command.pair("-f", file);
    }
    Ok(command.pair("-b", suffix_of(suffix)?))
}

/// A suffix that can stand in a comment of the dump, as ldapsearch writes it there.
pub(crate) fn suffix_of(name: &str) -> Result<&str, Failure> {
    if name.is_empty() || name.starts_with('-') || name.chars().any(char::is_control) {
        return Err(Failure::settings(format!("{name:?} is no suffix of a directory"))
            .hint("write it behind the host: ldap://host/dc=example,dc=org"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Endpoint, testing};

    use super::*;

    #[test]
    fn connections() {
        let request = testing::request("x").password().with_param("starttls", "true").with_param("cacert", "/ca.pem");
        assert_eq!(
            search(&request.connection).unwrap().to_string(),
            "LDAPTLS_CACERT=/ca.pem ldapsearch -H ldap://db -o nettimeout=10 -ZZ -x -D app -y {work}/password -o ldif-wrap=no -M"
        );
        let mut connection = testing::request("x").connection;
        assert!(client("ldapsearch", &connection).unwrap_err().message.contains("no password"));
        connection.user = None;
        connection.scheme = Some("ldaps".to_owned());
        connection.others.push(Endpoint { host: "::1".to_owned(), port: Some(636) });
        assert_eq!(
            client("ldapadd", &connection).unwrap().to_string(),
            "ldapadd -H ldaps://db ldaps://[::1]:636 -o nettimeout=10 -x"
        );
        connection.host = None;
        assert!(client("ldapsearch", &connection).is_err());
        connection.scheme = Some("ldapi".to_owned());
        assert_eq!(
            client("ldapsearch", &connection).unwrap().to_string(),
            "ldapsearch -H ldapi:/// -o nettimeout=10 -Q -Y EXTERNAL"
        );
        connection.socket = Some("/run/slapd/ldapi".to_owned());
        assert!(client("ldapsearch", &connection).unwrap().to_string().contains("-H ldapi://%2Frun%2Fslapd%2Fldapi "));
        connection.socket = None;
        for host in ["a b", "a/b", "u@h", "", "a\n", "'\"\\`"] {
            connection.host = Some(host.to_owned());
            assert!(client("ldapsearch", &connection).is_err(), "{host:?}");
        }
    }

    #[test]
    fn the_servers_tools() {
        let request = testing::request("x").with_setting("config-file", "/etc/my slapd.conf");
        assert_eq!(offline("slapcat", &request, "dc=x").unwrap().to_string(), "slapcat -f /etc/my slapd.conf -b dc=x");
        assert!(offline("slapcat", &request.with_setting("config-dir", "/d"), "dc=x").is_err());
        for suffix in ["", "-x", "dc=a\ndc=b"] {
            assert!(suffix_of(suffix).is_err(), "{suffix:?}");
        }
    }
}
