//! How a backup is taken and put back.
//!
//! A backup (documentation, "BACKUP", "Use userfile storage"): a database for the transfer, BACKUP into it, lists of what there is, and
//! all of it fetched. The lists are kept beside the backup's files: CockroachDB's own list is a binary format that changes
//! from version to version, and theirs tells by name and size whether a file is missing or was cut.

use planb_sdk::{
    Artifact, BackupPlan, Failure, FailureCode, Mode, Request, RestorePlan, RestoreRequest, Scope, TargetState,
    Version, path,
};

use crate::connect;
use crate::sql::{self, FOLDER};

const DUMP: &str = "dump";
pub(crate) const FILES: &str = "files.txt";
pub(crate) const OBJECTS: &str = "objects.txt";
const FORMAT: &str = "userfile";

fn database(request: &Request) -> Result<&str, Failure> {
    match &request.scope {
        Scope::Database(name) => sql::checked("the database's name", name),
        Scope::All | Scope::Globals => Err(Failure::unsupported("CockroachDB is backed up one database at a time")
            .hint("use --database '*', which backs up every database; users and cluster settings are in none of them")),
    }
}

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    let name = database(request)?;
    if name == "system" {
        return Err(Failure::unsupported("the database system is backed up only with a whole cluster"));
    }
    let artifact = match request.mode {
        Mode::Directory => Artifact::new("dir", "application/octet-stream", FORMAT),
        Mode::Tar => Artifact::new("tar", "application/x-tar", FORMAT),
        Mode::Stream | Mode::File => {
            return Err(
                Failure::settings("a CockroachDB backup is many files").hint("add --mode directory or --mode tar")
            );
        }
    };
    let list = |script: String, file: &str| {
        Ok::<_, Failure>(connect::sql(request, name)?.stdin(script).stdout_to(format!("{DUMP}/{file}")))
    };
    let get = connect::connected(request, &["userfile", "get"], "")?
        .value(format!("{}/{FOLDER}", sql::place(name)))
        .value(path(DUMP));
    let plan = BackupPlan::from_tree(get, DUMP, artifact)
        .file(connect::passfile(request))
        .prepare(connect::sql(request, "")?.stdin(sql::make_transfer(name)))
        .prepare(connect::sql(request, "")?.extra().stdin(sql::backup(name)))
        .prepare(list(sql::list_files(name), FILES)?)
        .prepare(list(sql::list_objects(name), OBJECTS)?)
        .cleanup(connect::sql(request, "")?.stdin(sql::drop_transfer(name)));
    Ok(plan)
}

/// RESTORE is all or nothing by itself, but makes a database that must not exist. One that holds data is dropped only once the new one
/// is whole under another name.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let target = database(inner)?;
    let Scope::Database(source) = &request.source_scope else {
        return Err(request.unknown_format());
    };
    let source = sql::checked("the name of the backup's database", source)?;
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    suits(request)?;
    let mut options = Vec::new();
    for (setting, option) in [
        ("skip-localities-check", "skip_localities_check"),
        ("skip-missing-foreign-keys", "skip_missing_foreign_keys"),
        ("skip-missing-views", "skip_missing_views"),
    ] {
        if inner.toggle(setting)? {
            options.push(option);
        }
    }
    let replaced = request.target == TargetState::Occupied;
    let beside = format!("{target}.planb-new");
    let name = if replaced { beside.as_str() } else { target };
    let quoted = planb_sdk::quote::sql_identifier;

    // Copies what is in the folder, since its path ends with a slash, to the same place that BACKUP wrote to.
    let upload = connect::connected(inner, &["userfile", "upload", "--recursive"], "")?
        .value_of(vec![path(DUMP).into(), "/".into()])
        .value(sql::place(target));
    let run = |script: String| Ok::<_, Failure>(connect::sql(inner, "")?.stdin(script));
    let load = connect::sql(inner, "")?.extra().stdin(sql::restore(source, target, name, &options));
    let mut plan = RestorePlan::from_tree(load, DUMP)
        .file(connect::passfile(inner))
        .prepare(run(sql::make_transfer(target))?)
        .prepare(upload)
        .cleanup(run(sql::drop_transfer(target))?);
    match request.target {
        // RESTRICT: should something have come in the meantime, it stays.
        TargetState::Empty => plan = plan.prepare(run(format!("DROP DATABASE {} RESTRICT;\n", quoted(target)))?),
        TargetState::Occupied => {
            let (old, new) = (quoted(target), quoted(&beside));
            plan = plan
                .prepare(run(format!("DROP DATABASE IF EXISTS {new} CASCADE;\n"))?)
                .finish(run(format!("DROP DATABASE {old} CASCADE;\nALTER DATABASE {new} RENAME TO {old};\n"))?)
                .warning(format!("if the last step, renaming the restored database, fails, it is left as {beside:?}"));
        }
        TargetState::Missing | TargetState::Unknown => {}
    }
    Ok(plan)
}

/// A backup goes into the version that wrote it, or a newer one (documentation, "Restoring Backups Across Versions").
fn suits(request: &RestoreRequest) -> Result<(), Failure> {
    let written = request.source_version.as_deref().and_then(Version::parse);
    let (Some(written), Some(server)) = (written, request.request.server()) else {
        return Ok(());
    };
    if (server.major, server.minor) >= (written.major, written.minor) {
        return Ok(());
    }
    Err(Failure::database(format!("the backup is of CockroachDB {written}, and the server, {server}, is older"))
        .code(FailureCode::ToolUnfit)
        .hint("restore into a cluster of that version or a newer one"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Sink, Source, testing};

    use super::*;

    const AT: &str = "--url=postgresql://app@db:26257/";
    const TAIL: &str = "?sslmode=verify-full&application_name=planb";
    const PASS: &str = "PGPASSFILE={work}/pgpass cockroach";

    fn request() -> Request {
        testing::request("shop")
            .password()
            .port(26257)
            .tool("cockroach", "23.1.11")
            .server_is("23.1.11")
            .mode(Mode::Tar)
    }

    #[test]
    fn a_backup() {
        let plan = backup(&request()).unwrap();
        let sql = format!("{PASS} sql {AT}{TAIL} --format=tsv --set=errexit=true");
        let steps: Vec<_> = plan.prepare.iter().map(ToString::to_string).collect();
        assert_eq!(
            steps[0],
            format!(
                "{sql} << DROP DATABASE IF EXISTS planb_transfer_73686f70 CASCADE;\nCREATE DATABASE planb_transfer_73686f70;\n"
            )
        );
        assert_eq!(
            steps[1],
            format!(
                "{sql} [extra] << BACKUP DATABASE \"shop\" INTO 'userfile://planb_transfer_73686f70.public.files/backup';\n"
            )
        );
        assert!(steps[2].ends_with("> {work}/dump/files.txt") && steps[2].contains("/shop?sslmode"));
        assert!(steps[3].contains("FROM [SHOW BACKUP FROM LATEST IN 'userfile://planb_transfer_73686f70.public.files/backup'] WHERE object_type = 'table' AND database_name = 'shop';"));
        let Source::Tree(get) = &plan.source else { unreachable!("a tree") };
        assert_eq!(
            get.command.to_string(),
            format!(
                "{PASS} userfile get {AT}{TAIL} userfile://planb_transfer_73686f70.public.files/backup {{work}}/dump"
            )
        );
        assert_eq!(
            plan.cleanup[0].to_string(),
            format!("{sql} << DROP DATABASE IF EXISTS planb_transfer_73686f70 CASCADE;\n")
        );
        for bad in [
            request().scope(Scope::All),
            request().mode(Mode::Stream),
            request().scope(Scope::Database("a\n\\! id".to_owned())),
        ] {
            assert!(backup(&bad).is_err());
        }
    }

    fn into(target: TargetState) -> RestoreRequest {
        let mut request =
            request().scope(Scope::Database("copy".to_owned())).restore(Artifact::new("tar", "", FORMAT), target);
        request.source_scope = Scope::Database("shop".to_owned());
        request
    }

    fn steps(plan: &RestorePlan) -> Vec<String> {
        let Sink::Tree(load) = &plan.sink else { unreachable!("a tree") };
        let all = plan.prepare.iter().chain([&load.command]).chain(&plan.finish).chain(&plan.cleanup);
        all.map(|command| {
            let text = command.to_string();
            text.split_once(" << ").map_or(text.clone(), |(_, script)| script.trim_end().to_owned())
        })
        .collect()
    }

    #[test]
    fn a_restore() {
        let place = "userfile://planb_transfer_636f7079.public.files";
        let make = "DROP DATABASE IF EXISTS planb_transfer_636f7079 CASCADE;\nCREATE DATABASE planb_transfer_636f7079;";
        let upload = format!("{PASS} userfile upload --recursive {AT}{TAIL} {{work}}/dump/ {place}");
        let end = "DROP DATABASE IF EXISTS planb_transfer_636f7079 CASCADE;";
        let load = |name: &str| {
            format!("RESTORE DATABASE \"shop\" FROM LATEST IN '{place}/backup' WITH new_db_name = '{name}';")
        };
        assert_eq!(steps(&restore(&into(TargetState::Missing)).unwrap()), [make, &upload, &load("copy"), end]);
        assert_eq!(
            steps(&restore(&into(TargetState::Empty)).unwrap()),
            [make, &upload, "DROP DATABASE \"copy\" RESTRICT;", &load("copy"), end]
        );
        assert!(restore(&into(TargetState::Occupied)).is_err());
        let replace = RestoreRequest { replace: true, ..into(TargetState::Occupied) };
        assert_eq!(
            steps(&restore(&replace).unwrap()),
            [
                make,
                &upload,
                "DROP DATABASE IF EXISTS \"copy.planb-new\" CASCADE;",
                &load("copy.planb-new"),
                "DROP DATABASE \"copy\" CASCADE;\nALTER DATABASE \"copy.planb-new\" RENAME TO \"copy\";",
                end
            ]
        );
        let newer = RestoreRequest { source_version: Some("24.1.0".to_owned()), ..into(TargetState::Missing) };
        assert_eq!(restore(&newer).unwrap_err().code, FailureCode::ToolUnfit);
    }
}
