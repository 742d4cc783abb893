//! Several planb at once: two of one job, fifty into one store, and each command in the middle of each other.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use planb_faults::bucket::Bucket;
use planb_faults::cases::{Case, Cases};
use planb_faults::moment::Moment;
use planb_faults::place::{Call, Listed, Place, Store, has_flag};
use planb_faults::shop::{dump, fake_sqlite3, small, sqlite_url, sqlite3, until};
use planb_harness::proxy::Fate;
use planb_harness::s3_call::S3Call;
use planb_harness::skip::unavailable;
use planb_harness::{Running, provision, skip};
use serde_json::Value;

macro_rules! leases {
    () => {
        skip!(provision::apt(&["sqlite3"]));
        if !has_flag("run", "--wait-lock") {
            skip!("leases", "this planb has none");
        }
    };
}

/// A run whose tool waits until it is let go, and which has got there.
fn waiting(place: &Place, call: fn(&Place) -> Call) -> (Running, impl Fn() + use<>) {
    let (begun, go) = (place.path("begun"), place.path("go"));
    let tool = fake_sqlite3(
        &place.path("home"),
        &format!(
            "touch {}; while [ ! -e {} ]; do sleep 0.02; done; exec sqlite3 \"$@\"",
            begun.display(),
            go.display()
        ),
    );
    let running = call(place).args(["--tool-path", &tool]).spawn();
    until("the first run has begun", || begun.exists());
    (running, move || fs::write(&go, "").unwrap())
}

/// A folder, and a bucket where one can be had.
fn both_kinds(name: &str) -> Vec<Place> {
    let bucket = unavailable(Bucket::start(name));
    let mut places = vec![Place::new()];
    places.extend(bucket.as_ref().map(|bucket| Place::in_bucket(bucket, "x")));
    places
}

#[test]
fn two_runs_of_one_job() {
    leases!();
    let mut cases = Cases::new("concurrency");
    for place in both_kinds("twice") {
        let kind = if matches!(place.store, Store::Folder(_)) { "folder" } else { "bucket" };
        cases.case(format!("two runs of one job at once into a {kind}"), || {
            let (first, go) = waiting(&place, Place::run);
            let second = place.run().run().expect_code(1);
            let report = second.json();
            assert_eq!(report["status"], "skipped", "{second:?}");
            // It says who is in the way.
            assert!(report["error"]["message"].as_str().unwrap().contains(&first.pid().to_string()), "{second:?}");
            // Another database is another job, and so is what is labelled so.
            let other = small(&place.path("home"), "other.db");
            place.call(&["run", "--db", &sqlite_url(&other), "--to", &place.url()]).run().ok();
            place.run().args(["--label", "job=other"]).run().ok();
            // Whoever waits gets his turn.
            let waits = place.run().args(["--wait-lock", "60s"]).spawn();
            go();
            assert_eq!(first.wait().ok().json()["status"], "success");
            assert_eq!(waits.wait().ok().json()["status"], "success");
            assert_eq!(place.all_whole().len(), 4);
            place.nothing_runs();
            assert_eq!(place.keys(), place.named_keys());
        });
    }
}

/// Twenty of one job: whoever does not run is skipped, and nothing else happens.
#[test]
fn many_runs_of_one_job() {
    leases!();
    let mut cases = Cases::new("concurrency");
    for place in both_kinds("crowd") {
        let kind = if matches!(place.store, Store::Folder(_)) { "folder" } else { "bucket" };
        cases.case(format!("20 runs of one job at once into a {kind}"), || {
            let all: Vec<_> = (0..20).map(|_| place.run().args(["--name", "same"]).spawn()).collect();
            let mut good = 0;
            for done in all.into_iter().map(Running::wait) {
                match done.json()["status"].as_str() {
                    Some("success") if done.code == Some(0) => good += 1,
                    Some("skipped") if done.code == Some(1) => {}
                    _ => panic!("{done:?}"),
                }
            }
            assert!(good >= 1);
            assert_eq!(place.all_whole().len(), good);
            place.nothing_runs();
            assert_eq!(place.keys(), place.named_keys());
        });
    }
}

/// The lease of a run, as its store keeps it.
fn lease_of(place: &Place) -> (String, Value) {
    let keys: Vec<_> = place.keys().into_iter().filter(|key| key.starts_with(".planb/leases/")).collect();
    let [key] = &keys[..] else { panic!("not one lease: {keys:?}") };
    (key.clone(), serde_json::from_slice(&place.get(key)).unwrap())
}

fn put(place: &Place, key: &str, bytes: &[u8]) {
    match &place.store {
        Store::Folder(path) => {
            fs::create_dir_all(path.join(key).parent().unwrap()).unwrap();
            fs::write(path.join(key), bytes).unwrap();
        }
        Store::Bucket(bucket, prefix) => bucket.client.put(&bucket.name, &format!("{prefix}/{key}"), bytes),
    }
}

/// A run on another host, of which there is only its lease.
#[test]
fn a_lease_of_another_host() {
    leases!();
    let mut cases = Cases::new("concurrency");
    for place in both_kinds("hosts") {
        let kind = if matches!(place.store, Store::Folder(_)) { "folder" } else { "bucket" };
        let (key, lease) = {
            let (first, go) = waiting(&place, Place::run);
            let lease = lease_of(&place);
            go();
            first.wait().ok();
            lease
        };
        assert_eq!(lease["schema"], "planb.lease/v1");
        let elsewhere = |renewed: i64, expires: i64| {
            let mut lease = lease.clone();
            lease["host"] = "elsewhere".into();
            lease["machine"] = "another".into();
            lease["renewed_at"] = Moment::from_now(renewed * 60).rfc_3339().into();
            lease["expires_at"] = Moment::from_now(expires * 60).rfc_3339().into();
            serde_json::to_vec(&lease).unwrap()
        };
        let listed = || place.all_whole().len();
        cases.case(format!("{kind}: a living run on another host"), || {
            put(&place, &key, &elsewhere(0, 3));
            let before = listed();
            let done = place.run().run().expect_code(1);
            assert_eq!(done.json()["status"], "skipped", "{done:?}");
            done.says(&["elsewhere"]);
            assert_eq!(listed(), before);
        });
        for (what, bytes) in [
            ("a dead run on another host", elsewhere(-10, -7)),
            ("a run of a clock that is years ahead", elsewhere(5_000_000, 5_000_003)),
            ("something that is no lease", b"{\"schema\": \"planb.lease/v1\"}".to_vec()),
            ("nothing at all", Vec::new()),
            ("half a lease", elsewhere(0, 3)[..100].to_vec()),
        ] {
            cases.case(format!("{kind}: {what} is in nobody's way"), || {
                put(&place, &key, &bytes);
                let before = listed();
                place.run().run().ok();
                assert_eq!(listed(), before + 1);
                place.sweep_orphans();
            });
        }
    }
}

#[test]
fn fifty_runs_at_once_into_one_store() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("concurrency");
    for place in both_kinds("fifty") {
        let kind = if matches!(place.store, Store::Folder(_)) { "folder" } else { "bucket" };
        cases.case(format!("50 runs at once into a {kind}, and lists meanwhile"), || {
            let databases: Vec<_> = (0..50)
                .map(|number| {
                    let db = small(&place.path("home"), &format!("db{number}.db"));
                    sqlite3(&db, &format!("CREATE TABLE t{number}(x)"));
                    db
                })
                .collect();
            // Half of them want the same name.
            let run = |db: &Path, number: usize| {
                let call = place.call(&["run", "--output", "json", "--db", &sqlite_url(db), "--to", &place.url()]);
                if number.is_multiple_of(2) { call.args(["--name", "same"]) } else { call }
            };
            let mut running: Vec<_> =
                databases.iter().enumerate().map(|(number, db)| run(db, number).spawn()).collect();
            let mut lists = 0;
            while running.iter_mut().any(|running| !running.ended()) {
                // Whatever it shows is whole.
                let shown = place.list();
                if let Some(backup) = shown.last() {
                    place.read("verify", &backup.id).run().ok();
                }
                lists += 1;
            }
            assert!(lists > 0);
            let ids: BTreeSet<_> = running
                .into_iter()
                .map(|running| running.wait().ok().json()["id"].as_str().unwrap().to_owned())
                .collect();
            let listed: BTreeSet<_> = place.all_whole().into_iter().map(|backup| backup.id).collect();
            assert_eq!(listed, ids);
            assert_eq!(listed.len(), 50);
            assert_eq!(place.keys(), place.named_keys());
            place.nothing_runs();
            // Each is that of its own database.
            for db in [&databases[0], &databases[25], &databases[49]] {
                let target = place.path("target.db");
                let of = ["--source-database", &db.display().to_string()];
                place.restore("latest", "target.db").args(of).args(["--replace"]).run().ok();
                assert_eq!(dump(&target), dump(db));
            }
        });
    }
}

/// The bucket's requests of a run and of a restore are held, one after the other, and a prune goes on meanwhile.
#[test]
fn a_prune_in_the_middle_of_a_run_into_a_bucket() {
    leases!();
    let bucket = skip!(Bucket::start("meanwhile"));
    let mut cases = Cases::new("concurrency");
    let sizes = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];
    let mut seed = Place::new();
    seed.db = planb_faults::shop::large(&seed.path("home"), "large.db", 7);
    let place = |prefix: &str| {
        let mut place = Place::in_bucket(&bucket, prefix);
        place.db.clone_from(&seed.db);
        place
    };
    let good = place("good");
    bucket.proxy.rule(|_| Fate::Pass);
    good.run_to(&good.faulty_url()).args(sizes).run().ok();
    let writes = |call: S3Call| !matches!(call, S3Call::Get | S3Call::Head | S3Call::List);
    let all: Vec<_> = bucket.proxy.seen().into_iter().filter(|(request, _)| writes(request.call)).collect();
    for number in 1..=all.len() {
        let request = &all[number - 1].0;
        cases.case(format!("a prune before {:?} {} of a run", request.call, request.key), || {
            let place = place(&format!("run{number}"));
            // An older one of the same job, which the rule would take for the newest.
            place.run().run().ok();
            let count = std::sync::atomic::AtomicUsize::new(0);
            bucket.proxy.rule(move |request| {
                let nth =
                    if writes(request.call) { count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 } else { 0 };
                if nth == number { Fate::Hold } else { Fate::Pass }
            });
            let running = place.run_to(&place.faulty_url()).args(sizes).spawn();
            bucket.proxy.wait_for_held();
            let pruned = place.prune(&["--orphans", "--older-than", "0s", "--keep-last", "1"]).run().ok();
            bucket.proxy.release();
            let done = running.wait().ok().json();
            let listed = place.all_whole();
            assert!(listed.iter().any(|backup| done["id"] == backup.id.as_str()), "{listed:?}: {pruned:?}");
            place.restores(done["id"].as_str().unwrap());
        });
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod step_by_step {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use planb_faults::trace::{Act, Kind, Step, Traced, possible, trace};
    use planb_harness::Output;

    fn filled(names: &[&str]) -> (Place, Vec<Listed>) {
        let place = Place::new();
        for name in names {
            place.run().args(["--name", name]).run().ok();
        }
        let listed = place.list();
        (place, listed)
    }

    /// The calls on files of a command that nobody disturbs.
    fn steps(call: &Call) -> Vec<Step> {
        let good = trace(call, &mut |_| Act::Go);
        assert_eq!(good.code, Some(0), "{}", good.stderr);
        good.steps.into_iter().filter(|step| step.kind == Kind::File).collect()
    }

    /// Runs a command, and another before one of its calls on files. One that has to wait for the first goes on with it.
    fn meanwhile(call: &Call, number: usize, other: &Call) -> (Traced, Output) {
        let ((come, came), (go, gone)) = (channel::<()>(), channel::<()>());
        std::thread::scope(|scope| {
            let traced = scope.spawn(move || {
                trace(call, &mut move |step: &Step| {
                    if step.kind == Kind::File && step.number == number {
                        come.send(()).unwrap();
                        gone.recv().unwrap();
                    }
                    Act::Go
                })
            });
            came.recv().unwrap();
            let mut running = other.spawn();
            for _ in 0..100 {
                if running.ended() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            go.send(()).unwrap();
            (traced.join().unwrap(), running.wait())
        })
    }

    macro_rules! traced {
        () => {
            leases!();
            if !possible() {
                skip!("ptrace", "this machine does not let a process trace its children");
            }
        };
    }

    #[test]
    fn a_prune_at_every_call_of_a_run() {
        traced!();
        let (place, _) = filled(&["old"]);
        let all = steps(&place.run());
        let mut cases: Vec<Case<'_>> = Vec::new();
        for step in &all {
            let body = move || {
                let (place, before) = filled(&["old"]);
                let prune = place.prune(&["--orphans", "--older-than", "0s", "--keep-last", "1"]);
                let (run, pruned) = meanwhile(&place.run(), step.number, &prune);
                pruned.ok();
                assert_eq!(run.code, Some(0), "{}", run.stderr);
                let listed = place.all_whole();
                let id = serde_json::from_str::<Value>(&run.stdout).unwrap()["id"].clone();
                assert!(listed.iter().any(|backup| id == backup.id.as_str()), "{listed:?}");
                assert!(listed.len() == 2 && listed.contains(&before[0]) || listed.len() == 1, "{listed:?}");
                place.sweep_orphans();
            };
            cases.push((format!("a prune before {} {} of a run", step.call, step.path), Box::new(body)));
        }
        Cases::new("concurrency").at_once(2, cases);
    }

    /// The older backup is being put back while the rule that it falls under is applied.
    #[test]
    fn a_prune_at_every_call_of_a_restore() {
        traced!();
        let (place, listed) = filled(&["old", "new"]);
        let all = steps(&place.restore(&listed[0].id, "target.db"));
        let mut cases: Vec<Case<'_>> = Vec::new();
        for step in &all {
            let body = move || {
                let (place, listed) = filled(&["old", "new"]);
                let call = place.restore(&listed[0].id, "target.db");
                let (restore, pruned) = meanwhile(&call, step.number, &place.prune(&["--keep-last", "1"]));
                pruned.ok();
                let target = place.path("target.db");
                if restore.code == Some(0) {
                    assert_eq!(dump(&target), dump(&place.db));
                } else {
                    // It was gone before it was marked as being read: said, and no target made.
                    assert_eq!(restore.code, Some(1), "{}", restore.stderr);
                    assert!(
                        restore.stderr.contains("hint: ") || restore.stderr.contains("not there"),
                        "{}",
                        restore.stderr
                    );
                    assert!(
                        !target.exists() || dump(&target).lines().count() < 4,
                        "a target was made: {}",
                        restore.stderr
                    );
                }
                assert!(place.all_whole().contains(&listed[1]));
                place.prune(&["--keep-last", "1"]).run().ok();
                assert_eq!(place.all_whole(), listed[1..]);
                place.sweep_orphans();
                place.nothing_runs();
            };
            cases.push((format!("a prune before {} {} of a restore", step.call, step.path), Box::new(body)));
        }
        Cases::new("concurrency").at_once(2, cases);
    }

    #[test]
    fn another_command_at_every_call_of_a_prune() {
        traced!();
        let rules = ["--keep-last", "1", "--orphans", "--older-than", "0s"];
        let (place, _) = filled(&["a", "b", "c"]);
        let all = steps(&place.prune(&rules));
        let mut cases: Vec<Case<'_>> = Vec::new();
        for step in &all {
            for (number, what) in ["prune", "hold", "run", "list", "restore"].into_iter().enumerate() {
                // Those that remove and those that protect at every call, the others in turn.
                if number > 1 && step.number % 3 != number % 3 {
                    continue;
                }
                let body = move || {
                    let (place, listed) = filled(&["a", "b", "c"]);
                    let newest = listed[2].clone();
                    let other = match what {
                        "prune" => place.prune(&rules),
                        "run" => place.run().args(["--name", "d"]),
                        "list" => place.call(&["list", "--output", "json", "--from", &place.url()]),
                        "restore" => place.restore(&listed[0].id, "target.db"),
                        _ => place.call(&["hold", &listed[0].id, "--from", &place.url()]),
                    };
                    let (prune, other) = meanwhile(&place.prune(&rules), step.number, &other);
                    assert_eq!(prune.code, Some(0), "{}", prune.stderr);
                    let left = place.all_whole();
                    assert!(left.contains(&newest), "{left:?}");
                    let held = what == "hold" && other.code == Some(0);
                    match what {
                        // What is gone cannot be held; whoever was told that it is held can rely on that.
                        "hold" => assert!(!held || left.contains(&listed[0]), "held, and removed: {left:?}"),
                        "list" => assert!(other.ok().stdout.contains(&newest.id)),
                        // All of it or, where it had gone already, nothing.
                        "restore" if other.code == Some(0) => {
                            assert_eq!(dump(&place.path("target.db")), dump(&place.db));
                        }
                        "restore" => drop(other.expect_code(1)),
                        _ => drop(other.ok()),
                    }
                    let kept = what == "restore" && left.contains(&listed[0]);
                    assert_eq!(left.len(), 1 + usize::from(held || kept || what == "run"), "{left:?}");
                    place.prune(&rules).run().ok();
                    place.sweep_orphans();
                };
                cases.push((format!("a {what} before {} {} of a prune", step.call, step.path), Box::new(body)));
            }
        }
        Cases::new("concurrency").at_once(2, cases);
    }
}
