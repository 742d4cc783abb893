//! Runs that somebody asks for: over HTTP, and over the socket in the state folder.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use planb_harness::{Planb, provision, skip};

use crate::served::{Served, listed, shop};
use crate::support::{fake_sqlite3, folder, sqlite_url, until};
use crate::web::ask;

#[test]
fn triggers() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let toml = format!(
        "{}retention = {{ keep_last = 1 }}\n\n[jobs.off]\ndb = \"{}\"\nto = [\"./store\"]\nenabled = false\nschedule = \"every 1s\"\n\n[serve]\ntoken = \"sixteen-letters-\"\n",
        shop(at.path()),
        sqlite_url(&at.path().join("shop.db")),
    );
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    let token = ("Authorization", "Bearer sixteen-letters-");
    // Without the token nothing happens.
    assert_eq!(served.trigger("shop", &[]).status, 401);
    assert_eq!(served.trigger("shop", &[("Authorization", "Bearer sixteen-letters")]).status, 401);
    assert_eq!(served.trigger("shop", &[("Authorization", "Basic c2l4dGVlbi1sZXR0ZXJzLQ==")]).status, 401);
    assert_eq!(ask(&served.address, "GET", "/api/jobs/shop/trigger", &[token]).unwrap().status, 405);
    assert_eq!(served.trigger("sho", &[token]).status, 404);
    assert_eq!(served.trigger("off", &[token]).status, 409);
    served.planb(&["trigger", "sho"]).run().expect_code(1).says(&["sho"]);
    served.planb(&["trigger", "off"]).run().expect_code(1).says(&["off"]);
    assert!(served.job("shop")["last"].is_null());
    // With it, and over the socket of the state folder, which is the user's alone.
    let said = served.trigger("shop", &[token]);
    assert_eq!(said.status, 202, "{said:?}");
    served.wait_for("shop", "success", 1);
    served.idle("shop");
    let said = served.planb(&["trigger", "shop", "--output", "json"]).run().ok().json();
    assert!(said["job"] == "shop" && said["run_id"].is_string(), "{said}");
    served.wait_for("shop", "success", 2);
    served.idle("shop");
    // A drill too.
    served.planb(&["trigger", "shop", "--drill"]).run().ok();
    until("a drill", || served.job("shop")["last_drill"]["ok"] == true);
    // From elsewhere, with the folder named.
    let state = at.path().join("state");
    let status = served.planb.clone().args(["status", "--output", "json", "--state-dir"]).arg(&state).run().ok().json();
    let job = status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "shop").unwrap();
    assert_eq!((job["runs"]["success"].as_u64(), job["last"]["status"].as_str()), (Some(2), Some("success")));
    let mode = fs::metadata(state.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // Switched off is switched off, whatever its schedule says.
    assert!(served.job("off")["last"].is_null() && served.job("off")["next_run"].is_null());
    served.stop().ok();
    served.planb(&["trigger", "shop"]).run().expect_code(1).says(&["planb serve"]);

    // Without a token in the settings nobody triggers over HTTP.
    served.write(&toml.replace("token = \"sixteen-letters-\"\n", ""));
    served.again();
    assert_eq!(served.trigger("shop", &[token]).status, 403);
    assert_eq!(served.trigger("shop", &[]).status, 403);
    // What was removed and kept outlives a restart.
    assert_eq!(served.runs("shop", "success"), 2);
    assert_eq!(listed(&served, "./store", "shop").len(), 1);
    served.stop().ok();
}

#[test]
fn no_more_runs_at_once_than_are_allowed() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    fs::create_dir(at.path().join("tools")).unwrap();
    let gate = at.path().join("gate");
    let tool = fake_sqlite3(
        &at.path().join("tools"),
        &format!("while [ ! -e {} ]; do sleep 0.05; done\nexec sqlite3 \"$@\"", gate.display()),
    );
    let one = format!("{}tool_paths = {{ sqlite3 = \"{}\" }}\n", shop(at.path()), tool.display());
    let others = ["two", "three"].map(|name| one.replace("[jobs.shop]", &format!("[jobs.{name}]\nname = \"{name}\"")));
    let toml = format!("{one}{}\n[serve]\nconcurrency = 2\n", others.concat());
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    let names = ["shop", "two", "three"];
    for name in names {
        served.planb(&["trigger", name]).run().ok();
    }
    let count = |field: &str| names.iter().filter(|name| !served.job(name)[field].is_null()).count();
    until("two run", || count("running") == 2);
    assert_eq!(count("queued_at"), 1);
    // One that runs or waits is not asked for twice.
    served.planb(&["trigger", "three"]).run().expect_code(1).says(&["three"]);
    served.planb(&["trigger", "shop"]).run().expect_code(1).says(&["shop"]);
    fs::write(&gate, "").unwrap();
    for name in names {
        served.wait_for(name, "success", 1);
    }
    served.stop().ok();
}

#[test]
fn jobs_with_databases_of_one_name() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let one = shop(at.path()).replace("[jobs.shop]", "[jobs.shop]\nschedule = \"every 1s\"");
    let others = ["two", "three"].map(|name| one.replace("[jobs.shop]", &format!("[jobs.{name}]")));
    let toml = format!("{one}{}\n[serve]\nconcurrency = 4\n", others.concat());
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    for name in ["shop", "two", "three"] {
        served.wait_for(name, "success", 5);
        assert_eq!(served.runs(name, "failed"), 0, "{:#}", served.job(name));
    }
    served.stop().ok();
    let all: Vec<_> = ["shop", "two", "three"].into_iter().flat_map(|job| listed(&served, "./store", job)).collect();
    let keys: BTreeSet<_> = all.iter().map(|backup| backup["key"].to_string()).collect();
    assert_eq!(keys.len(), all.len(), "each its own: {keys:?}");
}
