//! A directory archive: `toc.dat`, and a file for the rows of each table and for each large object.
//!
//! The files are those of src/bin/pg_dump/pg_backup_directory.c. They come in any order, so rows are counted by file name and
//! put to their tables at the end. Compressed files carry the ending of their compression.

use std::collections::BTreeMap;

use memchr::memchr_iter;
use planb_sdk::Inspection;

use super::Contents;
use super::archive::{Entry, Reader, What};
use super::custom::keep_end;
use super::packed::Packed;

const CONTENTS: &str = "toc.dat";

#[derive(Debug)]
pub(crate) struct Directory {
    reader: Reader,
    whole: bool,
    file: File,
    objects: Contents,
    /// Files of rows by name: the table, where COPY names it.
    tables: BTreeMap<String, Option<String>>,
    /// Files of rows that were seen: how many rows; none: compressed, and not unpacked.
    seen: BTreeMap<String, Seen>,
    /// Indexes of large objects that the contents name, and those that were seen with the number of their entries.
    indexes: Vec<String>,
    indexes_seen: BTreeMap<String, u64>,
    large_files: u64,
    /// Large objects that are compressed, and whose end is missing.
    cut: Vec<String>,
    findings: Vec<String>,
}

#[derive(Debug)]
struct Seen {
    rows: Option<u64>,
    /// The end mark of the rows was seen, as far as it can be.
    ended: bool,
    /// The end of the compressed file was seen, where it is one.
    whole: bool,
}

/// The file that is passing.
#[derive(Debug, Default)]
struct File {
    name: String,
    lines: u64,
    end: [u8; 5],
    packed: Option<Packed>,
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            whole: false,
            file: File::default(),
            objects: Contents::default(),
            tables: BTreeMap::new(),
            seen: BTreeMap::new(),
            indexes: Vec::new(),
            indexes_seen: BTreeMap::new(),
            large_files: 0,
            cut: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, path: &str) {
        self.close();
        let name = path.rsplit('/').next().unwrap_or(path);
        self.file = File { name: name.to_owned(), packed: Packed::by_name(name), ..File::default() };
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        if self.file.name == CONTENTS {
            self.contents(chunk);
        } else {
            let File { lines, end, packed, .. } = &mut self.file;
            let mut count = |bytes: &[u8]| {
                *lines += memchr_iter(b'\n', bytes).count() as u64;
                keep_end(end, bytes);
            };
            match packed {
                Some(packed) => packed.feed(chunk, count),
                None => count(chunk),
            }
        }
    }

    fn contents(&mut self, chunk: &[u8]) {
        let Self { reader, objects, tables, indexes, .. } = self;
        let rest = reader.feed(chunk, |Entry { has_data, what, file, .. }| match (what, file) {
            (What::Makes(kind, name), _) => objects.made(kind, &name),
            (What::LargeObjects(count), _) => objects.large_objects(count),
            (What::Rows { table, .. }, Some(file)) if has_data => {
                tables.insert(file, table);
            }
            (What::LargeObjectData, Some(file)) => indexes.push(file),
            _ => {}
        });
        match rest {
            Ok(None) => {}
            Ok(Some(rest)) => {
                // The head of a toc.dat says tar, since that is how one inside a tar archive begins (_CloseArchive).
                self.whole = rest.is_empty() && self.reader.head().is_some_and(|head| matches!(head.format, 3 | 5));
            }
            Err(why) => self.findings.push(format!("{CONTENTS}: {why}")),
        }
    }

    fn close(&mut self) {
        let File { name, lines, end, packed } = std::mem::take(&mut self.file);
        let whole = packed.as_ref().is_none_or(Packed::ended);
        let unpacked = packed.as_ref().is_none_or(Packed::is_unpacked);
        let plain = match packed {
            Some(_) => name.rsplit_once('.').map(|(plain, _)| plain.to_owned()).unwrap_or_default(),
            None => name,
        };
        if plain.starts_with("blob_") {
            self.large_files += 1;
            if !whole {
                self.cut.push(plain);
            }
            return;
        }
        // The names are pg_dump's own: their case is fixed.
        match plain.rsplit('.').next() {
            _ if plain == CONTENTS => {}
            Some("toc") => {
                self.indexes_seen.insert(plain, lines);
            }
            Some("dat") => {
                // `\.` and two empty lines (pg_dump.c, dumpTableData_copy).
                let ended = whole && (!unpacked || end == *b"\\.\n\n\n");
                let rows = (ended && unpacked).then(|| lines.saturating_sub(3));
                self.seen.insert(plain, Seen { rows, ended, whole });
            }
            _ => {}
        }
    }

    pub(crate) fn finish(mut self) -> Inspection {
        self.close();
        let mut missing = Vec::new();
        for (file, table) in &self.tables {
            let Some(seen) = self.seen.get(file) else {
                missing.push(file.clone());
                continue;
            };
            // Rows as INSERT statements have no end mark.
            let Some(table) = table else {
                if !seen.whole {
                    missing.push(format!("the end of {file}"));
                }
                continue;
            };
            if !seen.ended {
                missing.push(format!("the end of {file}"));
            }
            self.objects.filled(table, seen.rows);
        }
        let mut large = 0;
        for index in &self.indexes {
            match self.indexes_seen.get(index) {
                Some(entries) => large += entries,
                None => missing.push(index.clone()),
            }
        }
        if large > self.large_files {
            missing.push(format!("{} large objects", large - self.large_files));
        } else if large < self.large_files {
            // pg_restore would leave them out without a word.
            missing.push(format!("the index of {} large objects", self.large_files - large));
        }
        missing.extend(self.cut.iter().map(|file| format!("the end of {file}")));
        if !self.whole {
            missing.push(format!("{CONTENTS}, or its end"));
        }
        if !missing.is_empty() {
            let count = missing.len();
            missing.truncate(10);
            let more = if count > 10 { ", ..." } else { "" };
            self.findings.push(format!("the dump is not whole, it lacks {}{more}", missing.join(", ")));
        }
        let (objects, findings) = self.objects.finish();
        let complete = self.whole && missing.is_empty();
        self.findings.extend(findings);
        Inspection { complete, objects, findings: self.findings }
    }
}
