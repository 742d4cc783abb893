//! What the program's last words mean: `ERROR: ...` and `SQLSTATE: ...` of the server, and what the client itself says of a connection
//! (pkg/cli/clierrorplus/decorate_error.go).

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let state = |number: &str| {
        stderr.contains(&format!("SQLSTATE: {number}")) || stderr.contains(&format!("SQLSTATE {number}"))
    };
    let line = line(stderr);

    if state("28P01")
        || state("28000")
        || any(&["password authentication failed", "invalid password", "no client certificates in TLS"])
    {
        return Failure::access_denied(format!("CockroachDB refused user, password or certificate: {line}"))
            .hint("check the user in --db or --user, DB_PASSWORD, DB_PASSWORD_FILE or --password-file, or --option certs-dir; a password cannot end with white space");
    }
    if any(&[
        "cannot load certificates",
        "SSL authentication error",
        "x509:",
        "certificate signed by unknown authority",
        "tls:",
    ]) && !said("does not look like a TLS handshake")
    {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("name the cluster's CA: --option certs-dir=/path, or sslrootcert=/path/ca.crt in the URL");
    }
    if any(&[
        "server refused TLS connection",
        "cannot establish secure connection to insecure server",
        "does not look like a TLS handshake",
    ]) {
        return Failure::settings("the cluster is insecure, and the connection was to be encrypted")
            .hint("if that is meant to be, add sslmode=disable to the URL");
    }
    if any(&["node is running secure mode, SSL connection required", "SSL connection required"]) {
        return Failure::settings("the cluster wants an encrypted connection")
            .hint("leave sslmode=disable out of the URL");
    }
    if any(&[
        "connection refused",
        "no such host",
        "cannot dial server",
        "i/o timeout",
        "no route to host",
        "server closed the connection",
        "operation timed out",
        "failed to connect to",
    ]) {
        return Failure::unreachable(format!("CockroachDB does not answer: {line}"))
            .hint("check host and port (usually 26257; 8080 is the web console)");
    }
    if state("3D000") || said("does not exist") && said("database \"") || said("unknown database") {
        return Failure::missing_database(line).hint("check the name; planb databases lists those that exist");
    }
    if state("42501")
        || any(&[
            "insufficient privilege",
            "only users with the admin role",
            "does not have BACKUP privilege",
            "does not have RESTORE privilege",
        ])
    {
        return Failure::access_denied(format!("CockroachDB refused a right: {line}"))
            .hint("a backup needs GRANT BACKUP ON DATABASE db TO user and ALTER USER user CREATEDB; a restore needs GRANT SYSTEM RESTORE TO user and CREATEDB");
    }
    if any(&["Enterprise license", "enterprise license", "a valid license", "License expired", "throttled"]) {
        return Failure::database(format!("the cluster's licence does not allow it: {line}")).hint(
            "from 24.3 on a cluster needs a licence, the free one will do: SET CLUSTER SETTING enterprise.license",
        );
    }
    if any(&[
        "is newer than current version",
        "backup is from a newer version",
        "backup is from an older version",
        "backup from version",
    ]) {
        return Failure::database(format!("the backup does not suit the cluster's version: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore into the version that wrote it, or the next newer major version");
    }
    if state("42P04") || said("already exists") {
        return Failure::database(format!("something of that name is there already: {line}"))
            .hint("add --replace, or restore under another name");
    }
    if state("53100") || any(&["no space left on device", "disk is full"]) {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("the backup lies in the cluster for a while, and in Plan B's work directory (--work-dir): both need room for it");
    }
    if state("40001") || any(&["restart transaction", "TransactionRetry"]) {
        return Failure::database(format!("the cluster asks to try again: {line}")).retryable();
    }
    if said("unknown flag") || said("unknown shorthand flag") {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --");
    }
    if said("SQLSTATE") {
        return Failure::database(line);
    }
    Failure::of_tool(tool, code, &line)
}

/// The line that says most.
fn line(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines.clone().find(|line| line.starts_with("ERROR:") || line.starts_with("Error:"));
    let line = error.or_else(|| lines.next_back()).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cockroach_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (stderr, code) in [
            (
                "ERROR: password authentication failed for user app\nSQLSTATE: 28P01\nFailed running \"sql\"",
                AccessDenied,
            ),
            (
                "ERROR: cannot dial server.\nIs the server running?\nIf the server is running, check --host client-side and --advertise server-side.\n\nfailed to connect to `host=db user=app database=`: dial error (dial tcp 127.0.0.1:1: connect: connection refused)\nFailed running \"sql\"",
                Unreachable,
            ),
            ("ERROR: database \"nope\" does not exist\nSQLSTATE: 3D000\nFailed running \"sql\"", MissingDatabase),
            ("ERROR: user app does not have BACKUP privilege on database shop\nSQLSTATE: 42501", AccessDenied),
            (
                "ERROR: cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure for insecure clusters.",
                InvalidRequest,
            ),
            (
                "ERROR: SSL authentication error while connecting.\nx509: certificate signed by unknown authority",
                InvalidRequest,
            ),
            ("ERROR: cannot establish secure connection to insecure server.\nMaybe use --insecure?", InvalidRequest),
            ("ERROR: node is running secure mode, SSL connection required\nSQLSTATE: 08P01", InvalidRequest),
            ("ERROR: database \"copy\" already exists\nSQLSTATE: 42P04", Failed),
            ("ERROR: backup from version 24.1 is newer than current version 23.2", ToolUnfit),
            ("Error: unknown flag: --nope", InvalidRequest),
            ("what", Failed),
        ] {
            assert_eq!(explain("cockroach", Some(1), stderr).code, code, "{stderr}");
        }
    }
}
