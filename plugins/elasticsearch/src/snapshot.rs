//! Which files a snapshot is made of.
//!
//! A repository (Elasticsearch: org.elasticsearch.repositories.blobstore, package documentation; OpenSearch has it from there) holds at its root
//! `index-N`, a JSON list of its snapshots and indices of which the highest N is meant, and for each snapshot `snap-UUID.dat` and
//! `meta-UUID.dat`. `indices/ID/` has `meta-*.dat`, and a folder for each shard with `snap-UUID.dat`, the list of the shard's files, and
//! these files, `__UUID` in one piece or `__UUID.partN` in several. The lists are written uncompressed, as the repository was asked to,
//! so the names of the files can be found in them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::repository::SNAPSHOT;

/// A list of snapshots that is longer is read by none.
const LIST: usize = 64 << 20;
/// The same for all names of files together.
const NAMES: usize = 96 << 20;
/// The state of a snapshot that has everything (`SnapshotState` of the server).
const SUCCESS: u64 = 1;
/// A file's name: this, and 22 characters of base64.
const DATA: &[u8] = b"__";
const DATA_LENGTH: usize = 24;

/// Gathers what there is, and then says what is missing.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    files: BTreeSet<String>,
    /// The list with the highest number.
    list: (Option<u64>, Vec<u8>),
    /// Files that lists of files name, by the folder.
    needed: BTreeSet<String>,
    bytes: usize,
    current: Current,
    too_large: bool,
}

#[derive(Debug, Default)]
enum Current {
    #[default]
    Other,
    List,
    /// A list of a shard's files: its folder, and the last bytes, in which a name may have begun.
    Shard(String, Vec<u8>),
}

impl Snapshot {
    /// The next bytes are of this file; its path is within the repository.
    pub(crate) fn open(&mut self, path: &str) {
        self.bytes += path.len();
        self.too_large |= self.bytes > NAMES;
        if !self.too_large {
            self.files.insert(path.to_owned());
        }
        let number = path.strip_prefix("index-").and_then(|number| number.parse().ok());
        let shard = path.rsplit_once('/').filter(|(folder, file)| {
            let list = file.strip_suffix(".dat").is_some_and(|name| name.starts_with("snap-"));
            list && folder.starts_with("indices/") && folder.matches('/').count() == 2
        });
        self.current = match (number, shard) {
            (Some(number), _) if self.list.0 <= Some(number) => {
                self.list = (Some(number), Vec::new());
                Current::List
            }
            (_, Some((folder, _))) => Current::Shard(folder.to_owned(), Vec::new()),
            _ => Current::Other,
        };
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match &mut self.current {
            Current::Other => {}
            Current::List => {
                self.too_large |= self.list.1.len() + bytes.len() > LIST;
                if !self.too_large {
                    self.list.1.extend_from_slice(bytes);
                }
            }
            Current::Shard(folder, tail) => {
                tail.extend_from_slice(bytes);
                for name in names(tail) {
                    let path = format!("{folder}/{name}");
                    self.bytes += path.len();
                    self.too_large |= self.bytes > NAMES;
                    if !self.too_large {
                        self.needed.insert(path);
                    }
                }
                // With the byte before a name, which tells whether it is one.
                let keep = tail.len().saturating_sub(DATA_LENGTH);
                tail.drain(..keep);
            }
        }
    }

    /// The names of the indices of the snapshot, and what is wrong with it.
    pub(crate) fn finish(&self) -> (Vec<String>, Vec<String>) {
        if self.too_large {
            return (Vec::new(), vec!["the repository has more files than can be looked at".to_owned()]);
        }
        let Ok(list) = serde_json::from_slice::<Value>(&self.list.1) else {
            return (Vec::new(), vec!["the repository has no list of its snapshots".to_owned()]);
        };
        let snapshots = list["snapshots"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(snapshot) = snapshots.iter().find(|snapshot| snapshot["name"] == SNAPSHOT) else {
            return (Vec::new(), vec!["the snapshot is not in the repository".to_owned()]);
        };
        let uuid = snapshot["uuid"].as_str().unwrap_or_default();
        let mut missing = Vec::new();
        if snapshot["state"].as_u64() != Some(SUCCESS) {
            missing.push("the server calls the snapshot no success".to_owned());
        }
        for file in [format!("snap-{uuid}.dat"), format!("meta-{uuid}.dat")] {
            if !self.files.contains(&file) {
                missing.push(format!("{file} is missing"));
            }
        }
        let mut names = Vec::new();
        for (name, index) in list["indices"].as_object().into_iter().flatten() {
            let of_it = index["snapshots"].as_array().is_some_and(|all| all.iter().any(|of| of == uuid));
            if !of_it {
                continue;
            }
            names.push(name.clone());
            self.index(name, index, uuid, &mut missing);
        }
        if names.is_empty() {
            missing.push("the snapshot holds no index".to_owned());
        }
        let needed = self.needed.iter().filter(|path| !self.has(path)).collect::<Vec<_>>();
        if let Some(first) = needed.first() {
            missing.push(format!("{} files of the indices are missing, {first} among them", needed.len()));
        }
        names.sort();
        (names, missing)
    }

    fn index(&self, name: &str, index: &Value, uuid: &str, missing: &mut Vec<String>) {
        let folder = format!("indices/{}/", index["id"].as_str().unwrap_or_default());
        let mut below = self.files.range(folder.clone()..).take_while(|path| path.starts_with(&folder));
        if !below
            .any(|path| path.strip_prefix(&folder).is_some_and(|file| file.starts_with("meta-") && !file.contains('/')))
        {
            missing.push(format!("the settings and mappings of {name} are missing"));
        }
        // Before version 7.6 a list did not say how many there are.
        let shards = index["shard_generations"].as_array().map_or(1, Vec::len);
        let lacking =
            (0..shards).filter(|shard| !self.files.contains(&format!("{folder}{shard}/snap-{uuid}.dat"))).count();
        if lacking > 0 {
            missing.push(format!("{lacking} of {shards} shards of {name} are missing"));
        }
    }

    /// Whether a file is there, whole or in parts.
    fn has(&self, path: &str) -> bool {
        self.files.contains(path) || self.files.contains(&format!("{path}.part0"))
    }
}

/// The names of files in a list. `v__` is one whose bytes stand in the list itself.
fn names(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    bytes.windows(DATA_LENGTH).enumerate().filter_map(move |(at, name)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let real = before.is_some_and(|byte| *byte != b'v' && *byte != b'_') && name.starts_with(DATA);
        (real && name.iter().all(of_name)).then(|| std::str::from_utf8(name).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_list() {
        let list = b"x\x97__abcdefghijklmnopqrstuv\x97v__bbcdefghijklmnopqrstuv__short\x00";
        assert_eq!(names(list).collect::<Vec<_>>(), ["__abcdefghijklmnopqrstuv"]);
        for size in 1..list.len() {
            let mut snapshot = Snapshot::default();
            snapshot.open("indices/i/0/snap-u.dat");
            list.chunks(size).for_each(|chunk| snapshot.feed(chunk));
            assert_eq!(
                snapshot.needed.iter().collect::<Vec<_>>(),
                ["indices/i/0/__abcdefghijklmnopqrstuv"],
                "chunks of {size}"
            );
        }
    }
}
