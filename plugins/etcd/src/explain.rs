//! What the tools' last words mean: the texts of etcd's errors (api/v3rpc/rpctypes/error.go) and of etcdctl and etcdutl.
//!
//! Beside its last line, `Error: ...`, the client logs each attempt as JSON; only from 3.5 on that names the cause of a
//! connection that could not be made.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().rev().find_map(|line| line.strip_prefix("Error: ")).or_else(|| lines().next_back());
    let line: String = line.unwrap_or("it said nothing").chars().take(300).collect();

    if any(&["authentication failed, invalid user ID or password", "user name not found"]) {
        return Failure::access_denied(format!("etcd refused user or password: {line}"))
            .hint("check the user in --db, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&["user name is empty", "Inappropriate ioctl", "Password:", "inappropriate ioctl"]) {
        return Failure::access_denied("etcd demands a user and a password, and there is none")
            .hint("write the user into the URL, etcd://root@host:2379, and give the password in DB_PASSWORD");
    }
    if any(&["permission denied", "PermissionDenied"]) {
        let local = said("mkdir ") || said("open ");
        let failure = Failure::access_denied(format!("the user lacks a right: {line}"));
        return if local {
            failure.hint("run planb as a user that may write there")
        } else {
            failure.hint("a snapshot needs the role root: etcdctl user grant-role USER root")
        };
    }
    if any(&[
        "expected sha256",
        "sha256 checksum not found",
        "snapshot missing hash",
        "snapshot file integrity",
        "invalid database",
    ]) {
        return Failure::damaged(format!("the snapshot is not whole: {line}"))
            .hint("planb verify says whether the stored backup is whole; remove the data directory that was begun");
    }
    if said("data-dir") && any(&["exists", "not empty or could not be read"]) {
        return Failure::settings(format!("the new data directory is there already: {line}"))
            .hint("name one that does not exist, or move the old one away; etcd never restores over data");
    }
    if said("initial cluster configuration") || said("URL scheme must be") || said("URL address does not have the form")
    {
        return Failure::settings(format!("the new cluster's members do not fit together: {line}"))
            .hint("member-name and peer-urls have to stand in initial-cluster as name=url");
    }
    if said("unknown command") || (said("unknown flag") && any(&["bump-revision", "mark-compacted"])) {
        return Failure::tool(format!("{tool} does not know this: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("from etcd 3.6 on etcdutl restores snapshots: install it beside etcdctl");
    }
    if any(&["unknown flag", "unknown shorthand"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --, and the tool's version");
    }
    if any(&["x509:", "tls: ", "bad certificate", "handshake failed"]) {
        return Failure::settings(format!("the encrypted connection could not be made: {}", cause(stderr).unwrap_or(&line)))
            .code(FailureCode::Unreachable)
            .hint("use etcds:// for a server with TLS and etcd:// for one without, and check cacert, cert and key in the URL's query");
    }
    if any(&["no space left on device", "No space left on device"]) {
        return Failure::tool(format!("a disk is full: {line}"))
            .hint("free space in Plan B's work directory and at the data directory");
    }
    if any(&[
        "context deadline exceeded",
        "connection refused",
        "no such host",
        "TransientFailure",
        "connection error",
        "transport is closing",
        "no leader",
        "leader changed",
        "request timed out",
        "Unavailable",
        "unhealthy cluster",
    ]) {
        return Failure::unreachable(format!("etcd does not answer: {}", cause(stderr).unwrap_or(&line)))
            .hint("check host and port, that the cluster has a leader, and the scheme: etcds:// for a server with TLS, etcd:// for one without");
    }
    if said("snapshot must be requested to one selected node") {
        return Failure::settings(line).hint("leave --endpoints out of the extra arguments");
    }
    if said("open ") && said("no such file or directory") {
        return Failure::settings(format!("a file is missing: {line}")).hint(
            "check the paths of cacert, cert and key in the URL's query, and that the folder above data-dir exists",
        );
    }
    Failure::of_tool(tool, code, &line)
}

/// The cause that the client's log names: `...last connection error: connection error: desc = \"transport: ...\""}`.
fn cause(stderr: &str) -> Option<&str> {
    let (_, cause) = stderr.rsplit_once("desc = \\\"")?;
    cause.split("\\\"").next().filter(|cause| !cause.is_empty())
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, ToolUnfit, Unreachable};
        for (stderr, code, blame) in [
            // etcdctl 3.4.23
            (
                "{\"level\":\"warn\",\"error\":\"rpc error: code = InvalidArgument desc = etcdserver: authentication failed, invalid user ID or password\"}\nError: etcdserver: authentication failed, invalid user ID or password",
                AccessDenied,
                Blame::Settings,
            ),
            ("Error: etcdserver: user name is empty", AccessDenied, Blame::Settings),
            ("stty: 'standard input': Inappropriate ioctl for device", AccessDenied, Blame::Settings),
            ("Error: rpc error: code = Unknown desc = auth: permission denied", AccessDenied, Blame::Settings),
            ("Error: etcdserver: permission denied", AccessDenied, Blame::Settings),
            ("Error: mkdir /x: permission denied", AccessDenied, Blame::Settings),
            (
                "{\"error\":\"rpc error: code = DeadlineExceeded desc = latest balancer error: all SubConns are in TransientFailure\"}\nError: context deadline exceeded",
                Unreachable,
                Blame::Database,
            ),
            ("Error: data-dir \"d2\" exists", InvalidRequest, Blame::Settings),
            ("Error: expected sha256 [43 111], got [234 49]", Damaged, Blame::Database),
            ("Error: open /nope: no such file or directory", InvalidRequest, Blame::Settings),
            (
                "Error: couldn't find local name \"x\" in the initial cluster configuration",
                InvalidRequest,
                Blame::Settings,
            ),
            ("Error: unknown flag: --nosuch", InvalidRequest, Blame::Settings),
            // 3.5.16
            ("Error: data-dir \"/d2\" not empty or could not be read", InvalidRequest, Blame::Settings),
            (
                "{\"error\":\"rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: connection error: desc = \\\"transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority\\\"\"}\nError: context deadline exceeded",
                Unreachable,
                Blame::Settings,
            ),
            // 3.6
            ("Error: unknown command \"restore\" for \"etcdctl snapshot\"", ToolUnfit, Blame::Tool),
            ("what", Failed, Blame::Tool),
        ] {
            let failure = explain("etcdctl", Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }

    #[test]
    fn the_cause_is_named() {
        let stderr = "{\"error\":\"rpc error: code = DeadlineExceeded desc = latest balancer error: last connection error: connection error: desc = \\\"transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused\\\"\"}\nError: context deadline exceeded";
        let failure = explain("etcdctl", Some(1), stderr);
        assert_eq!(
            failure.message,
            "etcd does not answer: transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"
        );
    }
}
