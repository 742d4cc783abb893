//! CRC-64 with the ECMA-182 polynomial, reflected, as Go's `hash/crc64` computes it: what an archive has for each collection.

/// Sixteen bytes at a time: a table for each.
const WIDE: usize = 16;
const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;

static TABLES: [[u64; 256]; WIDE] = tables();

#[expect(clippy::large_stack_arrays, reason = "made when this is compiled")]
const fn tables() -> [[u64; 256]; WIDE] {
    let mut tables = [[0; 256]; WIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < WIDE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ before >> 8;
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// A checksum that grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc(u64);

impl Default for Crc {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let mut crc = self.0;
        let (wide, rest) = bytes.as_chunks::<WIDE>();
        for chunk in wide {
            let (halves, _) = chunk.as_chunks::<8>();
            let [first, second] = halves else { continue };
            let first = (u64::from_le_bytes(*first) ^ crc).to_le_bytes();
            crc = 0;
            for (at, (a, b)) in first.iter().zip(second).enumerate() {
                crc ^= TABLES[15 - at][usize::from(*a)] ^ TABLES[7 - at][usize::from(*b)];
            }
        }
        for &byte in rest {
            let [low, ..] = crc.to_le_bytes();
            crc = TABLES[0][usize::from(low ^ byte)] ^ crc >> 8;
        }
        self.0 = crc;
    }

    pub(crate) fn sum(self) -> u64 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u64 {
        let mut crc = Crc::default();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn known_sums() {
        // The check value of CRC-64/XZ, which is this one.
        assert_eq!(sum(b"123456789"), 0x995D_C9BB_DF19_39FA);
        assert_eq!(sum(b""), 0);
    }

    #[test]
    fn in_any_pieces() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
        for size in [1, 3, 15, 16, 17, 999] {
            let mut crc = Crc::default();
            bytes.chunks(size).for_each(|chunk| crc.update(chunk));
            assert_eq!(crc.sum(), sum(&bytes), "pieces of {size}");
        }
    }
}
