//! Turns an RDB into the commands that make the same keys in a running server, for `redis-cli --pipe`.
//!
//! A value of an RDB is a DUMP payload but for its frame: the type before it, the RDB's version and a CRC-64 behind it
//! (createDumpPayload in src/cluster.c), so nothing is unpacked. The lengths of all commands are counted here: whatever
//! a dump holds, it stays an argument.

use std::collections::VecDeque;

use planb_sdk::{Failure, Filter, RestoreRequest};

use crate::crc64::Crc64;
use crate::facts::Facts;
use crate::layout::{Fork, Layout};
use crate::rdb::Walker;
use crate::seal::End;
use crate::strings::{Coding, module_name, printable};
use crate::visitor::{Stop, Text, Visitor};

/// A RESTORE begins with the length of its payload, which is known before it has passed only where the value is one string. Others
/// are kept until then; a plugin has 256 MiB, and may hand over 64 MiB at a time.
pub(crate) const LARGEST: u64 = 96 << 20;
const HANDED_OVER: usize = 48 << 20;
const PIECE: usize = 1 << 20;
/// No name of a key and no library of functions is larger in earnest.
const LARGEST_TEXT: usize = 16 << 20;

/// The filter. Into a folder the RDB goes as it is, but is checked all the same.
#[derive(Debug)]
pub struct RestoreFilter {
    walker: Walker<Replay>,
    as_it_is: bool,
}

impl Filter for RestoreFilter {
    fn new(request: &RestoreRequest) -> Self {
        let inner = &request.request;
        let as_it_is = inner.text("data-dir").is_some();
        let replay = Replay {
            mute: as_it_is,
            replace: request.replace,
            without_module_data: inner.toggle("without-module-data").unwrap_or(false),
            target: inner.server_version.as_deref().map(Facts::parse),
            ..Replay::default()
        };
        Self { walker: Walker::new(replay), as_it_is }
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match self.walker.feed(&chunk) {
            Ok(()) => {}
            Err(Stop::Unknown(_)) if self.as_it_is => {}
            Err(stop) => return Err(refused(stop)),
        }
        Ok(if self.as_it_is { chunk } else { self.walker.visitor.hand_over() })
    }

    fn finish(mut self) -> Result<Vec<u8>, Failure> {
        match self.walker.end() {
            End::Whole { .. } | End::Unknown(_) => {}
            End::Broken(what) => return Err(refused(Stop::Damaged(what))),
        }
        Ok(self.walker.visitor.hand_over())
    }
}

fn refused(stop: Stop) -> Failure {
    match stop {
        Stop::Damaged(what) => Failure::damaged(what).hint("restore another backup: planb list shows them"),
        Stop::Unknown(what) => Failure::unsupported(format!("the RDB cannot be replayed: {what}")).hint(
            "use a newer plugin, or put the RDB into the folder of a stopped server: --option data-dir=/var/lib/redis",
        ),
        Stop::Refused(failure) => failure,
    }
}

/// What is known of the next key, or of the one whose value passes.
#[derive(Debug, Default)]
struct Entry {
    kind: u8,
    key: Vec<u8>,
    expires: Option<u64>,
    idle: Option<u64>,
    frequency: Option<u8>,
    /// The command is under way; its payload has this sum so far.
    begun: bool,
    payload: Crc64,
}

/// Writes the commands.
#[derive(Debug, Default)]
struct Replay {
    mute: bool,
    replace: bool,
    without_module_data: bool,
    target: Option<Facts>,
    version: u32,
    /// The database of the keys that come, and that of the connection.
    database: u64,
    selected: u64,
    entry: Entry,
    /// A value whose length is not known yet.
    held: VecDeque<Vec<u8>>,
    held_bytes: u64,
    out: VecDeque<Vec<u8>>,
}

/// In pieces, so that a large value is never moved as a whole.
fn append(pieces: &mut VecDeque<Vec<u8>>, bytes: &[u8]) {
    match pieces.back_mut() {
        Some(last) if last.len() + bytes.len() <= PIECE => last.extend_from_slice(bytes),
        _ => pieces.push_back(bytes.to_vec()),
    }
}

impl Replay {
    /// The next bytes for the tool.
    fn hand_over(&mut self) -> Vec<u8> {
        let mut bytes = self.out.pop_front().unwrap_or_default();
        while let Some(next) = self.out.front()
            && bytes.len() + next.len() <= HANDED_OVER
        {
            bytes.extend_from_slice(next);
            self.out.pop_front();
        }
        bytes
    }

    fn write(&mut self, bytes: &[u8]) {
        append(&mut self.out, bytes);
    }

    fn begin_command(&mut self, arguments: usize) {
        self.write(format!("*{arguments}\r\n").as_bytes());
    }

    fn begin_argument(&mut self, length: u64) {
        self.write(format!("${length}\r\n").as_bytes());
    }

    fn argument(&mut self, bytes: &[u8]) {
        self.begin_argument(bytes.len() as u64);
        self.write(bytes);
        self.write(b"\r\n");
    }

    /// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n]`, up to the payload of this length.
    fn begin_restore(&mut self, value_bytes: u64) {
        let Entry { expires, idle, frequency, .. } = self.entry;
        let options = usize::from(self.replace)
            + usize::from(expires.is_some())
            + 2 * usize::from(idle.is_some())
            + 2 * usize::from(frequency.is_some());
        self.begin_command(4 + options);
        self.argument(b"RESTORE");
        let key = std::mem::take(&mut self.entry.key);
        self.argument(&key);
        // 0 would be no expiry at all, and what lies behind the end of time is one: a time that has passed is neither.
        let at = expires.map_or(0, |at| i64::try_from(at).unwrap_or(1).max(1));
        self.argument(at.to_string().as_bytes());
        // The type before the value; version and sum behind it.
        self.begin_argument(value_bytes + 1 + 2 + 8);
        let kind = [self.entry.kind];
        self.entry.payload.update(&kind);
        self.write(&kind);
        self.entry.begun = true;
    }

    fn end_restore(&mut self) {
        let mut payload = self.entry.payload;
        let [low, high, ..] = self.version.to_le_bytes();
        payload.update(&[low, high]);
        self.write(&[low, high]);
        self.write(&payload.value().to_le_bytes());
        self.write(b"\r\n");
        if self.replace {
            self.argument(b"REPLACE");
        }
        if self.entry.expires.is_some() {
            self.argument(b"ABSTTL");
        }
        if let Some(idle) = self.entry.idle {
            self.argument(b"IDLETIME");
            self.argument(idle.to_string().as_bytes());
        }
        if let Some(frequency) = self.entry.frequency {
            self.argument(b"FREQ");
            self.argument(frequency.to_string().as_bytes());
        }
        self.entry = Entry::default();
    }

    fn whole(text: &Text<'_>, what: &str) -> Result<Vec<u8>, Failure> {
        let length = if let Coding::Lzf(length) = text.coding { length } else { text.bytes.len() as u64 };
        if !text.whole || length > LARGEST_TEXT as u64 {
            return Err(Failure::unsupported(format!("{what} has more than {} MiB", LARGEST_TEXT >> 20))
                .hint("put the RDB into the folder of a stopped server: --option data-dir=/var/lib/redis"));
        }
        let bytes = text.coding.decode(text.bytes, LARGEST_TEXT);
        let bytes = bytes.ok_or_else(|| Failure::damaged(format!("{what} cannot be unpacked")))?;
        Ok(bytes.into_owned())
    }
}

impl Visitor for Replay {
    const KEEP: usize = LARGEST_TEXT;

    fn begin(&mut self, fork: Fork, version: u32) -> Result<(), Failure> {
        self.version = version;
        match &self.target {
            Some(target) if !self.mute => target.takes(fork, version),
            _ => Ok(()),
        }
    }

    fn aux(&mut self, _: &Text<'_>, _: &Text<'_>) {}

    fn function(&mut self, code: &Text<'_>) -> Result<(), Failure> {
        if self.mute {
            return Ok(());
        }
        let code = Self::whole(code, "a library of functions")?;
        self.begin_command(3 + usize::from(self.replace));
        self.argument(b"FUNCTION");
        self.argument(b"LOAD");
        if self.replace {
            self.argument(b"REPLACE");
        }
        self.argument(&code);
        Ok(())
    }

    fn database(&mut self, number: u64) -> Result<(), Failure> {
        self.database = number;
        Ok(())
    }

    fn expires(&mut self, at: u64) {
        self.entry.expires = Some(at);
    }

    fn idle(&mut self, seconds: u64) {
        self.entry.idle = Some(seconds);
    }

    fn frequency(&mut self, counter: u8) {
        self.entry.frequency = Some(counter);
    }

    fn key(&mut self, kind: u8, _: Layout, key: &Text<'_>) -> Result<(), Failure> {
        if self.mute {
            return Ok(());
        }
        self.entry.key = Self::whole(key, "the name of a key")?;
        self.entry.kind = kind;
        if self.database != self.selected {
            // After a SELECT that failed, keys would go on into the database before.
            if let Some(target) = &self.target {
                target.has_database(self.database)?;
            }
            self.begin_command(2);
            self.argument(b"SELECT");
            self.argument(self.database.to_string().as_bytes());
            self.selected = self.database;
        }
        Ok(())
    }

    fn module(&mut self, _: u64) {}

    fn size(&mut self, bytes: u64) -> Result<(), Failure> {
        if !self.mute {
            self.begin_restore(bytes);
        }
        Ok(())
    }

    fn value(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.mute || bytes.is_empty() {
            return Ok(());
        }
        if self.entry.begun {
            self.entry.payload.update(bytes);
            self.write(bytes);
            return Ok(());
        }
        self.held_bytes += bytes.len() as u64;
        if self.held_bytes > LARGEST {
            return Err(Failure::unsupported(format!(
                "the key {} is larger than {} MiB, and so is not replayed into a running server",
                printable(self.entry.key.get(..100).unwrap_or(&self.entry.key)),
                LARGEST >> 20
            ))
            .hint("put the RDB into the folder of a stopped server: --option data-dir=/var/lib/redis"));
        }
        append(&mut self.held, bytes);
        Ok(())
    }

    fn value_end(&mut self) -> Result<(), Failure> {
        if self.mute {
            self.entry = Entry::default();
            return Ok(());
        }
        if !self.entry.begun {
            self.begin_restore(self.held_bytes);
            self.held_bytes = 0;
            for piece in std::mem::take(&mut self.held) {
                self.entry.payload.update(&piece);
                // Small values stay together; large pieces are moved, not copied.
                if piece.len() < PIECE / 2 {
                    self.write(&piece);
                } else {
                    self.out.push_back(piece);
                }
            }
        }
        self.end_restore();
        Ok(())
    }

    fn module_data(&mut self, id: Option<u64>) -> Result<(), Failure> {
        if self.mute || self.without_module_data {
            return Ok(());
        }
        let name = id.map_or_else(|| "about a key".to_owned(), |id| format!("({})", module_name(id)));
        Err(Failure::unsupported(format!("the RDB holds data of a module {name}, which cannot be replayed")).hint(
            "leave it out with --option without-module-data=true (a search index then has to be made again), or put the RDB into \
             the folder of a stopped server: --option data-dir=/var/lib/redis",
        ))
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Scope, TargetState, testing};

    use super::*;

    fn filter() -> RestoreFilter {
        let artifact = Artifact::new("rdb", "application/octet-stream", "rdb");
        RestoreFilter::new(&testing::request("").scope(Scope::All).restore(artifact, TargetState::Empty))
    }

    fn length(bytes: u64) -> Vec<u8> {
        [&[0x81], &bytes.to_be_bytes()[..]].concat()
    }

    #[test]
    fn a_long_string_passes_through() {
        let mut filter = filter();
        let bytes = 300 << 20;
        let head = [&b"REDIS0010\x00\x01k"[..], &length(bytes)].concat();
        let first = filter.push(head).unwrap();
        assert_eq!(
            first,
            [&b"*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n$314572820\r\n\x00"[..], &length(bytes)].concat()
        );
        for _ in 1..bytes >> 20 {
            assert_eq!(filter.push(vec![7; 1 << 20]).unwrap().len(), 1 << 20);
        }
        // Behind the last: the version and the sum, and the end of the argument.
        assert_eq!(filter.push(vec![7; 1 << 20]).unwrap().len(), (1 << 20) + 2 + 8 + 2);
    }

    #[test]
    fn a_large_collection_is_handed_over_in_parts_or_refused() {
        for (elements, fits) in [(90_u64, true), (97, false)] {
            let mut filter = filter();
            filter.push([&b"REDIS0010\x02\x01k"[..], &length(elements)].concat()).unwrap();
            let mut result = Ok(0);
            for _ in 0..elements {
                let element = [length(1 << 20), vec![7; 1 << 20]].concat();
                result = filter.push(element).map(|bytes| bytes.len());
                if !matches!(result, Ok(0)) {
                    break;
                }
            }
            if fits {
                // The element that was last, then what is left.
                let (first, second) = (result.unwrap(), filter.walker.visitor.hand_over().len());
                assert!(first <= HANDED_OVER && second <= HANDED_OVER, "{first} {second}");
                assert!((90 << 20..91 << 20).contains(&(first + second)));
            } else {
                assert!(result.unwrap_err().message.starts_with("the key k is larger than 96 MiB"));
            }
        }
    }

    #[test]
    fn data_of_modules() {
        let dump = b"REDIS0012\xf7\x09\x02\x01\x00".to_vec();
        assert!(filter().push(dump.clone()).unwrap_err().hint.unwrap().contains("without-module-data"));
        let mut without = filter();
        without.walker.visitor.without_module_data = true;
        assert_eq!(without.push(dump).unwrap(), b"");
    }
}
