//! What the tools' last words mean: curl's exit codes (its manual, "EXIT CODES") and CouchDB's errors (its documentation, "HTTP Status Codes").

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};
use serde_json::Value;

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    match tool {
        "curl" => curl(code, stderr),
        "awk" if stderr.contains("answer: ") => answers(stderr),
        _ => {
            let words = Words::new(stderr, &[], &[]);
            words.common(tool).unwrap_or_else(|| words.failure(tool, code))
        }
    }
}

fn curl(code: Option<i32>, stderr: &str) -> Failure {
    let words = Words::new(stderr, &["curl: ("], &[]);
    let last = words.last();
    match code {
        Some(22) => {
            // "The requested URL returned error: 401"
            let digits = last.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 3);
            if let Some(found) = digits.and_then(|digits| digits.parse().ok()) {
                let body = stderr.lines().find(|line| line.starts_with('{')).unwrap_or_default();
                return status(found, body);
            }
        }
        Some(5 | 6) => {
            return Failure::unreachable(format!("the server's name is not known: {last}"))
                .hint("check the host in --db, and the name server");
        }
        Some(7) => {
            return Failure::unreachable(format!("nothing answers at the server's address: {last}"))
                .hint("check host and port, and that CouchDB runs and listens there (bind_address)");
        }
        Some(28) => {
            return Failure::unreachable(format!("the server did not answer in time: {last}"))
                .hint("check host and port, and that no firewall drops what is sent to it");
        }
        Some(35) => {
            return Failure::unreachable(format!("the encrypted connection could not be made: {last}"))
                .hint("couchdb:// and http:// are for a server without TLS, couchdbs:// and https:// for one with it");
        }
        Some(51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 83 | 90 | 91) => {
            return Failure::settings(format!("the server's certificate, or the own one, will not do: {last}"))
                .code(FailureCode::Unreachable)
                .hint("check cacert, cert and key in the URL's query; insecure=true does without the check");
        }
        Some(18 | 52 | 55 | 56 | 92) => {
            return Failure::database(format!("the connection broke while the server answered: {last}"))
                .hint("look into CouchDB's log, and at the time limits of what stands between it and planb")
                .retryable();
        }
        Some(1) if last.contains("HTTP/0.9") => {
            return Failure::settings(format!("what answers there is no CouchDB: {last}"))
                .hint("check host and port, and the scheme: couchdbs:// or https:// for a server with TLS");
        }
        Some(2) if words.said("option") => {
            let line = stderr.lines().find(|line| line.contains("option")).unwrap_or_default();
            return Failure::settings(format!("curl does not know an argument: {}", line.trim()))
                .hint("check the extra arguments after --, and curl's version");
        }
        _ => {}
    }
    words.common("curl").unwrap_or_else(|| words.failure("curl", code))
}

/// What an HTTP status other than success means. `body`: what the server says of it.
pub(crate) fn status(status: u16, body: &str) -> Failure {
    let value: Value = serde_json::from_str(body.trim()).unwrap_or_default();
    let reason = value["reason"].as_str().or_else(|| value["error"].as_str()).unwrap_or_default();
    let reason: String = reason.chars().take(300).collect();
    let said = if reason.is_empty() { format!("status {status}") } else { format!("{reason} (status {status})") };
    match status {
        401 => Failure::access_denied(format!("CouchDB refused user or password: {said}"))
            .hint("check the user in --db, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file"),
        403 => Failure::access_denied(format!("the user lacks a right: {said}"))
            .hint("a backup needs a member of the database, a restore an admin of the server (to make it) or of the database (for design documents)"),
        404 => Failure::missing_database(format!("there is no such database: {said}"))
            .hint("check the database's name in --db; planb databases lists them"),
        412 => Failure::database(format!("the database is there already: {said}"))
            .hint("somebody has made it meanwhile: look at it, and restore again"),
        413 => Failure::settings(format!("a request or a document is too large for the server: {said}")).hint(
            "raise max_document_size and max_http_request_size of CouchDB, and the limit of what stands before it; \
             --option request-kib=64 makes smaller requests",
        ),
        502..=504 | 429 => Failure::unreachable(format!("CouchDB does not answer now: {said}"))
            .hint("look at CouchDB and at what stands before it, and try again"),
        500..=599 => Failure::database(format!("CouchDB failed: {said}")).hint("look into CouchDB's log"),
        300..=399 => Failure::settings(format!("the server sends elsewhere: {said}"))
            .hint("give the address that it sends to: a password is sent to no other host"),
        _ => Failure::database(format!("CouchDB refused: {said}")),
    }
}

/// What `restore` found among the answers: JSON of the server, and the status of the last one on a line of its own.
fn answers(stderr: &str) -> Failure {
    let lines = || stderr.lines().filter_map(|line| line.strip_prefix("answer: ")).map(str::trim);
    let code = lines().find_map(|line| line.parse::<u16>().ok().filter(|code| (100..600).contains(code)));
    if let Some(code) = code {
        let body = lines().find(|line| line.starts_with('{')).unwrap_or_default();
        return status(code, body);
    }
    // A list of the documents that were refused.
    let refused = lines().find_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        let first = value.as_array()?.first()?;
        let (id, reason) = (first["id"].as_str()?, first["reason"].as_str().or_else(|| first["error"].as_str())?);
        Some(format!("{id:?}: {reason}"))
    });
    let said = refused.unwrap_or_else(|| lines().next().unwrap_or_default().chars().take(300).collect());
    Failure::database(format!("CouchDB did not take all documents: {said}")).hint(
        "a validate_doc_update function of the database may forbid them: restore into a new database, as an admin",
    )
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, Unreachable};
        for (tool, exit, stderr, code, blame) in [
            ("curl", 22, "curl: (22) The requested URL returned error: 401\n", AccessDenied, Blame::Settings),
            (
                "curl",
                22,
                "curl: (22) The requested URL returned error: 404 Not Found\n",
                MissingDatabase,
                Blame::Settings,
            ),
            (
                "curl",
                7,
                "curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
                Unreachable,
                Blame::Database,
            ),
            ("curl", 6, "curl: (6) Could not resolve host: db.invalid", Unreachable, Blame::Database),
            ("curl", 18, "curl: (18) transfer closed with outstanding read data remaining", Failed, Blame::Database),
            ("curl", 60, "curl: (60) SSL certificate problem: self-signed certificate", Unreachable, Blame::Settings),
            ("curl", 35, "curl: (35) error:0A00010B:SSL routines::wrong version number", Unreachable, Blame::Database),
            ("curl", 1, "curl: (1) Received HTTP/0.9 when not allowed", InvalidRequest, Blame::Settings),
            (
                "curl",
                2,
                "curl: option --nosuch: is unknown\ncurl: try 'curl --help' for more information",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "awk",
                1,
                "answer: {\"error\":\"unauthorized\",\"reason\":\"no\"}\nanswer: 401\n",
                AccessDenied,
                Blame::Settings,
            ),
            ("awk", 1, "answer: <html>too large</html>\nanswer: 413\n", InvalidRequest, Blame::Settings),
            ("awk", 1, "answer: of 2 requests 1 were taken\n", Failed, Blame::Database),
            (
                "awk",
                2,
                "awk: write failure (No space left on device)\nawk: close failed on file body.0 (No space left on device)\n",
                Failed,
                Blame::Database,
            ),
        ] {
            let failure = explain(tool, Some(exit), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some(), "{stderr}");
        }
        let denied = explain(
            "curl",
            Some(22),
            "{\"error\":\"unauthorized\",\"reason\":\"You are not a server admin.\"}\ncurl: (22) The requested URL returned error: 401\n",
        );
        assert_eq!(denied.message, "CouchDB refused user or password: You are not a server admin. (status 401)");
        let refused = explain(
            "awk",
            Some(1),
            "answer: [{\"id\":\"y\",\"rev\":\"1-b\",\"error\":\"forbidden\",\"reason\":\"only admins\"}]\n",
        );
        assert!(refused.message.ends_with("\"y\": only admins"), "{}", refused.message);
    }
}
