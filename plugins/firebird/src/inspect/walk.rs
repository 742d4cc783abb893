//! A walk along the records of a backup, whose end is one of them.

use std::collections::BTreeMap;

use super::format::{self as f, long_attributes};

/// More names than this are not kept.
const OBJECTS: usize = 500_000;

/// How the walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// At the end record, with this many bytes after it.
    Seen(u64),
    Missing,
    /// At something unknown.
    Unknown(String),
}

/// What the next byte is.
#[derive(Debug, Clone, Copy)]
enum State {
    Record,
    Attribute,
    /// The length of an attribute's value.
    Length,
    /// Bytes of an attribute's value, of which so many are missing.
    Value(u8),
    /// Bytes of a number of the row's, the array's or the message's own, of which so many are missing.
    Number(u8),
    /// Nothing that matters here, so many bytes of it.
    Skip(u64),
    /// A row in runs, of which so many bytes are missing: a count and as many bytes, or a negative count and one byte.
    Packed(u64),
    /// The bytes of a run, and what is missing of the row after them.
    Run(u64, u64),
    End,
    Stuck,
}

/// The walk so far.
#[derive(Debug)]
pub(super) struct Walker {
    state: State,
    record: u8,
    attribute: u8,
    value: Vec<u8>,
    compress: bool,
    transportable: bool,
    packed: bool,
    /// Of the row under way.
    length: u64,
    /// Segments of the blob under way that are still to come.
    segments: u64,
    /// A relation and its rows, until its end.
    relation: Option<String>,
    rows: u64,
    objects: BTreeMap<(&'static str, String), u64>,
    /// The kind of each relation, for its rows.
    kinds: BTreeMap<String, &'static str>,
    after: u64,
    started: bool,
    stuck: String,
}

impl Walker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Record,
            record: f::END,
            attribute: 0,
            value: Vec::new(),
            compress: false,
            transportable: false,
            packed: false,
            length: 0,
            segments: 0,
            relation: None,
            rows: 0,
            objects: BTreeMap::new(),
            kinds: BTreeMap::new(),
            after: 0,
            started: false,
            stuck: String::new(),
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&byte, tail)) = rest.split_first() {
            self.state = match self.state {
                State::Skip(length) | State::Run(length, _) => {
                    let here = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(here..).unwrap_or_default();
                    let left = length - here as u64;
                    match self.state {
                        State::Run(_, missing) if left == 0 => self.rest_of_row(missing),
                        State::Run(_, missing) => State::Run(left, missing),
                        _ if left == 0 => self.skipped(),
                        _ => State::Skip(left),
                    }
                }
                State::Value(missing) => {
                    let here = usize::from(missing).min(rest.len());
                    let (value, after) = rest.split_at(here);
                    self.value.extend_from_slice(value);
                    rest = after;
                    // At most 255.
                    match missing - u8::try_from(here).unwrap_or(missing) {
                        0 => self.value(),
                        left => State::Value(left),
                    }
                }
                State::End => {
                    self.after += rest.len() as u64;
                    return;
                }
                State::Stuck => return,
                state => {
                    rest = tail;
                    self.byte(state, byte)
                }
            };
        }
    }

    fn byte(&mut self, state: State, byte: u8) -> State {
        match state {
            State::Record => self.begin(byte),
            State::Attribute => self.attribute(byte),
            State::Length => {
                self.value.clear();
                if byte == 0 { self.value() } else { State::Value(byte) }
            }
            State::Number(missing) => {
                self.value.push(byte);
                if missing > 1 { State::Number(missing - 1) } else { self.number() }
            }
            State::Packed(missing) => {
                let signed = byte.cast_signed();
                let (run, stored) =
                    if signed < 0 { (u64::from(signed.unsigned_abs()), 1) } else { (u64::from(byte), u64::from(byte)) };
                match missing.checked_sub(run) {
                    Some(_) if run == 0 => State::Packed(missing),
                    Some(missing) => State::Run(stored, missing),
                    None => self.stop("a row is longer than it says: the backup was changed"),
                }
            }
            other => other,
        }
    }

    fn begin(&mut self, record: u8) -> State {
        self.record = record;
        if self.started == (record == f::BURP) {
            return self.stop(if self.started {
                "a second header: the backup was changed"
            } else {
                "it is no backup of gbak"
            });
        }
        self.started = true;
        match record {
            f::END => {
                self.close();
                State::End
            }
            f::RELATION_END => {
                self.close();
                State::Record
            }
            f::FUNCTION_END | f::PROCEDURE_END => State::Record,
            _ if long_attributes(record).is_none() => self.stop(&format!(
                "it holds a record of the unknown kind {record}: it was changed, or its gbak is newer than this plugin"
            )),
            f::DATA => {
                self.rows += 1;
                self.length = 0;
                State::Attribute
            }
            _ => State::Attribute,
        }
    }

    fn attribute(&mut self, attribute: u8) -> State {
        self.attribute = attribute;
        match (self.record, attribute) {
            (f::BURP, 0) if self.packed => {
                self.stop("gbak packed or encrypted the backup itself, so it cannot be looked into")
            }
            (f::DATA | f::BLOB | f::ARRAY, 0) => self.stop("a row ends in the middle: the backup was changed"),
            (_, 0) => State::Record,
            (f::DATA, f::DATA_DATA) => self.rest_of_row(self.length),
            (f::BLOB, f::BLOB_DATA) => self.next_segment(),
            (f::ARRAY, f::BLOB_DATA | f::XDR_ARRAY) => self.expect(4),
            (f::EXCEPTION, f::EXCEPTION_MESSAGE) => self.expect(2),
            _ => State::Length,
        }
    }

    fn expect(&mut self, bytes: u8) -> State {
        self.value.clear();
        State::Number(bytes)
    }

    /// A row's bytes, as they are or in runs.
    fn rest_of_row(&self, missing: u64) -> State {
        match (missing, self.compress) {
            (0, _) => State::Record,
            (_, true) => State::Packed(missing),
            (_, false) => State::Skip(missing),
        }
    }

    fn next_segment(&mut self) -> State {
        if self.segments == 0 {
            return State::Record;
        }
        self.segments -= 1;
        self.expect(2)
    }

    /// A number without a length before it is there.
    fn number(&mut self) -> State {
        let length = self.little_endian();
        match (self.record, self.attribute) {
            // Its portable form follows, with a length of its own.
            (f::ARRAY, f::BLOB_DATA) if self.transportable && length > 0 => State::Attribute,
            _ if length == 0 => self.skipped(),
            _ => State::Skip(length),
        }
    }

    /// What was skipped is over.
    fn skipped(&mut self) -> State {
        match self.record {
            f::DATA | f::ARRAY => State::Record,
            f::BLOB => self.next_segment(),
            _ => State::Attribute,
        }
    }

    /// An attribute is there.
    fn value(&mut self) -> State {
        let number = self.little_endian();
        match (self.record, self.attribute) {
            (f::BURP, f::BURP_FORMAT) if number > f::NEWEST => {
                return self.stop(&format!("its format {number} is newer than this plugin knows"));
            }
            (f::BURP, f::BURP_COMPRESS) => self.compress = number != 0,
            (f::BURP, f::BURP_TRANSPORTABLE) => self.transportable = number != 0,
            (f::BURP, f::BURP_ZIP | f::BURP_CRYPT) => self.packed = true,
            (f::DATA, f::DATA_LENGTH | f::XDR_LENGTH) => self.length = number,
            (f::BLOB, f::BLOB_SEGMENTS) => self.segments = number,
            (f::RELATION, f::NAME) => {
                let name = self.text();
                if self.kinds.len() < OBJECTS {
                    self.kinds.insert(name.clone(), "table");
                }
                self.relation = Some(name);
            }
            (f::RELATION, f::RELATION_VIEW) => self.is("view"),
            (f::RELATION, f::RELATION_FILE) => self.is("external-table"),
            // Global temporary tables, whose rows are kept to the end of the connection or of the transaction.
            (f::RELATION, f::RELATION_TYPE) if number == 4 || number == 5 => self.is("temporary-table"),
            (f::RELATION_DATA, f::NAME) => {
                self.relation = Some(self.text());
                self.rows = 0;
            }
            (f::GENERATOR, f::NAME) if self.objects.len() < OBJECTS => {
                self.objects.insert(("sequence", self.text()), 0);
            }
            _ => {}
        }
        let long = long_attributes(self.record).is_some_and(|long| long.contains(&self.attribute));
        if long && number > 0 { State::Skip(number) } else { State::Attribute }
    }

    fn is(&mut self, kind: &'static str) {
        if let Some(known) = self.relation.as_ref().and_then(|name| self.kinds.get_mut(name)) {
            *known = kind;
        }
    }

    /// The end of a relation's description, or of its rows.
    fn close(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if let Some(name) = self.relation.take()
            && let Some(&kind) = self.kinds.get(&name)
        {
            *self.objects.entry((kind, name)).or_insert(0) += rows;
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).trim_end_matches(' ').to_owned()
    }

    fn little_endian(&self) -> u64 {
        self.value.iter().take(8).rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn stop(&mut self, why: &str) -> State {
        why.clone_into(&mut self.stuck);
        State::Stuck
    }

    pub(super) fn end(&self) -> End {
        match self.state {
            State::End => End::Seen(self.after),
            State::Stuck => End::Unknown(self.stuck.clone()),
            _ => End::Missing,
        }
    }

    /// Names with their kinds and rows.
    pub(super) fn objects(self) -> impl Iterator<Item = (String, &'static str, u64)> {
        self.objects.into_iter().map(|((kind, name), rows)| (name, kind, rows))
    }
}
