//! A session whose every answer has been checked: the only kind that leaves this crate, whatever the contract's version.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use planb_model::engine::{Answer, Artifact, Description, Failure, Inspection, Query, Request, RestoreRequest};
use planb_model::plan::{BackupPlan, QueryPlan, RestorePlan, ScratchPlan, SeedPlan};

use crate::check::{self, Given, Rules};
use crate::contract::{Called, Session};
use crate::error::{CallError, PluginError};

pub(crate) struct Checked {
    pub(crate) inner: Box<dyn Session>,
    pub(crate) path: PathBuf,
    pub(crate) description: Arc<Description>,
}

impl Checked {
    /// A plan, held against its rules.
    fn plan<T>(
        &self,
        plan: Result<T, CallError>,
        given: impl Into<Given>,
        rule: impl FnOnce(&Rules<'_>, &mut T) -> Result<(), String>,
    ) -> Result<T, CallError> {
        let mut plan = said(plan)?;
        rule(&Rules::new(&self.description, given), &mut plan)
            .map_err(|detail| PluginError::Plan { plugin: self.path.clone(), detail })?;
        Ok(plan)
    }

    fn impossible(&self, call: &'static str, detail: String) -> PluginError {
        PluginError::Answer { plugin: self.path.clone(), call, detail }
    }
}

/// With a failure that can be shown.
fn said<T>(answer: Result<T, CallError>) -> Result<T, CallError> {
    answer.map_err(|error| match error {
        CallError::Failure(failure) => check::failure(failure).into(),
        CallError::Plugin(error) => error.into(),
    })
}

impl Session for Checked {
    fn describe(&mut self) -> BoxFuture<'_, Result<Description, PluginError>> {
        self.inner.describe()
    }

    fn plan_backup<'a>(&'a mut self, request: &'a Request) -> Called<'a, BackupPlan> {
        async move {
            let plan = self.inner.plan_backup(request).await;
            self.plan(plan, request, |rules, plan| rules.backup(plan))
        }
        .boxed()
    }

    fn plan_restore<'a>(&'a mut self, request: &'a RestoreRequest) -> Called<'a, RestorePlan> {
        async move {
            let plan = self.inner.plan_restore(request).await;
            self.plan(plan, request, |rules, plan| rules.restore(plan))
        }
        .boxed()
    }

    fn plan_query<'a>(&'a mut self, request: &'a Request, query: &'a Query) -> Called<'a, QueryPlan> {
        async move {
            let plan = self.inner.plan_query(request, query).await;
            self.plan(plan, request, |rules, plan| rules.query(plan))
        }
        .boxed()
    }

    fn read_query<'a>(&'a mut self, query: &'a Query, stdout: &'a [u8]) -> Called<'a, Answer> {
        async move {
            let mut answer = said(self.inner.read_query(query, stdout).await)?;
            check::answer(&mut answer).map_err(|detail| self.impossible("read-query", detail))?;
            Ok(answer)
        }
        .boxed()
    }

    fn explain<'a>(
        &'a mut self,
        tool: &'a str,
        code: Option<i32>,
        stderr: &'a str,
    ) -> BoxFuture<'a, Result<Failure, PluginError>> {
        async move { Ok(check::failure(self.inner.explain(tool, code, stderr).await?)) }.boxed()
    }

    fn plan_scratch<'a>(&'a mut self, ports: &'a [u16]) -> Called<'a, ScratchPlan> {
        async move {
            let plan = self.inner.plan_scratch(ports).await;
            self.plan(plan, Given::default(), |rules, plan| rules.scratch(plan))
        }
        .boxed()
    }

    fn plan_seed<'a>(&'a mut self, request: &'a Request) -> Called<'a, SeedPlan> {
        async move {
            let plan = self.inner.plan_seed(request).await;
            self.plan(plan, request, |rules, plan| rules.seed(plan))
        }
        .boxed()
    }

    fn inspect<'a>(
        &'a mut self,
        request: &'a Request,
        artifact: &'a Artifact,
    ) -> BoxFuture<'a, Result<(), PluginError>> {
        self.inner.inspect(request, artifact)
    }

    fn inspect_open<'a>(&'a mut self, path: &'a str) -> BoxFuture<'a, Result<(), PluginError>> {
        self.inner.inspect_open(path)
    }

    fn inspect_feed<'a>(&'a mut self, chunk: &'a [u8]) -> BoxFuture<'a, Result<(), PluginError>> {
        self.inner.inspect_feed(chunk)
    }

    fn inspect_finish(&mut self) -> BoxFuture<'_, Result<Inspection, PluginError>> {
        async move {
            let mut inspection = self.inner.inspect_finish().await?;
            check::inspection(&mut inspection).map_err(|detail| self.impossible("inspector.finish", detail))?;
            Ok(inspection)
        }
        .boxed()
    }

    fn filter<'a>(&'a mut self, request: &'a RestoreRequest) -> BoxFuture<'a, Result<(), PluginError>> {
        self.inner.filter(request)
    }

    fn filter_push<'a>(&'a mut self, chunk: &'a [u8]) -> Called<'a, Vec<u8>> {
        async move { said(self.inner.filter_push(chunk).await) }.boxed()
    }

    fn filter_finish(&mut self) -> Called<'_, Vec<u8>> {
        async move { said(self.inner.filter_finish().await) }.boxed()
    }
}
