//! A throw-away server, and a few items in it.

use planb_sdk::{Command, Connection, Failure, Request, Scope, ScratchPlan, SeedPlan};

use crate::{connect, groups};

/// It asks for no password: see [`connect`]. It listens on the loopback interface only.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let server = Command::tool("memcached")
        .flag("-l")
        .flag("127.0.0.1")
        .pair("-p", port.to_string())
        .flag("-U")
        .flag("0")
        .flag("-m")
        .flag("64");
    Ok(ScratchPlan::server(server, Connection::loopback(port), Scope::All))
}

const SEED: &str = "\
set movies:1 0 0 10\r\nMetropolis\r\n\
set movies:2 1 0 10\r\nCasablanca\r\n\
set movies:3 2 3600 8\r\nRashomon\r\n\
set actors:1 0 0 13\r\nBrigitte Helm\r\n\
set actors:2 0 0 14\r\nIngrid Bergman\r\n\
set actors:3 0 0 14\r\nToshiro Mifune\r\n";

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [groups::all(6), groups::with_prefix(Some(b"actors"), 3), groups::with_prefix(Some(b"movies"), 3)];
    Ok(SeedPlan::new(holds).command(connect::talk(request)?.stdin(SEED)))
}
