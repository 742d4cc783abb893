//! The private folder of one run, mode 0700: the tools' home and temporary files, private files, and dumps that
//! do not stream.
//!
//! It is removed when the run ends, however it ends. If planb is killed, the next run removes it: a lock that
//! only a living process can hold tells a folder in use from one that was left.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use planb_model::argv::below;
use planb_model::plan::{PrivateFile, PrivatePiece};
use planb_model::secret::Secrets;
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::error::ToolError;
use crate::folder::Folder;
use crate::tree;

const PREFIX: &str = "planb-work-";
/// What it is called until it is locked: before that, another run could take it for one that was left.
const NEW_PREFIX: &str = "planb-new-";
const LOCK: &str = "lock";

/// A private work directory. Dropping it ends what still runs in it and removes it.
#[derive(Debug)]
pub struct WorkDir {
    root: PathBuf,
    lock: File,
}

impl WorkDir {
    /// Makes one below `base`, after removing those that killed runs have left there.
    ///
    /// # Errors
    /// [`ToolError::Work`].
    pub fn create(base: &Path) -> Result<Self, ToolError> {
        let fail = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ToolError::Work { path, source }
        };
        let base = fs::canonicalize(base).map_err(fail(base))?;
        sweep(&base);
        let folder = tempfile::Builder::new()
            .prefix(NEW_PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&base)
            .map_err(fail(&base))?;
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.path().join(LOCK));
        let lock = lock.map_err(fail(folder.path()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|e| fail(folder.path())(e.into()))?;
        for name in ["home", "tmp", "run"] {
            DirBuilder::new().mode(0o700).create(folder.path().join(name)).map_err(fail(folder.path()))?;
        }
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().replacen(NEW_PREFIX, PREFIX, 1);
        let root = base.join(name);
        fs::rename(folder.path(), &root).map_err(fail(&root))?;
        // It is no longer where the guard would remove it from.
        let _ = folder.keep();
        Ok(Self { root, lock })
    }

    /// What paths in plans are relative to, and the tools' working directory.
    pub fn path(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The absolute path of a plan's path.
    ///
    /// # Errors
    /// [`ToolError::Arg`] for one that leaves the folder.
    pub fn below(&self, path: &str) -> Result<PathBuf, ToolError> {
        Ok(below(&self.path(), path)?)
    }

    /// Empties the part that plans write to, between two operations.
    ///
    /// # Errors
    /// [`ToolError::Work`].
    pub fn clear(&self) -> Result<(), ToolError> {
        let path = self.path();
        let clear = fs::remove_dir_all(&path).and_then(|()| DirBuilder::new().mode(0o700).create(&path));
        clear.map_err(|source| ToolError::Work { path, source })
    }

    /// What plans write to and read from, opened. `account`: as whom tools do.
    ///
    /// # Errors
    /// [`ToolError`] where something else stands in its place.
    pub fn folder(&self, account: Option<Account>) -> Result<Folder, ToolError> {
        Folder::open(self.path(), account)
    }

    /// Writes a plan's private files, mode 0600. They may be written anew by a later step.
    ///
    /// # Errors
    /// [`ToolError`]: also where a secret cannot be written in the way its place asks for.
    pub fn write(&self, files: &[PrivateFile], secrets: &Secrets, owner: Option<Account>) -> Result<(), ToolError> {
        let folder = self.folder(owner)?;
        for file in files {
            let content = self.assemble(&file.content, secrets)?;
            let fail = |source| ToolError::Work { path: file.path.clone().into(), source };
            folder.put_file(&file.path)?.write_all(&content).map_err(fail)?;
        }
        Ok(())
    }

    /// Makes a folder for one tool's temporary files.
    pub(crate) fn temporary(&self, name: &str, owner: Option<Account>) -> Result<PathBuf, ToolError> {
        Folder::open(self.tmp(), owner)?.new_folder(name)?;
        Ok(self.tmp().join(name))
    }

    /// Makes everything that tools use of it another user's. Not while such tools run.
    ///
    /// # Errors
    /// [`ToolError::Work`].
    pub fn give_to(&self, account: Account) -> Result<(), ToolError> {
        let fail = |source| ToolError::Work { path: self.root.clone(), source };
        // The folder itself and its lock stay ours, so that the next run finds what a killed one left; others may pass.
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o711)).map_err(fail)?;
        for folder in [self.path(), self.home(), self.tmp()] {
            account.own_all(&folder).map_err(fail)?;
        }
        Ok(())
    }

    /// Puts pieces together, secrets in their places.
    pub(crate) fn assemble(&self, pieces: &[PrivatePiece], secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, ToolError> {
        let mut out = Zeroizing::new(Vec::new());
        for piece in pieces {
            match piece {
                PrivatePiece::Text(text) => out.extend_from_slice(text.as_bytes()),
                PrivatePiece::Path(path) => out.extend_from_slice(self.below(path)?.to_string_lossy().as_bytes()),
                PrivatePiece::Secret(secret) => {
                    out.extend_from_slice(&secrets.get(&secret.name)?.encode(&secret.name, &secret.encoding)?);
                }
            }
        }
        Ok(out)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        tree::sweep(&self.root);
        remove(&self.root);
        // Until here nobody else took it for a dead run's.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

fn remove(folder: &Path) {
    // The lock last: whoever finds the folder without one knows that nobody needs what is left of it.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != LOCK {
            let path = entry.path();
            let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
        }
    }
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "a work directory could not be removed");
    }
}

/// Removes what killed runs of this user have left, and ends what still runs in there.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let me = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = [PREFIX, NEW_PREFIX].iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
            && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == me);
        if !ours {
            continue;
        }
        let path = entry.path();
        let old = || {
            let changed = entry.metadata().and_then(|meta| meta.modified());
            changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > std::time::Duration::from_mins(10)))
        };
        let left = match File::open(path.join(LOCK)) {
            Ok(lock) if name.to_string_lossy().starts_with(PREFIX) => {
                flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            }
            // It has its name only since it was locked: without a lock its removal was cut off.
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && name.to_string_lossy().starts_with(PREFIX) =>
            {
                true
            }
            // It is just being made, or its making was cut off.
            _ => old(),
        };
        if left {
            tracing::info!(folder = %path.display(), "removing what a killed run left");
            tree::sweep(&path);
            remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_model::plan::{Encoding, SecretRef};
    use planb_model::secret::Secret;

    #[test]
    fn private_files_are_private_and_go_with_the_folder() {
        let base = tempfile::tempdir().unwrap();
        let work = WorkDir::create(base.path()).unwrap();
        let mut secrets = Secrets::default();
        secrets.insert("password", Secret::new("a:b".to_owned()));
        let reference = SecretRef {
            name: "password".into(),
            encoding: Encoding::Backslash { special: ":\\".into(), forbidden: "\n".into() },
        };
        let file = PrivateFile {
            path: "conf/pgpass".into(),
            content: vec![PrivatePiece::Text("*:*:*:*:".into()), PrivatePiece::Secret(reference)],
        };
        work.write(std::slice::from_ref(&file), &secrets, None).unwrap();
        work.write(&[file], &secrets, None).unwrap();
        let path = work.below("conf/pgpass").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "*:*:*:*:a\\:b");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&work.root).unwrap().mode() & 0o777, 0o700);
        drop(work);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_goes_and_what_is_in_use_stays() {
        let base = tempfile::tempdir().unwrap();
        let living = WorkDir::create(base.path()).unwrap();
        let dead = WorkDir::create(base.path()).unwrap();
        let left = dead.root.clone();
        // As a kill would: the lock is gone with the process, the folder is not.
        flock(&dead.lock, FlockOperation::Unlock).unwrap();
        std::mem::forget(dead);
        let next = WorkDir::create(base.path()).unwrap();
        assert!(!left.exists() && living.root.exists() && next.root.exists());
    }
}
