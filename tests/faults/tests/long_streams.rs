//! Dumps that are longer than one object may be, into a server that insists on S3's rules at sizes that a test can
//! reach; and one real long run, outside CI:
//!
//!     cargo xtask build
//!     cargo build --profile plugin --target wasm32-wasip2 --package planb-bench-firehose
//!     cargo test --release --package planb-faults --test long_streams -- --ignored --nocapture --test-threads 1
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::fs;
use std::process::{Command, Stdio};
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
    all.filter(|(key, ..)| !key.contains(".manifest.json") && !key.contains("/.planb")).collect()
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

/// Settings that ask more of a server than it takes: it says so, and nothing of it is left.
#[test]
fn volumes_that_are_too_large_for_the_server() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("long-streams");
    let seed = Place::new();
    let db = large(&seed.path("home"), "large.db", 63);
    for (what, rules, code) in [
        ("too many parts", strict(), "InvalidArgument"),
        ("too large an object", S3Rules { object_max: 40 * MIB, parts: 100, ..strict() }, "EntityTooLarge"),
        ("too large a part", S3Rules { part_max: 5 * MIB, parts: 100, ..strict() }, "EntityTooLarge"),
        ("too small a part", S3Rules { part_min: 8 * MIB, parts: 100, ..strict() }, "EntityTooSmall"),
    ] {
        cases.case(what, || {
            let s3 = StrictS3::start(rules, Keep::Bytes);
            let mut place = Place::new();
            place.db.clone_from(&db);
            let url = s3.url("long", "x");
            let sizes = ["--compress", "none", "--part-size", "6", "--volume-size", "50"];
            let sizes = if what == "too many parts" {
                ["--compress", "none", "--part-size", "5", "--volume-size", "70"]
            } else {
                sizes
            };
            with_access(place.run_to(&url).args(sizes), &s3).run().expect_code(1).says(&[
                "(storage)",
                "s3://long/x",
                code,
            ]);
            assert!(s3.broken_rules().iter().all(|rule| rule.contains(code)), "{:?}", s3.broken_rules());
            assert!(!s3.broken_rules().is_empty());
            assert_eq!(s3.unfinished_uploads(), 0);
            assert_eq!(volumes(&s3), []);
            let listed = with_access(place.call(&["list", "--output", "json", "--from", &url]), &s3).run().ok();
            assert_eq!(listed.json(), serde_json::json!([]));
            place.nothing_runs();
        });
    }
}

/// Where a person watches, the server is asked how much there is. What it says is no promise.
#[test]
fn a_wrong_estimate_of_the_size_does_not_matter() {
    skip!(provision::apt(&["sqlite3", "bsdutils"]));
    let mut cases = Cases::new("long-streams");
    for estimate in ["0", "1", "4096", "99999999999999", "-5", "nonsense"] {
        cases.case(format!("an estimate of {estimate}"), || {
            let s3 = StrictS3::start(strict(), Keep::Bytes);
            let mut place = Place::new();
            place.db = large(&place.path("home"), "large.db", 20);
            let tool = fake_sqlite3(
                &place.path("home"),
                &format!("case \"$*\" in *page_count*) touch \"$(dirname \"$0\")/asked\"; echo {estimate}; exit 0;; esac\nexec sqlite3 \"$@\""),
            );
            let url = s3.url("long", "x");
            let call = with_access(place.run_to(&url), &s3).args([
                "--compress",
                "none",
                "--part-size",
                "5",
                "--volume-size",
                "12",
            ]);
            let call = call.args(["--tool-path", &tool]);
            // In a terminal.
            let mut line = Command::new("script");
            call.describe(&mut line);
            let words: Vec<_> = line.get_args().map(|word| format!("'{}'", word.to_string_lossy())).collect();
            let mut script = Command::new("script");
            script
                .args(["-qec", &words.join(" "), "/dev/null"])
                .envs(line.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let done = script.current_dir(place.path("home")).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(done.status.success() && said.contains("\"success\""), "{said}");
            assert!(place.path("home").join("asked").exists(), "nobody asked for the size");
            assert_eq!(s3.broken_rules(), Vec::<String>::new());
            with_access(place.call(&["verify", "latest", "--from", &url]), &s3).run().ok();
        });
    }
}

/// What a long run was like.
struct Long {
    time: Duration,
    /// KiB.
    memory: u64,
    objects: Vec<(String, u64, usize)>,
}

/// A dump of so many pieces of 256 MiB, uncompressed, into a server that keeps nothing but whether each byte is right;
/// and the same back.
fn long(pieces: u64, part: u64, volume: u64) -> (Long, Long) {
    let plugin = workspace().join("target/wasm32-wasip2/plugin/planb_bench_firehose.wasm");
    assert!(plugin.exists(), "{} is not built: see the head of this file", plugin.display());
    let place = Place::new();
    // Rows, and no two MiB of it the same.
    let mut piece = Vec::with_capacity(256 << 20);
    let mut number = 0u64;
    while piece.len() < 256 << 20 {
        number += 1;
        piece.extend_from_slice(
            format!(
                "{number}\t{:016x}\t2026-11-21 12:00:00\tthe same in each row\n",
                number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            )
            .as_bytes(),
        );
    }
    piece.truncate(256 << 20);
    let file = place.path("bytes");
    fs::write(&file, &piece).unwrap();
    let rules = S3Rules { part_min: 5 * MIB, parts: 1000, equal_parts: true, page: 100, ..S3Rules::default() };
    let s3 = StrictS3::start(rules, Keep::Pattern { piece: Arc::new(piece), volume: volume * MIB });
    let url = s3.url("long", "x");
    let firehose = |call: Call| with_access(call, &s3).args(["--plugin".as_ref(), plugin.as_os_str()]);
    let run =
        firehose(place.call(&["run", "--output", "json", "--allow-tool", "cat", "--compress", "none", "--to", &url]))
            .args([
                "--option",
                &format!("times={pieces}"),
                "--part-size",
                &part.to_string(),
                "--volume-size",
                &volume.to_string(),
                "--db",
            ])
            .arg(&file);
    let (done, written) = watched(&run, &s3);
    let report = done.ok().json();
    assert_eq!(report["plain_bytes"], pieces << 28);
    assert_eq!(s3.broken_rules(), Vec::<String>::new());
    assert_eq!(s3.unfinished_uploads(), 0);
    let (checked, read) = watched(&firehose(place.call(&["verify", "latest", "--from", &url])), &s3);
    checked.ok();
    (written, read)
}

fn watched(call: &Call, s3: &StrictS3) -> (Output, Long) {
    let begin = Instant::now();
    let mut running = call.spawn();
    let mut memory = 0;
    while !running.ended() {
        memory = peak_memory(running.pid()).unwrap_or(0).max(memory);
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = running.wait();
    (done, Long { time: begin.elapsed(), memory, objects: volumes(s3) })
}

fn told(what: &str, bytes: u64, long: &Long) {
    let seconds = long.time.as_secs();
    let rate = bytes / 1_000_000 / long.time.as_secs().max(1);
    let parts: usize = long.objects.iter().map(|(_, _, parts)| parts).sum();
    eprintln!(
        "LONG {what}: {} GiB in {seconds} s, {rate} MB/s, peak memory {} MiB, {} objects, {parts} parts",
        bytes >> 30,
        long.memory >> 10,
        long.objects.len(),
    );
}

#[test]
#[ignore = "60 GiB twice: minutes; outside CI"]
fn sixty_gibibytes() {
    let mut cases = Cases::new("long-streams");
    cases.case("60 GiB, and 1 GiB beside it", || {
        // The defaults: parts of 16 MiB, volumes of 15,000 MiB.
        let (small, _) = long(4, 16, 15_000);
        told("run", 4 << 28, &small);
        let (written, read) = long(240, 16, 15_000);
        told("run", 240 << 28, &written);
        told("verify", 240 << 28, &read);
        assert_eq!(written.objects.len(), 5, "{:?}", written.objects);
        assert!(
            written.memory < small.memory + (32 << 10),
            "{} KiB, and {} KiB for 1 GiB",
            written.memory,
            small.memory
        );
    });
}

#[test]
#[ignore = "6 GiB twice: a minute; outside CI"]
fn more_than_a_thousand_objects() {
    let mut cases = Cases::new("long-streams");
    // Numbered .001 to .999, and then .1000: the manifest knows their order.
    cases.case("6 GiB in 1,229 volumes", || {
        let (written, read) = long(24, 5, 5);
        told("run into many volumes", 24 << 28, &written);
        told("verify of many volumes", 24 << 28, &read);
        assert_eq!(written.objects.len(), 1229);
    });
}
