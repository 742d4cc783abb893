//! The place of one attack: a database, a store, a work directory, and things outside that nothing may touch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use planb_harness::Planb;
use serde_json::Value;
use tempfile::TempDir;

/// What the hostile engine's database holds.
const NOTES: &str = "movie\tMetropolis\nend\n";
const BAIT: &str = "nobody may touch this";

/// A place, gone when it is dropped.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// A new one.
    pub fn new() -> Self {
        let root = TempDir::new().expect("a folder");
        for name in ["work", "outside", "plugins", "data"] {
            fs::create_dir(root.path().join(name)).expect("a folder");
        }
        fs::write(root.path().join("data/notes.txt"), NOTES).expect("a database");
        fs::write(root.path().join("outside/bait"), BAIT).expect("a bait");
        Self { root }
    }

    /// The folder of all.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder of the databases. Tools may write there, and nowhere else.
    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The database.
    pub fn notes(&self) -> PathBuf {
        self.data().join("notes.txt")
    }

    /// The database that is restored into.
    pub fn copy(&self) -> PathBuf {
        self.data().join("copy.txt")
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.root().join("store")
    }

    /// A folder that no plan may read or write.
    pub fn outside(&self) -> PathBuf {
        self.root().join("outside")
    }

    /// Where work directories are made.
    pub fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    /// A folder for plugins.
    pub fn plugins(&self) -> PathBuf {
        self.root().join("plugins")
    }

    /// Puts a plugin into the folder of plugins.
    pub fn plugin(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.plugins().join(name);
        fs::write(&path, bytes).expect("a plugin");
        path
    }

    /// The hostile engine with these orders planted.
    pub fn engine(&self, orders: &str) -> PathBuf {
        self.plugin("hostile.wasm", plant(orders))
    }

    /// `planb` in this place.
    pub fn planb(&self) -> Planb {
        Planb::new().arg("--work-dir").arg(self.work())
    }

    /// `planb run` of the database with this plugin, all tools granted.
    pub fn run(&self, plugin: &Path, orders: &str) -> Planb {
        self.run_of(&self.notes(), plugin, orders)
    }

    /// The same of another database, or of those that a pattern names.
    pub fn run_of(&self, db: &Path, plugin: &Path, orders: &str) -> Planb {
        let run = self.planb().arg("run").arg("--plugin").arg(plugin).args(GRANT).arg("--db").arg(db);
        run.args(["--option", &format!("attack={orders}"), "--to"]).arg(self.store())
    }

    /// The same with a plugin in text, which knows `cat` alone and takes no orders.
    pub fn run_raw(&self, plugin: &Path) -> Planb {
        let run =
            self.planb().args(["run", "--allow-tool", "cat", "--plugin"]).arg(plugin).arg("--db").arg(self.notes());
        run.arg("--to").arg(self.store())
    }

    /// `planb restore` of the store's only backup into another file, all tools granted.
    pub fn restore(&self, plugin: &Path, orders: &str) -> Planb {
        let restore = self.planb().args(["restore", "latest", "--plugin"]).arg(plugin).args(GRANT);
        let restore = restore.arg("--db").arg(self.copy()).arg("--from").arg(self.store());
        restore.args(["--option", &format!("attack={orders}")])
    }

    /// `planb plugin inspect`.
    pub fn inspect(&self, plugin: &Path) -> Planb {
        self.planb().args(["plugin", "inspect"]).arg(plugin)
    }

    /// The only manifest of the store.
    pub fn manifest(&self) -> Value {
        let files = Self::files(&self.store());
        let name = files.keys().find(|name| name.to_string_lossy().ends_with(".manifest.json")).expect("a manifest");
        serde_json::from_slice(&fs::read(self.store().join(name)).expect("a manifest")).expect("JSON")
    }

    /// The only dump of the store, where it was neither compressed nor encrypted.
    pub fn dump(&self) -> String {
        let files = Self::files(&self.store());
        let name = files.keys().find(|name| !name.to_string_lossy().ends_with(".json")).expect("a dump");
        String::from_utf8_lossy(&fs::read(self.store().join(name)).expect("a dump")).into_owned()
    }

    /// Nothing was left in the work directory, and nothing made, changed or taken outside.
    ///
    /// # Errors
    /// What was.
    pub fn unharmed(&self) -> Result<(), String> {
        let left = names(&self.work());
        if !left.is_empty() {
            return Err(format!("the work directory still holds {left:?}"));
        }
        let outside = names(&self.outside());
        if outside != ["bait"] || fs::read_to_string(self.outside().join("bait")).ok().as_deref() != Some(BAIT) {
            return Err(format!("outside there is {outside:?}"));
        }
        let known = ["data", "outside", "plugins", "store", "work"];
        match names(self.root()).into_iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(format!("there is a new {name:?}")),
            None => Ok(()),
        }
    }

    /// The same, and nothing is in the store.
    ///
    /// # Errors
    /// What is there.
    pub fn bare(&self) -> Result<(), String> {
        self.unharmed()?;
        let stored = Self::files(&self.store());
        if stored.is_empty() { Ok(()) } else { Err(format!("the store holds {stored:?}")) }
    }

    /// Empties the store.
    pub fn clear(&self) {
        drop(fs::remove_dir_all(self.store()));
    }

    /// The files below a folder with their sizes, by their paths in it.
    pub fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {
                    let below = Self::files(&path);
                    found
                        .extend(below.into_iter().map(|(name, size)| (Path::new(&entry.file_name()).join(name), size)));
                }
                Ok(meta) => drop(found.insert(entry.file_name().into(), meta.size())),
                Err(_) => {}
            }
        }
        found
    }
}

const GRANT: [&str; 6] = ["--allow-tool", "cat", "--allow-tool", "tee", "--allow-tool", "sh"];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The hostile engine with orders planted; `""` for none.
pub fn plant(orders: &str) -> Vec<u8> {
    const MARK: &[u8] = b"planb-planted-order:";
    const ROOM: usize = 236;
    let built = std::env::var_os("PLANB_HOSTILE_ENGINE").map_or_else(
        || planb_harness::workspace().join("target/wasm32-wasip2/plugin/planb_hostile_engine.wasm"),
        PathBuf::from,
    );
    let mut bytes =
        fs::read(&built).unwrap_or_else(|error| panic!("{}: {error}; cargo xtask test builds it", built.display()));
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("the mark") + MARK.len();
    assert!(orders.len() < ROOM, "an order may have {ROOM} bytes: {orders}");
    bytes[at..at + orders.len()].copy_from_slice(orders.as_bytes());
    bytes[at + orders.len()] = 0;
    bytes
}
