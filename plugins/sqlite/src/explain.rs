//! What the program's last words mean: the texts of sqlite3_errstr (src/main.c) and of shell.c.in.

use planb_sdk::explain::Words;
use planb_sdk::{Failure, FailureCode};

/// What a line of an error holds: `Error: in prepare, database is locked (5)`, `Parse error near line 2: no such table: x`,
/// `line 1: cannot run .shell in safe mode`.
const ERRORS: &[&str] = &["Error: ", "rror near line", "rror in line", "in safe mode"];
/// The arrow to the place of a parse error.
const NOTES: &[&str] = &["^---"];

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let words = Words::new(stderr, ERRORS, NOTES);
    let line = words.last();
    let said = |text: &str| words.said(text);
    if said("unable to open database") {
        return Failure::missing_database(format!("the database file cannot be opened: {line}"))
            .hint("check the path, that the file is there, and that you may read it and write beside it (a database in WAL mode needs its -shm file)");
    }
    if said("database is locked") || said("database table is locked") {
        return Failure::database(format!("another process holds the database: {line}"))
            .hint("wait longer with --option busy-timeout=60000, or run when it is quieter")
            .retryable();
    }
    if said("integrity_check has to answer ok") {
        return Failure::damaged("the restored database is not sound: its integrity check found errors")
            .hint("the target was not touched; try an older backup, and check the source with PRAGMA integrity_check");
    }
    if said("file is not a database") {
        return Failure::settings(format!("the file is no SQLite database, or it is encrypted: {line}"))
            .hint("check the path");
    }
    if said("database disk image is malformed") {
        return Failure::database(format!("the database is damaged: {line}"))
            .hint("check it with PRAGMA integrity_check; sqlite3's .recover saves what can be saved");
    }
    if said("readonly database") {
        return Failure::access_denied(format!("the database cannot be written: {line}"))
            .hint("check who owns the file and its folder; a target in WAL mode has to have the backup's page size");
    }
    if said("database or disk is full") {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("free space beside the database and in Plan B's work directory");
    }
    if said("disk I/O error") {
        return Failure::database(format!("the disk failed: {line}"))
            .hint("look into the system's log; is the file on a network drive?");
    }
    if said("safe mode") {
        return Failure::damaged(format!("the dump tries what a dump never does: {line}"))
            .hint("find out who changed it");
    }
    if said("no such module") || said("no such tokenizer") {
        return Failure::tool(format!("this sqlite3 lacks an extension that the database uses: {line}"))
            .code(FailureCode::ToolUnfit)
            .hint("point --tool-path sqlite3= at one that has it");
    }
    words.common(tool).unwrap_or_else(|| words.failure(tool, code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite3_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase};
        for (stderr, code) in [
            ("Error: unable to open database \"file:/x?mode=rw\": unable to open database file", MissingDatabase),
            ("Error: in prepare, database is locked (5)", Failed),
            ("Error: in prepare, file is not a database (26)", InvalidRequest),
            ("Error: stepping, CHECK constraint failed: integrity_check has to answer ok (19)", Damaged),
            ("Error: database disk image is malformed", Failed),
            ("Error: attempt to write a readonly database", AccessDenied),
            ("line 2: cannot run .shell in safe mode", Damaged),
            ("sqlite3: Error: unknown option: -nope\nUse -help for a list of options.", InvalidRequest),
            ("Error: cannot open \"/x\": Permission denied", AccessDenied),
            ("what", Failed),
        ] {
            assert_eq!(explain("sqlite3", Some(1), stderr).code, code, "{stderr}");
        }
        assert!(explain("sqlite3", Some(1), "database is locked").retryable);
        // A statement that is quoted below its error is no error.
        let parse = "Parse error near line 1: near \"CREAT\": syntax error\n  CREAT TABLE t (a VARCHAR(5) -- file is not a database\n  ^--- error here";
        let failure = explain("sqlite3", Some(1), parse);
        assert!(!failure.retryable && failure.code == Failed);
        assert_eq!(
            failure.message,
            "sqlite3 ended with exit code 1: Parse error near line 1: near \"CREAT\": syntax error"
        );
    }
}
