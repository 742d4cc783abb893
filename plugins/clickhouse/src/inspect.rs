//! What a dump held, and whether it is whole.

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Inspection, Inspector, Lines, Object, Request};

use crate::backup::CONTENTS;
use crate::scan::{self, Event, Scanner, Statement};
use crate::sql;

/// The inspector for scripts and directories.
#[derive(Debug)]
pub struct ClickHouseInspector(Kind);

#[derive(Debug)]
enum Kind {
    Script(Box<Script>),
    Tree(Box<Tree>),
}

impl Inspector for ClickHouseInspector {
    fn new(_: &Request, artifact: &Artifact) -> Self {
        Self(if artifact.format.starts_with("values") {
            Kind::Tree(Box::default())
        } else {
            Kind::Script(Box::new(Script::new(Scanner::script())))
        })
    }

    fn open(&mut self, path: &str) {
        if let Kind::Tree(tree) = &mut self.0 {
            tree.open(path);
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Kind::Script(script) => script.feed(chunk),
            Kind::Tree(tree) => tree.feed(chunk),
        }
    }

    fn finish(self) -> Inspection {
        match self.0 {
            Kind::Script(script) => script.finish(),
            Kind::Tree(tree) => tree.finish(),
        }
    }
}

/// More objects than this are not kept.
const OBJECTS: usize = 500_000;

/// A password that the server did not tell (`display_secrets_in_show_and_select`).
const HIDDEN: &[u8] = b"'[HIDDEN]'";

/// Statements. Also of one file of a tree.
#[derive(Debug)]
struct Script {
    scanner: Scanner,
    objects: Vec<Object>,
    /// Where in `objects` a name is.
    places: BTreeMap<String, usize>,
    /// The number of the last statement, if it was the one that ends a dump.
    end: Option<usize>,
    statements: u64,
    rows: u64,
    bytes: u64,
    findings: Vec<String>,
    bad: bool,
}

impl Script {
    fn new(scanner: Scanner) -> Self {
        Self {
            scanner,
            objects: Vec::new(),
            places: BTreeMap::new(),
            end: None,
            statements: 0,
            rows: 0,
            bytes: 0,
            findings: Vec::new(),
            bad: false,
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() && !self.bad {
            self.end = None;
            let (read, event) = self.scanner.next(rest);
            rest = rest.get(read..).unwrap_or_default();
            match event {
                Some(Event::Statement) => self.statement(rest.is_empty()),
                Some(Event::Bad(why)) => self.wrong(format!("the dump is not as clickhouse-client writes it: {why}")),
                Some(Event::Rows) | None => {}
            }
        }
    }

    fn statement(&mut self, last: bool) {
        self.statements += 1;
        self.rows += self.scanner.rows();
        let head = self.scanner.head();
        match Statement::read(head) {
            Statement::Create { kind, name } => {
                if memchr::memmem::find(head, HIDDEN).is_some() {
                    self.findings.push(format!(
                        "the server hides a password in the definition of {name}: put it in after a restore, or let the server show secrets"
                    ));
                }
                if self.objects.len() < OBJECTS {
                    self.places.insert(name.clone(), self.objects.len());
                    self.objects.push(Object::new(kind, name));
                }
            }
            Statement::Insert(name) => self.filled(&name, self.scanner.rows()),
            Statement::NoRows(name) => self.filled(&name, 0),
            Statement::End(objects) => self.end = last.then_some(objects),
            // A file of rows has no head.
            Statement::Other if head.is_empty() => {}
            Statement::Other => {
                let head = String::from_utf8_lossy(head.get(..60).unwrap_or(head)).into_owned();
                self.wrong(format!("the dump holds a statement that no dump holds: {head:?}"));
            }
        }
    }

    fn filled(&mut self, name: &str, rows: u64) {
        let full = self.objects.len() >= OBJECTS;
        match self.places.get(name).and_then(|place| self.objects.get_mut(*place)) {
            Some(object) => object.rows = Some(object.rows.unwrap_or(0) + rows),
            None if full => {}
            None => self.wrong(format!("there are rows of {name}, which the dump does not make")),
        }
    }

    fn wrong(&mut self, finding: String) {
        self.bad = true;
        self.findings.push(finding);
    }

    fn finish(mut self) -> Inspection {
        let ended = self.end.is_some_and(|objects| objects == self.objects.len() || self.objects.len() >= OBJECTS);
        let complete = ended && !self.bad;
        if self.bytes == 0 {
            self.findings.push("the dump is empty".to_owned());
        } else if !complete && !self.bad {
            self.findings.push("the end of the dump is missing: it was cut off".to_owned());
        }
        Inspection { complete, objects: self.objects, findings: self.findings }
    }
}

/// A directory: what its table of contents names has to be there, and each file has to be whole.
#[derive(Debug, Default)]
struct Tree {
    current: Current,
    contents: Contents,
    /// By their paths.
    files: BTreeMap<String, File>,
    findings: Vec<String>,
    bytes: u64,
}

#[derive(Debug, Default)]
enum Current {
    #[default]
    None,
    Contents,
    File(String, Box<Script>),
}

/// What is known of a file that was read.
#[derive(Debug)]
struct File {
    made: Option<Object>,
    rows: u64,
    whole: bool,
}

/// `kind TAB name TAB rows|no-rows`, and at last `end TAB number`.
#[derive(Debug, Default)]
struct Contents {
    lines: Lines,
    objects: Vec<(Object, bool)>,
    ended: bool,
    bad: bool,
}

impl Contents {
    fn feed(&mut self, chunk: &[u8]) {
        let Self { lines, objects, ended, bad } = self;
        lines.feed(chunk, |line| {
            let mut fields = line.split(|byte| *byte == b'\t');
            let (kind, name, rows) =
                (fields.next().unwrap_or_default(), fields.next().unwrap_or_default(), fields.next());
            if *ended {
                *bad = true;
            } else if kind == b"end" {
                *ended = name == objects.len().to_string().as_bytes() && rows.is_none();
            } else if let (Some((name, [])), Some(rows)) = (scan::name(name), rows) {
                let kind = String::from_utf8_lossy(kind).into_owned();
                objects.push((Object::new(kind, name), rows == b"rows"));
            } else {
                *bad = true;
            }
        });
    }

    fn whole(&self) -> bool {
        self.ended && !self.bad && self.lines.rest().is_empty()
    }
}

impl Tree {
    fn open(&mut self, path: &str) {
        self.close();
        self.current = if path == CONTENTS {
            Current::Contents
        } else if path.ends_with(".values") {
            Current::File(path.to_owned(), Box::new(Script::new(Scanner::rows_only())))
        } else {
            Current::File(path.to_owned(), Box::new(Script::new(Scanner::script())))
        };
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        match &mut self.current {
            Current::None => {}
            Current::Contents => self.contents.feed(chunk),
            Current::File(_, script) => script.feed(chunk),
        }
    }

    fn close(&mut self) {
        if let Current::File(path, mut script) = std::mem::take(&mut self.current) {
            let whole = !script.bad && script.statements == 1 && script.scanner.at_rest();
            self.findings.append(&mut script.findings);
            self.files.insert(path, File { made: script.objects.pop(), rows: script.rows, whole });
        }
    }

    fn finish(mut self) -> Inspection {
        self.close();
        if self.bytes == 0 {
            return Inspection { complete: false, objects: Vec::new(), findings: vec!["the dump is empty".to_owned()] };
        }
        let mut complete = self.contents.whole();
        let mut findings = self.findings;
        if !complete {
            findings.push(format!("the table of contents ({CONTENTS}) is missing or was cut off"));
        }
        let mut objects = Vec::new();
        for (at, (object, filled)) in self.contents.objects.into_iter().enumerate() {
            let (statement, values) = sql::files(at, &object);
            let made = self.files.get(&statement).filter(|file| file.whole).and_then(|file| file.made.as_ref());
            if !made.is_some_and(|made| made.name == object.name && made.kind == object.kind) {
                complete = false;
                findings
                    .push(format!("{statement} is missing, was cut off, or makes something else than {}", object.name));
            }
            let rows = self.files.get(&values).filter(|file| file.whole && file.made.is_none()).map(|file| file.rows);
            if filled && rows.is_none() {
                complete = false;
                findings.push(format!("{values} is missing or was cut off"));
            }
            objects.push(object.rows(rows.filter(|_| filled)));
        }
        Inspection { complete, objects, findings }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    /// What clickhouse-client 18.16.1 printed.
    const DUMP: &str = "CREATE TABLE movies ( id UInt32,  title String,  year UInt16) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192;\n\
INSERT INTO `movies` VALUES (1,'Metropolis',1927),(2,'Casa\\'bl\\nanca;(',1942),(3,'Rash\\\\omon\\0x',1950);\n\
CREATE TABLE empty ( a Int8) ENGINE = TinyLog;\n\
SELECT 'planb: no rows', 'empty';\n\
CREATE TABLE dist ( id UInt32) ENGINE = Distributed(x, shop, movies);\n\
CREATE VIEW v ( id UInt32) AS SELECT id FROM shop.movies ;\n\
SELECT 'planb: end of the dump', 4;\n";

    fn script(dump: &str, chunk: usize) -> Inspection {
        let artifact = Artifact::new("sql", "application/sql", "sql");
        testing::inspect::<ClickHouseInspector>(&testing::request("shop"), &artifact, dump.as_bytes(), chunk)
    }

    fn objects() -> Vec<Object> {
        vec![
            Object::new("table", "movies").rows(3),
            Object::new("table", "empty").rows(0),
            Object::new("table", "dist"),
            Object::new("view", "v"),
        ]
    }

    #[test]
    fn a_script() {
        for chunk in [1, 7, 64 << 10] {
            let inspection = script(DUMP, chunk);
            assert!(inspection.complete, "{inspection:?}");
            assert_eq!(inspection.objects, objects());
            assert!(inspection.findings.is_empty());
        }
        for end in 0..DUMP.len() {
            assert!(!script(&DUMP[..end], 64).complete, "cut at {end}");
        }
        for (from, to) in [
            ("dump', 4", "dump', 5"),
            ("CREATE TABLE empty", "CREATE TABLE shop.empty"),
            ("INSERT INTO `movies`", "INSERT INTO `movie`"),
            ("SELECT 'planb: no", "DROP TABLE x;\nSELECT 'planb: no"),
        ] {
            assert!(!script(&DUMP.replace(from, to), 64).complete, "{to}");
        }
        assert!(!script(&format!("{DUMP}x"), 64).complete);
        let hidden = script(&DUMP.replace("TinyLog", "MySQL('a', 'b', 'c', 'd', '[HIDDEN]')"), 64);
        assert!(hidden.complete && hidden.findings[0].contains("hides a password"));
    }

    fn files() -> Vec<(&'static str, String)> {
        let lines: Vec<_> = DUMP.lines().collect();
        let values = format!("{}\n", lines[1].strip_prefix("INSERT INTO `movies` VALUES ").unwrap());
        vec![
            ("00001-movies.sql", format!("{}\n", lines[0])),
            ("00001-movies.values", values),
            ("00002-empty.sql", format!("{}\n", lines[2])),
            ("00002-empty.values", ";\n".to_owned()),
            ("00003-dist.sql", format!("{}\n", lines[4])),
            ("00004-v.sql", format!("{}\n", lines[5])),
            (
                "contents.txt",
                "table\t`movies`\trows\ntable\t`empty`\trows\ntable\t`dist`\tno-rows\nview\t`v`\tno-rows\nend\t4\n"
                    .to_owned(),
            ),
        ]
    }

    fn tree(files: &[(&str, String)], chunk: usize) -> Inspection {
        let artifact = Artifact::new("tar", "application/x-tar", "values");
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
        testing::inspect_files::<ClickHouseInspector>(&testing::request("shop"), &artifact, &files, chunk)
    }

    #[test]
    fn a_tree() {
        for chunk in [1, 7, 64 << 10] {
            let inspection = tree(&files(), chunk);
            assert!(inspection.complete, "{inspection:?}");
            assert_eq!(inspection.objects, objects());
        }
        for at in 0..files().len() {
            let mut without = files();
            without.remove(at);
            assert!(!tree(&without, 64).complete, "without file {at}");
            for end in 0..files()[at].1.len() {
                let mut cut = files();
                cut[at].1.truncate(end);
                assert!(!tree(&cut, 64).complete, "file {at} cut at {end}");
            }
        }
        assert!(!tree(&[], 64).complete);
    }
}
