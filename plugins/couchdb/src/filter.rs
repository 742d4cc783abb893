//! A dump as the bodies of `_bulk_docs` requests.
//!
//! CouchDB holds the whole body of a request in memory, and refuses one that is too large, so the documents go back in many
//! requests. Each body is written as lines that `restore` has put together again: a line begins with a space, or with `=` where it is
//! the last one of its body, and is never long (awk reads long lines slowly).
//!
//! Design documents go last, wherever they stood: a `validate_doc_update` function in one of them would otherwise judge documents that
//! are older than it, and each index would be built anew with each request.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::inspect::design;
use crate::walk::{Event, Walk};

/// `new_edits: false` keeps the revision that a document had (CouchDB documentation, "POST /{db}/_bulk_docs").
const HEAD: &[u8] = b"{\"new_edits\":false,\"docs\":[";
const TAIL: &[u8] = b"]}";
/// A server may refuse more documents at a time (`max_bulk_docs_count` of CouchDB, 10000).
const DOCUMENTS: u32 = 5000;
const LINE: usize = 32 << 10;
/// More than this of design documents is not held back.
const HELD: usize = 32 << 20;

/// The filter.
#[derive(Debug)]
pub struct Bodies {
    walk: Walk,
    writer: Writer,
    designs: Writer,
    in_design: bool,
    lacking: bool,
}

/// Bodies, and in them documents.
#[derive(Debug)]
struct Writer {
    out: Vec<u8>,
    /// A line that is not written yet.
    line: Vec<u8>,
    body: usize,
    documents: u32,
    limit: usize,
}

impl Writer {
    fn new(limit: usize) -> Self {
        Self { out: Vec::new(), line: Vec::new(), body: 0, documents: 0, limit }
    }

    fn begin(&mut self) {
        if self.body > self.limit || self.documents >= DOCUMENTS {
            self.end();
        }
        self.documents += 1;
        self.write(if self.body == 0 { HEAD } else { b"," });
    }

    fn write(&mut self, mut bytes: &[u8]) {
        self.body += bytes.len();
        while self.line.len() + bytes.len() > LINE {
            let (head, tail) = bytes.split_at(boundary(bytes, LINE - self.line.len()));
            self.line.extend_from_slice(head);
            self.flush(b' ');
            bytes = tail;
        }
        self.line.extend_from_slice(bytes);
    }

    fn flush(&mut self, mark: u8) {
        self.out.push(mark);
        // Between the parts of a document there may be line breaks. Inside its strings JSON has none.
        self.out.extend(self.line.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        self.out.push(b'\n');
        self.line.clear();
    }

    fn end(&mut self) {
        if self.body > 0 {
            self.write(TAIL);
            self.flush(b'=');
            (self.body, self.documents) = (0, 0);
        }
    }
}

/// Where to cut bytes at this length or before it, so that no character is cut in two.
fn boundary(bytes: &[u8], most: usize) -> usize {
    let most = most.min(bytes.len());
    let continued = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    (most.saturating_sub(3)..=most).rev().find(|at| !continued(at)).unwrap_or(most)
}

impl Filter for Bodies {
    fn new(request: &RestoreRequest) -> Self {
        let kib = request.request.number("request-kib").ok().flatten().unwrap_or(1024);
        let limit = usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024);
        Self {
            walk: Walk::default(),
            writer: Writer::new(limit),
            designs: Writer::new(limit),
            in_design: false,
            lacking: false,
        }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let Self { walk, writer, designs, in_design, lacking } = self;
        walk.feed(&chunk, |event| {
            if let Event::Begin(id) = event {
                *in_design = design(id).is_some() && designs.out.len() < HELD;
            }
            let writer = if *in_design { &mut *designs } else { &mut *writer };
            match event {
                Event::Begin(_) => writer.begin(),
                Event::Bytes(bytes) => writer.write(bytes),
                Event::End { .. } => {}
                Event::NoDocument => *lacking = true,
            }
        });
        if self.lacking {
            return Err(Failure::damaged("the dump names documents that it does not hold"));
        }
        Ok(std::mem::take(&mut self.writer.out))
    }

    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        if let Some(fault) = self.walk.fault() {
            return Err(Failure::damaged(format!("the dump is not whole: {fault}")));
        }
        self.writer.end();
        self.designs.end();
        self.writer.out.append(&mut self.designs.out);
        Ok(self.writer.out)
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;
    use crate::walk::tests::ANSWER;

    fn bodies(dump: &str, kib: &str, chunk: usize) -> Result<Vec<serde_json::Value>, Failure> {
        let request = testing::request("x").with_setting("request-kib", kib);
        let request = request.restore(Artifact::new("json", "application/json", "all-docs"), TargetState::Empty);
        let out = testing::filter::<Bodies>(&request, dump.as_bytes(), chunk)?;
        let mut all = Vec::new();
        let mut body = String::new();
        for line in String::from_utf8(out).unwrap().lines() {
            assert!(line.len() <= LINE + 1);
            let (mark, text) = line.split_at(1);
            body.push_str(text);
            if mark == "=" {
                all.push(serde_json::from_str(&std::mem::take(&mut body)).unwrap());
            }
        }
        assert_eq!(body, "");
        Ok(all)
    }

    fn ids(body: &serde_json::Value) -> Vec<&str> {
        assert_eq!(body["new_edits"], false);
        body["docs"].as_array().unwrap().iter().map(|document| document["_id"].as_str().unwrap()).collect()
    }

    #[test]
    fn design_documents_come_last() {
        for chunk in [1, 7, 64 << 10] {
            let all = bodies(ANSWER, "1024", chunk).unwrap();
            assert_eq!(all.iter().map(ids).collect::<Vec<_>>(), [vec!["movie:1", "x", "y"], vec!["_design/d"]]);
            assert_eq!(all[0]["docs"][1]["_attachments"]["a.txt"]["data"], "aGVsbG8=");
            let all = bodies(ANSWER, "0", chunk).unwrap();
            assert_eq!(all.iter().map(ids).collect::<Vec<_>>(), [["movie:1"], ["x"], ["y"], ["_design/d"]]);
        }
        assert!(bodies("{\"total_rows\":0,\"offset\":0,\"rows\":[]}", "1", 9).unwrap().is_empty());
    }

    #[test]
    fn long_and_odd_documents() {
        let long = "é€😀x".repeat(30_000);
        let dump = format!("{{\"rows\":[{{\"id\":\"a\",\"doc\":{{\"_id\":\"a\",\n\"t\":\r\n\"{long}\"}}}}]}}");
        for chunk in [1000, 32 << 10, 1 << 20] {
            let all = bodies(&dump, "1", chunk).unwrap();
            assert_eq!(all[0]["docs"][0]["t"], long);
        }
    }

    #[test]
    fn many_small_documents() {
        let row = r#"{"id":"a","doc":{"_id":"a"}}"#;
        let dump = format!("{{\"rows\":[{}]}}", vec![row; 12_000].join(","));
        let all = bodies(&dump, "1024", 64 << 10).unwrap();
        assert_eq!(all.iter().map(|body| ids(body).len()).collect::<Vec<_>>(), [5000, 5000, 2000]);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        for end in 0..ANSWER.trim_end().len() {
            if let Some(cut) = ANSWER.get(..end) {
                let request =
                    testing::request("x").restore(Artifact::new("json", "x/x", "all-docs"), TargetState::Empty);
                assert!(testing::filter::<Bodies>(&request, cut.as_bytes(), 4096).is_err(), "cut at {end}");
            }
        }
        assert!(bodies("{\"rows\":[{\"id\":\"a\",\"error\":\"not_found\"}]}", "1", 9).is_err());
    }
}
