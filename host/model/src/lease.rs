//! A lease: the small object by which a run tells others that its job is under way, and which objects it writes.
//!
//! It is kept as `.planb/leases/{hash of the job}.json` and renewed while the run goes on. After a crash it stays: the next
//! run of the job takes it over, and what it says of its objects is how `prune --orphans` knows them from other people's.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.lease/v1";
/// The folder of what planb keeps for itself.
pub const OURS: &str = ".planb";
/// Where leases are.
pub const LEASES: &str = ".planb/leases/";
/// Where the records of crashed runs are, whose lease another run took.
pub const CRASHED: &str = ".planb/crashed/";
/// Where readers tell which backup they read.
pub const READING: &str = ".planb/reading/";
/// No such object is larger.
pub const LARGEST: u64 = 64 << 10;
/// A lease that was not renewed for this long is nobody's.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(3);
/// It is renewed this often.
pub const RENEWED: std::time::Duration = std::time::Duration::from_mins(1);
/// Two clocks that differ by more than this are not both right.
const FUTURE: SignedDuration = SignedDuration::from_mins(30);
/// Clocks of two hosts may differ by this much.
pub const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// The process that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's name, for people.
    pub host: String,
    /// What only processes share that see each other's ids: the boot and the process namespace. Empty where nobody knows.
    pub machine: String,
    /// Process id.
    pub pid: u32,
    /// When the process began, in the kernel's own units: a process id is given out again.
    pub started: String,
}

/// A lease as it is kept in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Always `planb.lease/v1`.
    pub schema: String,
    /// The run's id, or the backup's that is read.
    pub id: String,
    /// Of which job, for people.
    pub job: String,
    /// Who has it.
    #[serde(flatten)]
    pub holder: Holder,
    /// When the run began.
    pub begun_at: Timestamp,
    /// When it was last renewed.
    pub renewed_at: Timestamp,
    /// When it is nobody's.
    pub expires_at: Timestamp,
    /// The run's objects: a file's key, whose volumes are `{key}.001` and so on, or a folder's with a slash behind it.
    pub keys: Vec<String>,
    /// The key of the manifest that commits them.
    pub manifest: String,
}

impl LeaseRecord {
    /// A new one from now on.
    pub fn new(id: &str, job: &str, holder: Holder, keys: Vec<String>, manifest: String, now: Timestamp) -> Self {
        let mut record = Self {
            schema: SCHEMA.to_owned(),
            id: id.to_owned(),
            job: job.to_owned(),
            holder,
            begun_at: now,
            renewed_at: now,
            expires_at: now,
            keys,
            manifest,
        };
        record.renew(now);
        record
    }

    /// Reads one, trusting nothing in it. None: it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(bytes).ok()?;
        let path = |key: &String| crate::manifest::is_plain_relative(key.strip_suffix('/').unwrap_or(key));
        let sound = record.keys.iter().all(path) && (record.manifest.is_empty() || path(&record.manifest));
        (record.schema == SCHEMA && sound).then_some(record)
    }

    /// Makes it last from now on.
    pub fn renew(&mut self, now: Timestamp) {
        self.renewed_at = now;
        self.expires_at = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    }

    /// Whether somebody still holds it. `lives`: whether the process of a holder on this machine lives; none where
    /// it is of another machine. One that lives and does not renew has given up.
    pub fn held(&self, now: Timestamp, lives: Option<bool>) -> bool {
        // One from far in the future was written by a clock that was wrong, and would last for ever.
        let future = self.renewed_at > now.saturating_add(FUTURE).unwrap_or(Timestamp::MAX);
        lives != Some(false) && !future && self.expires_at.saturating_add(SKEW).unwrap_or(Timestamp::MAX) > now
    }

    /// Whether an object is one of the run's.
    pub fn names(&self, key: &str) -> bool {
        self.keys.iter().any(|mine| match mine.strip_suffix('/') {
            Some(_) => key.starts_with(mine.as_str()),
            None => match key.strip_prefix(mine.as_str()) {
                Some("") => true,
                Some(rest) => rest
                    .strip_prefix('.')
                    .is_some_and(|number| number.len() >= 3 && number.bytes().all(|b| b.is_ascii_digit())),
                None => false,
            },
        })
    }
}

/// The key of a job's lease.
pub fn key(job: &str) -> String {
    format!("{LEASES}{}.json", &hex::encode(Sha256::digest(job))[..32])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn lease(keys: &[&str]) -> LeaseRecord {
        let holder = Holder { host: "a".into(), machine: "m".into(), pid: 1, started: "9".into() };
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        LeaseRecord::new("id", "job", holder, keys, "x.manifest.json".into(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn it_knows_its_objects_from_others() {
        let lease = lease(&["daily/x.sql.zst", "y/"]);
        assert!(lease.names("daily/x.sql.zst") && lease.names("daily/x.sql.zst.001") && lease.names("y/a/b"));
        for other in ["daily/x.sql.zst.bak", "daily/x.sql.zst.01", "daily/x.sql", "yy", "y", "x.sql.zst"] {
            assert!(!lease.names(other), "{other}");
        }
    }

    #[test]
    fn it_ends() {
        let lease = lease(&["x"]);
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        assert!(lease.held(at(0), None) && lease.held(at(3), None));
        assert!(!lease.held(at(5), None));
        assert!(lease.held(at(0), Some(true)) && !lease.held(at(0), Some(false)) && !lease.held(at(500), Some(true)));
        // Written by a clock that is ahead.
        assert!(!lease.held(at(-60), None));
    }

    #[test]
    fn a_forged_one_walks_nowhere() {
        for key in ["../x", "/etc/passwd", "a/../../b/", "/"] {
            assert_eq!(LeaseRecord::parse(&serde_json::to_vec(&lease(&[key])).unwrap()), None, "{key}");
        }
        let good = lease(&["a/b/"]);
        assert_eq!(LeaseRecord::parse(&serde_json::to_vec(&good).unwrap()), Some(good));
    }
}
