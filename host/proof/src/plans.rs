//! What can be told of a plugin without a server: its plans, as plans.

use std::collections::BTreeSet;

use planb_model::engine::{
    Artifact, Connection, Description, FoundTool, Mode, Object, Query, Request, RestoreRequest, Scope, ScopeKind,
    Setting, SettingKind, TargetState,
};
use planb_model::plan::{
    BackupPlan, Command, PrivateFile, QueryPlan, RestorePlan, ScratchPlan, SeedPlan, Sink, Source,
};
use planb_model::settings;
use planb_pipeline::RunError;
use planb_plugin::{CallError, Plugin, PluginError, Session};

use crate::report::Recorder;

/// How often the same is asked.
const AGAIN: usize = 100;

const SAME: &str =
    "The same request gives the same plan. No clock, no randomness, no memory of earlier calls. (contract, rule 1)";
const DECLARED: &str = "A command names the id of a tool that `describe` declares, and sets environment variables that it declares. (contract, `command`)";
const USED: &str = "To grant a tool to a plugin is to trust the plugin with it, so a plugin declares the tools that its plans use and no other. (contract, `tool`)";
const NO_TRAP: &str =
    "A plugin answers with a failure where it cannot do what is asked; it does not trap. (contract, `failure`)";
const SCRATCH: &str =
    "The settings and secrets of a scratch plan are those that `describe` declares. (contract, `scratch-plan`)";

/// A plan of any kind, with what the rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) files: Vec<PrivateFile>,
    pub(crate) commands: Vec<Command>,
    /// Paths below the work directory that the plan names.
    pub(crate) paths: Vec<String>,
    pub(crate) artifact: Option<Artifact>,
    /// All of it, for comparing.
    whole: String,
}

impl Seen {
    fn of<'a>(
        files: &[PrivateFile],
        commands: impl IntoIterator<Item = &'a Command>,
        paths: impl IntoIterator<Item = String>,
    ) -> Self {
        let commands: Vec<_> = commands.into_iter().cloned().collect();
        let mut paths: Vec<_> = paths.into_iter().chain(files.iter().map(|file| file.path.clone())).collect();
        paths.extend(commands.iter().flat_map(|command| [&command.stdin_from, &command.stdout_to]).flatten().cloned());
        Self { files: files.to_vec(), commands, paths, artifact: None, whole: String::new() }
    }
}

impl From<BackupPlan> for Seen {
    fn from(plan: BackupPlan) -> Self {
        let whole = format!("{plan:?}");
        let path = match &plan.source {
            Source::File { path, .. } | Source::Tree { path, .. } => Some(path.clone()),
            Source::Stdout { .. } | Source::Served(_) => None,
        };
        let commands = plan.prepare.iter().chain([plan.source.command()]).chain(&plan.cleanup);
        Self { artifact: Some(plan.artifact.clone()), whole, ..Self::of(&plan.files, commands, path) }
    }
}

impl From<RestorePlan> for Seen {
    fn from(plan: RestorePlan) -> Self {
        let whole = format!("{plan:?}");
        let path = match &plan.sink {
            Sink::File { path, .. } | Sink::Tree { path, .. } => Some(path.clone()),
            Sink::Stdin(_) | Sink::Served(_) => None,
        };
        let commands = plan.prepare.iter().chain([plan.sink.command()]).chain(&plan.finish).chain(&plan.cleanup);
        Self { whole, ..Self::of(&plan.files, commands, path) }
    }
}

impl From<QueryPlan> for Seen {
    fn from(plan: QueryPlan) -> Self {
        let whole = format!("{plan:?}");
        Self { whole, ..Self::of(&plan.files, plan.prepare.iter().chain([&plan.command]), None) }
    }
}

impl From<ScratchPlan> for Seen {
    fn from(plan: ScratchPlan) -> Self {
        let whole = format!("{plan:?}");
        let commands = plan.prepare.iter().chain(&plan.server).chain(&plan.ready);
        Self { whole, ..Self::of(&plan.files, commands, plan.connection.socket) }
    }
}

impl From<SeedPlan> for Seen {
    fn from(plan: SeedPlan) -> Self {
        let whole = format!("{plan:?}");
        Self { whole, ..Self::of(&plan.files, &plan.commands, None) }
    }
}

/// A question to a plugin.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Backup(Request),
    Restore(Box<RestoreRequest>),
    Query(Request, Query),
    Seed(Request),
    Scratch,
}

impl Ask {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Backup(request) => format!("plan-backup ({}, {})", request.scope.kind().as_str(), request.mode),
            Self::Restore(request) => format!("plan-restore ({}, {:?})", request.artifact.format, request.target),
            Self::Query(_, query) => format!("plan-query ({})", query_word(query)),
            Self::Seed(_) => "plan-seed".to_owned(),
            Self::Scratch => "plan-scratch".to_owned(),
        }
    }

    /// Puts it. `Ok(Err)`: the plugin refused.
    pub(crate) async fn put(&self, session: &mut Box<dyn Session>) -> Result<Result<Seen, String>, PluginError> {
        let answer = match self {
            Self::Backup(request) => session.plan_backup(request).await.map(Seen::from),
            Self::Restore(request) => session.plan_restore(request).await.map(Seen::from),
            Self::Query(request, query) => session.plan_query(request, query).await.map(Seen::from),
            Self::Seed(request) => session.plan_seed(request).await.map(Seen::from),
            Self::Scratch => {
                session.plan_scratch(&[4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008]).await.map(Seen::from)
            }
        };
        match answer {
            Ok(seen) => Ok(Ok(seen)),
            Err(CallError::Failure(failure)) => Ok(Err(failure.message)),
            Err(CallError::Plugin(error)) => Err(error),
        }
    }
}

fn query_word(query: &Query) -> &'static str {
    match query {
        Query::Ping => "ping",
        Query::Version => "version",
        Query::Databases => "databases",
        Query::Size(_) => "size",
        Query::State(_) => "state",
        Query::Inventory(_) => "inventory",
    }
}

/// A request with everything set that the description does not ask about.
pub fn request(d: &Description, tools: &[FoundTool], scope: Scope, mode: Mode) -> Request {
    let mut secrets = vec!["password".to_owned()];
    secrets.extend(d.secrets.iter().map(|secret| secret.name.clone()));
    Request {
        connection: Connection {
            scheme: d.schemes.first().cloned(),
            host: (!d.file_based).then(|| "db.example".to_owned()),
            port: d.default_port,
            user: d.default_user.clone().or_else(|| (!d.file_based).then(|| "app".to_owned())),
            secrets: if d.file_based { Vec::new() } else { secrets },
            ..Connection::default()
        },
        scope,
        mode,
        native_compression: false,
        settings: settings::resolve(d, &[]).unwrap_or_default(),
        extra_args: Vec::new(),
        tools: tools.to_vec(),
        server_version: None,
        objects: d.plans_by_inventory.then(|| {
            let object = |name: &str| Object { kind: "table".to_owned(), name: name.to_owned(), rows: Some(3) };
            vec![object("probe"), object("odd ' \" \\ ` name")]
        }),
        serve_at: None,
    }
}

/// A database's name for requests that reach no server.
pub(crate) fn probe_name(d: &Description) -> String {
    if d.file_based { "/nonexistent/probe.db".to_owned() } else { "probe".to_owned() }
}

pub(crate) fn scopes(d: &Description) -> Vec<Scope> {
    d.scopes
        .iter()
        .map(|kind| match kind {
            ScopeKind::Database => Scope::Database(probe_name(d)),
            ScopeKind::All => Scope::All,
            ScopeKind::Globals => Scope::Globals,
        })
        .collect()
}

/// Values for a setting that a user could give.
fn values(setting: &Setting) -> Vec<String> {
    match &setting.kind {
        SettingKind::Text => vec!["probe".to_owned()],
        SettingKind::Number => vec!["2".to_owned()],
        SettingKind::Toggle => vec!["true".to_owned(), "false".to_owned()],
        SettingKind::Choice(words) => words.clone(),
        SettingKind::Path => vec!["/nonexistent/probe".to_owned()],
    }
}

pub(crate) fn set(list: &mut Vec<(String, String)>, name: &str, value: &str) {
    list.retain(|(known, _)| known != name);
    list.push((name.to_owned(), value.to_owned()));
}

/// Every request that differs in one thing from the plainest: scope, mode, native compression, one setting, one parameter.
pub(crate) fn backups(d: &Description, tools: &[FoundTool]) -> Vec<Request> {
    let mut all = Vec::new();
    for scope in scopes(d) {
        for mode in &d.modes {
            let plain = request(d, tools, scope.clone(), *mode);
            if d.native_compression {
                all.push(Request { native_compression: true, ..plain.clone() });
            }
            for setting in &d.settings {
                for value in values(setting) {
                    let mut changed = plain.clone();
                    set(&mut changed.settings, &setting.name, &value);
                    all.push(changed);
                }
            }
            for param in &d.params {
                for value in values(param) {
                    let mut changed = plain.clone();
                    set(&mut changed.connection.params, &param.name, &value);
                    all.push(changed);
                }
            }
            all.push(plain);
        }
    }
    all
}

pub(crate) fn queries(scope: &Scope) -> [Query; 6] {
    let scope = || scope.clone();
    [
        Query::Ping,
        Query::Version,
        Query::Databases,
        Query::Size(scope()),
        Query::State(scope()),
        Query::Inventory(scope()),
    ]
}

/// Restores of an artifact that a backup plan promised.
pub(crate) fn restores(of: &Request, artifact: &Artifact) -> Vec<RestoreRequest> {
    let states = [TargetState::Missing, TargetState::Empty, TargetState::Occupied, TargetState::Unknown];
    let with = |target| RestoreRequest {
        request: Request { extra_args: Vec::new(), ..of.clone() },
        artifact: artifact.clone(),
        source_scope: of.scope.clone(),
        source_version: None,
        objects: Vec::new(),
        files: Vec::new(),
        target,
        replace: target == TargetState::Occupied,
    };
    states.map(with).to_vec()
}

/// Everything that is asked below.
async fn all_asks(plugin: &Plugin, tools: &[FoundTool]) -> Result<Vec<Ask>, PluginError> {
    let d = plugin.description();
    let mut asks = vec![Ask::Scratch];
    for request in backups(d, tools) {
        let ask = Ask::Backup(request.clone());
        let mut session = plugin.bare_session().await?;
        if let Ok(seen) = ask.put(&mut session).await?
            && let Some(artifact) = &seen.artifact
        {
            asks.extend(restores(&request, artifact).into_iter().map(|restore| Ask::Restore(Box::new(restore))));
        }
        asks.push(ask);
    }
    for scope in scopes(d) {
        let request = request(d, tools, scope.clone(), d.modes.first().copied().unwrap_or(Mode::Stream));
        asks.extend(queries(&scope).map(|query| Ask::Query(request.clone(), query)));
        asks.push(Ask::Seed(request));
    }
    Ok(asks)
}

pub(crate) async fn check(plugin: &Plugin, tools: &[FoundTool], record: &mut Recorder<'_>) -> Result<(), RunError> {
    let d = plugin.description();
    record.enter("plans");
    let asks = match all_asks(plugin, tools).await {
        Ok(asks) => asks,
        Err(error) => {
            record.check("plans", NO_TRAP, Err::<&str, _>(error.to_string()));
            return Ok(());
        }
    };

    let same = always_the_same(plugin, &asks).await;
    record.check("same plan", SAME, same);

    let mut used = BTreeSet::new();
    let (mut planned, mut broken) = (0, None);
    for ask in &asks {
        let mut session = plugin.session().await?;
        match ask.put(&mut session).await {
            Ok(Ok(seen)) => {
                planned += 1;
                used.extend(seen.commands.iter().map(|command| command.tool.clone()));
            }
            Ok(Err(_)) => {}
            Err(error) => {
                broken.get_or_insert(format!("{}: {error}", ask.words()));
            }
        }
    }
    record.check("declared only", DECLARED, broken.map_or_else(|| Ok(format!("{planned} plans")), Err));

    let idle: Vec<_> = d.tools.iter().map(|tool| tool.id.as_str()).filter(|id| !used.contains(*id)).collect();
    let outcome = if idle.is_empty() {
        Ok(match d.tools.len() {
            1 => "1 tool".to_owned(),
            n => format!("{n} tools"),
        })
    } else {
        Err(format!("no plan uses {}", idle.join(", ")))
    };
    record.check("every tool used", USED, outcome);

    let mut session = plugin.session().await?;
    if let Ok(plan) = session.plan_scratch(&[4001, 4002, 4003, 4004, 4005, 4006, 4007, 4008]).await {
        record.check("scratch plan", SCRATCH, scratch_plan(d, &plan));
    }
    Ok(())
}

fn scratch_plan(d: &Description, plan: &ScratchPlan) -> Result<&'static str, String> {
    for (name, _) in &plan.settings {
        if !d.settings.iter().any(|setting| setting.name == *name) {
            return Err(format!("it gives the setting `{name}`, which is not declared"));
        }
    }
    for (name, _) in &plan.connection.params {
        if !d.params.iter().any(|param| param.name == *name) {
            return Err(format!("it gives the parameter `{name}`, which is not declared"));
        }
    }
    match plan.connection.secrets.iter().find(|name| *name != "password" && !d.secrets.iter().any(|s| s.name == **name))
    {
        Some(name) => Err(format!("it wants the secret `{name}`, which is not declared")),
        None if plan.server.is_some() && plan.connection.secrets.is_empty() => Ok("its server asks for no password"),
        None => Ok("its settings and secrets are declared"),
    }
}

async fn always_the_same(plugin: &Plugin, asks: &[Ask]) -> Result<String, String> {
    let trap = |error: PluginError| error.to_string();
    let mut described = plugin.session().await.map_err(trap)?;
    for _ in 0..AGAIN {
        if described.describe().await.map_err(trap)? != *plugin.description() {
            return Err("describe answered differently".to_owned());
        }
    }
    for ask in asks {
        let mut session = plugin.bare_session().await.map_err(trap)?;
        let first = ask.put(&mut session).await.map_err(trap)?;
        // Twice of one instance and once of a fresh one; the plainest of all a hundred times.
        let again = if matches!(ask, Ask::Backup(request) if request.settings.is_empty() || request.mode == Mode::Stream)
        {
            AGAIN
        } else {
            2
        };
        for _ in 1..again {
            if ask.put(&mut session).await.map_err(trap)? != first {
                return Err(format!("{} answered differently when it was asked again", ask.words()));
            }
        }
        let mut fresh = plugin.bare_session().await.map_err(trap)?;
        if ask.put(&mut fresh).await.map_err(trap)? != first {
            return Err(format!("{} answered differently in a fresh instance", ask.words()));
        }
    }
    Ok(format!("{} requests, asked up to {AGAIN} times", asks.len()))
}
