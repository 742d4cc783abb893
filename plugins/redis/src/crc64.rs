//! The CRC-64 that ends an RDB and a DUMP payload: the polynomial of Jones, reflected, without any inversion
//! (src/crc64.c in Redis).

/// The polynomial 0xad93d23594c935a9 with its bits in reverse order.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Four lanes of a block are summed side by side: each step of a lane waits for its last, and the others fill the time.
const LANE: usize = 1024;
const BLOCK: usize = 4 * LANE;

/// `BYTES[k][b]`: the sum of the byte `b` with `k` zero bytes behind it.
static BYTES: [[u64; 256]; 8] = byte_tables();
/// `LANES[k][b]`: what becomes of the byte `b` at place `k` of a sum, one lane of zero bytes later.
static LANES: [[u64; 256]; 8] = lane_tables();

const fn byte_tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// The images of the 64 single bits under a linear map, applied to a sum.
const fn apply(map: &[u64; 64], sum: u64) -> u64 {
    let (mut out, mut rest) = (0, sum);
    while rest != 0 {
        out ^= map[rest.trailing_zeros() as usize];
        rest &= rest - 1;
    }
    out
}

const fn lane_tables() -> [[u64; 256]; 8] {
    // One zero bit, then twice as many again and again: a lane has 2^13 bits.
    let mut map = [0; 64];
    map[0] = POLYNOMIAL;
    let mut bit = 1;
    while bit < 64 {
        map[bit] = 1 << (bit - 1);
        bit += 1;
    }
    let mut doubled = 1;
    while doubled < LANE * 8 {
        let mut twice = [0; 64];
        let mut bit = 0;
        while bit < 64 {
            twice[bit] = apply(&map, map[bit]);
            bit += 1;
        }
        map = twice;
        doubled *= 2;
    }
    let mut tables = [[0; 256]; 8];
    let mut place = 0;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            tables[place][byte] = apply(&map, (byte as u64) << (8 * place));
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The sum of bytes that come piece by piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Crc64(u64);

impl Crc64 {
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            self.0 = sum_block(self.0, block);
        }
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            self.0 = step(self.0, *word);
        }
        for &byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = look(&BYTES[0], low ^ byte) ^ (self.0 >> 8);
        }
    }
}

fn look(table: &[u64; 256], byte: u8) -> u64 {
    table[usize::from(byte)]
}

/// Eight bytes further.
#[inline(always)]
#[allow(clippy::inline_always, reason = "four of them run side by side only where all are in one loop")]
fn step(sum: u64, word: [u8; 8]) -> u64 {
    through(&BYTES, (sum ^ u64::from_le_bytes(word)).swap_bytes())
}

/// The sum over the bytes of a word, each through the table of its place.
#[inline(always)]
#[allow(clippy::inline_always, reason = "see `step`")]
fn through(tables: &[[u64; 256]; 8], word: u64) -> u64 {
    let places = tables.iter().zip(word.to_le_bytes());
    places.fold(0, |sum, (table, byte)| sum ^ look(table, byte))
}

fn sum_block(sum: u64, block: &[u8; BLOCK]) -> u64 {
    let (lanes, _) = block.as_chunks::<LANE>();
    let [first, second, third, fourth] = lanes else { return sum };
    let mut sums = [sum, 0, 0, 0];
    let words = first.as_chunks::<8>().0.iter().zip(second.as_chunks::<8>().0);
    let words = words.zip(third.as_chunks::<8>().0.iter().zip(fourth.as_chunks::<8>().0));
    for ((first, second), (third, fourth)) in words {
        let [a, b, c, d] = sums;
        sums = [step(a, *first), step(b, *second), step(c, *third), step(d, *fourth)];
    }
    let [first, rest @ ..] = sums;
    rest.iter().fold(first, |sum, lane| through(&LANES, sum) ^ lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u64 {
        let mut crc = Crc64::default();
        crc.update(bytes);
        crc.value()
    }

    #[test]
    fn the_published_value_and_any_pieces() {
        // The check value of crc64.c.
        assert_eq!(sum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let bytes: Vec<u8> = (0..20_000_u32).map(|at| (at * at).to_le_bytes()[1]).collect();
        let mut slow = 0_u64;
        for &byte in &bytes {
            slow = BYTES[0][usize::from(slow.to_le_bytes()[0] ^ byte)] ^ (slow >> 8);
        }
        assert_eq!(sum(&bytes), slow);
        for size in [1, 7, 8, 1023, 4096, 4099, 10_000] {
            let mut crc = Crc64::default();
            bytes.chunks(size).for_each(|piece| crc.update(piece));
            assert_eq!(crc.value(), slow, "pieces of {size}");
        }
    }
}
