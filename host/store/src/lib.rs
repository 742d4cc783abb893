//! Object stores: the only place of Plan B that names OpenDAL.
//!
//! [`Store::open`] turns a URL into a place to write to and read from. An [`ObjectWriter`] writes one object that is
//! visible only once it is whole, or not at all. [`Store::catalogue`] reads the manifests: what has none is no backup.

mod catalogue;
mod error;
mod holder;
mod lease;
mod open;
mod presence;
mod program;
pub mod rclone;
mod read;
mod remove;
mod small;
mod survey;
mod url;
mod write;

pub use catalogue::{Catalogue, Entry, Unreadable};
pub use error::{StoreError, StoreErrorKind};
pub use holder::{holder, lives};
pub use lease::{Lease, Leased};
pub use open::{Access, Store, WriteSettings};
pub use program::{Starter, start_rclone_by};
pub use read::ObjectReader;
pub use remove::{Removed, SIGNATURE};
pub use survey::{Object, Orphan, Survey};
pub use url::{StoreUrl, StoreUrlError};
pub use write::{NotPut, ObjectWriter};
