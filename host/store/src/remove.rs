//! Removing: a backup as one, what a dead run left, and what an earlier removal did not finish.
//!
//! The manifest goes first: from then on it is no backup, and nobody lists a half of one. What goes after it was written
//! down before, so that the next prune finishes what a crash cut short.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use planb_model::drill::{self, INFIX};
use planb_model::hold;
use planb_model::manifest::SUFFIX;
use planb_model::removal::{self, RemovalRecord};

use crate::catalogue::{Entry, is_ours};
use crate::error::{StoreError, StoreErrorKind};
use crate::holder::holder;
use crate::lease::goes_on;
use crate::open::{Store, kind_of};
use crate::survey::{Orphan, Survey, is_unfinished, volumes};

/// What stands behind a manifest's key in that of its signature.
pub const SIGNATURE: &str = ".minisig";

/// What became of a backup that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, with so many bytes.
    Gone(u64),
    /// Somebody held it meanwhile.
    Held,
    /// Somebody reads it meanwhile.
    Read,
}

/// A removal until its manifest is gone.
struct Removal<'s> {
    store: &'s Store,
    /// The key of its record.
    at: String,
    record: RemovalRecord,
    begun: Instant,
}

impl Removal<'_> {
    async fn write_down(&self) -> Result<(), StoreError> {
        let json = serde_json::to_vec(&self.record).map_err(|error| self.failed(error.to_string()))?;
        self.store.overwrite(&self.at, Bytes::from(json), None).await
    }

    /// Removes the manifest; or says who wants it.
    ///
    /// Whoever began to read or hold it since the survey wrote that down and then looks for our record; so of us two, one sees
    /// the other. That holds as long as our record counts, so there is a time for it.
    async fn begin(&self, hold: &str) -> Result<Option<Removed>, StoreError> {
        let removed = async {
            if self.store.size_of(hold).await?.is_some() {
                return Ok(Some(Removed::Held));
            }
            if self.store.is_read(&self.record.id).await? {
                return Ok(Some(Removed::Read));
            }
            self.store.delete(&self.record.manifest).await.map(|()| None)
        };
        let left = removal::TIME.saturating_sub(self.begun.elapsed());
        tokio::time::timeout(left, removed).await.unwrap_or_else(|_| Err(self.failed("it takes too long".to_owned())))
    }

    /// Takes back what was written down.
    async fn give_up(&mut self) {
        if self.store.delete(&self.at).await.is_ok() {
            return;
        }
        // Who may write but not remove can still say that it does not go on.
        self.record.at = None;
        if let Err(error) = self.write_down().await {
            tracing::warn!(%error, "the record of a removal that was given up stays for a while");
        }
    }

    fn failed(&self, detail: String) -> StoreError {
        StoreError { kind: StoreErrorKind::Other, doing: "removing", at: self.store.at(&self.record.manifest), detail }
    }
}

/// Whether a key is that of something small that is kept beside a backup of this name: its hold, its signature, its drills.
fn is_beside(name: &str, key: &str) -> bool {
    key.strip_prefix(name).is_some_and(|rest| {
        rest == hold::SUFFIX
            || rest.strip_prefix(SUFFIX) == Some(SIGNATURE)
            || rest.starts_with(INFIX) && drill::is_key(key)
    })
}

impl Store {
    /// Removes a backup: manifest, objects, and what is kept beside them; unless somebody began to hold or read it since
    /// the survey.
    ///
    /// # Errors
    /// [`StoreError`] of the first object that could not be removed; the rest is removed by the next
    /// [`Store::finish_removals`].
    pub async fn remove_backup(&self, survey: &Survey, entry: &Entry) -> Result<Removed, StoreError> {
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
        keys.extend(survey.objects.keys().filter(|key| is_beside(name, key)).cloned());
        let record = RemovalRecord {
            schema: removal::SCHEMA.to_owned(),
            id: entry.manifest.id.clone(),
            manifest: entry.key.clone(),
            keys,
            by: Some(holder().clone()),
            at: Some(Timestamp::now()),
        };
        let mut removal = Removal {
            store: self,
            at: RemovalRecord::key(&record.id, &uuid::Uuid::new_v4().simple().to_string()[..8]),
            record,
            begun: Instant::now(),
        };
        {
            let _turn = self.turn().await?;
            removal.write_down().await?;
        }
        match removal.begin(&format!("{name}{}", hold::SUFFIX)).await {
            Ok(None) => {}
            Ok(Some(wanted)) => {
                removal.give_up().await;
                return Ok(wanted);
            }
            Err(error) => {
                // It may be gone all the same, and only the answer be lost: then the next prune finishes.
                if matches!(self.size_of(&entry.key).await, Ok(Some(_))) {
                    removal.give_up().await;
                }
                return Err(error);
            }
        }
        self.remove_all(&removal.record.keys).await?;
        self.delete(&removal.at).await?;
        Ok(Removed::Gone(volumes(entry).map(|(_, bytes)| bytes).sum()))
    }

    /// Finishes removals that were cut short. Gives their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finish_removals(&self, survey: &Survey) -> Result<Vec<String>, StoreError> {
        let mut finished = Vec::new();
        for (at, record) in &survey.removals {
            // Somebody else's prune is at it.
            if goes_on(record) {
                continue;
            }
            // Where the manifest is still there nothing has been removed: whether it goes is decided anew. The name may have
            // been taken again since the survey, too.
            let there =
                survey.objects.contains_key(&record.manifest) || self.size_of(&record.manifest).await?.is_some();
            if !there && !self.is_being_written(None, &record.manifest).await? {
                let name = record.manifest.strip_suffix(SUFFIX).unwrap_or(&record.manifest);
                // A store is not trusted: its records may only name what belonged to that backup.
                let its = |key: &str| {
                    !survey.is_referenced(key) && !survey.is_written(key) && (!is_ours(key) || is_beside(name, key))
                };
                let keys: Vec<String> = record.keys.iter().filter(|key| its(key)).cloned().collect();
                self.remove_all(&keys).await?;
                finished.push(record.id.clone());
            }
            self.delete(at).await?;
        }
        Ok(finished)
    }

    /// Removes orphans. Gives for each whether it is gone, or what went wrong. What is in the folder for unfinished objects
    /// stays if somebody has begun to write there meanwhile.
    pub async fn remove_orphans(&self, survey: &Survey, orphans: &[Orphan]) -> Vec<Result<bool, StoreError>> {
        let mut outcomes = Vec::with_capacity(orphans.len());
        let mut gone = BTreeSet::new();
        for orphan in orphans {
            let removed = if is_unfinished(&orphan.key) {
                let mut removed = Ok(());
                let alone = self.if_alone(|root| removed = std::fs::remove_file(root.join(&orphan.key)));
                match removed {
                    // Another prune was faster.
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError {
                        kind: kind_of(&error),
                        doing: "removing",
                        at: self.at(&orphan.key),
                        detail: error.to_string(),
                    }),
                    _ => Ok(alone),
                }
            } else {
                self.remove_all(std::slice::from_ref(&orphan.key)).await.map(|()| true)
            };
            if matches!(removed, Ok(true)) {
                gone.insert(orphan.key.clone());
            }
            outcomes.push(removed);
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

    /// Writes the hold of a backup. Ask afterwards whether it [stays](Store::stays).
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::{Access, Leased, StoreUrl, WriteSettings};
    use planb_model::hold::HoldRecord;
    use planb_model::lease::{self, LeaseRecord};
    use planb_model::manifest::Manifest;

    /// A folder with one backup, and its survey.
    async fn one() -> (tempfile::TempDir, Store, Survey) {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest::example();
        for volume in manifest.files.iter().flat_map(|file| &file.volumes) {
            let file = std::fs::File::create(folder.path().join(&volume.key)).unwrap();
            file.set_len(volume.bytes).unwrap();
        }
        std::fs::write(folder.path().join("shop.manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        let url = StoreUrl::parse(&folder.path().to_string_lossy()).unwrap();
        let store = Store::open(&url, Access::Write, WriteSettings::default()).unwrap();
        let survey = store.survey().await.unwrap();
        assert_eq!(survey.catalogue.entries.len(), 1);
        (folder, store, survey)
    }

    fn record(keys: &[&str], at: Option<Timestamp>) -> RemovalRecord {
        RemovalRecord {
            schema: removal::SCHEMA.to_owned(),
            id: Manifest::example().id,
            manifest: "shop.manifest.json".to_owned(),
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            by: None,
            at,
        }
    }

    async fn put(store: &Store, record: &RemovalRecord) {
        let json = serde_json::to_vec(record).unwrap();
        store.overwrite(&RemovalRecord::key(&record.id, "other"), Bytes::from(json), None).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_holds_or_reads_it_since_the_survey_keeps_it() {
        let (folder, store, survey) = one().await;
        let entry = &survey.catalogue.entries[0];
        let hold = HoldRecord {
            schema: hold::SCHEMA.to_owned(),
            id: entry.manifest.id.clone(),
            at: Timestamp::now(),
            reason: None,
        };
        store.put_hold(entry, &hold).await.unwrap();
        assert_eq!(store.remove_backup(&survey, entry).await.unwrap(), Removed::Held);
        store.remove_hold(entry).await.unwrap();

        let mark =
            LeaseRecord::new(&entry.manifest.id, "x", holder().clone(), Vec::new(), String::new(), Timestamp::now());
        let mark = store.reading(mark).await.unwrap();
        assert_eq!(store.remove_backup(&survey, entry).await.unwrap(), Removed::Read);
        // Neither left a trace.
        assert!(store.stays(&entry.key, &entry.manifest.id).await.unwrap());
        mark.release(true).await;
        store.finish();
        assert!(!folder.path().join(".planb").exists());

        let Removed::Gone(bytes) = store.remove_backup(&survey, entry).await.unwrap() else { panic!("it stays") };
        assert_eq!(bytes, entry.manifest.stored_bytes);
        assert!(!store.stays(&entry.key, &entry.manifest.id).await.unwrap());
        store.finish();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn anothers_removal_is_seen_as_long_as_it_goes_on() {
        let (_folder, store, survey) = one().await;
        let entry = &survey.catalogue.entries[0];
        let stays = || store.stays(&entry.key, &entry.manifest.id);
        put(&store, &record(&[], Some(Timestamp::now()))).await;
        assert!(!stays().await.unwrap());
        // Ours comes and goes, and theirs is still seen.
        let hold =
            HoldRecord { schema: hold::SCHEMA.to_owned(), id: String::new(), at: Timestamp::now(), reason: None };
        store.put_hold(entry, &hold).await.unwrap();
        assert_eq!(store.remove_backup(&survey, entry).await.unwrap(), Removed::Held);
        assert!(!stays().await.unwrap());
        put(&store, &record(&[], None)).await;
        assert!(stays().await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_removal_is_finished_and_takes_nothing_that_is_anothers() {
        let (folder, store, _) = one().await;
        let there = |key: &str| folder.path().join(key).exists();
        for key in
            ["old.sql", "old.sql.001", "mine.sql", "new.sql", "old.drill-20260207T020000Z.json", "other.hold.json"]
        {
            std::fs::write(folder.path().join(key), "x").unwrap();
        }
        let example = Manifest::example().files[0].volumes[0].key.clone();
        let keys = [
            "old.sql",
            "old.drill-20260207T020000Z.json",
            // Of a backup that is listed; of one that is being written; of other backups.
            example.as_str(),
            "shop.manifest.json",
            "new.sql",
            "other.hold.json",
        ];
        put(&store, &RemovalRecord { manifest: "old.manifest.json".to_owned(), ..record(&keys, None) }).await;
        let writing = LeaseRecord::new(
            "run",
            "job",
            holder().clone(),
            vec!["new.sql".to_owned()],
            "new.manifest.json".to_owned(),
            Timestamp::now(),
        );
        let Leased::Mine(lease) = store.lease(&lease::key("job"), writing).await.unwrap() else { panic!("taken") };
        let survey = store.survey().await.unwrap();
        assert_eq!(store.finish_removals(&survey).await.unwrap(), [Manifest::example().id]);
        assert!(!there("old.sql") && !there("old.drill-20260207T020000Z.json"));
        for key in ["shop.manifest.json", &example, "new.sql", "other.hold.json", "old.sql.001", "mine.sql"] {
            assert!(there(key), "{key}");
        }
        assert!(store.survey().await.unwrap().removals.is_empty());

        // One that goes on is its own; one whose name was taken again is given up.
        put(
            &store,
            &RemovalRecord {
                manifest: "gone.manifest.json".to_owned(),
                ..record(&["mine.sql"], Some(Timestamp::now()))
            },
        )
        .await;
        assert!(store.finish_removals(&store.survey().await.unwrap()).await.unwrap().is_empty());
        put(&store, &RemovalRecord { manifest: "new.manifest.json".to_owned(), ..record(&["mine.sql"], None) }).await;
        assert!(store.finish_removals(&store.survey().await.unwrap()).await.unwrap().is_empty());
        assert!(there("mine.sql"));
        lease.release(true).await;
    }
}
