//! What a test cannot get on this machine: skipped by name, never silently.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;

/// Why something is not to be had here.
#[derive(Debug, Clone)]
pub struct Skip {
    /// The thing that is missing.
    pub what: String,
    /// Why, and what a person could type to have it.
    pub why: String,
}

impl Skip {
    /// Says that `what` is not to be had because of `why`.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Skip {}

/// Prints and records that a test was skipped. With `PLANB_REQUIRE_ALL=1` it panics instead.
pub fn report(skip: &Skip) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("PLANB_REQUIRE_ALL").as_deref() != Ok("1"), "PLANB_REQUIRE_ALL=1 and {test} needs {skip}");
    let line = format!("SKIPPED: {test}: {}", skip.to_string().replace('\n', " "));
    eprintln!("{line}");
    let folder = crate::provision::folder();
    if fs::create_dir_all(&folder).is_ok()
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(folder.join("skipped.txt"))
    {
        drop(writeln!(file, "{line}"));
    }
}

/// The value, or `None` after the skip was reported.
pub fn unavailable<T>(result: Result<T, Skip>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(skip) => {
            report(&skip);
            None
        }
    }
}

/// `skip!(result)` is the value of a `Result<T, Skip>`, or returns from the test; `skip!(what, why)` returns from it.
#[macro_export]
macro_rules! skip {
    ($result:expr $(,)?) => {
        match $crate::skip::unavailable($result) {
            Some(value) => value,
            None => return,
        }
    };
    ($what:expr, $why:expr $(,)?) => {{
        $crate::skip::report(&$crate::Skip::new($what, $why));
        return;
    }};
}
