//! The HTTP client: the exporter's thread is none of the runtime's, so requests are handed over to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Collectors answer with a few bytes.
const LONGEST: u64 = 64 << 10;
/// For one request; the exporter has a time of its own beside it.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client {
    runtime: Handle,
    client: reqwest::Client,
    /// Whether a failure was told of already: one for each batch would bury what matters.
    told: AtomicBool,
}

impl Client {
    pub(crate) fn new(runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { runtime, client, told: AtomicBool::new(false) })
    }

    fn tell(&self, why: &str) {
        if self.told.swap(true, Ordering::Relaxed) {
            tracing::debug!(why, "traces could not be sent");
        } else {
            tracing::warn!(why, "traces could not be sent; this is said once");
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let request = reqwest::Request::try_from(request)?;
            let answer = client.execute(request).await?;
            let (status, long) = (answer.status(), answer.content_length().is_some_and(|length| length > LONGEST));
            let body = if long { Bytes::new() } else { answer.bytes().await? };
            Ok::<_, reqwest::Error>((status, body))
        });
        let (status, body) = match sent.await {
            Ok(Ok(answer)) => answer,
            // The address is in the settings; its credentials, if it has any, have no place in a log.
            Ok(Err(error)) => {
                let error = error.without_url();
                self.tell(&root(&error));
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        if !status.is_success() {
            self.tell(&format!("the collector answered {status}"));
        }
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        Ok(answer)
    }
}

/// The innermost cause: what a person can do something about.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
