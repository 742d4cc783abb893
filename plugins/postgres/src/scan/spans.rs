//! What lies between two quotes, two marks, or the first and the last row: the runs that are searched, not read.

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::{Closed, Event, Lex, NO, Scanner};

impl Scanner {
    /// The inside of a string. `pending`: the byte before was a backslash that escapes.
    pub(super) fn string(&mut self, rest: &[u8], escapes: bool, pending: bool) -> usize {
        let mut from = 0;
        if pending {
            from = 1;
            self.lex = Lex::String { escapes, escaped: false };
        }
        let tail = rest.get(from..).unwrap_or_default();
        let found = if escapes { memchr2(b'\'', b'\\', tail) } else { memchr(b'\'', tail) };
        let read = found.map_or(rest.len(), |at| from + at + 1);
        self.push(rest.get(..read).unwrap_or_default());
        match found.and_then(|at| tail.get(at)) {
            Some(b'\\') => self.lex = Lex::String { escapes, escaped: true },
            Some(_) => {
                self.lex = Lex::Normal;
                self.last = b'\'';
                self.closed = Closed::Just;
                self.closed_escapes = escapes;
            }
            None => {}
        }
        read
    }

    /// The inside of a dollar quote, of whose end this much has matched.
    pub(super) fn dollar_body(&mut self, rest: &[u8], mut matched: usize) -> usize {
        let mut at = 0;
        while at < rest.len() {
            if matched == 0 {
                let Some(found) = memchr(b'$', rest.get(at..).unwrap_or_default()) else {
                    at = rest.len();
                    break;
                };
                at += found + 1;
                matched = 1;
                continue;
            }
            let byte = rest.get(at).copied().unwrap_or_default();
            if self.tag.get(matched) == Some(&byte) {
                matched += 1;
                at += 1;
                if matched == self.tag.len() {
                    self.lex = Lex::Normal;
                    self.last = b'$';
                    self.push(b"...$");
                    return at;
                }
            } else {
                // A tag holds no dollar sign inside, so a failed match can only begin again at this one.
                matched = 0;
            }
        }
        self.lex = Lex::DollarBody { matched };
        at
    }

    /// The inside of a comment, in which others may be nested.
    pub(super) fn block_comment(&mut self, rest: &[u8], mut depth: u32, mut last: u8) -> usize {
        for (at, &byte) in rest.iter().enumerate() {
            match (last, byte) {
                (b'/', b'*') => {
                    depth += 1;
                    last = 0;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    last = 0;
                    if depth == 0 {
                        self.lex = Lex::Normal;
                        self.last = b' ';
                        self.closed = Closed::No;
                        return at + 1;
                    }
                }
                _ => last = byte,
            }
        }
        self.lex = Lex::BlockComment { depth, last };
        rest.len()
    }

    /// Rows of a COPY: one a line, until a line that is `\.` alone.
    pub(super) fn copy(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        const END: &[u8; 4] = b"\\.\r\n";
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            // At the start of a line, or in what may become the end mark.
            if self.line != NO {
                at += 1;
                let ends = byte == b'\n' && (self.line == 2 || self.line == 3);
                if ends {
                    self.lex = Lex::Normal;
                    self.last = b'\n';
                    self.ended = true;
                    return (at, Some(Event::Rows));
                }
                if END.get(usize::from(self.line)) == Some(&byte) {
                    self.line += 1;
                } else if byte == b'\n' {
                    self.rows += 1;
                    self.line = 0;
                } else {
                    self.line = NO;
                }
                continue;
            }
            // Inside a line: on to the next that begins like the end mark, counting the lines between.
            let tail = rest.get(at..).unwrap_or_default();
            let Some(found) = memmem::find(tail, b"\n\\.") else {
                self.rows += memchr_iter(b'\n', tail).count() as u64;
                self.line = match tail {
                    [.., b'\n'] => 0,
                    [.., b'\n', b'\\'] => 1,
                    _ => NO,
                };
                return (rest.len(), None);
            };
            let lines = tail.get(..=found).unwrap_or_default();
            self.rows += memchr_iter(b'\n', lines).count() as u64;
            self.line = 2;
            at += found + 3;
        }
        (rest.len(), None)
    }
}
