//! What planb tells the shim: words before the program, `parent=PID ... -- PROGRAM ARGS...`.
//!
//! Each word is a name, `=`, and a value that goes to the word's end, so a path with any byte in it is one word as it is. A shim
//! that is told what it does not know starts nothing: it is part of another planb.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::account::Account;
use crate::limits::Limits;
use crate::seal::Seal;

/// What the shim does before it becomes the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// The process that it dies with.
    pub(crate) parent: u32,
    /// As whom it runs, where not as the parent's user.
    pub(crate) account: Option<Account>,
    /// It may do all that its parent may: a hook is the user's own command.
    pub(crate) free: bool,
    /// Which file the program has to be.
    pub(crate) seal: Option<Seal>,
    /// What it may write to. None: whatever its user may.
    pub(crate) walls: Option<Vec<PathBuf>>,
    /// What it may use.
    pub(crate) limits: Option<Limits>,
}

const END: &str = "--";

impl Order {
    /// One of this process.
    pub(crate) fn mine() -> Self {
        Self { parent: std::process::id(), ..Self::default() }
    }

    /// The words, with the one behind the last.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from(format!("parent={}", self.parent))];
        let mut say = |word: String| words.push(word.into());
        if let Some(Account { uid, gid }) = self.account {
            say(format!("as={uid}:{gid}"));
        }
        if self.free {
            say("free=yes".to_owned());
        }
        if let Some(seal) = self.seal {
            say(format!("seal={}", seal.word()));
        }
        if let Some(limits) = self.limits {
            say(format!("limits={}", limits.word()));
        }
        if let Some(walls) = &self.walls {
            say("confine=yes".to_owned());
            for path in walls {
                let mut word = OsString::from("write=");
                word.push(path);
                words.push(word);
            }
        }
        words.push(END.into());
        words
    }

    /// Reads the words, and leaves the program and its arguments. None: they are not from this planb.
    pub(crate) fn read(words: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let mut order = Self::default();
        loop {
            let word = words.next()?;
            if word == END {
                return (order.parent != 0).then_some(order);
            }
            let equals = word.as_bytes().iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&word.as_bytes()[..equals], &word.as_bytes()[equals + 1..]);
            let text = || OsStr::from_bytes(value).to_str();
            match name {
                b"parent" => order.parent = text()?.parse().ok()?,
                b"as" => {
                    let (uid, gid) = text()?.split_once(':')?;
                    order.account = Some(Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? });
                }
                b"free" if value == b"yes" => order.free = true,
                b"seal" => order.seal = Some(Seal::read(text()?)?),
                b"limits" => order.limits = Some(Limits::read(text()?)?),
                b"confine" if value == b"yes" => order.walls = Some(Vec::new()),
                b"write" => order.walls.as_mut()?.push(OsString::from_vec(value.to_vec()).into()),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn path() -> impl Strategy<Value = PathBuf> {
        proptest::collection::vec(1..=255_u8, 0..40).prop_map(|bytes| OsString::from_vec(bytes).into())
    }

    fn order() -> impl Strategy<Value = Order> {
        let account = proptest::option::of((any::<u32>(), any::<u32>()));
        let walls = proptest::option::of(proptest::collection::vec(path(), 0..4));
        let limits = proptest::option::of((any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<u16>()));
        (1..u32::MAX, account, any::<bool>(), walls, limits).prop_map(|(parent, account, free, walls, limits)| Order {
            parent,
            account: account.map(|(uid, gid)| Account { uid, gid }),
            free,
            seal: free.then(|| Seal::read("1:-2:3:4:5:6:7").unwrap()),
            walls,
            limits: limits.map(|(open_files, file_bytes, data_bytes, oom_score)| Limits {
                open_files,
                file_bytes,
                data_bytes,
                oom_score,
            }),
        })
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard(order in order(), program in path(), args in proptest::collection::vec(path(), 0..3)) {
            let rest: Vec<OsString> = std::iter::once(program).chain(args).map(PathBuf::into_os_string).collect();
            let mut words = order.words().into_iter().chain(rest.clone());
            prop_assert_eq!(Order::read(&mut words), Some(order));
            prop_assert_eq!(words.collect::<Vec<_>>(), rest);
        }
    }

    #[test]
    fn what_is_not_known_starts_nothing() {
        let read = |words: &[&str]| Order::read(&mut words.iter().map(OsString::from));
        assert!(read(&["parent=7", "--", "sh"]).is_some());
        for bad in [
            &["--", "sh"][..],
            &["parent=7", "sh"],
            &["parent=7"],
            &["parent=x", "--"],
            &["parent=7", "later=1", "--"],
            &["parent=7", "write=/", "--"],
            &["parent=7", "free=no", "--"],
            &["parent=7", "as=0", "--"],
            &["7", "/bin/sh", "-c"],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
