//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str = "etcd-client (Debian, Ubuntu), etcd (Homebrew, Fedora)";

pub(crate) fn describe() -> Description {
    Description::new("etcd", "etcd", env!("CARGO_PKG_VERSION"))
        .scheme("etcd")
        .scheme("etcds")
        .default_port(2379)
        .tool(
            // From 3.4 its API is 3 unless told otherwise.
            Tool::new("etcdctl")
                .version("version", ">=3.4")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(CLIENT),
        )
        .tool(
            Tool::new("etcdutl")
                .version("version", ">=3.5")
                .purpose(Purpose::Restore)
                .install("etcd-client from Debian 13 and Ubuntu 24.04 on, etcd (Homebrew, Fedora)"),
        )
        .tool(
            Tool::new("etcd")
                .version("--version", ">=3.4")
                .purpose(Purpose::Scratch)
                .install("etcd-server (Debian, Ubuntu), etcd (Homebrew, Fedora)"),
        )
        .env(["ETCDCTL_USER", "ETCDCTL_PASSWORD"])
        .path_params(["cacert", "cert", "key"])
        .param(Setting::toggle("insecure-skip-tls-verify", false, "Do not check the server's certificate."))
        .setting(Setting::path("data-dir", "Restore: the data directory to make. It may not exist."))
        .setting(Setting::path("wal-dir", "Restore: another directory for the write-ahead log. It may not exist."))
        .setting(Setting::text("member-name", "Restore: the name of the new member.").default("default"))
        .setting(
            Setting::text("peer-urls", "Restore: the new member's peer URLs, with commas between them.")
                .default("http://localhost:2380"),
        )
        .setting(Setting::text(
            "initial-cluster",
            "Restore: all members of the new cluster, name=url with commas between them. Not given: the new member alone.",
        ))
        .setting(Setting::text("cluster-token", "Restore: the token of the new cluster.").default("etcd-cluster"))
        .setting(Setting::number(
            "bump-revision",
            "Restore: raise the revision by this much and mark the old ones compacted, for clients that watch (Kubernetes); needs etcdutl.",
        ))
        .setting(Setting::number("command-timeout", "Seconds that listing the keys may take.").default("60"))
        .mode(Mode::File)
        .scope(ScopeKind::All)
        .restores_offline()
}
