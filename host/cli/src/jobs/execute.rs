//! A job, once: its hooks and its backups; and what follows one, retention and drills.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use planb_config::{HookCommand, HooksConfig, JobConfig, StoreConfig};
use planb_model::Blame;
use planb_model::drill::DrillRecord;
use planb_model::manifest::Manifest;
use planb_model::redact::Redactor;
use planb_pipeline::{PruneReport, PruneSpec, RunReport, RunStatus, Stop, Trust, prune, traced};
use planb_store::{Access, Store, WriteSettings};
use planb_tool::{Hook, HookOutcome, run_hook};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::args::{DrillArgs, Global, RunArgs};
use crate::backing_up::{Done, Job, Watch};
use crate::commands::drill::drilled_in;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{configured_url, shim};

/// How a run of a job came out.
pub(crate) struct Executed {
    /// Its backups. Empty where none was begun.
    pub(crate) done: Vec<Done>,
    /// Why none was begun, or what went wrong around them.
    pub(crate) failed: Option<Report>,
    /// What went wrong behind them and is no failure.
    pub(crate) warnings: Vec<String>,
    /// Where its databases are: with this retention knows them again.
    pub(crate) server: Option<String>,
}

impl Executed {
    /// How it is told in one word.
    pub(crate) fn status(&self) -> RunStatus {
        let count = |status| self.done.iter().filter(|(report, _)| report.status == status).count();
        let (good, partial) = (count(RunStatus::Success), count(RunStatus::Partial));
        if good + partial == 0 {
            return if self.failed.is_none() && count(RunStatus::Skipped) == self.done.len() {
                RunStatus::Skipped
            } else {
                RunStatus::Failed
            };
        }
        if good == self.done.len() && self.failed.is_none() { RunStatus::Success } else { RunStatus::Partial }
    }

    /// The first error.
    pub(crate) fn error(&self) -> Option<&Report> {
        self.failed.as_ref().or_else(|| self.done.iter().find_map(|(_, error)| error.as_ref()))
    }

    /// The reports of its backups.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &RunReport> {
        self.done.iter().map(|(report, _)| report)
    }
}

/// Runs the hooks and the backups of a job.
pub(crate) async fn execute(
    global: &Global,
    job: &JobConfig,
    args: &RunArgs,
    stop: &Arc<Stop>,
    watch: Watch<'_>,
) -> Executed {
    let span = tracing::info_span!(target: planb_model::TRACE, "operation", otel.name = "run", planb.job = job.job, otel.status_code = Empty, error.r#type = Empty);
    let executed = in_order(global, job, args, stop, watch).instrument(span.clone()).await;
    let good = matches!(executed.status(), RunStatus::Success | RunStatus::Skipped);
    let blame = executed.error().map_or(Blame::Storage, |error| error.blame);
    traced::blamed(&span, (!good).then_some(blame));
    executed
}

async fn in_order(global: &Global, job: &JobConfig, args: &RunArgs, stop: &Arc<Stop>, watch: Watch<'_>) -> Executed {
    let own = Global { work_dir: job.work_dir.clone().or_else(|| global.work_dir.clone()), ..global.clone() };
    let global = &own;
    let mut executed = Executed { done: Vec::new(), failed: None, warnings: Vec::new(), server: None };
    let hooks = &job.hooks;
    if let Some(command) = &hooks.pre {
        let failed = hook("pre", command, job, hooks, None, stop).await.err();
        executed.failed = failed.map(|why| Report {
            message: format!("the hook `pre` failed, so nothing was backed up: {why}"),
            blame: Blame::Settings,
            hint: Some("its output is in the log; a run without it: take it out of the settings".to_owned()),
            last_words: None,
            exit: Exit::Failed,
        });
    }
    if executed.failed.is_none() {
        match Job::resolve(global, args).await {
            Ok(resolved) => {
                executed.server = resolved.server();
                match resolved.run(stop, watch).await {
                    Ok(done) => executed.done = done,
                    Err(error) => executed.failed = Some(error),
                }
            }
            Err(error) => executed.failed = Some(error),
        }
    }
    if let Some(error) = &executed.failed {
        Printer::styled(&error.text(Printer::interactive()));
    }
    let good = matches!(executed.status(), RunStatus::Success | RunStatus::Skipped);
    let behind = [
        ("on_success", hooks.on_success.as_ref().filter(|_| executed.status() == RunStatus::Success)),
        ("on_failure", hooks.on_failure.as_ref().filter(|_| !good)),
        ("post", hooks.post.as_ref()),
    ];
    for (name, command) in behind {
        let Some(command) = command else { continue };
        // Its time is its own: that of the run may be over, and these have to be told of it.
        let unhurried = Arc::new(Stop::default());
        if let Err(why) = hook(name, command, job, hooks, Some(&executed), &unhurried).await {
            let warning = format!("the hook `{name}` failed: {why}");
            Printer::note(&format!("warning: {warning}\n"));
            executed.warnings.push(warning);
        }
    }
    executed
}

/// Runs one hook. On failure: why.
async fn hook(
    name: &str,
    command: &HookCommand,
    job: &JobConfig,
    hooks: &HooksConfig,
    executed: Option<&Executed>,
    stop: &Stop,
) -> Result<(), String> {
    let command = match command {
        HookCommand::Argv(argv) => planb_tool::HookCommand::Argv(argv.clone()),
        HookCommand::Shell(line) => planb_tool::HookCommand::Shell(line.clone()),
    };
    let hook = Hook { env: environment(name, job, executed), timeout: Some(hooks.timeout), ..Hook::new(command) };
    let redactor = Redactor::new(job.all_secrets());
    let shim = shim().map_err(|report| report.message)?;
    let log = |line: &str| tracing::info!(job = job.job, hook = name, "{line}");
    let outcome: HookOutcome =
        run_hook(&shim, &hook, &redactor, stop.token(), log).await.map_err(|error| error.to_string())?;
    if outcome.succeeded() {
        return Ok(());
    }
    let last = outcome.lines.last().map_or_else(String::new, |line| format!(" ({line})"));
    Err(format!("{}{last}", outcome.describe()))
}

/// What a hook learns of its run. The first two are dbstash's names.
fn environment(name: &str, job: &JobConfig, executed: Option<&Executed>) -> BTreeMap<String, String> {
    let mut env =
        BTreeMap::from([("PLANB_HOOK".to_owned(), name.to_owned()), ("PLANB_JOB".to_owned(), job.job.clone())]);
    let Some(executed) = executed else { return env };
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    let status = executed.status();
    set("DBSTASH_STATUS", if status == RunStatus::Success { "success" } else { "failure" }.to_owned());
    set("PLANB_STATUS", format!("{status:?}").to_lowercase());
    let files: Vec<&str> = executed
        .reports()
        .filter_map(|report| report.stores.iter().find(|store| store.status == RunStatus::Success))
        .map(|store| store.key.as_str())
        .collect();
    set("DBSTASH_FILE", files.first().copied().unwrap_or_default().to_owned());
    set("PLANB_FILES", files.join("\n"));
    let committed =
        executed.reports().filter(|report| matches!(report.status, RunStatus::Success | RunStatus::Partial));
    set("PLANB_IDS", committed.map(|report| report.id.as_str()).collect::<Vec<_>>().join("\n"));
    set("PLANB_DATABASES", executed.reports().map(|report| report.database.as_str()).collect::<Vec<_>>().join("\n"));
    set("PLANB_PLAIN_BYTES", executed.reports().map(|report| report.plain_bytes).sum::<u64>().to_string());
    set("PLANB_STORED_BYTES", executed.reports().map(|report| report.stored_bytes).sum::<u64>().to_string());
    if let Some(error) = executed.error() {
        set("PLANB_ERROR", error.message.clone());
    }
    env
}

/// Which backups are a job's: those with its label, and where it has none, those of the databases that it has just backed up.
pub(crate) struct Own {
    label: Option<String>,
    sources: Vec<(String, String)>,
    server: Option<String>,
}

impl Own {
    pub(crate) fn of(job: &JobConfig, executed: Option<&Executed>) -> Self {
        let sources = executed.into_iter().flat_map(Executed::reports);
        Self {
            label: job.labels.get("job").cloned(),
            sources: sources.map(|report| (report.engine.clone(), report.database.clone())).collect(),
            server: executed.and_then(|executed| executed.server.clone()),
        }
    }

    pub(crate) fn has(&self, manifest: &Manifest) -> bool {
        match &self.label {
            Some(label) => manifest.labels.get("job") == Some(label),
            None => {
                manifest.server == self.server
                    && self
                        .sources
                        .iter()
                        .any(|(engine, database)| *engine == manifest.engine && *database == manifest.database)
            }
        }
    }
}

/// A store of the settings, as it is read and pruned.
pub(crate) fn open(store: &StoreConfig) -> Result<Store, Report> {
    Ok(Store::open(&configured_url(store)?, Access::Read, WriteSettings::default())?)
}

/// How retention is applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Remove what dead runs left, at least this old.
    pub(crate) orphans: Option<Duration>,
    /// Only tell.
    pub(crate) dry_run: bool,
}

impl Pass {
    /// After a run. What a crash left is older than any run's grace by then.
    pub(crate) const AFTER_A_RUN: Self = Self { orphans: Some(Duration::from_hours(24)), dry_run: false };
}

/// What retention did in one store.
pub(crate) struct Retained {
    /// Which, as it may be shown.
    pub(crate) store: String,
    /// None where the store could not be looked at.
    pub(crate) report: Option<PruneReport>,
    /// What went wrong: with all of it, or with one backup.
    pub(crate) error: Option<Report>,
}

/// Applies the retention rules of a job in each of its stores. None: it has none.
pub(crate) async fn retain(job: &JobConfig, own: &Own, pass: Pass, stop: &Stop) -> Option<Vec<Retained>> {
    let mut all = Vec::new();
    for config in &job.to {
        let Some(rules) = job.retention_at(config).filter(|rules| !rules.is_empty()) else { continue };
        let spec = PruneSpec {
            rules: rules.clone(),
            zone: job.timezone.clone().unwrap_or_else(jiff::tz::TimeZone::system),
            orphans: pass.orphans,
            dry_run: pass.dry_run,
        };
        let pruned = async {
            let store = open(config)?;
            let report = prune(&store, &spec, |manifest| own.has(manifest), stop).await?;
            store.finish();
            Ok::<_, Report>(report)
        };
        let (report, error) = match pruned.await {
            Ok(mut report) => {
                let failed = report.failed.take();
                (Some(report), failed.map(Report::from))
            }
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = &error {
            Printer::styled(&error.text(Printer::interactive()));
        }
        let store = configured_url(config).map_or_else(|_| config.name.clone(), |url| url.shown().to_owned());
        all.push(Retained { store, report, error });
    }
    (!all.is_empty()).then_some(all)
}

/// Drills the newest backup of a job, in the first of its stores that has one.
pub(crate) async fn drill(global: &Global, job: &JobConfig, stop: &Arc<Stop>) -> Result<DrillRecord, Report> {
    let own = Own::of(job, None);
    let mut last = None;
    for config in &job.to {
        let found = async {
            let store = open(config)?;
            let catalogue = store.catalogue().await?;
            let newest = catalogue.entries.into_iter().rev().find(|entry| {
                own.label.is_some()
                    && own.has(&entry.manifest)
                    && entry.manifest.scope != planb_model::engine::ScopeKind::Globals
            });
            Ok::<_, Report>(newest.map(|entry| (store, entry)))
        };
        match found.await {
            Ok(Some((store, mut entry))) => {
                let drill = job.drill.as_ref();
                let args = DrillArgs::of_job(job);
                let url = drill.and_then(|drill| drill.into.clone());
                Trust::load(&args.pick.trust_keys)?.check(&store, &mut entry).await?;
                return drilled_in(global, &args, url, store, entry, Arc::clone(stop)).await;
            }
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Report {
        message: format!("the job {} has no backup to drill yet", job.job),
        blame: Blame::Settings,
        hint: None,
        last_words: None,
        exit: Exit::Failed,
    }))
}
