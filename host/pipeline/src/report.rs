//! What a backup reports, and what its plan shows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use planb_model::engine::{Inspection, Mode, Scope};
use planb_store::StoreError;
use serde::Serialize;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every store has the backup.
    Success,
    /// Some have it and some do not.
    Partial,
    /// None has it.
    Failed,
    /// It was not begun.
    Skipped,
}

/// One store's part in a run.
#[derive(Debug, Clone, Serialize)]
pub struct StoreReport {
    /// Printable.
    pub url: String,
    /// The artifact's key; for a directory its folder.
    pub key: String,
    /// `success` or `failed`.
    pub status: RunStatus,
    /// Why it has no backup.
    pub error: Option<String>,
}

/// What `planb run` reports. Fixed: people script on it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words are those of the manifest")]
pub struct RunReport {
    pub id: String,
    pub status: RunStatus,
    pub engine: String,
    pub database: String,
    pub started_at: Timestamp,
    pub duration_ms: u64,
    pub plain_bytes: u64,
    pub stored_bytes: u64,
    pub plain_sha256: Option<String>,
    pub stored_sha256: Option<String>,
    pub stores: Vec<StoreReport>,
    pub inspection: Option<Inspection>,
    pub warnings: Vec<String>,
    /// Why it failed: what, whose fault, what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<serde_json::Value>,
    /// The store errors themselves, for hints.
    #[serde(skip)]
    pub store_errors: Vec<StoreError>,
}

impl RunReport {
    /// A run that was not begun.
    pub fn skipped(engine: &str, scope: &Scope) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            status: RunStatus::Skipped,
            engine: engine.to_owned(),
            database: scope.label().to_owned(),
            started_at: Timestamp::now(),
            duration_ms: 0,
            plain_bytes: 0,
            stored_bytes: 0,
            plain_sha256: None,
            stored_sha256: None,
            stores: Vec::new(),
            inspection: None,
            warnings: Vec::new(),
            error: None,
            store_errors: Vec::new(),
        }
    }
}

/// What `--dry-run` shows.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the words are those of the contract")]
pub struct PlannedBackup {
    pub engine: String,
    pub database: String,
    pub server: Option<String>,
    pub mode: Mode,
    pub artifact: String,
    pub stores: Vec<String>,
    /// Path to content, with `***` for secrets.
    pub private_files: BTreeMap<String, String>,
    pub commands: Vec<String>,
    pub tools: BTreeMap<String, String>,
    pub server_version: Option<String>,
    pub warnings: Vec<String>,
}
