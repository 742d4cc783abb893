//! Under which name a key is counted.
//!
//! etcd has no tables: what comes nearest is the first part of a key's path. Keys of Kubernetes all begin with `/registry/`, so
//! there the second part names the kind (`/registry/pods/`).

use std::collections::BTreeMap;

use planb_sdk::Object;

/// More prefixes than this are counted together.
const MOST: usize = 10_000;
const OTHERS: &str = "(other prefixes)";
const NO_SLASH: &str = "(keys without a slash)";

/// The part of a key that names its group. Empty: it holds no slash after its first byte.
fn prefix(key: &[u8]) -> &[u8] {
    let slash_after = |from: usize| key.get(from..)?.iter().position(|&byte| byte == b'/').map(|at| from + at + 1);
    let Some(first) = slash_after(1) else { return b"" };
    let end = match key.get(..first) {
        Some(b"/registry/") => slash_after(first).unwrap_or(first),
        _ => first,
    };
    key.get(..end).unwrap_or_default()
}

/// The groups seen, by number.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    numbers: BTreeMap<Vec<u8>, u32>,
}

impl Prefixes {
    /// The number of a key's group.
    pub(crate) fn of(&mut self, key: &[u8]) -> u32 {
        let prefix = prefix(key);
        if let Some(&number) = self.numbers.get(prefix) {
            return number;
        }
        if self.numbers.len() >= MOST {
            return u32::MAX >> 1;
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX >> 1);
        self.numbers.insert(prefix.to_vec(), number);
        number
    }

    /// The groups with their keys, by name.
    pub(crate) fn objects(&self, counts: &BTreeMap<u32, u64>) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::new();
        for (prefix, number) in &self.numbers {
            let name = if prefix.is_empty() { NO_SLASH.into() } else { String::from_utf8_lossy(prefix) };
            objects.extend(counts.get(number).map(|&rows| Object::new("prefix", name).rows(rows)));
        }
        objects.extend(counts.get(&(u32::MAX >> 1)).map(|&rows| Object::new("prefix", OTHERS).rows(rows)));
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (key, name) in [
            ("/movies/1", "/movies/"),
            ("movies/1", "movies/"),
            ("/plain", ""),
            ("plain", ""),
            ("", ""),
            ("/", ""),
            ("//x", "//"),
            ("/registry/pods/default/web", "/registry/pods/"),
            ("/registry/x", "/registry/"),
            ("/a/b/c", "/a/"),
        ] {
            assert_eq!(prefix(key.as_bytes()), name.as_bytes(), "{key}");
        }
    }
}
