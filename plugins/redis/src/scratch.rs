//! A throw-away server, and a small known database in it.

use planb_sdk::{
    Command, Connection, Failure, Object, PrivateFile, Request, Scope, ScratchPlan, Secret, SeedPlan, path,
};

use crate::{connect, groups};

const CONFIG: &str = "redis.conf";

/// Values are quoted as sdssplitargs reads them (src/sds.c). One thing differs from the defaults: a replica is served at once, instead
/// of waiting five seconds for others to come.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let config = PrivateFile::new(CONFIG)
        .text(format!(
            "bind 127.0.0.1\nport {port}\nprotected-mode yes\ndaemonize no\nsave \"\"\nappendonly no\nrepl-diskless-sync yes\n\
             repl-diskless-sync-delay 0\nlogfile \"\"\ndir \""
        ))
        .path(path(""))
        .text("\"\nrequirepass \"")
        .secret(Secret::quoted("password"))
        .text("\"\n");
    let connection = Connection::loopback(port).with_secret("password");
    Ok(ScratchPlan::server(Command::tool("redis-server").value(path(CONFIG)), connection, Scope::All).file(config))
}

const SEED: &str = "\
HSET movies:1 title Metropolis year 1927\r
HSET movies:2 title Casablanca year 1942\r
HSET movies:3 title Rashomon year 1950\r
SET actors:1 \"Brigitte Helm\"\r
RPUSH actors:2 Ingrid Bergman\r
ZADD actors:3 1920 Toshiro 1997 Mifune\r
";

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [
        groups::database(0, 6),
        groups::of_type(0, "hash", 3),
        groups::of_type(0, "string", 1),
        groups::with_prefix(0, Some(b"actors"), 3),
        groups::with_prefix(0, Some(b"movies"), 3),
    ];
    let holds: [Object; 5] = holds;
    Ok(SeedPlan::new(holds).command(connect::cli(request)?.flag("--pipe").stdin(SEED)))
}
