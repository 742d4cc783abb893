//! What is left out of a dump, or refused, on its way back.
//!
//! The client obeys no command of its own but DELIMITER (`--binary-mode`), so a dump cannot make it run a program. What a
//! dump could still do is to reach beyond the place that it goes to: one of a single database has no USE and makes or drops no database.

use planb_sdk::{Failure, Filter, RestoreRequest, Scope};

use crate::inspect::{END, SYSTEM};
use crate::names::{Touch, touched};
use crate::scan::{Event, Scanner};

/// A statement is held until it is known what becomes of it. Of larger ones the beginning decides.
const HELD: usize = 256 * 1024;
const DEFINED: [&str; 7] = ["view", "procedure", "function", "trigger", "event", "package", "package-body"];

/// The filter for dumps of statements.
#[derive(Debug)]
pub struct SqlFilter {
    scanner: Scanner,
    held: Vec<u8>,
    /// What becomes of the rest of a statement whose beginning was decided.
    decided: Option<Fate>,
    several: bool,
    with_system: bool,
    no_definer: bool,
    /// In the part of the dump that is about the server's own database.
    in_system: bool,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
}

impl Filter for SqlFilter {
    fn new(request: &RestoreRequest) -> Self {
        let inner = &request.request;
        Self {
            scanner: Scanner::default(),
            held: Vec::new(),
            decided: None,
            several: !matches!(request.source_scope, Scope::Database(_)),
            with_system: inner.toggle("restore-system-tables").unwrap_or_default(),
            no_definer: inner.toggle("no-definer").unwrap_or_default(),
            in_system: false,
            ended: false,
        }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::with_capacity(chunk.len() + self.held.len());
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let (read, event) = self.scanner.next(rest);
            let (bytes, after) = rest.split_at(read);
            rest = after;
            match self.decided {
                Some(Fate::Stays) => out.extend_from_slice(bytes),
                Some(Fate::Goes) => {}
                None => self.held.extend_from_slice(bytes),
            }
            match event {
                Some(Event::Statement) => {
                    self.ended = false;
                    self.decide(&mut out)?;
                    self.decided = None;
                }
                Some(Event::Values) => self.decide(&mut out)?,
                Some(Event::Comment) => {
                    self.ended |= self.scanner.comment().starts_with(END);
                    out.append(&mut self.held);
                }
                Some(Event::Delimiter) => out.append(&mut self.held),
                None if self.held.len() > HELD => self.decide(&mut out)?,
                None => {}
            }
        }
        Ok(out)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        // What is left can only be blank: a statement that does not end is no end of a dump.
        if self.ended && self.scanner.at_rest() {
            return Ok(self.held);
        }
        Err(Failure::damaged("the dump ends in the middle")
            .hint("planb verify says whether the stored backup is whole"))
    }
}

impl SqlFilter {
    /// Decides by the beginning of a statement, unless that was done, and hands on what is held of it.
    fn decide(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.decided.is_some() {
            return Ok(());
        }
        let fate = match touched(self.scanner.head()) {
            Touch::Uses(_) | Touch::MakesDatabase(_) | Touch::DropsDatabase(_) if !self.several => {
                return Err(Failure::damaged("the dump of one database reaches for another, so it is not restored")
                    .hint("it names a database (USE, CREATE DATABASE, DROP DATABASE), which a dump of one never does: find out who changed it"));
            }
            Touch::Uses(name) | Touch::MakesDatabase(name) => {
                self.in_system = name.eq_ignore_ascii_case(SYSTEM) && !self.with_system;
                self.fate()
            }
            Touch::DropsDatabase(name) if name.eq_ignore_ascii_case(SYSTEM) && !self.with_system => Fate::Goes,
            Touch::Makes(kind, _) if self.no_definer && DEFINED.contains(&kind) => {
                without_definer(&mut self.held);
                self.fate()
            }
            _ if !self.with_system && self.scanner.head().eq_ignore_ascii_case(b"FLUSH PRIVILEGES") => Fate::Goes,
            _ => self.fate(),
        };
        if fate == Fate::Stays {
            out.append(&mut self.held);
        }
        self.held.clear();
        self.decided = Some(fate);
        Ok(())
    }

    fn fate(&self) -> Fate {
        if self.in_system { Fate::Goes } else { Fate::Stays }
    }
}

/// Takes ``DEFINER=`user`@`host` `` out of a statement. It stands before everything that a user could have written.
fn without_definer(statement: &mut Vec<u8>) {
    let marker = b"DEFINER=";
    let Some(start) = memchr::memmem::find(statement, marker) else {
        return;
    };
    let mut end = start + marker.len();
    for _ in 0..2 {
        let text = statement.get(end..).unwrap_or_default();
        end += match text.first() {
            Some(&quote @ (b'`' | b'"' | b'\'')) => {
                let Some(length) = quoted_length(text, quote) else {
                    return;
                };
                length
            }
            _ => text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_%.".contains(byte)).count(),
        };
        if statement.get(end) != Some(&b'@') {
            break;
        }
        end += 1;
    }
    statement.drain(start..end);
}

/// The length of a quoted text with its quotes.
fn quoted_length(text: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(quote, text.get(at..)?)? + 1;
        if text.get(at) != Some(&quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;

    const FOOT: &str = "-- Dump completed\n";

    fn filter(change: impl Fn(&mut RestoreRequest), dump: &str) -> Result<String, String> {
        let run = |size: usize| {
            let mut request =
                testing::request("shop").restore(Artifact::new("sql", "application/sql", "sql"), TargetState::Empty);
            change(&mut request);
            let out = testing::filter::<SqlFilter>(&request, format!("{dump}{FOOT}").as_bytes(), size);
            out.map(|out| String::from_utf8(out).unwrap()).map_err(|failure| failure.message)
        };
        let whole = run(1 << 20);
        for size in [1, 2, 7] {
            assert_eq!(run(size), whole, "chunks of {size}");
        }
        whole.map(|out| out.strip_suffix(FOOT).unwrap().to_owned())
    }

    fn several(request: &mut RestoreRequest) {
        request.source_scope = Scope::All;
    }

    const ROUTINE: &str = "\
DELIMITER ;;
CREATE DEFINER=`ro``ot`@`local host` PROCEDURE `p`()
BEGIN SELECT 'DEFINER=`a`@`b`'; USE x; END ;;
DELIMITER ;
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
SELECT 1;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `t1` BEFORE INSERT ON `m` FOR EACH ROW SET @a=1 */;;
";

    #[test]
    fn an_honest_dump_goes_through_unchanged() {
        let dump = format!(
            "-- x\n/*!40101 SET NAMES utf8mb4 */;\nINSERT INTO `a` VALUES (1,'USE `x`;'),\n(2,'\\'');\n{ROUTINE}"
        );
        assert_eq!(filter(|_| (), &dump).as_deref(), Ok(dump.as_str()));
    }

    #[test]
    fn a_dump_of_one_database_stays_there() {
        for dump in
            ["USE `mysql`;\n", "CREATE DATABASE x;\n", "/*!40000 DROP DATABASE IF EXISTS `x`*/;\n", "use\nother;\n"]
        {
            assert!(filter(|_| (), dump).unwrap_err().contains("reaches for another"), "{dump}");
            assert_eq!(
                filter(several, dump.replace("mysql", "x").as_str()).as_deref(),
                Ok(dump.replace("mysql", "x").as_str())
            );
        }
    }

    #[test]
    fn the_servers_own_database() {
        let system =
            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mysql`;\nUSE `mysql`;\nINSERT INTO `user` VALUES (1,';');\n";
        let own = "USE `shop`;\nINSERT INTO `user` VALUES (1,';');\n";
        let dump = format!("SET a=1;\n{system}{own}USE `mysql`;\nSELECT 1;\n/*! FLUSH PRIVILEGES */ ;\n");
        let blank = |text: &str| text.replace('\n', "");
        assert_eq!(filter(several, &dump).map(|out| blank(&out)), Ok(blank(&format!("SET a=1;\n{own}"))));
        let with = |request: &mut RestoreRequest| {
            several(request);
            request.request.settings.push(("restore-system-tables".to_owned(), "true".to_owned()));
        };
        assert_eq!(filter(with, &dump).as_deref(), Ok(dump.as_str()));
    }

    #[test]
    fn definers_go() {
        let no_definer = |request: &mut RestoreRequest| {
            request.request.settings.push(("no-definer".to_owned(), "true".to_owned()));
        };
        let out = filter(no_definer, ROUTINE).unwrap();
        assert!(out.contains("CREATE  PROCEDURE `p`()\nBEGIN SELECT 'DEFINER=`a`@`b`'; USE x; END ;;"), "{out}");
        assert!(out.contains("/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER `t1`"), "{out}");
        let table = "CREATE TABLE `t` (`a` int COMMENT 'DEFINER=`a`@`b`');\n";
        assert_eq!(filter(no_definer, table).as_deref(), Ok(table));
        for (before, after) in [
            ("DEFINER=\"a\"\"b\"@\"c\" X", " X"),
            ("DEFINER=`role` X", " X"),
            ("DEFINER=root@localhost X", " X"),
            ("DEFINER=`never X", "DEFINER=`never X"),
        ] {
            let mut statement = before.as_bytes().to_vec();
            without_definer(&mut statement);
            assert_eq!(String::from_utf8(statement).unwrap(), after);
        }
    }

    #[test]
    fn a_dump_that_ends_in_the_middle() {
        let request =
            testing::request("shop").restore(Artifact::new("sql", "application/sql", "sql"), TargetState::Empty);
        for dump in [
            "",
            "SELECT 1;\n",
            "-- Dump completed",
            "-- Dump completed\nSELECT 1;\n",
            "INSERT INTO a VALUES (1",
            "SELECT 'a\n-- Dump completed\n",
        ] {
            assert!(testing::filter::<SqlFilter>(&request, dump.as_bytes(), 64).is_err(), "{dump}");
        }
    }
}
