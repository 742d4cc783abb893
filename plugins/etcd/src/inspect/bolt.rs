//! The keys in a bbolt file that is read once, from its first byte to its last.
//!
//! bbolt (page.go, bucket.go, tx.go) keeps B+ trees of pages that may lie anywhere in the file, beside pages that are free and
//! hold what they held before. So every page that looks like part of a tree is noted as it passes, as little of it as will do,
//! and in the end the tree of the bucket `key` is walked from the root that the meta page names. Its keys are revisions,
//! eight bytes for the transaction and eight for the step in it, with a `t` behind them where the revision deleted the key; its
//! values are messages whose first field is the key (server/storage/mvcc/revision.go, api/mvccpb/kv.proto).

use std::collections::BTreeMap;

use planb_sdk::Object;

use super::proto;
use crate::keys::Prefixes;

/// Revisions that are kept in mind: 24 bytes each.
const MOST: usize = 2_000_000;
/// Pages that are kept in mind.
const MOST_PAGES: usize = 1_000_000;
/// A page with its overflow pages that is larger than this is not looked into. (A request is 1.5 MiB unless told otherwise.)
const LARGEST_RUN: usize = 32 << 20;
/// What is held of runs that are not complete yet.
const HELD: usize = 48 << 20;

const PAGE_HEADER: usize = 16;
const META: usize = 64;
const MAGIC: u32 = 0xED0C_DAED;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// The flag of a leaf's element whose value is a bucket.
const BUCKET: u32 = 1;
const DELETED: u32 = 1 << 31;

/// What became of the keys.
#[derive(Debug)]
pub(super) enum Keys {
    Counted(Vec<Object>),
    /// More of them than are kept in mind, or a page too large to be looked into.
    NotCounted,
    Unreadable,
}

/// One revision of one key.
#[derive(Debug, Clone, Copy)]
struct Revision {
    key: u64,
    at: u64,
    /// The group's number, and [`DELETED`].
    group: u32,
}

/// A page of a tree.
#[derive(Debug)]
enum Page {
    Branch(Vec<u64>),
    /// A range of the revisions.
    Leaf(usize, usize),
    /// The root of all buckets: what the bucket `key` is.
    Root(Root),
}

#[derive(Debug, Clone, Copy)]
enum Root {
    At(u64),
    Inline(usize, usize),
}

/// Pages that belong together and are not complete yet.
#[derive(Debug)]
struct Run {
    page: u64,
    missing: u32,
    bytes: Vec<u8>,
}

/// The file so far.
#[derive(Debug, Default)]
pub(super) struct Bolt {
    /// Bytes of the page that is not complete yet; of the first pages until their size is known.
    partial: Vec<u8>,
    page_size: usize,
    number: u64,
    /// The transaction and the root page of the newest valid meta page.
    meta: Option<(u64, u64)>,
    runs: Vec<Run>,
    pages: BTreeMap<u64, Page>,
    revisions: Vec<Revision>,
    prefixes: Prefixes,
    failed: bool,
    too_many: bool,
}

impl Bolt {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.failed && !self.too_many {
            // The size of a page stands in the first one.
            let size = if self.page_size == 0 { PAGE_HEADER + META } else { self.page_size };
            if self.partial.is_empty() && self.page_size != 0 && rest.len() >= size {
                let (page, after) = rest.split_at(size);
                self.page(page);
                rest = after;
                continue;
            }
            let (head, after) = rest.split_at(rest.len().min(size - self.partial.len()));
            self.partial.extend_from_slice(head);
            rest = after;
            if self.partial.len() < size {
                return;
            }
            if self.page_size == 0 {
                self.page_size = match u32_at(&self.partial, PAGE_HEADER + 8) {
                    Some(found)
                        if u32_at(&self.partial, PAGE_HEADER) == Some(MAGIC) && (512..=1 << 20).contains(&found) =>
                    {
                        found as usize
                    }
                    _ => {
                        self.failed = true;
                        return;
                    }
                };
            } else {
                let page = std::mem::take(&mut self.partial);
                self.page(&page);
                self.partial = page;
                self.partial.clear();
            }
        }
    }

    fn page(&mut self, page: &[u8]) {
        let number = self.number;
        self.number += 1;
        if number < 2 {
            self.meta = self.meta.max(meta(page));
            return;
        }
        let mut ready = Vec::new();
        for run in &mut self.runs {
            run.bytes.extend_from_slice(page);
            run.missing -= 1;
        }
        self.runs.retain_mut(|run| {
            let over = run.missing == 0;
            if over {
                ready.push((run.page, std::mem::take(&mut run.bytes)));
            }
            !over
        });
        for (number, bytes) in ready {
            self.tree_page(number, &bytes);
        }
        let tree = matches!(u16_at(page, 8), Some(BRANCH | LEAF));
        if !tree || u64_at(page, 0) != Some(number) {
            return;
        }
        match u32_at(page, 12) {
            Some(0) => self.tree_page(number, page),
            Some(overflow) => {
                let held: usize =
                    self.runs.iter().map(|run| run.bytes.len() + run.missing as usize * self.page_size).sum();
                let length = (overflow as usize).saturating_add(1).saturating_mul(self.page_size);
                if length <= LARGEST_RUN && held + length <= HELD {
                    self.runs.push(Run { page: number, missing: overflow, bytes: page.to_vec() });
                }
            }
            None => {}
        }
    }

    fn tree_page(&mut self, number: u64, page: &[u8]) {
        let Some(count) = u16_at(page, 10) else { return };
        if u16_at(page, 8) == Some(BRANCH) {
            // Position, length of the key, page.
            let children = (0..usize::from(count)).map(|at| u64_at(page, PAGE_HEADER + at * 16 + 8));
            if let Some(children) = children.collect() {
                self.pages.insert(number, Page::Branch(children));
            }
            return;
        }
        let from = self.revisions.len();
        let mut root = None;
        let whole = self.leaf(page, count, &mut root).is_some();
        if !whole {
            self.revisions.truncate(from);
        } else if let Some(root) = root {
            self.pages.insert(number, Page::Root(root));
        } else {
            self.pages.insert(number, Page::Leaf(from, self.revisions.len()));
        }
        if self.revisions.len() > MOST || self.pages.len() > MOST_PAGES {
            self.too_many = true;
            self.revisions = Vec::new();
            self.pages = BTreeMap::new();
        }
    }

    /// Notes the revisions of a leaf, and what the bucket `key` is where it stands in this one.
    fn leaf(&mut self, page: &[u8], count: u16, root: &mut Option<Root>) -> Option<()> {
        for at in 0..usize::from(count) {
            // Flags, position (from this element on), length of key and of value.
            let element = PAGE_HEADER + at * 16;
            let key_at = element.checked_add(u32_at(page, element + 4)? as usize)?;
            let value_at = key_at.checked_add(u32_at(page, element + 8)? as usize)?;
            let end = value_at.checked_add(u32_at(page, element + 12)? as usize)?;
            let (key, value) = (page.get(key_at..value_at)?, page.get(value_at..end)?);
            if u32_at(page, element)? & BUCKET == 0 {
                self.revision(key, value);
            } else if key == b"key" {
                // The root page and a sequence number; no root page: the bucket's only page follows.
                *root = Some(match u64_at(value, 0)? {
                    0 => {
                        let inline = value.get(16..)?;
                        let from = self.revisions.len();
                        self.leaf(inline, u16_at(inline, 10)?, &mut None)?;
                        Root::Inline(from, self.revisions.len())
                    }
                    page => Root::At(page),
                });
            }
        }
        Some(())
    }

    /// A pair that can be a revision. (The leaves of other buckets pass here too, and are never walked to.)
    fn revision(&mut self, key: &[u8], value: &[u8]) {
        let deleted = match key {
            [.., b't'] if key.len() == 18 => DELETED,
            _ if key.len() == 17 => 0,
            _ => return,
        };
        let mut message = value;
        let Some(0x0A) = proto::varint(&mut message) else { return };
        let Some(length) = proto::varint(&mut message).and_then(|length| usize::try_from(length).ok()) else { return };
        let (Some(name), Some(at)) = (message.get(..length), key.first_chunk()) else { return };
        let group = self.prefixes.of(name) | deleted;
        self.revisions.push(Revision { key: hash(name), at: u64::from_be_bytes(*at), group });
    }

    /// The keys that are there: those whose last revision did not delete them.
    pub(super) fn keys(self) -> Keys {
        if self.too_many {
            return Keys::NotCounted;
        }
        let Some((_, root)) = self.meta.filter(|_| !self.failed) else { return Keys::Unreadable };
        let mut found: Vec<Revision> = Vec::new();
        let mut add = |from, to| found.extend_from_slice(self.revisions.get(from..to).unwrap_or_default());
        // From the root of all buckets, which is a page or, with very many buckets, a tree.
        let mut ahead = vec![root];
        let (mut below, mut inline) = (false, false);
        let mut steps = 0;
        while let Some(page) = ahead.pop() {
            steps += 1;
            // More steps than pages: somebody made it so.
            if steps > self.pages.len() + 2 {
                return Keys::Unreadable;
            }
            match self.pages.get(&page) {
                Some(Page::Branch(children)) => ahead.extend(children),
                Some(Page::Leaf(from, to)) if below => add(*from, *to),
                Some(&Page::Root(Root::Inline(from, to))) if !below => {
                    add(from, to);
                    inline = true;
                    ahead.clear();
                }
                Some(&Page::Root(Root::At(page))) if !below => {
                    below = true;
                    ahead = vec![page];
                }
                // One that was too large to be looked into.
                None => return Keys::NotCounted,
                Some(_) => {}
            }
        }
        if !below && !inline {
            return Keys::Unreadable;
        }
        found.sort_unstable_by_key(|revision| (revision.key, revision.at));
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for (at, revision) in found.iter().enumerate() {
            let last = found.get(at + 1).is_none_or(|next| next.key != revision.key);
            if last && revision.group & DELETED == 0 {
                *counts.entry(revision.group).or_insert(0) += 1;
            }
        }
        Keys::Counted(self.prefixes.objects(&counts))
    }
}

/// The transaction and the root page of a meta page whose own checksum (FNV-1a over the fields before it) is right.
fn meta(page: &[u8]) -> Option<(u64, u64)> {
    let meta = page.get(PAGE_HEADER..PAGE_HEADER + META)?;
    let right = u32_at(meta, 0) == Some(MAGIC) && u64_at(meta, 56) == Some(fnv(meta.get(..56)?));
    right.then_some((u64_at(meta, 48)?, u64_at(meta, 16)?))
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Tells keys apart; two of two million that are taken for one are as likely as one in ten million.
fn hash(name: &[u8]) -> u64 {
    let mut hash = fnv(name);
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash ^ hash >> 29
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
