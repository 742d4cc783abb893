//! The stage between the pump and the stores: compresses, encrypts, and measures what is stored.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use planb_model::compression::Compression;
use tokio::task::JoinHandle;

use crate::codec::{Encryption, encoder};
use crate::fan::{AllGone, FanIn};
use crate::judge::{Measured, Meter};
use crate::pool::{Loan, Pool};
use crate::progress::Progress;

/// What the encoders make is handed on in pieces of this size.
const PIECE: usize = 1 << 20;

/// How encoding ended early.
#[derive(Debug)]
pub(crate) enum EncodeError {
    /// No store is left; each has told why.
    AllGone,
    Codec(io::Error),
}

/// How the bytes are encoded.
#[derive(Debug, Clone)]
pub(crate) struct Encoding {
    pub(crate) compression: Compression,
    pub(crate) threads: u32,
    pub(crate) encryption: Encryption,
}

impl Encoding {
    /// The bytes are stored as they are: what is stored then need not be measured a second time.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self.compression, Compression::None | Compression::Native) && !self.encryption.is_on()
    }

    /// What the artifact's name gets.
    pub(crate) fn suffix(&self) -> String {
        format!("{}{}", self.compression.suffix(), if self.encryption.is_on() { ".age" } else { "" })
    }
}

/// Encodes one file into the fan; gives the fan back, not yet committed, and the measure of what went into it where
/// that differs from what came in.
pub(crate) fn encode(
    encoding: Encoding,
    bytes: Receiver<Bytes>,
    fan: FanIn,
    progress: Arc<Progress>,
) -> JoinHandle<Result<(FanIn, Option<Measured>), EncodeError>> {
    tokio::task::spawn_blocking(move || {
        if encoding.is_identity() {
            let mut fan = fan;
            for chunk in bytes {
                progress.add_stored(chunk.len());
                fan.send(chunk).map_err(|AllGone| EncodeError::AllGone)?;
            }
            return Ok((fan, None));
        }
        // From a pool: pieces that are made in one thread and freed in others scatter over the allocator's arenas, and memory
        // grows with the time that a run takes.
        let pool = Pool::new(PIECE);
        let piece = pool.take();
        let sink = Sink { fan, meter: Meter::default(), pool, piece, filled: 0, progress, gone: false };
        let mut encoder =
            encoder(encoding.compression, encoding.threads, &encoding.encryption, sink).map_err(EncodeError::Codec)?;
        for chunk in bytes {
            encoder.write_all(&chunk).map_err(into_encode)?;
        }
        let mut sink = encoder.finish().map_err(into_encode)?;
        sink.hand_on().map_err(into_encode)?;
        Ok((sink.fan, Some(sink.meter.finish())))
    })
}

#[derive(Debug, thiserror::Error)]
#[error("no store is left")]
struct GoneMark;

fn into_encode(error: io::Error) -> EncodeError {
    if error.get_ref().is_some_and(|inner| inner.is::<GoneMark>()) {
        EncodeError::AllGone
    } else {
        EncodeError::Codec(error)
    }
}

struct Sink {
    fan: FanIn,
    meter: Meter,
    pool: Pool,
    piece: Loan,
    /// Bytes of the piece that are set.
    filled: usize,
    progress: Arc<Progress>,
    gone: bool,
}

impl Sink {
    fn hand_on(&mut self) -> io::Result<()> {
        if self.gone {
            return Err(io::Error::other(GoneMark));
        }
        if self.filled == 0 {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, self.pool.take()).into_bytes(self.filled);
        self.filled = 0;
        self.progress.add_stored(piece.len());
        self.fan.send(piece).map_err(|AllGone| {
            self.gone = true;
            io::Error::other(GoneMark)
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = &mut self.piece.space()[self.filled..];
        let taken = bytes.len().min(space.len());
        space[..taken].copy_from_slice(&bytes[..taken]);
        self.meter.add(&bytes[..taken]);
        self.filled += taken;
        if self.filled == PIECE {
            self.hand_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
