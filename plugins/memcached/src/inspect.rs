//! What a dump held, and whether it is whole.

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Failure, Inspection, Inspector, Request};

use crate::answers::{Item, Reader, Visitor, number};
use crate::groups::{self, GROUPS, PREFIX};

/// The inspector.
#[derive(Debug)]
pub struct MemcachedInspector(Reader<Census>);

impl Inspector for MemcachedInspector {
    fn new(_: &Request, _: &Artifact) -> Self {
        let census = Census { groups: Some(BTreeMap::new()), ..Census::default() };
        Self(Reader::new(census))
    }

    fn feed(&mut self, chunk: &[u8]) {
        // Why it ended is kept for the end.
        let _ = self.0.feed(chunk);
    }

    fn finish(self) -> Inspection {
        let Self(reader) = self;
        let end = reader.end();
        let mut census = reader.visitor;
        census.end_row();
        let mut findings = Vec::new();
        if let Err(failure) = &end {
            findings.push(failure.message.clone());
        }
        census.tell(&mut findings);
        let mut objects = Vec::new();
        if census.items > 0 {
            objects.push(groups::all(census.items));
        }
        if let Some(map) = &census.groups {
            objects.extend(map.iter().map(|(prefix, items)| groups::with_prefix(Some(prefix), *items)));
            if census.plain > 0 {
                objects.push(groups::with_prefix(None, census.plain));
            }
        }
        Inspection { complete: end.is_ok(), objects, findings }
    }
}

#[derive(Debug, Default)]
struct Census {
    items: u64,
    /// How many the server said that it has.
    told: Option<u64>,
    expiring: u64,
    missed: u64,
    plain: u64,
    /// None: too many.
    groups: Option<BTreeMap<Vec<u8>, u64>>,
    /// The group of the last item, and how many of it came in a row.
    row: (Vec<u8>, u64),
}

impl Census {
    fn group(&mut self, key: &[u8]) {
        let first = key.get(..=PREFIX).unwrap_or(key);
        let Some(colon) = memchr::memchr(b':', first) else {
            self.plain += 1;
            return;
        };
        let prefix = first.get(..colon).unwrap_or_default();
        let (last, count) = &mut self.row;
        if *count > 0 && last == prefix {
            *count += 1;
            return;
        }
        self.end_row();
        self.row = (prefix.to_vec(), 1);
    }

    fn end_row(&mut self) {
        let (prefix, more) = std::mem::take(&mut self.row);
        if let Some(map) = &mut self.groups
            && more > 0
        {
            if map.len() < GROUPS || map.contains_key(&prefix) {
                *map.entry(prefix).or_default() += more;
            } else {
                self.groups = None;
            }
        }
    }

    fn tell(&self, findings: &mut Vec<String>) {
        let items = |count: u64| if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
        if let Some(told) = self.told.filter(|told| *told > self.items) {
            findings.push(format!(
                "the server counted {}, of which {} were had: the others had expired, or went or came meanwhile",
                items(told),
                self.items
            ));
        }
        if self.missed > 0 {
            findings.push(format!("{} of the list had gone when asked for", items(self.missed)));
        }
        if self.expiring > 0 {
            findings.push(format!(
                "{} with a time to live: what has expired by the time of a restore does not come back",
                items(self.expiring)
            ));
        }
        if self.groups.is_none() {
            findings.push(format!("the keys have more than {GROUPS} different beginnings, which are not listed"));
        }
    }
}

impl Visitor for Census {
    fn stat(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure> {
        if name == b"curr_items" {
            self.told = number(value);
        }
        Ok(())
    }

    fn item(&mut self, item: &Item<'_>) -> Result<(), Failure> {
        self.items += 1;
        self.expiring += u64::from(item.left.is_some());
        if self.groups.is_none() {
            return Ok(());
        }
        if item.base64 {
            let key =
                groups::unbase64(item.key).ok_or_else(|| Failure::damaged("the dump holds a key that is no base64"))?;
            self.group(&key);
        } else {
            self.group(item.key);
        }
        Ok(())
    }

    fn value(&mut self, _: &[u8]) {}

    fn item_end(&mut self) {}

    fn miss(&mut self) {
        self.missed += 1;
    }
}
