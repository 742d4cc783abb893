//! When a job runs: cron, an interval, once, or only when somebody asks.
//!
//! A schedule is a rule over instants in a time zone, without a clock and without memory. Where clocks are put forward
//! or back, a cron job with fixed hours (`30 2 * * *`) runs exactly once that day: just after the hour that did not
//! exist, or the first time the hour comes. A job of every hour (`*/15 * * * *`) follows the clock on the wall: it has
//! nothing to do in an hour that does not exist and runs in both of two.
//!
//! Intervals (`every 6h`) are counted from 1970-01-01T00:00:00Z and not from the start of planb, so that a restart
//! moves nothing: `every 6h` is 00:00, 06:00, 12:00 and 18:00 UTC, in whatever zone.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use sha2::{Digest as _, Sha256};

mod error;
#[cfg(test)]
mod tests;

pub use error::ScheduleError;

/// No interval is longer: what runs more rarely is a date, and dates are cron's.
const LONGEST: i64 = 366 * 24 * 3600;
/// The smallest step of time that there is.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// What may stand for a cron expression, with or without its `@`.
const NICKNAMES: [(&str, &str); 7] = [
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
    ("monthly", "0 0 1 * *"),
    ("weekly", "0 0 * * SUN"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("hourly", "0 * * * *"),
];

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// As it was written, without needless spaces.
    text: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// `wall` is a job of every hour, which follows the wall clock through changes.
    Cron {
        cron: Box<Cron>,
        wall: bool,
    },
    /// Seconds between ticks, which are the multiples of it since 1970.
    Every(i64),
    Once,
    Manual,
}

impl Schedule {
    /// Only when somebody asks.
    pub fn manual() -> Self {
        Self { text: "manual".to_owned(), rule: Rule::Manual }
    }

    /// Reads one: cron with 5 fields, or 6 with seconds in front; `@daily` and its like; `every 6h`, `6h`; `once`;
    /// `manual`, `none`, `off`.
    ///
    /// # Errors
    /// [`ScheduleError`], which says what is wrong and how it would be right.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let lower = text.to_lowercase();
        let rule = match lower.as_str() {
            "" => return Err(ScheduleError::Empty),
            "once" => Rule::Once,
            "manual" | "none" | "off" => Rule::Manual,
            "@reboot" => return Err(ScheduleError::Reboot),
            _ if lower.starts_with("tz=") || lower.starts_with("cron_tz=") => return Err(ScheduleError::Zone(text)),
            word => {
                let nickname = word.strip_prefix('@').unwrap_or(word);
                let interval = nickname.strip_prefix("every ");
                if let Some((_, cron)) = NICKNAMES.iter().find(|(name, _)| *name == nickname) {
                    Self::cron(cron)?
                } else if let Some(interval) = interval {
                    Self::every(&text, interval)?
                } else if word.starts_with('@') {
                    return Err(ScheduleError::Nickname(text));
                } else if word.contains('*') || word.split(' ').count() >= 5 {
                    Self::cron(&text)?
                } else if word.starts_with(|c: char| c.is_ascii_digit()) {
                    Self::every(&text, word)?
                } else {
                    return Err(ScheduleError::Unknown(text));
                }
            }
        };
        Ok(Self { text, rule })
    }

    fn cron(text: &str) -> Result<Rule, ScheduleError> {
        let fields: Vec<&str> = text.split(' ').collect();
        error::check(text, &fields, |field| parser().parse(field).map(drop).map_err(|error| error.to_string()))?;
        let cron = parser().parse(text).map_err(|_| ScheduleError::Unknown(text.to_owned()))?;
        let hour = fields[fields.len() - 4];
        let from = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);
        if cron.find_next_occurrence(&from, true).is_err() {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        Ok(Rule::Cron { cron: Box::new(cron), wall: hour.starts_with('*') })
    }

    fn every(text: &str, interval: &str) -> Result<Rule, ScheduleError> {
        let error = |why: &'static str| ScheduleError::Interval { text: text.to_owned(), why };
        let span: Span = interval.parse().map_err(|_| error("it is not a number and a unit"))?;
        // Weeks and days are so many hours here: an interval knows no calendar.
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
        let length = length.map_err(|_| error("months and years differ in length; use cron for dates"))?;
        if length.subsec_nanos() != 0 {
            return Err(error("it has parts of a second"));
        }
        match length.as_secs() {
            seconds if seconds < 1 => Err(error("the shortest is a second")),
            seconds if seconds > LONGEST => Err(error("the longest is 366 days; use cron for dates")),
            seconds => Ok(Rule::Every(seconds)),
        }
    }

    /// Whether it runs once, when planb starts, and then never by itself.
    pub fn is_once(&self) -> bool {
        self.rule == Rule::Once
    }

    /// Whether it ever has a tick of its own.
    pub fn ticks(&self) -> bool {
        matches!(self.rule, Rule::Cron { .. } | Rule::Every(_))
    }

    /// The first tick after an instant.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.rule {
            Rule::Cron { cron, wall } => next_on_the_clock(cron, *wall, after, zone),
            Rule::Every(seconds) => {
                let length = i128::from(*seconds) * 1_000_000_000;
                Timestamp::from_nanosecond((after.as_nanosecond().div_euclid(length) + 1) * length).ok()
            }
            Rule::Once | Rule::Manual => None,
        }
    }

    /// The newest tick after `since`, up to and with `now`: what there is to make up for after a time without planb,
    /// and that is one run, however many ticks it missed.
    pub fn latest_due(&self, since: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let due = |after| self.next(after, zone).filter(|tick| *tick <= now);
        let mut tick = due(since)?;
        // No tick lies in (end, now]. Each round halves what lies between.
        let mut end = now;
        while end.duration_since(tick) >= SECOND {
            let middle = tick + end.duration_since(tick) / 2;
            match due(middle) {
                Some(later) => tick = later,
                None => end = middle,
            }
        }
        Some(tick)
    }

    /// By how much a job starts behind a tick, so that jobs of the same tick do not start as one: the same for the
    /// same job and tick, less than `max`, and never more than half the way to the next tick.
    pub fn jitter(&self, name: &str, tick: Timestamp, max: SignedDuration, zone: &TimeZone) -> SignedDuration {
        let gap = self.next(tick, zone).map_or(max, |next| next.duration_since(tick) / 2);
        let Ok(most @ 1..) = u64::try_from(max.min(gap).as_millis()) else { return SignedDuration::ZERO };
        let digest = Sha256::digest(format!("{name}\0{}", tick.as_second()));
        let random = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        SignedDuration::from_millis(i64::try_from(random % most).unwrap_or(0))
    }

    /// In words: `at 03:00 every day`.
    pub fn words(&self) -> String {
        match &self.rule {
            Rule::Cron { cron, .. } => cron_in_words(cron),
            Rule::Every(seconds) => {
                let (number, unit) = match *seconds {
                    s if s % 86_400 == 0 => (s / 86_400, "day"),
                    s if s % 3600 == 0 => (s / 3600, "hour"),
                    s if s % 60 == 0 => (s / 60, "minute"),
                    s => (s, "second"),
                };
                if number == 1 { format!("every {unit}") } else { format!("every {number} {unit}s") }
            }
            Rule::Once => "once, at the start".to_owned(),
            Rule::Manual => "only when asked".to_owned(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        Self::parse(text)
    }
}

fn parser() -> CronParser {
    // `5/15` means from 5 on, as it does for the cron of the systems that planb replaces.
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).sloppy_ranges(true).build()
}

fn cron_in_words(cron: &Cron) -> String {
    let said = cron.describe();
    let said = said.trim_end_matches('.');
    let mut said = said.strip_prefix("At every").map_or_else(|| said.to_owned(), |rest| format!("every{rest}"));
    if let Some(first) = said.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    // The library says the same of L and of LW.
    if cron.as_str().split(' ').any(|field| field == "LW") {
        said = said.replace("the last day of the month", "the last working day of the month");
    }
    if said.starts_with("at ") && !said.contains(" on ") && !said.contains(" in ") && !said.contains("every ") {
        said.push_str(" every day");
    }
    said
}

/// The first tick after an instant, found on the wall clock between one change of it and the next. There, wall and
/// time run alike, so that only the changes themselves need a rule.
fn next_on_the_clock(cron: &Cron, wall: bool, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    // Where the stretch that `from` lies in began, and what the clock showed there before it was changed.
    let mut began = zone.preceding(after.saturating_add(INSTANT).ok()?).next().map(|change| change.timestamp());
    let mut from = after;
    let mut included = false;
    loop {
        let offset = zone.to_offset(from);
        let end = zone.following(from).next();
        let mut local = offset.to_datetime(from);
        if let (Some(began), false) = (began, wall) {
            // What the clock shows for the second time has had its run.
            let shown = zone.to_offset(began.saturating_sub(INSTANT).ok()?).to_datetime(began);
            if shown > local {
                (local, included) = (shown, true);
            }
        }
        let found = cron.find_next_occurrence(&local, included).ok()?;
        let tick = offset.to_timestamp(found).ok()?;
        let Some(end) = end.filter(|end| end.timestamp() <= tick) else { return Some(tick) };
        // Into the time that the clock leaves out: the run comes just after it.
        let left_out = !wall && found < end.offset().to_datetime(end.timestamp());
        if left_out {
            return Some(end.timestamp());
        }
        (from, began, included) = (end.timestamp(), Some(end.timestamp()), true);
    }
}
