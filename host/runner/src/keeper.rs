//! Writes state behind the scheduler's back, so that a slow disk holds up no tick.
//!
//! Of several states of a job the newest is written. What waits is at most one state for each job.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tracing::warn;

use crate::folder::Folder;
use crate::state::JobState;

/// How long to wait before what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(30);

type Written = oneshot::Sender<()>;

#[derive(Debug)]
pub(crate) struct Keeper {
    folder: Arc<Folder>,
    waiting: Mutex<BTreeMap<String, (JobState, Vec<Written>)>>,
    wake: Notify,
    /// One writes at a time, so that an older state never comes behind a newer one.
    writing: tokio::sync::Mutex<()>,
    problem: Mutex<Option<String>>,
    closed: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(folder: Arc<Folder>) -> Self {
        Self {
            folder,
            waiting: Mutex::default(),
            wake: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            problem: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Takes a state to be written. What it gives back is done once this state, or a newer one, was.
    pub(crate) fn put(&self, state: JobState) -> oneshot::Receiver<()> {
        let (written, done) = oneshot::channel();
        if self.closed.load(Ordering::Acquire) {
            return done;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = waiting.entry(state.job.clone()).or_insert_with(|| (state.clone(), Vec::new()));
        slot.0 = state;
        slot.1.retain(|written| !written.is_closed());
        slot.1.push(written);
        drop(waiting);
        self.wake.notify_one();
        done
    }

    /// Why the last state could not be written.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn keep_writing(&self) {
        loop {
            if self.problem().is_some() {
                let _ = tokio::time::timeout(AGAIN, self.wake.notified()).await;
            } else {
                self.wake.notified().await;
            }
            self.write().await;
        }
    }

    /// Writes what waits and takes no more: the folder may be another's from here on.
    pub(crate) async fn close(&self) {
        self.write().await;
        self.closed.store(true, Ordering::Release);
        self.folder.give_back();
    }

    /// Writes all that waits. What cannot be written waits again.
    pub(crate) async fn write(&self) {
        let _one = self.writing.lock().await;
        let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let folder = Arc::clone(&self.folder);
        let work = tokio::task::spawn_blocking(move || {
            let mut failed = Vec::new();
            let mut told = Vec::new();
            for (job, (state, written)) in waiting {
                if let Err(error) = folder.save(&state) {
                    failed.push((state, format!("the state of {job} cannot be written: {error}")));
                }
                told.extend(written);
            }
            // Once for all of them.
            if let (Err(error), true) = (folder.sync(), failed.is_empty()) {
                warn!(%error, "the state folder cannot be made durable");
            }
            if let Some((_, why)) = failed.first() {
                warn!(why, jobs = failed.len(), "state cannot be written");
            }
            for written in told {
                let _ = written.send(());
            }
            failed
        });
        let failed = work.await.unwrap_or_default();
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = failed.first().map(|(_, why)| why.clone());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (state, _) in failed {
            waiting.entry(state.job.clone()).or_insert_with(|| (state, Vec::new()));
        }
    }
}
