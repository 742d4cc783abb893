//! Push messages by ntfy: published as JSON to the server's root, so that no text stands in a header.

use serde_json::{Value, json};

use crate::message::{Message, Tone};
use crate::words::head;

/// ntfy makes longer messages an attachment.
const LONGEST: usize = 1000;

/// The body of the request.
pub(crate) fn payload(topic: &str, priority: Option<u8>, message: &Message) -> Value {
    let (tag, usual) = match message.tone {
        Tone::Neutral => ("arrow_forward", 2),
        Tone::Good => ("white_check_mark", 2),
        Tone::Warning => ("warning", 3),
        Tone::Bad => ("rotating_light", 4),
    };
    json!({
        "topic": topic,
        "title": head(&message.subject(), 200),
        "message": head(message.body().trim_end(), LONGEST),
        "priority": priority.unwrap_or(usual),
        "tags": [tag, "planb"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, Phase, Status};

    #[test]
    fn failures_are_urgent_unless_said_otherwise() {
        let message = Message::of(&Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly"));
        let sent = payload("alerts", None, &message);
        assert_eq!(
            sent,
            json!({"topic": "alerts", "title": "Backup of nightly failed", "message": "Status: failed", "priority": 4, "tags": ["rotating_light", "planb"]})
        );
        assert_eq!(payload("alerts", Some(1), &message)["priority"], 1);
    }
}
