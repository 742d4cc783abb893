//! Spans of operations, for traces. The names of attributes are OpenTelemetry's where it has them
//! (<https://opentelemetry.io/docs/specs/semconv/database/>).

use planb_model::{Blame, TRACE};
use tracing::Span;
use tracing::field::Empty;

use crate::error::RunError;

/// The span of an operation on a backup: a `backup`, `restore`, `verify`, `copy` or `drill`.
pub fn span(operation: &'static str, engine: &str, database: &str, id: &str) -> Span {
    tracing::info_span!(
        target: TRACE,
        "operation",
        otel.name = operation,
        otel.status_code = Empty,
        error.r#type = Empty,
        db.system.name = engine,
        db.namespace = database,
        planb.backup_id = id,
        planb.plain_bytes = Empty,
        planb.stored_bytes = Empty,
    )
}

/// The span of a pass of retention.
pub(crate) fn prune(dry_run: bool) -> Span {
    tracing::info_span!(
        target: TRACE,
        "operation",
        otel.name = "prune",
        otel.status_code = Empty,
        error.r#type = Empty,
        planb.dry_run = dry_run,
        planb.removed = Empty,
        planb.freed_bytes = Empty,
    )
}

/// How it came out: good, or whose fault it was that it did not.
pub fn ended(span: &Span, error: Option<&RunError>) {
    blamed(span, error.map(RunError::blame));
}

/// The same.
pub fn blamed(span: &Span, blame: Option<Blame>) {
    match blame {
        None => span.record("otel.status_code", "OK"),
        Some(blame) => {
            span.record("error.type", format!("{blame:?}").to_lowercase());
            span.record("otel.status_code", "ERROR")
        }
    };
}
