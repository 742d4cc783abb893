//! Numbers and times as people read them, and texts cut to the room there is.

use planb_model::redact::strip_control;

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

/// `1 backup`, `2 backups`.
pub(crate) fn plural(n: u64, word: &str) -> String {
    format!("{} {word}{}", count(n), if n == 1 { "" } else { "s" })
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

/// How old something is.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// One line, without what could steer a terminal or a mail header.
pub(crate) fn one_line(text: &str) -> String {
    strip_control(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a text, and dots where more was.
pub(crate) fn head(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The end of a text, and dots where more was.
pub(crate) fn tail(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    ['…'].into_iter().chain(text.chars().skip(length - most.saturating_sub(1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([bytes(0), bytes(999), bytes(1_234_567), bytes(999_999)], ["0 B", "999 B", "1.2 MB", "1.0 MB"]);
        assert_eq!([plural(1, "backup"), plural(1234, "backup")], ["1 backup", "1,234 backups"]);
        assert_eq!([duration(12), duration(3_250), duration(3_700_000)], ["12 ms", "3.2 s", "1 h 1 min"]);
        assert_eq!([age(90), age(7_199), age(100_000), age(300_000)], ["90 s", "119 min", "27 h", "3 days"]);
    }

    #[test]
    fn texts_are_cut_by_characters() {
        assert_eq!([head("größe", 5), head("größen", 5)], ["größe", "größ…"]);
        assert_eq!([tail("größe", 5), tail("größen", 5)], ["größe", "…ößen"]);
        assert_eq!(one_line(" a\r\nBcc: b\u{202e}\tc "), "a Bcc: b c");
    }
}
