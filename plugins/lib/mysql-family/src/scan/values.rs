//! The values of an INSERT: rows are counted by their brackets.
//!
//! mysqldump writes numbers, NULL, strings and hexadecimal digits, so outside of strings a bracket opens a row and a semicolon ends the
//! statement (dump_table in client/mysqldump.cc). Blocks of 64 bytes are read at once: a bit for each byte says what it is, and which bytes
//! stand in a string follows from all quotes before (the method of simdjson: Langdale and Lemire, "Parsing Gigabytes of JSON per
//! Second", 2019). A doubled quote closes a string and opens another, which comes to the same.

use super::{Event, Lex, Scanner};

const BLOCK: usize = 64;

impl Scanner {
    /// Reads values, from where it stopped, until the statement or the piece ends.
    pub(super) fn values(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let (mut quote, mut escaped) = match self.lex {
            Lex::ValuesQuoted { quote, escaped } => (Some(quote), escaped),
            _ => (None, false),
        };
        let mut at = 0;
        while at < rest.len() {
            if quote != Some(b'"') {
                let mut blocks =
                    Blocks { string: quote.is_some(), escaped, plain_backslashes: self.plain_backslashes, rows: 0 };
                at += blocks.read(rest.get(at..).unwrap_or_default());
                self.rows += blocks.rows;
                (quote, escaped) = (blocks.string.then_some(b'\''), blocks.escaped);
            }
            // What is no whole block, holds the end, or a string in double quotes.
            while let Some(&byte) = rest.get(at) {
                at += 1;
                match (quote, byte) {
                    (Some(_), _) if escaped => escaped = false,
                    (Some(_), b'\\') => escaped = !self.plain_backslashes,
                    (Some(open), _) if open == byte => {
                        quote = None;
                        if byte == b'"' {
                            break;
                        }
                    }
                    (None, b'\'' | b'"') => quote = Some(byte),
                    (None, b'(') => self.rows += 1,
                    (None, b';') => {
                        self.lex = Lex::Normal;
                        return (at, self.end_statement());
                    }
                    _ => {}
                }
            }
        }
        self.lex = quote.map_or(Lex::Values, |quote| Lex::ValuesQuoted { quote, escaped });
        (at, None)
    }
}

/// Reads blocks of values.
struct Blocks {
    /// In a string in single quotes.
    string: bool,
    /// A backslash came before.
    escaped: bool,
    plain_backslashes: bool,
    rows: u64,
}

impl Blocks {
    /// Reads whole blocks, up to the first byte that ends the statement or opens a string in double quotes.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        for (count, block) in blocks.iter().enumerate() {
            let marks = Marks::of(block);
            let (escaped, escapes_next) =
                if self.plain_backslashes { (0, false) } else { escaped(marks.backslash, self.escaped) };
            let string = prefix_xor(marks.quote & !escaped) ^ if self.string { u64::MAX } else { 0 };
            let stops = (marks.end | marks.double) & !string;
            if stops != 0 {
                let stop = stops.trailing_zeros();
                let before = (1 << stop) - 1;
                self.rows += u64::from((marks.open & !string & before).count_ones());
                // Where it stops is no string.
                (self.string, self.escaped) = (false, false);
                return count * BLOCK + stop as usize;
            }
            self.rows += u64::from((marks.open & !string).count_ones());
            (self.string, self.escaped) = (string >> 63 == 1, escapes_next);
        }
        blocks.len() * BLOCK
    }
}

/// Which bytes of a block are what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    quote: u64,
    double: u64,
    backslash: u64,
    open: u64,
    end: u64,
}

impl Marks {
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self::default();
        for (at, sixteen) in block.as_chunks::<16>().0.iter().enumerate() {
            let [quote, double, backslash, open, end] = equal(sixteen, *b"'\"\\(;");
            let shift = at * 16;
            marks.quote |= u64::from(quote) << shift;
            marks.double |= u64::from(double) << shift;
            marks.backslash |= u64::from(backslash) << shift;
            marks.open |= u64::from(open) << shift;
            marks.end |= u64::from(end) << shift;
        }
        marks
    }
}

/// A bit for each byte that is this one; for several.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn equal<const N: usize>(bytes: &[u8; 16], what: [u8; N]) -> [u16; N] {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2};
    let halves = bytes.as_chunks::<8>().0;
    let half = |at: usize| halves.get(at).map_or(0, |half| u64::from_le_bytes(*half));
    let bytes = u64x2(half(0), half(1));
    what.map(|byte| u8x16_bitmask(u8x16_eq(bytes, u8x16_splat(byte))))
}

/// The same where there are no such instructions.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn equal<const N: usize>(bytes: &[u8; 16], what: [u8; N]) -> [u16; N] {
    what.map(|what| bytes.iter().rev().fold(0, |bits, &byte| bits << 1 | u16::from(byte == what)))
}

/// Which bytes stand behind a backslash that is not itself escaped, and whether the first of the next block does.
fn escaped(backslash: u64, carried: bool) -> (u64, bool) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let carried = u64::from(carried);
    if backslash == 0 {
        return (carried, false);
    }
    let backslash = backslash & !carried;
    let follows = backslash << 1 | carried;
    // Runs of backslashes that begin at an odd place end, by the carry of this sum, where their length says.
    let odd_starts = backslash & !EVEN & !follows;
    let (ends, next) = odd_starts.overflowing_add(backslash);
    ((EVEN ^ (ends << 1)) & follows, next)
}

/// Each bit says whether an odd number of bits is set up to it.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same byte by byte.
    fn plainly(bytes: &[u8]) -> (u64, Option<usize>, bool, bool) {
        let (mut rows, mut string, mut escape) = (0, false, false);
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                _ if escape => escape = false,
                b'\\' if string => escape = true,
                b'\'' => string = !string,
                b'(' if !string => rows += 1,
                b';' | b'"' if !string => return (rows, Some(at), false, false),
                _ => {}
            }
        }
        (rows, None, string, escape)
    }

    #[test]
    fn blocks_are_read_as_bytes_are() {
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..20_000 {
            let mut bytes = [0_u8; 3 * BLOCK];
            let mut string = false;
            let mut escape = false;
            for byte in &mut bytes {
                // Backslashes stand in strings only, and what ends is rare.
                let kinds: &[u8] = match (string, round % 3) {
                    (true, 0) => b"\\'\\",
                    (true, _) => b"\\'a(;\\\"",
                    (false, 1) if next(40) == 0 => b";\"",
                    (false, _) => b"'(a,",
                };
                *byte = kinds[usize::try_from(next(kinds.len() as u64)).unwrap()];
                match *byte {
                    _ if escape => escape = false,
                    b'\\' => escape = true,
                    b'\'' => string = !string,
                    _ => {}
                }
            }
            let mut blocks = Blocks { string: false, escaped: false, plain_backslashes: false, rows: 0 };
            let read = blocks.read(&bytes);
            let (rows, stop, string, escape) = plainly(&bytes);
            let expected = (rows, stop.unwrap_or(bytes.len()), string, escape);
            assert_eq!(
                (blocks.rows, read, blocks.string, blocks.escaped),
                expected,
                "{}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}
