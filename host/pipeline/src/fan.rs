//! The last stage: one file, into several stores at once, cut into volumes.
//!
//! Each store has a task of its own. One that fails drops out and the others go on. Nothing is closed until
//! [`Fan::commit`]; a [`FanIn`] that is dropped instead makes every task abort and remove what it had closed.

use bytes::Bytes;
use planb_store::{ObjectWriter, Store, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that may wait for a store.
const QUEUE: usize = 8;

enum Order {
    Data(Bytes),
    /// The volume is full: the next bytes go into another object.
    NextVolume,
    Commit,
}

/// The end into which a file's bytes go. Dropped without [`Fan::commit`], it aborts the file everywhere.
pub(crate) struct FanIn {
    /// None once that store has failed.
    lanes: Vec<Option<mpsc::Sender<Order>>>,
    key: String,
    volume_limit: Option<u64>,
    in_volume: u64,
    volumes: Vec<(String, u64)>,
}

/// The stores' tasks of one file.
pub(crate) struct Fan {
    tasks: Vec<JoinHandle<Result<(), StoreError>>>,
}

/// Every store has failed.
#[derive(Debug)]
pub(crate) struct AllGone;

/// How a file ended: its objects, and for each store what went wrong.
pub(crate) struct Committed {
    /// Keys in the store and sizes.
    pub(crate) volumes: Vec<(String, u64)>,
    pub(crate) results: Vec<Result<(), StoreError>>,
}

/// The key of a volume: the first has the file's own.
pub(crate) fn volume_key(key: &str, number: usize) -> String {
    if number == 0 { key.to_owned() } else { format!("{key}.{number:03}") }
}

impl FanIn {
    /// Adds bytes; blocks while the slowest store is behind. Not for async code.
    pub(crate) fn send(&mut self, mut bytes: Bytes) -> Result<(), AllGone> {
        while !bytes.is_empty() {
            if let Some(limit) = self.volume_limit {
                if self.in_volume == limit {
                    self.order(|| Order::NextVolume)?;
                    self.volumes.push((volume_key(&self.key, self.volumes.len()), 0));
                    self.in_volume = 0;
                }
                let room = usize::try_from(limit - self.in_volume).unwrap_or(usize::MAX);
                let part = bytes.split_to(room.min(bytes.len()));
                self.pass(&part)?;
            } else {
                self.pass(&std::mem::take(&mut bytes))?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, part: &Bytes) -> Result<(), AllGone> {
        let n = part.len() as u64;
        self.order(|| Order::Data(part.clone()))?;
        self.in_volume += n;
        if let Some((_, bytes)) = self.volumes.last_mut() {
            *bytes += n;
        }
        Ok(())
    }

    fn order(&mut self, order: impl Fn() -> Order) -> Result<(), AllGone> {
        let mut living = false;
        for lane in &mut self.lanes {
            if let Some(orders) = lane {
                if orders.blocking_send(order()).is_ok() {
                    living = true;
                } else {
                    *lane = None;
                }
            }
        }
        if living { Ok(()) } else { Err(AllGone) }
    }
}

impl Fan {
    /// Begins a file in these stores. For each object not more than `volume_limit` bytes.
    pub(crate) fn open(stores: &[Store], key: &str, media_type: &str, volume_limit: Option<u64>) -> (FanIn, Self) {
        let mut lanes = Vec::with_capacity(stores.len());
        let mut tasks = Vec::with_capacity(stores.len());
        for store in stores {
            let (orders, receiver) = mpsc::channel(QUEUE);
            tasks.push(tokio::spawn(lane(store.clone(), key.to_owned(), media_type.to_owned(), receiver)));
            lanes.push(Some(orders));
        }
        let volumes = vec![(key.to_owned(), 0)];
        (FanIn { lanes, key: key.to_owned(), volume_limit, in_volume: 0, volumes }, Self { tasks })
    }

    /// Closes the file's last object everywhere.
    pub(crate) async fn commit(self, fan_in: FanIn) -> Committed {
        for orders in fan_in.lanes.into_iter().flatten() {
            // One that has just failed tells so itself.
            let _ = orders.send(Order::Commit).await;
        }
        Committed { volumes: fan_in.volumes, results: self.ended().await }
    }

    /// Waits for all tasks after the other end was dropped: everything is aborted then.
    pub(crate) async fn ended(self) -> Vec<Result<(), StoreError>> {
        let mut results = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            results.push(joined(task).await);
        }
        results
    }
}

async fn joined(task: JoinHandle<Result<(), StoreError>>) -> Result<(), StoreError> {
    task.await.unwrap_or_else(|error| {
        Err(StoreError {
            kind: planb_store::StoreErrorKind::Other,
            doing: "writing",
            at: String::new(),
            detail: error.to_string(),
        })
    })
}

/// One store's task. Bytes are written one after the other and never given up midway: a writer whose `write` was
/// cancelled could not even be aborted.
async fn lane(
    store: Store,
    key: String,
    media_type: String,
    mut orders: mpsc::Receiver<Order>,
) -> Result<(), StoreError> {
    let mut closed: Vec<String> = Vec::new();
    let outcome = write(&store, &key, &media_type, &mut orders, &mut closed).await;
    // Whoever still sends must learn that nobody listens.
    orders.close();
    match outcome {
        Ok(true) => Ok(()),
        Ok(false) => {
            remove(&store, &closed).await;
            Ok(())
        }
        Err(error) => {
            remove(&store, &closed).await;
            Err(error)
        }
    }
}

/// `Ok(true)`: committed. `Ok(false)`: given up from outside, and aborted.
async fn write(
    store: &Store,
    key: &str,
    media_type: &str,
    orders: &mut mpsc::Receiver<Order>,
    closed: &mut Vec<String>,
) -> Result<bool, StoreError> {
    let mut writer: ObjectWriter = store.begin(key, media_type).await?;
    let mut number = 0;
    loop {
        match orders.recv().await {
            Some(Order::Data(bytes)) => {
                if let Err(error) = writer.write(bytes).await {
                    writer.abort().await;
                    return Err(error);
                }
            }
            Some(Order::NextVolume) => {
                let done = writer.key().to_owned();
                writer.close().await?;
                closed.push(done);
                number += 1;
                writer = store.begin(&volume_key(key, number), media_type).await?;
            }
            Some(Order::Commit) => {
                writer.close().await?;
                return Ok(true);
            }
            None => {
                writer.abort().await;
                return Ok(false);
            }
        }
    }
}

/// Removes objects that no manifest will name.
pub(crate) async fn remove(store: &Store, keys: &[String]) {
    for key in keys {
        if let Err(error) = store.delete(key).await {
            tracing::warn!(%error, "an object without a manifest is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_store::{Access, StoreUrl, WriteSettings};

    fn store(folder: &std::path::Path) -> Store {
        let url = StoreUrl::parse(&folder.to_string_lossy()).unwrap();
        Store::open(&url, Access::Write, WriteSettings::default()).unwrap()
    }

    fn files(folder: &std::path::Path) -> Vec<(String, u64)> {
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .filter(|e| e.path().is_file())
            .map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().unwrap().len()))
            .collect();
        all.sort();
        all
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_volume_is_followed_by_the_next() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stores = [store(a.path()), store(b.path())];
        let (mut into, fan) = Fan::open(&stores, "x.sql", "text/plain", Some(10));
        let into = tokio::task::spawn_blocking(move || {
            into.send(Bytes::from_static(b"0123456")).unwrap();
            into.send(Bytes::from_static(b"789abcdefghijklmn")).unwrap();
            into
        });
        let committed = fan.commit(into.await.unwrap()).await;
        assert!(committed.results.iter().all(Result::is_ok));
        let expected = vec![("x.sql".to_owned(), 10), ("x.sql.001".to_owned(), 10), ("x.sql.002".to_owned(), 4)];
        assert_eq!(committed.volumes, expected);
        assert_eq!(files(a.path()), expected);
        assert_eq!(files(b.path()), expected);
        assert_eq!(std::fs::read(a.path().join("x.sql.001")).unwrap(), b"abcdefghij");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_given_up_leaves_nothing() {
        let a = tempfile::tempdir().unwrap();
        let (mut into, fan) = Fan::open(&[store(a.path())], "x.sql", "text/plain", Some(4));
        tokio::task::spawn_blocking(move || into.send(Bytes::from_static(b"0123456789")).unwrap()).await.unwrap();
        fan.ended().await;
        assert_eq!(files(a.path()), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_fails_drops_out_alone() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(b.path().join("x.sql"), "taken").unwrap();
        let stores = [store(a.path()), store(b.path())];
        let (mut into, fan) = Fan::open(&stores, "x.sql", "text/plain", None);
        let into = tokio::task::spawn_blocking(move || {
            for _ in 0..100 {
                into.send(Bytes::from_static(b"0123456789")).unwrap();
            }
            into
        });
        let committed = fan.commit(into.await.unwrap()).await;
        assert!(committed.results[0].is_ok());
        assert!(committed.results[1].as_ref().is_err_and(|error| error.kind == planb_store::StoreErrorKind::Exists));
        assert_eq!(files(b.path()), [("x.sql".to_owned(), 5)]);
    }
}
