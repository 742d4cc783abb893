//! Leases and holds come from a store that others may write to.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use jiff::Timestamp;
use planb_model::hold::HoldRecord;
use planb_model::lease::{self, Holder, LeaseRecord};
use planb_model::manifest::is_plain_relative;
use proptest::prelude::*;

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["(a|b|/|\\.|\\.\\.|\\.001|\\.json|\\\\|\0|é){0,6}", any::<String>()]
}

proptest! {
    #[test]
    fn no_bytes_make_them_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = LeaseRecord::parse(&bytes);
        let _ = serde_json::from_slice::<HoldRecord>(&bytes);
    }

    /// Only objects below the store's prefix are ever a run's, and a lease never names one that is not.
    #[test]
    fn a_lease_names_only_what_is_its_own(keys in proptest::collection::vec(key(), 0..3), manifest in key(), asked in key(), second in any::<i64>()) {
        let now = Timestamp::from_second(second % 200_000_000_000).unwrap_or_default();
        let holder = Holder { host: "h".into(), machine: String::new(), pid: 1, started: String::new() };
        let lease = LeaseRecord::new("id", "job", holder, keys.clone(), manifest, now);
        let json = serde_json::to_vec(&lease).unwrap();
        if let Some(read) = LeaseRecord::parse(&json) {
            prop_assert!(read.keys.iter().all(|key| is_plain_relative(key.strip_suffix('/').unwrap_or(key))));
            prop_assert_eq!(&read, &lease);
        }
        if lease.names(&asked) {
            prop_assert!(keys.iter().any(|key| asked.starts_with(key.as_str())));
        }
        prop_assert!(lease.held(now, None) && !lease.held(now, Some(false)));
    }

    #[test]
    fn a_job_has_one_plain_key(job in any::<String>()) {
        let key = lease::key(&job);
        prop_assert!(is_plain_relative(&key) && key.is_ascii());
        prop_assert_eq!(lease::key(&job), key);
    }
}
