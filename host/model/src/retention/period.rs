//! Stretches of time in a zone, and rules of the form "the first backup of each month is held for 372 days".

use std::fmt;
use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::fmt::strtime;
use jiff::{RoundMode, SignedDuration, Span, SpanRelativeTo, Timestamp, Unit, Zoned, ZonedRound};
const DAY: i64 = 24 * 60 * 60;

/// A kind of stretch that one backup can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    Second,
    Minute,
    Hour,
    Day,
    /// From Monday to Sunday; the week's year is ISO 8601's.
    Week,
    Month,
    Year,
}

impl Stretch {
    /// When the stretch that holds this instant began. As an instant and not as a text, it tells the two hours apart
    /// that both are called 02:00 when clocks are turned back, and never joins weeks of two years.
    pub(super) fn start(self, at: &Zoned) -> Timestamp {
        let floor = |unit| at.round(ZonedRound::new().smallest(unit).mode(RoundMode::Trunc));
        let start = match self {
            Self::Second => floor(Unit::Second),
            Self::Minute => floor(Unit::Minute),
            Self::Hour => floor(Unit::Hour),
            Self::Day => at.start_of_day(),
            Self::Week => {
                let into = i64::from(at.weekday().since(Weekday::Monday));
                Span::new().try_days(into).and_then(|into| at.checked_sub(into)).and_then(|day| day.start_of_day())
            }
            Self::Month => at.first_of_month().and_then(|day| day.start_of_day()),
            Self::Year => at.first_of_year().and_then(|day| day.start_of_day()),
        };
        // At the ends of representable time a stretch may have no beginning; then the backup stands for itself.
        start.map_or(at.timestamp(), |start| start.timestamp())
    }

    /// Its name in a reason: `day 2026-11-20`.
    pub(super) fn name(self, at: &Zoned) -> String {
        let format = match self {
            Self::Second => "second %Y-%m-%d %H:%M:%S %Z",
            Self::Minute => "minute %Y-%m-%d %H:%M %Z",
            Self::Hour => "hour %Y-%m-%d %H:00 %Z",
            Self::Day => "day %Y-%m-%d",
            Self::Week => "week %G-W%V",
            Self::Month => "month %Y-%m",
            Self::Year => "year %Y",
        };
        strtime::format(format, at).unwrap_or_else(|_| at.to_string())
    }
}

/// Why a text is no rule for a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PeriodError {
    #[error("a period is given as FORMAT=DURATION, for example '%Y-%m=372d', and not as {0:?}")]
    Form(String),
    #[error(
        "{duration:?} is no duration for the period {format:?}: it takes days, hours and smaller, for example 31d or 24h, and more than nothing"
    )]
    Duration { format: String, duration: String },
    #[error(
        "the period {format:?} has %{directive}, which says nothing of which period it is; known are %Y %G %m %b %V %d %e %j %H %M %S %F %T %R %s"
    )]
    Directive { format: String, directive: String },
    #[error("the period {format:?} does not name one stretch of time: {lacks}")]
    Ambiguous { format: String, lacks: &'static str },
}

/// The first backup of each stretch that a format of strftime tells apart is held, from the beginning of the stretch
/// on for a duration: `%Y-%m=372d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    format: String,
    hold: SignedDuration,
    stretch: Stretch,
}

impl Period {
    /// A rule of a format and a duration in the form `31d`, `24h`, `1h 30m`, `2w` or ISO 8601's. A day has 24 hours.
    ///
    /// # Errors
    /// [`PeriodError`].
    pub fn new(format: &str, hold: &str) -> Result<Self, PeriodError> {
        let bad = || PeriodError::Duration { format: format.to_owned(), duration: hold.to_owned() };
        let duration = |span: Span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
        let duration =
            hold.trim().parse().ok().and_then(duration).filter(SignedDuration::is_positive).ok_or_else(bad)?;
        Ok(Self { format: format.to_owned(), hold: duration, stretch: stretch(format)? })
    }

    /// The format, as it was given.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// How long the first backup is held, from the beginning of its period on.
    pub fn hold(&self) -> SignedDuration {
        self.hold
    }

    /// The duration as it is written: `372d`.
    pub fn hold_text(&self) -> String {
        let seconds = self.hold.as_secs();
        if seconds % DAY == 0 && self.hold.subsec_nanos() == 0 {
            format!("{}d", seconds / DAY)
        } else {
            format!("{:#}", self.hold)
        }
    }

    pub(super) fn start(&self, at: &Zoned) -> Timestamp {
        self.stretch.start(at)
    }

    /// What the format makes of an instant. A week's year is the week's: `%Y-w%V` gives the last days of December
    /// the name of a week of the January before.
    pub(super) fn label(&self, at: &Zoned) -> String {
        let format = match self.stretch {
            Stretch::Week => self.format.replace("%Y", "%G").replace("%y", "%g"),
            _ => self.format.clone(),
        };
        strtime::format(format, at).unwrap_or_else(|_| at.to_string())
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let (format, hold) = text.rsplit_once('=').ok_or_else(|| PeriodError::Form(text.to_owned()))?;
        Self::new(format, hold)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.format, self.hold_text())
    }
}

/// The stretch that a format tells apart. A format that returns, such as `%d` alone, tells none.
fn stretch(format: &str) -> Result<Stretch, PeriodError> {
    let (mut year, mut month, mut week, mut day, mut yearday) = (false, false, false, false, false);
    let (mut hour, mut minute, mut second, mut unix) = (false, false, false, false);
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        match chars.next() {
            Some('Y' | 'y' | 'G' | 'g') => year = true,
            Some('m' | 'b' | 'B' | 'h') => month = true,
            Some('V') => week = true,
            Some('d' | 'e') => day = true,
            Some('j') => yearday = true,
            Some('F') => (year, month, day) = (true, true, true),
            Some('H') => hour = true,
            Some('M') => minute = true,
            Some('S') => second = true,
            Some('R') => (hour, minute) = (true, true),
            Some('T') => (hour, minute, second) = (true, true, true),
            Some('s') => unix = true,
            Some('z' | 'Z' | '%') => {}
            other => {
                let directive = other.map(String::from).unwrap_or_default();
                return Err(PeriodError::Directive { format: format.to_owned(), directive });
            }
        }
    }
    let ambiguous = |lacks| Err(PeriodError::Ambiguous { format: format.to_owned(), lacks });
    let whole_day = yearday || (month && day);
    match () {
        () if unix => Ok(Stretch::Second),
        () if !year => ambiguous("it lacks the year, %Y"),
        () if week && (month || day || yearday || hour || minute || second) => {
            ambiguous("a week, %V, goes with a year and nothing else")
        }
        () if week => Ok(Stretch::Week),
        () if day && !month => ambiguous("a day, %d, needs its month, %m"),
        () if hour && !whole_day => ambiguous("an hour, %H, needs its day, %m-%d"),
        () if minute && !hour => ambiguous("a minute, %M, needs its hour, %H; a month is %m"),
        () if second && !minute => ambiguous("a second, %S, needs its minute, %M"),
        () if second => Ok(Stretch::Second),
        () if minute => Ok(Stretch::Minute),
        () if hour => Ok(Stretch::Hour),
        () if whole_day => Ok(Stretch::Day),
        () if month => Ok(Stretch::Month),
        () => Ok(Stretch::Year),
    }
}

/// Periods as files have them: a table from formats to durations.
pub(super) mod table {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::Period;

    pub(in super::super) fn serialize<S: Serializer>(periods: &[Period], to: S) -> Result<S::Ok, S::Error> {
        let table: BTreeMap<_, _> = periods.iter().map(|period| (&period.format, period.hold_text())).collect();
        table.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Period>, D::Error> {
        let table = BTreeMap::<String, String>::deserialize(from)?;
        let periods = table.iter().map(|(format, hold)| Period::new(format, hold));
        periods.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}
