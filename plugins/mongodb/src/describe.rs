//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

use crate::connect;

/// What to install for `mongodump` and `mongorestore`.
pub(crate) const TOOLS: &str =
    "mongodb-database-tools (mongodb.com/try/download/database-tools; Homebrew: mongodb/brew/mongodb-database-tools)";
/// What to install for `mongosh`.
pub(crate) const SHELL: &str = "mongodb-mongosh (mongodb.com/try/download/shell; Homebrew and npm: mongosh)";
const SERVER: &str = "mongodb-org-server (mongodb.com/try/download/community)";

pub(crate) fn describe() -> Description {
    // --config came with 100.3.
    let tool = |id: &str| Tool::new(id).version("--version", ">=100.3").install(TOOLS);
    Description::new("mongo", "MongoDB", env!("CARGO_PKG_VERSION"))
        .alias("mongodb")
        .alias("mongod")
        .scheme("mongodb")
        .scheme("mongodb+srv")
        .default_port(27017)
        .tool(tool("mongodump").purpose(Purpose::Backup))
        .tool(tool("mongorestore").purpose(Purpose::Restore))
        .tool(
            Tool::new("mongosh")
                .version("--version", ">=1.0")
                .purpose(Purpose::Query)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Scratch)
                .install(SHELL),
        )
        .tool(Tool::new("mongod").version("--version", ">=4.4").purpose(Purpose::Scratch).install(SERVER))
        .env([connect::SHELL_CONFIG_ENV])
        .params(connect::PARAMS.iter().copied())
        .path_params(connect::PATH_PARAMS.iter().copied())
        .secret(connect::KEY_PASSWORD, "The password of the key in tlsCertificateKeyFile.")
        .setting(Setting::text("collection", "Backup of a database: only this collection."))
        .setting(Setting::text(
            "exclude-collection",
            "Backup of a database: without these collections, separated by commas.",
        ))
        .setting(Setting::text(
            "exclude-collections-with-prefix",
            "Backup of a database: without collections whose names begin with these, separated by commas.",
        ))
        .setting(Setting::toggle(
            "oplog",
            false,
            "Backup of a whole replica set: all of one moment, with the changes that happen meanwhile.",
        ))
        .setting(Setting::toggle(
            "users-and-roles",
            false,
            "Backup and restore of a database: its users and roles too. A backup of a whole server always has them.",
        ))
        .setting(Setting::toggle(
            "without-users",
            false,
            "Restore of a whole server: leave its users and roles as they are.",
        ))
        .setting(Setting::toggle("allow-empty", false, "Backup: a dump without any collection is no failure."))
        .setting(Setting::number("parallel-collections", "Backup and restore: this many collections at a time."))
        .setting(Setting::number(
            "insertion-workers",
            "Restore: this many connections that insert into each collection.",
        ))
        .setting(Setting::toggle(
            "bypass-validation",
            false,
            "Restore: take documents that the collection's validator refuses: those that are older than it.",
        ))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .mode(Mode::Directory)
        .mode(Mode::Tar)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .native_compression()
        .stream_conflicts(["-o", "--out", "--out=", "--archive="])
}
