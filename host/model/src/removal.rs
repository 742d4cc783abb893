//! The record of a removal that has begun: the keys that go. It is written before the first of them is removed and is
//! itself removed last, so that a removal that was cut short is finished by the next prune.

use serde::{Deserialize, Serialize};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.removal/v1";
/// Where they are.
pub const FOLDER: &str = ".planb/removing/";
/// No record is larger.
pub const LARGEST: u64 = 64 << 20;

/// A removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalRecord {
    /// Always `planb.removal/v1`.
    pub schema: String,
    /// The backup's id.
    pub id: String,
    /// Its manifest, which goes first.
    pub manifest: String,
    /// What goes after it.
    pub keys: Vec<String>,
}

impl RemovalRecord {
    /// The key of the record of a backup's removal.
    pub fn key(id: &str) -> String {
        format!("{FOLDER}{id}.json")
    }

    /// Reads one, trusting nothing in it. None: it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        let plain = crate::manifest::is_plain_relative;
        let sound = record.keys.iter().all(|key| plain(key))
            && plain(&record.manifest)
            && record.manifest.ends_with(crate::manifest::SUFFIX);
        (record.schema == SCHEMA && sound).then_some(record)
    }
}
