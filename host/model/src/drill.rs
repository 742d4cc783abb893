//! The result of a drill: a restore into a throw-away server, compared with what the manifest says was backed up.
//!
//! Kept beside the manifest as `{name}.drill-{time}.json`; the newest one of a backup is what `list` shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::{Inspection, Object};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.drill/v1";

/// What stands between a backup's name and the time of a drill in the key of its result.
pub const INFIX: &str = ".drill-";

/// No result is larger.
pub const LARGEST: u64 = 4 << 20;

/// What the detail of a comparison ends with that could not be made.
const NOT_COMPARED: &str = "so they were not compared";

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words say it")]
pub struct DrillCheck {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}

/// The result of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Always `planb.drill/v1`.
    pub schema: String,
    /// The backup's id.
    pub id: String,
    /// Whether what was restored is what was backed up.
    pub ok: bool,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration_ms: u64,
    /// The version of planb that did it.
    pub planb_version: String,
    /// What the throw-away server said it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server_version: Option<String>,
    /// What was looked at.
    pub checks: Vec<DrillCheck>,
}

impl DrillRecord {
    /// Reads one, trusting nothing in it. None: it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|record: &Self| record.schema == SCHEMA)
    }

    /// How it came out, in words.
    pub fn verdict(&self) -> &'static str {
        match self.ok {
            false => "it did NOT come back as it was",
            true if self.checks.iter().any(|check| check.detail.ends_with(NOT_COMPARED)) => {
                "it came back; what it holds could not be compared"
            }
            true => "it came back as it was",
        }
    }

    /// The key of its result for a backup of this name.
    pub fn key(&self, name: &str) -> String {
        format!("{name}{INFIX}{}.json", self.at.strftime("%Y%m%dT%H%M%S%.3fZ"))
    }
}

/// Whether a key can be that of a result.
pub fn is_key(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let time = name.strip_suffix(".json").and_then(|name| name.rsplit_once(INFIX)).map(|(_, time)| time);
    time.is_some_and(|time| !time.is_empty() && time.chars().all(|c| c.is_ascii_digit() || "TZ.".contains(c)))
}

/// Compares what a restored database holds with what was seen in the dump: the same objects, the same rows.
///
/// # Errors
/// What differs.
pub fn compare(inspection: &Inspection, live: &[Object]) -> Result<String, String> {
    const SHOWN: usize = 8;
    let same = |a: &Object, b: &Object| a.kind == b.kind && a.name == b.name;
    let mut wrong = Vec::new();
    let mut counted = 0;
    // An inspection may name what an inventory does not ask for, and the other way round: what both know has to agree.
    let known = |kind: &str| live.iter().any(|object| object.kind == kind);
    for seen in &inspection.objects {
        match live.iter().find(|object| same(object, seen)) {
            None if known(&seen.kind) || seen.rows.is_some_and(|rows| rows > 0) => {
                wrong.push(format!("{} {} is missing", seen.kind, seen.name));
            }
            None => {}
            Some(object) => match (seen.rows, object.rows) {
                (Some(then), Some(now)) if then != now => {
                    wrong.push(format!("{} {} has {now} rows, the dump had {then}", seen.kind, seen.name));
                }
                (Some(_), Some(_)) => counted += 1,
                _ => {}
            },
        }
    }
    let seen_kind = |kind: &str| inspection.objects.iter().any(|object| object.kind == kind);
    for object in live {
        if seen_kind(&object.kind) && !inspection.objects.iter().any(|seen| same(seen, object)) {
            wrong.push(format!("{} {} was not in the dump", object.kind, object.name));
        }
    }
    if live.is_empty() && !inspection.objects.is_empty() && wrong.is_empty() {
        wrong.push(format!("nothing came back of {} objects", inspection.objects.len()));
    }
    if wrong.is_empty() && inspection.objects.is_empty() && !live.is_empty() {
        return Ok(format!(
            "{} objects came back; the dump's format does not show what it holds, {NOT_COMPARED}",
            live.len()
        ));
    }
    if wrong.is_empty() {
        let rows = crate::engine::rows(live);
        return Ok(format!("{} objects, {rows} rows; {counted} objects counted in both", live.len()));
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(format!("{}{more}", wrong.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: impl Into<Option<u64>>) -> Object {
        Object { kind: "table".to_owned(), name: name.to_owned(), rows: rows.into() }
    }

    fn dump(objects: Vec<Object>) -> Inspection {
        Inspection { complete: true, objects, findings: Vec::new() }
    }

    #[test]
    fn what_differs_is_named() {
        let held = dump(vec![table("a", 3), table("b", None)]);
        assert!(compare(&held, &[table("a", 3), table("b", 7)]).is_ok());
        assert_eq!(
            compare(&held, &[table("a", 2), table("b", 7)]),
            Err("table a has 2 rows, the dump had 3".to_owned())
        );
        assert_eq!(compare(&held, &[table("a", 3)]), Err("table b is missing".to_owned()));
        assert_eq!(compare(&held, &[]), Err("table a is missing".to_owned()));
        let extra = [table("a", 3), table("b", 1), table("c", 1)];
        assert_eq!(compare(&held, &extra), Err("table c was not in the dump".to_owned()));
        assert!(compare(&dump(vec![table("b", None)]), &[]).is_err());
        // A format that shows nothing can be compared with nothing.
        assert!(compare(&dump(Vec::new()), &extra).is_ok());
    }

    #[test]
    fn keys() {
        assert!(is_key("daily/orders-2026.drill-20260207T020000.123Z.json"));
        assert!(is_key("orders.drill-20260207T020000Z.json"));
        assert!(!is_key("orders.manifest.json") && !is_key("a.drill-b/orders.sql"));
        assert!(!is_key("orders.drill-2.manifest.json") && !is_key("orders.drill-x.json"));
    }
}
