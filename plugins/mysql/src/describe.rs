//! What the engine is called, needs and can do.

use planb_mysql_family::{connect, settings};
use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

/// What to install for the client tools.
pub(crate) const CLIENT: &str =
    "mysql-client (Ubuntu, Debian sid; else from repo.mysql.com), mysql (Fedora, RHEL), mysql-client (Homebrew)";
const SERVER: &str = "mysql-server (Ubuntu, Debian sid, Fedora, RHEL; else from repo.mysql.com), mysql (Homebrew)";

pub(crate) fn describe() -> Description {
    let client = |id: &str| Tool::new(id).version("--version", ">=5.7").install(CLIENT);
    let description = Description::new("mysql", "MySQL", env!("CARGO_PKG_VERSION"))
        .alias("percona")
        .scheme("mysql")
        .default_port(3306)
        .default_user("root")
        .tool(client("mysqldump").purpose(Purpose::Backup))
        .tool(
            client("mysql")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Query)
                .purpose(Purpose::Restore)
                .purpose(Purpose::Scratch),
        )
        .tool(Tool::new("mysqld").version("--version", ">=5.7").purpose(Purpose::Scratch).install(SERVER))
        .path_params(connect::PATHS.iter().map(|(name, _)| *name))
        .path_params(["server-public-key-path"])
        .param(Setting::choice(
            "ssl-mode",
            &["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"],
            "How the connection is encrypted, and the server's certificate checked.",
        ))
        .params([
            "ssl-cipher",
            "tls-version",
            "tls-ciphersuites",
            "tls-sni-servername",
            "default-auth",
            "compression-algorithms",
            "zstd-compression-level",
        ])
        .param(Setting::toggle(
            "get-server-public-key",
            false,
            "Ask the server for its RSA key, where there is no TLS.",
        ))
        .param(Setting::toggle(
            "enable-cleartext-plugin",
            false,
            "Send the password as it is, for LDAP and PAM. With TLS only.",
        ));
    settings::add(description)
        .setting(
            Setting::choice(
                "gtid-purged",
                &["off", "commented", "auto", "on"],
                "Backup: what the dump says of GTIDs. Anything but off and commented is for a new replica: it goes into no server that has GTIDs of its own.",
            )
            .default("off"),
        )
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .scope(ScopeKind::All)
        .scope(ScopeKind::Globals)
        .stream_conflicts(["-r", "--result-file", "-T", "--tab"])
}
