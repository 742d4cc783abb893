//! Small objects in a folder (manifests, leases, holds, results of drills): whole or not at all, also when planb is killed
//! in the middle, and where it is asked for, only under a name that is free.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use planb_model::lease::OURS;

use crate::error::StoreError;
use crate::open::{FS_TEMP, Store, kind_of};

/// How often to begin anew where others, who end at this moment, remove the empty folder that was just made.
const TRIES: u32 = 20;
/// What a file's name may have, less what is put behind it while it is unfinished.
const LONGEST: usize = 200;

/// What to do with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum There {
    /// It is exchanged.
    Replace,
    /// It stays, and the writing fails.
    Keep,
}

impl Store {
    /// Writes a small object into a folder.
    pub(crate) async fn put_file(
        &self,
        root: &Path,
        key: &str,
        bytes: Bytes,
        there: There,
        doing: &'static str,
    ) -> Result<(), StoreError> {
        let (root, path) = (root.to_path_buf(), root.join(key));
        let put = tokio::task::spawn_blocking(move || put(&root, &path, &bytes, there)).await;
        put.unwrap_or_else(|ended| Err(io::Error::other(ended))).map_err(|error| StoreError {
            kind: kind_of(&error),
            doing,
            at: self.at(key),
            detail: error.to_string(),
        })
    }
}

fn put(root: &Path, path: &PathBuf, bytes: &[u8], there: There) -> io::Result<()> {
    let mut last = ErrorKind::NotFound.into();
    for _ in 0..TRIES {
        match once(root, path, bytes, there) {
            Err(error) if error.kind() == ErrorKind::NotFound => last = error,
            done => return done,
        }
    }
    Err(last)
}

fn once(root: &Path, path: &PathBuf, bytes: &[u8], there: There) -> io::Result<()> {
    let temp = root.join(FS_TEMP);
    fs::create_dir_all(&temp)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let from = name.char_indices().map(|(at, _)| at).find(|at| name.len() - at <= LONGEST).unwrap_or(0);
    let mut file = tempfile::Builder::new()
        .prefix(&format!("{}.", &name[from..]))
        // As any other file: the umask decides who may read it.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(&temp)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let ours = path.starts_with(root.join(OURS));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
        if ours {
            own(root, folder);
        }
    }
    if ours || there == There::Replace {
        own(root, file.path());
    }
    let placed = match there {
        There::Replace => file.persist(path),
        There::Keep => file.persist_noclobber(path),
    };
    match placed {
        Ok(_) => Ok(()),
        // A file system that has neither links nor a rename with a condition: the look before has to do.
        Err(error)
            if there == There::Keep
                && matches!(
                    error.error.kind(),
                    ErrorKind::Unsupported | ErrorKind::PermissionDenied | ErrorKind::InvalidInput
                ) =>
        {
            error.file.persist(path).map(drop).map_err(|error| error.error)
        }
        Err(error) => Err(error.error),
    }
}

/// What root writes for the book-keeping in somebody else's folder is that somebody's, who could otherwise neither read nor
/// remove it: this, and the folders on its way from the root.
fn own(root: &Path, path: &Path) {
    let Ok(owner) = fs::metadata(root) else { return };
    if owner.uid() == 0 || !rustix::process::geteuid().is_root() {
        return;
    }
    for path in path.ancestors().take_while(|path| *path != root) {
        if let Err(error) = lchown(path, Some(owner.uid()), Some(owner.gid())) {
            tracing::debug!(path = %path.display(), %error, "it could not be given to the folder's owner");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_there_stays_or_is_exchanged_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        put(folder.path(), &path, b"one", There::Keep).unwrap();
        assert_eq!(put(folder.path(), &path, b"two", There::Keep).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        put(folder.path(), &path, b"three", There::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path().join(FS_TEMP)).unwrap().count(), 0);
        let long = folder.path().join(format!("{}.json", "ü".repeat(125)));
        put(folder.path(), &long, b"x", There::Keep).unwrap();
    }

    #[test]
    fn book_keeping_by_root_is_the_owners() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (root, uid) = (folder.path(), |path: &Path| fs::metadata(path).unwrap().uid());
        lchown(root, Some(12345), Some(12345)).unwrap();
        let mark = root.join(".planb/reading/x.json");
        put(root, &mark, b"x", There::Replace).unwrap();
        let backup = root.join("daily/x.manifest.json");
        put(root, &backup, b"x", There::Keep).unwrap();
        for path in [&mark, &root.join(".planb"), &root.join(".planb/reading"), &root.join(FS_TEMP)] {
            assert_eq!(uid(path), 12345, "{}", path.display());
        }
        assert_eq!((uid(&backup), uid(&root.join("daily"))), (0, 0));
    }

    #[test]
    fn of_many_one_takes_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/x.json");
        let took: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8u8)
                .map(|n| {
                    let (root, path) = (folder.path(), &path);
                    scope.spawn(move || put(root, path, &[n], There::Keep).is_ok())
                })
                .collect();
            tries.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum()
        });
        assert_eq!(took, 1);
    }
}
