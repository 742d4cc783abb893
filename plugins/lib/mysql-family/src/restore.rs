//! How a dump is put back.
//!
//! Nothing that makes or drops a table can be taken back, so a restore is no transaction, and no database can be renamed, so the new
//! one is not built beside the old. What can be done: a database that the restore itself makes holds a mark until the dump is in, and one that still
//! holds it at the end is dropped. So there is either a whole database or none.

use planb_sdk::{Failure, FailureCode, Request, RestorePlan, RestoreRequest, Scope, TargetState};

use crate::backup::{ACCOUNTS, DATA, SERVER, SQL};
use crate::family::{Family, fits_server};
use crate::{connect, quote};

/// A table in a database that is not whole yet.
const MARK: &str = "planb: this restore has not ended";
/// What a script makes for the next to run.
const MADE: &str = "made.sql";
const CLEANED: &str = "cleaned.sql";

/// The plan for any scope.
pub fn plan<F: Family>(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    fits_server::<F>(&request.request)?;
    let plan = match (&request.source_scope, &request.request.scope) {
        (Scope::Database(_), Scope::Database(name)) => database::<F>(request, name)?,
        (Scope::All, Scope::All) => all::<F>(request)?,
        (Scope::Globals, Scope::Globals) => F::restore_accounts(request)?,
        (Scope::Globals, _) | (_, Scope::Globals) => {
            return Err(Failure::settings("accounts go back to a server, and databases into a database")
                .hint("choose a backup of the same kind as the target"));
        }
        (Scope::All, Scope::Database(_)) => {
            return Err(Failure::settings("a backup of all of a server goes back to a server: it names its databases itself")
                .hint("leave out the database; --option databases= and the filter of the mysql client (--one-database) do not rename either"));
        }
        (Scope::Database(_), Scope::All) => {
            return Err(
                Failure::settings("a backup of one database goes into one").hint("name the database to restore into")
            );
        }
    };
    Ok(plan.file([connect::login(&request.request)]))
}

/// The command that takes a dump in.
pub fn load<F: Family>(request: &Request, database: Option<&str>) -> Result<RestorePlan, Failure> {
    let client = connect::client::<F>(request)?.option_if("--database", database).extra();
    Ok(RestorePlan::stdin(client).filtered())
}

fn database<F: Family>(request: &RestoreRequest, name: &str) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let quoted = quote::identifier(name)?;
    match request.artifact.format.as_str() {
        SQL => {}
        DATA => return data::<F>(request, name),
        _ => return Err(request.unknown_format()),
    }
    request.refuse_occupied()?;
    let plan = load::<F>(inner, Some(name))?;
    let mark = format!("CREATE TABLE {quoted}.`{MARK}` (a INT);\n");
    match request.target {
        TargetState::Empty => Ok(plan.warning(format!(
            "a restore into {} is no transaction: should it fail, database {name} holds a part of the backup",
            F::NAME
        ))),
        TargetState::Unknown => Ok(plan.warning(format!(
            "whether database {name} holds data could not be told; tables of the backup's names are replaced in it"
        ))),
        TargetState::Missing => {
            let create = format!("CREATE DATABASE {quoted}{};\n{mark}", defaults(inner)?);
            let plan = plan.prepare(connect::client::<F>(inner)?.stdin(create));
            Ok(marked::<F>(inner, name, plan)?.warning(
                "the new database has the server's default character set where --option charset and collation do not say otherwise; its tables have their own",
            ))
        }
        TargetState::Occupied => {
            // It is made anew as it was. (The mark of an earlier restore goes with it.)
            let remake = format!(
                "SELECT CONCAT('DROP DATABASE ', {name}, '; CREATE DATABASE ', {name}, ' CHARACTER SET ', DEFAULT_CHARACTER_SET_NAME, \
                 ' COLLATE ', DEFAULT_COLLATION_NAME, ';') FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
                quote::string(name),
                name = quote::string(&quoted),
            );
            let plan = plan
                .prepare(connect::rows::<F>(inner)?.stdin(remake).stdout_to(MADE))
                .prepare(connect::client::<F>(inner)?.stdin_from(MADE))
                .prepare(connect::client::<F>(inner)?.stdin(mark));
            Ok(marked::<F>(inner, name, plan)?.warning(format!(
                "a restore into {} is no transaction: database {name} is dropped and made anew before the dump goes in, and dropped again should it fail",
                F::NAME
            )))
        }
    }
}

/// Takes the mark away at the end, and a database that still has it.
fn marked<F: Family>(request: &Request, name: &str, plan: RestorePlan) -> Result<RestorePlan, Failure> {
    let quoted = quote::identifier(name)?;
    let drop = format!(
        "SELECT CONCAT('DROP DATABASE ', {}, ';') FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = '{MARK}';\n",
        quote::string(&quoted),
        quote::string(name),
    );
    Ok(plan
        .finish(connect::client::<F>(request)?.stdin(format!("DROP TABLE {quoted}.`{MARK}`;\n")))
        .cleanup(connect::rows::<F>(request)?.stdin(drop).stdout_to(CLEANED))
        .cleanup(connect::client::<F>(request)?.stdin_from(CLEANED)))
}

/// ` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`, as far as the user says it.
fn defaults(request: &Request) -> Result<String, Failure> {
    let mut text = String::new();
    for (setting, words) in [("charset", " CHARACTER SET "), ("collation", " COLLATE ")] {
        let Some(value) = request.text(setting) else { continue };
        if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Failure::settings(format!("{value:?} cannot be the name of a {setting}"))
                .hint("such names have letters, digits and underscores: utf8mb4, utf8mb4_bin"));
        }
        text.extend([words, value]);
    }
    Ok(text)
}

/// Rows alone go into tables that are there. To replace is to empty the tables that the dump fills.
fn data<F: Family>(request: &RestoreRequest, name: &str) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let plan = load::<F>(inner, Some(name))?.warning("triggers of the tables fire for each row that goes in");
    match request.target {
        TargetState::Missing | TargetState::Empty => {
            return Err(Failure::settings(format!(
                "the backup holds rows alone (data-only), and {name} has no tables for them"
            ))
            .hint("make the tables first, for example from a backup with --option schema-only=true"));
        }
        TargetState::Occupied if !request.replace => {
            return Err(Failure::settings(format!(
                "the backup holds rows alone (data-only), for tables that {name} has already"
            ))
            .hint("add --replace: the tables that the backup fills are emptied first"));
        }
        TargetState::Unknown | TargetState::Occupied => {}
    }
    if !request.replace {
        return Ok(plan);
    }
    let mut script = "SET SESSION foreign_key_checks = 0;\n".to_owned();
    for table in request.objects.iter().filter(|object| object.kind == "table") {
        script.push_str(&format!("TRUNCATE TABLE {}.{};\n", quote::identifier(name)?, quote::identifier(&table.name)?));
    }
    Ok(plan
        .prepare(connect::client::<F>(inner)?.stdin(script))
        .warning("the tables that the backup fills are emptied first, and that cannot be taken back"))
}

fn all<F: Family>(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    if ![SQL, SERVER, DATA].contains(&request.artifact.format.as_str()) {
        return Err(request.unknown_format());
    }
    if request.artifact.format == DATA {
        return Err(Failure::unsupported("rows alone of a whole server are not put back: into which tables?")
            .hint("load them by hand, or back up each database for itself"));
    }
    request.refuse_occupied()?;
    let system = inner.toggle("restore-system-tables")?;
    let holds_system = request.artifact.format == SERVER;
    if system && holds_system {
        same_series::<F>(request)?;
    }
    let mut plan = load::<F>(inner, None)?.warning(format!(
        "a restore into {} is no transaction: should it fail, the server holds a part of the backup",
        F::NAME
    ));
    if request.target == TargetState::Occupied {
        let mut script = String::new();
        for object in request
            .objects
            .iter()
            .filter(|object| object.kind == "database" && !F::SYSTEM.contains(&object.name.as_str()))
        {
            script.push_str(&format!("DROP DATABASE IF EXISTS {};\n", quote::identifier(&object.name)?));
        }
        plan = plan
            .prepare(connect::client::<F>(inner)?.stdin(script))
            .warning("the databases that the backup holds are dropped before it goes in; others stay");
    }
    if !holds_system {
        return Ok(plan);
    }
    Ok(if system {
        plan.warning("the accounts of the server are replaced by the backup's, the one that restores too")
    } else {
        plan.warning("the database mysql of the backup, and so its accounts, are left out: --option restore-system-tables=true brings them")
    })
}

/// The tables of the database mysql are of one series of versions: a server of another would not start any more, or lose rights.
fn same_series<F: Family>(request: &RestoreRequest) -> Result<(), Failure> {
    let series = |text: &str| planb_sdk::Version::parse(text).map(|version| (version.major, version.minor));
    let (source, target) = (request.source_version.as_deref(), request.request.server_version.as_deref());
    match (source.and_then(series), target.and_then(series)) {
        (Some(source), Some(target)) if source != target => Err(Failure::settings(format!(
            "the database mysql of {name} {}.{} does not fit a server of version {}.{}",
            source.0,
            source.1,
            target.0,
            target.1,
            name = F::NAME
        ))
        .code(FailureCode::InvalidRequest)
        .hint("leave out --option restore-system-tables, and bring the accounts by a backup of them (scope globals)")),
        _ => Ok(()),
    }
}

/// A dump of accounts may go in anywhere.
pub fn needs_accounts(request: &RestoreRequest) -> Result<(), Failure> {
    if request.artifact.format == ACCOUNTS { Ok(()) } else { Err(request.unknown_format()) }
}
