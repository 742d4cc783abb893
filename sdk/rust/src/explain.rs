//! Reading what a tool said before it failed.
//!
//! ```
//! use planb_sdk::{Failure, FailureCode, explain::Words};
//!
//! fn explain(tool: &str, code: Option<i32>, stderr: &str) -> Failure {
//!     let words = Words::new(stderr, &["toydump: error: "], &["toydump: hint:"]);
//!     if words.said("wrong password") {
//!         return Failure::access_denied(format!("ToyDB refused the password: {}", words.last())).hint("check DB_PASSWORD");
//!     }
//!     words.common(tool).unwrap_or_else(|| words.failure(tool, code))
//! }
//!
//! let stderr = "toydump: reading table \"wrong password\"\ntoydump: error: no such table: x\ntoydump: hint: look again\n";
//! assert_eq!(explain("toydump", Some(1), stderr).message, "toydump ended with exit code 1: no such table: x");
//! let stderr = "toydump: error: connect to db:7007: Connection refused\n";
//! assert_eq!(explain("toydump", Some(1), stderr).code, FailureCode::Unreachable);
//! ```

use std::borrow::Cow;

use crate::Failure;
use crate::failure::cut;

/// The last words of a tool, without what is no error.
///
/// Only lines of errors are searched: a tool that tells of its progress names tables and files, and a table may be called
/// `certificate`.
#[derive(Debug)]
pub struct Words<'a> {
    /// The lines as they were said.
    lines: Vec<&'a str>,
    /// The lines as they are searched.
    searched: Vec<Cow<'a, str>>,
    labels: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// Reads a tool's stderr.
    ///
    /// A line that holds one of `error_marks` tells of an error, unless it begins with one of `note_marks` (hints, details). Where no line
    /// has such a mark, every line that is no note counts. A mark that ends with a space is a label (`error: `): of a line that
    /// is shown, only what follows the label is.
    pub fn new(stderr: &'a str, error_marks: &[&'a str], note_marks: &[&str]) -> Self {
        let said = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
        let said: Vec<&str> = said.filter(|line| !note_marks.iter().any(|mark| line.starts_with(mark))).collect();
        // A label at the end of a line has lost its space.
        let marked = |line: &str| {
            error_marks
                .iter()
                .any(|mark| line.contains(mark) || (mark.ends_with(' ') && line.ends_with(mark.trim_end())))
        };
        let errors: Vec<&str> = said.iter().copied().filter(|line| marked(line)).collect();
        let lines = if errors.is_empty() { said } else { errors };
        Self {
            searched: lines.iter().map(|line| Cow::Borrowed(*line)).collect(),
            lines,
            labels: error_marks.iter().copied().filter(|mark| mark.ends_with(' ')).collect(),
        }
    }

    /// Does not search what stands between two of this quote: names and values of the user's, in tools that quote them.
    /// The quotes themselves stay, so `role "x" does not exist` is searched as `role "" does not exist`.
    #[must_use]
    pub fn ignoring_quoted(mut self, quote: char) -> Self {
        for line in &mut self.searched {
            let mut shown = String::new();
            let mut rest: &str = line;
            while let Some((before, quoted)) = rest.split_once(quote)
                && let Some((_, after)) = quoted.split_once(quote)
            {
                shown.extend([before, quote.encode_utf8(&mut [0; 4]), quote.encode_utf8(&mut [0; 4])]);
                rest = after;
            }
            shown.push_str(rest);
            *line = Cow::Owned(shown);
        }
        self
    }

    /// Whether an error holds this text.
    pub fn said(&self, text: &str) -> bool {
        self.searched.iter().any(|line| line.contains(text))
    }

    /// Whether an error holds any of these texts.
    pub fn any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.said(text))
    }

    /// Whether one line holds all of these texts.
    pub fn all(&self, texts: &[&str]) -> bool {
        self.searched.iter().any(|line| texts.iter().all(|text| line.contains(text)))
    }

    /// The line that says most, the last error, from behind its label, at most 300 characters.
    pub fn last(&self) -> String {
        self.last_line().map_or_else(|| "it said nothing".to_owned(), cut)
    }

    fn last_line(&self) -> Option<&'a str> {
        let told = |line: &'a str| {
            let ends = self.labels.iter().filter_map(|label| line.rfind(label).map(|at| at + label.len()));
            ends.max().and_then(|at| line.get(at..)).unwrap_or(line).trim()
        };
        self.lines.iter().rev().map(|line| told(line)).find(|line| !line.is_empty())
    }

    /// What clients of all kinds say alike: that nothing answers, that a disk is full, that a file may not be read, that
    /// an option is not known.
    pub fn common(&self, tool: &str) -> Option<Failure> {
        let last = self.last();
        let unreachable = |what: &str, hint: &str| Some(Failure::unreachable(format!("{what}: {last}")).hint(hint));
        if self.any(&["Connection refused", "connection refused", "actively refused"]) {
            return unreachable(
                "nothing answers at the server's address",
                "check host and port, and that the server runs and listens there",
            );
        }
        if self.any(UNKNOWN_HOST) {
            return unreachable("the server's name is not known", "check the host in --db, and the name server");
        }
        if self.any(TIMED_OUT) {
            return unreachable(
                "the server did not answer in time",
                "check host and port, that the server runs, and that no firewall drops what is sent to it",
            );
        }
        if self.any(NO_ROUTE) {
            return unreachable("there is no way to the server", "check the host in --db, and the network");
        }
        if self.any(&[
            "No space left on device",
            "no space left on device",
            "Disk quota exceeded",
            "disk quota exceeded",
        ]) {
            return Some(
                Failure::database(format!("a disk is full: {last}"))
                    .hint("free space where the server's data or Plan B's work directory lies"),
            );
        }
        // As the C library says it. In small letters it is a right within the database, or a file's in a program in Go.
        let file = self.all(&["open ", "/", ": permission denied"]) || self.all(&["mkdir ", ": permission denied"]);
        if file || self.said("Permission denied") {
            return Some(
                Failure::access_denied(format!("{tool} may not use a file: {last}"))
                    .hint("check who owns the file and its folder, and the user that Plan B runs as"),
            );
        }
        if self.any(UNKNOWN_OPTION) {
            return Some(
                Failure::settings(format!("{tool} does not know an argument: {last}"))
                    .hint("check the extra arguments after --, and the tool's version"),
            );
        }
        None
    }

    /// What is left to say of a tool that failed in a way that nobody knows: its exit code and its last error.
    pub fn failure(&self, tool: &str, code: Option<i32>) -> Failure {
        Failure::of_tool(tool, code, self.last_line().unwrap_or_default())
    }
}

/// The C library's resolver (gai_strerror of glibc, musl and macOS), libpq, MySQL, Go and Java.
const UNKNOWN_HOST: &[&str] = &[
    "Name or service not known",
    "Temporary failure in name resolution",
    "No address associated with hostname",
    "Name does not resolve",
    "nodename nor servname provided",
    "could not translate host name",
    "Unknown MySQL server host",
    "Unknown server host",
    "Could not resolve host",
    "no such host",
    "UnknownHostException",
    "getaddrinfo ENOTFOUND",
];

const TIMED_OUT: &[&str] = &[
    "Connection timed out",
    "connection timed out",
    "connect timed out",
    "Operation timed out",
    "timeout expired",
    "i/o timeout",
    "Connection timeout",
    "context deadline exceeded",
    "server selection timeout",
];

const NO_ROUTE: &[&str] = &[
    "No route to host",
    "no route to host",
    "Network is unreachable",
    "network is unreachable",
    "Host is unreachable",
    "Network unreachable",
];

/// getopt_long of glibc, musl and BSD, Go's flag and pflag, Python's argparse, and the words of their like.
const UNKNOWN_OPTION: &[&str] = &[
    "unrecognized option",
    "unrecognised option",
    "unrecognized argument",
    "unknown option",
    "Unknown option",
    "unknown flag",
    "unknown shorthand flag",
    "unknown variable",
    "invalid option",
    "illegal option",
    "flag provided but not defined",
    "too many command-line arguments",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureCode;

    #[test]
    fn only_errors_are_searched() {
        let words = Words::new(
            "dump: reading certificates\ndump: error: it is locked\nHINT: a certificate\n\n",
            &["error: "],
            &["HINT:"],
        );
        assert!(words.said("locked") && words.any(&["x", "it is"]) && words.all(&["it", "locked"]));
        assert!(!words.said("certificate") && !words.all(&["it", "x"]));
        assert_eq!(words.last(), "it is locked");
        let unmarked = Words::new("first\nsecond\nHINT: third\n", &["error: "], &["HINT:"]);
        assert!(unmarked.said("first") && !unmarked.said("third"));
        assert_eq!(unmarked.last(), "second");
    }

    #[test]
    fn the_last_line_is_told_from_behind_its_labels() {
        let words =
            Words::new("a: error: to x failed: FATAL:  no \"error: \"", &["error: ", "FATAL:  ", "x failed"], &[]);
        assert_eq!(words.last(), "\"");
        assert_eq!(Words::new("t: error: \n", &["error: "], &[]).last(), "t: error:");
        assert_eq!(Words::new(" \n", &[], &[]).last(), "it said nothing");
        assert_eq!(Words::new(&"é".repeat(400), &[], &[]).last().chars().count(), 300);
    }

    #[test]
    fn quoted_names_are_not_searched() {
        let searched = |line: &str| Words::new(line, &[], &[]).ignoring_quoted('"').searched.concat();
        assert_eq!(searched("role \"x\" of \"y z\" is gone"), "role \"\" of \"\" is gone");
        assert_eq!(searched("\"x\""), "\"\"");
        assert_eq!(searched("a \"x\" b \"c"), "a \"\" b \"c");
        assert_eq!(searched("a\"b"), "a\"b");
        assert_eq!(searched("a \"x\"\"y\" b"), "a \"\"\"\" b");
        assert_eq!(searched("none"), "none");
        let words = Words::new("key \"certificates_pkey\"", &[], &[]).ignoring_quoted('"');
        assert!(!words.said("certificate"));
        assert_eq!(words.last(), "key \"certificates_pkey\"");
    }

    #[test]
    fn what_all_clients_say() {
        use FailureCode::{AccessDenied, Failed, InvalidRequest, Unreachable};
        for (line, code) in [
            ("dial tcp 127.0.0.1:1: connect: connection refused", Some(Unreachable)),
            ("could not translate host name \"x\" to address: Name or service not known", Some(Unreachable)),
            ("lookup db.invalid: no such host", Some(Unreachable)),
            ("Can't connect to MySQL server on 'db' (110): Connection timed out", Some(Unreachable)),
            ("connect: No route to host", Some(Unreachable)),
            ("write /x: no space left on device", Some(Failed)),
            ("cannot open /etc/x: Permission denied", Some(AccessDenied)),
            ("open /etc/x: permission denied", Some(AccessDenied)),
            ("permission denied for table x", None),
            ("tool: unrecognized option '--x'", Some(InvalidRequest)),
            ("flag provided but not defined: -x", Some(InvalidRequest)),
            ("what", None),
        ] {
            let failure = Words::new(line, &[], &[]).common("tool");
            assert_eq!(failure.as_ref().map(|failure| failure.code), code, "{line}");
            assert!(failure.is_none_or(|failure| failure.hint.is_some() && failure.message.ends_with(line)), "{line}");
        }
        let words = Words::new("cannot connect: Connection refused", &[], &[]);
        assert!(words.common("tool").is_some_and(|failure| failure.retryable));
    }
}
