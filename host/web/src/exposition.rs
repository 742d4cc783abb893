//! The Prometheus text format, version 0.0.4.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What `Content-Type` says of it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of numbers a metric gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until planb forgets its state.
    Counter,
}

impl Kind {
    /// The word in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// A number that is written without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A count, or bytes.
    Count(u64),
    /// Milliseconds, written as seconds.
    Millis(i128),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Count(u64::from(yes))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Millis(ms) => {
                let sign = if *ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                write!(f, "{sign}{}.{:03}", ms / 1000, ms % 1000)
            }
        }
    }
}

/// Writes the samples of one metric, which the format wants together.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    out: &'a mut String,
    name: &'static str,
    labels: &'static [&'static str],
    seen: BTreeSet<String>,
}

impl<'a> Samples<'a> {
    pub(crate) fn begin(
        out: &'a mut String,
        name: &'static str,
        kind: Kind,
        help: &str,
        labels: &'static [&'static str],
    ) -> Self {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing into a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        Self { out, name, labels, seen: BTreeSet::new() }
    }

    /// One sample, with the values of the labels in their order.
    pub(crate) fn add(&mut self, values: &[&str], value: impl Into<Value>) {
        let mut labels = String::new();
        for (at, (label, value)) in self.labels.iter().zip(values).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let _ = write!(labels, "{comma}{label}=\"{}\"", escape(value));
        }
        let value = value.into();
        let _ = if labels.is_empty() {
            writeln!(self.out, "{} {value}", self.name)
        } else if self.seen.contains(&labels) {
            // A series that stands there twice makes Prometheus refuse all of them.
            Ok(())
        } else {
            writeln!(self.out, "{}{{{labels}}} {value}", self.name)
        };
        self.seen.insert(labels);
    }
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// Reads a label's value back as Prometheus does.
    fn unescape(text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next().unwrap() {
                    'n' => out.push('\n'),
                    other => out.push(other),
                },
                '"' => panic!("the value ends early"),
                other => out.push(other),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_label_is_one_line_and_reads_back(value in any::<String>()) {
            let mut out = String::new();
            Samples::begin(&mut out, "m", Kind::Gauge, "h", &["l"]).add(&[&value], 1);
            let line = out.split('\n').nth(2).unwrap();
            prop_assert_eq!(out.split('\n').count(), 4);
            let inner = line.strip_prefix("m{l=\"").unwrap().strip_suffix("\"} 1").unwrap();
            prop_assert_eq!(unescape(inner), value);
        }
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(Value::Count(u64::MAX).to_string(), "18446744073709551615");
        assert_eq!(Value::Millis(1_770_429_600_012).to_string(), "1770429600.012");
        assert_eq!(Value::Millis(-1_500).to_string(), "-1.500");
    }

    #[test]
    fn a_series_is_there_once() {
        let mut out = String::new();
        let mut samples = Samples::begin(&mut out, "m", Kind::Counter, "a\nb\\", &["l"]);
        samples.add(&["x"], 1);
        samples.add(&["x"], 2);
        assert_eq!(out, "# HELP m a\\nb\\\\\n# TYPE m counter\nm{l=\"x\"} 1\n");
    }
}
