//! Holding a backup: from then on no rule removes it.

use planb_model::hold::HoldRecord;
use planb_store::{Entry, Store};

use crate::error::RunError;
use crate::lock::stays;

/// Writes the hold of a backup.
///
/// # Errors
/// [`RunError::Gone`] and [`RunError::Leaving`] where a prune has begun to remove it; then all is as it was before.
/// [`RunError::Store`].
pub async fn hold(store: &Store, entry: &Entry, record: &HoldRecord) -> Result<(), RunError> {
    store.put_hold(entry, record).await?;
    let Err(error) = stays(store, entry).await else { return Ok(()) };
    match (&error, &entry.hold) {
        // The one that was there holds on.
        (RunError::Leaving(_) | RunError::Store(_), Some(before)) => store.put_hold(entry, before).await?,
        _ => store.remove_hold(entry).await?,
    }
    Err(error)
}
