//! How a dump is taken and put back.
//!
//! `arangodump` writes a definition and a data file for each collection. Nothing in a plain data file tells whether its last line is the
//! last, so data files are always written as gzip, which ends with the size and the check sum of all of it, and a table of
//! contents beside the files tells whether one is missing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use planb_sdk::{
    Artifact, BackupPlan, Command, Failure, Mode, PrivateFile, Request, RestorePlan, RestoreRequest, Scope,
    TargetState, path,
};

use crate::{connect, query};

const DUMP: &str = "dump";
/// The table of contents: `kind TAB name`, the name as JSON, and at last `end TAB number`.
pub(crate) const CONTENTS: &str = "planb-contents.txt";
/// A dump with a table of contents, and one without.
pub(crate) const LISTED: &str = "arangodump-listed";
pub(crate) const UNLISTED: &str = "arangodump";

/// System collections that belong to a database's own definition.
const DEFINING: [&str; 4] = ["_graphs", "_analyzers", "_aqlfunctions", "_modules"];

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    let only = request.list("collection");
    let mut dump = of(&request.scope, "arangodump", request)?
        .option("--output-directory", path(DUMP))
        // The folder is there already, with the table of contents.
        .flag("--overwrite=true")
        .flag("--compress-output=true")
        .flag(if request.toggle("system-collections")? {
            "--include-system-collections=true"
        } else {
            "--include-system-collections=false"
        })
        .flag_if(request.toggle("schema-only")?, "--dump-data=false")
        .option_if("--threads", request.number("threads")?.map(|threads| threads.to_string()));
    dump = common(dump, request)?;
    match request.scope {
        Scope::Database(_) => {}
        Scope::All if only.is_empty() => dump = dump.flag("--all-databases=true"),
        Scope::All => {
            return Err(Failure::settings("collections can be chosen in one database only")
                .hint("name the database, or leave out --option collection"));
        }
        Scope::Globals => return Err(Failure::unsupported("ArangoDB keeps its accounts in the database _system")),
    }
    for name in &only {
        dump = dump.option("--collection", connect::escaped(name));
    }
    let format = if request.objects.is_some() { LISTED } else { UNLISTED };
    let artifact = match request.mode {
        Mode::Directory => Artifact::new("dir", "application/octet-stream", format),
        Mode::Tar => Artifact::new("tar", "application/x-tar", format),
        Mode::Stream | Mode::File => {
            return Err(
                Failure::settings("a dump of ArangoDB is many files").hint("add --mode directory or --mode tar")
            );
        }
    };
    let mut plan = BackupPlan::from_tree(dump.extra(), DUMP, artifact.compressed(true)).file(connect::files(request));
    if let Some(objects) = &request.objects {
        let listed = objects
            .iter()
            .filter(|object| only.is_empty() || object.kind != "view" && only.contains(&object.name.as_str()));
        let mut contents = String::new();
        let mut count = 0;
        for object in listed {
            let name = serde_json::Value::from(object.name.as_str());
            let _ = writeln!(contents, "{}\t{name}", object.kind);
            count += 1;
        }
        let _ = writeln!(contents, "end\t{count}");
        plan = plan.file(PrivateFile::new(format!("{DUMP}/{CONTENTS}")).text(contents));
    }
    if !request.toggle("system-collections")? {
        plan = plan.warning("without system collections: named graphs, analyzers, AQL functions and Foxx services are not in this backup");
    }
    Ok(plan)
}

/// A tool for this scope. Both tools end at once where `--server.database` stands beside `--all-databases`.
fn of(scope: &Scope, tool: &str, request: &Request) -> Result<Command, Failure> {
    match scope {
        Scope::Database(name) => connect::in_database(tool, request, name),
        Scope::All | Scope::Globals => connect::to_server(tool, request),
    }
}

/// The settings that both tools know.
fn common(command: Command, request: &Request) -> Result<Command, Failure> {
    let ignore = request.toggle("ignore-distribute-shards-like-errors")?;
    Ok(command.flag_if(ignore, "--ignore-distribute-shards-like-errors=true"))
}

/// Each collection is made anew. ArangoDB has no transaction around that: a restore that fails leaves what it made until then.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    if ![LISTED, UNLISTED].contains(&request.artifact.format.as_str()) {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    let all = match (&request.source_scope, &inner.scope) {
        (Scope::All, Scope::All) => true,
        (Scope::Database(_), Scope::Database(_)) => false,
        _ => {
            return Err(Failure::settings(
                "a backup of all databases goes back to a server, and one of a database into a database",
            )
            .hint("choose a backup of the same kind as the target"));
        }
    };
    let mut load = of(&inner.scope, "arangorestore", inner)?
        .option("--input-directory", path(DUMP))
        .flag("--create-database=true")
        .flag("--create-collection=true")
        .flag("--overwrite=true")
        .flag_if(all, "--all-databases=true")
        .option_if("--threads", inner.number("threads")?.map(|threads| threads.to_string()));
    load = common(load, inner)?;
    let mut warning = None;
    if inner.toggle("restore-system-collections")? {
        load = load.flag("--include-system-collections=true");
        warning =
            Some("system collections are restored: the accounts of the backup take the place of those of the server");
    } else {
        load = chosen(load, request, all)?;
    }
    let mut plan = RestorePlan::from_tree(load.extra(), DUMP).file(connect::files(inner));
    if let Some(warning) = warning {
        plan = plan.warning(warning);
    }
    if request.target == TargetState::Occupied {
        // What the backup does not hold would stay otherwise.
        let database = match &inner.scope {
            Scope::Database(name) => name.as_str(),
            Scope::All | Scope::Globals => "_system",
        };
        plan = plan.file(query::script(if all { query::EMPTY_ALL } else { query::EMPTY }));
        plan = plan.prepare(connect::shell(inner, database, query::SCRIPT)?);
    }
    Ok(plan)
}

/// Everything but the system collections that belong to a server rather than to a database's own definition.
///
/// `arangorestore` has no option for that. It passes over system collections unless it is told to include them, whatever else it is asked for;
/// then it takes all of them unless collections are named; and where collections are named, it makes only the views that are named too, and ends
/// where a database of the dump has none of these (`processInputDirectory` in RestoreFeature.cpp).
fn chosen(load: Command, request: &RestoreRequest, all: bool) -> Result<Command, Failure> {
    // With all databases a name has that of its database before it, which the tool does not want.
    let parts = |name: &'_ str| -> (String, String) {
        let split = if all { name.split_once('/') } else { None };
        split
            .map_or_else(|| (String::new(), name.to_owned()), |(database, name)| (database.to_owned(), name.to_owned()))
    };
    let (mut collections, mut views) = (BTreeSet::new(), BTreeSet::new());
    let (mut databases, mut with_views) = (BTreeSet::new(), BTreeSet::new());
    for object in &request.objects {
        let (database, name) = parts(&object.name);
        if object.kind == "view" {
            with_views.insert(database.clone());
            views.insert(name);
        } else if object.kind.ends_with("collection") && (!name.starts_with('_') || DEFINING.contains(&name.as_str())) {
            collections.insert(name);
        }
        databases.insert(database);
    }
    if !collections.iter().any(|name| name.starts_with('_')) {
        return Ok(load.flag("--include-system-collections=false"));
    }
    if !views.is_empty() && with_views != databases {
        return Err(Failure::settings(
            "arangorestore cannot leave out accounts and jobs, and make the views of databases of which some have none",
        )
        .hint("add --option restore-system-collections=true, which restores the accounts too, or back up the databases one by one: --database '*'"));
    }
    let mut load = load.flag("--include-system-collections=true");
    for name in collections {
        load = load.option("--collection", connect::escaped(&name));
    }
    for name in views {
        load = load.option("--view", connect::escaped(&name));
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, Sink, Source, testing};

    use super::*;

    fn request() -> Request {
        let request =
            testing::request("shop").password().port(8529).mode(Mode::Tar).with_setting("system-collections", "true");
        ["arangodump", "arangorestore", "arangosh"].iter().fold(request, |request, tool| request.tool(tool, "3.11.8"))
    }

    const AT: &str = "--configuration={work}/client.conf --server.endpoint=tcp://db:8529 --server.username=app";
    const PW: &str = "ARANGO_PASSWORD={secret password}";

    fn dump(request: &Request) -> String {
        match backup(request).map(|plan| plan.source) {
            Ok(Source::Tree(output)) => output.command.to_string(),
            Ok(_) => unreachable!("a tree"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn dumps() {
        assert_eq!(
            dump(&request()),
            format!(
                "{PW} arangodump {AT} --server.database=shop --output-directory={{work}}/dump --overwrite=true --compress-output=true --include-system-collections=true [extra]"
            )
        );
        let all = dump(&request().scope(Scope::All));
        assert!(all.contains("--all-databases=true") && !all.contains("--server.database"), "{all}");
        let chosen = dump(
            &request()
                .with_setting("collection", "a, b@c")
                .with_setting("threads", "4")
                .with_setting("schema-only", "true"),
        );
        assert!(chosen.ends_with("--dump-data=false --threads=4 --collection=a --collection=b@@c [extra]"), "{chosen}");
        assert!(dump(&request().mode(Mode::Stream)).contains("many files"));
        assert_eq!(backup(&request().with_setting("system-collections", "false")).unwrap().warnings.len(), 1);
        let listed = Request {
            objects: Some(vec![Object::new("collection", "a\tb").rows(3), Object::new("view", "v")]),
            ..request()
        };
        let plan = backup(&listed).unwrap();
        assert_eq!(plan.artifact.format, LISTED);
        assert!(
            format!("{:?}", plan.files).contains(r#"collection\t\"a\\tb\"\nview\t\"v\"\nend\t2\n"#),
            "{:?}",
            plan.files
        );
    }

    fn load(request: &RestoreRequest) -> (String, Vec<String>) {
        let plan = restore(request).unwrap();
        let Sink::Tree(input) = plan.sink else { unreachable!("a tree") };
        (input.command.to_string(), plan.prepare.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn restores() {
        let mut request = request().restore(Artifact::new("tar", "", LISTED), TargetState::Missing);
        request.objects = vec![Object::new("collection", "movies").rows(3), Object::new("view", "v")];
        let head = format!(
            "{PW} arangorestore {AT} --server.database=shop --input-directory={{work}}/dump --create-database=true --create-collection=true --overwrite=true"
        );
        assert_eq!(load(&request), (format!("{head} --include-system-collections=false [extra]"), vec![]));
        request.objects.push(Object::new("system-collection", "_graphs").rows(1));
        request.objects.push(Object::new("system-collection", "_users").rows(1));
        assert_eq!(
            load(&request).0,
            format!(
                "{head} --include-system-collections=true --collection=_graphs --collection=movies --view=v [extra]"
            )
        );
        let mut occupied = RestoreRequest { target: TargetState::Occupied, ..request };
        assert!(restore(&occupied).is_err());
        occupied.replace = true;
        assert_eq!(
            load(&occupied).1,
            [format!(
                "{PW} arangosh {AT} --server.database=shop --quiet=true --console.colors=false --javascript.execute={{work}}/script.js"
            )]
        );
        occupied.source_scope = Scope::All;
        assert!(restore(&occupied).is_err());
    }

    #[test]
    fn restores_of_all() {
        let all = request().scope(Scope::All);
        let mut request = all.restore(Artifact::new("tar", "", LISTED), TargetState::Empty);
        let object = |kind: &str, name: &str| Object::new(kind, name).rows(1);
        request.objects = vec![object("system-collection", "_system/_graphs"), object("collection", "shop/a")];
        request.objects.push(object("system-collection", "shop/_graphs"));
        let command = load(&request).0;
        assert!(!command.contains("--server.database"), "{command}");
        assert!(
            command.contains(
                "--all-databases=true --include-system-collections=true --collection=_graphs --collection=a [extra]"
            ),
            "{command}"
        );
        // It would end at the first database without that view.
        request.objects.push(Object::new("view", "shop/v"));
        assert!(restore(&request).unwrap_err().hint.unwrap().contains("restore-system-collections"));
        request.request = request.request.with_setting("restore-system-collections", "true");
        assert!(load(&request).0.ends_with("--include-system-collections=true [extra]"));
    }
}
