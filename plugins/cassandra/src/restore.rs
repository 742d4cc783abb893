//! How a keyspace is put back: the files are unpacked, the schema is made, and the files of each table are loaded.

use planb_sdk::{Command, Failure, RestorePlan, RestoreRequest, Scope, TargetState};

use crate::backup::{self, SCHEMA};
use crate::connect::{self, plain_name};
use crate::describe::CASSANDRA;

/// The folder below `import-dir` that the files are unpacked into.
const LOAD: &str = "planb-load";

/// The tables and materialized views of a backup, by the inspection in its manifest.
pub(crate) fn tables<'a>(request: &'a RestoreRequest, keyspace: &'a str) -> impl Iterator<Item = &'a str> {
    let data = request.objects.iter().filter(|object| matches!(object.kind.as_str(), "table" | "materialized-view"));
    data.filter_map(move |object| object.name.strip_prefix(keyspace)?.strip_prefix('.'))
}

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let keyspace = connect::keyspace(inner)?;
    if backup::tables_of(&request.artifact.format).is_none() {
        return Err(request.unknown_format());
    }
    if request.source_scope != Scope::Database(keyspace.to_owned()) {
        return Err(Failure::settings("a keyspace goes back under its own name: its schema and its files hold it")
            .hint("restore into the keyspace of the same name, on this cluster with --replace or on another"));
    }
    connect::known_server(inner)?;
    request.refuse_occupied()?;
    backup::gnu(inner, "tar", "GNU tar")?;
    let tables: Vec<_> = tables(request, keyspace).collect();
    if let Some(name) = tables.iter().find(|name| !plain_name(name)) {
        return Err(Failure::damaged(format!("the backup's manifest names a table {name:?}, which cannot be one")));
    }

    let plan = import(request, keyspace, &tables)?;
    let plan = plan.file(connect::cqlsh_files(inner)?).file(connect::nodetool_files(inner)?);
    Ok(if request.replace && request.target == TargetState::Occupied {
        plan.warning("the old keyspace is dropped before the backup is loaded; where auto_snapshot is on, the node keeps a snapshot of it")
    } else {
        plan
    })
}

/// Drops what may be dropped, and makes the schema.
fn schema(plan: RestorePlan, request: &RestoreRequest, keyspace: &str, file: Command) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    // The schema makes the keyspace, so an empty one of the name goes first. Where the state is not known nothing is
    // dropped, and CREATE KEYSPACE fails where there is one.
    let drop = match request.target {
        TargetState::Empty => true,
        TargetState::Occupied => request.replace,
        TargetState::Missing | TargetState::Unknown => false,
    };
    let plan = if drop {
        plan.finish(connect::statement(inner, format!("DROP KEYSPACE IF EXISTS \"{keyspace}\""))?)
    } else {
        plan
    };
    Ok(plan.finish(connect::address(file, inner)))
}

/// Unpacked where the server can reach them, and given to it: `nodetool import` moves the files into the tables.
fn import(request: &RestoreRequest, keyspace: &str, tables: &[&str]) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("chown", CASSANDRA)?;
    inner.need_tool("rm", CASSANDRA)?;
    let dir = inner.text("import-dir").ok_or_else(|| {
        Failure::settings("the folder to import from is missing").hint(
            "say --option import-dir=/var/lib/cassandra/import: a folder on the node, on the file system of its data-dir and writable \
             for its server",
        )
    })?;
    let dir = connect::word("import-dir", dir)?;
    let data = backup::data_dir(inner)?;
    let below = format!("{dir}/{LOAD}");
    let load = format!("{below}/{keyspace}");

    let clean = Command::tool("rm").flag("-r").flag("-f").flag("--").value(&load);
    let unpack = tar(inner.text("import-dir").unwrap_or_default(), keyspace);
    let give = Command::tool("chown").flag("--recursive").option("--reference", data).flag("--").value(below);
    let file = connect::cqlsh(inner)?.option("--file", format!("{load}/{SCHEMA}"));
    let mut plan =
        schema(RestorePlan::stdin(unpack).filtered().prepare(clean.clone()).finish(give), request, keyspace, file)?;
    for table in tables {
        let command = connect::nodetool(inner)?.flag("import").flag("--").value(keyspace).value(*table);
        plan = plan.finish(command.value(format!("{load}/{table}")));
    }
    Ok(plan
        .cleanup(clean)
        .warning("this node alone gets the rows; in a cluster, restore each node's backup on its own node"))
}

fn tar(dir: &str, keyspace: &str) -> Command {
    Command::tool("tar")
        .flag("--extract")
        .flag("--file=-")
        .flag("--no-same-owner")
        .flag("--keep-old-files")
        .option("--directory", dir)
        // The two folders above the files have to be named like the keyspace and the table.
        .option("--transform", format!("s|^|{LOAD}/{keyspace}/|"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, FailureCode, Object, Sink};

    use super::*;
    use crate::testing::request;

    fn restore(target: TargetState) -> RestoreRequest {
        let request = request("demo").with_setting("import-dir", "/data/import").with_setting("request-timeout", "60");
        let mut restore = request.password().restore(Artifact::new("tar", "application/x-tar", "sstables"), target);
        restore.objects = vec![Object::new("type", "demo.t"), Object::new("table", "demo.movies")];
        restore
    }

    fn rendered(request: &RestoreRequest) -> String {
        let plan = plan(request).unwrap();
        let Sink::Stdin(sink) = &plan.sink else { unreachable!() };
        assert!(plan.filter);
        let cqlsh = "cqlsh --no-color --connect-timeout=10 --request-timeout=60 --username=app --credentials={work}/credentials";
        let mut lines: Vec<String> = plan.prepare.iter().map(|command| format!("prepare {command}")).collect();
        lines.push(format!("sink {sink}"));
        lines.extend(plan.finish.iter().map(|command| format!("finish {command}")));
        lines.extend(plan.cleanup.iter().map(|command| format!("cleanup {command}")));
        lines.join("\n").replace(cqlsh, "cqlsh")
    }

    #[test]
    fn by_import() {
        assert_eq!(
            rendered(&restore(TargetState::Missing)),
            "prepare rm -r -f -- /data/import/planb-load/demo\n\
             sink tar --extract --file=- --no-same-owner --keep-old-files --directory=/data/import --transform=s|^|planb-load/demo/|\n\
             finish chown --recursive --reference=/data -- /data/import/planb-load\n\
             finish cqlsh --file=/data/import/planb-load/demo/schema.cql db 9042\n\
             finish nodetool -h db -p 7199 import -- demo movies /data/import/planb-load/demo/movies\n\
             cleanup rm -r -f -- /data/import/planb-load/demo"
        );
    }

    #[test]
    fn only_over_what_may_go() {
        assert!(plan(&restore(TargetState::Occupied)).is_err());
        let mut request = restore(TargetState::Occupied);
        request.replace = true;
        assert!(
            rendered(&request)
                .contains("finish cqlsh -e <DROP KEYSPACE IF EXISTS \"demo\"> db 9042\nfinish cqlsh --file")
        );
        assert!(rendered(&restore(TargetState::Empty)).contains("DROP KEYSPACE"));
        assert!(!rendered(&restore(TargetState::Unknown)).contains("DROP"));
        let mut other = restore(TargetState::Missing);
        other.source_scope = Scope::Database("other".to_owned());
        assert!(plan(&other).unwrap_err().message.contains("own name"));
        let mut none = restore(TargetState::Missing);
        none.request = none.request.with_setting("import-dir", "");
        assert!(plan(&none).unwrap_err().hint.unwrap().contains("import-dir"));
        let mut hostile = restore(TargetState::Missing);
        hostile.objects.push(Object::new("table", "demo.../../x"));
        assert_eq!(plan(&hostile).unwrap_err().code, FailureCode::Damaged);
    }
}
