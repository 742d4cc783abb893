//! A `planb serve` of a folder, and what is asked of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use planb_harness::{Output, Planb, Running};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{small, sqlite_url, until};
use crate::web::{Answer, Heard, ask, get};

/// A folder with a planb.toml, and the `planb serve` of it.
pub(crate) struct Served {
    pub(crate) planb: Planb,
    pub(crate) running: Option<Running>,
    pub(crate) at: PathBuf,
    pub(crate) address: String,
}

impl Served {
    /// Writes planb.toml, with `[serve]` in it already, and starts.
    #[track_caller]
    pub(crate) fn start(at: &Path, planb: &Planb, toml: &str) -> Self {
        let address = format!("127.0.0.1:{}", planb_harness::free_port());
        let mut served = Self { planb: planb.clone(), running: None, at: at.to_owned(), address };
        served.write(toml);
        served.again();
        served
    }

    /// Puts other settings into planb.toml, as editors do: beside it, and renamed.
    pub(crate) fn write(&self, toml: &str) {
        let beside = self.at.join("planb.toml.new");
        let serve = format!("listen = \"{}\"\nstate_dir = \"state\"\n", self.address);
        fs::write(&beside, toml.replace("[serve]\n", &format!("[serve]\n{serve}"))).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(beside, self.at.join("planb.toml")).unwrap();
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub(crate) fn again(&mut self) {
        let mut running = self.planb(&["serve"]).spawn();
        until("it answers", || {
            running.ended() || get(&self.address, "/readyz").is_some_and(|ready| ready.status == 200)
        });
        assert!(!running.ended(), "{:?}", running.wait());
        self.running = Some(running);
    }

    /// Another command with the same settings.
    pub(crate) fn planb(&self, args: &[&str]) -> Planb {
        self.planb.clone().args(args).env("LOG_LEVEL", "info").current_dir(&self.at)
    }

    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        get(&self.address, "/api/status").expect("it answers").json()
    }

    #[track_caller]
    pub(crate) fn job(&self, name: &str) -> Value {
        let status = self.status();
        let found = status["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name);
        found.unwrap_or_else(|| panic!("{name} is not in {status}")).clone()
    }

    /// How many runs of a job ended so.
    #[track_caller]
    pub(crate) fn runs(&self, job: &str, status: &str) -> u64 {
        self.job(job)["runs"][status].as_u64().unwrap()
    }

    /// Waits until so many runs of a job have ended so.
    #[track_caller]
    pub(crate) fn wait_for(&self, job: &str, status: &str, count: u64) {
        let begin = Instant::now();
        while self.runs(job, status) < count {
            assert!(begin.elapsed() < Duration::from_mins(2), "not {count} x {status}: {:#}", self.job(job));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn trigger(&self, job: &str, headers: &[(&str, &str)]) -> Answer {
        ask(&self.address, "POST", &format!("/api/jobs/{job}/trigger"), headers).expect("it answers")
    }

    /// Waits until nothing of a job goes on.
    #[track_caller]
    pub(crate) fn idle(&self, job: &str) {
        until(&format!("{job} is idle"), || {
            let job = self.job(job);
            job["running"].is_null() && job["queued_at"].is_null()
        });
    }

    pub(crate) fn kill(&self, signal: Signal) {
        self.running.as_ref().unwrap().kill(signal);
    }

    pub(crate) fn wait(&mut self) -> Output {
        self.running.take().unwrap().wait()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(&mut self) -> Output {
        self.kill(Signal::TERM);
        self.wait()
    }

    /// What the state folder knows of a job's runs.
    pub(crate) fn kept(&self, job: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.at.join(format!("state/{job}.json"))).unwrap()).unwrap()
    }
}

/// The value of a metric: the name with its labels as they are written.
pub(crate) fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The backups of a store, the newest first, as `planb list` has them.
pub(crate) fn listed(served: &Served, store: &str, job: &str) -> Vec<Value> {
    let label = format!("job={job}");
    let output = served.planb(&["list", "--output", "json", "--from", store, "--with-label", &label]).run().ok();
    assert!(!output.stderr.contains("cannot be read"), "{output:?}");
    output.json().as_array().unwrap().clone()
}

/// The ends of runs among what was heard.
pub(crate) fn ends<'h>(heard: &'h [Heard], kind: &str) -> Vec<&'h Heard> {
    heard.iter().filter(|one| one.text("kind") == kind && one.text("phase") == "finished").collect()
}

/// The lines of a file, none where it is not there.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A job that backs a small SQLite file up into a folder when it is asked to.
pub(crate) fn shop(at: &Path) -> String {
    let db = small(at);
    format!("[jobs.shop]\ndb = \"{}\"\nto = [\"./store\"]\n", sqlite_url(&db))
}
