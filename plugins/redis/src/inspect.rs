//! What a dump held, and whether it is whole.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use planb_sdk::{Artifact, Failure, Inspection, Inspector, Mode, Object, Request};

use crate::filter::LARGEST;
use crate::groups::{self, DATABASES, GROUPS, PREFIX};
use crate::layout::{self, Field, Fork, KINDS, Layout};
use crate::rdb::{CUT, Walker};
use crate::seal::End;
use crate::strings::{module_name, printable};
use crate::visitor::{Text, Visitor};

/// The inspector.
#[derive(Debug)]
pub struct RedisInspector {
    walker: Walker<Census>,
    /// The mark behind the RDB was taken off as forty bytes, whatever they were: a server that sends none that once, because another
    /// replica was already waiting for a file, so loses the end of its RDB.
    streamed: bool,
}

impl Inspector for RedisInspector {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self { walker: Walker::new(Census::default()), streamed: request.mode == Mode::Stream }
    }

    fn feed(&mut self, chunk: &[u8]) {
        // Why it ended is kept for the end.
        let _ = self.walker.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let end = self.walker.end();
        let mut census = self.walker.visitor;
        census.put_away();
        let (mut objects, mut findings) = (census.objects(), Vec::new());
        let complete = match end {
            End::Whole { summed, marked } => {
                if !summed {
                    findings.push(
                        "the server writes no checksum into its RDB (rdbchecksum no), so a changed byte would not be noticed"
                            .to_owned(),
                    );
                }
                if marked {
                    findings.push(
                        "behind the RDB lies the 40-byte mark that ends its transfer; Redis takes no notice of it"
                            .to_owned(),
                    );
                }
                true
            }
            End::Unknown(what) => {
                findings.push(format!(
                    "the RDB is whole by its checksum, but {what}, so keys are counted up to there only, and a restore needs \
                     --option data-dir"
                ));
                objects.push(Object::new(UNKNOWN, what));
                true
            }
            End::Broken(what) if self.streamed && what == CUT => {
                findings.push(format!("{what}; where that happens again and again, use --mode file"));
                false
            }
            End::Broken(what) => {
                findings.push(what);
                false
            }
        };
        census.tell(&mut findings);
        Inspection { complete, objects, findings }
    }
}

/// A quick hash: the groups are few, so nobody gains by choosing their names. (The standard library's would need random numbers.)
#[derive(Debug, Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        for word in words.iter().chain([&last]) {
            self.0 = (self.0 ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.write(&number.to_le_bytes());
    }
}

type Groups = HashMap<Box<[u8]>, u64, BuildHasherDefault<Quick>>;

/// The keys of one database.
#[derive(Debug, Default)]
struct Keys {
    all: u64,
    /// By the RDB's number of the type; those of modules by its name.
    kinds: [u64; KINDS],
    modules: BTreeMap<u64, u64>,
    plain: u64,
    /// None: too many.
    groups: Option<Groups>,
    /// The group of the last key, and how many of it came in a row: neighbours are often alike.
    row: (Vec<u8>, u64),
}

impl Keys {
    fn of(number: u64) -> Self {
        Self { groups: (number < DATABASES).then(Groups::default), ..Self::default() }
    }

    fn group(&mut self, prefix: &[u8]) {
        let (last, count) = &mut self.row;
        if *count > 0 && last == prefix {
            *count += 1;
            return;
        }
        self.end_row();
        let (last, count) = &mut self.row;
        last.clear();
        last.extend_from_slice(prefix);
        *count = 1;
    }

    fn end_row(&mut self) {
        let (last, count) = &mut self.row;
        let more = std::mem::take(count);
        if let Some(map) = &mut self.groups
            && more > 0
        {
            if let Some(count) = map.get_mut(last.as_slice()) {
                *count += more;
            } else if map.len() < GROUPS {
                map.insert(last.as_slice().into(), more);
            } else {
                self.groups = None;
            }
        }
    }
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Census {
    fork: Fork,
    databases: BTreeMap<u64, Keys>,
    number: u64,
    /// Those of the database that is being read.
    keys: Keys,
    libraries: Vec<String>,
    expiring: u64,
    /// Values that are too large to be replayed, and the first of their names.
    large: u64,
    large_names: Vec<String>,
    /// The key that is being read, where its value is more than one string, and the bytes of that so far.
    name: Vec<u8>,
    value: u64,
    module_data: Vec<String>,
    key_data: bool,
}

/// More libraries, and more names of modules, are not kept.
const NAMES: usize = 10_000;
const LARGE_NAMES: usize = 100;
const LONGEST_NAME: usize = 100;

impl Census {
    fn put_away(&mut self) {
        let mut keys = std::mem::take(&mut self.keys);
        keys.end_row();
        if keys.all > 0 {
            self.databases.insert(self.number, keys);
        }
    }

    /// The types that there are keys of.
    fn layouts<'a>(&'a self, keys: &'a Keys) -> impl Iterator<Item = (Layout, u64)> + 'a {
        let kinds = (0..).zip(&keys.kinds).filter(|(_, count)| **count > 0);
        kinds.filter_map(|(kind, &count)| Some((layout::of(kind, self.fork)?, count)))
    }

    fn objects(&self) -> Vec<Object> {
        let mut objects = Vec::new();
        for (&number, keys) in &self.databases {
            objects.push(groups::database(number, keys.all));
            let mut types: BTreeMap<String, u64> = BTreeMap::new();
            for (layout, count) in self.layouts(keys).filter(|(layout, _)| layout.word != "module") {
                *types.entry(layout.word.to_owned()).or_default() += count;
            }
            for (&id, &count) in &keys.modules {
                *types.entry(module_name(id)).or_default() += count;
            }
            objects.extend(types.iter().map(|(word, count)| groups::of_type(number, word, *count)));
            if let Some(map) = &keys.groups {
                let mut sorted: Vec<_> = map.iter().collect();
                sorted.sort();
                objects.extend(
                    sorted.into_iter().map(|(prefix, count)| groups::with_prefix(number, Some(prefix), *count)),
                );
                if keys.plain > 0 {
                    objects.push(groups::with_prefix(number, None, keys.plain));
                }
            }
        }
        objects.extend(self.libraries.iter().map(|name| groups::library(name)));
        objects.extend(self.module_data.iter().map(|name| Object::new(MODULE_DATA, name)));
        objects.extend(self.large_names.iter().map(|name| Object::new(LARGE_VALUE, name)));
        objects
    }

    fn tell(&self, findings: &mut Vec<String>) {
        let keys = |count: u64| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
        if self.expiring > 0 {
            findings.push(format!(
                "{} with a time to live: what has expired by the time of a restore does not come back",
                keys(self.expiring)
            ));
        }
        let all = self.databases.values().flat_map(|keys| self.layouts(keys));
        let with_field_expiry: u64 = all.filter(|(layout, _)| layout.field_expiry).map(|(_, count)| count).sum();
        if with_field_expiry > 0 {
            findings.push(format!("{} with fields that expire on their own", keys(with_field_expiry)));
        }
        if self.large > 0 {
            findings.push(format!(
                "{} of more than {} MiB: too large to be replayed into a running server, so a restore needs --option data-dir",
                keys(self.large),
                LARGEST >> 20
            ));
        }
        if !self.module_data.is_empty() || self.key_data {
            findings.push(format!(
                "modules keep data of their own in this RDB{}{}, which cannot be replayed into a running server: a restore \
                 needs --option data-dir, or --option without-module-data=true",
                if self.module_data.is_empty() { "" } else { ": " },
                self.module_data.join(", ")
            ));
        }
        for (number, keys) in &self.databases {
            if keys.groups.is_none() && *number < DATABASES {
                findings.push(format!(
                    "the keys of db{number} have more than {GROUPS} different beginnings, which are not listed"
                ));
            }
        }
    }
}

/// Kinds of objects that tell a restore what it cannot replay: what modules keep beside the keys, values that are too large, and
/// what this engine does not know.
pub(crate) const MODULE_DATA: &str = "module-data";
pub(crate) const LARGE_VALUE: &str = "large-value";
pub(crate) const UNKNOWN: &str = "unknown-code";

impl Visitor for Census {
    /// Compressed or not, these are enough for a prefix and for the first line of a library.
    const KEEP: usize = 256;

    fn begin(&mut self, fork: Fork, _: u32) -> Result<(), Failure> {
        self.fork = fork;
        self.keys = Keys::of(0);
        Ok(())
    }

    fn aux(&mut self, _: &Text<'_>, _: &Text<'_>) {}

    fn function(&mut self, code: &Text<'_>) -> Result<(), Failure> {
        let first = code.coding.decode(code.bytes, 200).unwrap_or_default();
        if self.libraries.len() < NAMES {
            self.libraries.push(library_name(&first).unwrap_or_else(|| "?".to_owned()));
        }
        Ok(())
    }

    fn database(&mut self, number: u64) -> Result<(), Failure> {
        if number != self.number {
            self.put_away();
            self.number = number;
            self.keys = self.databases.remove(&number).unwrap_or_else(|| Keys::of(number));
        }
        Ok(())
    }

    fn expires(&mut self, _: u64) {
        self.expiring += 1;
    }

    fn idle(&mut self, _: u64) {}

    fn frequency(&mut self, _: u8) {}

    fn key(&mut self, kind: u8, layout: Layout, key: &Text<'_>) -> Result<(), Failure> {
        let Keys { all, kinds, plain, groups, .. } = &mut self.keys;
        *all += 1;
        self.value = 0;
        if !matches!(layout.fields, [Field::Text]) {
            let name = key.coding.decode(key.bytes, LONGEST_NAME).unwrap_or_default();
            self.name.clear();
            self.name.extend_from_slice(&name);
        }
        if let Some(count) = kinds.get_mut(usize::from(kind)) {
            *count += 1;
        }
        if groups.is_none() {
            return Ok(());
        }
        let Some(first) = key.coding.decode(key.bytes, PREFIX + 1) else {
            return Err(Failure::damaged("the name of a key cannot be unpacked"));
        };
        match memchr::memchr(b':', &first) {
            None => *plain += 1,
            Some(colon) => self.keys.group(first.get(..colon).unwrap_or_default()),
        }
        Ok(())
    }

    fn module(&mut self, id: u64) {
        let modules = &mut self.keys.modules;
        if modules.len() < NAMES {
            *modules.entry(id).or_default() += 1;
        }
    }

    fn size(&mut self, _: u64) -> Result<(), Failure> {
        // One string is passed on as it comes, whatever its size.
        self.value = u64::MAX;
        Ok(())
    }

    fn value(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.value = self.value.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn value_end(&mut self) -> Result<(), Failure> {
        if self.value > LARGEST && self.value != u64::MAX {
            self.large += 1;
            if self.large_names.len() < LARGE_NAMES {
                self.large_names.push(format!("db{}/{}", self.number, printable(&self.name)));
            }
        }
        Ok(())
    }

    fn module_data(&mut self, id: Option<u64>) -> Result<(), Failure> {
        let Some(id) = id else {
            self.key_data = true;
            return Ok(());
        };
        let name = module_name(id);
        if self.module_data.len() < NAMES && !self.module_data.contains(&name) {
            self.module_data.push(name);
        }
        Ok(())
    }
}

/// The name in a library's first line: `#!lua name=mylib`.
fn library_name(code: &[u8]) -> Option<String> {
    let line = code.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let mut words = line.split(u8::is_ascii_whitespace);
    words.find_map(|word| word.strip_prefix(b"name=")).map(printable)
}
