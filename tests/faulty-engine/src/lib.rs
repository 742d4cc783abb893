//! A small engine with faults that can be planted in its file: what the conformance suite has to find.
//!
//! Its database is a text file: a kind and a name on each line, and a last line `end`. Without a fault it keeps every
//! rule. A test plants one by writing its name over the dashes behind the mark in the built component.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use planb_sdk::{
    Answer, Arg, Artifact, BackupPlan, Command, Connection, Description, Engine, Failure, Inspection, Inspector, Lines,
    Mode, NoFilter, Object, PrivateFile, Purpose, Query, QueryPlan, Request, RestorePlan, RestoreRequest, Scope,
    ScopeKind, ScratchPlan, Secret, SeedPlan, Setting, TargetState, Tool, path,
};

/// Where the fault is planted. Kept in the component as it is.
#[used]
static PLANTED: [u8; 64] = *b"planb-planted-fault:--------------------------------------------";

fn fault() -> &'static str {
    let planted: &'static [u8] = black_box(&PLANTED[20..]);
    std::str::from_utf8(planted).unwrap_or_default().trim_end_matches('-')
}

fn has(name: &str) -> bool {
    fault() == name
}

/// The engine.
#[derive(Debug)]
pub struct Notes;

const SEED: &str = "\
movie\tMetropolis
movie\tCasablanca
movie\tRashomon
actor\tBrigitte Helm
actor\tIngrid Bergman
actor\tToshiro Mifune
end
";

/// How often a plan was asked for. A plugin that keeps the rules has nothing like it.
static ASKED: AtomicU32 = AtomicU32::new(0);

impl Engine for Notes {
    type Inspector = NotesInspector;
    type Filter = NoFilter;

    fn describe() -> Description {
        let all = [Purpose::Backup, Purpose::Restore, Purpose::Query, Purpose::Scratch];
        let tool = |id: &str| all.into_iter().fold(Tool::new(id), Tool::purpose);
        let mut description = Description::new("notes", "Notes", "0.1.0")
            .scheme("notes")
            .file_based()
            .tool(tool("cat"))
            .tool(tool("tee"))
            .setting(Setting::text("comment", "Shown to nobody."))
            .mode(Mode::Stream)
            .scope(ScopeKind::Database);
        if has("idle-tool") {
            description = description.tool(tool("ls"));
        }
        if has("secret-in-argument") {
            description = description.tool(tool("sh"));
        }
        description
    }

    fn plan_backup(request: &Request) -> Result<BackupPlan, Failure> {
        attack();
        let mut cat = Command::tool("cat").value(request.database()?);
        if has("value-becomes-option")
            && let Some(comment) = request.text("comment")
        {
            cat.args.insert(0, Arg::Literal(comment.to_owned()));
        }
        if has("undeclared-tool") {
            "head".clone_into(&mut cat.tool);
        }
        assert!(!has("trap") || !request.database()?.contains('\''), "a name with a quote");
        let mut plan = BackupPlan::stdout(cat, Artifact::new("txt", "text/plain", "notes"));
        if has("floods") {
            plan = plan.warning("x".repeat(100 << 20));
        }
        if has("steers-the-terminal") {
            plan = plan.warning("\u{1b}[2Jall is well");
        }
        if has("other-plan-each-time") {
            plan = plan.warning(format!("plan number {}", ASKED.fetch_add(1, Ordering::Relaxed)));
        }
        if has("secret-in-argument") {
            // What a careless author would do: the contract has no way to put it there, a shell has.
            let leak = Command::tool("sh").flag("-c").script("sh -c 'sleep 0.3' \"$(cat login)\"");
            plan = plan.file(PrivateFile::new("login").secret(Secret::raw("password"))).prepare(leak);
        }
        if has("path-from-value")
            && let Some(comment) = request.text("comment")
        {
            plan = plan.file(PrivateFile::new(format!("notes-{comment}")).text("x"));
        }
        Ok(plan)
    }

    fn plan_restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
        request.refuse_occupied()?;
        let target = request.request.database()?;
        Ok(if has("restores-nothing") {
            RestorePlan::stdin(Command::tool("tee").value(path("elsewhere")))
                .finish(seed_of(target, "movie\tMetropolis\nend\n"))
        } else {
            RestorePlan::stdin(Command::tool("tee").value(target))
        })
    }

    fn plan_query(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
        match query {
            Query::Ping | Query::State(_) | Query::Inventory(_) => {
                Ok(QueryPlan::new(Command::tool("cat").value(request.database()?)))
            }
            Query::Version | Query::Databases | Query::Size(_) => {
                Err(Failure::unsupported(format!("a text file does not answer {}", query.name())))
            }
        }
    }

    fn read_query(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
        let objects = Counted::of(stdout).objects();
        match query {
            Query::Ping => Ok(Answer::Alive),
            Query::State(_) if objects.is_empty() || has("says-empty") => Ok(Answer::State(TargetState::Empty)),
            Query::State(_) => Ok(Answer::State(TargetState::Occupied)),
            Query::Inventory(_) => Ok(Answer::Inventory(objects)),
            Query::Version | Query::Databases | Query::Size(_) => Err(Answer::unexpected("cat", query)),
        }
    }

    fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
        if stderr.contains("No such file") && !has("blames-wrongly") {
            return Failure::missing_database("there is no such file").hint("check the path");
        }
        Failure::of_tool(tool, code, stderr)
    }

    fn plan_scratch(_: &[u16]) -> Result<ScratchPlan, Failure> {
        let mut connection = Connection::empty();
        if has("secret-in-argument") {
            connection = connection.with_secret("password");
        }
        let mut plan = ScratchPlan::embedded(connection, Scope::Database("notes.txt".to_owned()));
        if has("undeclared-setting") {
            plan = plan.setting("colour", "blue");
        }
        Ok(plan)
    }

    fn plan_seed(request: &Request) -> Result<SeedPlan, Failure> {
        let holds = [Object::new("kind", "actor").rows(3), Object::new("kind", "movie").rows(3)];
        Ok(SeedPlan::new(holds).command(seed_of(request.database()?, SEED)))
    }
}

/// What a plugin could try against the host itself.
fn attack() {
    if has("computes-for-ever") {
        let mut n = 0_u64;
        while black_box(n) != u64::MAX {
            n = n.wrapping_add(2);
        }
    }
    if has("eats-memory") {
        let mut all = Vec::new();
        loop {
            all.push(black_box(vec![1_u8; 1 << 20]));
        }
    }
    if has("recurses") {
        black_box(deeper(black_box(1)));
    }
    if has("aborts") {
        std::process::abort();
    }
}

#[expect(unconditional_recursion, reason = "what it is for")]
fn deeper(n: u64) -> u64 {
    black_box([n; 64]).iter().sum::<u64>() + deeper(black_box(n + 1))
}

fn seed_of(file: &str, text: &str) -> Command {
    Command::tool("tee").value(file).stdin(text)
}

/// Lines by their kinds.
#[derive(Debug, Default)]
struct Counted {
    kinds: Vec<(String, u64)>,
    ended: bool,
}

impl Counted {
    fn of(text: &[u8]) -> Self {
        let mut counted = Self::default();
        text.split(|byte| *byte == b'\n').for_each(|line| counted.line(line));
        counted
    }

    fn line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let Some((kind, _)) = line.split_once('\t') else {
            self.ended |= line == "end";
            return;
        };
        match self.kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, rows)) => *rows += 1,
            None => self.kinds.push((kind.to_owned(), 1)),
        }
    }

    fn objects(mut self) -> Vec<Object> {
        self.kinds.sort();
        self.kinds.into_iter().map(|(kind, rows)| Object::new("kind", kind).rows(rows)).collect()
    }
}

/// Counts the lines of each kind, and looks for the last.
#[derive(Debug)]
pub struct NotesInspector {
    lines: Lines,
    counted: Counted,
}

impl Inspector for NotesInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self { lines: Lines::default(), counted: Counted::default() }
    }

    fn feed(&mut self, chunk: &[u8]) {
        if has("trusts-chunks") {
            let before = std::mem::take(&mut self.counted);
            self.counted = Counted::of(chunk);
            self.counted.ended |= before.ended;
            return;
        }
        let Self { lines, counted } = self;
        lines.feed(chunk, |line| counted.line(line));
    }

    fn finish(mut self) -> Inspection {
        if self.lines.rest() == b"end" {
            self.counted.ended = true;
        }
        let complete = self.counted.ended || has("no-end-mark");
        let mut objects = self.counted.objects();
        if has("miscounts") {
            for object in &mut objects {
                object.rows = object.rows.map(|rows| rows + 1);
            }
        }
        Inspection { complete, objects, findings: Vec::new() }
    }
}

planb_sdk::export_engine!(Notes);
