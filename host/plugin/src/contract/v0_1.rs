//! The adapter for `planb:engine@0.1`.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use planb_model::engine::{Answer, Artifact, Description, Failure, Inspection, Query, Request, RestoreRequest};
use planb_model::plan::{BackupPlan, QueryPlan, RestorePlan, ScratchPlan, SeedPlan};
use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Store, Trap};

use super::{Adapter, Called, Session};
use crate::error::PluginError;
use crate::limits::Limits;
use crate::load::START;
use crate::sandbox::State;

#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "generated"
)]
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/engine@0.1.0",
        world: "plugin",
        exports: { default: async },
    });
}

use bindings::{Plugin, PluginPre};

/// Between two yields to the executor, so that a timeout can strike.
const YIELD_EVERY: u64 = 20_000_000;

pub(super) fn adapter(
    path: &Path,
    component: &Component,
    linker: &Linker<State>,
    limits: Arc<Limits>,
) -> Result<Box<dyn Adapter>, PluginError> {
    let wrong = |error| wrong_shape(path, &error);
    let pre = linker.instantiate_pre(component).map_err(wrong)?;
    let pre = PluginPre::new(pre).map_err(wrong)?;
    Ok(Box::new(V01 { path: path.to_path_buf(), pre, limits }))
}

fn wrong_shape(path: &Path, error: &wasmtime::Error) -> PluginError {
    PluginError::WrongShape { plugin: path.to_path_buf(), contract: "0.1".to_owned(), detail: format!("{error:#}") }
}

struct V01 {
    path: PathBuf,
    pre: PluginPre<State>,
    limits: Arc<Limits>,
}

impl Adapter for V01 {
    fn session(&self) -> BoxFuture<'_, Result<Box<dyn Session>, PluginError>> {
        async {
            let engine = self.pre.engine();
            let mut store = Store::new(engine, State::new(&self.limits));
            store.limiter(|state| &mut state.limiter);
            store.set_hostcall_fuel(self.limits.answer_bytes);
            let sandbox = |error: wasmtime::Error| PluginError::Sandbox {
                plugin: self.path.clone(),
                detail: format!("{error:#}"),
            };
            store.set_fuel(self.limits.call_fuel).map_err(sandbox)?;
            store.fuel_async_yield_interval(Some(YIELD_EVERY)).map_err(sandbox)?;
            let started = tokio::time::timeout(START, self.pre.instance_pre().instantiate_async(&mut store)).await;
            let instance = finish(&self.path, &self.limits, "start", self.limits.call_fuel, &mut store, started)?;
            // Only now its functions are held against the contract's types.
            let plugin = Plugin::new(&mut store, &instance).map_err(|error| wrong_shape(&self.path, &error))?;
            let session = V01Session {
                path: self.path.clone(),
                limits: Arc::clone(&self.limits),
                store,
                plugin,
                inspector: None,
                filter: None,
            };
            Ok(Box::new(session) as Box<dyn Session>)
        }
        .boxed()
    }
}

struct V01Session {
    path: PathBuf,
    limits: Arc<Limits>,
    store: Store<State>,
    plugin: Plugin,
    inspector: Option<ResourceAny>,
    filter: Option<ResourceAny>,
}

/// One call into the plugin, within its budget. A macro, because the call borrows the store and the plugin at once.
macro_rules! call {
    ($session:expr, $name:literal, $fed:expr, |$guest:ident, $store:ident| $body:expr) => {{
        let session: &mut V01Session = $session;
        let fuel = session.limits.call_fuel.saturating_add(session.limits.fuel_per_byte.saturating_mul($fed as u64));
        match session.store.set_fuel(fuel) {
            Ok(()) => {
                let outcome = {
                    let $guest = session.plugin.planb_engine_engine();
                    let $store = &mut session.store;
                    bounded(session.limits.call_time, $body).await
                };
                finish(&session.path, &session.limits, $name, fuel, &mut session.store, outcome)
            }
            Err(error) => Err(PluginError::Sandbox { plugin: session.path.clone(), detail: format!("{error:#}") }),
        }
    }};
}

async fn bounded<T>(
    time: std::time::Duration,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<wasmtime::Result<T>, tokio::time::error::Elapsed> {
    tokio::time::timeout(time, call).await
}

/// Turns how a call ended into a result that names the plugin and the rule.
fn finish<T>(
    path: &Path,
    limits: &Limits,
    call: &'static str,
    fuel: u64,
    store: &mut Store<State>,
    outcome: Result<wasmtime::Result<T>, tokio::time::error::Elapsed>,
) -> Result<T, PluginError> {
    let plugin = path.to_path_buf();
    let error = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Err(_) => return Err(PluginError::Time { plugin, call, seconds: limits.call_time.as_secs() }),
        Ok(Err(error)) => error,
    };
    if let Some(asked) = store.data().limiter.refused {
        let mib = |bytes: usize| (bytes as u64) >> 20;
        return Err(PluginError::Memory { plugin, call, asked: mib(asked), limit: mib(limits.memory_bytes) });
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::OutOfFuel)) {
        return Err(PluginError::Fuel { plugin, call, fuel });
    }
    // What the plugin itself said (a panic's message) tells more than the trap that followed.
    let said = store.data().stderr.contents();
    let said = planb_model::redact::strip_control(&String::from_utf8_lossy(&said));
    let detail = match said.trim() {
        "" => error.root_cause().to_string(),
        said => format!("{} ({})", said.replace('\n', " "), error.root_cause()),
    };
    Err(PluginError::Trap { plugin, call, detail })
}

impl V01Session {
    fn held(&self, which: Option<ResourceAny>, call: &'static str) -> Result<ResourceAny, PluginError> {
        let detail = || "it was not begun".to_owned();
        which.ok_or_else(|| PluginError::Trap { plugin: self.path.clone(), call, detail: detail() })
    }
}

impl Session for V01Session {
    fn describe(&mut self) -> BoxFuture<'_, Result<Description, PluginError>> {
        async move {
            let description = call!(self, "describe", 0, |guest, store| guest.call_describe(store))?;
            Ok(description.into())
        }
        .boxed()
    }

    fn plan_backup<'a>(&'a mut self, request: &'a Request) -> Called<'a, BackupPlan> {
        async move {
            let request = request.into();
            let answer = call!(self, "plan-backup", 0, |guest, store| guest.call_plan_backup(store, &request))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn plan_restore<'a>(&'a mut self, request: &'a RestoreRequest) -> Called<'a, RestorePlan> {
        async move {
            let request = request.into();
            let answer = call!(self, "plan-restore", 0, |guest, store| guest.call_plan_restore(store, &request))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn plan_query<'a>(&'a mut self, request: &'a Request, query: &'a Query) -> Called<'a, QueryPlan> {
        async move {
            let (request, query) = (request.into(), query.into());
            let answer = call!(self, "plan-query", 0, |guest, store| guest.call_plan_query(store, &request, &query))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn read_query<'a>(&'a mut self, query: &'a Query, stdout: &'a [u8]) -> Called<'a, Answer> {
        async move {
            let query = query.into();
            let answer =
                call!(self, "read-query", stdout.len(), |guest, store| guest.call_read_query(store, &query, stdout))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn explain<'a>(
        &'a mut self,
        tool: &'a str,
        code: Option<i32>,
        stderr: &'a str,
    ) -> BoxFuture<'a, Result<Failure, PluginError>> {
        async move {
            let failure =
                call!(self, "explain", stderr.len(), |guest, store| guest.call_explain(store, tool, code, stderr))?;
            Ok(failure.into())
        }
        .boxed()
    }

    fn plan_scratch<'a>(&'a mut self, ports: &'a [u16]) -> Called<'a, ScratchPlan> {
        async move {
            let answer = call!(self, "plan-scratch", 0, |guest, store| guest.call_plan_scratch(store, ports))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn plan_seed<'a>(&'a mut self, request: &'a Request) -> Called<'a, SeedPlan> {
        async move {
            let request = request.into();
            let answer = call!(self, "plan-seed", 0, |guest, store| guest.call_plan_seed(store, &request))?;
            Ok(answer.map_err(Failure::from)?.into())
        }
        .boxed()
    }

    fn inspect<'a>(
        &'a mut self,
        request: &'a Request,
        artifact: &'a Artifact,
    ) -> BoxFuture<'a, Result<(), PluginError>> {
        async move {
            let (request, artifact) = (request.into(), artifact.into());
            let inspector = call!(self, "inspector", 0, |guest, store| guest
                .inspector()
                .call_constructor(store, &request, &artifact))?;
            self.inspector = Some(inspector);
            Ok(())
        }
        .boxed()
    }

    fn inspect_open<'a>(&'a mut self, path: &'a str) -> BoxFuture<'a, Result<(), PluginError>> {
        async move {
            let inspector = self.held(self.inspector, "inspector.open")?;
            call!(self, "inspector.open", 0, |guest, store| guest.inspector().call_open(store, inspector, path))
        }
        .boxed()
    }

    fn inspect_feed<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, Result<(), PluginError>> {
        async move {
            let inspector = self.held(self.inspector, "inspector.feed")?;
            call!(self, "inspector.feed", chunk.len(), |guest, store| guest
                .inspector()
                .call_feed(store, inspector, chunk))
        }
        .boxed()
    }

    fn inspect_finish(&mut self) -> BoxFuture<'_, Result<Inspection, PluginError>> {
        async move {
            let inspector = self.inspector.take();
            let inspector = self.held(inspector, "inspector.finish")?;
            let inspection =
                call!(self, "inspector.finish", 0, |guest, store| guest.inspector().call_finish(store, inspector))?;
            Ok(inspection.into())
        }
        .boxed()
    }

    fn filter<'a>(&'a mut self, request: &'a RestoreRequest) -> BoxFuture<'a, Result<(), PluginError>> {
        async move {
            let request = request.into();
            let filter = call!(self, "filter", 0, |guest, store| guest.filter().call_constructor(store, &request))?;
            self.filter = Some(filter);
            Ok(())
        }
        .boxed()
    }

    fn filter_push<'a>(&'a mut self, chunk: &'a [u8]) -> Called<'a, Vec<u8>> {
        async move {
            let filter = self.held(self.filter, "filter.push")?;
            let answer =
                call!(self, "filter.push", chunk.len(), |guest, store| guest.filter().call_push(store, filter, chunk))?;
            Ok(answer.map_err(Failure::from)?)
        }
        .boxed()
    }

    fn filter_finish(&mut self) -> Called<'_, Vec<u8>> {
        async move {
            let filter = self.filter.take();
            let filter = self.held(filter, "filter.finish")?;
            let answer = call!(self, "filter.finish", 0, |guest, store| guest.filter().call_finish(store, filter))?;
            Ok(answer.map_err(Failure::from)?)
        }
        .boxed()
    }
}
