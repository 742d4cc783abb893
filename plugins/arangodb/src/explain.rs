//! What the tools' last words mean. Their messages name the server's error (lib/Basics/errors.dat) and the address that they tried.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let line = line(stderr);
    if any(&[
        "not authorized to execute this request",
        "ArangoError 11:",
        "401 Unauthorized",
        "HTTP/1.1 401",
        "got status 401",
        "unauthorized",
        "wrong password",
    ]) {
        return Failure::access_denied(format!("ArangoDB refused user or password: {line}"))
            .hint("check the user in --db or --user, DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&["database not found", "ArangoError 1228"]) {
        return Failure::missing_database(line).hint("check the name; planb databases lists those that exist");
    }
    if any(&["forbidden", "ArangoError 1004", "insufficient rights", "403 Forbidden", "read-only"]) {
        return Failure::access_denied(format!("ArangoDB refused a right: {line}"))
            .hint("a backup needs the database access level rw for arangodump (ro for the collections), a restore rw, and rw on _system to make or drop databases");
    }
    if any(&["SSL", "certificate", "tlsv1"]) && any(&["onnect", "handshake", "wrong version number"]) {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("use arangodbs:// or ?ssl=true only for a server that listens with TLS");
    }
    if any(&[
        "Could not connect",
        "could not connect",
        "Connection refused",
        "Cannot connect",
        "unable to connect",
        "Timed out",
        "timed out",
        "not connected",
        "Name or service not known",
    ]) {
        return Failure::unreachable(format!("ArangoDB does not answer: {line}"))
            .hint("check host and port (usually 8529)");
    }
    if any(&[
        "already exists. use \"--overwrite",
        "cannot write to output directory",
        "No space left on device",
        "ArangoError 12:",
    ]) {
        return Failure::database(format!("the dump could not be written: {line}"))
            .hint("free space in Plan B's work directory (--work-dir)");
    }
    if any(&["distribution is based on that of collection", "distributeShardsLike"]) {
        return Failure::settings(format!("a collection is sharded like one that is left out: {line}"))
            .hint("dump both, or add --option ignore-distribute-shards-like-errors=true");
    }
    if any(&["None of the requested collections were found"]) {
        return Failure::settings("none of the collections is in the database").hint("check --option collection");
    }
    if any(&["not supported", "incompatible version", "server version"]) && any(&["ersion"]) {
        return Failure::tool(format!("tool and server do not suit each other: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("use the tools of the server's version");
    }
    if any(&["unknown option", "Error while processing command-line options"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --");
    }
    Failure::of_tool(tool, code, &line)
}

/// The line that says most.
fn line(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let worst = |line: &&str| line.contains("ERROR") || line.contains("FATAL") || line.contains("rror");
    let line = lines.clone().rfind(worst).or_else(|| lines.next_back()).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, Unreachable};
        for (stderr, code) in [
            (
                "2026-01-01T00:00:00Z [1] ERROR [40a53] {dump} Could not connect to endpoint 'http+tcp://127.0.0.1:1', database: 'shop', username: 'root'",
                Unreachable,
            ),
            (
                "2026-01-01T00:00:00Z [1] FATAL [8ba2f] {dump} Error: could not detect ArangoDB instance type: got error from server: HTTP 401 (Unauthorized): ArangoError 11: not authorized to execute this request",
                AccessDenied,
            ),
            ("ERROR [775bd] {restore} ArangoError 1228: database not found", MissingDatabase),
            (
                "ERROR An error occurred: got error from server: HTTP 403 (Forbidden): ArangoError 11: insufficient rights",
                AccessDenied,
            ),
            ("FATAL [8f227] {dump} No space left on device", Failed),
            ("Error while processing command-line options for arangodump:\n  unknown option '--nope'", InvalidRequest),
            ("FATAL [11523] {dump} None of the requested collections were found in the database", InvalidRequest),
            ("what", Failed),
        ] {
            assert_eq!(explain("arangodump", Some(1), stderr).code, code, "{stderr}");
        }
    }
}
