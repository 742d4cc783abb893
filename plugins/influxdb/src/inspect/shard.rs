//! A shard's file: a tar of what the shard's folder holds, compressed by gzip, whose own checksum tells whether all of it is there.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::tsm::Values;

/// So much of a data file is held, its end, where its index is. Values whose blocks lie before that are not counted.
const HELD: u64 = 48 << 20;
const BLOCK: usize = 512;

/// What was seen of a shard.
#[derive(Debug)]
pub(super) struct Shard {
    /// The checksum was right.
    pub(super) whole: bool,
    /// Bytes of the tar.
    pub(super) bytes: u64,
    /// The index of each data file could be read.
    pub(super) read: bool,
    /// Values of each field, by `measurement.field`. None: not known.
    pub(super) fields: BTreeMap<String, Option<u64>>,
}

/// A shard under way.
#[derive(Debug)]
pub(super) struct ShardReader {
    decoder: GzDecoder<Tar>,
    broken: bool,
}

impl ShardReader {
    pub(super) fn new() -> Self {
        Self { decoder: GzDecoder::new(Tar::default()), broken: false }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        self.broken = self.broken || self.decoder.write_all(chunk).is_err();
    }

    pub(super) fn finish(mut self) -> Shard {
        let whole = !self.broken && self.decoder.try_finish().is_ok();
        let tar = std::mem::take(self.decoder.get_mut());
        Shard { whole, bytes: tar.bytes, read: tar.values.read(), fields: tar.values.fields() }
    }
}

/// A walk along a tar (POSIX.1-2001, pax, "ustar Interchange Format").
#[derive(Debug, Default)]
struct Tar {
    bytes: u64,
    header: Vec<u8>,
    /// Bytes of the member under way that are still to come, and of what fills its last block up.
    left: u64,
    fill: u64,
    /// The first bytes of the member that are not held.
    skip: u64,
    member: Member,
    size: u64,
    held: Vec<u8>,
    values: Values,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Member {
    /// Data: time-structured merge tree.
    Tsm,
    #[default]
    Other,
}

impl Write for Tar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let (member, after) = rest.split_at(rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
                rest = after;
                self.left -= member.len() as u64;
                if self.member == Member::Tsm {
                    let skipped = self.skip.min(member.len() as u64);
                    self.skip -= skipped;
                    // It is not longer than the member.
                    let from = usize::try_from(skipped).unwrap_or(member.len());
                    self.held.extend_from_slice(member.get(from..).unwrap_or_default());
                }
                if self.left == 0 {
                    self.member_ended();
                }
            } else if self.fill > 0 {
                let here = rest.len().min(usize::try_from(self.fill).unwrap_or(usize::MAX));
                rest = rest.get(here..).unwrap_or_default();
                self.fill -= here as u64;
            } else {
                let (header, after) = rest.split_at(rest.len().min(BLOCK - self.header.len()));
                self.header.extend_from_slice(header);
                rest = after;
                if self.header.len() == BLOCK {
                    self.begin();
                    self.header.clear();
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tar {
    fn begin(&mut self) {
        let field = |from: usize, to: usize| self.header.get(from..to).unwrap_or_default();
        let name = field(0, 100).split(|&byte| byte == 0).next().unwrap_or_default();
        let digits = field(124, 136).iter().filter(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_u64, |size, &digit| size << 3 | u64::from(digit - b'0'));
        let plain = matches!(field(156, 157), [b'0' | 0]);
        if name.is_empty() {
            return;
        }
        self.member = if plain && name.ends_with(b".tsm") { Member::Tsm } else { Member::Other };
        // Deleted values: their keys and times, which the data files hold still.
        if name.ends_with(b".tombstone") {
            self.values.uncertain();
        }
        self.size = size;
        self.left = size;
        self.skip = size.saturating_sub(HELD);
        self.fill = size.next_multiple_of(BLOCK as u64) - size;
        self.held.clear();
    }

    fn member_ended(&mut self) {
        if self.member == Member::Tsm {
            self.values.file(&self.held, self.size);
        }
        self.member = Member::Other;
        self.held = Vec::new();
    }
}
