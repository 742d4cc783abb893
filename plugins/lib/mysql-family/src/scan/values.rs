//! The values of an INSERT: rows are counted by their brackets.
//!
//! mysqldump writes numbers, NULL, strings and hexadecimal digits, so outside of strings a bracket opens a row and a semicolon ends the
//! statement (dump_table in client/mysqldump.cc). Everything else is passed over.

use memchr::{memchr, memchr2};

use super::{Event, Lex, Scanner};

/// What a byte means between values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Value,
    Row,
    Quote,
    End,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Value; 256];
    classes[b'(' as usize] = Class::Row;
    classes[b'\'' as usize] = Class::Quote;
    classes[b'"' as usize] = Class::Quote;
    classes[b'`' as usize] = Class::Quote;
    classes[b';' as usize] = Class::End;
    classes
};

impl Scanner {
    /// Reads values, from where it stopped, until the statement or the piece ends.
    pub(super) fn values(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        if let Lex::ValuesQuoted { quote, escaped } = self.lex {
            match self.skip_string(rest, usize::from(escaped), quote) {
                Some(end) => at = end,
                None => return (rest.len(), None),
            }
        }
        let mut rows = 0;
        while let Some(&byte) = rest.get(at) {
            at += 1;
            match CLASSES[usize::from(byte)] {
                Class::Value => {}
                Class::Row => rows += 1,
                Class::Quote => match self.skip_string(rest, at, byte) {
                    Some(end) => at = end,
                    None => {
                        at = rest.len();
                        break;
                    }
                },
                Class::End => {
                    self.rows += rows;
                    self.lex = Lex::Normal;
                    return (at, self.end_statement());
                }
            }
        }
        self.rows += rows;
        (at, None)
    }

    /// On to behind the end of a string. None: the piece ends before it does, and what was found is kept for the next.
    fn skip_string(&mut self, rest: &[u8], from: usize, quote: u8) -> Option<usize> {
        let escapes = quote != b'`' && !self.plain_backslashes;
        let mut at = from;
        loop {
            let tail = rest.get(at..).unwrap_or_default();
            let found = if escapes { memchr2(quote, b'\\', tail) } else { memchr(quote, tail) };
            let Some(found) = found else {
                // An escaped byte may lie behind this piece.
                self.lex = Lex::ValuesQuoted { quote, escaped: at > rest.len() };
                return None;
            };
            at += found + 1;
            if !escapes || tail.get(found) == Some(&quote) {
                self.lex = Lex::Values;
                return Some(at);
            }
            at += 1;
        }
    }
}
