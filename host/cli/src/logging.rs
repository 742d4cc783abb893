//! The log on stderr. Every line passes the redactor, whoever wrote it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use planb_traces::Traces;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::args::{Global, LogFormat};
use crate::printer::Printer;

/// Whether anything had to be taken out of a line.
static LEAKED: AtomicBool = AtomicBool::new(false);
static REDACTOR: Mutex<Option<Redactor>> = Mutex::new(None);

const QUIET: [&str; 7] = [
    // Spans for traces.
    "planb_span=off",
    "reqsign=info",
    "reqsign_core=info",
    "reqsign_aws_v4=info",
    "reqsign_azure_storage=info",
    "reqsign_google=info",
    "reqsign_file_read_tokio=info",
];

/// From now on this value does not reach the log.
pub(crate) fn hide(secret: &Secret) {
    REDACTOR.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().add(secret);
}

/// Whether a line of the log held a secret that had to be taken out of it.
pub(crate) fn leaked() -> bool {
    LEAKED.load(Ordering::Relaxed)
}

/// A text without the known secrets.
pub(crate) fn redact(text: &str) -> String {
    match &*REDACTOR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(redactor) => redactor.redact(text),
        None => text.to_owned(),
    }
}

/// Sets the log up: `RUST_LOG` if it is set, else the level for planb and warnings of the libraries.
pub(crate) fn start(global: &Global, traces: Option<&Traces>) {
    let level = global.log_level.as_deref().unwrap_or(if Printer::interactive() { "warn" } else { "info" });
    let names = ["planb", "planb_model", "planb_plugin", "planb_tool", "planb_store", "planb_pipeline", "planb_proof"];
    let quiet = if level == "error" { "error" } else { "warn" };
    let ours: Vec<_> = names.iter().map(|name| format!("{name}={level}")).collect();
    let filter = crate::settings::env("RUST_LOG").and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(format!("{quiet},{}", ours.join(","))));
    // The library that signs requests shows credentials in its debug lines; nobody needs those.
    let filter = QUIET.iter().filter_map(|line| line.parse().ok()).fold(filter, EnvFilter::add_directive);
    let layer = tracing_subscriber::fmt::layer().with_writer(Redacting).with_ansi(Printer::interactive());
    let layer = match global.log_format {
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => layer.with_target(false).with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(traces.map(Traces::layer)).with(layer).init();
    // What stores read from the environment.
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
    ] {
        if let Some(value) = crate::settings::env(name) {
            hide(&Secret::new(value));
        }
    }
    planb_traces::secrets(crate::settings::env).iter().for_each(hide);
}

#[derive(Debug, Clone, Copy)]
struct Redacting;

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Line;

    fn make_writer(&'a self) -> Self::Writer {
        Line(Vec::new())
    }
}

/// One event, written as a whole when it is complete.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        let text = redact(&line);
        if text != line {
            LEAKED.store(true, Ordering::Relaxed);
        }
        crate::progress::aside(|| {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }
}
