//! Messages for Discord's webhooks: one embed, in which nobody can be called.

use serde_json::{Value, json};

use crate::event::Event;
use crate::message::Message;
use crate::slack::footer;
use crate::words::{head, tail};

// Discord's own limits are 256, 4096, 1024 and 25, and 6000 characters together.
const LONGEST_TITLE: usize = 150;
const LONGEST_TEXT: usize = 1800;
const LONGEST_VALUE: usize = 250;
const MOST_FIELDS: usize = 14;
/// What the title and the footer say already.
const ELSEWHERE: [&str; 3] = ["Status", "Run", "Host"];

/// The body of the request.
pub(crate) fn payload(event: &Event, message: &Message) -> Value {
    let fields: Vec<_> = message
        .facts
        .iter()
        .filter(|fact| !ELSEWHERE.contains(&fact.label))
        .take(MOST_FIELDS)
        .map(|fact| {
            let value = head(&fact.value, LONGEST_VALUE);
            let value = if fact.foreign { code(&value) } else { value };
            json!({"name": fact.label, "value": value, "inline": fact.label != "Object" && fact.label != "Store"})
        })
        .collect();
    let lines: Vec<_> = message.warnings.iter().chain(&message.trouble).map(String::as_str).collect();
    let title = message.subject_with(|name| code(&head(name, LONGEST_TITLE)));
    let mut embed = json!({
        "title": format!("{} {title}", message.tone.mark()),
        "color": message.tone.colour(),
        "fields": fields,
        "footer": {"text": footer(event)},
        "timestamp": event.at.to_string(),
    });
    if !lines.is_empty() {
        embed["description"] = block(&lines.join("\n")).into();
    }
    json!({"username": "Plan B", "embeds": [embed], "allowed_mentions": {"parse": []}})
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

fn block(text: &str) -> String {
    format!("```\n{}\n```", tail(&text.replace('`', "'"), LONGEST_TEXT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::{Kind, Phase, Problem, Status, StoreResult};
    use crate::message::Message;

    #[test]
    fn a_failure() {
        let mut event = Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly");
        event.at = "2026-11-21T02:00:00Z".parse().unwrap();
        event.database = Some("orders".to_owned());
        event.error = Some(Problem { message: "it ended with 1".to_owned(), ..Problem::default() });
        insta::assert_snapshot!(serde_json::to_string_pretty(&payload(&event, &Message::of(&event))).unwrap(), @r#"
        {
          "allowed_mentions": {
            "parse": []
          },
          "embeds": [
            {
              "color": 13710392,
              "description": "```\nError: it ended with 1\n```",
              "fields": [
                {
                  "inline": true,
                  "name": "Database",
                  "value": "`orders`"
                }
              ],
              "footer": {
                "text": "Plan B"
              },
              "timestamp": "2026-11-21T02:00:00Z",
              "title": "❌ Backup of `nightly` failed"
            }
          ],
          "username": "Plan B"
        }
        "#);
    }

    #[test]
    fn calls_nobody_and_keeps_discords_limits() {
        let long = "@everyone `**[x](https://evil)** <@1> ".repeat(400);
        let store = |n| StoreResult {
            url: format!("s3://{n}/{long}"),
            status: Status::Failed,
            key: None,
            error: Some(long.clone()),
        };
        let event = Event {
            database: Some(long.clone()),
            host: Some(long.clone()),
            stores: (0..40).map(store).collect(),
            warnings: vec![long.clone(); 30],
            error: Some(Problem {
                message: long.clone(),
                hint: Some(long.clone()),
                last_words: Some(long.clone()),
                blame: None,
            }),
            ..Event::new(Kind::Run, Phase::Finished, Status::Failed, &*long)
        };
        let sent = payload(&event, &Message::of(&event));
        assert_eq!(sent["allowed_mentions"], json!({"parse": []}));
        let embed = &sent["embeds"][0];
        let length = |value: &Value| value.as_str().unwrap().encode_utf16().count();
        let mut all = length(&embed["title"]) + length(&embed["description"]) + length(&embed["footer"]["text"]);
        assert!(length(&embed["title"]) <= 256 && length(&embed["description"]) <= 4096);
        let fields = embed["fields"].as_array().unwrap();
        assert!(fields.len() <= 25);
        for field in fields {
            assert!(length(&field["value"]) <= 1024);
            all += length(&field["name"]) + length(&field["value"]);
        }
        assert!(all <= 6000, "{all}");
        // What stands outside of code is ours alone.
        for text in [&embed["title"], &embed["description"], &fields[0]["value"]] {
            let outside: String = text.as_str().unwrap().split('`').step_by(2).collect();
            assert!(!outside.contains("@everyone") && !outside.contains("evil"), "{text}");
        }
    }
}
