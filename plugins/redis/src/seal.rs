//! How an RDB ends: the CRC-64 of all before it, and what may lie behind.

use crate::crc64::Crc64;

/// RDB_EOF_MARK_SIZE in src/rdb.h: by so many random letters a server tells a replica that the RDB is over.
const MARK: usize = 40;
const SUM: usize = 8;

/// How an RDB ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Where an RDB ends, with the right sum. `summed` is false where the server was told to write none (`rdbchecksum no`);
    /// `marked`: with the mark behind it, which is no part of the RDB.
    Whole { summed: bool, marked: bool },
    /// The last bytes are those of a whole RDB, but this engine did not know all that is in it.
    Unknown(String),
    /// Not whole, and why.
    Broken(String),
}

#[derive(Debug, Default)]
pub(crate) struct Seal {
    crc: Crc64,
    /// The last byte that was summed.
    last: u8,
    /// The sum, and what should not be there.
    tail: Vec<u8>,
    tail_bytes: u64,
}

impl Seal {
    /// Bytes before the sum.
    pub(crate) fn sum(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// Bytes behind the opcode that ends an RDB.
    pub(crate) fn behind(&mut self, bytes: &[u8]) {
        self.tail_bytes += bytes.len() as u64;
        let room = (SUM + MARK).saturating_sub(self.tail.len());
        self.tail.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Bytes of which it is not known where they belong: all but the last eight are before the sum.
    pub(crate) fn unknown(&mut self, bytes: &[u8]) {
        let before = (self.tail.len() + bytes.len()).saturating_sub(SUM);
        let mut held = std::mem::take(&mut self.tail);
        let old = before.min(held.len());
        self.sum(held.get(..old).unwrap_or_default());
        let (summed, kept) = bytes.split_at(before - old);
        self.sum(summed);
        held.drain(..old);
        held.extend_from_slice(kept);
        self.tail = held;
    }

    fn stored(&self) -> Option<u64> {
        self.tail.first_chunk::<SUM>().map(|sum| u64::from_le_bytes(*sum))
    }

    /// Whether the bytes that came through [`Self::unknown`] end as an RDB does: 255 and the right sum. Then nothing is missing,
    /// whatever it is.
    pub(crate) fn ends_right(&self) -> bool {
        self.last == 255 && self.stored() == Some(self.crc.value())
    }

    /// How it ended, where the opcode was seen. None: in the middle of the sum.
    pub(crate) fn end(&self) -> Option<End> {
        let stored = self.stored()?;
        // Where the server was told to write no sum, it writes zeros.
        let summed = stored != 0;
        if summed && stored != self.crc.value() {
            return Some(End::Broken("the checksum at the end of the RDB is wrong: its bytes were changed".to_owned()));
        }
        let behind = self.tail.get(SUM..).unwrap_or_default();
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        Some(match self.tail_bytes - SUM as u64 {
            0 => End::Whole { summed, marked: false },
            n if n == MARK as u64 && behind.iter().all(hex) => End::Whole { summed, marked: true },
            n => End::Broken(format!("{n} bytes lie behind the end of the RDB")),
        })
    }
}
