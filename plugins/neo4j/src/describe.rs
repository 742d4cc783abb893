//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

use crate::tools;

pub(crate) const ADMIN: &str = "neo4j (Debian, Ubuntu: from debian.neo4j.com; RHEL: from yum.neo4j.com; Homebrew)";
pub(crate) const SHELL: &str =
    "cypher-shell (Debian, Ubuntu: from debian.neo4j.com; RHEL: from yum.neo4j.com; Homebrew)";

pub(crate) fn describe() -> Description {
    Description::new("neo4j", "Neo4j", env!("CARGO_PKG_VERSION"))
        .scheme("neo4j")
        .scheme("neo4j+s")
        .scheme("neo4j+ssc")
        .scheme("bolt")
        .scheme("bolt+s")
        .scheme("bolt+ssc")
        .default_port(7687)
        .default_user("neo4j")
        .tool(
            Tool::new("neo4j-admin")
                .version("--version", ">=4.4")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(ADMIN),
        )
        .tool(
            Tool::new("cypher-shell")
                .version("--version", ">=4.4")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .install(SHELL),
        )
        .env(tools::ENV)
        .inherit(["JAVA_HOME", "NEO4J_HOME", "NEO4J_CONF"])
        .setting(Setting::path("home", "The server's folder (NEO4J_HOME), where the tool does not know it."))
        .setting(Setting::path("conf", "The folder of neo4j.conf (NEO4J_CONF), where the tool does not know it."))
        .setting(Setting::toggle(
            "stop",
            false,
            "Enterprise Edition: stop the database for the backup or restore, and start it afterwards. Needs host and password.",
        ))
        .setting(Setting::toggle("expand-commands", false, "Allow neo4j.conf to hold commands whose output is a value."))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .restores_offline()
}
