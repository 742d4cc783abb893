//! Counting: how many faults were tried, and after how many of them something was lost.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// A case: what it is, and what is tried.
pub type Case<'a> = (String, Box<dyn FnOnce() + Send + 'a>);

/// The cases of one kind of fault. A case that fails does not keep the others from being tried.
#[derive(Debug)]
pub struct Cases {
    name: &'static str,
    tried: usize,
    lost: Vec<String>,
}

impl Cases {
    /// Counts cases under this name.
    pub fn new(name: &'static str) -> Self {
        Self { name, tried: 0, lost: Vec::new() }
    }

    /// Tries one. It panics where something was lost; what it panicked with is told at the end.
    pub fn case(&mut self, what: impl Into<String>, body: impl FnOnce()) {
        let lost = failed(body);
        self.add(&what.into(), lost);
    }

    /// Tries several, so many at once: for those that mostly wait.
    pub fn at_once(&mut self, workers: usize, cases: Vec<Case<'_>>) {
        let queue = Mutex::new(cases.into_iter());
        let shared = Mutex::new(self);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().expect("no one panics with it").next();
                        let Some((what, body)) = next else { return };
                        let lost = failed(body);
                        shared.lock().expect("no one panics with it").add(&what, lost);
                    }
                });
            }
        });
    }

    fn add(&mut self, what: &str, lost: Option<String>) {
        self.tried += 1;
        if let Some(why) = lost {
            eprintln!("LOST in {}: {what}", self.name);
            self.lost.push(format!("{what}: {why}"));
        }
    }

    /// How many were tried.
    pub fn tried(&self) -> usize {
        self.tried
    }
}

/// Why it panicked, if it did.
fn failed(body: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(body)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).or(Some(String::new()))
}

impl Drop for Cases {
    /// Prints and keeps the figure, and fails the test if something was lost.
    fn drop(&mut self) {
        // A test that ends in the middle has lost something too.
        let lost = self.lost.len() + usize::from(std::thread::panicking());
        let line = format!("CASES {}: {} tried, {lost} lost", self.name, self.tried);
        eprintln!("{line}");
        let target = std::env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| planb_harness::workspace().join("target"), Into::into);
        let folder = target.join("planb-cases");
        if fs::create_dir_all(&folder).is_ok()
            && let Ok(mut file) =
                OpenOptions::new().create(true).append(true).open(folder.join(format!("{}.txt", self.name)))
        {
            // One write for one line: tests of several processes add to the same file.
            drop(file.write_all(format!("{line}\n").as_bytes()));
        }
        assert!(
            self.lost.is_empty() || std::thread::panicking(),
            "{} of {} cases of {}:\n{}",
            self.lost.len(),
            self.tried,
            self.name,
            self.lost.join("\n")
        );
        assert!(self.tried > 0 || std::thread::panicking(), "no case of {} was tried", self.name);
    }
}
