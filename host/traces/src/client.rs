//! The HTTP client: the exporter's thread is none of the runtime's, so requests are handed over to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Collectors answer with a few bytes.
const LONGEST: usize = 64 << 10;
/// For one request; the exporter has a time of its own beside it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a failure was told of already: one for each batch would bury what matters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<AtomicBool>);

impl Told {
    pub(crate) fn tell(&self, why: &str) {
        if self.0.swap(true, Ordering::Relaxed) {
            tracing::debug!(why, "traces could not be sent");
        } else {
            tracing::warn!(why, "traces could not be sent; this is said once");
        }
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    runtime: Handle,
    client: reqwest::Client,
    told: Told,
}

impl Client {
    pub(crate) fn new(runtime: Handle, told: Told) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { runtime, client, told })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let request = reqwest::Request::try_from(request)?;
            let mut answer = client.execute(request).await?;
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                // What is more is no answer of a collector, and nobody reads it.
                if body.len() + chunk.len() > LONGEST {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((answer.status(), Bytes::from(body)))
        });
        let (status, body) = match sent.await {
            Ok(Ok(answer)) => answer,
            // The address is in the settings; its credentials, if it has any, have no place in a log.
            Ok(Err(error)) => {
                let error = error.without_url();
                self.told.tell(&root(&error));
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        if !status.is_success() {
            self.told.tell(&format!("the collector answered {status}"));
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
