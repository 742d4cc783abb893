//! What is told although a backup ran, or because none did: stale ones, stores that are gone, drills that fail, dumps
//! that shrank, runs that take too long.

use std::fs;
use std::time::Duration;

use planb_harness::{Planb, provision, skip};

use crate::served::{Served, listed, metric, shop};
use crate::support::{fake_sqlite3, files, folder, sqlite3, until};
use crate::web::{Ear, Heard, get};

/// A target that hears everything.
fn told(ear: &Ear, on: &str) -> String {
    format!("\n[notify.ear]\ntype = \"webhook\"\nurl = \"{}\"\non = \"{on}\"\n\n[serve]\n", ear.url("/ear"))
}

/// What was heard of a kind and a status.
fn heard(ear: &Ear, kind: &str, status: &str) -> Vec<Heard> {
    ear.at("/ear").into_iter().filter(|one| one.text("kind") == kind && one.text("status") == status).collect()
}

#[test]
fn a_backup_that_did_not_come_is_told_and_so_is_the_next() {
    skip!(provision::apt(&["sqlite3"]));
    let (at, ear) = (folder(), Ear::start());
    let job = format!("{}max_age = \"1s\"\nnotify = [\"ear\"]\n", shop(at.path()));
    let mut served = Served::start(at.path(), &Planb::new(), &(job.clone() + &told(&ear, "recovery")));
    until("it is told", || !heard(&ear, "stale", "failed").is_empty());
    let first = &heard(&ear, "stale", "failed")[0];
    assert_eq!((first.text("job"), first.body["stale"]["wanted"].as_str()), ("shop", Some("backup")), "{first:?}");
    assert_eq!(first.body["stale"]["limit_seconds"], 1);
    assert!(served.job("shop")["stale"] == true);
    let metrics = get(&served.address, "/metrics").unwrap().body;
    assert_eq!(metric(&metrics, "planb_job_stale{job_name=\"shop\"}"), Some(1.0), "{metrics}");
    // An alert and no illness of planb's.
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200);
    served.planb(&["trigger", "shop"]).run().ok();
    until("its end is told", || !heard(&ear, "stale", "recovered").is_empty());
    // Once a day, and not at every look.
    served.write(&(job.replace("\"1s\"", "\"1h\"") + &told(&ear, "recovery")));
    served.planb(&["config", "reload"]).run().ok();
    assert!(served.job("shop")["stale"] == false);
    served.stop().ok();
    let (stale, fresh) = (heard(&ear, "stale", "failed").len(), heard(&ear, "stale", "recovered").len());
    assert!(stale <= 2 && fresh <= stale, "{stale} {fresh}");
}

#[test]
fn one_store_of_two_is_gone() {
    skip!(provision::apt(&["sqlite3"]));
    let (at, ear) = (folder(), Ear::start());
    // A file in the place of the folder, as where a disk is not there.
    fs::write(at.path().join("nas"), "").unwrap();
    let job = shop(at.path()).replace("[\"./store\"]", "[\"./store\", \"./nas/planb\"]");
    let hooks = format!("hooks.on_failure = \"echo $PLANB_STATUS >> {}/hooks\"\n", at.path().display());
    let toml = format!("{job}notify = [\"ear\"]\n{hooks}{}", told(&ear, "failure"));
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "partial", 1);
    until("it is told", || !heard(&ear, "run", "partial").is_empty());
    let one = &heard(&ear, "run", "partial")[0];
    let of = |status: &str| {
        let stores = one.body["stores"].as_array().unwrap().iter();
        stores.filter(|store| store["status"] == status).map(|store| store["url"].to_string()).collect::<String>()
    };
    assert!(of("failed").contains("nas") && of("success").contains("store"), "{one:?}");
    assert_eq!(one.body["error"]["blame"], "storage", "{one:?}");
    assert_eq!(listed(&served, "./store", "shop").len(), 1);
    served.idle("shop");
    let job = served.job("shop");
    let stores: Vec<_> = job["stores"].as_array().unwrap().iter().map(|store| store["ok"].clone()).collect();
    assert_eq!(stores, [true, false], "{job}");
    assert!(job["last_success_at"].is_null(), "not every store has one: {job}");
    // It is back.
    fs::remove_file(at.path().join("nas")).unwrap();
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "success", 1);
    served.stop().ok();
    assert_eq!(heard(&ear, "run", "partial").len(), 1);
}

#[test]
fn a_drill_that_fails_is_told_like_a_backup_that_fails() {
    skip!(provision::apt(&["sqlite3"]));
    let (at, ear) = (folder(), Ear::start());
    let toml = format!("{}notify = [\"ear\"]\n{}", shop(at.path()), told(&ear, "recovery"));
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    // There is nothing to drill yet: that is no good drill.
    served.planb(&["trigger", "shop", "--drill"]).run().ok();
    until("it is told", || !heard(&ear, "drill", "failed").is_empty());
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "success", 1);
    served.idle("shop");
    served.planb(&["trigger", "shop", "--drill"]).run().ok();
    until("it is told", || !heard(&ear, "drill", "success").is_empty());
    served.idle("shop");
    // The backup is damaged where it lies.
    let store = at.path().join("store");
    let object = files(&store).into_iter().find(|file| file.ends_with(".sql.zst")).unwrap();
    let mut bytes = fs::read(store.join(&object)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(store.join(&object), bytes).unwrap();
    // Results of drills are kept by the second.
    std::thread::sleep(Duration::from_millis(1100));
    served.planb(&["trigger", "shop", "--drill"]).run().ok();
    until("it is told", || heard(&ear, "drill", "failed").len() == 2);
    let job = served.job("shop");
    assert_eq!(job["last_drill"]["ok"], false, "{job}");
    let metrics = get(&served.address, "/metrics").unwrap().body;
    assert_eq!(metric(&metrics, "planb_job_last_drill_success{job_name=\"shop\"}"), Some(0.0), "{metrics}");
    let listed = served.planb(&["list", "--from", "./store"]).run().ok();
    assert!(listed.stdout.contains("FAILED"), "{listed:?}");
    served.stop().ok();
}

#[test]
fn a_dump_that_shrank_by_half_warns() {
    skip!(provision::apt(&["sqlite3"]));
    let (at, ear) = (folder(), Ear::start());
    let toml = format!("{}notify = [\"ear\"]\n{}", shop(at.path()), told(&ear, "failure"));
    // 4 + 2 rows, and 30: a few more or less say nothing.
    let db = at.path().join("shop.db");
    sqlite3(
        &db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO customer(name) SELECT i FROM n",
    );
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "success", 1);
    served.idle("shop");
    sqlite3(&db, "DELETE FROM customer");
    served.planb(&["trigger", "shop"]).run().ok();
    until("it is told", || !ear.at("/ear").is_empty());
    let one = &ear.at("/ear")[0];
    assert_eq!((one.text("status"), &one.body["change"]["shrank"]), ("success", &true.into()), "{one:?}");
    assert_eq!((one.body["rows"].as_u64(), one.body["previous"]["rows"].as_u64()), (Some(2), Some(36)), "{one:?}");
    served.stop().ok();
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_told() {
    skip!(provision::apt(&["sqlite3"]));
    let (at, ear) = (folder(), Ear::start());
    fs::create_dir(at.path().join("tools")).unwrap();
    // One that does not listen to a polite word.
    let tool = fake_sqlite3(&at.path().join("tools"), "trap '' TERM\nsleep 100000 & wait");
    let job = format!("{}timeout = \"2s\"\ntool_paths = {{ sqlite3 = \"{}\" }}\n", shop(at.path()), tool.display());
    let toml = format!("{job}notify = [\"ear\"]\n{}", told(&ear, "failure"));
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "failed", 1);
    until("it is told", || !heard(&ear, "run", "failed").is_empty());
    let one = &heard(&ear, "run", "failed")[0];
    assert!(one.body["error"]["message"].as_str().unwrap().contains("time limit"), "{one:?}");
    // Nothing of it goes on, nothing is listed, planb is well.
    until("its processes are gone", || served.running.as_ref().unwrap().descendants().is_empty());
    assert_eq!(listed(&served, "./store", "shop").len(), 0);
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200);
    served.stop().ok();
}
