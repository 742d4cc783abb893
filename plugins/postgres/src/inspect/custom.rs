//! A custom archive: its table of contents, then a block of data for each entry that has some.
//!
//! The blocks are those of src/bin/pg_dump/pg_backup_custom.c: a type byte, the entry's id, then chunks of a length and so many
//! bytes until a length of zero. A block of large objects holds an OID and such chunks for each, until an OID of zero.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memchr_iter;
use planb_sdk::Inspection;

use super::Contents;
use super::archive::{self, Compression, Entry, Head, Reader, What};
use super::packed::Inflate;

const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;
/// pg_dump ends the rows of a table so (pg_dump.c, dumpTableData_copy).
const END_OF_ROWS: &[u8; 5] = b"\\.\n\n\n";

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Contents,
    BlockType,
    Integer(Integer),
    Chunk { left: u64, large: bool },
    Broken,
}

/// What the next integer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Integer {
    Id { large: bool },
    Length { large: bool },
    Oid,
}

#[derive(Debug)]
pub(crate) struct Custom {
    reader: Reader,
    at: At,
    head: Option<Head>,
    objects: Contents,
    /// The entries that have a block of data, and the tables that their rows are of.
    tables: BTreeMap<i64, Option<String>>,
    expected: BTreeSet<i64>,
    seen: u64,
    held: Vec<u8>,
    /// The block that is passing.
    id: i64,
    rows: u64,
    end: [u8; 5],
    inflate: Option<Inflate>,
    findings: Vec<String>,
}

impl Custom {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            at: At::Contents,
            head: None,
            objects: Contents::default(),
            tables: BTreeMap::new(),
            expected: BTreeSet::new(),
            seen: 0,
            held: Vec::new(),
            id: 0,
            rows: 0,
            end: [0; 5],
            inflate: None,
            findings: Vec::new(),
        }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match self.at {
            At::Broken => {}
            At::Contents => self.contents(chunk),
            _ => self.blocks(chunk),
        }
    }

    fn contents(&mut self, chunk: &[u8]) {
        let Self { reader, objects, tables, expected, .. } = self;
        let rest = reader.feed(chunk, |Entry { id, has_data, what, .. }| {
            if has_data {
                expected.insert(id);
            }
            match what {
                What::Makes(kind, name) => objects.made(kind, &name),
                What::Rows { table, .. } if has_data => {
                    tables.insert(id, table);
                }
                What::LargeObjects(count) => objects.large_objects(count),
                What::Rows { .. } | What::LargeObjectData | What::Other => {}
            }
        });
        match rest {
            Ok(None) => {}
            Ok(Some(rest)) => {
                self.head = self.reader.head();
                self.at = At::BlockType;
                if self.head.is_some_and(|head| head.format != 1) {
                    self.broken("it is an archive of pg_dump, but not a custom one".to_owned());
                }
                self.blocks(&rest);
            }
            Err(why) => self.broken(why),
        }
    }

    fn broken(&mut self, why: String) {
        self.findings.push(why);
        self.at = At::Broken;
    }

    fn blocks(&mut self, chunk: &[u8]) {
        let Some(head) = self.head else { return };
        let mut rest = chunk;
        while let Some(&first) = rest.first() {
            match self.at {
                At::BlockType => {
                    rest = rest.get(1..).unwrap_or_default();
                    match first {
                        BLOCK_DATA | BLOCK_LARGE_OBJECTS => {
                            self.at = At::Integer(Integer::Id { large: first == BLOCK_LARGE_OBJECTS });
                        }
                        _ => self.broken("a block of data begins with something else".to_owned()),
                    }
                }
                At::Integer(integer) => {
                    let size = head.int_bytes();
                    // Rows of an uncompressed dump come in a chunk each, so this is the inner loop.
                    if self.held.is_empty()
                        && let Some((bytes, after)) = rest.split_at_checked(size)
                    {
                        rest = after;
                        self.integer(integer, archive::int(bytes));
                        continue;
                    }
                    let (bytes, after) = rest.split_at(rest.len().min(size - self.held.len()));
                    self.held.extend_from_slice(bytes);
                    rest = after;
                    if self.held.len() == size {
                        let value = archive::int(&self.held);
                        self.held.clear();
                        self.integer(integer, value);
                    }
                }
                At::Chunk { left, large } => {
                    let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (bytes, after) = rest.split_at(count);
                    rest = after;
                    if !large {
                        self.rows(head.compression, bytes);
                    }
                    let left = left - count as u64;
                    self.at =
                        if left == 0 { At::Integer(Integer::Length { large }) } else { At::Chunk { left, large } };
                }
                At::Contents | At::Broken => return,
            }
        }
    }

    /// Bytes of the rows of a table.
    fn rows(&mut self, compression: Compression, bytes: &[u8]) {
        let Self { rows, end, inflate, .. } = self;
        let mut count = |bytes: &[u8]| {
            *rows += memchr_iter(b'\n', bytes).count() as u64;
            keep_end(end, bytes);
        };
        match (compression, inflate) {
            (Compression::None, _) => count(bytes),
            (Compression::Zlib, Some(inflate)) => {
                let after = inflate.feed(bytes, count);
                inflate.broken |= !after.is_empty();
            }
            (Compression::Zlib, None) | (Compression::Other, _) => {}
        }
    }

    fn integer(&mut self, integer: Integer, value: i64) {
        match integer {
            Integer::Id { large } => {
                self.id = value;
                self.rows = 0;
                self.end = [0; 5];
                // Rows as INSERT statements are not counted here.
                let counted = self.tables.get(&value).is_some_and(Option::is_some);
                let zlib = self.head.is_some_and(|head| head.compression == Compression::Zlib);
                self.inflate = (zlib && counted && !large).then(Inflate::zlib);
                self.at = At::Integer(if large { Integer::Oid } else { Integer::Length { large } });
                if !self.expected.remove(&value) {
                    self.broken("it holds data that its table of contents does not name".to_owned());
                }
            }
            Integer::Oid if value == 0 => self.block_ended(),
            Integer::Oid => self.at = At::Integer(Integer::Length { large: true }),
            Integer::Length { large } if value == 0 => {
                if large {
                    self.at = At::Integer(Integer::Oid);
                } else {
                    self.block_ended();
                }
            }
            Integer::Length { large } => match u64::try_from(value) {
                Ok(left) => self.at = At::Chunk { left, large },
                Err(_) => self.broken("a length in it is negative".to_owned()),
            },
        }
    }

    fn block_ended(&mut self) {
        self.at = At::BlockType;
        self.seen += 1;
        let Some(Some(table)) = self.tables.remove(&self.id) else {
            return;
        };
        let compression = self.head.map_or(Compression::None, |head| head.compression);
        let unpacked = self.inflate.take().is_none_or(|inflate| inflate.done && !inflate.broken);
        if compression == Compression::Other {
            self.objects.filled(&table, None);
        } else if unpacked && self.end == *END_OF_ROWS {
            self.objects.filled(&table, Some(self.rows - 3));
        } else {
            self.objects.filled(&table, None);
            self.broken(format!("the rows of {table} end without their end mark"));
        }
    }

    pub(crate) fn finish(mut self) -> Inspection {
        let complete = self.at == At::BlockType && self.expected.is_empty();
        if !complete && self.findings.is_empty() {
            self.findings.push(match self.at {
                At::Contents => "the dump was cut off within its table of contents".to_owned(),
                _ => format!(
                    "the dump was cut off: the data of {} tables is missing or not whole",
                    self.expected.len().max(1)
                ),
            });
        }
        let (objects, findings) = self.objects.finish();
        self.findings.extend(findings);
        Inspection { complete, objects, findings: self.findings }
    }
}

/// Keeps the last bytes of a stream.
pub(crate) fn keep_end<const N: usize>(end: &mut [u8; N], bytes: &[u8]) {
    if let Some(last) = bytes.last_chunk::<N>() {
        *end = *last;
    } else {
        end.rotate_left(bytes.len());
        let start = N - bytes.len();
        if let Some(tail) = end.get_mut(start..) {
            tail.copy_from_slice(bytes);
        }
    }
}
