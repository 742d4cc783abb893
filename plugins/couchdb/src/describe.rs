//! What the engine is called, needs and can do.

use planb_sdk::{Description, Kind, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CURL: &str = "curl (Debian, Ubuntu, Fedora, RHEL, Homebrew)";
pub(crate) const AWK: &str = "mawk or gawk (Debian, Ubuntu), gawk (Fedora, RHEL, Homebrew)";

pub(crate) fn describe() -> Description {
    // --fail-with-body came with 7.76.
    let curl = Tool::new("curl")
        .version("--version", ">=7.76")
        .purpose(Purpose::Backup)
        .purpose(Purpose::Restore)
        .purpose(Purpose::Query)
        .purpose(Purpose::Scratch)
        .install(CURL);
    let awk = Tool::new("awk").programs(["awk", "mawk", "gawk"]).purpose(Purpose::Restore).install(AWK);
    let couchdb = Tool::new("couchdb")
        .purpose(Purpose::Scratch)
        .install("couchdb (Debian, Ubuntu, RHEL: from apache.jfrog.io), in /opt/couchdb");
    Description::new("couchdb", "CouchDB", env!("CARGO_PKG_VERSION"))
        .alias("couch")
        .scheme("couchdb")
        .scheme("couchdbs")
        .scheme("http")
        .scheme("https")
        .tool(curl)
        .tool(awk)
        .tool(couchdb)
        .env(["COUCHDB_ARGS_FILE"])
        .params(["prefix"])
        .path_params(["cacert", "cert", "key"])
        .param(Setting {
            name: "insecure".to_owned(),
            kind: Kind::Toggle,
            default: None,
            summary: "Do not check the server's certificate.".to_owned(),
        })
        .setting(
            Setting::number("request-kib", "Restore: begin a new request once one holds this many KiB.")
                .default("1024"),
        )
        .setting(Setting::toggle("partitioned", false, "Restore: make the new database a partitioned one."))
        .setting(Setting::number("shards", "Restore: make the new database with this many shards (q)."))
        .setting(Setting::toggle(
            "system-databases",
            false,
            "With --database '*': also those whose names begin with an underscore.",
        ))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .stream_conflicts(["-o", "--output", "-O", "--remote-name", "-i", "--include", "-D", "--dump-header"])
}
