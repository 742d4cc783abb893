//! A drill: a backup is restored into a throw-away server and compared with its manifest. Nothing of it touches the source.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use planb_model::Blame;
use planb_model::drill::{self, DrillCheck, DrillRecord};
use planb_model::engine::{FailureCode, Purpose, Scope};
use planb_pipeline::{Identities, Progress, Restore, RestoreSpec, RunError, traced};
use planb_store::{Entry, Store};
use tracing::Instrument as _;

use crate::lab::{Lab, Place};
use crate::round_trip::inventory;
use crate::scratch::Scratch;

/// What is drilled.
#[derive(Debug)]
pub struct Drill {
    /// The backup's store.
    pub store: Store,
    /// The backup.
    pub entry: Entry,
    /// What opens it.
    pub identities: Identities,
    /// An empty database to restore into. None: a throw-away server.
    pub into: Option<Place>,
}

impl Drill {
    /// Restores and compares.
    ///
    /// # Errors
    /// [`RunError`] where there is no server to restore into, or the drill was stopped. A restore that fails, or differs, is no
    /// error but a failed check.
    pub async fn run(self, lab: &Lab<'_>, progress: &Arc<Progress>) -> Result<DrillRecord, RunError> {
        let manifest = &self.entry.manifest;
        let span = traced::span("drill", &manifest.engine, &manifest.database, &manifest.id);
        let outcome = self.restore_and_compare(lab, progress).instrument(span.clone()).await;
        let differs = |record: &DrillRecord| (!record.ok).then_some(Blame::Storage);
        traced::blamed(&span, outcome.as_ref().map_or_else(|error| Some(error.blame()), differs));
        outcome
    }

    async fn restore_and_compare(self, lab: &Lab<'_>, progress: &Arc<Progress>) -> Result<DrillRecord, RunError> {
        let begun = Instant::now();
        let manifest = self.entry.manifest.clone();
        let source = manifest.source();
        if source == Scope::Globals {
            return Err(RunError::Settings(
                "what belongs to a server and to no database (globals) cannot be compared, so it is not drilled"
                    .to_owned(),
            ));
        }
        let mut record = DrillRecord {
            schema: drill::SCHEMA.to_owned(),
            id: manifest.id.clone(),
            ok: true,
            at: Timestamp::now(),
            duration_ms: 0,
            planb_version: env!("CARGO_PKG_VERSION").to_owned(),
            server_version: None,
            checks: Vec::new(),
        };
        let mut scratch = None;
        let place = match &self.into {
            Some(place) => place.clone(),
            None => {
                let mut fresh = Scratch::prepare(lab).await?;
                if !fresh.restores_stopped() {
                    fresh.start(lab).await?;
                }
                let mut place = fresh.place.clone();
                if !lab.plugin.description().file_based {
                    place.scope = source;
                }
                scratch = Some(fresh);
                place
            }
        };
        let stopped = scratch.as_ref().is_some_and(Scratch::restores_stopped);
        let outcome = self.restore(lab, &place, !stopped, progress, &mut record).await;
        let mut up = record.add("restore", outcome.map(|bytes| format!("{bytes} bytes")), lab)?;
        if up
            && stopped
            && let Some(scratch) = &mut scratch
        {
            let started = scratch.start(lab).await;
            up = record.add("start", started.map(|()| "the server runs with it".to_owned()), lab)?;
        }
        if up {
            let live = inventory(lab, &place).await?;
            let compared = drill::compare(&manifest.inspection, &live);
            let ok = compared.is_ok();
            let detail = compared.unwrap_or_else(|difference| difference);
            record.ok &= ok;
            record.checks.push(DrillCheck { name: "compare".to_owned(), ok, detail });
        }
        if let Some(mut scratch) = scratch {
            scratch.stop().await;
        }
        record.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(record)
    }

    async fn restore(
        &self,
        lab: &Lab<'_>,
        place: &Place,
        running: bool,
        progress: &Arc<Progress>,
        record: &mut DrillRecord,
    ) -> Result<u64, RunError> {
        let mut op = lab.open(place, &[Purpose::Restore, Purpose::Query]).await?;
        if running {
            let scope = op.server_scope(&place.scope);
            record.server_version = op.greet(&scope).await?.map(str::to_owned);
        }
        let spec = RestoreSpec {
            target: place.scope.clone(),
            replace: false,
            verify_first: false,
            identities: self.identities.clone(),
        };
        let restore = Restore::new(&mut op, spec, self.store.clone(), self.entry.clone(), Arc::clone(progress))?;
        Ok(restore.run().await?.plain_bytes)
    }
}

/// Adds checks to a record.
trait Add {
    fn add(&mut self, name: &str, outcome: Result<String, RunError>, lab: &Lab<'_>) -> Result<bool, RunError>;
}

impl Add for DrillRecord {
    fn add(&mut self, name: &str, outcome: Result<String, RunError>, lab: &Lab<'_>) -> Result<bool, RunError> {
        if let Some(reason) = lab.stop.reason() {
            return Err(reason.into());
        }
        let (ok, detail) = match outcome {
            Ok(detail) => (true, detail),
            // What keeps a drill from being one says nothing of the backup.
            Err(error) if !tells_of_the_backup(&error) => return Err(error),
            Err(error) => (false, error.to_string()),
        };
        self.ok &= ok;
        self.checks.push(DrillCheck { name: name.to_owned(), ok, detail });
        Ok(ok)
    }
}

/// Whether an error is that of the backup, and not of the place or the tools that it was to go to.
fn tells_of_the_backup(error: &RunError) -> bool {
    use FailureCode::{AccessDenied, InvalidRequest, ToolUnfit, Unreachable, Unsupported};
    match error {
        RunError::Damaged { .. } => true,
        RunError::Refused(failure) | RunError::ToolFailed { failure, .. } => {
            !matches!(failure.code, AccessDenied | InvalidRequest | ToolUnfit | Unreachable | Unsupported)
        }
        _ => false,
    }
}
