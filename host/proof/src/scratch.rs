//! A throw-away server from a plugin's own plan: in a private folder, for nobody but us, gone when it is dropped.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use planb_model::engine::{Answer, FailureCode, Purpose, Query, Scope};
use planb_model::plan::{ArgPiece, ScratchPlan};
use planb_model::secret::Secrets;
use planb_model::settings;
use planb_pipeline::{Operation, OperationSpec, RunError};
use planb_tool::{Account, Child};

use crate::lab::{Lab, Place};

/// How many ports the contract promises.
const PORTS: usize = 8;
/// For a server to answer.
const START: Duration = Duration::from_mins(3);
const ASK_AGAIN: Duration = Duration::from_millis(150);

/// A throw-away server. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Scratch<'p> {
    plan: ScratchPlan,
    // Before its home: fields are dropped in their order.
    server: Option<Child>,
    home: Operation<'p>,
    /// How it is reached.
    pub place: Place,
}

impl<'p> Scratch<'p> {
    /// Makes its folder and runs what comes before the server.
    ///
    /// # Errors
    /// [`RunError`]; with the plugin's code `unsupported` where the engine has no such server.
    pub async fn prepare(lab: &Lab<'p>) -> Result<Self, RunError> {
        let mut session = lab.plugin.session().await?;
        let plan = session.plan_scratch(&free_ports()?).await?;
        let mut secrets = Secrets::default();
        if plan.connection.secrets.iter().any(|name| name == "password") {
            secrets.insert("password", lab.password());
        }
        let secrets = Arc::new(secrets);
        let spec = OperationSpec {
            shim: lab.spec.shim.clone(),
            work_base: lab.spec.work_base.clone(),
            search: lab.spec.search.clone(),
            grants: lab.spec.grants.clone(),
            confine: lab.spec.confine,
            connection: plan.connection.clone(),
            secrets: Arc::clone(&secrets),
            settings: Vec::new(),
            extra_args: Vec::new(),
            inherited: lab.spec.inherited.clone(),
            account: Account::for_servers(),
            purposes: vec![Purpose::Scratch, Purpose::Query, Purpose::Backup, Purpose::Restore],
            timeouts: lab.spec.timeouts,
        };
        let home = Operation::open(lab.plugin, spec, Arc::clone(&lab.stop)).await?;
        home.check(plan.prepare.iter().chain(&plan.server).chain(&plan.ready))?;
        let place = place(&plan, &home, secrets)?;
        home.run_all(&mut session, &plan.files, &plan.prepare).await?;
        Ok(Self { plan, home, server: None, place })
    }

    /// Whether a restore goes into its files before it is started.
    pub fn restores_stopped(&self) -> bool {
        self.plan.restore_stopped
    }

    /// Starts the server, waits until it answers, and makes it ready.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(&mut self, lab: &Lab<'p>) -> Result<(), RunError> {
        if self.plan.restore_stopped {
            // What a restore has put there is the server's.
            self.home.give_away()?;
        }
        if let Some(command) = &self.plan.server {
            self.server = Some(self.home.start(command)?);
            self.wait(lab, true).await?;
        }
        let mut session = lab.plugin.session().await?;
        self.home.run_all(&mut session, &[], &self.plan.ready).await?;
        if self.plan.server.is_some() { self.wait(lab, false).await } else { Ok(()) }
    }

    /// Asks until the server answers. `early`: before `ready`, where a refusal is an answer too.
    async fn wait(&mut self, lab: &Lab<'p>, early: bool) -> Result<(), RunError> {
        let begun = Instant::now();
        let mut asking = lab.open(&self.place, &[Purpose::Query]).await?;
        loop {
            let error = match asking.query(&self.place.scope.clone(), &Query::Ping).await {
                // Another server on the port that ours could not have.
                Ok(Answer::Alive) if !self.server.as_ref().is_some_and(Child::ended) => return Ok(()),
                Ok(Answer::Alive) => lab.plugin.bad_plan("another server has its port".to_owned()).into(),
                Ok(_) => return Err(lab.plugin.bad_plan("its answer to `ping` is none".to_owned()).into()),
                Err(error) => error,
            };
            let let_in = |code| early && error.is(code);
            if let_in(FailureCode::AccessDenied) || let_in(FailureCode::MissingDatabase) {
                return Ok(());
            }
            if let Some(server) = &mut self.server
                && server.ended()
            {
                let exit = server.wait().await;
                let mut session = lab.plugin.session().await?;
                return Err(self.home.explain(&mut session, server.id(), &exit).await);
            }
            let starting =
                error.failure().is_some_and(|failure| failure.retryable || failure.code == FailureCode::Unreachable);
            if !starting || begun.elapsed() > START {
                return Err(error);
            }
            asking.clear()?;
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Ends the server and waits until it is gone.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop().await;
        }
    }
}

/// How requests reach the server of a plan.
fn place(plan: &ScratchPlan, home: &Operation<'_>, secrets: Arc<Secrets>) -> Result<Place, RunError> {
    let mut connection = plan.connection.clone();
    if let Some(socket) = &mut connection.socket {
        *socket = home.below(socket)?;
    }
    let scope = match &plan.scope {
        Scope::Database(path) if home.description().file_based => Scope::Database(home.below(path)?),
        scope => scope.clone(),
    };
    let mut given = Vec::new();
    for (name, pieces) in &plan.settings {
        let mut value = String::new();
        for piece in pieces {
            match piece {
                ArgPiece::Text(text) => value.push_str(text),
                ArgPiece::Path(path) => value.push_str(&home.below(path)?),
            }
        }
        given.push((name.clone(), value));
    }
    let settings = settings::resolve(home.description(), &given)
        .map_err(|error| home.plugin().bad_plan(format!("the settings of its scratch server: {error}")))?;
    Ok(Place { connection, secrets, settings, scope })
}

fn free_ports() -> Result<Vec<u16>, RunError> {
    // Held until all are taken, so that they differ.
    let listeners: Result<Vec<_>, _> = (0..PORTS).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    let ports: Result<Vec<_>, _> = listeners
        .and_then(|listeners| listeners.iter().map(|l| l.local_addr().map(|address| address.port())).collect());
    ports.map_err(RunError::Work)
}
