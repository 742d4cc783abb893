//! What the files of `mongodump --out` hold, and whether none is missing.
//!
//! `database/collection.bson.gz` has the documents one behind the other, `database/collection.metadata.json.gz` the options and indexes, and
//! `oplog.bson` the changes. Documents one behind the other have no end mark, so a directory is always dumped with `--gzip`, whose
//! checksum and length at the end of each file are one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bson::Documents;
use crate::inspect::{Census, Sink, Unpacked, kind_of};
use crate::names::{self, Kind};

/// Indexes and options of a collection are small; more than this is kept of none.
const METADATA: usize = 16 << 20;

/// What is known of a collection from its two files.
#[derive(Debug, Default)]
struct Files {
    documents: Option<u64>,
    metadata: Option<(Kind, Option<String>)>,
}

/// Reads a directory file by file.
#[derive(Debug)]
pub(crate) struct Directory {
    current: Option<(String, Unpacked<Content>)>,
    /// By database and the name that a file has for the collection.
    collections: BTreeMap<(String, String), Files>,
    needs_oplog: bool,
    needs_users: bool,
    needs_prelude: bool,
}

#[derive(Debug)]
pub(crate) enum Content {
    Documents(Documents),
    Text(Vec<u8>),
}

impl Sink for Content {
    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Documents(documents) => documents.feed(bytes),
            Self::Text(text) => {
                let room = METADATA.saturating_sub(text.len());
                text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
        }
    }
}

/// What a file is, by its name.
enum Role<'a> {
    Documents(&'a str),
    Metadata(&'a str),
    Prelude,
    Unknown,
}

fn role(path: &str) -> Role<'_> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let plain = file.strip_suffix(".gz").unwrap_or(file);
    if plain == "prelude.json" {
        Role::Prelude
    } else if let Some(name) = plain.strip_suffix(".metadata.json") {
        Role::Metadata(name)
    } else if let Some(name) = plain.strip_suffix(".bson") {
        Role::Documents(name)
    } else {
        Role::Unknown
    }
}

impl Directory {
    pub(crate) fn new(needs_oplog: bool, needs_users: bool, needs_prelude: bool) -> Self {
        Self { current: None, collections: BTreeMap::new(), needs_oplog, needs_users, needs_prelude }
    }

    pub(crate) fn open(&mut self, path: &str, census: &mut Census) {
        self.close(census);
        let content = match role(path) {
            Role::Documents(_) => Content::Documents(Documents::default()),
            Role::Metadata(_) | Role::Prelude | Role::Unknown => Content::Text(Vec::new()),
        };
        self.current = Some((path.to_owned(), Unpacked::new(content, true)));
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        if let Some((_, content)) = &mut self.current {
            content.feed(chunk);
        }
    }

    /// The current file has ended.
    fn close(&mut self, census: &mut Census) {
        let Some((path, content)) = self.current.take() else {
            return;
        };
        let content = match content.finish() {
            Ok(content) => content,
            Err(why) => return census.broken(format!("{path} is not whole: {why}")),
        };
        let database = path.rsplit_once('/').map_or("", |(folder, _)| folder.rsplit('/').next().unwrap_or(folder));
        match (role(&path), content) {
            (Role::Documents(name), Content::Documents(documents)) => match documents.finish() {
                Some(count) => self.files(database, name).documents = Some(count),
                None => census.broken(format!("{path} holds something that is no document")),
            },
            (Role::Metadata(name), Content::Text(text)) => match serde_json::from_slice::<Value>(&text) {
                Ok(metadata) => {
                    let kind = kind_of("", &String::from_utf8_lossy(&text));
                    let known = metadata["collectionName"].as_str().filter(|name| !name.is_empty());
                    self.files(database, name).metadata = Some((kind, known.map(str::to_owned)));
                }
                Err(_) => census.broken(format!("{path} is no JSON")),
            },
            (Role::Prelude, _) => self.needs_prelude = false,
            _ => census.broken(format!("{path} is no file of mongodump")),
        }
    }

    fn files(&mut self, database: &str, name: &str) -> &mut Files {
        self.collections.entry((database.to_owned(), name.to_owned())).or_default()
    }

    pub(crate) fn finish(mut self, census: &mut Census) {
        self.close(census);
        // The documents of measurements stand under the name of the collection that the server keeps them in.
        let measured: Vec<_> = self
            .collections
            .iter()
            .filter(|(_, files)| files.documents.is_none() && matches!(files.metadata, Some((Kind::Timeseries, _))))
            .map(|((database, name), _)| {
                ((database.clone(), name.clone()), (database.clone(), format!("system.buckets.{name}")))
            })
            .collect();
        for (key, buckets) in measured {
            if let Some(found) = self.collections.remove(&buckets)
                && let Some(files) = self.collections.get_mut(&key)
            {
                files.documents = found.documents;
            }
        }
        let (mut oplog, mut users) = (false, 0);
        for ((database, file), files) in &self.collections {
            let unescaped = names::unescape(file);
            let (kind, known) =
                files.metadata.as_ref().map_or((Kind::Collection, None), |(kind, name)| (*kind, name.as_deref()));
            let collection = known.unwrap_or(&unescaped);
            let (named, _) = names::classify(database, collection, kind);
            oplog |= named == Kind::Oplog;
            let special = collection.starts_with("$admin.");
            users += u32::from(special);
            let name = format!("{database}.{collection}");
            match (&files.documents, &files.metadata) {
                (None, _) if kind != Kind::View => census.broken(format!("the documents of {name} are missing")),
                // A collection that was dropped while it was dumped is empty and has none.
                (Some(1..), None) if !special && named != Kind::Oplog => {
                    census.broken(format!("the options and indexes of {name} are missing"));
                }
                _ => {}
            }
            census.count(database, collection, kind, files.documents.unwrap_or_default());
        }
        if self.needs_oplog && !oplog {
            census.broken("the changes that happened meanwhile, oplog.bson, are missing".to_owned());
        }
        if self.needs_users && users < 3 {
            census.broken("the users and roles of the database are missing".to_owned());
        }
        if self.needs_prelude {
            census.broken("prelude.json, with the version of the server, is missing".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Inspection, Object, Request, Scope, testing};

    use crate::inspect::MongoInspector;
    use crate::testing::{documents, gzip};

    fn see(request: &Request, files: &[(&str, Vec<u8>)], chunk: usize) -> Inspection {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
        let artifact = Artifact::new("dir", "application/octet-stream", "directory").compressed(true);
        testing::inspect_files::<MongoInspector>(request, &artifact, &files, chunk)
    }

    fn sample() -> Vec<(&'static str, Vec<u8>)> {
        let json = |text: &str| gzip(text.as_bytes());
        vec![
            ("orders/movies.bson.gz", gzip(&documents(3).concat())),
            (
                "orders/movies.metadata.json.gz",
                json(r#"{"indexes":[],"uuid":"","collectionName":"movies","type":"collection"}"#),
            ),
            ("orders/caf%C3%A9s%2Fx.bson.gz", gzip(&documents(1).concat())),
            ("orders/caf%C3%A9s%2Fx.metadata.json.gz", json(r#"{"indexes":[]}"#)),
            ("orders/system.buckets.weather.bson.gz", gzip(&documents(2).concat())),
            (
                "orders/weather.metadata.json.gz",
                json(r#"{"options":{"timeseries":{"timeField":"t"}},"indexes":[],"collectionName":"weather"}"#),
            ),
        ]
    }

    fn view() -> (&'static str, Vec<u8>) {
        ("orders/v.metadata.json.gz", gzip(br#"{"options":{"viewOn":"movies","pipeline":[]},"indexes":[]}"#))
    }

    #[test]
    fn the_files_of_a_database() {
        let mut files = sample();
        files.push(view());
        for chunk in [1, 7, 64 << 10] {
            let seen = see(&testing::request("orders"), &files, chunk);
            assert!(seen.complete, "{:?}", seen.findings);
            assert_eq!(
                seen.objects,
                [
                    Object::new("collection", "cafés/x").rows(1),
                    Object::new("collection", "movies").rows(3),
                    Object::new("timeseries", "weather"),
                    Object::new("view", "v"),
                ]
            );
        }
    }

    #[test]
    fn a_cut_or_missing_file_is_found() {
        let files = sample();
        for at in 0..files.len() {
            let mut fewer = files.clone();
            fewer.remove(at);
            assert!(!see(&testing::request("orders"), &fewer, 64).complete, "without {}", files[at].0);
            for end in 0..files[at].1.len() {
                let mut cut = files.clone();
                cut[at].1.truncate(end);
                assert!(!see(&testing::request("orders"), &cut, 64).complete, "{} cut at {end}", files[at].0);
            }
        }
        assert!(!see(&testing::request("orders"), &[], 64).complete);
        let newer = testing::request("orders").tool("mongodump", "100.13.0");
        assert!(!see(&newer, &files, 64).complete);
        let mut more = files.clone();
        more.push(("orders/prelude.json.gz", gzip(b"{}")));
        assert!(see(&newer, &more, 64).complete);
    }

    #[test]
    fn a_whole_server_with_its_changes() {
        let request = testing::request("x").scope(Scope::All).with_setting("oplog", "true");
        let mut files = sample();
        assert!(see(&request, &files, 64).findings[0].contains("oplog.bson"));
        files.push(("oplog.bson", gzip(&documents(4).concat())));
        let seen = see(&request, &files, 64);
        assert!(seen.complete, "{:?}", seen.findings);
        assert!(seen.objects.contains(&Object::new("oplog", "oplog").rows(4)));
        assert!(seen.objects.contains(&Object::new("collection", "orders.movies").rows(3)));
    }

    #[test]
    fn users_of_a_database() {
        let request = testing::request("orders").with_setting("users-and-roles", "true");
        let mut files = sample();
        assert!(!see(&request, &files, 64).complete);
        for name in ["users", "roles", "version"] {
            let path: &str = match name {
                "users" => "orders/$admin.system.users.bson.gz",
                "roles" => "orders/$admin.system.roles.bson.gz",
                _ => "orders/$admin.system.version.bson.gz",
            };
            files.push((path, gzip(&documents(1).concat())));
        }
        let seen = see(&request, &files, 64);
        assert!(seen.complete, "{:?}", seen.findings);
        assert!(seen.objects.contains(&Object::new("users", "system.users").rows(1)));
    }
}
