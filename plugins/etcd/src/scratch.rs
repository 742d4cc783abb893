//! A throw-away member, and a small known keyspace in it.

use planb_sdk::{Command, Connection, Failure, Object, Request, Scope, ScratchPlan, Secret, SeedPlan, path};

use crate::connect;

const DATA: &str = "data";

const SEED: [(&str, &str); 6] = [
    ("/movies/1", "Metropolis"),
    ("/movies/2", "Casablanca"),
    ("/movies/3", "Rashomon"),
    ("/actors/1", "Brigitte Helm"),
    ("/actors/2", "Ingrid Bergman"),
    ("/actors/3", "Toshiro Mifune"),
];

/// A cluster of one member on the loopback interface that demands the password of its user `root`.
///
/// The users are in the snapshot: after a restore authentication is on already, with the password of the member that was backed
/// up, and the commands that turn it on fail. So they may, and `ping` tells whether the password is right.
pub(crate) fn server(ports: &[u16]) -> Result<ScratchPlan, Failure> {
    let [client, peer, ..] = ports else { return Err(Failure::plugin("the host gave too few ports")) };
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut connection = Connection::loopback(*client).user("root").with_secret("password");
    connection.scheme = Some("etcd".to_owned());
    let server = Command::tool("etcd")
        .flag("--name=default")
        .option("--data-dir", path(DATA))
        .option("--listen-client-urls", client_url.clone())
        .option("--advertise-client-urls", client_url)
        .option("--listen-peer-urls", peer_url.clone())
        .option("--initial-advertise-peer-urls", peer_url.clone())
        .option("--initial-cluster", format!("default={peer_url}"));
    let ask = || connect::etcdctl(&connection).map(|command| command.ok(0).ok(1));
    let add = ask()?
        .flag("user")
        .flag("add")
        .flag("--interactive=false")
        .flag("root")
        .stdin(Secret::raw("password"))
        .stdin("\n");
    let role = ask()?.flag("role").flag("add").flag("root");
    let grant = ask()?.flag("user").flag("grant-role").flag("root").flag("root");
    let enable = ask()?.flag("auth").flag("enable");
    Ok(ScratchPlan::server(server, connection, Scope::All)
        .ready(add)
        .ready(role)
        .ready(grant)
        .ready(enable)
        .setting("data-dir", path(DATA))
        .setting("peer-urls", peer_url)
        .restore_stopped())
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let mut plan =
        SeedPlan::new([Object::new("prefix", "/actors/").rows(3), Object::new("prefix", "/movies/").rows(3)]);
    for (key, value) in SEED {
        plan = plan.command(connect::etcdctl(&request.connection)?.flag("put").flag(key).flag(value));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch() {
        let plan = server(&[1, 2, 3]).unwrap();
        assert_eq!(
            plan.ready[0].to_string(),
            "ETCDCTL_USER=root ETCDCTL_PASSWORD={secret password} etcdctl --endpoints=http://127.0.0.1:1 --dial-timeout=5s \
             --command-timeout=5s user add --interactive=false root << {secret password}\n"
        );
        assert!(plan.server.unwrap().to_string().contains("--data-dir={work}/data "));
        assert!(server(&[1]).is_err());
    }
}
