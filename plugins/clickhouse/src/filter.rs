//! What a script may not do on its way back.
//!
//! The client writes files (`INTO OUTFILE`) and reads them (`FROM INFILE`) where it runs, and a server obeys any statement, so a
//! dump that somebody changed could do anything. A dump of this engine makes tables and views and fills them: nothing else
//! passes. An INSERT without rows, which newer clients refuse, is left out.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::scan::{Event, Scanner, Statement};

/// The filter for scripts.
#[derive(Debug)]
pub struct ScriptFilter {
    scanner: Scanner,
    /// Bytes that cannot go on before it is known what they are.
    held: Vec<u8>,
    stage: Stage,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the end of a statement, or the rows of an INSERT.
    Held,
    /// An INSERT, before its first row.
    BeforeRows,
    /// In the rows.
    Rows,
}

/// A statement longer than this is none of a dump: the server itself takes 256 KiB.
const LONGEST: usize = 16 << 20;

impl Filter for ScriptFilter {
    fn new(_: &RestoreRequest) -> Self {
        Self { scanner: Scanner::script(), held: Vec::new(), stage: Stage::Held, ended: false }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::with_capacity(chunk.len() + self.held.len());
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            self.ended = false;
            let (read, event) = self.scanner.next(rest);
            let (bytes, after) = rest.split_at(read);
            rest = after;
            match self.stage {
                Stage::Rows => out.extend_from_slice(bytes),
                Stage::Held | Stage::BeforeRows => self.held.extend_from_slice(bytes),
            }
            match event {
                Some(Event::Bad(why)) => return Err(refused(why)),
                Some(Event::Rows) => {
                    if !matches!(Statement::read(self.scanner.head()), Statement::Insert(_)) {
                        return Err(refused("it fills something that is no table"));
                    }
                    self.stage = Stage::BeforeRows;
                }
                Some(Event::Statement) => self.statement(&mut out)?,
                None => {}
            }
            if self.stage == Stage::BeforeRows && self.scanner.in_row() {
                out.append(&mut self.held);
                self.stage = Stage::Rows;
            }
            if self.held.len() > LONGEST {
                return Err(refused("there is a statement in it of many megabytes"));
            }
        }
        Ok(out)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        if self.ended && self.held.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Failure::damaged("the dump ends in the middle"))
        }
    }
}

impl ScriptFilter {
    fn statement(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self.stage {
            // No row came.
            Stage::BeforeRows if self.scanner.rows() == 0 => self.held.clear(),
            Stage::BeforeRows => out.append(&mut self.held),
            Stage::Rows => {}
            Stage::Held => {
                match Statement::read(self.scanner.head()) {
                    Statement::End(_) => self.ended = true,
                    Statement::Create { .. } | Statement::NoRows(_) => {}
                    Statement::Insert(_) | Statement::Other => {
                        return Err(refused("it holds a statement other than CREATE and INSERT"));
                    }
                }
                out.append(&mut self.held);
            }
        }
        self.stage = Stage::Held;
        Ok(())
    }
}

fn refused(why: &str) -> Failure {
    Failure::damaged(format!("the dump is not restored: {why}"))
        .hint("a dump that planb made is never so: find out who changed it")
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;

    fn filter(dump: &str, size: usize) -> Result<String, Failure> {
        let request = testing::request("x").restore(Artifact::new("sql", "", "sql"), TargetState::Empty);
        let mut filter = ScriptFilter::new(&request);
        let mut out = Vec::new();
        for chunk in dump.as_bytes().chunks(size) {
            out.extend(filter.push(chunk.to_vec())?);
        }
        out.extend(filter.finish()?);
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    const END: &str = "SELECT 'planb: end of the dump', 1;\n";

    #[test]
    fn what_passes() {
        let create = "CREATE TABLE a ( b String DEFAULT ';') ENGINE = Log;\n";
        let rows = "INSERT INTO `a` VALUES ('x;\\''),\n('DROP');\n";
        let dump = format!("{create}{rows}INSERT INTO `a` VALUES ;\n{END}");
        for size in 1..=dump.len() {
            assert_eq!(filter(&dump, size).unwrap(), format!("{create}{rows}{END}"), "chunks of {size}");
        }
        for end in 0..dump.len() {
            assert!(filter(&dump[..end], 16).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_does_not() {
        for bad in [
            "DROP DATABASE x;\n",
            "SELECT 1 INTO OUTFILE '/etc/cron.d/x';\n",
            "INSERT INTO FUNCTION url('http://x') VALUES (1);\n",
            "INSERT INTO shop.a VALUES (1);\n",
            "INSERT INTO a SELECT * FROM url('x');\n",
            "CREATE TABLE b.a (x Int8) ENGINE = Log;\n",
            "CREATE TABLE a (x Int8) ENGINE = Log; DROP TABLE c;\n",
            "INSERT INTO `a` VALUES (1); DROP TABLE c;\n",
            "INSERT INTO `a` VALUES (1)\nDROP TABLE c;\n",
            "SET x = 1;\n",
            "-- '\nDROP TABLE c;\n",
        ] {
            for size in [1, 5, 100] {
                let failure = filter(&format!("{bad}{END}"), size).unwrap_err();
                assert!(failure.message.contains("not restored"), "{bad} {failure:?}");
            }
        }
    }
}
