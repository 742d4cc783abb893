//! The conformance suite: the same steps for every engine, in scratch servers of its own or on a server that is given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use planb_model::Blame;
use planb_model::engine::{Answer, FailureCode, FoundTool, Purpose, Query, Scope};
use planb_model::secret::Secrets;
use planb_pipeline::RunError;
use planb_store::Access;
use tempfile::TempDir;

use crate::lab::{Lab, Place};
use crate::report::{Check, Recorder, SuiteReport};
use crate::round_trip::{self, Taken, Way};
use crate::scratch::Scratch;
use crate::watch::Watch;
use crate::{blame, cuts, hostile, plans};

const READY: &str = "A scratch server is reached over the connection of its plan, answers `ping` within minutes, and needs nothing but its work \
                     directory and the ports that it was given. (contract, `scratch-plan`)";
const SEED: &str =
    "After a seed plan the database holds what the plan says, and `inventory` counts it. (contract, `seed-plan`)";
const QUERY: &str = "`read-query` reads what the command of `plan-query` printed; what an engine cannot answer is `unsupported`. (contract, `query`)";
const BACKUP: &str = "A backup plan of a declared mode, run as it is, leaves a dump that its own inspector finds complete. (contract, `backup-plan`)";
const NAMES: &str =
    "An inspection names what the seed holds, with the same rows where it counts them. (contract, `seed-plan.holds`)";
const AGREE: &str = "Where an inspection and an inventory name the same kind and name, their rows can be compared. (contract, `object`)";
const VERIFY: &str = "The inspector sees the same in the same bytes. (contract, `inspector`)";
const RESTORE: &str =
    "A restore plan puts a dump of its own engine back into a fresh server. (contract, `restore-plan`)";
const EQUAL: &str =
    "What is restored is what was backed up: the same objects with the same rows. (contract, `restore-plan`)";
const CUT: &str = "`inspection.complete` is true only if the engine's own end mark was seen: a dump without it is not committed. (contract, `inspection`)";
const CHANGED: &str = "A backup of which a byte was changed does not verify.";
const PASSWORD: &str =
    "A wrong password is `access-denied`, the fault of the settings, with a hint. (contract, `explain`)";
const GONE: &str =
    "A server that is not there is `unreachable`, the fault of the database, with a hint. (contract, `explain`)";
const MISSING: &str = "A database file that is not there is `missing-database`, the fault of the settings, with a hint. (contract, `explain`)";
const SECRET: &str =
    "A plugin never holds a secret; none reaches a command line, a manifest, a report or an error. (contract, rule 2)";
const OCCUPIED: &str =
    "A restore does not touch a database that holds data unless `replace` is set. (contract, `restore-request`)";
const CLEAN: &str = "Nothing is left behind: the work directory is gone, and so is every process.";

/// Databases to use instead of scratch servers.
#[derive(Debug, Clone)]
pub struct Live {
    /// Empty; it is seeded and backed up.
    pub source: Place,
    /// Empty; it is restored into. None: a scratch server, or no restore.
    pub target: Option<Place>,
}

/// Puts a plugin through the suite. `tell` hears of each check as it is done.
///
/// # Errors
/// [`RunError`] where the suite itself cannot go on. What is wrong with the plugin is a failed check.
pub async fn test_plugin(
    lab: &mut Lab<'_>,
    live: Option<Live>,
    tell: &mut (dyn FnMut(&Check) + Send),
) -> Result<SuiteReport, RunError> {
    let d = lab.plugin.description();
    let mut record = Recorder::new(tell);
    // A base of its own: what is left in it was left by the suite.
    let base = TempDir::with_prefix_in("planb-suite-", &lab.spec.work_base).map_err(RunError::Work)?;
    // Scratch servers may run as another user, who has to get through.
    open_to_all(base.path()).map_err(RunError::Work)?;
    lab.spec.work_base = base.path().to_path_buf();

    let tools = tools(lab).await?;
    plans::check(lab.plugin, &tools, &mut record).await?;
    hostile::check(lab.plugin, &tools, &mut record).await?;

    let folders = TempDir::with_prefix("planb-suite-stores-").map_err(RunError::Work)?;
    let mut version = None;
    let mut suite = Suite { lab, folders: folders.path(), version: &mut version };
    match live {
        Some(live) => Box::pin(suite.on(live.source, live.target, true, &mut record)).await?,
        None => Box::pin(suite.on_scratch(&mut record)).await?,
    }
    record.enter("after");
    record.check("nothing left", CLEAN, left(base.path()));
    Ok(record.report(&d.key, &d.version, lab.plugin.sha256(), version))
}

#[cfg(unix)]
fn open_to_all(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // Others may pass, and see nothing.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))
}

/// The declared tools as requests name them: those that are here as they are, the others without a version.
async fn tools(lab: &Lab<'_>) -> Result<Vec<FoundTool>, RunError> {
    let place = Place {
        connection: planb_model::engine::Connection::default(),
        secrets: Arc::new(Secrets::default()),
        settings: Vec::new(),
        scope: Scope::All,
    };
    let all = [Purpose::Backup, Purpose::Restore, Purpose::Query, Purpose::Scratch];
    let found = lab.open(&place, &all).await?.request(Scope::All, planb_model::engine::Mode::Stream, false).tools;
    let declared = lab.plugin.description().tools.iter();
    let missing = |id: &String| FoundTool { id: id.clone(), version: None, banner: None };
    Ok(declared
        .map(|tool| found.iter().find(|f| f.id == tool.id).cloned().unwrap_or_else(|| missing(&tool.id)))
        .collect())
}

struct Suite<'s, 'p> {
    lab: &'s Lab<'p>,
    folders: &'s Path,
    version: &'s mut Option<String>,
}

impl Suite<'_, '_> {
    async fn on_scratch(&mut self, record: &mut Recorder<'_>) -> Result<(), RunError> {
        record.enter("scratch");
        let mut source = match Scratch::prepare(self.lab).await {
            Ok(source) => source,
            Err(error) if cannot(&error) => {
                record.not_run("server", format!("{error}{}", hint(&error)));
                return Ok(());
            }
            Err(error) => {
                record.check("server", READY, Err::<&str, _>(full(&error)));
                return Ok(());
            }
        };
        if let Err(error) = source.start(self.lab).await {
            self.unless_stopped()?;
            record.check("server", READY, Err::<&str, _>(full(&error)));
            return Ok(());
        }
        record.check("server", READY, Ok::<_, &str>("it answers"));
        let place = source.place.clone();
        let done = Box::pin(self.on(place, None, false, record)).await;
        source.stop().await;
        done
    }

    /// `target`: none for a scratch server each time.
    async fn on(
        &mut self,
        place: Place,
        target: Option<Place>,
        live: bool,
        record: &mut Recorder<'_>,
    ) -> Result<(), RunError> {
        // A short password is part of other words.
        let secret = place.secrets.get("password").ok().filter(|secret| secret.expose().len() >= 8);
        let watch = secret.and_then(|secret| Watch::start(secret.expose()));
        let mut texts = Vec::new();
        record.enter("source");
        let before = match round_trip::inventory(self.lab, &place).await {
            // The seed makes it.
            Err(error) if error.is(FailureCode::MissingDatabase) => Ok(Vec::new()),
            before => before,
        };
        let before = self
            .step(record, "inventory", QUERY, before, |objects| format!("{} objects before the seed", objects.len()))?;
        // A database of somebody's that cannot be looked at is not written to.
        let Some(before) = before.or_else(|| (!live).then(Vec::new)) else { return Ok(()) };
        // A scratch server may be born with something; a server that was given has to hold nothing at all.
        if live && !before.is_empty() || before.iter().any(|object| object.rows.is_some_and(|rows| rows > 0)) {
            return Err(RunError::Settings("the database that the suite is to use holds data already".to_owned()));
        }
        let seeded = round_trip::seed(self.lab, &place).await;
        let Some(holds) = self.step(record, "seed", SEED, seeded, |holds| format!("{} objects", holds.len()))? else {
            return Ok(());
        };
        let Some(live) = self.step(
            record,
            "inventory of the seed",
            SEED,
            round_trip::inventory(self.lab, &place).await,
            |objects| format!("{} objects", objects.len()),
        )?
        else {
            return Ok(());
        };
        let lacking = holds.iter().find(|object| !live.contains(object));
        record.check(
            "seed counted",
            SEED,
            lacking.map_or_else(|| Ok("all of it"), |object| Err(format!("the inventory lacks {object:?}"))),
        );
        self.queries(&place, record).await?;

        let (ways, impossible) = match round_trip::ways(self.lab, &place).await {
            Ok(found) => found,
            // What is wrong with its plans is the suite's to report, not a reason to stop.
            Err(error @ RunError::Plugin(_)) => {
                record.check("backup", BACKUP, Err::<&str, _>(full(&error)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for why in impossible {
            tracing::debug!(why, "not a way");
        }
        for (at, way) in ways.iter().enumerate() {
            record.enter(way.words());
            let folder = self.folders.join(at.to_string());
            std::fs::create_dir(&folder).map_err(RunError::Work)?;
            let taken = round_trip::back_up(self.lab, &place, way, &folder).await;
            let Some(taken) = self.step(record, "backup", BACKUP, taken, |taken| {
                format!("{} bytes in {} files", taken.report.plain_bytes, taken.entry.manifest.files.len())
            })?
            else {
                continue;
            };
            texts.push(taken.manifest_text.clone());
            texts.push(serde_json::to_string(&taken.report).unwrap_or_default());
            self.look(&taken, &holds, &live, &folder, record).await?;
            self.there(&taken, way, &place, target.as_ref(), &live, record).await?;
            if at == 0 {
                self.occupied(&taken, way, &place, &live, record).await?;
            }
            drop(taken);
            std::fs::remove_dir_all(&folder).map_err(RunError::Work)?;
        }

        record.enter("failures");
        self.failures(&place, record).await?;
        record.enter("secrets");
        match watch {
            Some(watch) => {
                record.check("command lines", SECRET, watch.finish());
                let secret = place.secrets.get("password").map(|secret| secret.expose().to_owned()).unwrap_or_default();
                let shown =
                    record.checks.iter().map(|check| &check.detail).chain(&texts).any(|text| text.contains(&secret));
                let outcome = if shown {
                    Err("the password stands in a manifest or a report")
                } else {
                    Ok("in no manifest, report or error")
                };
                record.check("manifests and reports", SECRET, outcome);
            }
            None => {
                record.not_run("command lines", "the server has no password of eight letters, or this system no /proc");
            }
        }
        Ok(())
    }

    async fn queries(&mut self, place: &Place, record: &mut Recorder<'_>) -> Result<(), RunError> {
        let mut op = self.lab.open(place, &[Purpose::Query]).await?;
        for query in plans::queries(&place.scope) {
            let name = match &query {
                Query::Ping => "ping",
                Query::Version => "version",
                Query::Databases => "databases",
                Query::Size(_) => "size",
                Query::State(_) => "state",
                // Asked before.
                Query::Inventory(_) => continue,
            };
            op.clear()?;
            match op.query(&place.scope, &query).await {
                Err(error) if error.is(FailureCode::Unsupported) => {
                    record.not_run(name, "the engine has no such question");
                }
                Err(error) => {
                    self.unless_stopped()?;
                    record.check(name, QUERY, Err::<&str, _>(full(&error)));
                }
                Ok(answer) => {
                    let outcome = match (&query, answer) {
                        (Query::Ping, Answer::Alive) => Ok("alive".to_owned()),
                        (Query::Version, Answer::Version(version)) => {
                            *self.version = Some(version.clone());
                            Ok(version)
                        }
                        (Query::Databases, Answer::Databases(names)) => round_trip::listed(&names, &place.scope),
                        (Query::Size(_), Answer::Size(bytes)) => Ok(format!("{bytes} bytes")),
                        (Query::State(_), Answer::State(planb_model::engine::TargetState::Occupied)) => {
                            Ok("occupied".to_owned())
                        }
                        // What counts for it is not the server.
                        (Query::State(_), Answer::State(planb_model::engine::TargetState::Unknown))
                            if self.lab.plugin.description().restores_offline =>
                        {
                            Ok("unknown, as it restores offline".to_owned())
                        }
                        (Query::State(_), Answer::State(state)) => Err(format!("a seeded database is {state:?}")),
                        _ => Err("it is the answer to another question".to_owned()),
                    };
                    record.check(name, QUERY, outcome);
                }
            }
        }
        Ok(())
    }

    /// What can be told of a backup by looking at it.
    async fn look(
        &self,
        taken: &Taken,
        holds: &[planb_model::engine::Object],
        live: &[planb_model::engine::Object],
        folder: &Path,
        record: &mut Recorder<'_>,
    ) -> Result<(), RunError> {
        let inspection = &taken.entry.manifest.inspection;
        match round_trip::names(holds, inspection) {
            Ok(None) => record.not_run("inspection", "this format does not show what it holds"),
            Ok(Some(seen)) => {
                if record.check("inspection", NAMES, Ok::<_, &str>(seen)) {
                    record.check("rows", AGREE, round_trip::agree(inspection, live));
                }
            }
            Err(why) => {
                record.check("inspection", NAMES, Err::<&str, _>(why));
            }
        }
        let failed = round_trip::verified(self.lab, taken).await;
        self.step(record, "verify", VERIFY, failed.and_then(|failed| none(&failed)), |()| {
            "as it was written".to_owned()
        })?;
        {
            let _changed = cuts::Changed::one_byte(taken, folder)?;
            let noticed = match round_trip::verified(self.lab, taken).await {
                Ok(failed) if failed.is_empty() => Err("verify does not notice it"),
                _ => Ok("verify notices it"),
            };
            record.check("changed byte", CHANGED, noticed);
        }
        match cuts::every_cut_is_found(self.lab.plugin, taken, folder).await {
            Ok(outcome) => {
                record.check("cuts", CUT, outcome);
            }
            Err(error) => {
                self.unless_stopped()?;
                record.check("cuts", CUT, Err::<&str, _>(full(&error)));
            }
        }
        Ok(())
    }

    /// Restores into a fresh place and compares.
    async fn there(
        &self,
        taken: &Taken,
        way: &Way,
        source: &Place,
        target: Option<&Place>,
        live: &[planb_model::engine::Object],
        record: &mut Recorder<'_>,
    ) -> Result<(), RunError> {
        if let Some(target) = target {
            // One target for all ways: only the first finds it empty.
            let empty = match round_trip::inventory(self.lab, target).await {
                Ok(objects) => objects.is_empty(),
                Err(error) => error.is(FailureCode::MissingDatabase),
            };
            if !empty {
                record.not_run("restore", "the target that was given holds something by now");
                return Ok(());
            }
            let restored = round_trip::put_back(self.lab, taken, target, way, true).await;
            if self.step(record, "restore", RESTORE, restored, |()| "done".to_owned())?.is_some() {
                self.compare(target, live, record).await?;
            }
            return Ok(());
        }
        let mut fresh = match Scratch::prepare(self.lab).await {
            Ok(fresh) => fresh,
            Err(error) if cannot(&error) => {
                record.not_run("restore", format!("no second server: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stopped = fresh.restores_stopped();
        if !stopped
            && self
                .step(record, "second server", READY, fresh.start(self.lab).await, |()| "it answers".to_owned())?
                .is_none()
        {
            return Ok(());
        }
        // The same database of another server; the setting of the way is kept.
        let mut place = fresh.place.clone();
        if !self.lab.plugin.description().file_based {
            place.scope = source.scope.clone();
        }
        let restored = round_trip::put_back(self.lab, taken, &place, way, !stopped).await;
        if self
            .step(record, "restore", RESTORE, restored, |()| {
                if stopped { "into its files" } else { "done" }.to_owned()
            })?
            .is_none()
        {
            return Ok(());
        }
        if stopped
            && self
                .step(record, "second server", READY, fresh.start(self.lab).await, |()| "it answers".to_owned())?
                .is_none()
        {
            return Ok(());
        }
        self.compare(&place, live, record).await?;
        fresh.stop().await;
        Ok(())
    }

    async fn compare(
        &self,
        place: &Place,
        live: &[planb_model::engine::Object],
        record: &mut Recorder<'_>,
    ) -> Result<(), RunError> {
        match round_trip::inventory(self.lab, place).await {
            Ok(here) => {
                record.check("equal", EQUAL, round_trip::same(live, &here));
            }
            Err(error) => {
                self.unless_stopped()?;
                record.check("equal", EQUAL, Err::<&str, _>(full(&error)));
            }
        }
        Ok(())
    }

    /// A restore into the seeded source has to be refused, and has to leave it as it was.
    async fn occupied(
        &self,
        taken: &Taken,
        way: &Way,
        place: &Place,
        live: &[planb_model::engine::Object],
        record: &mut Recorder<'_>,
    ) -> Result<(), RunError> {
        let refused = round_trip::put_back(self.lab, taken, place, way, true).await;
        self.unless_stopped()?;
        let outcome = match (refused, round_trip::inventory(self.lab, place).await) {
            (Ok(()), _) => Err("it restores over data without being told to".to_owned()),
            (Err(error), _) if !self.refuses(&error) => Err(format!("it fails for another reason: {}", full(&error))),
            (Err(refusal), Ok(here)) => round_trip::same(live, &here).map(|_| format!("refused: {refusal}")),
            (Err(_), Err(error)) => Err(format!("afterwards its inventory fails: {}", full(&error))),
        };
        record.check("occupied target", OCCUPIED, outcome);
        Ok(())
    }

    /// Whether an error is a refusal to touch data, and not a plan that does not work. An engine that restores offline may
    /// leave it to its tool.
    fn refuses(&self, error: &RunError) -> bool {
        let offline = self.lab.plugin.description().restores_offline;
        matches!(error, RunError::Occupied { .. } | RunError::UnknownTarget { .. })
            || error.is(FailureCode::InvalidRequest)
            || offline && error.failure().is_some()
    }

    async fn failures(&self, place: &Place, record: &mut Recorder<'_>) -> Result<(), RunError> {
        let folder: PathBuf = self.folders.join("failures");
        std::fs::create_dir(&folder).map_err(RunError::Work)?;
        match blame::with_wrong_password(place) {
            Some(wrong) => {
                let outcome = blame::fails(self.lab, &wrong, &folder, FailureCode::AccessDenied, Blame::Settings).await;
                self.judged(record, "wrong password", PASSWORD, outcome)?;
            }
            None => record.not_run("wrong password", "the server has no password"),
        }
        match blame::unreachable(place) {
            Some(gone) => {
                let outcome = blame::fails(self.lab, &gone, &folder, FailureCode::Unreachable, Blame::Database).await;
                self.judged(record, "nothing there", GONE, outcome)?;
            }
            None => {
                let mut gone = place.clone();
                if let Scope::Database(path) = &mut gone.scope {
                    path.push_str("-that-is-not-there");
                }
                let outcome =
                    blame::fails(self.lab, &gone, &folder, FailureCode::MissingDatabase, Blame::Settings).await;
                self.judged(record, "nothing there", MISSING, outcome)?;
            }
        }
        if planb_store::Store::open(
            &planb_store::StoreUrl::parse(&folder.to_string_lossy())
                .map_err(|error| RunError::Internal(error.to_string()))?,
            Access::Read,
            planb_store::WriteSettings::default(),
        )?
        .catalogue()
        .await?
        .entries
        .is_empty()
        {
            record.check("no backup of a failure", BACKUP, Ok::<_, &str>("nothing is listed"));
        } else {
            record.check("no backup of a failure", BACKUP, Err::<&str, _>("a failed run is listed as a backup"));
        }
        Ok(())
    }

    fn judged(
        &self,
        record: &mut Recorder<'_>,
        name: &str,
        rule: &'static str,
        outcome: Result<Result<String, String>, RunError>,
    ) -> Result<(), RunError> {
        match outcome {
            Ok(outcome) => {
                record.check(name, rule, outcome);
            }
            Err(error) => {
                self.unless_stopped()?;
                record.check(name, rule, Err::<&str, _>(full(&error)));
            }
        }
        Ok(())
    }

    /// Records how a step ended; gives what came out of it.
    fn step<T>(
        &self,
        record: &mut Recorder<'_>,
        name: &str,
        rule: &'static str,
        outcome: Result<T, RunError>,
        words: impl FnOnce(&T) -> String,
    ) -> Result<Option<T>, RunError> {
        match outcome {
            Ok(value) => {
                record.check(name, rule, Ok::<_, &str>(words(&value)));
                Ok(Some(value))
            }
            Err(error) => {
                self.unless_stopped()?;
                record.check(name, rule, Err::<&str, _>(full(&error)));
                Ok(None)
            }
        }
    }

    /// An interrupted suite says nothing of the plugin.
    fn unless_stopped(&self) -> Result<(), RunError> {
        self.lab.stop.reason().map_or(Ok(()), |reason| Err(reason.into()))
    }
}

fn none(failed: &[String]) -> Result<(), RunError> {
    if failed.is_empty() { Ok(()) } else { Err(RunError::Settings(failed.join("; "))) }
}

/// Whether the engine has no scratch server, or its programs are not here: no fault of the plugin's.
fn cannot(error: &RunError) -> bool {
    matches!(error, RunError::Tool(planb_tool::ToolError::Missing { .. } | planb_tool::ToolError::Unfit(_)))
        || error.is(FailureCode::Unsupported)
        || error.is(FailureCode::ToolUnfit)
}

fn hint(error: &RunError) -> String {
    let hint = match error {
        RunError::Tool(error) => error.hint(),
        other => other.failure().and_then(|failure| failure.hint.clone()),
    };
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

/// An error with the tool's last words.
fn full(error: &RunError) -> String {
    match error {
        RunError::ToolFailed { tool, end, failure, last_words } => {
            format!("{} ({tool}: {end}; its last words: {})", failure.message, last_words.replace('\n', " | "))
        }
        other => other.to_string(),
    }
}

/// What is left in the suite's folder, and who still runs in it.
fn left(base: &Path) -> Result<&'static str, String> {
    let files: Vec<_> = std::fs::read_dir(base)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    if !files.is_empty() {
        return Err(format!("{} is still there", files.join(", ")));
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return Ok("no file") };
    for process in processes.flatten() {
        let inside = std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(base));
        if inside {
            return Err(format!("the process {} still runs in it", process.file_name().to_string_lossy()));
        }
    }
    Ok("no file, no process")
}
