//! What a dump may not do on its way back: put files anywhere but where its tables are loaded from, hold tables that the
//! manifest does not name (which would silently not be loaded), or a schema that does more than make the keyspace.
//!
//! The bytes go on as they are. The last of them are held back by the host until the end was found right, and nothing of
//! the cluster is touched before.

use std::collections::BTreeSet;

use planb_sdk::{Failure, Filter, RestoreRequest, Scope};

use crate::backup::SCHEMA;
use crate::restore::tables;
use crate::schema;
use planb_sdk::tar::{Event, Tar};

const LARGEST: u64 = 16 << 20;

/// The filter.
#[derive(Debug)]
pub struct SnapshotFilter {
    tar: Tar,
    keyspace: String,
    expected: BTreeSet<String>,
    seen: BTreeSet<String>,
    schema: Vec<u8>,
    in_schema: bool,
}

impl Filter for SnapshotFilter {
    fn new(request: &RestoreRequest) -> Self {
        let keyspace = match &request.source_scope {
            Scope::Database(name) => name.clone(),
            Scope::All | Scope::Globals => String::new(),
        };
        let expected = tables(request, &keyspace).map(str::to_owned).collect();
        Self { tar: Tar::default(), keyspace, expected, seen: BTreeSet::new(), schema: Vec::new(), in_schema: false }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let Self { tar, expected, seen, schema, in_schema, .. } = self;
        let mut strange = None;
        let read = tar.feed(&chunk, |event| match event {
            Event::File(name, size) => {
                *in_schema = name == SCHEMA;
                let fine = match name.split_once('/') {
                    None => *in_schema && size <= LARGEST && schema.is_empty(),
                    Some((table, file)) => {
                        seen.insert(table.to_owned());
                        expected.contains(table) && !file.contains('/')
                    }
                };
                if !fine && strange.is_none() {
                    strange = Some(format!("its file {name:?} belongs to no table that the backup's manifest names"));
                }
            }
            Event::Data(data) if *in_schema => schema.extend_from_slice(data),
            Event::Data(_) | Event::End => {}
        });
        match read.err().or(strange) {
            None => Ok(chunk),
            Some(why) => Err(refused(&why)),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        if !self.tar.ended() {
            return Err(refused("it has no end"));
        }
        schema::of_keyspace(&self.schema, &self.keyspace).map_err(|why| refused(&format!("of its schema: {why}")))?;
        match self.expected.difference(&self.seen).next() {
            None => Ok(Vec::new()),
            Some(table) => Err(refused(&format!("it has no files of the table {table}"))),
        }
    }
}

fn refused(why: &str) -> Failure {
    Failure::damaged(format!("the dump is not restored because {why}"))
        .hint("a dump of this engine never is like that: find out who changed it; nothing of the cluster was touched")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Object, TargetState};

    use super::*;
    use crate::inspect::tests::{files, pack};
    use crate::testing::request;
    use planb_sdk::tar::sample::header;

    fn restore() -> RestoreRequest {
        let mut restore =
            request("demo").restore(Artifact::new("tar", "application/x-tar", "sstables"), TargetState::Missing);
        restore.objects = ["movies", "Actors"].map(|name| Object::new("table", format!("demo.{name}"))).to_vec();
        restore.objects.push(Object::new("materialized-view", "demo.by_title"));
        restore.objects.push(Object::new("type", "demo.address"));
        restore
    }

    fn pass(request: &RestoreRequest, dump: &[u8], chunk: usize) -> Result<Vec<u8>, Failure> {
        let mut filter = SnapshotFilter::new(request);
        let mut out = Vec::new();
        for chunk in dump.chunks(chunk) {
            out.extend(filter.push(chunk.to_vec())?);
        }
        out.extend(filter.finish()?);
        Ok(out)
    }

    #[test]
    fn a_dump_goes_through_as_it_is() {
        let dump = pack(&files());
        for chunk in [1, 7, 65536] {
            assert_eq!(pass(&restore(), &dump, chunk), Ok(dump.clone()));
        }
    }

    #[test]
    fn what_is_refused() {
        let refused = |request: &RestoreRequest, dump: &[u8]| pass(request, dump, 65536).unwrap_err().message;
        let dump = pack(&files());
        assert!(refused(&restore(), &dump[..dump.len() - 1]).contains("no end"));
        let mut fewer = restore();
        fewer.objects.remove(0);
        assert!(refused(&fewer, &dump).contains("movies/"));
        let mut more = restore();
        more.objects.push(Object::new("table", "demo.other"));
        assert!(refused(&more, &dump).contains("table other"));
        for name in ["../../etc/cron.d/x", "movies/../../x", "other/nb-1-big-Data.db", "x", "movies/a/b"] {
            assert!(!refused(&restore(), &header(name, 0, b'0')).is_empty(), "{name}");
        }
        let mut changed = files();
        changed[0].1.extend_from_slice(b"\nCOPY demo.movies TO '/etc/cron.d/x';");
        assert!(refused(&restore(), &pack(&changed)).contains("makes nothing"));
    }
}
