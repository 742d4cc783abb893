//! Everything that is in a store: its backups, what belongs to them, and what a crash left behind.
//!
//! A store may hold other people's files. An object is only ever called an orphan where a lease of a dead run names it,
//! or where it lies in a folder that is ours alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use planb_model::lease::{LIFETIME, LeaseRecord, READING, SKEW};
use planb_model::manifest::SUFFIX;
use planb_model::removal::{self, RemovalRecord};

use crate::catalogue::{Catalogue, Entry, is_ours, walk};
use crate::error::StoreError;
use crate::lease::held;
use crate::open::{FS_TEMP, Store};

/// An object as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its size.
    pub bytes: u64,
    /// When it was written, where the store tells.
    pub modified: Option<Timestamp>,
}

/// An object that no backup needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// How old it is; none where the store does not tell.
    pub age: Option<Duration>,
    /// Of which run.
    pub run: Option<String>,
}

/// What is in a store.
#[derive(Debug, Default)]
pub struct Survey {
    /// Its backups.
    pub catalogue: Catalogue,
    /// All objects.
    pub objects: BTreeMap<String, Object>,
    /// Removals that were cut short.
    pub(crate) removals: Vec<(String, RemovalRecord)>,
    leases: Vec<(String, LeaseRecord)>,
    /// What lies among the leases and cannot be read as one.
    no_leases: Vec<String>,
    /// In a folder: nobody was writing.
    alone: bool,
    referenced: BTreeSet<String>,
}

impl Store {
    /// Looks at everything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn survey(&self) -> Result<Survey, StoreError> {
        // Leases first: a run that ends meanwhile is then still seen as one that goes on.
        let (mut leases, mut no_leases) = (Vec::new(), Vec::new());
        for (key, record) in self.leases().await? {
            match record {
                Some(record) => leases.push((key, record)),
                None => no_leases.push(key),
            }
        }
        let alone = self.if_alone(|_| ());
        let mut objects = BTreeMap::new();
        if let Some(root) = self.folder() {
            for (key, path) in walk(root) {
                if let Ok(meta) = path.metadata() {
                    let modified = meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                    objects.insert(key, Object { bytes: meta.len(), modified });
                }
            }
        } else {
            let fail = |error: opendal::Error| self.error(&error, "listing", "");
            let mut lister = self.op.lister_with("").recursive(true).await.map_err(fail)?;
            while let Some(entry) = lister.try_next().await.map_err(fail)? {
                if entry.path().ends_with('/') {
                    continue;
                }
                let meta = entry.metadata();
                let modified = meta.last_modified().and_then(|time| Timestamp::try_from(SystemTime::from(time)).ok());
                objects.insert(entry.path().to_owned(), Object { bytes: meta.content_length(), modified });
            }
        }
        let catalogue = self.read_catalogue(objects.keys().filter(|key| is_ours(key)).cloned().collect()).await?;
        let mut removals = Vec::new();
        for key in objects.keys().filter(|key| key.starts_with(removal::FOLDER)) {
            if let Ok(bytes) = self.read_small(key, removal::LARGEST).await
                && let Some(record) = RemovalRecord::parse(&bytes)
            {
                removals.push((key.clone(), record));
            }
        }
        let referenced = catalogue.entries.iter().flat_map(|entry| volumes(entry).map(|(key, _)| key)).collect();
        Ok(Survey { catalogue, objects, removals, leases, no_leases, alone, referenced })
    }
}

/// Whether a key is in the folder for unfinished objects.
pub(crate) fn is_unfinished(key: &str) -> bool {
    key.split('/').next() == Some(FS_TEMP)
}

/// The keys and sizes of a backup's objects.
pub(crate) fn volumes(entry: &Entry) -> impl Iterator<Item = (String, u64)> + '_ {
    let volumes = entry.manifest.files.iter().flat_map(|file| &file.volumes);
    volumes.map(|volume| (entry.volume_key(&volume.key), volume.bytes))
}

impl Survey {
    /// Whether all objects of a backup are there with their sizes. If not: what is wrong.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn whole(&self, entry: &Entry) -> Result<(), String> {
        for (key, bytes) in volumes(entry) {
            match self.objects.get(&key) {
                None => return Err(format!("{key} is missing")),
                Some(object) if object.bytes != bytes => {
                    return Err(format!("{key} has {} bytes and should have {bytes}", object.bytes));
                }
                Some(_) => {}
            }
        }
        if entry.manifest.inspection.complete { Ok(()) } else { Err("its dump is not complete".to_owned()) }
    }

    /// Whether a backup is being read now.
    pub fn being_read(&self, id: &str) -> bool {
        self.leases.iter().any(|(key, lease)| key.starts_with(READING) && lease.id == id && held(lease))
    }

    /// Whether a run that goes on writes this object.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        self.leases.iter().any(|(_, lease)| held(lease) && lease.names(key))
    }

    /// Whether a backup's manifest names this object.
    pub fn is_referenced(&self, key: &str) -> bool {
        self.referenced.contains(key)
    }

    /// What dead runs left, at least this old, by key.
    pub fn orphans(&self, now: Timestamp, older: Duration) -> Vec<Orphan> {
        let live: Vec<&LeaseRecord> = self.leases.iter().map(|(_, lease)| lease).filter(|lease| held(lease)).collect();
        let dead = || self.leases.iter().map(|(_, lease)| lease).filter(|lease| !held(lease));
        let mut orphans = Vec::new();
        for (key, object) in &self.objects {
            let age = object.modified.and_then(|at| Duration::try_from(now.duration_since(at)).ok());
            // Where the store does not tell its age, or a time that is still to come, it is young.
            if age.unwrap_or_default() < older {
                continue;
            }
            let run = if is_unfinished(key) {
                // The names of unfinished objects tell nothing; ours alone are here.
                if !live.is_empty() || !self.alone {
                    continue;
                }
                None
            } else {
                if is_ours(key) || self.is_referenced(key) || live.iter().any(|lease| lease.names(key)) {
                    continue;
                }
                // What a manifest that cannot be read may name is not known to be nobody's.
                let hidden = |unreadable: &crate::Unreadable| {
                    let name = unreadable.key.strip_suffix(SUFFIX).unwrap_or(&unreadable.key);
                    key.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '/']))
                };
                if self.catalogue.unreadable.iter().any(hidden) {
                    continue;
                }
                match dead().find(|lease| lease.names(key)) {
                    Some(lease) => Some(lease.id.clone()),
                    None => continue,
                }
            };
            orphans.push(Orphan { key: key.clone(), bytes: object.bytes, age, run });
        }
        orphans
    }

    /// The keys of leases that are nobody's any more and name nothing that is still there, besides `gone`.
    pub(crate) fn spent(&self, gone: &BTreeSet<String>) -> Vec<String> {
        // It may be of a newer planb, or half of one that is being written.
        let now = Timestamp::now();
        let old = |key: &&String| {
            let modified = self.objects.get(*key).and_then(|object| object.modified);
            modified.is_some_and(|at| now.duration_since(at) > LIFETIME + SKEW)
        };
        let left = |lease: &LeaseRecord| {
            self.objects.keys().any(|key| lease.names(key) && !self.is_referenced(key) && !gone.contains(key))
        };
        self.leases
            .iter()
            .filter(|(key, lease)| !held(lease) && (key.starts_with(READING) || !left(lease)))
            .map(|(key, _)| key.clone())
            .chain(self.no_leases.iter().filter(old).cloned())
            .collect()
    }
}
