//! A directory archive: `toc.dat`, and a file for the rows of each table and for each large object.
//!
//! The files are those of src/bin/pg_dump/pg_backup_directory.c. They come in any order, so rows are counted by file name and
//! put to their tables at the end. Compressed files carry the ending of their compression; their rows are not counted.

use std::collections::BTreeMap;

use memchr::memchr_iter;
use planb_sdk::Inspection;

use super::Objects;
use super::archive::{Entry, Reader, What};
use super::custom::keep_end;

const CONTENTS: &str = "toc.dat";

#[derive(Debug)]
pub(crate) struct Directory {
    reader: Reader,
    whole: bool,
    file: File,
    objects: Objects,
    /// Files of rows by name: the table, where COPY names it.
    tables: BTreeMap<String, Option<String>>,
    /// Files of rows that were seen: how many rows; none: compressed.
    seen: BTreeMap<String, Seen>,
    /// Indexes of large objects that the contents name, and those that were seen with the number of their entries.
    indexes: Vec<String>,
    indexes_seen: BTreeMap<String, u64>,
    large_files: u64,
    findings: Vec<String>,
}

#[derive(Debug)]
struct Seen {
    rows: Option<u64>,
    ended: bool,
}

/// The file that is passing.
#[derive(Debug, Default)]
struct File {
    name: String,
    lines: u64,
    end: [u8; 5],
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            whole: false,
            file: File::default(),
            objects: Objects::default(),
            tables: BTreeMap::new(),
            seen: BTreeMap::new(),
            indexes: Vec::new(),
            indexes_seen: BTreeMap::new(),
            large_files: 0,
            findings: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, path: &str) {
        self.close();
        let name = path.rsplit('/').next().unwrap_or(path);
        self.file = File { name: name.to_owned(), ..File::default() };
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        if self.file.name == CONTENTS {
            self.contents(chunk);
        } else {
            self.file.lines += memchr_iter(b'\n', chunk).count() as u64;
            keep_end(&mut self.file.end, chunk);
        }
    }

    fn contents(&mut self, chunk: &[u8]) {
        let Self { reader, objects, tables, indexes, .. } = self;
        let rest = reader.feed(chunk, |Entry { has_data, what, file, .. }| match (what, file) {
            (What::Makes(kind, name), _) => objects.made(kind, name),
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
        let File { name, lines, end } = std::mem::take(&mut self.file);
        if name.starts_with("blob_") {
            self.large_files += 1;
            return;
        }
        // The names are pg_dump's own: their case is fixed.
        let mut parts = name.rsplitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            _ if name.is_empty() || name == CONTENTS => {}
            (Some("toc"), ..) => {
                self.indexes_seen.insert(name, lines);
            }
            (Some("dat"), ..) => {
                // `\.` and two empty lines (pg_dump.c, dumpTableData_copy).
                let ended = end == *b"\\.\n\n\n";
                self.seen.insert(name, Seen { rows: ended.then(|| lines.saturating_sub(3)), ended });
            }
            (Some(_), Some("dat"), Some(stem)) => {
                self.seen.insert(format!("{stem}.dat"), Seen { rows: None, ended: true });
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
            let Some(table) = table else { continue };
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
        }
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
