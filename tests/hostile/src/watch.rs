//! A run of `planb` under watch: its time, its memory, its words.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use planb_harness::{Output, Planb};
use rustix::process::{Pid, Signal, kill_process};

/// More than this `planb` never takes, whatever a plugin does: two instances of 256 MiB at a time, what one call may pass to the
/// host and its copies, and planb itself. In KiB.
pub const MEMORY: u64 = 640 << 10;

/// No budget is as long as this, on no machine: who still runs then has none.
const HANG: Duration = Duration::from_secs(150);

/// Between two looks at the high-water mark. What is taken and given back at the very end can be missed for this long.
const LOOK: Duration = Duration::from_millis(2);

/// How a run ended, and what it took.
#[derive(Debug)]
pub struct Watched {
    /// Its output.
    pub output: Output,
    /// The high-water mark of its memory, in KiB.
    pub peak: u64,
    /// It was ended by us.
    hung: bool,
}

/// Runs a command to its end, or ends it where it has none.
pub fn watched(command: &Planb) -> Watched {
    let running = command.spawn();
    let pid = running.pid();
    let (ended, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watcher = {
        let (ended, peak) = (Arc::clone(&ended), Arc::clone(&peak));
        std::thread::spawn(move || {
            let begin = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(high_water(pid), Ordering::Relaxed);
                if begin.elapsed() > HANG {
                    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                    let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
                    return true;
                }
                std::thread::sleep(LOOK);
            }
            false
        })
    };
    let output = running.wait();
    ended.store(true, Ordering::Relaxed);
    let hung = watcher.join().unwrap_or(true);
    Watched { output, peak: peak.load(Ordering::Relaxed), hung }
}

/// `VmHWM` of a process in KiB; of one that has ended, 0.
fn high_water(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

impl Watched {
    /// It ended by itself, with this code, and neither broke nor took more than its memory.
    ///
    /// # Errors
    /// What was not so.
    pub fn ended(&self, code: i32) -> Result<(), String> {
        let fail = |why: &str| Err(format!("{why}\n{:.4000}", format!("{:?}", self.output)));
        if self.hung {
            return fail("it did not end");
        }
        if self.output.code != Some(code) {
            return fail(&format!("exit code {:?} and not {code}", self.output.code));
        }
        // A plugin's own panic stands inside planb's message, planb's own at the beginning of a line.
        let broke = |line: &str| line.starts_with("thread '") || line.contains("a stage broke");
        if self.output.stderr.lines().any(broke) {
            return fail("planb itself broke");
        }
        if self.output.stderr.contains('\u{1b}') || self.output.stdout.contains('\u{1b}') {
            return fail("an escape reached the terminal");
        }
        if self.output.stderr.len() > 256 << 10 {
            return fail(&format!("it printed {} bytes", self.output.stderr.len()));
        }
        if self.peak > MEMORY {
            return fail(&format!("it took {} MiB of memory, the bound is {} MiB", self.peak >> 10, MEMORY >> 10));
        }
        Ok(())
    }

    /// The plugin was refused or stopped: exit code 4, and a message that names it and the rule.
    ///
    /// # Errors
    /// What was not so.
    pub fn refused(&self, plugin: &Path, rule: &str) -> Result<(), String> {
        self.ended(4)?;
        self.says(&plugin.display().to_string())?;
        self.says(rule)
    }

    /// Its words for people hold this.
    ///
    /// # Errors
    /// They do not.
    pub fn says(&self, words: &str) -> Result<(), String> {
        if self.output.stderr.contains(words) {
            return Ok(());
        }
        Err(format!("it does not say {words:?}\n{:.4000}", format!("{:?}", self.output)))
    }
}
