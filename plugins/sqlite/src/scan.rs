//! Where statements, strings and comments begin and end in an SQL dump, as SQLite reads them
//! (src/complete.c, and process_input in shell.c.in).

use memchr::{memchr, memchr2};

/// What has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A statement, by its `;`: see [`Scanner::head`].
    Statement,
    /// A line that is a command of the program (`.shell`), not SQL, begins here.
    DotCommand,
    /// A comment between statements that begins with `/****`: how `.dump` reports errors.
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lex {
    Normal,
    Quoted(u8),
    Dash,
    Slash,
    LineComment,
    BlockComment {
        stars: u32,
        begins: bool,
        star: bool,
    },
    /// The values of an INSERT that `.dump` wrote: nothing but strings and the end matters.
    Values,
}

/// How far the end of a trigger has come: `;` `END` `;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    No,
    Body,
    Semicolon,
    End,
}

const HEAD: usize = 4096;

#[derive(Debug)]
pub(crate) struct Scanner {
    lex: Lex,
    head: Vec<u8>,
    word: Vec<u8>,
    words: u32,
    creates: bool,
    trigger: Trigger,
    line_start: bool,
    ended: bool,
    /// In the values of a row that are skipped through.
    values: bool,
    /// Skip through the values of an INSERT. Right for a dump that sqlite3 just wrote, not for one that was tampered with.
    trusting: bool,
}

impl Scanner {
    pub(crate) fn new(trusting: bool) -> Self {
        Self {
            lex: Lex::Normal,
            head: Vec::new(),
            word: Vec::new(),
            words: 0,
            creates: false,
            trigger: Trigger::No,
            line_start: true,
            ended: false,
            values: false,
            trusting,
        }
    }

    /// The statement that has ended, without its `;`, cut at some length.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Nothing is begun: neither a statement, nor a string, nor a comment.
    pub(crate) fn at_rest(&self) -> bool {
        self.lex == Lex::Normal && (self.ended || self.head.is_empty())
    }

    /// Reads until something ends. Returns how many bytes were read, and what has ended; none: all was read.
    pub(crate) fn next(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while at < input.len() {
            let (read, event) = self.step(input.get(at..).unwrap_or_default());
            at += read;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    fn step(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let first = rest.first().copied().unwrap_or_default();
        match self.lex {
            Lex::Normal => return self.normal(rest),
            Lex::Quoted(end) => {
                let found = memchr(end, rest);
                let read = found.map_or(rest.len(), |at| at + 1);
                if !self.values {
                    self.push(rest.get(..read).unwrap_or_default());
                }
                if found.is_some() {
                    self.lex = if self.values { Lex::Values } else { Lex::Normal };
                    self.line_start = false;
                }
                return (read, None);
            }
            Lex::Values => {
                let Some(at) = memchr2(b'\'', b';', rest) else {
                    return (rest.len(), None);
                };
                if rest.get(at) == Some(&b';') {
                    self.lex = Lex::Normal;
                    self.values = false;
                    self.line_start = false;
                    self.ended = true;
                    return (at + 1, Some(Event::Statement));
                }
                self.lex = Lex::Quoted(b'\'');
                return (at + 1, None);
            }
            Lex::LineComment => {
                let Some(at) = memchr(b'\n', rest) else {
                    return (rest.len(), None);
                };
                self.lex = Lex::Normal;
                self.line_start = true;
                return (at + 1, None);
            }
            Lex::Dash if first == b'-' => self.lex = Lex::LineComment,
            Lex::Slash if first == b'*' => self.lex = Lex::BlockComment { stars: 1, begins: true, star: false },
            Lex::Dash | Lex::Slash => {
                self.push(if self.lex == Lex::Dash { b"-" } else { b"/" });
                self.lex = Lex::Normal;
                return (0, None);
            }
            Lex::BlockComment { stars, begins, star } => {
                if star && first == b'/' {
                    self.lex = Lex::Normal;
                    self.line_start = false;
                    return (1, None);
                }
                let begins = begins && first == b'*';
                let stars = stars + u32::from(begins);
                self.lex = Lex::BlockComment { stars, begins, star: first == b'*' };
                if begins && stars == 4 && self.head.is_empty() {
                    return (1, Some(Event::Error));
                }
            }
        }
        (1, None)
    }

    fn normal(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        if self.ended {
            self.ended = false;
            self.head.clear();
            self.words = 0;
            self.creates = false;
            self.trigger = Trigger::No;
        }
        for (at, &byte) in rest.iter().enumerate() {
            let read = at + 1;
            if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80 {
                self.line_start = false;
                if self.word.len() < 16 {
                    self.word.push(byte.to_ascii_lowercase());
                }
                self.put(byte);
                continue;
            }
            if !self.word.is_empty() {
                let values = self.word == b"values";
                self.word_ended();
                if values && byte == b'(' && self.is_row() {
                    self.put(byte);
                    self.values = true;
                    self.lex = Lex::Values;
                    return (read, None);
                }
            }
            match byte {
                b'\n' => {
                    self.line_start = true;
                    if !self.head.is_empty() {
                        self.put(byte);
                    }
                    continue;
                }
                b' ' | b'\t' | b'\r' | 0x0c => {
                    self.line_start = false;
                    if !self.head.is_empty() {
                        self.put(byte);
                    }
                    continue;
                }
                b'.' | b'#' if self.line_start => {
                    self.line_start = false;
                    self.put(byte);
                    return (read, Some(Event::DotCommand));
                }
                b'\'' | b'"' | b'`' | b'[' => {
                    self.line_start = false;
                    self.not_end();
                    self.put(byte);
                    self.lex = Lex::Quoted(if byte == b'[' { b']' } else { byte });
                    return (read, None);
                }
                b'-' => self.lex = Lex::Dash,
                b'/' => self.lex = Lex::Slash,
                b';' => {
                    self.line_start = false;
                    if self.trigger == Trigger::No || self.trigger == Trigger::End {
                        self.ended = true;
                        return (read, Some(Event::Statement));
                    }
                    self.trigger = Trigger::Semicolon;
                    self.put(byte);
                    continue;
                }
                _ => {}
            }
            self.line_start = false;
            if matches!(self.lex, Lex::Dash | Lex::Slash) {
                return (read, None);
            }
            self.not_end();
            self.put(byte);
        }
        (rest.len(), None)
    }

    fn word_ended(&mut self) {
        let word = std::mem::take(&mut self.word);
        self.words = self.words.saturating_add(1);
        match (self.words, word.as_slice(), self.trigger) {
            (1, b"create", _) => self.creates = true,
            (2 | 3, b"trigger", _) if self.creates => self.trigger = Trigger::Body,
            (_, b"end", Trigger::Semicolon) => self.trigger = Trigger::End,
            _ => self.not_end(),
        }
        self.word = word;
        self.word.clear();
    }

    fn not_end(&mut self) {
        if matches!(self.trigger, Trigger::Semicolon | Trigger::End) {
            self.trigger = Trigger::Body;
        }
    }

    /// The statement that has come to its VALUES is a row of a table, and nothing has to be known of it.
    fn is_row(&self) -> bool {
        self.trusting
            && self.head.strip_prefix(b"INSERT INTO ").is_some_and(|table| {
                // Rows of the schema make virtual tables.
                !table.starts_with(b"sqlite_schema") && !table.starts_with(b"sqlite_master")
            })
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn put(&mut self, byte: u8) {
        if self.head.len() < HEAD {
            self.head.push(byte);
        }
    }
}

/// A name in any of SQLite's quotes, and what follows it. The name comes without them.
pub(crate) fn name_and_rest(text: &[u8]) -> Option<(String, &[u8])> {
    let text = text.trim_ascii_start();
    let first = *text.first()?;
    let close = match first {
        b'"' | b'\'' | b'`' => first,
        b'[' => b']',
        _ => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || *byte >= 0x80;
            let end = text.iter().position(|byte| !plain(byte)).unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            return (!name.is_empty()).then(|| (String::from_utf8_lossy(name).into_owned(), rest));
        }
    };
    let mut name = Vec::new();
    let mut rest = text.get(1..)?;
    loop {
        let end = memchr(close, rest)?;
        name.extend_from_slice(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        if first == b'[' || rest.first() != Some(&close) {
            return Some((String::from_utf8_lossy(&name).into_owned(), rest));
        }
        name.push(close);
        rest = rest.get(1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(script: &[u8], size: usize, trusting: bool) -> Vec<String> {
        let mut scanner = Scanner::new(trusting);
        let mut seen = Vec::new();
        for chunk in script.chunks(size) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (read, event) = scanner.next(rest);
                rest = &rest[read..];
                match event {
                    Some(Event::Statement) if trusting => {
                        seen.push(String::from_utf8_lossy(&scanner.head()[..3]).into_owned());
                    }
                    Some(Event::Statement) => {
                        seen.push(String::from_utf8_lossy(scanner.head()).into_owned());
                    }
                    Some(event) => seen.push(format!("{event:?}")),
                    None => {}
                }
            }
        }
        seen
    }

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        for size in 1..=script.len() {
            assert_eq!(events(script.as_bytes(), size, false), expected, "chunks of {size}");
            let short: Vec<String> = expected
                .iter()
                .map(|text| if text.contains(' ') { text[..3].to_owned() } else { (*text).to_owned() })
                .collect();
            assert_eq!(events(script.as_bytes(), size, true), short, "trusting, chunks of {size}");
        }
    }

    #[test]
    fn statements_strings_and_triggers() {
        check(
            "INSERT INTO a VALUES(1,'x;''\n.y');\nINSERT INTO \"b VALUES(\"(c) VALUES(';');\n",
            &["INSERT INTO a VALUES(1,'x;''\n.y')", "INSERT INTO \"b VALUES(\"(c) VALUES(';')"],
        );
        check("CREATE TABLE [a;'] (b -- ;\n/* ' */);SELECT `;`;\n", &["CREATE TABLE [a;'] (b )", "SELECT `;`"]);
        check(
            "CREATE TEMP TRIGGER t BEGIN INSERT INTO a VALUES(1); SELECT CASE WHEN 1 THEN 2 END; END;\nSELECT 1;",
            &["CREATE TEMP TRIGGER t BEGIN INSERT INTO a VALUES(1); SELECT CASE WHEN 1 THEN 2 END; END", "SELECT 1"],
        );
    }

    #[test]
    fn commands_and_errors() {
        check(".shell id\n", &["DotCommand"]);
        check("SELECT '\n.a', 1.5\n.b", &["DotCommand"]);
        check("/****** CORRUPTION ERROR *******/\nSELECT 1;", &["Error", "SELECT 1"]);
    }

    #[test]
    fn names() {
        for (text, name, rest) in [
            ("a b", "a", " b"),
            ("\"a\"\"b\"(", "a\"b", "("),
            ("'a''b'(", "a'b", "("),
            ("`a``b` ", "a`b", " "),
            ("[a\"b] ", "a\"b", " "),
        ] {
            assert_eq!(name_and_rest(text.as_bytes()), Some((name.to_owned(), rest.as_bytes())));
        }
        assert_eq!(name_and_rest(b"\"a"), None);
    }
}
