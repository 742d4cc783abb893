//! Retention: which backups of one job stay and which go, and why.
//!
//! *Keep rules* are a union: `keep_last`, the newest of each of so many hours, days, weeks, months and years, and the
//! first of each [`Period`]. If any is given, what none of them keeps goes. *Limits* (`max_days`, `max_files`,
//! `max_bytes`) come after them and take the oldest first, also of what keep rules keep. With limits alone, what is
//! within them stays. Without a rule everything stays.
//!
//! Rules look at good backups only: a damaged one takes no place in them and is in no limit's count. It goes once it
//! is older than every good backup that stays, or older than `max_days` while a newer good one stays; so it never goes
//! before somebody could replace it, and never instead of a good one.
//!
//! No rule removes
//! - the newest good backup, nor the newest that a drill or a full check has proven;
//! - one that is held: it takes no place in a rule and is in no count, so that holding one costs no other its place;
//! - one from the future: clocks jump, and where one did, nobody knows what is old. It takes no place either, and is
//!   not the newest.

mod period;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use period::Stretch;
pub use period::{Period, PeriodError};

/// A backup that is this much newer than now is from the future. Clocks of two machines differ by less.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

const PROVEN: &str = "newest that a drill or a full check has proven: never removed";

/// The rules for the backups of one job. In each, 0 is the same as no rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Keeps this many newest backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// Keeps the newest backup of each of this many newest hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// Keeps the newest backup of each of this many newest days that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// Keeps the newest backup of each of this many newest weeks (Monday to Sunday) that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// Keeps the newest backup of each of this many newest months that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// Keeps the newest backup of each of this many newest years that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// Removes the oldest backups until no more than this many are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u32>,
    /// Removes backups that are older than this many days of 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_days: Option<u32>,
    /// Removes the oldest backups until they take no more than this many bytes in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Keeps the first backup of each period for a time, by strftime format: `"%Y-%m" = "372d"`.
    #[serde(with = "period::table", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub periods: Vec<Period>,
}

/// A backup as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The backup's id.
    pub id: String,
    /// The key of its manifest.
    pub key: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// What it takes in the store.
    pub stored_bytes: u64,
    /// Whether its manifest reads, its inspection found it complete and its objects are there.
    pub good: bool,
    /// Whether a drill or a full verification of it succeeded.
    pub proven: bool,
    /// Whether somebody holds it.
    pub held: bool,
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub keep: bool,
    /// Why, for people; at least one.
    pub reasons: Vec<String>,
}

/// A number that is a rule.
fn given<T: PartialEq + Default>(number: Option<T>) -> Option<T> {
    number.filter(|number| *number != T::default())
}

impl Retention {
    /// Whether there is no rule: then everything stays.
    pub fn is_empty(&self) -> bool {
        let limits = [given(self.max_files).is_some(), given(self.max_days).is_some(), given(self.max_bytes).is_some()];
        !self.keeps() && !limits.contains(&true)
    }

    /// What NectGmbH's db-backup-controller does unless told otherwise: months for about a year, weeks for a month,
    /// days for a week, hours for a day, and each backup for an hour.
    pub fn nectgmbh_default() -> Self {
        const TABLE: [(&str, &str); 5] = [
            ("%Y-%m", "372d"),
            ("%Y-w%V", "31d"),
            ("%Y-%m-%d", "7d"),
            ("%Y-%m-%dT%H", "24h"),
            ("%Y-%m-%dT%H-%M-%S", "1h"),
        ];
        let periods = TABLE.iter().filter_map(|(format, hold)| Period::new(format, hold).ok()).collect();
        Self { periods, ..Self::default() }
    }

    fn stretches(&self) -> impl Iterator<Item = (Stretch, usize)> {
        let rules = [
            (Stretch::Hour, self.hourly),
            (Stretch::Day, self.daily),
            (Stretch::Week, self.weekly),
            (Stretch::Month, self.monthly),
            (Stretch::Year, self.yearly),
        ];
        rules.into_iter().filter_map(|(stretch, number)| Some((stretch, given(number)? as usize)))
    }

    /// Whether there is a keep rule.
    fn keeps(&self) -> bool {
        given(self.keep_last).is_some() || self.stretches().next().is_some() || !self.periods.is_empty()
    }
}

/// One candidate on its way to a decision.
struct Judged<'a> {
    candidate: &'a Candidate,
    /// Why no rule touches it.
    floor: Vec<&'static str>,
    kept: Vec<String>,
    gone: Option<String>,
}

impl Judged<'_> {
    fn free(&self) -> bool {
        self.floor.is_empty() && self.gone.is_none()
    }
}

/// Decides over the backups of one job, given in any order: one decision for each, in their order.
///
/// Deciding again at the same time over what was kept keeps all of it.
pub fn decide(rules: &Retention, candidates: &[Candidate], now: Timestamp, zone: &TimeZone) -> Vec<Decision> {
    if rules.is_empty() {
        let stays = Decision { keep: true, reasons: vec!["there is no rule".to_owned()] };
        return vec![stays; candidates.len()];
    }
    let begin = |candidate| Judged { candidate, floor: Vec::new(), kept: Vec::new(), gone: None };
    let mut all: Vec<Judged<'_>> = candidates.iter().map(begin).collect();
    // Newest first. Of two at the same instant one is the newer, always the same.
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&at| {
        let candidate = &candidates[at];
        std::cmp::Reverse((candidate.created_at, &candidate.id, &candidate.key, at))
    });
    floors(&mut all, &order, now);
    let future = |judged: &Judged<'_>| judged.candidate.created_at.duration_since(now) > AHEAD;
    let ruled: Vec<usize> = {
        let stands = |judged: &Judged<'_>| judged.candidate.good && !judged.candidate.held && !future(judged);
        order.iter().copied().filter(|&at| stands(&all[at])).collect()
    };
    keep(rules, &mut all, &ruled, now, zone);
    limit(rules, &mut all, &ruled, now);
    bad(rules, &mut all, &order, &ruled, now);
    all.into_iter().map(conclude).collect()
}

fn conclude(judged: Judged<'_>) -> Decision {
    if let Some(reason) = judged.gone {
        return Decision { keep: false, reasons: vec![reason] };
    }
    let mut reasons: Vec<_> = judged.floor.into_iter().map(str::to_owned).chain(judged.kept).collect();
    if reasons.is_empty() {
        reasons.push("within the limits".to_owned());
    }
    Decision { keep: true, reasons }
}

/// Marks what no rule may touch.
fn floors(all: &mut [Judged<'_>], order: &[usize], now: Timestamp) {
    let mut mark = |which: fn(&Candidate) -> bool, reason| {
        let past = |at: usize| all[at].candidate.created_at.duration_since(now) <= AHEAD;
        if let Some(at) = order.iter().copied().find(|&at| past(at) && which(all[at].candidate))
            && !all[at].floor.contains(&reason)
        {
            all[at].floor.push(reason);
        }
    };
    mark(|candidate| candidate.good, "newest good backup: never removed");
    mark(|candidate| candidate.good && candidate.proven, PROVEN);
    // One whose objects could not be seen this time was proven all the same.
    mark(|candidate| candidate.proven, PROVEN);
    for judged in all {
        if judged.candidate.held {
            judged.floor.push("held");
        }
        if judged.candidate.created_at.duration_since(now) > AHEAD {
            judged.floor.push("from the future: a clock was wrong, so its age is not known");
        }
    }
}

/// Applies the keep rules.
fn keep(rules: &Retention, all: &mut [Judged<'_>], ruled: &[usize], now: Timestamp, zone: &TimeZone) {
    if !rules.keeps() {
        return;
    }
    if let Some(number) = given(rules.keep_last) {
        for &at in ruled.iter().take(number as usize) {
            all[at].kept.push(match number {
                1 => "the newest".to_owned(),
                _ => format!("one of the {number} newest"),
            });
        }
    }
    for (stretch, number) in rules.stretches() {
        let mut seen = BTreeSet::new();
        for &at in ruled {
            let zoned = all[at].candidate.created_at.to_zoned(zone.clone());
            if seen.insert(stretch.start(&zoned)) {
                all[at].kept.push(format!("newest of the {}", stretch.name(&zoned)));
            }
            if seen.len() == number {
                break;
            }
        }
    }
    for period in &rules.periods {
        let mut seen = BTreeSet::new();
        for &at in ruled.iter().rev() {
            let zoned = all[at].candidate.created_at.to_zoned(zone.clone());
            let start = period.start(&zoned);
            if seen.insert(start) && now.duration_since(start) < period.hold() {
                let (label, hold) = (period.label(&zoned), period.hold_text());
                all[at].kept.push(format!("first of {label}, kept for {hold}"));
            }
        }
    }
    for &at in ruled {
        if all[at].kept.is_empty() && all[at].free() {
            all[at].gone = Some("no rule keeps it".to_owned());
        }
    }
}

/// Applies the limits, to what is left and oldest first. What stays whatever the rules say is counted too.
fn limit(rules: &Retention, all: &mut [Judged<'_>], ruled: &[usize], now: Timestamp) {
    for &at in ruled {
        if let Some(days) = too_old(rules, all[at].candidate, now)
            && all[at].free()
        {
            all[at].gone = Some(format!("older than {days}"));
        }
    }
    let left: Vec<usize> = ruled.iter().rev().copied().filter(|&at| all[at].gone.is_none()).collect();
    if let Some(most) = given(rules.max_files) {
        let mut count = left.len();
        for &at in &left {
            if count > most as usize && all[at].free() {
                let number = if most == 1 { String::new() } else { format!("{most} ") };
                all[at].gone = Some(format!("beyond the {number}newest"));
                count -= 1;
            }
        }
    }
    let left: Vec<usize> = left.into_iter().filter(|&at| all[at].gone.is_none()).collect();
    if let Some(most) = given(rules.max_bytes) {
        let mut bytes: u128 = left.iter().map(|&at| u128::from(all[at].candidate.stored_bytes)).sum();
        for &at in &left {
            if bytes > u128::from(most) && all[at].free() {
                all[at].gone = Some(format!("beyond {most} bytes, counted from the newest"));
                bytes -= u128::from(all[at].candidate.stored_bytes);
            }
        }
    }
}

/// The age that it is older than, if there is such a limit.
fn too_old(rules: &Retention, candidate: &Candidate, now: Timestamp) -> Option<String> {
    let older =
        |days: &u32| now.duration_since(candidate.created_at) > SignedDuration::from_hours(i64::from(*days) * 24);
    given(rules.max_days).filter(older).map(|days| if days == 1 { "1 day".to_owned() } else { format!("{days} days") })
}

/// Decides over what is not good.
fn bad(rules: &Retention, all: &mut [Judged<'_>], order: &[usize], ruled: &[usize], now: Timestamp) {
    let stays = |&&at: &&usize| all[at].gone.is_none();
    let oldest = ruled.iter().rev().find(stays).map(|&at| all[at].candidate.created_at);
    let newest = ruled.iter().find(stays).map(|&at| all[at].candidate.created_at);
    for &at in order {
        let created = all[at].candidate.created_at;
        if all[at].candidate.good || !all[at].free() {
            continue;
        }
        if oldest.is_some_and(|oldest| created < oldest) {
            all[at].gone = Some("not good, and older than every good backup that stays".to_owned());
        } else if let Some(days) = too_old(rules, all[at].candidate, now)
            && newest.is_some_and(|newest| created < newest)
        {
            all[at].gone = Some(format!("not good, older than {days}, and a newer good backup stays"));
        } else {
            all[at].kept.push(
                match oldest {
                    Some(_) => "not good: it counts for no rule, and stays until every good backup that stays is newer",
                    None => "not good, but there is no good backup in its place",
                }
                .to_owned(),
            );
        }
    }
}
