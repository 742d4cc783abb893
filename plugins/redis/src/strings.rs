//! Strings as an RDB has them: plain, as a small number, or compressed with LZF (rdbSaveRawString in src/rdb.c).

use std::borrow::Cow;

/// How a string's bytes in the RDB become the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    /// A signed number of 1, 2 or 4 bytes, which stands for its digits.
    Number,
    /// LZF; the string has this many bytes.
    Lzf(u64),
}

impl Coding {
    /// The string behind these bytes, or its first `limit` bytes. None: they are not what they say.
    ///
    /// The bytes may be only the first ones where no more than `limit` bytes of the string are wanted.
    pub(crate) fn decode(self, bytes: &[u8], limit: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Plain => Some(Cow::Borrowed(bytes.get(..limit).unwrap_or(bytes))),
            Self::Number => {
                let number = match *bytes {
                    [a] => i64::from(i8::from_le_bytes([a])),
                    [a, b] => i64::from(i16::from_le_bytes([a, b])),
                    [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
                    _ => return None,
                };
                Some(Cow::Owned(number.to_string().into_bytes()))
            }
            Self::Lzf(length) => {
                let wanted = usize::try_from(length).ok()?.min(limit);
                let mut out = Vec::with_capacity(wanted.min(1 << 20));
                unpack(bytes, wanted, &mut out)?;
                Some(Cow::Owned(out))
            }
        }
    }
}

/// LZF until `wanted` bytes are there (src/lzf_d.c). A block is literal bytes, or a reference back into what came out.
fn unpack(mut bytes: &[u8], wanted: usize, out: &mut Vec<u8>) -> Option<()> {
    while out.len() < wanted {
        let (&control, rest) = bytes.split_first()?;
        bytes = rest;
        let control = usize::from(control);
        if control < 32 {
            let length = (control + 1).min(wanted - out.len());
            let (literal, rest) = bytes.split_at_checked(length)?;
            out.extend_from_slice(literal);
            bytes = rest;
            continue;
        }
        let mut length = (control >> 5) + 2;
        if control >> 5 == 7 {
            let (&more, rest) = bytes.split_first()?;
            length += usize::from(more);
            bytes = rest;
        }
        let (&low, rest) = bytes.split_first()?;
        bytes = rest;
        let back = ((control & 0x1f) << 8 | usize::from(low)) + 1;
        let from = out.len().checked_sub(back)?;
        for at in from..from + length.min(wanted - out.len()) {
            out.push(*out.get(at)?);
        }
    }
    Some(())
}

/// Text for people and for the names of objects: what is not printable UTF-8 becomes `\xNN`, so that different bytes
/// stay different names.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => {
                    let mut encoded = [0; 4];
                    c.encode_utf8(&mut encoded).bytes().for_each(|byte| escape(byte, &mut out));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(byte, &mut out));
    }
    out
}

fn escape(byte: u8, out: &mut String) {
    out.push_str("\\x");
    for digit in [byte >> 4, byte & 15] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('?'));
    }
}

/// The nine letters of a module type's name, which are six bits each above the ten of its version
/// (moduleTypeEncodeId in src/module.c).
pub(crate) fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |place: u32| char::from(LETTERS[(id >> (64 - 6 * (place + 1)) & 63) as usize]);
    (0..9).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        assert_eq!(Coding::Plain.decode(b"abc", 2).unwrap(), &b"ab"[..]);
        assert_eq!(Coding::Number.decode(&[0xff], 9).unwrap(), &b"-1"[..]);
        assert_eq!(Coding::Number.decode(&[0x39, 0x30], 9).unwrap(), &b"12345"[..]);
        assert_eq!(Coding::Number.decode(&(-70_000_i32).to_le_bytes(), 9).unwrap(), &b"-70000"[..]);
        assert_eq!(Coding::Number.decode(b"abc", 9), None);
        // What Redis 7.0 wrote for 40 times `a`: a literal `aa`, 36 more from one byte back, a literal `aa`.
        let packed = [0x01, 0x61, 0x61, 0xe0, 0x1b, 0x00, 0x01, 0x61, 0x61];
        assert_eq!(Coding::Lzf(40).decode(&packed, 100).unwrap(), &[b'a'; 40][..]);
        assert_eq!(Coding::Lzf(40).decode(&packed[..6], 30).unwrap(), &[b'a'; 30][..]);
        assert_eq!(Coding::Lzf(41).decode(&packed, 100), None);
        assert_eq!(Coding::Lzf(9).decode(&[0x20, 0x05], 100), None);
    }

    #[test]
    fn names() {
        assert_eq!(printable("a\u{e9}\\\n\u{85}".as_bytes()), "a\u{e9}\\\\\\x0a\\xc2\\x85");
        assert_eq!(printable(b"\xff\x00"), "\\xff\\x00");
        assert_eq!(module_name(0x4413_1297_5045_1c00 | 3).len(), 9);
    }
}
