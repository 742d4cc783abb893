//! What the tools' last words mean: the texts of Firebird's messages (src/msgs, facilities 0 and 12), which the tools print in
//! English.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let line = words(stderr);

    if any(&[
        "user name and password are not defined",
        "Error occurred during login",
        "Missing security context",
        "Install incomplete",
        "No matching plugins on server",
        "Incompatible wire encryption",
    ]) {
        return Failure::access_denied(format!("Firebird refused user or password: {line}"))
            .hint("check the user in --db, and DB_PASSWORD, DB_PASSWORD_FILE or --password-file; a new server has no users yet (CREATE USER SYSDBA)");
    }
    if any(&[
        "Failed to establish a connection",
        "Failed to locate host machine",
        "Unable to complete network request",
        "connection shutdown",
        "Error reading data from the connection",
        "Error writing data to the connection",
        "connection lost",
    ]) {
        return Failure::unreachable(format!("Firebird does not answer: {line}"))
            .hint("check host and port, that the server runs, and that nothing blocks the way to it");
    }
    if any(&["not allowed by server configuration"]) {
        return Failure::access_denied(format!("the server does not open databases there: {line}")).hint(
            "use an alias of the server's databases.conf, or add the folder to DatabaseAccess in its firebird.conf",
        );
    }
    if any(&[
        "must be either SYSDBA or owner",
        "no permission for",
        "Dropping or altering",
        "requires SYSDBA permission",
    ]) {
        return Failure::access_denied(format!("the user lacks a right: {line}"))
            .hint("back up as SYSDBA or the database's owner, or from Firebird 4 with the system privilege USE_GBAK_UTILITY; a restore needs GRANT CREATE DATABASE TO USER ...");
    }
    if said("already exists") {
        return Failure::settings(format!("the target is there already: {line}"))
            .hint("restore into a database that does not exist yet, or add --replace");
    }
    if any(&["No such file or directory", "is undefined", "cannot find the file", "cannot find the path"]) {
        return Failure::missing_database(format!("there is no such database: {line}"))
            .hint("check the alias or the path, which is one of the server's machine: firebird://host//path/on/the/server.fdb");
    }
    if said("Permission denied") {
        return Failure::access_denied(format!("the database's file cannot be opened: {line}"))
            .hint("a server opens files as its own user; without a host in the URL it is yours, and /run/firebird (its locks) has to be open to you too");
    }
    if any(&["is not a valid database", "unsupported on-disk structure", "File size is less than expected"]) {
        let failure = Failure::database(format!("the file cannot be read as a database: {line}"));
        return if said("unsupported on-disk structure") {
            failure
                .code(FailureCode::ToolUnfit)
                .hint("the database is of another version of Firebird: use the gbak of that version, or a server of it")
        } else {
            failure.code(FailureCode::MissingDatabase).hint("check the path")
        };
    }
    if any(&["Expected backup version", "expected backup version", "datatype", "don't recognize"]) {
        return Failure::tool(format!("this gbak is older than the one that made the backup: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("restore with the gbak of that version or newer, into such a server");
    }
    if any(&[
        "expected backup description record",
        "unexpected end of file on backup file",
        "do not recognize record type",
        "Backup incomplete",
        "Could not open file name",
    ]) {
        return Failure::damaged(format!("gbak cannot read the backup: {line}"))
            .hint("planb verify says whether the stored backup is whole; drop the database that was begun");
    }
    if any(&[
        "violation of PRIMARY or UNIQUE KEY",
        "violation of FOREIGN KEY",
        "validation error for column",
        "cannot commit index",
        "Database is not online",
    ]) {
        return Failure::database(format!("the backup's rows break the database's own rules: {line}"))
            .hint("restore with --option inactive-indexes=true, or --option one-at-a-time=true to save what can be saved, and repair the source");
    }
    if any(&[
        "lock time-out",
        "is in use",
        "database shutdown",
        "shutdown mode",
        "object DATABASE is in use",
        "already opened by engine instance",
    ]) {
        return Failure::database(format!("something else holds the database: {line}"))
            .hint("end its connections, or go through the server that has it open: firebird://host/...")
            .retryable();
    }
    if any(&[
        "checksum error",
        "database file appears corrupt",
        "wrong page type",
        "page is of wrong type",
        "internal Firebird consistency check",
    ]) {
        return Failure::database(format!("the database is damaged: {line}"))
            .hint("check it with gfix -validate -full");
    }
    if any(&["No space left on device", "disk space exhausted"]) {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("free space where the database, Firebird's temporary files, or Plan B's work directory lie");
    }
    if any(&["unknown switch", "found unknown switch", "conflicting switches", "Unable to open password file"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --, and the tool's version");
    }
    Failure::of_tool(tool, code, &line)
}

/// The first lines that say something: the cause comes first, and what follows from it after it.
fn words(stderr: &str) -> String {
    let noise = [
        "Exiting before completion",
        "Statement failed, SQLSTATE",
        "IProvider::attachDatabase",
        "found unknown switch",
    ];
    let lines =
        stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !noise.iter().any(|text| line.contains(text)));
    let strip = |line: &str| {
        let line = line.trim_start_matches("gbak:").trim_start().trim_start_matches("ERROR:");
        line.trim_start().trim_start_matches('-').trim_end_matches('.').to_owned()
    };
    let said: Vec<_> = lines.map(strip).filter(|line| !line.is_empty()).take(3).collect();
    if said.is_empty() { "it said nothing".to_owned() } else { said.join(": ").chars().take(300).collect() }
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, ToolUnfit, Unreachable};
        for (stderr, code, blame) in [
            (
                "gbak: ERROR:Your user name and password are not defined. Ask your database administrator to set up a Firebird login.\ngbak:Exiting before completion due to errors",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "Statement failed, SQLSTATE = 08006\nUnable to complete network request to host \"127.0.0.1\".\n-Failed to establish a connection.",
                Unreachable,
                Blame::Database,
            ),
            (
                "Unable to complete network request to host \"nope.invalid\".\n-Failed to locate host machine.",
                Unreachable,
                Blame::Database,
            ),
            (
                "gbak: ERROR:I/O error during \"open\" operation for file \"alias\"\ngbak: ERROR:    Error while trying to open file\ngbak: ERROR:    No such file or directory",
                MissingDatabase,
                Blame::Settings,
            ),
            (
                "gbak: ERROR:Use of database at location /etc/missing.fdb is not allowed by server configuration\ngbak: ERROR:    IProvider::attachDatabase failed when loading mapping cache",
                AccessDenied,
                Blame::Settings,
            ),
            ("gbak: ERROR:file /data/x is not a valid database", MissingDatabase, Blame::Database),
            (
                "gbak:unknown switch \"NOSUCH\"\ngbak:Usage:\ngbak: ERROR:found unknown switch",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "gbak: ERROR:Unable to perform operation.  You must be either SYSDBA or owner of the database",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "gbak: ERROR:no permission for CREATE access to DATABASE /x.fdb\ngbak: ERROR:failed to create database h:/x.fdb",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "gbak: ERROR:database h:/new.fdb already exists.  To replace it, use the -REP switch",
                InvalidRequest,
                Blame::Settings,
            ),
            ("gbak: ERROR:expected backup description record", Damaged, Blame::Database),
            ("gbak: ERROR:Expected backup version 1..10.  Found 11", ToolUnfit, Blame::Tool),
            ("what", Failed, Blame::Tool),
        ] {
            let failure = explain("gbak", Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }

    #[test]
    fn words_are_short() {
        let stderr = "Statement failed, SQLSTATE = 08001\nI/O error during \"open\" operation for file \"/x\"\n-Error while trying to open file\n-No such file or directory\n";
        assert_eq!(
            explain("isql", Some(1), stderr).message,
            "there is no such database: I/O error during \"open\" operation for file \"/x\": Error while trying to open file: No such file or directory"
        );
    }
}
