//! What an archive of mongodump holds, and whether it is whole.
//!
//! The format is that of common/archive/spec.md and parser.go of the tools: a magic number, a prelude of documents that names every
//! collection, a terminator, and then blocks. A block has a header that names its collection, documents, and a terminator; blocks of several
//! collections alternate. The last block of a collection is empty, and its header says EOF and the checksum of all its documents. An
//! archive has no end mark of its own: it is whole when each collection that its prelude promises has come to its end.

use std::collections::BTreeMap;

use crate::bson::{self, LARGEST, SMALLEST, Value};
use crate::crc::Crc;
use crate::inspect::{Census, kind_of};
use crate::names::Kind;

const MAGIC: u32 = 0x8199_e26d;
const TERMINATOR: u32 = 0xffff_ffff;

/// More collections than this no server has; a dump that tells of more was made to fill memory.
const MOST: usize = 1_000_000;

/// Where in the archive the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Magic,
    Prelude,
    /// Before a block, or at the end.
    Between,
    /// In the block of this collection; none: behind the header that says EOF, where only a terminator may come.
    Block(Option<usize>),
}

#[derive(Debug)]
struct Namespace {
    database: String,
    collection: String,
    kind: Kind,
    promised: bool,
    ended: bool,
    documents: u64,
    crc: Crc,
}

/// Reads an archive as it passes.
#[derive(Debug)]
pub(crate) struct Archive {
    section: Section,
    /// The first bytes of a length or terminator that a chunk ended in.
    head: [u8; 4],
    have: usize,
    /// What is left of the current document.
    left: u32,
    /// The current document, where it is one that has to be read.
    held: Option<Vec<u8>>,
    namespaces: Vec<Namespace>,
    by_name: BTreeMap<(String, String), usize>,
    /// What is wrong, in one sentence.
    broken: Option<String>,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            section: Section::Magic,
            head: [0; 4],
            have: 0,
            left: 0,
            held: None,
            namespaces: Vec::new(),
            by_name: BTreeMap::new(),
            broken: None,
        }
    }
}

impl Archive {
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        // From here on the bytes of a block are not in its checksum yet.
        let mut unsummed = 0;
        let mut at = 0;
        while at < chunk.len() && self.broken.is_none() {
            let rest = chunk.get(at..).unwrap_or_default();
            if self.left > 0 {
                let take = rest.len().min(self.left as usize);
                let bytes = rest.get(..take).unwrap_or_default();
                self.left -= u32::try_from(take).unwrap_or(self.left);
                at += take;
                let read = self.held.is_some();
                if let Some(held) = &mut self.held {
                    held.extend_from_slice(bytes);
                }
                if self.left == 0 {
                    if bytes.last() == Some(&0) {
                        self.document();
                    } else {
                        self.fail("it holds a document that does not end as one");
                    }
                }
                if read {
                    unsummed = at;
                }
                continue;
            }
            if self.have == 0
                && let Some(head) = rest.first_chunk()
            {
                let word = u32::from_le_bytes(*head);
                if word == TERMINATOR || !matches!(self.section, Section::Block(Some(_))) {
                    self.sum(chunk.get(unsummed..at).unwrap_or_default());
                    unsummed = at + 4;
                }
                at += 4;
                self.word(word);
                continue;
            }
            // A length or a terminator that lies in two chunks.
            if self.have == 0 {
                self.sum(chunk.get(unsummed..at).unwrap_or_default());
            }
            let take = rest.len().min(4 - self.have);
            for (place, byte) in self.head.iter_mut().skip(self.have).zip(rest) {
                *place = *byte;
            }
            self.have += take;
            at += take;
            unsummed = at;
            if self.have == 4 {
                self.have = 0;
                let (head, word) = (self.head, u32::from_le_bytes(self.head));
                if word != TERMINATOR {
                    self.sum(&head);
                }
                self.word(word);
            }
        }
        self.sum(chunk.get(unsummed..).unwrap_or_default());
    }

    fn fail(&mut self, why: impl Into<String>) {
        self.broken.get_or_insert_with(|| why.into());
    }

    /// Adds bytes to the checksum of the current block's collection.
    fn sum(&mut self, bytes: &[u8]) {
        if let Section::Block(Some(at)) = self.section
            && let Some(namespace) = self.namespaces.get_mut(at)
        {
            namespace.crc.update(bytes);
        }
    }

    /// The magic number, a terminator, or the length of a document.
    fn word(&mut self, word: u32) {
        match (self.section, word) {
            (Section::Magic, MAGIC) => self.section = Section::Prelude,
            (Section::Magic, _) => self.fail("it is no archive of mongodump"),
            (Section::Prelude | Section::Block(_), TERMINATOR) => self.section = Section::Between,
            (section, SMALLEST..=LARGEST) => {
                if section == Section::Block(None) {
                    return self.fail("it holds documents behind the end of their collection");
                }
                self.left = word - 4;
                let read = !matches!(section, Section::Block(_));
                self.held = read.then(|| word.to_le_bytes().to_vec());
            }
            _ => self.fail("it holds bytes that are neither a document nor the end of a part"),
        }
    }

    /// A document has ended.
    fn document(&mut self) {
        let Some(document) = self.held.take() else {
            if let Section::Block(Some(at)) = self.section
                && let Some(namespace) = self.namespaces.get_mut(at)
            {
                namespace.documents += 1;
            }
            return;
        };
        match self.section {
            Section::Prelude => self.promise(&document),
            Section::Between => self.header(&document),
            Section::Magic | Section::Block(_) => {}
        }
    }

    /// A document of the prelude: the header, which names no collection, or a collection.
    fn promise(&mut self, document: &[u8]) {
        let Some(collection) = bson::text(document, "collection") else {
            return;
        };
        let database = bson::text(document, "db").unwrap_or_default();
        let kind = kind_of(
            bson::text(document, "type").unwrap_or_default(),
            bson::text(document, "metadata").unwrap_or_default(),
        );
        if let Some(namespace) = self.namespace(database, collection) {
            namespace.promised = true;
            namespace.kind = kind;
        }
    }

    /// The header of a block.
    fn header(&mut self, document: &[u8]) {
        let (mut database, mut collection, mut end, mut sum) = ("", "", false, 0);
        for (name, value) in bson::fields(document) {
            match (name, value) {
                ("db", Value::Text(text)) => database = text,
                ("collection", Value::Text(text)) => collection = text,
                ("EOF", Value::Bool(on)) => end = on,
                ("CRC", Value::Int(crc)) => sum = crc,
                _ => {}
            }
        }
        if collection.is_empty() {
            return self.fail("it holds a part that names no collection");
        }
        let Some(namespace) = self.namespace(database, collection) else {
            return;
        };
        let name = format!("{database}.{collection}");
        if namespace.ended {
            return self.fail(format!("it goes on with {name} after its end"));
        }
        namespace.ended = end;
        if end && namespace.crc.sum() != sum.cast_unsigned() {
            return self.fail(format!("the documents of {name} do not have the checksum that it says"));
        }
        let at = self.by_name.get(&(database.to_owned(), collection.to_owned())).copied();
        self.section = Section::Block(at.filter(|_| !end));
    }

    /// The namespace of these names, which is added where there is room.
    fn namespace(&mut self, database: &str, collection: &str) -> Option<&mut Namespace> {
        let key = (database.to_owned(), collection.to_owned());
        if !self.by_name.contains_key(&key) {
            if self.namespaces.len() == MOST {
                self.fail("it tells of more collections than a server can have");
                return None;
            }
            self.by_name.insert(key.clone(), self.namespaces.len());
            self.namespaces.push(Namespace {
                database: database.to_owned(),
                collection: collection.to_owned(),
                kind: Kind::Collection,
                promised: false,
                ended: false,
                documents: 0,
                crc: Crc::default(),
            });
        }
        let at = *self.by_name.get(&key)?;
        self.namespaces.get_mut(at)
    }

    /// What there was, and whether it was all.
    pub(crate) fn finish(mut self, census: &mut Census) {
        if self.section == Section::Magic && self.have == 0 && self.broken.is_none() {
            self.fail("it is empty");
        } else if self.section != Section::Between || self.have > 0 || self.left > 0 {
            self.fail("it was cut off");
        }
        // Measurements lie in a collection of another name, before MongoDB 8.3.
        let ended = |namespace: &Namespace| {
            let buckets = (namespace.database.clone(), format!("system.buckets.{}", namespace.collection));
            let other = self.by_name.get(&buckets).filter(|_| namespace.kind == Kind::Timeseries);
            namespace.ended || other.and_then(|&at| self.namespaces.get(at)).is_some_and(|other| other.ended)
        };
        let mut unended = self.namespaces.iter().filter(|namespace| !ended(namespace));
        let open = unended.next().map(|namespace| {
            let more = unended.count();
            let others = if more == 0 { String::new() } else { format!(" and {more} others") };
            format!("it lacks the end of {}.{}{others}: it was cut off", namespace.database, namespace.collection)
        });
        for namespace in &self.namespaces {
            census.count(&namespace.database, &namespace.collection, namespace.kind, namespace.documents);
        }
        if let Some(why) = self.broken.or(open) {
            census.broken(format!("the archive is not whole: {why}"));
        }
    }
}
