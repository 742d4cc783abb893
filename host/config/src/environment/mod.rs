//! The one job that the environment describes: that of a dbstash container, of the Plan B runner, of StarTree's CronJob,
//! or of anybody who sets the same variables.

mod database;
mod misspelt;
mod storage;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use planb_model::secret::Secret;
use serde_json::{Map, Value as Json};

use crate::env::Env;
use crate::job::JobConfig;
use crate::keys::{HOOKS, JOB, Key, RETENTION};
use crate::kind::Kind;
use crate::notify::NotifyConfig;
use crate::origin::{Origin, Problem};
use crate::secret::from_file;
use crate::store::StoreConfig;
use crate::units;
use crate::value::{Settings, Value};
use crate::variables::Group;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The usual.
    Backup,
    /// The runner's other one.
    Restore,
}

/// A job from the environment. It need not be whole: flags can say the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvJob {
    /// What is to be done.
    pub operation: Operation,
    /// The job. Without a database or a store where the environment names none.
    pub job: JobConfig,
    /// Who is told; `job.notify` has their names.
    pub notify: Vec<NotifyConfig>,
    /// The `job_id` of callbacks.
    pub job_id: Option<String>,
    /// `BACKUP_PATH` as it was set: what a restore is asked for.
    pub path: Option<String>,
    /// Whether nothing is to be done.
    pub dry_run: bool,
    /// Where health is to be served while there is a schedule.
    pub listen: Option<SocketAddr>,
    /// What is odd and no mistake: misspelt variables among it.
    pub warnings: Vec<Problem>,
}

/// Variables of these groups make a job. The others are about planb as a whole.
const OF_A_JOB: [Group; 9] = [
    Group::Database,
    Group::Run,
    Group::Storage,
    Group::Cloud,
    Group::Rclone,
    Group::When,
    Group::Retention,
    Group::Messages,
    Group::StarTree,
];
/// Among them, those that are set for other reasons.
const ALONE_NO_JOB: [&str; 9] = [
    "TZ",
    "DRY_RUN",
    "BACKUP_TEMP_DIR",
    "DB_PASSWORD",
    "PLANB_SIGN_KEY",
    "PLANB_SIGN_PASSWORD",
    "PLANB_TRUST_KEY",
    "PLANB_LISTEN",
    "PLANB_STATE_DIR",
];

/// The name of a job that nobody named.
const NAME: &str = "backup";

/// Reads variables, and collects what is wrong with them.
pub(crate) struct Variables<'a> {
    env: &'a dyn Env,
    settings: Settings,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl EnvJob {
    /// Reads the environment. None where it says nothing of a job.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_env(env: &dyn Env) -> Result<Option<Self>, Vec<Problem>> {
        let names = env.names();
        let of_a_job = |name: &String| {
            let known = crate::variables::find(name).filter(|known| OF_A_JOB.contains(&known.group));
            // rclone's own variables alone are rclone's.
            known.is_some_and(|known| !ALONE_NO_JOB.contains(&known.name) && !is_rclones(known.name))
        };
        if !names.iter().any(of_a_job) {
            return Ok(None);
        }
        let mut read = Variables {
            env,
            settings: Settings::default(),
            problems: Vec::new(),
            warnings: misspelt::warnings(&names),
        };
        let operation = match env.get("OPERATION_TYPE").as_deref() {
            None | Some("backup") => Operation::Backup,
            Some("restore") => Operation::Restore,
            Some(other) => {
                read.problem("OPERATION_TYPE", format!("it is backup or restore, not {other:?}"));
                Operation::Backup
            }
        };
        read.run();
        read.database();
        let path = env.get("BACKUP_PATH");
        let to = read.storage(operation);
        read.around();
        let job_id = env.get("JOB_ID");
        let notify = read.targets();
        let dry_run = env.get("DRY_RUN").is_some_and(|text| {
            !matches!(text.to_ascii_lowercase().as_str(), "0" | "f" | "false" | "n" | "no" | "off")
        });
        let listen = read.listen();
        if !read.problems.is_empty() {
            read.problems.sort();
            read.problems.dedup();
            return Err(read.problems);
        }
        let native_if_known = read.compresses_if_it_can();
        if !notify.is_empty() {
            let names = notify.iter().map(|target| target.name.clone()).collect();
            read.settings.set("notify", Value::Texts(names), notify[0].origin.clone());
        }
        let mut job = JobConfig::of(job_id.as_deref().unwrap_or(NAME), read.settings, to);
        job.native_if_known = native_if_known;
        if let Some(id) = &job_id {
            job.labels.entry("job".to_owned()).or_insert_with(|| id.clone());
        }
        Ok(Some(Self { operation, job, notify, job_id, path, dry_run, listen, warnings: read.warnings }))
    }

    /// The stores.
    pub fn stores(&self) -> &[StoreConfig] {
        &self.job.to
    }
}

fn is_rclones(name: &str) -> bool {
    name.starts_with("RCLONE_") && name != "RCLONE_REMOTE"
}

impl Variables<'_> {
    pub(crate) fn problem(&mut self, name: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(Origin::Environment(name.to_owned()), message));
    }

    pub(crate) fn warn(&mut self, name: &str, message: impl Into<String>) {
        self.warnings.push(Problem::new(Origin::Environment(name.to_owned()), message));
    }

    /// The first of these that is set.
    pub(crate) fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.env.get(name)?)))
    }

    /// A secret by its variable or by its file, which beats it. A file that cannot be read is an error.
    pub(crate) fn secret(&mut self, name: &str) -> Option<(Secret, Origin)> {
        let file = format!("{name}_FILE");
        if let Some(path) = self.env.get(&file) {
            return match from_file(Path::new(&path)) {
                Ok(secret) => Some((secret, Origin::Environment(file))),
                Err(why) => {
                    self.problem(&file, why);
                    None
                }
            };
        }
        self.env.get(name).map(|value| (Secret::new(value), Origin::Environment(name.to_owned())))
    }

    fn read(
        &mut self,
        keys: &'static [Key],
        key: &str,
        names: &[&'static str],
    ) -> Option<(&'static str, Value, Origin)> {
        let (name, text) = self.first(names)?;
        let key = keys.iter().find(|known| known.name == key)?;
        let value = match key.kind {
            Kind::Duration => units::duration_or_seconds(&text).map(Value::Duration),
            Kind::Texts => match shlex::split(&text) {
                Some(words) => Ok(Value::Texts(words)),
                None => Err("words of a shell; a quote has no partner".to_owned()),
            },
            kind => kind.read(&text),
        };
        match value {
            Ok(value) => Some((key.name, value, Origin::Environment(name.to_owned()))),
            Err(takes) => {
                self.problem(name, format!("it takes {takes}, not {:?}", text.chars().take(60).collect::<String>()));
                None
            }
        }
    }

    /// Sets a key of the job by the first of these variables.
    pub(crate) fn take(&mut self, key: &str, names: &[&'static str]) {
        if let Some((key, value, origin)) = self.read(JOB, key, names) {
            self.settings.set(key, value, origin);
        }
    }

    /// How the run is done.
    fn run(&mut self) {
        self.take("mode", &["BACKUP_MODE"]);
        self.take("name", &["BACKUP_NAME_TEMPLATE"]);
        self.take("extra_args", &["DUMP_EXTRA_ARGS"]);
        self.take("timeout", &["BACKUP_TIMEOUT"]);
        self.take("lock", &["BACKUP_LOCK"]);
        self.take("work_dir", &["BACKUP_TEMP_DIR"]);
        self.take("on_start", &["BACKUP_ON_START"]);
        self.take("schedule", &["BACKUP_SCHEDULE"]);
        self.take("sign_key", &["PLANB_SIGN_KEY"]);
        if let Some((secret, origin)) = self.secret("PLANB_SIGN_PASSWORD") {
            self.settings.set("sign_password", Value::Secret(secret), origin);
        }
        if let Some(text) = self.env.get("BACKUP_EXTENSION") {
            let extension = text.trim_start_matches('.').to_owned();
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if extension.is_empty()
                || extension.ends_with('.')
                || extension.contains("..")
                || !extension.chars().all(fits)
            {
                self.problem("BACKUP_EXTENSION", format!("{text:?} is no file extension"));
            }
            let origin = Origin::Environment("BACKUP_EXTENSION".to_owned());
            self.settings.set("extension", Value::Text(extension), origin);
        }
        if let Some(zone) = self.env.get("TZ") {
            let origin = Origin::Environment("TZ".to_owned());
            match jiff::tz::TimeZone::get(&zone) {
                Ok(_) => self.settings.set("timezone", Value::Text(zone), origin),
                // `:/etc/localtime` and `CET-1CEST` are for the system, and what is wrong was so before.
                Err(_) => {
                    self.warn("TZ", format!("{zone:?} is no name of a time zone; the system decides what it means"));
                }
            }
        }
        match self.env.get("BACKUP_COMPRESS") {
            None => {}
            Some(text) => {
                let origin = Origin::Environment("BACKUP_COMPRESS".to_owned());
                let word = match Kind::Toggle.read(&text) {
                    Ok(Value::Toggle(true)) => "native".to_owned(),
                    Ok(Value::Toggle(false)) => "none".to_owned(),
                    _ => text,
                };
                match Kind::Compression.read(&word) {
                    Ok(value) => self.settings.set("compress", value, origin),
                    Err(takes) => {
                        self.problem("BACKUP_COMPRESS", format!("it takes true, false, {takes}, not {word:?}"));
                    }
                }
            }
        }
    }

    /// Whether `BACKUP_COMPRESS` is `true`, which asks for less than `native`.
    fn compresses_if_it_can(&self) -> bool {
        let text = self.env.get("BACKUP_COMPRESS");
        text.is_some_and(|text| Kind::Toggle.read(&text) == Ok(Value::Toggle(true)))
    }

    /// What is kept, and what runs around it.
    fn around(&mut self) {
        let mut rules = Settings::default();
        let mut from = None;
        for (key, names) in
            [("max_files", &["RETENTION_MAX_FILES"][..]), ("max_days", &["RETENTION_MAX_DAYS", "RETENTION_DAYS"][..])]
        {
            if let Some((key, value, origin)) = self.read(RETENTION, key, names)
                && value != Value::Count(0)
            {
                rules.set(key, value, origin.clone());
                from.get_or_insert(origin);
            }
        }
        if let Some(origin) = from {
            self.settings.set("retention", Value::Table(rules), origin);
        }
        let mut hooks = Settings::default();
        let mut from = None;
        for (key, name) in [("pre", "HOOK_PRE_BACKUP"), ("post", "HOOK_POST_BACKUP")] {
            if let Some((key, value, origin)) = self.read(HOOKS, key, &[name]) {
                hooks.set(key, value, origin.clone());
                from.get_or_insert(origin);
            }
        }
        if let Some(origin) = from {
            self.settings.set("hooks", Value::Table(hooks), origin);
        }
    }

    /// Who is told.
    fn targets(&mut self) -> Vec<NotifyConfig> {
        let mut targets = Vec::new();
        let on = self.env.get("NOTIFY_ON").map(|on| on.to_ascii_lowercase());
        if let Some(on) = &on
            && !["always", "failure", "success", "recovery"].contains(&on.as_str())
        {
            self.problem("NOTIFY_ON", format!("it is always, failure, success or recovery, not {on:?}"));
        }
        if let Some((url, origin)) = self.secret("NOTIFY_WEBHOOK_URL") {
            let kind = webhook_kind(url.expose());
            let mut table = Map::from_iter([("url".to_owned(), Json::from(url.expose()))]);
            table.extend(on.map(|on| ("on".to_owned(), Json::from(on))));
            targets.push(NotifyConfig::made("webhook", kind, table, origin));
        }
        let secret = self.secret("CALLBACK_SECRET");
        match self.env.get("CALLBACK_URL") {
            Some(url) => {
                let mut table = Map::from_iter([("url".to_owned(), Json::from(url))]);
                table.extend(secret.map(|(secret, _)| ("secret".to_owned(), Json::from(secret.expose()))));
                let origin = Origin::Environment("CALLBACK_URL".to_owned());
                targets.push(NotifyConfig::made("callback", "callback", table, origin));
            }
            None if secret.is_some() => self.warn("CALLBACK_SECRET", "nobody is called back without CALLBACK_URL"),
            None => {}
        }
        targets
    }

    /// Where health is served.
    fn listen(&mut self) -> Option<SocketAddr> {
        let text = self.env.get("PLANB_LISTEN");
        match text.as_deref() {
            Some("off" | "none") => None,
            Some(text) => match text.parse() {
                Ok(address) => Some(address),
                Err(_) => {
                    self.problem("PLANB_LISTEN", format!("it takes {}, or off, not {text:?}", Kind::Address.takes()));
                    None
                }
            },
            // Where dbstash's container has it: in a container nothing else can be reached.
            None if self.settings.has("schedule") => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))),
            None => None,
        }
    }
}

/// Whose webhook an address is.
fn webhook_kind(url: &str) -> &'static str {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or_default().to_ascii_lowercase();
    let host = host.rsplit('@').next().unwrap_or_default();
    let is = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    match () {
        () if is("slack.com") => "slack",
        () if is("discord.com") || is("discordapp.com") => "discord",
        () => "webhook",
    }
}
