//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CASSANDRA: &str = "the Apache Cassandra package or tarball (debian.cassandra.apache.org)";
const CQLSH: &str = "cqlsh (pip), or the Apache Cassandra package or tarball";
const GNU: &str = "tar and findutils (Debian, Ubuntu, Fedora, RHEL), gnu-tar and findutils (Homebrew)";
const COREUTILS: &str = "coreutils (every distribution)";

pub(crate) fn describe() -> Description {
    let standard = |id: &str| Tool::new(id).purpose(Purpose::Restore).install(COREUTILS);
    Description::new("cassandra", "Cassandra", env!("CARGO_PKG_VERSION"))
        .scheme("cassandra")
        .default_port(9042)
        .tool(
            // --credentials came with cqlsh 6.0, of Cassandra 4.0.
            Tool::new("cqlsh")
                .version("--version", ">=6.0")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .install(CQLSH),
        )
        // Its version cannot be asked for: `nodetool version` asks the server.
        .tool(Tool::new("nodetool").purpose(Purpose::Backup).purpose(Purpose::Restore).install(CASSANDRA))
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
                .install(GNU),
        )
        .tool(standard("chown").programs(["gchown", "chown"]))
        .tool(standard("rm"))
        .inherit(["JAVA_HOME"])
        .env(["SSL_CERTFILE", "SSL_VALIDATE"])
        .params(["jmx-host", "jmx-port", "jmx-user", "ssl", "sslverify"])
        .path_params(["sslrootcert", "sslcert", "sslkey"])
        .secret("jmx-password", "The password of jmx-user (without it, of the user), for nodetool.")
        .setting(
            Setting::path("data-dir", "Where the node keeps its tables on this machine (data_file_directories).")
                .default("/var/lib/cassandra/data"),
        )
        .setting(Setting::text("tables", "Backup: only these tables of the keyspace, separated by commas."))
        .setting(Setting::number("request-timeout", "Seconds that cqlsh waits for a statement.").default("600"))
        .setting(
            Setting::path(
                "import-dir",
                "Restore: a folder on this node, on the file system of data-dir, that its server can write to.",
            )
            .default("/var/lib/cassandra/import"),
        )
        .mode(Mode::Stream)
        .scope(ScopeKind::Database)
}
