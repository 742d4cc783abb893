//! Finding and reading the settings: planb.toml, or the one job that the environment describes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Once;

use planb_config::{Config, Env, EnvJob, JobConfig, NotifyConfig, Problem, Search, ServeConfig, search};
use planb_model::secret::Secret;
use planb_notify::{Notifier, SecretSource, TargetSettings};
use serde_json::Value;

use crate::args::Global;
use crate::logging::hide;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{env, env_names, secret_file};

/// The environment of this process.
pub(crate) struct ProcessEnv;

impl Env for ProcessEnv {
    fn get(&self, name: &str) -> Option<String> {
        env(name)
    }

    fn names(&self) -> Vec<String> {
        env_names()
    }
}

/// All that is configured.
pub(crate) struct Jobs {
    /// The file. None: the environment.
    pub(crate) path: Option<PathBuf>,
    pub(crate) jobs: BTreeMap<String, JobConfig>,
    pub(crate) serve: ServeConfig,
    pub(crate) notifier: Notifier,
    /// The id under which a platform knows the environment's job.
    pub(crate) job_id: Option<String>,
    /// The job is the environment's, which also says where its database is.
    pub(crate) of_environment: bool,
    pub(crate) config: Option<Config>,
    /// Where the status page is. None: nowhere.
    pub(crate) listen: Option<SocketAddr>,
}

impl Jobs {
    /// The file of settings, if there is one.
    pub(crate) fn file(global: &Global) -> Option<PathBuf> {
        match search(global.config.as_deref(), &ProcessEnv) {
            Search::Named(path, _) => Some(path),
            Search::Usual(paths) => paths.into_iter().find(|path| path.is_file()),
        }
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Report> {
        let config = Config::load(path, &ProcessEnv).map_err(|problems| wrong(&problems))?;
        for job in config.jobs.values() {
            hide_all(job);
        }
        if let Some(token) = &config.serve.token {
            hide(token);
        }
        Ok(Self {
            listen: Some(config.serve.listen),
            path: Some(path.to_owned()),
            jobs: config.jobs.clone(),
            serve: config.serve.clone(),
            notifier: notifier(config.notify.values())?,
            job_id: None,
            of_environment: false,
            config: Some(config),
        })
    }

    /// Reads the environment. None: it describes no job.
    pub(crate) fn environment() -> Result<Option<(Self, EnvJob)>, Report> {
        // It is read whenever something of it is asked for.
        static SAID: Once = Once::new();
        let Some(found) = EnvJob::from_env(&ProcessEnv).map_err(|problems| wrong(&problems))? else { return Ok(None) };
        SAID.call_once(|| {
            for problem in &found.warnings {
                Printer::note(&format!("warning: {problem}\n"));
            }
        });
        hide_all(&found.job);
        let jobs = Self {
            path: None,
            jobs: BTreeMap::from([(found.job.job.clone(), found.job.clone())]),
            serve: ServeConfig::default(),
            listen: found.listen,
            notifier: notifier(&found.notify)?,
            job_id: found.job_id.clone(),
            of_environment: true,
            config: None,
        };
        Ok(Some((jobs, found)))
    }

    /// The file, or without one the environment.
    pub(crate) fn load(global: &Global) -> Result<Self, Report> {
        if let Some(path) = Self::file(global) {
            let jobs = Self::read(&path)?;
            // Who only wants the URL of a store is not told of the rest.
            for problem in jobs.config.iter().flat_map(|config| &config.warnings) {
                Printer::note(&format!("warning: {problem}\n"));
            }
            return Ok(jobs);
        }
        let found = Self::environment()?;
        found.map(|(jobs, _)| jobs).ok_or_else(|| {
            Report::usage("there are no jobs: no planb.toml was found, and the environment describes none")
                .with_hint("write a planb.toml (docs/config.md has one to copy), or name it with --config FILE")
        })
    }

    /// A job by its name.
    pub(crate) fn job(&self, name: &str) -> Result<&JobConfig, Report> {
        self.jobs.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.jobs.keys().map(String::as_str).collect();
            let meant = planb_model::connection::did_you_mean(name, names.iter().copied());
            Report::usage(format!("there is no job `{name}`{meant}")).with_hint(if names.is_empty() {
                "the settings have none".to_owned()
            } else {
                format!("the jobs are {}", names.join(", "))
            })
        })
    }
}

fn hide_all(job: &JobConfig) {
    job.all_secrets().into_iter().for_each(hide);
    // A password inside a URL is one by itself.
    for url in [job.db.as_ref(), job.drill.as_ref().and_then(|drill| drill.into.as_ref())].into_iter().flatten() {
        if let Ok(target) = planb_model::connection::Target::parse(url.expose())
            && let Some(password) = &target.password
        {
            hide(password);
        }
    }
}

fn notifier<'n>(targets: impl IntoIterator<Item = &'n NotifyConfig>) -> Result<Notifier, Report> {
    let mut resolved = Vec::new();
    for target in targets {
        let fail = |why: String| Report::usage(format!("{}: [notify.{}]: {why}", target.origin, target.name));
        let settings: TargetSettings =
            serde_json::from_value(Value::Object(target.table.clone())).map_err(|error| fail(error.to_string()))?;
        let read = |source: SecretSource| -> Result<Secret, String> {
            let secret = match source {
                SecretSource::Value(secret) => secret,
                SecretSource::File(path) => secret_file(&path, "the file").map_err(|report| report.message)?,
                SecretSource::Env(name) => Secret::new(env(&name).ok_or_else(|| format!("{name} is not set"))?),
            };
            hide(&secret);
            Ok(secret)
        };
        resolved.push((target.name.clone(), settings.resolve(&read).map_err(|error| fail(error.to_string()))?));
    }
    Ok(Notifier::new(resolved))
}

/// All that is wrong with settings, as one report.
pub(crate) fn wrong(problems: &[Problem]) -> Report {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Report::usage(match lines.as_slice() {
        [one] => one.clone(),
        many => format!("the settings have {} mistakes:\n{}", many.len(), many.join("\n")),
    })
}
