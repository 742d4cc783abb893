//! Which file a program is: what was found, asked for its version and approved is what runs, or nothing does.
//!
//! A path says nothing of the file behind it. So a file is known by where it lies on its disk, its size and its times, taken
//! when it is found, and compared when it is started and once more by the shim, just before it becomes the program. The time of
//! its last change (ctime) is among them: nobody can set that one back.
//!
//! What is *not* done is to keep the file open and run that (`fexecve`): a script has no such way, programs that look at their
//! own name see a number instead, and so does everybody who looks for `pg_dump` among the processes. What is left is the moment
//! between the last look and `exec`. Whoever can use that owns the folder of the program, and its libraries too.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What a file is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seal([i64; 7]);

impl Seal {
    /// Of the file that a path leads to.
    ///
    /// # Errors
    /// Where there is none, or it may not be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let [device, inode, bytes] = [meta.dev(), meta.ino(), meta.size()].map(u64::cast_signed);
        Ok(Self([device, inode, bytes, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]))
    }

    /// What is wrong where the path leads to another file, or to this one after a change: `was replaced since it was approved`.
    ///
    /// # Errors
    /// The end of a sentence about the path.
    pub fn check(self, path: &Path) -> Result<(), String> {
        match Self::of(path) {
            Ok(found) if found == self => Ok(()),
            Ok(_) => Err("was replaced since it was approved".to_owned()),
            Err(error) => Err(format!("was approved and cannot be found any more: {error}")),
        }
    }

    /// As a word for the shim.
    pub(crate) fn word(self) -> String {
        let numbers = self.0.map(|number| number.to_string());
        numbers.join(":")
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        let mut numbers = word.split(':').map(str::parse);
        let mut seal = [0; 7];
        for place in &mut seal {
            *place = numbers.next()?.ok()?;
        }
        numbers.next().is_none().then_some(Self(seal))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({})", self.word())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn it_survives_as_a_word() {
        let seal = Seal([i64::MIN, -1, 0, 1, 2, 3, i64::MAX]);
        assert_eq!(Seal::read(&seal.word()), Some(seal));
        for bad in ["", "1:2:3", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:x"] {
            assert_eq!(Seal::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tool");
        let other = folder.path().join("other");
        let link = folder.path().join("link");
        fs::write(&path, "one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let seal = Seal::of(&link).unwrap();
        assert_eq!(seal.check(&path), Ok(()));

        // In its place, with its time set back.
        let times = fs::metadata(&path).unwrap();
        fs::write(&path, "two").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(times.modified().unwrap())).unwrap();
        assert_eq!(seal.check(&link).unwrap_err(), "was replaced since it was approved");

        // By another of the same content.
        let seal = Seal::of(&path).unwrap();
        fs::copy(&path, &other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(seal.check(&path).is_err());

        // By where a link leads.
        fs::write(&other, "two").unwrap();
        let seal = Seal::of(&link).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        assert!(seal.check(&link).is_err());

        fs::remove_file(&link).unwrap();
        assert!(seal.check(&link).unwrap_err().contains("cannot be found any more"));
    }
}
