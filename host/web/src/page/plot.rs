//! Small plots as inline SVG, each with a title that says in words what it shows.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::status::{RunStatus, RunSummary};
use crate::text;

/// What is plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Size,
    Time,
}

impl Measure {
    fn of(self, run: &RunSummary) -> u64 {
        match self {
            Self::Size => run.plain_bytes,
            Self::Time => run.duration_ms,
        }
    }

    fn write(self, value: u64) -> String {
        match self {
            Self::Size => text::bytes(value),
            Self::Time => text::duration(value),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Size => "Size",
            Self::Time => "Duration",
        }
    }

    /// A few round values from 0 to above the largest.
    fn ticks(self, largest: u64) -> Vec<u64> {
        const TIMES: [u64; 20] = [
            1_000,
            2_000,
            5_000,
            10_000,
            15_000,
            30_000,
            60_000,
            120_000,
            300_000,
            600_000,
            900_000,
            1_800_000,
            3_600_000,
            7_200_000,
            10_800_000,
            21_600_000,
            43_200_000,
            86_400_000,
            172_800_000,
            604_800_000,
        ];
        let enough = |step: &u64| *step >= largest.div_ceil(4).max(1);
        let decimal = || (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)));
        let step = match self {
            Self::Time if largest > 1_000 => TIMES.into_iter().find(enough).or_else(|| decimal().find(enough)),
            _ => decimal().find(enough),
        };
        let step = step.unwrap_or(u64::MAX / 4);
        let mut ticks = vec![0];
        while ticks.last().is_some_and(|last| *last < largest.max(1)) && ticks.len() < 6 {
            ticks.push(step.saturating_mul(ticks.len() as u64));
        }
        ticks
    }

    fn tick(self, value: u64) -> String {
        match self {
            Self::Size => text::bytes(value),
            Self::Time if value == 0 => "0 s".to_owned(),
            Self::Time if value.is_multiple_of(3_600_000) => format!("{} h", value / 3_600_000),
            Self::Time if value.is_multiple_of(60_000) => format!("{} min", value / 60_000),
            Self::Time if value.is_multiple_of(1_000) => format!("{} s", value / 1_000),
            Self::Time => format!("{value} ms"),
        }
    }
}

/// The last runs as bars, for a line of the table.
pub(super) fn bars(measure: Measure, runs: &[RunSummary]) -> Markup {
    const SHOWN: usize = 30;
    const STEP: usize = 4;
    const HEIGHT: u64 = 26;
    let runs = &runs[runs.len().saturating_sub(SHOWN)..];
    let largest = runs.iter().filter(|run| run.status.committed()).map(|run| measure.of(run)).max().unwrap_or(0).max(1);
    // One path for each colour: a hundred jobs on a page stay small.
    let mut paths = [const { String::new() }; 4];
    for (at, run) in runs.iter().enumerate() {
        let x = (SHOWN - runs.len() + at) * STEP + 2;
        let high = match run.status {
            RunStatus::Success | RunStatus::Partial => scaled(measure.of(run), largest, HEIGHT).max(1),
            RunStatus::Failed => HEIGHT,
            RunStatus::Skipped => 1,
        };
        let path = match run.status {
            RunStatus::Success => &mut paths[0],
            RunStatus::Partial => &mut paths[1],
            RunStatus::Failed => &mut paths[2],
            RunStatus::Skipped => &mut paths[3],
        };
        path.push_str(&format!("M{x} {}v-{high}", HEIGHT + 1));
    }
    let label = summary(measure, runs);
    let [good, odd, bad, idle] = paths;
    html! {
        svg.bars viewBox={ "0 0 " (SHOWN * STEP) " " (HEIGHT + 2) } role="img" aria-label=(label) {
            title { (label) }
            @for (class, path) in [("good", good), ("odd", odd), ("bad", bad), ("idle", idle)] {
                @if !path.is_empty() { path.(class) d=(path) {} }
            }
        }
    }
}

fn scaled(value: u64, largest: u64, to: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(largest.max(1));
    u64::try_from(scaled).unwrap_or(to).min(to)
}

/// What a plot shows, in words.
fn summary(measure: Measure, runs: &[RunSummary]) -> String {
    let good: Vec<u64> = runs.iter().filter(|run| run.status.committed()).map(|run| measure.of(run)).collect();
    let failed = runs.iter().filter(|run| run.status == RunStatus::Failed).count() as u64;
    let failed = if failed == 0 { String::new() } else { format!("; {} failed", text::plural(failed, "run")) };
    let (Some(least), Some(most), Some(newest)) = (good.iter().min(), good.iter().max(), good.last()) else {
        return format!("{}: no backups yet{failed}", measure.word());
    };
    format!(
        "{} of the last {}: {} to {}, the newest {}{failed}",
        measure.word(),
        text::plural(good.len() as u64, "backup"),
        measure.write(*least),
        measure.write(*most),
        measure.write(*newest)
    )
}

const WIDTH: u64 = 480;
const HIGH: u64 = 180;
const LEFT: u64 = 66;
const RIGHT: u64 = 12;
const TOP: u64 = 10;
const BOTTOM: u64 = 26;

/// Where values and moments lie in a plot.
struct Scale {
    first: Timestamp,
    last: Timestamp,
    largest: u64,
}

impl Scale {
    fn x(&self, at: Timestamp) -> u64 {
        let millis = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
        };
        let whole = millis(self.first, self.last);
        // A single run stands in the middle.
        let along = if whole == 0 { 500 } else { scaled(millis(self.first, at), whole, 1000) };
        LEFT + scaled(along, 1000, WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: u64) -> u64 {
        HIGH - BOTTOM - scaled(value, self.largest, HIGH - BOTTOM - TOP)
    }
}

/// All runs over time, for the page of a job.
pub(super) fn over_time(measure: Measure, runs: &[RunSummary], zone: &TimeZone) -> Markup {
    let good: Vec<&RunSummary> = runs.iter().filter(|run| run.status.committed()).collect();
    let ended: Vec<&RunSummary> = runs.iter().filter(|run| run.status != RunStatus::Skipped).collect();
    let (Some(first), Some(last)) =
        (ended.iter().map(|run| run.started_at).min(), ended.iter().map(|run| run.started_at).max())
    else {
        return html! { p.none { "Nothing to plot yet." } };
    };
    let ticks = measure.ticks(good.iter().map(|run| measure.of(run).max(stored(measure, run))).max().unwrap_or(0));
    let scale = Scale { first, last, largest: ticks.last().copied().unwrap_or(1) };
    let line = |value: &dyn Fn(&RunSummary) -> u64| {
        let mut path = String::new();
        for run in &good {
            let step = if path.is_empty() { 'M' } else { 'L' };
            path.push_str(&format!("{step}{} {}", scale.x(run.started_at), scale.y(value(run))));
        }
        path
    };
    let days = last.duration_since(first).as_secs() > 2 * 86_400;
    let date = |at: Timestamp| at.to_zoned(zone.clone()).strftime(if days { "%-d %b" } else { "%H:%M" }).to_string();
    let middle = first.checked_add(last.duration_since(first) / 2).unwrap_or(first);
    let label = summary(measure, runs);
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HIGH) } role="img" aria-label=(label) {
            title { (label) }
            @for tick in &ticks {
                path.grid d={ "M" (LEFT) " " (scale.y(*tick)) "H" (WIDTH - RIGHT) } {}
                text.y x=(LEFT - 8) y=(scale.y(*tick) + 4) { (measure.tick(*tick)) }
            }
            @if first < last {
                text.first x=(LEFT) y=(HIGH - 6) { (date(first)) }
                text.middle x=(scale.x(middle)) y=(HIGH - 6) { (date(middle)) }
                text.last x=(WIDTH - RIGHT) y=(HIGH - 6) { (date(last)) }
            } @else {
                text.middle x=(scale.x(first)) y=(HIGH - 6) { (date(first)) }
            }
            @if measure == Measure::Size { path.line.second d=(line(&|run| run.stored_bytes)) {} }
            path.line d=(line(&|run| measure.of(run))) {}
            @for run in ended {
                @let x = scale.x(run.started_at);
                @if run.status.committed() {
                    circle.(if run.status == RunStatus::Partial { "odd" } else { "dot" })
                        cx=(x) cy=(scale.y(measure.of(run))) r="2.5" { title { (tooltip(measure, run, zone)) } }
                } @else {
                    @let y = scale.y(0);
                    path.cross d={ "M" (x - 4) " " (y - 4) "l8 8m0-8l-8 8" } { title { (tooltip(measure, run, zone)) } }
                }
            }
        }
    }
}

fn stored(measure: Measure, run: &RunSummary) -> u64 {
    if measure == Measure::Size { run.stored_bytes } else { 0 }
}

fn tooltip(measure: Measure, run: &RunSummary, zone: &TimeZone) -> String {
    let at = text::short(run.started_at, zone);
    match (run.status, measure) {
        (RunStatus::Failed, _) => format!("{at}: failed"),
        (_, Measure::Size) => {
            format!("{at}: {}, stored {}", text::bytes(run.plain_bytes), text::bytes(run.stored_bytes))
        }
        (_, Measure::Time) => format!("{at}: {}", text::duration(run.duration_ms)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ticks_are_few_rise_and_hold_the_largest(largest: u64, size: bool) {
            let measure = if size { Measure::Size } else { Measure::Time };
            let ticks = measure.ticks(largest / 2);
            prop_assert!((2..=6).contains(&ticks.len()));
            prop_assert!(ticks.is_sorted_by(|a, b| a < b));
            prop_assert!(*ticks.last().unwrap() >= largest / 2);
            prop_assert!(ticks.iter().all(|tick| !measure.tick(*tick).is_empty()));
        }

        #[test]
        fn points_stay_within_the_plot(first: i32, long: u32, at: i64, value: u64, largest: u64) {
            let moment = |second: i64| Timestamp::from_second(second).unwrap();
            let (from, to) = (moment(first.into()), moment(i64::from(first) + i64::from(long)));
            let scale = Scale { first: from, last: to, largest };
            let x = scale.x(moment(at % 100_000_000_000));
            prop_assert!((LEFT..=WIDTH - RIGHT).contains(&x));
            prop_assert!((TOP..=HIGH - BOTTOM).contains(&scale.y(value)));
        }
    }

    #[test]
    fn ticks_read_well() {
        let read =
            |measure: Measure, largest| measure.ticks(largest).iter().map(|t| measure.tick(*t)).collect::<Vec<_>>();
        assert_eq!(read(Measure::Size, 42_700_000_000), ["0 B", "20 GB", "40 GB", "60 GB"]);
        assert_eq!(read(Measure::Time, 372_000), ["0 s", "2 min", "4 min", "6 min", "8 min"]);
        assert_eq!(read(Measure::Time, 61_000), ["0 s", "30 s", "1 min", "90 s"]);
        assert_eq!(read(Measure::Time, 9_000_000), ["0 s", "1 h", "2 h", "3 h"]);
        assert_eq!(read(Measure::Time, 820), ["0 s", "500 ms", "1 s"]);
    }
}
