//! SIGINT, SIGTERM and SIGHUP end a run cleanly; a second one ends planb at once (its tools die with it).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use planb_pipeline::{Stop, StopReason};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;
use crate::printer::Printer;

/// Whether a person is being asked something.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Asks a person on the terminal; a signal meanwhile ends planb at once.
pub(crate) fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    ASKING.store(true, Ordering::Relaxed);
    let answer = ask();
    ASKING.store(false, Ordering::Relaxed);
    answer
}

/// What ends the run: signals, and its own time.
pub(crate) fn stop(timeout: Option<Duration>) -> Arc<Stop> {
    let stop = Arc::new(Stop::default());
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let stop = Arc::clone(&stop);
        match signal(kind) {
            Ok(mut signals) => {
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        // Nothing was begun, and nobody else hears it: the question waits for a line.
                        let asking = ASKING.load(Ordering::Relaxed);
                        if asking {
                            Printer::note("\n");
                        }
                        if asking || stop.reason() == Some(StopReason::Interrupted) {
                            #[expect(clippy::disallowed_methods, reason = "that is what is asked for")]
                            std::process::exit(Exit::Interrupted as i32);
                        }
                        tracing::warn!("interrupted: ending the run cleanly; a second signal ends it at once");
                        stop.now(StopReason::Interrupted);
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "a signal cannot be listened to"),
        }
    }
    if let Some(time) = timeout.filter(|time| !time.is_zero()) {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            stop.now(StopReason::Timeout(time));
        });
    }
    stop
}
