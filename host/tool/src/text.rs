//! What programs print, made fit for people: cut to a length, without secrets and without control characters.
//!
//! A text that is cut could end, or begin, in the middle of a secret, which nobody would know for one any more. So more is kept than
//! is shown, secrets are replaced in all of it, and as much as a secret may be long is left out where the cut was.

use planb_model::redact::Redactor;

/// The longest secret that is found across a cut.
const MARGIN: usize = 8 << 10;
/// A longer line is cut.
const LINE: usize = 2 << 10;

/// The end of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// How much of the end is kept.
    pub(crate) const BYTES: usize = 64 << 10;

    /// More of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        // Not at each step: moving the rest to the front takes its time.
        if self.kept.len() > 4 * Self::BYTES {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let over = self.kept.len().saturating_sub(Self::BYTES);
        self.cut |= over > 0;
        self.kept.drain(..over);
    }

    /// As a text.
    pub(crate) fn into_text(mut self, redactor: &Redactor) -> String {
        self.shorten();
        let text = redactor.redact(&String::from_utf8_lossy(&self.kept));
        let text = if self.cut { behind(&text, MARGIN) } else { &text };
        let text = planb_model::redact::strip_control(text);
        // What is not UTF-8 has grown.
        let over = text.len().saturating_sub(Self::BYTES);
        behind(&text, over).to_owned()
    }
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// More of the stream; `each` gets every line that has come to its end and says something.
    pub(crate) fn push(&mut self, mut bytes: &[u8], redactor: &Redactor, each: &mut dyn FnMut(&str)) {
        // A search that is fast in a program that is not optimised too.
        while bytes.contains(&b'\n') {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
            self.keep(&bytes[..end]);
            self.end(redactor, each);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (LINE + MARGIN).saturating_sub(self.line.len());
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The line that is begun is at its end.
    pub(crate) fn end(&mut self, redactor: &Redactor, each: &mut dyn FnMut(&str)) {
        let text = redactor.redact(&String::from_utf8_lossy(&self.line));
        let text = if self.cut { before(&text, text.len().saturating_sub(MARGIN)) } else { &text };
        let text = planb_model::redact::strip_control(before(text, LINE));
        self.line.clear();
        self.cut = false;
        if !text.trim().is_empty() {
            each(&text);
        }
    }
}

/// Without its first bytes.
fn behind(text: &str, bytes: usize) -> &str {
    let at = (bytes..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    &text[at..]
}

/// Its first bytes.
fn before(text: &str, bytes: usize) -> &str {
    let at = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use planb_model::secret::Secret;
    use proptest::prelude::*;

    const SECRET: &str = "0123456789-a-password-of-many-letters-abcdefghijklmnopqrstuvwxyz";

    fn redactor() -> Redactor {
        Redactor::new(&[Secret::new(SECRET.to_owned())])
    }

    /// Whether some of the secret is left, more than what could be in any text.
    fn leaks(text: &str) -> bool {
        (0..SECRET.len() - 8).any(|at| text.contains(&SECRET[at..at + 8]))
    }

    fn lines(stream: &str, step: usize) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for bytes in stream.as_bytes().chunks(step) {
            lines.push(bytes, &redactor(), &mut |line| out.push(line.to_owned()));
        }
        lines.end(&redactor(), &mut |line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn lines_are_whole_clean_and_say_something() {
        let stream = "one\n\n \r\ntwo \u{1b}[31mred\u{202e}\nthree";
        for step in [1, 2, 7, 100] {
            assert_eq!(lines(stream, step), ["one", "two [31mred", "three"]);
        }
        let long = lines(&"x".repeat(1 << 20), 1000);
        assert_eq!(long.len(), 1);
        assert_eq!(long[0].len(), LINE);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_cut_leaves_a_part_of_a_secret(before in 0..3 * LINE, count in 1..400_usize, between in 0..200_usize, step in 1..5000_usize) {
            let mut stream = "x".repeat(before);
            for _ in 0..count {
                stream.push_str(SECRET);
                stream.push_str(&"y".repeat(between));
            }
            for line in lines(&stream, step) {
                prop_assert!(!leaks(&line), "{line}");
            }
            let mut tail = Tail::default();
            // Long enough to be cut, so that the cut falls anywhere in it.
            for bytes in stream.repeat(1 + 5 * Tail::BYTES / stream.len()).as_bytes().chunks(step) {
                tail.push(bytes);
            }
            let text = tail.into_text(&redactor());
            prop_assert!(!leaks(&text) && text.len() <= Tail::BYTES);
        }
    }
}
