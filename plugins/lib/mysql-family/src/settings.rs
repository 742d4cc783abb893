//! The settings that both engines have.

use planb_sdk::{Description, Failure, Request, Setting};

use crate::quote;

/// Adds them to a description.
pub fn add(description: Description) -> Description {
    description
        .setting(
            Setting::choice(
                "lock",
                &["transaction", "tables", "all-tables", "none"],
                "Backup: how the rows of several tables come to fit together. transaction: a snapshot, right for InnoDB. tables: READ locks, one \
                 database after the other. all-tables: a global READ lock. none: not at all.",
            )
            .default("transaction"),
        )
        .setting(Setting::toggle("routines", true, "Backup: with procedures and functions."))
        .setting(Setting::toggle("triggers", true, "Backup: with triggers."))
        .setting(Setting::toggle("events", true, "Backup: with events."))
        .setting(Setting::toggle("hex-blob", true, "Backup: binary values as hexadecimal digits."))
        .setting(Setting::toggle("add-locks", true, "Backup: LOCK TABLES around the rows of each table. Galera clusters do not take it."))
        .setting(Setting::toggle("tablespaces", false, "Backup: with tablespaces. Needs the PROCESS privilege."))
        .setting(Setting::toggle("binlog-position", false, "Backup: the position in the binary log, as a comment. Needs RELOAD and REPLICATION CLIENT."))
        .setting(Setting::toggle("schema-only", false, "Backup: no rows."))
        .setting(Setting::toggle("data-only", false, "Backup: rows only."))
        .setting(Setting::text("tables", "Backup of one database: only these tables and views, separated by commas."))
        .setting(Setting::text("ignore-table", "Backup: no tables or views of these names, separated by commas: table, or database.table."))
        .setting(Setting::text("databases", "Backup and restore of all: only these databases, separated by commas."))
        .setting(Setting::toggle("system-tables", true, "Backup of all: with the database mysql, and so with the accounts."))
        .setting(Setting::toggle(
            "restore-system-tables",
            false,
            "Restore of all: with the database mysql. Replaces the accounts of the server, its own too, and fits the same version only.",
        ))
        .setting(Setting::toggle("no-definer", false, "Restore: views, routines, triggers and events belong to the user that restores."))
        .setting(Setting::text("charset", "Restore: the default character set of a database that has to be created."))
        .setting(Setting::text("collation", "Restore: the default collation of a database that has to be created."))
}

/// How tables are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Transaction,
    Tables,
    AllTables,
    None,
}

pub(crate) fn lock(request: &Request) -> Result<Lock, Failure> {
    match request.text("lock").unwrap_or("transaction") {
        "transaction" => Ok(Lock::Transaction),
        "tables" => Ok(Lock::Tables),
        "all-tables" => Ok(Lock::AllTables),
        "none" => Ok(Lock::None),
        other => Err(Failure::settings(format!("there is no lock {other:?}"))
            .hint("say --option lock=transaction, tables, all-tables or none")),
    }
}

/// A toggle that is on where nobody said otherwise.
pub(crate) fn unless_off(request: &Request, name: &str) -> Result<bool, Failure> {
    if request.setting(name).is_none() { Ok(true) } else { request.toggle(name) }
}

/// The databases that a request for all of a server is limited to; none: to no one.
pub(crate) fn databases(request: &Request) -> Result<Vec<&str>, Failure> {
    let names = request.list("databases");
    names.iter().try_for_each(|name| quote::identifier(name).map(drop))?;
    Ok(names)
}
