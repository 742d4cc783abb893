//! How keys are grouped and named, the same in an inspection and in an inventory of a live server.

use planb_sdk::Object;

use crate::strings::printable;

/// Keys are grouped by what stands before their first colon, where that is no longer than this.
pub(crate) const PREFIX: usize = 64;
/// A database with more groups than this has none: which of them were kept would depend on the order of the keys.
pub(crate) const GROUPS: usize = 1_000;
/// Databases with a higher number have no groups.
pub(crate) const DATABASES: u64 = 64;

/// A logical database and the keys in it.
pub(crate) fn database(number: u64, keys: u64) -> Object {
    Object::new("database", format!("db{number}")).rows(keys)
}

/// The keys of one type.
pub(crate) fn of_type(number: u64, word: &str, keys: u64) -> Object {
    Object::new("type", format!("db{number}/{word}")).rows(keys)
}

/// The keys with this beginning. None: those without a colon.
pub(crate) fn with_prefix(number: u64, prefix: Option<&[u8]>, keys: u64) -> Object {
    let pattern = prefix.map_or_else(|| "*".to_owned(), |prefix| format!("{}:*", printable(prefix)));
    Object::new("prefix", format!("db{number}/{pattern}")).rows(keys)
}

/// A library of functions (Redis 7), by the name that it has.
pub(crate) fn library(name: &str) -> Object {
    Object::new("function-library", name)
}
