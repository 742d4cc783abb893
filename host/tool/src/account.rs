//! Another user, for tools that must not run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown, lchown};
use std::path::Path;

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

    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Of a folder, with everything in it. Links are not followed.
    pub(crate) fn own_all(self, folder: &Path) -> io::Result<()> {
        let meta = fs::symlink_metadata(folder)?;
        if meta.uid() != self.uid || meta.gid() != self.gid {
            lchown(folder, Some(self.uid), Some(self.gid))?;
        }
        if meta.is_dir() {
            for entry in fs::read_dir(folder)? {
                self.own_all(&entry?.path())?;
            }
        }
        Ok(())
    }
}
