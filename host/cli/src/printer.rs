//! The only place that prints: stdout is data, stderr is for people.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use planb_model::redact::strip_control;

use crate::args::Output;

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    pub(crate) output: Output,
}

static INTO_THE_LOG: AtomicBool = AtomicBool::new(false);

impl Printer {
    /// A result: text for people, or JSON for programs.
    pub(crate) fn result(self, text: impl FnOnce() -> String, json: impl FnOnce() -> serde_json::Value) {
        let out = match self.output {
            // Names in it may come from a server, a store or a plugin.
            Output::Text => strip_control(&text()),
            Output::Json => format!("{:#}\n", json()),
        };
        // Nobody listens any more (`planb list | head`): nothing to tell them.
        let _ = std::io::stdout().lock().write_all(out.as_bytes());
    }

    /// Something for people, beside the result.
    pub(crate) fn note(text: &str) {
        Self::styled(&strip_control(text));
    }

    /// From now on what is for people is an event of the log, which is for a program.
    pub(crate) fn into_the_log() {
        INTO_THE_LOG.store(true, Ordering::Relaxed);
    }

    /// The same with colours in it; what comes from elsewhere was cleaned before.
    pub(crate) fn styled(text: &str) {
        if INTO_THE_LOG.load(Ordering::Relaxed) {
            let text = strip_control(text.trim_end());
            return match text.strip_prefix("warning: ") {
                Some(text) => tracing::warn!("{text}"),
                None => tracing::info!("{text}"),
            };
        }
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// Whether stderr takes colours and a progress line.
    pub(crate) fn interactive() -> bool {
        std::io::stderr().is_terminal()
    }
}

/// Columns of text under headings.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let columns = head.len();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (at, cell) in row.iter().enumerate().take(columns) {
            widths[at] = widths[at].max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let pad = widths[at].saturating_sub(cell.chars().count());
            text.push_str(cell);
            if at + 1 < columns {
                text.push_str(&" ".repeat(pad + 2));
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(head.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    out
}

/// A size as people read it, in powers of 1000.
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

/// `1 table`, `2 tables`.
pub(crate) fn plural(n: u64, word: &str) -> String {
    let word = if n == 1 {
        word.to_owned()
    } else if word.ends_with('x') {
        format!("{word}es")
    } else if word.strip_suffix('y').is_some_and(|rest| !rest.ends_with(['a', 'e', 'o', 'u'])) {
        format!("{}ies", &word[..word.len() - 1])
    } else {
        format!("{word}s")
    };
    format!("{} {word}", count(n))
}

/// A time as people read it.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [bytes(0), bytes(999), bytes(1000), bytes(15_400_000), bytes(999_999)],
            ["0 B", "999 B", "1.0 kB", "15 MB", "1.0 MB"]
        );
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [duration(12), duration(3_250), duration(61_000), duration(3_700_000)],
            ["12 ms", "3.2 s", "1 min 1 s", "1 h 1 min"]
        );
        assert_eq!([plural(1, "table"), plural(2, "index"), plural(3, "entry")], ["1 table", "2 indexes", "3 entries"]);
    }
}
