//! Reading a tar stream as it passes, in the format that GNU tar writes with `--format=gnu`: only plain files, since
//! nothing else is ever put into it.
//!
//! The frame is what tells a whole dump from one that was cut: two blocks of zeros stand behind the last file, and
//! GNU tar fills the rest of its last record (20 blocks) with zeros too (tar manual, "Basic Tar Format" and "The Blocking
//! Factor of an Archive"). So a stream that ends anywhere else ends early.

const BLOCK: usize = 512;
/// GNU tar writes records of 20 blocks.
const RECORD: u64 = 20 * BLOCK as u64;
/// A name is never longer (Linux' PATH_MAX).
const LONGEST_NAME: u64 = 4096;

/// What a stream holds, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file begins: its name, which stays below the folder it is unpacked in, and its size.
    File(&'a str, u64),
    /// The next bytes of that file.
    Data(&'a [u8]),
    /// The file is complete.
    End,
}

/// A reader of such a stream.
#[derive(Debug)]
pub struct Tar {
    at: At,
    block: Vec<u8>,
    /// A name that the next header does not hold, because it is too long.
    long_name: Option<Vec<u8>>,
    zeros: u8,
    bytes: u64,
}

#[derive(Debug, Clone, Copy)]
enum At {
    Header,
    File { left: u64, padding: u64 },
    Name { left: u64, padding: u64 },
    Padding(u64),
    Trailer,
}

impl Default for Tar {
    fn default() -> Self {
        Self { at: At::Header, block: Vec::with_capacity(BLOCK), long_name: None, zeros: 0, bytes: 0 }
    }
}

impl Tar {
    /// Reads the next bytes. The message of an error ends the sentence "the dump is no archive of this engine: ...".
    pub fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(Event<'_>)) -> Result<(), String> {
        self.bytes += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() {
            match self.at {
                At::Header => {
                    let (head, after) = rest.split_at(rest.len().min(BLOCK - self.block.len()));
                    self.block.extend_from_slice(head);
                    rest = after;
                    if self.block.len() == BLOCK {
                        let block = std::mem::take(&mut self.block);
                        self.header(&block, &mut event)?;
                        self.block = block;
                        self.block.clear();
                    }
                }
                At::File { left, padding } => {
                    let (data, after) = take(rest, left);
                    event(Event::Data(data));
                    rest = after;
                    let left = left - data.len() as u64;
                    self.at = if left > 0 {
                        At::File { left, padding }
                    } else {
                        event(Event::End);
                        padded(padding)
                    };
                }
                At::Name { left, padding } => {
                    let (data, after) = take(rest, left);
                    self.long_name.get_or_insert_default().extend_from_slice(data);
                    rest = after;
                    let left = left - data.len() as u64;
                    self.at = if left > 0 { At::Name { left, padding } } else { padded(padding) };
                }
                At::Padding(left) => {
                    let (skipped, after) = take(rest, left);
                    rest = after;
                    self.at = padded(left - skipped.len() as u64);
                }
                At::Trailer => {
                    if rest.iter().any(|byte| *byte != 0) {
                        return Err("something stands behind its end".to_owned());
                    }
                    rest = &[];
                }
            }
        }
        Ok(())
    }

    /// Whether the end was seen, and all of the last record.
    pub fn ended(&self) -> bool {
        matches!(self.at, At::Trailer) && self.bytes.is_multiple_of(RECORD)
    }

    fn header(&mut self, block: &[u8], event: &mut impl FnMut(Event<'_>)) -> Result<(), String> {
        if block.iter().all(|byte| *byte == 0) {
            self.zeros += 1;
            self.at = if self.zeros == 2 { At::Trailer } else { At::Header };
            return Ok(());
        }
        if self.zeros > 0 {
            return Err("a file stands behind its end".to_owned());
        }
        let size = checked_size(block)?;
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        match block.get(156).copied().unwrap_or_default() {
            b'L' if self.long_name.is_none() && (1..=LONGEST_NAME).contains(&size) => {
                self.at = At::Name { left: size, padding };
                Ok(())
            }
            b'0' | 0 => {
                let long_name = self.long_name.take();
                let raw = long_name.as_deref().or_else(|| block.get(..100)).unwrap_or_default();
                let raw = raw.split(|byte| *byte == 0).next().unwrap_or_default();
                let name = std::str::from_utf8(raw).map_err(|_| "a name in it is not UTF-8".to_owned())?;
                if !below(name) {
                    return Err(format!("its file {name:?} would be unpacked elsewhere"));
                }
                event(Event::File(name, size));
                self.at = if size > 0 {
                    At::File { left: size, padding }
                } else {
                    event(Event::End);
                    At::Header
                };
                Ok(())
            }
            kind => {
                Err(format!("it holds an entry of type {:?}, and only plain files belong into it", char::from(kind)))
            }
        }
    }
}

fn padded(left: u64) -> At {
    if left == 0 { At::Header } else { At::Padding(left) }
}

fn take(bytes: &[u8], most: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len()))
}

/// The size in a header whose checksum is right: the sum of all bytes, its own field taken as spaces.
fn checked_size(block: &[u8]) -> Result<u64, String> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) })
        .sum();
    if block.get(148..156).and_then(number) != Some(sum) {
        return Err("a header in it is damaged".to_owned());
    }
    block.get(124..136).and_then(number).ok_or_else(|| "a size in it cannot be read".to_owned())
}

/// Octal digits, or, where the first bit is set, a binary number (what GNU tar does from 8 GiB on).
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if *first == 0x80 {
        let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        return if high.iter().all(|byte| *byte == 0) {
            Some(low.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        } else {
            None
        };
    }
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

/// Whether a name stays below the folder in which it is unpacked.
fn below(name: &str) -> bool {
    !name.is_empty() && name.split('/').all(|part| !matches!(part, "" | "." | "..")) && !name.contains(['\\', '\n'])
}

/// Archives for an engine's unit tests.
pub mod sample {
    #![allow(clippy::indexing_slicing, reason = "a test's names fit")]
    use super::BLOCK;

    /// A tar stream of these files, as GNU tar writes it.
    pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, data) in files {
            if name.len() > 100 {
                out.extend(header("././@LongLink", name.len() as u64 + 1, b'L'));
                out.extend(name.as_bytes());
                out.resize((out.len() + 1).next_multiple_of(BLOCK), 0);
            }
            out.extend(header(&name[..name.len().min(100)], data.len() as u64, b'0'));
            out.extend(*data);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.resize((out.len() + 2 * BLOCK).next_multiple_of(20 * BLOCK), 0);
        out
    }

    /// One header block: its name, the size of what follows, and the kind of entry.
    pub fn header(name: &str, size: u64, kind: u8) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[148..156].copy_from_slice(b"        ");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar  \0");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::sample::{archive, header};
    use super::*;

    type Files = Vec<(String, u64, Vec<u8>)>;

    fn read(bytes: &[u8], chunk: usize) -> (Result<(), String>, Files, bool) {
        let mut tar = Tar::default();
        let mut files = Files::new();
        let mut result = Ok(());
        for chunk in bytes.chunks(chunk) {
            result = tar.feed(chunk, |event| match event {
                Event::File(name, size) => files.push((name.to_owned(), size, Vec::new())),
                Event::Data(data) => files.last_mut().unwrap().2.extend_from_slice(data),
                Event::End => assert_eq!(files.last().unwrap().1, files.last().unwrap().2.len() as u64),
            });
            if result.is_err() {
                break;
            }
        }
        (result, files, tar.ended())
    }

    #[test]
    fn files_for_any_chunks_and_no_cut_is_taken_for_the_end() {
        let long = format!("{}/x", "d".repeat(120));
        let whole = archive(&[("a", b"hello"), ("d/empty", b""), (&long, &[7; 512]), ("b", &[1; 700])]);
        for chunk in [1, 7, 511, 512, 513, 65536] {
            let (result, files, ended) = read(&whole, chunk);
            assert_eq!(result, Ok(()));
            assert!(ended);
            let names: Vec<_> = files.iter().map(|(name, size, _)| (name.as_str(), *size)).collect();
            assert_eq!(names, [("a", 5), ("d/empty", 0), (long.as_str(), 512), ("b", 700)]);
            assert_eq!(files[0].2, b"hello");
        }
        for end in 0..whole.len() {
            assert!(!read(&whole[..end], 65536).2, "cut at {end}");
        }
    }

    #[test]
    fn what_is_refused() {
        let refused = |bytes: &[u8]| read(bytes, 65536).0.unwrap_err();
        for name in ["/etc/passwd", "../x", "a/../x", "a//b", "./a", "a\\b"] {
            assert!(refused(&header(name, 0, b'0')).contains("elsewhere"), "{name}");
        }
        for kind in *b"12345xgK" {
            assert!(refused(&header("a", 0, kind)).contains("only plain files"));
        }
        let mut damaged = header("a", 0, b'0');
        damaged[0] = b'b';
        assert!(refused(&damaged).contains("damaged"));
        let mut behind = archive(&[("a", b"")]);
        *behind.last_mut().unwrap() = 1;
        assert!(refused(&behind).contains("behind"));
        assert!(refused(b"not a tar at all".repeat(64).as_slice()).contains("damaged"));
    }

    #[test]
    fn sizes_from_eight_gibibytes_on() {
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(8 << 30));
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(&[0x80, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), None);
    }
}
