//! How a connection becomes options and a private option file.
//!
//! The password stands in an option file that the tool reads by `--defaults-file`, which has to be its first argument and
//! keeps every other file away (MySQL manual, 6.2.2.3): a `result-file`, `force` or `ignore-table` in the machine's /etc/my.cnf
//! would change what a dump is, and a plan means the same everywhere.

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, path};

use crate::family::{Family, needs};

const LOGIN: &str = "client.cnf";
/// The largest packet that servers and clients know: a row has to fit into one.
const PACKET: &str = "--max-allowed-packet=1073741824";

/// The option file. It is given even where there is no password, so that no other is read.
///
/// The rules of its values are those of search_default_file_with_ext in mysys/my_default.cc: in double quotes a `#` is no comment and
/// spaces stay, a backslash escapes itself and the quote, and no value can hold a line break.
pub fn login(request: &Request) -> PrivateFile {
    let file = PrivateFile::new(LOGIN).text("[client]\n");
    if request.has_secret("password") {
        file.text("password=\"").secret(Secret::quoted("password")).text("\"\n")
    } else {
        file
    }
}

/// One of the family's tools with everything that it needs to connect.
pub fn tool<F: Family>(id: &str, request: &Request) -> Result<Command, Failure> {
    needs::<F>(request, id)?;
    let connection = &request.connection;
    let mut command = Command::tool(id).option("--defaults-file", path(LOGIN));
    // Without a protocol the tools take `localhost` for the socket that they were built with, and pass over the port.
    command = match (&connection.socket, &connection.host) {
        (Some(socket), _) => command.flag("--protocol=socket").option("--socket", socket),
        (None, Some(host)) => command.flag("--protocol=tcp").option("--host", host),
        (None, None) => command,
    };
    if connection.socket.is_none() {
        command = command.option_if("--port", connection.port.map(|port| port.to_string()));
    }
    F::secure(command.option_if("--user", connection.user.as_ref()), request)
}

/// The dump tool.
pub fn dump<F: Family>(request: &Request) -> Result<Command, Failure> {
    Ok(tool::<F>(F::DUMP, request)?.flag("--default-character-set=utf8mb4").flag(PACKET))
}

/// The client, as every plan runs it: from a script, without commands of its own but DELIMITER (`--binary-mode`), without files of this
/// machine (`--local-infile=0`), with comments in routines, and with an end where the connection ends. At the first error it
/// ends of itself.
pub fn client<F: Family>(request: &Request) -> Result<Command, Failure> {
    Ok(F::client(tool::<F>(F::CLIENT, request)?)
        .flag("--connect-timeout=10")
        .flag("--default-character-set=utf8mb4")
        .flag(PACKET)
        .flag("--batch")
        .flag("--binary-mode")
        .flag("--comments")
        .flag("--local-infile=0")
        .flag("--skip-reconnect"))
}

/// The client that prints rows: bare, one a line, with a tab between their fields.
pub fn rows<F: Family>(request: &Request) -> Result<Command, Failure> {
    Ok(client::<F>(request)?.flag("--skip-column-names").flag("--raw"))
}

/// A parameter of the URL's query that is not empty.
pub fn param<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.param(name).filter(|value| !value.is_empty())
}

/// A parameter that is on or off. None: it was not given.
pub fn toggle(request: &Request, name: &str) -> Result<Option<bool>, Failure> {
    match request.param(name) {
        None => Ok(None),
        Some("true" | "yes" | "on" | "1" | "") => Ok(Some(true)),
        Some("false" | "no" | "off" | "0") => Ok(Some(false)),
        Some(other) => Err(Failure::settings(format!("the parameter {name} is on or off and cannot be {other:?}"))
            .hint(format!("write {name}=true or {name}=false into the URL's query"))),
    }
}

/// Parameters that are files, which both families have.
pub const PATHS: &[(&str, &str)] = &[
    ("ssl-ca", "--ssl-ca"),
    ("ssl-capath", "--ssl-capath"),
    ("ssl-cert", "--ssl-cert"),
    ("ssl-key", "--ssl-key"),
    ("ssl-crl", "--ssl-crl"),
    ("ssl-crlpath", "--ssl-crlpath"),
];

/// Adds parameters as options of another name.
pub fn options(mut command: Command, request: &Request, known: &[(&str, &'static str)]) -> Command {
    for (name, option) in known {
        command = command.option_if(option, param(request, name));
    }
    command
}
