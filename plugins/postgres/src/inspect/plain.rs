//! A plain dump: statements, rows of COPY, and the comment at its end.

use planb_sdk::Inspection;

use super::Contents;
use crate::names::{self, Touch};
use crate::scan::{Event, Scanner};

/// pg_dump's last words (pg_backup_archiver.c, RestoreArchive) and pg_dumpall's (pg_dumpall.c, main).
pub(super) const END_DATABASE: &[u8] = b"-- PostgreSQL database dump complete";
pub(super) const END_CLUSTER: &[u8] = b"-- PostgreSQL database cluster dump complete";
/// What follows the end mark is far shorter.
const TAIL: usize = 1024;

#[derive(Debug)]
pub(crate) struct Plain {
    scanner: Scanner,
    end: &'static [u8],
    objects: Contents,
    /// The table whose rows are passing.
    filling: Option<String>,
    /// What came after the end mark, byte for byte. None: it was not seen, or a statement came after it.
    tail: Option<Vec<u8>>,
    /// The key of `\restrict`, where one is open.
    restrict: Option<Vec<u8>>,
    restrict_at_mark: Option<Vec<u8>>,
    bytes: u64,
}

impl Plain {
    pub(crate) fn database() -> Self {
        Self::until(END_DATABASE)
    }

    pub(crate) fn globals() -> Self {
        Self::until(END_CLUSTER)
    }

    fn until(end: &'static [u8]) -> Self {
        Self {
            scanner: Scanner::new(),
            end,
            objects: Contents::default(),
            filling: None,
            tail: None,
            restrict: None,
            restrict_at_mark: None,
            bytes: 0,
        }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() {
            let (read, event) = self.scanner.next(rest);
            let (bytes, after) = rest.split_at(read);
            rest = after;
            if let Some(tail) = &mut self.tail {
                let room = TAIL.saturating_sub(tail.len());
                tail.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            match event {
                Some(Event::Statement) => self.statement(),
                Some(Event::Rows) => self.rows(),
                Some(Event::Comment) if self.scanner.comment() == self.end => {
                    self.tail = Some(Vec::new());
                    self.restrict_at_mark.clone_from(&self.restrict);
                }
                Some(Event::Meta) => {
                    let meta = self.scanner.meta();
                    if let Some(key) = meta.strip_prefix(b"\\restrict ") {
                        self.restrict = Some(key.to_vec());
                    } else if meta.starts_with(b"\\unrestrict ") {
                        self.restrict = None;
                    }
                }
                Some(Event::Comment) | None => {}
            }
        }
    }

    fn statement(&mut self) {
        self.tail = None;
        let rows = self.scanner.take_rows();
        // Nearly all statements of a dump with --inserts are these: no name is copied for them.
        match names::touched(self.scanner.head()) {
            Touch::Makes(kind, name) => self.objects.made(kind, &name),
            Touch::Fills(name) if rows > 0 => self.objects.filled(&name, Some(rows)),
            Touch::Fills(name) => self.filling = Some(name),
            Touch::LargeObject => self.objects.large_objects(1),
            Touch::Other => {}
        }
    }

    fn rows(&mut self) {
        let rows = self.scanner.take_rows();
        if let Some(table) = self.filling.take() {
            self.objects.filled(&table, Some(rows));
        }
    }

    pub(crate) fn finish(self) -> Inspection {
        let mut expected = b"--\n\n".to_vec();
        if let Some(key) = &self.restrict_at_mark {
            expected.extend_from_slice(b"\\unrestrict ");
            expected.extend_from_slice(key);
            expected.extend_from_slice(b"\n\n");
        }
        let complete = self.tail.as_ref().is_some_and(|tail| *tail == expected);
        let (objects, mut findings) = self.objects.finish();
        if !complete {
            findings.push(
                match (&self.tail, self.bytes) {
                    (_, 0) => "the dump is empty",
                    (None, _) => "the dump has no end mark: it was cut off",
                    (Some(tail), _) if expected.starts_with(tail) => "the dump was cut off within its end mark",
                    (Some(_), _) => "something follows the end mark of the dump",
                }
                .to_owned(),
            );
        }
        if let Some(odd) = self.scanner.odd() {
            findings.push(format!("the dump holds {odd}"));
        }
        Inspection { complete, objects, findings }
    }
}
