//! How a connection becomes options and a private configuration file.
//!
//! The tools take the password from an option only, so it stands in a file for `--configuration`. In the file, as in every option,
//! `@NAME@` stands for an environment variable and `@@` for an at sign (ArangoDB documentation, "Environment variables as
//! parameters"), and white space at the ends of a value is lost, so the file names a variable, and the variable, which only
//! the tool gets, holds the password: whatever it is made of, it arrives.

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret, path};

use crate::describe;

pub(crate) const PASSWORD: &str = "ARANGO_PASSWORD";
const CONFIG: &str = "client.conf";
const JWT: &str = "jwt-secret";

/// The private files of every plan.
pub(crate) fn files(request: &Request) -> Vec<PrivateFile> {
    let mut config = PrivateFile::new(CONFIG).text("[server]\n");
    if request.has_secret("password") {
        config = config.text(format!("password = @{PASSWORD}@\n"));
    } else {
        // Else the tools would ask, and wait.
        config = config.text("password =\n");
    }
    let jwt = request.has_secret("jwt-secret").then(|| PrivateFile::new(JWT).secret(Secret::raw("jwt-secret")));
    [config].into_iter().chain(jwt).collect()
}

/// A value as an option takes it.
pub(crate) fn escaped(value: &str) -> String {
    value.replace('@', "@@")
}

/// A tool with everything but the database.
pub(crate) fn to_server(tool: &str, request: &Request) -> Result<Command, Failure> {
    request.need_tool(tool, describe::CLIENT)?;
    let connection = &request.connection;
    let ssl = matches!(request.param("ssl"), Some("true" | "yes" | "on" | "1"))
        || connection.scheme.as_deref() == Some("arangodbs");
    let endpoint = if let Some(socket) = &connection.socket {
        format!("unix://{}", escaped(socket))
    } else {
        let host = connection.host.as_deref().unwrap_or("127.0.0.1");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = connection.port.unwrap_or(8529);
        format!("{}://{}:{port}", if ssl { "ssl" } else { "tcp" }, escaped(&host))
    };
    let mut command = Command::tool(tool).option("--configuration", path(CONFIG)).option("--server.endpoint", endpoint);
    if request.has_secret("jwt-secret") {
        return Ok(command.option("--server.jwt-secret-keyfile", path(JWT)));
    }
    command = command.option_if("--server.username", connection.user.as_deref().map(escaped));
    if request.has_secret("password") {
        command = command.env(PASSWORD, Secret::raw("password"));
    }
    Ok(command)
}

/// A tool in this database.
pub(crate) fn in_database(tool: &str, request: &Request, database: &str) -> Result<Command, Failure> {
    Ok(to_server(tool, request)?.option("--server.database", escaped(database)))
}

/// `arangosh`, running the script of a private file.
pub(crate) fn shell(request: &Request, database: &str, script: &str) -> Result<Command, Failure> {
    let shell = in_database("arangosh", request, database)?.flag("--quiet=true").flag("--console.colors=false");
    Ok(shell.option("--javascript.execute", path(script)))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{PrivatePiece, testing};

    use super::*;

    fn text(files: &[PrivateFile]) -> String {
        let piece = |piece: &PrivatePiece| match piece {
            PrivatePiece::Text(text) => text.clone(),
            PrivatePiece::Secret(secret) => format!("{{{}}}", secret.name),
            PrivatePiece::Path(path) => path.clone(),
        };
        files.iter().flat_map(|file| file.content.iter().map(piece)).collect()
    }

    #[test]
    fn options_and_files() {
        let mut request = testing::request("shop@1").password().port(8530).tool("arangodump", "3.11.8");
        request.connection.user = Some("a@b".to_owned());
        assert_eq!(
            in_database("arangodump", &request, "shop@1").unwrap().to_string(),
            "ARANGO_PASSWORD={secret password} arangodump --configuration={work}/client.conf --server.endpoint=tcp://db:8530 \
             --server.username=a@@b --server.database=shop@@1"
        );
        assert_eq!(text(&files(&request)), "[server]\npassword = @ARANGO_PASSWORD@\n");
        request.connection.secrets = vec!["jwt-secret".to_owned()];
        request.connection.scheme = Some("arangodbs".to_owned());
        request.connection.host = Some("::1".to_owned());
        assert_eq!(
            to_server("arangodump", &request).unwrap().to_string(),
            "arangodump --configuration={work}/client.conf --server.endpoint=ssl://[::1]:8530 --server.jwt-secret-keyfile={work}/jwt-secret"
        );
        assert_eq!(text(&files(&request)), "[server]\npassword =\n{jwt-secret}");
    }
}
