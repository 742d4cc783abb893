//! The callback protocol of the Plan B runner: `{job_id, status, message, timestamp}` to the URL when a run begins and
//! ends, and `{job_id, metadata: {bytes, object_key}, timestamp}` to `/metadata` below it once there is a backup.
//!
//! The metadata goes before the last status, as the runner did it: a job that is a success has its metadata.

use jiff::{Timestamp, Unit};
use planb_model::redact::Redactor;
use planb_model::secret::Secret;
use reqwest::Client;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::event::{Event, Kind, Phase, Status};
use crate::http::Post;
use crate::message::Message;
use crate::retry::{Limits, persist};
use crate::words::one_line;

/// Tells a platform of an event.
pub(crate) async fn deliver(
    event: &Event,
    endpoint: &Endpoint,
    secret: Option<&Secret>,
    (client, redactor, limits): (&Client, &Redactor, &Limits),
) -> (u32, Result<(), String>) {
    let mut tries = 0;
    let mut result = Ok(());
    let posts =
        [metadata(event).map(|body| (endpoint.below("metadata"), body)), Some((endpoint.clone(), status(event)))];
    for (endpoint, body) in posts.into_iter().flatten() {
        let mut post = Post::json(&endpoint, &body);
        post.bearer = secret.cloned();
        post.signing = secret.cloned();
        // A platform that does not take the metadata is told the outcome all the same.
        let (more, ended) = persist(limits, |limit| post.send(client, redactor, limit)).await;
        tries += more;
        result = result.and(ended);
    }
    (tries, result)
}

fn job_id(event: &Event) -> &str {
    event.job_id.as_deref().unwrap_or(event.name())
}

/// The protocol knows three words. What is not in every store is no success, and what was skipped made no backup.
fn status(event: &Event) -> Value {
    let word = match (event.phase, event.status) {
        (Phase::Started, _) | (_, Status::Running) => "running",
        (_, Status::Success | Status::Recovered) => "success",
        (_, Status::Failed | Status::Partial | Status::Skipped) => "failed",
    };
    json!({"job_id": job_id(event), "status": word, "message": told(event), "timestamp": timestamp(event.at)})
}

fn told(event: &Event) -> String {
    let subject = Message::of(event).subject();
    let mut why: Vec<_> = event.error.iter().map(|error| error.message.clone()).collect();
    why.extend(event.error.iter().filter_map(|error| error.hint.clone()));
    if event.error.is_none() {
        why.extend(event.stores.iter().filter_map(|store| Some(format!("{}: {}", store.url, store.error.as_ref()?))));
    }
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    one_line(&format!("{subject}{why}"))
}

fn metadata(event: &Event) -> Option<Value> {
    let object_key = event
        .object_key
        .as_ref()
        .filter(|_| event.kind == Kind::Run && event.phase == Phase::Finished && event.status == Status::Success)?;
    Some(json!({
        "job_id": job_id(event),
        "metadata": {"bytes": event.stored_bytes, "object_key": object_key},
        "timestamp": timestamp(event.at),
    }))
}

/// In UTC with a `Z`, and no finer than what every reader of such times takes.
fn timestamp(at: Timestamp) -> String {
    at.round(Unit::Microsecond).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::Problem;

    fn event(phase: Phase, status: Status) -> Event {
        Event {
            at: "2026-11-21T08:28:00.962491351Z".parse().unwrap(),
            ..Event::new(Kind::Run, phase, status, "nightly")
        }
    }

    #[test]
    fn says_the_three_words_of_the_protocol() {
        let sent = |event: Event| status(&event).to_string();
        assert_eq!(
            sent(Event { job_id: Some("42".to_owned()), ..event(Phase::Started, Status::Running) }),
            r#"{"job_id":"42","message":"Backup of nightly started","status":"running","timestamp":"2026-11-21T08:28:00.962491Z"}"#
        );
        let word = |status_is| status(&event(Phase::Finished, status_is))["status"].clone();
        let words = [Status::Success, Status::Failed, Status::Partial, Status::Skipped].map(word);
        assert_eq!(words, ["success", "failed", "failed", "failed"]);
        let error =
            Problem { message: "no\nserver".to_owned(), hint: Some("start it".to_owned()), ..Problem::default() };
        let failed = status(&Event { error: Some(error), ..event(Phase::Finished, Status::Failed) });
        assert_eq!(failed["message"], "Backup of nightly failed: no server; start it");
        assert_eq!(failed["job_id"], "nightly");
    }

    #[test]
    fn metadata_is_of_backups_alone() {
        let mut run = event(Phase::Finished, Status::Success);
        assert_eq!(metadata(&run), None);
        (run.object_key, run.stored_bytes) = (Some("a/orders.sql.gz".to_owned()), Some(1234));
        assert_eq!(
            metadata(&run).unwrap().to_string(),
            r#"{"job_id":"nightly","metadata":{"bytes":1234,"object_key":"a/orders.sql.gz"},"timestamp":"2026-11-21T08:28:00.962491Z"}"#
        );
        for status in [Status::Failed, Status::Partial, Status::Skipped] {
            run.status = status;
            assert_eq!(metadata(&run), None);
        }
    }
}
