//! What the tools' last words mean.
//!
//! The texts are those of libpq (src/interfaces/libpq/fe-connect.c), of the server's FATAL errors and of the tools. The host runs
//! every tool with LC_ALL=C.UTF-8, and the server's own words are matched in English, which is what most speak;
//! in another language what is left is the exit code and the line itself.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode, Version};

use crate::backup;

/// What a line of an error holds. Those with a space at the end stand before what is to be told.
const ERRORS: &[&str] = &[
    "FATAL:  ",
    "PANIC:  ",
    "ERROR:  ",
    "error: ",
    // pg_dump tells in a detail what the server said.
    "Error message from server: ",
    // Of several addresses, only the first line has `psql: error:`.
    "connection to server",
    "could not connect to server",
    // What libpq says of a connection that was lost, which psql prints bare.
    "server closed the connection",
    "SSL connection has been closed",
];
const NOTES: &[&str] = &[
    "HINT:",
    "DETAIL:",
    "CONTEXT:",
    "STATEMENT:",
    "LINE ",
    "^",
    "Is the server running",
    "This probably means",
    "before or while processing",
    "Command was:",
    "The command was:",
    "pg_dump: detail: Query was:",
    "pg_dump: hint:",
    "pg_dumpall: detail: Query was:",
    "pg_dumpall: hint:",
    "pg_restore: detail: Query was:",
    "pg_restore: hint:",
    "psql: hint:",
];

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    // The server and its tools write names in double quotes: a key may be called "certificates_pkey".
    let words = Words::new(stderr, ERRORS, NOTES).ignoring_quoted('"');
    let known = version(tool, stderr, &words)
        .or_else(|| refused(&words))
        .or_else(|| lost(&words))
        .or_else(|| connection(tool, &words))
        .or_else(|| right(&words))
        .or_else(|| in_use(&words))
        .or_else(|| dump(tool, &words))
        .or_else(|| target(&words));
    known.or_else(|| words.common(tool)).unwrap_or_else(|| words.failure(tool, code))
}

/// The tool, the dump and the server do not suit each other.
fn version(tool: &str, stderr: &str, words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    if words.said("server version mismatch") {
        let version = |marker: &str| stderr.split(marker).nth(1).and_then(Version::parse);
        let own = version("pg_dump version: ").or_else(|| version("pg_dumpall version: "));
        return Some(backup::too_old(tool, own, version("server version: ")));
    }
    if words.said("unrecognized configuration parameter") {
        return Some(unfit(
            format!("the dump or the tool is newer than the server: {last}"),
            "restore into a server of the version that was dumped or newer, with the tools of that server's version",
        ));
    }
    if words.any(&["invalid command \\restrict", "invalid command \\unrestrict"]) {
        return Some(unfit(
            format!("psql is too old for this dump: {last}"),
            "update psql to 13.22, 14.19, 15.14, 16.10, 17.6, 18 or newer",
        ));
    }
    words.said("unsupported version (").then(|| {
        unfit(
            format!("pg_restore is older than the pg_dump that made this backup: {last}"),
            "use a pg_restore of that version or newer: --tool-path pg_restore=/path/to/pg_restore",
        )
    })
}

fn unfit(message: String, hint: &str) -> Failure {
    Failure::tool(message).code(FailureCode::ToolUnfit).hint(hint)
}

/// The server answered, and does not let the user in.
fn refused(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    if words.any(&[
        "password authentication failed",
        "no password supplied",
        "fe_sendauth",
        "empty password returned",
        "certificate authentication failed",
        "LDAP authentication failed",
        "PAM authentication failed",
        "GSSAPI authentication failed",
        "RADIUS authentication failed",
    ]) {
        return Some(
            Failure::access_denied(format!("PostgreSQL refused user or password: {last}"))
                .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file"),
        );
    }
    if words.any(&[
        "no pg_hba.conf entry",
        "pg_hba.conf rejects",
        "Peer authentication failed",
        "Ident authentication failed",
    ]) {
        return Some(
            Failure::access_denied(format!("PostgreSQL lets this user not in from here: {last}"))
                .hint("add a line for it to pg_hba.conf, or connect in a way that has one (sslmode=require, another user, host instead of socket)"),
        );
    }
    if words.all(&["FATAL:  role \"\"", "does not exist"]) || words.said("is not permitted to log in") {
        return Some(
            Failure::access_denied(format!("PostgreSQL refused the user: {last}"))
                .hint("check the user in --db or --user"),
        );
    }
    if words.all(&["FATAL:  database \"\"", "does not exist"]) {
        return Some(Failure::missing_database(last).hint("check the name; planb databases lists those that exist"));
    }
    if words.said("is not currently accepting connections") {
        return Some(Failure::database(format!("the database is closed: {last}")).hint(
            "if a restore --replace was killed, it is whole: open it with ALTER DATABASE ... WITH ALLOW_CONNECTIONS true",
        ));
    }
    None
}

/// The connection was there, and is gone.
fn lost(words: &Words<'_>) -> Option<Failure> {
    let gone = words.any(&[
        "server closed the connection unexpectedly",
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: ",
        "unexpected eof while reading",
        "connection to server was lost",
        "terminating connection due to",
        "Connection reset by peer",
        "could not receive data from server",
        "could not send data to server",
        "lost synchronization",
    ]);
    gone.then(|| {
        // What psql says last, that the connection was lost, is not why.
        Failure::unreachable(format!("the connection to PostgreSQL was lost: {}", words.last()))
            .hint("look into the server's log for why it ended the connection")
    })
}

/// There is no connection.
fn connection(tool: &str, words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    // libpq names socket and host in the same line.
    if words.all(&["connect", "No such file or directory"]) {
        return Some(Failure::unreachable(format!("no server has this socket: {last}")).hint(
            "check the socket's folder and the port, and that the server runs; host in --db names the folder of a socket that lies elsewhere",
        ));
    }
    if words.all(&["socket path", "is too long"]) {
        return Some(
            Failure::settings(format!("the path of the socket is too long: {last}"))
                .hint("for a throw-away server, choose a shorter folder with --work-dir"),
        );
    }
    if words.any(&[
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is in recovery",
        "the database system is not yet accepting connections",
        "too many clients",
        "too many connections for",
        "remaining connection slots",
    ]) {
        return Some(
            Failure::unreachable(format!("PostgreSQL takes no connection now: {last}")).hint("try again once it does"),
        );
    }
    // By several addresses the last may be refused where an earlier one spoke of TLS: that there is a server says more.
    if words.any(&[
        "SSL error: ",
        "server does not support SSL",
        "server certificate for",
        "server certificate is",
        "root certificate",
        "certificate file",
        "private key file",
        "requires a valid client certificate",
        "certificate present, but not private key",
        "sslmode value",
        "sslrootcert",
        "channel binding required",
    ]) && !words.said("ERROR:  ")
    {
        return Some(Failure::settings(format!("the encrypted connection could not be made: {last}")).hint(
            "check sslmode and sslrootcert in the URL's query: sslrootcert=/path/to/ca.pem, or sslrootcert=system from version 16",
        ));
    }
    if words.said("ERROR:  ") { None } else { words.common(tool) }
}

/// The user is let in, and may not do this.
fn right(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    let lacks = |hint: &str| Some(Failure::access_denied(format!("the user lacks a right: {last}")).hint(hint));
    if words.any(&[
        "permission denied to terminate",
        "must be a superuser to terminate",
        "must be a member of the role whose process",
    ]) {
        return lacks(
            "sessions of other users are in the database that is replaced: end them first, or GRANT pg_signal_backend to the user; only a \
             superuser can end those of superusers",
        );
    }
    if words.any(&["permission denied to create database", "permission denied to rename database"]) {
        return lacks(
            "a restore into a new database, and --replace, need a user with CREATEDB: ALTER ROLE ... CREATEDB",
        );
    }
    if words.any(&["must be able to SET ROLE", "must be member of role"]) {
        return lacks(
            "use a superuser or a member of that role, or name another owner: --option owner=, --option no-owner=true",
        );
    }
    if words.said("permission denied for tablespace") {
        return lacks("GRANT CREATE ON TABLESPACE ... to the user, or use a superuser");
    }
    if words.any(&["permission denied to set parameter", "permission denied to alter setting"]) {
        return lacks(
            "the database has settings that only a superuser can give to the one that replaces it: use a superuser",
        );
    }
    if words.said("row-level security") {
        return lacks("dump as a user with BYPASSRLS, else rows would be missing");
    }
    if words.all(&["permission denied for", "pg_authid"]) {
        return lacks("only a superuser can read the passwords of roles: add --option no-role-passwords=true");
    }
    if words.all(&["ERROR:  ", "permission denied"])
        || words.any(&["must be superuser", "must be owner", "must be member"])
    {
        return lacks(
            "use a user that may read everything: a superuser, the owner, or from version 14 one with pg_read_all_data",
        );
    }
    None
}

/// Something else is at work.
fn in_use(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    if words.said("is being accessed by other users") {
        return Some(
            Failure::database(format!("the database is in use: {last}"))
                .hint("end the sessions and prepared transactions that pg_stat_activity and pg_prepared_xacts show for it")
                .retryable(),
        );
    }
    if words.said("cannot be replaced: ") || words.said("is used by an active logical replication slot") {
        return Some(
            Failure::settings(last)
                .hint("drop the slot or subscription, or end the prepared transaction; or restore into a database of another name"),
        );
    }
    let held = words.any(&["deadlock detected", "canceling statement due to", "could not serialize", "lock timeout"]);
    held.then(|| {
        Failure::database(last).hint("something else held the tables; try again when it is quieter").retryable()
    })
}

/// The dump is not what it should be.
fn dump(tool: &str, words: &Words<'_>) -> Option<Failure> {
    let unreadable = words.any(&[
        "could not read from input file",
        "did not find magic string",
        "input file does not appear to be a valid archive",
        "unexpected end of file",
        "corrupt tar header",
    ]);
    unreadable.then(|| {
        Failure::damaged(format!("{tool} cannot read the dump: {}", words.last()))
            .hint("planb verify says whether the stored backup is whole")
    })
}

/// The server or the database cannot take the dump.
fn target(words: &Words<'_>) -> Option<Failure> {
    let last = words.last();
    if words.said("could not extend file") {
        return Some(
            Failure::database(format!("a disk is full: {last}")).hint("free space where the server's data lies"),
        );
    }
    if words.all(&["role \"\"", "does not exist"]) {
        return Some(
            Failure::access_denied(format!("a role is missing: {last}")).code(FailureCode::Failed).hint(
                "restore the backup of roles first (scope globals), or leave owners out: --option no-owner=true --option no-privileges=true",
            ),
        );
    }
    if words.all(&["encoding", "is incompatible with"])
        || words.all(&["encoding \"\"", "does not match locale"])
        || words.any(&["invalid locale name", "invalid LC_COLLATE locale name", "invalid LC_CTYPE locale name"])
    {
        return Some(Failure::settings(last).hint("say --option encoding= and --option locale= for the new database"));
    }
    if words.all(&["extension \"\"", "is not available"]) || words.said("could not open extension control file") {
        return Some(
            Failure::database(format!("the server lacks an extension that the dump needs: {last}"))
                .hint("install it on the server that is restored into, in the version that the source has"),
        );
    }
    words.said("already exists").then(|| {
        Failure::settings(format!("the target is not empty: {last}"))
            .hint("restore into a database that does not exist yet, or add --replace")
    })
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
            ("ERROR:  duplicate key value violates unique constraint \"certificates_pkey\"\nDETAIL:  Key (SSL error: )=(x) already exists.\nCONTEXT:  COPY certificates, line 2".to_owned(), Failed, Blame::Tool),
            ("psql: error: connection to server at \"db\" (10.0.0.1), port 5432 failed: server certificate for \"x\" does not match host name \"db\"".to_owned(), InvalidRequest, Blame::Settings),
            (format!("{head}root certificate file \"/x\" does not exist"), InvalidRequest, Blame::Settings),
            ("psql:<stdin>:3: SSL connection has been closed unexpectedly\npsql:<stdin>:3: error: connection to server was lost".to_owned(), Unreachable, Blame::Database),
            ("pg_dump: error: Dumping the contents of table \"t\" failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: server closed the connection unexpectedly\n\tThis probably means".to_owned(), Unreachable, Blame::Database),
            ("pg_dump: error: query failed: SSL SYSCALL error: EOF detected".to_owned(), Unreachable, Blame::Database),
            ("server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.".to_owned(), Unreachable, Blame::Database),
            (format!("{head}Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?\nconnection to server at \"db\" (::1), port 1 failed: FATAL:  password authentication failed for user \"x\""), AccessDenied, Blame::Settings),
            (format!("{head}FATAL:  database \"y\" is not currently accepting connections"), Failed, Blame::Database),
            ("ERROR:  permission denied to terminate process\nDETAIL:  Only roles".to_owned(), AccessDenied, Blame::Settings),
            ("psql: error: connection to server on socket \"/x/.s.PGSQL.5432\" failed: Unix-domain socket path \"/x/.s.PGSQL.5432\" is too long (maximum 107 bytes)".to_owned(), InvalidRequest, Blame::Settings),
            ("ERROR:  must be able to SET ROLE \"x\"".to_owned(), AccessDenied, Blame::Settings),
            ("ERROR:  database \"Connection refused\" is being accessed by other users\nDETAIL:  There is 1 prepared transaction using the database.".to_owned(), Failed, Blame::Database),
            ("ERROR:  database \"x\" cannot be replaced: the subscription \"s\" is in it\nCONTEXT:  PL/pgSQL function".to_owned(), InvalidRequest, Blame::Settings),
            ("pg_restore: error: could not open input file \"/x\": Permission denied".to_owned(), AccessDenied, Blame::Settings),
            ("psql: unrecognized option '--nope'\npsql: hint: Try \"psql --help\" for more information.".to_owned(), InvalidRequest, Blame::Settings),
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
