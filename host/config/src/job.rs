//! `[jobs.NAME]`: what is backed up, from where, where to, when, and what happens around it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use planb_model::compression::Compression;
use planb_model::connection::did_you_mean;
use planb_model::retention::Retention;
use planb_model::schedule::Schedule;
use planb_model::secret::Secret;

use crate::keys::JOB;
use crate::origin::{Origin, Problem};
use crate::retention::rules;
use crate::show::{Shown, list};
use crate::store::{StoreConfig, empty_rules, is_place, volumes};
use crate::value::{HookCommand, Secrecy, Settings, Value};

/// A job with all its settings. None means that nobody said anything and planb's own default holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each field is the key of its name; see keys.rs and docs/config.md")]
pub struct JobConfig {
    /// The job's name.
    pub job: String,
    pub enabled: bool,
    pub plugin: Option<String>,
    /// Whole, as it was given: it may hold a password.
    pub db: Option<Secret>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub database: Option<String>,
    pub all_databases: bool,
    pub globals: bool,
    pub password: Option<Secret>,
    pub secrets: BTreeMap<String, Secret>,
    pub params: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    pub tool_paths: BTreeMap<String, PathBuf>,
    pub allow_tools: Vec<String>,
    pub extra_args: Vec<String>,
    /// The stores themselves, in the order in which the job names them.
    pub to: Vec<StoreConfig>,
    pub mode: Option<String>,
    pub compress: Option<Compression>,
    /// An engine without compression of its own takes planb's default instead of refusing `native`.
    pub native_if_known: bool,
    pub extension: Option<String>,
    pub encrypt_to: Vec<String>,
    pub passphrase: Option<Secret>,
    pub sign_key: Option<PathBuf>,
    pub sign_password: Option<Secret>,
    pub name: Option<String>,
    /// With the label `job` where the file names the job.
    pub labels: BTreeMap<String, String>,
    pub timeout: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub threads: Option<u32>,
    pub jobs: Option<u32>,
    pub part_size: Option<u64>,
    pub volume_size: Option<u64>,
    pub work_dir: Option<PathBuf>,
    pub lock: bool,
    pub wait_lock: Option<Duration>,
    pub schedule: Option<Schedule>,
    pub timezone: Option<TimeZone>,
    pub jitter: Duration,
    pub on_start: bool,
    pub catch_up: bool,
    pub retries: u32,
    pub retry_delay: Duration,
    pub retention: Option<Retention>,
    pub hooks: HooksConfig,
    /// Names of targets.
    pub notify: Vec<String>,
    pub drill: Option<DrillConfig>,
    pub max_age: Option<Duration>,
    pub max_drill_age: Option<Duration>,
    pub(crate) settings: Settings,
}

/// Commands around a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksConfig {
    /// Before it; a failure aborts the run.
    pub pre: Option<HookCommand>,
    /// After it, whatever its end.
    pub post: Option<HookCommand>,
    /// After one that failed.
    pub on_failure: Option<HookCommand>,
    /// After one that succeeded.
    pub on_success: Option<HookCommand>,
    /// For each of them.
    pub timeout: Duration,
}

/// Restores that prove backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillConfig {
    /// When. None: only when asked for.
    pub schedule: Option<Schedule>,
    /// A database to restore into, instead of a throw-away server. May hold a password.
    pub into: Option<Secret>,
    /// The password of `into`.
    pub password: Option<Secret>,
    /// What opens the backups.
    pub identity: Option<PathBuf>,
    /// Whose signature a backup has to have.
    pub trust_keys: Vec<String>,
    /// End it after this time.
    pub timeout: Option<Duration>,
}

/// Keys of which only one can hold; what a job says itself drops the others of `[defaults]`.
const EITHER: [[&str; 2]; 2] = [["database", "all_databases"], ["encrypt_to", "passphrase"]];

/// Keys that say nothing without another.
const NEEDS: [(&str, &str); 3] = [("sign_password", "sign_key"), ("jitter", "schedule"), ("max_drill_age", "drill")];

const HOOK_TIME: Duration = Duration::from_mins(5);
const RETRY_DELAY: Duration = Duration::from_mins(1);

/// What a job is resolved with: the stores and targets of its file.
pub(crate) struct House<'a> {
    pub(crate) stores: &'a BTreeMap<String, Option<StoreConfig>>,
    pub(crate) targets: Vec<&'a str>,
    /// Where relative folders begin.
    pub(crate) folder: Option<&'a Path>,
}

/// The job's own settings over the defaults.
pub(crate) fn merge(mut own: Settings, defaults: &Settings) -> Settings {
    let mut defaults = defaults.clone();
    for [one, other] in EITHER {
        if own.has(one) {
            defaults.remove(other);
        }
        if own.has(other) && !is_off(&own, other) {
            defaults.remove(one);
        }
    }
    own.under(&defaults);
    // Among the defaults it waits for the jobs that have both.
    for (key, needs) in NEEDS {
        if !own.said(needs) && matches!(own.origin(key), Origin::Defaults(_)) {
            own.remove(key);
        }
    }
    own
}

impl JobConfig {
    /// From its settings, defaults included. Says what is wrong and gives none then. `at` is where the job stands.
    pub(crate) fn resolve(
        name: &str,
        settings: Settings,
        at: &Origin,
        house: &House<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        if !settings.said("db") && !settings.said("plugin") {
            let problem = Problem::new(at.clone(), format!("the job `{name}` names no database"));
            problems.push(problem.with_hint(
                "db = \"postgresql://app@db.example/orders\", or plugin = \"postgres\" with host and database",
            ));
        }
        if !settings.said("to") {
            let problem = Problem::new(at.clone(), format!("the job `{name}` names no store"));
            problems
                .push(problem.with_hint("to = [\"offsite\"], with [stores.offsite], or to = [\"s3://bucket/prefix\"]"));
        }
        let to = stores(&settings, house, problems);
        check(&settings, problems);
        targets(&settings, house, problems);
        if problems.len() > before {
            return None;
        }
        let mut job = Self::of(name, settings, to);
        job.labels.entry("job".to_owned()).or_insert_with(|| name.to_owned());
        Some(job)
    }

    /// From settings that were checked.
    pub(crate) fn of(name: &str, settings: Settings, to: Vec<StoreConfig>) -> Self {
        let path = |key: &str| settings.text(key).map(PathBuf::from);
        let toggle = |key: &str, default: bool| settings.toggle(key).unwrap_or(default);
        let none = Settings::default();
        let hooks = settings.table("hooks").unwrap_or(&none);
        Self {
            job: name.to_owned(),
            enabled: toggle("enabled", true),
            plugin: settings.text("plugin"),
            db: settings.secret("db"),
            host: settings.text("host"),
            port: settings.count("port").and_then(|port| u16::try_from(port).ok()),
            user: settings.text("user"),
            database: settings.text("database"),
            all_databases: toggle("all_databases", false),
            globals: toggle("globals", false),
            password: settings.secret("password"),
            secrets: settings.secrets("secrets").unwrap_or_default(),
            params: settings.map("params").unwrap_or_default(),
            options: settings.map("options").unwrap_or_default(),
            tool_paths: settings
                .map("tool_paths")
                .unwrap_or_default()
                .into_iter()
                .map(|(tool, path)| (tool, PathBuf::from(path)))
                .collect(),
            allow_tools: settings.texts("allow_tools").unwrap_or_default(),
            extra_args: settings.texts("extra_args").unwrap_or_default(),
            to,
            mode: settings.text("mode"),
            compress: settings.text("compress").and_then(|text| text.parse().ok()),
            native_if_known: false,
            extension: settings.text("extension"),
            encrypt_to: settings.texts("encrypt_to").unwrap_or_default(),
            passphrase: settings.secret("passphrase"),
            sign_key: path("sign_key"),
            sign_password: settings.secret("sign_password"),
            name: settings.text("name"),
            labels: settings.map("labels").unwrap_or_default(),
            timeout: settings.duration("timeout"),
            stall_timeout: settings.duration("stall_timeout"),
            threads: settings.count32("threads"),
            jobs: settings.count32("jobs"),
            part_size: settings.size("part_size"),
            volume_size: settings.size("volume_size"),
            work_dir: path("work_dir"),
            lock: toggle("lock", true),
            wait_lock: settings.duration("wait_lock"),
            schedule: schedule(&settings),
            timezone: settings.text("timezone").and_then(|name| TimeZone::get(&name).ok()),
            jitter: settings.duration("jitter").unwrap_or_default(),
            on_start: toggle("on_start", false),
            catch_up: toggle("catch_up", true),
            retries: settings.count32("retries").unwrap_or_default(),
            retry_delay: settings.duration("retry_delay").unwrap_or(RETRY_DELAY),
            retention: settings.table("retention").map(rules),
            hooks: HooksConfig {
                pre: hooks.command("pre"),
                post: hooks.command("post"),
                on_failure: hooks.command("on_failure"),
                on_success: hooks.command("on_success"),
                timeout: hooks.duration("timeout").unwrap_or(HOOK_TIME),
            },
            notify: settings.texts("notify").unwrap_or_default(),
            drill: settings.table("drill").map(|drill| DrillConfig {
                schedule: schedule(drill),
                into: drill.secret("into"),
                password: drill.secret("password"),
                identity: drill.text("identity").map(PathBuf::from),
                trust_keys: drill.texts("trust_keys").unwrap_or_default(),
                timeout: drill.duration("timeout"),
            }),
            max_age: settings.duration("max_age"),
            max_drill_age: settings.duration("max_drill_age"),
            settings,
        }
    }

    /// The rules for one of its stores: the store's own, else the job's. None: everything is kept.
    pub fn retention_at<'a>(&'a self, store: &'a StoreConfig) -> Option<&'a Retention> {
        store.retention.as_ref().or(self.retention.as_ref())
    }

    /// Where the value of a key came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.settings.origin(key)
    }

    /// Every secret of the job and its stores, for the redactor. Not the URLs of databases, of which only a password is one.
    pub fn all_secrets(&self) -> Vec<&Secret> {
        let own = [&self.password, &self.passphrase, &self.sign_password].into_iter().flatten();
        let drill = self.drill.iter().filter_map(|drill| drill.password.as_ref());
        own.chain(drill)
            .chain(self.secrets.values())
            .chain(self.to.iter().flat_map(|store| store.secrets.values().chain(&store.hidden)))
            .collect()
    }

    /// Each setting with its value and origin, for `planb config show`.
    pub fn shown(&self) -> Vec<Shown> {
        list(&format!("jobs.{}", self.job), &self.settings, JOB)
    }

    pub(crate) fn to_toml(&self, secrecy: Secrecy) -> toml::Table {
        self.settings.to_toml(secrecy)
    }
}

/// The stores that a job names. A store that is wrong itself is not reported again here.
fn stores(settings: &Settings, house: &House<'_>, problems: &mut Vec<Problem>) -> Vec<StoreConfig> {
    let origin = settings.origin("to");
    let mut to: Vec<StoreConfig> = Vec::new();
    let names = settings.texts("to").unwrap_or_default();
    if settings.has("to") && names.is_empty() {
        problems.push(Problem::new(origin.clone(), "`to` names no store"));
    }
    for name in names {
        let store = match house.stores.get(&name) {
            Some(Some(store)) => store.clone(),
            Some(None) => continue,
            None if is_place(&name) => match StoreConfig::by_url(&name, origin.clone(), house.folder) {
                Ok(store) => store,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            },
            None => {
                let nearest = did_you_mean(&name, house.stores.keys().map(String::as_str));
                let message = format!("there is no store `{name}`{nearest}");
                let hint = format!("add [stores.{name}], or write a URL or a path with a slash");
                problems.push(Problem::new(origin.clone(), message).with_hint(hint));
                continue;
            }
        };
        if to.iter().any(|known| known.url == store.url) {
            problems.push(Problem::new(origin.clone(), format!("the store `{name}` is named twice")));
            continue;
        }
        to.push(store);
    }
    to
}

fn targets(settings: &Settings, house: &House<'_>, problems: &mut Vec<Problem>) {
    for name in settings.texts("notify").unwrap_or_default() {
        if !house.targets.contains(&name.as_str()) {
            let nearest = did_you_mean(&name, house.targets.iter().copied());
            let message = format!("there is no target `{name}` to notify{nearest}");
            problems.push(Problem::new(settings.origin("notify"), message).with_hint(format!("add [notify.{name}]")));
        }
    }
}

fn is_off(settings: &Settings, key: &str) -> bool {
    matches!(settings.get(key).map(|located| &located.value), Some(Value::Toggle(false)))
}

fn schedule(settings: &Settings) -> Option<Schedule> {
    settings.text("schedule").and_then(|text| text.parse().ok())
}

/// What does not go together.
fn check(settings: &Settings, problems: &mut Vec<Problem>) {
    for [one, other] in EITHER {
        if settings.has(one) && settings.has(other) && !is_off(settings, other) {
            let message = format!("`{one}` and `{other}` exclude each other");
            problems.push(Problem::new(settings.origin(other), message));
        }
    }
    for (key, needs) in NEEDS {
        if settings.has(key) && !settings.said(needs) {
            problems.push(Problem::new(settings.origin(key), format!("`{key}` says nothing without `{needs}`")));
        }
    }
    if settings.toggle("lock") == Some(false) && settings.has("wait_lock") {
        problems.push(Problem::new(settings.origin("wait_lock"), "`wait_lock` says nothing with `lock = false`"));
    }
    if let Some(drill) = settings.table("drill")
        && drill.has("password")
        && !drill.has("into")
    {
        problems.push(Problem::new(drill.origin("password"), "`password` of a drill says nothing without `into`"));
    }
    problems.extend(volumes(settings));
    problems.extend(empty_rules(settings));
}
