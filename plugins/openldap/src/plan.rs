//! How a directory is dumped and put back.

use planb_sdk::{
    Artifact, BackupPlan, Connection, Failure, Mode, Request, RestorePlan, RestoreRequest, TargetState, Trim, path,
};

use crate::describe::{CLIENT, SERVER};
use crate::{connect, ldif};

pub(crate) const SLAPCAT: &str = "slapcat";
const LDAPSEARCH: &str = "ldapsearch";
const FILE: &str = "backup.ldif";

/// What `*` leaves out and `slapcat` would write: the operational attributes of RFC 4512, 3.4, those of OpenLDAP that identify an entry, and
/// those of the password policy (slapo-ppolicy(5)). `+` would also ask for what the server makes up and slapadd must not store.
const OPERATIONAL: [&str; 15] = [
    "structuralObjectClass",
    "entryUUID",
    "creatorsName",
    "createTimestamp",
    "entryCSN",
    "modifiersName",
    "modifyTimestamp",
    "pwdChangedTime",
    "pwdAccountLockedTime",
    "pwdFailureTime",
    "pwdHistory",
    "pwdGraceUseTime",
    "pwdReset",
    "pwdPolicySubentry",
    "aci",
];

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    if request.native_compression {
        return Err(Failure::settings("OpenLDAP's tools do not compress").hint("use --compress zstd or gzip"));
    }
    let suffix = connect::suffix_of(request.database()?)?;
    let artifact = |format| Artifact::new("ldif", "text/x-ldif", format);
    match request.mode {
        // One answer, not pages of it: it ends with a comment that has the number of entries. The line `version: 1` is no entry, and
        // slapadd would take it for one.
        Mode::Stream => {
            request.need_tool("ldapsearch", CLIENT)?;
            let mut search = connect::search(&request.connection)?
                .flag("-L")
                .extra()
                .pair("-b", suffix)
                .flag("-s")
                .flag("sub")
                .flag("(objectClass=*)")
                .flag("*");
            for name in OPERATIONAL {
                search = search.flag(name);
            }
            for name in request.list("attributes") {
                search = search.value(attribute(name)?);
            }
            let trim = Trim { head_line: Some("version: 1".to_owned()), tail_bytes: 0 };
            let plan = BackupPlan::trimmed_stdout(search, trim, artifact(LDAPSEARCH))
                .file(connect::passfile(&request.connection));
            Ok(if request.connection.user.is_some() || by_mechanism(&request.connection) {
                plan
            } else {
                plan.warning("nobody is logged in: what the directory shows to everybody may be little of it")
            })
        }
        // slapcat says that it ended well by its exit code alone, so the end mark is put behind its entries after that.
        Mode::File => {
            request.need_tool("slapcat", SERVER)?;
            let slapcat = connect::offline("slapcat", request, suffix)?
                .flag("-o")
                .flag("ldif-wrap=no")
                .extra()
                .pair("-l", path(FILE));
            let mark = planb_sdk::Command::tool("tee").flag("-a").value(path(FILE)).stdin(ldif::MARK);
            Ok(BackupPlan::from_file(mark, FILE, artifact(SLAPCAT)).prepare(slapcat))
        }
        Mode::Directory | Mode::Tar => {
            Err(Failure::settings("a directory's dump is one file")
                .hint("leave out --mode, or say --mode stream or file"))
        }
    }
}

/// The entries go into the files of a server that is stopped. All of them are tried first (`-u`): what slapadd would refuse in the middle,
/// it refuses before anything is written.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("slapadd", SERVER)?;
    if ![SLAPCAT, LDAPSEARCH].contains(&request.artifact.format.as_str()) {
        return Err(request.unknown_format());
    }
    if request.target == TargetState::Occupied {
        return Err(Failure::settings(format!("{} holds entries, and slapadd only adds", inner.database()?))
            .hint("stop slapd, move the files of the database away (data.mdb and lock.mdb of its directory), and restore again"));
    }
    let suffix = inner.database()?;
    let slapadd = || Ok::<_, Failure>(connect::offline("slapadd", inner, suffix)?.pair("-l", path(FILE)));
    let add = slapadd()?.flag_if(inner.toggle("quick")?, "-q").flag_if(inner.toggle("syncinfo")?, "-w").extra();
    let plan = RestorePlan::from_file(add, FILE).filtered().prepare(slapadd()?.flag("-u"));
    Ok(plan.warning("slapd has to be stopped meanwhile; afterwards give the database's files to its user (chown -R openldap: /var/lib/ldap) and start it"))
}

/// Logged in by the socket's user or by a certificate.
fn by_mechanism(connection: &Connection) -> bool {
    let socket = connection.socket.is_some() || connection.scheme.as_deref() == Some("ldapi");
    connection.param("mech") == Some("external") || socket
}

/// The name of an attribute with its options (RFC 4512, 2.5).
fn attribute(name: &str) -> Result<&str, Failure> {
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-;.".contains(c));
    if plain { Ok(name) } else { Err(Failure::settings(format!("{name:?} is no name of an attribute"))) }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Sink, Source, testing};

    use super::*;

    fn request() -> Request {
        testing::request("dc=example,dc=org")
            .password()
            .tool("ldapsearch", "2.5.13")
            .tool("slapcat", "2.5")
            .tool("slapadd", "2.5")
    }

    #[test]
    fn over_the_network() {
        let plan = backup(&request().with_setting("attributes", "memberOf, x-y;binary")).unwrap();
        let Source::Stdout(stdout) = &plan.source else { unreachable!("a stream") };
        let command = stdout.command.to_string();
        assert!(
            command.starts_with(
                "ldapsearch -H ldap://db -o nettimeout=10 -x -D app -y {work}/password -o ldif-wrap=no -M -L [extra] \
                 -b dc=example,dc=org -s sub (objectClass=*) * structuralObjectClass entryUUID "
            ),
            "{command}"
        );
        assert!(command.ends_with(" aci memberOf x-y;binary"));
        assert!(backup(&request().with_setting("attributes", "a b")).is_err());
        assert!(backup(&request().with_setting("attributes", "-x")).is_err());
    }

    #[test]
    fn beside_the_server() {
        let plan = backup(&request().mode(Mode::File).with_setting("config-dir", "/etc/ldap/slapd.d")).unwrap();
        assert_eq!(
            plan.prepare[0].to_string(),
            "slapcat -F /etc/ldap/slapd.d -b dc=example,dc=org -o ldif-wrap=no [extra] -l {work}/backup.ldif"
        );
        let Source::File(file) = &plan.source else { unreachable!("a file") };
        assert_eq!(file.command.to_string(), "tee -a {work}/backup.ldif << # planb: slapcat ended well\n");
    }

    #[test]
    fn restores() {
        let artifact = || Artifact::new("ldif", "text/x-ldif", SLAPCAT);
        let plan = restore(&request().with_setting("quick", "true").restore(artifact(), TargetState::Empty)).unwrap();
        assert_eq!(plan.prepare[0].to_string(), "slapadd -b dc=example,dc=org -l {work}/backup.ldif -u");
        let Sink::File(file) = &plan.sink else { unreachable!("a file") };
        assert_eq!(file.command.to_string(), "slapadd -b dc=example,dc=org -l {work}/backup.ldif -q [extra]");
        assert!(plan.filter);
        let mut occupied = request().restore(artifact(), TargetState::Occupied);
        occupied.replace = true;
        assert!(restore(&occupied).unwrap_err().message.contains("only adds"));
        occupied.target = TargetState::Missing;
        occupied.artifact.format = "x".to_owned();
        assert!(restore(&occupied).is_err());
    }
}
