//! The versions of the contract that this host speaks: one adapter each, behind one trait.
//!
//! A version is a folder below `wit/`, frozen once released. Its adapter generates bindings from that folder and
//! translates between them and the types of `planb-model`. To add one: a module beside `v0_1`, a line in `CONTRACTS`.

mod v0_1;
mod v0_1_from;
mod v0_1_into;

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use planb_model::engine::{Answer, Artifact, Description, Failure, Inspection, Query, Request, RestoreRequest};
use planb_model::plan::{BackupPlan, QueryPlan, RestorePlan, ScratchPlan, SeedPlan};
use wasmtime::component::{Component, Linker};

use crate::error::{CallError, PluginError};
use crate::limits::Limits;
use crate::sandbox::State;

/// The contract versions on offer, for messages.
pub const OFFERED: &[&str] = &["0.1.0"];

type MakeAdapter = fn(&Path, &Component, &Linker<State>, Arc<Limits>) -> Result<Box<dyn Adapter>, PluginError>;

/// One version of the contract.
pub(crate) struct Contract {
    pub(crate) version: &'static str,
    make: MakeAdapter,
}

static CONTRACTS: &[Contract] = &[Contract { version: "0.1.0", make: v0_1::adapter }];

impl Contract {
    pub(crate) fn adapter(
        &self,
        path: &Path,
        component: &Component,
        linker: &Linker<State>,
        limits: Arc<Limits>,
    ) -> Result<Box<dyn Adapter>, PluginError> {
        (self.make)(path, component, linker, limits)
    }
}

/// The contract that serves a plugin written for `version`: of the same compatible line (semver), and not older.
/// `Err(true)`: the plugin is newer than this host.
pub(crate) fn for_version(version: &str) -> Result<&'static Contract, bool> {
    let Ok(wanted) = semver::Version::parse(version) else { return Err(true) };
    let mut newer = true;
    for contract in CONTRACTS {
        let Ok(offered) = semver::Version::parse(contract.version) else { continue };
        let same_line = if wanted.major == 0 { (0, wanted.minor) } else { (wanted.major, 0) }
            == if offered.major == 0 { (0, offered.minor) } else { (offered.major, 0) };
        if same_line && wanted <= offered {
            return Ok(contract);
        }
        newer = wanted > offered;
    }
    Err(newer)
}

/// A loaded plugin of some contract version.
pub(crate) trait Adapter: Send + Sync {
    fn session(&self) -> BoxFuture<'_, Result<Box<dyn Session>, PluginError>>;
}

pub(crate) type Called<'a, T> = BoxFuture<'a, Result<T, CallError>>;

/// One instance of a plugin. The contract (`wit/`) says what each call does.
///
/// A session holds at most one inspector and one filter. After an error of the plugin itself it is of no more use.
pub trait Session: Send {
    /// `describe`.
    fn describe(&mut self) -> BoxFuture<'_, Result<Description, PluginError>>;
    /// `plan-backup`.
    fn plan_backup<'a>(&'a mut self, request: &'a Request) -> Called<'a, BackupPlan>;
    /// `plan-restore`.
    fn plan_restore<'a>(&'a mut self, request: &'a RestoreRequest) -> Called<'a, RestorePlan>;
    /// `plan-query`.
    fn plan_query<'a>(&'a mut self, request: &'a Request, query: &'a Query) -> Called<'a, QueryPlan>;
    /// `read-query`.
    fn read_query<'a>(&'a mut self, query: &'a Query, stdout: &'a [u8]) -> Called<'a, Answer>;
    /// `explain`.
    fn explain<'a>(
        &'a mut self,
        tool: &'a str,
        code: Option<i32>,
        stderr: &'a str,
    ) -> BoxFuture<'a, Result<Failure, PluginError>>;
    /// `plan-scratch`.
    fn plan_scratch<'a>(&'a mut self, ports: &'a [u16]) -> Called<'a, ScratchPlan>;
    /// `plan-seed`.
    fn plan_seed<'a>(&'a mut self, request: &'a Request) -> Called<'a, SeedPlan>;

    /// Makes the inspector.
    fn inspect<'a>(
        &'a mut self,
        request: &'a Request,
        artifact: &'a Artifact,
    ) -> BoxFuture<'a, Result<(), PluginError>>;
    /// `inspector.open`.
    fn inspect_open<'a>(&'a mut self, path: &'a str) -> BoxFuture<'a, Result<(), PluginError>>;
    /// `inspector.feed`.
    fn inspect_feed<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, Result<(), PluginError>>;
    /// `inspector.finish`.
    fn inspect_finish(&mut self) -> BoxFuture<'_, Result<Inspection, PluginError>>;

    /// Makes the filter.
    fn filter<'a>(&'a mut self, request: &'a RestoreRequest) -> BoxFuture<'a, Result<(), PluginError>>;
    /// `filter.push`.
    fn filter_push<'a>(&'a mut self, chunk: &'a [u8]) -> Called<'a, Vec<u8>>;
    /// `filter.finish`.
    fn filter_finish(&mut self) -> Called<'_, Vec<u8>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_finds_its_contract_or_learns_which_side_is_old() {
        assert_eq!(for_version("0.1.0").map(|c| c.version), Ok("0.1.0"));
        assert_eq!(for_version("0.1.1").map(|c| c.version), Err(true));
        assert_eq!(for_version("0.2.0").map(|c| c.version), Err(true));
        assert_eq!(for_version("1.0.0").map(|c| c.version), Err(true));
        assert_eq!(for_version("0.0.9").map(|c| c.version), Err(false));
        assert_eq!(for_version("nonsense").map(|c| c.version), Err(true));
        assert!(CONTRACTS.iter().map(|c| c.version).eq(OFFERED.iter().copied()));
    }
}
