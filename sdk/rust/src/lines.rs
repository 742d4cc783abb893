//! Lines of a stream whose chunks end anywhere.

use memchr::memchr;

/// Cuts a stream of chunks into lines. A line that lies in one chunk is not copied.
///
/// A line longer than the limit (64 KiB unless told) is handed on cut short at the limit, so memory is bounded
/// whatever the dump holds.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    limit: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_limit(64 * 1024)
    }
}

impl Lines {
    /// Lines of at most this many bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), limit }
    }

    /// Calls `line` with each line that ends in this chunk, without its newline.
    pub fn feed(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(end);
            if self.held.is_empty() {
                line(head.get(..self.limit).unwrap_or(head));
            } else {
                self.hold(head);
                line(&self.held);
                self.held.clear();
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.hold(rest);
    }

    /// The bytes after the last newline: a line that was not ended.
    pub fn rest(&self) -> &[u8] {
        &self.held
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.held.len());
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_lines_for_any_chunks() {
        let text = b"one\n\ntwo three\n\nfour";
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for chunk in text.chunks(size) {
                lines.feed(chunk, |line| seen.push(line.to_vec()));
            }
            assert_eq!(seen, [&b"one"[..], b"", b"two three", b""], "chunks of {size}");
            assert_eq!(lines.rest(), b"four");
        }
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let mut lines = Lines::with_limit(10);
        let mut seen = Vec::new();
        for _ in 0..100 {
            lines.feed(b"abcdefg", |_| ());
        }
        lines.feed(b"\nshort\nlong and longer\n", |line| {
            seen.push(line.to_vec());
        });
        assert_eq!(seen, [&b"abcdefgabc"[..], b"short", b"long and l"]);
    }
}
