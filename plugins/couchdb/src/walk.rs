//! Where documents begin and end in the answer of `_all_docs`, read as it passes.
//!
//! The answer is one JSON object, `{"total_rows":2,"offset":0,"rows":[{"id":"a","key":"a","value":{...},"doc":{...}},...]}` (CouchDB
//! documentation, "GET /{db}/_all_docs"). The frame around the documents is read strictly, and nothing is kept of it but short
//! strings. Of a document only the names of its own fields are looked at. Deeper down brackets are counted and strings are skipped.
//!
//! An error that the server meets on its way it writes into the answer, behind what it has sent so far, and ends the answer as if
//! nothing had happened (`send_chunked_error` in chttpd.erl): then something stands where a comma or the end has to.

use memchr::memchr2;

/// More of a string than this is not kept.
const LONGEST: usize = 4096;

/// What an answer holds, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A document begins. Its id as it stands in the answer, without the quotes.
    Begin(&'a [u8]),
    /// The next bytes of the document, from its opening bracket to its closing one.
    Bytes(&'a [u8]),
    /// The document has ended.
    End { conflicts: bool, attachments: u64 },
    /// A row without a document.
    NoDocument,
}

/// Where in the answer it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Before,
    Top,
    Rows,
    Row,
    Document,
    Attachments,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A name, or the end of an empty object.
    FirstName,
    Name,
    Colon,
    Value,
    /// A value, or the end of an empty array.
    FirstValue,
    /// A comma or the end.
    Next,
}

/// A reader of such an answer.
#[derive(Debug)]
pub(crate) struct Walk {
    level: Level,
    expect: Expect,
    string: bool,
    escaped: bool,
    /// Open brackets of a value that is skipped.
    skipped: u32,
    /// A number or a word that is not at its end yet.
    scalar: bool,
    name: Vec<u8>,
    text: Vec<u8>,
    id: Vec<u8>,
    row_had_document: bool,
    conflicts: bool,
    attachments: u64,
    rows_seen: bool,
    /// The rows that the server announced.
    pub(crate) total: Option<u64>,
    /// The reason of an error that stands where a row has to.
    reason: Vec<u8>,
    /// What stands where it cannot.
    broken: Option<Vec<u8>>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            level: Level::Before,
            expect: Expect::Value,
            string: false,
            escaped: false,
            skipped: 0,
            scalar: false,
            name: Vec::new(),
            text: Vec::new(),
            id: Vec::new(),
            row_had_document: false,
            conflicts: false,
            attachments: 0,
            rows_seen: false,
            total: None,
            reason: Vec::new(),
            broken: None,
        }
    }
}

impl Walk {
    /// Reads the next bytes. From the first that cannot stand where it stands on, nothing more is read.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(Event<'_>)) {
        if let Some(broken) = &mut self.broken {
            let room = 200_usize.saturating_sub(broken.len());
            broken.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
            return;
        }
        // Where in this chunk the bytes of a document begin.
        let mut document = self.in_document().then_some(0);
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            if self.string {
                at = self.string(chunk, at);
                continue;
            }
            if self.skipped > 0 {
                at = self.skip(chunk, at);
                continue;
            }
            if self.scalar {
                if byte.is_ascii_alphanumeric() || b"+-.".contains(&byte) {
                    self.keep(&[byte]);
                    at += 1;
                    continue;
                }
                self.scalar = false;
                if !self.ended_scalar() {
                    self.broken = Some(Vec::new());
                    break;
                }
            }
            if byte.is_ascii_whitespace() {
                at += 1;
                continue;
            }
            let was = self.in_document();
            if !self.step(byte, &mut event) {
                self.broken = Some(chunk.get(at..(at + 200).min(chunk.len())).unwrap_or_default().to_vec());
                break;
            }
            at += 1;
            match (was, self.in_document()) {
                (false, true) => document = Some(at - 1),
                (true, false) => {
                    if let Some(from) = document.take() {
                        event(Event::Bytes(chunk.get(from..at).unwrap_or_default()));
                    }
                    event(Event::End { conflicts: self.conflicts, attachments: self.attachments });
                }
                _ => {}
            }
        }
        if let Some(from) = document
            && from < at
        {
            event(Event::Bytes(chunk.get(from..at).unwrap_or_default()));
        }
    }

    /// Why the answer is not whole. None: it is.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(broken) = &self.broken {
            let text: String = String::from_utf8_lossy(broken).chars().take(120).collect();
            return Some(format!("something stands in it that does not belong there: {}", text.trim()));
        }
        if !self.reason.is_empty() {
            let text: String = String::from_utf8_lossy(&self.reason).chars().take(120).collect();
            return Some(format!("the server met an error on its way: {text}"));
        }
        match self.level {
            Level::After if self.rows_seen => None,
            Level::After => Some("it has no rows".to_owned()),
            Level::Before => Some("it is empty".to_owned()),
            _ => Some("it does not end with the closing brackets of its rows: it was cut off".to_owned()),
        }
    }

    fn in_document(&self) -> bool {
        matches!(self.level, Level::Document | Level::Attachments)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.text.len());
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Whether the string that is read will be looked at.
    fn wanted(&self) -> bool {
        match self.level {
            Level::Top | Level::Row => true,
            Level::Document => matches!(self.expect, Expect::FirstName | Expect::Name),
            _ => false,
        }
    }

    /// Reads on inside a string.
    fn string(&mut self, chunk: &[u8], from: usize) -> usize {
        let wanted = self.skipped == 0 && self.wanted();
        let mut at = from;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if self.escaped {
                self.escaped = false;
                if wanted {
                    self.keep(rest.get(..1).unwrap_or_default());
                }
                at += 1;
                continue;
            }
            let end = memchr2(b'"', b'\\', rest);
            if wanted {
                self.keep(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            }
            let Some(end) = end else { return chunk.len() };
            at += end + 1;
            if rest.get(end) == Some(&b'\\') {
                self.escaped = true;
                if wanted {
                    self.keep(b"\\");
                }
            } else {
                self.string = false;
                if self.skipped == 0 {
                    self.ended_string();
                }
                return at;
            }
        }
        at
    }

    /// Reads on inside a value that is skipped, up to a string or its end.
    fn skip(&mut self, chunk: &[u8], from: usize) -> usize {
        for (at, byte) in chunk.iter().enumerate().skip(from) {
            match byte {
                b'"' => {
                    self.string = true;
                    return at + 1;
                }
                b'{' | b'[' => self.skipped += 1,
                b'}' | b']' => {
                    self.skipped -= 1;
                    if self.skipped == 0 {
                        self.expect = Expect::Next;
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        chunk.len()
    }

    /// One byte of the frame, or of a document's own level. False: it cannot stand here.
    fn step(&mut self, byte: u8, event: &mut impl FnMut(Event<'_>)) -> bool {
        match (self.expect, byte) {
            (Expect::FirstName | Expect::Name, b'"') => {
                self.text.clear();
                self.string = true;
            }
            (Expect::FirstName | Expect::Next, b'}') if !matches!(self.level, Level::Rows | Level::After) => {
                self.close(event);
            }
            (Expect::FirstValue | Expect::Next, b']') if self.level == Level::Rows => self.close(event),
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::Next, b',') if self.level != Level::After => {
                self.expect = if self.level == Level::Rows { Expect::Value } else { Expect::Name };
            }
            (Expect::Value | Expect::FirstValue, _) => return self.value(byte, event),
            _ => return false,
        }
        true
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8, event: &mut impl FnMut(Event<'_>)) -> bool {
        self.text.clear();
        let name = self.name.as_slice();
        match (self.level, byte) {
            (Level::Before, b'{') => self.enter(Level::Top, Expect::FirstName),
            (Level::Top, b'[') if name == b"rows" && !self.rows_seen => {
                self.rows_seen = true;
                self.enter(Level::Rows, Expect::FirstValue);
            }
            (Level::Rows, b'{') => {
                self.row_had_document = false;
                self.id.clear();
                self.enter(Level::Row, Expect::FirstName);
            }
            // A frame that is not that of the rows could hide documents.
            (Level::Before | Level::Rows, _) => return false,
            (Level::Top, b'[') if name == b"rows" => return false,
            (Level::Row, b'{') if name == b"doc" && !self.row_had_document => {
                self.row_had_document = true;
                (self.conflicts, self.attachments) = (false, 0);
                event(Event::Begin(&self.id));
                self.enter(Level::Document, Expect::FirstName);
            }
            (Level::Row, b'{') if name == b"doc" => return false,
            (Level::Document, b'{') if name == b"_attachments" => self.enter(Level::Attachments, Expect::FirstName),
            (_, b'{' | b'[') => {
                self.conflicts |= self.level == Level::Document && name == b"_conflicts";
                self.attachments += u64::from(self.level == Level::Attachments);
                self.skipped = 1;
            }
            (_, b'"') => self.string = true,
            (_, b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => {
                self.scalar = true;
                self.keep(&[byte]);
            }
            _ => return false,
        }
        true
    }

    fn enter(&mut self, level: Level, expect: Expect) {
        (self.level, self.expect) = (level, expect);
    }

    fn close(&mut self, event: &mut impl FnMut(Event<'_>)) {
        self.level = match self.level {
            Level::Attachments => Level::Document,
            Level::Document => Level::Row,
            Level::Row => {
                if !self.row_had_document {
                    event(Event::NoDocument);
                }
                Level::Rows
            }
            Level::Rows => Level::Top,
            Level::Before | Level::Top | Level::After => Level::After,
        };
        self.expect = Expect::Next;
    }

    /// A string has ended that was a name, or a value of the frame.
    fn ended_string(&mut self) {
        if matches!(self.expect, Expect::FirstName | Expect::Name) {
            std::mem::swap(&mut self.name, &mut self.text);
            self.expect = Expect::Colon;
        } else {
            match (self.level, self.name.as_slice()) {
                (Level::Row, b"id") => std::mem::swap(&mut self.id, &mut self.text),
                (Level::Row, b"reason") => self.reason.clone_from(&self.text),
                _ => {}
            }
            self.expect = Expect::Next;
        }
    }

    /// A number or a word has ended. False: it is none.
    fn ended_scalar(&mut self) -> bool {
        self.expect = Expect::Next;
        let text = std::str::from_utf8(&self.text).unwrap_or_default();
        if self.level == Level::Top && self.name == b"total_rows" {
            self.total = text.parse().ok();
        }
        matches!(text, "true" | "false" | "null") || text.parse::<f64>().is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What CouchDB 3 answers: a line for each row.
    pub(crate) const ANSWER: &str = concat!(
        "{\"total_rows\":4,\"offset\":0,\"rows\":[\r\n",
        r#"{"id":"_design/d","key":"_design/d","value":{"rev":"1-ee"},"doc":{"_id":"_design/d","_rev":"1-ee","views":{"v":{"map":"function(d){emit(\"]}\")}"}}}},"#,
        "\r\n",
        r#"{"id":"movie:1","key":"movie:1","value":{"rev":"1-3d"},"doc":{"_id":"movie:1","_rev":"1-3d","title":"é \" \\","a":{"_conflicts":[1]},"n":-1.5e3,"b":true}},"#,
        "\r\n",
        r#"{"id":"x","key":"x","value":{"rev":"2-aaa"},"doc":{"_id":"x","_rev":"2-aaa","_attachments":{"a.txt":{"content_type":"text/plain","revpos":1,"digest":"md5-x","data":"aGVsbG8="},"b":{"data":""}}}},"#,
        "\r\n",
        r#"{"id":"y","key":"y","value":{"rev":"1-b"},"doc":{"_id":"y","_rev":"1-b","_conflicts":["1-a"]}}"#,
        "\r\n]}\n"
    );

    fn walk(text: &str, chunk: usize) -> (Vec<String>, Walk) {
        let mut walk = Walk::default();
        let (mut seen, mut document) = (Vec::new(), Vec::new());
        for chunk in text.as_bytes().chunks(chunk) {
            walk.feed(chunk, |event| match event {
                Event::Begin(id) => seen.push(String::from_utf8_lossy(id).into_owned()),
                Event::Bytes(bytes) => document.extend_from_slice(bytes),
                Event::End { conflicts, attachments } => {
                    let text = String::from_utf8(std::mem::take(&mut document)).unwrap();
                    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
                    seen.push(format!("{conflicts} {attachments}"));
                }
                Event::NoDocument => seen.push("none".to_owned()),
            });
        }
        (seen, walk)
    }

    #[test]
    fn documents_for_any_chunks() {
        for chunk in 1..200 {
            let (seen, walk) = walk(ANSWER, chunk);
            assert_eq!(seen, ["_design/d", "false 0", "movie:1", "false 0", "x", "false 2", "y", "true 0"]);
            assert_eq!((walk.total, walk.fault()), (Some(4), None));
        }
    }

    #[test]
    fn other_answers() {
        let fault = |text: &str| walk(text, 7).1.fault();
        assert_eq!(fault("{\"total_rows\":0,\"offset\":0,\"rows\":[\n\n]}\n"), None);
        assert_eq!(fault("{\"total_rows\":null,\"offset\":null,\"rows\":[]}"), None);
        assert_eq!(walk("{\"rows\":[{\"id\":\"a\",\"doc\":null}]}", 3).0, ["none"]);
        assert!(fault("").unwrap().contains("empty"));
        assert!(fault("{\"error\":\"not_found\"}").unwrap().contains("no rows"));
        let begun = ANSWER.split_once("},\r\n{\"id\":\"y\"").unwrap().0;
        assert!(fault(begun).unwrap().contains("cut off"));
        let error = format!("{begun}}}\n{{\"error\":\"timeout\",\"reason\":\"The request could not be processed\"}}\n");
        assert!(fault(&error).unwrap().contains("timeout"), "{:?}", fault(&error));
        let error = format!("{begun}}},\r\n\n{{\"error\":\"timeout\",\"reason\":\"not in time\"}}\n");
        assert!(fault(&error).unwrap().contains("not in time"), "{:?}", fault(&error));
        for text in [
            "[]",
            "<html>",
            "{\"rows\":[]}}",
            "{\"rows\":[]} x",
            "{\"rows\":[1]}",
            "{\"rows\":[{\"id\":\"a\",\"doc\":{},\"doc\":{}}]}",
            "{\"rows\":[],\"rows\":[]}",
            "{\"rows\":[,]}",
            "{\"a\":nul,\"rows\":[]}",
            "{\"rows\":[{\"doc\":{\"a\" 1}}]}",
        ] {
            assert!(fault(text).is_some(), "{text}");
        }
    }
}
