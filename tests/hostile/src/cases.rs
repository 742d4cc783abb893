//! Counting: how many attacks were tried, and which got through.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

/// The cases of one test. One that gets through does not keep the others from being tried.
#[derive(Debug)]
pub struct Cases {
    tried: usize,
    through: Vec<String>,
}

impl Cases {
    /// No case yet.
    #[expect(clippy::new_without_default, reason = "a test begins to count; it has no default")]
    pub fn new() -> Self {
        Self { tried: 0, through: Vec::new() }
    }

    /// Counts one: what was tried, and how it was held (or why not).
    pub fn case(&mut self, what: impl Into<String>, held: Result<(), String>) {
        self.tried += 1;
        if let Err(why) = held {
            let what = what.into();
            eprintln!("GOT THROUGH: {what}: {why}");
            self.through.push(format!("{what}: {why}"));
        }
    }

    /// Where the figures are kept for the closing output.
    fn file() -> PathBuf {
        let target = || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            target.unwrap_or_else(|| planb_harness::workspace().join("target")).join("planb-cases")
        };
        std::env::var_os("PLANB_CASES_DIR").map_or_else(target, PathBuf::from).join("hostile-plugins.txt")
    }
}

impl Drop for Cases {
    /// Keeps the figure, and fails the test if anything got through.
    fn drop(&mut self) {
        // A test that ends in the middle did not hold.
        let through = self.through.len() + usize::from(std::thread::panicking());
        let line = format!("CASES hostile-plugins: {} tried, {through} got through", self.tried);
        eprintln!("{line}");
        let file = Self::file();
        if let Some(folder) = file.parent()
            && fs::create_dir_all(folder).is_ok()
            && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file)
        {
            // One write for one line: tests of several processes add to the same file.
            drop(file.write_all(format!("{line}\n").as_bytes()));
        }
        if !std::thread::panicking() {
            assert!(self.through.is_empty(), "{} of {}:\n{}", self.through.len(), self.tried, self.through.join("\n"));
            assert!(self.tried > 0, "nothing was tried");
        }
    }
}
