//! Who works in a folder: each writer holds a shared lock on the folder for unfinished objects as long as its store is
//! open. Folders that are empty are removed only by whoever can lock it alone, so that none goes from under a writer
//! that has just made it.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::open::FS_TEMP;

/// A writer's lock. It goes with the process.
#[derive(Debug)]
pub(crate) struct Presence(File);

/// Whether a file system knows no locks, or its server (NFS without lockd: ENOLCK) does not give any.
fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

/// Makes the folder and opens it. None: somebody removes it all the time.
fn open(root: &Path, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<File>> {
    let temp = root.join(FS_TEMP);
    for _ in 0..50 {
        std::fs::create_dir_all(&temp)?;
        let file = match File::open(&temp) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !lock(&file)? {
            return Ok(None);
        }
        // It may have been removed between opening and locking: then the lock is on nothing.
        let (there, mine) = (std::fs::metadata(&temp), file.metadata()?);
        if there.is_ok_and(|there| there.ino() == mine.ino()) {
            return Ok(Some(file));
        }
    }
    Err(io::Error::other("the folder for unfinished objects is removed all the time"))
}

impl Presence {
    /// Comes into a folder, and makes it where it is not there.
    pub(crate) fn come(root: &Path) -> io::Result<Option<Self>> {
        let lock = |file: &File| match file.lock_shared() {
            Ok(()) => Ok(true),
            // A file system without locks: then nobody is kept from anything.
            Err(error) if has_no_locks(&error) => Ok(false),
            Err(error) => Err(error),
        };
        Ok(open(root, lock)?.map(Self))
    }

    /// Whether nobody else is there; `work` is done before anybody can come.
    pub(crate) fn if_alone(&self, work: impl FnOnce()) -> bool {
        let alone = self.0.try_lock().is_ok();
        if alone {
            work();
        }
        // What was removed may be the folder itself; for whoever goes on writing here it is made anew by the writing.
        let _ = self.0.lock_shared();
        alone
    }
}

/// The same, for whoever only reads and removes there.
pub(crate) fn if_alone(root: &Path, work: impl FnOnce()) -> bool {
    let lock = |file: &File| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    };
    let Ok(Some(_alone)) = open(root, lock) else { return false };
    work();
    let _ = std::fs::remove_dir(root.join(FS_TEMP));
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn nothing_goes_from_under_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let failed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for writer in 0..6 {
                let (root, failed) = (folder.path(), &failed);
                scope.spawn(move || {
                    for n in 0..200 {
                        let present = Presence::come(root).unwrap().unwrap();
                        let made = std::fs::create_dir_all(root.join("a/b"));
                        let wrote = std::fs::write(root.join(format!("a/b/{writer}-{n}")), "x");
                        let took = std::fs::remove_file(root.join(format!("a/b/{writer}-{n}")));
                        if made.is_err() || wrote.is_err() || took.is_err() {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        present.if_alone(|| {
                            for empty in ["a/b", "a", FS_TEMP] {
                                let _ = std::fs::remove_dir(root.join(empty));
                            }
                        });
                    }
                });
            }
        });
        assert_eq!(failed.load(Ordering::Relaxed), 0);
    }
}
