//! What the engine is called, needs and can do.

use planb_sdk::{Description, Kind, Mode, Purpose, ScopeKind, Setting, Tool};

use crate::{http, repository};

pub(crate) const CURL: &str = "curl (Debian, Ubuntu, Fedora, Homebrew)";
pub(crate) const TAR: &str = "tar (Debian, Ubuntu, Fedora, Alpine), gnu-tar (Homebrew)";
const GREP: &str = "grep (Debian, Ubuntu, Fedora, Alpine, Homebrew)";

pub(crate) fn describe() -> Description {
    let toggle = |name, summary| Setting { kind: Kind::Toggle, ..Setting::text(name, summary) };
    Description::new("elasticsearch", "Elasticsearch", env!("CARGO_PKG_VERSION"))
        .alias("es")
        .alias("elastic")
        .alias("opensearch")
        .scheme("elasticsearch")
        .scheme("elasticsearch+https")
        .scheme("opensearch")
        .scheme("opensearch+https")
        .default_port(9200)
        .tool(
            // --fail-with-body came with 7.76.
            Tool::new("curl")
                .version("--version", ">=7.76")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Query)
                .install(CURL),
        )
        .tool(
            // GNU tar; bsdtar knows neither --transform nor --recursive-unlink.
            Tool::new("tar")
                .programs(["gtar", "tar"])
                .version("--version", ">=1.26, <2")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Restore)
                .install(TAR),
        )
        .tool(Tool::new("grep").version("--version", ">=2").purpose(Purpose::Backup).purpose(Purpose::Restore).install(GREP))
        .param(toggle("tls", "Encrypt the connection."))
        .param(toggle("insecure", "Do not check the server's certificate."))
        .param(Setting::text("base-path", "What stands before the paths where the server is behind a proxy."))
        .path_params(http::PATH_PARAMS.iter().copied())
        .secret(http::API_KEY, "An API key (the encoded one) instead of user and password.")
        .secret(http::KEY_PASSWORD, "The password of the key in key=.")
        .setting(Setting::path(
            repository::HERE,
            "A folder below path.repo of every node, as this machine sees it. Snapshots are made and taken in there.",
        ))
        .setting(Setting::text(repository::THERE, "The same folder as the nodes see it, where that is another path."))
        .setting(
            Setting::text("indices", "Backup of everything: these indices, aliases and data streams, separated by commas; * and - as the server knows them.")
                .default("*,-.*"),
        )
        .setting(Setting::toggle("global-state", false, "Backup and restore of everything: templates, pipelines, persistent settings and features too."))
        .setting(Setting::toggle("aliases", true, "Restore: the aliases of what is restored under its own name."))
        .setting(Setting::toggle("try-first", true, "Restore with --replace: restore under other names first, before anything is deleted."))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .stream_conflicts(["-f", "--file", "-z", "--gzip", "-j", "--bzip2", "-J", "--xz", "--zstd", "-a", "--auto-compress", "-I", "--use-compress-program"])
}
