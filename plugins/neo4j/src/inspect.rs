//! Whether a dump is whole.
//!
//! A dump is a mark, `DZV1` since version 5 (org.neo4j.dbms.archive.DumpZstdFormatV1), and a tar in zstd with a check sum; 4.4 wrote the
//! zstd alone. The walker follows the frames and blocks of RFC 8878 to the end of the last frame: a dump that was cut anywhere does
//! not get there. It does not decompress: what labels a database has lies in Neo4j's store files, which no archive tells.
//!
//! Where zstd cannot be loaded, `neo4j-admin` writes gzip (`DGV1`). Such a dump is refused: nothing but decompressing it tells where it ends.

use planb_sdk::{Artifact, Inspection, Inspector, Request};

/// The inspector.
#[derive(Debug)]
pub struct Neo4jInspector {
    state: State,
    held: Vec<u8>,
    /// The frame ends with a check sum.
    sum: bool,
    frames: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first four bytes.
    Mark,
    /// A frame's magic number, or the end.
    Magic,
    /// The descriptor that says how long the frame's header is.
    Descriptor,
    /// So many bytes, then the first block.
    Header(u64),
    /// The three bytes before a block.
    Block,
    /// So many bytes of a block, and whether it is the frame's last.
    Content(u64, bool),
    /// The check sum.
    Sum(u64),
    /// The size of a frame to be skipped, and then the frame.
    SkipSize,
    Skip(u64),
    Bad(&'static str),
}

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: &str = "neo4j-admin wrote gzip, because it could not load zstd; such a dump cannot be checked. See what it says at its start, and whether /tmp may hold programs";

impl Neo4jInspector {
    /// Collects so many bytes. None: there are not enough yet.
    fn take(&mut self, bytes: &mut &[u8], size: usize) -> Option<Vec<u8>> {
        let (now, rest) = bytes.split_at(bytes.len().min(size.saturating_sub(self.held.len())));
        self.held.extend_from_slice(now);
        *bytes = rest;
        (self.held.len() == size).then(|| std::mem::take(&mut self.held))
    }

    /// Passes over so many bytes. What is left of them.
    fn skip(bytes: &mut &[u8], left: u64) -> u64 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        *bytes = bytes.get(now..).unwrap_or_default();
        left - now as u64
    }

    fn magic(magic: &[u8]) -> State {
        match *magic {
            _ if magic == ZSTD => State::Descriptor,
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => State::SkipSize,
            _ => State::Bad("there is something in it that is no zstd frame"),
        }
    }

    fn descriptor(&mut self, descriptor: u8) -> State {
        let single = descriptor & 0x20 != 0;
        self.sum = descriptor & 4 != 0;
        let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
        let size = match (descriptor >> 6, single) {
            (0, false) => 0,
            (0, true) => 1,
            (1, _) => 2,
            (2, _) => 4,
            _ => 8,
        };
        State::Header(u64::from(!single) + dictionary + size)
    }

    fn block(block: &[u8]) -> State {
        let number = block.iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
        let (last, kind, size) = (number & 1 == 1, number >> 1 & 3, number >> 3);
        match kind {
            0 | 2 => State::Content(size, last),
            1 => State::Content(1, last),
            _ => State::Bad("a block is of no kind"),
        }
    }

    /// After a part that has no bytes left.
    fn settle(&mut self) {
        loop {
            self.state = match self.state {
                State::Header(0) | State::Content(0, false) => State::Block,
                State::Content(0, true) if self.sum => State::Sum(4),
                State::Content(0, true) | State::Sum(0) => {
                    self.frames += 1;
                    State::Magic
                }
                State::Skip(0) => State::Magic,
                _ => return,
            };
        }
    }
}

impl Inspector for Neo4jInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self { state: State::Mark, held: Vec::new(), sum: false, frames: 0, bytes: 0 }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() {
            let next = match self.state {
                State::Mark => self.take(&mut rest, 4).map(|mark| match mark.as_slice() {
                    b"DZV1" => State::Magic,
                    b"DGV1" | [0x1f, 0x8b, ..] => State::Bad(GZIP),
                    mark if mark == ZSTD => State::Descriptor,
                    _ => State::Bad("it is no dump of neo4j-admin"),
                }),
                State::Magic => self.take(&mut rest, 4).map(|magic| Self::magic(&magic)),
                State::Descriptor => {
                    self.take(&mut rest, 1).map(|byte| self.descriptor(byte.first().copied().unwrap_or(0)))
                }
                State::Block => self.take(&mut rest, 3).map(|block| Self::block(&block)),
                State::SkipSize => self
                    .take(&mut rest, 4)
                    .map(|size| State::Skip(size.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))),
                State::Header(left) => Some(State::Header(Self::skip(&mut rest, left))),
                State::Content(left, last) => Some(State::Content(Self::skip(&mut rest, left), last)),
                State::Sum(left) => Some(State::Sum(Self::skip(&mut rest, left))),
                State::Skip(left) => Some(State::Skip(Self::skip(&mut rest, left))),
                State::Bad(_) => return,
            };
            if let Some(next) = next {
                self.state = next;
                self.settle();
            }
        }
    }

    fn finish(self) -> Inspection {
        let complete = self.state == State::Magic && self.held.is_empty() && self.frames > 0;
        let finding = match self.state {
            _ if complete => "an archive of store files: its end was checked, its labels are not listed",
            State::Bad(why) => why,
            _ if self.bytes == 0 => "the dump is empty",
            _ => "the archive does not come to its end: it was cut off",
        };
        Inspection { complete, objects: Vec::new(), findings: vec![finding.to_owned()] }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    fn inspect(dump: &[u8], chunk: usize) -> Inspection {
        let artifact = Artifact::new("dump", "application/octet-stream", "dump");
        testing::inspect::<Neo4jInspector>(&testing::request("neo4j"), &artifact, dump, chunk)
    }

    /// By hand: a frame with a window, a raw block and a check sum; one to be skipped; and one of a known size with an RLE and a
    /// compressed block.
    fn dump(mark: &[u8]) -> Vec<u8> {
        let mut dump = mark.to_vec();
        dump.extend(ZSTD);
        dump.extend([0x04, 0x58]);
        dump.extend([(5 << 3 | 1), 0, 0]);
        dump.extend(b"zstd!");
        dump.extend([1, 2, 3, 4]);
        dump.extend([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
        dump.extend(ZSTD);
        dump.extend([0x60, 0x10, 0x00]);
        dump.extend([(1 << 1 | 4 << 3), 1, 0, b'x']);
        dump.extend([(2 << 1 | 3 << 3 | 1), 0, 0, 7, 7, 7]);
        dump
    }

    /// What `zstd --check` made of the beginning of such an archive.
    const REAL: [u8; 44] = [
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0xfd, 0x00, 0x00, 0xc8, 0x7a, 0x73, 0x74, 0x64, 0x00, 0x00, 0x00, 0x01,
        0x20, 0x61, 0x20, 0x73, 0x6d, 0x61, 0x6c, 0x6c, 0x20, 0x61, 0x72, 0x63, 0x68, 0x69, 0x76, 0x65, 0x2c, 0x01,
        0x00, 0xd1, 0x38, 0xc7, 0xc0, 0x0f, 0xc1, 0xed,
    ];

    #[test]
    fn what_zstd_wrote() {
        let dump = [&b"DZV1"[..], &REAL].concat();
        for chunk in 1..dump.len() {
            assert!(inspect(&dump, chunk).complete, "chunks of {chunk}");
        }
        for end in 0..dump.len() {
            assert!(!inspect(&dump[..end], 64).complete, "cut at {end}");
        }
    }

    #[test]
    fn whole_and_cut() {
        for mark in [&b"DZV1"[..], b""] {
            let dump = dump(mark);
            for chunk in [1, 7, 64 << 10] {
                let inspection = inspect(&dump, chunk);
                assert!(inspection.complete, "{inspection:?}");
            }
            // Between two frames it could as well be a whole dump of one.
            let border = mark.len() + 4 + 2 + 3 + 5 + 4;
            for end in (0..dump.len()).filter(|end| ![border, border + 11].contains(end)) {
                assert!(!inspect(&dump[..end], 64).complete, "cut at {end}");
            }
        }
        assert!(!inspect(&[dump(b"DZV1"), b"x".to_vec()].concat(), 64).complete);
        assert!(inspect(b"DGV1\x1f\x8b", 64).findings[0].contains("gzip"));
        assert!(inspect(b"PGDMP", 64).findings[0].contains("no dump"));
    }
}
