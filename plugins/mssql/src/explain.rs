//! What the server's messages mean: the texts of sys.messages (Microsoft Learn, "Database Engine errors"), of the ODBC driver, and of
//! go-mssqldb. In a language other than English what is left is the number.

use planb_sdk::{Failure, FailureCode};

use crate::query::MISSING;

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let number =
        |numbers: &[u32]| numbers.iter().any(|number| any(&[&format!("Msg {number},"), &format!("Error {number}:")]));
    let line = line(stderr);
    if tool == "tar" {
        let failure = if any(&["Permission denied"]) { Failure::access_denied } else { Failure::settings };
        return failure(format!("the server's folder cannot be used from here: {line}")).hint(
            "check that local-dir is the server's server-dir, and that you may read and write there (on Linux its files belong to the user and the \
             group mssql)",
        );
    }
    if tool != "sqlcmd" {
        return Failure::of_tool(tool, code, stderr);
    }
    if any(&["certificate", "SSL Provider", "TLS Handshake", "tls:"]) && !number(&[33111]) {
        return Failure::settings(format!("the encrypted connection could not be made: {line}")).hint(
            "give the server a certificate that this machine trusts, or add trustservercertificate=true to the URL",
        );
    }
    if number(&[18456, 18452, 18470, 18487, 18488]) || any(&["Login failed", "login error"]) {
        return Failure::access_denied(format!("SQL Server refused user or password: {line}"))
            .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file; the server's log has the reason (state)");
    }
    if any(&[MISSING]) || number(&[911, 4060]) || any(&["does not exist. Make sure that the name is entered correctly"])
    {
        return Failure::missing_database(format!(
            "there is no such database, or it is not this login's to open: {line}"
        ))
        .hint("planb databases lists those that exist");
    }
    if any(&[
        "Login timeout expired",
        "TCP Provider",
        "network-related",
        "unable to open tcp connection",
        "connection refused",
        "no such host",
        "i/o timeout",
        "Named Pipes Provider",
    ]) {
        return Failure::unreachable(format!("SQL Server does not answer: {line}"))
            .hint("check host and port (1433), and that the server listens on TCP; for a named instance add instance=NAME to the URL");
    }
    if number(&[3201, 3202, 3203]) || any(&["Cannot open backup device", "Operating system error"]) {
        return Failure::settings(format!("the server cannot use its folder for backups: {line}")).hint(
            "server-dir has to exist for the server and be writable for its service account (Linux: chown mssql), and a file that planb put there readable",
        );
    }
    if number(&[33111]) {
        return Failure::settings(format!("the backup is encrypted by a certificate that this server lacks: {line}"))
            .hint("restore the certificate of the source server first (CREATE CERTIFICATE ... FROM FILE)");
    }
    if number(&[3169]) || any(&["backed up on a server running version"]) {
        return Failure::tool(format!("the backup is of a newer SQL Server: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore it into the same version or a newer one");
    }
    if number(&[3241, 3242, 3183, 3189, 3203, 3043, 3187])
        || any(&["is incorrectly formed", "checksum error", "media family"])
    {
        return Failure::damaged(format!("the backup is damaged: {line}"))
            .hint("the target was not touched; try an older backup");
    }
    if number(&[1844, 3098]) || any(&["not supported on"]) {
        return Failure::settings(format!("this edition of the server cannot do that: {line}"))
            .hint("Express has no backup compression: leave out --compress native; Azure SQL Database has no BACKUP DATABASE at all");
    }
    if number(&[40510]) || any(&["is not supported in this version of SQL Server"]) {
        return Failure::unsupported(format!("this server has no BACKUP DATABASE: {line}"))
            .hint("Azure SQL Database keeps its own backups");
    }
    if number(&[262, 229, 916, 15247, 3110, 5011])
        || any(&["permission denied", "permission was denied", "does not have permission"])
    {
        return Failure::access_denied(format!("the login may not do this: {line}")).hint(
            "a backup needs db_backupoperator and VIEW DEFINITION in the database (and SELECT to count rows); a restore needs dbcreator and, to replace, \
             ALTER ANY DATABASE",
        );
    }
    if number(&[1801]) {
        return Failure::settings(format!("a database of this name is there already: {line}"))
            .hint("add --replace to have it replaced");
    }
    if number(&[1105, 9002, 3257, 5149, 112])
        || any(&["no space left", "insufficient disk space", "insufficient free space"])
    {
        return Failure::database(format!("a disk of the server is full: {line}"))
            .hint("a restore needs room for the database beside the old one; free some, or drop the old one first");
    }
    if number(&[1205, 3041, 3702]) {
        return Failure::database(format!("the server was busy: {line}"))
            .hint("try again when it is quieter")
            .retryable();
    }
    Failure::of_tool(tool, code, &line)
}

/// The first message that says something: the last is nearly always "... is terminating abnormally."
fn line(stderr: &str) -> String {
    let telling =
        |line: &&str| !line.is_empty() && !line.contains("is terminating abnormally") && !line.starts_with("Msg ");
    let mut lines = stderr.lines().map(str::trim);
    let line = lines.clone().find(telling).or_else(|| lines.find(|line| !line.is_empty())).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlcmd_said() {
        use FailureCode::{
            AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable, Unsupported,
        };
        for (stderr, code) in [
            ("Sqlcmd: Error: Microsoft ODBC Driver 18 for SQL Server : Login failed for user 'sa'..", AccessDenied),
            ("mssql: login error: Login failed for user 'sa'.", AccessDenied),
            (
                "Sqlcmd: Error: Microsoft ODBC Driver 17 for SQL Server : Login timeout expired.\nSqlcmd: Error: Microsoft ODBC Driver 17 for SQL Server : TCP Provider: Error code 0x2749.",
                Unreachable,
            ),
            (
                "unable to open tcp connection with host '127.0.0.1:1': dial tcp 127.0.0.1:1: connect: connection refused",
                Unreachable,
            ),
            (
                "Sqlcmd: Error: Microsoft ODBC Driver 18 for SQL Server : SSL Provider: [error:0A000086:SSL routines::certificate verify failed:self-signed certificate].",
                InvalidRequest,
            ),
            (
                "Msg 911, Level 16, State 11, Server x, Line 1\nDatabase 'nope' does not exist. Make sure that the name is entered correctly.\nMsg 3013, Level 16, State 1, Server x, Line 1\nBACKUP DATABASE is terminating abnormally.",
                MissingDatabase,
            ),
            ("Msg 50404, Level 16, State 1, Server x, Line 2\nplanb: there is no such database", MissingDatabase),
            (
                "Msg 3201, Level 16, State 1, Server x, Line 1\nCannot open backup device '/var/x.bak'. Operating system error 2(The system cannot find the file specified.).\nMsg 3013, Level 16, State 1, Server x\nBACKUP DATABASE is terminating abnormally.",
                InvalidRequest,
            ),
            (
                "Msg 33111, Level 16, State 3, Server x, Line 2\nCannot find server certificate with thumbprint '0xE9323F15'.",
                InvalidRequest,
            ),
            (
                "Msg 3169, Level 16, State 1, Server x, Line 2\nThe database was backed up on a server running version 16.00.1000. That version is incompatible with this server.",
                ToolUnfit,
            ),
            (
                "Msg 3241, Level 16, State 0, Server x, Line 2\nThe media family on device '/x.bak' is incorrectly formed. SQL Server cannot process this media family.",
                Damaged,
            ),
            (
                "Msg 1844, Level 16, State 1, Server x\nBACKUP DATABASE WITH COMPRESSION is not supported on Express Edition (64-bit).",
                InvalidRequest,
            ),
            (
                "Msg 40510, Level 16, State 1, Server x\nStatement 'BACKUP DATABASE' is not supported in this version of SQL Server.",
                Unsupported,
            ),
            ("Msg 262, Level 14, State 1, Server x\nBACKUP DATABASE permission denied in database 'x'.", AccessDenied),
            (
                "Msg 1801, Level 16, State 3, Server x\nDatabase 'orders' already exists. Choose a different database name.",
                InvalidRequest,
            ),
            ("what", Failed),
        ] {
            let failure = explain("sqlcmd", Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
        let failure = explain(
            "sqlcmd",
            Some(1),
            "Msg 911, Level 16, State 11, Server x, Line 1\nDatabase 'nope' does not exist. Make sure that the name is entered correctly.\nMsg 3013, Level 16\nBACKUP DATABASE is terminating abnormally.",
        );
        assert!(failure.message.contains("Database 'nope'"));
        assert_eq!(explain("tar", Some(2), "tar: x.bak: Cannot open: Permission denied").code, AccessDenied);
    }
}
