//! Stores that fail: what can be tried again is, and a person sees it; what cannot ends the run, or that store's part of
//! it, with words that name the store. A real S3 server, behind a way that fails as told.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use planb_faults::bucket::Bucket;
use planb_faults::cases::{Case, Cases};
use planb_faults::place::{Call, Place, Store};
use planb_faults::shop::{files, large};
use planb_harness::proxy::{Fate, Moment};
use planb_harness::s3_call::S3Call;
use planb_harness::{Output, provision, skip};

/// Two volumes: one of two parts, and the rest in one go.
const SIZES: [&str; 6] = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];
/// Cases that go on at once: most of their time they wait for the next try.
const AT_ONCE: usize = 6;

/// A bucket, and a database of two volumes.
struct Setting {
    bucket: Arc<Bucket>,
    seed: Place,
}

impl Setting {
    fn start(name: &str) -> Result<Self, planb_harness::Skip> {
        provision::apt(&["sqlite3"])?;
        let mut seed = Place::new();
        seed.db = large(&seed.path("home"), "large.db", 7);
        Ok(Self { bucket: Bucket::start(name)?, seed })
    }

    /// A place of its own, with a way of its own.
    fn place(&self, prefix: &str) -> (Arc<Bucket>, Place) {
        let way = self.bucket.another_way();
        let mut place = Place::in_bucket(&way, prefix);
        place.db.clone_from(&self.seed.db);
        (way, place)
    }

    fn unfinished(&self, prefix: &str) -> Vec<String> {
        self.bucket.client.unfinished_uploads(&self.bucket.name, &format!("{prefix}/"))
    }
}

/// No answer for longer than a request may take ([`PATIENCE`]).
const LATE: Fate = Fate::Late(Duration::from_secs(7));
/// Seconds that a request may take where answers are late; elsewhere it has the time that a busy machine needs.
const PATIENCE: &str = "5";

/// The faulty way for one that gives up soon: after two more tries.
fn soon(place: &Place, fate: &Fate) -> String {
    let patience = if *fate == LATE { PATIENCE } else { "60" };
    format!("{}&timeout={patience}&retries=2", place.faulty_url())
}

/// A run by the faulty way.
fn run(place: &Place) -> Call {
    run_with(place, &Fate::Pass)
}

fn run_with(place: &Place, fate: &Fate) -> Call {
    place.run_to(&soon(place, fate)).args(SIZES)
}

/// A request as the matrix names it: its kind, and whether it is the manifest's.
fn is(request: &planb_harness::s3_call::S3Request, kind: S3Call, manifest: bool) -> bool {
    request.call.kind() == kind && request.of_manifest() == manifest && !request.of_bookkeeping()
}

const WRITES: [(&str, S3Call, bool); 6] = [
    ("create-upload", S3Call::CreateUpload, false),
    ("part", S3Call::Part(0), false),
    ("complete", S3Call::Complete, false),
    ("put of a volume", S3Call::Put, false),
    ("put of the manifest", S3Call::Put, true),
    ("look at an object", S3Call::Head, false),
];

fn faults() -> Vec<(&'static str, Fate)> {
    vec![
        ("500", Fate::Refuse(Moment::Before, 500, "InternalError", "We encountered an internal error.")),
        (
            "500 for what was done",
            Fate::Refuse(Moment::After, 500, "InternalError", "We encountered an internal error."),
        ),
        ("503", Fate::Refuse(Moment::Before, 503, "SlowDown", "Please reduce your request rate.")),
        ("a reset before", Fate::Cut(Moment::Before)),
        ("a reset in the middle", Fate::Cut(Moment::Half)),
        ("a reset after it was done", Fate::Cut(Moment::After)),
        ("half an answer", Fate::Cut(Moment::HalfAnswer)),
        ("no answer in time", LATE),
    ]
}

#[test]
fn what_fails_once_is_tried_again() {
    let setting = skip!(Setting::start("once"));
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (call, kind, manifest)) in WRITES.into_iter().enumerate() {
        for (nth, (what, fate)) in faults().into_iter().enumerate() {
            let (setting, prefix) = (&setting, format!("once{number}-{nth}"));
            let body = move || {
                let (way, place) = setting.place(&prefix);
                let hit = std::sync::atomic::AtomicBool::new(false);
                let planned = fate.clone();
                way.proxy.rule(move |request| {
                    let first = is(request, kind, manifest) && !hit.swap(true, std::sync::atomic::Ordering::Relaxed);
                    if first { planned.clone() } else { Fate::Pass }
                });
                let done = run_with(&place, &fate).run().ok();
                assert!(way.proxy.seen().iter().any(|(_, seen)| *seen == fate), "the fault never came");
                assert_eq!(done.json()["status"], "success", "{done:?}");
                assert!(done.stderr.contains("trying again"), "nobody was told: {done:?}");
                let [backup] = &place.all_whole()[..] else { panic!("not one backup: {:?}", place.list()) };
                place.restores(&backup.id);
                place.nothing_runs();
                assert_eq!(place.keys(), place.named_keys());
                // An upload whose id never came back is known to nobody but the bucket's own rules.
                let unknown = kind == S3Call::CreateUpload
                    && !matches!(fate, Fate::Refuse(Moment::Before, ..) | Fate::Cut(Moment::Before));
                if !unknown {
                    assert_eq!(setting.unfinished(&prefix), Vec::<String>::new());
                }
            };
            cases.push((format!("{what} at a {call}, once"), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

/// What holds after a run that failed in a store that still answers.
#[track_caller]
fn nothing_is_left(setting: &Setting, place: &Place, prefix: &str) {
    assert_eq!(place.list(), []);
    assert_eq!(setting.unfinished(prefix), Vec::<String>::new(), "an upload is left open");
    let left = place.keys();
    assert!(left.is_empty(), "objects are left: {left:?}");
    place.nothing_runs();
}

/// Panics unless a person is told which store it was, and what to do.
#[track_caller]
fn told(done: Output, words: &[&str]) {
    done.says(&["(storage)", "s3://", "hint: "]).says(words);
}

#[test]
fn what_fails_always_ends_the_run() {
    let setting = skip!(Setting::start("always"));
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (call, kind, manifest)) in WRITES.into_iter().enumerate() {
        for (nth, (what, fate)) in faults().into_iter().enumerate() {
            // What was done counts, whatever its answer was: these succeed, see below.
            let done_anyway = matches!(
                fate,
                Fate::Refuse(Moment::After, ..) | Fate::Cut(Moment::After | Moment::HalfAnswer) | Fate::Late(_)
            );
            // A request without a body is whole at its half, and an upload whose id never came back is nobody's.
            if done_anyway || kind == S3Call::CreateUpload && fate == Fate::Cut(Moment::Half) {
                continue;
            }
            let (setting, prefix) = (&setting, format!("always{number}-{nth}"));
            let body = move || {
                let (way, place) = setting.place(&prefix);
                way.proxy.rule(move |request| if is(request, kind, manifest) { fate.clone() } else { Fate::Pass });
                let disk = place.path("disk");
                let done = run(&place).arg("--to").arg(&disk).run().expect_code(3);
                assert_eq!(done.json()["status"], "partial", "{done:?}");
                assert!(done.stderr.contains("trying again"), "{done:?}");
                nothing_is_left(setting, &place, &prefix);
                // Alone it is a failure.
                let done = run(&place).run().expect_code(1);
                assert!(place.list().is_empty());
                told(done, &[]);
                // The healthy store's copy is whole.
                let mut healthy = place;
                healthy.store = Store::Folder(disk);
                let [backup] = &healthy.all_whole()[..] else { panic!("not one backup: {:?}", healthy.list()) };
                healthy.restores(&backup.id);
            };
            cases.push((format!("{what} at each {call}"), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

/// A close that took effect is a close, even if no answer of it ever comes.
#[test]
fn a_close_that_fails_after_it_succeeded() {
    let setting = skip!(Setting::start("closed"));
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (call, kind, manifest)) in WRITES.into_iter().enumerate() {
        if !matches!(kind, S3Call::Complete | S3Call::Put) {
            continue;
        }
        for (nth, (what, fate)) in faults().into_iter().enumerate() {
            if !matches!(fate, Fate::Refuse(Moment::After, ..) | Fate::Cut(Moment::After | Moment::HalfAnswer)) {
                continue;
            }
            let (setting, prefix) = (&setting, format!("closed{number}-{nth}"));
            let body = move || {
                let (way, place) = setting.place(&prefix);
                way.proxy.rule(move |request| if is(request, kind, manifest) { fate.clone() } else { Fate::Pass });
                let done = run(&place).run().ok();
                assert_eq!(done.json()["status"], "success", "{done:?}");
                let [backup] = &place.all_whole()[..] else { panic!("not one backup: {:?}", place.list()) };
                place.restores(&backup.id);
                assert_eq!(place.keys(), place.named_keys());
                assert_eq!(setting.unfinished(&prefix), Vec::<String>::new());
            };
            cases.push((format!("{what} at each {call}"), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

/// What an account, a clock or a region that is wrong is answered with, and the word that a person needs.
const REFUSALS: [(u16, &str, &str, &str); 8] = [
    (403, "AccessDenied", "Access Denied", "access was denied"),
    (403, "SignatureDoesNotMatch", "The request signature we calculated does not match.", "AWS_SECRET_ACCESS_KEY"),
    (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        "AWS_ACCESS_KEY_ID",
    ),
    (400, "ExpiredToken", "The provided token has expired.", "expired"),
    (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        "clock",
    ),
    (
        400,
        "AuthorizationHeaderMalformed",
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
        "region",
    ),
    (
        301,
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint.",
        "region",
    ),
    (
        400,
        "IllegalLocationConstraintException",
        "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
        "region",
    ),
];

#[test]
fn credentials_clocks_and_regions_are_named() {
    let setting = skip!(Setting::start("refused"));
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, (status, code, message, word)) in REFUSALS.into_iter().enumerate() {
        // From the first request on, or once the upload goes on (credentials that expire meanwhile).
        for (when, from) in [("at once", 0), ("in the middle", 1)] {
            let (setting, prefix) = (&setting, format!("refused{number}-{from}"));
            let body = move || {
                let (way, place) = setting.place(&prefix);
                way.proxy.rule(move |request| {
                    let hit = from == 0
                        || matches!(request.call, S3Call::Part(2) | S3Call::Complete)
                        || request.of_manifest() && request.call == S3Call::Put;
                    if hit { Fate::Refuse(Moment::Before, status, code, message) } else { Fate::Pass }
                });
                let done = run(&place).run().expect_code(1);
                // Nobody helps it by asking again. (A HEAD has no body: there the status is all that is known.)
                assert!(!done.stderr.contains("trying again"), "{done:?}");
                nothing_is_left(setting, &place, &prefix);
                let words: &[&str] = if from == 0 { &[] } else { &[code, word] };
                told(done, words);
            };
            cases.push((format!("{code} {when}"), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

/// A run that fails may not be allowed to remove what it had closed. It says what is left, and prune finds that.
#[test]
fn a_store_that_denies_removal() {
    let setting = skip!(Setting::start("denied"));
    let mut cases = Cases::new("store-faults");
    cases.case("DELETE denied after a failed manifest", || {
        let (way, place) = setting.place("denied");
        let denied = |request: &planb_harness::s3_call::S3Request| {
            let manifest = request.call == S3Call::Put && request.of_manifest();
            let removal = request.call == S3Call::Delete && !request.of_bookkeeping();
            if manifest || removal {
                Fate::Refuse(Moment::Before, 403, "AccessDenied", "Access Denied")
            } else {
                Fate::Pass
            }
        };
        way.proxy.rule(denied);
        let done = run(&place).run().expect_code(1);
        told(done.clone(), &["access was denied", "left behind"]);
        assert_eq!(place.list(), []);
        // Without the fault: the next run works, and what was left is known for what it is.
        way.proxy.rule(|_| Fate::Pass);
        run(&place).run().ok();
        assert_eq!(place.all_whole().len(), 1);
        if planb_faults::place::has_command("prune") {
            let orphans = place.sweep_orphans();
            assert_eq!(orphans.len(), 2, "both volumes: {orphans:?}");
        }
    });
    if planb_faults::place::has_command("prune") {
        cases.case("DELETE denied to a prune", || {
            let (way, place) = setting.place("pruned");
            for _ in 0..2 {
                run(&place).run().ok();
            }
            let before = place.all_whole();
            way.proxy.rule(|request| {
                if request.call == S3Call::Delete && !request.of_bookkeeping() {
                    return Fate::Refuse(Moment::Before, 403, "AccessDenied", "Access Denied");
                }
                Fate::Pass
            });
            let prune = |url: &str| place.call(&["prune", "--output", "json", "--from", url, "--keep-last", "1"]);
            let done = prune(&place.faulty_url()).run().expect_code(1);
            told(done, &["access was denied"]);
            assert_eq!(place.all_whole(), before, "nothing is half removed");
            prune(&place.url()).run().ok();
            assert_eq!(place.all_whole(), before[1..]);
            place.sweep_orphans();
        });
    }
}

#[test]
fn a_store_that_vanishes_costs_the_other_nothing() {
    let setting = skip!(Setting::start("vanish"));
    let (way, place) = setting.place("good");
    way.proxy.rule(|_| Fate::Pass);
    run(&place).run().ok();
    let total = way.proxy.seen().len();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for last in 1..total {
        let (setting, prefix) = (&setting, format!("vanish{last}"));
        let body = move || {
            let (way, place) = setting.place(&prefix);
            way.proxy.rule(move |request| if request.number > last { Fate::Cut(Moment::Before) } else { Fate::Pass });
            let disk = place.path("disk");
            let done = run(&place).arg("--to").arg(&disk).run();
            let listed = place.all_whole();
            // Once the manifest is there, the run has done what it had to, whatever happens to its bookkeeping.
            if done.code == Some(0) {
                assert_eq!(listed.len(), 1, "{done:?}");
            } else {
                let done = done.expect_code(3);
                assert!(listed.is_empty(), "{listed:?}: {done:?}");
                let report = done.json();
                assert_eq!(report["status"], "partial", "{done:?}");
                let stores = report["stores"].as_array().unwrap();
                assert_eq!(
                    (&stores[0]["status"], &stores[1]["status"]),
                    (&"failed".into(), &"success".into()),
                    "{done:?}"
                );
                done.says(&["s3://", "cannot be reached", "hint: "]);
            }
            let mut healthy = place;
            let gone = std::mem::replace(&mut healthy.store, Store::Folder(disk));
            let [backup] = &healthy.all_whole()[..] else { panic!("not one backup: {:?}", healthy.list()) };
            healthy.restores(&backup.id);
            // When it is back, the next run is as any other.
            healthy.store = gone;
            way.proxy.rule(|_| Fate::Pass);
            run(&healthy).run().ok();
            healthy.all_whole();
            healthy.nothing_runs();
        };
        cases.push((format!("the store vanishes after request {last}"), Box::new(body)));
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

#[test]
fn reading_back_over_a_way_that_fails() {
    let setting = skip!(Setting::start("reading"));
    let (_, place) = setting.place("x");
    run(&place).run().ok();
    let id = place.list().pop().unwrap().id;
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (number, command) in ["verify", "restore", "list"].into_iter().enumerate() {
        for (nth, (what, fate)) in faults().into_iter().enumerate() {
            for (often, times) in [("once", 1), ("always", usize::MAX)] {
                let (setting, id, fate) = (&setting, &id, fate.clone());
                let body = move || {
                    let (way, place) = setting.place("x");
                    // The first requests find the manifest; objects are read behind them.
                    let kind = if command == "list" { S3Call::List } else { S3Call::Get };
                    let left = std::sync::atomic::AtomicUsize::new(times);
                    let planned = fate.clone();
                    way.proxy.rule(move |request| {
                        use std::sync::atomic::Ordering::Relaxed;
                        let hit = request.call == kind && !request.of_manifest() && !request.of_bookkeeping();
                        let hit = hit && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
                        if hit { planned.clone() } else { Fate::Pass }
                    });
                    let url = soon(&place, &fate);
                    let target = format!("target{number}-{nth}-{often}.db");
                    let call = match command {
                        "list" => place.call(&["list", "--from", &url]),
                        "verify" => place.call(&["verify", id, "--from", &url]),
                        _ => place
                            .call(&["restore", id, "--from", &url, "--db"])
                            .arg(planb_faults::shop::sqlite_url(&place.path(&target))),
                    };
                    let done = call.run();
                    assert!(way.proxy.seen().iter().any(|(_, seen)| *seen == fate), "the fault never came: {done:?}");
                    if often == "once" {
                        done.ok().says(&["trying again"]);
                        if command == "restore" {
                            assert!(
                                planb_faults::shop::dump(&place.path(&target)) == planb_faults::shop::dump(&place.db)
                            );
                        }
                    } else {
                        // It says that the store failed, and not that the backup is damaged.
                        told(done.expect_code(1), &["trying again"]);
                        assert!(!place.path(&target).exists(), "a target was made");
                    }
                    place.nothing_runs();
                };
                cases.push((format!("{command}: {what}, {often}"), Box::new(body)));
            }
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
    assert!(files(&place.path("work")).is_empty());
}
