//! How a connection becomes options, `PG*` variables and a password file.
//!
//! libpq's parameters and their variables: PostgreSQL manual, 34.1.2 and 34.15. The password goes into a file in the
//! format of 34.16 and never into PGPASSWORD, since a process' environment can be read by others of the same user.

use planb_sdk::{Command, Failure, PrivateFile, Request, Scope, Secret, path, quote};

/// URL parameters that libpq also takes from the environment, which keeps them out of the argument list.
pub(crate) const ENV_PARAMS: &[(&str, &str)] = &[
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("client_encoding", "PGCLIENTENCODING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("gssdelegation", "PGGSSDELEGATION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("gsslib", "PGGSSLIB"),
    ("hostaddr", "PGHOSTADDR"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("require_auth", "PGREQUIREAUTH"),
    ("requirepeer", "PGREQUIREPEER"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

/// URL parameters that have no variable: they stand in the connection string.
pub(crate) const CONNINFO_PARAMS: &[&str] =
    &["keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"];

/// Those of them that are files or folders, which the host makes absolute.
pub(crate) const PATH_PARAMS: &[&str] = &["sslcert", "sslcrl", "sslcrldir", "sslkey"];

/// What applies where the user says nothing: libpq itself would wait for an unreachable host for minutes.
const DEFAULTS: &[(&str, &str)] = &[("PGAPPNAME", "planb"), ("PGCONNECT_TIMEOUT", "10")];

const PASSFILE: &str = "pgpass";

/// The password file, where there is a password.
///
/// A colon and a backslash are escaped; libpq cuts a line at its newline and strips carriage returns before it
/// (passwordFromFile in fe-connect.c), so no password can hold either.
pub(crate) fn passfile(request: &Request) -> Option<PrivateFile> {
    request.has_secret("password").then(|| {
        let password = Secret::backslash("password", "\\:", "\n\r");
        PrivateFile::new(PASSFILE).text("*:*:*:*:").secret(password).text("\n")
    })
}

/// A tool with everything it needs to connect to a database of the request's server.
pub(crate) fn to_database(tool: &str, request: &Request, database: &str) -> Result<Command, Failure> {
    Ok(to_server(tool, request)?.option("--dbname", dbname(request, database)))
}

/// `psql`, as every plan runs it: no start-up file, nothing but rows on stdout, and an end at the first error.
pub(crate) fn psql(request: &Request, database: &str) -> Result<Command, Failure> {
    let psql = to_database("psql", request, database)?;
    Ok(psql.flag("--no-psqlrc").flag("--quiet").flag("--set=ON_ERROR_STOP=1"))
}

/// A tool with everything but the database.
pub(crate) fn to_server(tool: &str, request: &Request) -> Result<Command, Failure> {
    let connection = &request.connection;
    let mut command = Command::tool(tool)
        .flag("--no-password")
        .option_if("--host", connection.socket.as_ref().or(connection.host.as_ref()))
        .option_if("--port", connection.port.map(|port| port.to_string()))
        .option_if("--username", connection.user.as_ref());
    for &(param, name) in ENV_PARAMS {
        let Some(value) = request.param(param) else {
            continue;
        };
        // A path, or the word for the operating system's own certificates, which must not become a path.
        if param == "sslrootcert" && value != "system" && !value.starts_with('/') {
            return Err(Failure::settings(format!("{param}={value} is not an absolute path"))
                .hint(format!("the tools run in a private folder: write {param}=/path/to/file, or {param}=system")));
        }
        command = command.env(name, value);
    }
    for &(name, value) in DEFAULTS {
        if !command.env.iter().any(|var| var.name == name) {
            command = command.env(name, value);
        }
    }
    if request.has_secret("password") {
        command = command.env("PGPASSFILE", path(PASSFILE));
    }
    Ok(command)
}

/// A database's name as the value of an option. libpq takes a value with `=`, or one that begins like a URL, for a
/// connection string, so a name that is not plainly a name is written as one, quoted.
pub(crate) fn dbname(request: &Request, name: &str) -> String {
    let params: Vec<_> =
        CONNINFO_PARAMS.iter().filter_map(|param| request.param(param).map(|value| (*param, value))).collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if params.is_empty() && !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        return name.to_owned();
    }
    let mut conninfo = format!("dbname={}", quote::conninfo_value(name));
    for (param, value) in params {
        conninfo.extend([" ", param, "=", &quote::conninfo_value(value)]);
    }
    conninfo
}

/// The database to connect to for what is not of one database.
pub(crate) fn maintenance(request: &Request) -> &str {
    request.text("maintenance-db").unwrap_or("postgres")
}

/// The database to connect to for what is done to this one: nobody can drop or rename the one that he is in.
pub(crate) fn maintenance_beside<'a>(request: &'a Request, database: &str) -> &'a str {
    match maintenance(request) {
        name if name != database => name,
        "template1" => "postgres",
        _ => "template1",
    }
}

/// The database that a request is about, and the maintenance database where it is about the server.
pub(crate) fn home(request: &Request) -> &str {
    match &request.scope {
        Scope::Database(name) => name,
        Scope::All | Scope::Globals => maintenance(request),
    }
}
