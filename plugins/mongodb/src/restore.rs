//! How a dump is put back.
//!
//! mongorestore makes and fills one collection after the other, and no transaction spans them: a restore that fails leaves what it
//! has done so far. Into an empty database nothing can be lost by that; in place of another, each collection is dropped only when its
//! restore begins (`--drop`), and those that the backup does not have only when all are restored.

use planb_sdk::{Command, Failure, Request, RestorePlan, RestoreRequest, Scope, TargetState, path};

use crate::backup::{self, DUMP, Format};
use crate::connect::{self, Reader};
use crate::{describe, names, shell};

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("mongorestore", describe::TOOLS)?;
    let format = Format::parse(&request.artifact.format).ok_or_else(|| request.unknown_format())?;
    request.refuse_occupied()?;
    let replace = request.replace && matches!(request.target, TargetState::Occupied | TargetState::Unknown);

    // Otherwise documents that the server refuses are counted, and the restore ends as a success.
    let mut restore = connect::tool("mongorestore").flag("--stopOnError").flag_if(replace, "--drop");
    let (wanted, mut warnings) = wanted(request)?;
    restore = wanted(restore);
    restore = restore.flag_if(inner.toggle("bypass-validation")?, "--bypassDocumentValidation");
    for (setting, option) in [
        ("parallel-collections", "--numParallelCollections"),
        ("insertion-workers", "--numInsertionWorkersPerCollection"),
    ] {
        if let Some(number) = inner.number(setting)? {
            restore = restore.option(option, backup::positive(setting, number)?);
        }
    }
    restore = restore.flag_if(format.gzip, "--gzip");
    let users = inner.toggle("users-and-roles")?;
    let mut plan = if format.directory {
        // With --db the folder has to be that of the database.
        let folder = match &request.source_scope {
            Scope::Database(name) if users => {
                restore.option_of("--dir", vec![path(DUMP).into(), "/".into(), name.into()])
            }
            _ => restore.option("--dir", path(DUMP)),
        };
        RestorePlan::from_tree(folder.extra(), DUMP)
    } else {
        RestorePlan::stdin(restore.flag("--archive").extra())
    };
    plan = plan.file(connect::config(inner, Reader::Restore)?);
    if replace && !format.partial {
        if inner.has_tool("mongosh") && !request.objects.is_empty() {
            let (files, command) = shell::drop_others(request)?;
            plan = plan.file(files).finish(command);
        } else {
            warnings.push("collections of the target that the backup does not have stay: mongosh is not installed, or nothing is known of what the backup has".to_owned());
        }
    }
    if replace && inner.scope == Scope::All && !inner.toggle("without-users")? {
        warnings.push(
            "the users and roles of the server become those of the backup; --option without-users=true leaves them"
                .to_owned(),
        );
    }
    Ok(warnings.into_iter().fold(plan, RestorePlan::warning))
}

type Adds = Box<dyn FnOnce(Command) -> Command>;

/// The options that choose and rename what is restored, and what is to be said of it.
fn wanted(request: &RestoreRequest) -> Result<(Adds, Vec<String>), Failure> {
    let inner = &request.request;
    let users = inner.toggle("users-and-roles")?;
    let has_oplog = request.objects.iter().any(|object| object.kind == "oplog");
    match (&request.source_scope, &inner.scope) {
        (Scope::Database(source), Scope::Database(target)) => {
            names::database(source)?;
            names::database(target)?;
            if users && source != target {
                return Err(Failure::settings(
                    "users and roles name their database, and cannot be restored into another",
                )
                .hint(format!("restore into {source}, or leave out --option users-and-roles")));
            }
            if users && !request.objects.is_empty() && !request.objects.iter().any(|object| object.kind == "users") {
                return Err(Failure::settings("the backup was made without users and roles")
                    .hint("leave out --option users-and-roles"));
            }
            let (source, target) = (source.clone(), target.clone());
            Ok((Box::new(move |restore| one(restore, &source, &target, users)), Vec::new()))
        }
        (Scope::All, Scope::Database(target)) => {
            names::database(target)?;
            let prefix = format!("{target}.");
            if !request.objects.is_empty() && !request.objects.iter().any(|object| object.name.starts_with(&prefix)) {
                return Err(Failure::missing_database(format!("the backup of the server holds no database {target}"))
                    .hint("planb show names what it holds"));
            }
            let mut warnings = Vec::new();
            if has_oplog {
                warnings.push("the changes that happened during the dump are for a whole server, and are not applied: the collections are not of one moment".to_owned());
            }
            let target = target.clone();
            Ok((Box::new(move |restore| one(restore, &target, &target, false)), warnings))
        }
        (Scope::All, Scope::All) => {
            let without = inner.toggle("without-users")?;
            let warnings = if has_oplog && without {
                vec!["without users the changes that happened during the dump cannot be applied: the collections are not of one moment".to_owned()]
            } else {
                Vec::new()
            };
            Ok((
                Box::new(move |restore| {
                    // mongorestore takes no exclusion together with the oplog.
                    restore
                        .flag_if(has_oplog && !without, "--oplogReplay")
                        .flag_if(without, "--nsExclude=admin.system.users")
                        .flag_if(without, "--nsExclude=admin.system.roles")
                }),
                warnings,
            ))
        }
        (Scope::Database(name), Scope::All) => Err(Failure::settings("the backup is of one database")
            .hint(format!("name the database to restore into, {name} or another"))),
        (Scope::Globals, _) | (_, Scope::Globals) => Err(request.unknown_format()),
    }
}

/// One database of the dump, under a name of its own.
fn one(restore: Command, source: &str, target: &str, users: bool) -> Command {
    if users {
        return restore.option("--db", source).flag("--restoreDbUsersAndRoles");
    }
    let restore = restore.option("--nsInclude", names::everything_of(source));
    if source == target {
        return restore;
    }
    restore.option("--nsFrom", names::everything_of(source)).option("--nsTo", names::everything_of(target))
}

/// The names of the collections that the backup has, by their databases.
pub(crate) fn kept(request: &RestoreRequest) -> Vec<(String, String)> {
    let collections = ["collection", "view", "timeseries"];
    let kept = request.objects.iter().filter(|object| collections.contains(&object.kind.as_str()));
    let both = |name: &str| name.split_once('.').map(|(database, name)| (database.to_owned(), name.to_owned()));
    kept.filter_map(|object| match (&request.source_scope, &request.request.scope) {
        (Scope::Database(_), Scope::Database(target)) => Some((target.clone(), object.name.clone())),
        (Scope::All, Scope::Database(target)) => both(&object.name).filter(|(database, _)| database == target),
        _ => both(&object.name),
    })
    .collect()
}

/// The databases whose other collections go: the target, or all of the server.
pub(crate) fn swept(request: &Request) -> Option<&str> {
    match &request.scope {
        Scope::Database(name) => Some(name),
        Scope::All | Scope::Globals => None,
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Object, testing};

    use super::*;

    fn restore(format: &str, target: TargetState) -> RestoreRequest {
        let request = testing::request("orders").password().tool("mongorestore", "100.10.0").tool("mongosh", "2.3.0");
        request.restore(Artifact::new("archive", "application/octet-stream", format), target)
    }

    fn shown(request: &RestoreRequest) -> String {
        match plan(request) {
            Ok(plan) => {
                plan.to_string().lines().filter(|line| !line.starts_with("file ")).collect::<Vec<_>>().join("\n")
            }
            Err(failure) => failure.message,
        }
    }

    const HEAD: &str = "mongorestore --config={work}/mongodb.yaml --stopOnError";

    #[test]
    fn into_an_empty_database() {
        assert_eq!(
            shown(&restore("archive", TargetState::Empty)),
            format!("stdin {HEAD} --nsInclude=orders.* --archive [extra]")
        );
        assert_eq!(
            shown(&restore("archive-gzip", TargetState::Missing)),
            format!("stdin {HEAD} --nsInclude=orders.* --gzip --archive [extra]")
        );
        let mut other = restore("directory", TargetState::Empty);
        other.request.scope = Scope::Database("copy*".to_owned());
        assert_eq!(
            shown(&other),
            format!(
                "tree {{work}}/dump {HEAD} --nsInclude=orders.* --nsFrom=orders.* --nsTo=copy\\*.* --gzip --dir={{work}}/dump [extra]"
            )
        );
    }

    #[test]
    fn in_place_of_another() {
        let mut request = restore("archive", TargetState::Occupied);
        assert!(shown(&request).contains("orders holds data"));
        request.replace = true;
        assert!(shown(&request).contains("--drop"));
        assert!(shown(&request).contains("warning collections of the target that the backup does not have stay"));
        request.objects = vec![Object::new("collection", "movies").rows(3)];
        let text = shown(&request);
        assert!(
            text.contains(&format!("stdin {HEAD} --drop --nsInclude=orders.* --archive [extra]\nfinish ")),
            "{text}"
        );
        assert!(text.contains("mongosh --nodb --norc --quiet --file={work}/sweep.js"), "{text}");
        request.artifact.format = "archive-partial".to_owned();
        assert!(!shown(&request).contains("finish"));
    }

    #[test]
    fn a_whole_server() {
        let mut request = restore("archive", TargetState::Empty);
        request.source_scope = Scope::All;
        request.objects =
            vec![Object::new("collection", "orders.movies").rows(3), Object::new("oplog", "oplog").rows(1)];
        assert!(
            shown(&request)
                .starts_with(&format!("stdin {HEAD} --nsInclude=orders.* --archive [extra]\nwarning the changes"))
        );
        request.request.scope = Scope::Database("nope".to_owned());
        assert!(shown(&request).contains("holds no database nope"));
        request.request.scope = Scope::All;
        assert_eq!(shown(&request), format!("stdin {HEAD} --oplogReplay --archive [extra]"));
        request.request = request.request.with_setting("without-users", "true");
        assert!(shown(&request).contains("--nsExclude=admin.system.users --nsExclude=admin.system.roles --archive"));
        request.source_scope = Scope::Database("orders".to_owned());
        assert!(shown(&request).contains("of one database"));
    }

    #[test]
    fn users_of_a_database() {
        let mut request = restore("directory", TargetState::Empty);
        request.request =
            request.request.with_setting("users-and-roles", "true").with_setting("insertion-workers", "4");
        assert_eq!(
            shown(&request),
            format!(
                "tree {{work}}/dump {HEAD} --db=orders --restoreDbUsersAndRoles --numInsertionWorkersPerCollection=4 --gzip \
                 --dir={{work}}/dump/orders [extra]"
            )
        );
        request.objects = vec![Object::new("collection", "movies")];
        assert!(shown(&request).contains("made without users"));
        request.request.scope = Scope::Database("other".to_owned());
        assert!(shown(&request).contains("cannot be restored into another"));
    }

    #[test]
    fn what_stays() {
        let mut request = restore("archive", TargetState::Occupied);
        request.objects = vec![Object::new("collection", "a.b"), Object::new("users", "system.users")];
        request.request.scope = Scope::Database("copy".to_owned());
        assert_eq!(kept(&request), [("copy".to_owned(), "a.b".to_owned())]);
        request.source_scope = Scope::All;
        assert_eq!(kept(&request), []);
        request.request.scope = Scope::All;
        assert_eq!(kept(&request), [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn what_is_refused() {
        assert!(shown(&restore("plain", TargetState::Empty)).contains("\"plain\""));
        let mut request = restore("archive", TargetState::Empty);
        request.request.tools.clear();
        assert!(shown(&request).contains("mongorestore is not installed"));
    }
}
