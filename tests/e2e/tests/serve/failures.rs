//! Runs that fail: what is told, tried again, and mended.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use planb_harness::{Planb, provision, skip};

use crate::served::{Served, lines, shop};
use crate::support::{files, folder, until};
use crate::web::{Ear, get};

/// A Redis server on a port of its own.
struct Redis(Child);

impl Redis {
    fn start(port: u16, folder: &Path) -> Self {
        let port_text = port.to_string();
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--save",
            "",
        ]);
        let child = command.arg("--dir").arg(folder).stdout(Stdio::null()).spawn().unwrap();
        until("Redis answers", || {
            let asked = Command::new("redis-cli").args(["-p", &port_text, "set", "k", "v"]).output().unwrap();
            asked.stdout.starts_with(b"OK")
        });
        Self(child)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_database_that_is_down_and_comes_back() {
    skip!(provision::apt(&["redis-server", "redis-tools"]));
    let at = folder();
    let port = planb_harness::free_port();
    let ear = Ear::start();
    let toml = format!(
        r#"
        [jobs.sessions]
        db = "redis://127.0.0.1:{port}/"
        to = ["./store"]
        schedule = "0 0 1 1 *"
        on_start = true
        retries = 30
        retry_delay = "500ms"
        notify = ["failures", "recoveries", "successes"]
        hooks.on_failure = "echo \"$DBSTASH_STATUS: $PLANB_ERROR\" >> {at}/failures"
        hooks.on_success = "echo good >> {at}/successes"

        [notify.failures]
        type = "webhook"
        url = "{url}/failure"

        [notify.recoveries]
        type = "webhook"
        url = "{url}/recovery"
        on = "recovery"

        [notify.successes]
        type = "webhook"
        url = "{url}/success"
        on = "success"

        [serve]
        "#,
        at = at.path().display(),
        url = ear.url(""),
    )
    .replace("\n        ", "\n");
    let mut served = Served::start(at.path(), &Planb::new(), &toml);
    // It is tried again by itself, and each failure is told, with whose it is.
    served.wait_for("sessions", "failed", 2);
    until("two failures are told", || ear.at("/failure").len() >= 2);
    let first = &ear.at("/failure")[0];
    assert_eq!(
        (first.text("status"), first.body["error"]["blame"].as_str()),
        ("failed", Some("database")),
        "{first:?}"
    );
    assert!(first.body["error"]["hint"].is_string() && first.body["retry_at"].is_string(), "{first:?}");
    assert!(ear.at("/failure")[1].body["failures"].as_u64() >= Some(2));
    assert!(ear.at("/success").is_empty());
    let job = served.job("sessions");
    assert!(job["failures"]["database"].as_u64() >= Some(2) && job["last_success_at"].is_null(), "{job}");
    let status = served.planb(&["status"]).run().ok();
    assert!(status.stdout.contains("failed"), "{status:?}");
    // A failed backup is no fault of planb.
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200);
    assert!(files(&at.path().join("store")).iter().all(|file| !file.ends_with(".manifest.json")));
    // It comes back, and so do the backups.
    let redis = Redis::start(port, at.path());
    served.wait_for("sessions", "success", 1);
    until("it is told", || !ear.at("/recovery").is_empty() && !ear.at("/success").is_empty());
    served.idle("sessions");
    let failed = served.runs("sessions", "failed");
    let good: Vec<_> = ear.at("/recovery").into_iter().filter(|one| one.text("status") == "success").collect();
    assert_eq!(good.len(), 1, "{good:?}");
    assert_eq!(good[0].text("previous_status"), "failed");
    assert!(ear.at("/failure").iter().all(|one| one.text("status") == "failed"));
    assert_eq!(lines(&at.path().join("successes")), ["good"]);
    let told = lines(&at.path().join("failures"));
    assert!(told.len() as u64 == failed && told.iter().all(|line| line.starts_with("failure: ")), "{told:?}");
    // One that went well is not tried again; the next that does so is no recovery.
    served.planb(&["trigger", "sessions"]).run().ok();
    served.wait_for("sessions", "success", 2);
    until("it is told", || ear.at("/success").len() == 2);
    assert_eq!(ear.at("/recovery").iter().filter(|one| one.text("status") == "success").count(), 1);
    assert_eq!(served.runs("sessions", "failed"), failed);
    served.stop().ok();
    drop(redis);
}

#[test]
fn a_pre_hook_that_fails_is_a_failed_run_without_a_backup() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let hooks = format!(
        "[jobs.shop.hooks]\npre = \"echo no room >&2; exit 3\"\npost = \"echo post $DBSTASH_STATUS >> {at}/hooks\"\non_failure = \"echo $PLANB_HOOK >> {at}/hooks; exit 1\"\non_success = \"echo $PLANB_HOOK >> {at}/hooks\"\n",
        at = at.path().display()
    );
    let mut served = Served::start(at.path(), &Planb::new(), &format!("{}{hooks}\n[serve]\n", shop(at.path())));
    served.planb(&["trigger", "shop"]).run().ok();
    served.wait_for("shop", "failed", 1);
    let last = served.job("shop")["last"].clone();
    assert!(last["error"].as_str().unwrap().contains("`pre`"), "{last}");
    assert!(last["error"].as_str().unwrap().contains("no room"), "{last}");
    assert_eq!(last["blame"], "settings");
    assert!(
        last["warnings"].to_string().contains("on_failure"),
        "a hook behind the run that fails is a warning: {last}"
    );
    assert_eq!(lines(&at.path().join("hooks")), ["on_failure", "post failure"]);
    assert!(!at.path().join("store").exists());
    // The same by hand.
    served.planb(&["run", "--job", "shop"]).run().expect_code(1).says(&["`pre`", "no room"]);
    let said = served.planb(&["run", "--job", "shop", "--output", "json"]).run().expect_code(1);
    assert!(said.json()["error"]["message"].is_string() && !said.stdout.contains("success"), "{said:?}");
    served.stop().ok();
}
