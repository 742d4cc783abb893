//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

use crate::connect;

pub(crate) const CLIENT: &str = "arangodb3-client (Debian, Ubuntu, RHEL: from download.arangodb.com)";
const SERVER: &str = "arangodb3 (Debian, Ubuntu, RHEL: from download.arangodb.com)";

pub(crate) fn describe() -> Description {
    let client = |id: &str| Tool::new(id).version("--version", ">=3.10").install(CLIENT);
    let server = |id: &str| Tool::new(id).purpose(Purpose::Scratch).install(SERVER);
    Description::new("arango", "ArangoDB", env!("CARGO_PKG_VERSION"))
        .alias("arangodb")
        .scheme("arangodb")
        .scheme("arango")
        .scheme("arangodbs")
        .default_port(8529)
        .default_user("root")
        .tool(client("arangodump").purpose(Purpose::Backup))
        .tool(client("arangorestore").purpose(Purpose::Restore))
        .tool(client("arangosh").purpose(Purpose::Query).purpose(Purpose::Restore).purpose(Purpose::Scratch))
        .tool(server("arangod"))
        .tool(server("arango-init-database"))
        .env([connect::PASSWORD])
        .env(["ARANGODB_DEFAULT_ROOT_PASSWORD"])
        .params(["ssl"])
        .secret("jwt-secret", "The server's JWT secret, instead of user and password.")
        .setting(Setting::toggle(
            "system-collections",
            true,
            "Backup: the system collections too. Without them named graphs, analyzers, AQL functions and Foxx services are not saved.",
        ))
        .setting(Setting::toggle(
            "restore-system-collections",
            false,
            "Restore: all system collections, also accounts (_users) and jobs. Otherwise only graphs, analyzers and AQL functions.",
        ))
        .setting(Setting::text("collection", "Backup: only these collections, separated by commas."))
        .setting(Setting::toggle("schema-only", false, "Backup: no documents."))
        .setting(Setting::number("threads", "Backup and restore: this many collections at a time.").default("2"))
        .setting(Setting::toggle(
            "ignore-distribute-shards-like-errors",
            false,
            "Backup and restore: do not mind collections whose sharding follows one that is not there.",
        ))
        .mode(Mode::Tar)
        .mode(Mode::Directory)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .plans_by_inventory()
}
