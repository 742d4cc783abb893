//! Traces of runs, sent to an OpenTelemetry collector: what a backup, restore, drill or prune did, stage by stage.
//!
//! Off unless the environment names a collector, by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). Spans are made by whoever does the work, with the
//! [target](planb_model::TRACE) of traces, which the log leaves out; here they are only sent on. They name engines, databases,
//! ids, sizes and whose fault a failure was, and never hold the text of an error or of a command.
//!
//! A collector that does not answer costs a run nothing but the two seconds that the last spans are given at its end.

mod client;

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use planb_model::secret::Secret;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::client::{Client, Told};

/// How long the last spans may take.
const LAST: Duration = Duration::from_secs(2);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent: {0}")]
pub struct TracesError(String);

/// Sends spans, in the background.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    told: Told,
}

/// The secrets in the headers for the collector: to be kept out of the log.
pub fn secrets(env: impl Fn(&str) -> Option<String>) -> Vec<Secret> {
    const SECRETIVE: [&str; 6] = ["auth", "key", "token", "secret", "pass", "cookie"];
    let mut secrets = Vec::new();
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        let value = env(name).unwrap_or_default();
        for (name, value) in value.split(',').filter_map(|header| header.split_once('=')) {
            let name = name.to_lowercase();
            if SECRETIVE.iter().any(|part| name.contains(part)) {
                // As it is written, as it is sent, and without its scheme (`Bearer%20...`).
                let sent = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
                let bare = sent.rsplit(' ').next().unwrap_or_default().to_owned();
                secrets.extend([value.trim().to_owned(), sent, bare].map(Secret::new));
            }
        }
    }
    secrets
}

impl Traces {
    /// Sends to the collector that the environment names. `env` reads a variable, as none where it is empty. None: there is no
    /// collector, or tracing is switched off. To be called within a runtime, whose threads do the sending.
    ///
    /// # Errors
    /// [`TracesError`] for a setting that cannot be.
    pub fn start(env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TracesError> {
        let fail = |error: &dyn std::fmt::Display| TracesError(error.to_string());
        let named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
            .iter()
            .any(|name| env(name).is_some());
        let off = env("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || env("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if !named || off {
            return Ok(None);
        }
        let protocol = env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| env("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let protocol = match protocol.as_deref() {
            None | Some("http/protobuf") => Protocol::HttpBinary,
            Some("http/json") => Protocol::HttpJson,
            Some(other) => {
                let known = "http/protobuf and http/json are what planb speaks (port 4318 of most collectors)";
                return Err(TracesError(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other:?}; {known}")));
            }
        };
        let told = Told::default();
        let client = Client::new(tokio::runtime::Handle::current(), told.clone()).map_err(|error| fail(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).with_protocol(protocol);
        // The library's own text repeats the address, which may hold a password.
        let wrong = |_| {
            TracesError("OTEL_EXPORTER_OTLP_ENDPOINT (or _TRACES_ENDPOINT) is no address of a collector".to_owned())
        };
        let exporter = exporter.build().map_err(wrong)?;
        let mut resource = Resource::builder();
        if env("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("planb");
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Some(Self { provider, told }))
    }

    /// What brings spans here.
    pub fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(&self) -> impl Layer<S> + use<S> {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("planb"))
            // Where in planb's code a span was made says nothing to those who look at it.
            .with_location(false)
            .with_threads(false)
            .with_target(false);
        layer.with_filter(filter_fn(|meta| meta.is_span() && meta.target() == planb_model::TRACE))
    }

    /// Sends what is left. Blocks for two seconds at most.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST) {
            self.told.tell(&error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn secrets_of_headers() {
        let headers = "x-dataset=backups, Authorization=Bearer%20hunter2,x-honeycomb-team=abc,api-key=k%3D1";
        let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| headers.to_owned());
        let found: Vec<_> = secrets(env).iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(found, ["Bearer%20hunter2", "Bearer hunter2", "hunter2", "k%3D1", "k=1", "k=1"]);
    }

    #[tokio::test]
    async fn what_cannot_be_is_said_without_repeating_it() {
        let env = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| "http://u:hunter2@h:4318".to_owned());
        assert!(Traces::start(env).unwrap().is_some());
        let off = |name: &str| if name == "OTEL_SDK_DISABLED" { Some("TRUE".to_owned()) } else { env(name) };
        assert!(Traces::start(off).unwrap().is_none());
        assert!(Traces::start(|_| None).unwrap().is_none());
        let grpc = |name: &str| if name == "OTEL_EXPORTER_OTLP_PROTOCOL" { Some("grpc".to_owned()) } else { env(name) };
        assert!(Traces::start(grpc).unwrap_err().to_string().contains("http/protobuf"));
    }
}
