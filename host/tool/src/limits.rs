//! What a tool may use of the machine, set by the shim just before it becomes the tool.
//!
//! A limit that a large backup could meet is a backup that fails on the day when it matters, so few are set by default, and
//! each of the others is there for who runs planb beside something that must not be disturbed.
//!
//! - Core dumps: always none. A tool's memory holds passwords and rows. (Not part of [`Limits`]: nobody may want them.)
//! - Open files: raised, since the usual 1,024 are too few for a server of a drill, or for a directory dump with many jobs.
//! - Size of a file, memory: unlimited unless asked for.
//! - Number of processes: none at all. The kernel counts those of the *user*, whatever started them, so a limit would fail a
//!   backup because of somebody else's processes.
//! - Address space (`RLIMIT_AS`): none at all. Runtimes (Go, Java, WiredTiger) reserve a lot that they never use.
//! - Processor time: none. A large backup takes long; `--timeout` is for that.

use std::io;

/// What a tool may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files open at a time: raised to this, as far as the hard limit allows, and never lowered.
    pub open_files: u64,
    /// The largest file that the tool may write. One that goes on is ended by SIGXFSZ. None: what the disk holds.
    pub file_bytes: Option<u64>,
    /// The memory that each process may have for itself (`RLIMIT_DATA`: not what it maps of files, nor what it only reserves).
    /// Not for servers. None: what the machine has.
    pub data_bytes: Option<u64>,
    /// How much sooner than others the tool is ended when memory runs out (0 to 1000; Linux's `oom_score_adj`): better a backup that says
    /// so than the database beside it, or planb, which then could not say anything. Never lowered.
    pub oom_score: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open_files: 65_536, file_bytes: None, data_bytes: None, oom_score: 500 }
    }
}

impl Limits {
    /// Sets them for this process and what comes of it.
    pub(crate) fn set(self) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // What of these is not granted leaves the tool with what it would have had.
        let files = getrlimit(Resource::Nofile);
        if let Some(soft) = files.current.filter(|soft| *soft < self.open_files) {
            let raised = files.maximum.map_or(self.open_files, |hard| hard.min(self.open_files)).max(soft);
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: files.maximum });
        }
        #[cfg(target_os = "linux")]
        self.prefer_for_oom();
        for (resource, bytes) in [(Resource::Fsize, self.file_bytes), (Resource::Data, self.data_bytes)] {
            if let Some(bytes) = bytes {
                // Never above what the user may have.
                let bytes = getrlimit(resource).maximum.map_or(bytes, |hard| hard.min(bytes));
                setrlimit(resource, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn prefer_for_oom(self) {
        const SCORE: &str = "/proc/self/oom_score_adj";
        let now = std::fs::read_to_string(SCORE).ok().and_then(|text| text.trim().parse::<i32>().ok());
        if now.is_some_and(|now| now < i32::from(self.oom_score)) {
            let _ = std::fs::write(SCORE, self.oom_score.to_string());
        }
    }

    /// As a word for the shim.
    pub(crate) fn word(self) -> String {
        let optional = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        format!("{}:{}:{}:{}", self.open_files, optional(self.file_bytes), optional(self.data_bytes), self.oom_score)
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        let optional = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        let mut parts = word.split(':');
        let limits = Self {
            open_files: parts.next()?.parse().ok()?,
            file_bytes: optional(parts.next()?)?,
            data_bytes: optional(parts.next()?)?,
            oom_score: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(limits)
    }
}
