//! Dumps that are longer than one object may be, into a server that insists on S3's rules at sizes that a test can
//! reach; and one real long run, outside CI:
//!
//!     cargo xtask build
//!     cargo build --profile plugin --target wasm32-wasip2 --package planb-bench-firehose
//!     cargo test --release --package planb-faults --test long_streams -- --ignored --nocapture
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use planb_faults::cases::Cases;
use planb_faults::place::{Call, Place};
use planb_faults::shop::{dump, fake_sqlite3, large, peak_memory, sha256, sqlite_url};
use planb_harness::pattern::Keep;
use planb_harness::strict_s3::{S3Rules, StrictS3};
use planb_harness::{Output, provision, skip, workspace};

const MIB: u64 = 1 << 20;

/// What providers insist on, with few and small parts: equal ones, 12 at most, none below 5 MiB but the last.
fn strict() -> S3Rules {
    S3Rules { part_min: 5 * MIB, part_max: 16 * MIB, parts: 12, equal_parts: true, object_max: 60 * MIB, page: 2 }
}

fn with_access(call: Call, s3: &StrictS3) -> Call {
    s3.env().into_iter().fold(call, |call, (name, value)| call.env(name, value))
}

/// The objects of a backup in their order, from their server: key, size, parts.
fn volumes(s3: &StrictS3) -> Vec<(String, u64, usize)> {
    let all = s3.objects().into_iter();
    all.filter(|(key, ..)| !key.ends_with(".json") && !key.contains("/.planb")).collect()
}

#[test]
fn a_dump_of_many_objects_keeps_every_rule() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("long-streams");
    // 63 MiB of dump: more than an object may have, and more than 12 parts. The sizes are with and without a rest, and
    // one object that is exactly full.
    let seed = Place::new();
    let db = large(&seed.path("home"), "large.db", 63);
    for (part, volume) in [(5, 60), (5, 12), (6, 25), (7, 7), (5, 5), (16, 60)] {
        cases.case(format!("parts of {part} MiB in volumes of {volume} MiB"), || {
            let s3 = StrictS3::start(strict(), Keep::Bytes);
            let mut place = Place::new();
            place.db.clone_from(&db);
            let url = s3.url("long", "x");
            let sizes = ["--compress", "none", "--part-size", &part.to_string(), "--volume-size", &volume.to_string()];
            let done = with_access(place.run_to(&url).args(sizes), &s3).run().ok();
            assert_eq!(s3.broken_rules(), Vec::<String>::new());
            assert_eq!(s3.unfinished_uploads(), 0);
            let volumes = volumes(&s3);
            let report = done.json();
            let total: u64 = volumes.iter().map(|(_, bytes, _)| bytes).sum();
            assert_eq!(total, report["stored_bytes"], "{volumes:?}");
            assert_eq!(volumes.len() as u64, total.div_ceil(volume * MIB), "{volumes:?}");
            // Put together in the order of their names they are the dump.
            let all: Vec<u8> = volumes.iter().flat_map(|(key, ..)| s3.get(key)).collect();
            assert_eq!(sha256(&all), report["plain_sha256"]);
            let from = ["--from", &url];
            with_access(place.call(&["verify", "latest"]).args(from), &s3).run().ok();
            let target = sqlite_url(&place.path("target.db"));
            with_access(place.call(&["restore", "latest", "--db", &target]).args(from), &s3).run().ok();
            assert!(dump(&place.path("target.db")) == dump(&db), "it comes back as something else");
            assert_eq!(s3.broken_rules(), Vec::<String>::new());
        });
    }
}

#[test]
fn more_than_a_thousand_objects() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("long-streams");
    // Volumes are numbered with three digits and more; a list comes in pages.
    cases.case("a dump of 1,100 volumes", || {
        let s3 = StrictS3::start(S3Rules { page: 100, ..strict() }, Keep::Pattern { piece: Arc::new(row()), volume: 5 * MIB });
        let place = Place::new();
        let head = "sqlite3 :memory: .dump | head -n 2";
        let _ = head;
        let url = s3.url("long", "x");
        let done = endless(&place, 1100 * 5, &s3, &url, &["--part-size", "5", "--volume-size", "5"]).run().ok();
        let volumes = volumes(&s3);
        assert!(volumes.len() > 1100, "{} objects; {done:?}", volumes.len());
        assert_eq!(s3.broken_rules(), Vec::<String>::new());
        let verify = ["verify", "latest", "--from", &url];
        with_access(place.call(&verify), &s3).run().ok();
    });
}
