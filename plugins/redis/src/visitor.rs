//! What a walk through an RDB tells of, and how it can end early.

use planb_sdk::Failure;

use crate::layout::{Fork, Layout};
use crate::strings::Coding;

/// Told what passes. Bytes of a value come in pieces.
pub(crate) trait Visitor {
    /// The most bytes, as stored, that are kept of a key or a function that does not lie in one chunk.
    const KEEP: usize;

    fn begin(&mut self, fork: Fork, version: u32) -> Result<(), Failure>;
    fn aux(&mut self, name: &Text<'_>, value: &Text<'_>);
    fn function(&mut self, code: &Text<'_>) -> Result<(), Failure>;
    fn database(&mut self, number: u64) -> Result<(), Failure>;
    /// In milliseconds since 1970; of the key that follows, as `idle` and `frequency` are.
    fn expires(&mut self, at: u64);
    fn idle(&mut self, seconds: u64);
    fn frequency(&mut self, counter: u8);
    fn key(&mut self, kind: u8, layout: Layout, key: &Text<'_>) -> Result<(), Failure>;
    /// The value that begins is of this module's type.
    fn module(&mut self, id: u64);
    /// The value is one string, which has so many bytes with its length: told before any of them.
    fn size(&mut self, bytes: u64) -> Result<(), Failure>;
    fn value(&mut self, bytes: &[u8]) -> Result<(), Failure>;
    fn value_end(&mut self) -> Result<(), Failure>;
    /// What a module keeps beside all keys, or beside the next one.
    fn module_data(&mut self, id: Option<u64>) -> Result<(), Failure>;
}

/// A string as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) coding: Coding,
    pub(crate) bytes: &'a [u8],
    /// Nothing was left out.
    pub(crate) whole: bool,
}

/// Why the walk ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is no RDB, or not any more.
    Damaged(String),
    /// A type or opcode that this engine does not know.
    Unknown(String),
    /// The visitor does not want it.
    Refused(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}
