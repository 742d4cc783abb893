//! How a database file is opened, dumped and put back.
//!
//! The file is named by a URI with `mode=rw`, since `sqlite3` makes a file that is not there: a mistyped path has to be an
//! error, not an empty backup. (`mode=ro` cannot open a database in WAL mode that nobody else has open without leaving
//! files beside it, and a file that may not be written is opened for reading by `mode=rw` too.)
//!
//! Arguments after the file run one after another in one connection: dot-commands here are all the author's, and name only files
//! of the work directory, which is the working directory.

use planb_sdk::{
    Artifact, BackupPlan, Command, Connection, Failure, Mode, Object, Request, RestorePlan, RestoreRequest, Scope,
    ScratchPlan, SeedPlan, Version, path, quote,
};

use crate::describe::INSTALL;

/// The first version that can refuse dot-commands and functions that touch files (`-safe`).
const SAFE: Version = Version::new(3, 37, 0);

/// The restored database, before it takes its place.
const BUILT: &str = "restored.db";
const BINARY: &str = "backup.db";
const SQL: &str = "backup.sql";

/// Run in the read transaction of the dump, before it: what `.dump` forgets of a database.
const FORGOTTEN: &str = "\
SELECT 'PRAGMA encoding=''' || encoding || ''';' FROM pragma_encoding \
UNION ALL SELECT 'PRAGMA user_version=' || user_version || ';' FROM pragma_user_version \
UNION ALL SELECT 'PRAGMA application_id=' || application_id || ';' FROM pragma_application_id";

/// Fails where the restored database is not sound: the program's exit code says only whether a statement failed, so an answer
/// other than `ok` has to become one.
const CHECK: &str = "\
CREATE TEMP TABLE check_result (answer TEXT CONSTRAINT \"integrity_check has to answer ok\" CHECK (answer = 'ok')); \
INSERT INTO check_result SELECT integrity_check FROM pragma_integrity_check";

const SEED: &str = "\
BEGIN;
CREATE TABLE movies (id INTEGER PRIMARY KEY, title TEXT NOT NULL, year INTEGER);
INSERT INTO movies VALUES (1, 'Metropolis', 1927), (2, 'Casablanca', 1942), (3, 'Rashomon', 1950);
CREATE TABLE actors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO actors VALUES (1, 'Brigitte Helm'), (2, 'Ingrid Bergman'), (3, 'Toshiro Mifune');
COMMIT;
";

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// It has to be there.
    Existing,
    /// It is made where it is not.
    Create,
}

/// `sqlite3` with options only.
pub(crate) fn sqlite() -> Command {
    Command::tool("sqlite3").flag("-batch").flag("-bail")
}

/// A database's URI. Everything that means something in a URI, or to the program, is percent-encoded.
pub(crate) fn uri(file: &str, open: Open) -> Result<String, Failure> {
    if file.is_empty() || file.ends_with('/') {
        return Err(Failure::settings("the database is a file, and its path is missing")
            .hint("write --db sqlite:///path/to/file.db, with three slashes for an absolute path"));
    }
    let mode = match open {
        Open::Existing => "rw",
        Open::Create => "rwc",
    };
    Ok(format!("file:{}?mode={mode}", quote::percent(file, "/")))
}

/// The dot-command that lets `sqlite3` wait for the locks of other processes.
pub(crate) fn timeout(command: Command, request: &Request) -> Result<Command, Failure> {
    let milliseconds = request.number("busy-timeout")?.unwrap_or(10_000);
    Ok(command.value(format!(".timeout {milliseconds}")))
}

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("sqlite3", INSTALL)?;
    if request.native_compression {
        return Err(Failure::settings("sqlite3 cannot compress").hint("use --compress zstd or gzip"));
    }
    let file = uri(request.database()?, Open::Existing)?;
    let open = timeout(sqlite().extra().value(file), request)?;
    let binary = match request.text("format") {
        None | Some("sql") => false,
        Some("binary") => true,
        Some(other) => {
            return Err(
                Failure::settings(format!("there is no format {other}")).hint("say --option format=sql or binary")
            );
        }
    };
    match (request.mode, binary) {
        (Mode::Stream, true) => {
            Err(Failure::settings("a copy of the database file cannot be streamed").hint("add --mode file"))
        }
        (Mode::Stream, false) => Ok(BackupPlan::stdout(dump(open, request)?, sql())),
        (Mode::File, false) => {
            let command = dump(open.flag(".output backup.sql"), request)?;
            Ok(BackupPlan::from_file(command, SQL, sql()))
        }
        // One read transaction, as the dump is: a copy page by page (.backup) would begin anew with each write of another process.
        (Mode::File, true) => {
            let artifact = Artifact::new("sqlite3", "application/vnd.sqlite3", "binary");
            Ok(BackupPlan::from_file(open.script("VACUUM INTO 'backup.db'"), BINARY, artifact))
        }
        (Mode::Directory | Mode::Tar, _) => {
            Err(Failure::settings("a SQLite database is one file: there is no directory of it")
                .hint("leave out --mode"))
        }
    }
}

fn sql() -> Artifact {
    Artifact::new("sql", "application/sql", "sql")
}

/// One read transaction around it all, so that what `.dump` forgets is of the same moment.
fn dump(open: Command, request: &Request) -> Result<Command, Failure> {
    let dump = if request.toggle("preserve-rowids")? { ".dump --preserve-rowids" } else { ".dump" };
    Ok(open.script("BEGIN").script(FORGOTTEN).flag(dump))
}

/// The database is built in the work directory and checked, and only then copied over the target, in one transaction of the
/// target: a restore that fails leaves the target as it was.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("sqlite3", INSTALL)?;
    let target = inner.database()?;
    request.refuse_occupied()?;
    let safe = inner.tool_version("sqlite3").is_some_and(|found| found >= SAFE);
    let check = || sqlite().value(path(BUILT)).script(CHECK);
    let plan = match request.artifact.format.as_str() {
        "sql" => {
            let load = sqlite()
                .flag_if(safe, "-safe")
                // It is thrown away if anything fails.
                .flag("-cmd")
                .script("PRAGMA synchronous=OFF")
                .extra()
                .value(path(BUILT));
            let plan = RestorePlan::stdin(load).filtered().finish(check());
            if safe {
                plan
            } else {
                plan.warning("this sqlite3 is older than 3.37 and cannot be told to keep its hands off other files: restore only dumps that you trust")
            }
        }
        "binary" => RestorePlan::from_file(check(), BUILT),
        _ => return Err(request.unknown_format()),
    };
    let replace = timeout(sqlite().value(uri(target, Open::Create)?), inner)?.flag(".restore restored.db");
    Ok(plan.finish(replace))
}

pub(crate) fn scratch() -> ScratchPlan {
    ScratchPlan::embedded(Connection::empty(), Scope::Database("scratch.db".to_owned()))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let file = uri(request.database()?, Open::Create)?;
    let holds = [Object::new("table", "actors").rows(3), Object::new("table", "movies").rows(3)];
    Ok(SeedPlan::new(holds).command(sqlite().value(file).stdin(SEED)))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Query, TargetState, testing};

    use super::*;

    fn request(file: &str, mode: Mode, settings: &[(&str, &str)]) -> Request {
        let mut request = testing::request(file).mode(mode).tool("sqlite3", "3.40.1");
        request.connection = Connection::empty();
        settings.iter().fold(request, |request, (name, value)| request.with_setting(name, value))
    }

    fn dump(request: &Request) -> String {
        let plan = backup(request).map(|plan| plan.to_string().replace(FORGOTTEN, "..."));
        plan.unwrap_or_else(|failure| failure.message)
    }

    #[test]
    fn backups() {
        let file = "/var/lib/a b?#%'.db";
        let uri = "file:/var/lib/a%20b%3F%23%25%27.db?mode=rw";
        assert_eq!(
            dump(&request(file, Mode::Stream, &[])),
            format!("stdout sqlite3 -batch -bail [extra] {uri} .timeout 10000 <BEGIN> <...> .dump -> sql .sql\n")
        );
        assert_eq!(
            dump(&request(file, Mode::File, &[("format", "binary"), ("busy-timeout", "5")])),
            format!(
                "file {{work}}/backup.db sqlite3 -batch -bail [extra] {uri} .timeout 5 <VACUUM INTO 'backup.db'> -> binary .sqlite3\n"
            )
        );
        assert!(dump(&request(file, Mode::Stream, &[("format", "binary")])).contains("cannot be streamed"));
        assert!(dump(&request("", Mode::Stream, &[])).contains("path is missing"));
        assert!(dump(&request(file, Mode::Stream, &[("busy-timeout", "1;.shell")])).contains("whole number"));
    }

    fn into(format: &str, target: TargetState, replace: bool) -> RestoreRequest {
        let artifact = Artifact::new("sql", "application/sql", format);
        RestoreRequest { replace, ..request("/x.db", Mode::Stream, &[]).restore(artifact, target) }
    }

    #[test]
    fn restores() {
        let plan = restore(&into("sql", TargetState::Missing, false)).unwrap().to_string();
        assert_eq!(
            plan,
            format!(
                "filtered stdin sqlite3 -batch -bail -safe -cmd <PRAGMA synchronous=OFF> [extra] {{work}}/restored.db\n\
                 finish sqlite3 -batch -bail {{work}}/restored.db <{CHECK}>\n\
                 finish sqlite3 -batch -bail file:/x.db?mode=rwc .timeout 10000 .restore restored.db\n"
            )
        );
        assert!(restore(&into("sql", TargetState::Occupied, false)).is_err());
        assert!(restore(&into("sql", TargetState::Occupied, true)).is_ok());
        assert!(restore(&into("plain", TargetState::Missing, false)).is_err());
        let mut older = into("sql", TargetState::Missing, false);
        older.request.tools[0].version = Some("3.34.1".to_owned());
        assert_eq!(restore(&older).unwrap().warnings.len(), 1);
    }

    #[test]
    fn databases_are_not_listed() {
        assert!(crate::query::plan(&request("/x.db", Mode::Stream, &[]), &Query::Databases).is_err());
    }

    #[test]
    fn whether_a_database_is_empty() {
        let query = Query::State(Scope::Database("/x.db".to_owned()));
        let plan = crate::query::plan(&request("/x.db", Mode::Stream, &[]), &query).unwrap().to_string();
        assert!(
            plan.starts_with("ask sqlite3 -batch -bail file:/x.db?mode=rw .timeout 10000 <SELECT CASE WHEN EXISTS"),
            "{plan}"
        );
    }
}
