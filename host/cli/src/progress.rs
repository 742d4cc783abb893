//! The progress line on a terminal; elsewhere a line in the log every half minute.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use planb_pipeline::Progress;
use tokio::task::JoinHandle;

use crate::printer::{Printer, bytes};

const TICK: Duration = Duration::from_millis(120);
const LOGGED: Duration = Duration::from_secs(30);

/// One line for each database that is backed up now.
static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Writes to stderr without tearing the progress line.
pub(crate) fn aside(write: impl FnOnce()) {
    LINES.suspend(write);
}

/// Shows a run until it is dropped.
pub(crate) struct Shown {
    task: JoinHandle<()>,
    bar: Option<ProgressBar>,
}

/// Begins to show a run. `verb` and `what`: "backing up", "orders".
pub(crate) fn show(progress: &Arc<Progress>, verb: &'static str, what: String) -> Shown {
    let progress = Arc::clone(progress);
    let interactive = Printer::interactive();
    let bar = interactive.then(|| {
        let bar = LINES.add(ProgressBar::new_spinner());
        let style =
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar
    });
    let line_of = bar.clone();
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(if interactive { TICK } else { LOGGED });
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let line = line(&progress, verb, &what, start.elapsed());
            match &line_of {
                Some(bar) => {
                    bar.set_message(line);
                    bar.tick();
                }
                None => tracing::info!("{line}"),
            }
        }
    });
    Shown { task, bar }
}

fn line(progress: &Progress, verb: &str, what: &str, elapsed: Duration) -> String {
    let (plain, stored, expected) = (progress.plain(), progress.stored(), progress.expected());
    let mut out = format!("{verb} {what}: {} {}", progress.stage().as_str(), bytes(plain));
    // A hint of the server, not a promise: shown while it is not wrong yet.
    if expected > plain {
        out.push_str(&format!(" of about {}", bytes(expected)));
    }
    if stored > 0 {
        out.push_str(&format!(", {} stored", bytes(stored)));
    }
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    out.push_str(&format!(", {}/s, {} s", bytes(plain.saturating_mul(1000) / ms), elapsed.as_secs()));
    out
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
