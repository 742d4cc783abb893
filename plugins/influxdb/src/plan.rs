//! How a portable backup is made and put back (InfluxDB 1.8 documentation, "Back up and restore InfluxDB OSS").

use planb_sdk::{
    Artifact, BackupPlan, Command, Failure, Mode, Request, RestorePlan, RestoreRequest, Scope, TargetState, path,
};

use crate::connect;
use crate::describe::{CLIENT, SERVER};

const DUMP: &str = "dump";
const FORMAT: &str = "portable";

/// `influxd restore` ends when it has sent the last shard, and the server opens that one only then: until it has, queries fail with "shard is
/// disabled", and an error of the server is told to nobody. A backup of nothing, of what was written after the last moment that InfluxDB
/// knows, has to read each shard, and tries again while one is not open.
const NEVER: &str = "2262-01-01T00:00:00Z";
const SETTLED: &str = "settled";

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("influxd", SERVER)?;
    request.need_tool("influx", CLIENT)?;
    if request.native_compression {
        return Err(Failure::settings("influxd compresses its files always").hint("leave out --compress native"));
    }
    if !matches!(request.mode, Mode::Directory | Mode::Tar) {
        return Err(
            Failure::settings("influxd writes a directory").hint("leave out --mode, or say --mode directory or tar")
        );
    }
    let influxd =
        Command::tool("influxd").flag("backup").flag("-portable").pair("-host", connect::service(request)?).extra();
    let (influxd, check) = match &request.scope {
        Scope::Database(name) => {
            let check = format!("SHOW RETENTION POLICIES ON {}", connect::identifier(name)?);
            (influxd.pair("-db", name.clone()), check)
        }
        Scope::All => (influxd, "SHOW DATABASES".to_owned()),
        Scope::Globals => {
            return Err(Failure::unsupported("influxd backs up databases, with the users in each backup"));
        }
    };
    // The backup service asks nobody for a password, and `influxd backup` tries for four minutes to reach one that is not there.
    let check = connect::ask(&request.connection, check)?;
    let artifact = Artifact::new("influx", "application/octet-stream", FORMAT).compressed(true);
    Ok(BackupPlan::from_tree(influxd.value(path(DUMP)), DUMP, artifact).prepare(check))
}

/// A restore makes a database, and refuses one that exists. So what is there goes first, where it may.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("influxd", SERVER)?;
    inner.need_tool("influx", CLIENT)?;
    request.refuse_occupied()?;
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    let there = matches!(request.target, TargetState::Empty | TargetState::Occupied);
    let influxd =
        Command::tool("influxd").flag("restore").flag("-portable").pair("-host", connect::service(inner)?).extra();
    let (influxd, first) = match (&inner.scope, &request.source_scope) {
        (Scope::Database(into), source) => {
            // Out of a backup of everything, the database of the same name.
            let from = if let Scope::Database(from) = source { from } else { into };
            let mut influxd = influxd.pair("-db", from.clone());
            if from != into {
                influxd = influxd.pair("-newdb", into.clone());
            }
            let name = connect::identifier(into)?;
            (influxd, if there { format!("DROP DATABASE {name}") } else { "SHOW DATABASES".to_owned() })
        }
        (Scope::All, Scope::All) if request.target == TargetState::Occupied => {
            return Err(Failure::settings(
                "the server holds databases, and restoring all of them over these is not done",
            )
            .hint("restore one after the other, --db influxdb://host/name --replace, or into a new server"));
        }
        (Scope::All, Scope::All) => (influxd, "SHOW DATABASES".to_owned()),
        (Scope::All, _) => {
            return Err(Failure::settings("the backup is of one database").hint("name the one to restore into"));
        }
        (Scope::Globals, _) => return Err(Failure::unsupported("influxd restores databases")),
    };
    let first = connect::ask(&inner.connection, first)?;
    let mut plan = RestorePlan::from_tree(influxd.value(path(DUMP)), DUMP);
    if there {
        // A copy of the metastore alone: nothing is dropped before the backup service has answered.
        let probe =
            Command::tool("influxd").flag("backup").pair("-host", connect::service(inner)?).value(path("probe"));
        plan = plan.prepare(probe);
    }
    let settle = Command::tool("influxd").flag("backup").flag("-portable").pair("-host", connect::service(inner)?);
    let settle = match &inner.scope {
        Scope::Database(name) => settle.pair("-db", name.clone()),
        Scope::All | Scope::Globals => settle,
    };
    let settle = settle.flag("-since").flag(NEVER).value(path(SETTLED));
    let plan = plan.prepare(first).finish(settle);
    Ok(plan.warning("users and their rights are not restored by influxd: make them again where they are missing"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Sink, Source, testing};

    use super::*;

    fn request() -> Request {
        testing::request("cinema").password().mode(Mode::Directory).tool("influxd", "1.6.7").tool("influx", "1.6.7")
    }

    #[test]
    fn backups() {
        let plan = backup(&request().with_setting("rpc-port", "9")).unwrap();
        let Source::Tree(tree) = &plan.source else { unreachable!("a directory") };
        assert_eq!(tree.command.to_string(), "influxd backup -portable -host db:9 [extra] -db cinema {work}/dump");
        assert!(plan.prepare[0].to_string().ends_with("-execute <SHOW RETENTION POLICIES ON \"cinema\">"));
        let plan = backup(&request().scope(Scope::All).mode(Mode::Tar)).unwrap();
        let Source::Tree(tree) = &plan.source else { unreachable!("a directory") };
        assert_eq!(tree.command.to_string(), "influxd backup -portable -host db:8088 [extra] {work}/dump");
        assert!(backup(&request().mode(Mode::Stream)).is_err());
        assert!(backup(&request().scope(Scope::Globals)).is_err());
    }

    #[test]
    fn restores() {
        let artifact = || Artifact::new("influx", "application/octet-stream", FORMAT);
        let command = |plan: &RestorePlan| match &plan.sink {
            Sink::Tree(tree) => tree.command.to_string(),
            _ => unreachable!("a directory"),
        };
        let mut into = request().restore(artifact(), TargetState::Missing);
        assert_eq!(
            command(&restore(&into).unwrap()),
            "influxd restore -portable -host db:8088 [extra] -db cinema {work}/dump"
        );
        assert_eq!(
            restore(&into).unwrap().finish[0].to_string(),
            "influxd backup -portable -host db:8088 -db cinema -since 2262-01-01T00:00:00Z {work}/settled"
        );
        into.source_scope = Scope::Database("old".to_owned());
        assert!(command(&restore(&into).unwrap()).contains("-db old -newdb cinema "));
        into.target = TargetState::Occupied;
        assert!(restore(&into).is_err());
        into.replace = true;
        let plan = restore(&into).unwrap();
        assert_eq!(plan.prepare[0].to_string(), "influxd backup -host db:8088 {work}/probe");
        assert!(plan.prepare[1].to_string().ends_with("<DROP DATABASE \"cinema\">"));
        into.source_scope = Scope::All;
        assert!(command(&restore(&into).unwrap()).contains("-db cinema {work}"));
        into.request.scope = Scope::All;
        assert!(restore(&into).is_err());
        into.target = TargetState::Empty;
        assert_eq!(command(&restore(&into).unwrap()), "influxd restore -portable -host db:8088 [extra] {work}/dump");
    }
}
