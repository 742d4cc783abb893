//! What a dump held, and whether it is whole.
//!
//! `files.txt` lists the archive's files with their sizes, so one that is missing or cut is seen whatever its format is;
//! `info.json` is what `cbbackupmgr info --json` says: whether the backup is complete, and how many documents of which
//! buckets it holds (cbbackupmgr-info; the archive's files: cbbackupmgr-backup, "FILES").

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Inspection, Inspector, Object, Request};
use serde_json::Value;

const LIST: &str = "files.txt";
const INFO: &str = "info.json";
const INSIDE: &str = "archive/";
const META: &str = "planb/backup-meta.json";
/// A list or a report that is larger is not read.
const LARGEST: usize = 64 << 20;
/// More findings than these say nothing new.
const FINDINGS: usize = 20;

/// The inspector.
#[derive(Debug, Default)]
pub struct ArchiveInspector {
    file: String,
    list: Vec<u8>,
    info: Vec<u8>,
    /// The archive's files and their sizes, as they came.
    seen: BTreeMap<String, u64>,
}

impl Inspector for ArchiveInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self::default()
    }

    fn open(&mut self, path: &str) {
        path.clone_into(&mut self.file);
        if let Some(name) = path.strip_prefix(INSIDE) {
            self.seen.entry(name.to_owned()).or_default();
        }
    }

    fn feed(&mut self, chunk: &[u8]) {
        let held = match self.file.as_str() {
            LIST => &mut self.list,
            INFO => &mut self.info,
            path => {
                if let Some(size) = path.strip_prefix(INSIDE).and_then(|name| self.seen.get_mut(name)) {
                    *size += chunk.len() as u64;
                }
                return;
            }
        };
        let room = LARGEST.saturating_sub(held.len());
        held.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }

    fn finish(self) -> Inspection {
        let mut findings = Vec::new();
        match listed(&self.list) {
            None => findings.push("the list of the archive's files is missing or cut off".to_owned()),
            Some(listed) => self.compare(&listed, &mut findings),
        }
        if !self.seen.contains_key(META) {
            findings.push(format!("the archive has no {META}"));
        }
        let objects = match report(&self.info) {
            Err(why) => {
                findings.push(why);
                Vec::new()
            }
            Ok(buckets) => {
                for (name, documents) in &buckets {
                    self.check_bucket(name, *documents, &mut findings);
                }
                buckets.into_iter().map(|(name, documents)| Object::new("bucket", name).rows(documents)).collect()
            }
        };
        let complete = findings.is_empty();
        if findings.len() > FINDINGS {
            findings.truncate(FINDINGS);
        }
        Inspection { complete, objects, findings }
    }
}

impl ArchiveInspector {
    fn compare(&self, listed: &BTreeMap<&str, u64>, findings: &mut Vec<String>) {
        for (name, size) in listed {
            match self.seen.get(*name) {
                None => findings.push(format!("{name} is missing")),
                Some(seen) if seen != size => findings.push(format!("{name} has {seen} bytes and not {size}")),
                Some(_) => {}
            }
        }
        for name in self.seen.keys().filter(|name| !listed.contains_key(name.as_str())) {
            findings.push(format!("{name} is not on the list of files"));
        }
    }

    /// A bucket lies in `{repository}/{time}/{name}-{uuid}/`, its documents in `data/`.
    fn check_bucket(&self, bucket: &str, documents: Option<u64>, findings: &mut Vec<String>) {
        let of_bucket = |path: &&String| {
            let folder = path.split('/').nth(2).unwrap_or_default();
            folder.rsplit_once('-').is_some_and(|(name, _)| name == bucket)
        };
        let mut files = self.seen.keys().filter(of_bucket).peekable();
        if files.peek().is_none() {
            findings.push(format!("the archive has no files of the bucket {bucket}"));
        } else if documents.is_some_and(|documents| documents > 0) && !files.any(|path| path.contains("/data/")) {
            findings.push(format!("the archive has no documents of the bucket {bucket}"));
        }
    }
}

/// `1234 planb/backup-meta.json`, a line each; none where the last is not ended.
fn listed(list: &[u8]) -> Option<BTreeMap<&str, u64>> {
    let text = std::str::from_utf8(list).ok()?.strip_suffix('\n')?;
    text.split('\n')
        .map(|line| {
            let (size, name) = line.split_once(' ')?;
            Some((name, size.parse().ok()?))
        })
        .collect()
}

/// The buckets of the one backup and their documents.
fn report(info: &[u8]) -> Result<Vec<(String, Option<u64>)>, String> {
    let value: Value =
        serde_json::from_slice(info).map_err(|_| "the report of cbbackupmgr info is missing or cut off".to_owned())?;
    // A repository, or an archive of repositories.
    let repository = value["repos"].get(0).unwrap_or(&value);
    let backups = repository["backups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [backup] = backups else {
        return Err(format!("the archive holds {} backups and not one", backups.len()));
    };
    if backup["complete"] != Value::Bool(true) {
        return Err("cbbackupmgr says that the backup is not complete".to_owned());
    }
    let buckets = backup["buckets"].as_array().ok_or("the report of cbbackupmgr info names no buckets")?;
    let bucket = |bucket: &Value| {
        let documents = bucket["mutations"].as_u64().or_else(|| bucket["items"].as_u64());
        Some((bucket["name"].as_str()?.to_owned(), documents))
    };
    buckets.iter().map(bucket).collect::<Option<_>>().ok_or_else(|| "a bucket in the report has no name".to_owned())
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing::{inspect_files, request};

    use super::*;

    /// The form that "cbbackupmgr-info" gives, for a repository.
    const REPORT: &str = r#"{"name":"planb","size":53897625,"count":1,"backups":[{"date":"2019-03-15T13_52_27.18301Z","complete":true,
        "size":53897625,"type":"FULL","source":"http://localhost:8091","range":null,"event":0,"fts_alias":0,"source_cluster_uuid":"3adac",
        "buckets":[{"name":"beer-sample","size":6850000,"items":7303,"mutations":7303,"tombstones":0,"views_count":1,"fts_count":0},
        {"name":"empty","size":10,"items":0,"mutations":0,"tombstones":0}]}]}"#;

    fn files() -> Vec<(String, Vec<u8>)> {
        let backup = "archive/planb/2019-03-15T13_52_27.18301Z";
        let mut files: Vec<(String, Vec<u8>)> = vec![
            ("archive/.backup".to_owned(), Vec::new()),
            ("archive/logs/backup-0.log".to_owned(), b"log".to_vec()),
            ("archive/planb/backup-meta.json".to_owned(), b"{}".to_vec()),
            (format!("{backup}/beer-sample-f086/bucket-config.json"), b"{\"x\":1}".to_vec()),
            (format!("{backup}/beer-sample-f086/data/data_0.rift.0"), vec![7; 300]),
            (format!("{backup}/beer-sample-f086/data/index_0.sqlite.0"), vec![8; 100]),
            (format!("{backup}/empty-a1/bucket-config.json"), b"{}".to_vec()),
        ];
        let list: String = files
            .iter()
            .map(|(name, bytes)| format!("{} {}\n", bytes.len(), name.strip_prefix("archive/").unwrap()))
            .collect();
        files.push(("config.log".to_owned(), b"Backup repository `planb` created successfully".to_vec()));
        files.push(("files.txt".to_owned(), list.into_bytes()));
        files.push(("info.json".to_owned(), REPORT.as_bytes().to_vec()));
        files
    }

    fn look(files: &[(String, Vec<u8>)], chunk: usize) -> Inspection {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        inspect_files::<ArchiveInspector>(&request("x"), &Artifact::new("dir", "x/x", "cbbackupmgr"), &files, chunk)
    }

    #[test]
    fn a_whole_dump() {
        for chunk in [1, 7, 65536] {
            let inspection = look(&files(), chunk);
            assert!(inspection.complete, "{:?}", inspection.findings);
            assert_eq!(
                inspection.objects,
                [Object::new("bucket", "beer-sample").rows(7303), Object::new("bucket", "empty").rows(0)]
            );
        }
    }

    #[test]
    fn a_file_that_is_missing_or_cut() {
        let whole = files();
        for at in 0..whole.len() {
            // What config prints is kept only so that its folder is there.
            let spare = whole[at].0 == "config.log";
            let mut without = whole.clone();
            without.remove(at);
            assert_eq!(look(&without, 65536).complete, spare, "without {}", whole[at].0);
            for end in 0..whole[at].1.len() {
                let mut cut = whole.clone();
                cut[at].1.truncate(end);
                assert_eq!(look(&cut, 65536).complete, spare, "{} cut at {end}", whole[at].0);
            }
        }
        // All files after one, as where a stream of them was cut.
        for kept in 0..whole.len() {
            assert!(!look(&whole[..kept], 65536).complete);
        }
    }

    #[test]
    fn what_cbbackupmgr_says() {
        let with = |report: &str| {
            let mut files = files();
            files.last_mut().unwrap().1 = report.as_bytes().to_vec();
            look(&files, 65536)
        };
        assert!(with(&format!("{{\"name\":\"archive\",\"repos\":[{REPORT}]}}")).complete);
        assert!(with(&REPORT.replace("true", "false")).findings.concat().contains("not complete"));
        assert!(with("{\"backups\":[]}").findings.concat().contains("0 backups"));
        assert!(
            with(&REPORT.replace("beer-sample", "other")).findings.concat().contains("no files of the bucket other")
        );
        assert!(with(&REPORT.replace("\"mutations\":0", "\"mutations\":5")).findings.concat().contains("no documents"));
    }
}
