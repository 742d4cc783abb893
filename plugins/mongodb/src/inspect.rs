//! What a dump held, and whether it is whole.

use std::io::Write;

use flate2::write::GzDecoder;
use planb_sdk::{Artifact, Inspection, Inspector, Objects, Request, Scope, Version};
use serde_json::Value;

use crate::archive::Archive;
use crate::backup::Format;
use crate::directory::Directory;
use crate::names::{self, Kind};

/// The first mongodump that leaves a prelude.json in a directory. (TOOLS-3782; a later version than the first that may have it)
const PRELUDE: Version = Version::new(100, 13, 0);

/// The inspector for archives and directories.
#[derive(Debug)]
pub struct MongoInspector {
    dump: Dump,
    census: Census,
    allow_empty: bool,
}

#[derive(Debug)]
enum Dump {
    Archive(Box<Unpacked<Archive>>),
    Directory(Box<Directory>),
}

impl Inspector for MongoInspector {
    fn new(request: &Request, artifact: &Artifact) -> Self {
        let format = Format::parse(&artifact.format).unwrap_or(Format::ARCHIVE);
        let whole = request.scope == Scope::All;
        let on = |setting: &str| request.toggle(setting).unwrap_or_default();
        let dump = if format.directory {
            Dump::Directory(Box::new(Directory::new(
                on("oplog") && whole,
                on("users-and-roles") && !whole,
                request.tool_version("mongodump").is_some_and(|tool| tool >= PRELUDE && tool.major == PRELUDE.major),
            )))
        } else {
            Dump::Archive(Box::new(Unpacked::new(Archive::default(), format.gzip)))
        };
        let database = match &request.scope {
            Scope::Database(name) => Some(name.clone()),
            Scope::All | Scope::Globals => None,
        };
        Self { dump, census: Census::new(database), allow_empty: on("allow-empty") }
    }

    fn open(&mut self, path: &str) {
        if let Dump::Directory(directory) = &mut self.dump {
            directory.open(path, &mut self.census);
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &mut self.dump {
            Dump::Archive(archive) => archive.feed(chunk),
            Dump::Directory(directory) => directory.feed(chunk),
        }
    }

    fn finish(mut self) -> Inspection {
        match self.dump {
            Dump::Archive(archive) => match archive.finish() {
                Ok(archive) => archive.finish(&mut self.census),
                Err(why) => self.census.broken(format!("the archive is not whole: {why}")),
            },
            Dump::Directory(directory) => directory.finish(&mut self.census),
        }
        if self.census.collections == 0 && !self.allow_empty {
            self.census.broken(
                "the dump holds no collection, and MongoDB knows no database without one: check the name, or say \
                 --option allow-empty=true"
                    .to_owned(),
            );
        }
        let (objects, more) = self.census.objects.finish();
        let complete = self.census.findings.is_empty();
        self.census.findings.extend(more);
        Inspection { complete, objects, findings: self.census.findings }
    }
}

/// What is found in a dump.
#[derive(Debug)]
pub(crate) struct Census {
    /// The one database that was dumped, whose collections need not say where they are.
    database: Option<String>,
    objects: Objects,
    collections: u64,
    findings: Vec<String>,
}

impl Census {
    fn new(database: Option<String>) -> Self {
        Self { database, objects: Objects::default(), collections: 0, findings: Vec::new() }
    }

    /// A collection, view or the like with so many documents.
    pub(crate) fn count(&mut self, database: &str, collection: &str, kind: Kind, documents: u64) {
        self.collections += 1;
        let (kind, name) = names::classify(database, collection, kind);
        let Some(word) = kind.word() else {
            return;
        };
        let plain = matches!(kind, Kind::Collection | Kind::View | Kind::Timeseries);
        let name = if plain && self.database.as_deref() != Some(database) {
            format!("{database}.{name}")
        } else {
            name.to_owned()
        };
        self.objects.made(word, &name);
        if kind.counted() {
            self.objects.filled(word, &name, Some(documents));
        }
    }

    /// Something that forbids to take the dump for whole.
    pub(crate) fn broken(&mut self, why: String) {
        const MOST: usize = 20;
        if self.findings.len() < MOST {
            self.findings.push(why);
        }
    }
}

/// The kind of a collection, by what listCollections called it (since 100.4), else by its options in its metadata.
pub(crate) fn kind_of(word: &str, metadata: &str) -> Kind {
    match word {
        "view" => Kind::View,
        "timeseries" => Kind::Timeseries,
        "" => {
            let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
            let (kind, options) = (&metadata["type"], &metadata["options"]);
            if kind == "view" || options["viewOn"].is_string() {
                Kind::View
            } else if kind == "timeseries" || options["timeseries"].is_object() {
                Kind::Timeseries
            } else {
                Kind::Collection
            }
        }
        _ => Kind::Collection,
    }
}

/// What takes bytes in.
pub(crate) trait Sink {
    fn take(&mut self, bytes: &[u8]);
}

impl Sink for Archive {
    fn take(&mut self, bytes: &[u8]) {
        self.feed(bytes);
    }
}

/// A sink that gets what it is given inflated, or as it is.
#[derive(Debug)]
pub(crate) enum Unpacked<S: Sink> {
    Plain(S),
    /// The error, once there was one.
    Gzip(Box<GzDecoder<Writer<S>>>, bool),
}

/// A sink as a writer.
#[derive(Debug)]
pub(crate) struct Writer<S>(S);

impl<S: Sink> Write for Writer<S> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<S: Sink> Unpacked<S> {
    pub(crate) fn new(sink: S, gzip: bool) -> Self {
        if gzip { Self::Gzip(Box::new(GzDecoder::new(Writer(sink))), false) } else { Self::Plain(sink) }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match self {
            Self::Plain(sink) => sink.take(chunk),
            Self::Gzip(decoder, failed) => *failed = *failed || decoder.write_all(chunk).is_err(),
        }
    }

    /// The sink, once all that was given was inflated and its checksum was right.
    pub(crate) fn finish(self) -> Result<S, &'static str> {
        const WHY: &str = "its compressed bytes were cut off or changed";
        match self {
            Self::Plain(sink) => Ok(sink),
            Self::Gzip(_, true) => Err(WHY),
            Self::Gzip(decoder, false) => decoder.finish().map(|writer| writer.0).map_err(|_| WHY),
        }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;
    use crate::testing::{ArchiveBuilder, documents, gzip};

    fn archive(format: &str) -> Artifact {
        Artifact::new("archive", "application/octet-stream", format)
    }

    fn see(request: &Request, format: &str, dump: &[u8], chunk: usize) -> Inspection {
        testing::inspect::<MongoInspector>(request, &archive(format), dump, chunk)
    }

    /// Two collections whose parts alternate, a view, measurements and an empty collection.
    fn sample() -> Vec<u8> {
        let (movies, actors, buckets) = (documents(5), documents(3), documents(2));
        let of = |database| {
            ArchiveBuilder::default()
                .promise(database, "movies", "collection", "{}")
                .promise(database, "actors", "", "{\"options\":{},\"indexes\":[]}")
                .promise(database, "v", "", "{\"options\":{\"viewOn\":\"movies\",\"pipeline\":[]}}")
                .promise(database, "weather", "timeseries", "{}")
                .promise(database, "none", "collection", "{}")
        };
        of("orders")
            .part("orders", "movies", &movies[..2])
            .part("orders", "actors", &actors)
            .part("orders", "movies", &movies[2..])
            .end("orders", "actors", &actors)
            .part("orders", "v", &[])
            .end("orders", "v", &[])
            .part("orders", "system.buckets.weather", &buckets)
            .end("orders", "system.buckets.weather", &buckets)
            .end("orders", "movies", &movies)
            .part("orders", "none", &[])
            .end("orders", "none", &[])
            .build()
    }

    fn objects(prefix: &str) -> Vec<Object> {
        vec![
            Object::new("collection", format!("{prefix}actors")).rows(3),
            Object::new("collection", format!("{prefix}movies")).rows(5),
            Object::new("collection", format!("{prefix}none")).rows(0),
            Object::new("timeseries", format!("{prefix}weather")),
            Object::new("view", format!("{prefix}v")),
        ]
    }

    #[test]
    fn an_archive_in_any_chunks() {
        let dump = sample();
        for size in (1..40).chain([64 << 10]) {
            let seen = see(&testing::request("orders"), "archive", &dump, size);
            assert!(seen.complete, "chunks of {size}: {:?}", seen.findings);
            assert_eq!(seen.objects, objects(""), "chunks of {size}");
            let packed = see(&testing::request("orders"), "archive-gzip", &gzip(&dump), size);
            assert_eq!((packed.complete, packed.objects), (true, objects("")));
        }
        let all = testing::request("x").scope(Scope::All);
        assert_eq!(see(&all, "archive", &dump, 7).objects, objects("orders."));
        // A backup whose name is another says where its collections are.
        assert_eq!(see(&testing::request("x"), "archive", &dump, 7).objects, objects("orders."));
    }

    #[test]
    fn a_cut_is_found_wherever_it_is() {
        let dump = sample();
        for chunk in [5, 64 << 10] {
            for end in 0..dump.len() {
                let seen = see(&testing::request("orders"), "archive", &dump[..end], chunk);
                assert!(!seen.complete && !seen.findings.is_empty(), "cut at {end} of {}", dump.len());
            }
        }
        testing::inspect_cut_anywhere::<MongoInspector>(
            &testing::request("orders"),
            &archive("archive-gzip"),
            &gzip(&dump),
        );
    }

    #[test]
    fn a_changed_byte_is_found() {
        let dump = sample();
        let word = b"Metropolis";
        let places: Vec<usize> = (0..dump.len()).filter(|&at| dump[at..].starts_with(word)).collect();
        assert_eq!(places.len(), 10);
        for at in places.into_iter().flat_map(|at| at..at + word.len()) {
            let mut changed = dump.clone();
            changed[at] ^= 0x40;
            assert!(!see(&testing::request("orders"), "archive", &changed, 64 << 10).complete, "byte {at}");
        }
    }

    #[test]
    fn a_whole_server() {
        let (users, log) = (documents(1), documents(4));
        let dump = ArchiveBuilder::default()
            .promise("admin", "system.users", "collection", "{}")
            .promise("admin", "system.version", "collection", "{}")
            .promise("", "oplog", "", "")
            .part("admin", "system.users", &users)
            .end("admin", "system.users", &users)
            .part("admin", "system.version", &users)
            .end("admin", "system.version", &users)
            .part("", "oplog", &log)
            .end("", "oplog", &log)
            .build();
        let seen = see(&testing::request("x").scope(Scope::All), "archive", &dump, 9);
        assert!(seen.complete, "{:?}", seen.findings);
        assert_eq!(seen.objects, [Object::new("oplog", "oplog").rows(4), Object::new("users", "system.users").rows(1)]);
    }

    #[test]
    fn a_database_that_is_not_there() {
        let dump = ArchiveBuilder::default().build();
        let seen = see(&testing::request("orders"), "archive", &dump, 64);
        assert!(!seen.complete && seen.findings[0].contains("holds no collection"));
        assert!(see(&testing::request("orders").with_setting("allow-empty", "true"), "archive", &dump, 64).complete);
        assert!(!see(&testing::request("orders"), "archive", b"", 64).complete);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut bytes = 0x8199_e26d_u32.to_le_bytes().to_vec();
        let mut state = 1_u32;
        for _ in 0..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.extend((state >> 24).to_le_bytes());
        }
        assert!(!see(&testing::request("orders"), "archive", &bytes, 100).complete);
        assert!(!see(&testing::request("orders"), "archive-gzip", &bytes, 100).complete);
    }
}
