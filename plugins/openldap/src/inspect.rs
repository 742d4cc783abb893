//! What a dump held, and whether it is whole.

use planb_sdk::{Artifact, Inspection, Inspector, Request};

use crate::ldif::{End, Walker};
use crate::plan::SLAPCAT;

/// The inspector for both formats.
#[derive(Debug)]
pub struct LdifInspector {
    walker: Walker,
    slapcat: bool,
    bytes: u64,
}

impl Inspector for LdifInspector {
    fn new(_: &Request, artifact: &Artifact) -> Self {
        Self { walker: Walker::new(), slapcat: artifact.format == SLAPCAT, bytes: 0 }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.walker.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let entries = self.walker.entries();
        let finding = match (self.slapcat, self.walker.end()) {
            _ if self.bytes == 0 => Some("the dump is empty".to_owned()),
            (true, Some(End::Mark)) => None,
            (false, Some(End::Count(sent))) if sent == entries => None,
            (false, Some(End::Count(sent))) => {
                Some(format!("the server sent {sent} entries, and the dump holds {entries}: it was changed"))
            }
            _ => Some("the dump does not end with the comment that is written last: it was cut off".to_owned()),
        };
        Inspection {
            complete: finding.is_none(),
            objects: self.walker.objects(),
            findings: finding.into_iter().collect(),
        }
    }
}
