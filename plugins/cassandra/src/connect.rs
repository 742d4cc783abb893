//! How a connection becomes options and credential files.
//!
//! Passwords go into files: cqlsh's credentials file (`conf/credentials.sample` of Cassandra, read by cqlshlib's
//! authproviderhandling.py), and nodetool's password file (readUserPasswordFromFile in NodeTool.java).

use planb_sdk::{Command, Failure, FailureCode, PrivateFile, Request, Secret, Version, path};

use crate::describe::CASSANDRA;

const CREDENTIALS: &str = "credentials";
const CQLSHRC: &str = "cqlshrc";
const JMX: &str = "jmx-password";
/// What Python's configparser strips from the ends of a value (str.strip) or ends a line at, and what Java's Scanner takes for
/// the end of a word. A password with it inside would work in one place and not in another, so it is refused in both.
const WHITESPACE: &str = "\n\r \t\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{1f}\u{85}\u{a0}";
/// The first version whose `DESCRIBE` comes from the server and tells the ids of tables and their dropped columns, and which
/// has `nodetool import`.
pub(crate) const OLDEST: Version = Version::new(4, 0, 0);

/// A keyspace's name: Cassandra takes up to 48 letters, digits and underscores (CQL reference, "Data definition").
/// Whatever holds anything else is no keyspace, and never comes near a statement, a path or a shell script.
pub(crate) fn keyspace(request: &Request) -> Result<&str, Failure> {
    let name = request.database()?;
    if plain_name(name) {
        return Ok(name);
    }
    Err(Failure::missing_database(format!(
        "{name:?} cannot be a keyspace: a name has up to 48 letters, digits and underscores"
    ))
    .hint("write --db cassandra://host/keyspace"))
}

pub(crate) fn plain_name(name: &str) -> bool {
    (1..=48).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The private files of every plan that runs cqlsh.
pub(crate) fn cqlsh_files(request: &Request) -> Result<Vec<PrivateFile>, Failure> {
    let mut files = Vec::new();
    if logs_in(request)? {
        let mut file = PrivateFile::new(CREDENTIALS);
        // The first is the section of cqlsh 6.1 and newer, the second that of 6.0.
        for section in ["[PlainTextAuthProvider]\npassword = ", "[plain_text_auth]\npassword = "] {
            file = file.text(section).secret(Secret::backslash("password", "", WHITESPACE)).text("\n");
        }
        files.push(file);
    }
    if let Some(text) = client_certificate(request)? {
        files.push(PrivateFile::new(CQLSHRC).text(text));
    }
    Ok(files)
}

/// `cqlsh` up to its statement. The address follows behind it, with [`address`].
pub(crate) fn cqlsh(request: &Request) -> Result<Command, Failure> {
    request.need_tool("cqlsh", CASSANDRA)?;
    let timeout = request.number("request-timeout")?.unwrap_or(600);
    let mut command = Command::tool("cqlsh")
        .flag("--no-color")
        .flag("--connect-timeout=10")
        .option("--request-timeout", timeout.to_string());
    if logs_in(request)? {
        command = command
            .option("--username", request.connection.user.clone().unwrap_or_default())
            .option("--credentials", path(CREDENTIALS));
    }
    if client_certificate(request)?.is_some() {
        command = command.option("--cqlshrc", path(CQLSHRC));
    }
    if request.param("ssl").is_some_and(|value| value == "true") {
        command = command.flag("--ssl");
    } else if let Some(other) = request.param("ssl").filter(|value| *value != "false") {
        return Err(Failure::settings(format!("ssl={other} is neither true nor false")));
    }
    if let Some(file) = request.param("sslrootcert") {
        command = command.env("SSL_CERTFILE", file);
    }
    Ok(match request.param("sslverify") {
        None | Some("true") => command,
        Some("false") => command.env("SSL_VALIDATE", "false"),
        Some(other) => return Err(Failure::settings(format!("sslverify={other} is neither true nor false"))),
    })
}

/// One statement, or several.
pub(crate) fn statement(request: &Request, statement: impl Into<String>) -> Result<Command, Failure> {
    Ok(address(cqlsh(request)?.flag("-e").script(statement), request))
}

/// The host and port, which stand last.
pub(crate) fn address(command: Command, request: &Request) -> Command {
    let port = request.connection.port.unwrap_or(9042);
    command.value(host(request)).value(port.to_string())
}

pub(crate) fn host(request: &Request) -> &str {
    request.connection.host.as_deref().unwrap_or("127.0.0.1")
}

/// nodetool's password file: a line of a user and a password.
pub(crate) fn nodetool_files(request: &Request) -> Result<Option<PrivateFile>, Failure> {
    let Some(user) = jmx_user(request)? else { return Ok(None) };
    Ok(Some(PrivateFile::new(JMX).text(format!("{user} ")).secret(Secret::backslash(JMX, "", WHITESPACE)).text("\n")))
}

/// `nodetool` up to its command.
///
/// It is a shell script that puts its arguments into one string and splits that again, so only words that stay one
/// may be handed to it.
pub(crate) fn nodetool(request: &Request) -> Result<Command, Failure> {
    request.need_tool("nodetool", CASSANDRA)?;
    let host = word("jmx-host", request.param("jmx-host").unwrap_or_else(|| host(request)))?;
    let port = request.param("jmx-port").unwrap_or("7199");
    if port.parse::<u16>().is_err() {
        return Err(Failure::settings(format!("jmx-port={port} is no port")));
    }
    let command = Command::tool("nodetool").pair("-h", host).pair("-p", port);
    Ok(match jmx_user(request)? {
        Some(user) => command.pair("-u", user).pair("-pwf", path(JMX)),
        None => command,
    })
}

/// A value that no shell splits or expands.
pub(crate) fn word<'a>(what: &str, value: &'a str) -> Result<&'a str, Failure> {
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.,:@+/%=".contains(c)) {
        return Ok(value);
    }
    Err(Failure::settings(format!("{what} {value:?} holds a character that nodetool, a shell script, cannot be given"))
        .hint("use letters, digits and - _ . , : @ + / % ="))
}

/// Fails for a server that this engine does not know.
pub(crate) fn known_server(request: &Request) -> Result<(), Failure> {
    match request.server() {
        Some(server) if server < OLDEST => {
            Err(Failure::tool(format!("Cassandra {server} is older than {OLDEST}")).code(FailureCode::ToolUnfit).hint(
                "this engine backs up Apache Cassandra 4.0 and newer, whose DESCRIBE tells all that a restore needs",
            ))
        }
        _ => Ok(()),
    }
}

/// Whether cqlsh logs in. It asks for what is missing, and nobody would answer.
fn logs_in(request: &Request) -> Result<bool, Failure> {
    match (&request.connection.user, request.has_secret("password")) {
        (Some(_), true) => Ok(true),
        (None, false) => Ok(false),
        (Some(_), false) => Err(Failure::settings("there is a user and no password, and cqlsh would ask for one")
            .hint("set DB_PASSWORD, or leave the user out where the server has AllowAllAuthenticator")),
        (None, true) => {
            Err(Failure::settings("there is a password and no user").hint("write cassandra://user@host/keyspace"))
        }
    }
}

fn jmx_user(request: &Request) -> Result<Option<&str>, Failure> {
    // JMX may know the users of Cassandra itself (CassandraLoginModule) or others.
    let user = request.param("jmx-user").or(request.connection.user.as_deref());
    match (user, request.has_secret(JMX)) {
        (Some(user), true) => word("jmx-user", user).map(Some),
        (_, false) if request.param("jmx-user").is_none() => Ok(None),
        _ => Err(Failure::settings("jmx-user and jmx-password go together")
            .hint("nodetool logs in with both, or with neither where JMX has no passwords")),
    }
}

/// The client's certificate, which cqlsh reads from its configuration file only (`[ssl]` in conf/cqlshrc.sample).
fn client_certificate(request: &Request) -> Result<Option<String>, Failure> {
    let mut text = String::from("[ssl]\n");
    let mut any = false;
    for (param, name) in [("sslcert", "usercert"), ("sslkey", "userkey")] {
        let Some(file) = request.param(param) else { continue };
        if file.contains(|c: char| c.is_control()) || file.trim() != file {
            return Err(Failure::settings(format!("{param} {file:?} is no path that cqlsh can be given")));
        }
        // Python's configparser takes a percent sign for a reference to another value.
        text.push_str(&format!("{name} = {}\n", file.replace('%', "%%")));
        any = true;
    }
    Ok(any.then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn logins() {
        let request = request("ks").password().with_param("sslcert", "/c%1.pem").with_param("ssl", "true");
        assert_eq!(
            statement(&request, "SELECT 1").unwrap().to_string(),
            "cqlsh --no-color --connect-timeout=10 --request-timeout=600 --username=app --credentials={work}/credentials \
             --cqlshrc={work}/cqlshrc --ssl -e <SELECT 1> db 9042"
        );
        let files = cqlsh_files(&request).unwrap();
        assert_eq!(files[0].content.len(), 6);
        assert_eq!(files[1], PrivateFile::new("cqlshrc").text("[ssl]\nusercert = /c%%1.pem\n"));
        let mut other = request.clone();
        other.connection.user = None;
        assert!(cqlsh(&other).unwrap_err().message.contains("no user"));
        other.connection = planb_sdk::Connection::empty();
        assert_eq!(
            statement(&other, "x").unwrap().to_string(),
            "cqlsh --no-color --connect-timeout=10 --request-timeout=600 -e <x> 127.0.0.1 9042"
        );
    }

    #[test]
    fn nodetool_is_a_shell_script() {
        let mut request = request("ks").with_param("jmx-user", "ops");
        assert!(nodetool(&request).unwrap_err().message.contains("go together"));
        request.connection.secrets.push("jmx-password".to_owned());
        assert_eq!(nodetool(&request).unwrap().to_string(), "nodetool -h db -p 7199 -u ops -pwf {work}/jmx-password");
        let mut same = request.clone();
        same.connection.params.clear();
        assert!(nodetool(&same).unwrap().to_string().contains("-u app -pwf"));
        for hostile in ["a b", "$(id)", "a;b", "*", "a\nb", "a'b", ""] {
            let request = request.clone().with_param("jmx-host", hostile);
            assert!(nodetool(&request).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn names_of_keyspaces() {
        for name in ["", "a b", "a;b", "a'b", "a-b", "é", &"x".repeat(49)] {
            assert!(keyspace(&request(name)).is_err(), "{name:?}");
        }
        assert_eq!(keyspace(&request("Orders_1")), Ok("Orders_1"));
    }
}
