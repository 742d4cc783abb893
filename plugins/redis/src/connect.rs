//! How a connection becomes options of `redis-cli` (its usage() in src/redis-cli.c).
//!
//! The password goes into REDISCLI_AUTH: the tool reads none from a file, and its stdin is needed for commands.

use planb_sdk::{Command, Failure, Request, Scope, Secret};

use crate::describe::CLIENT;

/// The first version of both programs that has `-t`, a limit for connecting.
const TIMEOUT: u32 = 8;
const TLS_PATHS: &[(&str, &str)] =
    &[("cacert", "--cacert"), ("cacertdir", "--cacertdir"), ("cert", "--cert"), ("key", "--key")];

/// `redis-cli` with everything it needs to connect.
pub(crate) fn cli(request: &Request) -> Result<Command, Failure> {
    request.need_tool("redis-cli", CLIENT)?;
    let connection = &request.connection;
    let mut cli = Command::tool("redis-cli");
    match (&connection.socket, &connection.host) {
        (Some(socket), _) => cli = cli.pair("-s", socket),
        (None, host) => {
            cli = cli.pair("-h", host.as_deref().unwrap_or("127.0.0.1"));
            if let Some(port) = connection.port {
                cli = cli.pair("-p", port.to_string());
            }
        }
    }
    if request.tool_version("redis-cli").is_some_and(|version| version.major >= TIMEOUT) {
        cli = cli.flag("-t").flag("10");
    }
    if let Some(user) = &connection.user {
        // The tool passes over a user without a password, and comes in as `default`.
        if user != "default" && !request.has_secret("password") {
            return Err(Failure::settings(format!("the user {user} needs a password"))
                .hint("set DB_PASSWORD, DB_PASSWORD_FILE or --password-file; for a user with `nopass` any will do"));
        }
        cli = cli.pair("--user", user);
    }
    cli = tls(cli, request)?;
    if request.has_secret("password") {
        cli = cli.env("REDISCLI_AUTH", Secret::raw("password"));
    }
    Ok(cli)
}

fn tls(mut cli: Command, request: &Request) -> Result<Command, Failure> {
    let by_scheme = matches!(request.connection.scheme.as_deref(), Some("rediss" | "valkeys"));
    let insecure = insecure(request)?;
    if !by_scheme && !request.toggle("tls")? {
        let params = TLS_PATHS.iter().map(|(param, _)| *param).chain(["sni"]);
        let given = params.into_iter().find(|param| text(request, param).is_some());
        if let Some(param) = given.or(insecure.then_some("insecure")) {
            return Err(Failure::settings(format!("the parameter {param} is for TLS, and this connection has none"))
                .hint("write rediss:// for redis:// in the URL, or add --option tls=true"));
        }
        return Ok(cli);
    }
    cli = cli.flag("--tls");
    for (param, option) in TLS_PATHS {
        if let Some(path) = text(request, param) {
            if !path.starts_with('/') {
                return Err(Failure::settings(format!("{param}={path} is not an absolute path"))
                    .hint(format!("the tools run in a private folder: write {param}=/path/to/it")));
            }
            cli = cli.pair(option, path);
        }
    }
    if let Some(name) = text(request, "sni") {
        cli = cli.pair("--sni", name);
    }
    Ok(cli.flag_if(insecure, "--insecure"))
}

fn text<'a>(request: &'a Request, param: &str) -> Option<&'a str> {
    request.param(param).filter(|value| !value.is_empty())
}

/// Whether any certificate of the server is taken.
pub(crate) fn insecure(request: &Request) -> Result<bool, Failure> {
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
    if let Scope::Database(number) = &request.scope {
        warnings.push(format!(
            "the number of a database ({number:?}) is passed over: an RDB holds all databases of a server"
        ));
    }
    Ok(warnings)
}
