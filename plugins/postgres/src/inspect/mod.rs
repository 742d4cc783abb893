//! What a dump held, and whether it is whole.

mod archive;
mod custom;
mod directory;
mod plain;

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Inspection, Inspector, Object, Request};

use crate::backup::{Format, GLOBALS};

/// The inspector for every format that this engine writes.
#[derive(Debug)]
pub struct PostgresInspector(Kind);

#[derive(Debug)]
enum Kind {
    Plain(Box<plain::Plain>),
    Custom(Box<custom::Custom>),
    Directory(Box<directory::Directory>),
}

impl Inspector for PostgresInspector {
    fn new(_: &Request, artifact: &Artifact) -> Self {
        Self(match Format::parse(&artifact.format) {
            Some(Format::Custom) => Kind::Custom(Box::new(custom::Custom::new())),
            Some(Format::Directory) => Kind::Directory(Box::new(directory::Directory::new())),
            _ if artifact.format == GLOBALS => Kind::Plain(Box::new(plain::Plain::globals())),
            _ => Kind::Plain(Box::new(plain::Plain::database())),
        })
    }

    fn open(&mut self, path: &str) {
        if let Kind::Directory(directory) = &mut self.0 {
            directory.open(path);
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Kind::Plain(plain) => plain.feed(chunk),
            Kind::Custom(custom) => custom.feed(chunk),
            Kind::Directory(directory) => directory.feed(chunk),
        }
    }

    fn finish(self) -> Inspection {
        match self.0 {
            Kind::Plain(plain) => plain.finish(),
            Kind::Custom(custom) => custom.finish(),
            Kind::Directory(directory) => directory.finish(),
        }
    }
}

/// The comments that pg_dump and pg_dumpall end a dump with.
pub(crate) const END_MARKS: [&[u8]; 2] = [plain::END_DATABASE, plain::END_CLUSTER];

/// More names than this are counted, not kept.
const OBJECTS: usize = 500_000;

/// The objects of a dump, gathered as they come.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    known: BTreeMap<(&'static str, String), Option<u64>>,
    /// Tables that got rows. Those that the dump did not make belong to extensions, or the dump holds rows only.
    filled: BTreeMap<String, Option<u64>>,
    large: u64,
    left_out: u64,
}

impl Objects {
    pub(crate) fn made(&mut self, kind: &'static str, name: String) {
        if self.known.len() < OBJECTS {
            self.known.entry((kind, name)).or_default();
        } else {
            self.left_out += 1;
        }
    }

    /// The table got this many rows; none: they could not be counted.
    pub(crate) fn filled(&mut self, name: &str, rows: Option<u64>) {
        if let Some(sum) = self.filled.get_mut(name) {
            *sum = sum.zip(rows).map(|(sum, rows)| sum + rows);
        } else if self.filled.len() < OBJECTS {
            self.filled.insert(name.to_owned(), rows);
        }
    }

    pub(crate) fn large_objects(&mut self, count: u64) {
        self.large += count;
    }

    /// The objects in their order, and what is to be said of them.
    pub(crate) fn finish(mut self) -> (Vec<Object>, Vec<String>) {
        let mut findings = Vec::new();
        let rows_only = !self.known.keys().any(|(kind, _)| *kind == "table");
        let mut of_extensions = Vec::new();
        for (name, rows) in self.filled {
            let key = ("table", name);
            if let Some(known) = self.known.get_mut(&key) {
                *known = rows;
            } else if rows_only {
                self.known.insert(key, rows);
            } else if let ("table", name) = key {
                of_extensions.push(name);
            }
        }
        if !of_extensions.is_empty() {
            let count = of_extensions.len();
            of_extensions.truncate(10);
            findings.push(format!("rows of {count} tables that extensions make: {}", of_extensions.join(", ")));
        }
        if self.left_out > 0 {
            findings.push(format!("{} more objects are not listed", self.left_out));
        }
        let mut objects: Vec<Object> =
            self.known.into_iter().map(|((kind, name), rows)| Object::new(kind, name).rows(rows)).collect();
        if self.large > 0 {
            objects.push(Object::new("large-object", "pg_largeobject").rows(self.large));
        }
        (objects, findings)
    }
}
