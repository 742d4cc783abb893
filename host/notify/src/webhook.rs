//! The generic webhook: the event as JSON, and beside it the fields that dbstash sends to a webhook (`text` and
//! `attachments`), so that what reads those goes on working. A chat may be what reads them, so their texts call nobody.

use serde_json::{Value, json};

use crate::event::{Event, Status};
use crate::message::Message;
use crate::slack::inert;
use crate::words::{bytes, duration, one_line};

/// The body of the request.
pub(crate) fn payload(event: &Event, message: &Message) -> Value {
    let mut document = event.document();
    document["message"] = format!("{}\n{}", message.subject(), message.body()).into();
    let outcome = outcome(event.status);
    let engine = event.engine.as_deref().unwrap_or_default();
    let database = event.database.as_deref().unwrap_or(&event.job);
    document["text"] = inert(&one_line(&format!("Plan B backup {outcome}: {engine}/{database}"))).into();
    let field = |title, value: Option<String>, short| {
        value.map(|value| json!({"title": title, "value": inert(&one_line(&value)), "short": short}))
    };
    let fields = [
        field("Status", Some(format!("{} {}", message.tone.mark(), outcome.to_uppercase())), true),
        field("Engine", event.engine.clone(), true),
        field("Database", Some(database.to_owned()), true),
        field("Duration", event.duration_ms.map(duration), true),
        field("File Size", event.stored_bytes.map(bytes), true),
        field("Remote Path", event.object_key.clone(), false),
        field("Error", event.error.as_ref().map(|error| error.message.clone()), false),
    ];
    document["attachments"] = json!([{
        "color": format!("#{:06x}", message.tone.colour()),
        "fields": fields.into_iter().flatten().collect::<Vec<_>>(),
        "ts": event.at.as_second(),
    }]);
    document
}

/// dbstash knows two words. What is not in every store is no success.
fn outcome(status: Status) -> &'static str {
    match status {
        Status::Success | Status::Recovered => "success",
        Status::Failed | Status::Partial => "failure",
        Status::Running | Status::Skipped => status.word(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::{Kind, Phase, Problem};

    #[test]
    fn has_the_event_and_dbstashs_fields() {
        let event = Event {
            engine: Some("pg".to_owned()),
            database: Some("orders".to_owned()),
            duration_ms: Some(63_000),
            stored_bytes: Some(1_500_000),
            object_key: Some("orders.sql".to_owned()),
            error: Some(Problem { message: "@here <x>".to_owned(), ..Problem::default() }),
            ..Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly")
        };
        let sent = payload(&event, &Message::of(&event));
        assert_eq!((&sent["schema"], &sent["job"]), (&"planb.event/v1".into(), &"nightly".into()));
        assert_eq!(sent["text"], "Plan B backup failure: pg/orders");
        let fields = sent["attachments"][0]["fields"].as_array().unwrap();
        let shown: Vec<_> = fields.iter().map(|field| format!("{}={}", field["title"], field["value"])).collect();
        insta::assert_snapshot!(shown.join("\n").replace('\u{200b}', "|"), @r#"
        "Status"="❌ FAILURE"
        "Engine"="pg"
        "Database"="orders"
        "Duration"="1 min 3 s"
        "File Size"="1.5 MB"
        "Remote Path"="orders.sql"
        "Error"="@|here &lt;x&gt;"
        "#);
    }
}
