//! One measurement: wall time, processor time of the whole tree, and the peak memory of the first process alone.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sh::Done;

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timed {
    pub(crate) wall: f64,
    /// User and system time of the process and all that it waited for.
    pub(crate) cpu: f64,
    /// Peak resident memory of the process alone, in KiB.
    pub(crate) peak_kib: u64,
}

/// Runs a command to its end. It must succeed.
pub(crate) fn measure(mut command: Command) -> Done<Timed> {
    let shown = format!("{command:?}");
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("{shown}: {error}"))?;
    let (mut peak_kib, mut cpu) = (0, 0.0);
    let status = loop {
        let pid = child.id();
        peak_kib = peak_kib.max(field(pid, "VmHWM:"));
        // Read while it is there; the last look is at the zombie, which has the sums of its children too.
        cpu = ticks(pid).unwrap_or(cpu).max(cpu);
        if std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z ")) {
            cpu = ticks(pid).unwrap_or(cpu);
            break child.wait();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = start.elapsed().as_secs_f64();
    let status = status.map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(Timed { wall, cpu, peak_kib }) } else { Err(format!("{shown}: {status}")) }
}

fn field(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// utime, stime, cutime and cstime of proc(5), in seconds; a tick is a hundredth of one on Linux.
fn ticks(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = stat.rsplit_once(')')?.1;
    let sum: u64 = behind_name.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
    Some(sum as f64 / 100.0)
}

/// A row of a table: medians, with the range of the wall time.
pub(crate) struct Row {
    what: String,
    wall: (f64, f64, f64),
    cpu: f64,
    peak_kib: u64,
    bytes: Option<u64>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, runs: &[Timed]) -> Self {
        let sorted = |of: fn(&Timed) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let (wall, cpu) = (sorted(|run| run.wall), sorted(|run| run.cpu));
        let middle = |all: &[f64]| all.get(all.len() / 2).copied().unwrap_or(0.0);
        Self {
            what: what.into(),
            wall: (wall.first().copied().unwrap_or(0.0), middle(&wall), wall.last().copied().unwrap_or(0.0)),
            cpu: middle(&cpu),
            peak_kib: runs.iter().map(|run| run.peak_kib).max().unwrap_or(0),
            bytes: None,
        }
    }

    /// With the rate at which these bytes went through.
    pub(crate) fn of_bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

/// The head of a table of [`Row`]s.
pub(crate) fn header(what: &str) -> String {
    format!("| {what} | wall, median (range) | rate | CPU | peak memory of the process |\n|---|---|---|---|---|")
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds: f64| {
            if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
        };
        #[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
        let rate =
            self.bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0} MB/s", bytes as f64 / 1e6 / self.wall.1));
        write!(
            f,
            "| {} | {} ({} to {}) | {rate} | {} | {} MiB |",
            self.what,
            time(self.wall.1),
            time(self.wall.0),
            time(self.wall.2),
            time(self.cpu),
            self.peak_kib / 1024
        )
    }
}
