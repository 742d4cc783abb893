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
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::client::Client;

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
        let client = Client::new(tokio::runtime::Handle::current()).map_err(|error| fail(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).with_protocol(protocol);
        let exporter = exporter.build().map_err(|error| fail(&error))?;
        let mut resource = Resource::builder();
        if env("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("planb");
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Some(Self { provider }))
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
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}
