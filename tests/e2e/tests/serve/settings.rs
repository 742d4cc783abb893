//! Settings that change while planb serves.

use std::fs;

use planb_harness::{Planb, provision, skip};
use rustix::process::Signal;

use crate::served::{Served, listed, metric, shop};
use crate::support::{fake_sqlite3, folder, sqlite_url, until};
use crate::web::get;

#[test]
fn settings_that_change_under_way() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    // A dump that waits for a file, so that settings change while it goes on.
    let gate = at.path().join("gate");
    fs::create_dir(at.path().join("tools")).unwrap();
    let tool = fake_sqlite3(
        &at.path().join("tools"),
        &format!("while [ ! -e {} ]; do sleep 0.05; done\nexec sqlite3 \"$@\"", gate.display()),
    );
    let slow = format!("{}tool_paths = {{ sqlite3 = \"{}\" }}\n", shop(at.path()), tool.display());
    let toml = format!("{slow}\n[serve]\n");
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    served.planb(&["trigger", "shop"]).run().ok();
    until("it runs", || served.job("shop")["running"].is_object());
    let run = served.job("shop")["running"]["run_id"].clone();

    // A changed file, with one job more: seen by itself.
    let more = format!("[jobs.more]\ndb = \"{}\"\nto = [\"./store\"]\n", sqlite_url(&at.path().join("shop.db")));
    served.write(&format!("{slow}\n{more}\n[serve]\n"));
    until("the job `more` is there", || {
        served.status()["jobs"].as_array().unwrap().iter().any(|job| job["name"] == "more")
    });
    assert_eq!(served.job("shop")["running"]["run_id"], run, "the run that went on goes on");
    // What is no settings changes nothing, and says so where people look.
    served.write(&format!("{slow}\n{more}schedul = \"every 1s\"\n\n[serve]\n"));
    served.kill(Signal::HUP);
    until("it says what is wrong", || served.status()["config_problem"].is_string());
    let problem = served.status()["config_problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("schedul") && problem.contains("did you mean `schedule`"), "{problem}");
    let metrics = get(&served.address, "/metrics").unwrap().body;
    assert_eq!(metric(&metrics, "planb_config_last_reload_successful"), Some(0.0));
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200, "it is well all the same");
    assert!(served.planb(&["status"]).run().ok().stdout.contains("schedul"));
    served.planb(&["config", "reload"]).run().expect_code(1).says(&["schedul"]);
    assert_eq!(served.job("more")["name"], "more");
    // Mended, by SIGHUP; the job that is gone goes when its run has ended.
    served.write(&format!("{more}schedule = \"every 1s\"\n\n[serve]\n"));
    served.kill(Signal::HUP);
    served.wait_for("more", "success", 1);
    assert!(served.status()["config_problem"].is_null());
    let metrics = get(&served.address, "/metrics").unwrap().body;
    assert_eq!(metric(&metrics, "planb_config_last_reload_successful"), Some(1.0));
    let there = |name: &str| served.status()["jobs"].as_array().unwrap().iter().any(|job| job["name"] == name);
    assert!(there("shop"), "its run goes on");
    fs::write(&gate, "").unwrap();
    until("shop is gone", || !there("shop"));
    assert_eq!(listed(&served, "./store", "shop").len(), 1, "the run of a job that was removed was not lost");
    served.planb(&["config", "reload"]).run().ok();
    served.stop().ok();
}
