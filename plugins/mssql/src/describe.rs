//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const SQLCMD: &str =
    "mssql-tools18 (packages.microsoft.com, in /opt/mssql-tools18/bin), or sqlcmd (go-sqlcmd; winget, Homebrew)";
pub(crate) const GNU: &str = "tar (Debian, Ubuntu, Fedora, RHEL), gnu-tar (Homebrew)";

pub(crate) fn describe() -> Description {
    Description::new("mssql", "SQL Server", env!("CARGO_PKG_VERSION"))
        .alias("sqlserver")
        .scheme("mssql")
        .scheme("sqlserver")
        .default_port(1433)
        .tool(
            // Both programs of the name print their version with -?: that of ODBC from 13 on, that in Go below 10.
            Tool::new("sqlcmd")
                .version("-?", "*")
                .version_ok(0)
                .version_ok(1)
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .install(SQLCMD),
        )
        .tool(
            Tool::new("tar")
                .programs(["gtar", "tar"])
                .version("--version", ">=1.26")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(GNU),
        )
        .tool(
            Tool::new("rm")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install("coreutils (every distribution)"),
        )
        .env(["SQLCMDPASSWORD"])
        .params(["encrypt", "trustservercertificate", "hostnameincertificate", "instance"])
        .setting(
            Setting::text("server-dir", "The folder for backups as the server sees it, also C:\\backup.")
                .default("/var/opt/mssql/backup"),
        )
        .setting(Setting::path(
            "local-dir",
            "The same folder as planb sees it, by a volume or a share. Without it, server-dir.",
        ))
        .setting(Setting::toggle("copy-only", true, "Backup: leave the server's own series of backups as it is."))
        .setting(Setting::toggle("verify", true, "Backup: let the server read the backup again (RESTORE VERIFYONLY)."))
        .setting(Setting::toggle("count-rows", true, "Backup: count the rows of the tables beside the backup."))
        .mode(Mode::Stream)
        .scope(ScopeKind::Database)
        .native_compression()
}
