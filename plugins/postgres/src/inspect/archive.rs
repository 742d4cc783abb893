//! The head and the table of contents of a custom or directory archive.
//!
//! The format is that of src/bin/pg_dump/pg_backup_archiver.c: ReadHead, ReadToc, ReadInt, ReadStr, versions 1.12 (PostgreSQL 9 to
//! 10) to 1.16 (PostgreSQL 17 and 18). Integers are a sign byte and `intSize` bytes, lowest first; strings are a
//! length and bytes, of which a negative length is no string.

use crate::names::{self, Touch};

const MAGIC: &[u8; 5] = b"PGDMP";
const OLDEST: (u8, u8) = (1, 12);
const NEWEST: (u8, u8) = (1, 16);
/// No honest entry (the longest is a function's body) comes near.
const ENTRY: usize = 64 * 1024 * 1024;

/// Why there is nothing more to read.
#[derive(Debug)]
pub(crate) enum Stop {
    /// More bytes are needed.
    More,
    /// These bytes are no archive.
    Bad(String),
}

/// What an archive's head says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    minor: u8,
    int_size: usize,
    offset_size: usize,
    /// 1: custom, 3: tar, 5: directory (pg_backup_archiver.h, ArchiveFormat).
    pub(crate) format: u8,
    pub(crate) compression: Compression,
    entries: u64,
}

/// How the data of an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Zlib,
    /// LZ4 or zstd.
    Other,
}

/// What is kept of an entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    /// A data block, or a file, belongs to it.
    pub(crate) has_data: bool,
    pub(crate) what: What,
    /// The file, in a directory archive.
    pub(crate) file: Option<String>,
}

/// What an entry means for an inspection.
#[derive(Debug)]
pub(crate) enum What {
    Makes(&'static str, String),
    /// Rows of a table, by its name where COPY names it.
    Rows {
        table: Option<String>,
    },
    /// Makes this many large objects.
    LargeObjects(u64),
    /// Their contents.
    LargeObjectData,
    Other,
}

/// Reads head and entries as their bytes come.
#[derive(Debug)]
pub(crate) struct Reader {
    held: Vec<u8>,
    head: Option<Head>,
    left: u64,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { held: Vec::new(), head: None, left: 0 }
    }

    pub(crate) fn head(&self) -> Option<Head> {
        self.head
    }

    /// Takes the next bytes. Returns those that follow the table of contents, once it was read whole.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut entry: impl FnMut(Entry)) -> Result<Option<Vec<u8>>, String> {
        self.held.extend_from_slice(chunk);
        let mut done = 0;
        loop {
            if self.head.is_some() && self.left == 0 {
                self.held.drain(..done);
                return Ok(Some(std::mem::take(&mut self.held)));
            }
            let mut cursor = Cursor { bytes: self.held.get(done..).unwrap_or_default(), at: 0 };
            let read = match self.head {
                None => cursor.head().map(|head| {
                    self.head = Some(head);
                    self.left = head.entries;
                }),
                Some(head) => cursor.entry(head).map(|found| {
                    entry(found);
                    self.left -= 1;
                }),
            };
            match read {
                Ok(()) => done += cursor.at,
                Err(Stop::Bad(why)) => return Err(why),
                Err(Stop::More) => {
                    self.held.drain(..done);
                    if self.held.len() > ENTRY {
                        return Err("an entry of its table of contents is impossibly long".to_owned());
                    }
                    return Ok(None);
                }
            }
        }
    }
}

/// A place in bytes that may end too early.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(count).ok_or_else(|| Stop::Bad("an impossible length".to_owned()))?;
        let bytes = self.bytes.get(self.at..end).ok_or(Stop::More)?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        self.take(1).map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    fn int(&mut self, size: usize) -> Result<i64, Stop> {
        Ok(int(self.take(size + 1)?))
    }

    fn text(&mut self, size: usize) -> Result<Option<&'a [u8]>, Stop> {
        let length = self.int(size)?;
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        if length > ENTRY {
            return Err(Stop::Bad("a text of its table of contents is impossibly long".to_owned()));
        }
        self.take(length).map(Some)
    }

    fn head(&mut self) -> Result<Head, Stop> {
        let start = self.bytes.get(..MAGIC.len().min(self.bytes.len())).unwrap_or_default();
        if !MAGIC.starts_with(start) {
            return Err(Stop::Bad("it is no archive of pg_dump: PGDMP is missing at its start".to_owned()));
        }
        self.take(MAGIC.len())?;
        let (major, minor, _) = (self.byte()?, self.byte()?, self.byte()?);
        if (major, minor) < OLDEST || (major, minor) > NEWEST {
            return Err(Stop::Bad(format!("its format {major}.{minor} is not known: this plugin reads 1.12 to 1.16")));
        }
        let int_size = usize::from(self.byte()?);
        let offset_size = usize::from(self.byte()?);
        if !(1..=8).contains(&int_size) || !(1..=8).contains(&offset_size) {
            return Err(Stop::Bad("its head is damaged".to_owned()));
        }
        let format = self.byte()?;
        // Since 1.15 the algorithm (compression.h, pg_compress_algorithm), before that the level of zlib, which may be -1.
        let compression = if minor >= 15 { i64::from(self.byte()?) } else { self.int(int_size)?.abs().min(1) };
        let compression = match compression {
            0 => Compression::None,
            1 => Compression::Zlib,
            _ => Compression::Other,
        };
        for _ in 0..7 {
            self.int(int_size)?;
        }
        for _ in ["database", "server version", "pg_dump version"] {
            self.text(int_size)?;
        }
        let entries = u64::try_from(self.int(int_size)?).map_err(|_| Stop::Bad("its head is damaged".to_owned()))?;
        Ok(Head { minor, int_size, offset_size, format, compression, entries })
    }

    fn entry(&mut self, head: Head) -> Result<Entry, Stop> {
        let size = head.int_size;
        let id = self.int(size)?;
        let has_data = self.int(size)? != 0;
        self.text(size)?; // tableoid
        self.text(size)?; // oid
        self.text(size)?; // tag
        let kind = self.text(size)?.unwrap_or_default();
        self.int(size)?; // section
        let definition = self.text(size)?.unwrap_or_default();
        self.text(size)?; // drop statement
        let copy = self.text(size)?.unwrap_or_default();
        self.text(size)?; // namespace
        self.text(size)?; // tablespace
        if head.minor >= 14 {
            self.text(size)?; // table access method
        }
        if head.minor >= 16 {
            self.int(size)?; // relkind
        }
        self.text(size)?; // owner
        self.text(size)?; // with oids
        while self.text(size)?.is_some() {} // dependencies
        let file = if head.format == 1 {
            self.take(1 + head.offset_size)?;
            None
        } else {
            self.text(size)?.filter(|name| !name.is_empty()).map(|name| String::from_utf8_lossy(name).into_owned())
        };
        let what = match kind {
            b"TABLE DATA" => {
                let table = match names::touched(copy) {
                    Touch::Fills(table) => Some(table),
                    _ => None,
                };
                What::Rows { table }
            }
            b"BLOB" => What::LargeObjects(1),
            // One entry for many: its definition has an OID a line.
            b"BLOB METADATA" => What::LargeObjects(memchr::memchr_iter(b'\n', definition).count().max(1) as u64),
            b"BLOBS" => What::LargeObjectData,
            _ => match names::touched(definition) {
                Touch::Makes(kind, name) => What::Makes(kind, name),
                _ => What::Other,
            },
        };
        Ok(Entry { id, has_data, what, file })
    }
}

/// A sign byte, then the number's bytes, lowest first.
pub(crate) fn int(bytes: &[u8]) -> i64 {
    let Some((sign, digits)) = bytes.split_first() else {
        return 0;
    };
    let value = digits.iter().rev().fold(0_i64, |value, &digit| (value << 8) | i64::from(digit));
    if *sign == 0 { value } else { value.wrapping_neg() }
}

impl Head {
    /// The bytes of an integer, with its sign.
    pub(crate) fn int_bytes(&self) -> usize {
        self.int_size + 1
    }
}
