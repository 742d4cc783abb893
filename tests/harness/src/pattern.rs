//! What a server of tests keeps of long objects: the bytes, or only their place in a known pattern.
//!
//! A dump that is longer than memory can be kept if it is a piece that is repeated without end: each part is compared
//! with what belongs at its place, and made again when it is read.

use std::sync::Arc;

/// What is kept of the parts of an upload.
#[derive(Debug, Clone)]
pub enum Keep {
    /// The bytes.
    Bytes,
    /// Their place in a pattern, which is cut into volumes (`.001`, ...). A part that is not the pattern's is refused.
    Pattern {
        /// What is repeated.
        piece: Arc<Vec<u8>>,
        /// Size of a full volume.
        volume: u64,
    },
}

/// A part as it is kept.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Bytes(Arc<Vec<u8>>),
    /// This place in the pattern, and this many bytes.
    Pattern(u64, u64),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern(_, length) => *length,
        }
    }
}

impl Keep {
    /// Keeps a part that begins at this place of its object; none if it is not as it should be.
    pub(crate) fn take(&self, key: &str, start: u64, body: Vec<u8>) -> Option<Content> {
        let Self::Pattern { piece, volume } = self else { return Some(Content::Bytes(Arc::new(body))) };
        let (before, length) = (volume_of(key) * volume, body.len() as u64);
        // The last part can come before the others have told their size: it ends where the volume does.
        let starts = [before + start, (before + volume).saturating_sub(length)];
        let start = starts.into_iter().find(|start| is_at(piece, *start, &body))?;
        Some(Content::Pattern(start, length))
    }

    /// The bytes of an object between two places.
    pub(crate) fn bytes(&self, parts: &[Content], from: u64, to: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(index(to - from));
        let mut at = 0;
        for part in parts {
            let (start, end) = (from.max(at), to.min(at + part.len()));
            if start < end {
                let (skip, take) = (start - at, end - start);
                match part {
                    Content::Bytes(bytes) => out.extend_from_slice(&bytes[index(skip)..index(skip + take)]),
                    Content::Pattern(place, _) => self.repeat(place + skip, take, &mut out),
                }
            }
            at += part.len();
        }
        out
    }

    fn repeat(&self, mut place: u64, mut length: u64, out: &mut Vec<u8>) {
        let Self::Pattern { piece, .. } = self else { return };
        while length > 0 {
            let rest = rest_of(piece, place);
            let n = index(length).min(rest.len());
            out.extend_from_slice(&rest[..n]);
            place += n as u64;
            length -= n as u64;
        }
    }
}

fn index(place: u64) -> usize {
    usize::try_from(place).expect("a place in memory")
}

/// The number of a volume, by its key.
fn volume_of(key: &str) -> u64 {
    let number = key.rsplit_once('.').map(|(_, number)| number).filter(|number| number.len() >= 3);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What is left of the piece at this place of its repetition.
fn rest_of(piece: &[u8], place: u64) -> &[u8] {
    &piece[index(place % piece.len() as u64)..]
}

/// Whether these bytes stand at this place.
fn is_at(piece: &[u8], mut place: u64, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let rest = rest_of(piece, place);
        let n = bytes.len().min(rest.len());
        if bytes[..n] != rest[..n] {
            return false;
        }
        bytes = &bytes[n..];
        place += n as u64;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_known_and_made_again() {
        let keep = Keep::Pattern { piece: Arc::new(b"abcdefg".to_vec()), volume: 10 };
        // The pattern is abcdefgabc|defgabcdef|g...
        let parts =
            [("x.sql", 0, "abcdef"), ("x.sql", 6, "gabc"), ("x.sql.001", 0, "defgab"), ("x.sql.001", 4, "cdef")];
        let kept: Vec<_> = parts.map(|(key, start, text)| keep.take(key, start, text.into()).unwrap()).into();
        assert_eq!(keep.bytes(&kept[..2], 4, 8), b"efga");
        assert_eq!(keep.bytes(&kept[2..], 0, 10), b"defgabcdef");
        assert!(keep.take("x.sql", 0, b"abcdeX".to_vec()).is_none());
    }
}
