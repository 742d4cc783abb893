//! What a run tells while it goes on. Written by the stages, read by whoever shows it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use planb_model::TRACE;
use tracing::Span;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Asking the server, planning.
    Preparing,
    /// The tool works into the work directory.
    Dumping,
    /// Bytes flow.
    Streaming,
    /// Closing objects, writing manifests, or the tool's last work.
    Finishing,
}

impl Stage {
    /// For a progress line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Dumping => "dumping",
            Self::Streaming => "streaming",
            Self::Finishing => "finishing",
        }
    }
}

/// Counters of one run.
#[derive(Debug, Default)]
pub struct Progress {
    plain: AtomicU64,
    stored: AtomicU64,
    expected: AtomicU64,
    stage: AtomicU8,
    trace: Mutex<Trace>,
}

/// The spans of a trace: one of the whole, and within it one of each stage.
#[derive(Debug, Default)]
struct Trace {
    whole: Option<Span>,
    /// Ends when it is dropped.
    stage: Option<Span>,
}

impl Progress {
    /// Bytes before compression so far.
    pub fn plain(&self) -> u64 {
        self.plain.load(Ordering::Relaxed)
    }

    /// Bytes as stored so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// How many plain bytes there may be; 0 where nobody knows.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Where the run is.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            1 => Stage::Dumping,
            2 => Stage::Streaming,
            3 => Stage::Finishing,
            _ => Stage::Preparing,
        }
    }

    pub(crate) fn add_plain(&self, bytes: usize) {
        self.plain.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_stored(&self, bytes: usize) {
        self.stored.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.expected.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        // The one before ends first.
        trace.stage = None;
        if let Some(whole) = trace.whole.clone() {
            trace.stage = Some(tracing::info_span!(target: TRACE, parent: &whole, "stage", otel.name = stage.as_str()));
        }
    }

    /// From now on stages are traced as parts of this.
    pub(crate) fn trace(&self, whole: &Span) {
        *self.trace.lock().unwrap_or_else(PoisonError::into_inner) = Trace { whole: Some(whole.clone()), stage: None };
    }

    /// What was traced is over. Its sizes go with it.
    pub(crate) fn traced(&self) {
        let trace = std::mem::take(&mut *self.trace.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(whole) = trace.whole {
            whole.record("planb.plain_bytes", self.plain());
            whole.record("planb.stored_bytes", self.stored());
        }
    }
}
