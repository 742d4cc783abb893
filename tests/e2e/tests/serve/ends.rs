//! How `planb serve` ends: asked to, with a run under way, killed; and that a state folder serves only one.

use std::fs;
use std::path::Path;

use planb_harness::{Planb, provision, skip};
use rustix::process::Signal;

use crate::served::{Served, listed, shop};
use crate::support::{fake_sqlite3, files, folder, sqlite3, until};
use crate::web::get;

#[test]
fn one_state_folder_serves_one_planb() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let mut served = Served::start(at.path(), &Planb::new(), &format!("{}\n[serve]\n", shop(at.path())));
    let pid = served.running.as_ref().unwrap().pid().to_string();
    let second = served.planb(&["serve", "--listen", "127.0.0.1:0"]).run().expect_code(2);
    second.says(&["another planb serves", &pid]);
    // The first did not notice.
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "success", 1);
    // The address is one's alone too.
    let other = served.planb(&["serve", "--state-dir", "other"]).run().expect_code(2);
    other.says(&["--listen"]);
    served.stop().ok();
    // A crash leaves a folder that the next can have.
    served.again();
    served.kill(Signal::KILL);
    served.wait();
    served.again();
    assert_eq!(served.runs("shop", "success"), 1);
    served.stop().ok();
}

/// A job whose dump waits for the file `gate`, and says by the file `dumping` that it does.
fn gated(at: &Path, grace: &str) -> String {
    fs::create_dir(at.join("tools")).unwrap();
    let body = format!(
        "touch {at}/dumping\nwhile [ ! -e {at}/gate ]; do sleep 0.05; done\nexec sqlite3 \"$@\"",
        at = at.display()
    );
    let tool = fake_sqlite3(&at.join("tools"), &body);
    format!("{}tool_paths = {{ sqlite3 = \"{}\" }}\n\n[serve]\ngrace = \"{grace}\"\n", shop(at), tool.display())
}

#[test]
fn a_run_under_way_has_its_grace() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let mut served = Served::start(at.path(), &Planb::new(), &gated(at.path(), "10m"));
    served.planb(&["trigger", "shop"]).run().ok();
    until("it runs", || {
        served.job("shop")["running"]["stage"] != "preparing" && served.job("shop")["running"].is_object()
    });
    served.kill(Signal::TERM);
    // No new one begins, and it says that it is no longer ready.
    until("it is not ready", || get(&served.address, "/readyz").is_none_or(|ready| ready.status == 503));
    served.planb(&["trigger", "shop"]).run().expect_code(1);
    assert!(!served.running.as_mut().unwrap().ended());
    fs::write(at.path().join("gate"), "").unwrap();
    served.wait().ok();
    assert_eq!(listed(&served, "./store", "shop").len(), 1);
    served.again();
    assert_eq!((served.runs("shop", "success"), served.runs("shop", "failed")), (1, 0));
    served.stop().ok();
}

#[test]
fn a_run_past_its_grace_is_ended_and_made_up_for() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let toml = gated(at.path(), "1s");
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    served.planb(&["trigger", "shop"]).run().ok();
    until("it runs", || served.job("shop")["running"].is_object());
    served.kill(Signal::TERM);
    let ended = served.wait().expect_code(130);
    assert!(ended.stderr.contains("ended before"), "{ended:?}");
    let left = files(&at.path().join("store"));
    assert!(left.iter().all(|file| !file.ends_with(".manifest.json")), "{left:?}");
    fs::write(at.path().join("gate"), "").unwrap();
    // What was cut off is done at the next start, without being asked.
    served.again();
    served.wait_for("shop", "success", 1);
    assert_eq!(served.runs("shop", "failed"), 1);
    served.stop().ok();
    assert_eq!(listed(&served, "./store", "shop").len(), 1);
}

#[test]
fn a_crash_in_the_middle_of_a_run() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let mut served = Served::start(at.path(), &Planb::new(), &gated(at.path(), "10m"));
    served.planb(&["trigger", "shop"]).run().ok();
    until("the dump goes on", || at.path().join("dumping").exists());
    served.kill(Signal::KILL);
    served.wait();
    fs::write(at.path().join("gate"), "").unwrap();
    // The run is known to have been cut off, its lock is taken over at once, and it is made up for.
    served.again();
    served.wait_for("shop", "success", 1);
    let history = served.job("shop")["history"].clone();
    assert!(history[0]["error"].as_str().unwrap().contains("crash"), "{history}");
    assert_eq!((served.runs("shop", "failed"), served.runs("shop", "skipped")), (1, 0), "{history}");
    served.idle("shop");
    served.stop().ok();
    assert_eq!(listed(&served, "./store", "shop").len(), 1);
    // Nothing of the killed one is left but what an age-limited sweep takes.
    served.planb(&["prune", "--orphans", "--older-than", "0s", "--from", "./store"]).run().ok();
    let left: Vec<_> = files(&at.path().join("store")).into_iter().filter(|file| !file.starts_with("shop-")).collect();
    assert!(left.iter().all(|file| file.starts_with(".planb")), "{left:?}");
    assert_eq!(sqlite3(&at.path().join("shop.db"), "SELECT count(*) FROM customer").trim(), "4");
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let job = format!("{}schedule = \"every 1h\"\n", shop(at.path()));
    let late = job.replace("[jobs.shop]", "[jobs.late]").replace("schedule", "catch_up = false\nschedule");
    let mut served = Served::start(at.path(), &Planb::new(), &format!("{job}{late}\n[serve]\n"));
    served.stop().ok();
    // As if it had been away for two days.
    for name in ["shop", "late"] {
        let mut state = served.kept(name);
        for field in ["/known_since", "/backup/last_tick"] {
            *state.pointer_mut(field).unwrap() = "2026-01-01T00:00:00Z".into();
        }
        fs::write(at.path().join(format!("state/{name}.json")), state.to_string()).unwrap();
    }
    served.again();
    served.wait_for("shop", "success", 1);
    served.idle("shop");
    served.stop().ok();
    let kept = served.kept("shop");
    let history = kept["backup"]["history"].as_array().unwrap();
    assert_eq!((history.len(), history[0]["cause"].as_str()), (1, Some("catch-up")), "{kept}");
    assert!(kept["backup"]["counters"]["missed_ticks"].as_u64() > Some(40), "{kept}");
    let kept = served.kept("late");
    assert_eq!(kept["backup"]["history"].as_array().unwrap().len(), 0, "it is not to be made up for: {kept}");
}
