//! `planb serve`, and what asks it: `planb trigger` and `planb status`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use planb_runner::{Handle, Options, Serve, ServeError, SystemClock, Work, control};
use planb_web::Server;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args::{Global, LogFormat, ServeArgs, StatusArgs, TriggerArgs};
use crate::exit::Exit;
use crate::jobs::Jobs;
use crate::jobs::board::{View, snapshot};
use crate::jobs::worker::{Hands, House, specs};
use crate::printer::{Printer, bytes, duration, plural, table};
use crate::report::Report;
use crate::settings::state_folder;

/// How often the file of settings is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Signals within this time are one.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(global: &Global, args: ServeArgs) -> Result<Exit, Report> {
    let jobs = Jobs::load(global)?;
    serve(global, jobs, args.listen, args.state_dir).await
}

/// Serves until a signal ends it.
pub(crate) async fn serve(
    global: &Global,
    jobs: Jobs,
    listen: Option<SocketAddr>,
    state_dir: Option<PathBuf>,
) -> Result<Exit, Report> {
    if matches!(global.log_format, LogFormat::Json) {
        Printer::into_the_log();
    }
    let settings = jobs.serve.clone();
    let path = jobs.path.clone();
    let listen = listen.or(jobs.listen);
    let named = state_dir.or(settings.state_dir.clone());
    let state_dir = named.clone().or_else(state_folder).filter(|folder| named.is_some() || can_be_made(folder));
    let specs = specs(&jobs);
    let idle = specs
        .iter()
        .all(|job| !job.schedule.ticks() && !job.schedule.is_once() && !job.on_start && job.drill_schedule.is_none());
    let house = Arc::new(House::new(global.clone(), jobs));
    let options =
        Options { concurrency: settings.concurrency, grace: settings.grace, state_dir, clock: Arc::new(SystemClock) };
    let names: Vec<String> = specs.iter().map(|job| job.name.clone()).collect();
    let handle = Serve::new(specs, Hands(Arc::clone(&house)), options).map_err(|error| cannot(&error))?;
    let handle = handle.start().await.map_err(|error| cannot(&error))?;
    let (end, ended) = watch::channel(false);
    let mut shown = String::new();
    let mut web = None;
    if let Some(listen) = listen {
        let (token, hosts) = (settings.token.clone(), settings.hosts.clone());
        let options = planb_web::Options { token, hosts, ..planb_web::Options::new(listen) };
        let view = Arc::new(View { handle: handle.clone(), house: Arc::clone(&house) });
        let server = match Server::bind(options, view).await {
            Ok(server) => server,
            Err(error) => {
                handle.shutdown(Duration::ZERO).await;
                return Err(Report::usage(error.to_string())
                    .with_hint("another address: --listen, PLANB_LISTEN, or `listen` in [serve]"));
            }
        };
        shown = format!("; status on http://{}/", server.address());
        let mut ended = ended;
        web = Some(tokio::spawn(server.run(async move {
            let _ = ended.wait_for(|end| *end).await;
        })));
    }
    Printer::note(&format!("serving {}: {}{shown}\n", plural(names.len() as u64, "job"), names.join(", ")));
    if idle {
        tracing::info!("no job has a schedule: they run when they are triggered");
    }
    look(&house);
    let exit = watching(&handle, &house, path.as_deref(), settings.grace).await?;
    let _ = end.send(true);
    if let Some(web) = web {
        let _ = tokio::time::timeout(Duration::from_secs(6), web).await;
    }
    Ok(exit)
}

/// Whether the user's own state folder is there or can be; where not, as in a container with a file system that cannot be
/// written to, jobs are served all the same.
fn can_be_made(folder: &Path) -> bool {
    match std::fs::create_dir_all(folder) {
        Ok(()) => true,
        Err(error) => {
            Printer::note(&format!(
                "warning: nothing survives a restart: {} cannot be made ({error}); name a folder with PLANB_STATE_DIR\n",
                folder.display()
            ));
            false
        }
    }
}

/// The stores of all jobs are looked at once in the beginning, one after the other.
fn look(house: &Arc<House>) {
    let house = Arc::clone(house);
    tokio::spawn(async move {
        for job in house.jobs().jobs.values() {
            house.look(job, &crate::jobs::execute::Own::of(job, None)).await;
        }
    });
}

/// Waits for signals and changes of the settings.
async fn watching(handle: &Handle, house: &House, path: Option<&Path>, grace: Duration) -> Result<Exit, Report> {
    let fail = |error: std::io::Error| Report::usage(format!("signals cannot be listened to: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(fail)?;
    let mut ticks = tokio::time::interval(LOOK);
    let changed = |path: &Path| -> Option<SystemTime> { std::fs::metadata(path).and_then(|meta| meta.modified()).ok() };
    let mut known = path.and_then(changed);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => reload(handle, house).await,
            _ = ticks.tick() => {
                let now = path.and_then(changed);
                // A file that is just being replaced is not there for a moment.
                if now.is_some() && now != known {
                    known = now;
                    tracing::info!("the settings have changed");
                    reload(handle, house).await;
                }
            }
        }
    }
    tracing::info!(grace = ?grace, "stopping: no new runs, and those that go on have their grace time");
    let ending = handle.shutdown(grace);
    tokio::pin!(ending);
    let second = async {
        // Some supervisors send one to the process and one to its group: that is one.
        tokio::time::sleep(ONE_SIGNAL).await;
        let _ = tokio::time::timeout(Duration::ZERO, interrupt.recv()).await;
        let _ = tokio::time::timeout(Duration::ZERO, terminate.recv()).await;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let rest = tokio::select! {
        rest = &mut ending => rest,
        () = second => handle.shutdown(Duration::ZERO).await,
    };
    for job in &rest.left {
        tracing::warn!(job, "its run did not end");
    }
    if rest.stopped > 0 {
        tracing::warn!(runs = rest.stopped, "runs were ended before their end");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

async fn reload(handle: &Handle, house: &House) {
    match handle.reread().await {
        Ok(report) => {
            handle.set_concurrency(house.jobs().serve.concurrency);
            tracing::info!(?report, "the settings were read again");
        }
        Err(why) => tracing::error!("the settings have mistakes, and those before stay: {why}"),
    }
}

fn cannot(error: &ServeError) -> Report {
    Report::usage(error.to_string())
}

/// The state folder of a running `planb serve`: the one named, that of the settings, or the user's.
pub(crate) fn state_of(global: &Global, named: Option<&PathBuf>) -> Result<PathBuf, Report> {
    if let Some(folder) = named {
        return Ok(folder.clone());
    }
    let configured = match Jobs::file(global) {
        // Also of settings with mistakes, and by those who may not read their secrets: this is when one asks.
        Some(path) => planb_config::state_dir(&path),
        None => None,
    };
    configured.or_else(state_folder).ok_or_else(|| {
        Report::usage("where does planb serve keep its state? HOME is not set").with_hint("name it with --state-dir")
    })
}

pub(crate) async fn trigger(global: &Global, args: &TriggerArgs, printer: Printer) -> Result<Exit, Report> {
    let folder = state_of(global, args.state_dir.as_ref())?;
    let work = if args.drill { Work::Drill } else { Work::Backup };
    let triggered = control::trigger(&folder, &args.job, work).await.map_err(|error| refused(&error))?;
    printer.result(
        || {
            let word = if triggered.waits { "waits for its turn" } else { "runs" };
            format!("{} {word}: run {}\n", args.job, triggered.run_id)
        },
        || json!({ "job": args.job, "run_id": triggered.run_id, "waits": triggered.waits }),
    );
    Ok(Exit::Done)
}

pub(crate) fn refused(error: &control::ControlError) -> Report {
    Report { exit: Exit::Failed, ..Report::usage(error.to_string()) }
}

pub(crate) async fn status(global: &Global, args: &StatusArgs, printer: Printer) -> Result<Exit, Report> {
    let folder = state_of(global, args.state_dir.as_ref())?;
    let from =
        control::status(&folder, printer.output == crate::args::Output::Json).await.map_err(|error| refused(&error))?;
    let healthy = from.health.healthy;
    let shown = snapshot(&from, None);
    printer.result(
        || {
            let at = |time: Option<jiff::Timestamp>| {
                time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
            };
            let rows: Vec<Vec<String>> = shown
                .jobs
                .iter()
                .map(|job| {
                    // The words of the page.
                    let judged = job.judge(shown.now);
                    let state = judged.health.label().to_owned();
                    let state = match &job.running {
                        Some(running) => format!("{state}, running ({}, {})", running.stage, bytes(running.bytes)),
                        None => state,
                    };
                    let drill = match &job.last_drill {
                        None => "-".to_owned(),
                        Some(drill) if drill.ok => "ok".to_owned(),
                        Some(_) => "FAILED".to_owned(),
                    };
                    vec![
                        job.name.clone(),
                        state,
                        at(job.last_success_at),
                        drill,
                        at(job.next_run),
                        job.last.as_ref().map_or_else(|| "-".to_owned(), |last| duration(last.duration_ms)),
                    ]
                })
                .collect();
            let mut out = table(&["JOB", "STATE", "LAST GOOD", "DRILL", "NEXT", "TOOK"], &rows);
            for job in &shown.jobs {
                for (_, trouble) in job.judge(shown.now).troubles {
                    out.push_str(&format!("{}: {trouble}\n", job.name));
                }
            }
            for reason in &shown.reasons {
                out.push_str(&format!("NOT WELL: {}\n", reason.detail));
            }
            if let Some(problem) = &shown.config_problem {
                out.push_str(&format!("the settings have mistakes, and those before hold: {problem}\n"));
            }
            out
        },
        || json!(shown),
    );
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}
