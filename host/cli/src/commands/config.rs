//! `planb config`: check, show, import, schema, reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use planb_config::{Shown, import_rclone};
use planb_model::engine::Purpose;
use planb_pipeline::{Operation, Stop, Timeouts, Trust};
use planb_runner::control;
use planb_store::{Access, Store, WriteSettings};
use planb_web::fit_token;
use serde_json::json;

use crate::args::{ConfigCommand, DrillArgs, Global};
use crate::commands::serve::{refused, state_of};
use crate::exit::Exit;
use crate::jobs::execute::open;
use crate::jobs::{Jobs, arguments};
use crate::printer::{Printer, plural, table};
use crate::report::Report;
use crate::settings::{Database, configured_url, identities};
use crate::signals;

pub(crate) async fn run(global: &Global, command: ConfigCommand, printer: Printer) -> Result<Exit, Report> {
    match command {
        ConfigCommand::Check { connect } => check(global, connect, printer).await,
        ConfigCommand::Show => show(global, printer),
        ConfigCommand::Import { file, remotes } => import(&file, &remotes, printer),
        ConfigCommand::Schema => {
            let schema = planb_config::json_schema();
            let text = || format!("{}\n", serde_json::to_string_pretty(&schema).unwrap_or_default());
            printer.result(text, || schema.clone());
            Ok(Exit::Done)
        }
        ConfigCommand::Reload { state_dir } => {
            let folder = state_of(global, state_dir.as_ref())?;
            let report = control::reload(&folder).await.map_err(|error| refused(&error))?;
            printer.result(|| "the settings were read again\n".to_owned(), || json!(report));
            Ok(Exit::Done)
        }
    }
}

/// Something that was reached, or not.
struct Reached {
    what: String,
    outcome: Result<String, Report>,
}

async fn check(global: &Global, connect: bool, printer: Printer) -> Result<Exit, Report> {
    let jobs = Jobs::load(global)?;
    let mut reached = Vec::new();
    // What only the arguments of a run can tell: a name template, a compression level, an option of the engine.
    for (name, job) in &jobs.jobs {
        let args = arguments::of(job, Vec::new(), !jobs.of_environment);
        let outcome = match args {
            Ok(args) => crate::backing_up::Job::resolve(global, &args).await.map(|_| "can be run".to_owned()),
            Err(error) => Err(error),
        };
        if job.drill.is_some() {
            let drill = DrillArgs::of_job(job);
            let keys = identities(&drill.keys).and_then(|keys| {
                let locked = !job.encrypt_to.is_empty() || job.passphrase.is_some();
                if locked && keys.is_empty() {
                    return Err(Report::usage("its backups are encrypted, and the drill has no key to open them")
                        .with_hint("drill.identity = \"FILE\" names the age secret key, in its own file"));
                }
                keys.load()?;
                Trust::load(&drill.pick.trust_keys)?;
                Ok("can be run".to_owned())
            });
            reached.push(Reached { what: format!("drill of {name}"), outcome: keys });
        }
        let fine = outcome.is_ok();
        reached.push(Reached { what: format!("job {name}"), outcome });
        if connect && fine {
            reached.push(database(global, &jobs, name).await);
        }
    }
    if let Some(token) = &jobs.serve.token {
        let fit = fit_token(token).map_err(|error| Report::usage(error.to_string()));
        reached
            .push(Reached { what: "token of [serve]".to_owned(), outcome: fit.map(|()| "allows triggers".to_owned()) });
    }
    if connect {
        let mut stores: Vec<&planb_config::StoreConfig> = Vec::new();
        for store in jobs
            .config
            .iter()
            .flat_map(|config| config.stores.values())
            .chain(jobs.jobs.values().flat_map(|job| &job.to))
        {
            if !stores.iter().any(|known| known.url == store.url) {
                stores.push(store);
            }
        }
        for config in stores {
            let look = async {
                if let Some(made_in) = new_folder(config) {
                    if rustix::fs::access(&made_in, rustix::fs::Access::WRITE_OK).is_err() {
                        return Err(Report::usage(format!(
                            "it is not there, and cannot be made in {}",
                            made_in.display()
                        ))
                        .with_hint("make it, and give it to the user that planb runs as"));
                    }
                    return Ok(format!("is not there yet; the first run makes it, in {}", made_in.display()));
                }
                let catalogue = open(config)?.catalogue().await?;
                let writable = Store::open(&configured_url(config)?, Access::Write, WriteSettings::default())?;
                let removable = writable.probe().await?;
                let backups = plural(catalogue.entries.len() as u64, "backup");
                let unread = match catalogue.unreadable.len() as u64 {
                    0 => String::new(),
                    n => format!(", {} that cannot be read", plural(n, "manifest")),
                };
                let but = if removable { "" } else { ". Objects cannot be removed: retention will fail" };
                Ok::<_, Report>(format!("answers and can be written, with {backups}{unread}{but}"))
            };
            reached.push(Reached { what: format!("store {}", config.name), outcome: look.await });
        }
    }
    let failed = reached.iter().find_map(|one| one.outcome.as_ref().err()).map(|error| error.exit);
    printer.result(
        || {
            let from =
                jobs.path.as_ref().map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
            let mut out = format!("{from}: {}\n", plural(jobs.jobs.len() as u64, "job"));
            for one in &reached {
                match &one.outcome {
                    Ok(detail) => out.push_str(&format!("  ok    {}: {detail}\n", one.what)),
                    Err(error) => {
                        out.push_str(&format!("  FAIL  {}: {}\n", one.what, error.message));
                        if let Some(hint) = &error.hint {
                            out.push_str(&format!("        {hint}\n"));
                        }
                    }
                }
            }
            out
        },
        || {
            let checks: Vec<_> = reached
                .iter()
                .map(|one| match &one.outcome {
                    Ok(detail) => json!({ "name": one.what, "ok": true, "detail": detail }),
                    Err(error) => json!({ "name": one.what, "ok": false, "detail": error.message, "hint": error.hint }),
                })
                .collect();
            json!({ "ok": failed.is_none(), "file": jobs.path, "checks": checks })
        },
    );
    Ok(failed.unwrap_or(Exit::Done))
}

/// Where a store is a folder that does not exist yet: the nearest one above it that does.
fn new_folder(config: &planb_config::StoreConfig) -> Option<PathBuf> {
    let url = configured_url(config).ok()?;
    let folder = url.folder().filter(|folder| !folder.exists())?;
    folder.ancestors().skip(1).find(|above| above.exists()).map(Path::to_path_buf)
}

/// Asks the server of a job for its version.
async fn database(global: &Global, jobs: &Jobs, name: &str) -> Reached {
    let greet = async {
        let args = arguments::of(jobs.job(name)?, Vec::new(), !jobs.of_environment)?;
        let database = Database::resolve(global, &args.db, None).await?;
        let stop: Arc<Stop> = signals::stop(None);
        let purposes = vec![Purpose::Backup, Purpose::Query];
        let spec = database.operation(global, &args.db, purposes, Vec::new(), Timeouts::default())?;
        let mut op = Operation::open(&database.plugin, spec, stop).await?;
        let scope = match &database.database {
            Some(name) if name != "*" && database.has_databases() => planb_model::engine::Scope::Database(name.clone()),
            _ => planb_model::engine::Scope::All,
        };
        op.greet(&scope).await?;
        let version = op.server_version().unwrap_or("a server without a version").to_owned();
        Ok::<_, Report>(format!("answers: {} {version}", database.plugin.description().name))
    };
    Reached { what: format!("database of {name}"), outcome: greet.await }
}

fn show(global: &Global, printer: Printer) -> Result<Exit, Report> {
    let jobs = Jobs::load(global)?;
    let shown: Vec<Shown> = match &jobs.config {
        Some(config) => config.shown(),
        None => jobs.jobs.values().flat_map(planb_config::JobConfig::shown).chain(jobs.serve.shown()).collect(),
    };
    printer.result(
        || {
            let rows: Vec<Vec<String>> =
                shown.iter().map(|one| vec![one.path.clone(), one.value.clone(), one.origin.to_string()]).collect();
            table(&["SETTING", "VALUE", "FROM"], &rows)
        },
        || {
            let all: Vec<_> = shown
                .iter()
                .map(|one| json!({ "setting": one.path, "value": one.value, "from": one.origin.to_string() }))
                .collect();
            json!(all)
        },
    );
    Ok(Exit::Done)
}

fn import(file: &Path, remotes: &[String], printer: Printer) -> Result<Exit, Report> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Report::usage(format!("{} cannot be read: {error}", file.display())))?;
    let path = std::path::absolute(file).ok();
    let toml = import_rclone(&text, remotes, path.as_deref())
        .map_err(|error| Report::usage(format!("{}: {error}", file.display())))?;
    printer.result(|| toml.clone(), || json!({ "toml": toml }));
    Ok(Exit::Done)
}
