//! How a dump is put back.
//!
//! A database that is new, or takes the place of another, is built beside under a name of its own and renamed once it is
//! whole: a restore that fails leaves neither half a database nor a hole where the old one was.

use planb_sdk::{
    Command, Failure, FailureCode, Request, RestorePlan, RestoreRequest, Scope, TargetState, Version, path,
};

use crate::backup::{self, Format};
use crate::place::Place;
use crate::{connect, describe};

const DUMP: &str = "dump";

/// pg_dump and pg_restore from here on set a parameter that older servers do not know.
pub(crate) const TRANSACTION_TIMEOUT: u32 = 17;

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let plan = match (&request.source_scope, &request.request.scope) {
        (Scope::Database(_), Scope::Database(name)) => database(request, name)?,
        (Scope::Globals, Scope::Globals) => globals(&request.request)?,
        (Scope::Globals, _) | (_, Scope::Globals) => {
            return Err(Failure::settings("roles and tablespaces go back to a server, and databases into a database")
                .hint("choose a backup of the same kind as the target"));
        }
        (Scope::All, _) | (_, Scope::All) => {
            return Err(Failure::unsupported("PostgreSQL is restored one database at a time")
                .hint("name the database to restore into"));
        }
    };
    Ok(plan.file(connect::passfile(&request.request)))
}

fn globals(request: &Request) -> Result<RestorePlan, Failure> {
    request.need_tool("psql", describe::CLIENT)?;
    // Not in one transaction: a tablespace cannot be made in one.
    let psql = connect::psql(request, connect::maintenance(request))?.flag("--output=/dev/null").flag("--file=-");
    Ok(RestorePlan::stdin(psql).filtered().warning(
        "roles and tablespaces that exist already are kept, and get the attributes and passwords of the backup",
    ))
}

fn database(request: &RestoreRequest, name: &str) -> Result<RestorePlan, Failure> {
    let format = Format::parse(&request.artifact.format).ok_or_else(|| request.unknown_format())?;
    let inner = &request.request;
    inner.need_tool("psql", describe::CLIENT)?;
    request.refuse_occupied()?;
    let place = Place::of(inner, name);
    match request.target {
        TargetState::Empty => load(inner, format, name),
        TargetState::Unknown => Ok(load(inner, format, name)?
            .warning(format!("whether database {name} holds data could not be told; it is restored into as it is"))),
        TargetState::Missing => Ok(around(
            load(inner, format, &place.new)?,
            [place.prepare_missing()?, place.finish_missing()?, place.cleanup_missing()?],
        )
        .warning(
            "the new database has the server's defaults where --option owner, encoding and locale do not say otherwise; GRANT ... ON DATABASE \
             and ALTER DATABASE ... SET are in no dump of pg_dump",
        )),
        TargetState::Occupied => Ok(around(
            load(inner, format, &place.new)?,
            [place.prepare_replace()?, place.finish_replace()?, place.cleanup_replace()?],
        )),
    }
}

/// A load with what comes before it, after it, and at the end in any case.
fn around(mut plan: RestorePlan, [prepare, finish, cleanup]: [Vec<Command>; 3]) -> RestorePlan {
    plan.prepare = prepare;
    plan.finish = finish;
    plan.cleanup = cleanup;
    plan
}

/// The command that takes the dump in.
fn load(request: &Request, format: Format, database: &str) -> Result<RestorePlan, Failure> {
    let single = request.toggle("single-transaction")?;
    if format == Format::Plain {
        let psql = connect::psql(request, database)?
            .flag("--output=/dev/null")
            .flag_if(single, "--single-transaction")
            .flag("--file=-")
            .extra();
        return Ok(RestorePlan::stdin(psql).filtered());
    }
    request.need_tool("pg_restore", describe::CLIENT)?;
    let jobs = request.number("jobs")?.unwrap_or(1).max(1);
    let restore = connect::to_database("pg_restore", request, database)?.flag("--exit-on-error");
    let restore = if jobs > 1 {
        restore.option("--jobs", jobs.to_string())
    } else {
        restore.flag_if(single, "--single-transaction")
    };
    let restore = backup::owners(restore, request)?;
    if let (Some(tool), Some(server)) = (request.tool_version("pg_restore"), request.server())
        && tool.major >= TRANSACTION_TIMEOUT
        && !knows_transaction_timeout(Some(server))
    {
        return Err(Failure::tool(format!("pg_restore {tool} uses settings that the server, PostgreSQL {server}, does not know"))
            .code(FailureCode::ToolUnfit)
            .hint(format!(
                "point --tool-path pg_restore=/path/to/pg_restore at version {}, or restore into a server of version {TRANSACTION_TIMEOUT} \
                 or newer; plain dumps (--option format=plain) go back to older servers",
                server.major
            )));
    }
    Ok(match format {
        Format::Directory => RestorePlan::from_tree(restore.flag("--format=directory").extra().value(path(DUMP)), DUMP),
        // Several jobs need to seek.
        _ if jobs > 1 => RestorePlan::from_file(restore.flag("--format=custom").extra().value(path(DUMP)), DUMP),
        _ => RestorePlan::stdin(restore.flag("--format=custom").extra()),
    })
}

/// The first psql of each major version that knows `\restrict` (CVE-2025-8714).
pub(crate) fn knows_restrict(psql: Option<Version>) -> bool {
    psql.is_some_and(|psql| match psql.major {
        13 => psql.minor >= 22,
        14 => psql.minor >= 19,
        15 => psql.minor >= 14,
        16 => psql.minor >= 10,
        17 => psql.minor >= 6,
        major => major >= 18,
    })
}

/// Whether a server knows what pg_dump 17 sets.
pub(crate) fn knows_transaction_timeout(server: Option<Version>) -> bool {
    server.is_none_or(|server| server.major >= TRANSACTION_TIMEOUT)
}

/// What a dump that is no dump of this engine is called.
pub(crate) fn refused(what: &str) -> Failure {
    Failure::damaged(format!("the dump holds {what}, so it is not restored"))
        .hint("a dump of pg_dump never does: find out who changed it; --option format=custom makes dumps that cannot hold such")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Mode};

    use super::*;
    use crate::testing::restore_request;

    /// The plan without the password file and what every command has.
    fn rendered(request: &RestoreRequest) -> String {
        let plan = plan(request).unwrap().to_string();
        let (file, plan) = plan.split_once('\n').unwrap();
        assert_eq!(file, "file {work}/pgpass: *:*:*:*:{secret password}\\n");
        plan.replace("PGAPPNAME=planb PGCONNECT_TIMEOUT=10 PGPASSFILE={work}/pgpass ", "")
            .replace(" --no-password --host=db --port=5432 --username=app", "")
    }

    const PSQL: &str = "psql --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1";

    #[test]
    fn into_an_empty_database() {
        assert_eq!(
            rendered(&restore_request("orders", TargetState::Empty)),
            "filtered stdin psql --dbname=orders --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null --single-transaction \
             --file=- [extra]\n"
        );
    }

    #[test]
    fn into_a_new_one() {
        let text = rendered(&restore_request("a\"b", TargetState::Missing));
        let lines: Vec<&str> = text.lines().collect();
        let drop = format!("{PSQL} --command <DROP DATABASE IF EXISTS \"a\"\"b.planb-new\" WITH (FORCE)>");
        assert_eq!(lines[0], format!("prepare {drop}"));
        assert_eq!(
            lines[1],
            format!("prepare {PSQL} --command <CREATE DATABASE \"a\"\"b.planb-new\" TEMPLATE \"template0\">")
        );
        assert!(lines[2].contains("--dbname=dbname='a\"b.planb-new' "));
        assert_eq!(
            lines[3],
            format!("finish {PSQL} --command <ALTER DATABASE \"a\"\"b.planb-new\" RENAME TO \"a\"\"b\">")
        );
        assert_eq!(lines[4], format!("cleanup {drop}"));
        assert!(lines[5].starts_with("warning "));
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn in_place_of_another_only_when_told() {
        let mut request = restore_request("orders", TargetState::Occupied);
        assert!(plan(&request).unwrap_err().hint.unwrap().contains("--replace"));
        request.replace = true;
        let text = rendered(&request);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8, "{text}");
        // Nothing of the old database is touched before the new one is whole, and it is dropped last.
        let touched =
            |line: &&str| line.contains("ALTER DATABASE \"orders\"") || line.contains("DROP DATABASE \"orders");
        assert!(lines[2].starts_with("filtered stdin psql --dbname=orders.planb-new "));
        assert!(!lines[..3].iter().any(touched));
        assert_eq!(
            lines[3],
            format!("finish {PSQL} --command <ALTER DATABASE \"orders\" WITH ALLOW_CONNECTIONS false>")
        );
        let swap = "ALTER DATABASE \"orders\" RENAME TO \"orders.planb-old\";\\nALTER DATABASE \"orders.planb-new\" RENAME TO \"orders\";";
        let (before, after) = lines[4].split_once(swap).unwrap();
        assert!(before.contains("\\nBEGIN;\\n") && !before.contains("COMMIT") && after.ends_with("\\nCOMMIT;\\n"));
        assert_eq!(lines[5], format!("finish {PSQL} --command <DROP DATABASE \"orders.planb-old\" WITH (FORCE)>"));
        assert!(lines[6].starts_with("cleanup ") && lines[7].starts_with("cleanup "));
    }

    #[test]
    fn nobody_renames_the_database_that_he_is_in() {
        for (target, maintenance, other) in
            [("postgres", "", "template1"), ("x", "x", "template1"), ("template1", "template1", "postgres")]
        {
            let mut request = restore_request(target, TargetState::Occupied);
            request.replace = true;
            request.request = request.request.with_setting("maintenance-db", maintenance);
            assert_eq!(rendered(&request).matches(&format!("psql --dbname={other} ")).count(), 7);
        }
    }

    #[test]
    fn other_formats() {
        let mut request = restore_request("orders", TargetState::Empty);
        request.artifact = Artifact::new("dump", "application/octet-stream", "custom");
        assert_eq!(
            rendered(&request),
            "stdin pg_restore --dbname=orders --exit-on-error --single-transaction --format=custom [extra]\n"
        );
        request.request.settings.push(("jobs".to_owned(), "4".to_owned()));
        assert_eq!(
            rendered(&request),
            "file {work}/dump pg_restore --dbname=orders --exit-on-error --jobs=4 --format=custom [extra] {work}/dump\n"
        );
        request.artifact.format = "directory".to_owned();
        request.request.mode = Mode::Tar;
        request.request.settings.push(("no-owner".to_owned(), "true".to_owned()));
        assert_eq!(
            rendered(&request),
            "tree {work}/dump pg_restore --dbname=orders --exit-on-error --jobs=4 --no-owner --format=directory [extra] {work}/dump\n"
        );
        request.artifact.format = "tar".to_owned();
        assert_eq!(plan(&request).unwrap_err().code, FailureCode::Damaged);
    }

    #[test]
    fn scopes_have_to_fit() {
        let mut request = restore_request("orders", TargetState::Empty);
        request.source_scope = Scope::Globals;
        assert!(plan(&request).is_err());
        request.request.scope = Scope::Globals;
        let text = rendered(&request);
        assert!(text.starts_with("filtered stdin ") && text.contains("--output=/dev/null --file=-\nwarning "));
    }
}
