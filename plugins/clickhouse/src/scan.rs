//! Where statements, strings and rows begin and end, in what `clickhouse-client` printed for a backup.
//!
//! A dump holds statements, each ended by `;` and a line break, and the rows of tables in the format Values: `(1,'a'),(2,'b')`.
//! In rows only single quotes mean anything, with backslashes as escapes. Outside of quotes the server prints neither comments
//! nor anything but ASCII, and so neither is taken: what a newer client calls a comment, a heredoc or a quote of its own
//! can hide nothing.

use memchr::memchr2;

/// So much of a statement is kept.
const HEAD: usize = 64 * 1024;

/// What was come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The rows of an INSERT begin; `head` is all before them.
    Rows,
    /// A statement has ended, with its line.
    Statement,
    /// Nothing that this engine writes; what follows is not looked at.
    Bad(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lex {
    /// Inside a statement, or before one.
    Normal,
    /// After one of `-` and `/`, which may begin a comment.
    Maybe(u8),
    Quoted(u8),
    /// After a backslash in such quotes.
    Escape(u8),
    /// Between rows.
    Between,
    /// In a row, in as many parentheses.
    Row(u32),
    RowString(u32),
    RowEscape(u32),
    /// After `;`.
    Ended,
    Bad,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    lex: Lex,
    head: Vec<u8>,
    rows: u64,
    /// A statement has ended with the last byte.
    rested: bool,
}

impl Scanner {
    /// For a script.
    pub(crate) fn script() -> Self {
        Self { lex: Lex::Normal, head: Vec::new(), rows: 0, rested: false }
    }

    /// For a file of rows.
    pub(crate) fn rows_only() -> Self {
        Self { lex: Lex::Between, head: Vec::new(), rows: 0, rested: false }
    }

    /// The beginning of the statement, without its rows.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The rows of the statement so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// A statement has ended, and nothing was begun since.
    pub(crate) fn at_rest(&self) -> bool {
        self.rested
    }

    /// The rows of an INSERT were come to, and at least one has begun.
    pub(crate) fn in_row(&self) -> bool {
        self.rows > 0 || matches!(self.lex, Lex::Row(_) | Lex::RowString(_) | Lex::RowEscape(_))
    }

    /// Reads up to the next event, and says how many bytes that were.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        if self.rested && !bytes.is_empty() {
            self.head.clear();
            self.rows = 0;
            self.rested = false;
            self.lex = Lex::Normal;
        }
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Lex::Row(depth) = self.lex {
                at += self.row(bytes.get(at..).unwrap_or_default(), depth);
                continue;
            }
            if let Lex::RowString(depth) = self.lex {
                let rest = bytes.get(at..).unwrap_or_default();
                let Some(end) = memchr2(b'\'', b'\\', rest) else {
                    return (bytes.len(), None);
                };
                self.lex = if rest.get(end) == Some(&b'\'') { Lex::Row(depth) } else { Lex::RowEscape(depth) };
                at += end + 1;
                continue;
            }
            at += 1;
            if let Some(event) = self.step(byte) {
                return (at, Some(event));
            }
        }
        (bytes.len(), None)
    }

    /// Reads inside a row, up to a string or the row's end.
    fn row(&mut self, bytes: &[u8], mut depth: u32) -> usize {
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'\'' => {
                    self.lex = Lex::RowString(depth);
                    return at + 1;
                }
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        self.rows += 1;
                        self.lex = Lex::Between;
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        self.lex = Lex::Row(depth);
        bytes.len()
    }

    fn step(&mut self, byte: u8) -> Option<Event> {
        match self.lex {
            Lex::Normal | Lex::Maybe(_) => return self.normal(byte),
            Lex::Quoted(quote) => {
                self.put(byte);
                if byte == quote {
                    self.lex = Lex::Normal;
                } else if byte == b'\\' {
                    self.lex = Lex::Escape(quote);
                }
            }
            Lex::Escape(quote) => {
                self.put(byte);
                self.lex = Lex::Quoted(quote);
            }
            Lex::Between => match byte {
                b'(' => self.lex = Lex::Row(1),
                b';' => self.lex = Lex::Ended,
                b',' | b' ' | b'\n' => {}
                _ => return Some(self.bad("something other than rows stands between rows")),
            },
            Lex::RowEscape(depth) => self.lex = Lex::RowString(depth),
            Lex::Ended => {
                if byte != b'\n' {
                    return Some(self.bad("a statement does not end with its line"));
                }
                self.rested = true;
                return Some(Event::Statement);
            }
            Lex::Row(_) | Lex::RowString(_) | Lex::Bad => {}
        }
        None
    }

    fn normal(&mut self, byte: u8) -> Option<Event> {
        let before = std::mem::replace(&mut self.lex, Lex::Normal);
        match (before, byte) {
            (Lex::Maybe(b'-'), b'-') | (Lex::Maybe(b'/'), b'*') | (_, b'#') => {
                return Some(self.bad("there is a comment in it"));
            }
            (_, b'$' | 0x80..) => return Some(self.bad("there are characters outside of quotes that no name has")),
            (_, b'\'' | b'"' | b'`') => self.lex = Lex::Quoted(byte),
            (_, b'-' | b'/') => self.lex = Lex::Maybe(byte),
            (_, b';') => {
                self.lex = Lex::Ended;
                return None;
            }
            _ => {}
        }
        self.put(byte);
        if byte == b' ' && self.head.ends_with(b" VALUES ") && self.head.starts_with(b"INSERT INTO ") {
            self.lex = Lex::Between;
            return Some(Event::Rows);
        }
        None
    }

    fn bad(&mut self, why: &'static str) -> Event {
        self.lex = Lex::Bad;
        Event::Bad(why)
    }

    fn put(&mut self, byte: u8) {
        if self.head.len() < HEAD {
            self.head.push(byte);
        }
    }
}

/// What a statement of a dump does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    Create {
        kind: &'static str,
        name: String,
    },
    Insert(String),
    /// It says that a table is empty.
    NoRows(String),
    /// The dump is whole, and makes so many objects.
    End(usize),
    Other,
}

impl Statement {
    /// Reads a statement's beginning.
    pub(crate) fn read(head: &[u8]) -> Self {
        let made = [
            ("CREATE TABLE ", "table"),
            ("CREATE VIEW ", "view"),
            ("CREATE MATERIALIZED VIEW ", "materialized-view"),
            ("CREATE LIVE VIEW ", "view"),
            ("CREATE WINDOW VIEW ", "view"),
            ("CREATE DICTIONARY ", "dictionary"),
        ];
        for (prefix, kind) in made {
            if let Some((name, rest)) = head.strip_prefix(prefix.as_bytes()).and_then(name) {
                // With its database it would be made there, wherever the dump is restored.
                return if rest.starts_with(b".") { Self::Other } else { Self::Create { kind, name } };
            }
        }
        if let Some((name, rest)) = head.strip_prefix(b"INSERT INTO ").and_then(name) {
            return if rest == b" VALUES " { Self::Insert(name) } else { Self::Other };
        }
        if let Some((name, rest)) = head.strip_prefix(b"SELECT 'planb: no rows', ").and_then(name) {
            return if rest.is_empty() { Self::NoRows(name) } else { Self::Other };
        }
        let count = head.strip_prefix(b"SELECT 'planb: end of the dump', ").and_then(|rest| str::from_utf8(rest).ok());
        count.and_then(|count| count.parse().ok()).map_or(Self::Other, Self::End)
    }
}

/// A name, bare or in quotes, and what follows it.
pub(crate) fn name(text: &[u8]) -> Option<(String, &[u8])> {
    let first = *text.first()?;
    if !matches!(first, b'`' | b'\'' | b'"') {
        let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        return (!name.is_empty()).then(|| (String::from_utf8_lossy(name).into_owned(), rest));
    }
    let mut out = Vec::new();
    let mut rest = text.get(1..)?;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == first {
            return Some((String::from_utf8_lossy(&out).into_owned(), rest));
        }
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        out.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'b' => 8,
            b'f' => 12,
            other => other,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &[u8], size: usize) -> Vec<String> {
        let mut scanner = Scanner::script();
        let mut seen = Vec::new();
        for chunk in text.chunks(size) {
            let mut rest = chunk;
            while !rest.is_empty() {
                let (read, event) = scanner.next(rest);
                rest = &rest[read..];
                match event {
                    Some(Event::Statement) => {
                        seen.push(format!("{}={}", String::from_utf8_lossy(scanner.head()), scanner.rows()));
                    }
                    Some(Event::Bad(why)) => seen.push(why.to_owned()),
                    Some(Event::Rows) | None => {}
                }
            }
        }
        seen
    }

    #[test]
    fn statements_and_rows() {
        let text = b"CREATE TABLE a ( b Enum8('x\\';(' = -1)) ENGINE = Log;\nINSERT INTO `a` VALUES (1,'a\\');',[(2,3)]),(-1,'--')\n,(2,'\n;');\nINSERT INTO `a VALUES ` VALUES ;\nSELECT 'x', 3;\n";
        for size in 1..=text.len() {
            assert_eq!(
                events(text, size),
                [
                    "CREATE TABLE a ( b Enum8('x\\';(' = -1)) ENGINE = Log=0",
                    "INSERT INTO `a` VALUES =3",
                    "INSERT INTO `a VALUES ` VALUES =0",
                    "SELECT 'x', 3=0"
                ],
                "chunks of {size}"
            );
        }
    }

    #[test]
    fn nothing_is_hidden() {
        for text in [
            "CREATE TABLE a /* ' */; DROP TABLE b; /* ' */;\n",
            "CREATE TABLE a -- '\n; DROP TABLE b;\n",
            "CREATE TABLE a # x\n",
            "CREATE TABLE a $x$;DROP TABLE b;$x$\n",
            "CREATE TABLE a “x\n",
            "INSERT INTO `a` VALUES (1);DROP TABLE b;\n",
            "INSERT INTO `a` VALUES (1) DROP TABLE b;\n",
            "SELECT 1; DROP TABLE b;\n",
        ] {
            assert_eq!(events(text.as_bytes(), 3).len(), 1, "{text}");
            assert!(!events(text.as_bytes(), 3)[0].contains('='), "{text}");
        }
    }

    #[test]
    fn what_statements_do() {
        let create = |kind, name: &str| Statement::Create { kind, name: name.to_owned() };
        for (head, statement) in [
            ("CREATE TABLE movies ( id", create("table", "movies")),
            ("CREATE TABLE `odd \\`na.me\"'` (", create("table", "odd `na.me\"'")),
            ("CREATE MATERIALIZED VIEW mv TO shop.x (", create("materialized-view", "mv")),
            ("CREATE TABLE shop.movies (", Statement::Other),
            ("CREATE DICTIONARY d (", create("dictionary", "d")),
            ("INSERT INTO `a` VALUES ", Statement::Insert("a".to_owned())),
            ("INSERT INTO FUNCTION url('x') VALUES ", Statement::Other),
            ("INSERT INTO a SELECT 1", Statement::Other),
            ("SELECT 'planb: no rows', 'o\\'dd'", Statement::NoRows("o'dd".to_owned())),
            ("SELECT 'planb: end of the dump', 12", Statement::End(12)),
            ("SELECT 1 INTO OUTFILE '/x'", Statement::Other),
            ("SELECT 'planb: end of the dump', 12 INTO OUTFILE '/x'", Statement::Other),
            ("DROP TABLE x", Statement::Other),
        ] {
            assert_eq!(Statement::read(head.as_bytes()), statement, "{head}");
        }
    }
}
