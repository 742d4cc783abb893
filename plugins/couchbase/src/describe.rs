//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const MANAGER: &str =
    "the Couchbase Server Tools package (couchbase.com/downloads), or Couchbase Server itself, in /opt/couchbase/bin";
const CURL: &str = "curl (every distribution)";
pub(crate) const GNU: &str = "findutils (Debian, Ubuntu, Fedora, RHEL, Homebrew)";

/// Services that a backup can leave out (`cbbackupmgr config --disable-...`), for a user that may not read them.
pub(crate) const SERVICES: [(&str, &str); 11] = [
    ("bucket-config", "--disable-bucket-config"),
    ("views", "--disable-views"),
    ("gsi-indexes", "--disable-gsi-indexes"),
    ("ft-indexes", "--disable-ft-indexes"),
    ("ft-alias", "--disable-ft-alias"),
    ("data", "--disable-data"),
    ("cluster-analytics", "--disable-cluster-analytics"),
    ("analytics", "--disable-analytics"),
    ("eventing", "--disable-eventing"),
    ("bucket-query", "--disable-bucket-query"),
    ("cluster-query", "--disable-cluster-query"),
];

pub(crate) fn describe() -> Description {
    Description::new("couchbase", "Couchbase", env!("CARGO_PKG_VERSION"))
        .scheme("couchbase")
        .scheme("couchbases")
        // No default port: 8091, or 18091 for couchbases.
        .tool(
            // --include-data came with 7.0.
            Tool::new("cbbackupmgr")
                .version("--version", ">=7.0")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(MANAGER),
        )
        .tool(
            Tool::new("curl").version("--version", ">=7.55").purpose(Purpose::Query).purpose(Purpose::Restore).install(CURL),
        )
        .tool(Tool::new("find").programs(["gfind", "find"]).version("--version", ">=4.4").purpose(Purpose::Backup).install(GNU))
        .env(["CB_USERNAME", "CB_PASSWORD"])
        .params(["sslverify"])
        .path_params(["cacert", "clientcert", "clientkey"])
        .setting(Setting::number("threads", "Backup and restore: this many clients at a time."))
        .setting(Setting::text(
            "collections",
            "Backup: only these, as scope or scope.collection of the bucket, separated by commas (Enterprise Edition).",
        ))
        .setting(Setting::text(
            "exclude",
            "Backup of a whole cluster: without these, as bucket, bucket.scope or bucket.scope.collection, separated by commas.",
        ))
        .setting(Setting::text(
            "disable",
            "Backup: without these services, separated by commas: bucket-config, views, gsi-indexes, ft-indexes, ft-alias, data, \
             cluster-analytics, analytics, eventing, bucket-query, cluster-query.",
        ))
        .mode(Mode::Tar)
        .mode(Mode::Directory)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .native_compression()
}
