//! A folder that others write to: what is in it is reached part by part, never through a link, and no pipe is waited for.
//!
//! A tool may leave links in its work directory. What planb itself writes or reads there for a plan would else be wherever they
//! lead: outside of what the tool is confined to, and as planb's user, who may be root where tools are `nobody`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fcntl_setfl, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::account::Account;
use crate::error::ToolError;

/// Folders inside each other in a dump.
const DEPTH: usize = 64;
/// Files in a dump.
const FILES: usize = 1_000_000;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PRIVATE_FOLDER: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A plain file below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// From the folder on, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// An open folder, and as whom tools write to it where that is not planb's user.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    /// For messages.
    path: PathBuf,
    account: Option<Account>,
}

/// Why something in a folder was not opened.
#[derive(Clone, Copy)]
enum Refused {
    /// A part of its path is a link, or it is no plain file.
    NotPlain,
    Io(Errno),
}

impl From<Errno> for Refused {
    fn from(error: Errno) -> Self {
        // What an open with `NOFOLLOW` says of a link.
        if error == Errno::LOOP { Self::NotPlain } else { Self::Io(error) }
    }
}

/// What to do with folders that are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Tell,
    Make,
}

impl Folder {
    /// Opens a folder whose own path nobody else decides over.
    pub(crate) fn open(path: PathBuf, account: Option<Account>) -> Result<Self, ToolError> {
        match openat(CWD, &path, OPEN, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path, account }),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(ToolError::NotPlain { path: path.display().to_string() }),
            Err(error) => Err(ToolError::Work { path, source: error.into() }),
        }
    }

    /// A folder in it that is there.
    ///
    /// # Errors
    /// [`ToolError::NotPlain`] for a link, what is behind one, and what is no folder.
    pub fn folder(&self, path: &str) -> Result<Self, ToolError> {
        self.enter(path, Missing::Tell)
    }

    /// The same, made where it is missing.
    ///
    /// # Errors
    /// As above.
    pub fn make_folder(&self, path: &str) -> Result<Self, ToolError> {
        self.enter(path, Missing::Make)
    }

    /// A folder right in it that was not there.
    pub(crate) fn new_folder(&self, name: &str) -> Result<Self, ToolError> {
        mkdirat(&self.fd, name, PRIVATE_FOLDER).map_err(|error| self.refusal(name, Refused::Io(error)))?;
        let folder = self.folder(name)?;
        self.give(&folder.fd).map_err(|error| self.refusal(name, error.into()))?;
        Ok(folder)
    }

    fn enter(&self, path: &str, missing: Missing) -> Result<Self, ToolError> {
        let entered = parts(path).and_then(|parts| self.steps(&parts, missing));
        let fd = entered.map_err(|error| self.refusal(path, error))?;
        Ok(Self { fd, path: self.path.join(path), account: self.account })
    }

    /// Opens a file that a tool has left.
    ///
    /// # Errors
    /// [`ToolError::NotPlain`] for a link, what is behind one, a pipe, a device, and a file of others that was given a second name here.
    pub fn file(&self, path: &str) -> Result<File, ToolError> {
        self.read(path).map_err(|error| self.refusal(path, error))
    }

    /// Makes a new file of mode 0600, and the folders above it.
    ///
    /// # Errors
    /// [`ToolError::NotPlain`] where a link stands in the way.
    pub fn new_file(&self, path: &str) -> Result<File, ToolError> {
        self.create(path, false).map_err(|error| self.refusal(path, error))
    }

    /// The same in the place of what is there. A link is put away, and what it leads to stays.
    pub(crate) fn put_file(&self, path: &str) -> Result<File, ToolError> {
        self.create(path, true).map_err(|error| self.refusal(path, error))
    }

    /// All files in it, in the order of their paths. Links, pipes and devices are no part of a dump.
    ///
    /// # Errors
    /// [`ToolError::NotPlain`] for one of them.
    pub fn files(&self) -> Result<Vec<Found>, ToolError> {
        let mut found = Vec::new();
        self.walk("", 0, &mut found)?;
        Ok(found)
    }

    /// The bytes of all files in it, as far as they can be seen just now.
    pub fn bytes(&self) -> u64 {
        fn of(folder: &OwnedFd, depth: usize) -> u64 {
            let Ok(names) = names(folder) else { return 0 };
            let one = |name: &OsString| match stat(folder, name) {
                Ok((FileType::Directory, _)) if depth < DEPTH => {
                    openat(folder, name, OPEN, Mode::empty()).map_or(0, |inner| of(&inner, depth + 1))
                }
                Ok((FileType::Directory, _)) | Err(_) => 0,
                Ok((_, stat)) => size(&stat),
            };
            names.iter().map(one).fold(0, u64::saturating_add)
        }
        of(&self.fd, 0)
    }

    fn refusal(&self, path: &str, refused: Refused) -> ToolError {
        match refused {
            Refused::NotPlain => ToolError::NotPlain { path: path.to_owned() },
            Refused::Io(error) => ToolError::Work { path: self.path.join(path), source: error.into() },
        }
    }

    fn walk(&self, prefix: &str, depth: usize, found: &mut Vec<Found>) -> Result<(), ToolError> {
        let too_much =
            |why: &str| ToolError::Work { path: self.path.clone(), source: io::Error::other(why.to_owned()) };
        if depth > DEPTH {
            return Err(too_much("its folders lie too deep inside each other"));
        }
        let mut names = names(&self.fd).map_err(|error| self.refusal("", error.into()))?;
        names.sort();
        for name in names {
            let name = name.to_str().ok_or_else(|| too_much(&format!("{} is not UTF-8", name.display())))?;
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let (kind, stat) = stat(&self.fd, &name.into()).map_err(|error| self.refusal(name, error.into()))?;
            match kind {
                FileType::Directory => self.folder(name)?.walk(&path, depth + 1, found)?,
                FileType::RegularFile if found.len() < FILES => found.push(Found { path, bytes: size(&stat) }),
                FileType::RegularFile => return Err(too_much(&format!("it holds more than {FILES} files"))),
                _ => return Err(ToolError::NotPlain { path }),
            }
        }
        Ok(())
    }

    fn read(&self, path: &str) -> Result<File, Refused> {
        let (folder, name) = self.parent(path, Missing::Tell)?;
        // Not to wait for who writes to a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&folder, &name, flags, Mode::empty()).map_err(|error| refused_at(&folder, &name, error))?;
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || self.is_foreign(&stat) {
            return Err(Refused::NotPlain);
        }
        // A tool may get it as its stdin.
        fcntl_setfl(&file, OFlags::empty())?;
        Ok(file.into())
    }

    /// A second name of a file that tools themselves could not read.
    fn is_foreign(&self, stat: &Stat) -> bool {
        self.account.is_some_and(|account| stat.st_uid != account.uid && stat.st_nlink > 1)
    }

    fn create(&self, path: &str, anew: bool) -> Result<File, Refused> {
        let (folder, name) = self.parent(path, Missing::Make)?;
        if anew {
            match unlinkat(&folder, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                // A folder: macOS says PERM.
                Err(Errno::ISDIR | Errno::PERM) => return Err(Refused::NotPlain),
                Err(error) => return Err(error.into()),
            }
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, &name, flags, PRIVATE_FILE)?;
        self.give(&file)?;
        Ok(file.into())
    }

    /// The opened folder that holds a path's last part, and that part.
    fn parent(&self, path: &str, missing: Missing) -> Result<(OwnedFd, OsString), Refused> {
        let mut parts = parts(path)?;
        let name = parts.pop().ok_or(Refused::NotPlain)?;
        Ok((self.steps(&parts, missing)?, name))
    }

    fn steps(&self, parts: &[OsString], missing: Missing) -> Result<OwnedFd, Refused> {
        let mut at = self.fd.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        for part in parts {
            let made = missing == Missing::Make
                && match mkdirat(&at, part, PRIVATE_FOLDER) {
                    Ok(()) => true,
                    Err(Errno::EXIST) => false,
                    Err(error) => return Err(error.into()),
                };
            let next = openat(&at, part, OPEN, Mode::empty()).map_err(|error| refused_at(&at, part, error))?;
            if made {
                self.give(&next)?;
            }
            at = next;
        }
        Ok(at)
    }

    fn give(&self, to: &OwnedFd) -> Result<(), Errno> {
        self.account.map_or(Ok(()), |account| account.own(to))
    }
}

/// Of a link where a folder was to be, Linux says that it is none, and others that it is a link.
fn refused_at(folder: &OwnedFd, name: &OsString, error: Errno) -> Refused {
    match stat(folder, name) {
        Ok((FileType::Directory | FileType::RegularFile, _)) | Err(_) => error.into(),
        Ok(_) => Refused::NotPlain,
    }
}

fn stat(folder: &OwnedFd, name: &OsString) -> Result<(FileType, Stat), Errno> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((FileType::from_raw_mode(stat.st_mode), stat))
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// What is in a folder, but for itself and the one above it.
pub(crate) fn names(folder: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

/// The names of a path that leads inwards.
fn parts(path: &str) -> Result<Vec<OsString>, Refused> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(Ok(name.to_owned())),
        Component::CurDir => None,
        _ => Some(Err(Refused::NotPlain)),
    };
    Path::new(path).components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn place() -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path().to_path_buf(), None).unwrap();
        (root, folder)
    }

    fn content(folder: &Folder, path: &str) -> Result<String, ToolError> {
        let mut text = String::new();
        folder.file(path)?.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    fn write(folder: &Folder, path: &str) -> Result<(), ToolError> {
        folder.put_file(path)?.write_all(b"mine").unwrap();
        Ok(())
    }

    #[expect(clippy::needless_pass_by_value, reason = "it ends here")]
    fn not_plain<T>(outcome: Result<T, ToolError>) -> bool {
        matches!(outcome, Err(ToolError::NotPlain { .. }))
    }

    #[test]
    fn plain_files_are_made_and_read() {
        let (root, folder) = place();
        write(&folder, "a/b/c").unwrap();
        write(&folder, "./a/b/c").unwrap();
        assert_eq!(content(&folder, "a/b/c").unwrap(), "mine");
        assert_eq!(content(&folder.folder("a/b").unwrap(), "c").unwrap(), "mine");
        assert_eq!(fs::metadata(root.path().join("a/b/c")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(root.path().join("a")).unwrap().mode() & 0o777, 0o700);
        assert!(matches!(folder.new_file("a/b/c"), Err(ToolError::Work { .. })));
        assert!(matches!(folder.file("a/x"), Err(ToolError::Work { .. })));
        assert!(matches!(folder.folder("x"), Err(ToolError::Work { .. })));
        folder.make_folder("x/y").unwrap().new_file("z").unwrap();
        folder.new_folder("n").unwrap();
        assert!(matches!(folder.new_folder("n"), Err(ToolError::Work { .. })));
        assert!(folder.file("x/y/z").is_ok() && folder.folder("").is_ok());
    }

    #[test]
    fn no_link_is_followed() {
        let (root, folder) = place();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("bait"), "theirs").unwrap();
        symlink(outside.path(), root.path().join("d")).unwrap();
        symlink(outside.path().join("bait"), root.path().join("l")).unwrap();
        symlink("nowhere", root.path().join("n")).unwrap();
        fs::create_dir(root.path().join("e")).unwrap();
        symlink("../d", root.path().join("e/f")).unwrap();
        for path in ["d/owned", "e/f/owned", "d/deeper/owned", "n/owned"] {
            assert!(not_plain(write(&folder, path)), "{path}");
            assert!(not_plain(folder.new_file(path)), "{path}");
        }
        for path in ["d/bait", "l", "e/f/bait", "d", "n"] {
            assert!(not_plain(content(&folder, path)), "{path}");
        }
        for path in ["d", "e/f", "n", "d/deeper"] {
            assert!(not_plain(folder.folder(path)), "{path}");
            assert!(not_plain(folder.make_folder(path)), "{path}");
        }
        assert!(not_plain(Folder::open(root.path().join("d"), None)));
        // In a file's own place a link is put away.
        write(&folder, "l").unwrap();
        assert_eq!(content(&folder, "l").unwrap(), "mine");
        assert_eq!(fs::read_to_string(outside.path().join("bait")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_plain_file_is_not_waited_for() {
        let (root, folder) = place();
        rustix::fs::mkfifoat(CWD, root.path().join("pipe"), PRIVATE_FILE).unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        for path in ["pipe", "folder", ""] {
            assert!(not_plain(content(&folder, path)), "{path:?}");
        }
        assert!(not_plain(write(&folder, "folder")) && not_plain(write(&folder, "")));
        assert!(not_plain(folder.folder("pipe")) && not_plain(folder.files()));
        write(&folder, "pipe").unwrap();
        assert_eq!(content(&folder, "pipe").unwrap(), "mine");
    }

    #[test]
    fn a_tree_is_its_files_in_their_order() {
        let (root, folder) = place();
        for path in ["b", "a/2", "a/1", "c/d/e", "a.x"] {
            write(&folder, path).unwrap();
        }
        let found: Vec<_> = folder.files().unwrap().into_iter().map(|file| (file.path, file.bytes)).collect();
        let expected = ["a/1", "a/2", "a.x", "b", "c/d/e"].map(|path| (path.to_owned(), 4));
        assert_eq!(found, expected);
        assert_eq!(folder.bytes(), 20);
        let found = folder.folder("c").unwrap().files().unwrap();
        assert_eq!(found, [Found { path: "d/e".to_owned(), bytes: 4 }]);
        symlink("b", root.path().join("c/link")).unwrap();
        assert!(matches!(folder.files(), Err(ToolError::NotPlain { path }) if path == "c/link"));
        fs::remove_file(root.path().join("c/link")).unwrap();
        folder.make_folder(&"x/".repeat(DEPTH + 1)).unwrap();
        assert!(matches!(folder.files(), Err(ToolError::Work { .. })));
        assert_eq!(folder.bytes(), 20);
    }

    #[test]
    fn a_path_leads_inwards() {
        let (_root, folder) = place();
        for path in ["../x", "/etc/passwd", "a/../../x", ".."] {
            assert!(not_plain(write(&folder, path)) && not_plain(folder.file(path)), "{path}");
            assert!(not_plain(folder.folder(path)) && not_plain(folder.make_folder(path)), "{path}");
        }
    }
}
