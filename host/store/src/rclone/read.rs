//! Reading through rclone: ranges of an object, and lists of objects.

use std::sync::Arc;

use bytes::BytesMut;
use opendal::raw::{RpRead, Timestamp, oio};
use opendal::{Buffer, BytesRange, Error, ErrorKind, Metadata, MetadataBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::call::{Call, Caller, Item, STAGING};
use super::fault::{fault, is_missing, pipe};

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// An object's bytes, by `rclone cat`.
pub(super) struct Source {
    pub(super) caller: Arc<Caller>,
    pub(super) place: String,
}

impl oio::StreamRead for Source {
    async fn open(&self, range: BytesRange) -> opendal::Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, left) = match range.size() {
            Some(size) => (RpRead::default(), size),
            // Of a folder rclone prints all that is in it, so whoever does not know what is there looks first. It also
            // says how much has to come.
            None => {
                let there = self.caller.stat(&self.place).await?;
                let metadata = metadata(&there.filter(|item| !item.is_dir).ok_or_else(missing)?);
                let left = metadata.content_length().saturating_sub(range.offset());
                (RpRead::new(metadata), left)
            }
        };
        if left == 0 {
            return Ok((reply, Box::new(Buffer::new())));
        }
        let (offset, count) = (format!("--offset={}", range.offset()), format!("--count={left}"));
        let call = self.caller.start("cat", &[&offset, &count, &self.place], false)?;
        Ok((reply, Box::new(Bytes { call, buffer: BytesMut::new(), left, ended: false })))
    }
}

pub(super) fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such object")
}

struct Bytes {
    call: Call,
    buffer: BytesMut,
    /// Bytes that have to come still.
    left: u64,
    ended: bool,
}

impl oio::ReadStream for Bytes {
    async fn read(&mut self) -> opendal::Result<Buffer> {
        if self.ended {
            return Ok(Buffer::new());
        }
        self.buffer.reserve(PIECE);
        let read = self.call.stdout.read_buf(&mut self.buffer).await.map_err(|error| pipe(&error))?;
        let short =
            || Error::new(ErrorKind::Unexpected, "rclone cat printed another number of bytes than it was asked for");
        if read > 0 {
            self.left = self.left.checked_sub(read as u64).ok_or_else(short)?;
            return Ok(self.buffer.split().freeze().into());
        }
        // What came so far is all that there is only if rclone says so.
        self.call.good_end().await?;
        self.ended = true;
        if self.left == 0 { Ok(Buffer::new()) } else { Err(short()) }
    }
}

/// Objects below a folder, by `rclone lsjson`, line by line: a list has no bound.
pub(super) struct Lister {
    caller: Arc<Caller>,
    /// Relative to the store, with a slash at its end, or empty.
    folder: String,
    recursive: bool,
    running: Option<(Call, Lines)>,
    /// Of the line that is being read; a call that is given up midway loses nothing.
    line: Vec<u8>,
    /// Entries that were given: a list that breaks off behind them cannot be begun again.
    given: u64,
    done: bool,
}

type Lines = BufReader<Box<dyn tokio::io::AsyncRead + Send + Sync + Unpin>>;

impl Lister {
    pub(super) fn new(caller: Arc<Caller>, path: &str, recursive: bool) -> Self {
        let folder = if path == "/" { String::new() } else { path.to_owned() };
        Self { caller, folder, recursive, running: None, line: Vec::new(), given: 0, done: false }
    }

    fn start(&self) -> opendal::Result<(Call, Lines)> {
        let place = self.caller.at(&self.folder);
        let hidden = format!("--exclude=/{STAGING}/**");
        let mut words = vec!["--no-mimetype", "--use-server-modtime"];
        if self.recursive {
            words.extend(["--recursive", "--files-only"]);
        }
        if self.folder.is_empty() {
            words.push(&hidden);
        }
        words.push(&place);
        let mut call = self.caller.start("lsjson", &words, false)?;
        let stdout = std::mem::replace(&mut call.stdout, Box::new(tokio::io::empty()));
        Ok((call, BufReader::new(stdout)))
    }

    fn entry(&self, line: &[u8]) -> opendal::Result<Option<oio::Entry>> {
        let line = line.trim_ascii();
        let line = line.strip_suffix(b",").unwrap_or(line);
        if matches!(line, b"" | b"[" | b"]") {
            return Ok(None);
        }
        let item: Item = serde_json::from_slice(line).map_err(|error| {
            Error::new(ErrorKind::Unexpected, format!("rclone lsjson printed what is none: {error}"))
        })?;
        let path = format!("{}{}{}", self.folder, item.path, if item.is_dir { "/" } else { "" });
        if path.split('/').next() == Some(STAGING) {
            return Ok(None);
        }
        Ok(Some(oio::Entry::new(&path, metadata(&item))))
    }
}

impl oio::List for Lister {
    async fn next(&mut self) -> opendal::Result<Option<oio::Entry>> {
        if self.done {
            return Ok(None);
        }
        loop {
            if self.running.is_none() {
                self.running = Some(self.start()?);
            }
            let Some((call, lines)) = &mut self.running else { continue };
            lines.read_until(b'\n', &mut self.line).await.map_err(|error| pipe(&error))?;
            if !self.line.is_empty() {
                let line = std::mem::take(&mut self.line);
                if let Some(entry) = self.entry(&line)? {
                    self.given += 1;
                    return Ok(Some(entry));
                }
                continue;
            }
            let ended = call.end().await;
            // A folder that is not there is an empty one.
            if ended.code == Some(0) || (is_missing(&ended) && self.given == 0) {
                self.done = true;
                return Ok(None);
            }
            let error = fault("lsjson", &ended);
            self.running = None;
            if self.given > 0 {
                self.done = true;
                return Err(error.set_permanent());
            }
            return Err(error);
        }
    }
}

/// What is known of an object or a folder.
pub(super) fn metadata(item: &Item) -> Metadata {
    let mut builder =
        if item.is_dir { MetadataBuilder::dir() } else { MetadataBuilder::file(u64::try_from(item.size).unwrap_or(0)) };
    if let Some(at) = item.mod_time.as_deref().and_then(|at| at.parse::<Timestamp>().ok()) {
        builder.last_modified(at);
    }
    builder.build()
}
