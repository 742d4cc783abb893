//! A plugin, its tools on this machine, and databases to use them on.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use planb_model::engine::{Connection, Purpose, Scope};
use planb_model::secret::{Secret, Secrets};
use planb_pipeline::{Operation, OperationSpec, RunError, Stop, Timeouts};
use planb_plugin::{Grants, Plugin};
use planb_tool::{Confine, ToolSearch};

/// What a lab works with.
#[derive(Debug, Clone)]
pub struct LabSpec {
    /// A program that acts as the shim (`planb` itself).
    pub shim: PathBuf,
    /// Where work directories are made.
    pub work_base: PathBuf,
    /// Where tools are looked for.
    pub search: ToolSearch,
    /// Which tools the plugin may use.
    pub grants: Grants,
    /// Variables of planb's own environment that the engine declares for its tools.
    pub inherited: Vec<(String, OsString)>,
    /// Whether tools are kept from writing elsewhere than they need to.
    pub confine: Confine,
    /// Told of each made-up password, so that no log shows it.
    pub hide: fn(&Secret),
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// A plugin with its tools.
#[derive(Debug)]
pub struct Lab<'p> {
    /// The plugin.
    pub plugin: &'p Plugin,
    /// What it works with.
    pub spec: LabSpec,
    /// What ends everything.
    pub stop: Arc<Stop>,
    /// Of all scratch servers: a restored one may know only the accounts of the first. Letters and digits alone, since a
    /// scratch server is no test of escaping.
    password: Secret,
}

/// Where a database is, and what opens it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The server.
    pub connection: Connection,
    /// What opens it.
    pub secrets: Arc<Secrets>,
    /// Settings that requests to it carry, checked and with defaults.
    pub settings: Vec<(String, String)>,
    /// The database.
    pub scope: Scope,
}

impl<'p> Lab<'p> {
    /// With a made-up password for its servers.
    pub fn new(plugin: &'p Plugin, spec: LabSpec, stop: Arc<Stop>) -> Self {
        let password = Secret::new(format!("s{}", uuid::Uuid::new_v4().simple()));
        (spec.hide)(&password);
        Self { plugin, spec, stop, password }
    }

    /// The password of its scratch servers.
    pub(crate) fn password(&self) -> Secret {
        self.password.clone()
    }

    /// An operation on a place.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn open(&self, place: &Place, purposes: &[Purpose]) -> Result<Operation<'p>, RunError> {
        let spec = OperationSpec {
            shim: self.spec.shim.clone(),
            work_base: self.spec.work_base.clone(),
            search: self.spec.search.clone(),
            grants: self.spec.grants.clone(),
            confine: self.spec.confine,
            connection: place.connection.clone(),
            secrets: Arc::clone(&place.secrets),
            settings: place.settings.clone(),
            extra_args: Vec::new(),
            inherited: self.spec.inherited.clone(),
            account: None,
            purposes: purposes.to_vec(),
            timeouts: self.spec.timeouts,
        };
        Operation::open(self.plugin, spec, Arc::clone(&self.stop)).await
    }
}
