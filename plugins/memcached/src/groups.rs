//! How items are grouped and named, the same in an inspection and in an inventory of a live server.

use planb_sdk::Object;

/// Items are grouped by what stands before the first colon of their keys, where that is no longer than this.
pub(crate) const PREFIX: usize = 64;
/// With more groups there are none: which of them were kept would depend on the order of the keys.
pub(crate) const GROUPS: usize = 1_000;

/// All items of a server.
pub(crate) fn all(items: u64) -> Object {
    Object::new("cache", "all").rows(items)
}

/// The items whose keys begin so. None: those without a colon.
pub(crate) fn with_prefix(prefix: Option<&[u8]>, items: u64) -> Object {
    let pattern = prefix.map_or_else(|| "*".to_owned(), |prefix| format!("{}:*", printable(prefix)));
    Object::new("prefix", pattern).rows(items)
}

/// Text for people and for the names of objects: what is not printable UTF-8 becomes `\xNN`, so that different bytes
/// stay different names.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' {
                out.push_str("\\\\");
            } else if c.is_control() {
                out.extend(c.to_string().bytes().map(|byte| format!("\\x{byte:02x}")));
            } else {
                out.push(c);
            }
        }
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

/// Bytes behind percent signs, as the server's listing has them.
pub(crate) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

/// Bytes behind base64 (RFC 4648, 4), as the server gives keys that hold spaces or control characters.
pub(crate) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (quads, []) = text.as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(quads.len() * 3);
    for quad in quads {
        let padding = quad.iter().rev().take_while(|byte| **byte == b'=').count();
        let digits = quad.get(..4 - padding)?;
        let word = digits.iter().try_fold(0_u32, |word, digit| Some(word << 6 | u32::from(value(*digit)?)))?;
        let [_, a, b, c] = (word << (6 * padding)).to_be_bytes();
        bytes.extend_from_slice([a, b, c].get(..3_usize.checked_sub(padding)?)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(unescape("a%3Ab%C3%A9%20").as_deref(), Some("a:b\u{e9} ".as_bytes()));
        assert_eq!(unescape("%4"), None);
        assert_eq!(unescape("%zz"), None);
        assert_eq!(unbase64(b"YmluIGtleQ==").as_deref(), Some(&b"bin key"[..]));
        assert_eq!(unbase64(b"YWJj").as_deref(), Some(&b"abc"[..]));
        assert_eq!(unbase64(b"YWI=").as_deref(), Some(&b"ab"[..]));
        assert_eq!(unbase64(b"YWJ"), None);
        assert_eq!(unbase64(b"===="), None);
        assert_eq!(printable(b"a\\\n\xff\xc3\xa9"), "a\\\\\\x0a\\xff\u{e9}");
    }
}
