//! How a snapshot is saved, and how a new data directory is made of it (etcd's operations guide, "Disaster recovery").

use planb_sdk::{
    Artifact, BackupPlan, Command, Failure, FailureCode, Mode, Request, RestorePlan, RestoreRequest, Scope, Version,
    path,
};

use crate::connect;
use crate::describe::CLIENT;

const SNAPSHOT: &str = "snapshot.db";

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("etcdctl", CLIENT)?;
    whole(request)?;
    if request.native_compression {
        return Err(Failure::settings("etcdctl cannot compress").hint("use --compress zstd or gzip"));
    }
    if request.mode != Mode::File {
        return Err(Failure::settings("etcdctl saves a snapshot only into a file").hint("leave out --mode"));
    }
    // It writes beside the file, syncs it, and renames it once the server sent all.
    let save = connect::one_member(&request.connection)?.flag("snapshot").flag("save").extra().value(path(SNAPSHOT));
    let plan = BackupPlan::from_file(save, SNAPSHOT, Artifact::new("db", "application/octet-stream", "snapshot"));
    Ok(match request.connection.others.len() {
        0 => plan,
        _ => plan.warning(format!(
            "a snapshot is of one member: this one is of {}, the first in the URL",
            connect::first_endpoint(&request.connection)?
        )),
    })
}

/// A restore makes a new member's data directory. It never touches a running cluster, and both tools refuse a
/// directory that exists.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    whole(inner)?;
    if request.artifact.format != "snapshot" {
        return Err(request.unknown_format());
    }
    let Some(data) = inner.text("data-dir") else {
        return Err(Failure::settings("etcd restores into a new data directory, and none is named")
            .hint("add --option data-dir=/var/lib/etcd-restored; then start etcd with --data-dir of it"));
    };
    let bump = inner.number("bump-revision")?.filter(|&by| by > 0);
    let tool = tool(inner, bump.is_some())?;
    let name = inner.text("member-name").unwrap_or("default");
    let peers = inner.text("peer-urls").unwrap_or("http://localhost:2380");
    let cluster = inner.text("initial-cluster").map_or_else(|| alone(name, peers), str::to_owned);
    let mut command = tool
        .flag("snapshot")
        .flag("restore")
        .option("--data-dir", data)
        .option_if("--wal-dir", inner.text("wal-dir"))
        .option("--name", name)
        .option("--initial-advertise-peer-urls", peers)
        .option("--initial-cluster", cluster)
        .option("--initial-cluster-token", inner.text("cluster-token").unwrap_or("etcd-cluster"));
    if let Some(by) = bump {
        command = command.option("--bump-revision", by.to_string()).flag("--mark-compacted");
    }
    let plan = RestorePlan::from_file(command.extra().value(path(SNAPSHOT)), SNAPSHOT);
    Ok(plan.warning(format!(
        "{data} belongs to the user that ran planb: give it to the user that runs etcd, and start every member of the new cluster from this backup"
    )))
}

/// `etcdutl` where it is: from 3.6 `etcdctl` restores no more.
fn tool(request: &Request, bump: bool) -> Result<Command, Failure> {
    if request.has_tool("etcdutl") {
        return Ok(Command::tool("etcdutl"));
    }
    let hint = "install etcdutl (etcd-client from Debian 13 on), or point --tool-path etcdutl=/path/to/etcdutl at it";
    if bump {
        let failure = Failure::tool("only etcdutl can raise the revision, and it is not installed");
        return Err(failure.code(FailureCode::ToolUnfit).hint(hint));
    }
    request.need_tool("etcdctl", CLIENT)?;
    if request.tool_version("etcdctl").is_some_and(|found| found >= Version::new(3, 6, 0)) {
        let failure = Failure::tool("etcdctl restores no snapshot from version 3.6 on, and etcdutl is not installed");
        return Err(failure.code(FailureCode::ToolUnfit).hint(hint));
    }
    Ok(Command::tool("etcdctl"))
}

/// A cluster of one member: each of its peer URLs under its name.
fn alone(name: &str, peers: &str) -> String {
    let members: Vec<_> = peers.split(',').map(|url| format!("{name}={url}")).collect();
    members.join(",")
}

fn whole(request: &Request) -> Result<(), Failure> {
    match request.scope {
        Scope::All => Ok(()),
        Scope::Database(_) | Scope::Globals => Err(Failure::unsupported("etcd has one keyspace and no databases")
            .hint("leave the database out: etcd://host:2379")),
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Sink, Source, TargetState, testing};

    use super::*;

    fn request() -> Request {
        testing::request("").scope(Scope::All).password().mode(Mode::File).tool("etcdctl", "3.5.16")
    }

    #[test]
    fn backups() {
        let plan = backup(&request()).unwrap();
        let Source::File(file) = &plan.source else { unreachable!("a snapshot is a file") };
        assert_eq!(
            file.command.to_string(),
            "ETCDCTL_USER=app ETCDCTL_PASSWORD={secret password} etcdctl --endpoints=http://db:2379 --dial-timeout=5s \
             --command-timeout=5s snapshot save [extra] {work}/snapshot.db"
        );
        assert!(backup(&request().mode(Mode::Stream)).is_err());
        assert!(backup(&request().scope(Scope::Database("x".to_owned()))).is_err());
    }

    fn command(request: Request) -> Result<String, Failure> {
        let artifact = Artifact::new("db", "application/octet-stream", "snapshot");
        match restore(&request.restore(artifact, TargetState::Unknown))?.sink {
            Sink::File(input) => Ok(input.command.to_string()),
            _ => unreachable!("a snapshot is a file"),
        }
    }

    #[test]
    fn restores() {
        assert!(command(request()).unwrap_err().hint.unwrap().contains("data-dir"));
        let here = request().with_setting("data-dir", "/new dir");
        let rest = "snapshot restore --data-dir=/new dir --name=default --initial-advertise-peer-urls=http://localhost:2380 \
                    --initial-cluster=default=http://localhost:2380 --initial-cluster-token=etcd-cluster [extra] {work}/snapshot.db";
        assert_eq!(command(here.clone()).unwrap(), format!("etcdctl {rest}"));
        assert_eq!(command(here.clone().tool("etcdutl", "3.5.16")).unwrap(), format!("etcdutl {rest}"));
        let two = here.clone().with_setting("member-name", "b").with_setting("peer-urls", "http://b:1,http://b:2");
        assert!(command(two).unwrap().contains("--initial-cluster=b=http://b:1,b=http://b:2 "));
        assert!(command(here.clone().with_setting("bump-revision", "5")).is_err());
        let bumped = command(here.tool("etcdutl", "3.6.1").with_setting("bump-revision", "5")).unwrap();
        assert!(bumped.contains("--bump-revision=5 --mark-compacted"));
        let mut newer = request().with_setting("data-dir", "/d");
        newer.tools.clear();
        assert_eq!(command(newer.tool("etcdctl", "3.6.0")).unwrap_err().code, FailureCode::ToolUnfit);
    }
}
