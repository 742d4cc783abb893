//! How a connection becomes options of `sqlcmd`.
//!
//! Two programs go by that name: that of the ODBC driver (mssql-tools, mssql-tools18) and that in Go (go-sqlcmd). What is used
//! here they have in common (sqlcmd utility, Microsoft Learn; cmd/sqlcmd/sqlcmd.go), but for `-N`. The password goes by
//! SQLCMDPASSWORD, since neither reads a file; so `-X`, which would have them ignore it, is not used, and
//! no value with a line break comes into a script.

use planb_sdk::{Command, Failure, Request, Secret};

use crate::describe::{GNU, SQLCMD};
use crate::quote;

/// `sqlcmd` that runs this script in `master`, prints rows and nothing else, and fails at the first error.
pub(crate) fn sqlcmd(request: &Request, script: impl Into<String>) -> Result<Command, Failure> {
    request.need_tool("sqlcmd", SQLCMD)?;
    let mut command = Command::tool("sqlcmd").pair("-S", server(request)?).flag("-d").flag("master");
    command = match (&request.connection.user, request.has_secret("password")) {
        (Some(user), true) => command.pair("-U", user).env("SQLCMDPASSWORD", Secret::raw("password")),
        (Some(_), false) => {
            return Err(Failure::settings("there is a user and no password, and sqlcmd would ask for one")
                .hint("set DB_PASSWORD, or leave the user out to log in with Kerberos"));
        }
        (None, true) => {
            return Err(Failure::settings("there is a password and no user").hint("write mssql://user@host/database"));
        }
        (None, false) => command.flag("-E"),
    };
    command = encryption(command, request)?;
    Ok(command
        .flag("-l")
        .flag("15")
        // No $(variables): they could be part of a name. Names stand in double quotes.
        .flag("-x")
        .flag("-I")
        // Fails where a statement failed, and says so on stderr.
        .flag("-b")
        .flag("-r1")
        // Bare rows.
        .flag("-h-1")
        .flag("-W")
        .flag("-w")
        .flag("65535")
        .flag("-Q")
        .script(script))
}

fn server(request: &Request) -> Result<String, Failure> {
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(Failure::settings("sqlcmd cannot use a unix socket").hint("write mssql://user@host/database"));
    }
    let host = connection.host.as_deref().unwrap_or("127.0.0.1");
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    // A comma, a backslash or a semicolon would begin a port, an instance or a further setting.
    if !plain(host, ".-_:") {
        return Err(Failure::settings(format!("{host:?} is no host name")));
    }
    match request.param("instance").filter(|name| !name.is_empty()) {
        Some(instance) if plain(instance, "_$#") => Ok(format!("{host}\\{instance}")),
        Some(instance) => Err(Failure::settings(format!("{instance:?} is no name of an instance"))),
        None => Ok(format!("tcp:{host},{}", connection.port.unwrap_or(1433))),
    }
}

/// The two programs, and that of ODBC before 18, take encryption in three ways.
fn encryption(command: Command, request: &Request) -> Result<Command, Failure> {
    let refused = |what: &str, other: &str, known: &str| {
        Err(Failure::settings(format!("{what}={other} is not possible")).hint(format!("say {known}")))
    };
    let major = request.tool_version("sqlcmd").map_or(18, |version| version.major);
    let command = match (request.param("encrypt").map(str::to_ascii_lowercase).as_deref(), major) {
        (None, _) | (Some("optional" | "false" | "no"), 10..18) => command,
        (Some("mandatory" | "true" | "yes"), ..10) => command.flag("-N").flag("mandatory"),
        (Some("optional" | "false" | "no"), ..10) => command.flag("-N").flag("optional"),
        (Some("strict"), ..10) => command.flag("-N").flag("strict"),
        (Some("mandatory" | "true" | "yes"), 10..18) => command.flag("-N"),
        (Some("mandatory" | "true" | "yes"), _) => command.flag("-Nm"),
        (Some("optional" | "false" | "no"), _) => command.flag("-No"),
        (Some("strict"), 18..) => command.flag("-Ns"),
        (Some(other), _) => {
            return refused(
                "encrypt",
                other,
                "encrypt=mandatory, optional or strict (strict needs mssql-tools18 or go-sqlcmd)",
            );
        }
    };
    let command = match request.param("trustservercertificate").map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "no") => command,
        Some("true" | "yes") => command.flag("-C"),
        Some(other) => return refused("trustservercertificate", other, "true or false"),
    };
    Ok(match request.param("hostnameincertificate") {
        Some(name) => command.pair("-F", name),
        None => command,
    })
}

/// The folder for backups, as the server and as planb see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a> {
    server: &'a str,
    local: &'a str,
}

impl<'a> Shared<'a> {
    pub(crate) fn of(request: &'a Request) -> Result<Self, Failure> {
        let server = request.text("server-dir").ok_or_else(|| {
            Failure::settings("the folder for backups is missing: the server writes them to its own file system").hint(
                "say --option server-dir=/var/opt/mssql/backup, and with --option local-dir=/mnt/backup where that folder is from here",
            )
        })?;
        quote::plain("server-dir", server)?;
        let local = request.text("local-dir").unwrap_or(server);
        if !local.starts_with('/') {
            return Err(Failure::settings(format!("{local} is a folder of the server only"))
                .hint("say with --option local-dir=/path where it is seen from here"));
        }
        Ok(Self { server, local })
    }

    /// Of a file, for the server.
    pub(crate) fn server_path(self, file: &str) -> String {
        let separator = if self.server.contains('\\') { '\\' } else { '/' };
        format!("{}{separator}{file}", self.server.trim_end_matches(['/', '\\']))
    }

    pub(crate) fn local_dir(self) -> &'a str {
        self.local
    }

    /// Removes a file of it, where there is one.
    pub(crate) fn remove(self, request: &Request, file: &str) -> Result<Command, Failure> {
        request.need_tool("rm", "coreutils")?;
        Ok(Command::tool("rm").flag("-f").flag("--").value(format!("{}/{file}", self.local.trim_end_matches('/'))))
    }
}

/// Fails where tar is not the GNU one, whose options the plans use.
pub(crate) fn gnu_tar(request: &Request) -> Result<(), Failure> {
    request.need_tool("tar", GNU)?;
    if request.banner("tar").is_none_or(|found| found.contains("GNU tar")) {
        return Ok(());
    }
    Err(Failure::tool("tar is not GNU tar")
        .code(planb_sdk::FailureCode::ToolUnfit)
        .hint("point --tool-path tar=/path/to/tar at GNU tar"))
}

/// Fails for a server whose list of a backup's files has fewer columns than the restore reads.
pub(crate) fn known_server(request: &Request) -> Result<(), Failure> {
    match request.server() {
        Some(server) if server.major < 13 => {
            Err(Failure::tool(format!("SQL Server {server} is older than 2016 (13.0)"))
                .code(planb_sdk::FailureCode::ToolUnfit)
                .hint("this engine knows SQL Server 2016 and newer"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use planb_sdk::FoundTool;

    use super::*;

    pub(crate) fn request(database: &str) -> Request {
        let mut request = planb_sdk::testing::request(database)
            .password()
            .tool("sqlcmd", "18.4.1")
            .tool("tar", "1.34")
            .with_setting("server-dir", "/var/opt/mssql/backup")
            .with_setting("local-dir", "/mnt/backup")
            .with_setting("copy-only", "true")
            .with_setting("verify", "true")
            .with_setting("count-rows", "true")
            .server_is("16.0.4135.4");
        request.tools.push(FoundTool { id: "rm".to_owned(), version: None, banner: None });
        for tool in request.tools.iter_mut().filter(|tool| tool.id == "tar") {
            tool.banner = Some("tar (GNU tar) 1.34".to_owned());
        }
        request
    }

    fn rendered(request: &Request) -> String {
        match sqlcmd(request, "SELECT 1") {
            Ok(command) => command.to_string().replace(" -l 15 -x -I -b -r1 -h-1 -W -w 65535 -Q <SELECT 1>", ""),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn logins() {
        assert_eq!(
            sqlcmd(&request("x"), "SELECT 1").unwrap().to_string(),
            "SQLCMDPASSWORD={secret password} sqlcmd -S tcp:db,1433 -d master -U app -l 15 -x -I -b -r1 -h-1 -W -w 65535 -Q <SELECT 1>"
        );
        let mut kerberos = request("x");
        kerberos.connection.user = None;
        kerberos.connection.secrets.clear();
        assert_eq!(rendered(&kerberos.with_param("instance", "SQL2022")), "sqlcmd -S db\\SQL2022 -d master -E");
        let mut host = request("x");
        for hostile in ["a,1;x", "a\\b", "a b", "a\nb"] {
            host.connection.host = Some(hostile.to_owned());
            assert!(rendered(&host).contains("no host name"), "{hostile}");
        }
        let mut asked = request("x");
        asked.connection.secrets.clear();
        assert!(rendered(&asked).contains("would ask"));
    }

    #[test]
    fn encryption_of_each_program() {
        let with = |version: &str, encrypt: &str| {
            let mut request = request("x").with_param("encrypt", encrypt);
            request.tools.retain(|tool| tool.id != "sqlcmd");
            let text = rendered(&request.tool("sqlcmd", version));
            text.split_once("-U app").map_or(text.clone(), |(_, rest)| rest.trim().to_owned())
        };
        assert_eq!(with("18.4.1", "mandatory"), "-Nm");
        assert_eq!(with("18.4.1", "strict"), "-Ns");
        assert_eq!(with("17.10.1", "mandatory"), "-N");
        assert_eq!(with("17.10.1", "optional"), "");
        assert!(with("17.10.1", "strict").contains("not possible"));
        assert_eq!(with("1.8.2", "strict"), "-N strict");
        assert!(with("18.4.1", "-o/etc/x").contains("not possible"));
        let trusting =
            request("x").with_param("trustservercertificate", "true").with_param("hostnameincertificate", "db.example");
        assert!(rendered(&trusting).ends_with("-C -F db.example"));
    }

    #[test]
    fn folders() {
        let windows = request("x").with_setting("server-dir", "C:\\backup\\");
        assert_eq!(Shared::of(&windows).unwrap().server_path("a.bak"), "C:\\backup\\a.bak");
        let only_there = windows.with_setting("local-dir", "");
        assert!(Shared::of(&only_there).unwrap_err().hint.unwrap().contains("local-dir"));
        let none = request("x").with_setting("server-dir", "");
        assert!(Shared::of(&none).is_err());
        let same = request("x").with_setting("local-dir", "");
        assert_eq!(Shared::of(&same).unwrap().local_dir(), "/var/opt/mssql/backup");
    }
}
