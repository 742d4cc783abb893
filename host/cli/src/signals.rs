//! SIGINT, SIGTERM and SIGHUP end a run cleanly; a second one ends planb at once (its tools die with it).

use std::sync::Arc;
use std::time::Duration;

use planb_pipeline::{Stop, StopReason};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;

/// What ends the run: signals, and its own time.
pub(crate) fn stop(timeout: Option<Duration>) -> Arc<Stop> {
    let stop = Arc::new(Stop::default());
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let stop = Arc::clone(&stop);
        match signal(kind) {
            Ok(mut signals) => {
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        if stop.reason() == Some(StopReason::Interrupted) {
                            #[expect(clippy::disallowed_methods, reason = "the second signal asks for just that")]
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
