//! How a connection becomes a line of a parameter file, or of a SQL*Plus script.
//!
//! A password in double quotes may hold nearly everything; what Data Pump's parser does with quotes and backslashes inside is
//! not documented, so a password with one of them is refused, in both places alike.

use planb_sdk::{Command, Failure, PrivateFile, Request, Secret};

use crate::describe::CLIENT;
use crate::names;

const FORBIDDEN: &str = "\"'\\\n\r";
/// What `sqlplus` ends with where its last statement was not reached: it says nothing of a login that failed.
const SCRIPT_HEAD: &str = "\
WHENEVER OSERROR EXIT 9
WHENEVER SQLERROR EXIT 2 ROLLBACK
SET ECHO OFF FEEDBACK OFF HEADING OFF VERIFY OFF TERMOUT ON PAGESIZE 0 LINESIZE 32767 TRIMOUT ON TRIMSPOOL ON TAB OFF
SET DEFINE OFF SQLBLANKLINES ON SERVEROUTPUT OFF
COLUMN planb_rc NEW_VALUE planb_rc NOPRINT
DEFINE planb_rc = 3
SPOOL /dev/stderr
";
const SCRIPT_TAIL: &str = "
SELECT 0 AS planb_rc FROM dual;
SPOOL OFF
SET DEFINE ON
EXIT &planb_rc
";

/// `user/password@address` in pieces around the secret.
struct Login {
    before: String,
    secret: bool,
    after: String,
}

fn login(request: &Request) -> Result<Login, Failure> {
    let address = address(request)?;
    let at = |address: String| if address.is_empty() { address } else { format!("@{address}") };
    match (&request.connection.user, request.has_secret("password")) {
        (Some(user), true) => {
            let before = format!("{}/\"", account(user)?);
            Ok(Login { before, secret: true, after: format!("\"{}", at(address)) })
        }
        (Some(_), false) => Err(Failure::settings(
            "there is a user and no password, and Oracle's tools would ask for one",
        )
        .hint("set DB_PASSWORD, or leave the user out to log in with a wallet or as a user of the operating system")),
        (None, true) => {
            Err(Failure::settings("there is a password and no user")
                .hint("write oracle://user@host/SCHEMA?service=NAME"))
        }
        (None, false) => Ok(Login { before: format!("/{}", at(address)), secret: false, after: String::new() }),
    }
}

/// A user: as it is where it needs no quotes; in quotes, which keep small letters, otherwise.
fn account(user: &str) -> Result<String, Failure> {
    let word = |more: &str| {
        user.starts_with(|c: char| c.is_ascii_alphabetic())
            && user.chars().all(|c| c.is_ascii_alphanumeric() || "_$".contains(c) || more.contains(c))
    };
    if word("") {
        return Ok(user.to_owned());
    }
    // C##ADMIN: a common user, whose # would begin a comment. The server keeps such names in capitals.
    if word("#") {
        return Ok(format!("\"{}\"", user.to_ascii_uppercase()));
    }
    names::schema(user)
        .map(|user| format!("\"{user}\""))
        .map_err(|_| Failure::settings(format!("{user:?} cannot be a user")))
}

/// Easy Connect, a name of tnsnames.ora, or nothing: the database of ORACLE_SID.
fn address(request: &Request) -> Result<String, Failure> {
    let plain = |what: &str, text: &str, more: &str| {
        let fine = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if fine { Ok(()) } else { Err(Failure::settings(format!("{what} {text:?} is not possible"))) }
    };
    if let Some(alias) = request.param("tns") {
        plain("tns", alias, "._-$#")?;
        return Ok(alias.to_owned());
    }
    let connection = &request.connection;
    if connection.socket.is_some() {
        return Err(
            Failure::settings("Oracle's tools cannot use a unix socket").hint("leave the host out to use ORACLE_SID")
        );
    }
    let service = request.param("service");
    let Some(host) = connection.host.as_deref() else {
        return match service {
            None => Ok(String::new()),
            Some(_) => Err(Failure::settings("there is a service and no host")
                .hint("write oracle://user@host/SCHEMA?service=NAME")),
        };
    };
    plain("the host", host, ".-_:")?;
    let service = match service {
        None => String::new(),
        Some(service) => {
            plain("service", service, "._-$")?;
            format!("/{service}")
        }
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    // Without a service the listener takes its default one (Net Services Administrator's Guide, "Easy Connect").
    Ok(format!("//{host}:{}{service}", connection.port.unwrap_or(1521)))
}

/// A parameter file that begins with the login.
pub(crate) fn parfile(request: &Request, name: &str, lines: &[String]) -> Result<PrivateFile, Failure> {
    let Login { before, secret, after } = login(request)?;
    let mut file = PrivateFile::new(name).text(format!("userid={before}"));
    if secret {
        file = file.secret(Secret::backslash("password", "", FORBIDDEN));
    }
    Ok(file.text(format!("{after}\n{}\n", lines.join("\n"))))
}

/// `expdp` or `impdp`. Its messages, and the log that the server writes, are in English.
pub(crate) fn pump(tool: &str, request: &Request) -> Result<Command, Failure> {
    request.need_tool(tool, CLIENT)?;
    Ok(Command::tool(tool).env("NLS_LANG", "AMERICAN_AMERICA.AL32UTF8"))
}

/// SQL*Plus with this script. What it prints it says on stderr too, where a failure is looked for ("the default extension is
/// not appended to system files such as /dev/null and /dev/stderr": SQL*Plus User's Guide, SPOOL).
pub(crate) fn sqlplus(request: &Request, script: &str) -> Result<Command, Failure> {
    request.need_tool("sqlplus", CLIENT)?;
    let Login { before, secret, after } = login(request)?;
    let mut command = Command::tool("sqlplus")
        .flag("-L")
        .flag("-S")
        .flag("/nolog")
        .env("NLS_LANG", "AMERICAN_AMERICA.AL32UTF8")
        .stdin(format!("{SCRIPT_HEAD}CONNECT {before}"));
    if secret {
        command = command.stdin(Secret::backslash("password", "", FORBIDDEN));
    }
    Ok(command.stdin(format!("{after}\n{script}{SCRIPT_TAIL}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request(schema: &str) -> Request {
        let mut request = planb_sdk::testing::request(schema)
            .password()
            .port(1521)
            .tool("expdp", "19.3.0")
            .tool("impdp", "19.3.0")
            .tool("sqlplus", "19.3.0")
            .tool("tar", "1.34")
            .tool("find", "4.9.0")
            .with_param("service", "FREEPDB1")
            .with_setting("directory", "planb_dir")
            .with_setting("directory-path", "/mnt/dump")
            .with_setting("consistent", "true")
            .with_setting("storage", "true");
        for (id, banner) in [("tar", "tar (GNU tar) 1.34"), ("find", "find (GNU findutils) 4.9.0")] {
            for tool in request.tools.iter_mut().filter(|tool| tool.id == id) {
                tool.banner = Some(banner.to_owned());
            }
        }
        request
    }

    fn line(request: &Request) -> String {
        match sqlplus(request, "X;") {
            Ok(command) => {
                let text = command.to_string();
                let rest = text.split_once("SPOOL /dev/stderr\n").unwrap().1;
                rest.split_once("\nX;").unwrap().0.to_owned()
            }
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn logins() {
        assert_eq!(line(&request("HR")), "CONNECT app/\"{secret password}\"@//db:1521/FREEPDB1");
        let as_user = |user: &str| {
            let mut request = request("HR");
            request.connection.user = Some(user.to_owned());
            line(&request)
        };
        assert!(as_user("c##admin").starts_with("CONNECT \"C##ADMIN\"/\""));
        assert!(as_user("Mixed Case").starts_with("CONNECT \"Mixed Case\"/\""));
        for hostile in ["a\"b", "a\n@x", "a'\"\\`"] {
            assert!(as_user(hostile).contains("cannot be a user"), "{hostile:?}");
        }
        let mut wallet = request("HR");
        wallet.connection.user = None;
        wallet.connection.secrets.clear();
        assert_eq!(line(&wallet), "CONNECT /@//db:1521/FREEPDB1");
        assert_eq!(line(&wallet.clone().with_param("tns", "prod.world")), "CONNECT /@prod.world");
        wallet.connection.host = None;
        wallet.connection.params.clear();
        assert_eq!(line(&wallet), "CONNECT /");
    }

    #[test]
    fn addresses() {
        for (param, value) in
            [("service", "a b"), ("service", "a)(x"), ("tns", "a\nb"), ("tns", ""), ("service", "x@y")]
        {
            assert!(line(&request("HR").with_param(param, value)).contains("not possible"), "{param}={value:?}");
        }
        let mut none = request("HR");
        none.connection.params.clear();
        assert!(line(&none).ends_with("@//db:1521"));
        let mut v6 = request("HR");
        v6.connection.host = Some("::1".to_owned());
        assert!(line(&v6).ends_with("@//[::1]:1521/FREEPDB1"));
    }
}
