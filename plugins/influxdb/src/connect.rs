//! How a connection becomes options and variables of `influx` and `influxd`.
//!
//! `influx` speaks the HTTP API and takes user and password from INFLUX_USERNAME and INFLUX_PASSWORD; it reads them from no file. `influxd backup` and
//! `restore` speak to the backup service, which has another port and knows no users.

use planb_sdk::{Command, Connection, Failure, Request, Secret};

/// `influx` with its server and login.
pub(crate) fn influx(connection: &Connection) -> Result<Command, Failure> {
    let mut command = Command::tool("influx")
        .pair("-host", host(connection)?)
        .pair("-port", connection.port.unwrap_or(8086).to_string());
    if connection.scheme.as_deref() == Some("influxdbs") {
        command = command.flag("-ssl");
    }
    if connection.param("unsafe-ssl") == Some("true") {
        command = command.flag("-unsafeSsl");
    }
    let password = connection.secrets.iter().any(|secret| secret == "password");
    match (&connection.user, password) {
        (Some(user), true) => {
            Ok(command.env("INFLUX_USERNAME", user.clone()).env("INFLUX_PASSWORD", Secret::raw("password")))
        }
        (None, false) => Ok(command),
        (Some(user), false) => Err(Failure::settings(format!("the password of the user {user} is missing")).hint(
            "give it in DB_PASSWORD or --password-file, or leave the user out if the server has auth-enabled = false",
        )),
        (None, true) => Err(Failure::settings("a password is given, but no user")
            .hint("write the user into the URL: influxdb://admin@host:8086/database")),
    }
}

/// `influx` for one statement, or some, whose answer is CSV.
pub(crate) fn ask(connection: &Connection, statement: impl Into<String>) -> Result<Command, Failure> {
    Ok(influx(connection)?.flag("-format").flag("csv").flag("-execute").script(statement))
}

/// The address of the backup service.
pub(crate) fn service(request: &Request) -> Result<String, Failure> {
    let host = host(&request.connection)?;
    let port = request.number("rpc-port")?.unwrap_or(8088);
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

fn host(connection: &Connection) -> Result<&str, Failure> {
    if connection.socket.is_some() || !connection.others.is_empty() {
        return Err(Failure::settings("InfluxDB is reached by one host and its ports")
            .hint("write influxdb://host:8086/database"));
    }
    let host = connection.host.as_deref().unwrap_or("127.0.0.1");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
        return Err(Failure::settings(format!("{host:?} is no host name or address")));
    }
    Ok(host)
}

/// A database's name as InfluxQL has it (identifiers, in the specification of InfluxQL): `"a\"b"`.
pub(crate) fn identifier(name: &str) -> Result<String, Failure> {
    if name.is_empty() || name.starts_with('-') || name.chars().any(|c| c.is_control() || c == '\\' || c == '/') {
        return Err(Failure::settings(format!("{name:?} is no name of a database")));
    }
    Ok(format!("\"{}\"", name.replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn connections() {
        let mut request = testing::request("x").password().with_param("unsafe-ssl", "true");
        request.connection.scheme = Some("influxdbs".to_owned());
        assert_eq!(
            ask(&request.connection, "SHOW DATABASES").unwrap().to_string(),
            "INFLUX_USERNAME=app INFLUX_PASSWORD={secret password} influx -host db -port 8086 -ssl -unsafeSsl -format csv -execute \
             <SHOW DATABASES>"
        );
        assert_eq!(service(&request).as_deref(), Ok("db:8088"));
        request.connection.user = None;
        assert!(influx(&request.connection).is_err());
        request.connection.secrets.clear();
        assert!(influx(&request.connection).is_ok());
        for host in ["a b", "-x", "", "a/b", "a\n", "'\"\\`"] {
            request.connection.host = Some(host.to_owned());
            assert!(influx(&request.connection).is_err(), "{host:?}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(identifier("a \"b\" 'c").as_deref(), Ok("\"a \\\"b\\\" 'c\""));
        for name in ["", "a\\b", "a\nb", "-x", "a/b"] {
            assert!(identifier(name).is_err(), "{name:?}");
        }
    }
}
