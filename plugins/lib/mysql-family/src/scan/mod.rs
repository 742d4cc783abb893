//! Where statements, comments and rows begin and end in a dump.
//!
//! The dump is read as the client reads its input (add_line in client/mysql.cc): strings with backslashes and doubled
//! quotes, names in backticks, comments of all kinds, executable ones (`/*!50003 ... */`, `/*M!100616 ... */`), and `DELIMITER` lines
//! around what has statements inside. Nothing but strings and brackets matters in the values of an INSERT, which are nearly
//! all of a dump: they are skipped through in `values`.

#[cfg(test)]
mod tests;
mod values;

use memchr::{memchr, memchr2};

/// What has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A statement, by its delimiter: see [`Scanner::head`].
    Statement,
    /// The head of an INSERT, by the bracket of its first row. Its [`Event::Statement`] follows.
    Values,
    /// A `--` or `#` comment between statements, by its newline: see [`Scanner::comment`].
    Comment,
    /// A `DELIMITER` line, by its newline.
    Delimiter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lex {
    Normal,
    Dash,
    Dashes,
    Slash,
    /// Behind `/*`, where it may yet become an executable comment: `!`, `M!`, and the digits of a version.
    Opened(Open),
    /// In an executable comment, behind a star.
    Star,
    LineComment,
    BlockComment {
        star: bool,
    },
    Quoted {
        quote: u8,
        escaped: bool,
    },
    DelimiterLine,
    Values,
    ValuesQuoted {
        quote: u8,
        escaped: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Maria,
    Version(u32),
}

/// More of a statement is not kept.
const HEAD: usize = 4096;
const COMMENT: usize = 1024;
const DELIMITER: &[u8] = b"delimiter";
/// What mariadb-dump writes into its first line is for no server, but for its own client: `/*M!999999\- enable the sandbox mode */`.
const NO_SERVER: u32 = 999_999;

/// Reads a dump piece by piece; piece borders mean nothing. Memory is bounded.
#[derive(Debug)]
pub struct Scanner {
    lex: Lex,
    head: Vec<u8>,
    comment: Vec<u8>,
    delimiter: Vec<u8>,
    /// This much of the delimiter was read.
    matched: usize,
    /// The statement has ended; the next byte begins another.
    ended: bool,
    /// Nothing of the current statement was read yet, not even an executable comment.
    empty: bool,
    /// In an executable comment.
    executable: bool,
    /// The statement began with an executable comment.
    began_executable: bool,
    word: Vec<u8>,
    rows: u64,
    /// The server takes backslashes in strings as they are (sql_mode NO_BACKSLASH_ESCAPES).
    plain_backslashes: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            lex: Lex::Normal,
            head: Vec::new(),
            comment: Vec::new(),
            delimiter: b";".to_vec(),
            matched: 0,
            ended: false,
            empty: true,
            executable: false,
            began_executable: false,
            word: Vec::new(),
            rows: 0,
            plain_backslashes: false,
        }
    }
}

impl Scanner {
    /// The statement that has ended: without comments, the marks of executable ones and its delimiter, with single spaces, cut
    /// at some length.
    pub fn head(&self) -> &[u8] {
        self.head.trim_ascii_end()
    }

    /// Whether the statement began with an executable comment.
    pub fn began_executable(&self) -> bool {
        self.began_executable
    }

    /// The comment that has ended, with its marks, cut at some length.
    pub fn comment(&self) -> &[u8] {
        &self.comment
    }

    /// The rows of the INSERT that has ended.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Neither a statement nor a comment is begun.
    pub fn at_rest(&self) -> bool {
        self.lex == Lex::Normal && (self.ended || self.empty)
    }

    /// Reads until something ends. Returns how many bytes were read, and what has ended; none: all was read.
    pub fn next(&mut self, input: &[u8]) -> (usize, Option<Event>) {
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

    /// Reads at least one byte, or changes its state so that the next step does.
    fn step(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let first = rest.first().copied().unwrap_or_default();
        match self.lex {
            Lex::Values | Lex::ValuesQuoted { .. } => return self.values(rest),
            Lex::Normal => return self.normal(rest),
            Lex::Quoted { quote, escaped } => return (self.quoted(rest, quote, escaped), None),
            Lex::LineComment => return self.line_comment(rest),
            Lex::BlockComment { star } => return (self.block_comment(rest, star), None),
            Lex::DelimiterLine => return self.delimiter_line(rest),
            Lex::Dash if first == b'-' => self.lex = Lex::Dashes,
            Lex::Dashes if first.is_ascii_whitespace() || first.is_ascii_control() => {
                self.begin_line_comment(b"--");
                // Its newline may be this very byte.
                return (0, None);
            }
            Lex::Dash | Lex::Dashes => {
                let dashes: &[u8] = if self.lex == Lex::Dash { b"-" } else { b"--" };
                self.lex = Lex::Normal;
                self.put_all(dashes);
                return (0, None);
            }
            Lex::Slash if first == b'*' => self.lex = Lex::Opened(Open::Nothing),
            Lex::Slash => {
                self.lex = Lex::Normal;
                self.put(b'/');
                return (0, None);
            }
            Lex::Opened(open) => return (self.opened(first, open), None),
            Lex::Star if first == b'/' => {
                self.lex = Lex::Normal;
                self.executable = false;
                self.space();
            }
            Lex::Star => {
                self.lex = Lex::Normal;
                self.put(b'*');
                return (0, None);
            }
        }
        (1, None)
    }

    fn begin(&mut self) {
        if self.ended {
            self.ended = false;
            self.empty = true;
            self.executable = false;
            self.began_executable = false;
            self.head.clear();
            self.word.clear();
            self.rows = 0;
        }
    }

    fn normal(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        self.begin();
        for (at, &byte) in rest.iter().enumerate() {
            let read = at + 1;
            if self.delimiter.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.delimiter.len() {
                    self.matched = 0;
                    return (read, self.end_statement());
                }
                continue;
            }
            if self.matched > 0 {
                let unmatched = self.delimiter.get(..self.matched).unwrap_or_default().to_vec();
                self.matched = 0;
                self.put_all(&unmatched);
            }
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | b'@' | 0x80.. => self.letter(byte),
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                    if !self.executable
                        && self.word.eq_ignore_ascii_case(DELIMITER)
                        && self.head.len() == DELIMITER.len()
                    {
                        self.lex = Lex::DelimiterLine;
                        self.comment.clear();
                        return (at, None);
                    }
                    self.space();
                }
                b'\'' | b'"' | b'`' => {
                    self.put(byte);
                    self.lex = Lex::Quoted { quote: byte, escaped: false };
                    return (read, None);
                }
                b'-' => {
                    self.lex = Lex::Dash;
                    return (read, None);
                }
                b'/' => {
                    self.lex = Lex::Slash;
                    return (read, None);
                }
                b'#' => {
                    self.begin_line_comment(b"#");
                    return (read, None);
                }
                b'*' if self.executable => {
                    self.lex = Lex::Star;
                    return (read, None);
                }
                b'(' if self.is_row() => {
                    self.put(byte);
                    self.rows = 1;
                    self.lex = Lex::Values;
                    return (read, Some(Event::Values));
                }
                _ => self.put(byte),
            }
        }
        (rest.len(), None)
    }

    /// An INSERT has come to its first row. Only outside of routines, whose delimiter is another.
    fn is_row(&self) -> bool {
        self.delimiter == b";"
            && self.word.eq_ignore_ascii_case(b"VALUES")
            && !self.executable
            && (self.head.starts_with(b"INSERT") || self.head.starts_with(b"REPLACE"))
    }

    fn end_statement(&mut self) -> Option<Event> {
        if self.empty {
            return None;
        }
        self.ended = true;
        // `SET sql_mode = '...'`, which stands before each routine, and again behind it.
        let words = self.head.get(..12).unwrap_or_default();
        if words.eq_ignore_ascii_case(b"SET sql_mode") {
            let text = self.head.to_ascii_uppercase();
            self.plain_backslashes = memchr::memmem::find(&text, b"NO_BACKSLASH_ESCAPES").is_some();
        }
        Some(Event::Statement)
    }

    fn quoted(&mut self, rest: &[u8], quote: u8, escaped: bool) -> usize {
        let from = usize::from(escaped);
        let tail = rest.get(from..).unwrap_or_default();
        let escapes = quote != b'`' && !self.plain_backslashes;
        let found = if escapes { memchr2(quote, b'\\', tail) } else { memchr(quote, tail) };
        let read = found.map_or(rest.len(), |at| from + at + 1);
        self.push(rest.get(..read).unwrap_or_default());
        self.lex = match found.and_then(|at| tail.get(at)) {
            Some(b'\\') if escapes => Lex::Quoted { quote, escaped: true },
            // A doubled quote closes and opens again, which comes to the same.
            Some(_) => Lex::Normal,
            None => Lex::Quoted { quote, escaped: false },
        };
        read
    }

    fn opened(&mut self, byte: u8, open: Open) -> usize {
        let digit = char::from(byte).to_digit(10);
        self.lex = match (open, byte, digit) {
            (Open::Nothing | Open::Maria, b'!', _) => Lex::Opened(Open::Version(0)),
            (Open::Nothing, b'M', _) => Lex::Opened(Open::Maria),
            (Open::Version(version), _, Some(digit)) => {
                Lex::Opened(Open::Version(version.saturating_mul(10).saturating_add(digit)))
            }
            (Open::Version(NO_SERVER) | Open::Nothing | Open::Maria, ..) => Lex::BlockComment { star: false },
            (Open::Version(_), ..) => {
                self.executable = true;
                self.began_executable |= self.empty;
                self.empty = false;
                Lex::Normal
            }
        };
        // What decided belongs to what comes.
        usize::from(matches!(self.lex, Lex::Opened(_)))
    }

    fn block_comment(&mut self, rest: &[u8], star: bool) -> usize {
        if star && rest.first() == Some(&b'/') {
            self.lex = Lex::Normal;
            self.space();
            return 1;
        }
        let found = memchr(b'*', rest);
        self.lex = Lex::BlockComment { star: found.is_some() };
        found.map_or(rest.len(), |at| at + 1)
    }

    fn begin_line_comment(&mut self, mark: &[u8]) {
        self.lex = Lex::LineComment;
        self.comment.clear();
        self.comment.extend_from_slice(mark);
    }

    fn line_comment(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let found = memchr(b'\n', rest);
        let text = rest.get(..found.unwrap_or(rest.len())).unwrap_or_default();
        let room = COMMENT.saturating_sub(self.comment.len());
        self.comment.extend_from_slice(text.get(..room).unwrap_or(text));
        let Some(at) = found else {
            return (rest.len(), None);
        };
        self.lex = Lex::Normal;
        self.space();
        (at + 1, self.empty.then_some(Event::Comment))
    }

    /// The rest of a line that begins with `DELIMITER`: its first word is what ends statements from now on.
    fn delimiter_line(&mut self, rest: &[u8]) -> (usize, Option<Event>) {
        let (read, event) = self.line_comment(rest);
        if self.lex != Lex::Normal {
            self.lex = Lex::DelimiterLine;
            return (read, None);
        }
        debug_assert!(event.is_none(), "the word itself was read as a statement's");
        let word = self.comment.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        if let Some(word) = word {
            self.delimiter = word.to_vec();
        }
        self.ended = true;
        self.begin();
        (read, Some(Event::Delimiter))
    }

    /// A byte of a word. Words are what VALUES and DELIMITER are told by.
    fn letter(&mut self, byte: u8) {
        self.empty = false;
        if self.head.last().is_none_or(|last| !is_letter(*last)) {
            self.word.clear();
        }
        if self.word.len() <= DELIMITER.len() {
            self.word.push(byte);
        }
        if self.head.len() < HEAD {
            self.head.push(byte);
        } else if let Some(last) = self.head.last_mut() {
            // So that the next byte knows what came before it.
            *last = byte;
        }
    }

    fn space(&mut self) {
        if !self.head.is_empty() && self.head.last() != Some(&b' ') {
            if self.head.len() < HEAD {
                self.head.push(b' ');
            } else if let Some(last) = self.head.last_mut() {
                *last = b' ';
            }
        }
    }

    /// A byte that is none of a word, a space or a quoted text.
    fn put(&mut self, byte: u8) {
        self.empty = false;
        self.word.clear();
        if self.head.len() < HEAD {
            self.head.push(byte);
        } else if let Some(last) = self.head.last_mut() {
            *last = byte;
        }
    }

    fn put_all(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(byte);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_$@".contains(&byte) || byte >= 0x80
}
