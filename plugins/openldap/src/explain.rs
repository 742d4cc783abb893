//! What the tools' last words mean: the client library's texts for the result codes of RFC 4511 (libldap/error.c), and the words of slapcat and
//! slapadd.

use planb_sdk::{Failure, FailureCode};

pub(crate) fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    let said = |text: &str| stderr.contains(text);
    let any = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let line: String =
        if lines.is_empty() { "it said nothing".to_owned() } else { last(&lines).chars().take(300).collect() };

    if any(&[
        "certificate verify failed",
        "TLS: ",
        "hostname does not match",
        "(unknown error code)",
        "ldap_start_tls",
        "TLS already started",
        "error:0A",
    ]) {
        let failure = Failure::settings(format!("the encrypted connection could not be made: {line}"));
        return failure.hint(
            "check the scheme (ldaps://, or ldap:// with starttls=true), and cacert and reqcert in the URL's query",
        );
    }
    if said("Can't contact LDAP server")
        || said("Connect error (-11)")
        || said("Timed out (-5)")
        || said("Server is unavailable")
        || said("Server is busy")
    {
        return Failure::unreachable(format!("the directory does not answer: {line}"))
            .hint("check host and port, that slapd runs, and the scheme: ldaps:// where it speaks TLS from the start");
    }
    if any(&[
        "Invalid credentials (49)",
        "No such user",
        "Inappropriate authentication (48)",
        "unauthenticated bind",
        "authentication required",
        "Unknown authentication method",
    ]) {
        return Failure::access_denied(format!("the directory refused user or password: {line}"))
            .hint("check the DN in --user, which is a whole one (cn=admin,dc=example,dc=org), and DB_PASSWORD or --password-file");
    }
    if any(&["Strong(er) authentication required", "Confidentiality required", "anonymous bind disallowed"]) {
        return Failure::access_denied(format!("the directory wants another way to log in: {line}"))
            .hint("use ldaps:// or starttls=true, and a DN with its password");
    }
    if said("Insufficient access (50)") {
        return Failure::access_denied(format!("the user lacks a right: {line}"))
            .hint("log in as the rootdn, or use --mode file beside the server");
    }
    if any(&["Size limit exceeded (4)", "Time limit exceeded (3)", "Administrative limit exceeded (11)"]) {
        return Failure::database(format!("the server stops before the end: {line}"))
            .hint("log in as the rootdn, or give the user no limits in slapd's configuration: limits dn.exact=\"cn=backup,dc=example,dc=org\" size=unlimited time=unlimited");
    }
    if any(&[
        "No such object (32)",
        "slap_init no backend for",
        "slap_init invalid suffix",
        "Restore from backup!",
        "bad configuration directory",
    ]) && !said("invalid config directory")
    {
        return Failure::missing_database(format!("there is no such directory: {line}"))
            .hint("check the suffix behind the host in the URL, and config-dir or config-file; planb databases lists the suffixes of a server. What a user may not see is not there for it either");
    }
    if any(&["Permission denied", "invalid path: Permission denied"]) {
        return Failure::access_denied(format!("the server's files may not be read or written: {line}"))
            .hint("run planb as root or as the user that runs slapd (openldap, ldap)");
    }
    if any(&[
        "could not stat config file",
        "invalid config directory",
        "bad configuration file",
        "invalid path: No such file",
    ]) {
        return Failure::settings(format!("the server's configuration cannot be read: {line}"))
            .hint("say --option config-dir=/etc/ldap/slapd.d or --option config-file=/etc/ldap/slapd.conf, and see that the database's directory exists");
    }
    if any(&["MDB_KEYEXIST", "KEYEXIST", "already exists (68)", "Already exists (68)"]) {
        return Failure::settings(format!("the target is not empty: {line}"))
            .hint("stop slapd, move the files of the database away (data.mdb and lock.mdb of its directory), and restore again");
    }
    if any(&[
        "unrecognized objectClass",
        "attribute type undefined",
        "attributeDescription",
        "no structuralObjectClass",
        "not allowed",
        "invalid structuralObjectClass",
    ]) {
        return Failure::settings(format!("the target's schema does not know what the dump holds: {line}"))
            .hint("restore the configuration first (the backup of cn=config), or load the schema files that the source has; nothing was written");
    }
    if any(&["MDB_MAP_FULL", "No space left on device"]) {
        return Failure::database(format!("there is no room for the entries: {line}"))
            .hint("raise the database's maxsize (olcDbMaxSize), or free space on the disk");
    }
    if any(&["could not parse entry", "has no dn", "line invalid", "str2entry"]) {
        return Failure::damaged(format!("slapadd cannot read the dump: {line}"))
            .hint("planb verify says whether the stored backup is whole");
    }
    if any(&["Invalid DN syntax (34)", "invalid DN", "Bad search filter", "bad search filter"]) {
        return Failure::settings(format!("a name cannot be read: {line}"))
            .hint("check the suffix in the URL and the DN in --user");
    }
    if any(&["invalid option", "unrecognized option", "usage:"]) {
        return Failure::settings(format!("{tool} does not know an argument: {line}"))
            .code(FailureCode::InvalidRequest)
            .hint("check the extra arguments after --");
    }
    Failure::of_tool(tool, code, &line)
}

/// The line that says most: the last that is no consequence, with what the server added to it.
fn last(lines: &[&str]) -> String {
    let noise = |line: &&&str| {
        [
            "slap_startup failed",
            "backend_startup_one",
            "usage:",
            "[-g]",
            "slapcat: bad configuration",
            "slapadd: bad configuration",
        ]
        .iter()
        .any(|text| line.starts_with(text))
    };
    let said = lines.iter().rfind(|line| !noise(line)).or(lines.last()).copied().unwrap_or_default();
    match said.to_ascii_lowercase().strip_prefix("additional info: ").and(said.split_once(": ")) {
        Some((_, more)) if lines.len() > 1 => {
            format!("{}: {more}", lines.get(lines.len() - 2).copied().unwrap_or_default())
        }
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::Blame;

    use super::*;

    #[test]
    fn what_the_tools_said() {
        use FailureCode::{AccessDenied, Damaged, Failed, InvalidRequest, MissingDatabase, Unreachable};
        for (stderr, code, blame) in [
            ("ldap_bind: Invalid credentials (49)", AccessDenied, Blame::Settings),
            ("ldap_sasl_bind(SIMPLE): Can't contact LDAP server (-1)", Unreachable, Blame::Database),
            ("No such object (32)", MissingDatabase, Blame::Settings),
            ("Invalid DN syntax (34)\nAdditional information: invalid DN", InvalidRequest, Blame::Settings),
            (
                "ldap_start_tls: Protocol error (2)\n\tadditional info: unsupported extended operation",
                InvalidRequest,
                Blame::Settings,
            ),
            ("Size limit exceeded (4)", Failed, Blame::Database),
            (
                "ldap_bind: Server is unwilling to perform (53)\n\tadditional info: unauthenticated bind (DN with no password) disallowed",
                AccessDenied,
                Blame::Settings,
            ),
            ("slapcat: slap_init no backend for \"dc=nope\"", MissingDatabase, Blame::Settings),
            ("slapcat: slap_init invalid suffix (\"ou=none\")", MissingDatabase, Blame::Settings),
            (
                "could not stat config file \"nope.conf\": No such file or directory (2)\nslapcat: bad configuration file!",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "invalid config directory /nope, error 2\nslapcat: bad configuration directory!",
                InvalidRequest,
                Blame::Settings,
            ),
            ("slapcat: bad configuration directory!", MissingDatabase, Blame::Settings),
            (
                "slapd.conf: line 12: invalid path: Permission denied\nslapcat: bad configuration file!",
                AccessDenied,
                Blame::Settings,
            ),
            (
                "mdb_db_open: database \"ou=cinema\" cannot be opened: No such file or directory (2). Restore from backup!\nbackend_startup_one (type=mdb, suffix=\"ou=cinema\"): bi_db_open failed! (2)\nslap_startup failed",
                MissingDatabase,
                Blame::Settings,
            ),
            (
                "slapadd: could not add entry dn=\"ou=cinema\" (line=1): txn_aborted! MDB_KEYEXIST: Key/data pair already exists (-30799)",
                InvalidRequest,
                Blame::Settings,
            ),
            (
                "slapadd: dn=\"cn=x,ou=cinema\" (line=5): (65) unrecognized objectClass 'person'",
                InvalidRequest,
                Blame::Settings,
            ),
            ("str2entry: entry -1 has no dn\nslapadd: could not parse entry (line=1)", Damaged, Blame::Database),
            ("what", Failed, Blame::Tool),
        ] {
            let failure = explain("slapcat", Some(1), stderr);
            assert_eq!((failure.code, failure.blame), (code, blame), "{stderr}: {}", failure.message);
            assert!(failure.hint.is_some() || failure.code == Failed, "{stderr}");
        }
    }

    #[test]
    fn words_are_short() {
        let stderr = "ldap_bind: Server is unwilling to perform (53)\n\tadditional info: unauthenticated bind (DN with no password) disallowed\n";
        assert_eq!(
            explain("ldapsearch", Some(53), stderr).message,
            "the directory refused user or password: ldap_bind: Server is unwilling to perform (53): unauthenticated bind (DN with no password) disallowed"
        );
    }
}
