//! How a dump is taken and put back.
//!
//! From 5.0 on `neo4j-admin database dump --to-stdout` streams (manual, "Back up an offline database") and `load --from-stdin` takes it in
//! ("Restore a database dump"); 4.4 knows files only (`dump --database= --to=`, `load --from= --force`).

use planb_sdk::{Artifact, BackupPlan, Command, Failure, Mode, Request, RestorePlan, RestoreRequest, Scope, path};

use crate::tools;

const DUMP: &str = "database.dump";
const FORMAT: &str = "dump";

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    let name = tools::database(request)?;
    if request.native_compression {
        return Err(Failure::settings("neo4j-admin always compresses, and cannot be told how")
            .hint("leave out --compress native"));
    }
    let artifact = Artifact::new("dump", "application/octet-stream", FORMAT).compressed(true);
    let dump = tools::admin(request, "dump")?;
    let stream = |dump: Command| dump.flag("--to-stdout").extra().value(name);
    let mut plan = match (request.mode, tools::is_grouped(request)) {
        (Mode::Stream, true) => BackupPlan::stdout(stream(dump), artifact),
        (Mode::File, true) => BackupPlan::from_file(stream(dump).stdout_to(DUMP), DUMP, artifact),
        (Mode::File, false) => {
            BackupPlan::from_file(dump.option("--database", name).option("--to", path(DUMP)).extra(), DUMP, artifact)
        }
        (Mode::Stream, false) => {
            return Err(
                Failure::settings("this neo4j-admin writes files only").hint("add --mode file, or use version 5")
            );
        }
        (Mode::Directory | Mode::Tar, _) => {
            return Err(Failure::settings("a dump of a Neo4j database is one file").hint("leave out --mode"));
        }
    };
    if request.toggle("stop")? {
        plan = plan.prepare(stop(request, name)?).cleanup(start(request, name)?);
    }
    Ok(plan)
}

/// The tool itself refuses to write over a database that is there, and one that runs.
pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let name = tools::database(inner)?;
    if request.artifact.format != FORMAT || !matches!(request.source_scope, Scope::Database(_)) {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    // A server that is asked knows the database `neo4j` from its first start on, empty as it is.
    let over = request.replace || request.target == planb_sdk::TargetState::Empty;
    let load = tools::admin(inner, "load")?;
    let mut plan = if tools::is_grouped(inner) {
        RestorePlan::stdin(load.flag("--from-stdin").flag_if(over, "--overwrite-destination=true").extra().value(name))
    } else {
        let load = load.option("--from", path(DUMP)).option("--database", name).flag_if(over, "--force");
        RestorePlan::from_file(load.extra(), DUMP)
    };
    if inner.toggle("stop")? {
        let create =
            tools::shell(inner, "system")?.stdin(format!("CREATE DATABASE {} IF NOT EXISTS WAIT;\n", quoted(name)));
        if request.target != planb_sdk::TargetState::Missing {
            plan = plan.prepare(stop(inner, name)?);
        }
        return Ok(plan.finish(create).finish(start(inner, name)?));
    }
    Ok(plan.warning(format!(
        "start the server afterwards; in the Enterprise Edition a database that is new needs: CREATE DATABASE {}",
        quoted(name)
    )))
}

fn stop(request: &Request, name: &str) -> Result<Command, Failure> {
    Ok(tools::shell(request, "system")?.stdin(format!("STOP DATABASE {} WAIT;\n", quoted(name))))
}

fn start(request: &Request, name: &str) -> Result<Command, Failure> {
    Ok(tools::shell(request, "system")?.stdin(format!("START DATABASE {} WAIT;\n", quoted(name))))
}

/// A name in backquotes; it holds none (see `tools::database`).
fn quoted(name: &str) -> String {
    format!("`{name}`")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Sink, Source, TargetState, testing};

    use super::*;

    fn request(version: &str, mode: Mode) -> Request {
        testing::request("shop")
            .password()
            .port(7687)
            .tool("neo4j-admin", version)
            .tool("cypher-shell", version)
            .mode(mode)
    }

    fn dump(request: &Request) -> String {
        match backup(request).map(|plan| plan.source) {
            Ok(Source::Stdout(source)) => source.command.to_string(),
            Ok(Source::File(output)) => format!("{} -> {}", output.command, output.path),
            Ok(_) => unreachable!("stdout or a file"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn dumps() {
        assert_eq!(dump(&request("5.12.0", Mode::Stream)), "neo4j-admin database dump --to-stdout [extra] shop");
        assert_eq!(
            dump(&request("2025.01.0", Mode::File)),
            "neo4j-admin database dump --to-stdout [extra] shop > {work}/database.dump -> database.dump"
        );
        assert_eq!(
            dump(&request("4.4.12", Mode::File)),
            "neo4j-admin dump --database=shop --to={work}/database.dump [extra] -> database.dump"
        );
        assert!(dump(&request("4.4.12", Mode::Stream)).contains("files only"));
        assert!(dump(&request("5.12.0", Mode::Tar)).contains("one file"));
        let plan = backup(&request("5.12.0", Mode::Stream).with_setting("stop", "true")).unwrap();
        assert!(plan.prepare[0].to_string().ends_with(
            "--database=system --format=plain --non-interactive --fail-fast << STOP DATABASE `shop` WAIT;\n"
        ));
        assert!(plan.cleanup[0].to_string().ends_with("<< START DATABASE `shop` WAIT;\n"));
    }

    fn load(version: &str, target: TargetState, replace: bool) -> String {
        let mut request = request(version, Mode::Stream).restore(Artifact::new("dump", "", FORMAT), target);
        request.replace = replace;
        match restore(&request).map(|plan| plan.sink) {
            Ok(Sink::Stdin(command)) => command.to_string(),
            Ok(Sink::File(input)) => format!("{} [{}]", input.command, input.path),
            Ok(_) => unreachable!("stdin or a file"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn restores() {
        assert_eq!(load("5.12.0", TargetState::Unknown, false), "neo4j-admin database load --from-stdin [extra] shop");
        assert_eq!(
            load("5.12.0", TargetState::Unknown, true),
            "neo4j-admin database load --from-stdin --overwrite-destination=true [extra] shop"
        );
        assert_eq!(
            load("4.4.12", TargetState::Empty, false),
            "neo4j-admin load --from={work}/database.dump --database=shop --force [extra] [database.dump]"
        );
        assert!(load("5.12.0", TargetState::Occupied, false).contains("holds data"));
        let stopped = request("5.12.0", Mode::Stream).with_setting("stop", "true");
        let plan = restore(&stopped.restore(Artifact::new("dump", "", FORMAT), TargetState::Missing)).unwrap();
        assert!(plan.prepare.is_empty());
        assert!(plan.finish[0].to_string().ends_with("<< CREATE DATABASE `shop` IF NOT EXISTS WAIT;\n"));
    }
}
