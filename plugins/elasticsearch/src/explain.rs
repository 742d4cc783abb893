//! What the tools' last words mean: curl's exit codes and texts (curl manual, "EXIT CODES"), the HTTP codes and the errors of the server (their
//! names are part of its interface), those of GNU tar, and what it means that grep found nothing.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};
use serde_json::Value;

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    if tool == "grep" && code == Some(1) {
        return Failure::database("the server says that not all of the snapshot was a success")
            .hint("look at the health of the cluster (GET _cluster/health), at the indices that are not green, and into the servers' logs");
    }
    // What tar says last says nothing.
    let told: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.contains(": Error is not recoverable") && !line.contains(": Exiting with failure"))
        .collect();
    let told = told.join("\n");
    let words = Words::new(&told, &["curl: ", "tar: ", "grep: "], &["curl: try", "Warning:"]);
    let last = match reason(stderr) {
        Some(reason) => format!("{}: {reason}", words.last()),
        None => words.last(),
    };
    if tool == "tar" {
        return tar(code, stderr, &words);
    }
    let said = |text: &str| stderr.contains(text);
    if said("path.repo") {
        return Failure::settings(format!("the nodes may make no repository there: {last}"))
            .hint("set path.repo of every node (elasticsearch.yml, opensearch.yml) to a folder above --option repository-path, or node-path, and restart them");
    }
    if said("repository_verification_exception") || said("is not accessible") {
        return Failure::settings(format!("not every node can write to the folder: {last}"))
            .hint("mount the same folder on all nodes, and let the user of the server write to it");
    }
    if said("concurrent_snapshot_execution_exception")
        || said("snapshot is already running")
        || said("repository is in use")
        || said("is currently used")
    {
        return Failure::database(format!("another snapshot or restore is in the way: {last}"))
            .hint("run one backup or restore of a cluster at a time")
            .retryable();
    }
    if said("cannot restore index") && said("open index") {
        return Failure::settings(format!("the target is not empty: {last}"))
            .hint("restore into an index that does not exist yet, or add --replace");
    }
    match status(stderr) {
        Some(401) => {
            return Failure::access_denied(format!("the server refused user, password or API key: {last}"))
                .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
        }
        Some(403) => {
            return Failure::access_denied(format!("the user lacks a right: {last}")).hint(
                "backups and restores need manage_snapshots on the cluster (a registered repository: manage), and what they touch: see the engine's page",
            );
        }
        Some(404) => {
            return Failure::missing_database(format!("there is no such index: {last}"))
                .hint("check the name; planb databases lists those that exist");
        }
        Some(408) => {
            return Failure::database(format!("the restored indices do not become available: {last}"))
                .hint("ask the server why: GET _cluster/allocation/explain");
        }
        Some(429 | 502..=504) => {
            return Failure::unreachable(format!("the server takes no request now: {last}"))
                .hint("look at the cluster, and at the proxy before it");
        }
        Some(500..) => {
            return Failure::database(format!("the server failed: {last}"))
                .hint("look at the health of the cluster (GET _cluster/health) and into the servers' logs")
                .retryable();
        }
        Some(_) => {
            return Failure::database(format!("the server did not do what it was asked: {last}"))
                .hint("look into the servers' logs");
        }
        None => {}
    }
    let of_curl = tool == "curl";
    match code {
        Some(5 | 6 | 7 | 28) if of_curl => Failure::unreachable(format!("the server does not answer: {last}"))
            .hint("check host and port, that the server runs, and that nothing blocks the way to it"),
        Some(18 | 52 | 55 | 56 | 92 | 95) if of_curl => {
            Failure::unreachable(format!("the connection to the server was lost: {last}"))
                .hint("does the server want TLS? Elasticsearch does from version 8 on: ?tls=true")
        }
        Some(1 | 35 | 51 | 53 | 54 | 58 | 59 | 60 | 64 | 66 | 77 | 80 | 82 | 83 | 90 | 91) if of_curl => {
            Failure::settings(format!("the encrypted connection could not be made: {last}"))
                .hint("check tls, cacert=/path/to/http_ca.crt, cert and key in the URL's query")
        }
        Some(2) if of_curl => Failure::tool(format!("curl cannot do that: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("curl has to be 7.76 or newer"),
        _ => words.common(tool).unwrap_or_else(|| words.failure(tool, code)),
    }
}

fn tar(code: Option<i32>, stderr: &str, words: &Words<'_>) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let last = words.last();
    if said("planb-backup: Cannot") && said("No such file") {
        return Failure::settings(format!("the snapshot is not where this machine was told to look: {last}")).hint(
            "repository-path has to be the folder that the nodes know as node-path (the same, where that is not given)",
        );
    }
    if said("No such file or directory") {
        return Failure::settings(format!("the folder of repository-path is not there: {last}"))
            .hint("mount the folder of the nodes' path.repo on this machine");
    }
    if said("Permission denied") || said("Operation not permitted") {
        return Failure::access_denied(format!("planb may not use the folder of repository-path: {last}"))
            .hint("let planb's user into the group of the server's user, with group rights on the folder, or run planb as that user");
    }
    if said("file changed as we read it") || said("File removed before we read it") {
        return Failure::database(format!("the snapshot changed while it was taken: {last}"))
            .hint("run one backup of a cluster at a time");
    }
    words.common("tar").unwrap_or_else(|| words.failure("tar", code))
}

/// `curl: (22) The requested URL returned error: 404`, or with a word behind it.
fn status(stderr: &str) -> Option<u32> {
    let (_, rest) = stderr.rsplit_once("returned error: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What the server said of an error: the reason of its cause.
fn reason(stderr: &str) -> Option<String> {
    let answer = stderr.lines().find_map(|line| {
        let at = line.find("{\"")?;
        serde_json::Deserializer::from_str(line.get(at..)?).into_iter::<Value>().next()?.ok()
    })?;
    let error = &answer["error"];
    let deepest = [&error["caused_by"]["reason"], &error["root_cause"][0]["reason"], &error["reason"], error];
    deepest.iter().find_map(|reason| reason.as_str()).map(|reason| reason.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_curl_and_the_server_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        let http = |status: u32| format!("curl: (22) The requested URL returned error: {status}");
        for (code, stderr, expected, blame) in [
            (22, http(401), AccessDenied, Blame::Settings),
            (22, http(403), AccessDenied, Blame::Settings),
            (22, http(404), MissingDatabase, Blame::Settings),
            (22, http(408), Failed, Blame::Database),
            (22, http(500), Failed, Blame::Database),
            (22, http(503), Unreachable, Blame::Database),
            (22, http(400), Failed, Blame::Database),
            (
                22,
                format!(
                    "{{\"error\":{{\"root_cause\":[{{\"type\":\"repository_exception\",\"reason\":\"[planb-backup] location [/x/planb-backup] doesn't match any of the locations specified by path.repo because this setting is empty\"}}]}},\"status\":500}}{}",
                    http(500)
                ),
                InvalidRequest,
                Blame::Settings,
            ),
            (
                22,
                format!(
                    "{{\"error\":{{\"type\":\"repository_verification_exception\",\"reason\":\"[planb-backup] path is not accessible on master node\"}}}}{}",
                    http(500)
                ),
                InvalidRequest,
                Blame::Settings,
            ),
            (
                7,
                "curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server".to_owned(),
                Unreachable,
                Blame::Database,
            ),
            (6, "curl: (6) Could not resolve host: nope.invalid".to_owned(), Unreachable, Blame::Database),
            (52, "curl: (52) Empty reply from server".to_owned(), Unreachable, Blame::Database),
            (
                60,
                "curl: (60) SSL certificate problem: self-signed certificate".to_owned(),
                InvalidRequest,
                Blame::Settings,
            ),
            (2, "curl: option --fail-with-body: is unknown".to_owned(), ToolUnfit, Blame::Tool),
            (99, "curl: (99) what".to_owned(), Failed, Blame::Tool),
        ] {
            let failure = explain("curl", Some(code), &stderr);
            assert_eq!((failure.code, failure.blame), (expected, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || code == 99, "{stderr}");
        }
    }

    #[test]
    fn the_server_s_reason_is_told() {
        let stderr = "{\"error\":{\"reason\":\"outer\",\"caused_by\":{\"reason\":\"inner\"}},\"status\":400}\ncurl: (22) The requested URL returned error: 400\n";
        assert!(explain("curl", Some(22), stderr).message.ends_with("returned error: 400: inner"));
        let plain = "{\"error\":\"no handler found\"}curl: (22) The requested URL returned error: 400";
        assert!(explain("curl", Some(22), plain).message.ends_with(": no handler found"));
    }

    #[test]
    fn what_tar_and_grep_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest};
        for (stderr, expected) in [
            (
                "tar: /mnt/snap: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now",
                InvalidRequest,
            ),
            ("tar: planb-backup: Cannot stat: No such file or directory", InvalidRequest),
            ("tar: planb-backup/index-0: Cannot open: Permission denied", AccessDenied),
            ("tar: planb-backup/x: File removed before we read it", Failed),
            ("tar: what", Failed),
        ] {
            assert_eq!(explain("tar", Some(2), stderr).code, expected, "{stderr}");
        }
        assert!(explain("grep", Some(1), "").message.contains("not all"));
        let twice = "/usr/bin/tar: x: Cannot open: No such file or directory\n/usr/bin/tar: Error is not recoverable: exiting now\n";
        assert!(
            explain("tar", Some(2), twice).message.ends_with("not there: x: Cannot open: No such file or directory")
        );
    }
}
