//! How the two tools are run.

use planb_sdk::{Command, Failure, Request, Secret, Version};

use crate::describe;

const HOME: &str = "NEO4J_HOME";
const CONF: &str = "NEO4J_CONF";
/// The only way to give `cypher-shell` a password that is not in an argument (manual, "Cypher Shell").
const PASSWORD: &str = "NEO4J_PASSWORD";
pub(crate) const ENV: [&str; 3] = [HOME, CONF, PASSWORD];

/// From this version on the commands of a database are grouped: `neo4j-admin database dump`.
const GROUPED: Version = Version::new(5, 0, 0);

/// The name of a database, as the server allows it (manual, "Administrative commands": letters, digits, dots and dashes). The tool would
/// take `*` and `?` for a pattern.
pub(crate) fn database(request: &Request) -> Result<&str, Failure> {
    let name = request.database()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(Failure::settings(format!("{name:?} is no name of a Neo4j database"))
            .hint("it consists of letters, digits, dots and dashes"));
    }
    Ok(name)
}

pub(crate) fn is_grouped(request: &Request) -> bool {
    request.tool_version("neo4j-admin").is_none_or(|found| found >= GROUPED)
}

/// `neo4j-admin`, up to its subcommand.
pub(crate) fn admin(request: &Request, subcommand: &'static str) -> Result<Command, Failure> {
    request.need_tool("neo4j-admin", describe::ADMIN)?;
    let command = Command::tool("neo4j-admin").flag_if(is_grouped(request), "database").flag(subcommand);
    let command = with_env(command, request);
    Ok(command.flag_if(request.toggle("expand-commands")?, "--expand-commands"))
}

fn with_env(mut command: Command, request: &Request) -> Command {
    for (setting, name) in [("home", HOME), ("conf", CONF)] {
        if let Some(folder) = request.text(setting) {
            command = command.env(name, folder.to_owned());
        }
    }
    command
}

/// `cypher-shell` in a database, reading statements from its stdin and ending at the first that fails.
pub(crate) fn shell(request: &Request, database: &str) -> Result<Command, Failure> {
    request.need_tool("cypher-shell", describe::SHELL)?;
    let connection = &request.connection;
    let Some(host) = connection.host.as_deref() else {
        return Err(no_server());
    };
    let scheme = connection.scheme.as_deref().unwrap_or("neo4j");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = connection.port.unwrap_or(7687);
    let mut command = Command::tool("cypher-shell")
        .option("--address", format!("{scheme}://{host}:{port}"))
        .option_if("--username", connection.user.as_ref())
        .option("--database", database)
        .flag("--format=plain")
        .flag("--non-interactive")
        .flag("--fail-fast");
    if request.has_secret("password") {
        command = command.env(PASSWORD, Secret::raw("password"));
    }
    Ok(command)
}

/// There is nobody to ask.
pub(crate) fn no_server() -> Failure {
    Failure::unsupported("no server was named, so there is none to ask")
        .hint("for a server that runs, name it: --db neo4j://host/database")
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn commands() {
        let request = testing::request("shop")
            .password()
            .port(7688)
            .tool("neo4j-admin", "5.12.0")
            .tool("cypher-shell", "5.12.0")
            .with_setting("conf", "/etc/neo4j");
        assert_eq!(admin(&request, "dump").unwrap().to_string(), "NEO4J_CONF=/etc/neo4j neo4j-admin database dump");
        assert_eq!(
            shell(&request, "system").unwrap().to_string(),
            "NEO4J_PASSWORD={secret password} cypher-shell --address=neo4j://db:7688 --username=app --database=system --format=plain \
             --non-interactive --fail-fast"
        );
        let old = testing::request("shop").tool("neo4j-admin", "4.4.12");
        assert_eq!(admin(&old, "dump").unwrap().to_string(), "neo4j-admin dump");
        for name in ["*", "a?", "-x", "a\nb", ""] {
            assert!(database(&testing::request(name)).is_err(), "{name}");
        }
        assert_eq!(database(&testing::request("my-db.2")), Ok("my-db.2"));
    }
}
