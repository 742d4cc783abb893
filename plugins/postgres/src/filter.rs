//! What a plain dump may not do on its way back, and what the target does not know of it.
//!
//! psql obeys a dump's backslash commands (`\!` runs a shell), so a dump that somebody changed, or that a hostile server
//! smuggled one into (CVE-2025-8714), could run anything where it is restored. This filter refuses every one
//! but the `\restrict` pair that new versions of pg_dump write around a dump. Then it leaves out what the user or
//! an older server does not want, statement by statement.

use planb_sdk::{Artifact, Failure, Filter, RestoreRequest, quote};

use crate::backup::GLOBALS;
use crate::inspect;
use crate::names::{self, Touch};
use crate::restore;
use crate::scan::{Event, Scanner};

/// A statement is held until it is known whether it stays. Larger ones always stay.
const HELD: usize = 256 * 1024;

/// The filter for plain dumps, and for those of roles and tablespaces.
#[derive(Debug)]
pub struct PlainFilter {
    scanner: Scanner,
    held: Vec<u8>,
    /// Part of the current statement has gone on already.
    overlong: bool,
    globals: bool,
    keep_restrict: bool,
    keep_transaction_timeout: bool,
    no_owner: bool,
    no_privileges: bool,
    /// psql holds the whole restore in one transaction.
    single: bool,
    /// pg_dump's last comment was seen, and no statement after it.
    ended: bool,
    restrict: Restrict,
}

/// Where in a dump the `\restrict` pair may stand.
#[derive(Debug, PartialEq, Eq)]
enum Restrict {
    Start,
    None,
    Open(Vec<u8>),
    Closed,
}

impl Filter for PlainFilter {
    fn new(request: &RestoreRequest) -> Self {
        let inner = &request.request;
        let globals = is_globals(&request.artifact);
        Self {
            scanner: Scanner::new(),
            held: Vec::new(),
            overlong: false,
            globals,
            // In restricted mode psql would refuse the \gexec that roles are guarded with.
            keep_restrict: !globals && restore::knows_restrict(inner.tool_version("psql")),
            keep_transaction_timeout: restore::knows_transaction_timeout(inner.server()),
            no_owner: inner.toggle("no-owner").unwrap_or_default(),
            no_privileges: inner.toggle("no-privileges").unwrap_or_default(),
            single: !globals && inner.toggle("single-transaction").unwrap_or_default(),
            ended: false,
            restrict: Restrict::Start,
        }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::with_capacity(chunk.len() + self.held.len());
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let rows = self.scanner.in_rows();
            let (read, event) = self.scanner.next(rest);
            let (bytes, after) = rest.split_at(read);
            rest = after;
            if let Some(odd) = self.scanner.odd() {
                return Err(restore::refused(odd));
            }
            if rows {
                out.append(&mut self.held);
                out.extend_from_slice(bytes);
                continue;
            }
            self.held.extend_from_slice(bytes);
            match event {
                Some(event) => self.pass(event, &mut out)?,
                None if self.held.len() > HELD => {
                    self.overlong = true;
                    out.append(&mut self.held);
                }
                None => {}
            }
        }
        Ok(out)
    }

    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        // What is left can only be blank: a statement or a command that does not end is no end of a dump.
        if self.ended
            && self.held.trim_ascii().is_empty()
            && !self.scanner.in_rows()
            && !matches!(self.restrict, Restrict::Open(_))
        {
            return Ok(std::mem::take(&mut self.held));
        }
        Err(Failure::damaged("the dump ends in the middle"))
    }
}

impl PlainFilter {
    /// Decides what becomes of what is held.
    fn pass(&mut self, event: Event, out: &mut Vec<u8>) -> Result<(), Failure> {
        let overlong = std::mem::take(&mut self.overlong);
        match event {
            Event::Comment | Event::Rows => {
                self.ended |= inspect::END_MARKS.contains(&self.scanner.comment()) && event == Event::Comment;
                out.append(&mut self.held);
            }
            Event::Meta => {
                self.meta()?;
                if self.keep_restrict {
                    out.append(&mut self.held);
                } else {
                    out.push(b'\n');
                }
            }
            Event::Statement => {
                self.ended = false;
                if self.restrict == Restrict::Start {
                    self.restrict = Restrict::None;
                }
                if self.restrict == Restrict::Closed && !self.globals {
                    return Err(restore::refused("statements after its end"));
                }
                if overlong {
                    out.append(&mut self.held);
                } else if let Some(guarded) = self.guarded() {
                    out.extend_from_slice(guarded.as_bytes());
                } else if self.stays() {
                    out.append(&mut self.held);
                }
            }
        }
        self.held.clear();
        Ok(())
    }

    /// Accepts `\restrict KEY` before the first statement and `\unrestrict` with the same key after the last, and no other.
    fn meta(&mut self) -> Result<(), Failure> {
        let meta = self.scanner.meta();
        let key = |prefix: &[u8]| {
            let key = meta.strip_prefix(prefix)?.trim_ascii_end();
            let plain = !key.is_empty() && key.iter().all(u8::is_ascii_alphanumeric);
            (plain && self.scanner.meta_stands_alone()).then(|| key.to_vec())
        };
        self.restrict = match &self.restrict {
            Restrict::Start if let Some(key) = key(b"\\restrict ") => Restrict::Open(key),
            Restrict::Open(open) if key(b"\\unrestrict ").as_ref() == Some(open) => Restrict::Closed,
            _ => {
                let command: String =
                    String::from_utf8_lossy(meta).chars().take(40).filter(|c| !c.is_control()).collect();
                return Err(restore::refused(&format!("the psql command {command}")));
            }
        };
        Ok(())
    }

    fn stays(&self) -> bool {
        let head = self.scanner.head();
        let starts = |prefix: &str| head.starts_with(prefix.as_bytes());
        let unknown = !self.keep_transaction_timeout && starts("SET transaction_timeout ");
        let owner = self.no_owner && starts("ALTER ") && sets_owner(head);
        let privilege =
            self.no_privileges && (starts("GRANT ") || starts("REVOKE ") || starts("ALTER DEFAULT PRIVILEGES "));
        // pg_dump puts large objects into a transaction of their own, whose COMMIT would end the one around it all.
        let transaction = self.single && (head == b"BEGIN" || head == b"COMMIT");
        !(unknown || owner || privilege || transaction)
    }

    /// Roles and tablespaces that exist already are no error: `CREATE ROLE` has no IF NOT EXISTS, so psql is
    /// told to make the statement only where there is no such role, and to run what it made.
    fn guarded(&self) -> Option<String> {
        if !self.globals {
            return None;
        }
        let head = self.scanner.head();
        let Touch::Makes(kind, name) = names::touched(head) else {
            return None;
        };
        let (catalog, column) = match kind {
            "role" => ("pg_roles", "rolname"),
            "tablespace" => ("pg_tablespace", "spcname"),
            _ => return None,
        };
        let plain = match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => name,
        };
        let statement = quote::sql_string(&String::from_utf8_lossy(head));
        let name = quote::sql_string(&plain);
        Some(format!(
            "\nSELECT {statement} WHERE NOT EXISTS (SELECT FROM pg_catalog.{catalog} WHERE {column} = {name})\\gexec\n"
        ))
    }
}

fn is_globals(artifact: &Artifact) -> bool {
    artifact.format == GLOBALS
}

/// `ALTER ... OWNER TO name`, as pg_dump writes it.
fn sets_owner(head: &[u8]) -> bool {
    let marker = b" OWNER TO ";
    let Some(at) = memchr::memmem::rfind(head, marker) else {
        return false;
    };
    let rest = head.get(at + marker.len()..).unwrap_or_default().trim_ascii();
    names::name(rest).is_some_and(|name| name.len() == rest.len())
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Scope, TargetState, testing};

    use super::*;
    use crate::testing::restore_request;

    const END: &str = "-- PostgreSQL database dump complete\n";

    /// What becomes of a dump with its end mark, without it again.
    fn filter(change: impl Fn(&mut RestoreRequest), dump: &str) -> Result<String, String> {
        let out = bare(change, &format!("{dump}{END}"))?;
        out.strip_suffix(END).map(str::to_owned).ok_or_else(|| "the end mark is gone".to_owned())
    }

    fn bare(change: impl Fn(&mut RestoreRequest), dump: &str) -> Result<String, String> {
        let run = |size: usize| {
            let mut request = restore_request("orders", TargetState::Empty);
            change(&mut request);
            let out = testing::filter::<PlainFilter>(&request, dump.as_bytes(), size);
            out.map(|out| String::from_utf8(out).unwrap()).map_err(|failure| failure.message)
        };
        let whole = run(1 << 20);
        for size in [1, 2, 3, 7] {
            assert_eq!(run(size), whole, "chunks of {size}");
        }
        whole
    }

    #[test]
    fn an_honest_dump_goes_through_unchanged() {
        let dump = "--\n\n\\restrict abc1\n\nSET a = 1;\nCOPY t FROM stdin;\n\\\\! x\n\\.\n\n\nSELECT '\\! x';\n--\n\n\\unrestrict abc1\n\n";
        assert_eq!(filter(|_| (), dump).as_deref(), Ok(dump));
        let older = |request: &mut RestoreRequest| {
            request.request.tools.iter_mut().for_each(|tool| tool.version = Some("15.13".to_owned()));
        };
        assert_eq!(
            filter(older, dump).as_deref(),
            Ok("--\n\n\nSET a = 1;\nCOPY t FROM stdin;\n\\\\! x\n\\.\n\n\nSELECT '\\! x';\n--\n\n\n")
        );
    }

    #[test]
    fn meta_commands_are_refused() {
        for dump in [
            "\\! id\n",
            "SELECT 1; \\! id\n",
            "SELECT 1 \\! id\n",
            "SELECT 1;\n\\connect other\n",
            "SELECT 1;\n\\restrict a\n",
            "\\restrict a\nSELECT 1;\n\\unrestrict b\n",
            "\\restrict a\n\\unrestrict a\n\\! id\n",
            "\\restrict a \\! id\n",
            "COPY t FROM stdin;\n1\n\\.\n\\! id\n",
            "COPY t FROM stdin;\n1\n\\.\r\n\\! id\n",
            "COPY t FROM stdin; \\! id\n1\n\\.\n",
            "COPY t FROM PROGRAM 'id';\n",
            "SELECT 'a\\'; \\! id\n",
            "/* ' */ \\! id\n-- '\n",
            "SELECT $a$ $b$ $a$; \\! id\n",
        ] {
            assert!(filter(|_| (), dump).unwrap_err().starts_with("the dump holds "), "{dump}");
        }
    }

    #[test]
    fn a_dump_that_ends_in_the_middle() {
        for dump in [
            "SELECT 1",
            "SELECT 1;\n",
            "COPY t FROM stdin;\n1\n",
            "\\restrict a\nSELECT 1;\n",
            "SELECT 'a;\n",
            "/* a",
            "",
        ] {
            assert_eq!(bare(|_| (), dump).unwrap_err(), "the dump ends in the middle", "{dump}");
        }
    }

    #[test]
    fn what_the_target_does_not_want() {
        let dump = "SET transaction_timeout = 0;\nALTER TABLE public.t OWNER TO \"a b\";\nGRANT ALL ON t TO x;\nSELECT ' OWNER TO x';\n";
        assert_eq!(filter(|_| (), dump).unwrap(), dump.trim_start_matches("SET transaction_timeout = 0;"));
        let plain = |request: &mut RestoreRequest| {
            request.request.server_version = Some("17.0".to_owned());
            for name in ["no-owner", "no-privileges"] {
                request.request.settings.push((name.to_owned(), "true".to_owned()));
            }
        };
        assert_eq!(filter(plain, dump).unwrap(), "SET transaction_timeout = 0;\nSELECT ' OWNER TO x';\n");
    }

    #[test]
    fn one_transaction_stays_one() {
        let dump = "SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;\n";
        assert_eq!(filter(|_| (), dump).unwrap(), "SELECT 1;\nSELECT 2;\n");
        let several = |request: &mut RestoreRequest| request.request.settings.clear();
        assert_eq!(filter(several, dump).unwrap(), dump);
    }

    #[test]
    fn roles_that_exist_are_no_error() {
        let globals = |request: &mut RestoreRequest| {
            request.artifact.format = GLOBALS.to_owned();
            request.source_scope = Scope::Globals;
        };
        let dump = "\\restrict a\nCREATE ROLE \"it's \"\"x\";\nALTER ROLE b;\n\\unrestrict a\n--\n";
        assert_eq!(
            filter(globals, dump).unwrap(),
            "\n\nSELECT 'CREATE ROLE \"it''s \"\"x\"' WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'it''s \"x')\\gexec\n\
             \nALTER ROLE b;\n--\n"
        );
    }
}
