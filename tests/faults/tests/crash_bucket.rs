//! planb is killed at every request that it sends to a bucket: before the server has heard of it, with half of its body
//! sent, and after it was done but not answered.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use planb_faults::bucket::Bucket;
use planb_faults::cases::Cases;
use planb_faults::place::{Call, Place, Store, has_command};
use planb_faults::shop::large;
use planb_harness::proxy::{Fate, Moment};
use planb_harness::s3_call::{S3Call, S3Request};
use planb_harness::{provision, skip};

/// Two volumes: one of two parts, and the rest in one go.
const SIZES: [&str; 6] = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];

/// The same name for the run that is killed and for the next one.
fn nightly(place: &Place, url: &str) -> Call {
    place.run_to(url).args(SIZES).args(["--name", "nightly"])
}

/// A kill: at which request, and when.
#[derive(Debug, Clone)]
struct Kill {
    at: S3Request,
    moment: Moment,
}

/// The kills for the requests of a good run: what changes something is killed at each moment, and what only asks is
/// killed before it, if `reads`.
fn kills(requests: &[(S3Request, Fate)], reads: bool) -> Vec<Kill> {
    let mut kills = Vec::new();
    for (at, _) in requests {
        let mut add = |moment| kills.push(Kill { at: at.clone(), moment });
        match at.call {
            S3Call::Part(_) | S3Call::Put => [Moment::Before, Moment::Half, Moment::After].into_iter().for_each(add),
            S3Call::CreateUpload | S3Call::Complete | S3Call::Delete | S3Call::Abort => {
                [Moment::Before, Moment::After].into_iter().for_each(add);
            }
            _ if reads => add(Moment::Before),
            _ => {}
        }
    }
    kills
}

/// Runs a command on its way by the proxy, and kills it there.
fn killed(bucket: &Bucket, call: &Call, kill: &Kill) {
    let (kind, nth, moment) = (kill.at.call.kind(), kill.at.nth, kill.moment);
    bucket.proxy.rule(
        move |request| {
            if request.call.kind() == kind && request.nth == nth { Fate::Kill(moment) } else { Fate::Pass }
        },
    );
    let running = call.spawn();
    bucket.proxy.victim(running.pid());
    let done = running.wait();
    assert!(done.code.is_none() || done.code == Some(0), "it was killed, or did not come there: {done:?}");
}

/// The requests of a command that nobody disturbs.
fn requests(bucket: &Bucket, call: &Call) -> Vec<(S3Request, Fate)> {
    bucket.proxy.rule(|_| Fate::Pass);
    call.run().ok();
    bucket.proxy.seen()
}

fn place(bucket: &Arc<Bucket>, prefix: &str, seed: &Place) -> Place {
    let mut place = Place::in_bucket(bucket, prefix);
    place.db.clone_from(&seed.db);
    place
}

/// A place with a database of two volumes.
fn seed() -> Place {
    let mut seed = Place::new();
    seed.db = large(&seed.path("home"), "large.db", 7);
    seed
}

#[test]
fn a_run_killed_at_every_request() {
    skip!(provision::apt(&["sqlite3"]));
    let bucket = skip!(Bucket::start("kills"));
    let seed = seed();
    let good = place(&bucket, "good", &seed);
    let all = requests(&bucket, &nightly(&good, &good.faulty_url()));
    let of: BTreeSet<_> = all.iter().map(|(request, _)| format!("{:?}", request.call)).collect();
    for call in ["CreateUpload", "Part(1)", "Part(2)", "Complete", "Put", "Head"] {
        assert!(of.contains(call), "a run of two volumes should do {call}: {of:?}");
    }
    let mut cases = Cases::new("crash-matrix");
    for (number, kill) in kills(&all, true).into_iter().enumerate() {
        let sample = number.is_multiple_of(4);
        cases.case(format!("run: killed {:?} of {:?} {}", kill.moment, kill.at.call, kill.at.key), || {
            let place = place(&bucket, &format!("run{number}"), &seed);
            killed(&bucket, &nightly(&place, &place.faulty_url()), &kill);
            assert!(place.list().len() <= 1);
            place.holds_up(&nightly(&place, &place.url()), sample);
        });
    }
}

/// The folder has its object already when the bucket's last request ends planb, or the other way round.
#[test]
fn a_run_into_a_folder_and_a_bucket_killed_at_every_change() {
    skip!(provision::apt(&["sqlite3"]));
    let bucket = skip!(Bucket::start("both"));
    let seed = seed();
    let both = |place: &Place, url: &str| nightly(place, url).arg("--to").arg(place.path("disk"));
    let good = place(&bucket, "good", &seed);
    let all = requests(&bucket, &both(&good, &good.faulty_url()));
    let mut cases = Cases::new("crash-matrix");
    for (number, kill) in kills(&all, false).into_iter().enumerate() {
        cases.case(format!("run into two: killed {:?} of {:?} {}", kill.moment, kill.at.call, kill.at.key), || {
            let mut place = place(&bucket, &format!("run{number}"), &seed);
            killed(&bucket, &both(&place, &place.faulty_url()), &kill);
            place.holds_up(&both(&place, &place.url()), false);
            place.store = Store::Folder(place.path("disk"));
            let listed = place.all_whole().len();
            assert!((1..=2).contains(&listed), "{listed} are listed");
            if has_command("prune") {
                place.sweep_orphans();
            }
        });
    }
}

#[test]
fn a_run_into_two_buckets_killed_at_every_change_of_the_second() {
    skip!(provision::apt(&["sqlite3"]));
    let first = skip!(Bucket::start("first"));
    let second = Bucket::of(&first.s3, "second");
    let seed = Place::new();
    // The first by its straight way: all that is counted are the requests to the second.
    let both = |one: &Place, url: &str| one.run().args(["--name", "nightly", "--to", url]);
    let places = |number: usize| {
        let (mut one, mut two) =
            (Place::in_bucket(&first, &format!("run{number}")), Place::in_bucket(&second, &format!("run{number}")));
        one.db.clone_from(&seed.db);
        two.db.clone_from(&seed.db);
        (one, two)
    };
    let (one, two) = places(1000);
    let all = requests(&second, &both(&one, &two.faulty_url()));
    let mut cases = Cases::new("crash-matrix");
    for (number, kill) in kills(&all, false).into_iter().enumerate() {
        cases.case(
            format!("run into two buckets: killed {:?} of {:?} {}", kill.moment, kill.at.call, kill.at.key),
            || {
                let (one, two) = places(number);
                killed(&second, &both(&one, &two.faulty_url()), &kill);
                one.holds_up(&both(&one, &two.url()), false);
                let listed = two.all_whole().len();
                assert!((1..=2).contains(&listed), "{listed} are listed");
                if has_command("prune") {
                    two.sweep_orphans();
                }
            },
        );
    }
}

#[test]
fn a_prune_killed_at_every_change() {
    skip!(provision::apt(&["sqlite3"]));
    if !has_command("prune") {
        skip!("planb prune", "this planb has no such command");
    }
    let bucket = skip!(Bucket::start("prune"));
    let seed = seed();
    let filled = |prefix: &str| {
        let mut place = Place::in_bucket(&bucket, prefix);
        place.db.clone_from(&seed.db);
        // One of two volumes, and one that stays.
        place.run().args(SIZES).run().ok();
        place.run().args(["--name", "newest"]).run().ok();
        place
    };
    let prune =
        |place: &Place, url: &str| place.call(&["prune", "--output", "json", "--from", url, "--keep-last", "1"]);
    let good = filled("good");
    let all = requests(&bucket, &prune(&good, &good.faulty_url()));
    assert_eq!(good.list().len(), 1, "two backups of one job, of which the rule keeps one");
    let mut cases = Cases::new("crash-matrix");
    for (number, kill) in kills(&all, false).into_iter().enumerate() {
        cases.case(format!("prune: killed {:?} of {:?} {}", kill.moment, kill.at.call, kill.at.key), || {
            let place = filled(&format!("run{number}"));
            let newest = place.list().pop().unwrap();
            killed(&bucket, &prune(&place, &place.faulty_url()), &kill);
            assert_eq!(place.all_whole().pop(), Some(newest.clone()));
            prune(&place, &place.url()).run().ok();
            assert_eq!(place.all_whole(), [newest]);
            place.sweep_orphans();
        });
    }
}

/// A restore or a verification changes nothing in its bucket: a few kills are enough.
#[test]
fn readers_killed_in_the_middle() {
    skip!(provision::apt(&["sqlite3"]));
    let bucket = skip!(Bucket::start("readers"));
    let mut place = Place::in_bucket(&bucket, "x");
    place.run().run().ok();
    let calls = |url: &str| {
        let target = planb_faults::shop::sqlite_url(&place.path("target.db"));
        [
            place.call(&["restore", "latest", "--from", url, "--db", &target, "--replace"]),
            place.call(&["verify", "latest", "--from", url]),
            place.call(&["list", "--from", url]),
        ]
    };
    let faulty = place.faulty_url();
    let mut cases = Cases::new("crash-matrix");
    for (call, what) in calls(&faulty).iter().zip(["restore", "verify", "list"]) {
        for kill in kills(&requests(&bucket, call), true) {
            cases.case(format!("{what}: killed {:?} of {:?} {}", kill.moment, kill.at.call, kill.at.key), || {
                killed(&bucket, call, &kill);
                assert_eq!(place.all_whole().len(), 1);
                // The next one takes away what the killed one left.
                bucket.proxy.rule(|_| Fate::Pass);
                call.run().ok();
                place.nothing_runs();
            });
        }
    }
    place.db = place.path("target.db");
    let id = place.list().pop().unwrap().id;
    place.restores(&id);
    place.sweep_orphans();
}
