//! Retention never eats the last good backup: not when clocks jump, not when the newest one is damaged, not when it is
//! cut off in the middle. What is held stays, and what goes, goes as one.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use planb_faults::bucket::Bucket;
use planb_faults::cases::Cases;
use planb_faults::moment::Moment;
use planb_faults::place::{Place, Store, has_command, volumes};
use planb_faults::shop::{large, small, sqlite_url};
use planb_harness::proxy::{Fate, Moment as When};
use planb_harness::s3_call::S3Call;
use planb_harness::{provision, skip};
use serde_json::Value;

const DAY: i64 = 86_400;

macro_rules! prune {
    () => {
        skip!(provision::apt(&["sqlite3"]));
        if !has_command("prune") {
            skip!("planb prune", "this planb has no such command");
        }
    };
}

fn folder(place: &Place) -> PathBuf {
    match &place.store {
        Store::Folder(path) => path.clone(),
        Store::Bucket(..) => unreachable!("it is a folder"),
    }
}

/// Makes a backup of so many days ago; its id. (The manifest is edited: what else tells its age is the same for a
/// backup that was really made then.)
fn made(place: &Place, name: &str, days: i64) -> String {
    let done = place.run().args(["--name", name]).run().ok().json();
    redate(place, name, -days * DAY);
    done["id"].as_str().unwrap().to_owned()
}

fn redate(place: &Place, name: &str, seconds: i64) {
    let path = folder(place).join(format!("{name}.manifest.json"));
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["created_at"] = Moment::from_now(seconds).rfc_3339().into();
    manifest["finished_at"] = Moment::from_now(seconds + 1).rfc_3339().into();
    fs::write(path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
}

/// The ids that are left after a prune by these rules, which says the same as it does with `--dry-run`.
#[track_caller]
fn left(place: &Place, rules: &[&str]) -> BTreeSet<String> {
    let before = place.keys();
    let dry = place.prune(rules).arg("--dry-run").run().ok().json();
    assert_eq!(place.keys(), before, "a dry run removes nothing");
    let done = place.prune(rules).run().ok().json();
    let actions = |report: &Value| -> Vec<(Value, Value, Value)> {
        let all = report["backups"].as_array().unwrap().iter();
        all.map(|backup| (backup["id"].clone(), backup["action"].clone(), backup["reasons"].clone())).collect()
    };
    assert_eq!(actions(&dry), actions(&done), "what was shown is what is done");
    for backup in done["backups"].as_array().unwrap() {
        assert!(backup["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "no reason: {backup}");
        assert_eq!(backup["removed"], backup["action"] == "remove", "{backup}");
    }
    place.list().into_iter().map(|backup| backup.id).collect()
}

fn ids<const N: usize>(all: [&String; N]) -> BTreeSet<String> {
    all.into_iter().cloned().collect()
}

/// Each of these would remove everything but what is protected.
const HARSH: [&[&str]; 6] = [
    &["--max-days", "1"],
    &["--max-bytes", "1"],
    &["--max-files", "1"],
    &["--keep-last", "1"],
    &["--keep-hourly", "1"],
    &["--max-days", "1", "--max-bytes", "1", "--max-files", "1", "--keep-last", "1"],
];

#[test]
fn the_newest_good_one_always_stays() {
    prune!();
    let mut cases = Cases::new("retention");
    for rules in HARSH {
        cases.case(format!("all are old: {rules:?}"), || {
            let place = Place::new();
            made(&place, "a", 400);
            let newest = made(&place, "b", 300);
            assert_eq!(left(&place, rules), ids([&newest]));
            place.restores(&newest);
            // Again, and again.
            assert_eq!(left(&place, rules), ids([&newest]));
            assert_eq!(place.keys(), place.named_keys());
        });
        // A backup that is damaged is no reason to let the good one go.
        for damage in ["the object is gone", "the object is shorter", "a volume is gone"] {
            cases.case(format!("the newest is damaged, {damage}: {rules:?}"), || {
                let place = Place::new();
                made(&place, "a", 400);
                let good = made(&place, "b", 300);
                let newest = made(&place, "c", 0);
                let object = folder(&place).join("c.sql.zst");
                match damage {
                    "the object is shorter" => fs::write(&object, &fs::read(&object).unwrap()[1..]).unwrap(),
                    _ => fs::remove_file(&object).unwrap(),
                }
                let left = left(&place, rules);
                assert!(left.contains(&good), "the last good one went: {left:?}");
                place.restores(&good);
                let _ = newest;
            });
        }
        cases.case(format!("the newest one's manifest cannot be read: {rules:?}"), || {
            let place = Place::new();
            made(&place, "a", 400);
            let good = made(&place, "b", 300);
            made(&place, "c", 0);
            fs::write(folder(&place).join("c.manifest.json"), "{").unwrap();
            place.prune(rules).run().ok();
            place.read("verify", &good).run().ok();
            place.restores(&good);
            // Nobody knows whose the object is, so it stays.
            assert!(folder(&place).join("c.sql.zst").exists());
        });
    }
}

#[test]
fn clocks_that_jump() {
    prune!();
    let mut cases = Cases::new("retention");
    for rules in HARSH {
        for (what, ahead) in [("an hour", 3600), ("a year", 365 * DAY), ("ninety years", 90 * 365 * DAY)] {
            cases.case(format!("one from {what} ahead: {rules:?}"), || {
                let place = Place::new();
                made(&place, "a", 400);
                let good = made(&place, "b", 300);
                let future = made(&place, "c", 0);
                redate(&place, "c", ahead);
                // Neither the one from the future nor the newest that is sure to be one.
                assert_eq!(left(&place, rules), ids([&good, &future]));
            });
        }
        cases.case(format!("all are from the future: {rules:?}"), || {
            let place = Place::new();
            let all = [made(&place, "a", 0), made(&place, "b", 0), made(&place, "c", 0)];
            for (days, name) in ["a", "b", "c"].into_iter().enumerate() {
                redate(&place, name, 30 * DAY + i64::try_from(days).unwrap() * DAY);
            }
            assert_eq!(left(&place, rules), ids([&all[0], &all[1], &all[2]]));
        });
        cases.case(format!("a clock that fell back to 1970: {rules:?}"), || {
            let place = Place::new();
            let good = made(&place, "a", 1);
            made(&place, "b", 0);
            redate(&place, "b", -Moment1970::ago());
            let left = left(&place, rules);
            assert!(left.contains(&good), "{left:?}");
            place.restores(&good);
        });
    }
}

/// The beginning of 1970.
struct Moment1970;

impl Moment1970 {
    /// Seconds since then.
    fn ago() -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        i64::try_from(now).unwrap() - 1
    }
}

#[test]
fn what_is_held_stays_until_it_is_released() {
    prune!();
    let mut cases = Cases::new("retention");
    for rules in HARSH {
        cases.case(format!("held: {rules:?}"), || {
            let place = Place::new();
            let (a, b, c) = (made(&place, "a", 400), made(&place, "b", 300), made(&place, "c", 200));
            let hold = |command: &str, id: &str, more: &[&str]| {
                place.call(&[command, id, "--from", &place.url()]).args(more).run()
            };
            hold("hold", &a, &["--reason", "the court asks"]).ok();
            let listed = place.call(&["list", "--output", "json", "--from", &place.url()]).run().ok().json();
            let held = |id: &str| {
                let entry = listed.as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap();
                entry["held"] != Value::Null && entry["held"] != Value::Bool(false)
            };
            assert!(held(&a) && !held(&b), "{listed}");
            assert_eq!(left(&place, rules), ids([&a, &c]));
            // One whose mark is damaged is held all the same.
            fs::write(folder(&place).join("a.hold.json"), "{").unwrap();
            assert_eq!(left(&place, rules), ids([&a, &c]));
            // Twice is as once.
            hold("hold", &a, &[]).ok();
            hold("release", &a, &[]).ok();
            assert_eq!(left(&place, rules), ids([&c]));
            assert_eq!(place.keys(), place.named_keys(), "its mark went with it");
            let gone = hold("hold", &b, &[]);
            assert!(matches!(gone.code, Some(1 | 2)), "what is gone cannot be held: {gone:?}");
        });
    }
}

#[test]
fn one_that_was_proven_stays() {
    prune!();
    let mut cases = Cases::new("retention");
    cases.case("the newest that a drill has proven", || {
        let place = Place::new();
        made(&place, "a", 400);
        let proven = made(&place, "b", 300);
        made(&place, "c", 200);
        let newest = made(&place, "d", 100);
        place.read("drill", &proven).run().ok();
        assert_eq!(left(&place, &["--keep-last", "1"]), ids([&proven, &newest]));
        place.read("drill", &newest).run().ok();
        assert_eq!(left(&place, &["--keep-last", "1"]), ids([&newest]));
    });
}

/// A rule looks at one job at a time: another database's backups are no reason for anything.
#[test]
fn each_job_by_itself() {
    prune!();
    let mut cases = Cases::new("retention");
    for rules in HARSH {
        cases.case(format!("two databases and a label: {rules:?}"), || {
            let place = Place::new();
            let mine = made(&place, "a", 400);
            let other = small(&place.path("home"), "other.db");
            let run = |name: &str, more: &[&str]| {
                let call = place.call(&["run", "--output", "json", "--db", &sqlite_url(&other), "--to", &place.url()]);
                let done = call.args(["--name", name]).args(more).run().ok().json();
                done["id"].as_str().unwrap().to_owned()
            };
            let theirs = run("b", &[]);
            let labelled = run("c", &["--label", "job=nightly"]);
            assert_eq!(left(&place, rules), ids([&mine, &theirs, &labelled]));
            // Files of others are not planb's to remove.
            fs::write(folder(&place).join("a.sql.zst.bak"), "mine").unwrap();
            fs::write(folder(&place).join("notes.txt"), "mine").unwrap();
            fs::create_dir_all(folder(&place).join("deep")).unwrap();
            fs::write(folder(&place).join("deep/shop.sql"), "mine").unwrap();
            place.prune(&["--orphans", "--older-than", "0s"]).args(rules).run().ok();
            for path in ["a.sql.zst.bak", "notes.txt", "deep/shop.sql"] {
                assert!(folder(&place).join(path).exists(), "{path} was removed");
            }
        });
    }
}

#[test]
fn without_a_rule_nothing_goes() {
    prune!();
    let mut cases = Cases::new("retention");
    cases.case("no rule, zeros, nonsense", || {
        let place = Place::new();
        let (a, b) = (made(&place, "a", 400), made(&place, "b", 300));
        for rules in [
            &[][..],
            &["--keep-last", "0"],
            &["--max-days", "0"],
            &["--keep-last", "-1"],
            &["--max-days", "99999999999999999999"],
            &["--keep-period", "%Y"],
            &["--keep-period", "=1d"],
            &["--max-bytes", "1 furlong"],
        ] {
            let done = place.prune(rules).run();
            assert_eq!(done.code, Some(2), "{rules:?}: {done:?}");
        }
        for (name, value) in [("RETENTION_MAX_DAYS", "0"), ("RETENTION_DAYS", ""), ("RETENTION_MAX_FILES", "many")] {
            let done = place.prune(&[]).env(name, value).run();
            assert_eq!(done.code, Some(2), "{name}={value}: {done:?}");
        }
        assert_eq!(place.list().into_iter().map(|backup| backup.id).collect::<BTreeSet<_>>(), ids([&a, &b]));
        assert_eq!(place.all_whole().len(), 2);
    });
}

/// The manifest goes first, and all that belongs to a backup goes with it.
#[test]
fn the_manifest_goes_first_and_the_rest_with_it() {
    prune!();
    let bucket = skip!(Bucket::start("order"));
    let mut cases = Cases::new("retention");
    let filled = |prefix: &str| {
        let mut place = Place::in_bucket(&bucket, prefix);
        place.db = large(&place.path("home"), "large.db", 12);
        for name in ["old", "new"] {
            place
                .run()
                .args(["--name", name, "--compress", "none", "--part-size", "5", "--volume-size", "5"])
                .run()
                .ok();
        }
        place
    };
    let prune =
        |place: &Place| place.call(&["prune", "--output", "json", "--from", &place.faulty_url(), "--keep-last", "1"]);
    cases.case("the order of removals", || {
        let place = filled("order");
        let old = place.manifests().into_iter().find(|(key, _)| key.starts_with("old")).unwrap().1;
        let volumes = volumes(&old);
        assert!(volumes.len() >= 3, "{volumes:?}");
        bucket.proxy.rule(|_| Fate::Pass);
        prune(&place).run().ok();
        let seen = bucket.proxy.seen();
        let removals = seen.iter().filter(|(request, _)| request.call == S3Call::Delete && !request.of_bookkeeping());
        let deleted: Vec<_> = removals.map(|(request, _)| request.key.as_str()).collect();
        assert_eq!(deleted[0], "order/old.manifest.json", "{deleted:?}");
        for volume in volumes {
            assert!(deleted.contains(&format!("order/{volume}").as_str()), "{volume} is not among {deleted:?}");
        }
        assert_eq!(place.keys(), place.named_keys());
    });
    // Cut off anywhere, it goes on where it was.
    for last in 0..4 {
        cases.case(format!("a prune whose store vanishes after removal {last}"), || {
            let place = filled(&format!("cut{last}"));
            let count = std::sync::atomic::AtomicUsize::new(0);
            bucket.proxy.rule(move |request| {
                let counted = request.call == S3Call::Delete && !request.of_bookkeeping();
                let seen = if counted { count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) } else { 0 };
                if counted && seen >= last {
                    Fate::Refuse(When::Before, 403, "AccessDenied", "Access Denied")
                } else {
                    Fate::Pass
                }
            });
            prune(&place).run().expect_code(1).says(&["access was denied"]);
            let listed = place.all_whole();
            assert_eq!(listed.len(), if last == 0 { 2 } else { 1 }, "{listed:?}");
            bucket.proxy.rule(|_| Fate::Pass);
            prune(&place).run().ok();
            assert_eq!(place.all_whole().len(), 1);
            assert_eq!(place.keys(), place.named_keys(), "the rest goes with the next prune");
        });
    }
}
