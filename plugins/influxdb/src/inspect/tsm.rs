//! Values in a data file (tsdb/engine/tsm1/DESIGN.md and encoding.go in InfluxDB 1.x).
//!
//! A file is a header, blocks, the index of the blocks, and the index' position in its last eight bytes. A block is a checksum, a type, the length
//! of the times, the times, and the values; how many there are only the times tell. The index has for each key (series, `#!~#`, field) the
//! time, position and size of its blocks.

use std::collections::BTreeMap;

/// Keys that are kept in mind, to see whether two files have values of the same time.
const MOST: usize = 300_000;
const SEPARATOR: &[u8] = b"#!~#";
/// From which time to which, position, size.
const ENTRY: usize = 28;

/// The fields of a shard, file after file.
#[derive(Debug, Default)]
pub(super) struct Values {
    fields: BTreeMap<String, Option<u64>>,
    /// From when to when a key has values, in the files so far.
    spans: BTreeMap<u64, (i64, i64)>,
    files: u64,
    too_many: bool,
    uncertain: bool,
    unread: bool,
}

impl Values {
    /// Nothing is known of how many values there are.
    pub(super) fn uncertain(&mut self) {
        self.uncertain = true;
    }

    /// Whether each file's index could be read.
    pub(super) fn read(&self) -> bool {
        !self.unread
    }

    /// Values of each field, by `measurement.field`.
    pub(super) fn fields(self) -> BTreeMap<String, Option<u64>> {
        let unknown = self.uncertain || (self.too_many && self.files > 1);
        self.fields.into_iter().map(|(name, values)| (name, values.filter(|_| !unknown))).collect()
    }

    /// A data file of this size, of which these are the last bytes.
    pub(super) fn file(&mut self, held: &[u8], size: u64) {
        self.files += 1;
        if self.index(held, size).is_none() {
            self.unread = true;
        }
    }

    fn index(&mut self, held: &[u8], size: u64) -> Option<()> {
        // Where the held bytes begin in the file.
        let base = size - held.len() as u64;
        let (body, footer) = held.split_last_chunk::<8>()?;
        let at = usize::try_from(u64::from_be_bytes(*footer).checked_sub(base)?).ok()?;
        let mut index = body.get(at..)?;
        while !index.is_empty() {
            let length = usize::from(u16::from_be_bytes(*take(&mut index, 2)?.first_chunk()?));
            let key = take(&mut index, length)?;
            let kind_and_count = take(&mut index, 3)?;
            let count = usize::from(u16::from_be_bytes(*kind_and_count.last_chunk()?));
            let entries = take(&mut index, count * ENTRY)?;
            let mut values = Some(0_u64);
            let mut span: Option<(i64, i64)> = None;
            for entry in entries.chunks_exact(ENTRY) {
                let number = |from: usize| entry.get(from..)?.first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
                let (from, to, position) = (number(0)?, number(8)?, number(16)?);
                let bytes = u32::from_be_bytes(*entry.last_chunk()?);
                span = Some(span.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
                let block = u64::try_from(position).ok().and_then(|position| position.checked_sub(base));
                let block = block.and_then(|block| {
                    let block = usize::try_from(block).ok()?;
                    held.get(block..block.checked_add(bytes as usize)?)
                });
                values = values.and_then(|sum| Some(sum + count_of(block?)?));
            }
            self.key(key, values, span?);
        }
        Some(())
    }

    fn key(&mut self, key: &[u8], values: Option<u64>, span: (i64, i64)) {
        // The last one: a field's name may hold it too, and then it begins earlier.
        let Some(at) = key.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) else { return };
        let (series, field) = key.split_at(at);
        let field = field.get(SEPARATOR.len()..).unwrap_or_default();
        let name = format!("{}.{}", measurement(series), String::from_utf8_lossy(field));
        // Values of one time in two files may be one value, written again.
        let room = self.spans.len() < MOST;
        let again = match self.spans.get_mut(&hash(key)) {
            Some(before) => {
                let apart = span.0 > before.1 || span.1 < before.0;
                *before = (before.0.min(span.0), before.1.max(span.1));
                !apart
            }
            None if room => {
                self.spans.insert(hash(key), span);
                false
            }
            None => {
                self.too_many = true;
                false
            }
        };
        let sum = self.fields.entry(name).or_insert(Some(0));
        *sum = sum.and_then(|sum| Some(sum + values.filter(|_| !again)?));
    }
}

/// The name before the first comma that is not escaped, without its escapes (line protocol).
fn measurement(series: &[u8]) -> String {
    let mut name = Vec::with_capacity(series.len());
    let mut bytes = series.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(&next @ (b',' | b' '))) => {
                name.push(next);
                bytes.next();
            }
            (b',', _) => break,
            _ => name.push(byte),
        }
    }
    String::from_utf8_lossy(&name).into_owned()
}

/// How many values a block has: as many as times.
fn count_of(block: &[u8]) -> Option<u64> {
    // A checksum of four bytes, the type.
    let mut rest = block.get(5..)?;
    let length = usize::try_from(varint(&mut rest)?).ok()?;
    let times = rest.get(..length)?;
    let (&kind, mut rest) = times.split_first()?;
    match kind >> 4 {
        // As they are.
        0 => Some(rest.len() as u64 / 8),
        // The first, then differences: 64-bit words whose highest four bits tell how many each holds ("simple8b").
        1 => {
            let words = rest.get(8..)?.chunks_exact(8);
            Some(1 + words.map(|word| PACKED[usize::from(word[0] >> 4)]).sum::<u64>())
        }
        // The first, one difference, and how often.
        2 => {
            take(&mut rest, 8)?;
            varint(&mut rest)?;
            varint(&mut rest)
        }
        _ => None,
    }
}

const PACKED: [u64; 16] = [240, 120, 60, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1];

fn varint(rest: &mut &[u8]) -> Option<u64> {
    super::proto::varint(rest)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// FNV-1a. Two keys of as many as are kept that are taken for one are as likely as one in some hundred million, and cost a count.
fn hash(key: &[u8]) -> u64 {
    key.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(measurement(b"odd\\ \"na\\,me,x=y"), "odd \"na,me");
        assert_eq!(measurement(b"cpu"), "cpu");
    }

    #[test]
    fn times() {
        let block = |times: &[u8]| {
            let mut block = vec![0, 0, 0, 0, 1, u8::try_from(times.len()).unwrap()];
            block.extend_from_slice(times);
            count_of(&block)
        };
        // The first block of a file that influxd 1.6 wrote: one integer.
        assert_eq!(block(&[0x1C, 0, 0, 0, 0, 0x3B, 0x9A, 0xCA, 0]), Some(1));
        assert_eq!(block(&[0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0xE0, 0, 0, 0, 0, 0, 0, 0]), Some(3));
        assert_eq!(block(&[0; 17]), Some(2));
        assert_eq!(block(&[0x20, 0, 0, 0, 0, 0, 0, 0, 1, 5, 0xE8, 7]), Some(1000));
        assert_eq!(block(&[0x30]), None);
        assert_eq!(count_of(&[0; 3]), None);
    }
}
