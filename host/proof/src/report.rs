//! What the suite found, for people and for machines.

use std::time::Instant;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The plugin keeps the rule.
    Passed,
    /// It does not.
    Failed,
    /// It could not be looked at; the detail says why.
    NotRun,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// `plans`, or the name of a round trip.
    pub group: String,
    /// What was looked at.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
    /// What the contract says, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
}

/// What the suite found. Fixed: people script on it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct SuiteReport {
    pub engine: String,
    pub plugin_version: String,
    pub plugin_sha256: String,
    pub server_version: Option<String>,
    pub ok: bool,
    pub passed: usize,
    pub failed: usize,
    pub not_run: usize,
    pub duration_ms: u64,
    pub checks: Vec<Check>,
}

/// Collects checks, and tells whoever waits.
pub(crate) struct Recorder<'a> {
    pub(crate) checks: Vec<Check>,
    group: String,
    begun: Instant,
    tell: &'a mut (dyn FnMut(&Check) + Send),
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(tell: &'a mut (dyn FnMut(&Check) + Send)) -> Self {
        Self { checks: Vec::new(), group: String::new(), begun: Instant::now(), tell }
    }

    /// Names what the next checks belong to.
    pub(crate) fn enter(&mut self, group: impl Into<String>) {
        self.group = group.into();
    }

    /// `Ok`: what was seen. `Err`: what is wrong, against this rule.
    pub(crate) fn check(
        &mut self,
        name: &str,
        rule: &'static str,
        outcome: Result<impl Into<String>, impl Into<String>>,
    ) -> bool {
        match outcome {
            Ok(detail) => {
                self.add(name, Outcome::Passed, detail.into(), None);
                true
            }
            Err(detail) => {
                self.add(name, Outcome::Failed, detail.into(), Some(rule));
                false
            }
        }
    }

    pub(crate) fn not_run(&mut self, name: &str, why: impl Into<String>) {
        self.add(name, Outcome::NotRun, why.into(), None);
    }

    fn add(&mut self, name: &str, outcome: Outcome, detail: String, rule: Option<&'static str>) {
        let check = Check { group: self.group.clone(), name: name.to_owned(), outcome, detail, rule };
        (self.tell)(&check);
        self.checks.push(check);
    }

    pub(crate) fn report(self, engine: &str, version: &str, sha256: &str, server: Option<String>) -> SuiteReport {
        let count = |outcome| self.checks.iter().filter(|check| check.outcome == outcome).count();
        let failed = count(Outcome::Failed);
        SuiteReport {
            engine: engine.to_owned(),
            plugin_version: version.to_owned(),
            plugin_sha256: sha256.to_owned(),
            server_version: server,
            ok: failed == 0,
            passed: count(Outcome::Passed),
            failed,
            not_run: count(Outcome::NotRun),
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            checks: self.checks,
        }
    }
}
