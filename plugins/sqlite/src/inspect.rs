//! What a dump held, and whether it is whole.

use planb_sdk::{Artifact, Inspection, Inspector, Objects, Request};

use crate::scan::{Event, Scanner, name_and_rest};

/// The inspector for both formats.
#[derive(Debug)]
pub struct SqliteInspector(Kind);

#[derive(Debug)]
enum Kind {
    Sql(Box<Sql>),
    Binary(Binary),
}

impl Inspector for SqliteInspector {
    fn new(_: &Request, artifact: &Artifact) -> Self {
        Self(if artifact.format == "binary" {
            Kind::Binary(Binary::default())
        } else {
            Kind::Sql(Box::new(Sql::new()))
        })
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Kind::Sql(sql) => sql.feed(chunk),
            Kind::Binary(binary) => binary.feed(chunk),
        }
    }

    fn finish(self) -> Inspection {
        match self.0 {
            Kind::Sql(sql) => sql.finish(),
            Kind::Binary(binary) => binary.finish(),
        }
    }
}

/// A dump of statements. Its last is COMMIT, or ROLLBACK where `.dump` met an error, which it tells no other way.
#[derive(Debug)]
struct Sql {
    scanner: Scanner,
    objects: Objects,
    /// The table of the last rows, and how many: rows of a table come together.
    filling: (Vec<u8>, u64),
    bytes: u64,
    /// Bytes since the last statement, which was COMMIT. None: it was another.
    after_commit: Option<Vec<u8>>,
    errors: bool,
}

impl Sql {
    fn new() -> Self {
        Self {
            scanner: Scanner::new(true),
            objects: Objects::default(),
            filling: (Vec::new(), 0),
            bytes: 0,
            after_commit: None,
            errors: false,
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() {
            let (read, event) = self.scanner.next(rest);
            let (bytes, after) = rest.split_at(read);
            rest = after;
            if let Some(tail) = &mut self.after_commit {
                let room = 8_usize.saturating_sub(tail.len());
                tail.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            match event {
                Some(Event::Statement) => self.statement(),
                Some(Event::Error) => self.errors = true,
                Some(Event::DotCommand) | None => {}
            }
        }
    }

    fn statement(&mut self) {
        let head = self.scanner.head();
        self.after_commit = (head == b"COMMIT").then(Vec::new);
        if head.starts_with(b"ROLLBACK") {
            self.errors = true;
        }
        if let Some(rest) = head.strip_prefix(b"INSERT INTO ") {
            // The same table as before, nearly always: then nothing is copied.
            let (table, rows) = &mut self.filling;
            if !table.is_empty() && rest.starts_with(table) {
                *rows += 1;
                return;
            }
            let Some((name, after)) = name_and_rest(rest) else {
                return;
            };
            if name == "sqlite_schema" || name == "sqlite_master" {
                self.virtual_table();
                return;
            }
            let quoted = rest.len() - after.len();
            // With the byte after it, so that no name is taken for a longer one.
            let key = rest.get(..=quoted).unwrap_or_default().to_vec();
            self.flush();
            self.filling = (key, 1);
            return;
        }
        let mut words = head.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"CREATE")) {
            return;
        }
        for kind in words {
            let kind = match kind.to_ascii_uppercase().as_slice() {
                b"TABLE" => "table",
                b"VIEW" => "view",
                b"TEMP" | b"TEMPORARY" => continue,
                _ => return,
            };
            if let Some(name) = created(head) {
                self.made(kind, &name);
            }
            return;
        }
    }

    /// `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','fts','fts',0,'CREATE VIRTUAL TABLE ...')`
    fn virtual_table(&mut self) {
        let head = self.scanner.head();
        let marker = b"VALUES('table',";
        let at = memchr::memmem::find(head, marker).map(|at| at + marker.len());
        if let Some((name, _)) = at.and_then(|at| head.get(at..)).and_then(name_and_rest) {
            self.made("virtual-table", &name);
        }
    }

    fn made(&mut self, kind: &'static str, name: &str) {
        // SQLite's own tables (statistics, sequences) are no tables of the user.
        if name.starts_with("sqlite_") {
            return;
        }
        self.objects.made(kind, name);
        if kind == "table" {
            self.objects.filled(kind, name, Some(0));
        }
    }

    fn flush(&mut self) {
        let (key, rows) = std::mem::take(&mut self.filling);
        if let Some((name, _)) = name_and_rest(&key)
            && !name.starts_with("sqlite_")
        {
            self.objects.filled("table", &name, Some(rows));
        }
    }

    fn finish(mut self) -> Inspection {
        self.flush();
        let complete = !self.errors && self.after_commit.as_deref() == Some(b"\n");
        let mut findings = Vec::new();
        if self.errors {
            findings.push(
                "sqlite3 met errors in the database while it dumped it: the dump lacks what it could not read"
                    .to_owned(),
            );
        } else if self.bytes == 0 {
            findings.push("the dump is empty".to_owned());
        } else if !complete {
            findings.push("the dump does not end with COMMIT: it was cut off".to_owned());
        }
        let (objects, more) = self.objects.finish();
        findings.extend(more);
        Inspection { complete, objects, findings }
    }
}

/// The name in `CREATE [TEMP] TABLE|VIEW [IF NOT EXISTS] name`.
fn created(head: &[u8]) -> Option<String> {
    let mut rest = head;
    let mut skipped = 0;
    loop {
        let (name, after) = name_and_rest(rest)?;
        let bare = rest.trim_ascii_start().first().is_some_and(u8::is_ascii_alphabetic);
        let keyword = match skipped {
            0 => true,
            _ => ["TEMP", "TEMPORARY", "TABLE", "VIEW", "IF", "NOT", "EXISTS"]
                .iter()
                .any(|word| name.eq_ignore_ascii_case(word)),
        };
        if !bare || !keyword {
            return Some(name);
        }
        skipped += 1;
        rest = after;
    }
}

/// A copy of the database file, by its header (sqlite.org/fileformat2.html, 1.3): the size of a page and how many there are.
#[derive(Debug, Default)]
struct Binary {
    header: Vec<u8>,
    bytes: u64,
}

impl Binary {
    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let room = 100_usize.saturating_sub(self.header.len());
        self.header.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }

    fn finish(self) -> Inspection {
        let mut findings = vec!["a copy of the database file: its tables are not listed".to_owned()];
        let magic = self.header.starts_with(b"SQLite format 3\0");
        let page = match (self.header.get(16), self.header.get(17)) {
            (Some(0), Some(1)) => 65536,
            (Some(&high), Some(&low)) => u64::from(high) << 8 | u64::from(low),
            _ => 0,
        };
        let count =
            self.header.get(28..32).unwrap_or_default().iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
        let complete = magic && self.header.len() == 100 && page >= 512 && count > 0 && page * count == self.bytes;
        if !magic {
            findings.push("it is not a SQLite database".to_owned());
        } else if !complete {
            findings.push(format!(
                "it has {} bytes where its header says {}: it was cut off",
                self.bytes,
                page * count
            ));
        }
        Inspection { complete, objects: Vec::new(), findings }
    }
}
