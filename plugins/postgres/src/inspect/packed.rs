//! Data that pg_dump compressed: where it ends, and where that is cheap to know, what it holds.
//!
//! A file that was cut off has no end, so it has to be found. That of a deflate stream shows only to who unpacks it, so its rows are
//! counted too; frames of zstd and LZ4 say how long their blocks are, and are not unpacked.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// What a deflate stream may refer back to, and a power of two, as the decoder wants it.
const WINDOW: usize = 64 << 10;

/// A compressed file of a directory dump.
#[derive(Debug)]
pub(crate) enum Packed {
    Gzip(Box<Gzip>),
    Frames(Frames),
}

impl Packed {
    /// By the ending of a file's name. None: it is not compressed.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name.rsplit('.').next() {
            Some("gz") => Some(Self::Gzip(Box::default())),
            Some("zst") => Some(Self::Frames(Frames::new(Format::Zstd))),
            Some("lz4") => Some(Self::Frames(Frames::new(Format::Lz4))),
            _ => None,
        }
    }

    /// Takes the next bytes, and gives those behind them where they are unpacked.
    pub(crate) fn feed(&mut self, bytes: &[u8], plain: impl FnMut(&[u8])) {
        match self {
            Self::Gzip(gzip) => gzip.feed(bytes, plain),
            Self::Frames(frames) => frames.feed(bytes),
        }
    }

    /// Whether the end has been seen, and nothing after it.
    pub(crate) fn ended(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.ended(),
            Self::Frames(frames) => frames.at == At::Ended && !frames.broken,
        }
    }

    /// Whether it is unpacked on the way.
    pub(crate) fn is_unpacked(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }
}

/// A deflate stream, alone or in the wrapping of zlib.
pub(crate) struct Inflate {
    decoder: DecompressorOxide,
    window: Vec<u8>,
    at: usize,
    flags: u32,
    pub(crate) done: bool,
    pub(crate) broken: bool,
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate").field("done", &self.done).field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl Inflate {
    pub(crate) fn zlib() -> Self {
        Self::with(inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | inflate_flags::TINFL_FLAG_COMPUTE_ADLER32)
    }

    fn raw() -> Self {
        Self::with(inflate_flags::TINFL_FLAG_IGNORE_ADLER32)
    }

    fn with(flags: u32) -> Self {
        Self {
            decoder: DecompressorOxide::new(),
            window: vec![0; WINDOW],
            at: 0,
            flags: flags | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT,
            done: false,
            broken: false,
        }
    }

    /// Takes the next bytes, and gives back those that follow the end of the stream.
    pub(crate) fn feed<'a>(&mut self, bytes: &'a [u8], mut plain: impl FnMut(&[u8])) -> &'a [u8] {
        let mut rest = bytes;
        while !self.done && !self.broken {
            let (status, read, written) = decompress(&mut self.decoder, rest, &mut self.window, self.at, self.flags);
            rest = rest.get(read..).unwrap_or_default();
            plain(self.window.get(self.at..self.at + written).unwrap_or_default());
            self.at = (self.at + written) % WINDOW;
            match status {
                TINFLStatus::Done => self.done = true,
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => break,
                _ => self.broken = true,
            }
        }
        rest
    }
}

/// A gzip file as zlib's gzopen writes it: ten bytes, a deflate stream, a checksum and the length (RFC 1952, 2.3).
#[derive(Debug)]
pub(crate) struct Gzip {
    head: Vec<u8>,
    inflate: Inflate,
    length: u32,
    tail: Vec<u8>,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { head: Vec::new(), inflate: Inflate::raw(), length: 0, tail: Vec::new() }
    }
}

impl Gzip {
    const HEAD: usize = 10;
    const TAIL: usize = 8;

    fn feed(&mut self, bytes: &[u8], mut plain: impl FnMut(&[u8])) {
        let (head, rest) = bytes.split_at(bytes.len().min(Self::HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        if self.head.len() < Self::HEAD {
            return;
        }
        // Deflate, and none of the optional fields, which gzopen never writes.
        if !self.head.starts_with(&[0x1f, 0x8b, 8, 0]) {
            self.inflate.broken = true;
            return;
        }
        let length = &mut self.length;
        let rest = self.inflate.feed(rest, |bytes| {
            // The length is kept modulo 2^32.
            *length = length.wrapping_add(u32::try_from(bytes.len()).unwrap_or_default());
            plain(bytes);
        });
        if self.inflate.done {
            // One byte too many is remembered as such.
            let room = (Self::TAIL + 1).saturating_sub(self.tail.len());
            self.tail.extend_from_slice(rest.get(..room).unwrap_or(rest));
        }
    }

    fn ended(&self) -> bool {
        self.inflate.done && self.tail.len() == Self::TAIL && self.tail.ends_with(&self.length.to_le_bytes())
    }
}

/// A frame of zstd (RFC 8878, 3.1.1) or LZ4 (lz4_Frame_format.md).
#[derive(Debug)]
pub(crate) struct Frames {
    format: Format,
    at: At,
    /// So many bytes are needed for what comes next, and these were read of them.
    need: usize,
    held: Vec<u8>,
    /// So many bytes of a block are left.
    skip: u64,
    last_block: bool,
    block_checksum: bool,
    checksum: bool,
    broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Zstd,
    Lz4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Magic,
    Header,
    Block,
    Checksum,
    Ended,
}

impl Frames {
    fn new(format: Format) -> Self {
        let need = match format {
            Format::Zstd => 5,
            Format::Lz4 => 6,
        };
        Self {
            format,
            at: At::Magic,
            need,
            held: Vec::new(),
            skip: 0,
            last_block: false,
            block_checksum: false,
            checksum: false,
            broken: false,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.broken {
            if self.skip > 0 {
                let count = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(count..).unwrap_or_default();
                self.skip -= count as u64;
                if self.skip == 0 && self.last_block {
                    self.blocks_ended();
                }
                continue;
            }
            if self.at == At::Ended {
                // pg_dump writes one frame.
                self.broken = true;
                return;
            }
            let (part, after) = rest.split_at(rest.len().min(self.need - self.held.len()));
            self.held.extend_from_slice(part);
            rest = after;
            if self.held.len() == self.need {
                let held = std::mem::take(&mut self.held);
                self.step(&held);
            }
        }
    }

    fn step(&mut self, held: &[u8]) {
        match (self.at, self.format) {
            (At::Magic, Format::Zstd) => {
                let [0x28, 0xb5, 0x2f, 0xfd, descriptor] = *held else {
                    self.broken = true;
                    return;
                };
                let single = descriptor & 0x20 != 0;
                self.checksum = descriptor & 4 != 0;
                let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
                let content = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
                self.header(usize::from(!single) + dictionary + content);
            }
            (At::Magic, Format::Lz4) => {
                let [0x04, 0x22, 0x4d, 0x18, flags, _] = *held else {
                    self.broken = true;
                    return;
                };
                self.broken = flags >> 6 != 1;
                self.block_checksum = flags & 0x10 != 0;
                self.checksum = flags & 4 != 0;
                let content = if flags & 8 != 0 { 8 } else { 0 };
                let dictionary = if flags & 1 != 0 { 4 } else { 0 };
                self.header(content + dictionary + 1);
            }
            (At::Header, _) => self.block(),
            (At::Block, Format::Zstd) => {
                let header = number(held);
                self.last_block = header & 1 != 0;
                let size = header >> 3;
                // A run of one byte; 3 is reserved.
                self.skip = if header >> 1 & 3 == 1 { 1 } else { size };
                self.broken = header >> 1 & 3 == 3;
                if self.last_block && self.skip == 0 {
                    self.blocks_ended();
                }
            }
            (At::Block, Format::Lz4) => {
                let size = number(held);
                if size == 0 {
                    self.blocks_ended();
                } else {
                    // The highest bit: it did not get smaller, and is as it was.
                    self.skip = (size & 0x7fff_ffff) + if self.block_checksum { 4 } else { 0 };
                }
            }
            (At::Checksum, _) => self.at = At::Ended,
            (At::Ended, _) => self.broken = true,
        }
    }

    fn header(&mut self, need: usize) {
        self.at = At::Header;
        self.need = need;
        if need == 0 {
            self.block();
        }
    }

    fn block(&mut self) {
        self.at = At::Block;
        self.need = match self.format {
            Format::Zstd => 3,
            Format::Lz4 => 4,
        };
    }

    fn blocks_ended(&mut self) {
        self.at = if self.checksum { At::Checksum } else { At::Ended };
        self.need = 4;
    }
}

/// Lowest byte first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1\n2\n`, by zlib, by zstd with and without a checksum, by lz4, and by lz4 -BX --content-size; and 300,000 zeros by zstd.
    const FILES: [(&str, &str); 6] = [
        ("a.gz", "1f8b080000000000000333e432e202006178e16904000000"),
        ("a.zst", "28b52ffd2404210000310a320a9147a739"),
        ("a.zst", "28b52ffd0058210000310a320a"),
        ("a.lz4", "04224d186440a704000080310a320a000000005ef34d7e"),
        ("a.lz4", "04224d187c4004000000000000001f04000080310a320a5ef34d7e000000005ef34d7e"),
        ("a.zst", "28b52ffd04585400001000000100fbff39c00202001000039f04002d28de26"),
    ];

    fn unhex(digits: &str) -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn read(name: &str, bytes: &[u8], chunk: usize) -> (bool, Vec<u8>) {
        let mut packed = Packed::by_name(name).unwrap();
        let mut plain = Vec::new();
        bytes.chunks(chunk).for_each(|chunk| packed.feed(chunk, |bytes| plain.extend_from_slice(bytes)));
        (packed.ended(), plain)
    }

    #[test]
    fn ends_are_found() {
        for (name, digits) in FILES {
            let whole = unhex(digits);
            let plain: &[u8] = if name == "a.gz" { b"1\n2\n" } else { b"" };
            for chunk in 1..=whole.len() {
                assert_eq!(read(name, &whole, chunk), (true, plain.to_vec()), "{digits} in chunks of {chunk}");
                for end in 0..whole.len() {
                    assert!(!read(name, &whole[..end], chunk).0, "{digits} cut at {end}");
                }
                assert!(!read(name, &[&whole[..], b"x"].concat(), chunk).0, "{digits} and a byte");
            }
            assert!(!read(name, &whole[1..], 64).0);
        }
        assert!(Packed::by_name("3360.dat").is_none());
    }

    #[test]
    fn damage_is_survived() {
        for (name, digits) in FILES {
            let whole = unhex(digits);
            for at in 0..whole.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] = value;
                    let _ = read(name, &damaged, 5);
                }
            }
        }
    }
}
