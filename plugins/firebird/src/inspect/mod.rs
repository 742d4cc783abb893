//! What a backup held, and whether it is whole.

mod format;
mod walk;

use planb_sdk::{Artifact, Inspection, Inspector, Object, Request};

use walk::{End, Walker};

/// `gbak` writes blocks of this size (burp.h, BURP_BLOCK), the last one filled up.
const BLOCK: u64 = 512;

/// The inspector of backups.
#[derive(Debug)]
pub struct GbakInspector {
    walker: Walker,
    bytes: u64,
    /// The backup was asked for without rows.
    no_rows: bool,
}

impl Inspector for GbakInspector {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self { walker: Walker::new(), bytes: 0, no_rows: request.toggle("metadata-only").unwrap_or_default() }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.walker.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let finding = match self.walker.end() {
            _ if self.bytes == 0 => Some("the backup is empty".to_owned()),
            End::Seen(after) if after < BLOCK && self.bytes.is_multiple_of(BLOCK) => None,
            End::Seen(after) if after < BLOCK => Some("the backup's last block was cut off".to_owned()),
            End::Seen(_) => Some("there is something behind the backup's end".to_owned()),
            End::Missing => Some("the backup does not reach its end record: it was cut off".to_owned()),
            End::Unknown(why) => Some(why),
        };
        let objects = self.walker.objects().map(|(name, kind, rows)| {
            let rows = (kind == "table" && !self.no_rows).then_some(rows);
            Object::new(kind, name).rows(rows)
        });
        Inspection { complete: finding.is_none(), objects: objects.collect(), findings: finding.into_iter().collect() }
    }
}
