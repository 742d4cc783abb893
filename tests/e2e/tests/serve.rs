//! `planb serve`: two databases, two stores, schedules of seconds, and everything that can come between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;
#[path = "support/web.rs"]
mod web;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Output, Planb, Running, provision, skip};
use rustix::process::Signal;
use serde_json::Value;
use support::{fake_sqlite3, files, folder, small, sqlite_url, sqlite3, until, with};
use web::{Answer, Ear, Heard, ask, get};

/// A folder with a planb.toml, and the `planb serve` of it.
struct Served {
    planb: Planb,
    running: Option<Running>,
    at: PathBuf,
    address: String,
}

impl Served {
    /// Writes planb.toml, with `[serve]` in it already, and starts.
    #[track_caller]
    fn start(at: &Path, planb: &Planb, toml: &str) -> Self {
        let address = format!("127.0.0.1:{}", planb_harness::free_port());
        let mut served = Self { planb: planb.clone(), running: None, at: at.to_owned(), address };
        served.write(toml);
        served.again();
        served
    }

    /// Puts other settings into planb.toml, as editors do: beside it, and renamed.
    fn write(&self, toml: &str) {
        let beside = self.at.join("planb.toml.new");
        let serve = format!("listen = \"{}\"\nstate_dir = \"state\"\n", self.address);
        fs::write(&beside, toml.replace("[serve]\n", &format!("[serve]\n{serve}"))).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(beside, self.at.join("planb.toml")).unwrap();
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    fn again(&mut self) {
        let mut running = self.planb(&["serve"]).spawn();
        until("it answers", || {
            running.ended() || get(&self.address, "/readyz").is_some_and(|ready| ready.status == 200)
        });
        assert!(!running.ended(), "{:?}", running.wait());
        self.running = Some(running);
    }

    /// Another command with the same settings.
    fn planb(&self, args: &[&str]) -> Planb {
        self.planb.clone().args(args).env("LOG_LEVEL", "info").current_dir(&self.at)
    }

    #[track_caller]
    fn status(&self) -> Value {
        get(&self.address, "/api/status").expect("it answers").json()
    }

    #[track_caller]
    fn job(&self, name: &str) -> Value {
        let status = self.status();
        let found = status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not in {status}")).clone()
    }

    /// How many runs of a job ended so.
    #[track_caller]
    fn runs(&self, job: &str, status: &str) -> u64 {
        self.job(job)["runs"][status].as_u64().unwrap()
    }

    /// Waits until so many runs of a job have ended so.
    #[track_caller]
    fn wait_for(&self, job: &str, status: &str, count: u64) {
        until(&format!("{count} x {status} of {job}"), || self.runs(job, status) >= count);
    }

    fn trigger(&self, job: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&self.address, "POST", &format!("/api/jobs/{job}/trigger"), headers).expect("it answers")
    }

    /// Waits until nothing of a job goes on.
    #[track_caller]
    fn idle(&self, job: &str) {
        until(&format!("{job} is idle"), || {
            let job = self.job(job);
            job["running"].is_null() && job["queued_at"].is_null()
        });
    }

    fn kill(&self, signal: Signal) {
        self.running.as_ref().unwrap().kill(signal);
    }

    fn wait(&mut self) -> Output {
        self.running.take().unwrap().wait()
    }

    /// Asks it to end, and waits for that.
    fn stop(&mut self) -> Output {
        self.kill(Signal::TERM);
        self.wait()
    }

    /// What the state folder knows of a job's runs.
    fn kept(&self, job: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.at.join(format!("state/{job}.json"))).unwrap()).unwrap()
    }
}

/// The value of a metric: the name with its labels as they are written.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The backups of a store, the newest first, as `planb list` has them.
fn listed(served: &Served, store: &str, job: &str) -> Vec<Value> {
    let label = format!("job={job}");
    let output = served.planb(&["list", "--output", "json", "--from", store, "--with-label", &label]).run().ok();
    assert!(!output.stderr.contains("cannot be read"), "{output:?}");
    output.json().as_array().unwrap().clone()
}

/// The ends of runs among what was heard.
fn ends<'h>(heard: &'h [Heard], kind: &str) -> Vec<&'h Heard> {
    heard.iter().filter(|one| one.text("kind") == kind && one.text("phase") == "finished").collect()
}

/// The lines of a file, none where it is not there.
fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A job that backs a small SQLite file up into a folder when it is asked to.
fn shop(at: &Path) -> String {
    let db = small(at);
    format!("[jobs.shop]\ndb = \"{}\"\nto = [\"./store\"]\n", sqlite_url(&db))
}

#[test]
fn two_databases_two_stores_and_a_restart() {
    skip!(provision::apt(&["sqlite3"]));
    let server =
        skip!(Postgres::start(Version::V15, Options { password: Some("pass: wörd".to_owned()), ..Options::default() }));
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("jobs");
    server.create_database("orders");
    server.psql("orders", "CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 1000) g");
    let at = folder();
    let db = small(at.path());
    let ear = Ear::start();
    let env = bucket.env();
    let toml = format!(
        r#"
        [stores.here]
        url = "here"

        [stores.bucket]
        url = "s3://jobs/all"
        endpoint = "{endpoint}"
        region = "us-east-1"
        access_key_id = "{id}"
        secret_access_key_env = "BUCKET_SECRET"

        [defaults]
        to = ["here", "bucket"]
        notify = ["inventory", "platform"]
        timezone = "Asia/Kolkata"
        retention = {{ keep_last = 3 }}
        timeout = "2m"
        max_age = "1h"

        [jobs.shop]
        db = "{shop}"
        schedule = "every 2s"
        drill = {{ schedule = "every 5s" }}

        [jobs.shop.hooks]
        pre = "echo \"$PLANB_HOOK $PLANB_JOB\" >> {at}/hooks"
        post = ["/bin/sh", "-c", "echo \"$PLANB_HOOK $DBSTASH_STATUS $PLANB_STATUS $DBSTASH_FILE\" >> {at}/hooks"]
        on_success = "echo \"$PLANB_HOOK $PLANB_DATABASES\" >> {at}/hooks"
        on_failure = "echo \"$PLANB_HOOK\" >> {at}/hooks"

        [jobs.orders]
        db = "{orders}"
        password_file = "orders-password"
        schedule = "*/3 * * * * *"
        name = "{{engine}}/{{db}}-{{timestamp}}"

        [notify.inventory]
        type = "webhook"
        url = "{webhook}"
        token = "the-token"
        secret_file = "hmac-key"
        on = "always"
        started = true

        [notify.platform]
        type = "callback"
        url = "{callback}"
        secret = "the-callback-secret"

        [serve]
        token = "a-token-of-the-tests"
        concurrency = 4
        "#,
        endpoint = bucket.endpoint(),
        id = env[0].1,
        shop = sqlite_url(&db),
        orders = server.url("orders"),
        at = at.path().display(),
        webhook = ear.url("/events"),
        callback = ear.url("/callback"),
    )
    .replace("\n        ", "\n");
    fs::write(at.path().join("orders-password"), "pass: wörd\n").unwrap();
    fs::write(at.path().join("hmac-key"), "the-hmac-key\n").unwrap();
    let planb = with(Planb::new(), &env).env("BUCKET_SECRET", &env[1].1).env("PLANB_TOOL_PATH", server.bin_dir());
    let mut served = Served::start(at.path(), &planb, &toml);
    let stores = ["here".to_owned(), bucket.url("jobs", "all")];

    served.wait_for("shop", "success", 5);
    served.wait_for("orders", "success", 5);
    until("a drill of shop", || served.job("shop")["last_drill"]["ok"] == true);

    // All addresses agree.
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200);
    let page = get(&served.address, "/").unwrap();
    assert!(page.status == 200 && page.body.contains("orders") && page.body.contains("shop"), "{}", page.body);
    let page = get(&served.address, "/jobs/shop").unwrap();
    assert!(page.status == 200 && page.body.contains("customer"), "the inspection is shown");
    let metrics = get(&served.address, "/metrics").unwrap().body;
    for job in ["shop", "orders"] {
        let counted = metric(&metrics, &format!("planb_runs_total{{job_name=\"{job}\",status=\"success\"}}"));
        assert!(counted.is_some_and(|count| count >= 5.0), "{metrics}");
        assert_eq!(metric(&metrics, &format!("planb_job_stale{{job_name=\"{job}\"}}")), Some(0.0), "{metrics}");
    }
    assert_eq!(metric(&metrics, "planb_job_last_backup_rows{job_name=\"orders\"}"), Some(1000.0), "{metrics}");
    assert_eq!(metric(&metrics, "planb_job_last_drill_success{job_name=\"shop\"}"), Some(1.0), "{metrics}");
    for store in ["here", "bucket"] {
        let up = metric(&metrics, &format!("planb_store_up{{job_name=\"shop\",store=\"{store}\"}}"));
        assert_eq!(up, Some(1.0), "{metrics}");
    }
    let job = served.job("orders");
    assert_eq!((job["engine"].as_str(), job["database"].as_str()), (Some("pg"), Some("orders")), "{job}");
    assert_eq!(job["timezone"], "Asia/Kolkata");
    assert!(job["retention"]["error"].is_null() && job["next_run"].is_string(), "{job}");
    let text = served.planb(&["status"]).run().ok();
    assert!(text.stdout.contains("orders") && text.stdout.contains("shop"), "{text:?}");

    // A restart in the middle.
    let before = served.status();
    let ended = served.stop().ok();
    assert!(ended.stderr.contains("serving 2 jobs"), "{ended:?}");
    assert!(get(&served.address, "/healthz").is_none());
    served.planb(&["status"]).run().expect_code(1).says(&["planb serve"]);
    served.again();
    for job in before["jobs"].as_array().unwrap() {
        let name = job["name"].as_str().unwrap();
        let now = served.job(name);
        assert!(now["runs"]["success"].as_u64() >= job["runs"]["success"].as_u64(), "{now}");
        let ids: Vec<_> = now["history"].as_array().unwrap().iter().map(|run| run["id"].clone()).collect();
        for run in job["history"].as_array().unwrap() {
            assert_eq!(ids.iter().filter(|id| **id == run["id"]).count(), 1, "{} of {name}: {ids:?}", run["id"]);
        }
    }
    let so_far = served.runs("orders", "success");
    served.wait_for("orders", "success", so_far + 2);
    let so_far = served.runs("shop", "success");
    served.wait_for("shop", "success", so_far + 2);
    let last = served.status();
    assert_eq!((last["healthy"].as_bool(), last["config_problem"].is_null()), (Some(true), true));
    served.stop().ok();

    // No tick was run twice, and what is said of runs is what was told of them.
    let heard = ear.at("/events");
    let told = ends(&heard, "run");
    for name in ["shop", "orders"] {
        let kept = served.kept(name);
        let history = kept["backup"]["history"].as_array().unwrap_or_else(|| panic!("{kept}")).clone();
        let ticks: Vec<_> = history
            .iter()
            .filter(|run| run["cause"] == "schedule" || run["cause"] == "catch-up")
            .map(|run| run["tick"].as_str().unwrap().to_owned())
            .collect();
        let different: BTreeSet<_> = ticks.iter().collect();
        assert_eq!(different.len(), ticks.len(), "{name} ran a tick twice: {ticks:?}");
        assert!(ticks.len() >= 7, "{ticks:?}");
        let of_job = |one: &&&Heard| one.text("job") == name;
        assert_eq!(told.iter().filter(of_job).count(), history.len(), "{name}");
    }
    for one in &heard {
        assert!(one.bears("the-token") && one.signed_by("the-hmac-key"), "{one:?}");
        assert_eq!((one.text("schema"), one.method.as_str()), ("planb.event/v1", "POST"));
    }
    for one in &told {
        assert_eq!((one.text("status"), one.body["stores"].as_array().unwrap().len()), ("success", 2), "{one:?}");
        let rows = if one.text("job") == "shop" { 6 } else { 1000 };
        assert_eq!(one.body["rows"], rows, "{one:?}");
        assert!(one.body["stored_bytes"].as_u64() > Some(0), "{one:?}");
    }
    let drills = ends(&heard, "drill");
    assert!(!drills.is_empty() && drills.iter().all(|one| one.text("status") == "success"), "{drills:?}");
    let started = heard.iter().filter(|one| one.text("kind") == "run" && one.text("phase") == "started").count();
    assert_eq!(started, told.len());

    // The callback: for each run running, the metadata, success.
    let said: Vec<_> = ear.at("/callback").iter().map(|one| one.text("status").to_owned()).collect();
    let count = |status: &str| said.iter().filter(|one| *one == status).count();
    assert_eq!((count("running"), count("success")), (told.len(), told.len()), "{said:?}");
    let metadata = ear.at("/callback/metadata");
    assert_eq!(metadata.len(), told.len());
    assert!(metadata.iter().all(|one| one.bears("the-callback-secret") && one.body["metadata"]["bytes"].is_u64()));

    // Retention kept three of each job in each store, and what a drill has proven. The last prune may not have been.
    for store in &stores {
        for job in ["shop", "orders"] {
            let there = listed(&served, store, job);
            assert!((3..=5).contains(&there.len()), "{store}: {there:?}");
            assert!(
                there.iter().all(|backup| backup["status"] == "complete" || backup["status"] == "success"),
                "{there:?}"
            );
        }
        let pruned = served.planb(&["prune", "--orphans", "--older-than", "0s", "--dry-run", "--output", "json"]);
        let pruned = pruned.args(["--from", store]).run().ok().json();
        assert_eq!(pruned["orphans"], serde_json::json!([]), "{store}");
        for job in ["shop", "orders"] {
            let label = format!("job={job}");
            served.planb(&["verify", "latest", "--from", store, "--with-label", &label]).run().ok();
        }
    }
    assert_eq!(bucket.unfinished_uploads("jobs"), 0);
    for backup in listed(&served, "here", "orders") {
        let key = backup["key"].as_str().unwrap();
        assert!(key.starts_with("pg/orders-") && key.contains("+0530"), "its own name, in its job's zone: {key}");
    }

    // The hooks of shop, once each for a run, in their order; none of a failure.
    let hooks = lines(&at.path().join("hooks"));
    let runs = told.iter().filter(|one| one.text("job") == "shop").count();
    assert_eq!(hooks.len(), 3 * runs, "{hooks:?}");
    for three in hooks.chunks(3) {
        assert_eq!((three[0].as_str(), three[1].as_str()), ("pre shop", format!("on_success {}", db.display()).as_str()), "{hooks:?}");
        assert!(three[2].starts_with("post success success shop-20"), "{hooks:?}");
    }
    // A store gives back what the databases hold.
    let copy = at.path().join("copy.db");
    let back = served.planb(&["restore", "latest", "--from", &stores[1], "--with-label", "job=shop", "--db"]);
    back.arg(sqlite_url(&copy)).run().ok();
    assert_eq!(support::dump(&copy), support::dump(&db));
}

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
    served.stop().ok();
}

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
