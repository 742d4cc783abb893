//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const INSTALL: &str = "sqlite3 (Debian, Ubuntu), sqlite (Fedora, RHEL, Homebrew)";

pub(crate) fn describe() -> Description {
    Description::new("sqlite", "SQLite", env!("CARGO_PKG_VERSION"))
        .alias("sqlite3")
        .scheme("sqlite")
        .scheme("sqlite3")
        .file_based()
        .tool(
            // VACUUM INTO came with 3.27.
            Tool::new("sqlite3")
                .version("--version", ">=3.27")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(INSTALL),
        )
        .setting(
            Setting::choice(
                "format",
                &["sql", "binary"],
                "sql: statements, readable everywhere. binary: a compact copy of the database file; needs --mode file.",
            )
            .default("sql"),
        )
        .setting(Setting::toggle(
            "preserve-rowids",
            false,
            "Backup as sql: keep the rowids of tables without an INTEGER PRIMARY KEY.",
        ))
        .setting(Setting::number("busy-timeout", "Milliseconds to wait for another process' lock.").default("10000"))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .stream_conflicts([".output", ".once", "-A", "-append"])
}
