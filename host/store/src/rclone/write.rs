//! Writing one object through rclone: visible once it is whole, or not at all.

use std::sync::Arc;

use opendal::raw::oio;
use opendal::{Buffer, Error, ErrorKind, Metadata, MetadataBuilder, Result};
use tokio::io::AsyncWriteExt as _;

use super::call::{Call, Caller, STAGING};
use super::fault::pipe;

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent that counts. What was written so far is kept.
    Waiting,
    /// `rcat` runs and takes what comes.
    Open,
    /// Its input was ended; it may not have ended itself yet.
    Ended,
    /// It ended well.
    There,
    /// The object has its size. If it is not in its place, it is being moved there.
    Checked,
    /// It is in its place.
    Done,
    /// A call failed or was given up midway, so that nobody knows what rclone got. There is only taking it back.
    Broken,
}

/// An object that is being written.
pub(super) struct Sink {
    caller: Arc<Caller>,
    /// Where the object belongs.
    place: String,
    /// Where it is written, known from the first call on.
    target: Option<String>,
    stage: Stage,
    call: Option<Call>,
    /// The first write. An object that has no second one is sent with its size, and again if rclone fails.
    first: Option<Buffer>,
    written: u64,
    /// rclone may have taken the end of its input for the object's.
    ended: bool,
    move_tried: bool,
}

impl Sink {
    pub(super) fn new(caller: Arc<Caller>, path: &str) -> Self {
        let place = caller.at(path);
        Self {
            caller,
            place,
            target: None,
            stage: Stage::Waiting,
            call: None,
            first: None,
            written: 0,
            ended: false,
            move_tried: false,
        }
    }

    /// Whether it is written elsewhere and moved.
    fn staged(&self) -> bool {
        self.target.as_ref().is_some_and(|target| *target != self.place)
    }

    /// Starts `rcat`, with the object's size where it is known.
    async fn start(&mut self, size: Option<u64>) -> Result<()> {
        let target = match &self.target {
            Some(target) => target.clone(),
            None if self.caller.moves().await? => {
                self.caller.at(&format!("{STAGING}/{}", uuid::Uuid::new_v4().simple()))
            }
            None => self.place.clone(),
        };
        self.target = Some(target.clone());
        let size = size.map(|size| format!("--size={size}"));
        let words: Vec<&str> = size.as_deref().into_iter().chain([target.as_str()]).collect();
        // One that was started before goes now, before it could see an end.
        self.call = None;
        self.call = Some(self.caller.start("rcat", &words, true)?);
        Ok(())
    }

    /// Gives rclone bytes. If it does not take them, what it said is the error.
    async fn send(&mut self, bytes: Buffer) -> Result<()> {
        let Some(call) = &mut self.call else { return Err(broken()) };
        for piece in bytes {
            let sent = match &mut call.stdin {
                Some(stdin) => stdin.write_all(&piece).await,
                None => Err(std::io::ErrorKind::BrokenPipe.into()),
            };
            if let Err(error) = sent {
                let said = call.stop().await;
                return Err(if error.kind() == std::io::ErrorKind::BrokenPipe { said } else { pipe(&error) });
            }
        }
        Ok(())
    }

    /// Ends the input.
    async fn finish(&mut self) -> Result<()> {
        let Some(call) = &mut self.call else { return Err(broken()) };
        if let Some(stdin) = &mut call.stdin {
            // Whatever happens from here on, rclone may have seen the end.
            self.ended = true;
            let flushed = stdin.shutdown().await;
            call.stdin = None;
            if let Err(error) = flushed {
                return Err(if error.kind() == std::io::ErrorKind::BrokenPipe {
                    call.stop().await
                } else {
                    pipe(&error)
                });
            }
        }
        Ok(())
    }

    /// Sends an object that was written at once, with its size.
    async fn send_whole(&mut self) -> Result<()> {
        let bytes = self.first.clone().unwrap_or_default();
        self.start(Some(bytes.len() as u64)).await?;
        self.send(bytes).await?;
        self.finish().await
    }

    /// The next step of closing. Each can be given up and taken again.
    async fn step(&mut self) -> Result<()> {
        match self.stage {
            Stage::Waiting => {
                // Everything is still here, so a failure that goes away costs nothing.
                self.send_whole().await?;
                self.stage = Stage::Ended;
            }
            Stage::Open => {
                let finished = self.finish().await;
                self.stage = if finished.is_ok() { Stage::Ended } else { Stage::Broken };
                finished.map_err(Error::set_permanent)?;
            }
            Stage::Ended => {
                let Some(call) = &mut self.call else { return Err(broken()) };
                let ended = call.good_end().await;
                self.call = None;
                let whole = self.written == 0 || self.first.is_some();
                self.stage = match &ended {
                    Ok(()) => Stage::There,
                    Err(_) if whole => Stage::Waiting,
                    Err(_) => Stage::Broken,
                };
                ended.map_err(|error| if whole { error } else { error.set_permanent() })?;
            }
            Stage::There => {
                let Some(target) = &self.target else { return Err(broken()) };
                let size = self.caller.size(target).await?;
                if size != Some(self.written) {
                    self.stage = Stage::Broken;
                    let there = size.map_or("nothing".to_owned(), |size| format!("{size} bytes"));
                    let reason =
                        format!("rclone wrote {} bytes and says that it ended well, but {there} arrived", self.written);
                    return Err(Error::new(ErrorKind::Unexpected, reason));
                }
                self.stage = Stage::Checked;
            }
            Stage::Checked if self.staged() => self.publish().await?,
            Stage::Checked | Stage::Done => self.stage = Stage::Done,
            Stage::Broken => return Err(broken()),
        }
        Ok(())
    }

    /// Moves the object to its place.
    async fn publish(&mut self) -> Result<()> {
        let Some(target) = &self.target else { return Err(broken()) };
        // The answer to an earlier move may have been lost.
        if self.move_tried && self.caller.size(target).await?.is_none() {
            if self.caller.size(&self.place).await? != Some(self.written) {
                self.stage = Stage::Broken;
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    "the object is neither where it was written nor in its place",
                ));
            }
        } else {
            self.move_tried = true;
            // Without the option rclone takes an equal size and time for the same object.
            self.caller.must("moveto", &["--ignore-times", target, &self.place]).await?;
        }
        self.stage = Stage::Done;
        Ok(())
    }
}

fn broken() -> Error {
    Error::new(ErrorKind::Unexpected, "the upload broke off earlier, so it can only be aborted")
}

impl oio::Write for Sink {
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let size = bytes.len() as u64;
        match self.stage {
            Stage::Waiting if self.first.is_none() => {
                self.first = Some(bytes);
                self.written = size;
                return Ok(());
            }
            Stage::Waiting | Stage::Open => {}
            _ => return Err(broken()),
        }
        // A call that is given up from here on leaves it broken: a repetition would send bytes twice.
        let waiting = self.stage == Stage::Waiting;
        self.stage = Stage::Broken;
        let sent = async {
            if waiting {
                self.start(None).await?;
                let first = self.first.take().unwrap_or_default();
                self.send(first).await?;
            }
            self.send(bytes).await
        };
        sent.await.map_err(Error::set_permanent)?;
        self.stage = Stage::Open;
        self.written += size;
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        while self.stage != Stage::Done {
            self.step().await?;
        }
        self.first = None;
        Ok(MetadataBuilder::file(self.written).build())
    }

    async fn abort(&mut self) -> Result<()> {
        if self.stage == Stage::Done {
            return Ok(());
        }
        self.stage = Stage::Broken;
        self.first = None;
        if let Some(call) = &mut self.call {
            // With its input open: an end of it would make the object whole.
            call.stop().await;
            self.call = None;
        }
        let staged = self.staged();
        let Some(target) = &self.target else { return Ok(()) };
        if staged {
            // Gone although it was never removed here: it was moved.
            if !self.caller.delete(target).await? && self.move_tried {
                self.caller.delete(&self.place).await?;
            }
        } else if self.ended {
            self.caller.delete(target).await?;
        }
        self.target = None;
        Ok(())
    }
}
