//! What the tools' last words mean.
//!
//! The texts are those of libpq (src/interfaces/libpq/fe-connect.c), of the server's FATAL errors and of the tools. The host runs
//! every tool with LC_ALL=C.UTF-8, and the server's own words are matched in English, which is what most speak;
//! in another language what is left is the exit code and the line itself.

use planb_sdk::{Failure, FailureCode, Version};

use crate::backup;

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let last = last_error(stderr);
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));

    if said("server version mismatch") {
        let version = |marker: &str| stderr.split(marker).nth(1).and_then(Version::parse);
        return backup::too_old(tool, tool_version(stderr), version("server version: "));
    }
    if any(&["password authentication failed", "no password supplied", "fe_sendauth", "empty password returned"]) {
        return Failure::access_denied(format!("PostgreSQL refused user or password: {last}"))
            .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&[
        "no pg_hba.conf entry",
        "pg_hba.conf rejects",
        "Peer authentication failed",
        "Ident authentication failed",
    ]) {
        return Failure::access_denied(format!("PostgreSQL lets this user not in from here: {last}"))
            .hint("add a line for it to pg_hba.conf, or connect in a way that has one (sslmode=require, another user, host instead of socket)");
    }
    if said("role \"") && said("does not exist") {
        let missing_login = said("FATAL:  role");
        let hint = if missing_login {
            "check the user in --db or --user"
        } else {
            "restore the backup of roles first (scope globals), or leave owners out: --option no-owner=true --option no-privileges=true"
        };
        let failure = Failure::access_denied(format!("a role is missing: {last}")).hint(hint);
        return if missing_login { failure } else { failure.code(FailureCode::Failed) };
    }
    if said("FATAL:  database \"") && said("does not exist") {
        return Failure::missing_database(last).hint("check the name; planb databases lists those that exist");
    }
    if any(&["SSL", "certificate", "root.crt"])
        && any(&["connection to server", "could not connect", "certificate"])
        && !said("Connection refused")
    {
        return Failure::settings(format!("the encrypted connection could not be made: {last}"))
            .hint("check sslmode and sslrootcert in the URL's query: sslrootcert=/path/to/ca.pem, or sslrootcert=system from version 16");
    }
    if any(&[
        "Connection refused",
        "could not translate host name",
        "timeout expired",
        "No route to host",
        "Network is unreachable",
        "No such file or directory\n\tIs the server running",
        "Connection timed out",
    ]) {
        return Failure::unreachable(format!("PostgreSQL does not answer: {last}"))
            .hint("check host and port, that the server runs, and that nothing blocks the way to it");
    }
    if any(&[
        "server closed the connection unexpectedly",
        "terminating connection due to",
        "Connection reset by peer",
        "could not receive data from server",
        "lost synchronization",
    ]) {
        return Failure::unreachable(format!("the connection to PostgreSQL was lost: {last}"))
            .hint("look into the server's log for why it ended the connection");
    }
    if any(&[
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery",
        "too many clients",
        "remaining connection slots",
    ]) {
        return Failure::unreachable(format!("PostgreSQL takes no connection now: {last}"))
            .hint("try again once it does");
    }
    if any(&["permission denied", "must be superuser", "must be owner", "must be member", "row-level security"]) {
        let failure = Failure::access_denied(format!("the user lacks a right: {last}"));
        return if said("pg_authid") {
            failure.hint("only a superuser can read the passwords of roles: add --option no-role-passwords=true")
        } else if said("row-level security") {
            failure.hint("dump as a user with BYPASSRLS, else rows would be missing")
        } else {
            failure.hint("use a user that may read everything: a superuser, the owner, or from version 14 one with pg_read_all_data")
        };
    }
    if any(&["No space left on device", "could not extend file"]) {
        return Failure::database(format!("a disk is full: {last}"))
            .hint("free space where the server or Plan B's work directory lies");
    }
    if any(&["deadlock detected", "canceling statement due to", "could not serialize", "lock timeout"]) {
        return Failure::database(last)
            .hint("something else held the tables; try again when it is quieter")
            .retryable();
    }
    if said("unrecognized configuration parameter") {
        return Failure::tool(format!("the dump or the tool is newer than the server: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore into a server of the version that was dumped or newer, with the tools of that server's version");
    }
    if any(&["invalid command \\restrict", "invalid command \\unrestrict"]) {
        return Failure::tool(format!("psql is too old for this dump: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("update psql to 13.22, 14.19, 15.14, 16.10, 17.6, 18 or newer");
    }
    if any(&[
        "unsupported version (",
        "could not read from input file",
        "did not find magic string",
        "input file does not appear to be a valid archive",
        "unexpected end of file",
        "corrupt tar header",
    ]) {
        return if said("unsupported version (") {
            Failure::tool(format!("pg_restore is older than the pg_dump that made this backup: {last}"))
                .code(FailureCode::ToolUnfit)
                .hint("use a pg_restore of that version or newer: --tool-path pg_restore=/path/to/pg_restore")
        } else {
            Failure::damaged(format!("{tool} cannot read the dump: {last}"))
                .hint("planb verify says whether the stored backup is whole")
        };
    }
    if any(&["encoding \"", "locale"]) && any(&["is incompatible with", "does not match locale", "invalid locale name"])
    {
        return Failure::settings(last).hint("say --option encoding= and --option locale= for the new database");
    }
    if said("extension \"") && any(&["is not available", "control file"]) {
        return Failure::database(format!("the server lacks an extension that the dump needs: {last}"))
            .hint("install it on the server that is restored into, in the version that the source has");
    }
    if said("already exists") {
        return Failure::settings(format!("the target is not empty: {last}"))
            .hint("restore into a database that does not exist yet, or add --replace");
    }
    if any(&["unrecognized option", "invalid option", "too many command-line arguments"]) {
        return Failure::settings(format!("{tool} does not know an argument: {last}"))
            .hint("check the extra arguments after --, and the tool's version");
    }
    Failure::of_tool(tool, code, stderr)
}

/// The line that says most: the last error, else the last that is no note.
fn last_error(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let notes = ["HINT:", "DETAIL:", "CONTEXT:", "LINE ", "Is the server running", "^", "Command was:"];
    let is_error = |line: &&str| ["FATAL:", "ERROR:", "error:", "PANIC:"].iter().any(|word| line.contains(word));
    let line = lines()
        .rfind(is_error)
        .or_else(|| lines().rfind(|line| !notes.iter().any(|note| line.starts_with(note))))
        .unwrap_or("it said nothing");
    let at =
        ["FATAL:  ", "ERROR:  ", "error: "].iter().filter_map(|word| line.rfind(word).map(|at| at + word.len())).max();
    let text = at.and_then(|at| line.get(at..)).unwrap_or(line);
    if text.chars().count() > 300 { text.chars().take(300).chain(['…']).collect() } else { text.to_owned() }
}

/// `pg_dump: detail: server version: 18.1; pg_dump version: 15.20`
fn tool_version(stderr: &str) -> Option<Version> {
    stderr
        .split("pg_dump version: ")
        .nth(1)
        .or_else(|| stderr.split("pg_dumpall version: ").nth(1))
        .and_then(Version::parse)
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        let head = "psql: error: connection to server at \"127.0.0.1\", port 1 failed: ";
        for (stderr, code, blame) in [
            (format!("{head}FATAL:  password authentication failed for user \"x\"\n"), AccessDenied, Blame::Settings),
            (format!("{head}fe_sendauth: no password supplied"), AccessDenied, Blame::Settings),
            (format!("{head}FATAL:  no pg_hba.conf entry for host \"::1\", user \"x\", database \"y\", no encryption"), AccessDenied, Blame::Settings),
            (format!("{head}FATAL:  role \"x\" does not exist"), AccessDenied, Blame::Settings),
            (format!("{head}FATAL:  database \"y\" does not exist"), MissingDatabase, Blame::Settings),
            (format!("{head}Connection refused\n\tIs the server running on that host?"), Unreachable, Blame::Database),
            ("psql: error: could not translate host name \"nope\" to address: Name or service not known".to_owned(), Unreachable, Blame::Database),
            ("psql: error: connection to server on socket \"/x/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally".to_owned(), Unreachable, Blame::Database),
            (format!("{head}timeout expired"), Unreachable, Blame::Database),
            (format!("{head}FATAL:  the database system is starting up"), Unreachable, Blame::Database),
            (format!("{head}server does not support SSL, but SSL was required"), InvalidRequest, Blame::Settings),
            (format!("{head}SSL error: certificate verify failed"), InvalidRequest, Blame::Settings),
            ("pg_dump: error: query failed: ERROR:  permission denied for table secret".to_owned(), AccessDenied, Blame::Settings),
            ("pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist\nCommand was: ALTER".to_owned(), Failed, Blame::Settings),
            ("pg_dump: error: server version: 18.1; pg_dump version: 15.20\npg_dump: error: aborting because of server version mismatch".to_owned(), ToolUnfit, Blame::Tool),
            ("ERROR:  unrecognized configuration parameter \"transaction_timeout\"".to_owned(), ToolUnfit, Blame::Tool),
            ("pg_restore: error: unsupported version (1.16) in file header".to_owned(), ToolUnfit, Blame::Tool),
            ("pg_restore: error: could not read from input file: end of file".to_owned(), Damaged, Blame::Database),
            ("ERROR:  could not extend file \"base/1/2\": No space left on device".to_owned(), Failed, Blame::Database),
            ("ERROR:  relation \"t\" already exists".to_owned(), InvalidRequest, Blame::Settings),
            ("something else".to_owned(), Failed, Blame::Tool),
        ] {
            let failure = explain("psql", Some(2), &stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }

    #[test]
    fn versions_are_named() {
        let stderr = "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 18.1; pg_dump version: 15.20\n";
        let failure = explain("pg_dump", Some(1), stderr);
        assert_eq!(failure.message, "pg_dump 15.20 is older than the server, PostgreSQL 18.1, and cannot dump it");
    }

    #[test]
    fn words_are_short() {
        let failure = explain(
            "psql",
            Some(2),
            "psql: error: connection to server failed: FATAL:  database \"y\" does not exist\n",
        );
        assert_eq!(failure.message, "database \"y\" does not exist");
    }
}
