//! How a dump is put back.
//!
//! A database that is new, or takes the place of another, is built beside under a name of its own and renamed once it is
//! whole: a restore that fails leaves neither half a database nor a hole where the old one was.

use planb_sdk::{
    Command, Failure, FailureCode, Request, RestorePlan, RestoreRequest, Scope, TargetState, Version, path, quote,
};

use crate::backup::{self, Format};
use crate::{connect, describe};

const DUMP: &str = "dump";

/// The first version whose server knows DROP DATABASE ... WITH (FORCE).
const FORCE: u32 = 13;
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
    let Some(format) = Format::parse(&request.artifact.format) else {
        return Err(Failure::damaged(format!(
            "the backup's format is {:?}, which this engine does not write",
            request.artifact.format
        )));
    };
    let inner = &request.request;
    request.request.need_tool("psql", describe::CLIENT)?;
    let beside = match request.target {
        TargetState::Missing => true,
        TargetState::Occupied if request.replace => true,
        TargetState::Occupied => {
            return Err(Failure::settings(format!("database {name} holds data"))
                .hint("add --replace to replace it, or name a database that does not exist yet"));
        }
        TargetState::Empty | TargetState::Unknown => false,
    };
    let new = beside_name(name);
    let mut plan = load(inner, format, if beside { &new } else { name })?;
    if request.target == TargetState::Unknown {
        plan =
            plan.warning(format!("whether database {name} holds data could not be told; it is restored into as it is"));
    }
    if !beside {
        return Ok(plan);
    }
    let (target, new) = (quote::sql_identifier(name), quote::sql_identifier(&new));
    let drop_new = format!("DROP DATABASE IF EXISTS {new}");
    plan = plan.prepare(sql(inner, &drop_new)?).prepare(sql(inner, &create(inner, &new))?);
    if request.target == TargetState::Occupied {
        let force = if inner.server().is_none_or(|server| server.major >= FORCE) { " WITH (FORCE)" } else { "" };
        plan = plan.finish(sql(inner, &format!("DROP DATABASE IF EXISTS {target}{force}"))?);
    }
    plan = plan.finish(sql(inner, &format!("ALTER DATABASE {new} RENAME TO {target}"))?);
    Ok(plan.cleanup(sql(inner, &drop_new)?))
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

/// One statement outside any transaction, on the maintenance database.
fn sql(request: &Request, statement: &str) -> Result<Command, Failure> {
    Ok(connect::psql(request, connect::maintenance(request))?.flag("--command").script(statement))
}

fn create(request: &Request, name: &str) -> String {
    let given = |setting: &str| request.setting(setting).filter(|value| !value.is_empty());
    let template = quote::sql_identifier(given("template").unwrap_or("template0"));
    let mut statement = format!("CREATE DATABASE {name} TEMPLATE {template}");
    if let Some(encoding) = given("encoding") {
        statement.extend([" ENCODING ", &quote::sql_string(encoding)]);
    }
    if let Some(locale) = given("locale") {
        let locale = quote::sql_string(locale);
        statement.extend([" LC_COLLATE ", &locale, " LC_CTYPE ", &locale]);
    }
    if let Some(owner) = given("owner") {
        statement.extend([" OWNER ", &quote::sql_identifier(owner)]);
    }
    statement
}

/// A name for the database while it is built. The server cuts names at 63 bytes.
fn beside_name(name: &str) -> String {
    const SUFFIX: &str = ".planb-new";
    format!("{}{SUFFIX}", name.get(..name.floor_char_boundary(63 - SUFFIX.len())).unwrap_or(name))
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
    use planb_sdk::{Artifact, Mode, Sink};

    use super::*;
    use crate::testing::restore_request;

    fn rendered(request: &RestoreRequest) -> String {
        let plan = plan(request).unwrap();
        let (Sink::Stdin(sink)
        | Sink::Served(sink)
        | Sink::File(planb_sdk::Input { command: sink, .. })
        | Sink::Tree(planb_sdk::Input { command: sink, .. })) = plan.sink;
        let short = |command: &Command| {
            command
                .to_string()
                .replace("PGAPPNAME=planb PGCONNECT_TIMEOUT=10 PGPASSFILE={work}/pgpass ", "")
                .replace(" --no-password --host=db --port=5432 --username=app", "")
        };
        let mut lines: Vec<String> = plan.prepare.iter().map(|command| format!("prepare {}", short(command))).collect();
        lines.push(format!("sink {} filter={}", short(&sink), plan.filter));
        lines.extend(plan.finish.iter().map(|command| format!("finish {}", short(command))));
        lines.extend(plan.cleanup.iter().map(|command| format!("cleanup {}", short(command))));
        lines.join("\n")
    }

    const PSQL: &str = "psql --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --command";

    #[test]
    fn into_an_empty_database() {
        assert_eq!(
            rendered(&restore_request("orders", TargetState::Empty)),
            "sink psql --dbname=orders --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --output=/dev/null --single-transaction --file=- \
             [extra] filter=true"
        );
    }

    #[test]
    fn into_a_new_one() {
        let text = rendered(&restore_request("a\"b", TargetState::Missing));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("prepare {PSQL} <DROP DATABASE IF EXISTS \"a\"\"b.planb-new\">"));
        assert_eq!(lines[1], format!("prepare {PSQL} <CREATE DATABASE \"a\"\"b.planb-new\" TEMPLATE \"template0\">"));
        assert!(lines[2].contains("--dbname=dbname='a\"b.planb-new' "));
        assert_eq!(lines[3], format!("finish {PSQL} <ALTER DATABASE \"a\"\"b.planb-new\" RENAME TO \"a\"\"b\">"));
        assert_eq!(lines[4], format!("cleanup {PSQL} <DROP DATABASE IF EXISTS \"a\"\"b.planb-new\">"));
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn in_place_of_another_only_when_told() {
        let mut request = restore_request("orders", TargetState::Occupied);
        assert!(plan(&request).unwrap_err().hint.unwrap().contains("--replace"));
        request.replace = true;
        assert!(rendered(&request).contains("finish psql --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --command <DROP DATABASE IF EXISTS \"orders\" WITH (FORCE)>\nfinish"));
    }

    #[test]
    fn other_formats() {
        let mut request = restore_request("orders", TargetState::Empty);
        request.artifact = Artifact::new("dump", "application/octet-stream", "custom");
        assert_eq!(
            rendered(&request),
            "sink pg_restore --dbname=orders --exit-on-error --single-transaction --format=custom [extra] filter=false"
        );
        request.request.settings.push(("jobs".to_owned(), "4".to_owned()));
        assert_eq!(
            rendered(&request),
            "sink pg_restore --dbname=orders --exit-on-error --jobs=4 --format=custom [extra] {work}/dump filter=false"
        );
        request.artifact.format = "directory".to_owned();
        request.request.mode = Mode::Tar;
        request.request.settings.push(("no-owner".to_owned(), "true".to_owned()));
        assert_eq!(
            rendered(&request),
            "sink pg_restore --dbname=orders --exit-on-error --jobs=4 --no-owner --format=directory [extra] {work}/dump filter=false"
        );
    }

    #[test]
    fn scopes_have_to_fit() {
        let mut request = restore_request("orders", TargetState::Empty);
        request.source_scope = Scope::Globals;
        assert!(plan(&request).is_err());
        request.request.scope = Scope::Globals;
        assert!(rendered(&request).ends_with("--output=/dev/null --file=- filter=true"));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(beside_name(&"é".repeat(31)), format!("{}.planb-new", "é".repeat(26)));
    }
}
