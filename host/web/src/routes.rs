//! What each address answers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode};
use maud::Markup;
use percent_encoding::percent_decode_str;
use planb_model::secret::Secret;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::board::{Board, TriggerError};
use crate::exposition;
use crate::guard::{Admission, Names, admission};
use crate::metrics;
use crate::page::{self, Query};
use crate::status::{ReasonKind, Snapshot};

/// A body that comes in is not larger. None is read.
const BODY: usize = 16 << 10;

/// So many questions wait for the board at once; the rest is told that it does not answer.
const ASKING: usize = 4;

type Answer = Response<Full<Bytes>>;

/// What the answers are made from.
pub(crate) struct Routes {
    board: Arc<dyn Board>,
    names: Names,
    token: Option<Secret>,
    patience: Duration,
    asking: Arc<Semaphore>,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Overview,
    Job(String),
    Health,
    Ready,
    Metrics,
    Status,
    Trigger(String),
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let name = |part: &str| percent_decode_str(part).decode_utf8().ok().map(|name| name.into_owned());
        match path.strip_prefix('/')?.split('/').collect::<Vec<_>>().as_slice() {
            [""] => Some(Self::Overview),
            ["healthz"] => Some(Self::Health),
            ["readyz"] => Some(Self::Ready),
            ["metrics"] => Some(Self::Metrics),
            ["jobs", job] if !job.is_empty() => Some(Self::Job(name(job)?)),
            ["api", "status"] => Some(Self::Status),
            ["api", "jobs", job, "trigger"] if !job.is_empty() => Some(Self::Trigger(name(job)?)),
            _ => None,
        }
    }
}

impl Routes {
    pub(crate) fn new(board: Arc<dyn Board>, names: Names, token: Option<Secret>, patience: Duration) -> Self {
        Self { board, names, token, patience, asking: Arc::new(Semaphore::new(ASKING)) }
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let mut answer = self.route(request).await;
        let headers = answer.headers_mut();
        let policy = HeaderValue::from_str(&page::POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        answer
    }

    async fn route(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        if !self.names.admit(&head.headers, &head.uri) {
            let message = "planb is not known under this name";
            let hint = "ask for localhost or an address, or add the name to the hosts of the settings";
            return problem(StatusCode::MISDIRECTED_REQUEST, message, Some(hint));
        }
        let Some(place) = Place::of(head.uri.path()) else {
            return problem(StatusCode::NOT_FOUND, "there is nothing here", None);
        };
        if let Place::Trigger(job) = place {
            if head.method != Method::POST {
                return not_allowed("POST");
            }
            if Limited::new(body, BODY).collect().await.is_err() {
                return problem(StatusCode::PAYLOAD_TOO_LARGE, "a trigger needs no body", None);
            }
            return match admission(self.token.as_ref(), &head.headers) {
                Admission::Granted => self.trigger(job).await,
                Admission::Wrong => {
                    tracing::warn!(job = %job, "a trigger came without the right token");
                    let hint = "send it as `Authorization: Bearer TOKEN`";
                    let mut answer = problem(StatusCode::UNAUTHORIZED, "the token is not the right one", Some(hint));
                    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                    answer
                }
                Admission::Closed => {
                    let hint = "set a token in the settings of planb serve";
                    problem(StatusCode::FORBIDDEN, "triggers are switched off: no token is set", Some(hint))
                }
            };
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        let Some(snapshot) = self.snapshot().await else {
            let detail = format!("whoever runs the jobs did not answer within {} s", self.patience.as_secs());
            tracing::error!("{detail}");
            let reason = json!({"kind": ReasonKind::SchedulerStuck, "job": null, "detail": detail});
            let silent = json!({"healthy": false, "ready": false, "reasons": [reason]});
            return reply(StatusCode::SERVICE_UNAVAILABLE, JSON, format!("{silent:#}\n"));
        };
        show(&place, &snapshot, head.uri.query().unwrap_or_default(), head.uri.path())
    }

    /// This moment. None: whoever knows it does not answer.
    async fn snapshot(&self) -> Option<Snapshot> {
        let board = Arc::clone(&self.board);
        self.ask(move || board.snapshot().settled()).await
    }

    /// Asks the board on a thread that may block, and waits only so long. Questions that are never answered keep their
    /// permits, so that they cannot become many.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let answer = async {
            let permit = Arc::clone(&self.asking).acquire_owned().await.ok()?;
            let asked = spawn_blocking(move || {
                let _permit = permit;
                question()
            });
            asked.await.ok()
        };
        timeout(self.patience, answer).await.ok().flatten()
    }

    async fn trigger(&self, job: String) -> Answer {
        let board = Arc::clone(&self.board);
        let name = job.clone();
        let Some(answer) = self.ask(move || board.trigger(&name)).await else {
            let message = "planb did not answer in time; whether the run begins is not known";
            return problem(StatusCode::SERVICE_UNAVAILABLE, message, Some("look at /api/status"));
        };
        match answer {
            Ok(message) => {
                tracing::info!(job = %job, "triggered over HTTP");
                data(StatusCode::ACCEPTED, &json!({"job": job, "message": message}))
            }
            Err(error) => {
                let status = match error {
                    TriggerError::Unknown(_) => StatusCode::NOT_FOUND,
                    TriggerError::Busy(_) | TriggerError::Disabled(_) => StatusCode::CONFLICT,
                    TriggerError::Stopping(_) => StatusCode::SERVICE_UNAVAILABLE,
                    TriggerError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                problem(status, &error.to_string(), None)
            }
        }
    }
}

fn show(place: &Place, snapshot: &Snapshot, query: &str, path: &str) -> Answer {
    match place {
        Place::Health => {
            let status = if snapshot.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            data(status, &json!({"healthy": snapshot.healthy, "reasons": snapshot.reasons}))
        }
        Place::Ready => {
            let status = if snapshot.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            data(status, &json!({"ready": snapshot.ready}))
        }
        Place::Metrics => reply(StatusCode::OK, exposition::CONTENT_TYPE, metrics::render(snapshot)),
        Place::Status => match serde_json::to_string(&shortened(snapshot, query)) {
            Ok(text) => reply(StatusCode::OK, JSON, text),
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), None),
        },
        Place::Overview => page(StatusCode::OK, &page::overview(snapshot, &Query::parse(query))),
        Place::Job(name) => match snapshot.jobs.iter().find(|job| job.name == *name) {
            Some(job) => page(StatusCode::OK, &page::job(snapshot, job, &Query::parse(query), path)),
            None => page(
                StatusCode::NOT_FOUND,
                &page::sentence("No such job", "It is not in the settings, or not any more."),
            ),
        },
        // Answered before a snapshot is taken.
        Place::Trigger(_) => not_allowed("POST"),
    }
}

/// `?history=N`: only the newest runs of each job.
fn shortened(snapshot: &Snapshot, query: &str) -> Snapshot {
    let mut out = snapshot.clone();
    let kept = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "history");
    if let Some(kept) = kept.and_then(|(_, value)| value.parse::<usize>().ok()) {
        for job in &mut out.jobs {
            job.history.drain(..job.history.len().saturating_sub(kept));
        }
    }
    out
}

const JSON: &str = "application/json";

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn page(status: StatusCode, page: &Markup) -> Answer {
    reply(status, "text/html; charset=utf-8", page.0.clone())
}

fn data(status: StatusCode, value: &Value) -> Answer {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{value:#}");
    reply(status, JSON, text)
}

fn problem(status: StatusCode, message: &str, hint: Option<&str>) -> Answer {
    data(status, &json!({"error": {"message": message, "hint": hint}}))
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed} here"), None);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
