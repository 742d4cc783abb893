//! Counts that only go up.

use planb_model::Blame;
use serde::{Deserialize, Serialize};

use super::run::RunStatus;

/// Runs by how they ended, since the first that planb remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the cases of RunStatus")]
pub struct RunCounts {
    #[serde(default)]
    pub success: u64,
    #[serde(default)]
    pub partial: u64,
    #[serde(default)]
    pub failed: u64,
    #[serde(default)]
    pub skipped: u64,
}

impl RunCounts {
    /// Of one kind.
    pub fn of(&self, status: RunStatus) -> u64 {
        match status {
            RunStatus::Success => self.success,
            RunStatus::Partial => self.partial,
            RunStatus::Failed => self.failed,
            RunStatus::Skipped => self.skipped,
        }
    }

    /// One more.
    pub fn add(&mut self, status: RunStatus) {
        let count = match status {
            RunStatus::Success => &mut self.success,
            RunStatus::Partial => &mut self.partial,
            RunStatus::Failed => &mut self.failed,
            RunStatus::Skipped => &mut self.skipped,
        };
        *count = count.saturating_add(1);
    }
}

/// Failed runs by whose fault it was, since the first that planb remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the cases of Blame")]
pub struct FailureCounts {
    #[serde(default)]
    pub settings: u64,
    #[serde(default)]
    pub tool: u64,
    #[serde(default)]
    pub database: u64,
    #[serde(default)]
    pub storage: u64,
    #[serde(default)]
    pub plugin: u64,
    #[serde(default)]
    pub planb: u64,
}

/// Everybody who can be blamed.
pub const BLAMES: [Blame; 6] =
    [Blame::Settings, Blame::Tool, Blame::Database, Blame::Storage, Blame::Plugin, Blame::PlanB];

impl FailureCounts {
    /// Of one kind.
    pub fn of(&self, blame: Blame) -> u64 {
        match blame {
            Blame::Settings => self.settings,
            Blame::Tool => self.tool,
            Blame::Database => self.database,
            Blame::Storage => self.storage,
            Blame::Plugin => self.plugin,
            Blame::PlanB => self.planb,
        }
    }

    /// One more.
    pub fn add(&mut self, blame: Blame) {
        let count = match blame {
            Blame::Settings => &mut self.settings,
            Blame::Tool => &mut self.tool,
            Blame::Database => &mut self.database,
            Blame::Storage => &mut self.storage,
            Blame::Plugin => &mut self.plugin,
            Blame::PlanB => &mut self.planb,
        };
        *count = count.saturating_add(1);
    }
}
