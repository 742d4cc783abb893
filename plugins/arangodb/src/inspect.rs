//! Which collections a dump holds with how many documents, and whether all of its files are whole.
//!
//! The files (client-tools/Dump/DumpFeature.cpp): `dump.json` and `ENCRYPTION` for each database; for each collection
//! `NAME_MD5.structure.json` (in a cluster of older versions `NAME.structure.json`) and `NAME_MD5.data.json.gz`, a document a line;
//! `NAME.view.json` for each view. A dump of all databases has a folder for each.

use std::collections::{BTreeMap, BTreeSet};

use planb_sdk::{Artifact, Inspection, Inspector, Object, Request};
use serde_json::Value;

use crate::gunzip::Gunzip;
use crate::plan::{CONTENTS, LISTED};

/// The inspector.
#[derive(Debug)]
pub struct ArangoInspector {
    listed: bool,
    folder: String,
    name: String,
    current: Current,
    contents: Option<Contents>,
    folders: BTreeMap<String, Folder>,
    findings: Vec<String>,
}

/// The file that passes.
#[derive(Debug)]
enum Current {
    /// Kept as a whole: definitions are small.
    Small(Vec<u8>),
    /// A gzip file of documents, and the documents so far.
    Zipped(Box<Gunzip>, u64),
    /// Documents, and whether the last byte ended one.
    Plain(u64, bool),
}

/// A definition larger than this is none.
const SMALL: usize = 16 << 20;
const FINDINGS: usize = 20;

#[derive(Debug, Default)]
struct Folder {
    /// What `dump.json` says that the database is called.
    database: Option<String>,
    encryption: Option<String>,
    /// By the beginning of the file's name.
    structures: BTreeMap<String, (String, bool)>,
    /// The documents of the files that are whole.
    data: BTreeMap<String, u64>,
    views: Vec<String>,
}

type Contents = BTreeSet<(String, String)>;

impl Inspector for ArangoInspector {
    fn new(_: &Request, artifact: &Artifact) -> Self {
        Self {
            listed: artifact.format == LISTED,
            folder: String::new(),
            name: String::new(),
            current: Current::Small(Vec::new()),
            contents: None,
            folders: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    fn open(&mut self, path: &str) {
        self.close();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        folder.clone_into(&mut self.folder);
        name.clone_into(&mut self.name);
        self.current = if name.ends_with(".data.json.gz") {
            Current::Zipped(Box::new(Gunzip::new()), 0)
        } else if name.ends_with(".data.json") {
            Current::Plain(0, true)
        } else {
            Current::Small(Vec::new())
        };
    }

    fn feed(&mut self, chunk: &[u8]) {
        let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
        match &mut self.current {
            Current::Small(held) => {
                let room = SMALL.saturating_sub(held.len());
                held.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            }
            Current::Zipped(gunzip, documents) => gunzip.feed(chunk, |plain| *documents += lines(plain)),
            Current::Plain(documents, ended) => {
                *documents += lines(chunk);
                if let Some(last) = chunk.last() {
                    *ended = *last == b'\n';
                }
            }
        }
    }

    fn finish(mut self) -> Inspection {
        self.close();
        self.verdict()
    }
}

impl ArangoInspector {
    fn problem(&mut self, finding: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }

    fn close(&mut self) {
        let name = std::mem::take(&mut self.name);
        if name.is_empty() {
            return;
        }
        let current = std::mem::replace(&mut self.current, Current::Small(Vec::new()));
        if self.folder.is_empty() && name == CONTENTS {
            if let Current::Small(held) = current {
                self.contents = contents(&held);
            }
            return;
        }
        let place = self.folder.clone();
        let folder = self.folders.entry(place.clone()).or_default();
        let cut = match current {
            Current::Zipped(gunzip, documents) if gunzip.complete() => {
                *folder.data.entry(stem(&name, ".data.json.gz")).or_default() += documents;
                None
            }
            Current::Plain(documents, true) => {
                *folder.data.entry(stem(&name, ".data.json")).or_default() += documents;
                None
            }
            Current::Zipped(..) | Current::Plain(..) => Some(name.clone()),
            Current::Small(held) => folder.small(&name, &held).err(),
        };
        if let Some(what) = cut {
            let path = if place.is_empty() { what } else { format!("{place}/{what}") };
            self.problem(format!("{path} was cut off or is damaged"));
        }
    }

    fn verdict(mut self) -> Inspection {
        let several = self.folders.keys().any(|folder| !folder.is_empty());
        let mut objects = Vec::new();
        let mut problems = Vec::new();
        for (place, folder) in &self.folders {
            // A dump of all databases has nothing but the mark of its encryption at the top.
            if several && place.is_empty() {
                continue;
            }
            let shown = if place.is_empty() { String::new() } else { format!("{place}/") };
            if folder.encryption.as_deref() != Some("none") {
                problems.push(match &folder.encryption {
                    Some(other) => {
                        format!("the dump is encrypted by arangodump ({other}), so it cannot be looked into")
                    }
                    None => format!("{shown}ENCRYPTION is missing or was cut off"),
                });
            }
            let Some(database) = &folder.database else {
                problems.push(format!("{shown}dump.json is missing or was cut off"));
                continue;
            };
            let prefix = if several { format!("{database}/") } else { String::new() };
            for (stem, (name, edges)) in &folder.structures {
                let rows = folder.data.get(stem).copied();
                if rows.is_none() {
                    problems.push(format!("the data of {prefix}{name} are missing"));
                }
                let kind = match edges {
                    _ if name.starts_with('_') => "system-collection",
                    true => "edge-collection",
                    false => "collection",
                };
                objects.push(Object::new(kind, format!("{prefix}{name}")).rows(rows));
            }
            for stem in folder.data.keys().filter(|stem| !folder.structures.contains_key(*stem)) {
                problems.push(format!("the definition of {prefix}{stem} is missing"));
            }
            objects.extend(folder.views.iter().map(|name| Object::new("view", format!("{prefix}{name}"))));
        }
        if self.folders.is_empty() {
            problems.push("the dump is empty".to_owned());
        }
        match &self.contents {
            None if self.listed => {
                problems.push(format!("the table of contents ({CONTENTS}) is missing or was cut off"));
            }
            None => {}
            Some(contents) => {
                let there: BTreeSet<_> =
                    objects.iter().map(|object| (object.kind.clone(), object.name.clone())).collect();
                for (kind, name) in contents.difference(&there) {
                    problems.push(format!(
                        "the {kind} {name} is missing: it was dropped during the dump, or a file is lost"
                    ));
                }
            }
        }
        for problem in problems {
            self.problem(problem);
        }
        Inspection { complete: self.findings.is_empty(), objects, findings: self.findings }
    }
}

impl Folder {
    /// Takes a definition in. `Err`: its name, where it is not whole.
    fn small(&mut self, name: &str, held: &[u8]) -> Result<(), String> {
        let bad = || name.to_owned();
        if name == "ENCRYPTION" {
            let text = String::from_utf8_lossy(held);
            self.encryption = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
            return Ok(());
        }
        let known = name == "dump.json" || name.ends_with(".structure.json") || name.ends_with(".view.json");
        if !known {
            return Ok(());
        }
        let json: Value = serde_json::from_slice(held).map_err(|_| bad())?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if name == "dump.json" {
            self.database = Some(text(&json["database"]).unwrap_or_else(|| "?".to_owned()));
        } else if name.ends_with(".structure.json") {
            let parameters = &json["parameters"];
            let collection = text(&parameters["name"]).ok_or_else(bad)?;
            let edges = parameters["type"].as_u64() == Some(3);
            self.structures.insert(stem(name, ".structure.json"), (collection, edges));
        } else {
            self.views.push(text(&json["name"]).ok_or_else(bad)?);
        }
        Ok(())
    }
}

/// What the files of one collection have in common: the name without its ending, without the number of a part, and without
/// the check sum.
fn stem(name: &str, ending: &str) -> String {
    let mut stem = name.strip_suffix(ending).unwrap_or(name);
    if let Some((rest, number)) = stem.rsplit_once('.')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        stem = rest;
    }
    if let Some((rest, sum)) = stem.rsplit_once('_')
        && sum.len() == 32
        && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        stem = rest;
    }
    stem.to_owned()
}

/// None: it was cut.
fn contents(held: &[u8]) -> Option<Contents> {
    let text = str::from_utf8(held).ok()?.strip_suffix('\n')?;
    let mut lines: Vec<_> = text.split('\n').collect();
    let count = lines.pop()?.strip_prefix("end\t")?.parse::<usize>().ok()?;
    let entries = lines.iter().map(|line| {
        let (kind, name) = line.split_once('\t')?;
        Some((kind.to_owned(), serde_json::from_str::<String>(name).ok()?))
    });
    let entries: Contents = entries.collect::<Option<_>>()?;
    (lines.len() == count).then_some(entries)
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::gunzip::tests::gzip;

    fn files(prefix: &str) -> Vec<(String, Vec<u8>)> {
        let (movies, played) =
            ("movies_e58bc0e4e8fbc4f2d6d4e9d8a1c2b3f4", "played_in_0123456789abcdef0123456789abcdef");
        let text = |name: String, text: &str| (format!("{prefix}{name}"), text.as_bytes().to_vec());
        let zip = |name: String, text: &[u8]| (format!("{prefix}{name}"), gzip(text, false));
        let documents = b"{\"_key\":\"1\",\"title\":\"Metropolis\"}\n{\"_key\":\"2\",\"title\":\"Casa\\nblanca\"}\n{\"_key\":\"3\"}\n";
        vec![
            text("ENCRYPTION".into(), "none"),
            text("_graphs.structure.json".into(), r#"{"indexes":[],"parameters":{"name":"_graphs","type":2}}"#),
            zip("_graphs_0123456789abcdef0123456789abcdef.data.json.gz".into(), b"{}\n"),
            text("dump.json".into(), r#"{"database":"shop","lastTickAtDumpStart":"15","useEnvelope":false}"#),
            zip(format!("{movies}.data.json.gz"), documents),
            text(format!("{movies}.structure.json"), r#"{"indexes":[],"parameters":{"name":"movies","type":2}}"#),
            zip(format!("{played}.data.json.gz"), b""),
            text(format!("{played}.structure.json"), r#"{"indexes":[],"parameters":{"name":"played_in","type":3}}"#),
            text("search.view.json".into(), r#"{"name":"search","type":"arangosearch"}"#),
        ]
    }

    fn listed(prefix: &str) -> (String, Vec<u8>) {
        let contents = format!(
            "collection\t\"{prefix}movies\"\nedge-collection\t\"{prefix}played_in\"\nview\t\"{prefix}search\"\nend\t3\n"
        );
        (CONTENTS.to_owned(), contents.into_bytes())
    }

    fn inspect(files: &[(String, Vec<u8>)], chunk: usize) -> Inspection {
        let artifact = Artifact::new("tar", "application/x-tar", LISTED);
        let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        testing::inspect_files::<ArangoInspector>(&testing::request("shop"), &artifact, &files, chunk)
    }

    #[test]
    fn one_database() {
        let files = [files(""), vec![listed("")]].concat();
        for chunk in [1, 7, 64 << 10] {
            let inspection = inspect(&files, chunk);
            assert!(inspection.complete, "{inspection:?}");
            assert_eq!(
                inspection.objects,
                [
                    Object::new("system-collection", "_graphs").rows(1),
                    Object::new("collection", "movies").rows(3),
                    Object::new("edge-collection", "played_in").rows(0),
                    Object::new("view", "search"),
                ]
            );
        }
        for at in 0..files.len() {
            // A system collection is not in the table of contents; its other file tells.
            let mut without = files.clone();
            without.remove(at);
            assert!(!inspect(&without, 64).complete, "without {}", files[at].0);
            // What is said to be `none` cannot be said shorter.
            for end in 0..files[at].1.len() {
                let mut cut = files.clone();
                cut[at].1.truncate(end);
                assert!(!inspect(&cut, 64).complete, "{} cut at {end}", files[at].0);
            }
        }
        assert!(!inspect(&[], 64).complete);
    }

    #[test]
    fn all_databases() {
        let all = [vec![("ENCRYPTION".to_owned(), b"none".to_vec())], files("shop/"), vec![listed("shop/")]].concat();
        let inspection = inspect(&all, 64);
        assert!(inspection.complete, "{inspection:?}");
        assert_eq!(inspection.objects[1], Object::new("collection", "shop/movies").rows(3));
        let encrypted = inspect(&[("ENCRYPTION".to_owned(), b"aes-256-ctr".to_vec())], 64);
        assert!(!encrypted.complete && encrypted.findings[0].contains("encrypted"), "{encrypted:?}");
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("movies_e58bc0e4e8fbc4f2d6d4e9d8a1c2b3f4.data.json", "movies"),
            ("movies_e58bc0e4e8fbc4f2d6d4e9d8a1c2b3f4.12.data.json", "movies"),
            ("played_in.data.json", "played_in"),
        ] {
            assert_eq!(stem(name, ".data.json"), expected);
        }
    }
}
