//! What the engine is called, needs and can do.

use planb_sdk::{Description, Mode, Purpose, ScopeKind, Setting, Tool};

pub(crate) const CLIENT: &str = "ldap-utils (Debian, Ubuntu), openldap-clients (Fedora, RHEL)";
pub(crate) const SERVER: &str = "slapd (Debian, Ubuntu), openldap-servers (Fedora, RHEL)";

pub(crate) fn describe() -> Description {
    Description::new("openldap", "OpenLDAP", env!("CARGO_PKG_VERSION"))
        .alias("ldap")
        .scheme("ldap")
        .scheme("ldaps")
        .scheme("ldapi")
        .tool(
            Tool::new("ldapsearch")
                .version("-VV", ">=2.4")
                .purpose(Purpose::Backup)
                .purpose(Purpose::Query)
                .install(CLIENT),
        )
        // None of the server's tools prints its version alone.
        .tool(Tool::new("slapcat").purpose(Purpose::Backup).purpose(Purpose::Query).install(SERVER))
        .tool(Tool::new("tee").purpose(Purpose::Backup).install("coreutils"))
        .tool(Tool::new("slapadd").purpose(Purpose::Restore).install(SERVER))
        .tool(Tool::new("slapd").purpose(Purpose::Scratch).install(SERVER))
        .tool(Tool::new("ldapadd").version("-VV", ">=2.4").purpose(Purpose::Scratch).install(CLIENT))
        .env(["LDAPBASE", "LDAPTLS_CACERT", "LDAPTLS_CERT", "LDAPTLS_KEY", "LDAPTLS_REQCERT"])
        .path_params(["cacert", "cert", "key"])
        .param(Setting::toggle("starttls", false, "Encrypt a connection to an ldap:// address."))
        .param(Setting::choice(
            "reqcert",
            &["never", "allow", "try", "demand"],
            "How the server's certificate is checked.",
        ))
        .param(Setting::choice(
            "mech",
            &["simple", "external"],
            "How to log in: a DN with its password, or by socket or certificate.",
        ))
        .setting(Setting::path(
            "config-dir",
            "slapcat, slapadd: the server's configuration directory (slapd.d). Not given: its own.",
        ))
        .setting(Setting::path(
            "config-file",
            "slapcat, slapadd: the server's slapd.conf, instead of a configuration directory.",
        ))
        .setting(Setting::text(
            "attributes",
            "Mode stream: further operational attributes to read, with commas between them (memberOf, ...).",
        ))
        .setting(Setting::toggle("quick", false, "Restore: fewer checks and no syncing (slapadd -q)."))
        .setting(Setting::toggle("syncinfo", false, "Restore: write the replication state, contextCSN (slapadd -w)."))
        .mode(Mode::Stream)
        .mode(Mode::File)
        .scope(ScopeKind::Database)
        .restores_offline()
}
