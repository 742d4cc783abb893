//! `planb prune --job`: the rules of planb.toml, tried and applied without a service.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::path::Path;

use planb_harness::{Planb, provision, skip};
use serde_json::Value;

use support::{folder, list, small, sqlite_url};

fn planb(at: &Path, args: &[&str]) -> Planb {
    Planb::new().current_dir(at).env("PLANB_CONFIG", at.join("planb.toml")).args(["--output", "json"]).args(args)
}

fn settings(at: &Path, more: &str) {
    let db = at.join("shop.db");
    let db = sqlite_url(&if db.exists() { db } else { small(at) });
    let text = format!(
        "[stores.near]\nurl = \"{0}/near\"\n[stores.far]\nurl = \"{0}/far\"\n[jobs.shop]\ndb = \"{db}\"\nto = [\"near\", \"far\"]\nname = \"shop-{{uuid}}\"\n{more}",
        at.display()
    );
    std::fs::write(at.join("planb.toml"), text).unwrap();
}

fn kept(report: &Value) -> Vec<u64> {
    let stores = report["stores"].as_array().unwrap();
    let keep = |store: &Value| {
        let backups = store["pruned"]["backups"].as_array().unwrap();
        backups.iter().filter(|backup| backup["action"] == "keep").count() as u64
    };
    stores.iter().map(keep).collect()
}

fn count(store: &Path) -> usize {
    list(&store.display().to_string()).run().ok().json().as_array().unwrap().len()
}

#[test]
fn a_jobs_rules_are_tried_and_applied_in_each_store() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let at = at.path();
    settings(at, "");
    for _ in 0..3 {
        planb(at, &["run", "--job", "shop"]).run().ok();
    }
    // Somebody else's backup in the same store is none of the job's.
    planb(at, &["run", "--db", &sqlite_url(&at.join("shop.db")), "--to", "near", "--label", "job=other"]).run().ok();

    // Without rules there is nothing to apply.
    planb(at, &["prune", "--job", "shop"]).run().expect_code(2).says(&["has no retention rules", "retention"]);
    planb(at, &["prune", "--job", "shpo"]).run().expect_code(2).says(&["shpo"]);
    planb(at, &["prune", "--job", "shop", "--keep-last", "1"]).run().expect_code(2);

    settings(at, "retention = { keep_last = 2 }\n");
    let tried = planb(at, &["prune", "--job", "shop", "--dry-run"]).run().ok().json();
    assert_eq!((tried["job"].as_str(), kept(&tried)), (Some("shop"), vec![2, 2]), "{tried:#}");
    assert_eq!((count(&at.join("near")), count(&at.join("far"))), (4, 3));

    // One store that is gone does not keep the other from being cleared.
    std::fs::rename(at.join("far"), at.join("away")).unwrap();
    let output = planb(at, &["prune", "--job", "shop"]).run().expect_code(3);
    let done = output.json();
    assert_eq!(done["stores"][0]["pruned"]["backups"].as_array().map(Vec::len), Some(3), "{done:#}");
    assert!(done["stores"][0]["error"].is_null() && done["stores"][1]["pruned"].is_null(), "{done:#}");
    assert!(done["stores"][1]["error"]["message"].as_str().unwrap().contains("far"), "{done:#}");
    assert_eq!(count(&at.join("near")), 3);

    std::fs::rename(at.join("away"), at.join("far")).unwrap();
    let again = planb(at, &["prune", "--job", "shop"]).run().ok().json();
    assert_eq!(kept(&again), [2, 2]);
    assert_eq!((count(&at.join("near")), count(&at.join("far"))), (3, 2));
    // For people: each store by its name.
    let text = Planb::new().current_dir(at).args(["prune", "--job", "shop"]).run().ok();
    assert!(text.stdout.contains("near\n") && text.stdout.contains("2 backups kept, 0 removed"), "{text:?}");
}
