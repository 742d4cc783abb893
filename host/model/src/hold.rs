//! A hold: the small object beside a manifest that keeps its backup from every retention rule.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.hold/v1";
/// What stands behind a backup's name in the key of its hold.
pub const SUFFIX: &str = ".hold.json";
/// No hold is larger.
pub const LARGEST: u64 = 64 << 10;

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// Always `planb.hold/v1`.
    pub schema: String,
    /// The backup's id.
    pub id: String,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}
