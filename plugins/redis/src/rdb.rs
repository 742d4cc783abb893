//! Walks an RDB as it passes: where keys and values begin and end, without copying or unpacking them.
//!
//! The format is that of rdbSaveRio in src/rdb.c: a header, opcodes with their fields, keys with their values, the opcode 255, and a
//! CRC-64 of all before it. Values are walked by their [`layout`], so memory stays small whatever they hold.

use crate::layout::{self, Field, Fork};
use crate::number::{Head, ModuleField, module_field, plain_number, text_head};
use crate::seal::{End, Seal};
use crate::strings::Coding;
use crate::visitor::{Stop, Text, Visitor};

pub(crate) const CUT: &str = "the dump ends in the middle of the RDB";
/// Longer than any piece of the format that has to lie together.
const TOKEN: usize = 64;
/// The sum came with this version (Redis 2.6).
const OLDEST: u32 = 5;

#[derive(Debug, Clone, Copy)]
struct Frame {
    fields: &'static [Field],
    at: usize,
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Header,
    Top,
    /// A key of this type, a name or value of an auxiliary field, a function.
    Key(u8),
    AuxName,
    AuxValue,
    Function,
    Fields,
    /// Behind the opcode 255.
    Sum,
}

/// A string that does not lie in one chunk.
#[derive(Debug)]
struct Capture {
    coding: Coding,
    left: u64,
    kept: Vec<u8>,
    whole: bool,
}

#[derive(Debug)]
pub(crate) struct Walker<V> {
    pub(crate) visitor: V,
    phase: Phase,
    fork: Fork,
    version: u32,
    stack: Vec<Frame>,
    in_value: bool,
    /// Bytes of a string or of fixed fields that are passed over.
    skip: u64,
    capture: Option<Capture>,
    aux_name: (Coding, Vec<u8>),
    /// The beginning of a piece whose rest is in the next chunk.
    held: Vec<u8>,
    seal: Seal,
    /// Why the walk was given up.
    lost: Option<String>,
    broken: Option<String>,
}

impl<V: Visitor> Walker<V> {
    pub(crate) fn new(visitor: V) -> Self {
        Self {
            visitor,
            phase: Phase::Header,
            fork: Fork::Redis,
            version: 0,
            stack: Vec::new(),
            in_value: false,
            skip: 0,
            capture: None,
            aux_name: (Coding::Plain, Vec::new()),
            held: Vec::new(),
            seal: Seal::default(),
            lost: None,
            broken: None,
        }
    }

    /// The next bytes. After `Unknown` the walk goes on without a look at what passes; after the others it is over.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), Stop> {
        if self.broken.is_some() {
            return Ok(());
        }
        if self.lost.is_some() {
            self.seal.unknown(chunk);
            return Ok(());
        }
        if self.phase == Phase::Sum {
            self.seal.behind(chunk);
            return Ok(());
        }
        match self.walk(chunk) {
            Ok(walked) => {
                let (summed, behind) = chunk.split_at(walked);
                self.seal.sum(summed);
                self.seal.behind(behind);
                Ok(())
            }
            Err(stop) => {
                match &stop {
                    Stop::Unknown(what) => {
                        self.lost = Some(what.clone());
                        self.seal.unknown(chunk);
                    }
                    Stop::Damaged(what) => self.broken = Some(what.clone()),
                    Stop::Refused(failure) => self.broken = Some(failure.message.clone()),
                }
                Err(stop)
            }
        }
    }

    /// What it was, all in all.
    pub(crate) fn end(&self) -> End {
        let cut = || End::Broken(CUT.to_owned());
        match (&self.broken, &self.lost) {
            (Some(what), _) => End::Broken(what.clone()),
            (None, Some(what)) if self.seal.ends_right() => End::Unknown(what.clone()),
            (None, None) if self.phase == Phase::Sum => self.seal.end().unwrap_or_else(cut),
            _ => cut(),
        }
    }

    /// Walks a chunk, with what is held of the one before. Gives how much of the chunk lies before the sum.
    fn walk(&mut self, chunk: &[u8]) -> Result<usize, Stop> {
        let mut from = 0;
        if !self.held.is_empty() {
            let before = self.held.len();
            let mut joined = std::mem::take(&mut self.held);
            let taken = chunk.len().min(TOKEN);
            joined.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            let walked = self.run(&joined)?;
            match walked.checked_sub(before) {
                Some(beyond) => from = beyond,
                None if taken == chunk.len() => {
                    joined.drain(..walked);
                    self.held = joined;
                    return Ok(chunk.len());
                }
                None => return Err(Stop::Damaged("a piece of the RDB is longer than any can be".to_owned())),
            }
        }
        if self.phase != Phase::Sum {
            let rest = chunk.get(from..).unwrap_or_default();
            let walked = self.run(rest)?;
            if self.phase == Phase::Sum {
                return Ok(from + walked);
            }
            self.held.extend_from_slice(rest.get(walked..).unwrap_or_default());
            return Ok(chunk.len());
        }
        Ok(from)
    }

    /// Walks as far as whole pieces go. Gives how many bytes that are.
    fn run(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut input = Input { bytes, at: 0, value: 0 };
        loop {
            if self.skip > 0 {
                let here = (bytes.len() - input.at).min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                input.at += here;
                self.skip -= here as u64;
                if self.skip > 0 {
                    break;
                }
            }
            let more = match self.phase {
                Phase::Header => self.header(&mut input)?,
                Phase::Top => {
                    self.short(&mut input)?;
                    self.opcode(&mut input)?
                }
                Phase::Key(_) | Phase::AuxName | Phase::AuxValue | Phase::Function => self.text(&mut input)?,
                Phase::Fields => self.fields(&mut input)?,
                Phase::Sum => false,
            };
            if !more {
                break;
            }
        }
        if self.in_value {
            self.visitor.value(bytes.get(input.value..input.at).unwrap_or_default())?;
        }
        Ok(input.at)
    }

    fn header(&mut self, input: &mut Input<'_>) -> Result<bool, Stop> {
        let rest = input.rest();
        let no_rdb = || Stop::Damaged("the dump does not begin as an RDB does".to_owned());
        let Some(header) = rest.first_chunk::<9>() else {
            let fits = [&b"REDIS"[..], b"VALKEY"].iter().any(|magic| magic.iter().zip(rest).all(|(a, b)| a == b));
            return if fits { Ok(false) } else { Err(no_rdb()) };
        };
        let (fork, digits) = match header.strip_prefix(b"VALKEY") {
            Some(digits) => (Fork::Valkey, digits),
            None => (Fork::Redis, header.strip_prefix(b"REDIS").ok_or_else(no_rdb)?),
        };
        let version = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let version: u32 = version.and_then(|text| text.parse().ok()).ok_or_else(no_rdb)?;
        if version < OLDEST {
            return Err(Stop::Damaged(format!("version {version} of the RDB format is older than Redis 2.6")));
        }
        (self.fork, self.version) = (fork, version);
        self.visitor.begin(fork, version)?;
        input.at += header.len();
        self.phase = Phase::Top;
        Ok(true)
    }

    /// Most of most RDBs: keys whose value is one string, with all of both at hand. The same as the long way, in one go.
    fn short(&mut self, input: &mut Input<'_>) -> Result<(), Stop> {
        while let Some((&kind, rest)) = input.rest().split_first()
            && let Some(layout) = layout::of(kind, self.fork).filter(|layout| matches!(layout.fields, [Field::Text]))
            && let Some(key) = text_head(rest)?
            && let Some((name, rest)) = split(rest, key)
            && let Some(value) = text_head(rest)?
            && let Some((_, behind)) = split(rest, value)
        {
            self.visitor.key(kind, layout, &Text { coding: key.coding, bytes: name, whole: true })?;
            self.visitor.size(value.size as u64 + value.length)?;
            self.visitor.value(rest.get(..rest.len() - behind.len()).unwrap_or_default())?;
            self.visitor.value_end()?;
            input.at = input.bytes.len() - behind.len();
        }
        Ok(())
    }

    fn opcode(&mut self, input: &mut Input<'_>) -> Result<bool, Stop> {
        let Some((&code, rest)) = input.rest().split_first() else {
            return Ok(false);
        };
        let mut numbers = [0; 3];
        let mut fixed = 0;
        let count = match code {
            248 | 254 | 247 => 1,
            251 => 2,
            244 => 3,
            243 if self.fork == Fork::Redis => 1,
            _ => 0,
        };
        for number in numbers.iter_mut().take(count) {
            let Some((value, size)) = plain_number(rest.get(fixed..).unwrap_or_default())? else {
                return Ok(false);
            };
            (*number, fixed) = (value, fixed + size);
        }
        let [first, ..] = numbers;
        match code {
            255 => self.phase = Phase::Sum,
            254 => self.visitor.database(first)?,
            253 => {
                let Some(seconds) = rest.first_chunk::<4>() else { return Ok(false) };
                fixed = 4;
                self.visitor.expires(u64::from(u32::from_le_bytes(*seconds)) * 1000);
            }
            252 => {
                let Some(at) = rest.first_chunk::<8>() else { return Ok(false) };
                fixed = 8;
                self.visitor.expires(u64::from_le_bytes(*at));
            }
            // The sizes of a database and of a slot.
            251 | 244 => {}
            250 => self.phase = Phase::AuxName,
            249 => {
                let Some(&counter) = rest.first() else { return Ok(false) };
                fixed = 1;
                self.visitor.frequency(counter);
            }
            248 => self.visitor.idle(first),
            247 => {
                self.visitor.module_data(Some(first))?;
                self.enter(layout::MODULE_AUX, 1);
            }
            245 => self.phase = Phase::Function,
            243 if self.fork == Fork::Redis => {
                self.visitor.module_data(None)?;
                self.enter(layout::KEY_META, first);
            }
            243 => self.enter(layout::SLOT_IMPORT, 1),
            kind if layout::of(kind, self.fork).is_some() => self.phase = Phase::Key(kind),
            other => {
                let version = self.version;
                return Err(Stop::Unknown(format!(
                    "code {other} of RDB version {version} is not known to this plugin"
                )));
            }
        }
        input.at += 1 + fixed;
        Ok(true)
    }

    fn enter(&mut self, fields: &'static [Field], left: u64) {
        self.stack.push(Frame { fields, at: 0, left });
        self.phase = Phase::Fields;
    }

    /// A key, function or auxiliary field: the strings that are looked at.
    fn text(&mut self, input: &mut Input<'_>) -> Result<bool, Stop> {
        if self.capture.is_none() {
            let Some(head) = text_head(input.rest())? else {
                return Ok(false);
            };
            input.at += head.size;
            let here = usize::try_from(head.length).ok().and_then(|length| input.rest().get(..length));
            if let Some(bytes) = here {
                input.at += bytes.len();
                self.told(&Text { coding: head.coding, bytes, whole: true }, input)?;
                return Ok(true);
            }
            let Head { coding, length, .. } = head;
            self.capture = Some(Capture { coding, left: length, kept: Vec::new(), whole: true });
        }
        let Some(capture) = &mut self.capture else { return Ok(false) };
        let rest = input.rest();
        let here = rest.get(..usize::try_from(capture.left).unwrap_or(usize::MAX)).unwrap_or(rest);
        let room = V::KEEP.saturating_sub(capture.kept.len());
        capture.whole &= here.len() <= room;
        capture.kept.extend_from_slice(here.get(..room).unwrap_or(here));
        capture.left -= here.len() as u64;
        input.at += here.len();
        if capture.left > 0 {
            return Ok(false);
        }
        if let Some(Capture { coding, kept, whole, .. }) = self.capture.take() {
            self.told(&Text { coding, bytes: &kept, whole }, input)?;
        }
        Ok(true)
    }

    fn told(&mut self, text: &Text<'_>, input: &mut Input<'_>) -> Result<(), Stop> {
        match self.phase {
            Phase::AuxName => {
                self.aux_name = (text.coding, text.bytes.get(..256).unwrap_or(text.bytes).to_vec());
                self.phase = Phase::AuxValue;
            }
            Phase::AuxValue => {
                let (coding, bytes) = std::mem::replace(&mut self.aux_name, (Coding::Plain, Vec::new()));
                self.visitor.aux(&Text { coding, bytes: &bytes, whole: true }, text);
                self.phase = Phase::Top;
            }
            Phase::Function => {
                self.visitor.function(text)?;
                self.phase = Phase::Top;
            }
            Phase::Key(kind) => {
                let Some(layout) = layout::of(kind, self.fork) else {
                    return Err(Stop::Unknown(format!("type {kind} is not known to this plugin")));
                };
                self.visitor.key(kind, layout, text)?;
                self.in_value = true;
                input.value = input.at;
                self.enter(layout.fields, 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// The fields of a value, or of what stands between keys.
    fn fields(&mut self, input: &mut Input<'_>) -> Result<bool, Stop> {
        loop {
            let outermost = self.stack.len() == 1;
            let Some(frame) = self.stack.last_mut() else {
                if self.in_value {
                    self.in_value = false;
                    self.visitor.value(input.bytes.get(input.value..input.at).unwrap_or_default())?;
                    self.visitor.value_end()?;
                }
                self.phase = Phase::Top;
                return Ok(true);
            };
            let Some(field) = frame.fields.get(frame.at).copied().filter(|_| frame.left > 0) else {
                self.stack.pop();
                continue;
            };
            let rest = input.rest();
            // How many bytes it has here, how many may lie beyond, and what comes below it.
            let (size, beyond, below) = match field {
                Field::Text => match text_head(rest)? {
                    Some(head) => {
                        if outermost && self.in_value && frame.fields.len() == 1 {
                            self.visitor.size(head.size as u64 + head.length)?;
                        }
                        (head.size, head.length, None)
                    }
                    None => return Ok(false),
                },
                Field::Number | Field::Many(_) | Field::ModuleId => match plain_number(rest)? {
                    Some((number, size)) => {
                        if field == Field::ModuleId {
                            self.visitor.module(number);
                        }
                        let fields = if let Field::Many(fields) = field { Some((fields, number)) } else { None };
                        (size, 0, fields)
                    }
                    None => return Ok(false),
                },
                Field::Bytes(count) => (0, count, None),
                Field::Score => match rest.first() {
                    Some(&length) => (1, if length > 252 { 0 } else { u64::from(length) }, None),
                    None => return Ok(false),
                },
                Field::Module => match module_field(rest)? {
                    Some(ModuleField::End(size)) => (size, 0, None),
                    Some(ModuleField::Some(size, beyond)) => {
                        input.at += size;
                        if !input.pass(beyond, &mut self.skip) {
                            return Ok(true);
                        }
                        continue;
                    }
                    None => return Ok(false),
                },
            };
            frame.at += 1;
            if frame.at == frame.fields.len() {
                frame.at = 0;
                frame.left -= 1;
            }
            if let Some((fields, left)) = below
                && left > 0
            {
                self.stack.push(Frame { fields, at: 0, left });
            }
            input.at += size;
            if !input.pass(beyond, &mut self.skip) {
                return Ok(true);
            }
        }
    }
}

/// The bytes of a string, and those behind it. None: they are not all here.
fn split(bytes: &[u8], head: Head) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(head.length).ok()?;
    bytes.get(head.size..)?.split_at_checked(length)
}

/// The bytes at hand.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where in them the value begins, or goes on.
    value: usize,
}

impl<'a> Input<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Passes over bytes; those that are not here are left to be skipped, and it answers false.
    fn pass(&mut self, count: u64, skip: &mut u64) -> bool {
        let here = (self.bytes.len() - self.at) as u64;
        if count <= here {
            self.at += usize::try_from(count).unwrap_or_default();
            return true;
        }
        self.at = self.bytes.len();
        *skip = count - here;
        false
    }
}

#[cfg(test)]
mod tests;
