//! How a connection becomes a connection string, a user and a password file.
//!
//! `host/port:name` (Firebird 3.0 Quick Start, "Connection strings"). A name is an alias of the server's databases.conf or a path
//! on the server; without a host it is a path on this machine, and the engine is loaded into the tool ("embedded").

use planb_sdk::{Command, Connection, Failure, PrivateFile, Request, Secret, path};

const PASSWORD: &str = "password";

/// The password file. A tool reads its first line (burp.cpp and isql.epp, by fb_utils::fetchPassword).
pub(crate) fn passfile(connection: &Connection) -> Option<PrivateFile> {
    let given = connection.secrets.iter().any(|secret| secret == "password");
    given.then(|| PrivateFile::new(PASSWORD).secret(Secret::line("password")).text("\n"))
}

/// A tool's options for who is asking.
pub(crate) fn login(command: Command, connection: &Connection) -> Command {
    let given = connection.secrets.iter().any(|secret| secret == "password");
    let mut command = command;
    if let Some(user) = &connection.user {
        command = command.pair("-user", user.clone());
    }
    if given {
        command = command.pair("-fetch_password", path(PASSWORD));
    }
    if let Some(role) = connection.param("role") {
        command = command.pair("-role", role);
    }
    command
}

/// `isql` at a database, for a script on its stdin: it ends at the first error, starts no triggers of the database, and speaks UTF-8.
pub(crate) fn isql(request: &Request, database: &str) -> Result<Command, Failure> {
    let isql = login(options(), &request.connection);
    Ok(isql.value(string(&request.connection, database)?))
}

pub(crate) fn options() -> Command {
    Command::tool("isql")
        .flag("-quiet")
        .flag("-bail")
        .flag("-nowarnings")
        .flag("-nodbtriggers")
        .flag("-charset")
        .flag("UTF8")
}

/// The connection string.
pub(crate) fn string(connection: &Connection, database: &str) -> Result<String, Failure> {
    let name = name(connection, database)?;
    Ok(server(connection)?.map_or(name.clone(), |server| format!("{server}:{name}")))
}

/// `host/port`. None: embedded.
pub(crate) fn server(connection: &Connection) -> Result<Option<String>, Failure> {
    if connection.socket.is_some() {
        return Err(Failure::settings("Firebird has no unix sockets")
            .hint("give a host, or leave it out to use the database's file"));
    }
    if !connection.others.is_empty() {
        return Err(Failure::settings("Firebird takes one host"));
    }
    let Some(host) = connection.host.as_deref() else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
        return Err(Failure::settings(format!("{host:?} is no host name or address")));
    }
    let port = connection.port.unwrap_or(3050);
    Ok(Some(if host.contains(':') { format!("[{host}]/{port}") } else { format!("{host}/{port}") }))
}

/// The database's name as the server, or the engine in the tool, takes it. A colon in it would name another server.
pub(crate) fn name(connection: &Connection, database: &str) -> Result<String, Failure> {
    let mut letters = database.chars();
    let drive = matches!((letters.next(), letters.next()), (Some('a'..='z' | 'A'..='Z'), Some(':')));
    let after = if drive { database.get(2..).unwrap_or_default() } else { database };
    if database.is_empty() || after.contains(':') || database.contains(['\n', '\r']) {
        return Err(Failure::settings(format!("{database:?} is no name of a Firebird database")).hint(
            "write --db firebird://host/alias, firebird://host//path/on/the/server.fdb, or firebird:///path/here.fdb",
        ));
    }
    // A server's relative paths lead nowhere: what has a slash is a path from the root.
    if database.starts_with('/') || drive || (connection.host.is_some() && !database.contains('/')) {
        return Ok(database.to_owned());
    }
    if database.contains('/') {
        return Ok(format!("/{database}"));
    }
    Err(Failure::settings(format!(
        "{database} is no path, and without a host there is no server that knows it by a name"
    ))
    .hint("write --db firebird:///path/to/file.fdb for a file of this machine, or firebird://host/alias"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn connection_strings() {
        let mut request = testing::request("x");
        for (name, expected) in [
            ("employee", "db/3050:employee"),
            ("/var/x y.fdb", "db/3050:/var/x y.fdb"),
            ("var/x.fdb", "db/3050:/var/x.fdb"),
            ("C:/x.fdb", "db/3050:C:/x.fdb"),
            ("-x", "db/3050:-x"),
        ] {
            assert_eq!(string(&request.connection, name).as_deref(), Ok(expected));
        }
        request.connection.host = Some("::1".to_owned());
        assert_eq!(string(&request.connection, "a").as_deref(), Ok("[::1]/3050:a"));
        request.connection.host = None;
        assert_eq!(string(&request.connection, "var/x.fdb").as_deref(), Ok("/var/x.fdb"));
        for name in ["", "alias", "other:/x.fdb", "/x:y", "inet://h/x", "a\nb/c", "xy:z"] {
            assert!(string(&request.connection, name).is_err(), "{name:?}");
        }
        for host in ["a b", "a:/x", "", "-x", "h\n", "'\"\\`"] {
            request.connection.host = Some(host.to_owned());
            assert!(string(&request.connection, "a").is_err(), "{host:?}");
        }
    }

    #[test]
    fn the_password_is_in_a_file() {
        let request = testing::request("employee").password().with_param("role", "R1");
        assert_eq!(
            isql(&request, "employee").unwrap().to_string(),
            "isql -quiet -bail -nowarnings -nodbtriggers -charset UTF8 -user app -fetch_password {work}/password -role R1 db/3050:employee"
        );
        assert!(passfile(&request.connection).is_some());
        assert!(passfile(&testing::request("x").connection).is_none());
    }
}
