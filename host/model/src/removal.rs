//! The record of a removal that has begun: the keys that go. It is written before the first of them is removed and is
//! itself removed last, so that a removal that was cut short is finished by the next prune.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::lease::Holder;

/// The value of `schema`.
pub const SCHEMA: &str = "planb.removal/v1";
/// Where they are.
pub const FOLDER: &str = ".planb/removing/";
/// No record is larger.
pub const LARGEST: u64 = 64 << 20;

/// A removal that was begun this long ago by somebody of whom nothing is known goes on no more: between the writing of its
/// record and the removal of the manifest lie a few requests, for which there is no more [`TIME`].
pub const GOES_ON: SignedDuration = SignedDuration::from_mins(5);
/// The same for one whose process is seen to live: it may have been stopped in between.
const LIVES_ON: SignedDuration = SignedDuration::from_hours(1);
/// Who has not removed the manifest this long after writing the record down leaves it.
pub const TIME: std::time::Duration = std::time::Duration::from_mins(2);

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
    /// Who removes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<Holder>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<Timestamp>,
}

impl RemovalRecord {
    /// The key of the record of one removal of a backup. `nonce`: tells it from others' removals of the same.
    pub fn key(id: &str, nonce: &str) -> String {
        format!("{FOLDER}{id}.{nonce}.json")
    }

    /// Whether a key can be that of a record of this backup's removal.
    pub fn is_of(key: &str, id: &str) -> bool {
        key.strip_prefix(FOLDER).and_then(|name| name.strip_prefix(id)).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether somebody is still at it. `lives`: whether the process of who began it lives; none where it is of another
    /// machine.
    pub fn goes_on(&self, now: Timestamp, lives: Option<bool>) -> bool {
        let age = self.at.map(|at| now.duration_since(at).abs());
        let longest = if lives == Some(true) { LIVES_ON } else { GOES_ON };
        lives != Some(false) && age.is_some_and(|age| age < longest)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn it_goes_on_while_its_process_lives_and_not_for_ever() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let record = RemovalRecord {
            schema: SCHEMA.to_owned(),
            id: "x".to_owned(),
            manifest: "x.manifest.json".to_owned(),
            keys: Vec::new(),
            by: None,
            at: Some(at),
        };
        let later = |minutes| at + SignedDuration::from_mins(minutes);
        assert!(record.goes_on(later(0), None) && record.goes_on(later(4), Some(true)));
        assert!(!record.goes_on(later(0), Some(false)));
        assert!(!record.goes_on(later(6), None) && record.goes_on(later(6), Some(true)));
        assert!(!record.goes_on(later(61), Some(true)));
        // By a clock that was wrong.
        assert!(!record.goes_on(later(-60), None));
        let old = RemovalRecord { at: None, ..record };
        assert!(!old.goes_on(later(0), None));
        assert_eq!(RemovalRecord::parse(&serde_json::to_vec(&old).unwrap()), Some(old));
    }
}
