//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const ROOT: &str = "root";
const LOCK: &str = "lock/mark";
const DATABASE: &str = "scratch";

const SEED: &str = "\
CREATE TABLE MOVIES (ID INTEGER PRIMARY KEY, TITLE VARCHAR(60) NOT NULL, YR INTEGER);
CREATE TABLE ACTORS (ID INTEGER PRIMARY KEY, NAME VARCHAR(60) NOT NULL);
COMMIT;
INSERT INTO MOVIES VALUES (1, 'Metropolis', 1927);
INSERT INTO MOVIES VALUES (2, 'Casablanca', 1942);
INSERT INTO MOVIES VALUES (3, 'Rashomon', 1950);
INSERT INTO ACTORS VALUES (1, 'Brigitte Helm');
INSERT INTO ACTORS VALUES (2, 'Ingrid Bergman');
INSERT INTO ACTORS VALUES (3, 'Toshiro Mifune');
COMMIT;
";

/// A server on the loopback interface with its own configuration, locks and users, which lets in only who has the password.
///
/// The variable FIREBIRD names the folder of firebird.conf, databases.conf and plugins.conf. The first user is made by the engine
/// inside isql (Firebird 3.0 Release Notes, "Initializing the Security Database"), before the server runs.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let [port, events, ..] = ports else { return Err(Failure::plugin("the host gave too few ports")) };
    let conf = PrivateFile::new("root/firebird.conf")
        .text(format!("RemoteServicePort = {port}\nRemoteAuxPort = {events}\nRemoteBindAddress = 127.0.0.1\n"))
        .text("ServerMode = Super\nAuthServer = Srp\nAuthClient = Srp\nUserManager = Srp\nWireCrypt = Enabled\n")
        .text("SecurityDatabase = ")
        .path(path("security.fdb"))
        .text("\nDatabaseAccess = Restrict ")
        .path(path(""))
        .text("\n");
    let aliases = PrivateFile::new("root/databases.conf").text("scratch = ").path(path("scratch.fdb")).text("\n");
    let here = |command: Command| command.env("FIREBIRD", path(ROOT)).env("FIREBIRD_LOCK", path("lock"));
    let users = here(connect::options())
        .flag("-user")
        .flag("SYSDBA")
        .stdin("CREATE DATABASE '")
        .stdin(path("security.fdb"))
        .stdin("';\nCREATE USER SYSDBA PASSWORD '")
        .stdin(Secret::doubled("password", "'"))
        .stdin("';\nCOMMIT;\n");
    let connection = Connection::loopback(*port).user("SYSDBA").with_secret("password");
    let create = connect::login(connect::options(), &connection)
        .stdin(format!("CREATE DATABASE '127.0.0.1/{port}:{DATABASE}' PAGE_SIZE 8192 DEFAULT CHARACTER SET UTF8;\n"))
        // It is there already after a restore.
        .ok(0)
        .ok(1);
    Ok(ScratchPlan::server(here(Command::tool("firebird")), connection.clone(), Scope::Database(DATABASE.to_owned()))
        .file([conf, aliases, PrivateFile::new("root/plugins.conf"), PrivateFile::new(LOCK)])
        .file(connect::passfile(&connection))
        .prepare(users)
        .ready(create))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("table", "ACTORS").rows(3), Object::new("table", "MOVIES").rows(3)];
    Ok(SeedPlan::new(holds)
        .file(connect::passfile(&request.connection))
        .command(connect::isql(request, request.database()?)?.stdin(SEED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch() {
        let plan = server(&[1, 2, 3]).unwrap();
        assert_eq!(
            plan.prepare[0].to_string(),
            "FIREBIRD={work}/root FIREBIRD_LOCK={work}/lock isql -quiet -bail -nowarnings -nodbtriggers -charset UTF8 -user SYSDBA \
             << CREATE DATABASE '{work}/security.fdb';\nCREATE USER SYSDBA PASSWORD '{secret password}';\nCOMMIT;\n"
        );
        assert!(server(&[1]).is_err());
    }
}
