//! What a dump held, and whether it is whole.

use planb_sdk::{Artifact, Inspection, Inspector, Objects, Request, Scope};

use crate::names::{Name, Touch, touched};
use crate::quote;
use crate::scan::{Event, Scanner};

/// The tools' last line begins with it (write_footer in client/mysqldump.cc). It has its newline only once it is whole.
pub(crate) const END: &[u8] = b"-- Dump completed";
const ROWS: &[u8] = b"-- Dumping data for table ";
/// Comments that tell of something that could not be dumped (dump_routines_for_db, get_view_structure).
const TROUBLE: [&[u8]; 2] = [b"-- insufficient privileges to ", b"-- failed on view "];
const FINDINGS: usize = 20;
/// The database of the server itself.
pub(crate) const SYSTEM: &str = "mysql";

/// The inspector for dumps of statements.
#[derive(Debug)]
pub struct SqlInspector {
    scanner: Scanner,
    objects: Objects,
    /// Names come with their database: the dump may hold several.
    several: bool,
    /// What is in the database mysql is the server's, and not told of: an inventory does not count it either.
    without_system: bool,
    /// Tables are dumped with their history.
    history: bool,
    database: Option<String>,
    /// The table of the last rows, by the head of its INSERT, and how many: rows of a table come together.
    filling: Filling,
    /// The end mark was seen, and nothing after it.
    ended: bool,
    empty: bool,
    findings: Vec<String>,
}

#[derive(Debug, Default)]
struct Filling {
    head: Vec<u8>,
    table: Option<String>,
    rows: u64,
}

impl Inspector for SqlInspector {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self {
            scanner: Scanner::default(),
            objects: Objects::default(),
            several: request.scope == Scope::All,
            without_system: request.list("databases").is_empty(),
            history: request.toggle("history").unwrap_or_default(),
            database: None,
            filling: Filling::default(),
            ended: false,
            empty: true,
            findings: Vec::new(),
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.empty &= chunk.is_empty();
        let mut rest = chunk;
        while !rest.is_empty() {
            let (read, event) = self.scanner.next(rest);
            rest = rest.get(read..).unwrap_or_default();
            match event {
                Some(Event::Statement) => self.statement(),
                Some(Event::Values) => self.values(),
                Some(Event::Comment) => self.comment(),
                Some(Event::Delimiter) | None => {}
            }
        }
    }

    fn finish(mut self) -> Inspection {
        self.flush();
        let complete = self.ended && self.scanner.at_rest();
        let (objects, mut findings) = self.objects.finish();
        if self.empty {
            findings.push("the dump is empty".to_owned());
        } else if !complete {
            findings.push(
                "the dump does not end with its tool's end mark (-- Dump completed): it was cut short".to_owned(),
            );
        }
        findings.append(&mut self.findings);
        Inspection { complete, objects, findings }
    }
}

impl SqlInspector {
    fn statement(&mut self) {
        self.ended = false;
        if self.scanner.rows() > 0 {
            self.filling.rows += self.scanner.rows();
            return;
        }
        match touched(self.scanner.head()) {
            // Old tools make a table in the place of a view for a while, in a comment.
            Touch::Makes("table", _) if self.scanner.began_executable() => {}
            Touch::Makes(kind, name) => {
                if let Some(name) = self.name(name) {
                    self.objects.made(kind, &name);
                    // Its rows of the past are in the dump too, and nobody counts those.
                    if self.history && memchr::memmem::find(self.scanner.head(), b"SYSTEM VERSIONING").is_some() {
                        self.objects.filled(kind, &name, None);
                    }
                }
            }
            Touch::Uses(name) => {
                self.flush();
                self.database = Some(name);
            }
            Touch::MakesDatabase(name) => {
                self.flush();
                self.database = Some(name);
                if let Some(name) = self.database.as_ref().filter(|_| self.several && !self.in_system()) {
                    self.objects.made("database", name);
                }
            }
            Touch::Fills(_) | Touch::DropsDatabase(_) | Touch::Other => {}
        }
    }

    /// Nearly always the same table as before: then nothing is read.
    fn values(&mut self) {
        let head = self.scanner.head();
        if self.filling.head == head {
            return;
        }
        let head = head.to_vec();
        self.flush();
        if let Touch::Fills(name) = touched(&head) {
            self.filling = Filling { head, table: self.name(name), rows: 0 };
        }
    }

    fn comment(&mut self) {
        let comment = self.scanner.comment();
        if comment.starts_with(END) {
            self.ended = true;
        } else if let Some(table) = comment.strip_prefix(ROWS) {
            // From here on it is known how many rows it has, if only that it has none.
            let statement = [b"INSERT INTO ", table].concat();
            if let Touch::Fills(name) = touched(&statement)
                && let Some(name) = self.name(name)
            {
                self.objects.filled("table", &name, Some(0));
            }
        } else if TROUBLE.iter().any(|trouble| comment.starts_with(trouble)) && self.findings.len() < FINDINGS {
            let text = String::from_utf8_lossy(comment);
            let text = text.trim_start_matches("-- ").chars().filter(|c| !c.is_control()).take(200).collect();
            self.findings.push(text);
        }
    }

    /// The name that is told; none for what is the server's.
    fn name(&self, name: Name) -> Option<String> {
        if self.in_system() {
            return None;
        }
        Some(match name.database.as_ref().or(self.database.as_ref()) {
            Some(database) if self.several => quote::qualified(database, &name.name),
            _ => name.name,
        })
    }

    fn in_system(&self) -> bool {
        self.several
            && self.without_system
            && self.database.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(SYSTEM))
    }

    fn flush(&mut self) {
        let Filling { table, rows, .. } = std::mem::take(&mut self.filling);
        if let Some(table) = table {
            self.objects.filled("table", &table, Some(rows));
        }
    }
}
