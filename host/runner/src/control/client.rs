//! The side that asks.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Answer, Question, socket};
use crate::core::{ReloadReport, TriggerError, Triggered};
use crate::outcome::Work;
use crate::snapshot::Snapshot;

/// No answer is longer: a thousand jobs with their history are less.
const LONGEST_ANSWER: u64 = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
/// Reading settings may ask databases and stores.
const RELOADING: Duration = Duration::from_mins(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody is there.
    #[error(
        "no planb serves from the state folder {0}: start `planb serve`, or name its folder (--state-dir, PLANB_STATE_DIR)"
    )]
    NotServing(PathBuf),
    /// It is another user's.
    #[error("the planb that serves from {0} is another user's: ask as that user")]
    Denied(PathBuf),
    /// It is there and says nothing.
    #[error("the planb that serves from {path} did not answer within {} s: look at its log", patience.as_secs())]
    Silent {
        /// The state folder.
        path: PathBuf,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The talk broke off.
    #[error("talking to the planb that serves from {path} failed: {source}")]
    Broken {
        /// The state folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It did not begin the run.
    #[error(transparent)]
    NotTriggered(#[from] TriggerError),
    /// It did not do it.
    #[error("{0}")]
    Refused(String),
}

/// What goes on, with the runs of the past where they are wanted.
///
/// # Errors
/// [`ControlError`].
pub async fn status(state_dir: &Path, history: bool) -> Result<Snapshot, ControlError> {
    match ask(state_dir, &Question::Status { history }, PATIENCE).await? {
        Answer::Status(snapshot) => Ok(*snapshot),
        other => Err(unexpected(state_dir, other)),
    }
}

/// Begins a backup or a drill.
///
/// # Errors
/// [`ControlError`].
pub async fn trigger(state_dir: &Path, job: &str, work: Work) -> Result<Triggered, ControlError> {
    match ask(state_dir, &Question::Trigger { job: job.to_owned(), work }, PATIENCE).await? {
        Answer::Triggered(triggered) => Ok(triggered),
        other => Err(unexpected(state_dir, other)),
    }
}

/// Has the settings read anew.
///
/// # Errors
/// [`ControlError`].
pub async fn reload(state_dir: &Path) -> Result<ReloadReport, ControlError> {
    match ask(state_dir, &Question::Reload, RELOADING).await? {
        Answer::Reloaded(report) => Ok(report),
        other => Err(unexpected(state_dir, other)),
    }
}

fn unexpected(state_dir: &Path, answer: Answer) -> ControlError {
    match answer {
        Answer::NotTriggered(error) => error.into(),
        Answer::Refused(error) => ControlError::Refused(error),
        Answer::Status(_) | Answer::Triggered(_) | Answer::Reloaded(_) => ControlError::Broken {
            path: state_dir.to_path_buf(),
            source: io::Error::new(io::ErrorKind::InvalidData, "it answered another question"),
        },
    }
}

async fn ask(state_dir: &Path, question: &Question, patience: Duration) -> Result<Answer, ControlError> {
    match timeout(patience, talk(state_dir, question)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => {
            let path = state_dir.to_path_buf();
            Err(match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotServing(path),
                io::ErrorKind::PermissionDenied => ControlError::Denied(path),
                _ => ControlError::Broken { path, source },
            })
        }
        Err(_) => Err(ControlError::Silent { path: state_dir.to_path_buf(), patience }),
    }
}

async fn talk(state_dir: &Path, question: &Question) -> io::Result<Answer> {
    let stream = UnixStream::connect(socket(state_dir)).await?;
    let (reader, mut writer) = stream.into_split();
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    let mut answer = Vec::new();
    BufReader::new(reader.take(LONGEST_ANSWER)).read_until(b'\n', &mut answer).await?;
    Ok(serde_json::from_slice(&answer)?)
}
