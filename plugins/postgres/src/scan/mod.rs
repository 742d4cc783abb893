//! Where statements, strings, comments and rows begin and end in a plain dump.
//!
//! The dump is read as psql reads it (src/fe_utils/psqlscan.l, src/bin/psql/copy.c), since what counts as a statement, a
//! meta-command or a row is what psql takes for one: nested comments, strings with and without backslashes and their
//! continuation on a later line, dollar quotes, parentheses, the bodies of SQL-standard functions, rows of COPY.

mod spans;
#[cfg(test)]
mod tests;

use memchr::memchr;

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

    /// Whether the next byte is the first of a statement, and strings have no backslashes that escape.
    pub(crate) fn between_statements(&self) -> bool {
        self.lex == Lex::Normal && self.ended && self.parens == 0 && self.begins == 0 && !self.backslashes
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
                let Some(end) = end else {
                    return (rest.len(), None);
                };
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
                let Some(end) = end else {
                    return (rest.len(), None);
                };
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
                // A word begins where none goes on, and not with a digit.
                let goes_on = !self.word.is_empty() || !(word_byte(self.last) || byte.is_ascii_digit());
                if goes_on && self.word.len() < 16 {
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
    head.len()
        .checked_sub(suffix.len())
        .and_then(|at| head.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}
