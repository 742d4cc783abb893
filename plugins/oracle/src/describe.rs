//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str =
    "Oracle Instant Client with the packages Tools and SQL*Plus (oracle.com), or a full client or server home";
pub(crate) const GNU: &str = "tar and findutils (Debian, Ubuntu, Fedora, RHEL), gnu-tar and findutils (Homebrew)";

pub(crate) fn describe() -> Description {
    let pump = |id: &str, purpose| Tool::new(id).version("help=y", ">=12.1").purpose(purpose).install(CLIENT);
    Description::new("oracle", "Oracle Database", env!("CARGO_PKG_VERSION"))
        .scheme("oracle")
        .default_port(1521)
        .tool(pump("expdp", Purpose::Backup))
        .tool(pump("impdp", Purpose::Restore))
        .tool(
            Tool::new("sqlplus")
                .version("-V", ">=12.1")
                .purpose(Purpose::Query)
                .purpose(Purpose::Restore)
                .install(CLIENT),
        )
        .tool(
            // --verbatim-files-from, which --null implies, came with 1.29.
            Tool::new("tar")
                .programs(["gtar", "tar"])
                .version("--version", ">=1.29")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(GNU),
        )
        .tool(
            Tool::new("find")
                .programs(["gfind", "find"])
                .version("--version", ">=4.4")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(GNU),
        )
        .env(["NLS_LANG"])
        .inherit(["ORACLE_HOME", "ORACLE_SID", "TNS_ADMIN"])
        .params(["service", "tns"])
        .setting(
            Setting::text("directory", "The server's directory object that Data Pump writes to and reads from.")
                .default("DATA_PUMP_DIR"),
        )
        .setting(Setting::path("directory-path", "The folder of that directory object as planb sees it."))
        .setting(Setting::number("parallel", "Backup and restore: this many workers (Enterprise Edition)."))
        .setting(Setting::toggle("consistent", true, "Backup: all tables as of one moment (FLASHBACK_TIME)."))
        .setting(Setting::text(
            "exclude",
            "Backup: leave these out, separated by commas: STATISTICS, TABLE:\"LIKE 'TMP%'\".",
        ))
        .setting(Setting::text("include", "Backup: only these, separated by commas, as for exclude."))
        .setting(Setting::text("remap-tablespace", "Restore: other tablespaces, as OLD:NEW, separated by commas."))
        .setting(Setting::toggle(
            "storage",
            true,
            "Restore: keep tablespaces and storage of tables and indexes; false puts all into the schema's default tablespace.",
        ))
        .mode(Mode::Stream)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .native_compression()
}
