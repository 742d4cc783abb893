//! What docs/notifications.md says is so: its settings are settings, its payload has the fields that are sent, and its
//! way to check a signature works.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "the check is in Python")]

use std::collections::BTreeSet;
use std::process::Command;

use planb_harness::{Skip, provision, skip};
use planb_model::secret::Secret;
use planb_notify::{SecretSource, TargetSettings, signature};
use serde_json::Value;

mod support;

fn page() -> String {
    std::fs::read_to_string(planb_harness::workspace().join("docs/notifications.md")).unwrap()
}

/// The blocks of the page in a language.
fn blocks(language: &str) -> Vec<String> {
    let page = page();
    let start = format!("```{language}\n");
    page.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_settings_make_targets_of_every_type() {
    let read = |source| match source {
        SecretSource::Value(secret) => Ok::<_, String>(secret),
        SecretSource::File(_) | SecretSource::Env(_) => Ok(Secret::new("https://hooks.example/secret".to_owned())),
    };
    let mut types = BTreeSet::new();
    for block in blocks("toml") {
        let file: toml::Table = toml::from_str(&block).unwrap();
        for (name, settings) in file["notify"].as_table().unwrap() {
            let settings: TargetSettings = settings.clone().try_into().unwrap();
            types.insert(settings.resolve(&read).unwrap_or_else(|error| panic!("{name}: {error}")).type_name());
        }
    }
    let all = ["callback", "discord", "email", "ntfy", "ping", "slack", "webhook"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn its_payload_has_the_fields_that_are_sent() {
    let server = support::Server::start(vec![support::reply(200)]).await;
    let settings = format!("type = 'webhook'\nurl = '{}'", server.url());
    assert!(support::notifier(&settings).send(&support::failed()).await[0].ok);
    let sent = server.seen()[0].json();
    let written: Value = serde_json::from_str(&blocks("json")[0]).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&written), keys(&sent));
    for key in keys(&sent) {
        assert!(page().contains(&format!("\"{key}\":")));
    }
}

#[test]
fn its_check_takes_our_signatures_and_no_others() {
    let python = provision::program("python3").ok_or_else(|| Skip::new("python3", "not on the search path"));
    let python = skip!(python);
    let body = "{\"job_id\":\"größe\"}";
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let signed =
        |at: u64| (at, signature(&Secret::new("webhook_secret_key".to_owned()), &at.to_string(), body.as_bytes()));
    let check = |(at, signature): (u64, String), body: &str| {
        let script = format!(
            "{}\nimport sys\nprint(genuine(b'webhook_secret_key', {{'X-PlanB-Timestamp': sys.argv[1], 'X-PlanB-Signature': sys.argv[2]}}, sys.argv[3].encode()))",
            blocks("python")[0]
        );
        let output = Command::new(&python).args(["-c", &script, &at.to_string(), &signature, body]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(check(signed(now), body), "True");
    assert_eq!(check(signed(now), "{}"), "False");
    assert_eq!(check((now + 1, signed(now).1), body), "False");
    assert_eq!(check(signed(now - 3600), body), "False");
}
