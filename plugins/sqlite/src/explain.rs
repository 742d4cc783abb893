//! What the program's last words mean: the texts of sqlite3_errstr (src/main.c) and of shell.c.in.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    // Below a parse error the program draws an arrow to its place.
    let line = lines().rfind(|line| line.contains("rror") && !line.starts_with('^')).or_else(|| lines().next_back());
    let line: String = line.unwrap_or("it said nothing").chars().take(300).collect();
    if said("unable to open database") {
        return Failure::missing_database(format!("the database file cannot be opened: {line}"))
            .hint("check the path, that the file is there, and that you may read it and write beside it (a database in WAL mode needs its -shm file)");
    }
    if said("database is locked") || said("database table is locked") || said("(5)") {
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
    if said("attempt to write a readonly database") || said("readonly database") {
        return Failure::access_denied(format!("the database cannot be written: {line}"))
            .hint("check who owns the file and its folder; a target in WAL mode has to have the backup's page size");
    }
    if said("database or disk is full") || said("No space left on device") {
        return Failure::database(format!("a disk is full: {line}"))
            .hint("free space beside the database and in Plan B's work directory");
    }
    if said("disk I/O error") {
        return Failure::database(format!("the disk failed: {line}"))
            .hint("look into the system's log; is the file on a network drive?");
    }
    if said("permission denied") || said("Permission denied") {
        return Failure::access_denied(line).hint("check who owns the file and its folder");
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
    if said("unknown option") {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .hint("check the extra arguments after --");
    }
    Failure::of_tool(tool, code, &line)
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
            ("what", Failed),
        ] {
            assert_eq!(explain("sqlite3", Some(1), stderr).code, code, "{stderr}");
        }
        assert!(explain("sqlite3", Some(1), "database is locked").retryable);
    }
}
