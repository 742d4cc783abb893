//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::connect;

const DATA: &str = "data";
const PASSWORD: &str = "password";

const SEED: &str = "\
BEGIN;
CREATE TABLE public.movies (id integer PRIMARY KEY, title text NOT NULL, year integer);
INSERT INTO public.movies VALUES (1, 'Metropolis', 1927), (2, 'Casablanca', 1942), (3, 'Rashomon', 1950);
CREATE TABLE public.actors (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO public.actors VALUES (1, 'Brigitte Helm'), (2, 'Ingrid Bergman'), (3, 'Toshiro Mifune');
COMMIT;
";

/// The server listens on a unix socket inside its data directory, which only its owner may enter (initdb makes it 0700),
/// and on no network at all, so no other user of the machine gets in.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let init = Command::tool("initdb")
        .option("--pgdata", path(DATA))
        .flag("--username=postgres")
        .flag("--auth=scram-sha-256")
        .option("--pwfile", path(PASSWORD))
        .flag("--encoding=UTF8")
        .flag("--locale=C")
        .flag("--no-sync");
    let server = Command::tool("postgres")
        .pair("-D", path(DATA))
        .pair("-k", path(DATA))
        .pair("-p", port.to_string())
        .flag("-c")
        .flag("listen_addresses=")
        .flag("-c")
        .flag("fsync=off");
    let mut connection = Connection::at_socket(DATA).user("postgres").with_secret("password");
    // The socket is named after the port.
    connection.port = Some(port);
    Ok(ScratchPlan::server(server, connection, Scope::Database("postgres".to_owned()))
        .file(PrivateFile::new(PASSWORD).secret(Secret::raw("password")).text("\n"))
        .prepare(init)
        // A throw-away server has none of the source's roles.
        .setting("no-owner", "true")
        .setting("no-privileges", "true"))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("table", "public.actors").rows(3), Object::new("table", "public.movies").rows(3)];
    Ok(SeedPlan::new(holds)
        .file(connect::passfile(request))
        .command(connect::psql(request, request.database()?)?.stdin(SEED)))
}
