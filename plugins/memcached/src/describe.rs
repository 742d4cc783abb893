//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const SOCAT: &str = "socat (Debian, Ubuntu, Fedora, RHEL, Alpine, Homebrew)";
pub(crate) const AWK: &str = "mawk or gawk (Debian, Ubuntu, Fedora, RHEL); others have one";
const SERVER: &str = "memcached (Debian, Ubuntu, Fedora, RHEL, Alpine, Homebrew)";

pub(crate) fn describe() -> Description {
    Description::new("memcached", "Memcached", env!("CARGO_PKG_VERSION"))
        .alias("memcache")
        .scheme("memcached")
        .scheme("memcacheds")
        .default_port(11211)
        .tool(
            Tool::new("socat")
                .version("-V", ">=1.7")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(SOCAT),
        )
        .tool(
            // Of any make: each prints its version in a way of its own.
            Tool::new("awk")
                .programs(["awk", "gawk", "mawk"])
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .install(AWK),
        )
        .tool(Tool::new("memcached").version("-V", ">=1.6").purpose(Purpose::Scratch).install(SERVER))
        .env(["LC_ALL"])
        .path_params(["cacert", "cert", "key"])
        .param(Setting::toggle("insecure", false, "Take any certificate of the server."))
        .setting(Setting::toggle("tls", false, "Connect with TLS, as the scheme memcacheds: does."))
        .mode(Mode::Stream)
        .scope(ScopeKind::All)
}
