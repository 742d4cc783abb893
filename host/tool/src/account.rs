//! Another user, for tools that must not run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
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
        // Never of what a link leads to.
        lchown(path, Some(self.uid), Some(self.gid))
    }

    /// Of a folder, with everything in it. Links are not followed, and a file that has a second name elsewhere is left alone.
    pub(crate) fn own_all(self, folder: &Path) -> io::Result<()> {
        let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) };
        let meta = match fs::symlink_metadata(folder) {
            Ok(meta) => meta,
            Err(error) => return gone(error),
        };
        let foreign = meta.uid() != self.uid || meta.gid() != self.gid;
        if foreign && (meta.is_dir() || meta.nlink() == 1) {
            self.own(folder).or_else(gone)?;
        }
        if meta.is_dir() {
            for entry in fs::read_dir(folder)? {
                self.own_all(&entry?.path())?;
            }
        }
        Ok(())
    }
}
