//! A throw-away server, and a small known database in it.

use planb_sdk::{Command, Connection, Failure, Object, Request, Scope, ScratchPlan, Secret, SeedPlan, path};

use crate::{connect, query};

const SEED: &str = "\
const movies = db._create('movies');
[['1', 'Metropolis', 1927], ['2', 'Casablanca', 1942], ['3', 'Rashomon', 1950]].forEach(m => movies.insert({ _key: m[0], title: m[1], year: m[2] }));
const actors = db._create('actors');
[['1', 'Brigitte Helm'], ['2', 'Ingrid Bergman'], ['3', 'Toshiro Mifune']].forEach(a => actors.insert({ _key: a[0], name: a[1] }));
";

/// The packages' own configuration tells where the server's scripts are; all that matters is said here. The first start makes the
/// account root with the password of ARANGODB_DEFAULT_ROOT_PASSWORD, as the official image does it.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let place = |command: Command| {
        command
            .option("--database.directory", path("data"))
            .option("--javascript.app-path", path("apps"))
            .option("--temp.path", path("temp"))
            .flag("--log.file=-")
            .flag("--log.foreground-tty=false")
            .flag("--server.statistics=false")
    };
    let init = place(Command::tool("arango-init-database"))
        .flag("--server.rest-server=false")
        .flag("--database.init-database=true")
        .env("ARANGODB_DEFAULT_ROOT_PASSWORD", Secret::raw("password"));
    let server = place(Command::tool("arangod"))
        .option("--server.endpoint", format!("tcp://127.0.0.1:{port}"))
        .flag("--server.authentication=true");
    let connection = Connection::loopback(port).user("root").with_secret("password");
    Ok(ScratchPlan::server(server, connection, Scope::Database("_system".to_owned())).prepare(init))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("collection", "actors").rows(3), Object::new("collection", "movies").rows(3)];
    Ok(SeedPlan::new(holds).file(connect::files(request)).file(query::script(SEED)).command(connect::shell(
        request,
        request.database()?,
        query::SCRIPT,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_its_own() {
        let plan = server(&[9123]).unwrap();
        assert!(
            plan.server
                .unwrap()
                .to_string()
                .ends_with("--server.endpoint=tcp://127.0.0.1:9123 --server.authentication=true")
        );
        assert!(
            plan.prepare[0]
                .to_string()
                .starts_with("ARANGODB_DEFAULT_ROOT_PASSWORD={secret password} arango-init-database ")
        );
        assert!(server(&[]).is_err());
    }
}
