//! How a connection becomes a connection string in a file that only the tool can read.
//!
//! `mongodump --config` reads a YAML file with `uri` (since 100.3), and `mongosh` a script that calls `connect`, so neither
//! the password nor where it leads stands on a command line. Everything in the string that comes from the user is percent-encoded
//! (Connection String specification, "Percent-Encoding"), which leaves nothing that could mean something in YAML or JavaScript.

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, path, quote};

/// What all readers take as it is.
const COMMON: &[&str] = &[
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "directConnection",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxIdleTimeMS",
    "maxPoolSize",
    "minPoolSize",
    "readConcernLevel",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "w",
    "wtimeoutMS",
];

/// From where to read. A restore writes, so it always goes to the primary.
const READING: &[&str] = &["readPreference", "readPreferenceTags", "maxStalenessSeconds"];

/// The tools take the milliseconds of these for seconds (configureClient in common/db/db.go), and wait 3 s for a connection and
/// 30 s for a server anyway.
const SHELL_ONLY: &[&str] = &["connectTimeoutMS", "serverSelectionTimeoutMS", "socketTimeoutMS"];

/// mongosh would need modules for them that not every build has.
const TOOLS_ONLY: &[&str] = &["compressors", "zlibCompressionLevel", "zstdCompressionLevel"];

/// The tools' driver knows only the first; to the tools all three mean the same.
const INSECURE: &[&str] = &["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"];

/// Parameters of the URL's query, but for paths. (MongoDB manual, "Connection String Options")
pub(crate) const PARAMS: &[&str] = &[
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverSelectionTimeoutMS",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames",
    "tlsInsecure",
    "w",
    "wtimeoutMS",
    "zlibCompressionLevel",
    "zstdCompressionLevel",
];

/// Parameters that are files.
pub(crate) const PATH_PARAMS: &[&str] = &["tlsCAFile", "tlsCertificateKeyFile"];

/// The secret for an encrypted key, by the name that the parameter has in a connection string.
pub(crate) const KEY_PASSWORD: &str = "tlsCertificateKeyFilePassword";

/// Names a configuration of mongosh beside /etc/mongosh.conf. The only way to keep it from telling its maker of each run, since
/// it does so before the first line of a script.
pub(crate) const SHELL_CONFIG_ENV: &str = "MONGOSH_GLOBAL_CONFIG_FILE_FOR_TESTING";

const CONFIG: &str = "mongodb.yaml";
const SHELL_CONFIG: &str = "mongosh.conf";

/// Who reads a connection string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Dump,
    Restore,
    /// mongosh, where it only asks.
    Shell,
    /// mongosh, where it writes.
    Writer,
}

/// The file that `--config` names.
pub(crate) fn config(request: &Request, reader: Reader) -> Result<PrivateFile, Failure> {
    let file = PrivateFile::new(CONFIG).text("uri: \"");
    Ok(uri(file, request, reader, true)?.text("\"\n"))
}

/// A tool with everything it needs to connect.
pub(crate) fn tool(id: &str) -> Command {
    Command::tool(id).option("--config", path(CONFIG))
}

/// mongosh with a script, which finds the connection string in `uri`, and its private files.
pub(crate) fn script(
    request: &Request,
    reader: Reader,
    name: &str,
    login: bool,
) -> Result<(PrivateFile, Command), Failure> {
    let file = uri(PrivateFile::new(name).text("const uri = \""), request, reader, login)?.text("\";\n");
    let shell = Command::tool("mongosh")
        .flag("--nodb")
        .flag("--norc")
        .flag("--quiet")
        .option("--file", path(name))
        .env(SHELL_CONFIG_ENV, path(SHELL_CONFIG));
    Ok((file, shell))
}

/// No telemetry, and no log in a folder that is thrown away.
pub(crate) fn shell_config() -> PrivateFile {
    PrivateFile::new(SHELL_CONFIG).text("mongosh:\n  forceDisableTelemetry: true\n  disableLogging: true\n")
}

/// Adds the connection string.
fn uri(file: PrivateFile, request: &Request, reader: Reader, login: bool) -> Result<PrivateFile, Failure> {
    let connection = &request.connection;
    let srv = connection.scheme.as_deref() == Some("mongodb+srv");
    let user = connection.user.as_deref().filter(|user| login && !user.is_empty());
    let mechanism = request.param("authMechanism").unwrap_or_default();
    let mut file = file.text(if srv { "mongodb+srv://" } else { "mongodb://" });
    if let Some(user) = user {
        file = file.text(quote::percent(user, ""));
        if request.has_secret("password") {
            file = file.text(":").secret(Secret::percent("password"));
        }
        file = file.text("@");
    } else if login && request.has_secret("password") {
        return Err(Failure::settings("there is a password, and no user whose it is")
            .hint("name the user: --db mongodb://USER@HOST/DATABASE, or --user"));
    }
    file = file.text(hosts(request, srv)?).text("/");
    let mut separator = '?';
    let mut put = |file: PrivateFile, name: &str, value: &str| {
        let text = format!("{separator}{name}={}", quote::percent(value, ""));
        separator = '&';
        file.text(text)
    };
    if user.is_some() || !mechanism.is_empty() {
        file = put(file, "authSource", auth_source(request, mechanism));
    }
    for &name in COMMON {
        if !login && name.starts_with("authMechanism") {
            continue;
        }
        if let Some(value) = request.param(name) {
            file = put(file, name, value);
        }
    }
    let shell = matches!(reader, Reader::Shell | Reader::Writer);
    let reading = matches!(reader, Reader::Dump | Reader::Shell);
    let some = [if reading { READING } else { &[] }, if shell { SHELL_ONLY } else { TOOLS_ONLY }];
    for &name in some.into_iter().flatten() {
        // mongosh would wait half a minute for a server that is not there.
        let default = (name == "serverSelectionTimeoutMS").then_some("10000");
        if let Some(value) = request.param(name).or(default) {
            file = put(file, name, value);
        }
    }
    if shell {
        for &name in INSECURE {
            if let Some(value) = request.param(name) {
                file = put(file, name, value);
            }
        }
    } else if INSECURE.iter().any(|name| request.param(name) == Some("true")) {
        file = put(file, "tlsInsecure", "true");
    }
    if request.has_secret(KEY_PASSWORD) {
        file = put(file, KEY_PASSWORD, "").secret(Secret::percent(KEY_PASSWORD));
    }
    Ok(file)
}

/// The database that knows the user. In a connection string of an application it is the database of the string where nothing is said;
/// here that one says what to back up.
fn auth_source<'a>(request: &'a Request, mechanism: &str) -> &'a str {
    let external = ["MONGODB-X509", "GSSAPI", "MONGODB-AWS", "MONGODB-OIDC", "PLAIN"];
    match request.param("authSource").filter(|source| !source.is_empty()) {
        Some(source) => source,
        None if external.contains(&mechanism) => "$external",
        None => "admin",
    }
}

fn hosts(request: &Request, srv: bool) -> Result<String, Failure> {
    let connection = &request.connection;
    if let Some(socket) = &connection.socket {
        return Ok(quote::percent(socket, ""));
    }
    let host = connection.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
    if srv {
        if !connection.others.is_empty() {
            return Err(Failure::settings("a mongodb+srv URL names one host, under which DNS knows the servers")
                .hint("name one host, or write mongodb:// before several"));
        }
        return Ok(quote::percent(host, ""));
    }
    let one = |host: &str, port: Option<u16>| {
        // An IPv6 address; a zone has a %.
        let host =
            if host.contains(':') { format!("[{}]", quote::percent(host, ":")) } else { quote::percent(host, "") };
        port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    };
    let first = one(host, connection.port);
    let others = connection.others.iter().map(|other| one(&other.host, other.port));
    Ok([first].into_iter().chain(others).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Connection, Endpoint, testing};

    use super::*;
    use crate::testing::text;

    fn uri_of(request: &Request, reader: Reader) -> String {
        text(&config(request, reader).unwrap()).trim_start_matches("uri: \"").trim_end_matches("\"\n").to_owned()
    }

    #[test]
    fn the_plainest() {
        let request = testing::request("orders").password().port(27017);
        assert_eq!(uri_of(&request, Reader::Dump), "mongodb://app:{percent password}@db:27017/?authSource=admin");
        let mut nobody = testing::request("orders");
        nobody.connection = Connection::empty();
        assert_eq!(uri_of(&nobody, Reader::Dump), "mongodb://localhost/");
        nobody.connection.secrets.push("password".to_owned());
        assert!(config(&nobody, Reader::Dump).unwrap_err().message.contains("no user"));
    }

    #[test]
    fn several_hosts_and_parameters() {
        let mut request = testing::request("orders")
            .port(27017)
            .with_param("replicaSet", "rs0")
            .with_param("readPreference", "secondary")
            .with_param("connectTimeoutMS", "5")
            .with_param("tlsAllowInvalidHostnames", "true")
            .with_param("tlsCAFile", "/etc/a b.pem")
            .with_param("authMechanism", "MONGODB-X509");
        request.connection.others =
            vec![Endpoint { host: "::1".to_owned(), port: Some(1) }, Endpoint { host: "c".to_owned(), port: None }];
        request.connection.secrets.push(KEY_PASSWORD.to_owned());
        let start = "mongodb://app@db:27017,[::1]:1,c/?authSource=%24external&authMechanism=MONGODB-X509&replicaSet=rs0&tlsCAFile=%2Fetc%2Fa%20b.pem";
        let key = "&tlsCertificateKeyFilePassword={percent tlsCertificateKeyFilePassword}";
        assert_eq!(uri_of(&request, Reader::Dump), format!("{start}&readPreference=secondary&tlsInsecure=true{key}"));
        assert_eq!(uri_of(&request, Reader::Restore), format!("{start}&tlsInsecure=true{key}"));
        assert_eq!(
            uri_of(&request, Reader::Shell),
            format!(
                "{start}&readPreference=secondary&connectTimeoutMS=5&serverSelectionTimeoutMS=10000&tlsAllowInvalidHostnames=true{key}"
            )
        );
    }

    #[test]
    fn dns_and_sockets() {
        let mut request = testing::request("orders").port(27017).with_param("authSource", "orders");
        request.connection.scheme = Some("mongodb+srv".to_owned());
        assert_eq!(uri_of(&request, Reader::Dump), "mongodb+srv://app@db/?authSource=orders");
        request.connection.others.push(Endpoint { host: "b".to_owned(), port: None });
        assert!(config(&request, Reader::Dump).is_err());
        let mut request = testing::request("orders");
        (request.connection.host, request.connection.socket) = (None, Some("/tmp/mongodb-27017.sock".to_owned()));
        assert_eq!(uri_of(&request, Reader::Restore), "mongodb://app@%2Ftmp%2Fmongodb-27017.sock/?authSource=admin");
    }

    #[test]
    fn nothing_gets_out_of_the_string() {
        let nasty = "'\"\\\n\r: #%?@/,é\u{2028}";
        let mut request = testing::request("orders").with_param("replicaSet", nasty).with_param("authSource", nasty);
        request.connection.host = Some(nasty.to_owned());
        request.connection.user = Some(nasty.to_owned());
        for reader in [Reader::Dump, Reader::Restore, Reader::Shell, Reader::Writer] {
            let uri = uri_of(&request, reader);
            assert!(uri.chars().all(|c| c.is_ascii_alphanumeric() || ":/?@%=&.[]$-_".contains(c)), "{uri}");
        }
    }

    #[test]
    fn every_parameter_goes_somewhere() {
        let known: Vec<&str> = [COMMON, READING, SHELL_ONLY, TOOLS_ONLY, INSECURE, &["authSource"]].concat();
        assert!(PARAMS.iter().chain(PATH_PARAMS).all(|name| known.contains(name)));
        assert!(known.iter().all(|name| PARAMS.contains(name) || PATH_PARAMS.contains(name)));
    }
}
