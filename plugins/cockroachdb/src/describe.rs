//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const INSTALL: &str =
    "the cockroach binary from cockroachlabs.com/docs/releases, cockroachdb/tap/cockroach (Homebrew)";

pub(crate) fn describe() -> Description {
    let mut tool = Tool::new("cockroach")
        .purpose(Purpose::Backup)
        .purpose(Purpose::Restore)
        .purpose(Purpose::Query)
        .purpose(Purpose::Scratch)
        .install(INSTALL);
    // Prints the version and nothing else. 22.2 reads a password file (PGPASSFILE).
    tool.version_args = vec!["version".to_owned(), "--build-tag".to_owned()];
    tool.version_req = Some(">=22.2".to_owned());
    Description::new("cockroach", "CockroachDB", env!("CARGO_PKG_VERSION"))
        .alias("cockroachdb")
        .alias("crdb")
        .scheme("cockroachdb")
        .scheme("cockroach")
        .default_port(26257)
        .default_user("root")
        .tool(tool)
        .env(["PGPASSFILE"])
        .params(["sslmode", "options", "application_name", "connect_timeout"])
        .path_params(["sslcert", "sslkey", "sslrootcert"])
        .setting(Setting::path(
            "certs-dir",
            "A folder with ca.crt and the client's certificate and key, as cockroach cert makes it.",
        ))
        .setting(Setting::toggle(
            "skip-localities-check",
            false,
            "Restore: into a cluster without the regions of the backup.",
        ))
        .setting(Setting::toggle(
            "skip-missing-foreign-keys",
            false,
            "Restore: leave out foreign keys to tables that are not in the backup.",
        ))
        .setting(Setting::toggle(
            "skip-missing-views",
            false,
            "Restore: leave out views of tables that are not in the backup.",
        ))
        .mode(Mode::Tar)
        .mode(Mode::Directory)
        .scope(ScopeKind::Database)
}
