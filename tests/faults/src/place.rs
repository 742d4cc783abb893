//! A store with a database beside it, and what has to hold there after whatever went wrong.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use planb_harness::{Output, Planb, Running, workspace};
use serde_json::Value;
use tempfile::TempDir;

use crate::bucket::Bucket;
use crate::shop::{self, dump, sqlite_url};

/// A command of `planb`, to be run as it is or under a tracer.
#[derive(Debug, Clone)]
pub struct Call {
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    home: PathBuf,
}

impl Call {
    /// A command with this home folder. What belongs together has one home, as it has for a person.
    pub fn new(home: &Path, args: &[&str]) -> Self {
        let call = Self { args: Vec::new(), env: Vec::new(), home: home.to_owned() };
        call.env("HOME", home).args(args)
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    fn planb(&self) -> Planb {
        let planb = Planb::new().args(&self.args).current_dir(&self.home);
        self.env.iter().fold(planb, |planb, (name, value)| planb.env(name, value))
    }

    /// Runs it to its end.
    pub fn run(&self) -> Output {
        self.planb().run()
    }

    /// Starts it.
    pub fn spawn(&self) -> Running {
        self.planb().spawn()
    }

    /// Completes a command that starts a program by its arguments, with the environment of [`Planb`].
    pub fn describe(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        command
            .arg(Planb::binary())
            .args(&self.args)
            .env_clear()
            .env("PATH", path)
            .env("XDG_CACHE_HOME", workspace().join("target/planb-cache"))
            .env("LOG_LEVEL", "warn")
            .env("PLANB_PLUGIN_PATH", Planb::plugins())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home);
    }
}

/// Whether this planb has a command.
pub fn has_command(name: &str) -> bool {
    static HELP: OnceLock<String> = OnceLock::new();
    let help = HELP.get_or_init(|| Planb::new().arg("--help").run().stdout);
    help.lines().any(|line| line.trim_start().split(' ').next() == Some(name))
}

/// Whether this planb has a flag of a command.
pub fn has_flag(command: &str, flag: &str) -> bool {
    Planb::new().args([command, "--help"]).run().stdout.contains(flag)
}

/// Where backups go.
#[derive(Debug, Clone)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket(Arc<Bucket>, String),
}

/// A store, a database and all that a run of it needs.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    /// The store.
    pub store: Store,
    /// The database.
    pub db: PathBuf,
}

/// A backup, as `list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its artifact's key.
    pub key: String,
}

impl Place {
    /// A folder of its own, with a small database.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("home")).expect("a home");
        fs::create_dir(folder.path().join("work")).expect("a work directory");
        let db = shop::small(folder.path(), "shop.db");
        Self { store: Store::Folder(folder.path().join("store")), db, folder }
    }

    /// The same, with a prefix of a bucket.
    pub fn in_bucket(bucket: &Arc<Bucket>, prefix: &str) -> Self {
        Self { store: Store::Bucket(Arc::clone(bucket), prefix.to_owned()), ..Self::new() }
    }

    /// A path beside the store.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store's URL, without faults.
    pub fn url(&self) -> String {
        match &self.store {
            Store::Folder(path) => path.display().to_string(),
            Store::Bucket(bucket, prefix) => bucket.s3.url(&bucket.name, prefix),
        }
    }

    /// The store's URL by the faulty way, where it has one.
    pub fn faulty_url(&self) -> String {
        match &self.store {
            Store::Folder(_) => self.url(),
            Store::Bucket(bucket, prefix) => bucket.proxy.url(&bucket.name, prefix),
        }
    }

    /// A command with this place's home, work directory and credentials.
    pub fn call(&self, args: &[&str]) -> Call {
        let call = Call::new(&self.path("home"), args);
        match &self.store {
            Store::Folder(_) => call,
            Store::Bucket(bucket, _) => bucket.s3.env().iter().fold(call, |call, (name, value)| call.env(name, value)),
        }
        .env("BACKUP_TEMP_DIR", self.path("work"))
    }

    /// `planb run` of the database into this URL.
    pub fn run_to(&self, url: &str) -> Call {
        self.call(&["run", "--output", "json", "--db", &sqlite_url(&self.db), "--to", url])
    }

    /// `planb run` of the database, without faults.
    pub fn run(&self) -> Call {
        self.run_to(&self.url())
    }

    /// A command that reads one backup, without faults.
    pub fn read(&self, command: &str, backup: &str) -> Call {
        self.call(&[command, backup, "--output", "json", "--from", &self.url()])
    }

    /// `planb restore` of a backup into a file beside the store.
    pub fn restore(&self, backup: &str, target: &str) -> Call {
        self.read("restore", backup).args(["--db", &sqlite_url(&self.path(target))])
    }

    /// `planb prune` with these rules.
    pub fn prune(&self, rules: &[&str]) -> Call {
        self.call(&["prune", "--output", "json", "--from", &self.url()]).args(rules)
    }

    /// What `planb list` shows; a folder that is not there holds nothing.
    #[track_caller]
    pub fn list(&self) -> Vec<Listed> {
        if matches!(&self.store, Store::Folder(path) if !path.exists()) {
            return Vec::new();
        }
        let listed = self.call(&["list", "--output", "json", "--from", &self.url()]).run().ok();
        assert!(!listed.stderr.contains("cannot be read"), "{listed:?}");
        let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
        let all = listed.json();
        let all = all.as_array().expect("a list").iter();
        all.map(|entry| Listed { id: text(entry, "id"), key: text(entry, "key") }).collect()
    }

    /// The same; panics unless each of them is whole.
    #[track_caller]
    pub fn all_whole(&self) -> Vec<Listed> {
        let listed = self.list();
        for backup in &listed {
            self.read("verify", &backup.id).run().ok();
        }
        listed
    }

    /// All keys of the store, those that planb hides too.
    pub fn keys(&self) -> BTreeSet<String> {
        match &self.store {
            Store::Folder(path) => shop::files(path),
            Store::Bucket(bucket, prefix) => {
                let below = format!("{prefix}/");
                let all = bucket.client.objects(&bucket.name, &below).into_iter().map(|(key, _)| key);
                all.filter_map(|key| key.strip_prefix(&below).map(str::to_owned)).collect()
            }
        }
    }

    /// The bytes of an object.
    pub fn get(&self, key: &str) -> Vec<u8> {
        match &self.store {
            Store::Folder(path) => fs::read(path.join(key)).expect("an object"),
            Store::Bucket(bucket, prefix) => bucket.client.get(&bucket.name, &format!("{prefix}/{key}")),
        }
    }

    /// Manifests by their keys.
    pub fn manifests(&self) -> Vec<(String, Value)> {
        let keys = self.keys().into_iter().filter(|key| key.ends_with(".manifest.json"));
        keys.map(|key| (serde_json::from_slice(&self.get(&key)).expect("a manifest"), key))
            .map(|(manifest, key)| (key, manifest))
            .collect()
    }

    /// The keys that belong to a listed backup: its objects, and its signature, hold and drills where it has them.
    pub fn named_keys(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let all = self.keys();
        for (key, manifest) in self.manifests() {
            let folder = key.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            named.extend(volumes(&manifest).into_iter().map(|volume| format!("{folder}{volume}")));
            let name = key.strip_suffix("manifest.json").unwrap_or(&key);
            let beside =
                |rest: &str| rest == "manifest.json.minisig" || rest == "hold.json" || rest.starts_with("drill-");
            named.extend(all.iter().filter(|key| key.strip_prefix(name).is_some_and(beside)).cloned());
            named.insert(key);
        }
        named
    }

    /// Panics if something of planb still runs here, or a work directory is left. (Empty folders of one that was just
    /// being made when planb was killed stay for ten minutes: nobody can tell them from those of a run that begins.)
    #[track_caller]
    pub fn nothing_runs(&self) {
        let work = self.path("work");
        let left = fs::read_dir(&work).expect("the work directory").flatten().map(|entry| entry.path());
        let new = |path: &PathBuf| path.display().to_string().contains("/planb-new-");
        let left: Vec<_> =
            left.filter(|path| !new(path) || shop::files(path).iter().any(|file| file != "lock")).collect();
        assert!(left.is_empty(), "work directories are left: {left:?}");
        let mut running = Vec::new();
        // What was killed needs a moment to be gone.
        for _ in 0..200 {
            running = shop::processes_with(&work.display().to_string());
            if running.is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("still running: {running:?}");
    }

    /// Removes what belongs to no backup, after looking at what that would be. Panics unless both say the same and
    /// nothing of it is left.
    #[track_caller]
    pub fn sweep_orphans(&self) -> BTreeSet<String> {
        if matches!(&self.store, Store::Folder(path) if !path.exists()) {
            return BTreeSet::new();
        }
        let orphans = |output: &Output| -> BTreeSet<String> {
            let report = output.json();
            let all = report["orphans"].as_array().expect("orphans").iter();
            all.map(|orphan| orphan["key"].as_str().expect("a key").to_owned()).collect()
        };
        let before = self.keys();
        let dry = self.prune(&["--orphans", "--older-than", "0s", "--dry-run"]).run().ok();
        assert_eq!(dry.json()["dry_run"], true, "{dry:?}");
        assert_eq!(self.keys(), before, "a dry run removes nothing");
        let done = self.prune(&["--orphans", "--older-than", "0s"]).run().ok();
        assert_eq!(orphans(&dry), orphans(&done), "what was shown is what is done");
        assert_eq!(self.keys(), self.named_keys(), "what is left is what belongs to backups; {done:?}");
        orphans(&done)
    }

    /// What has to hold after whatever happened to a run: see the module. `run` is the same run once more.
    #[track_caller]
    pub fn holds_up(&self, run: &Call, sample: bool) {
        let before = self.all_whole();
        let again = run.run().ok().json();
        assert_eq!(again["status"], "success", "{again}");
        let id = again["id"].as_str().expect("an id");
        let after = self.all_whole();
        assert!(after.iter().any(|backup| backup.id == id), "{id} is not among {after:?}");
        assert!(before.iter().all(|backup| after.contains(backup)), "{before:?} are not all among {after:?}");
        if sample {
            self.restores(id);
        }
        self.nothing_runs();
        if has_command("prune") {
            self.sweep_orphans();
            let last = self.list();
            assert_eq!(last, after, "orphans are no backups");
        }
    }

    /// Panics unless a backup comes back as the database is.
    #[track_caller]
    pub fn restores(&self, id: &str) {
        let copy = format!("copy-{}.db", &id[..8]);
        self.restore(id, &copy).run().ok();
        assert!(dump(&self.path(&copy)) == dump(&self.db), "{id} comes back as something else");
        fs::remove_file(self.path(&copy)).expect("the copy");
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// The keys of a manifest's objects, relative to its folder.
pub fn volumes(manifest: &Value) -> Vec<String> {
    let files = manifest["files"].as_array().expect("files").iter();
    let volumes = files.flat_map(|file| file["volumes"].as_array().expect("volumes").clone());
    volumes.map(|volume| volume["key"].as_str().expect("a key").to_owned()).collect()
}
