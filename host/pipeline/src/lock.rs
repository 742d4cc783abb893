//! One run of a job at a time: the leases of a run, one in each store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use planb_model::lease::{self, LeaseRecord};
use planb_store::{Entry, Lease, Leased, Store, StoreError, holder};

use crate::backup::all_stores;
use crate::error::RunError;
use crate::stop::Stop;

/// Whether another run of the same job is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Runs of the same job may go on at the same time.
    Off,
    /// Waited for as long as this, and not begun if it still goes on then.
    Wait(Duration),
}

/// How often it is looked whether another run has ended.
const LOOK: Duration = Duration::from_secs(2);
/// How long a prune has to see that somebody wants what it is about to remove.
const GIVES_UP: Duration = Duration::from_secs(2);

/// What a run says of itself in its leases.
pub(crate) struct Leases<'r> {
    pub(crate) id: &'r str,
    pub(crate) job: &'r str,
    pub(crate) keys: Vec<String>,
    pub(crate) manifest: String,
}

/// The leases that a run has: none where a store has failed.
pub(crate) struct Held(Vec<Option<Lease>>);

impl Leases<'_> {
    /// Takes one in each store. A store in which that fails drops out, as it does when it fails later.
    pub(crate) async fn take(
        self,
        stores: &[Store],
        lock: Lock,
        failed: &mut [Option<StoreError>],
        stop: &Arc<Stop>,
    ) -> Result<Held, RunError> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let mut held: Vec<Option<Lease>> = Vec::with_capacity(stores.len());
            let mut theirs = None;
            for (store, failed) in stores.iter().zip(failed.iter_mut()) {
                if failed.is_some() || theirs.is_some() {
                    held.push(None);
                    continue;
                }
                // Without a lock it is only said which objects are written, under a name that no other run has.
                let key = match lock {
                    Lock::Off => lease::key(&format!("run {}", self.id)),
                    Lock::Wait(_) => lease::key(self.job),
                };
                let holder = holder().clone();
                let (keys, manifest) = (self.keys.clone(), self.manifest.clone());
                let record = LeaseRecord::new(self.id, self.job, holder, keys, manifest, Timestamp::now());
                match store.lease(&key, record).await {
                    Ok(Leased::Mine(lease)) => held.push(Some(*lease)),
                    Ok(Leased::Theirs(record)) => {
                        theirs = Some(record);
                        held.push(None);
                    }
                    Err(error) => {
                        *failed = Some(error);
                        held.push(None);
                    }
                }
            }
            let Some(theirs) = theirs else {
                if failed.iter().all(Option::is_some) {
                    return Err(all_stores(failed.iter_mut().filter_map(Option::take).collect()));
                }
                return Ok(Held(held));
            };
            Held(held).release(std::iter::repeat(true)).await;
            let wait = match lock {
                Lock::Wait(wait) => wait,
                Lock::Off => Duration::ZERO,
            };
            if begun.elapsed() >= wait {
                return Err(RunError::Busy {
                    job: theirs.job,
                    host: theirs.holder.host,
                    pid: theirs.holder.pid,
                    since: theirs.begun_at,
                });
            }
            if !told {
                tracing::warn!(
                    job = theirs.job,
                    host = theirs.holder.host,
                    pid = theirs.holder.pid,
                    "another run of this job is under way: waiting for it"
                );
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(wait.saturating_sub(begun.elapsed()))) => {}
                () = stop.token().cancelled() => {}
            }
            if let Some(reason) = stop.reason() {
                return Err(reason.into());
            }
        }
    }
}

/// Tells others that this backup is read now. None: the store takes nothing from us.
///
/// # Errors
/// [`RunError::Gone`] where a prune was faster.
pub(crate) async fn reading(store: &Store, entry: &Entry) -> Result<Option<Lease>, RunError> {
    let manifest = &entry.manifest;
    let record = LeaseRecord::new(
        &manifest.id,
        &manifest.database,
        holder().clone(),
        Vec::new(),
        String::new(),
        Timestamp::now(),
    );
    let lease = store.reading(record).await;
    match stays(store, entry).await {
        // A store that does not answer shows in the reading.
        Err(RunError::Store(_)) | Ok(()) => Ok(lease),
        Err(error) => {
            if let Some(lease) = lease {
                lease.release(true).await;
            }
            Err(error)
        }
    }
}

/// Whether a backup stays, now that others can see that we want it. A prune that saw it in time needs a moment to give up.
///
/// # Errors
/// [`RunError::Gone`], [`RunError::Leaving`], [`RunError::Store`].
pub(crate) async fn stays(store: &Store, entry: &Entry) -> Result<(), RunError> {
    let begun = Instant::now();
    loop {
        if store.stays(&entry.key, &entry.manifest.id).await? {
            return Ok(());
        }
        let id = entry.manifest.short_id().to_owned();
        if is_gone(store, entry).await {
            return Err(RunError::Gone(id));
        }
        if begun.elapsed() > GIVES_UP {
            return Err(RunError::Leaving(id));
        }
        tokio::time::sleep(GIVES_UP / 10).await;
    }
}

/// Whether a backup that turned out not to be whole was removed meanwhile, by a prune that could not know of us.
pub(crate) async fn is_gone(store: &Store, entry: &Entry) -> bool {
    matches!(store.size_of(&entry.key).await, Ok(None))
}

impl Held {
    /// Gives them back. `committed`: for each store whether it has the backup.
    pub(crate) async fn release(self, committed: impl Iterator<Item = bool>) {
        let ends = self.0.into_iter().zip(committed).map(|(lease, committed)| async move {
            if let Some(lease) = lease {
                lease.release(committed).await;
            }
        });
        futures::future::join_all(ends).await;
    }
}
