//! Whether all files of a backup are there, and which tables it holds: by the lists that were taken with it.

use std::collections::{BTreeMap, BTreeSet};

use planb_sdk::{Artifact, Inspection, Inspector, Lines, Object, Request};

use crate::plan::{FILES, OBJECTS};
use crate::{query, sql};

/// The inspector.
#[derive(Debug)]
pub struct CockroachInspector {
    current: Current,
    files: List,
    objects: List,
    /// The sizes of the backup's files, by their paths.
    seen: BTreeMap<String, u64>,
}

#[derive(Debug)]
enum Current {
    Files,
    Objects,
    Other(String),
}

/// Lines of `kind|name|number`, and at last `end||number`.
#[derive(Debug, Default)]
struct List {
    lines: Lines,
    objects: Vec<Object>,
    end: Option<u64>,
    bad: bool,
}

/// More than this are not kept.
const ENTRIES: usize = 1_000_000;

impl List {
    fn feed(&mut self, chunk: &[u8]) {
        let Self { lines, objects, end, bad } = self;
        lines.feed(chunk, |line| {
            for line in sql::lines(&String::from_utf8_lossy(line)) {
                let Some(object) = query::object(line).filter(|_| end.is_none() && objects.len() < ENTRIES) else {
                    *bad = true;
                    continue;
                };
                if object.kind == "end" {
                    *end = object.rows;
                } else {
                    objects.push(object);
                }
            }
        });
    }

    fn whole(&self) -> bool {
        self.end.is_some() && !self.bad && self.lines.rest().is_empty()
    }
}

impl Inspector for CockroachInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self {
            current: Current::Other(String::new()),
            files: List::default(),
            objects: List::default(),
            seen: BTreeMap::new(),
        }
    }

    fn open(&mut self, path: &str) {
        self.current = match path {
            FILES => Current::Files,
            OBJECTS => Current::Objects,
            other => {
                self.seen.insert(other.to_owned(), 0);
                Current::Other(other.to_owned())
            }
        };
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &self.current {
            Current::Files => self.files.feed(chunk),
            Current::Objects => self.objects.feed(chunk),
            Current::Other(path) => {
                if let Some(bytes) = self.seen.get_mut(path) {
                    *bytes += chunk.len() as u64;
                }
            }
        }
    }

    fn finish(self) -> Inspection {
        let mut findings = Vec::new();
        if !self.files.whole() || self.files.end != Some(self.files.objects.len() as u64) {
            findings.push(format!("the list of files ({FILES}) is missing or was cut off"));
        }
        if !self.objects.whole() {
            findings.push(format!("the list of tables ({OBJECTS}) is missing or was cut off"));
        }
        // In the database their paths begin with a slash.
        let listed: Vec<_> =
            self.files.objects.iter().map(|file| (file.name.trim_start_matches('/'), file.rows)).collect();
        for &(path, size) in &listed {
            match self.seen.get(path) {
                None => findings.push(format!("the file {path} is missing")),
                Some(&bytes) if Some(bytes) != size => {
                    findings.push(format!(
                        "the file {path} has {bytes} bytes where the database had {}",
                        size.unwrap_or(0)
                    ));
                }
                Some(_) => {}
            }
        }
        if !listed.iter().any(|(path, _)| path.ends_with("/BACKUP_MANIFEST")) {
            findings.push("the backup has no BACKUP_MANIFEST: it was not finished".to_owned());
        }
        findings.truncate(20);
        Inspection { complete: findings.is_empty(), objects: objects(&self.objects.objects), findings }
    }
}

/// The tables with their rows. SHOW BACKUP calls everything a table; what the database calls something else is that.
fn objects(listed: &[Object]) -> Vec<Object> {
    let rows: BTreeMap<_, _> =
        listed.iter().filter(|object| object.kind == "table").map(|object| (&object.name, object.rows)).collect();
    let others: BTreeSet<_> =
        listed.iter().filter(|object| object.kind != "table").map(|object| &object.name).collect();
    let kept = listed.iter().filter(|object| object.kind != "table" || !others.contains(&object.name));
    kept.map(|object| match object.kind.as_str() {
        "materialized-view" => object.clone().rows(rows.get(&object.name).copied().flatten()),
        _ => object.clone(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        let parts = [
            ("backup/2026/01/02-030405.06/BACKUP_MANIFEST", &b"\x1f\x8b manifest"[..]),
            ("backup/2026/01/02-030405.06/data/1.sst", b"rows of movies"),
            ("backup/metadata/latest/LATEST-1", b"/2026/01/02-030405.06"),
        ];
        let mut list = "planb\n".to_owned();
        for (path, bytes) in parts {
            list += &format!("file|{}|{}\n", hex(&format!("/{path}")), bytes.len());
        }
        list += "planb\nend||3\n";
        let tables = [("table", "public.movies", "3"), ("table", "public.v", "0"), ("table", "public.m", "2")];
        let others = [("view", "public.v", "-"), ("materialized-view", "public.m", "-")];
        let line = |(kind, name, rows): (&str, &str, &str)| format!("{kind}|{}|{rows}\n", hex(name));
        let objects = ["planb\n".to_owned()]
            .into_iter()
            .chain(tables.map(line))
            .chain(["planb\n".to_owned()])
            .chain(others.map(line))
            .chain(["planb\nend||0\n".to_owned()]);
        let mut files: Vec<_> = parts.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        files.push((FILES.to_owned(), list.into_bytes()));
        files.push((OBJECTS.to_owned(), objects.collect::<String>().into_bytes()));
        files
    }

    fn inspect(files: &[(String, Vec<u8>)], chunk: usize) -> Inspection {
        let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        let artifact = Artifact::new("tar", "application/x-tar", "userfile");
        testing::inspect_files::<CockroachInspector>(&testing::request("shop"), &artifact, &files, chunk)
    }

    #[test]
    fn a_whole_backup() {
        for chunk in [1, 7, 64 << 10] {
            let inspection = inspect(&files(), chunk);
            assert!(inspection.complete, "{inspection:?}");
            assert_eq!(
                inspection.objects,
                [
                    Object::new("table", "public.movies").rows(3),
                    Object::new("view", "public.v"),
                    Object::new("materialized-view", "public.m").rows(2)
                ]
            );
        }
    }

    #[test]
    fn what_is_missing_or_cut() {
        for at in 0..files().len() {
            let mut without = files();
            without.remove(at);
            assert!(!inspect(&without, 64).complete, "without file {at}");
            for end in 0..files()[at].1.len() {
                let mut cut = files();
                cut[at].1.truncate(end);
                assert!(!inspect(&cut, 64).complete, "file {at} cut at {end}");
            }
        }
        assert!(!inspect(&[], 64).complete);
    }
}
