//! What the engine is called, needs and can do.

use planb_sdk::{Description, Kind, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str = "clickhouse-client (Debian, Ubuntu, RHEL: from packages.clickhouse.com; Debian 12 has an old one), clickhouse (Homebrew)";
const SERVER: &str = "clickhouse-server (Debian, Ubuntu, RHEL: from packages.clickhouse.com; Debian 12 has an old one)";

pub(crate) fn describe() -> Description {
    let client = Tool::new("clickhouse-client")
        .version("--version", ">=18.16")
        .purpose(Purpose::Backup)
        .purpose(Purpose::Restore)
        .purpose(Purpose::Query)
        .purpose(Purpose::Scratch)
        .install(CLIENT);
    let server = Tool::new("clickhouse-server").purpose(Purpose::Scratch).install(SERVER);
    Description::new("clickhouse", "ClickHouse", env!("CARGO_PKG_VERSION"))
        .scheme("clickhouse")
        .default_port(9000)
        .default_user("default")
        .tool(client)
        .tool(server)
        .param(toggle("secure"))
        .param(Setting::choice("verify", &["strict", "none"], ""))
        .path_params(["sslrootcert", "sslcert", "sslkey"])
        .setting(Setting::text("table", "Backup: only these tables and views, separated by commas."))
        .setting(Setting::text("exclude-table", "Backup: not these tables and views, separated by commas."))
        .setting(Setting::text("exclude-table-data", "Backup: these tables, separated by commas, without their rows."))
        .setting(Setting::toggle("schema-only", false, "Backup: no rows."))
        .mode(Mode::Tar)
        .mode(Mode::Directory)
        .mode(Mode::Stream)
        .scope(ScopeKind::Database)
        .stream_conflicts(["-f", "--format", "-E", "--vertical"])
        .plans_by_inventory()
}

/// A parameter that is on or off, and off where nobody gives it.
fn toggle(name: &str) -> Setting {
    Setting { name: name.to_owned(), kind: Kind::Toggle, default: None, summary: String::new() }
}
