//! Takes off the ends of a stream what a plan says is none of the dump (`trim` in the contract).

use bytes::Bytes;
use planb_model::plan::Trim;

/// A longer first line is left as it is: it is none of those that a plan means.
const LONGEST_LINE: usize = 64 << 10;

/// Passes a stream on without its marked first line and its last bytes.
///
/// What is held back is copied, and never more than the plan may ask for (`planb-plugin` checks that): a chunk keeps the whole
/// buffer that it was read into, however few bytes it has.
pub(crate) struct Trimmer {
    /// The beginning of a first line that goes; none once that is decided.
    head: Option<Vec<u8>>,
    line: Vec<u8>,
    tail_bytes: usize,
    held: Vec<u8>,
}

impl Trimmer {
    pub(crate) fn new(trim: Option<&Trim>) -> Self {
        Self {
            head: trim.and_then(|trim| trim.head_line.clone()).map(String::into_bytes),
            line: Vec::new(),
            tail_bytes: trim.map_or(0, |trim| trim.tail_bytes as usize),
            held: Vec::new(),
        }
    }

    /// Takes a chunk and gives what can be passed on.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Vec<Bytes> {
        let mut chunk = if self.head.is_some() { self.head(chunk) } else { chunk };
        if self.tail_bytes == 0 {
            return if chunk.is_empty() { Vec::new() } else { vec![chunk] };
        }
        let ready = (self.held.len() + chunk.len()).saturating_sub(self.tail_bytes);
        let of_held = ready.min(self.held.len());
        let out = [Bytes::from(self.held.drain(..of_held).collect::<Vec<_>>()), chunk.split_to(ready - of_held)];
        self.held.extend_from_slice(&chunk);
        out.into_iter().filter(|bytes| !bytes.is_empty()).collect()
    }

    /// At the end: the bytes that were held because they could have been the first line, but no end of a line came.
    pub(crate) fn finish(&mut self) -> Vec<Bytes> {
        let Some(head) = self.head.take() else { return Vec::new() };
        let line = std::mem::take(&mut self.line);
        if line.is_empty() || line.starts_with(&head) { Vec::new() } else { self.push(line.into()) }
    }

    fn head(&mut self, chunk: Bytes) -> Bytes {
        let Some(head) = &self.head else { return chunk };
        self.line.extend_from_slice(&chunk);
        let n = self.line.len().min(head.len());
        if self.line[..n] != head[..n] || self.line.len() > LONGEST_LINE {
            self.head = None;
            return std::mem::take(&mut self.line).into();
        }
        match self.line.iter().position(|byte| *byte == b'\n') {
            Some(end) if self.line.len() >= head.len() => {
                self.head = None;
                let rest = Bytes::from(std::mem::take(&mut self.line));
                rest.slice(end + 1..)
            }
            _ => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn trimmed(input: &[u8], head: Option<&str>, tail: u32, chunk: usize) -> Vec<u8> {
        let mut trimmer = Trimmer::new(Some(&Trim { head_line: head.map(str::to_owned), tail_bytes: tail }));
        let mut out = Vec::new();
        for piece in input.chunks(chunk) {
            out.extend(trimmer.push(Bytes::copy_from_slice(piece)).concat());
        }
        out.extend(trimmer.finish().concat());
        out
    }

    #[test]
    fn ends_go_and_chunk_borders_mean_nothing() {
        let dump = b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\nline\n0123456789";
        for chunk in [1, 2, 3, 7, 40, 1000] {
            assert_eq!(trimmed(dump, Some("/*M!999999"), 10, chunk), b"-- MariaDB dump\nline\n", "{chunk}");
            assert_eq!(trimmed(dump, Some("/*X"), 0, chunk), dump, "{chunk}");
            assert_eq!(trimmed(dump, None, 10, chunk), &dump[..dump.len() - 10], "{chunk}");
            assert_eq!(trimmed(b"/*", Some("/*M!"), 0, chunk), b"/*", "{chunk}");
            assert_eq!(trimmed(b"12345", None, 10, chunk), b"", "{chunk}");
            assert_eq!(trimmed(b"", Some("x"), 3, chunk), b"", "{chunk}");
        }
    }
}
