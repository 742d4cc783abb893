//! What a dump held, and whether it is whole.

use planb_sdk::{Artifact, Inspection, Inspector, Object, Objects, Request};

use crate::walk::{Event, Walk};

pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const DESIGN: &str = "design-document";
const ATTACHMENTS: &str = "attachments";

/// The name of a design document by an id as it stands between quotes; none for other documents.
pub(crate) fn design(id: &[u8]) -> Option<String> {
    // Only the slash could be escaped.
    if id.first() != Some(&b'_') {
        return None;
    }
    let quoted = [b"\"", id, b"\""].concat();
    let name: String = serde_json::from_slice(&quoted).ok()?;
    name.starts_with("_design/").then_some(name)
}

/// Counts documents.
#[derive(Debug, Default)]
pub struct AllDocsInspector {
    walk: Walk,
    design: Objects,
    rows: u64,
    documents: u64,
    attachments: u64,
    conflicts: u64,
    lacking: u64,
}

impl Inspector for AllDocsInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self::default()
    }

    fn feed(&mut self, chunk: &[u8]) {
        let Self { walk, design: designs, rows, documents, attachments, conflicts, lacking } = self;
        walk.feed(chunk, |event| match event {
            Event::Begin(id) => {
                *rows += 1;
                match design(id) {
                    Some(name) => designs.made(DESIGN, &name),
                    None => *documents += 1,
                }
            }
            Event::Bytes(_) => {}
            Event::End { conflicts: more, attachments: with } => {
                *conflicts += u64::from(more);
                *attachments += with;
            }
            Event::NoDocument => {
                *rows += 1;
                *lacking += 1;
            }
        });
    }

    fn finish(self) -> Inspection {
        let mut findings = Vec::new();
        if let Some(fault) = self.walk.fault() {
            findings.push(format!("the answer of the server is not whole: {fault}"));
        } else if let Some(total) = self.walk.total.filter(|total| *total > self.rows) {
            findings.push(format!("the server announced {total} documents and sent {}", self.rows));
        } else if self.lacking > 0 {
            findings.push(format!("the server sent {} ids without their documents", self.lacking));
        }
        let complete = findings.is_empty();
        if self.conflicts > 0 {
            findings.push(format!(
                "{} documents have revisions that are in conflict: the winning one of each is kept, and no other",
                self.conflicts
            ));
        }
        let (mut objects, more) = self.design.finish();
        findings.extend(more);
        for (name, rows) in [(DOCUMENTS, self.documents), (ATTACHMENTS, self.attachments)] {
            if rows > 0 {
                objects.push(Object::new(name, name).rows(rows));
            }
        }
        Inspection { complete, objects, findings }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;
    use crate::walk::tests::ANSWER;

    fn artifact() -> Artifact {
        Artifact::new("json", "application/json", crate::backup::FORMAT)
    }

    #[test]
    fn what_is_counted() {
        for chunk in [1, 7, 64 << 10] {
            let seen =
                testing::inspect::<AllDocsInspector>(&testing::request("x"), &artifact(), ANSWER.as_bytes(), chunk);
            assert!(seen.complete, "{:?}", seen.findings);
            assert_eq!(
                seen.objects,
                [
                    Object::new(DESIGN, "_design/d"),
                    Object::new(DOCUMENTS, DOCUMENTS).rows(3),
                    Object::new(ATTACHMENTS, ATTACHMENTS).rows(2)
                ]
            );
            assert_eq!(seen.findings.len(), 1);
            assert!(seen.findings[0].starts_with("1 documents have revisions"));
        }
    }

    #[test]
    fn cut_anywhere() {
        testing::inspect_cut_anywhere::<AllDocsInspector>(&testing::request("x"), &artifact(), ANSWER.as_bytes());
    }

    #[test]
    fn what_is_missing() {
        let inspect = |text: &str| {
            testing::inspect::<AllDocsInspector>(&testing::request("x"), &artifact(), text.as_bytes(), 4096)
        };
        let seen = inspect("{\"total_rows\":2,\"rows\":[{\"id\":\"a\",\"doc\":{}}]}");
        assert_eq!((seen.complete, seen.findings.len()), (false, 1));
        let seen = inspect("{\"total_rows\":1,\"rows\":[{\"id\":\"a\",\"doc\":null}]}");
        assert_eq!((seen.complete, seen.findings.len()), (false, 1));
        assert!(inspect("{\"total_rows\":0,\"offset\":0,\"rows\":[\r\n\r\n]}\n").complete);
    }

    #[test]
    fn names() {
        assert_eq!(design(br"_design\/a\u0062").as_deref(), Some("_design/ab"));
        assert_eq!(design(b"_design"), None);
        assert_eq!(design(b"design/x"), None);
    }
}
