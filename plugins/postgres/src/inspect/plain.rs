//! A plain dump: statements, rows of COPY, and the comment at its end.

use memchr::{memchr, memchr_iter, memchr3, memmem};
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
    /// The INSERT of which the next ones are likely to be like.
    inserts: Option<Inserts>,
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
            inserts: None,
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
            if let Some(inserts) = &mut self.inserts
                && self.scanner.between_statements()
            {
                let read = inserts.skip(rest);
                if read > 0 {
                    self.tail = None;
                    rest = rest.get(read..).unwrap_or_default();
                    continue;
                }
            }
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
            Touch::Fills(name) if rows > 0 => {
                self.objects.filled(&name, Some(rows));
                if self.inserts.as_ref().is_none_or(|inserts| inserts.table != *name) {
                    self.flush();
                    self.inserts = Inserts::like(self.scanner.head(), &name);
                }
            }
            Touch::Fills(name) => self.filling = Some(name),
            Touch::LargeObject => self.objects.large_objects(1),
            Touch::Other => {}
        }
    }

    /// Counts the rows that were passed over.
    fn flush(&mut self) {
        if let Some(inserts) = self.inserts.take()
            && inserts.rows > 0
        {
            self.objects.filled(&inserts.table, Some(inserts.rows));
        }
    }

    fn rows(&mut self) {
        let rows = self.scanner.take_rows();
        if let Some(table) = self.filling.take() {
            self.objects.filled(&table, Some(rows));
        }
    }

    pub(crate) fn finish(mut self) -> Inspection {
        self.flush();
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

/// The fast way through a dump with --inserts, whose statements are all alike: one line each, one row each.
///
/// A line is passed over only where its end is certain without reading it as psql does; any other is left to the scanner.
#[derive(Debug)]
struct Inserts {
    table: String,
    /// `INSERT INTO public.events VALUES (`
    prefix: Vec<u8>,
    rows: u64,
}

impl Inserts {
    /// From a statement that was read.
    fn like(head: &[u8], table: &str) -> Option<Self> {
        const VALUES: &[u8] = b" VALUES (";
        let end = memmem::find(head, VALUES)? + VALUES.len();
        let prefix = head.get(..end)?;
        // In a quoted name these could be other words.
        let quotes = memchr_iter(b'"', prefix).count();
        (prefix.starts_with(b"INSERT INTO ") && quotes.is_multiple_of(2)).then(|| Self {
            table: table.to_owned(),
            prefix: prefix.to_vec(),
            rows: 0,
        })
    }

    /// Passes over whole lines of this kind; gives how many bytes they had.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        loop {
            // The end of the line before.
            while let Some(after) = rest.strip_prefix(b"\n") {
                rest = after;
            }
            let Some(values) = rest.strip_prefix(self.prefix.as_slice()) else { break };
            let Some(end) = memchr(b'\n', values) else { break };
            let Some(line) = values.get(..end).filter(|line| ends_surely(line)) else { break };
            self.rows += 1;
            rest = values.get(line.len() + 1..).unwrap_or_default();
        }
        bytes.len() - rest.len()
    }
}

/// Whether what stands behind `VALUES (` is one row to its end, without having to know where its strings begin: no escape, no
/// dollar quote, no comment, no other statement, and no string that goes on in the next line.
fn ends_surely(line: &[u8]) -> bool {
    line.ends_with(b");")
        && memchr3(b';', b'\\', b'$', line) == Some(line.len() - 1)
        && memchr_iter(b'\'', line).count().is_multiple_of(2)
        && memmem::find(line, b"--").is_none()
        && memmem::find(line, b"/*").is_none()
        // Several rows in one statement (--rows-per-insert) stand on lines of their own; on one line nobody writes them.
        && memmem::find(line, b"),").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What psql takes for a row is one, whichever way it was read: a chunk of one byte never takes the fast way.
    #[test]
    fn the_fast_way_counts_what_the_slow_one_counts() {
        let values = [
            "1, 'plain'",
            "2, 'it''s'",
            "3, 'a;b'",
            "4, 'x'');'",
            "5, 'two\nlines'",
            "6, 'two\n); INSERT INTO public.a VALUES (9'",
            "7, 'a -- b'",
            "8, '/* c'",
            "9, E'\\''",
            "10, '$x$'",
            "11, $$a'b$$",
            "12, '),('",
            "13, ''",
            "14, (1), (2)",
        ];
        let mut dump = b"CREATE TABLE public.a (\n    x text\n);\nCREATE TABLE public.b (\n    x text\n);\n".to_vec();
        for round in 0..3 {
            for (at, value) in values.iter().enumerate() {
                let table = if (at + round) % 5 == 0 { "b" } else { "a" };
                dump.extend(format!("INSERT INTO public.{table} VALUES ({value});\n").repeat(round + 1).into_bytes());
            }
        }
        dump.extend(b"INSERT INTO public.a VALUES (1),\n\t(2),\n\t(3);\n");
        dump.extend(b"\n--\n-- PostgreSQL database dump complete\n--\n\n");
        let inspect = |chunk: usize| {
            let mut plain = Plain::database();
            dump.chunks(chunk).for_each(|chunk| plain.feed(chunk));
            plain.finish()
        };
        let slow = inspect(1);
        assert!(slow.complete && slow.objects.iter().all(|object| object.rows > Some(10)), "{slow:?}");
        for chunk in [7, 64, 1000, 65536] {
            assert_eq!(inspect(chunk), slow, "chunks of {chunk}");
        }
    }
}
