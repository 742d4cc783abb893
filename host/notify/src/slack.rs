//! Messages for Slack's incoming webhooks, and for what takes the same (Mattermost, Rocket.Chat).
//!
//! Attachments with fields, not blocks: Slack shows both alike, the others know attachments alone. Foreign values stand
//! in code, where nobody is called by `@` and nothing is markup; `&`, `<` and `>` are written as Slack asks.

use serde_json::{Value, json};

use crate::event::Event;
use crate::message::Message;
use crate::words::{head, tail};

/// No value is longer.
const LONGEST_VALUE: usize = 500;
/// Nor a block of text.
const LONGEST_BLOCK: usize = 2500;
/// What the headline and the footer say already.
const ELSEWHERE: [&str; 3] = ["Status", "Run", "Host"];

/// The body of the request.
pub(crate) fn payload(event: &Event, message: &Message) -> Value {
    let fields: Vec<_> = message
        .facts
        .iter()
        .filter(|fact| !ELSEWHERE.contains(&fact.label))
        .map(|fact| {
            let value = head(&fact.value, LONGEST_VALUE);
            let value = if fact.foreign { code(&value) } else { escape(&value) };
            json!({"title": fact.label, "value": value, "short": fact.label != "Object" && fact.label != "Store"})
        })
        .collect();
    let lines: Vec<_> = message.warnings.iter().chain(&message.trouble).map(String::as_str).collect();
    let mut attachment = json!({
        "color": format!("#{:06x}", message.tone.colour()),
        "fallback": inert(&message.subject()),
        "fields": fields,
        "footer": inert(&footer(event)),
        "ts": event.at.as_second(),
        "mrkdwn_in": ["text", "fields"],
    });
    if !lines.is_empty() {
        attachment["text"] = block(&lines.join("\n")).into();
    }
    json!({
        "text": format!("{} {}", message.tone.mark(), message.subject_with(code)),
        "link_names": false,
        "attachments": [attachment],
    })
}

/// Who says it, and of which run.
pub(crate) fn footer(event: &Event) -> String {
    let mut parts = vec!["Plan B"];
    parts.extend(event.host.as_deref());
    parts.extend(event.run_id.as_deref());
    head(&parts.join(" · "), 200)
}

/// The three characters that Slack takes for its own.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text on its own, which calls nobody and links nowhere.
pub(crate) fn inert(text: &str) -> String {
    escape(text).replace('@', "@\u{200b}").replace("](", "]\u{200b}(")
}

fn code(text: &str) -> String {
    format!("`{}`", escape(&text.replace('`', "'")))
}

fn block(text: &str) -> String {
    format!("```\n{}\n```", escape(&tail(&text.replace('`', "'"), LONGEST_BLOCK)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::event::{Kind, Phase, Problem, Status};

    fn nasty(text: &str) -> Value {
        let event = Event {
            database: Some(text.to_owned()),
            host: Some(text.to_owned()),
            error: Some(Problem {
                message: text.to_owned(),
                hint: Some(text.to_owned()),
                last_words: Some(text.to_owned()),
                blame: None,
            }),
            warnings: vec![text.to_owned()],
            ..Event::new(Kind::Run, Phase::Finished, Status::Failed, text)
        };
        payload(&event, &Message::of(&event))
    }

    #[test]
    fn a_failure() {
        let mut event = Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly");
        event.at = "2026-11-21T02:00:00Z".parse().unwrap();
        event.database = Some("orders".to_owned());
        event.error = Some(Problem { message: "no such <host> & port".to_owned(), ..Problem::default() });
        insta::assert_snapshot!(serde_json::to_string_pretty(&payload(&event, &Message::of(&event))).unwrap(), @r##"
        {
          "attachments": [
            {
              "color": "#d13438",
              "fallback": "Backup of nightly failed",
              "fields": [
                {
                  "short": true,
                  "title": "Database",
                  "value": "`orders`"
                }
              ],
              "footer": "Plan B",
              "mrkdwn_in": [
                "text",
                "fields"
              ],
              "text": "```\nError: no such &lt;host&gt; &amp; port\n```",
              "ts": 1795226400
            }
          ],
          "link_names": false,
          "text": "❌ Backup of `nightly` failed"
        }
        "##);
    }

    #[test]
    fn a_name_calls_nobody_and_is_no_markup() {
        let attacks = [
            "<!channel> <@U1> @everyone @here",
            "*bold* `code` ```block``` ~x~",
            "[safe](https://evil)",
            "<https://evil|safe>",
        ];
        for attack in attacks {
            let sent = nasty(attack);
            let attachment = &sent["attachments"][0];
            // These two are shown as plain text.
            for text in [&attachment["fallback"], &attachment["footer"]] {
                let text = text.as_str().unwrap();
                assert!(!text.contains('<') && !text.contains("@e") && !text.contains("]("), "{text}");
            }
            let mut texts = vec![&sent["text"], &attachment["text"]];
            texts.extend(attachment["fields"].as_array().unwrap().iter().map(|field| &field["value"]));
            for text in texts {
                let text = text.as_str().unwrap();
                assert!(!text.contains('<') && !text.contains('>'), "{text}");
                // Outside of code no `@` stands before a word, and no link's text before its address.
                let outside: String = text.split('`').step_by(2).collect();
                assert!(!outside.contains("@e") && !outside.contains("](") && !outside.contains("*bold"), "{text}");
            }
        }
    }
}
