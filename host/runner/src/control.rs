//! How another planb talks to the one that serves: a socket in the state folder, one line of JSON each way.
//!
//! The socket is its user's alone, and the other side's user is looked at besides.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::core::{ReloadReport, TriggerError, Triggered};
use crate::folder::FolderError;
use crate::handle::Handle;
use crate::outcome::Work;
use crate::serve::Shared;
use crate::snapshot::Snapshot;

mod client;

pub use client::{ControlError, reload, status, trigger};

const SOCKET: &str = "control.sock";
/// Kernels take 104 to 108 bytes, with the socket's name and an end mark.
const LONGEST_FOLDER: usize = 90;
/// No question is longer.
const LONGEST_QUESTION: u64 = 64 * 1024;
/// So many are answered at a time.
const ANSWERS: usize = 16;
/// How long a question may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Question {
    Status { history: bool },
    Trigger { job: String, work: Work },
    Reload,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", content = "content", rename_all = "kebab-case")]
enum Answer {
    Status(Box<Snapshot>),
    Triggered(Triggered),
    NotTriggered(TriggerError),
    Reloaded(ReloadReport),
    Refused(String),
}

/// The socket of a state folder.
pub fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join(SOCKET)
}

pub(crate) fn check(folder: &Path) -> Result<(), FolderError> {
    if folder.as_os_str().as_bytes().len() > LONGEST_FOLDER {
        return Err(FolderError::TooLong { path: folder.to_path_buf() });
    }
    Ok(())
}

/// Opens the socket and answers until the end.
pub(crate) fn listen(shared: &Arc<Shared>, folder: &Path) -> Result<(), FolderError> {
    let path = socket(folder);
    // The folder's lock is ours: whoever made this one is no more.
    remove(folder);
    let listener = UnixListener::bind(&path)
        .and_then(|listener| fs::set_permissions(&path, Permissions::from_mode(0o600)).map(|()| listener));
    let listener = listener.map_err(|source| FolderError::Socket { path, source })?;
    let (shared, room) = (Arc::clone(shared), Arc::new(Semaphore::new(ANSWERS)));
    shared.clone().runtime.spawn(async move {
        let end = shared.end.clone();
        let _ = end.run_until_cancelled(accept(shared, listener, room)).await;
    });
    Ok(())
}

pub(crate) fn remove(folder: &Path) {
    let _ = fs::remove_file(socket(folder));
}

async fn accept(shared: Arc<Shared>, listener: UnixListener, room: Arc<Semaphore>) {
    loop {
        let Ok(one) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let handle = Handle::new(Arc::clone(&shared));
                shared.runtime.spawn(async move {
                    if let Err(error) = serve(&handle, stream).await {
                        warn!(%error, "a question to the control socket was not answered");
                    }
                    drop(one);
                });
            }
            Err(error) => {
                warn!(%error, "the control socket does not accept");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(handle: &Handle, stream: UnixStream) -> io::Result<()> {
    let (own, other) = (rustix::process::geteuid().as_raw(), stream.peer_cred()?.uid());
    if other != own && other != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("it came from the user {other}")));
    }
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader.take(LONGEST_QUESTION));
    timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice(&line) {
        Ok(question) => answer(handle, question).await,
        Err(error) => Answer::Refused(format!("this planb does not understand the question: {error}")),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}

async fn answer(handle: &Handle, question: Question) -> Answer {
    match question {
        Question::Status { history: true } => Answer::Status(Box::new(handle.snapshot())),
        Question::Status { history: false } => Answer::Status(Box::new(handle.snapshot().without_history())),
        Question::Trigger { job, work } => match handle.trigger_work(&job, work) {
            Ok(triggered) => Answer::Triggered(triggered),
            Err(error) => Answer::NotTriggered(error),
        },
        Question::Reload => match handle.reread().await {
            Ok(report) => Answer::Reloaded(report),
            Err(error) => Answer::Refused(error),
        },
    }
}
