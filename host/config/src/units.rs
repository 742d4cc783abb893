//! Times and sizes as people write them: `90s`, `6h`, `7d`; `512MiB`.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Longer than anything that is meant. Keeps sums of times from overflowing.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// Reads a time with its unit: `90s`, `30m`, `1h30m`, `7d`, `2w`. A day has 24 hours.
///
/// # Errors
/// The end of the sentence "it takes ...".
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time with its unit, as in 90s, 30m, 6h or 7d".to_owned();
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{}; for seconds {text}s", wrong()));
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("a time in weeks, days, hours, minutes or seconds: months and years differ in length".to_owned());
    }
    let time: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let time = Duration::try_from(time).map_err(|_| wrong())?;
    if time > LONGEST {
        return Err("a time of at most 100 years".to_owned());
    }
    Ok(time)
}

/// The same from a variable, where a bare number is seconds.
///
/// # Errors
/// The end of the sentence "it takes ...".
pub fn duration_or_seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<u64>() {
        Ok(seconds) if Duration::from_secs(seconds) <= LONGEST => Ok(Duration::from_secs(seconds)),
        Ok(_) => Err("a time of at most 100 years".to_owned()),
        Err(_) => duration(text),
    }
}

/// Writes a time so that [`duration`] reads it.
pub fn show_duration(time: Duration) -> String {
    let (mut rest, mut out) = (time.as_secs(), String::new());
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            let _ = write!(out, "{}{unit}", rest / seconds);
            rest %= seconds;
        }
    }
    for (unit, part) in
        [("ms", time.subsec_millis()), ("us", time.subsec_micros() % 1000), ("ns", time.subsec_nanos() % 1000)]
    {
        if part > 0 {
            let _ = write!(out, "{part}{unit}");
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

const UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a size with its unit, in bytes: `512MiB`, `5GiB`, `100MB`.
///
/// # Errors
/// The end of the sentence "it takes ...".
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size with its unit, as in 512MiB or 5GiB".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim_start();
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
    number.checked_mul(*bytes).ok_or_else(|| "a size that fits into 64 bits".to_owned())
}

/// Writes a size so that [`size`] reads it.
pub fn show_size(bytes: u64) -> String {
    let binary = UNITS[..6].iter().rev().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    let (name, unit) = binary.copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(duration("2w"), Ok(Duration::from_hours(336)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "soon", "-5s", "5", "1mo", "1y", "5 parsecs", "999999d", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert!(duration("30").is_err_and(|text| text.ends_with("for seconds 30s")));
        assert_eq!(duration_or_seconds("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration_or_seconds("1h"), Ok(Duration::from_hours(1)));
        assert!(duration_or_seconds("99999999999999").is_err());
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("5 gib"), Ok(5 << 30));
        assert_eq!(size("100MB"), Ok(100_000_000));
        assert_eq!(size("0B"), Ok(0));
        for wrong in ["", "5", "MiB", "-5MiB", "1.5GiB", "5Mib/s", "99999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(nanos in 0u64..LONGEST.as_secs() * 1_000_000, bytes in any::<u64>()) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&show_duration(time)), Ok(time));
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9a-zA-Z .+-]{0,24}|.*") {
            let _ = (duration(&text), size(&text));
        }
    }
}
