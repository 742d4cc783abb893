//! A dump: the server's own answers to `stats`, to an `mg` for each key, and to a last `mn` (doc/protocol.txt in memcached, "Meta
//! Commands"). `MN` is its end mark.

use memchr::memchr;
use planb_sdk::Failure;

/// What passes. Bytes of a value come in pieces.
pub(crate) trait Visitor {
    fn stat(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure>;
    fn item(&mut self, item: &Item<'_>) -> Result<(), Failure>;
    fn value(&mut self, bytes: &[u8]);
    fn item_end(&mut self);
    /// A key whose item was gone by the time it was asked for.
    fn miss(&mut self);
}

/// The head of an item: `VA 10 kmovies:1 f7 t-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) bytes: u64,
    /// As it stands in commands.
    pub(crate) key: &'a [u8],
    /// It is base64.
    pub(crate) base64: bool,
    pub(crate) flags: u32,
    /// Seconds that are left. None: it does not expire.
    pub(crate) left: Option<u64>,
}

impl<'a> Item<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let bytes = number(words.next()?)?;
        let (mut key, mut base64, mut flags, mut left) = (None, false, 0, None);
        for word in words {
            match word.split_first()? {
                (b'k', rest) => key = Some(rest),
                (b'b', []) => base64 = true,
                (b'f', rest) => flags = u32::try_from(number(rest)?).ok()?,
                (b't', b"-1") => left = None,
                (b't', rest) => left = Some(number(rest)?),
                _ => {}
            }
        }
        // Longer keys there are none, and a space or a line's end would make another command of it.
        let key =
            key.filter(|key| (1..=250).contains(&key.len()) && key.iter().all(|byte| *byte > b' ' && *byte != 127))?;
        Some(Self { bytes, key, base64, flags, left })
    }
}

pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the statistics, which come first.
    Stats,
    Items,
    /// So many bytes of a value are left.
    Value(u64),
    /// The line's end behind a value.
    ValueEnd,
    Ended,
}

/// No line of the format is longer.
const LINE: usize = 4096;

#[derive(Debug)]
pub(crate) struct Reader<V> {
    pub(crate) visitor: V,
    state: State,
    line: Vec<u8>,
    broken: Option<String>,
}

impl<V: Visitor> Reader<V> {
    pub(crate) fn new(visitor: V) -> Self {
        Self { visitor, state: State::Stats, line: Vec::new(), broken: None }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        if let Some(what) = &self.broken {
            return Err(Failure::damaged(what.clone()));
        }
        let fed = self.read(chunk);
        if let Err(failure) = &fed {
            self.broken = Some(failure.message.clone());
        }
        fed
    }

    /// The end mark was there, and nothing is wrong.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        match (&self.broken, self.state) {
            (Some(what), _) => Err(Failure::damaged(what.clone())),
            (None, State::Ended) if self.line.is_empty() => Ok(()),
            (None, State::Ended) => Err(Failure::damaged("the dump goes on behind the server's last answer")),
            (None, _) => Err(Failure::damaged("the dump ends before the server's last answer")),
        }
    }

    fn read(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        let mut rest = chunk;
        while !rest.is_empty() {
            if let State::Value(left) = self.state {
                let here = rest.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(rest);
                self.visitor.value(here);
                rest = rest.get(here.len()..).unwrap_or_default();
                let left = left - here.len() as u64;
                self.state = if left > 0 { State::Value(left) } else { State::ValueEnd };
                continue;
            }
            let end = memchr(b'\n', rest);
            let (piece, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = behind;
            if self.line.len() + piece.len() > LINE {
                return Err(Failure::damaged("the dump has a line that is none of memcached's"));
            }
            if end.is_none() {
                self.line.extend_from_slice(piece);
            } else if self.line.is_empty() {
                self.line(piece)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.line(&line)?;
                line.clear();
                self.line = line;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let text = line.strip_suffix(b"\r\n").ok_or_else(|| unexpected(line))?;
        match (self.state, text) {
            (State::Stats, b"END") => self.state = State::Items,
            (State::Stats, _) => {
                let stat = text.strip_prefix(b"STAT ").ok_or_else(|| unexpected(text))?;
                let space = memchr(b' ', stat).unwrap_or(stat.len());
                let (name, value) = stat.split_at(space);
                self.visitor.stat(name, value.trim_ascii())?;
            }
            (State::Items, b"MN") => self.state = State::Ended,
            (State::Items, _) if text == b"EN" || text.starts_with(b"EN ") => self.visitor.miss(),
            (State::Items, _) => {
                let item = text.strip_prefix(b"VA ").and_then(Item::parse).ok_or_else(|| unexpected(text))?;
                self.visitor.item(&item)?;
                self.state = if item.bytes > 0 { State::Value(item.bytes) } else { State::ValueEnd };
            }
            (State::ValueEnd, b"") => {
                self.visitor.item_end();
                self.state = State::Items;
            }
            _ => return Err(unexpected(text)),
        }
        Ok(())
    }
}

/// An answer that does not belong there: where a server runs out of memory it says so in place of a value.
fn unexpected(line: &[u8]) -> Failure {
    let line = line.get(..120).unwrap_or(line).escape_ascii();
    Failure::damaged(format!("the dump holds an answer of the server that is no item: {line}"))
}
