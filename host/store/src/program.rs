//! Who starts rclone for this crate, which starts no processes itself.

use std::sync::{Arc, OnceLock};

use planb_model::secret::Secret;

use crate::rclone::Rclone;

/// Makes a starter of rclone that sets these variables for it.
pub type Starter = fn(Vec<(String, Secret)>) -> Arc<dyn Rclone>;

static STARTER: OnceLock<Starter> = OnceLock::new();

/// Says once how rclone is started. Without it `rclone:` stores are refused.
pub fn start_rclone_by(starter: Starter) {
    let _ = STARTER.set(starter);
}

pub(crate) fn program(secrets: Vec<(String, Secret)>) -> Option<Arc<dyn Rclone>> {
    STARTER.get().map(|starter| starter(secrets))
}
