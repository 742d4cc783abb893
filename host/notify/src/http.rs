//! One POST: what is sent, and what its end means for trying again.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, StatusCode, redirect};

use crate::endpoint::Endpoint;
use crate::retry::{Outcome, timed_out};
use crate::sign::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
use crate::words::{head, one_line};

/// So much of an answer is read, to say what is wrong.
const MOST_READ: usize = 4096;
/// So much of it is shown.
const MOST_SHOWN: usize = 200;

/// What is posted.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) endpoint: Endpoint,
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: &'static str,
    /// Sent as `Authorization: Bearer`.
    pub(crate) bearer: Option<Secret>,
    /// Signs body and time.
    pub(crate) signing: Option<Secret>,
    pub(crate) headers: HeaderMap,
}

impl Post {
    /// A JSON document.
    pub(crate) fn json(endpoint: &Endpoint, document: &serde_json::Value) -> Self {
        Self::of(endpoint, "application/json", document.to_string())
    }

    /// Plain text.
    pub(crate) fn text(endpoint: &Endpoint, text: String) -> Self {
        Self::of(endpoint, "text/plain; charset=utf-8", text)
    }

    fn of(endpoint: &Endpoint, content_type: &'static str, body: String) -> Self {
        Self {
            endpoint: endpoint.clone(),
            body: body.into_bytes(),
            content_type,
            bearer: None,
            signing: None,
            headers: HeaderMap::new(),
        }
    }

    /// Sends it once. The time in its signature is that of this try.
    pub(crate) async fn send(&self, client: &Client, redactor: &Redactor, limit: Duration) -> Outcome {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(bearer) = &self.bearer {
            match sensitive(&format!("Bearer {}", bearer.expose())) {
                Some(value) => headers.insert(AUTHORIZATION, value),
                None => return Outcome::Never { why: "the token does not fit into a header".to_owned() },
            };
        }
        if let Some(key) = &self.signing {
            let now = Timestamp::now().as_second().to_string();
            let signed = signature(key, &now, &self.body);
            for (name, value) in [(TIMESTAMP_HEADER, now), (SIGNATURE_HEADER, signed)] {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    headers.insert(name, value);
                }
            }
        }
        let request =
            client.post(self.endpoint.expose().clone()).headers(headers).body(self.body.clone()).timeout(limit);
        match request.send().await {
            Ok(response) => self.judge(response, redactor).await,
            Err(error) => failed(error, redactor, limit),
        }
    }

    async fn judge(&self, mut response: Response, redactor: &Redactor) -> Outcome {
        let status = response.status();
        if status.is_success() {
            return Outcome::Done;
        }
        if status.is_redirection() {
            return Outcome::Never {
                why: format!("it answered {status}, and redirects are not followed; set the address that it leads to"),
            };
        }
        let after = response.headers().get(RETRY_AFTER).and_then(|value| wait_asked(value, SystemTime::now()));
        let mut said = Vec::new();
        while said.len() < MOST_READ {
            match response.chunk().await {
                Ok(Some(chunk)) => said.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        said.truncate(MOST_READ);
        let said = head(&one_line(&redactor.redact(&String::from_utf8_lossy(&said))), MOST_SHOWN);
        let why =
            if said.is_empty() { format!("it answered {status}") } else { format!("it answered {status}: {said}") };
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
        {
            Outcome::Again { why, after }
        } else {
            Outcome::Never { why }
        }
    }
}

/// A header's value that is not shown in traces.
pub(crate) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A client that follows no redirect: what is sent is for one server alone.
///
/// A system without any certificate of an authority still reaches plain http addresses; https ones are then refused.
pub(crate) fn client(authority: Option<&[u8]>) -> Result<Client, String> {
    let certificates = authority.map_or(Ok(Vec::new()), Certificate::from_pem_bundle).map_err(|error| chain(&error))?;
    let builder = || {
        Client::builder()
            .user_agent(concat!("planb/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(1)
    };
    let merged = builder().tls_certs_merge(certificates.clone()).build();
    merged.or_else(|_| builder().tls_certs_only(certificates).build()).map_err(|error| chain(&error))
}

/// What a failed try means. A certificate that is wrong now is wrong in a second.
fn failed(error: reqwest::Error, redactor: &Redactor, limit: Duration) -> Outcome {
    let error = error.without_url();
    if error.is_timeout() {
        return Outcome::Again { why: timed_out(limit), after: None };
    }
    let why = one_line(&redactor.redact(&chain(&error)));
    if error.is_builder() || refused_by_tls(&error) {
        Outcome::Never { why }
    } else {
        Outcome::Again { why, after: None }
    }
}

/// Whether the other side's certificate or way of speaking TLS is at fault.
pub(crate) fn refused_by_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        // An I/O error that wraps another one has that one's source for its own, and hides it otherwise.
        next = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

/// An error and its causes, each said once, without those that say only that there is a cause.
pub(crate) fn chain(error: &dyn Error) -> String {
    const EMPTY: [&str; 2] = ["error sending request", "client error (Connect)"];
    let mut said = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        next = error.source();
        if said.contains(&words) || next.is_some() && EMPTY.contains(&&*words) {
            continue;
        }
        said = if said.is_empty() { words } else { format!("{said}: {words}") };
    }
    said
}

/// `Retry-After`: seconds or a date.
fn wait_asked(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_by_a_date() {
        let now = SystemTime::from("2015-10-21T07:27:30Z".parse::<Timestamp>().unwrap());
        let asked = |text: &str| wait_asked(&HeaderValue::from_str(text).unwrap(), now);
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("0.65"), Some(Duration::from_millis(650)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Wed, 21 Oct 2015 07:20:00 GMT"), Some(Duration::ZERO));
        assert_eq!([asked("soon"), asked("-1"), asked("inf")], [None; 3]);
    }
}
