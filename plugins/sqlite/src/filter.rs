//! What an SQL dump may not do on its way back.
//!
//! `sqlite3` obeys lines of its input that begin with a dot (`.shell` runs a program), so a dump that somebody changed could run
//! anything where it is restored. `.dump` writes no such line outside a string. The restore also runs with `-safe`
//! where the program knows it; this filter is what guards the older ones.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::scan::{Event, Scanner};

/// The filter for SQL dumps: it changes nothing, and refuses commands and a dump that does not end as one does. Without its
/// COMMIT a dump would restore to an empty database, and sqlite3 would call that a success.
#[derive(Debug)]
pub struct SqlFilter {
    scanner: Scanner,
    committed: bool,
}

impl Filter for SqlFilter {
    fn new(_: &RestoreRequest) -> Self {
        Self { scanner: Scanner::new(false), committed: false }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let (read, event) = self.scanner.next(rest);
            rest = rest.get(read..).unwrap_or_default();
            match event {
                Some(Event::DotCommand) => {
                    return Err(Failure::damaged(
                        "the dump holds a command of the sqlite3 program, so it is not restored",
                    )
                    .hint("a dump of sqlite3 never does: find out who changed it"));
                }
                Some(Event::Statement) => self.committed = self.scanner.head() == b"COMMIT",
                Some(Event::Error) | None => {}
            }
        }
        Ok(chunk)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        if self.committed && self.scanner.at_rest() {
            Ok(Vec::new())
        } else {
            Err(Failure::damaged("the dump ends in the middle"))
        }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;

    fn filter(dump: &str, size: usize) -> Result<String, Failure> {
        let artifact = Artifact::new("sql", "application/sql", "sql");
        let request = testing::request("/x.db").restore(artifact, TargetState::Missing);
        let out = testing::filter::<SqlFilter>(&request, dump.as_bytes(), size)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn commands_are_refused() {
        let honest = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nINSERT INTO a VALUES('\n.shell id\n');\nCOMMIT;\n";
        for size in 1..=honest.len() {
            assert_eq!(filter(honest, size).as_deref(), Ok(honest));
            for dump in [
                ".shell id\n",
                "SELECT 1;\n.shell id\n",
                "/* ' */\n.shell id\n-- '\n",
                "SELECT 'a'''\n.shell id\n",
                "#x\n",
            ] {
                assert!(filter(dump, size).is_err(), "{dump}");
            }
        }
        let end = honest.rfind("COMMIT;").map_or(0, |at| at + "COMMIT;".len());
        for end in 0..end {
            assert!(filter(&honest[..end], 64).is_err(), "cut at {end}");
        }
        assert!(filter("BEGIN;\nROLLBACK; -- due to errors\n", 64).is_err());
    }
}
