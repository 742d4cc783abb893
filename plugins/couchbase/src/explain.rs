//! What the tools' last words mean: curl's exit codes (curl(1), "EXIT CODES"), and the messages in the documentation of
//! cbbackupmgr.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let line = line(stderr);
    if tool == "curl" {
        return curl(code, stderr, &line);
    }
    if tool != "cbbackupmgr" {
        return Failure::of_tool(tool, code, stderr);
    }
    if any(&["uthentication", "401", "nauthorized", "nvalid username", "invalid credentials"]) {
        return denied(&line);
    }
    if any(&["Forbidden", "permission", "403"]) {
        return forbidden(&line);
    }
    if any(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "unreachable",
        "deadline exceeded",
        "failed to connect",
    ]) {
        return Failure::unreachable(format!("Couchbase does not answer: {line}")).hint(
            "check host and port (8091, with couchbases:// 18091), and that this machine reaches all nodes of the cluster by the names that they go by",
        );
    }
    if any(&["x509", "certificate", "tls:"]) {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("add cacert=/path/to/ca.pem to the URL, or sslverify=false to trust any certificate");
    }
    if any(&["Unknown flag", "unknown flag", "Enterprise Edition"]) {
        return Failure::tool(format!("this cbbackupmgr cannot do that: {line}")).code(FailureCode::ToolUnfit).hint(
            "collections and more than one thread need the tools of Enterprise Edition, of version 7.0 or newer",
        );
    }
    if any(&["Not all data was backed up", "Partial backup"]) {
        return Failure::database(format!("a node failed during the backup: {line}"))
            .hint("look at the cluster, and try again")
            .retryable();
    }
    if any(&["checksum", "corrupt"]) {
        return Failure::damaged(format!("the backup is damaged: {line}")).hint("try an older backup");
    }
    if any(&["RAM quota", "ramQuota", "memory quota"]) {
        return Failure::settings(format!("the cluster has no room for the bucket: {line}")).hint(
            "raise the cluster's memory quota, or make the bucket beforehand with a smaller one and restore into it",
        );
    }
    if any(&["--map-data", "exists with a different name/id", "conflict resolution"]) {
        return Failure::settings(format!("the bucket that is there does not suit the backup: {line}"))
            .hint("restore into a bucket that does not exist yet");
    }
    if any(&["no space left"]) {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("free space in Plan B's work directory (--work-dir)");
    }
    if stderr.trim().is_empty() {
        let how =
            code.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"));
        return Failure::tool(format!("{tool} {how}, and said why on its stdout only"))
            .hint("run the command of planb run --dry-run by hand; most often the user may not read or write some service (see --option disable)");
    }
    Failure::of_tool(tool, code, stderr)
}

fn curl(code: Option<i32>, stderr: &str, line: &str) -> Failure {
    let status = |status: &str| stderr.contains(&format!("returned error: {status}"));
    match code {
        Some(22) if status("401") => denied(line),
        Some(22) if status("403") => forbidden(line),
        Some(22) if status("404") => Failure::missing_database(format!("there is no such bucket: {line}"))
            .hint("planb databases lists those that exist"),
        Some(22) => Failure::database(format!("Couchbase answered with an error: {line}"))
            .hint("503 and 500 go away once all nodes are up")
            .retryable(),
        Some(5 | 6 | 7 | 28 | 52 | 55 | 56) => Failure::unreachable(format!("Couchbase does not answer: {line}"))
            .hint("check host and port (8091, with couchbases:// 18091)"),
        Some(35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91) => {
            Failure::settings(format!("the encrypted connection could not be made: {line}"))
                .hint("add cacert=/path/to/ca.pem to the URL, or sslverify=false to trust any certificate")
        }
        _ => Failure::of_tool("curl", code, stderr),
    }
}

fn denied(line: &str) -> Failure {
    Failure::access_denied(format!("Couchbase refused user or password: {line}"))
        .hint("check the user in --db or --user, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file")
}

fn forbidden(line: &str) -> Failure {
    Failure::access_denied(format!("the user may not do this: {line}")).hint(
        "give it the role Data Backup & Restore for the bucket, and for a cluster also Search Admin, Analytics Admin and Eventing Full Admin, or leave \
         services out: --option disable=ft-alias,cluster-analytics,eventing",
    )
}

fn line(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rfind(|line| line.contains("rror") || line.starts_with("curl:")).or_else(|| lines().next_back());
    line.unwrap_or("it said nothing").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (tool, exit, stderr, code) in [
            // Of curl 7.88.1 itself.
            (
                "curl",
                7,
                "curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
                Unreachable,
            ),
            ("curl", 6, "curl: (6) Could not resolve host: nope.invalid", Unreachable),
            ("curl", 22, "curl: (22) The requested URL returned error: 401", AccessDenied),
            ("curl", 22, "curl: (22) The requested URL returned error: 403", AccessDenied),
            ("curl", 22, "curl: (22) The requested URL returned error: 404", MissingDatabase),
            ("curl", 22, "curl: (22) The requested URL returned error: 503", Failed),
            ("curl", 60, "curl: (60) SSL certificate problem: self-signed certificate", InvalidRequest),
            // Of the documentation of cbbackupmgr.
            (
                "cbbackupmgr",
                1,
                "Error backing up cluster: {\"message\":\"Forbidden. User needs one of the following permissions\",\"permissions\":[\"cluster.fts!read\"]}",
                AccessDenied,
            ),
            (
                "cbbackupmgr",
                1,
                "Error backing up cluster: Not all data was backed up due to connectivity\nissues.",
                Failed,
            ),
            (
                "cbbackupmgr",
                1,
                "Error restoring cluster: scope 'testScope' with id 0x8 exists with a different name/id on the cluster, a manual remap using '--map-data' is required",
                InvalidRequest,
            ),
            ("cbbackupmgr", 1, "Unknown flag: --include-data", ToolUnfit),
            ("cbbackupmgr", 1, "", Failed),
        ] {
            let failure = explain(tool, Some(exit), stderr);
            assert_eq!(failure.code, code, "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some(), "{stderr}");
        }
    }
}
