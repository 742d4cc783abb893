//! How a keyspace is backed up: a snapshot on the node (hard links to files that never change), its schema, and one tar stream of
//! both. The snapshot always goes again.

use planb_sdk::{Artifact, BackupPlan, Command, Failure, FailureCode, Request, path};

use crate::connect::{self, plain_name};
use crate::describe::CASSANDRA;

/// The snapshot's name. One a keyspace at a time: what a killed run left is cleared by the next.
pub(crate) const TAG: &str = "planb";
pub(crate) const SCHEMA: &str = "schema.cql";
const LIST: &str = "files";
/// The format's name in the manifest: `sstables`, or `sstables:movies,actors` where only some tables were asked for.
const FORMAT: &str = "sstables";

/// The tables that a backup of this format is of; none of them named: all. No format of this engine: none.
pub(crate) fn tables_of(format: &str) -> Option<Vec<&str>> {
    let list = format.strip_prefix(FORMAT)?;
    if list.is_empty() {
        return Some(Vec::new());
    }
    let names: Vec<_> = list.strip_prefix(':')?.split(',').collect();
    names.iter().all(|name| plain_name(name)).then_some(names)
}

const NOT_WHOLE: &str = "one node was backed up: in a cluster whose replication factor is smaller than its number of nodes, back up every node";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let keyspace = connect::keyspace(request)?;
    connect::known_server(request)?;
    if request.native_compression {
        return Err(Failure::settings("nodetool cannot compress a snapshot").hint("use --compress zstd or gzip"));
    }
    gnu(request, "tar", "GNU tar")?;
    gnu(request, "find", "GNU findutils")?;
    let data = data_dir(request)?;
    let folder = || vec![data.into(), "/".into(), keyspace.into()];

    let clear = clear(request, keyspace)?;
    let describe = connect::statement(request, format!("DESCRIBE KEYSPACE \"{keyspace}\" WITH INTERNALS"))?;
    let find = Command::tool("find")
        .value_of(folder())
        // TABLE-ID/snapshots/TAG/FILE. The folders of secondary indexes lie deeper; a restore builds these anew.
        .flag("-mindepth")
        .flag("4")
        .flag("-maxdepth")
        .flag("4")
        .flag("-path")
        .flag("*/snapshots/planb/*")
        .flag("-type")
        .flag("f")
        .flag("-printf")
        .flag("%P\\0")
        .stdout_to(LIST);
    let tar = Command::tool("tar")
        .flag("--create")
        .flag("--file=-")
        .flag("--format=gnu")
        .flag("--owner=0")
        .flag("--group=0")
        .flag("--numeric-owner")
        .flag("--mode=u=rw,go=")
        // TABLE-ID/snapshots/TAG/FILE becomes TABLE/FILE: the id is the node's own.
        .flag("--transform=s|-[0-9a-f]\\{32\\}/snapshots/planb/|/|")
        .flag(SCHEMA)
        .option_of("--directory", folder())
        .flag("--null")
        .option("--files-from", path(LIST))
        // 1: a file changed while it was read. A file of a snapshot never does, but the count of its links, when the
        // node drops its own link to it. What the file holds is checked by its checksum.
        .ok(0)
        .ok(1);
    let tables = tables(request)?;
    let format = if tables.is_empty() { FORMAT.to_owned() } else { format!("{FORMAT}:{}", tables.join(",")) };
    let plan = BackupPlan::stdout(tar, Artifact::new("tar", "application/x-tar", format))
        .file(connect::cqlsh_files(request)?)
        .file(connect::nodetool_files(request)?)
        .prepare(clear.clone())
        .prepare(snapshot(request, keyspace)?)
        // After the snapshot: a column that is added in between is in the schema only, which does no harm.
        .prepare(describe.stdout_to(SCHEMA))
        .prepare(find)
        .cleanup(clear)
        .warning(NOT_WHOLE);
    Ok(if tables.is_empty() {
        plan
    } else {
        plan.warning("only some tables were asked for: a restore makes the others too, without rows")
    })
}

fn tables(request: &Request) -> Result<Vec<&str>, Failure> {
    let tables = request.list("tables");
    match tables.iter().find(|name| !plain_name(name)) {
        None => Ok(tables),
        Some(name) => {
            Err(Failure::settings(format!("{name:?} cannot be a table: a name has letters, digits and underscores")))
        }
    }
}

fn snapshot(request: &Request, keyspace: &str) -> Result<Command, Failure> {
    let command = connect::nodetool(request)?.flag("snapshot").pair("-t", TAG).extra();
    let tables = tables(request)?;
    if tables.is_empty() {
        return Ok(command.flag("--").value(keyspace));
    }
    let list: Vec<_> = tables.iter().map(|table| format!("{keyspace}.{table}")).collect();
    Ok(command.pair("-kt", list.join(",")))
}

fn clear(request: &Request, keyspace: &str) -> Result<Command, Failure> {
    Ok(connect::nodetool(request)?.flag("clearsnapshot").pair("-t", TAG).flag("--").value(keyspace))
}

pub(crate) fn data_dir(request: &Request) -> Result<&str, Failure> {
    request.text("data-dir").ok_or_else(|| {
        Failure::settings("the folder of the node's tables is missing")
            .hint("say --option data-dir=/var/lib/cassandra/data")
    })
}

/// Fails where the program is not the GNU one, whose options the plans use.
pub(crate) fn gnu(request: &Request, id: &str, banner: &str) -> Result<(), Failure> {
    request.need_tool(id, CASSANDRA)?;
    if request.banner(id).is_none_or(|found| found.contains(banner)) {
        return Ok(());
    }
    Err(Failure::tool(format!("{id} is not {banner}"))
        .code(FailureCode::ToolUnfit)
        .hint(format!("point --tool-path {id}=/path/to/{id} at {banner}")))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Source, StdoutSource};

    use super::*;
    use crate::testing::request;

    #[test]
    fn a_keyspace() {
        let plan = plan(&request("demo").password()).unwrap();
        let prepare: Vec<_> = plan.prepare.iter().map(ToString::to_string).collect();
        let cqlsh = "cqlsh --no-color --connect-timeout=10 --request-timeout=600 --username=app --credentials={work}/credentials";
        assert_eq!(
            prepare,
            [
                "nodetool -h db -p 7199 clearsnapshot -t planb -- demo".to_owned(),
                "nodetool -h db -p 7199 snapshot -t planb [extra] -- demo".to_owned(),
                format!("{cqlsh} -e <DESCRIBE KEYSPACE \"demo\" WITH INTERNALS> db 9042 > {{work}}/schema.cql"),
                "find /data/demo -mindepth 4 -maxdepth 4 -path */snapshots/planb/* -type f -printf %P\\0 > {work}/files".to_owned(),
            ]
        );
        let Source::Stdout(StdoutSource { command, trim: None }) = plan.source else { unreachable!() };
        assert_eq!(
            command.to_string(),
            "tar --create --file=- --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rw,go= \
             --transform=s|-[0-9a-f]\\{32\\}/snapshots/planb/|/| schema.cql --directory=/data/demo --null --files-from={work}/files"
        );
        assert_eq!(plan.cleanup[0].to_string(), prepare[0]);
        assert!(plan.warnings[0].contains("one node"));
    }

    #[test]
    fn some_tables() {
        let request = request("demo").password().with_setting("tables", "movies, actors");
        assert_eq!(
            plan(&request).unwrap().prepare[1].to_string(),
            "nodetool -h db -p 7199 snapshot -t planb [extra] -kt demo.movies,demo.actors"
        );
        let format = plan(&request).unwrap().artifact.format;
        assert_eq!(tables_of(&format), Some(vec!["movies", "actors"]));
        assert_eq!(tables_of("sstables"), Some(vec![]));
        for other in ["plain", "sstablesx", "sstables:", "sstables:a,,b"] {
            assert_eq!(tables_of(other), None, "{other}");
        }
        for hostile in ["a b", "x;y", "-t", "a'\"\\`"] {
            assert!(plan(&request.clone().with_setting("tables", hostile)).is_err(), "{hostile}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert!(plan(&request("demo").password().server_is("3.11.4")).unwrap_err().message.contains("older"));
        assert!(plan(&request("a b").password()).is_err());
        let mut bsd = request("demo").password();
        for tool in &mut bsd.tools {
            tool.banner = Some("bsdtar 3.7.2".to_owned());
        }
        assert_eq!(plan(&bsd).unwrap_err().code, FailureCode::ToolUnfit);
        let mut native = request("demo").password();
        native.native_compression = true;
        assert!(plan(&native).is_err());
    }
}
