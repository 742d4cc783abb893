//! What the tools' last words mean: the texts of `influx` (cmd/influx/cli), of the server's errors, and of influxd's backup and restore.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let noise = |line: &&str| {
        ["Please ", "Warning: ", "using ", "It is possible"].iter().any(|text| line.starts_with(text))
            || line.is_empty()
    };
    let line = stderr.lines().map(str::trim).rfind(|line| !noise(line)).unwrap_or("it said nothing");
    let line: String = line.trim_start_matches("ERR: ").chars().take(300).collect();

    if any(&[
        "authorization failed",
        "unable to parse authentication credentials",
        "username required",
        "password required",
        "create admin user first",
    ]) {
        return Failure::access_denied(format!("InfluxDB refused user or password: {line}"))
            .hint("check the user in --db, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&["not authorized to", "requires admin privilege"]) {
        return Failure::access_denied(format!("the user lacks a right: {line}"))
            .hint("use an admin (GRANT ALL PRIVILEGES TO \"backup\"), or for one database GRANT READ ON \"name\" TO \"backup\"; a restore needs an admin");
    }
    if any(&["x509:", "gave HTTP response to HTTPS client", "malformed HTTP response", "tls:"]) {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("use influxdbs:// for a server with https-enabled and influxdb:// for one without; unsafe-ssl=true leaves the certificate unchecked");
    }
    if any(&["Invalid metadata blob", "invalid metadata received"]) {
        return Failure::settings(format!("what answers is not the backup service: {line}"))
            .hint("say its port, that of bind-address in influxdb.conf: --option rpc-port=8088");
    }
    if any(&[
        "Failed to connect to",
        "connection refused",
        "no such host",
        "i/o timeout",
        "connection reset",
        "no route to host",
        "timeout awaiting",
    ]) {
        let failure = Failure::unreachable(format!("InfluxDB does not answer: {line}"));
        return if tool == "influxd" {
            failure.hint("the backup service has to be open to this machine: bind-address = \":8088\" in influxdb.conf, and --option rpc-port if it is another port")
        } else {
            failure.hint("check host and port, and that influxd runs")
        };
    }
    if said("shard is disabled") {
        return Failure::unreachable(format!("a shard of the database is not open: {line}"))
            .hint("after a restore the server takes a while to open it: try again, and look into the server's log");
    }
    if said("database not found") {
        return Failure::missing_database(line).hint("check the name; planb databases lists those that exist");
    }
    if said("database may already exist") {
        return Failure::settings(format!("influxd cannot make the database: {line}"))
            .hint("it exists already (add --replace, or restore into a new name), or the backup holds no database of the name that was asked for");
    }
    if any(&["unexpected EOF", "gzip: invalid", "no manifest", "invalid header", "invalid checksum"]) && said("restore")
    {
        return Failure::damaged(format!("influxd cannot read the backup: {line}")).hint(
            "planb verify says whether the stored backup is whole; drop the database that was begun (DROP DATABASE)",
        );
    }
    if said("backup: EOF") || said("backup failed: EOF") {
        return Failure::database(format!("the server ended the backup early: {line}"))
            .hint("look into the server's log; a database or retention policy that does not exist is answered so too");
    }
    if any(&["no space left on device", "No space left on device"]) {
        return Failure::tool(format!("a disk is full: {line}"))
            .hint("free space in Plan B's work directory, or where the server keeps its data");
    }
    if any(&["permission denied"]) {
        return Failure::access_denied(format!("a file may not be written: {line}"))
            .hint("look at who owns the folder");
    }
    if any(&["flag provided but not defined", "unknown command", "invalid value"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .code(FailureCode::InvalidRequest)
            .hint("check the extra arguments after --, and the tool's version");
    }
    if said("invalid name") || said("error parsing query") {
        return Failure::settings(format!("InfluxDB does not take this: {line}")).hint("check the database's name");
    }
    Failure::of_tool(tool, code, &line)
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, Unreachable};
        for (tool, stderr, code, blame) in [
            ("influx", "authorization failed", AccessDenied, Blame::Settings),
            ("influx", "unable to parse authentication credentials", AccessDenied, Blame::Settings),
            (
                "influx",
                "error authorizing query: bob not authorized to execute statement 'SHOW DIAGNOSTICS', requires admin privilege",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "influx",
                "Failed to connect to http://127.0.0.1:1: Get \"http://127.0.0.1:1/ping\": dial tcp 127.0.0.1:1: connect: connection refused\nPlease check your connection settings and ensure 'influxd' is running.",
                Unreachable,
                Blame::Database,
            ),
            (
                "influx",
                "Failed to connect to https://h:1: Get \"https://h:1/ping\": http: server gave HTTP response to HTTPS client\nPlease check",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "influx",
                "shard is disabled\nPlease set a database with the command \"use <database>\".",
                Unreachable,
                Blame::Database,
            ),
            ("influx", "database not found: nope", MissingDatabase, Blame::Settings),
            (
                "influxd",
                "2026/11/21 11:44:43 Download shard 0 failed dial tcp 127.0.0.1:18088: connect: connection refused.  Waiting 2s and retrying (0)...\nbackup: dial tcp 127.0.0.1:18088: connect: connection refused",
                Unreachable,
                Blame::Database,
            ),
            (
                "influxd",
                "Invalid metadata blob, ensure the metadata service is running (default port 8088)\nbackup: invalid metadata received",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "influxd",
                "error updating meta: DB metadata not changed. database may already exist\nrestore: DB metadata not changed. database may already exist",
                InvalidRequest,
                Blame::Settings,
            ),
            ("influxd", "error updating shards: unexpected EOF\nrestore: unexpected EOF", Damaged, Blame::Database),
            ("influxd", "backup failed: EOF\nbackup: EOF", Failed, Blame::Database),
            ("influxd", "what", Failed, Blame::Tool),
        ] {
            let failure = explain(tool, Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || stderr == "what", "{stderr}");
        }
    }
}
