//! The entries of an LDIF file (RFC 2849), and its end.
//!
//! LDIF has no end mark: a file cut between two entries looks whole. So what tells that a dump is whole is a comment behind its last entry.
//! `ldapsearch` writes one, with the number of entries that the server sent; behind what `slapcat` wrote, the plan puts one once it has
//! ended well.

use std::collections::BTreeMap;

use planb_sdk::{Lines, Object};

/// What stands behind the entries that `slapcat` wrote.
pub(crate) const MARK: &str = "# planb: slapcat ended well\n";
const COUNT: &[u8] = b"# numEntries: ";

/// More containers than this are counted together.
const MOST: usize = 100_000;
const OTHERS: &str = "(other containers)";
/// A longer name is cut.
const LONGEST: usize = 16 << 10;

/// The comment that a dump ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// This many entries were sent.
    Count(u64),
    Mark,
}

/// What a line is, of those that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// The next line is the first of an entry.
    Gap,
    /// The name of an entry, which may go on.
    Name,
    Entry,
    Comment,
}

/// Entries below one parent, and the first of them.
#[derive(Debug)]
struct Container {
    entries: u64,
    first: String,
}

/// A walk along the lines.
#[derive(Debug)]
pub(crate) struct Walker {
    lines: Lines,
    counter: Counter,
}

#[derive(Debug)]
struct Counter {
    inside: Inside,
    before_comment: Inside,
    name: Vec<u8>,
    entries: u64,
    containers: BTreeMap<String, Container>,
    others: u64,
    end: Option<End>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        let counter = Counter {
            inside: Inside::Gap,
            before_comment: Inside::Gap,
            name: Vec::new(),
            entries: 0,
            containers: BTreeMap::new(),
            others: 0,
            end: None,
        };
        Self { lines: Lines::default(), counter }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let Self { lines, counter } = self;
        lines.feed(chunk, |line| counter.line(line));
    }

    /// The comment that the dump ended with, if nothing but comments and empty lines came after its last entry.
    pub(crate) fn end(&self) -> Option<End> {
        self.counter.end.filter(|_| self.lines.rest().is_empty())
    }

    /// Entries so far.
    pub(crate) fn entries(&self) -> u64 {
        self.counter.entries
    }

    /// The directory with all its entries, and each container with those right below it.
    pub(crate) fn objects(mut self) -> Vec<Object> {
        self.counter.name_ended();
        let Counter { entries, mut containers, others, .. } = self.counter;
        let mut objects = Vec::new();
        // The root's own parent is no entry: the others all lie below it.
        if let Some(above) = containers.keys().min_by_key(|name| name.len()).cloned()
            && containers.get(&above).is_some_and(|container| container.entries == 1)
            && containers.keys().all(|name| is_below(name, &above))
            && let Some(root) = containers.remove(&above)
        {
            objects.push(Object::new("suffix", root.first).rows(entries));
        }
        objects.extend(
            containers.into_iter().map(|(name, container)| Object::new("container", name).rows(container.entries)),
        );
        if others > 0 {
            objects.push(Object::new("container", OTHERS).rows(others));
        }
        objects
    }
}

impl Counter {
    fn line(&mut self, line: &[u8]) {
        match line.first() {
            // Most lines: an attribute of the entry under way.
            Some(b' ') if self.inside == Inside::Name => {
                let more = line.get(1..).unwrap_or_default();
                let room = LONGEST.saturating_sub(self.name.len());
                self.name.extend_from_slice(more.get(..room).unwrap_or(more));
            }
            Some(b' ') => {}
            Some(b'#') => {
                self.name_ended();
                self.before_comment = if self.inside == Inside::Comment { self.before_comment } else { self.inside };
                self.inside = Inside::Comment;
                if let Some(count) = line.strip_prefix(COUNT) {
                    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok());
                    self.end = count.map(End::Count);
                } else if line == MARK.trim_end().as_bytes() {
                    self.end = Some(End::Mark);
                }
            }
            None => {
                self.name_ended();
                self.inside = Inside::Gap;
            }
            Some(_) => {
                self.name_ended();
                if self.inside == Inside::Comment {
                    self.inside = self.before_comment;
                }
                self.end = None;
                let name = line.split_at_checked(3).filter(|(word, _)| word.eq_ignore_ascii_case(b"dn:"));
                match name {
                    Some((_, name)) if self.inside == Inside::Gap => {
                        self.inside = Inside::Name;
                        self.entries += 1;
                        self.name.clear();
                        self.name.extend_from_slice(name.get(..LONGEST).unwrap_or(name));
                    }
                    _ => self.inside = Inside::Entry,
                }
            }
        }
    }

    /// Counts the entry whose name is there now.
    fn name_ended(&mut self) {
        if self.inside != Inside::Name {
            return;
        }
        self.inside = Inside::Entry;
        let name = match self.name.strip_prefix(b":") {
            Some(encoded) => String::from_utf8_lossy(&base64(encoded.trim_ascii())).into_owned(),
            None => String::from_utf8_lossy(self.name.trim_ascii()).into_owned(),
        };
        let parent = parent(&name);
        if let Some(container) = self.containers.get_mut(parent) {
            container.entries += 1;
        } else if self.containers.len() < MOST {
            self.containers.insert(parent.to_owned(), Container { entries: 1, first: name });
        } else {
            self.others += 1;
        }
    }
}

/// What follows the first comma that is not escaped (RFC 4514, 2.4).
fn parent(name: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => return name.get(at + 1..).unwrap_or_default().trim_start(),
            _ => {}
        }
    }
    ""
}

fn is_below(name: &str, above: &str) -> bool {
    name == above || above.is_empty() || name.strip_suffix(above).is_some_and(|rest| rest.ends_with(','))
}

/// What base64 (RFC 4648, 4) stands for, up to the first byte that is none of it.
fn base64(text: &[u8]) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.iter().map_while(|&byte| value(byte)).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, &digit| bits << 6 | u32::from(digit)) << (6 * (4 - group.len()));
        let [_, a, b, c] = bits.to_be_bytes();
        bytes.extend_from_slice([a, b, c].get(..group.len().saturating_sub(1)).unwrap_or_default());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str, chunk: usize) -> Walker {
        let mut walker = Walker::new();
        text.as_bytes().chunks(chunk).for_each(|chunk| walker.feed(chunk));
        walker
    }

    fn rows(text: &str) -> Vec<String> {
        walk(text, 1024)
            .objects()
            .iter()
            .map(|object| format!("{} {} {:?}", object.kind, object.name, object.rows))
            .collect()
    }

    #[test]
    fn names() {
        assert_eq!(parent("cn=a\\, b\\2C c,ou=x,dc=y"), "ou=x,dc=y");
        assert_eq!(parent("dc=y"), "");
        assert_eq!(base64(b"Y249UmFzaMO0bW9u"), "cn=Rashômon".as_bytes());
        assert_eq!(base64(b"YQ=="), b"a");
        assert_eq!(base64(b"YWI="), b"ab");
    }

    #[test]
    fn entries_below_their_containers() {
        let text = "dn: dc=example,dc=org\ndc: example\n\ndn: ou=a,dc=example,dc=org\nou: a\n\n\
                    # a comment\n of two lines\ndn:: Y249UmFzaMO0bW9uLG91PWEs\n ZGM9ZXhhbXBsZSxkYz1vcmc=\ncn: x\ndn: no name\n\n\
                    dn: cn=y,ou=a,dc=exam\n ple,dc=org\ncn: y\n\n";
        let expected = [
            "suffix dc=example,dc=org Some(4)",
            "container dc=example,dc=org Some(1)",
            "container ou=a,dc=example,dc=org Some(2)",
        ];
        assert_eq!(rows(text), expected);
        assert_eq!(rows("dn: cn=config\n\n"), ["suffix cn=config Some(1)"]);
        assert_eq!(rows(""), Vec::<String>::new());
    }

    #[test]
    fn ends() {
        let end = |text: &str| walk(text, 3).end();
        assert_eq!(end("dn: x\n\n# numResponses: 2\n# numEntries: 1\n"), Some(End::Count(1)));
        assert_eq!(end("dn: x\n\n# numEntries: 1"), None);
        assert_eq!(end("dn: x\n\n# numEntries: x\n"), None);
        assert_eq!(end("# numEntries: 1\ndn: x\n"), None);
        assert_eq!(end(&format!("dn: x\n\n{MARK}")), Some(End::Mark));
        assert_eq!(end(&format!("{MARK}\ndn: x\n\n")), None);
    }
}
