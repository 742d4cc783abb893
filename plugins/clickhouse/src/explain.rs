//! What the client's last words mean: `Code: N. DB::Exception: ...`. The numbers are those of dbms/src/Common/ErrorCodes.cpp
//! (src/Common/ErrorCodes.cpp in newer versions), and none was ever given a second meaning.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let number = number(stderr);
    let line = line(stderr);
    let is = |codes: &[u32]| number.is_some_and(|number| codes.contains(&number));
    if said("SAXParseException") || said("ParseException") && said("client.xml") {
        return Failure::settings(
            "clickhouse-client cannot read its configuration file: the password holds ]]>, which an XML file cannot",
        )
        .hint("choose a password without ]]>");
    }
    // REQUIRED_PASSWORD, WRONG_PASSWORD, UNKNOWN_USER, AUTHENTICATION_FAILED, IP_ADDRESS_NOT_ALLOWED
    if is(&[192, 193, 194, 195, 516]) {
        return Failure::access_denied(format!("ClickHouse refused user or password: {line}"))
            .hint("check the user in --db or --user, DB_PASSWORD, DB_PASSWORD_FILE or --password-file, and the networks that the user may come from");
    }
    // DATABASE_ACCESS_DENIED, ACCESS_DENIED
    if is(&[291, 497]) {
        return Failure::access_denied(format!("ClickHouse refused a right: {line}"))
            .hint("for a backup: GRANT SELECT, SHOW ON db.* TO user; GRANT SELECT ON system.* TO user; for a restore GRANT ALL ON db.* TO user");
    }
    // READONLY
    if is(&[164]) {
        return Failure::access_denied(format!("the user's profile is read-only: {line}"))
            .hint("a backup sets how dates are printed and needs readonly = 2 or 0, a restore needs 0");
    }
    if is(&[81]) {
        return Failure::missing_database(line).hint("check the name; planb databases lists those that exist");
    }
    if said("SSL Exception")
        || said("SSL_ERROR")
        || said("certificate verify failed")
        || said("CERTIFICATE_VERIFY_FAILED")
    {
        return Failure::settings(format!("the encrypted connection could not be made: {line}"))
            .hint("the encrypted port is usually 9440: --db clickhouse://host:9440/db?secure=true&sslrootcert=/path/to/ca.pem; for the plain port leave out secure");
    }
    // SOCKET_TIMEOUT, NETWORK_ERROR, DNS_ERROR, ALL_CONNECTION_TRIES_FAILED, UNEXPECTED_PACKET_FROM_SERVER, ATTEMPT_TO_READ_AFTER_EOF
    let network = said("Host not found") || said("Connection refused") || said("Cannot resolve host");
    if network || is(&[198, 209, 210, 279, 102]) || is(&[32]) && said("receiving packet") {
        return Failure::unreachable(format!("ClickHouse does not answer: {line}")).hint(
            "check host and port: the client speaks the native protocol (9000, 9440 with secure=true), not HTTP (8123)",
        );
    }
    // TABLE_ALREADY_EXISTS, REPLICA_IS_ALREADY_EXIST, DICTIONARY_ALREADY_EXISTS
    if is(&[57, 253, 340]) {
        return Failure::database(format!("something of that name is there already: {line}"))
            .hint("for a replicated table its path in the keeper has to be free too: drop the old one with SYNC, or SYSTEM DROP REPLICA");
    }
    // UNKNOWN_TABLE
    if is(&[60]) {
        return Failure::database(format!("a table is missing: {line}"))
            .hint("if it was dropped during the backup, run again; at a restore, a view may read from a database that is not there");
    }
    // NOT_ENOUGH_SPACE, CANNOT_WRITE_TO_FILE_DESCRIPTOR
    if is(&[243, 75]) || said("No space left on device") {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("free space in the server's data folder and, for the modes tar and directory, in Plan B's work directory (--work-dir)");
    }
    if is(&[241]) {
        return Failure::database(format!("the server's memory limit was reached: {line}"))
            .hint("raise max_memory_usage in the user's profile, or run when it is quieter")
            .retryable();
    }
    // TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT
    if is(&[359]) {
        return Failure::database(format!("the server refuses to drop a table of this size: {line}"))
            .hint("raise max_table_size_to_drop in the server's configuration, or drop the table yourself");
    }
    // QUOTA_EXPIRED, LIMIT_EXCEEDED, TOO_MANY_ROWS, TIMEOUT_EXCEEDED, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
    if is(&[201, 290, 158, 159, 307, 396]) {
        return Failure::database(format!("a limit of the user's profile was reached: {line}"))
            .hint("give the backup a user without max_execution_time, max_rows_to_read and quotas");
    }
    // UNKNOWN_SETTING
    if is(&[115]) {
        return Failure::tool(format!("client and server do not know the same settings: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("use a client of the server's version: --tool-path clickhouse-client=/path/to/clickhouse-client");
    }
    if said("Bad arguments") || said("unrecognised option") {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --");
    }
    if number.is_some() {
        return Failure::database(line);
    }
    Failure::of_tool(tool, code, &line)
}

/// The number after `Code: `; where a client wraps a server's words, the server's.
fn number(stderr: &str) -> Option<u32> {
    let codes = stderr.split("Code: ").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    });
    // 1000 is POCO_EXCEPTION: something from a library.
    codes.filter(|code| *code != 1000).last()
}

/// The line that says most.
fn line(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.clone().find(|line| line.contains("Exception: ") || line.contains("Bad arguments"));
    let line = line.or_else(|| lines.next_back()).unwrap_or("it said nothing");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_client_said() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (stderr, code) in [
            // 18.16.1
            (
                "Code: 194. DB::Exception: Received from 127.0.0.1:19000. DB::Exception: Password required for user default. \n",
                AccessDenied,
            ),
            (
                "Code: 193. DB::Exception: Received from 127.0.0.1:19000. DB::Exception: Wrong password for user default. \n",
                AccessDenied,
            ),
            (
                "Code: 192. DB::Exception: Received from 127.0.0.1:19000. DB::Exception: Unknown user x'y. \n",
                AccessDenied,
            ),
            ("Code: 210. DB::NetException: Connection refused (127.0.0.1:19001)\n", Unreachable),
            (
                "Poco::Exception. Code: 1000, e.code() = 0, e.displayText() = Host not found: nohost.invalid, e.what() = Host not found",
                Unreachable,
            ),
            (
                "Code: 81. DB::Exception: Received from 127.0.0.1:19000. DB::Exception: Database nope doesn't exist. \n",
                MissingDatabase,
            ),
            (
                "Code: 209. DB::NetException: Timeout exceeded while reading from socket (127.0.0.1:18123)\n",
                Unreachable,
            ),
            (
                "Code: 210. DB::NetException: SSL Exception: error:0A00010B:SSL routines::wrong version number (127.0.0.1:19000)\n",
                InvalidRequest,
            ),
            ("Bad arguments: unrecognised option '--x=0'\n", InvalidRequest),
            ("SAXParseException: Invalid token in 'p.xml', line 1 column 34\n", InvalidRequest),
            (
                "Received exception from server (version 18.16.1):\nCode: 60. DB::Exception: Received from 127.0.0.1:19000. DB::Exception: Table default.nope doesn't exist.. \n",
                Failed,
            ),
            // Newer versions, after their documentation.
            (
                "Code: 516. DB::Exception: Received from db:9000. DB::Exception: default: Authentication failed: password is incorrect, or there is no user with such name.. (AUTHENTICATION_FAILED)",
                AccessDenied,
            ),
            (
                "Code: 497. DB::Exception: Received from db:9000. DB::Exception: app: Not enough privileges. To execute this query, it's necessary to have the grant SELECT(id) ON shop.movies. (ACCESS_DENIED)",
                AccessDenied,
            ),
            (
                "Code: 115. DB::Exception: Received from db:9000. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING)",
                ToolUnfit,
            ),
            ("Code: 279. DB::NetException: All connection tries failed.", Unreachable),
        ] {
            let failure = explain("clickhouse-client", Some(1), stderr);
            assert_eq!(failure.code, code, "{stderr}");
            assert!(failure.hint.is_some(), "{stderr}");
        }
        assert_eq!(
            explain("clickhouse-client", Some(47), "Code: 47. DB::Exception: Unknown identifier").blame,
            Blame::Database
        );
        assert_eq!(explain("clickhouse-client", Some(9), "").blame, Blame::Tool);
    }
}
