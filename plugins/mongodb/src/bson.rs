//! The bytes of a document (bsonspec.org, version 1.1), as far as an inspection has to know them.

/// A document has at least its length and its end.
pub(crate) const SMALLEST: u32 = 5;
/// More than any server takes (16 MiB and a little), and what the tools' own reader has room for.
pub(crate) const LARGEST: u32 = 48 << 20;

/// A value that the dump's own documents are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Other,
}

/// The top-level fields of a document. Ends early where it is not one.
pub(crate) fn fields(document: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    let mut rest = document.get(4..document.len().saturating_sub(1)).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&kind, after) = rest.split_first()?;
        let end = after.iter().position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(after.get(..end)?).ok()?;
        let bytes = after.get(end + 1..)?;
        let length = || bytes.first_chunk().map(|&length| u32::from_le_bytes(length) as usize);
        let (size, value) = match kind {
            0x02 => {
                let length = length()?;
                let text = bytes.get(4..4_usize.checked_add(length)?.checked_sub(1)?)?;
                (length.checked_add(4)?, Value::Text(std::str::from_utf8(text).unwrap_or_default()))
            }
            0x03 | 0x04 => (length()?, Value::Other),
            0x05 => (length()?.checked_add(5)?, Value::Other),
            0x06 | 0x0A => (0, Value::Other),
            0x07 => (12, Value::Other),
            0x08 => (1, Value::Bool(*bytes.first()? != 0)),
            0x01 | 0x09 | 0x11 => (8, Value::Other),
            0x10 => (4, Value::Int(i64::from(i32::from_le_bytes(*bytes.first_chunk()?)))),
            0x12 => (8, Value::Int(i64::from_le_bytes(*bytes.first_chunk()?))),
            0x13 => (16, Value::Other),
            _ => return None,
        };
        rest = bytes.get(size..)?;
        Some((name, value))
    })
}

/// The text of a field.
pub(crate) fn text<'a>(document: &'a [u8], name: &str) -> Option<&'a str> {
    fields(document).find_map(|(field, value)| match value {
        Value::Text(text) if field == name => Some(text),
        _ => None,
    })
}

/// Walks documents that lie one behind the other, in chunks that end anywhere, and counts them.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// The bytes of a length that a chunk ended in.
    length: [u8; 4],
    have: usize,
    /// What is left of the current document.
    left: u32,
    count: u64,
    broken: bool,
}

impl Documents {
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() && !self.broken {
            if self.left == 0 {
                let (head, after) = rest.split_at((4 - self.have).min(rest.len()));
                for (place, byte) in self.length.iter_mut().skip(self.have).zip(head) {
                    *place = *byte;
                }
                self.have += head.len();
                rest = after;
                if self.have == 4 {
                    let length = u32::from_le_bytes(self.length);
                    self.broken = !(SMALLEST..=LARGEST).contains(&length);
                    self.left = length.wrapping_sub(4);
                    self.have = 0;
                }
                continue;
            }
            let take = rest.len().min(self.left as usize);
            let (body, after) = rest.split_at(take);
            self.left -= u32::try_from(take).unwrap_or(self.left);
            if self.left == 0 {
                self.broken = body.last() != Some(&0);
                self.count += 1;
            }
            rest = after;
        }
    }

    /// How many there were; none where the last one is cut, or something is no document.
    pub(crate) fn finish(&self) -> Option<u64> {
        (self.left == 0 && self.have == 0 && !self.broken).then_some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, document, documents};

    #[test]
    fn fields_of_a_document() {
        let document = document(&[
            ("db", testing::Value::Text("orders")),
            ("EOF", testing::Value::Bool(true)),
            ("n", testing::Value::Int(-1)),
            ("CRC", testing::Value::Long(i64::MIN)),
        ]);
        let all: Vec<_> = fields(&document).collect();
        assert_eq!(
            all,
            [
                ("db", Value::Text("orders")),
                ("EOF", Value::Bool(true)),
                ("n", Value::Int(-1)),
                ("CRC", Value::Int(i64::MIN))
            ]
        );
        assert_eq!(text(&document, "db"), Some("orders"));
        // Nothing makes it panic.
        for end in 0..document.len() {
            let _ = fields(&document[..end]).count();
            let mut changed = document.clone();
            changed[end] = 0xff;
            let _ = fields(&changed).count();
        }
    }

    #[test]
    fn documents_in_any_chunks() {
        let bytes = documents(3).concat();
        for size in [1, 3, 7, 64 << 10] {
            let count = |bytes: &[u8]| {
                let mut walk = Documents::default();
                bytes.chunks(size).for_each(|chunk| walk.feed(chunk));
                walk.finish()
            };
            assert_eq!(count(&bytes), Some(3));
            assert_eq!(count(b""), Some(0));
            assert_eq!(count(&bytes[..bytes.len() - 1]), None);
            assert_eq!(count(b"\x04\0\0\0"), None);
            assert_eq!(count(b"\xff\xff\xff\xff"), None);
            assert_eq!(count(b"\x05\0\0\0\x01"), None);
        }
    }
}
