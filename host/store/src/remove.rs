//! Removing: a backup as one, what a dead run left, and what an earlier removal did not finish.
//!
//! The manifest goes first: from then on it is no backup, and nobody lists a half of one. What goes after it was written
//! down before, so that the next prune finishes what a crash cut short.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use planb_model::drill::INFIX;
use planb_model::hold;
use planb_model::manifest::SUFFIX;
use planb_model::removal::{self, RemovalRecord};

use crate::catalogue::Entry;
use crate::error::{StoreError, StoreErrorKind};
use crate::open::{FS_TEMP, Store};
use crate::survey::{Orphan, Survey, volumes};

/// What stands behind a manifest's key in that of its signature.
pub const SIGNATURE: &str = ".minisig";

impl Store {
    /// Removes a backup: manifest, objects, and what is kept beside them. Gives the bytes of its objects.
    ///
    /// # Errors
    /// [`StoreError`] of the first object that could not be removed; the rest is removed by the next
    /// [`Store::finish_removals`].
    pub async fn remove_backup(&self, survey: &Survey, entry: &Entry) -> Result<u64, StoreError> {
        let name = entry.name();
        // An object that another manifest names too is not this one's to remove.
        let others: BTreeSet<String> = survey
            .catalogue
            .entries
            .iter()
            .filter(|other| other.key != entry.key)
            .flat_map(|other| volumes(other).map(|(key, _)| key))
            .collect();
        let mut keys: Vec<String> = volumes(entry).map(|(key, _)| key).filter(|key| !others.contains(key)).collect();
        let beside = survey.objects.keys().filter(|key| {
            key.strip_prefix(name).is_some_and(|rest| {
                rest == hold::SUFFIX
                    || rest.strip_prefix(SUFFIX) == Some(SIGNATURE)
                    || rest.starts_with(INFIX) && !rest.contains('/')
            })
        });
        keys.extend(beside.cloned());
        let record = RemovalRecord {
            schema: removal::SCHEMA.to_owned(),
            id: entry.manifest.id.clone(),
            manifest: entry.key.clone(),
            keys,
        };
        let json = serde_json::to_vec(&record).map_err(|error| StoreError {
            kind: StoreErrorKind::Other,
            doing: "removing",
            at: self.at(&entry.key),
            detail: error.to_string(),
        })?;
        let at = RemovalRecord::key(&entry.manifest.id);
        {
            let _turn = self.turn().await?;
            self.overwrite(&at, Bytes::from(json), None).await?;
        }
        self.delete(&entry.key).await?;
        self.remove_all(&record.keys).await?;
        self.delete(&at).await?;
        Ok(volumes(entry).map(|(_, bytes)| bytes).sum())
    }

    /// Finishes removals that were cut short. Gives their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finish_removals(&self, survey: &Survey) -> Result<Vec<String>, StoreError> {
        let mut finished = Vec::new();
        for (at, record) in &survey.removals {
            // Where the manifest is still there nothing has been removed: whether it goes is decided anew.
            if !survey.objects.contains_key(&record.manifest) {
                let keys: Vec<String> = record.keys.iter().filter(|key| !survey.is_referenced(key)).cloned().collect();
                self.remove_all(&keys).await?;
                finished.push(record.id.clone());
            }
            self.delete(at).await?;
        }
        Ok(finished)
    }

    /// Removes orphans. Gives for each what went wrong, if anything did.
    pub async fn remove_orphans(&self, survey: &Survey, orphans: &[Orphan]) -> Vec<Option<StoreError>> {
        let mut outcomes = Vec::with_capacity(orphans.len());
        let mut gone = BTreeSet::new();
        for orphan in orphans {
            let removed = self.remove_all(std::slice::from_ref(&orphan.key)).await;
            if removed.is_ok() {
                gone.insert(orphan.key.clone());
            }
            outcomes.push(removed.err());
        }
        for key in survey.spent(&gone) {
            if let Err(error) = self.delete(&key).await {
                tracing::warn!(%error, "a lease that is nobody's could not be removed");
            }
        }
        outcomes
    }

    async fn remove_all(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            if key.split('/').next() == Some(FS_TEMP)
                && let Some(root) = self.folder()
            {
                let _ = std::fs::remove_file(root.join(key));
                continue;
            }
            self.delete(key).await?;
            self.prune_folders(key);
        }
        Ok(())
    }

    /// In a folder: removes those folders above a key that are empty now.
    fn prune_folders(&self, key: &str) {
        self.if_alone(|root| {
            let mut folder = Path::new(key).parent();
            while let Some(at) = folder.filter(|at| !at.as_os_str().is_empty()) {
                if std::fs::remove_dir(root.join(at)).is_err() {
                    return;
                }
                folder = at.parent();
            }
        });
    }

    /// Writes the hold of a backup.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_hold(&self, entry: &Entry, record: &hold::HoldRecord) -> Result<(), StoreError> {
        let key = format!("{}{}", entry.name(), hold::SUFFIX);
        let json = serde_json::to_vec_pretty(record).map_err(|error| StoreError {
            kind: StoreErrorKind::Other,
            doing: "writing",
            at: self.at(&key),
            detail: error.to_string(),
        })?;
        self.overwrite(&key, Bytes::from(json), None).await
    }

    /// Removes the hold of a backup.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_hold(&self, entry: &Entry) -> Result<(), StoreError> {
        self.delete(&format!("{}{}", entry.name(), hold::SUFFIX)).await
    }
}
