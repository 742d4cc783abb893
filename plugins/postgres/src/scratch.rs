//! A throw-away server, and a small known database in it.

use planb_sdk::{Command, Connection, Failure, Object, Request, Scope, ScratchPlan, SeedPlan, path};

use crate::connect;

const DATA: &str = "data";

const SEED: &str = "\
BEGIN;
CREATE TABLE public.movies (id integer PRIMARY KEY, title text NOT NULL, year integer);
INSERT INTO public.movies VALUES (1, 'Metropolis', 1927), (2, 'Casablanca', 1942), (3, 'Rashomon', 1950);
CREATE TABLE public.actors (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO public.actors VALUES (1, 'Brigitte Helm'), (2, 'Ingrid Bergman'), (3, 'Toshiro Mifune');
COMMIT;
";

/// The server listens on a unix socket inside its data directory, which only its owner may enter (initdb makes it 0700),
/// and on no network at all: so it needs no password, and no other user of the machine gets in.
pub(crate) fn server(port: u16) -> ScratchPlan {
    let init = Command::tool("initdb")
        .option("--pgdata", path(DATA))
        .flag("--username=postgres")
        .flag("--auth=trust")
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
    ScratchPlan {
        files: Vec::new(),
        prepare: vec![init],
        server: Some(server),
        connection: Connection {
            socket: Some(DATA.to_owned()),
            port: Some(port),
            user: Some("postgres".to_owned()),
            ..Connection::empty()
        },
        scope: Scope::Database("postgres".to_owned()),
    }
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    Ok(SeedPlan {
        files: connect::passfile(request).into_iter().collect(),
        commands: vec![connect::psql(request, connect::home(request))?.stdin(SEED)],
        holds: vec![Object::new("table", "public.actors").rows(3), Object::new("table", "public.movies").rows(3)],
    })
}
