//! A run that ended, and what is known of its backup.

use jiff::Timestamp;
use planb_model::Blame;
use planb_model::drill::{DrillCheck, DrillRecord};
use planb_model::engine::{Inspection, Object};
use serde::{Deserialize, Serialize};

/// So many objects of an inspection are kept.
pub const OBJECTS: usize = 40;

/// So many checks of a drill, and findings or warnings of a run, are kept.
pub const LINES: usize = 20;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Every store has the backup.
    Success,
    /// Some stores have it.
    Partial,
    /// None has.
    Failed,
    /// It was not begun, since another of the same job went on.
    Skipped,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Success, Self::Partial, Self::Failed, Self::Skipped];

    /// The word in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether there is a backup of it.
    pub fn committed(self) -> bool {
        matches!(self, Self::Success | Self::Partial)
    }
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id, and that of its backup.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// How it ended.
    pub status: RunStatus,
    /// Bytes before compression.
    #[serde(default)]
    pub plain_bytes: u64,
    /// Bytes as stored.
    #[serde(default)]
    pub stored_bytes: u64,
    /// Rows that the plugin counted in the dump.
    #[serde(default)]
    pub rows: Option<u64>,
    /// How many objects (tables, collections) the plugin saw in the dump.
    #[serde(default)]
    pub objects: Option<u64>,
    /// What failed.
    #[serde(default)]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// Whose fault it was.
    #[serde(default)]
    pub blame: Option<Blame>,
    /// What was odd.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What became of it in each store.
    #[serde(default)]
    pub stores: Vec<RunStore>,
    /// What the plugin saw, of the newest [`super::INSPECTED`] runs.
    #[serde(default)]
    pub inspection: Option<InspectionSummary>,
    /// The newest drill of this backup.
    #[serde(default)]
    pub drill: Option<DrillSummary>,
}

/// What became of a run in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStore {
    /// Its name in the settings, or its URL.
    pub name: String,
    /// It has the backup.
    pub ok: bool,
    /// Why it has not.
    #[serde(default)]
    pub error: Option<String>,
}

/// What a plugin saw in a dump, cut to what people read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectionSummary {
    /// The dump's end was there.
    pub complete: bool,
    /// The objects with the most rows, at most [`OBJECTS`].
    #[serde(default)]
    pub objects: Vec<Object>,
    /// So many more there were.
    #[serde(default)]
    pub more: u64,
    /// What was odd.
    #[serde(default)]
    pub findings: Vec<String>,
}

impl InspectionSummary {
    /// Cuts an inspection to its largest objects.
    pub fn of(inspection: &Inspection) -> Self {
        let mut objects: Vec<&Object> = inspection.objects.iter().collect();
        objects.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.cmp(b)));
        let more = objects.len().saturating_sub(OBJECTS) as u64;
        Self {
            complete: inspection.complete,
            objects: objects.into_iter().take(OBJECTS).cloned().collect(),
            more,
            findings: inspection.findings.iter().take(LINES).cloned().collect(),
        }
    }
}

/// A drill: a restore into a throw-away server, compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillSummary {
    /// The backup's id.
    pub id: String,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// It came back as it was.
    pub ok: bool,
    /// Why it could not be done, where it did not come to checks.
    #[serde(default)]
    pub error: Option<String>,
    /// What was looked at, at most [`LINES`], those that failed first.
    #[serde(default)]
    pub checks: Vec<DrillCheck>,
}

impl DrillSummary {
    /// Cuts a drill's result to what people read.
    pub fn of(record: &DrillRecord) -> Self {
        let (good, bad): (Vec<_>, Vec<_>) = record.checks.iter().cloned().partition(|check| check.ok);
        Self {
            id: record.id.clone(),
            at: record.at,
            duration_ms: record.duration_ms,
            ok: record.ok,
            error: None,
            checks: bad.into_iter().chain(good).take(LINES).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspection_keeps_its_largest_objects_and_says_how_many_more_there_were() {
        let object = |rows| Object { kind: "table".into(), name: format!("t{rows}"), rows: Some(rows) };
        let whole = Inspection { complete: true, objects: (0..100).map(object).collect(), findings: Vec::new() };
        let cut = InspectionSummary::of(&whole);
        assert_eq!((cut.objects.len(), cut.more, cut.objects[0].rows), (OBJECTS, 60, Some(99)));
    }
}
