//! What a dump held, and whether it is whole: the frame, the log of the export, and the files that the log names.

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Failure, Filter, Inspection, Inspector, Lines, Object, Request, RestoreRequest, Scope};

use crate::backup::LOG;
use crate::log::{End, Log};
use crate::names;
use planb_sdk::tar::{Event, Tar};

/// The files, as they pass.
#[derive(Debug, Default)]
struct Files {
    tar: Tar,
    /// What the names of all files begin with.
    stem: String,
    /// Dump files and their sizes.
    dumps: BTreeMap<String, u64>,
    log: Option<Log>,
    lines: Lines,
    in_log: bool,
    wrong: Option<String>,
}

impl Files {
    fn of(scope: &Scope) -> Self {
        let stem = names::of_scope(scope).map_or_else(|_| String::new(), |schema| format!("{}_", names::stem(schema)));
        Self { stem, ..Self::default() }
    }

    fn feed(&mut self, chunk: &[u8]) {
        if self.wrong.is_some() {
            return;
        }
        let Self { tar, stem, dumps, log, lines, in_log, wrong } = self;
        let read = tar.feed(chunk, |event| match event {
            Event::File(name, size) => {
                let rest = name.strip_prefix(stem.as_str()).filter(|_| !stem.is_empty());
                *in_log = rest.is_some_and(|rest| LOG.ends_with(rest) && rest.len() + 1 == LOG.len());
                let number = rest.and_then(|rest| rest.strip_suffix(".dmp"));
                let dump = number
                    .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_alphanumeric()));
                if *in_log && log.is_none() {
                    *log = Some(Log::default());
                } else if !dump || dumps.insert(name.to_owned(), size).is_some() {
                    wrong.get_or_insert_with(|| format!("its file {name:?} is none of this engine's"));
                }
            }
            Event::Data(data) if *in_log => {
                if let Some(log) = log {
                    lines.feed(data, |line| log.line(line));
                }
            }
            Event::Data(_) | Event::End => {}
        });
        if let Err(why) = read {
            wrong.get_or_insert(why);
        }
    }

    /// What is wrong with it.
    fn finish(&self) -> Vec<String> {
        if let Some(why) = &self.wrong {
            return vec![format!("the dump is no archive of this engine: {why}")];
        }
        if !self.tar.ended() {
            return vec!["the dump has no end: it was cut off".to_owned()];
        }
        let Some(log) = &self.log else { return vec!["the log of the export is missing".to_owned()] };
        let mut wrong = Vec::new();
        match &log.end {
            Some(End::Fine) => {}
            Some(End::Not(line)) => wrong.push(format!("the export did not go well: {line}")),
            None => wrong.push("the log does not say that the export was completed".to_owned()),
        }
        wrong.extend(log.errors.iter().cloned());
        if log.files.is_empty() {
            wrong.push("the log names no dump files".to_owned());
        }
        for file in &log.files {
            if self.dumps.get(file).is_none_or(|size| *size == 0) {
                wrong.push(format!("the dump file {file} is missing or empty"));
            }
        }
        for file in self.dumps.keys().filter(|file| !log.files.contains(file)) {
            wrong.push(format!("the log does not name the dump file {file}"));
        }
        wrong
    }
}

/// The inspector.
#[derive(Debug)]
pub struct DumpInspector(Files);

impl Inspector for DumpInspector {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self(Files::of(&request.scope))
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.0.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let findings = self.0.finish();
        let tables = self.0.log.unwrap_or_default().tables;
        let objects = tables.into_iter().map(|(name, rows)| Object::new("table", name).rows(rows)).collect();
        Inspection { complete: findings.is_empty(), objects, findings }
    }
}

/// Lets nothing through but what this engine wrote: the stream is unpacked into a folder of the server.
#[derive(Debug)]
pub struct DumpFilter(Files);

impl Filter for DumpFilter {
    fn new(request: &RestoreRequest) -> Self {
        Self(Files::of(&request.source_scope))
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.0.feed(&chunk);
        if self.0.wrong.is_some() { Err(refused(&self.0)) } else { Ok(chunk) }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        if self.0.finish().is_empty() { Ok(Vec::new()) } else { Err(refused(&self.0)) }
    }
}

fn refused(files: &Files) -> Failure {
    let why = files.finish().into_iter().next();
    Failure::damaged(why.unwrap_or_else(|| "the dump is damaged".to_owned()))
        .hint("no schema was touched; try another backup, and find out who changed this one")
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing::inspect;
    use planb_sdk::{TargetState, testing};

    use super::*;
    use crate::log::tests::LOG as TEXT;
    use planb_sdk::tar::sample::{archive, header};

    const STEM: &str = "planb_HR_09276607b5bba19f";

    fn files() -> Vec<(String, Vec<u8>)> {
        vec![
            (format!("{STEM}_02.dmp"), vec![3; 700]),
            (format!("{STEM}_export.log"), TEXT.as_bytes().to_vec()),
            (format!("{STEM}_01.dmp"), vec![3; 2000]),
        ]
    }

    fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        archive(&files)
    }

    fn look(dump: &[u8], chunk: usize) -> Inspection {
        inspect::<DumpInspector>(&testing::request("HR"), &Artifact::new("dmp.tar", "x/x", "datapump"), dump, chunk)
    }

    #[test]
    fn a_whole_dump() {
        let dump = pack(&files());
        for chunk in [1, 7, 65536] {
            let inspection = look(&dump, chunk);
            assert!(inspection.complete, "{:?}", inspection.findings);
            assert!(inspection.objects.contains(&Object::new("table", "HR.MOVIES").rows(3)));
        }
        for end in 0..dump.len() {
            let inspection = look(&dump[..end], 65536);
            assert!(!inspection.complete && !inspection.findings.is_empty(), "cut at {end}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_too_many() {
        for left_out in 0..3 {
            let mut files = files();
            let (name, _) = files.remove(left_out);
            assert!(!look(&pack(&files), 65536).complete, "without {name}");
        }
        for name in [format!("{STEM}_03.dmp"), "x.dmp".to_owned(), format!("{STEM}_01.dmp")] {
            let mut files = files();
            files.push((name.clone(), vec![1]));
            assert!(!look(&pack(&files), 65536).complete, "with {name}");
        }
        let mut files = files();
        files[1].1 = TEXT.replace("successfully completed at", "completed with 2 error(s) at").into_bytes();
        assert!(look(&pack(&files), 65536).findings.concat().contains("2 error(s)"));
    }

    #[test]
    fn only_a_dump_goes_back() {
        let mut request =
            testing::request("OTHER").restore(Artifact::new("dmp.tar", "x/x", "datapump"), TargetState::Missing);
        request.source_scope = Scope::Database("HR".to_owned());
        let pass = |dump: &[u8]| {
            let mut filter = DumpFilter::new(&request);
            let mut out = filter.push(dump.to_vec())?;
            out.extend(filter.finish()?);
            Ok::<_, Failure>(out)
        };
        let dump = pack(&files());
        assert_eq!(pass(&dump), Ok(dump.clone()));
        assert!(pass(&dump[..dump.len() - 1]).is_err());
        assert!(pass(&header("init.ora", 0, b'0')).is_err());
        assert!(pass(&header(&format!("{STEM}_01.dmp"), 0, b'2')).is_err());
    }
}
