//! Reading one object from its beginning to its end.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};

use crate::error::{StoreError, StoreErrorKind};
use crate::open::Store;

/// Ranges that are fetched at once, and their size: 4 x 4 MiB in flight.
const AHEAD: usize = 4;
const RANGE: usize = 4 << 20;

/// The bytes of an object in their order.
pub struct ObjectReader {
    store: Store,
    key: String,
    stream: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectReader({})", self.store.at(&self.key))
    }
}

impl Store {
    /// Reads an object that must have this size.
    ///
    /// # Errors
    /// [`StoreError`]; `Damaged` where the size is another.
    pub async fn read(&self, key: &str, bytes: u64) -> Result<ObjectReader, StoreError> {
        let missing =
            || StoreError { kind: StoreErrorKind::NotFound, doing: "reading", at: self.at(key), detail: String::new() };
        let size = self.size_of(key).await?.ok_or_else(missing)?;
        if size != bytes {
            return Err(StoreError {
                kind: StoreErrorKind::Damaged,
                doing: "reading",
                at: self.at(key),
                detail: format!("it has {size} bytes and should have {bytes}"),
            });
        }
        let reader = self.op.reader_with(key);
        // Through rclone each range would be a process of its own.
        let reader = if self.one_stream() { reader.await } else { reader.concurrent(AHEAD).chunk(RANGE).await };
        let reader = reader.map_err(|error| self.error(&error, "reading", key))?;
        let stream = reader.into_bytes_stream(0..size).await.map_err(|error| self.error(&error, "reading", key))?;
        Ok(ObjectReader { store: self.clone(), key: key.to_owned(), stream: Box::pin(stream) })
    }

    /// Reads a small object whole.
    ///
    /// # Errors
    /// [`StoreError`]; `Damaged` where it is larger than `limit`.
    pub async fn read_small(&self, key: &str, limit: u64) -> Result<Bytes, StoreError> {
        let size = self.size_of(key).await?;
        if let Some(size) = size.filter(|size| *size > limit) {
            return Err(StoreError {
                kind: StoreErrorKind::Damaged,
                doing: "reading",
                at: self.at(key),
                detail: format!("it has {size} bytes, which is too much for what it is"),
            });
        }
        let read = self.op.read_with(key);
        let read = match size {
            Some(size) => read.content_length_hint(size),
            // It is told by the reading that it is not there.
            None => read,
        };
        read.await.map(|buffer| buffer.to_bytes()).map_err(|error| self.error(&error, "reading", key))
    }
}

impl ObjectReader {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.stream.try_next().await.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<opendal::Error>());
            match inner {
                Some(inner) => self.store.error(inner, "reading", &self.key),
                None => StoreError {
                    kind: StoreErrorKind::Other,
                    doing: "reading",
                    at: self.store.at(&self.key),
                    detail: error.to_string(),
                },
            }
        })
    }
}
