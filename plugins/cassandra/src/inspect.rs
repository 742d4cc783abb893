//! What a dump held, and whether it is whole.
//!
//! A table is kept in SSTables, each of which is several files of one name: `nb-1-big-Data.db`, `nb-1-big-TOC.txt`, ... The TOC
//! lists them all, `Digest.crc32` holds the checksum of `Data.db` in decimal digits, and the `manifest.json` of a snapshot
//! lists the SSTables of a table (Cassandra documentation, "Storage Engine", "SSTables"; Directories.java, SnapshotManifest.java).
//! So a file that is missing, because a node keeps its tables in several folders or the stream was cut, is seen.

use std::collections::{BTreeMap, BTreeSet};

use crc32fast::Hasher;
use planb_sdk::{Artifact, Inspection, Inspector, Object, Request, Scope};

use crate::backup::{SCHEMA, tables_of};
use crate::schema::{self, Made};
use planb_sdk::tar::{Event, Tar};

/// A schema or a list that is larger is not read.
const LARGEST: usize = 16 << 20;
/// More findings than these say nothing new.
const FINDINGS: usize = 20;

/// The inspector.
#[derive(Debug)]
pub struct SnapshotInspector {
    tar: Tar,
    broken: Option<String>,
    seen: Seen,
    keyspace: Option<String>,
    /// The tables that were asked for; none: all.
    selected: Vec<String>,
}

#[derive(Debug, Default)]
struct Seen {
    file: File,
    schema: Option<Vec<u8>>,
    tables: BTreeMap<String, Table>,
    strange: Vec<String>,
}

/// The file that is passing.
#[derive(Debug, Default)]
enum File {
    #[default]
    Skipped,
    /// Read as a whole at its end.
    Held { name: String, bytes: Vec<u8> },
    /// Only its checksum is of interest.
    Data { table: String, sstable: String, hash: Hasher },
}

#[derive(Debug, Default)]
struct Table {
    sstables: BTreeMap<String, Sstable>,
    /// The names of `Data.db` files that the snapshot's own list has.
    manifest: Option<Vec<String>>,
}

#[derive(Debug, Default)]
struct Sstable {
    components: BTreeSet<String>,
    toc: Option<Vec<String>>,
    checksum: Option<u32>,
    digest: Option<u32>,
}

/// `nb-1-big-Data.db`: the version of the format, an id, the format, the component.
pub(crate) fn component(file: &str) -> Option<(&str, &str)> {
    let (at, _) = file.match_indices('-').nth(2)?;
    Some((file.get(..at)?, file.get(at + 1..)?))
}

impl Inspector for SnapshotInspector {
    fn new(request: &Request, artifact: &Artifact) -> Self {
        let keyspace = match &request.scope {
            Scope::Database(name) => Some(name.clone()),
            Scope::All | Scope::Globals => None,
        };
        let selected = tables_of(&artifact.format).unwrap_or_default().into_iter().map(str::to_owned).collect();
        Self { tar: Tar::default(), broken: None, seen: Seen::default(), keyspace, selected }
    }

    fn feed(&mut self, chunk: &[u8]) {
        if self.broken.is_some() {
            return;
        }
        let seen = &mut self.seen;
        self.broken = self.tar.feed(chunk, |event| seen.event(&event)).err();
    }

    fn finish(self) -> Inspection {
        let mut findings = self.seen.strange;
        let mut complete = true;
        let mut wrong = |what: String| {
            complete = false;
            if findings.len() < FINDINGS {
                findings.push(what);
            }
        };
        if let Some(why) = self.broken {
            wrong(format!("the dump is no archive of this engine: {why}"));
        } else if !self.tar.ended() {
            wrong("the dump has no end: it was cut off".to_owned());
        }
        let made = match (&self.seen.schema, &self.keyspace) {
            (None, _) => Err("it is missing".to_owned()),
            (Some(text), Some(keyspace)) => schema::of_keyspace(text, keyspace),
            (Some(text), None) => schema::read(text),
        };
        let made = made.unwrap_or_else(|why| {
            wrong(format!("the schema cannot be restored: {why}"));
            Vec::new()
        });
        let selected = |name: &String| self.selected.is_empty() || self.selected.contains(name);
        let holds_data = |made: &&Made| matches!(made.kind, "table" | "materialized-view") && selected(&made.name);
        for table in made.iter().filter(holds_data).filter(|made| !self.seen.tables.contains_key(&made.name)) {
            wrong(format!("the snapshot has no files of the table {}", table.name));
        }
        for (name, table) in &self.seen.tables {
            if !made.iter().filter(holds_data).any(|made| made.name == *name) && !made.is_empty() {
                wrong(format!("the schema does not make the table {name}, of which there are files"));
            }
            table.check(name, &mut wrong);
        }
        let keyspace = self.keyspace.unwrap_or_default();
        let named = |made: &Made| {
            let of_interest = holds_data(&made) || matches!(made.kind, "type" | "function" | "aggregate");
            of_interest.then(|| Object::new(made.kind, format!("{keyspace}.{}", made.name)))
        };
        let objects = made.iter().filter_map(named).collect();
        Inspection { complete, objects, findings }
    }
}

impl Seen {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::File(name, size) => self.open(name, *size),
            Event::Data(data) => match &mut self.file {
                File::Skipped => {}
                File::Held { bytes, .. } => bytes.extend_from_slice(data),
                File::Data { hash, .. } => hash.update(data),
            },
            Event::End => self.close(),
        }
    }

    fn open(&mut self, name: &str, size: u64) {
        self.file = File::Skipped;
        let small = size <= LARGEST as u64;
        let held = || File::Held { name: name.to_owned(), bytes: Vec::new() };
        if name == SCHEMA {
            self.file = held();
        } else if let Some((folder, file)) = name.split_once('/') {
            let table = self.tables.entry(folder.to_owned()).or_default();
            if let Some((sstable, component)) = component(file) {
                table.sstables.entry(sstable.to_owned()).or_default().components.insert(component.to_owned());
                self.file = match component {
                    "Data.db" => {
                        File::Data { table: folder.to_owned(), sstable: sstable.to_owned(), hash: Hasher::new() }
                    }
                    "TOC.txt" | "Digest.crc32" if small => held(),
                    _ => File::Skipped,
                };
            } else if file == "manifest.json" && small {
                self.file = held();
            }
        } else {
            self.strange.push(format!("the file {name} is not of a table"));
        }
        if name == SCHEMA && !small {
            self.file = File::Skipped;
        }
    }

    fn close(&mut self) {
        match std::mem::take(&mut self.file) {
            File::Skipped => {}
            File::Data { table, sstable, hash } => {
                if let Some(sstable) = self.tables.get_mut(&table).and_then(|table| table.sstables.get_mut(&sstable)) {
                    sstable.checksum = Some(hash.finalize());
                }
            }
            File::Held { name, bytes } => self.held(&name, bytes),
        }
    }

    fn held(&mut self, name: &str, bytes: Vec<u8>) {
        if name == SCHEMA {
            self.schema = Some(bytes);
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((folder, file)) = name.split_once('/') else { return };
        let table = self.tables.entry(folder.to_owned()).or_default();
        if file == "manifest.json" {
            // {"files":["nb-1-big-Data.db"]}. Names hold no quotes; those of indexes lie in folders of their own.
            let names = text.split('"').filter(|name| name.ends_with("-Data.db") && !name.contains('/'));
            table.manifest = Some(names.map(str::to_owned).collect());
        } else if let Some((sstable, component)) = component(file) {
            let sstable = table.sstables.entry(sstable.to_owned()).or_default();
            match component {
                "TOC.txt" => {
                    sstable.toc =
                        Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect());
                }
                _ => sstable.digest = text.trim().parse().ok(),
            }
        }
    }
}

impl Table {
    fn check(&self, table: &str, wrong: &mut impl FnMut(String)) {
        match &self.manifest {
            None => wrong(format!("the snapshot's list of the files of {table} is missing")),
            Some(names) => {
                for name in names {
                    let there = component(name).and_then(|(sstable, _)| self.sstables.get(sstable));
                    if there.is_none_or(|sstable| !sstable.components.contains("Data.db")) {
                        wrong(format!("{table}/{name} is missing: does the node keep tables in several folders?"));
                    }
                }
            }
        }
        for (name, sstable) in &self.sstables {
            match &sstable.toc {
                None => wrong(format!("{table}/{name}-TOC.txt is missing")),
                Some(toc) => {
                    if let Some(missing) = toc.iter().find(|component| !sstable.components.contains(*component)) {
                        wrong(format!("{table}/{name}-{missing} is missing"));
                    }
                }
            }
            if !sstable.components.contains("Data.db") {
                wrong(format!("{table}/{name}-Data.db is missing"));
            }
            if let (Some(digest), Some(checksum)) = (sstable.digest, sstable.checksum)
                && digest != checksum
            {
                wrong(format!(
                    "{table}/{name}-Data.db is not what its checksum says: the table is damaged, see nodetool verify"
                ));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use planb_sdk::testing::inspect;

    use super::*;
    use crate::schema::tests::SCHEMA as TEXT;
    use crate::testing::request;
    use planb_sdk::tar::sample::archive;

    /// The files of a snapshot as the documentation names them, with contents made up but for lists and checksums.
    pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
        let mut files = vec![("schema.cql".to_owned(), TEXT.as_bytes().to_vec())];
        for (table, sstables) in
            [("movies", &["nb-1-big", "nb-2-big"][..]), ("Actors", &["da-3gd2_0fzd_3i7w-bti"]), ("by_title", &[])]
        {
            let list: Vec<_> = sstables.iter().map(|name| format!("\"{name}-Data.db\"")).collect();
            let manifest = format!("{{\n  \"files\" : [ {} ],\n  \"created_at\" : \"x\"\n}}", list.join(", "));
            files.push((format!("{table}/manifest.json"), manifest.into_bytes()));
            files.push((format!("{table}/schema.cql"), b"CREATE TABLE".to_vec()));
            for name in sstables {
                let data = format!("rows of {table} {name}").repeat(100).into_bytes();
                let digest = crc32fast::hash(&data).to_string().into_bytes();
                let mut add =
                    |component: &str, bytes: Vec<u8>| files.push((format!("{table}/{name}-{component}"), bytes));
                add("Digest.crc32", digest);
                add("Data.db", data);
                add("Statistics.db", vec![1; 5000]);
                add("TOC.txt", b"Data.db\nStatistics.db\nDigest.crc32\nTOC.txt\n".to_vec());
            }
        }
        files
    }

    pub(crate) fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        archive(&files)
    }

    fn look(dump: &[u8], chunk: usize) -> Inspection {
        let artifact = Artifact::new("tar", "application/x-tar", "sstables");
        inspect::<SnapshotInspector>(&request("demo"), &artifact, dump, chunk)
    }

    #[test]
    fn a_whole_dump() {
        let dump = pack(&files());
        for chunk in [1, 7, 65536] {
            let inspection = look(&dump, chunk);
            assert!(inspection.complete, "{:?}", inspection.findings);
            assert!(inspection.findings.is_empty());
            let names: Vec<_> = inspection.objects.iter().map(|o| format!("{} {}", o.kind, o.name)).collect();
            assert_eq!(
                names,
                [
                    "type demo.address",
                    "table demo.movies",
                    "table demo.Actors",
                    "function demo.twice",
                    "materialized-view demo.by_title"
                ]
            );
        }
        for end in 0..dump.len() {
            let inspection = look(&dump[..end], 65536);
            assert!(!inspection.complete && !inspection.findings.is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_changed() {
        let whole = files();
        for left_out in 0..whole.len() {
            let mut files = whole.clone();
            let (name, _) = files.remove(left_out);
            // The table's own schema is only for people: the keyspace's has it too.
            let spare = name.ends_with("/schema.cql");
            let inspection = look(&pack(&files), 65536);
            assert_eq!(inspection.complete, spare, "without {name}: {:?}", inspection.findings);
        }
        let mut files = whole.clone();
        let data = files.iter_mut().find(|(name, _)| name.ends_with("Data.db")).unwrap();
        data.1[7] ^= 1;
        assert!(look(&pack(&files), 65536).findings.concat().contains("checksum"));
        let mut files = whole.clone();
        files[0].1 = b"'demo' not found in keyspaces".to_vec();
        assert!(!look(&pack(&files), 65536).complete);
        let mut files = whole;
        files.retain(|(name, _)| !name.starts_with("movies/"));
        assert!(look(&pack(&files), 65536).findings.concat().contains("no files of the table movies"));
        let artifact = Artifact::new("tar", "application/x-tar", "sstables:Actors,by_title");
        let some = inspect::<SnapshotInspector>(&request("demo"), &artifact, &pack(&files), 65536);
        assert!(some.complete && some.objects.iter().all(|object| object.name != "demo.movies"), "{:?}", some.findings);
    }
}
