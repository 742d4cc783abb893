//! The plans and answers: decent, or as the engine was told.

use std::cell::Cell;

use planb_sdk::{
    Answer, Arg, ArgPiece, Artifact, BackupPlan, Command, Connection, EnvVar, Failure, Inspection, Object, OptionArg,
    PrivateFile, PrivatePiece, Query, QueryPlan, Request, RestorePlan, RestoreRequest, Scope, ScratchPlan, Secret,
    SeedPlan, Sink, Source, StdoutSource, Trim,
};

use crate::order::{self, Order, count, is, with};
use crate::probe;

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

fn sh(script: String) -> Command {
    let mut command = Command::tool("sh").flag("-c");
    command.args.push(Arg::Script(script));
    command
}

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    let cat = Command::tool("cat").value(request.database()?);
    let mut plan = BackupPlan::stdout(cat, Artifact::new("txt", "text/plain", "hostile"));
    for Order { what, with, .. } in order::of("plan") {
        change_backup(&mut plan, &what, with)?;
    }
    Ok(plan)
}

fn change_backup(plan: &mut BackupPlan, what: &str, text: String) -> Result<(), Failure> {
    let number = || text.parse::<usize>().unwrap_or_default();
    match what {
        "prepare-tool" => plan.prepare.push(Command::tool(text)),
        "cleanup-tool" => plan.cleanup.push(Command::tool(text)),
        "shell" => plan.prepare.push(sh(text)),
        "cleanup-shell" => plan.cleanup.push(sh(text)),
        "print-to" => plan.prepare.push(Command { stdout_to: Some(text), ..sh("printf owned".to_owned()) }),
        "read-from" => {
            let read = Command { stdin_from: Some(text), stdout_to: Some("taken".to_owned()), ..Command::tool("cat") };
            plan.prepare.push(read);
        }
        "both-stdins" => {
            let (stdin, from) = (Some(vec![PrivatePiece::Text("x".to_owned())]), Some("x".to_owned()));
            plan.prepare.push(Command { stdin, stdin_from: from, ..Command::tool("cat") });
        }
        "file" => plan.files.push(PrivateFile::new(text).text("owned")),
        "secret" => plan.files.push(PrivateFile::new("login").secret(Secret::raw(text))),
        "secret-env" => plan.prepare.push(variable("HOSTILE", vec![Secret::raw(text).into()])),
        "secret-stdin" => {
            plan.prepare.push(Command { stdin: Some(vec![Secret::raw(text).into()]), ..Command::tool("cat") });
        }
        "env" => plan.prepare.push(variable(&text, vec!["owned".into()])),
        "env-value" => plan.prepare.push(variable("HOSTILE", vec![text.into()])),
        "many-env" => {
            let env = (0..number()).map(|_| EnvVar { name: "HOSTILE".to_owned(), value: Vec::new() }).collect();
            plan.prepare.push(Command { env, ..Command::tool("cat") });
        }
        "many-commands" => plan.prepare.extend((0..number()).map(|_| Command::tool("cat"))),
        "many-cleanups" => plan.cleanup.extend((0..number()).map(|_| Command::tool("cat"))),
        "many-files" => plan.files.extend((0..number()).map(|n| PrivateFile::new(n.to_string()).text("x"))),
        "large-file" => plan.files.push(PrivateFile::new("large").text("x".repeat(number()))),
        "warning" => plan.warnings.push(text),
        "large-warning" => plan.warnings.push("x".repeat(number())),
        "many-warnings" => plan.warnings.extend((0..number()).map(|n| n.to_string())),
        "extension" => plan.artifact.extension = text,
        "large-extension" => plan.artifact.extension = "x".repeat(number()),
        "media-type" => plan.artifact.media_type = text,
        "format" => plan.artifact.format = text,
        "changes" => {
            ASKED.with(|asked| asked.set(asked.get() + 1));
            plan.warnings.push(format!("plan {} {}", ASKED.with(Cell::get), probe::chance()));
        }
        "look" => plan.warnings.extend(probe::look(&text)),
        "fails" => return Err(Failure::plugin(text)),
        _ => change_source(plan, what, text),
    }
    Ok(())
}

fn variable(name: &str, value: Vec<PrivatePiece>) -> Command {
    Command { env: vec![EnvVar { name: name.to_owned(), value }], ..Command::tool("cat") }
}

fn change_source(plan: &mut BackupPlan, what: &str, text: String) {
    let number = text.parse::<usize>().unwrap_or_default();
    let Source::Stdout(StdoutSource { command, trim }) = &mut plan.source else { return };
    let piece = |text: String| vec![ArgPiece::Text(text)];
    match what {
        "tool" => command.tool = text,
        "literal" => command.args.push(Arg::Literal(text)),
        "value" => command.args.push(Arg::Value(piece(text))),
        "path" => command.args.push(Arg::Value(vec![ArgPiece::Path(text)])),
        "option" => command.args.push(Arg::Option(OptionArg { name: "--name=".to_owned(), value: piece(text) })),
        "option-name" => command.args.push(Arg::Option(OptionArg { name: text, value: piece("x".to_owned()) })),
        "pair" => command.args.push(Arg::Pair(OptionArg { name: "--name".to_owned(), value: piece(text) })),
        "script" => command.args.push(Arg::Script(text)),
        "extra-twice" => command.args.extend([Arg::Extra, Arg::Extra]),
        "many-args" => command.args.extend((0..number).map(|_| Arg::Literal("x".to_owned()))),
        "many-pieces" => command.args.push(Arg::Value(vec![ArgPiece::Text("x".to_owned()); number])),
        "large-arg" => command.args.push(Arg::Literal("x".repeat(number))),
        "many-codes" => command.ok = vec![0; number],
        "source-shell" => *command = sh(text),
        "source-to" => command.stdout_to = Some(text),
        "source-from" => (command.args, command.stdin_from) = (Vec::new(), Some(text)),
        "tail" => *trim = Some(Trim { head_line: None, tail_bytes: text.parse().unwrap_or(u32::MAX) }),
        "head" => *trim = Some(Trim { head_line: Some(text), tail_bytes: 0 }),
        "source-file" => plan.source = Source::File(planb_sdk::Output { command: sh(":".to_owned()), path: text }),
        "source-tree" => plan.source = Source::Tree(planb_sdk::Output { command: sh(":".to_owned()), path: text }),
        "served" => plan.source = Source::Served(Command::tool("cat")),
        _ => {}
    }
}

pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let mut plan = RestorePlan::stdin(Command::tool("tee").value(request.request.database()?));
    plan.filter = ["filter", "push", "filter-finish", "filtered"].into_iter().any(|call| !order::of(call).is_empty());
    for Order { what, with: text, .. } in order::of("restore") {
        match what.as_str() {
            "tool" => plan.sink = Sink::Stdin(Command::tool(text)),
            "prepare-tool" => plan.prepare.push(Command::tool(text)),
            "finish-tool" => plan.finish.push(Command::tool(text)),
            "cleanup-tool" => plan.cleanup.push(Command::tool(text)),
            "file" => plan.files.push(PrivateFile::new(text).text("owned")),
            "sink-file" => plan = RestorePlan::from_file(Command::tool("cat"), text),
            "sink-tree" => plan = RestorePlan::from_tree(Command::tool("cat"), text),
            "shell" => plan.prepare.push(sh(text)),
            "served" => plan.sink = Sink::Served(Command::tool("cat")),
            _ => {}
        }
    }
    Ok(plan)
}

pub(crate) fn filtered(chunk: Vec<u8>) -> Vec<u8> {
    count("grows", "filtered").map_or(chunk, |bytes| vec![b'x'; bytes])
}

/// Whether a question is answered. Where nothing hostile hangs on it, the version is none.
pub(crate) fn asked(query: &Query) -> bool {
    let told = ["plan-query", "read-query", "question", "answer"].into_iter().any(|call| !order::of(call).is_empty());
    told || matches!(query, Query::Ping | Query::State(_) | Query::Inventory(_))
}

pub(crate) fn query(request: &Request) -> Result<QueryPlan, Failure> {
    let mut plan = QueryPlan::new(Command::tool("cat").value(request.database()?));
    for Order { what, with: text, .. } in order::of("question") {
        match what.as_str() {
            "tool" => plan.command.tool = text,
            "prepare-tool" => plan.prepare.push(Command::tool(text)),
            "shell" => plan.prepare.push(sh(text)),
            "print" => plan.command = sh(text),
            "file" => plan.files.push(PrivateFile::new(text).text("owned")),
            "stdout-to" => plan.command.stdout_to = Some(text),
            "secret" => plan.files.push(PrivateFile::new("login").secret(Secret::raw(text))),
            _ => {}
        }
    }
    Ok(plan)
}

pub(crate) fn answer(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    if let Some(bytes) = count("large-version", "answer") {
        return Ok(Answer::Version("9".repeat(bytes)));
    }
    if let Some(version) = with("version", "answer") {
        return Ok(Answer::Version(version));
    }
    if is("wrong", "answer") {
        return Ok(Answer::Size(u64::MAX));
    }
    let (state, mut objects) = crate::held(stdout);
    if is("rows", "answer") {
        objects = vec![Object::new("file", "a").rows(u64::MAX), Object::new("file", "b").rows(u64::MAX)];
    }
    if let Some(n) = count("many-objects", "answer") {
        objects = (0..n).map(|n| Object::new("file", n.to_string())).collect();
    }
    Ok(match query {
        Query::Ping => Answer::Alive,
        Query::Version => Answer::Version("1".to_owned()),
        Query::State(_) if is("by-count", "answer") => return Err(Failure::unsupported("count")),
        Query::State(_) => Answer::State(state),
        Query::Databases => Answer::Databases(Vec::new()),
        Query::Size(_) => Answer::Size(0),
        Query::Inventory(_) => Answer::Inventory(objects),
    })
}

pub(crate) fn explained(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
    if let Some(bytes) = count("large", "explained") {
        return Failure::plugin("x".repeat(bytes));
    }
    if let Some(text) = with("message", "explained") {
        return Failure::database(text.clone()).hint(text);
    }
    if stderr.contains("No such file") {
        return Failure::missing_database("there is no such file");
    }
    Failure::of_tool(tool, code, stderr)
}

pub(crate) fn inspection(bytes: u64) -> Inspection {
    let call = "inspection";
    let mut seen = Inspection { complete: bytes > 0, objects: Vec::new(), findings: Vec::new() };
    if is("incomplete", call) {
        seen.complete = false;
    }
    if let Some(text) = with("finding", call) {
        seen.findings.push(text);
    }
    if let Some(n) = count("large-finding", call) {
        seen.findings.push("x".repeat(n));
    }
    if let Some(n) = count("many-objects", call) {
        seen.objects = (0..n).map(|n| Object::new("file", n.to_string()).rows(1)).collect();
    }
    if is("rows", call) {
        seen.objects = vec![Object::new("file", "a").rows(u64::MAX), Object::new("file", "b").rows(u64::MAX)];
    }
    seen
}

pub(crate) fn scratch() -> ScratchPlan {
    let mut plan = ScratchPlan::embedded(Connection::empty(), Scope::Database("notes.txt".to_owned()));
    for Order { what, with: text, .. } in order::of("scratch") {
        match what.as_str() {
            "scope" => plan.scope = Scope::Database(text),
            "socket" => plan.connection = Connection::at_socket(text),
            "host" => plan.connection.host = Some(text),
            "server-tool" => plan.server = Some(Command::tool(text)),
            "ready-tool" => plan.ready.push(Command::tool(text)),
            "file" => plan.files.push(PrivateFile::new(text).text("owned")),
            _ => {}
        }
    }
    plan
}

pub(crate) fn seed(request: &Request) -> Result<SeedPlan, Failure> {
    let tee = Command::tool("tee").value(request.database()?).stdin("seed\n");
    Ok(SeedPlan::new([Object::new("file", "all").rows(1)]).command(tee))
}
