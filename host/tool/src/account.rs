//! Another user, for tools that must not run as root.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchown, fstat, openat};
use rustix::io::Errno;

use crate::folder::names;

/// A user and its group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// The number that Linux distributions and the kernel (overflowuid) give to `nobody`.
const NOBODY: u32 = 65534;

impl Account {
    /// `nobody` where planb is root, and none elsewhere: servers such as PostgreSQL's refuse to run as root.
    pub fn for_servers() -> Option<Self> {
        let root = rustix::process::geteuid().is_root() && cfg!(target_os = "linux");
        root.then_some(Self { uid: NOBODY, gid: NOBODY })
    }

    pub(crate) fn own(self, open: impl AsFd) -> Result<(), Errno> {
        fchown(open, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }

    /// Of a folder, with everything in it. Links are not followed, and a file that has a second name elsewhere is left alone.
    pub(crate) fn own_all(self, folder: &Path) -> io::Result<()> {
        match openat(CWD, folder, OFlags::DIRECTORY | LOOK, Mode::empty()) {
            Ok(folder) => Ok(self.own_folder(&folder)?),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn own_folder(self, folder: &OwnedFd) -> Result<(), Errno> {
        if self.is_foreign(&fstat(folder)?) {
            self.own(folder)?;
        }
        for name in names(folder)? {
            // Opened before it is looked at: the name may be another thing's a moment later.
            match openat(folder, &name, LOOK, Mode::empty()) {
                Ok(found) => {
                    let stat = fstat(&found)?;
                    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                        self.own_folder(&found)?;
                    } else if self.is_foreign(&stat) && stat.st_nlink == 1 {
                        self.own(&found)?;
                    }
                }
                Err(Errno::NOENT) => {}
                // A link, or a socket: nothing that anyone could mistake for more than it is.
                Err(Errno::LOOP | Errno::NXIO) => {
                    let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
                    match chownat(folder, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_foreign(self, stat: &Stat) -> bool {
        stat.st_uid != self.uid || stat.st_gid != self.gid
    }
}

/// Neither through a link nor waiting for who writes to a pipe.
const LOOK: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn all_of_a_folder_becomes_the_accounts_and_nothing_else() {
        let Some(account) = Account::for_servers() else { return };
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/c"), "").unwrap();
        fs::write(outside.path().join("bait"), "").unwrap();
        symlink(outside.path(), root.path().join("a/link")).unwrap();
        fs::hard_link(outside.path().join("bait"), root.path().join("second-name")).unwrap();
        rustix::fs::mkfifoat(CWD, root.path().join("pipe"), Mode::RWXU).unwrap();
        account.own_all(root.path()).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        for mine in ["", "a", "a/b", "a/b/c", "a/link", "pipe"] {
            assert_eq!(owner(&root.path().join(mine)), account.uid, "{mine}");
        }
        assert_eq!([owner(outside.path()), owner(&outside.path().join("bait"))], [0, 0]);
        // Nor may what has a second name be read for a plan.
        let folder = crate::Folder::open(root.path().to_path_buf(), Some(account)).unwrap();
        assert!(folder.file("second-name").is_err() && folder.file("a/b/c").is_ok());
        account.own_all(&root.path().join("nothing")).unwrap();
        assert!(account.own_all(&root.path().join("a/link")).is_err());
    }
}
