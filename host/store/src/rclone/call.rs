//! One call of rclone: its arguments, its output, its end.

use std::fmt;
use std::sync::Arc;

use opendal::{Error, ErrorKind};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::OnceCell;

use super::fault::{fault, is_missing, not_started, pipe};
use super::{Ended, Process, Rclone, RcloneSettings, Started};

/// Where objects are written before they are moved to their place.
pub(super) const STAGING: &str = ".planb-tmp";

/// No answer of a call is longer; lists and objects are not answers.
const ANSWER: u64 = 1 << 20;

/// How often rclone repeats a request. What it does so often it does again within its libraries, so the time until it
/// gives up on a dead address grows with the square: 2 are 10 seconds, 5 are 3 minutes, its own 10 are longer. Calls are
/// repeated a layer above, too; an upload cannot be, and has to outlast a short outage by itself.
const REPEAT_CALL: &str = "--low-level-retries=2";
const REPEAT_UPLOAD: &str = "--low-level-retries=5";
/// The user's own arguments come behind these and before the fixed ones: the last one counts.
const DEFAULTS: &[&str] = &["--contimeout=15s"];
/// Whatever is asked on a terminal would wait for ever; what is worth another try is tried again a layer above.
const FIXED: &[&str] = &["--ask-password=false", "--retries=1", "--stats=0"];

/// An object or a folder, as `lsjson` tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    pub(super) path: String,
    /// Below 0 where the remote does not know.
    pub(super) size: i64,
    #[serde(default)]
    pub(super) mod_time: Option<String>,
    pub(super) is_dir: bool,
}

/// Kills its process when it goes.
struct Guard(Box<dyn Process>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// A running rclone. The fields are dropped in this order: its input does not end before it does.
pub(super) struct Call {
    process: Guard,
    pub(super) stdin: Option<Box<dyn AsyncWrite + Send + Sync + Unpin>>,
    pub(super) stdout: Box<dyn AsyncRead + Send + Sync + Unpin>,
    command: &'static str,
}

impl Call {
    /// Waits for its end. Can be given up and called again.
    pub(super) async fn end(&mut self) -> Ended {
        self.process.0.wait().await
    }

    /// Waits for an end that has to be a good one.
    pub(super) async fn good_end(&mut self) -> opendal::Result<()> {
        let ended = self.end().await;
        if ended.code == Some(0) { Ok(()) } else { Err(fault(self.command, &ended)) }
    }

    /// Ends it, its input still open, and says what it said.
    pub(super) async fn stop(&mut self) -> Error {
        let ended = self.process.0.stop().await;
        fault(self.command, &ended)
    }
}

/// Knows how to call rclone for one store.
pub(super) struct Caller {
    rclone: Arc<dyn Rclone>,
    settings: RcloneSettings,
    moves: OnceCell<bool>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({})", self.settings.remote)
    }
}

impl Caller {
    pub(super) fn new(rclone: Arc<dyn Rclone>, settings: RcloneSettings) -> Self {
        Self { rclone, settings, moves: OnceCell::new() }
    }

    /// An object's place as rclone takes it.
    pub(super) fn at(&self, key: &str) -> String {
        self.settings.remote.below(key)
    }

    /// Starts a call; `words` are the subcommand, what it needs, and the places.
    pub(super) fn start(&self, command: &'static str, words: &[&str], stdin: bool) -> opendal::Result<Call> {
        let mut args: Vec<String> = command.split(' ').chain(DEFAULTS.iter().copied()).map(str::to_owned).collect();
        args.push(if command == "rcat" { REPEAT_UPLOAD } else { REPEAT_CALL }.to_owned());
        args.extend(self.settings.extra_args.iter().cloned());
        args.extend(FIXED.iter().map(|&word| word.to_owned()));
        if let Some(config) = &self.settings.config {
            args.push(format!("--config={}", config.display()));
        }
        args.extend(words.iter().map(|&word| word.to_owned()));
        let Started { process, stdin, stdout } =
            self.rclone.start(&args, stdin).map_err(|error| not_started(&error))?;
        Ok(Call { process: Guard(process), stdin, stdout, command })
    }

    /// Runs a call to its end: how it ended, and what it printed.
    async fn run(&self, command: &'static str, words: &[&str]) -> opendal::Result<(Ended, Vec<u8>)> {
        let mut call = self.start(command, words, false)?;
        let mut out = Vec::new();
        let read = (&mut call.stdout).take(ANSWER).read_to_end(&mut out).await;
        read.map_err(|error| pipe(&error))?;
        Ok((call.end().await, out))
    }

    /// Runs a call that has to end well.
    pub(super) async fn must(&self, command: &'static str, words: &[&str]) -> opendal::Result<Vec<u8>> {
        let (ended, out) = self.run(command, words).await?;
        if ended.code == Some(0) { Ok(out) } else { Err(fault(command, &ended)) }
    }

    /// What stands at a place.
    pub(super) async fn stat(&self, place: &str) -> opendal::Result<Option<Item>> {
        let words = ["--stat", "--no-mimetype", "--use-server-modtime", place];
        let (ended, out) = self.run("lsjson", &words).await?;
        if is_missing(&ended) {
            return Ok(None);
        }
        if ended.code != Some(0) {
            return Err(fault("lsjson", &ended));
        }
        serde_json::from_slice(&out)
            .map_err(|error| Error::new(ErrorKind::Unexpected, format!("rclone lsjson printed what is none: {error}")))
    }

    /// The size of an object; none where there is none.
    pub(super) async fn size(&self, place: &str) -> opendal::Result<Option<u64>> {
        let Some(item) = self.stat(place).await?.filter(|item| !item.is_dir) else { return Ok(None) };
        let unknown =
            || Error::new(ErrorKind::Unsupported, "this remote of rclone does not know the sizes of its objects");
        u64::try_from(item.size).map(Some).map_err(|_| unknown())
    }

    /// Removes an object; false: there was none.
    pub(super) async fn delete(&self, place: &str) -> opendal::Result<bool> {
        let (ended, _) = self.run("deletefile", &[place]).await?;
        match ended.code {
            Some(0) => Ok(true),
            _ if is_missing(&ended) => Ok(false),
            _ => Err(fault("deletefile", &ended)),
        }
    }

    /// Whether the remote can move an object within itself, so that objects are written elsewhere and moved. Asked once.
    pub(super) async fn moves(&self) -> opendal::Result<bool> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            features: std::collections::BTreeMap<String, serde_json::Value>,
        }
        let moves = self.moves.get_or_try_init(|| async {
            let out = self.must("backend features", &[&self.at("")]).await?;
            let answer: Answer = serde_json::from_slice(&out).map_err(|error| {
                Error::new(ErrorKind::Unexpected, format!("rclone backend features printed what is none: {error}"))
            })?;
            let moves = answer.features.get("Move").and_then(serde_json::Value::as_bool).unwrap_or(false);
            if moves {
                self.sweep().await;
            }
            Ok(moves)
        });
        moves.await.copied()
    }

    /// Removes unfinished objects that nobody has written to for a day: a killed run's.
    async fn sweep(&self) {
        let swept = self.run("delete", &["--min-age=24h", "--max-depth=1", &self.at(STAGING)]).await;
        if let Ok((ended, _)) = &swept
            && ended.code != Some(0)
            && !is_missing(ended)
        {
            tracing::debug!(remote = %self.settings.remote, said = ended.stderr, "unfinished objects could not be swept");
        }
    }
}
