//! Leases: one run of a job at a time into a store, also from two hosts; and the marks of readers.
//!
//! Where the store has conditional writes, they decide. In a folder a file lock does. Elsewhere two runs of the same
//! moment are told apart by looking again after a while, which is likely but not certain; what they write is safe all
//! the same, since a key is never written twice.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use opendal::ErrorKind;
use planb_model::lease::{CRASHED, LARGEST, LEASES, LeaseRecord, OURS, READING, RENEWED};
use planb_model::removal::{self, RemovalRecord};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{StoreError, StoreErrorKind};
use crate::holder::{holder, lives};
use crate::open::Store;
use crate::small::There;

/// Where the store knows no conditions: after this time whoever wrote last has the lease.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What our own small objects end with.
const SUFFIX: &str = ".json";
/// For giving a lease back.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long, and how often, to wait for one's turn in a folder: a minute.
const TURN: Duration = Duration::from_millis(20);
const TURNS: u32 = 3000;

/// A lease that is held, and renewed until it is released.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    key: String,
    record: LeaseRecord,
    end: watch::Sender<bool>,
    renewing: JoinHandle<()>,
}

/// Whose a lease is.
#[derive(Debug)]
pub enum Leased {
    /// Ours.
    Mine(Box<Lease>),
    /// Another's, who has it now.
    Theirs(Box<LeaseRecord>),
}

/// The runs of this process that hold leases.
static MINE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn mine() -> MutexGuard<'static, BTreeSet<String>> {
    MINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the holder of a lease still works.
pub(crate) fn held(record: &LeaseRecord) -> bool {
    // A process that goes on (`planb serve`) can have given up a run.
    let lives = if record.holder == *holder() { Some(mine().contains(&record.id)) } else { lives(&record.holder) };
    record.held(Timestamp::now(), lives)
}

/// Whether somebody is still at a removal.
pub(crate) fn goes_on(record: &RemovalRecord) -> bool {
    record.goes_on(Timestamp::now(), record.by.as_ref().and_then(lives))
}

impl Store {
    /// Takes a lease, unless somebody has it. One that was left by a crash is taken over, and what its run was writing is
    /// kept in mind for [`Store::survey`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lease(&self, key: &str, record: LeaseRecord) -> Result<Leased, StoreError> {
        let _turn = self.turn().await?;
        // Two that see the same dead lease race for it: whoever loses looks at the winner's.
        for _ in 0..3 {
            let (there, etag) = self.lease_at(key).await?;
            match there {
                Some(other) if held(&other) => return Ok(Leased::Theirs(Box::new(other))),
                Some(other) => {
                    let remembered = format!("{CRASHED}{}.json", other.id);
                    self.overwrite(&remembered, json(&other)?, None).await?;
                    tracing::info!(
                        job = other.job,
                        run = other.id,
                        host = other.holder.host,
                        "a crashed run's lease is taken over"
                    );
                    if !self.take(key, &record, etag.as_deref(), true).await? {
                        continue;
                    }
                    // Another host may take it over as well by now, and the lock of a folder on a network may be each
                    // host's own.
                    if self.folder().is_some() && !other.held(Timestamp::now(), None) {
                        tokio::time::sleep(LOOK_AGAIN).await;
                        if !self.is_mine(key, &record).await? {
                            continue;
                        }
                    }
                }
                None => {
                    if !self.take(key, &record, None, false).await? {
                        continue;
                    }
                }
            }
            return Ok(Leased::Mine(Box::new(self.hold_on(key, record))));
        }
        match self.lease_at(key).await?.0 {
            Some(other) => Ok(Leased::Theirs(Box::new(other))),
            None => Err(StoreError {
                kind: StoreErrorKind::Other,
                doing: "taking the lease",
                at: self.at(key),
                detail: "others take it and give it back all the time".to_owned(),
            }),
        }
    }

    /// Tells others that a backup is being read, so that no prune removes it meanwhile. None: the store does not let us write.
    pub async fn reading(&self, record: LeaseRecord) -> Option<Lease> {
        let key = format!("{READING}{}.json", uuid::Uuid::new_v4().simple());
        let _turn = self.turn().await.ok()?;
        match self.overwrite(&key, json(&record).ok()?, None).await {
            Ok(()) => Some(self.hold_on(&key, record)),
            Err(error) => {
                tracing::debug!(%error, "others are not told that this backup is read");
                None
            }
        }
    }

    /// Whether a run that goes on is to have this manifest, other than `run`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_being_written(&self, run: Option<&str>, manifest: &str) -> Result<bool, StoreError> {
        let leases = self.records(LEASES).await?;
        let writes = |lease: &LeaseRecord| run != Some(&lease.id) && lease.manifest == manifest && held(lease);
        Ok(leases.iter().filter_map(|(_, lease)| lease.as_ref()).any(writes))
    }

    /// Whether a backup is there and no removal of it goes on: asked by whoever has just written down that it reads or
    /// holds it. A prune writes down first what it removes, and then looks for such marks; so of the
    /// two, one sees the other.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stays(&self, manifest: &str, id: &str) -> Result<bool, StoreError> {
        if self.size_of(manifest).await?.is_none() {
            return Ok(false);
        }
        for key in self.keys_below(removal::FOLDER).await?.iter().filter(|key| RemovalRecord::is_of(key, id)) {
            match self.read_small(key, removal::LARGEST).await {
                Ok(bytes) if RemovalRecord::parse(&bytes).is_some_and(|record| goes_on(&record)) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind == StoreErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether a backup is being read now.
    pub(crate) async fn is_read(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self
            .records(READING)
            .await?
            .iter()
            .any(|(_, record)| record.as_ref().is_some_and(|r| r.id == id && held(r))))
    }

    /// All leases, marks of readers and crashed runs, with their keys. None: what cannot be read as one.
    pub(crate) async fn leases(&self) -> Result<Vec<(String, Option<LeaseRecord>)>, StoreError> {
        let mut all = Vec::new();
        for folder in [LEASES, CRASHED, READING] {
            all.extend(self.records(folder).await?);
        }
        Ok(all)
    }

    async fn records(&self, folder: &str) -> Result<Vec<(String, Option<LeaseRecord>)>, StoreError> {
        let mut all = Vec::new();
        for key in self.keys_below(folder).await? {
            match self.read_small(&key, LARGEST).await {
                Ok(bytes) => all.push((key, LeaseRecord::parse(&bytes))),
                // Released meanwhile.
                Err(error) if error.kind == StoreErrorKind::NotFound => {}
                Err(error) if error.kind == StoreErrorKind::Damaged => all.push((key, None)),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The keys below a folder that end with `.json`.
    pub(crate) async fn keys_below(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let fail = |error: opendal::Error| self.error(&error, "listing", folder);
        let lister = match self.op.lister_with(folder).await {
            Ok(lister) => lister,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let keys = lister.map_ok(|entry| entry.path().to_owned()).filter(|key| {
            let wanted = key.as_ref().map_or(true, |key| key.ends_with(SUFFIX));
            std::future::ready(wanted)
        });
        match keys.try_collect().await {
            Ok(keys) => Ok(keys),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fail(error)),
        }
    }

    /// What stands under a lease's key, with its tag. What cannot be read as one is nobody's.
    async fn lease_at(&self, key: &str) -> Result<(Option<LeaseRecord>, Option<String>), StoreError> {
        match self.op.stat(key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((None, None)),
            Err(error) => Err(self.error(&error, "looking at", key)),
            Ok(meta) => {
                let etag = meta.etag().map(str::to_owned);
                match self.read_small(key, LARGEST).await {
                    Ok(bytes) => match LeaseRecord::parse(&bytes) {
                        Some(record) => Ok((Some(record), etag)),
                        None => {
                            tracing::warn!(lease = self.at(key), "this is no lease, and is removed");
                            self.delete(key).await?;
                            Ok((None, None))
                        }
                    },
                    Err(error) if error.kind == StoreErrorKind::NotFound => Ok((None, None)),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Whether the lease is ours now.
    async fn take(&self, key: &str, record: &LeaseRecord, etag: Option<&str>, over: bool) -> Result<bool, StoreError> {
        let bytes = json(record)?;
        // A new one is written where none is; a dead one's is exchanged for ours, or else removed first.
        let tag = etag.filter(|_| over && self.conditional && self.op.info().capability().write_with_if_match);
        let wrote = if let Some(tag) = tag {
            self.op.write_with(key, bytes.clone()).if_match(tag).await.map(|_| ())
        } else {
            if over {
                self.delete(key).await?;
            }
            if let Some(root) = self.folder() {
                return match self.put_file(root, key, bytes, There::Keep, "taking the lease").await {
                    Err(error) if error.kind == StoreErrorKind::Exists => self.is_mine(key, record).await,
                    done => done.map(|()| true),
                };
            }
            let mut write = self.op.write_with(key, bytes.clone());
            if self.conditional {
                write = write.if_not_exists(true);
            }
            write.await.map(|_| ())
        };
        if let Err(error) = wrote {
            // The answer to a write that took effect may have been lost, and its repetition refused.
            return match error.kind() {
                ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => self.is_mine(key, record).await,
                _ => Err(self.error(&error, "taking the lease", key)),
            };
        }
        if !self.conditional && self.folder().is_none() {
            tokio::time::sleep(LOOK_AGAIN).await;
            return self.is_mine(key, record).await;
        }
        Ok(true)
    }

    async fn is_mine(&self, key: &str, record: &LeaseRecord) -> Result<bool, StoreError> {
        Ok(self.lease_at(key).await?.0.is_some_and(|there| there.id == record.id))
    }

    /// In a folder: whoever has this lock may look at leases and take them.
    pub(crate) async fn turn(&self) -> Result<Option<File>, StoreError> {
        let Some(root) = self.folder() else { return Ok(None) };
        let fail = |error: std::io::Error| StoreError {
            kind: crate::open::kind_of(&error),
            doing: "taking the lease",
            at: self.at(LEASES),
            detail: error.to_string(),
        };
        // The folder itself is what is locked: a file for it could not be removed without a race.
        let lock = File::open(root).map_err(fail)?;
        // Not `lock`, which would keep a thread from those that hold it.
        for _ in 0..TURNS {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(TURN).await,
                // A file system without locks has none to wait for.
                Err(TryLockError::Error(error)) => {
                    tracing::debug!(%error, "the folder of leases cannot be locked");
                    return Ok(Some(lock));
                }
            }
        }
        Err(StoreError {
            kind: StoreErrorKind::Unreachable,
            doing: "taking the lease",
            at: self.at(LEASES),
            detail: "the lock of this folder is never free".to_owned(),
        })
    }

    /// Writes a small object, whatever is there.
    pub(crate) async fn overwrite(
        &self,
        key: &str,
        bytes: Bytes,
        doing: Option<&'static str>,
    ) -> Result<(), StoreError> {
        let doing = doing.unwrap_or("writing");
        if let Some(root) = self.folder() {
            return self.put_file(root, key, bytes, There::Replace, doing).await;
        }
        let wrote = self.op.write_with(key, bytes).content_type("application/json").await;
        wrote.map(|_| ()).map_err(|error| self.error(&error, doing, key))
    }

    fn hold_on(&self, key: &str, record: LeaseRecord) -> Lease {
        mine().insert(record.id.clone());
        let (end, mut ended) = watch::channel(false);
        let (store, at, mut renewed) = (self.clone(), key.to_owned(), record.clone());
        let renewing = tokio::spawn(async move {
            loop {
                if tokio::time::timeout(RENEWED, ended.wait_for(|end| *end)).await.is_ok() {
                    return;
                }
                // A machine that slept may wake up after another has taken the lease.
                match store.is_mine(&at, &renewed).await {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::warn!(
                            lease = store.at(&at),
                            "the lease is another's now: this run was silent for too long"
                        );
                        return;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the lease could not be looked at");
                        continue;
                    }
                }
                renewed.renew(Timestamp::now());
                let wrote = match json(&renewed) {
                    Ok(bytes) => store.overwrite(&at, bytes, Some("renewing the lease")).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = wrote {
                    tracing::warn!(%error, "the lease could not be renewed");
                }
            }
        });
        Lease { store: self.clone(), key: key.to_owned(), record, end, renewing }
    }
}

impl Store {
    /// Whether any object of a run is there.
    async fn has_any(&self, record: &LeaseRecord) -> Result<bool, StoreError> {
        for key in &record.keys {
            let fail = |error: opendal::Error| self.error(&error, "listing", key);
            let mut lister = match self.op.lister_with(key).recursive(key.ends_with('/')).await {
                Ok(lister) => lister,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(error)),
            };
            loop {
                match lister.try_next().await {
                    Ok(Some(entry)) if !entry.path().ends_with('/') && record.names(entry.path()) => return Ok(true),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(error) => return Err(fail(error)),
                }
            }
        }
        Ok(false)
    }
}

impl Lease {
    /// Of which run.
    pub fn record(&self) -> &LeaseRecord {
        &self.record
    }

    /// Gives it back. `committed`: the run has a manifest. Otherwise what it left is looked for; where there is anything, the
    /// lease is kept as that of a crashed run, so that it can be told from other people's objects.
    pub async fn release(self, committed: bool) {
        let _ = self.end.send(true);
        mine().remove(&self.record.id);
        // A store that does not answer is not waited for: the lease ends by itself.
        let _ = tokio::time::timeout(PATIENCE, self.give_back(committed)).await;
    }

    async fn give_back(self, committed: bool) {
        let _ = self.renewing.await;
        let (store, key, mut record) = (self.store, self.key, self.record);
        let Ok(turn) = store.turn().await else { return };
        if !matches!(store.is_mine(&key, &record).await, Ok(true)) {
            return;
        }
        let left = !committed && store.has_any(&record).await.unwrap_or(true);
        let mut removed = Ok(());
        if left && let Ok(bytes) = json(&record) {
            removed = store.overwrite(&format!("{CRASHED}{}.json", record.id), bytes, None).await;
        }
        if removed.is_ok() {
            removed = store.delete(&key).await;
        }
        if let Err(error) = removed {
            tracing::debug!(%error, "the lease could not be removed, so it is made to end");
            // Who may write but not remove can still make it end.
            (record.expires_at, record.renewed_at) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
            if let Ok(bytes) = json(&record) {
                let _ = store.overwrite(&key, bytes, None).await;
            }
        }
        drop(turn);
        // Who only reads here does not come back to tidy up.
        if store.is_reader() {
            store.if_alone(tidy);
        }
    }
}

/// Removes those of our own folders that are empty. Nobody writes there meanwhile.
pub(crate) fn tidy(root: &Path) {
    for folder in [LEASES, CRASHED, READING, removal::FOLDER, OURS] {
        let _ = std::fs::remove_dir(root.join(folder));
    }
}

fn json(record: &LeaseRecord) -> Result<Bytes, StoreError> {
    serde_json::to_vec_pretty(record).map(Bytes::from).map_err(|error| StoreError {
        kind: StoreErrorKind::Other,
        doing: "writing a lease",
        at: String::new(),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::{Access, StoreUrl, WriteSettings, holder};
    use planb_model::lease;

    fn store(folder: &Path) -> Store {
        let url = StoreUrl::parse(&folder.to_string_lossy()).unwrap();
        Store::open(&url, Access::Write, WriteSettings::default()).unwrap()
    }

    fn record(id: &str) -> LeaseRecord {
        let keys = vec![format!("{id}.sql")];
        LeaseRecord::new(id, "job", holder().clone(), keys, format!("{id}.manifest.json"), Timestamp::now())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_of_many_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let key = lease::key("job");
        let tries: Vec<_> = (0..20)
            .map(|n| {
                let (store, key) = (store.clone(), key.clone());
                tokio::spawn(async move { store.lease(&key, record(&format!("run{n}"))).await.unwrap() })
            })
            .collect();
        let mut mine = Vec::new();
        for tried in tries {
            if let Leased::Mine(lease) = tried.await.unwrap() {
                mine.push(lease);
            }
        }
        assert_eq!(mine.len(), 1);
        mine.pop().unwrap().release(true).await;
        assert!(matches!(store.lease(&key, record("next")).await.unwrap(), Leased::Mine(_)));
    }

    #[tokio::test]
    async fn a_dead_one_is_taken_over_and_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let key = lease::key("job");
        let mut dead = record("dead");
        dead.holder.started = "1".to_owned();
        store.overwrite(&key, json(&dead).unwrap(), None).await.unwrap();
        let Leased::Mine(lease) = store.lease(&key, record("next")).await.unwrap() else { panic!("not taken") };
        let ids: Vec<_> = store.leases().await.unwrap().into_iter().map(|(_, record)| record.unwrap().id).collect();
        assert_eq!(ids, ["next", "dead"]);
        lease.release(true).await;
        assert_eq!(store.leases().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn one_of_another_host_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let key = lease::key("job");
        let mut other = record("other");
        other.holder.machine = "elsewhere".to_owned();
        store.overwrite(&key, json(&other).unwrap(), None).await.unwrap();
        let Leased::Theirs(theirs) = store.lease(&key, record("next")).await.unwrap() else { panic!("taken") };
        assert_eq!(theirs.id, "other");
        other.expires_at = Timestamp::now() - jiff::SignedDuration::from_mins(2);
        store.overwrite(&key, json(&other).unwrap(), None).await.unwrap();
        assert!(matches!(store.lease(&key, record("next")).await.unwrap(), Leased::Mine(_)));
    }
}
