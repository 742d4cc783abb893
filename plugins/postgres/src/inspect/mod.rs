//! What a dump held, and whether it is whole.

mod archive;
mod custom;
mod directory;
mod packed;
mod plain;

use planb_sdk::{Artifact, Inspection, Inspector, Object, Objects, Request};

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

/// The objects of a dump, and what its rows say that it does not make.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    objects: Objects,
    large: u64,
}

impl Contents {
    pub(crate) fn made(&mut self, kind: &'static str, name: &str) {
        self.objects.made(kind, name);
    }

    /// The table got this many rows; none: they could not be counted.
    pub(crate) fn filled(&mut self, table: &str, rows: Option<u64>) {
        self.objects.filled("table", table, rows);
    }

    pub(crate) fn large_objects(&mut self, count: u64) {
        self.large += count;
    }

    /// The objects in their order, and what is to be said of them.
    pub(crate) fn finish(mut self) -> (Vec<Object>, Vec<String>) {
        // Tables that got rows and that the dump does not make belong to extensions, or the dump holds rows only.
        let mut of_extensions =
            if self.objects.makes_any("table") { self.objects.take_unmade("table") } else { Vec::new() };
        let (mut objects, mut findings) = self.objects.finish();
        if !of_extensions.is_empty() {
            let count = of_extensions.len();
            of_extensions.truncate(10);
            findings.insert(0, format!("rows of {count} tables that extensions make: {}", of_extensions.join(", ")));
        }
        if self.large > 0 {
            objects.push(Object::new("large-object", "pg_largeobject").rows(self.large));
        }
        (objects, findings)
    }
}
