//! Where the files of an archive of GNU tar begin and end (GNU tar manual, "Basic Tar Format").

const BLOCK: usize = 512;
/// An archive ends with two empty blocks, and is filled to whole records of twenty.
const RECORD: u64 = 20 * BLOCK as u64;
/// A name that does not fit into a header. More has no path.
const LONGEST_NAME: u64 = 64 << 10;

/// What was met in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Entry(&'a Entry),
    /// The next bytes of the last entry.
    Bytes(&'a [u8]),
    /// The last entry has ended.
    End,
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// Links, devices, and what this reader does not know.
    Other(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    /// In the bytes of an entry: so many, and so many to fill the block.
    Bytes(u64, u64),
    /// In a name that the next header will not hold.
    Name(u64, u64),
    /// Behind the first of the two empty blocks.
    HalfEnd,
    End,
}

/// Reads an archive as it passes.
#[derive(Debug)]
pub(crate) struct Tar {
    place: Place,
    block: Vec<u8>,
    name: Vec<u8>,
    long: bool,
    read: u64,
    broken: Option<&'static str>,
}

impl Default for Tar {
    fn default() -> Self {
        Self {
            place: Place::Header,
            block: Vec::with_capacity(BLOCK),
            name: Vec::new(),
            long: false,
            read: 0,
            broken: None,
        }
    }
}

impl Tar {
    pub(crate) fn feed<E>(&mut self, chunk: &[u8], mut tell: impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        self.read += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() && self.broken.is_none() {
            rest = match self.place {
                Place::Header | Place::HalfEnd | Place::End => {
                    let (head, after) = rest.split_at(rest.len().min(BLOCK - self.block.len()));
                    self.block.extend_from_slice(head);
                    if self.block.len() == BLOCK {
                        let block = std::mem::take(&mut self.block);
                        self.header(&block, &mut tell)?;
                        self.block = block;
                        self.block.clear();
                    }
                    after
                }
                Place::Bytes(left, fill) => {
                    let (bytes, after) = rest.split_at(rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                    tell(Event::Bytes(bytes))?;
                    let left = left - bytes.len() as u64;
                    self.place = Place::Bytes(left, fill);
                    if left == 0 {
                        tell(Event::End)?;
                        self.place = if fill == 0 { Place::Header } else { Place::Name(0, fill) };
                    }
                    after
                }
                Place::Name(0, fill) => {
                    let (_, after) = rest.split_at(rest.len().min(usize::try_from(fill).unwrap_or(usize::MAX)));
                    let fill = fill - (rest.len() - after.len()) as u64;
                    self.place = if fill == 0 { Place::Header } else { Place::Name(0, fill) };
                    after
                }
                Place::Name(left, fill) => {
                    let (bytes, after) = rest.split_at(rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                    self.name.extend_from_slice(bytes);
                    let left = left - bytes.len() as u64;
                    self.place = if left == 0 && fill == 0 { Place::Header } else { Place::Name(left, fill) };
                    after
                }
            };
        }
        Ok(())
    }

    fn header<E>(&mut self, block: &[u8], tell: &mut impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        let empty = block.iter().all(|&byte| byte == 0);
        match (self.place, empty) {
            (Place::Header, true) => {
                self.place = Place::HalfEnd;
                return Ok(());
            }
            (Place::HalfEnd | Place::End, true) => {
                self.place = Place::End;
                return Ok(());
            }
            (Place::HalfEnd | Place::End, false) => {
                self.broken = Some("it holds something behind its end");
                return Ok(());
            }
            _ => {}
        }
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u64::from(byte) })
            .sum();
        let (Some(size), true) = (number(field(124, 136)), number(field(148, 156)) == Some(sum)) else {
            self.broken = Some("a header in it is damaged");
            return Ok(());
        };
        let kind = block.get(156).copied().unwrap_or_default();
        let fill = size.next_multiple_of(BLOCK as u64) - size;
        if kind == b'L' {
            if size > LONGEST_NAME {
                self.broken = Some("a name in it is longer than any");
            }
            self.long = true;
            self.name.clear();
            if size > 0 {
                self.place = Place::Name(size, fill);
            }
            return Ok(());
        }
        let path = if std::mem::take(&mut self.long) {
            text(&self.name)
        } else {
            let (name, prefix) = (text(field(0, 100)), text(field(345, 500)));
            // GNU's own format has times where others have the beginning of a long path.
            if prefix.is_empty() || field(257, 265) == b"ustar  \0" { name } else { format!("{prefix}/{name}") }
        };
        let kind = match kind {
            b'0' | 0 => Kind::File,
            b'5' => Kind::Directory,
            other => Kind::Other(other),
        };
        tell(Event::Entry(&Entry { path, kind, size }))?;
        if size == 0 {
            tell(Event::End)?;
        } else {
            self.place = Place::Bytes(size, fill);
        }
        Ok(())
    }

    /// What is wrong with it, where something is.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        let ended = self.place == Place::End && self.block.is_empty() && self.read.is_multiple_of(RECORD);
        self.broken.or((!ended).then_some("it was cut off"))
    }
}

/// Octal digits, or for what is too large for them the bytes of a number.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let (high, low) = field.split_at(field.len().checked_sub(8)?);
        let small = high.iter().enumerate().all(|(at, &byte)| byte == if at == 0 { 0x80 } else { 0 });
        return small.then(|| low.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::testing::archive;

    fn told(bytes: &[u8], size: usize) -> (Vec<String>, Option<&'static str>) {
        let (mut tar, mut told, mut content) = (Tar::default(), Vec::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            let Ok(()) = tar.feed::<Infallible>(chunk, |event| {
                match event {
                    Event::Entry(entry) => told.push(format!("{} {:?} {}", entry.path, entry.kind, entry.size)),
                    Event::Bytes(bytes) => content.extend_from_slice(bytes),
                    Event::End => told.push(String::from_utf8_lossy(&std::mem::take(&mut content)).into_owned()),
                }
                Ok(())
            });
        }
        (told, tar.wrong())
    }

    #[test]
    fn members_in_any_chunks() {
        let long = format!("d/{}", "n".repeat(200));
        let full = "x".repeat(512);
        let bytes = archive(&[("d/", b'5', ""), ("d/a", b'0', "hello"), (&long, b'0', &full), ("d/l", b'2', "")]);
        let expected =
            ["d/ Directory 0", "", "d/a File 5", "hello", &format!("{long} File 512"), &full, "d/l Other(50) 0", ""];
        for size in [1, 7, 100, 511, 512, 513, 64 << 10] {
            let (told, wrong) = told(&bytes, size);
            assert_eq!(told, expected, "chunks of {size}");
            assert_eq!(wrong, None);
        }
        for end in 0..bytes.len() {
            assert!(told(&bytes[..end], 4096).1.is_some(), "cut at {end}");
        }
        let mut more = bytes.clone();
        more.extend(&bytes);
        assert_eq!(told(&more, 4096).1, Some("it holds something behind its end"));
        let mut changed = bytes;
        changed[3] ^= 1;
        assert_eq!(told(&changed, 4096).1, Some("a header in it is damaged"));
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"0010200\0"), Some(0o10200));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\x01"), Some((2 << 32) + 1));
        assert_eq!(number(b"\xff\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"9\0"), None);
    }
}
