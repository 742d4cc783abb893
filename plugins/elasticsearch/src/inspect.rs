//! What a dump held, and whether it is whole.

use std::convert::Infallible;

use planb_sdk::{Artifact, Inspection, Inspector, Objects, Request};

use crate::repository::BACKUP;
use crate::snapshot::Snapshot;
use crate::tar::{Event, Kind, Tar};

/// The kind of what is backed up.
pub(crate) const INDEX: &str = "index";

/// The inspector for archives of snapshots. The documents of an index are in files that only the server reads, so they are not counted.
#[derive(Debug)]
pub struct SnapshotInspector {
    tar: Tar,
    snapshot: Snapshot,
}

impl Inspector for SnapshotInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self { tar: Tar::default(), snapshot: Snapshot::default() }
    }

    fn feed(&mut self, chunk: &[u8]) {
        let Self { tar, snapshot } = self;
        let Ok(()) = tar.feed::<Infallible>(chunk, |event| {
            match event {
                Event::Entry(entry) if entry.kind == Kind::File => {
                    snapshot.open(entry.path.strip_prefix(BACKUP).unwrap_or(&entry.path).trim_start_matches('/'));
                }
                Event::Bytes(bytes) => snapshot.feed(bytes),
                Event::Entry(_) | Event::End => {}
            }
            Ok(())
        });
    }

    fn finish(self) -> Inspection {
        let (names, mut findings) = self.snapshot.finish();
        if let Some(why) = self.tar.wrong() {
            findings.insert(0, format!("the archive is not whole: {why}"));
        }
        let complete = findings.is_empty();
        let mut objects = Objects::default();
        for name in &names {
            objects.made(INDEX, name);
        }
        let (objects, more) = objects.finish();
        findings.extend(more);
        Inspection { complete, objects, findings }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;
    use crate::testing::{archive, sample};

    fn see(files: &[(String, Vec<u8>)], chunk: usize) -> Inspection {
        let members: Vec<(&str, u8, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), b'0', bytes.as_slice())).collect();
        testing::inspect::<SnapshotInspector>(&testing::request("movies"), &artifact(), &archive(&members), chunk)
    }

    fn artifact() -> Artifact {
        Artifact::new("tar", "application/x-tar", "snapshot-tar")
    }

    #[test]
    fn a_snapshot_in_any_chunks() {
        for size in [1, 7, 64 << 10] {
            let seen = see(&sample(), size);
            assert!(seen.complete, "{:?}", seen.findings);
            assert_eq!(seen.objects, [Object::new("index", "actors"), Object::new("index", "movies")]);
        }
    }

    #[test]
    fn a_missing_file_is_found() {
        let files = sample();
        for at in 0..files.len() {
            let mut fewer = files.clone();
            let (path, _) = fewer.remove(at);
            let needed = !path.ends_with("index.latest") && !path.contains("/0/index-");
            assert_eq!(see(&fewer, 4096).complete, !needed, "without {path}");
        }
        assert!(!see(&[], 64).complete);
    }

    #[test]
    fn a_cut_is_found_wherever_it_is() {
        let files = sample();
        let members: Vec<(&str, u8, &[u8])> =
            files.iter().map(|(path, bytes)| (path.as_str(), b'0', bytes.as_slice())).collect();
        let dump = archive(&members);
        for end in 0..dump.len() {
            let seen =
                testing::inspect::<SnapshotInspector>(&testing::request("movies"), &artifact(), &dump[..end], 64 << 10);
            assert!(!seen.complete && !seen.findings.is_empty(), "cut at {end} of {}", dump.len());
        }
    }

    #[test]
    fn a_snapshot_that_is_no_success() {
        let change = |from: &str, to: &str| {
            let mut files = sample();
            for (path, bytes) in &mut files {
                if path.ends_with("/index-1") {
                    *bytes = String::from_utf8_lossy(bytes).replace(from, to).into_bytes();
                }
            }
            see(&files, 4096).findings.join("; ")
        };
        assert!(change("\"state\":1", "\"state\":3").contains("no success"));
        assert!(change("\"name\":\"planb\"", "\"name\":\"other\"").contains("not in the repository"));
        assert!(change("[\"g\"]", "[\"g\",\"h\"]").contains("1 of 2 shards"));
        assert!(change("{", "").contains("no list"));
    }
}
