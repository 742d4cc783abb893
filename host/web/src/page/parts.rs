//! Small pieces that both pages use.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::health::Health;
use crate::status::{DrillSummary, RunStatus, RunningStatus};
use crate::text;

/// Colours, by what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Odd,
    Bad,
    Busy,
    Idle,
}

impl Tone {
    /// The class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Odd => "odd",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Idle => "idle",
        }
    }

    pub(super) fn of(health: Health) -> Self {
        match health {
            Health::Hung | Health::Failing => Self::Bad,
            Health::Late | Health::Warning => Self::Odd,
            Health::NeverRan | Health::Disabled => Self::Idle,
            Health::Ok => Self::Good,
        }
    }

    pub(super) fn of_run(status: RunStatus) -> Self {
        match status {
            RunStatus::Success => Self::Good,
            RunStatus::Partial => Self::Odd,
            RunStatus::Failed => Self::Bad,
            RunStatus::Skipped => Self::Idle,
        }
    }
}

/// A word in its colour.
pub(super) fn pill(tone: Tone, word: &str) -> Markup {
    html! { span.pill.(tone.class()) { (word) } }
}

/// Which form of a moment is read first; the other one is its tooltip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Relative,
    Short,
    Absolute,
}

/// A moment.
pub(super) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone, shown: Shown) -> Markup {
    let (relative, absolute) = (text::relative(at, now), text::absolute(at, zone));
    let (seen, title) = match shown {
        Shown::Relative => (relative, absolute),
        Shown::Short => (text::short(at, zone), absolute),
        Shown::Absolute => (absolute, relative),
    };
    html! { time datetime=(at) title=(title) { (seen) } }
}

/// A moment as seen from now, and its date below.
pub(super) fn both(at: Timestamp, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        (moment(at, now, zone, Shown::Relative))
        small { (moment(at, now, zone, Shown::Short)) }
    }
}

/// Where a run is.
pub(super) fn progress(run: &RunningStatus, now: Timestamp) -> Markup {
    // What is expected is a hint of the server: shown while it is not wrong yet.
    let expected = run.expected_bytes.filter(|expected| *expected > run.bytes);
    html! {
        div.progress {
            @if let Some(expected) = expected {
                progress max=(expected) value=(run.bytes) aria-label="bytes so far" {}
            } @else {
                progress aria-label="going on" {}
            }
            span {
                @if let Some(work) = run.work.as_ref().filter(|work| *work != "backup") { bdi { (work) } " " }
                "running for " (text::span_between(run.since, now)) ", " bdi { (run.stage) } ", " (text::bytes(run.bytes))
                @if let Some(expected) = expected { " of about " (text::bytes(expected)) }
            }
        }
    }
}

/// The result of a drill in two words.
pub(super) fn drill(drill: &DrillSummary, now: Timestamp, zone: &TimeZone) -> Markup {
    let (tone, word) = if drill.ok { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
    html! {
        span.said.(tone.class()) { (word) }
        " " (moment(drill.at, now, zone, Shown::Relative))
        small { (moment(drill.at, now, zone, Shown::Short)) }
    }
}

/// The address of a job's page.
pub(super) fn job_path(name: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    format!("/jobs/{}", utf8_percent_encode(name, KEPT))
}

/// The zone of a job, or UTC where this machine does not know it.
pub(super) fn zone(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}
