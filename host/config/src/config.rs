//! planb.toml as a whole: read, checked, resolved. All mistakes are reported together, each with its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planb_model::connection::did_you_mean;
use toml::de::DeTable;

use crate::env::Env;
use crate::job::{House, JobConfig, merge};
use crate::keys::{JOB, SERVE, STORE, TOP};
use crate::notify::NotifyConfig;
use crate::origin::{Lines, Origin, Position, Problem};
use crate::reader::Reader;
use crate::secret::text_of;
use crate::serve::ServeConfig;
use crate::show::Shown;
use crate::store::StoreConfig;
use crate::value::{Secrecy, Settings};

/// No such file is larger: 16 MiB hold tens of thousands of jobs.
const LARGEST: u64 = 16 << 20;

/// Everything that a planb.toml says.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file, where it was one.
    pub path: Option<PathBuf>,
    /// The stores by their names.
    pub stores: BTreeMap<String, StoreConfig>,
    /// The jobs by their names, with the defaults in them.
    pub jobs: BTreeMap<String, JobConfig>,
    /// The targets by their names.
    pub notify: BTreeMap<String, NotifyConfig>,
    /// What `planb serve` itself needs.
    pub serve: ServeConfig,
    /// What is odd and no mistake.
    pub warnings: Vec<Problem>,
}

/// What is known of a text beside itself.
#[derive(Debug, Clone)]
pub struct Place {
    /// How the file is called in messages.
    pub name: String,
    /// Where relative paths in it begin. None: they are left as they are.
    pub folder: Option<PathBuf>,
    /// Whether only its owner can read it, so that secrets may stand in it.
    pub private: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { name: "planb.toml".to_owned(), folder: None, private: true }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn load(path: &Path, env: &dyn Env) -> Result<Self, Vec<Problem>> {
        let name = path.to_string_lossy().into_owned();
        let whole = |message: String| vec![Problem::new(Origin::File(Lines::new(&name, "").whole()), message)];
        let text = text_of(path, LARGEST).map_err(|why| whole(format!("the settings: {why}")))?;
        let absolute = std::path::absolute(path).map_err(|error| whole(error.to_string()))?;
        let folder = absolute.parent().map(Path::to_owned);
        let place = Place { name: name.clone(), folder, private: is_private(path) };
        let mut config = Self::from_text(&text, &place, env)?;
        config.path = Some(path.to_owned());
        Ok(config)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn from_text(text: &str, place: &Place, env: &dyn Env) -> Result<Self, Vec<Problem>> {
        let lines = Lines::new(&place.name, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut reader =
            Reader { lines, env, folder: place.folder.clone(), problems: Vec::new(), literals: Vec::new() };
        for error in &errors {
            let at = reader.lines.at(error.span().map_or(0, |span| span.start));
            reader.problem(at, format!("this is not TOML: {}", error.message()));
        }
        // What follows from a broken line would only hide it.
        let config = errors.is_empty().then(|| reader.config(document.get_ref(), place));
        let mut problems = reader.problems;
        problems.sort_by(|one, other| (one.at.position(), one).cmp(&(other.at.position(), other)));
        problems.dedup();
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    /// Every setting with its value, without secrets, and where it came from: `planb config show`.
    pub fn shown(&self) -> Vec<Shown> {
        let stores = self.stores.values().flat_map(StoreConfig::shown);
        let jobs = self.jobs.values().flat_map(JobConfig::shown);
        let notify = self.notify.values().flat_map(NotifyConfig::shown);
        stores.chain(jobs).chain(notify).chain(self.serve.shown()).collect()
    }

    /// A planb.toml that says the same, with the defaults in each job. With `Exposed` it has to be kept where only its
    /// owner can read it; with `Redacted` it can be shown, and cannot be used.
    pub fn render(&self, secrecy: Secrecy) -> String {
        let mut out = String::new();
        let mut section = |path: &[&str], table: toml::Table| {
            let mut whole = table;
            for key in path.iter().rev() {
                whole = toml::Table::from_iter([((*key).to_owned(), toml::Value::Table(whole))]);
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&whole.to_string());
        };
        for (name, store) in &self.stores {
            section(&["stores", name], store.to_toml(secrecy));
        }
        for (name, job) in &self.jobs {
            section(&["jobs", name], job.to_toml(secrecy));
        }
        for (name, target) in &self.notify {
            section(&["notify", name], target.to_toml(secrecy));
        }
        section(&["serve"], self.serve.to_toml(secrecy));
        out
    }
}

impl Reader<'_> {
    fn config(&mut self, document: &DeTable<'_>, place: &Place) -> Config {
        for name in document.keys() {
            let text = name.get_ref().as_ref();
            if !TOP.iter().any(|(known, _)| *known == text) {
                let nearest = did_you_mean(text, TOP.iter().map(|(known, _)| *known));
                let at = self.position(name);
                self.problem(at, format!("there is no table `{text}` in a planb.toml{nearest}"));
            }
        }
        let defaults = match self.section(document, "defaults") {
            Some(table) => self.table("defaults", JOB, table, Origin::Defaults),
            None => Settings::default(),
        };
        let serve = match self.section(document, "serve") {
            Some(table) => self.table("serve", SERVE, table, Origin::File),
            None => Settings::default(),
        };
        let mut stores = BTreeMap::new();
        for (name, at, table) in self.named(document, "stores") {
            let settings = self.table(&format!("stores.{name}"), STORE, table, Origin::File);
            if !settings.said("url") {
                self.problem(at, format!("the store `{name}` has no `url`"));
            }
            let store = StoreConfig::resolve(&name, settings, self.folder.as_deref(), &mut self.problems);
            stores.insert(name, store);
        }
        let targets = self.named(document, "notify");
        let names: Vec<String> = targets.iter().map(|(name, ..)| name.clone()).collect();
        let mut notify = BTreeMap::new();
        for (name, at, table) in targets {
            if let Some(mut target) = NotifyConfig::read(&name, Origin::File(at), table, self) {
                target.private = place.private;
                notify.insert(name, target);
            }
        }
        let house = House {
            stores: &stores,
            targets: names.iter().map(String::as_str).collect(),
            folder: place.folder.as_deref(),
        };
        let mut jobs = BTreeMap::new();
        for (name, at, table) in self.named(document, "jobs") {
            let own = self.table(&format!("jobs.{name}"), JOB, table, Origin::File);
            let settings = merge(own, &defaults);
            if let Some(job) = JobConfig::resolve(&name, settings, &Origin::File(at), &house, &mut self.problems) {
                jobs.insert(name, job);
            }
        }
        if !place.private {
            for (at, key) in std::mem::take(&mut self.literals) {
                let message = format!("`{key}` holds a secret, and this file can be read by others than its owner");
                let hint = format!("chmod 600 {}, or put it elsewhere: {key}_file or {key}_env", place.name);
                self.problem_with_hint(at, message, hint);
            }
        }
        let warnings = unused(&stores, &jobs);
        let stores = stores.into_iter().filter_map(|(name, store)| Some((name, store?))).collect();
        Config { path: None, stores, jobs, notify, serve: ServeConfig::of(serve), warnings }
    }

    /// A table at the top.
    fn section<'t, 'i>(&mut self, document: &'t DeTable<'i>, name: &str) -> Option<&'t DeTable<'i>> {
        let (key, value) = document.get_key_value(name)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            let at = self.position(key);
            self.problem(at, format!("`{name}` has to be a table: [{name}]"));
        }
        table
    }

    /// The tables below one at the top, by their names.
    fn named<'t, 'i>(
        &mut self,
        document: &'t DeTable<'i>,
        name: &'static str,
    ) -> Vec<(String, Position, &'t DeTable<'i>)> {
        let Some(section) = self.section(document, name) else { return Vec::new() };
        let mut tables = Vec::new();
        for (key, value) in section {
            let text = key.get_ref().as_ref();
            let at = self.position(key);
            if !is_name(text) {
                self.problem(at, format!("{text:?} is no name: letters, digits, `-`, `_` and `.`, at most 64, the first a letter or digit"));
                continue;
            }
            match value.get_ref().as_table() {
                Some(table) => tables.push((text.to_owned(), at, table)),
                None => self.problem(at, format!("`{name}.{text}` has to be a table: [{name}.{text}]")),
            }
        }
        tables
    }
}

/// Names become labels, parts of addresses and words of commands.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// A store that no job writes to is likely a misspelt one.
fn unused(stores: &BTreeMap<String, Option<StoreConfig>>, jobs: &BTreeMap<String, JobConfig>) -> Vec<Problem> {
    let used = |name: &str| jobs.values().any(|job| job.to.iter().any(|store| store.name == name));
    stores
        .iter()
        .filter(|(name, _)| !jobs.is_empty() && !used(name))
        .filter_map(|(name, store)| {
            let at = store.as_ref()?.settings.origin("url");
            Some(Problem::new(at, format!("no job writes to the store `{name}`")))
        })
        .collect()
}

/// Whether nobody but a file's owner can read it.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o044 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

/// Where planb.toml is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// It was named, by a flag or a variable: it has to be there.
    Named(PathBuf, Origin),
    /// The first of these that is there.
    Usual(Vec<PathBuf>),
}

/// The places of planb.toml: `--config`, `PLANB_CONFIG`, then `./planb.toml`, `$XDG_CONFIG_HOME/planb/planb.toml`
/// (`~/.config` without it) and `/etc/planb/planb.toml`.
pub fn search(flag: Option<&Path>, env: &dyn Env) -> Search {
    if let Some(path) = flag {
        return Search::Named(path.to_owned(), Origin::Flag("--config".to_owned()));
    }
    if let Some(path) = env.get("PLANB_CONFIG") {
        return Search::Named(path.into(), Origin::Environment("PLANB_CONFIG".to_owned()));
    }
    let user = env.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = user.or_else(|| env.get("HOME").map(|home| Path::new(&home).join(".config")));
    let mut usual = vec![PathBuf::from("planb.toml")];
    usual.extend(user.map(|folder| folder.join("planb/planb.toml")));
    usual.push("/etc/planb/planb.toml".into());
    Search::Usual(usual)
}
