//! A throw-away server, and a small known database in it.

use planb_sdk::{Command, Connection, Failure, Mode, Object, PrivateFile, Request, Scope, ScratchPlan, SeedPlan, path};

use crate::shell;

const DATA: &str = "data";

/// A standalone server with access control, which listens on the loopback interface. Its first user is made by the exception that lets
/// anyone from the same machine do that. (MongoDB manual, "Localhost Exception")
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let port = *ports.first().ok_or_else(|| Failure::plugin("the host gave no port"))?;
    let server = Command::tool("mongod")
        .option("--dbpath", path(DATA))
        .option("--port", port.to_string())
        .flag("--bind_ip=127.0.0.1")
        .flag("--auth")
        .flag("--nounixsocket")
        .flag("--wiredTigerCacheSizeGB=0.25")
        .flag("--setParameter=diagnosticDataCollectionEnabled=false");
    let connection = Connection::loopback(port).user("root").with_secret("password");
    let request = Request {
        connection: connection.clone(),
        scope: Scope::All,
        mode: Mode::Stream,
        native_compression: false,
        settings: Vec::new(),
        extra_args: Vec::new(),
        tools: Vec::new(),
        server_version: None,
        objects: None,
        serve_at: None,
    };
    let (files, ready) = shell::first_user(&request)?;
    Ok(ScratchPlan::server(server, connection, Scope::Database("suite".to_owned()))
        // mongod does not make its folder.
        .file(PrivateFile::new(format!("{DATA}/planb")).text("a throw-away server of Plan B\n"))
        .file(files)
        .ready(ready))
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let holds = [Object::new("collection", "actors").rows(3), Object::new("collection", "movies").rows(3)];
    let (files, command) = shell::seed(request)?;
    Ok(SeedPlan::new(holds).file(files).command(command))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::testing::text;

    #[test]
    fn a_server_with_a_password() {
        let plan = server(&[4001]).unwrap();
        assert_eq!(
            plan.server.unwrap().to_string(),
            "mongod --dbpath={work}/data --port=4001 --bind_ip=127.0.0.1 --auth --nounixsocket --wiredTigerCacheSizeGB=0.25 \
             --setParameter=diagnosticDataCollectionEnabled=false"
        );
        assert!(text(&plan.files[1]).contains("createUser({ user: \"root\", pwd: \"{json password}\""));
        assert!(text(&plan.files[1]).starts_with("const uri = \"mongodb://127.0.0.1:4001/?"));
        assert!(server(&[]).is_err());
        assert_eq!(seed(&testing::request("suite")).unwrap().commands.len(), 1);
    }
}
