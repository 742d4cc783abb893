//! Writing one object: visible once it is whole, or not at all.

use std::fmt;

use bytes::Bytes;

use crate::error::{StoreError, StoreErrorKind};
use crate::open::{Claim, Store};
use crate::small::There;

/// The name of the user metadata by which a writer knows its own object.
/// (Azure takes letters and digits only.)
const MARK: &str = "planbwrite";

/// An object that is being written. It has to be ended by [`ObjectWriter::close`] or [`ObjectWriter::abort`]: one that
/// is only dropped may leave parts in the store.
///
/// A call of `write` must not be cancelled midway (the writer is of no more use then, not even for `abort`): stop between
/// calls.
pub struct ObjectWriter {
    store: Store,
    key: String,
    inner: opendal::Writer,
    written: u64,
    /// Kept with the object where the store can: by it we know our own.
    mark: Option<String>,
    /// On a file system: the name is ours until this is dropped.
    claim: Option<Claim>,
}

/// A small object was not written.
#[derive(Debug)]
pub struct NotPut {
    /// Why.
    pub error: StoreError,
    /// Whether it may be there all the same: the store did not let us look.
    pub perhaps: bool,
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectWriter({}, {} bytes)", self.store.at(&self.key), self.written)
    }
}

impl Store {
    /// Begins a new object.
    ///
    /// # Errors
    /// [`StoreError`]; `Exists` where the key is taken.
    pub async fn begin(&self, key: &str, media_type: &str) -> Result<ObjectWriter, StoreError> {
        let claim = self.claim(key)?;
        if self.size_of(key).await?.is_some() {
            return Err(self.exists(key));
        }
        let mut writer = self.op.writer_with(key);
        let capability = self.op.info().capability();
        let mark = capability.write_with_user_metadata.then(|| uuid::Uuid::new_v4().simple().to_string());
        let mark = mark.filter(|_| claim.is_none());
        if let Some(mark) = &mark {
            writer = writer.user_metadata([(MARK.to_owned(), mark.clone())]);
        }
        if capability.write_can_multi {
            writer = writer.chunk(self.settings.part_bytes).concurrent(self.settings.concurrency);
        }
        if capability.write_with_content_type {
            writer = writer.content_type(media_type);
        }
        if self.conditional {
            writer = writer.if_not_exists(true);
        }
        let inner = writer.await.map_err(|error| self.error(&error, "writing", key))?;
        Ok(ObjectWriter { store: self.clone(), key: key.to_owned(), inner, written: 0, mark, claim })
    }

    /// Whether it can be written to: writes a small object of its own and removes it. False: it could not be removed, so no
    /// backup could.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn probe(&self) -> Result<bool, StoreError> {
        // Among the leases, where what cannot be read as one is nobody's and goes in time.
        let key = format!("{}probe-{}.json", planb_model::lease::LEASES, uuid::Uuid::new_v4().simple());
        let probe = Bytes::from_static(b"{\"schema\":\"planb.probe/v1\"}");
        self.overwrite(&key, probe, None).await?;
        let removed = self.delete(&key).await;
        self.finish();
        Ok(removed.is_ok())
    }

    /// Writes a small object in one go. Used for manifests, whose writing is the commit.
    ///
    /// # Errors
    /// [`NotPut`], with the kind `Exists` where the key is taken by something else.
    pub async fn put_new(&self, key: &str, bytes: Bytes) -> Result<(), NotPut> {
        let not = |error| NotPut { error, perhaps: false };
        if self.size_of(key).await.map_err(not)?.is_some() {
            return Err(not(self.exists(key)));
        }
        let wrote = if let Some(root) = self.folder() {
            self.put_file(root, key, bytes.clone(), There::Keep, "writing").await
        } else {
            let mut write = self.op.write_with(key, bytes.clone()).content_type("application/json");
            if self.conditional {
                write = write.if_not_exists(true);
            }
            write.await.map(drop).map_err(|error| self.error(&error, "writing", key))
        };
        if let Err(error) = wrote {
            // The answer to a write that took effect may have been lost, and its repetition refused.
            let perhaps = match self.op.read(key).await {
                Ok(there) if there.to_bytes() == bytes => None,
                // Somebody else's.
                Ok(_) => Some(false),
                Err(error) => Some(error.kind() != opendal::ErrorKind::NotFound),
            };
            if let Some(perhaps) = perhaps {
                return Err(NotPut { error, perhaps });
            }
            tracing::warn!(object = self.at(key), "the store reported a failure, but the object is there and right");
        }
        self.settle(key);
        Ok(())
    }

    fn exists(&self, key: &str) -> StoreError {
        StoreError { kind: StoreErrorKind::Exists, doing: "writing", at: self.at(key), detail: String::new() }
    }
}

impl ObjectWriter {
    /// The object's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes. Returns when they are on their way, not when they have arrived.
    ///
    /// # Errors
    /// [`StoreError`]; the object can then only be aborted.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let n = bytes.len() as u64;
        self.inner.write(bytes).await.map_err(|error| self.store.error(&error, "writing", &self.key))?;
        self.written += n;
        Ok(())
    }

    /// Makes the object whole and visible.
    ///
    /// # Errors
    /// [`StoreError`]. A failed close is looked into first: where the object turns out to be there with the right
    /// size, its answer was lost and not its content.
    pub async fn close(mut self) -> Result<u64, StoreError> {
        if let Err(error) = self.inner.close().await {
            if !self.is_ours(&error).await {
                let error = self.store.error(&error, "finishing", &self.key);
                self.abort().await;
                return Err(error);
            }
            tracing::warn!(object = self.store.at(&self.key), "the store reported a failure, but the object is whole");
        }
        self.store.settle(&self.key);
        drop(self.claim);
        Ok(self.written)
    }

    /// After a failed close: whether what stands under the key is what we wrote, and not what another run did.
    async fn is_ours(&self, error: &opendal::Error) -> bool {
        let Ok(meta) = self.store.op.stat(&self.key).await else { return false };
        if meta.content_length() != self.written {
            return false;
        }
        match (&self.mark, meta.user_metadata()) {
            (Some(mark), Some(there)) => there.get(MARK) == Some(mark),
            // A key that was taken was taken by someone; without a mark nobody knows by whom.
            _ => !matches!(error.kind(), opendal::ErrorKind::ConditionNotMatch | opendal::ErrorKind::AlreadyExists),
        }
    }

    /// Leaves nothing of the object behind, as far as the store lets us.
    pub async fn abort(mut self) {
        drop(self.claim.take());
        for attempt in 0..3 {
            match self.inner.abort().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(object = self.store.at(&self.key), %error, attempt, "the upload could not be aborted");
                    if error.kind() == opendal::ErrorKind::Unsupported {
                        return;
                    }
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
        tracing::warn!(
            object = self.store.at(&self.key),
            "an unfinished upload may be left; let the bucket's lifecycle rule remove it (AbortIncompleteMultipartUpload)"
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Access, StoreUrl, WriteSettings};

    #[tokio::test]
    async fn a_name_is_one_writers_and_a_dead_ones_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::parse(&folder.path().to_string_lossy()).unwrap();
        let store = Store::open(&url, Access::Write, WriteSettings::default()).unwrap();
        let mut first = store.begin("x.sql", "text/plain").await.unwrap();
        assert!(store.claimed("x.sql"));
        assert_eq!(store.begin("x.sql", "text/plain").await.unwrap_err().kind, StoreErrorKind::Exists);
        first.write(Bytes::from_static(b"one")).await.unwrap();
        first.close().await.unwrap();
        assert!(!store.claimed("x.sql"));
        // What a killed run leaves is a file without a lock.
        std::fs::write(store.claim_path("y.sql").unwrap(), "").unwrap();
        assert!(!store.claimed("y.sql"));
        store.begin("y.sql", "text/plain").await.unwrap().abort().await;
        assert!(!store.claim_path("y.sql").unwrap().exists());
    }
}
