//! A throw-away server, and a small known directory in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const SUFFIX: &str = "ou=cinema";
const CONF: &str = "slapd.conf";

/// So much schema that no file of the system's is needed (RFC 4519).
const SCHEMA: &str = "\
attributetype ( 2.5.4.11 NAME ( 'ou' 'organizationalUnitName' ) SUP name )
objectclass ( 2.5.6.5 NAME 'organizationalUnit' SUP top STRUCTURAL MUST ou MAY description )
objectclass ( 2.5.6.14 NAME 'device' SUP top STRUCTURAL MUST cn MAY ( ou $ description ) )
";

const SEED: &str = "\
dn: ou=cinema
objectClass: organizationalUnit
ou: cinema

dn: ou=movies,ou=cinema
objectClass: organizationalUnit
ou: movies

dn: ou=actors,ou=cinema
objectClass: organizationalUnit
ou: actors

dn: cn=Metropolis,ou=movies,ou=cinema
objectClass: device
cn: Metropolis
description: 1927

dn: cn=Casablanca,ou=movies,ou=cinema
objectClass: device
cn: Casablanca
description: 1942

dn: cn=Rashomon,ou=movies,ou=cinema
objectClass: device
cn: Rashomon
description: 1950

dn: cn=Brigitte Helm,ou=actors,ou=cinema
objectClass: device
cn: Brigitte Helm

dn: cn=Ingrid Bergman,ou=actors,ou=cinema
objectClass: device
cn: Ingrid Bergman

dn: cn=Toshiro Mifune,ou=actors,ou=cinema
objectClass: device
cn: Toshiro Mifune
";

/// A server on the loopback interface that shows nothing to who does not log in.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let conf = PrivateFile::new(CONF)
        .text("moduleload back_mdb\n")
        .text(SCHEMA)
        .text("pidfile \"")
        .path(path("slapd.pid"))
        .text("\"\ndisallow bind_anon\nrequire authc\ndatabase mdb\nsuffix \"ou=cinema\"\nrootdn \"cn=admin,ou=cinema\"\nrootpw \"")
        .secret(Secret::quoted("password"))
        .text("\"\nmaxsize 1073741824\ndirectory \"")
        .path(path("db"))
        .text("\"\n");
    let server = Command::tool("slapd")
        .pair("-f", path(CONF))
        .pair("-h", format!("ldap://127.0.0.1:{port}/"))
        // In the foreground.
        .flag("-d")
        .flag("0");
    let mut connection = Connection::loopback(port).user("cn=admin,ou=cinema").with_secret("password");
    connection.scheme = Some("ldap".to_owned());
    Ok(ScratchPlan::server(server, connection, Scope::Database(SUFFIX.to_owned()))
        // The directory has to be there.
        .file([conf, PrivateFile::new("db/mark")])
        .setting("config-file", path(CONF))
        .restore_stopped())
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [
        Object::new("container", "ou=actors,ou=cinema").rows(3),
        Object::new("container", "ou=movies,ou=cinema").rows(3),
    ];
    Ok(SeedPlan::new(holds)
        .file(connect::passfile(&request.connection))
        .command(connect::client("ldapadd", &request.connection)?.stdin(SEED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch() {
        let plan = server(&[1389]).unwrap();
        assert_eq!(plan.server.unwrap().to_string(), "slapd -f {work}/slapd.conf -h ldap://127.0.0.1:1389/ -d 0");
        assert!(server(&[]).is_err());
    }
}
