//! Pings of a dead man's switch, as healthchecks.io takes them: `/start` below the URL, the URL itself, `/fail` below
//! it, each with the message as its body. A run that was skipped pings nothing: what it waited for will.

use crate::endpoint::Endpoint;
use crate::event::{Event, Phase, Status};
use crate::http::Post;
use crate::message::Message;

/// The request of an event. None: it is no ping.
pub(crate) fn post(endpoint: &Endpoint, event: &Event, message: &Message) -> Option<Post> {
    let endpoint = match (event.phase, event.status) {
        (Phase::Started, _) | (_, Status::Running) => endpoint.below("start"),
        (_, Status::Success | Status::Recovered) => endpoint.clone(),
        (_, Status::Failed | Status::Partial) => endpoint.below("fail"),
        (_, Status::Skipped) => return None,
    };
    Some(Post::text(&endpoint, format!("{}\n{}", message.subject(), message.body())))
}
