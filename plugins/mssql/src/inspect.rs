//! What a dump held, and whether it is whole: the frame, the list of the database's contents, and the first bytes of the
//! backup.
//!
//! A backup begins with the block `TAPE` (Microsoft Tape Format 1.00a, 5.2.1), a compressed one with `MSSQLBAK`. What follows is
//! checked by the server before the dump is taken and before it is restored (RESTORE VERIFYONLY WITH CHECKSUM).

use planb_sdk::{Artifact, Failure, Filter, Inspection, Inspector, Request, RestoreRequest};

use crate::backup::{BAK, CONTENTS};
use crate::query;
use planb_sdk::tar::{Event, Tar};

const MAGIC: [&[u8]; 2] = [b"TAPE", b"MSSQLBAK"];
/// A list that is larger is not read.
const LARGEST: u64 = 64 << 20;

/// The two files, as they pass.
#[derive(Debug, Default)]
struct Files {
    tar: Tar,
    /// How many files began.
    count: u8,
    contents: Vec<u8>,
    head: Vec<u8>,
    wrong: Option<String>,
}

impl Files {
    fn feed(&mut self, chunk: &[u8]) {
        if self.wrong.is_some() {
            return;
        }
        let Self { tar, count, contents, head, wrong } = self;
        let read = tar.feed(chunk, |event| match event {
            Event::File(name, size) => {
                *count = count.saturating_add(1);
                let expected = if *count == 1 { CONTENTS } else { BAK };
                if *count > 2 || name != expected || (name == CONTENTS && size > LARGEST) {
                    wrong.get_or_insert_with(|| format!("its file {name:?} is none of this engine's"));
                }
            }
            Event::Data(data) if *count == 1 => contents.extend_from_slice(data),
            Event::Data(data) => {
                let room = 8_usize.saturating_sub(head.len());
                head.extend_from_slice(data.get(..room).unwrap_or(data));
            }
            Event::End => {}
        });
        if let Err(why) = read {
            wrong.get_or_insert(why);
        }
    }

    /// What is wrong with it, if anything is.
    fn finish(&self) -> Option<String> {
        if let Some(why) = &self.wrong {
            return Some(format!("the dump is no archive of this engine: {why}"));
        }
        if !self.tar.ended() || self.count != 2 {
            return Some("the dump has no end: it was cut off".to_owned());
        }
        if !MAGIC.iter().any(|magic| self.head.starts_with(magic)) {
            return Some("its file database.bak is no backup of SQL Server".to_owned());
        }
        None
    }
}

/// The inspector.
#[derive(Debug)]
pub struct BakInspector(Files);

impl Inspector for BakInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        Self(Files::default())
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.0.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let mut findings: Vec<_> = self.0.finish().into_iter().collect();
        let objects = query::objects(&String::from_utf8_lossy(&self.0.contents));
        if findings.is_empty() && objects.is_none() {
            findings.push("the list of what the database holds is not whole".to_owned());
        }
        let complete = findings.is_empty();
        Inspection { complete, objects: objects.unwrap_or_default(), findings }
    }
}

/// Lets nothing through but what this engine wrote: the stream is unpacked into a folder of the server.
#[derive(Debug)]
pub struct BakFilter(Files);

impl Filter for BakFilter {
    fn new(_: &RestoreRequest) -> Self {
        Self(Files::default())
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.0.feed(&chunk);
        if self.0.wrong.is_some() { Err(refused(&self.0)) } else { Ok(chunk) }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        if self.0.finish().is_some() { Err(refused(&self.0)) } else { Ok(Vec::new()) }
    }
}

fn refused(files: &Files) -> Failure {
    Failure::damaged(files.finish().unwrap_or_else(|| "the dump is damaged".to_owned()))
        .hint("no database was touched; try another backup, and find out who changed this one")
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing::inspect;
    use planb_sdk::{Object, TargetState};

    use super::*;
    use crate::query::tests::ROWS;
    use planb_sdk::tar::sample::{archive, header};

    fn look(dump: &[u8], chunk: usize) -> Inspection {
        let artifact = Artifact::new("bak.tar", "application/x-tar", "bak");
        inspect::<BakInspector>(&planb_sdk::testing::request("x"), &artifact, dump, chunk)
    }

    fn bak(magic: &[u8]) -> Vec<u8> {
        let mut bak = magic.to_vec();
        bak.resize(3000, 1);
        bak
    }

    #[test]
    fn a_whole_dump() {
        for magic in MAGIC {
            let dump = archive(&[("contents.txt", ROWS.as_bytes()), ("database.bak", &bak(magic))]);
            for chunk in [1, 7, 65536] {
                let inspection = look(&dump, chunk);
                assert!(inspection.complete, "{:?}", inspection.findings);
                assert_eq!(inspection.objects[0], Object::new("table", "dbo.movies").rows(3));
            }
            for end in 0..dump.len() {
                let inspection = look(&dump[..end], 65536);
                assert!(!inspection.complete && !inspection.findings.is_empty(), "cut at {end}");
            }
        }
    }

    #[test]
    fn what_is_no_dump() {
        let bak = bak(b"TAPE");
        for files in [
            &[("contents.txt", ROWS.as_bytes())][..],
            &[("database.bak", &bak)],
            &[("contents.txt", b"table|6100|3\n"), ("database.bak", &bak)],
            &[("contents.txt", ROWS.as_bytes()), ("database.bak", b"PK\x03\x04")],
            &[("contents.txt", ROWS.as_bytes()), ("database.bak", &bak), ("x", b"")],
            &[("contents.txt", ROWS.as_bytes()), ("other.bak", &bak)],
        ] {
            assert!(!look(&archive(files), 65536).complete);
        }
    }

    #[test]
    fn only_a_dump_goes_back() {
        let request =
            planb_sdk::testing::request("x").restore(Artifact::new("bak.tar", "x/x", "bak"), TargetState::Missing);
        let pass = |dump: &[u8]| {
            let mut filter = BakFilter::new(&request);
            let mut out = filter.push(dump.to_vec())?;
            out.extend(filter.finish()?);
            Ok::<_, Failure>(out)
        };
        let dump = archive(&[("contents.txt", ROWS.as_bytes()), ("database.bak", &bak(b"TAPE"))]);
        assert_eq!(pass(&dump), Ok(dump.clone()));
        assert!(pass(&dump[..dump.len() - 1]).is_err());
        assert!(pass(&header("../etc/x", 0, b'0')).is_err());
        assert!(pass(&header("contents.txt", 0, b'2')).is_err());
    }
}
