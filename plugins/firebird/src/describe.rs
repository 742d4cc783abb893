//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str = "firebird3.0-utils or firebird4.0-utils (Debian, Ubuntu), firebird-utils (Fedora)";

pub(crate) fn describe() -> Description {
    Description::new("firebird", "Firebird", env!("CARGO_PKG_VERSION"))
        .alias("fb")
        .scheme("firebird")
        .default_port(3050)
        .default_user("SYSDBA")
        .tool(
            // It has no way to print its version alone: it then misses its file names.
            Tool::new("gbak")
                .version("-z", ">=3")
                .version_ok(1)
                .version_ok(0)
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(CLIENT),
        )
        .tool(
            // Under the name isql other programs go too, of unixODBC for one, whose version is below this.
            Tool::new("isql")
                .programs(["isql-fb", "isql"])
                .version("-z", ">=3")
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(CLIENT),
        )
        .tool(
            Tool::new("firebird")
                .purpose(Purpose::Scratch)
                .install("firebird3.0-server or firebird4.0-server (Debian, Ubuntu), firebird (Fedora)"),
        )
        .env(["FIREBIRD", "FIREBIRD_LOCK"])
        .params(["role"])
        .setting(Setting::toggle(
            "service",
            false,
            "Let the server's service manager read or write the database: faster than over the network, and the path is one of the server's.",
        ))
        .setting(Setting::toggle("garbage-collect", false, "Backup: let the server remove old record versions on the way."))
        .setting(Setting::toggle("metadata-only", false, "Backup: the tables without their rows."))
        .setting(Setting::toggle("convert-external", false, "Backup: take the rows of external files as tables."))
        .setting(Setting::toggle("ignore-limbo", false, "Backup: leave out what belongs to transactions in limbo."))
        .setting(Setting::number("page-size", "Restore: the page size of the new database."))
        .setting(Setting::toggle("inactive-indexes", false, "Restore: leave the indexes inactive."))
        .setting(Setting::toggle("one-at-a-time", false, "Restore: commit after each table, to save what can be saved."))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
}
