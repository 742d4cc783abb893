//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const CONF: &str = "influxdb.conf";
const DATABASE: &str = "cinema";
const SEED: &str = "seed.txt";

/// Line protocol (InfluxDB 1.8 documentation, "Import data from a file with -import").
const LINES: &str = "\
# DDL
CREATE DATABASE cinema
# DML
# CONTEXT-DATABASE: cinema
movies,title=Metropolis year=1927i 1000000000
movies,title=Casablanca year=1942i,rating=8.5 2000000000
movies,title=Rashomon year=1950i 3000000000
actors,name=Brigitte\\ Helm born=1906i 1000000000
actors,name=Ingrid\\ Bergman born=1915i 2000000000
actors,name=Toshiro\\ Mifune born=1920i 3000000000
";

/// A server on the loopback interface that demands the password for its data. (Its backup service, on another port, knows no passwords.)
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let [http, service, ..] = ports else { return Err(Failure::plugin("the host gave too few ports")) };
    let conf = PrivateFile::new(CONF)
        .text(format!("reporting-disabled = true\nbind-address = \"127.0.0.1:{service}\"\n[meta]\ndir = \""))
        .path(path("meta"))
        .text("\"\n[data]\ndir = \"")
        .path(path("data"))
        .text("\"\nwal-dir = \"")
        .path(path("wal"))
        .text(format!("\"\nquery-log-enabled = false\n[monitor]\nstore-enabled = false\n[http]\nbind-address = \"127.0.0.1:{http}\"\n"))
        .text("auth-enabled = true\nlog-enabled = false\n[logging]\nlevel = \"error\"\n");
    let server = Command::tool("influxd").flag("run").pair("-config", path(CONF));
    let mut connection = Connection::loopback(*http).user("admin").with_secret("password");
    connection.scheme = Some("influxdb".to_owned());
    // From stdin: a statement with a password is no argument. The first admin needs no login.
    let admin = connect::influx(&connection)?
        .stdin("CREATE USER admin WITH PASSWORD '")
        .stdin(Secret::backslash("password", "\\'", "\n\r"))
        .stdin("' WITH ALL PRIVILEGES");
    Ok(ScratchPlan::server(server, connection, Scope::Database(DATABASE.to_owned()))
        .file(conf)
        .ready(admin)
        .setting("rpc-port", service.to_string()))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [
        Object::new("field", "actors.born").rows(3),
        Object::new("field", "movies.rating").rows(1),
        Object::new("field", "movies.year").rows(3),
    ];
    let import =
        connect::influx(&request.connection)?.flag("-import").option("-path", path(SEED)).flag("-precision=ns");
    Ok(SeedPlan::new(holds).file(PrivateFile::new(SEED).text(LINES)).command(import))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch() {
        let plan = server(&[1, 2, 3]).unwrap();
        assert_eq!(plan.server.unwrap().to_string(), "influxd run -config {work}/influxdb.conf");
        assert!(plan.ready[0].to_string().ends_with("'{secret password}' WITH ALL PRIVILEGES"));
        assert!(server(&[1]).is_err());
    }
}
