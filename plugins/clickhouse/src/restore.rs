//! How a dump is put back.
//!
//! ClickHouse has no transaction around CREATE and INSERT: a restore that fails leaves what it made until then, and says so by
//! failing. It begins only in a database without tables, or empties it first where the user said `--replace`.

use planb_sdk::{
    Command, Failure, FailureCode, Object, Request, RestorePlan, RestoreRequest, Scope, TargetState, Version, path,
};

use crate::backup::DUMP;
use crate::{connect, sql};

const DROP: &str = "drop.sql";

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let (Scope::Database(source), Scope::Database(target)) = (&request.source_scope, &inner.scope) else {
        return Err(Failure::unsupported("ClickHouse is restored one database at a time")
            .hint("name the database to restore into"));
    };
    request.refuse_occupied()?;
    let (tree, iso) = match request.artifact.format.as_str() {
        "sql" => (false, false),
        "sql-iso" => (false, true),
        "values" => (true, false),
        "values-iso" => (true, true),
        _ => return Err(request.unknown_format()),
    };
    if iso && inner.tool_version("clickhouse-client").is_some_and(|client| client < Version::new(18, 16, 0)) {
        return Err(Failure::tool("this clickhouse-client cannot read the backup's dates").code(FailureCode::ToolUnfit));
    }
    let mut plan = if tree { from_tree(request, target, iso)? } else { from_script(inner, target, iso)? };
    plan = plan.file(connect::config(inner)?);
    for command in before(request, target)?.into_iter().rev() {
        plan.prepare.insert(0, command);
    }
    let bound = request.objects.iter().any(|object| object.kind != "table");
    if bound && source != target {
        plan = plan.warning(format!(
            "views and dictionaries name the database they read from, and go on reading from {source}, not from {target}"
        ));
    }
    Ok(plan)
}

/// What makes the database, or empties it.
fn before(request: &RestoreRequest, target: &str) -> Result<Vec<Command>, Failure> {
    let inner = &request.request;
    Ok(match request.target {
        TargetState::Missing => {
            let create = format!("CREATE DATABASE IF NOT EXISTS {};\n", sql::identifier(target));
            vec![connect::client(inner)?.flag("--multiquery").stdin(create)]
        }
        TargetState::Occupied => {
            let wait = connect::at_least(inner, Version::new(21, 1, 0));
            vec![
                connect::script(inner, target)?.stdin(sql::drop_all(target, wait)).stdout_to(DROP),
                connect::script(inner, target)?.stdin_from(DROP),
            ]
        }
        TargetState::Empty | TargetState::Unknown => Vec::new(),
    })
}

fn from_script(request: &Request, target: &str, iso: bool) -> Result<RestorePlan, Failure> {
    let load = connect::writing(connect::script(request, target)?, request, iso).extra();
    Ok(RestorePlan::stdin(load).filtered())
}

/// Each object is made and filled before the next: a materialized view that is made after its table was filled does not see the rows
/// a second time.
fn from_tree(request: &RestoreRequest, target: &str, iso: bool) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let mut commands = Vec::new();
    for (at, object) in request.objects.iter().enumerate() {
        let (statement, values) = sql::files(at, object);
        commands.push(connect::script(inner, target)?.stdin_from(there(request, &statement)?));
        if object.rows.is_some() {
            commands.push(fill(inner, target, object, iso)?.stdin_from(there(request, &values)?));
        }
    }
    // With no object in it, a dump is put back by doing nothing.
    let none = connect::script(inner, target)?.stdin("SELECT 1 FORMAT Null;\n");
    let mut commands = commands.into_iter();
    let first = commands.next().unwrap_or(none);
    Ok(commands.fold(RestorePlan::from_tree(first, DUMP), RestorePlan::finish))
}

fn fill(request: &Request, target: &str, object: &Object, iso: bool) -> Result<Command, Failure> {
    let insert = format!("INSERT INTO {} FORMAT Values", sql::identifier(&object.name));
    let client = connect::client(request)?.option("--database", target);
    Ok(connect::writing(client, request, iso).flag("--query").script(insert))
}

/// A file of the dump. The list of files is empty for a tar.
fn there(request: &RestoreRequest, file: &str) -> Result<String, Failure> {
    if !request.files.is_empty() && !request.files.iter().any(|there| there == file) {
        return Err(Failure::damaged(format!("the backup lacks its file {file}")));
    }
    debug_assert!(path(file) != path(""));
    Ok(format!("{DUMP}/{file}"))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Sink, testing};

    use super::*;

    fn request(format: &str, target: TargetState) -> RestoreRequest {
        let request = testing::request("copy").port(9000).tool("clickhouse-client", "18.16.1").server_is("18.16.1");
        let mut request = request.restore(Artifact::new("x", "", format), target);
        request.objects = vec![
            Object::new("table", "movies").rows(3),
            Object::new("table", "dist"),
            Object::new("materialized-view", "mv").rows(1),
        ];
        request
    }

    fn render(plan: &RestorePlan) -> Vec<String> {
        let sink = match &plan.sink {
            Sink::Stdin(command) => format!("{command} < dump"),
            Sink::Tree(input) => format!("{} [{}]", input.command, input.path),
            _ => unreachable!("stdin or a tree"),
        };
        let before = plan.prepare.iter().map(|command| format!("before: {command}"));
        before.chain([sink]).chain(plan.finish.iter().map(|command| format!("then: {command}"))).collect()
    }

    const CLIENT: &str = "clickhouse-client --config-file={work}/client.xml --host=db --port=9000 --user=app";

    #[test]
    fn a_script() {
        let plan = plan(&request("sql", TargetState::Missing)).unwrap();
        assert!(plan.filter && plan.warnings.is_empty());
        assert_eq!(
            render(&plan),
            [
                format!("before: {CLIENT} --multiquery << CREATE DATABASE IF NOT EXISTS `copy`;\n"),
                format!(
                    "{CLIENT} --database=copy --multiquery --use_client_time_zone=1 --insert_deduplicate=0 [extra] < dump"
                ),
            ]
        );
    }

    #[test]
    fn a_tree() {
        let mut request = request("values-iso", TargetState::Empty);
        request.source_scope = Scope::Database("shop".to_owned());
        let plan = plan(&request).unwrap();
        assert!(!plan.filter);
        assert_eq!(plan.warnings.len(), 1);
        let set = "--use_client_time_zone=1 --insert_deduplicate=0 --date_time_input_format=best_effort";
        let read = |file: &str| format!("{CLIENT} --database=copy --multiquery < {{work}}/dump/{file}");
        let fill = |name: &str, file: &str| {
            format!(
                "{CLIENT} --database=copy {set} --query <INSERT INTO `{name}` FORMAT Values> < {{work}}/dump/{file}"
            )
        };
        assert_eq!(
            render(&plan),
            [
                format!("{} [dump]", read("00001-movies.sql")),
                format!("then: {}", fill("movies", "00001-movies.values")),
                format!("then: {}", read("00002-dist.sql")),
                format!("then: {}", read("00003-mv.sql")),
                format!("then: {}", fill("mv", "00003-mv.values")),
            ]
        );
        request.files = vec!["00001-movies.sql".to_owned()];
        assert_eq!(super::plan(&request).unwrap_err().code, FailureCode::Damaged);
    }

    #[test]
    fn what_is_refused() {
        let mut occupied = request("sql", TargetState::Occupied);
        assert!(plan(&occupied).is_err());
        occupied.replace = true;
        let steps = render(&plan(&occupied).unwrap());
        assert!(steps[0].contains("DROP TABLE") && steps[0].ends_with("> {work}/drop.sql"), "{}", steps[0]);
        assert_eq!(steps[1], format!("before: {CLIENT} --database=copy --multiquery < {{work}}/drop.sql"));
        assert_eq!(plan(&request("dump", TargetState::Empty)).unwrap_err().code, FailureCode::Damaged);
    }
}
