//! What the tools' last words mean: those of the Go driver and of the Database Tools (common/db, mongodump, mongorestore), and those of
//! the Node.js driver in mongosh. The server's own words carry the name of their error (`(Unauthorized)`), which is the same in every version.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let words = Words::new(
        stderr,
        &[
            "Failed: ",
            "rror: ",
            "error parsing",
            "error connecting",
            "could not connect",
            "failed to connect",
            "MongoServerError",
            "MongoNetworkError",
            "MongoServerSelectionError",
            "MongoParseError",
        ],
        &["WARNING:"],
    );
    let last = words.last();

    if words.any(&[
        "AuthenticationFailed",
        "Authentication failed",
        "authentication failed",
        "unable to authenticate",
        "bad auth",
        "auth error",
    ]) {
        return Failure::access_denied(format!("MongoDB refused user or password: {last}")).hint(
            "check the user in --db or --user, DB_PASSWORD, DB_PASSWORD_FILE or --password-file, and the database that knows the user: \
             Plan B takes admin unless the URL says ?authSource=NAME",
        );
    }
    if words.any(&["requires authentication", "Authentication required"]) {
        return Failure::access_denied(format!("MongoDB wants a user: {last}"))
            .hint("name one: --db mongodb://USER@HOST/DATABASE, with its password in DB_PASSWORD");
    }
    if words.any(&["Unauthorized", "not authorized", "not allowed to do action", "lacks privilege"]) {
        let failure = Failure::access_denied(format!("the user lacks a right: {last}"));
        return if tool == "mongorestore" {
            failure.hint(
                "give it the role restore on admin, or readWrite and dbAdmin on the database: db.grantRolesToUser(...)",
            )
        } else {
            failure.hint("give it the role backup on admin, or read on the database: db.grantRolesToUser(...)")
        };
    }
    if words.any(&["no reachable servers", "ReplicaSetNoPrimary"]) || words.all(&["server selection", "set name"]) {
        return Failure::unreachable(format!("no server of the replica set answers: {last}"))
            .hint("check the hosts and replicaSet in the URL, and that the names of the members are known here");
    }
    // Certificates are told of within a server selection that timed out.
    if words.any(&["x509:", "tls:", "certificate", "TLS", "SSL", "remote error: "]) {
        return Failure::settings(format!("the encrypted connection could not be made: {last}")).hint(
            "check tls=true, tlsCAFile=/path/to/ca.pem and tlsCertificateKeyFile in the URL's query; \
             tlsInsecure=true checks nothing",
        );
    }
    if words.all(&["password", "private key"]) || words.any(&["decrypt private key", "pkcs8:"]) {
        return Failure::settings(format!("the key in tlsCertificateKeyFile cannot be read: {last}"))
            .hint("give its password: --secret-file tlsCertificateKeyFilePassword=FILE");
    }
    if words.any(&[
        "connection reset",
        "socket was unexpectedly closed",
        "ECONNRESET",
        "connection closed",
        "incomplete read of message header",
    ]) {
        return Failure::unreachable(format!("the connection to MongoDB was lost: {last}"))
            .hint("look into the server's log for why it ended the connection; does the server want TLS (tls=true)?");
    }
    if words.any(&[
        "ECONNREFUSED",
        "ETIMEDOUT",
        "EHOSTUNREACH",
        "ENETUNREACH",
        "EAI_AGAIN",
        "ENOENT",
        "Server selection timed out",
    ]) || (words.said("server selection error") && !words.said("refused"))
    {
        return Failure::unreachable(format!("MongoDB does not answer: {last}"))
            .hint("check host and port, that the server runs, and that nothing blocks the way to it");
    }
    if words.any(&["oplog overflow", "unable to check oplog"]) {
        return Failure::database(format!("the oplog is too small for the time that the dump takes: {last}"))
            .hint("make it larger (replSetResizeOplog), or back up when it is quieter")
            .retryable();
    }
    if words.any(&["error finding oplog", "no oplog", "not running with --replSet"]) {
        return Failure::settings(format!("there is no oplog: {last}"))
            .hint("only a member of a replica set has one, and a mongos has none: leave out --option oplog");
    }
    if words.any(&[
        "does not appear to be a mongodump archive",
        "corruption found in archive",
        "CRC mismatch",
        "archive finished",
        "gzip: invalid",
        "unexpected EOF",
        "invalid header",
    ]) {
        return Failure::damaged(format!("{tool} cannot read the dump: {last}"))
            .hint("planb verify says whether the stored backup is whole");
    }
    if words.any(&["failed validation", "DocumentValidationFailure"]) {
        return Failure::database(format!("a validator refuses a document of the backup: {last}"))
            .hint("documents may be older than their validator: add --option bypass-validation=true");
    }
    if words.any(&["E11000", "duplicate key"]) {
        return Failure::settings(format!("the target is not empty: {last}"))
            .hint("restore into a database that does not exist yet, or add --replace");
    }
    if words.any(&[
        "featureCompatibilityVersion",
        "wire version",
        "Incompatible",
        "incompatible auth version",
        "is not supported by this version",
    ]) {
        return Failure::tool(format!("versions do not go together: {last}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore into a server of the same major version as the source, with Database Tools that know it (100.x for 4.2 and newer)");
    }
    if words.any(&["error creating indexes", "IndexOptionsConflict", "CannotCreateIndex"]) {
        return Failure::database(format!("an index of the backup cannot be made: {last}"))
            .hint("the documents are restored; the server may be older than the source, or the extra argument --convertLegacyIndexes may help");
    }
    if words.any(&[
        "error parsing uri",
        "MongoParseError",
        "connection string failed validation",
        "error parsing config file",
    ]) {
        return Failure::settings(format!("the connection string is not possible: {last}"))
            .hint("check the URL and its query");
    }
    if words.any(&["error parsing command line options", "error parsing positional arguments"]) {
        return Failure::settings(format!("{tool} does not take an argument: {last}"))
            .hint("check the extra arguments after --, and the tool's version");
    }
    words.common(tool).unwrap_or_else(|| words.failure(tool, code))
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, ToolUnfit, Unreachable};
        for (tool, stderr, code, blame) in [
            // Seen with mongosh 2.12.
            ("mongosh", "MongoServerError: authentication failed", AccessDenied, Blame::Settings),
            (
                "mongosh",
                "MongoServerError: command listDatabases requires authentication",
                AccessDenied,
                Blame::Settings,
            ),
            ("mongosh", "MongoNetworkError: connect ECONNREFUSED 127.0.0.1:1", Unreachable, Blame::Database),
            (
                "mongosh",
                "MongoServerSelectionError: Server selection timed out after 10000 ms",
                Unreachable,
                Blame::Database,
            ),
            ("mongosh", "MongoNetworkError: getaddrinfo ENOTFOUND nope.invalid", Unreachable, Blame::Database),
            (
                "mongosh",
                "MongoServerError: not authorized on orders to execute command { listCollections: 1 }",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "mongosh",
                "MongoServerSelectionError: unable to verify the first certificate",
                InvalidRequest,
                Blame::Settings,
            ),
            ("mongosh", "MongoParseError: option foo is not supported", InvalidRequest, Blame::Settings),
            // By the sources of the Database Tools and of their driver.
            (
                "mongodump",
                "2026-01-01T00:00:00.000+0000\tWARNING: ignoring unsupported URI parameter 'tls'\n2026-01-01T00:00:00.000+0000\tFailed: can't create session: failed to connect to mongodb://db/: connection() error occurred during connection handshake: auth error: sasl conversation error: unable to authenticate using mechanism \"SCRAM-SHA-256\": (AuthenticationFailed) Authentication failed.",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "mongodump",
                "2026-01-01T00:00:00.000+0000\tFailed: can't create session: failed to connect to mongodb://127.0.0.1:1/: server selection error: server selection timeout, current topology: { Type: Single, Servers: [{ Addr: 127.0.0.1:1, Type: Unknown, Last error: dial tcp 127.0.0.1:1: connect: connection refused }, ] }",
                Unreachable,
                Blame::Database,
            ),
            (
                "mongodump",
                "Failed: can't create session: server selection error: context deadline exceeded",
                Unreachable,
                Blame::Database,
            ),
            (
                "mongodump",
                "Failed: can't create session: server selection error: Last error: tls: failed to verify certificate: x509: certificate signed by unknown authority",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "mongodump",
                "Failed: error creating intents to dump: (Unauthorized) not authorized on orders",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "mongodump",
                "Failed: oplog overflow: mongodump was unable to capture all new oplog entries during execution",
                Failed,
                Blame::Database,
            ),
            ("mongodump", "Failed: error finding oplog: no oplog found", InvalidRequest, Blame::Settings),
            (
                "mongodump",
                "error parsing command line options: unknown option \"nope\"",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "mongorestore",
                "Failed: stream or file does not appear to be a mongodump archive",
                Damaged,
                Blame::Database,
            ),
            (
                "mongorestore",
                "Failed: orders.movies: error restoring from archive on stdin: E11000 duplicate key error collection: orders.movies",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "mongorestore",
                "Failed: orders.movies: (DocumentValidationFailure) Document failed validation",
                Failed,
                Blame::Database,
            ),
            (
                "mongorestore",
                "Failed: restore error: the users and roles collections in the dump have an incompatible auth version with target server",
                ToolUnfit,
                Blame::Tool,
            ),
            (
                "mongorestore",
                "Failed: orders.a: error creating indexes for orders.a: createIndex error: (CannotCreateIndex) x",
                Failed,
                Blame::Database,
            ),
            ("mongorestore", "Failed: what", Failed, Blame::Tool),
        ] {
            let failure = explain(tool, Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || stderr.ends_with("what"), "{stderr}");
        }
    }

    #[test]
    fn names_in_progress_mean_nothing() {
        let stderr = "2026-01-01T00:00:00.000+0000\twriting orders.certificate to archive on stdout\n2026-01-01T00:00:00.000+0000\tFailed: what\n";
        assert_eq!(explain("mongodump", Some(1), stderr).message, "mongodump ended with exit code 1: what");
    }
}
