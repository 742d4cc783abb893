//! Backup, restore and verify as streams of stages.
//!
//! ```text
//! tool stdout -> [digest of plain bytes, inspector] -> compress -> encrypt -> [digest of stored bytes]
//!             -> parts -> every store at once -> all closed -> manifests written last
//! ```
//!
//! The stages run in threads of their own with bounded channels between them, so that a slow store slows the tool
//! down and memory does not grow. What each stage may assume is written at its module; what all of them keep is in
//! `ARCHITECTURE.md` under "Invariants".

mod backup;
mod codec;
mod copy;
mod decode;
mod encode;
mod error;
mod fan;
mod hold;
mod judge;
mod lock;
mod operation;
mod pool;
mod progress;
mod prune;
mod pump;
mod report;
mod restore;
mod sign;
mod stages;
mod stop;
pub mod traced;
mod trim;
mod unpack;
mod verify;

pub use backup::{Backup, BackupSpec};
pub use codec::{Encryption, Identities};
pub use copy::{CopyReport, copy};
pub use error::{RunError, blame_of};
pub use hold::hold;
pub use lock::Lock;
pub use operation::{Operation, OperationSpec, Timeouts};
pub use progress::{Progress, Stage};
pub use prune::{Action, PruneReport, PruneSpec, PrunedBackup, PrunedOrphan, prune};
pub use report::{PlannedBackup, RunReport, RunStatus, StoreReport};
pub use restore::{DigestChecked, PlannedRestore, Restore, RestoreReport, RestoreSpec};
pub use sign::{Signer, Trust};
pub use stop::{Stop, StopReason};
pub use verify::{Check, VerifyReport, verify};
