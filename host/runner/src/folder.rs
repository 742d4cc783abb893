//! The folder in which state survives a restart: one file a job, a lock, and the socket for other processes.
//!
//! Only one planb serves from a folder. A file is written beside its place, made durable and renamed, so that a crash
//! leaves the one before. A file that cannot be read costs its job's memory, never the start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{FlockOperation, flock};
use tracing::warn;

use crate::state::{JobState, SCHEMA};

const LOCK: &str = "serve.lock";
const SUFFIX: &str = ".json";
const TEMPORARY: &str = ".planb-tmp";
/// What a job's name may have as a file's name, without what is put behind it. File systems take 255.
pub(crate) const LONGEST_NAME: usize = 200;
/// No state is larger: a hundred runs with details are a tenth of it.
const LARGEST: u64 = 16 << 20;
/// Everything else is written as %XX: a name may hold a slash, or start with a dot.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("another planb serves from the state folder {path}{}; stop it, or give this one a folder of its own", holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Taken {
        /// The folder.
        path: PathBuf,
        /// The other's process id.
        holder: Option<String>,
    },
    /// It cannot be made, read or written.
    #[error("the state folder {path} cannot be used: {source}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No socket can be in it.
    #[error("the control socket {path} cannot be made: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel's limit for names of sockets.
    #[error("the state folder {path} has too long a path for the control socket in it: at most 90 bytes")]
    TooLong {
        /// The folder.
        path: PathBuf,
    },
}

/// A state folder, held.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked as long as this is open, or until it is given back.
    lock: File,
}

/// The file of a job, without `.json`. None: the name is too long.
pub(crate) fn file_name(job: &str) -> Option<String> {
    let name = utf8_percent_encode(job, ENCODED).to_string();
    (name.len() <= LONGEST_NAME).then_some(name)
}

impl Folder {
    /// Makes it where it is missing, and takes its lock.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_path_buf(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = path.join(LOCK);
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(lock);
        let mut lock = lock.map_err(unusable)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = lock.take(32).read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
                return Err(FolderError::Taken { path: path.to_path_buf(), holder });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(unusable)?;
        let folder = Self { path: path.to_path_buf(), lock };
        folder.sweep().map_err(unusable)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// From here on another planb can serve from it.
    pub(crate) fn give_back(&self) {
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }

    /// Removes what a crash left half written.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(TEMPORARY) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn file(&self, job: &str) -> Option<PathBuf> {
        Some(self.path.join(file_name(job)? + SUFFIX))
    }

    /// A job's state, as it was left. What is there and cannot be used is set aside.
    pub(crate) fn load(&self, job: &str) -> Option<JobState> {
        let path = self.file(job)?;
        match read(&path) {
            Ok(text) => match parse(&text, job) {
                Ok(state) => Some(state),
                Err(why) => {
                    set_aside(&path, job, &why);
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                set_aside(&path, job, &error.to_string());
                None
            }
        }
    }

    /// Keeps a job's state: after this and [`Folder::sync`] it survives a power cut.
    pub(crate) fn save(&self, state: &JobState) -> io::Result<()> {
        let Some(path) = self.file(&state.job) else { return Ok(()) };
        let temporary = path.with_extension(format!("json{TEMPORARY}"));
        let text = serde_json::to_vec(state)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&text).and_then(|()| file.sync_all())?;
        fs::rename(&temporary, &path)
    }

    /// Makes the names of the files durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str, job: &str) -> Result<JobState, String> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if head.schema != SCHEMA {
        return Err(format!("it has the form {:?}, and this planb reads {SCHEMA}", head.schema));
    }
    let state: JobState = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if state.job != job {
        return Err(format!("it is the state of the job {:?}", state.job));
    }
    Ok(state)
}

fn set_aside(path: &Path, job: &str, why: &str) {
    let aside = path.with_extension(format!("json.unreadable-{}", Timestamp::now().as_millisecond()));
    let moved = fs::rename(path, &aside);
    warn!(
        job,
        file = %path.display(),
        why,
        set_aside_as = %moved.map_or_else(|error| format!("(not moved: {error})"), |()| aside.display().to_string()),
        "the state of a job cannot be used: the job starts without memory of its runs"
    );
}
