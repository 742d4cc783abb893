//! The backups of a store: its manifests, and nothing else.

use std::path::Path;

use futures::{StreamExt as _, TryStreamExt as _};
use planb_model::drill::{self, DrillRecord};
use planb_model::hold::{self, HoldRecord};
use planb_model::manifest::{LARGEST, Manifest, SUFFIX};

use crate::error::{StoreError, StoreErrorKind};
use crate::open::Store;

/// Manifests that are read at once.
const READ_AT_ONCE: usize = 16;

/// A committed backup and where its manifest is.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The manifest.
    pub manifest: Manifest,
    /// Its key.
    pub key: String,
    /// The newest drill of it.
    pub drill: Option<DrillRecord>,
    /// What keeps it from being pruned.
    pub hold: Option<HoldRecord>,
}

/// A manifest that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Unreadable {
    pub key: String,
    pub reason: String,
}

/// All backups of a store, oldest first.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the words say it")]
pub struct Catalogue {
    pub entries: Vec<Entry>,
    pub unreadable: Vec<Unreadable>,
}

impl Entry {
    /// The backup's name with its folder: what its keys begin with.
    pub fn name(&self) -> &str {
        self.key.strip_suffix(SUFFIX).unwrap_or(&self.key)
    }

    /// The store's key of a volume, which the manifest names relative to its own folder.
    pub fn volume_key(&self, volume: &str) -> String {
        match self.key.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{volume}"),
            None => volume.to_owned(),
        }
    }
}

impl Store {
    /// Reads all manifests below the store's prefix.
    ///
    /// A manifest that is damaged does not hide the others: it is reported beside them.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be listed or read.
    pub async fn catalogue(&self) -> Result<Catalogue, StoreError> {
        let fail = |error: &opendal::Error| self.error(error, "listing", "");
        let keys: Vec<String> = match self.folder() {
            Some(root) => walk(root).into_iter().map(|(key, _)| key).filter(|key| is_ours(key)).collect(),
            None => {
                let lister = self.op.lister_with("").recursive(true).await.map_err(|error| fail(&error))?;
                let manifests = lister.try_filter_map(|entry| async move {
                    let path = entry.path();
                    Ok(is_ours(path).then(|| path.to_owned()))
                });
                manifests.try_collect().await.map_err(|error| fail(&error))?
            }
        };
        self.read_catalogue(keys).await
    }

    /// Reads the manifests, results of drills and holds among these keys.
    pub(crate) async fn read_catalogue(&self, keys: Vec<String>) -> Result<Catalogue, StoreError> {
        let (beside, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| !key.ends_with(SUFFIX));
        let (results, holds): (Vec<_>, Vec<_>) = beside.into_iter().partition(|key| drill::is_key(key));
        let read = futures::stream::iter(keys).map(|key| async move {
            let bytes = self.read_small(&key, LARGEST).await;
            (key, bytes)
        });
        let mut catalogue = Catalogue::default();
        let mut read = read.buffer_unordered(READ_AT_ONCE);
        while let Some((key, bytes)) = read.next().await {
            match bytes {
                Ok(bytes) => match Manifest::parse(&bytes) {
                    Ok(manifest) => catalogue.entries.push(Entry { manifest, key, drill: None, hold: None }),
                    Err(error) => catalogue.unreadable.push(Unreadable { key, reason: error.to_string() }),
                },
                // Removed between the listing and now, by a prune elsewhere.
                Err(error) if error.kind == StoreErrorKind::NotFound => {}
                Err(error) if error.kind == StoreErrorKind::Unreachable => return Err(error),
                // One that is too large, frozen, or another account's does not hide the others.
                Err(error) => catalogue.unreadable.push(Unreadable { key, reason: error.to_string() }),
            }
        }
        let mut results = futures::stream::iter(results)
            .map(|key| async move { self.read_small(&key, drill::LARGEST).await })
            .buffer_unordered(READ_AT_ONCE);
        while let Some(bytes) = results.next().await {
            // One that cannot be read is as good as none.
            let Some(record) = bytes.ok().and_then(|bytes| DrillRecord::parse(&bytes)) else { continue };
            for entry in catalogue.entries.iter_mut().filter(|entry| entry.manifest.id == record.id) {
                // Of two at one time the failed one counts.
                let newer = |known: &DrillRecord| known.at < record.at || known.at == record.at && !record.ok;
                if entry.drill.as_ref().is_none_or(newer) {
                    entry.drill = Some(record.clone());
                }
            }
        }
        let mut holds = futures::stream::iter(holds)
            .map(|key| async move {
                let bytes = self.read_small(&key, hold::LARGEST).await;
                (key, bytes)
            })
            .buffer_unordered(READ_AT_ONCE);
        while let Some((key, bytes)) = holds.next().await {
            let name = key.strip_suffix(hold::SUFFIX).unwrap_or(&key).to_owned();
            let Some(entry) = catalogue.entries.iter_mut().find(|entry| entry.name() == name) else { continue };
            // One that cannot be read holds all the same.
            entry.hold =
                Some(bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| HoldRecord {
                    schema: hold::SCHEMA.to_owned(),
                    id: entry.manifest.id.clone(),
                    at: entry.manifest.created_at,
                    reason: Some("its hold cannot be read".to_owned()),
                }));
        }
        catalogue.entries.sort_by(|a, b| (a.manifest.created_at, &a.key).cmp(&(b.manifest.created_at, &b.key)));
        catalogue.unreadable.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(catalogue)
    }
}

/// Whether a key is that of a manifest or of what is kept beside it.
pub(crate) fn is_ours(key: &str) -> bool {
    key.ends_with(SUFFIX) || drill::is_key(key) || key.ends_with(hold::SUFFIX)
}

/// The files below a folder. A folder in it that may not be read (`lost+found`) does not hide the others.
pub(crate) fn walk(root: &Path) -> Vec<(String, std::path::PathBuf)> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "a folder of the store cannot be read");
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            // A pipe would be waited for, and a device read for ever. What a link to a file leads to is its owner's business.
            if !(kind.is_file() || kind.is_symlink() && path.metadata().is_ok_and(|at| at.is_file())) {
                continue;
            }
            if let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned) {
                files.push((key, path));
            }
        }
    }
    files
}
