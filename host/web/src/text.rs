//! Sizes, counts and times as people read them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A size, in powers of 1000.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{n} B")
    } else if value < 9.95 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// A number with its thousands apart.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 job`, `2 jobs`.
pub(crate) fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{} {word}s", count(n)) }
}

/// How long something took.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A stretch of time in its largest unit: `42 s`, `12 min`, `26 h`, `3 days`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", count(seconds / 86_400)),
    }
}

/// The stretch between two moments; none if the second is before the first.
pub(crate) fn span_between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0))
}

/// A moment as seen from now: `12 min ago`, `in 3 h`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let apart = now.duration_since(at);
    if apart.abs() < SignedDuration::from_secs(5) {
        "just now".to_owned()
    } else if apart.is_negative() {
        format!("in {}", span_between(now, at))
    } else {
        format!("{} ago", span_between(at, now))
    }
}

/// A moment with its date, in a time zone: `2026-11-21 03:00:00 CET`.
pub(crate) fn absolute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// The same, short: `21 Nov 03:00`.
pub(crate) fn short(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%-d %b %H:%M").to_string()
}

/// The first letters of an id.
pub(crate) fn short_id(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Bytes for each second.
pub(crate) fn rate(bytes: u64, ms: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / u128::from(ms.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([bytes(0), bytes(999), bytes(15_400_000), bytes(999_999)], ["0 B", "999 B", "15 MB", "1.0 MB"]);
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([plural(1, "job"), plural(1200, "job")], ["1 job", "1,200 jobs"]);
        assert_eq!(
            [duration(12), duration(3_250), duration(61_000), duration(3_700_000)],
            ["12 ms", "3.2 s", "1 min 1 s", "1 h 1 min"]
        );
        assert_eq!(rate(1000, 0), 1_000_000);
        assert_eq!(rate(u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn times_read_well() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
        assert_eq!(relative(at(-2), now), "just now");
        assert_eq!(relative(at(-59), now), "59 s ago");
        assert_eq!(relative(at(-3_599), now), "59 min ago");
        assert_eq!(relative(at(-100_000), now), "27 h ago");
        assert_eq!(relative(at(-1_000_000), now), "11 days ago");
        assert_eq!(relative(at(10_800), now), "in 3 h");
        assert_eq!(absolute(now, &TimeZone::UTC), "2026-11-21 12:00:00 UTC");
        assert_eq!(short(now, &TimeZone::UTC), "21 Nov 12:00");
        // The ends of time.
        assert!(relative(Timestamp::MIN, Timestamp::MAX).ends_with(" days ago"));
        assert!(relative(Timestamp::MAX, Timestamp::MIN).starts_with("in "));
        assert!(absolute(Timestamp::MIN, &TimeZone::UTC).starts_with("-9999-"));
    }
}
