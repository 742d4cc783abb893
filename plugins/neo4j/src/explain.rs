//! What the tools' last words mean: the messages of DumpCommand and LoadCommand (community/dbms), of the script that starts Java, and
//! of `cypher-shell`.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let line = line(stderr);
    if any(&["database is in use", "The database is in use", "is already locked", "Lock file has been locked"]) {
        return Failure::database(format!("the database is in use: {line}"))
            .hint("Community Edition: stop the server (neo4j stop) for the backup or restore; Enterprise Edition: --option stop=true stops this one database, or STOP DATABASE in cypher-shell");
    }
    if any(&[
        "unauthorized due to authentication failure",
        "authentication failure",
        "Unauthorized",
        "credentials you provided",
        "incorrect authentication details",
        "AuthenticationRateLimit",
    ]) {
        return Failure::access_denied(format!("Neo4j refused user or password: {line}"))
            .hint("check the user in --db or --user, DB_PASSWORD, DB_PASSWORD_FILE or --password-file");
    }
    if any(&[
        "Database does not exist",
        "DatabaseNotFound",
        "Unable to get a routing table for database",
        "database does not exist",
    ]) {
        return Failure::missing_database(line)
            .hint("check the name, and that neo4j-admin looks at the right server: --option conf=/etc/neo4j, --option home=/var/lib/neo4j");
    }
    if any(&["Database already exists"]) {
        return Failure::settings(format!("the database is there already: {line}"))
            .hint("add --replace to have it replaced");
    }
    if any(&[
        "Unable to connect to",
        "Connection refused",
        "ServiceUnavailable",
        "Could not perform discovery",
        "No routing servers available",
        "UnknownHost",
        "Name or service not known",
    ]) {
        return Failure::unreachable(format!("Neo4j does not answer: {line}"))
            .hint("check host and port (usually 7687)");
    }
    if any(&[
        "do not have permission",
        "AccessDeniedException",
        "Permission denied",
        "not allowed",
        "Forbidden",
        "permission has not been granted",
    ]) {
        return Failure::access_denied(format!("a right is missing: {line}"))
            .hint("run planb as the user neo4j: neo4j-admin reads and writes the server's own files; STOP and START need the privilege DATABASE ACCESS MANAGEMENT (role admin)");
    }
    if any(&["Not a valid Neo4j archive", "not a valid archive", "Not in ZSTD format"]) {
        return Failure::damaged(format!("neo4j-admin cannot read the dump: {line}")).hint(
            "a dump of a newer version needs a newer neo4j-admin; planb verify tells whether the backup is whole",
        );
    }
    if any(&["No space left on device", "Not enough space"]) {
        return Failure::database(format!("a disk is full: {line}")).hint("free space in the server's data folder");
    }
    if any(&[
        "Unsupported Java",
        "UnsupportedClassVersionError",
        "Unable to find any JVMs",
        "Could not find java",
        "JAVA_HOME",
    ]) {
        return Failure::tool(format!("{tool} finds no Java that suits it: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("install Java 11 for 4.4, 17 for 5, 21 for 2025 and newer, or set JAVA_HOME");
    }
    if any(&["Unsupported administration command", "UnsupportedAdministrationCommand"]) {
        return Failure::settings("this edition cannot stop a single database")
            .hint("leave out --option stop, and stop the server");
    }
    if any(&["Unknown option", "Unmatched argument", "unrecognized arguments"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --");
    }
    Failure::of_tool(tool, code, &line)
}

/// The line that says most.
fn line(stderr: &str) -> String {
    let noise = |line: &str| {
        line.starts_with("at ")
            || line.starts_with("Caused by")
            || line.contains("Run with '--verbose'")
            || line.starts_with("Selecting JVM")
    };
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !noise(line));
    lines.next_back().unwrap_or("it said nothing").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (stderr, code) in [
            (
                "The database is in use. Stop database 'neo4j' and try again.\nRun with '--verbose' for a more detailed error message.",
                Failed,
            ),
            ("Database does not exist: nope", MissingDatabase),
            ("Database already exists: neo4j", InvalidRequest),
            ("The client is unauthorized due to authentication failure.", AccessDenied),
            (
                "Unable to connect to 127.0.0.1:1, ensure the database is running and that there is a working network connection to it.",
                Unreachable,
            ),
            ("You do not have permission to load the database: neo4j", AccessDenied),
            ("Not a valid Neo4j archive: /x.dump", Damaged),
            ("Unsupported Java 11.0.1 detected. Please use Java(TM) 17 or Java(TM) 21 to run Neo4j Server.", ToolUnfit),
            ("Unsupported administration command: STOP DATABASE neo4j", InvalidRequest),
            ("what", Failed),
        ] {
            assert_eq!(explain("neo4j-admin", Some(1), stderr).code, code, "{stderr}");
        }
        assert!(explain("neo4j-admin", Some(1), "The database is in use.").hint.unwrap().contains("neo4j stop"));
    }
}
