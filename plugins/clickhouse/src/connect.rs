//! How a connection becomes options and a private configuration file.
//!
//! The password stands in a file for `--config-file`: `--password` would show it to everybody, and old clients read no
//! `CLICKHOUSE_PASSWORD`. With a file of its own the client reads none of the user's or the system's, so a plan means the
//! same everywhere. The file's form: ClickHouse documentation, "Command-line client, Configuration files".

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, Version, path};

const CONFIG: &str = "client.xml";

/// XML 1.0 (2.2) has no place for these, not even in a CDATA section; line breaks are the host's rule for such files.
const NO_XML: &str = "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{b}\u{c}\u{e}\u{f}\u{10}\u{11}\u{12}\u{13}\u{14}\u{15}\u{16}\u{17}\u{18}\u{19}\u{1a}\u{1b}\u{1c}\u{1d}\u{1e}\u{1f}\n\r";

/// From this version on, client and server know the settings that make dates unambiguous.
const ISO: Version = Version::new(21, 1, 0);

/// The private configuration file.
///
/// In a CDATA section every character stands for itself, and only `]]>` ends it; a password that holds these three in a row
/// makes the file unreadable, which the client says before it connects.
pub(crate) fn config(request: &Request) -> Result<PrivateFile, Failure> {
    let mut file = PrivateFile::new(CONFIG).text("<config>\n");
    if request.has_secret("password") {
        let password = Secret::backslash("password", "", NO_XML);
        file = file.text("<password><![CDATA[").secret(password).text("]]></password>\n");
    }
    let mut tls = String::new();
    for (param, tag) in [("sslrootcert", "caConfig"), ("sslcert", "certificateFile"), ("sslkey", "privateKeyFile")] {
        if let Some(value) = request.param(param) {
            tls.push_str(&format!("<{tag}>{}</{tag}>", xml(param, value)?));
        }
    }
    if request.param("verify") == Some("none") {
        tls.push_str("<verificationMode>none</verificationMode><invalidCertificateHandler><name>AcceptCertificateHandler</name></invalidCertificateHandler>");
    } else if request.param("sslrootcert").is_some() {
        tls.push_str("<loadDefaultCAFile>false</loadDefaultCAFile><verificationMode>strict</verificationMode>");
    }
    if !tls.is_empty() {
        file = file.text(format!("<openSSL><client>{tls}</client></openSSL>\n"));
    }
    Ok(file.text("</config>\n"))
}

/// A value between two tags.
fn xml(name: &str, value: &str) -> Result<String, Failure> {
    if value.contains(|c| NO_XML.contains(c)) {
        return Err(Failure::settings(format!("{name} holds a control character")));
    }
    Ok(value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// The client, connected to the server.
pub(crate) fn client(request: &Request) -> Result<Command, Failure> {
    request.need_tool("clickhouse-client", crate::describe::CLIENT)?;
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(Failure::settings("ClickHouse listens on no unix socket").hint("give --host and --port"));
    }
    let command = Command::tool("clickhouse-client")
        .option("--config-file", path(CONFIG))
        .option("--host", connection.host.as_deref().unwrap_or("127.0.0.1"))
        .option_if("--port", connection.port.map(|port| port.to_string()))
        .option_if("--user", connection.user.as_ref());
    Ok(command.flag_if(is_on(request.param("secure")), "--secure"))
}

fn is_on(value: Option<&str>) -> bool {
    matches!(value, Some("true" | "yes" | "on" | "1"))
}

/// The client, in a database, reading statements from its stdin. It ends at the first that fails.
pub(crate) fn script(request: &Request, database: &str) -> Result<Command, Failure> {
    Ok(client(request)?.option("--database", database).flag("--multiquery"))
}

/// Whether dates are dumped as `2018-10-28T00:30:00Z`.
pub(crate) fn iso(request: &Request) -> bool {
    at_least(request, ISO)
}

/// Whether client and server are at least of this version. What is not known is old.
pub(crate) fn at_least(request: &Request, version: Version) -> bool {
    let client = request.tool_version("clickhouse-client");
    client.is_some_and(|client| client >= version) && request.server().is_some_and(|server| server >= version)
}

/// Settings under which rows are read.
///
/// A profile may say that a query which takes too long or finds too much just ends, as if it were complete
/// (`*_overflow_mode = break`), or limit every query: here that has to be an error, or not to be.
///
/// Dates are printed in UTC: the host gives the tools TZ=UTC. The old format has no zone in it, so in columns with a zone
/// of their own one hour of the year is ambiguous; ISO 8601 is not.
pub(crate) fn reading(command: Command, request: &Request) -> Command {
    let command = command
        .flag("--use_client_time_zone=1")
        .flag("--read_overflow_mode=throw")
        .flag("--result_overflow_mode=throw")
        .flag("--timeout_overflow_mode=throw");
    if !iso(request) {
        return command;
    }
    command.flag("--date_time_output_format=iso").flag("--limit=0").flag("--offset=0")
}

/// Settings under which rows are put back.
///
/// A replicated table throws away a block that it has seen already, which of two equal blocks of a dump would lose one; newer
/// servers collapse rows as they are inserted, insert later and at leisure, and refuse blocks of more than 100 partitions.
/// Old clients can read `nan` only as an expression; newer ones are told not to evaluate any.
pub(crate) fn writing(command: Command, request: &Request, iso: bool) -> Command {
    let command = command
        .flag("--use_client_time_zone=1")
        .flag("--insert_deduplicate=0")
        .flag_if(iso, "--date_time_input_format=best_effort");
    if !at_least(request, ISO) {
        return command;
    }
    command
        .flag("--optimize_on_insert=0")
        .flag("--max_partitions_per_insert_block=0")
        .flag("--input_format_values_interpret_expressions=0")
        // 21.12 brought it, and newer versions have it on.
        .flag_if(at_least(request, Version::new(22, 1, 0)), "--async_insert=0")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{PrivatePiece, testing};

    use super::*;

    #[test]
    fn options_and_file() {
        let request = testing::request("shop")
            .password()
            .port(9440)
            .tool("clickhouse-client", "18.16.1")
            .with_param("secure", "true")
            .with_param("sslrootcert", "/a&b<c>.pem");
        assert_eq!(
            script(&request, "shop").unwrap().to_string(),
            "clickhouse-client --config-file={work}/client.xml --host=db --port=9440 --user=app --secure --database=shop --multiquery"
        );
        let file = config(&request).unwrap();
        let text: String = file
            .content
            .iter()
            .map(|piece| match piece {
                PrivatePiece::Text(text) => text.clone(),
                PrivatePiece::Secret(secret) => format!("{{{}}}", secret.name),
                PrivatePiece::Path(_) => String::new(),
            })
            .collect();
        assert_eq!(
            text,
            "<config>\n<password><![CDATA[{password}]]></password>\n<openSSL><client><caConfig>/a&amp;b&lt;c&gt;.pem</caConfig>\
             <loadDefaultCAFile>false</loadDefaultCAFile><verificationMode>strict</verificationMode></client></openSSL>\n</config>\n"
        );
        assert!(config(&testing::request("x").with_param("sslkey", "/a\n<x>")).is_err());
        assert!(client(&testing::request("x")).is_err(), "no client");
    }

    #[test]
    fn settings_by_version() {
        let render = |client: &str, server: &str| {
            let request = testing::request("x").tool("clickhouse-client", client).server_is(server);
            let iso = iso(&request);
            let reading = reading(Command::tool("c"), &request).to_string();
            (reading, writing(Command::tool("c"), &request, iso).to_string())
        };
        let (old, old_back) = render("18.16.1", "23.8.1");
        assert!(!old.contains("iso") && !old_back.contains("optimize_on_insert"));
        assert_eq!(old_back, "c --use_client_time_zone=1 --insert_deduplicate=0");
        let (new, back) = render("24.8.1", "24.3.2");
        assert!(new.ends_with("--date_time_output_format=iso --limit=0 --offset=0"));
        assert!(back.contains("best_effort") && back.ends_with("--async_insert=0"));
    }
}
