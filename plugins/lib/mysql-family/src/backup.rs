//! How one database, or all of a server, is dumped.

use planb_sdk::{Artifact, BackupPlan, Command, Failure, Mode, Request, Scope, Trim, Version, path};

use crate::family::{Family, fits_server};
use crate::settings::{self, Lock};
use crate::{connect, quote};

/// A dump that makes what it fills, or nothing but makes.
pub const SQL: &str = "sql";
/// The same of a whole server, with the database mysql.
pub const SERVER: &str = "server";
/// A dump of rows alone.
pub const DATA: &str = "data";
/// A dump of accounts.
pub const ACCOUNTS: &str = "accounts";

const FILE: &str = "dump.sql";

/// The plan for any scope.
pub fn plan<F: Family>(request: &Request) -> Result<BackupPlan, Failure> {
    fits_server::<F>(request)?;
    let plan = match &request.scope {
        Scope::Database(name) => database::<F>(request, name)?,
        Scope::All => all::<F>(request)?,
        Scope::Globals => F::accounts(request)?,
    };
    Ok(older::<F>(request).into_iter().fold(plan.file([connect::login(request)]), BackupPlan::warning))
}

fn database<F: Family>(request: &Request, name: &str) -> Result<BackupPlan, Failure> {
    quote::identifier(name)?;
    only_for(request, "databases", "a backup of all of a server")?;
    let tables = request.list("tables");
    tables.iter().try_for_each(|table| quote::identifier(table).map(drop))?;
    let mut dump = options::<F>(request, Some(name))?.value(name);
    for table in tables {
        dump = dump.value(table);
    }
    source::<F>(request, dump, SQL)
}

fn all<F: Family>(request: &Request) -> Result<BackupPlan, Failure> {
    only_for(request, "tables", "a backup of one database")?;
    let databases = settings::databases(request)?;
    let dump = options::<F>(request, None)?;
    if !databases.is_empty() {
        let dump = databases.into_iter().fold(dump.flag("--databases"), |dump, name| dump.value(name));
        return source::<F>(request, dump, SQL);
    }
    // FLUSH PRIVILEGES lets a server that was restored into know its new accounts.
    let system = settings::unless_off(request, "system-tables")?;
    let dump = dump.flag("--all-databases");
    if system {
        source::<F>(request, dump.flag("--flush-privileges"), SERVER)
    } else {
        source::<F>(request, without_system::<F>(dump), SQL)
    }
}

/// Leaves out the database mysql. mysqldump has no option for it, but leaves out tables: those of versions 5.7 to 9.7 are named here.
fn without_system<F: Family>(dump: Command) -> Command {
    if F::MARIADB {
        return dump.flag("--ignore-database=mysql");
    }
    let table = |dump: Command, table: &&str| dump.option("--ignore-table", format!("mysql.{table}"));
    SYSTEM_TABLES.iter().fold(dump, table)
}

const SYSTEM_TABLES: &[&str] = &[
    "columns_priv",
    "component",
    "db",
    "default_roles",
    "engine_cost",
    "event",
    "func",
    "general_log",
    "global_grants",
    "gtid_executed",
    "help_category",
    "help_keyword",
    "help_relation",
    "help_topic",
    "innodb_index_stats",
    "innodb_table_stats",
    "ndb_binlog_index",
    "password_history",
    "plugin",
    "proc",
    "procs_priv",
    "proxies_priv",
    "replication_asynchronous_connection_failover",
    "replication_asynchronous_connection_failover_managed",
    "replication_group_configuration_version",
    "replication_group_member_actions",
    "role_edges",
    "server_cost",
    "servers",
    "slave_master_info",
    "slave_relay_log_info",
    "slave_worker_info",
    "slow_log",
    "tables_priv",
    "time_zone",
    "time_zone_leap_second",
    "time_zone_name",
    "time_zone_transition",
    "time_zone_transition_type",
    "user",
];

fn only_for(request: &Request, setting: &str, what: &str) -> Result<(), Failure> {
    if request.list(setting).is_empty() {
        return Ok(());
    }
    Err(Failure::settings(format!("the setting {setting} is for {what}")))
}

/// The dump tool with all options. `database`: the one that is dumped, where it is one.
fn options<F: Family>(request: &Request, database: Option<&str>) -> Result<Command, Failure> {
    extra(&request.extra_args)?;
    let (schema, data) = (request.toggle("schema-only")?, request.toggle("data-only")?);
    if schema && data {
        return Err(Failure::settings("schema-only and data-only together leave nothing to dump"));
    }
    let mut dump = connect::dump::<F>(request)?;
    dump = match settings::lock(request)? {
        Lock::Transaction => dump.flag("--single-transaction"),
        Lock::Tables => dump.flag("--lock-tables"),
        Lock::AllTables => dump.flag("--lock-all-tables"),
        Lock::None => dump.flag("--skip-lock-tables"),
    };
    let with = |name| Ok::<_, Failure>(!data && settings::unless_off(request, name)?);
    dump = dump
        .flag_if(with("routines")?, "--routines")
        .flag_if(with("events")?, "--events")
        .flag(if with("triggers")? { "--triggers" } else { "--skip-triggers" })
        .flag_if(settings::unless_off(request, "hex-blob")?, "--hex-blob")
        .flag_if(!settings::unless_off(request, "add-locks")?, "--skip-add-locks")
        // Without PROCESS, which few users have, mysqldump would stop at them.
        .flag_if(!request.toggle("tablespaces")?, "--no-tablespaces")
        .flag_if(schema, "--no-data")
        .flag_if(data, "--no-create-info");
    for name in request.list("ignore-table") {
        dump = dump.option("--ignore-table", with_database(name, database)?);
    }
    F::dump(dump, request)
}

/// A name from a list of `table` and `database.table` as the tools want it.
pub fn with_database(name: &str, database: Option<&str>) -> Result<String, Failure> {
    match database {
        Some(database) if name.strip_prefix(database).is_some_and(|rest| rest.starts_with('.')) => Ok(name.to_owned()),
        Some(database) => Ok(format!("{database}.{name}")),
        None if name.contains('.') => Ok(name.to_owned()),
        None => {
            Err(Failure::settings(format!("which database is the table {name} of?"))
                .hint(format!("write database.{name}")))
        }
    }
}

/// Options that take the end mark or the form out of a dump, by which an inspection knows it.
fn extra(args: &[String]) -> Result<(), Failure> {
    let spoils = |arg: &&String| {
        let off =
            ["=0", "=false", "=off", "=FALSE", "=OFF"].iter().any(|off| arg.as_str() == format!("--comments{off}"));
        off || ["--compact", "--skip-comments", "--disable-comments", "--xml", "-X"].contains(&arg.as_str())
    };
    match args.iter().find(spoils) {
        None => Ok(()),
        Some(arg) => Err(Failure::settings(format!(
            "a dump taken with {arg} has no end mark, so nobody could tell whether it is whole"
        ))
        .hint(format!("leave {arg} out"))),
    }
}

fn source<F: Family>(request: &Request, dump: Command, format: &str) -> Result<BackupPlan, Failure> {
    let format = if request.toggle("data-only")? { DATA } else { format };
    let artifact = Artifact::new("sql", "application/sql", format);
    // A word that the user adds is a table, and not the database.
    let dump = dump.extra();
    match request.mode {
        Mode::Stream => Ok(stream::<F>(dump, artifact)),
        Mode::File => Ok(BackupPlan::from_file(dump.option("--result-file", path(FILE)), FILE, artifact)),
        Mode::Directory | Mode::Tar => Err(Failure::unsupported(format!(
            "{} is dumped as one file: the server itself would have to write the files of a directory dump",
            F::NAME
        ))
        .hint("leave out --mode, or use --mode file")),
    }
}

/// A dump that comes over stdout.
pub fn stream<F: Family>(dump: Command, artifact: Artifact) -> BackupPlan {
    match F::NOISE {
        // Older clients, and those of MySQL, stop at it.
        Some(noise) => {
            let trim = Trim { head_line: Some(noise.to_owned()), tail_bytes: 0 };
            BackupPlan::trimmed_stdout(dump, trim, artifact)
        }
        None => BackupPlan::stdout(dump, artifact),
    }
}

/// A tool that is older than the server may not know all that the server has.
fn older<F: Family>(request: &Request) -> Option<String> {
    let (tool, server) = (request.tool_version(F::DUMP)?, request.server()?);
    let series = |version: Version| (version.major, version.minor);
    (series(tool) < series(server)).then(|| {
        format!(
            "{} {tool} is older than the server, {} {server}: what is new in the server may be missing from the backup. Use the server's own version",
            F::DUMP,
            F::NAME
        )
    })
}
