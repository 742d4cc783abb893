//! The first stage: reads what the tool made and hands each chunk to the stages that look at it and to those that store it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use bytes::Bytes;
use planb_model::plan::Trim;
use planb_tool::{Folder, Found, ToolError};

use crate::pool::Pool;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::trim::Trimmer;

/// Size of a read. Larger ones are slower: they fall out of the processor's cache.
pub(crate) const CHUNK: usize = 256 << 10;
/// Chunks that may wait between two stages.
pub(crate) const QUEUE: usize = 16;

/// What the judge is told.
pub(crate) enum Seen {
    /// The next bytes are of this file of a tree.
    Open(String),
    Bytes(Bytes),
}

/// When the pump last began to wait for the tool: what the stall watchdog looks at. 0: it does not wait.
#[derive(Debug)]
pub(crate) struct Waiting {
    since: AtomicU64,
    start: Instant,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self { since: AtomicU64::new(0), start: Instant::now() }
    }

    fn begin(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.since.store(now, Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// For how long it has been waiting.
    pub(crate) fn time(&self) -> std::time::Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => std::time::Duration::ZERO,
            since => self.start.elapsed().saturating_sub(std::time::Duration::from_millis(since)),
        }
    }
}

/// Where the chunks go. A stage that is gone has an error of its own to tell; the pump just stops.
#[derive(Clone)]
pub(crate) struct Outlets {
    pub(crate) judge: SyncSender<Seen>,
    pub(crate) digest: SyncSender<Bytes>,
    pub(crate) store: SyncSender<Bytes>,
    pub(crate) progress: Arc<Progress>,
    /// A file of the work directory is read to its end only where nobody stops the run.
    pub(crate) stop: Arc<Stop>,
}

/// A stage behind the pump has ended early.
#[derive(Debug)]
pub(crate) struct Gone;

impl Outlets {
    fn inspect(&self, bytes: &Bytes) -> Result<(), Gone> {
        self.judge.send(Seen::Bytes(bytes.clone())).map_err(|_| Gone)
    }

    fn store(&self, bytes: Bytes) -> Result<(), Gone> {
        if self.stop.reason().is_some() {
            return Err(Gone);
        }
        self.progress.add_plain(bytes.len());
        self.digest.send(bytes.clone()).map_err(|_| Gone)?;
        self.store.send(bytes).map_err(|_| Gone)
    }

    fn open(&self, path: &str) -> Result<(), Gone> {
        self.judge.send(Seen::Open(path.to_owned())).map_err(|_| Gone)
    }
}

/// How pumping ended early.
#[derive(Debug)]
pub(crate) enum PumpError {
    Gone,
    Read(io::Error),
    /// A file of a tree is no longer what it was.
    File(Box<ToolError>),
}

impl From<Gone> for PumpError {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Pumps one stream: a tool's stdout, or a file.
pub(crate) fn stream(
    mut from: impl Read,
    name: &str,
    trim: Option<&Trim>,
    waiting: &Waiting,
    out: &Outlets,
) -> Result<(), PumpError> {
    let pool = Pool::new(CHUNK);
    let mut trimmer = Trimmer::new(trim);
    out.open(name)?;
    loop {
        let mut loan = pool.take();
        waiting.begin();
        let n = from.read(loan.space());
        waiting.end();
        let n = match n {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PumpError::Read(error)),
        };
        for bytes in trimmer.push(loan.into_bytes(n)) {
            out.inspect(&bytes)?;
            out.store(bytes)?;
        }
    }
    for bytes in trimmer.finish() {
        out.inspect(&bytes)?;
        out.store(bytes)?;
    }
    Ok(())
}

/// Pumps a tree as one tar stream; the judge sees the files without the frames between them.
pub(crate) fn tar(root: &Folder, files: &[Found], out: &Outlets) -> Result<(), PumpError> {
    let mut builder = tar::Builder::new(TarOut { out, buffer: Vec::with_capacity(CHUNK) });
    for file in files {
        out.open(&file.path)?;
        let opened = root.file(&file.path).map_err(|error| PumpError::File(Box::new(error)))?;
        // Names and sizes only: the tool's user and the hour are none of the dump, and the same dump gives the same tar.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(file.bytes);
        header.set_mode(0o600);
        header.set_mtime(0);
        let read = Inspected { inner: opened.take(file.bytes), out };
        builder.append_data(&mut header, &file.path, read).map_err(into_pump)?;
    }
    builder.into_inner().and_then(|mut inner| inner.flush()).map_err(into_pump)
}

fn into_pump(error: io::Error) -> PumpError {
    if error.kind() == io::ErrorKind::BrokenPipe && error.get_ref().is_some_and(|inner| inner.is::<GoneMark>()) {
        PumpError::Gone
    } else {
        PumpError::Read(error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a later stage has ended")]
struct GoneMark;

fn gone(_: Gone) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, GoneMark)
}

struct TarOut<'a> {
    out: &'a Outlets,
    buffer: Vec<u8>,
}

impl Write for TarOut<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.out.store(full.into()).map_err(gone)
    }
}

struct Inspected<'a, R> {
    inner: R,
    out: &'a Outlets,
}

impl<R: Read> Read for Inspected<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n > 0 {
            self.out.inspect(&Bytes::copy_from_slice(&buffer[..n])).map_err(gone)?;
        }
        Ok(n)
    }
}
