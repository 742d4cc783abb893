//! What a dump may not do on its way back.
//!
//! LDIF can name files to be read: `attribute:< file:///etc/shadow` (RFC 2849, "value-spec") and `include: file:///...` (a further
//! file's entries). slapadd follows both (libraries/libldap/ldif.c, libraries/libldap/fetch.c), so a dump that somebody changed
//! could put files of the server's machine into the directory, where others read them. No dump holds either. And slapadd takes an
//! entry that was cut off in the middle of a line for a whole one.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::ldif::Walker;

/// So much of a line is looked at: the name of an attribute is shorter.
const LONGEST_NAME: usize = 8 << 10;

/// The filter of every restore: it changes nothing, and refuses what reads files and what does not end as a dump does.
#[derive(Debug)]
pub struct LdifFilter {
    walker: Walker,
    /// The beginning of the line under way, unfolded.
    head: Vec<u8>,
    /// The line's newline was the last byte: a space goes on with it, anything else begins another.
    ended: bool,
    /// What comes is of no more interest in this line.
    known: bool,
}

impl Filter for LdifFilter {
    fn new(_: &RestoreRequest) -> Self {
        Self { walker: Walker::new(), head: Vec::new(), ended: false, known: false }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut rest = chunk.as_slice();
        while let Some(&first) = rest.first() {
            if self.ended {
                self.ended = false;
                if first == b' ' {
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                self.head.clear();
                self.known = false;
            }
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (line, after) =
                end.map_or((rest, None), |end| (rest.get(..end).unwrap_or_default(), rest.get(end + 1..)));
            if !self.known {
                let room = LONGEST_NAME - self.head.len().min(LONGEST_NAME);
                self.head.extend_from_slice(line.get(..room).unwrap_or(line));
                self.look()?;
            }
            self.ended = after.is_some();
            rest = after.unwrap_or_default();
        }
        self.walker.feed(&chunk);
        Ok(chunk)
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        match self.walker.end() {
            Some(_) => Ok(Vec::new()),
            None => Err(Failure::damaged("the dump ends in the middle")),
        }
    }
}

impl LdifFilter {
    fn look(&mut self) -> Result<(), Failure> {
        let refused = |what: &str| {
            Err(Failure::damaged(format!("the dump names {what} to be read, so it is not restored"))
                .hint("a dump of slapcat or ldapsearch never does: find out who changed it"))
        };
        if self.head.first() == Some(&b'#') {
            self.known = true;
            return Ok(());
        }
        let Some(colon) = self.head.iter().position(|&byte| byte == b':') else {
            return if self.head.len() < LONGEST_NAME {
                Ok(())
            } else {
                Err(Failure::damaged("the dump holds a line that is none of LDIF"))
            };
        };
        let (name, value) = self.head.split_at(colon);
        if name.trim_ascii().eq_ignore_ascii_case(b"include") {
            return refused("another file");
        }
        match value.get(1) {
            Some(b'<') => refused("a file"),
            // It may come yet.
            None => Ok(()),
            Some(_) => {
                self.known = true;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, TargetState, testing};

    use super::*;
    use crate::ldif::MARK;

    fn filter(dump: &str, size: usize) -> Result<String, Failure> {
        let request =
            testing::request("x").restore(Artifact::new("ldif", "text/x-ldif", "slapcat"), TargetState::Empty);
        let mut filter = LdifFilter::new(&request);
        let mut out = Vec::new();
        for chunk in dump.as_bytes().chunks(size) {
            out.extend(filter.push(chunk.to_vec())?);
        }
        out.extend(filter.finish()?);
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn files_are_not_read() {
        let honest = format!(
            "dn: dc=x\ndescription: < file:///x\ndescription:: PA==\ncn: include:\n  x\nurl: a:< b\n# x:< y\n #:<\n\n{MARK}"
        );
        for size in 1..=honest.len() {
            assert_eq!(filter(&honest, size).as_deref(), Ok(honest.as_str()), "chunks of {size}");
            for bad in [
                "dn: x\ndescription:< file:///etc/shadow\n",
                "dn: x\ndescription:\n < file:///etc/shadow\n",
                "dn: x\ndescri\n ption:<file:///etc/shadow\n",
                "include: file:///x\n",
                "Incl\n ude: file:///x\n",
                "dn: x\njpegPhoto;x-y:\n \n < file:///x\n",
            ] {
                assert!(filter(&format!("{bad}\n{MARK}"), size).is_err(), "{bad}");
            }
        }
        assert!(filter("dn: x\nou: cin", 5).is_err());
        assert!(filter(&"x".repeat(100_000), 5000).is_err());
    }
}
