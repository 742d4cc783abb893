//! What the engine is called, needs and can do.

use planb_mysql_family::{connect, settings};
use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

/// What to install for the client tools.
pub(crate) const CLIENT: &str = "mariadb-client (Debian, Ubuntu), mariadb (Fedora, RHEL, Homebrew)";
const SERVER: &str = "mariadb-server (Debian, Ubuntu, Fedora, RHEL), mariadb (Homebrew)";

pub(crate) fn describe() -> Description {
    // By these names since 10.5; many systems have only the old ones, or links from them.
    let client = |id: &str, old: &str| Tool::new(id).programs([id, old]).version("--version", ">=10.5").install(CLIENT);
    let server = |id: &str, old: &str| Tool::new(id).programs([id, old]).purpose(Purpose::Scratch).install(SERVER);
    let description = Description::new("mariadb", "MariaDB", env!("CARGO_PKG_VERSION"))
        .alias("mariadb-ha")
        .alias("maria")
        .scheme("mariadb")
        .scheme("mysql")
        .default_port(3306)
        .default_user("root")
        .tool(client("mariadb-dump", "mysqldump").purpose(Purpose::Backup))
        .tool(client("mariadb", "mysql").purpose(Purpose::Query).purpose(Purpose::Restore).purpose(Purpose::Scratch))
        // Asked for its version it would set to work, in the machine's own folder.
        .tool(server("mariadb-install-db", "mysql_install_db"))
        .tool(server("mariadbd", "mysqld").version("--version", ">=10.5"))
        .path_params(connect::PATHS.iter().map(|(name, _)| *name))
        .path_params(["ssl-fplist"])
        .params(["ssl-cipher", "ssl-fp", "tls-version", "default-auth"])
        .param(Setting::toggle("ssl", true, "An encrypted connection."))
        .param(Setting::toggle("ssl-verify-server-cert", true, "The server has to show a certificate that is right."))
        .param(Setting::toggle("compress", false, "A compressed connection."));
    settings::add(description)
        .setting(Setting::text(
            "ignore-table-data",
            "Backup: tables of these names, separated by commas, without their rows: table, or database.table.",
        ))
        .setting(Setting::toggle(
            "history",
            false,
            "Backup: system-versioned tables with their history (--dump-history). From 10.11.",
        ))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .scope(ScopeKind::Globals)
        .stream_conflicts(["-r", "--result-file", "-T", "--tab", "-D", "--dir"])
}
