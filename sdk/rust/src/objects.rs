//! Gathering what an inspector sees in a dump.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::Object;

/// More objects than this are counted, not kept: a plugin's memory has a bound, and a dump may have been made by an enemy.
const LIMIT: usize = 500_000;
/// The same for the bytes of their names.
const LIMIT_BYTES: usize = 64 << 20;

/// The objects of a dump, gathered as they come, in any order.
///
/// ```
/// use planb_sdk::{Object, Objects};
///
/// let mut objects = Objects::default();
/// objects.filled("table", "movies", Some(2));
/// objects.made("view", "v");
/// objects.made("table", "movies");
/// objects.filled("table", "movies", Some(1));
/// let (objects, findings) = objects.finish();
/// assert_eq!(objects, [Object::new("table", "movies").rows(3), Object::new("view", "v")]);
/// assert!(findings.is_empty());
/// ```
#[derive(Debug)]
pub struct Objects {
    kinds: BTreeMap<Cow<'static, str>, BTreeMap<String, Known>>,
    count: usize,
    bytes: usize,
    left_out: u64,
    limit: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    made: bool,
    /// None: no rows were told of.
    rows: Option<Rows>,
}

#[derive(Debug, Clone, Copy)]
enum Rows {
    Counted(u64),
    /// Some could not be counted.
    Unknown,
}

impl Default for Objects {
    fn default() -> Self {
        Self { kinds: BTreeMap::new(), count: 0, bytes: 0, left_out: 0, limit: LIMIT }
    }
}

impl Objects {
    /// The dump makes an object. Its rows are not known until [`Objects::filled`] tells of some.
    pub fn made(&mut self, kind: impl Into<Cow<'static, str>>, name: &str) {
        match self.known(kind.into(), name) {
            Some(known) => known.made = true,
            None => self.left_out += 1,
        }
    }

    /// The dump gives an object so many rows more; none: they cannot be counted. `Some(0)` says that it has none so far.
    pub fn filled(&mut self, kind: impl Into<Cow<'static, str>>, name: &str, rows: Option<u64>) {
        if let Some(known) = self.known(kind.into(), name) {
            known.rows = Some(match (known.rows, rows) {
                (None, Some(rows)) => Rows::Counted(rows),
                (Some(Rows::Counted(sum)), Some(rows)) => Rows::Counted(sum.saturating_add(rows)),
                (Some(Rows::Unknown), _) | (_, None) => Rows::Unknown,
            });
        }
    }

    /// Whether the dump makes an object of this kind.
    pub fn makes_any(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_some_and(|names| names.values().any(|known| known.made))
    }

    /// Takes out the objects of this kind that the dump fills and does not make, and gives their names.
    pub fn take_unmade(&mut self, kind: &str) -> Vec<String> {
        let Some(names) = self.kinds.get_mut(kind) else {
            return Vec::new();
        };
        let unmade: Vec<String> = names.iter().filter(|(_, known)| !known.made).map(|(name, _)| name.clone()).collect();
        names.retain(|_, known| known.made);
        unmade
    }

    /// The objects in their order, by kind and name, and what is to be said of them.
    pub fn finish(self) -> (Vec<Object>, Vec<String>) {
        let objects = self.kinds.into_iter().flat_map(|(kind, names)| {
            names.into_iter().map(move |(name, known)| {
                let rows = match known.rows {
                    Some(Rows::Counted(rows)) => Some(rows),
                    Some(Rows::Unknown) | None => None,
                };
                Object::new(kind.clone(), name).rows(rows)
            })
        });
        let more = (self.left_out > 0).then(|| format!("{} more objects are not listed", self.left_out));
        (objects.collect(), more.into_iter().collect())
    }

    /// The object of this name, which is added where there is room.
    fn known(&mut self, kind: Cow<'static, str>, name: &str) -> Option<&mut Known> {
        let room = self.count < self.limit && self.bytes + name.len() <= LIMIT_BYTES;
        let names = self.kinds.entry(kind).or_default();
        if !names.contains_key(name) {
            if !room {
                return None;
            }
            self.count += 1;
            self.bytes += name.len();
            names.insert(name.to_owned(), Known::default());
        }
        names.get_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up() {
        let mut objects = Objects::default();
        objects.made("table", "none");
        objects.filled("table", "none", Some(0));
        objects.made("table", "not counted");
        objects.filled("table", "partly", Some(1));
        objects.filled("table", "partly", None);
        objects.filled("table", "partly", Some(1));
        let (objects, findings) = objects.finish();
        let expected =
            [Object::new("table", "none").rows(0), Object::new("table", "not counted"), Object::new("table", "partly")];
        assert_eq!((objects.as_slice(), findings), (&expected[..], Vec::new()));
    }

    #[test]
    fn what_is_filled_and_not_made() {
        let mut objects = Objects::default();
        objects.filled("table", "b", Some(1));
        assert!(!objects.makes_any("table"));
        objects.made("table", "a");
        objects.made("view", "v");
        assert!(objects.makes_any("table") && !objects.makes_any("role"));
        assert_eq!(objects.take_unmade("table"), ["b"]);
        assert_eq!(objects.take_unmade("role"), [""; 0]);
        assert_eq!(objects.finish().0, [Object::new("table", "a"), Object::new("view", "v")]);
    }

    #[test]
    fn there_is_a_bound() {
        let mut objects = Objects { limit: 2, ..Objects::default() };
        for name in ["a", "b", "c", "d", "a"] {
            objects.made("table", name);
            objects.filled("table", name, Some(1));
        }
        let (objects, findings) = objects.finish();
        assert_eq!(objects, [Object::new("table", "a").rows(2), Object::new("table", "b").rows(1)]);
        assert_eq!(findings, ["2 more objects are not listed"]);
        let mut long = Objects::default();
        long.made("table", &"x".repeat(LIMIT_BYTES + 1));
        assert_eq!(long.finish().1, ["1 more objects are not listed"]);
    }
}
