//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

use crate::connect;

/// What to install for the client tools of any version.
pub(crate) const CLIENT: &str = "postgresql-client (Debian, Ubuntu), postgresql (Fedora, RHEL), libpq (Homebrew)";
const SERVER: &str = "postgresql (Debian, Ubuntu, Homebrew), postgresql-server (Fedora, RHEL)";

pub(crate) fn describe() -> Description {
    let client = |id: &str| Tool::new(id).version("--version", ">=13").install(CLIENT);
    let server = |id: &str| Tool::new(id).version("--version", ">=13").purpose(Purpose::Scratch).install(SERVER);
    Description::new("pg", "PostgreSQL", env!("CARGO_PKG_VERSION"))
        .alias("postgres")
        .alias("postgresql")
        .alias("pgsql")
        .scheme("postgresql")
        .scheme("postgres")
        .default_port(5432)
        .default_user("postgres")
        .tool(client("pg_dump").purpose(Purpose::Backup))
        .tool(client("pg_dumpall").purpose(Purpose::Backup))
        .tool(client("pg_restore").purpose(Purpose::Restore))
        .tool(client("psql").purpose(Purpose::Query).purpose(Purpose::Restore))
        .tool(server("initdb"))
        .tool(server("postgres"))
        .env(connect::ENV_PARAMS.iter().map(|(_, name)| *name))
        .env(["PGPASSFILE"])
        .params(connect::ENV_PARAMS.iter().map(|(name, _)| *name).filter(|name| !connect::PATH_PARAMS.contains(name)))
        .path_params(connect::PATH_PARAMS.iter().copied())
        .params(connect::CONNINFO_PARAMS.iter().copied())
        .setting(Setting::choice(
            "format",
            &["plain", "custom", "directory"],
            "Backup: the dump's format. Without it plain SQL, custom where --compress native is asked for, and directory in the modes directory and tar.",
        ))
        .setting(Setting::number("jobs", "Directory dumps, and restores of directory and custom dumps: this many tables at a time."))
        .setting(Setting::toggle("schema-only", false, "Backup: no rows."))
        .setting(Setting::toggle("data-only", false, "Backup: rows only."))
        .setting(Setting::toggle("inserts", false, "Backup: rows as INSERT statements. Slower; for loading elsewhere."))
        .setting(Setting::text("schema", "Backup: only schemas that match these patterns, separated by commas."))
        .setting(Setting::text("exclude-schema", "Backup: no schemas that match these patterns, separated by commas."))
        .setting(Setting::text("table", "Backup: only tables that match these patterns, separated by commas."))
        .setting(Setting::text("exclude-table", "Backup: no tables that match these patterns, separated by commas."))
        .setting(Setting::text("exclude-table-data", "Backup: tables that match these patterns, separated by commas, without their rows."))
        .setting(Setting::text("role", "Backup and restore: SET ROLE to this after connecting."))
        .setting(Setting::toggle("no-owner", false, "Backup and restore: leave out who owns what."))
        .setting(Setting::toggle("no-privileges", false, "Backup and restore: leave out GRANT and REVOKE."))
        .setting(Setting::toggle("no-role-passwords", false, "Backup of roles: without their passwords, which only a superuser can read."))
        .setting(Setting::text("maintenance-db", "The database to connect to for what is not of one database.").default("postgres"))
        .setting(Setting::toggle("single-transaction", true, "Restore: all or nothing."))
        .setting(Setting::text("owner", "Restore: the owner of a database that has to be created."))
        .setting(Setting::text("encoding", "Restore: the encoding of a database that has to be created."))
        .setting(Setting::text("locale", "Restore: the locale of a database that has to be created."))
        .setting(Setting::text("template", "Restore: the template of a database that has to be created.").default("template0"))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .mode(Mode::Directory)
        .mode(Mode::Tar)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::Globals)
        .native_compression()
        .stream_conflicts(["-f", "--file", "-Fd", "-F d", "--Fd", "--format=d", "--format=directory", "-j", "--jobs"])
}
