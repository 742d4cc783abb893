//! How a connection becomes a URL and a password file.
//!
//! The URL (CockroachDB documentation, "Client connection parameters") holds everything but the password, so it may stand in an
//! argument. The password stands in a file in the format of PostgreSQL's .pgpass, which the program reads since 22.2
//! (release notes; its driver is pgx). The driver cuts white space off the ends of a line, so a password cannot end with it.

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, path, quote};

use crate::describe;

const PASSFILE: &str = "pgpass";

/// Parameters that stand in the URL as they were given.
const PARAMS: &[&str] = &["sslcert", "sslkey", "sslrootcert", "options", "application_name", "connect_timeout"];

/// The password file, where there is a password.
pub(crate) fn passfile(request: &Request) -> Option<PrivateFile> {
    request.has_secret("password").then(|| {
        let password = Secret::backslash("password", "\\:", "\n\r");
        PrivateFile::new(PASSFILE).text("*:*:*:*:").secret(password).text("\n")
    })
}

/// The connection's URL. Nothing is sent in the clear unless the user says `sslmode=disable`.
fn url(request: &Request, database: &str) -> Result<String, Failure> {
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(
            Failure::settings("the cockroach program is connected to by host and port").hint("give --host and --port")
        );
    }
    let host = connection.host.as_deref().unwrap_or("localhost");
    let host = if host.contains(':') { format!("[{}]", quote::percent(host, ":")) } else { quote::percent(host, "") };
    let user = connection.user.as_deref().map(|user| quote::percent(user, "") + "@").unwrap_or_default();
    let port = connection.port.map(|port| format!(":{port}")).unwrap_or_default();
    let mode = request.param("sslmode").unwrap_or("verify-full");
    let mut url = format!(
        "postgresql://{user}{host}{port}/{}?sslmode={}",
        quote::percent(database, ""),
        quote::percent(mode, "")
    );
    for param in PARAMS {
        if let Some(value) = request.param(param) {
            url.extend(["&", param, "=", &quote::percent(value, "/")]);
        }
    }
    if !PARAMS.iter().any(|param| *param == "application_name" && request.param(param).is_some()) {
        url += "&application_name=planb";
    }
    Ok(url)
}

/// A subcommand with the connection: `cockroach userfile get --url=...`.
pub(crate) fn connected(request: &Request, words: &[&'static str], database: &str) -> Result<Command, Failure> {
    request.need_tool("cockroach", describe::INSTALL)?;
    let mut command = words.iter().fold(Command::tool("cockroach"), |command, word| command.flag(word));
    command = command.option("--url", url(request, database)?).option_if("--certs-dir", request.text("certs-dir"));
    if request.has_secret("password") {
        command = command.env("PGPASSFILE", path(PASSFILE));
    }
    Ok(command)
}

/// `cockroach sql`, reading statements from its stdin, ending at the first that fails.
pub(crate) fn sql(request: &Request, database: &str) -> Result<Command, Failure> {
    Ok(connected(request, &["sql"], database)?.flag("--format=tsv").flag("--set=errexit=true"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn urls() {
        let request = testing::request("shop").password().port(26257).tool("cockroach", "23.1.11");
        assert_eq!(
            sql(&request, "a b").unwrap().to_string(),
            "PGPASSFILE={work}/pgpass cockroach sql --url=postgresql://app@db:26257/a%20b?sslmode=verify-full&application_name=planb \
             --format=tsv --set=errexit=true"
        );
        let mut odd = testing::request("x")
            .tool("cockroach", "23.1.11")
            .with_param("sslmode", "disable")
            .with_param("sslrootcert", "/a b/ca.crt")
            .with_param("options", "--cluster=x&y")
            .with_setting("certs-dir", "/certs");
        odd.connection.host = Some("::1".to_owned());
        odd.connection.user = Some("a@b:c".to_owned());
        assert_eq!(
            connected(&odd, &["userfile", "get"], "").unwrap().to_string(),
            "cockroach userfile get --url=postgresql://a%40b%3Ac@[::1]/?sslmode=disable&sslrootcert=/a%20b/ca.crt&options=--cluster%3Dx%26y\
             &application_name=planb --certs-dir=/certs"
        );
        assert!(passfile(&odd).is_none() && passfile(&request).is_some());
        odd.connection.socket = Some("/tmp".to_owned());
        assert!(sql(&odd, "x").is_err());
    }
}
