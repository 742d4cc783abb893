//! Where statements, strings, comments and rows begin and end in a plain dump.
//!
//! The dump is read as psql reads it (src/fe_utils/psqlscan.l, src/bin/psql/copy.c), since what counts as a statement, a
//! meta-command or a row is what psql takes for one: nested comments, strings with and without backslashes and their
//! continuation on a later line, dollar quotes, parentheses, the bodies of SQL-standard functions, rows of COPY.

use memchr::{memchr, memchr_iter, memchr2, memmem};

/// What has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A statement, by its `;`: see [`Scanner::head`].
    Statement,
    /// A comment between statements, by its newline: see [`Scanner::comment`].
    Comment,
    /// A backslash command, by its newline: see [`Scanner::meta`].
    Meta,
    /// The rows of a COPY, by their `\.` line: see [`Scanner::rows`].
    Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lex {
    Normal,
    Dash,
    Slash,
    LineComment,
    BlockComment { depth: u32, last: u8 },
    String { escapes: bool, escaped: bool },
    Identifier,
    DollarTag,
    DollarBody { matched: usize },
    Meta,
    CopyStart,
    Copy,
}

/// Whether a quote would continue a string that was closed before it (`E'a'` newline `'b\''` is one string).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    No,
    Just,
    Space,
    Newline,
}

const COMMENT: usize = 1024;
const META: usize = 1024;
/// COPY names its columns: up to 1,600 of them, of 63 bytes each, in quotes.
const COPY_HEAD: usize = 512 * 1024;
const HEAD: usize = 4096;

/// Reads a plain dump piece by piece; piece borders mean nothing. Memory is bounded.
#[derive(Debug)]
pub(crate) struct Scanner {
    lex: Lex,
    /// The byte before this one, outside strings and comments.
    last: u8,
    /// A statement has ended; the next byte begins another.
    ended: bool,
    head: Vec<u8>,
    comment: Vec<u8>,
    meta: Vec<u8>,
    meta_at_line_start: bool,
    tag: Vec<u8>,
    word: Vec<u8>,
    words: usize,
    initials: [u8; 4],
    parens: u32,
    begins: u32,
    /// The strings of E'' are closed and may go on: with escapes or without.
    closed: Closed,
    closed_escapes: bool,
    /// `standard_conforming_strings` is off: backslashes escape in every string.
    backslashes: bool,
    groups: u64,
    after_values: bool,
    rows: u64,
    /// The beginning of the current line of COPY data matches this much of `\.` CR LF; [`NO`] where it does not.
    line: u8,
    odd: Option<&'static str>,
}

/// The current line of COPY data is no end mark.
const NO: u8 = 9;

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            lex: Lex::Normal,
            last: b'\n',
            ended: false,
            head: Vec::new(),
            comment: Vec::new(),
            meta: Vec::new(),
            meta_at_line_start: false,
            tag: Vec::new(),
            word: Vec::new(),
            words: 0,
            initials: [0; 4],
            parens: 0,
            begins: 0,
            closed: Closed::No,
            closed_escapes: false,
            backslashes: false,
            groups: 0,
            after_values: false,
            rows: 0,
            line: 0,
            odd: None,
        }
    }

    /// The statement that has ended, without comments, its `;` and leading space; cut at some length.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }
    /// The comment that has ended, with its `--`.
    pub(crate) fn comment(&self) -> &[u8] {
        &self.comment
    }
    /// The backslash command that has ended, with its backslash.
    pub(crate) fn meta(&self) -> &[u8] {
        &self.meta
    }
    /// Whether the backslash command stands at the start of its line and outside any statement.
    pub(crate) fn meta_stands_alone(&self) -> bool {
        self.meta_at_line_start
    }
    /// Rows since this was last asked: of COPY data, or of the INSERT that has ended.
    pub(crate) fn take_rows(&mut self) -> u64 {
        std::mem::take(&mut self.rows)
    }
    /// What no dump of pg_dump has, and what psql might read otherwise than this scanner does.
    pub(crate) fn odd(&self) -> Option<&'static str> {
        self.odd
    }
    /// Whether these bytes are rows of a COPY.
    pub(crate) fn in_rows(&self) -> bool {
        self.lex == Lex::Copy
    }

    /// Reads until something ends. Returns how many bytes were read, and what has ended; none: all was read.
    pub(crate) fn next(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while at < input.len() {
            let rest = input.get(at..).unwrap_or_default();
            let (read, event) = self.step(rest);
            at += read;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    /// Reads a run of bytes in the current state. May read none where only the state changes, never twice in a row.
    fn step(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        match self.lex {
            Lex::Copy => self.copy(rest),
            Lex::String { escapes, escaped } => (self.string(rest, escapes, escaped), None),
            Lex::Identifier => {
                let end = memchr(b'"', rest);
                if end.is_some() {
                    self.lex = Lex::Normal;
                    self.last = b'"';
                }
                let read = end.map_or(rest.len(), |end| end + 1);
                self.push(rest.get(..read).unwrap_or_default());
                (read, None)
            }
            Lex::LineComment => {
                let end = memchr(b'\n', rest);
                let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                let room = COMMENT.saturating_sub(self.comment.len());
                self.comment.extend_from_slice(text.get(..room).unwrap_or(text));
                let Some(end) = end else { return (rest.len(), None) };
                self.lex = Lex::Normal;
                self.last = b'\n';
                self.space(b'\n');
                (end + 1, self.head.is_empty().then_some(Event::Comment))
            }
            Lex::Meta => {
                let end = memchr(b'\n', rest);
                let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                let room = META.saturating_sub(self.meta.len());
                self.meta.extend_from_slice(text.get(..room).unwrap_or(text));
                let Some(end) = end else { return (rest.len(), None) };
                self.lex = Lex::Normal;
                self.last = b'\n';
                (end + 1, Some(Event::Meta))
            }
            Lex::DollarBody { matched } => (self.dollar_body(rest, matched), None),
            Lex::BlockComment { depth, last } => (self.block_comment(rest, depth, last), None),
            Lex::Normal => self.normal(rest),
            _ => self.single(rest.first().copied().unwrap_or_default()),
        }
    }

    /// The states that one byte decides.
    fn single(&mut self, byte: u8) -> (usize, Option<Event>) {
        match (self.lex, byte) {
            (Lex::Dash, b'-') => {
                self.lex = Lex::LineComment;
                self.comment.clear();
                self.comment.extend_from_slice(b"--");
                (1, None)
            }
            (Lex::Slash, b'*') => {
                self.lex = Lex::BlockComment { depth: 1, last: 0 };
                (1, None)
            }
            (Lex::Dash | Lex::Slash, _) => {
                self.push(if self.lex == Lex::Dash { b"-" } else { b"/" });
                self.closed = Closed::No;
                self.lex = Lex::Normal;
                (0, None)
            }
            (Lex::DollarTag, b'$') => {
                self.tag.push(b'$');
                let tag = std::mem::take(&mut self.tag);
                self.push(&tag);
                self.tag = tag;
                self.lex = Lex::DollarBody { matched: 0 };
                (1, None)
            }
            (Lex::DollarTag, _) => {
                let digit_first = self.tag.len() == 1 && byte.is_ascii_digit();
                if word_byte(byte) && byte != b'$' && !digit_first && self.tag.len() < 256 {
                    self.tag.push(byte);
                    return (1, None);
                }
                // A parameter like $1, or a lone dollar sign.
                let tag = std::mem::take(&mut self.tag);
                self.push(&tag);
                self.last = tag.last().copied().unwrap_or(b'$');
                self.lex = Lex::Normal;
                (0, None)
            }
            (Lex::CopyStart, b'\r') => (1, None),
            (Lex::CopyStart, _) => {
                if byte != b'\n' {
                    self.odd = Some("a COPY with more on its line");
                }
                self.lex = Lex::Copy;
                self.line = 0;
                self.last = b'\n';
                (1, None)
            }
            _ => (1, None),
        }
    }

    /// Text outside strings and comments, up to the next change of state.
    fn normal(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        if self.ended {
            self.begin_statement();
        }
        for (at, &byte) in rest.iter().enumerate() {
            let read = at + 1;
            if word_byte(byte) && (byte != b'$' || word_byte(self.last)) {
                if self.word.len() < 16 && (!self.word.is_empty() || !word_byte(self.last)) && !(self.word.is_empty() && byte.is_ascii_digit()) {
                    self.word.push(byte.to_ascii_lowercase());
                }
                self.closed = Closed::No;
                self.put(byte);
                continue;
            }
            let escape_word = self.word == b"e";
            if !self.word.is_empty() {
                self.word_ended();
            }
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                    self.space(byte);
                    if !self.head.is_empty() {
                        self.put(byte);
                    }
                    self.last = byte;
                    continue;
                }
                b'\'' => {
                    let continued = matches!(self.closed, Closed::Just | Closed::Newline) && self.closed_escapes;
                    let escapes = escape_word || continued || self.backslashes;
                    self.put(byte);
                    self.lex = Lex::String { escapes, escaped: false };
                    return (read, None);
                }
                b'"' => {
                    self.put(byte);
                    self.closed = Closed::No;
                    self.lex = Lex::Identifier;
                    return (read, None);
                }
                b'-' => {
                    self.lex = Lex::Dash;
                    self.last = byte;
                    return (read, None);
                }
                b'/' => {
                    self.lex = Lex::Slash;
                    self.last = byte;
                    return (read, None);
                }
                b'$' => {
                    self.tag.clear();
                    self.tag.push(byte);
                    self.closed = Closed::No;
                    self.lex = Lex::DollarTag;
                    return (read, None);
                }
                b'\\' => {
                    self.meta.clear();
                    self.meta.push(byte);
                    self.meta_at_line_start = self.last == b'\n' && self.head.is_empty();
                    self.lex = Lex::Meta;
                    return (read, None);
                }
                b'(' => {
                    self.groups += u64::from(self.parens == 0 && self.after_values);
                    self.parens += 1;
                }
                b')' => self.parens = self.parens.saturating_sub(1),
                b';' if self.parens == 0 && self.begins == 0 => {
                    self.last = byte;
                    self.closed = Closed::No;
                    self.ended = true;
                    self.end_statement();
                    return (read, Some(Event::Statement));
                }
                _ => {}
            }
            self.closed = Closed::No;
            self.put(byte);
        }
        (rest.len(), None)
    }

    fn begin_statement(&mut self) {
        self.ended = false;
        self.head.clear();
        self.words = 0;
        self.initials = [0; 4];
        self.groups = 0;
        self.after_values = false;
    }

    fn end_statement(&mut self) {
        if starts_with(&self.head, b"COPY ") {
            if ends_with(&self.head, b" FROM stdin") {
                self.lex = Lex::CopyStart;
            } else {
                self.odd = Some("a COPY that pg_dump would not write");
            }
        } else if starts_with(&self.head, b"INSERT INTO ") {
            self.rows = self.groups.max(1);
        } else if starts_with(&self.head, b"SET standard_conforming_strings") {
            self.backslashes = ends_with(&self.head, b"off");
        } else if starts_with(&self.head, b"SET client_encoding") {
            let unsafe_in_ascii = [&b"SJIS"[..], b"BIG5", b"GBK", b"UHC", b"JOHAB", b"GB18030", b"SHIFT_JIS_2004"];
            let encoding: Vec<u8> = self.head.iter().filter(|byte| **byte != b'\'').copied().collect();
            if unsafe_in_ascii.iter().any(|name| ends_with(&encoding, name)) {
                self.odd = Some("an encoding whose characters may hold quotes and backslashes");
            }
        }
    }

    /// What psql does at each word, to know the body of an SQL-standard function from several statements.
    fn word_ended(&mut self) {
        let word = std::mem::take(&mut self.word);
        let counted: [&[u8]; 5] = [b"create", b"function", b"procedure", b"or", b"replace"];
        if let (Some(initial), Some(&first)) = (self.initials.get_mut(self.words), word.first())
            && counted.contains(&word.as_slice())
        {
            *initial = first;
        }
        self.words = self.words.saturating_add(1);
        let routine = matches!(self.initials, [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']);
        if routine && self.parens == 0 {
            match word.as_slice() {
                b"begin" => self.begins += 1,
                b"case" if self.begins > 0 => self.begins += 1,
                b"end" => self.begins = self.begins.saturating_sub(1),
                _ => {}
            }
        }
        if word == b"values" && self.parens == 0 {
            self.after_values = true;
        }
        self.word = word;
        self.word.clear();
    }

    fn string(&mut self, rest: &[u8], escapes: bool, escaped: bool) -> usize {
        let mut from = 0;
        if escaped {
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

    fn dollar_body(&mut self, rest: &[u8], mut matched: usize) -> usize {
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

    fn block_comment(&mut self, rest: &[u8], mut depth: u32, mut last: u8) -> usize {
        for (at, &byte) in rest.iter().enumerate() {
            match (last, byte) {
                (b'/', b'*') => {
                    depth += 1;
                    last = 0;
                    continue;
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
                    continue;
                }
                _ => last = byte,
            }
        }
        self.lex = Lex::BlockComment { depth, last };
        rest.len()
    }

    /// Rows of a COPY: one a line, until a line that is `\.` alone.
    fn copy(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
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

    fn space(&mut self, byte: u8) {
        self.closed = match self.closed {
            Closed::No => Closed::No,
            Closed::Newline => Closed::Newline,
            _ if byte == b'\n' || byte == b'\r' => Closed::Newline,
            _ => Closed::Space,
        };
    }

    /// Adds bytes of the statement to its head.
    fn push(&mut self, bytes: &[u8]) {
        let limit = if self.head.starts_with(b"COPY ") { COPY_HEAD } else { HEAD };
        let room = limit.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn put(&mut self, byte: u8) {
        self.last = byte;
        if self.head.len() < HEAD {
            self.head.push(byte);
        } else {
            self.push(&[byte]);
        }
    }
}

/// Bytes of identifiers and numbers; those above ASCII are letters to PostgreSQL.
fn word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn starts_with(head: &[u8], prefix: &[u8]) -> bool {
    head.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn ends_with(head: &[u8], suffix: &[u8]) -> bool {
    let head = head.trim_ascii_end();
    head.len().checked_sub(suffix.len()).and_then(|at| head.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that ends in a script, in chunks of a size.
    fn events(script: &[u8], size: usize) -> Vec<String> {
        let mut scanner = Scanner::new();
        let mut seen = Vec::new();
        for chunk in script.chunks(size) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (read, event) = scanner.next(rest);
                rest = &rest[read..];
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                match event {
                    Some(Event::Statement) => seen.push(format!("S {} {}", text(scanner.head()), scanner.take_rows())),
                    Some(Event::Comment) => seen.push(format!("C {}", text(scanner.comment()))),
                    Some(Event::Meta) => seen.push(format!("M {} {}", text(scanner.meta()), scanner.meta_stands_alone())),
                    Some(Event::Rows) => seen.push(format!("R {}", scanner.take_rows())),
                    None => {}
                }
            }
        }
        seen
    }

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        for size in 1..=script.len() {
            assert_eq!(events(script.as_bytes(), size), expected, "chunks of {size}");
        }
    }

    #[test]
    fn strings_comments_and_quotes() {
        check("SELECT 'a;''b';\n-- c;\nSELECT \"x;\"\"\", 1-1, 4/2;\n", &["S SELECT 'a;''b' 0", "C -- c;", "S SELECT \"x;\"\"\", 1-1, 4/2 0"]);
        check("SELECT E'\\';' /* ; /* ' */ ; */;SELECT 1;\n", &["S SELECT E'\\';'  0", "S SELECT 1 0"]);
        check("SELECT E'a'\n'\\'; \\!';\n", &["S SELECT E'a'\n'\\'; \\!' 0"]);
        check("SELECT 'a\\'; \\! x\n", &["S SELECT 'a\\' 0", "M \\! x false"]);
        check("SET standard_conforming_strings = off;\nSELECT 'a\\'; \\! x';\n", &["S SET standard_conforming_strings = off 0", "S SELECT 'a\\'; \\! x' 0"]);
        check("DO $a$ ; $b$ $ $a $a$;\nSELECT $1; SELECT a$b$c;\n", &["S DO $a$...$ 0", "S SELECT $1 0", "S SELECT a$b$c 0"]);
    }

    #[test]
    fn bodies() {
        check("CREATE RULE r DO (SELECT 1; SELECT 2);SELECT 3;", &["S CREATE RULE r DO (SELECT 1; SELECT 2) 0", "S SELECT 3 0"]);
        check(
            "CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 1; END;SELECT 2;",
            &["S CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 1; END 0", "S SELECT 2 0"],
        );
    }

    #[test]
    fn rows() {
        check("COPY t (a) FROM stdin;\n1\n\\\\.\n\n;'\n\\.\n\nSELECT 1;", &["S COPY t (a) FROM stdin 0", "R 4", "S SELECT 1 0"]);
        check("COPY t FROM stdin;\n\\.\n\\.x\n", &["S COPY t FROM stdin 0", "R 0", "M \\.x true"]);
        check("COPY t FROM stdin;\n\\.x\n\\\n\\.\r\n\\! x\n", &["S COPY t FROM stdin 0", "R 2", "M \\! x true"]);
        check("INSERT INTO t VALUES (1, '(', (2));\n", &["S INSERT INTO t VALUES (1, '(', (2)) 1"]);
        check("INSERT INTO t (values, b) VALUES\n\t(1),\n\t(2);\n", &["S INSERT INTO t (values, b) VALUES\n\t(1),\n\t(2) 2"]);
        check("INSERT INTO t DEFAULT VALUES;\n", &["S INSERT INTO t DEFAULT VALUES 1"]);
    }

    #[test]
    fn oddities() {
        let odd = |script: &str| {
            let mut scanner = Scanner::new();
            let mut rest = script.as_bytes();
            while !rest.is_empty() {
                let (read, _) = scanner.next(rest);
                rest = &rest[read..];
            }
            scanner.odd().is_some()
        };
        assert!(!odd("COPY t FROM stdin;\n1\n\\.\n"));
        assert!(odd("COPY t FROM stdin; SELECT '\n"));
        assert!(odd("copy t from program 'rm';"));
        assert!(odd("SET client_encoding = 'SJIS';"));
    }
}
