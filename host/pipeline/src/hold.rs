//! Holding a backup: from then on no rule removes it.

use planb_model::hold::HoldRecord;
use planb_store::{Entry, Store};

use crate::error::RunError;

/// Writes the hold of a backup.
///
/// # Errors
/// [`RunError::Gone`] where a prune has begun to remove it; nothing is held then. [`RunError::Store`].
pub async fn hold(store: &Store, entry: &Entry, record: &HoldRecord) -> Result<(), RunError> {
    store.put_hold(entry, record).await?;
    if store.stays(&entry.key, &entry.manifest.id).await? {
        return Ok(());
    }
    store.remove_hold(entry).await?;
    Err(RunError::Gone(entry.manifest.short_id().to_owned()))
}
