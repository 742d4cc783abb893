//! RDBs made by hand: what no server at hand writes any more, or not yet.

use planb_sdk::Failure;

use super::*;
use crate::crc64::Crc64;
use crate::layout::Layout;

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Notes(Vec<String>);

impl Visitor for Notes {
    const KEEP: usize = 1000;

    fn begin(&mut self, fork: Fork, version: u32) -> Result<(), Failure> {
        self.0.push(format!("{fork:?} {version}"));
        Ok(())
    }
    fn aux(&mut self, name: &Text<'_>, value: &Text<'_>) {
        self.0.push(format!("aux {} {}", name.bytes.escape_ascii(), value.bytes.escape_ascii()));
    }
    fn function(&mut self, code: &Text<'_>) -> Result<(), Failure> {
        self.0.push(format!("function {}", code.bytes.escape_ascii()));
        Ok(())
    }
    fn database(&mut self, number: u64) -> Result<(), Failure> {
        self.0.push(format!("database {number}"));
        Ok(())
    }
    fn expires(&mut self, at: u64) {
        self.0.push(format!("expires {at}"));
    }
    fn idle(&mut self, seconds: u64) {
        self.0.push(format!("idle {seconds}"));
    }
    fn frequency(&mut self, counter: u8) {
        self.0.push(format!("frequency {counter}"));
    }
    fn key(&mut self, _: u8, layout: Layout, key: &Text<'_>) -> Result<(), Failure> {
        self.0.push(format!("{} {} ", layout.word, key.bytes.escape_ascii()));
        Ok(())
    }
    fn module(&mut self, id: u64) {
        self.0.push(format!("module {id} "));
    }
    fn size(&mut self, bytes: u64) -> Result<(), Failure> {
        self.0.push(format!("size {bytes} "));
        Ok(())
    }
    fn value(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // Pieces of a value are put together again.
        match self.0.last_mut().filter(|note| note.starts_with("value ")) {
            Some(note) => note.push_str(&bytes.escape_ascii().to_string()),
            None => self.0.push(format!("value {}", bytes.escape_ascii())),
        }
        Ok(())
    }
    fn value_end(&mut self) -> Result<(), Failure> {
        self.0.push("end".to_owned());
        Ok(())
    }
    fn module_data(&mut self, id: Option<u64>) -> Result<(), Failure> {
        self.0.push(format!("data {id:?}"));
        Ok(())
    }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut crc = Crc64::default();
    crc.update(body);
    [body, &crc.value().to_le_bytes()].concat()
}

fn walk(dump: &[u8], chunk: usize) -> (End, Vec<String>) {
    let mut walker = Walker::new(Notes::default());
    for chunk in dump.chunks(chunk) {
        let _ = walker.feed(chunk);
    }
    // Where a value is cut into pieces, some are empty.
    let notes = walker.visitor.0.iter().filter(|note| *note != "value ").cloned().collect();
    (walker.end(), notes)
}

#[track_caller]
fn check(header: &str, body: &[u8], notes: &[&str]) {
    let dump = sealed(&[header.as_bytes(), body, b"\xff"].concat());
    for chunk in [dump.len(), 1, 2, 3, 7] {
        let (end, told) = walk(&dump, chunk);
        assert_eq!(end, End::Whole { summed: true, marked: false }, "chunks of {chunk}: {told:?}");
        assert_eq!(told.get(1..).unwrap(), notes, "chunks of {chunk}");
    }
    for cut in 0..dump.len() {
        assert!(matches!(walk(&dump[..cut], 5).0, End::Broken(_)), "cut at {cut}");
    }
}

#[test]
fn old_encodings() {
    check(
        "REDIS0009",
        b"\xfe\x02\x01\x01k\x02\x01a\xc0\x05",
        &["database 2", "list k ", "value \\x02\\x01a\\xc0\\x05", "end"],
    );
    // Scores as text, and an infinite one.
    check(
        "REDIS0006",
        b"\x03\x01k\x02\x01a\x032.5\x01b\xfe",
        &["zset k ", "value \\x02\\x01a\\x032.5\\x01b\\xfe", "end"],
    );
    for (kind, word) in [(9, "hash"), (10, "list"), (11, "set"), (12, "zset"), (13, "hash")] {
        let key = format!("{word} k ");
        check("REDIS0009", &[kind, 1, b'k', 2, b'x', b'y'], &[&key, "size 3 ", "value \\x02xy", "end"]);
    }
    check("REDIS0009", b"\x0e\x01k\x02\x01a\x01b", &["list k ", "value \\x02\\x01a\\x01b", "end"]);
    // A stream with a group, a pending entry and a consumer, before Redis 7.
    let id = [0_u8; 16];
    let stream = [
        &b"\x0f\x01k\x01\x01n\x02lp\x03\x04\x05\x01\x01g\x06\x07\x01"[..],
        &id,
        &[0; 8],
        b"\x02\x01\x01c",
        &[0; 8],
        b"\x01",
        &id,
        b"\x00\x01x\x01y",
    ]
    .concat();
    let (_, notes) = walk(&sealed(&[b"REDIS0009", &stream[..], b"\xff"].concat()), 9);
    assert_eq!(notes.last().unwrap(), "end");
    assert_eq!(&notes[notes.len() - 4..notes.len() - 3], ["string x "], "{notes:?}");
}

#[test]
fn what_stands_between_keys() {
    check(
        "REDIS0012",
        b"\xfa\x01a\xc0\x05\xf5\x04code\xfe\x00\xfb\x01\x00\xf4\x01\x02\x03\xfd\x01\x00\x00\x00\xf8\x41\x00\x00\x01k\x01v\
          \xfc\x01\x00\x00\x00\x00\x00\x00\x00\xf9\x07\x00\x01l\x01w",
        &[
            "aux a \\x05",
            "function code",
            "database 0",
            "expires 1000",
            "idle 256",
            "string k ",
            "size 2 ",
            "value \\x01v",
            "end",
            "expires 1",
            "frequency 7",
            "string l ",
            "size 2 ",
            "value \\x01w",
            "end",
        ],
    );
    check("VALKEY080", b"\xf3\x01j\x01\x05\x06\x00\x01k\x01v", &["string k ", "size 2 ", "value \\x01v", "end"]);
    check("VALKEY080", b"\x16\x01k\x01\x01f\x01v12345678", &["hash k ", "value \\x01\\x01f\\x01v12345678", "end"]);
    check("REDIS0011", b"\x16\x01k\x01\x05\x01f\x01v", &["hash k ", "value \\x01\\x05\\x01f\\x01v", "end"]);
}

#[test]
fn modules() {
    // A value with a field of each kind, data beside all keys, and data of the next key.
    check(
        "REDIS0012",
        b"\xf7\x09\x02\x01\x05\x02ab\x00\x07\x01k\x0a\x01\x05\x02\x06\x031234\x0412345678\x05\x03abc\x00\
          \xf3\x01spec\x02\x05\x00\x00\x01k\x01v",
        &[
            "data Some(9)",
            "module k ",
            "module 10 ",
            "value \\n\\x01\\x05\\x02\\x06\\x031234\\x0412345678\\x05\\x03abc\\x00",
            "end",
            "data None",
            "string k ",
            "size 2 ",
            "value \\x01v",
            "end",
        ],
    );
}

#[test]
fn what_is_not_known_ends_the_walk_but_not_the_sum() {
    let body = [&b"REDIS0016\x00\x01k\x01v\x1d\x01knobody knows"[..], &[7; 300], b"\xff"].concat();
    let dump = sealed(&body);
    for chunk in [1, 5, 8, 9, 64, 1000] {
        let (end, notes) = walk(&dump, chunk);
        assert_eq!(end, End::Unknown("code 29 of RDB version 16 is not known to this plugin".to_owned()), "{chunk}");
        assert_eq!(notes[1], "string k ");
    }
    for cut in 0..dump.len() {
        assert!(matches!(walk(&dump[..cut], 64).0, End::Broken(_)), "cut at {cut}");
    }
}

#[test]
fn damage() {
    for (body, what) in [
        (&b"REDIS0010\x00\xc5"[..], "stored in way 5"),
        (b"REDIS0010\x00\x82", "begins with 0x82"),
        (b"REDIS0010\x01\x01k\xc0", "where a number"),
        (b"REDIS0010\x07\x01k\x0a\x09", "field of kind 9"),
        (b"REDIS0004\x00\x01k", "older than Redis 2.6"),
        (b"PK\x03\x04", "does not begin"),
    ] {
        for chunk in [1, 100] {
            let (end, _) = walk(body, chunk);
            assert!(matches!(&end, End::Broken(why) if why.contains(what)), "{end:?}");
        }
    }
}
