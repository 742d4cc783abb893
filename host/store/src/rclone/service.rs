//! rclone as a service of OpenDAL.

use std::sync::Arc;

use opendal::raw::{
    OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir, RpPresign,
    RpRename, RpStat, Service, ServiceInfo, oio,
};
use opendal::{Capability, Error, ErrorKind, OperationContext, Result};

use super::call::Caller;
use super::read::{Lister, Source, metadata, missing};
use super::write::Sink;
use super::{Rclone, RcloneSettings};

/// What OpenDAL makes an operator of.
#[derive(Default)]
pub(super) struct Builder(Option<Rcloned>);

impl Builder {
    pub(super) fn new(rclone: Arc<dyn Rclone>, settings: &RcloneSettings) -> Self {
        let info = ServiceInfo::new("rclone", settings.remote.path(), settings.remote.name());
        Self(Some(Rcloned { caller: Arc::new(Caller::new(rclone, settings.clone())), info }))
    }
}

impl opendal::Builder for Builder {
    /// Such a store is not made of a table of texts: it needs somebody who starts rclone.
    type Config = ();

    fn build(self) -> Result<impl Service> {
        self.0.ok_or_else(|| Error::new(ErrorKind::ConfigInvalid, "nobody was given who starts rclone"))
    }
}

/// The service.
#[derive(Debug)]
struct Rcloned {
    caller: Arc<Caller>,
    info: ServiceInfo,
}

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "a store behind rclone does not do this"))
}

impl Service for Rcloned {
    type Reader = oio::StreamReader<Source>;
    type Writer = Sink;
    type Lister = Lister;
    type Deleter = oio::OneShotDeleter<Deleter>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        self.info.clone()
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            write: true,
            write_can_empty: true,
            write_can_multi: true,
            create_dir: true,
            delete: true,
            list: true,
            list_with_recursive: true,
            shared: true,
            ..Capability::default()
        }
    }

    /// Folders come with their objects.
    async fn create_dir(&self, _: &OperationContext, _: &str, _: OpCreateDir) -> Result<RpCreateDir> {
        Ok(RpCreateDir::default())
    }

    async fn stat(&self, _: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let item = self.caller.stat(&self.caller.at(path)).await?;
        let item = item.filter(|item| item.is_dir == path.ends_with('/'));
        let item = item.ok_or_else(missing)?;
        if !item.is_dir && item.size < 0 {
            let reason = "this remote of rclone does not know the sizes of its objects";
            return Err(Error::new(ErrorKind::Unsupported, reason));
        }
        Ok(RpStat::new(metadata(&item)))
    }

    fn read(&self, _: &OperationContext, path: &str, _: OpRead) -> Result<Self::Reader> {
        let source = Source { caller: Arc::clone(&self.caller), place: self.caller.at(path) };
        Ok(oio::StreamReader::new(source))
    }

    fn write(&self, _: &OperationContext, path: &str, _: OpWrite) -> Result<Self::Writer> {
        Ok(Sink::new(Arc::clone(&self.caller), path))
    }

    fn delete(&self, _: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(Deleter(Arc::clone(&self.caller))))
    }

    fn list(&self, _: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        Ok(Lister::new(Arc::clone(&self.caller), path, args.recursive()))
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<Self::Copier> {
        unsupported()
    }

    async fn rename(&self, _: &OperationContext, _: &str, _: &str, _: OpRename) -> Result<RpRename> {
        unsupported()
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        unsupported()
    }
}

/// Removes objects, one call each.
pub(super) struct Deleter(Arc<Caller>);

impl oio::OneShotDelete for Deleter {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        // A folder goes with its last object.
        if path.ends_with('/') {
            return Ok(());
        }
        self.0.delete(&self.0.at(&path)).await.map(|_| ())
    }
}
