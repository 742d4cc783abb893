//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str =
    "redis-tools or valkey-tools (Debian, Ubuntu), redis or valkey (Fedora, RHEL, Homebrew)";
const SERVER: &str = "redis-server or valkey-server (Debian, Ubuntu), redis or valkey (Fedora, RHEL, Homebrew)";
const FILES: &str = "coreutils";

pub(crate) fn describe() -> Description {
    let file_tool = |id: &str| Tool::new(id).purpose(Purpose::Restore).install(FILES);
    Description::new("redis", "Redis", env!("CARGO_PKG_VERSION"))
        .alias("valkey")
        .scheme("redis")
        .scheme("rediss")
        .scheme("valkey")
        .scheme("valkeys")
        .default_port(6379)
        .tool(
            // TLS and users came with 6.0.
            Tool::new("redis-cli")
                .programs(["redis-cli", "valkey-cli"])
                .version("--version", ">=6")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .purpose(Purpose::Scratch)
                .install(CLIENT),
        )
        .tool(
            // Its version is not asked: it prints `v=7.0.15`.
            Tool::new("redis-server")
                .programs(["redis-server", "valkey-server"])
                .purpose(Purpose::Scratch)
                .install(SERVER),
        )
        .tool(file_tool("test"))
        .tool(file_tool("install"))
        .tool(file_tool("mv"))
        .env(["REDISCLI_AUTH"])
        .path_params(["cacert", "cacertdir", "cert", "key"])
        .params(["sni"])
        .param(Setting::toggle("insecure", false, "Take any certificate of the server."))
        .setting(Setting::toggle("tls", false, "Connect with TLS, as the schemes rediss: and valkeys: do."))
        .setting(Setting::path(
            "data-dir",
            "Restore: put the RDB as dump.rdb into this folder of a server that is not running, instead of replaying it.",
        ))
        .setting(Setting::toggle(
            "without-module-data",
            false,
            "Restore: leave out what modules keep beside the keys (the schemas of search indexes), which cannot be replayed.",
        ))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::All)
        .stream_conflicts(["--functions-rdb", "--pipe", "--replica", "--slave"])
        .restores_offline()
}
