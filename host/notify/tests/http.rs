//! Deliveries to real sockets: retries, limits, redirects, certificates, protocols, and secrets that stay inside.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use planb_harness::skip;
use planb_notify::{Delivery, Event, Kind, Limits, Notifier, Phase, Status};
use sha2::{Digest as _, Sha256};
use support::{
    Reply, Server, TOKEN, acceptor, certificates, failed, notifier, quick, reply, started, succeeded, target,
};

fn webhook(server: &Server) -> Notifier {
    notifier(&format!("type = 'webhook'\nurl = '{}'\non = 'always'", server.url()))
}

async fn only(notifier: &Notifier, event: &Event) -> Delivery {
    let mut deliveries = notifier.send(event).await;
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0)
}

fn delivered(attempts: u32) -> Delivery {
    Delivery { target: "one".to_owned(), ok: true, attempts, error: None }
}

#[tokio::test]
async fn what_is_busy_once_is_tried_again() {
    let server = Server::start(vec![reply(503), Reply::Close, reply(204)]).await;
    assert_eq!(only(&webhook(&server), &failed()).await, delivered(3));
    let bodies: Vec<_> = server.seen().into_iter().map(|request| request.body).collect();
    assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]));
}

#[tokio::test]
async fn the_wait_that_a_server_asks_for_is_the_one_that_is_kept() {
    let busy = Reply::With(429, &[("Retry-After", "0")], String::new());
    let server = Server::start(vec![busy, reply(200)]).await;
    // A wait of its own would not fit into the overall limit.
    let limits = Limits { first_wait: Duration::from_secs(1000), longest_wait: Duration::from_secs(1000), ..quick() };
    assert_eq!(only(&webhook(&server).with_limits(limits), &failed()).await, delivered(2));

    let later = Reply::With(429, &[("Retry-After", "86400")], String::new());
    let server = Server::start(vec![later, reply(200)]).await;
    let delivery = only(&webhook(&server), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 1));
    assert!(delivery.error.unwrap().ends_with("it asks to wait 86400 s"));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::start(vec![Reply::Hang]).await;
    let limits = Limits { per_try: Duration::from_millis(300), retries: 2, ..quick() };
    let delivery = only(&webhook(&server).with_limits(limits), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 3));
    assert_eq!(delivery.error.unwrap(), format!("{}: no answer within 1 s", server.address));
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_said() {
    let port = planb_harness::free_port();
    let notifier = notifier(&format!("type = 'slack'\nurl = 'http://127.0.0.1:{port}/services/{TOKEN}'"));
    let delivery = only(&notifier, &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 4));
    let error = delivery.error.unwrap();
    assert_eq!(error, format!("127.0.0.1:{port}: tcp connect error: Connection refused (os error 111)"));
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    let refusal = Reply::With(400, &[], format!("no such hook: /hooks/{TOKEN}\r\n\u{1b}[31m"));
    let server = Server::start(vec![refusal]).await;
    let delivery = only(&webhook(&server), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 1));
    assert_eq!(
        delivery.error.unwrap(),
        format!("{}: it answered 400 Bad Request: no such hook: *** [31m", server.address)
    );
}

#[tokio::test]
async fn a_redirect_takes_no_token_along() {
    let other = Server::start(vec![reply(200)]).await;
    let location: &'static str = format!("http://{}/elsewhere", other.address).leak();
    let headers: &'static [(&'static str, &'static str)] = vec![("Location", location)].leak();
    for status in [301, 302, 307, 308] {
        let server = Server::start(vec![Reply::With(status, headers, String::new())]).await;
        let notifier = notifier(&format!("type = 'callback'\nurl = '{}'\nsecret = '{TOKEN}'", server.url()));
        let delivery = only(&notifier, &started()).await;
        assert_eq!((delivery.ok, delivery.attempts), (false, 1));
        assert!(delivery.error.unwrap().contains("redirects are not followed"));
        assert_eq!(server.seen().len(), 1);
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_wrong_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    skip!(certificates(folder.path()));
    let ca = folder.path().join("ca.crt");
    let at = |server: &Server, trusted: bool| {
        let ca = if trusted { format!("ca_file = '{}'", ca.display()) } else { String::new() };
        notifier(&format!("type = 'callback'\nurl = 'https://{}/{TOKEN}'\nsecret = '{TOKEN}'\n{ca}", server.address))
    };
    let good = Server::with(vec![reply(200)], Some(acceptor(folder.path(), "good"))).await;
    assert_eq!(only(&at(&good, true), &started()).await, delivered(1));

    // An authority that nobody told us to trust, and a certificate that is another server's.
    let other = Server::with(vec![reply(200)], Some(acceptor(folder.path(), "other"))).await;
    for notifier in [at(&good, false), at(&other, true)] {
        let delivery = only(&notifier, &started()).await;
        assert_eq!((delivery.ok, delivery.attempts), (false, 1), "{delivery:?}");
        let error = delivery.error.unwrap();
        assert!(error.contains(": invalid peer certificate: ") && !error.contains(TOKEN), "{error}");
    }
    assert!(good.seen().len() == 1 && other.seen().is_empty());
}

/// HMAC as RFC 2104 writes it down, over the plain digest.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::digest([&padded(0x36)[..], message].concat());
    hex::encode(Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()))
}

#[tokio::test]
async fn the_callback_protocol_from_beginning_to_end() {
    let server = Server::start(vec![reply(200)]).await;
    let notifier = notifier(&format!("type = 'callback'\nurl = '{}/'\nsecret = '{TOKEN}'", server.url()));
    for event in [started(), succeeded()] {
        assert!(only(&notifier, &event).await.ok);
    }
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            format!("POST /hooks/{TOKEN}/ HTTP/1.1"),
            format!("POST /hooks/{TOKEN}/metadata HTTP/1.1"),
            format!("POST /hooks/{TOKEN}/ HTTP/1.1")
        ]
    );
    for request in &seen {
        assert_eq!(request.header("authorization").unwrap(), format!("Bearer {TOKEN}"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        let timestamp = request.header("x-planb-timestamp").unwrap();
        let signed = [timestamp.as_bytes(), b".", &request.body].concat();
        assert_eq!(request.header("x-planb-signature").unwrap(), format!("sha256={}", hmac(TOKEN.as_bytes(), &signed)));
        assert!(timestamp.parse::<i64>().is_ok_and(|seconds| seconds > 1_700_000_000));
        assert_eq!(request.json()["job_id"], "42");
    }
    assert_eq!(seen[0].json()["status"], "running");
    assert_eq!(seen[1].json()["metadata"], serde_json::json!({"bytes": 1234, "object_key": "daily/orders.sql.zst"}));
    assert_eq!(seen[2].json()["status"], "success");
    for (request, keys) in seen.iter().zip([4, 3, 4]) {
        assert_eq!(request.json().as_object().unwrap().len(), keys);
    }
}

#[tokio::test]
async fn a_platform_without_metadata_hears_the_outcome() {
    let server = Server::start(vec![reply(404), reply(200)]).await;
    let notifier = notifier(&format!("type = 'callback'\nurl = '{}'", server.url()));
    let delivery = only(&notifier, &succeeded()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 2));
    assert_eq!(server.seen()[1].json()["status"], "success");
    assert_eq!(server.seen()[1].header("authorization"), None);
    assert_eq!(server.seen()[1].header("x-planb-signature"), None);
}

#[tokio::test]
async fn a_webhook_gets_the_event_headers_and_a_signature() {
    let server = Server::start(vec![reply(200)]).await;
    let notifier = notifier(&format!(
        "type = 'webhook'\nurl = '{}'\ntoken = 'bearer-token'\nsecret = '{TOKEN}'\nstarted = true\n[headers]\nX-Team = 'db'",
        server.url()
    ));
    assert_eq!(only(&notifier, &failed()).await, delivered(1));
    assert_eq!(only(&notifier, &started()).await, delivered(1));
    let seen = server.seen();
    assert_eq!(seen[0].header("x-team"), Some("db"));
    assert_eq!(seen[0].header("authorization"), Some("Bearer bearer-token"));
    let signed = [seen[0].header("x-planb-timestamp").unwrap().as_bytes(), b".", &seen[0].body].concat();
    assert_eq!(seen[0].header("x-planb-signature").unwrap(), format!("sha256={}", hmac(TOKEN.as_bytes(), &signed)));
    let document = seen[0].json();
    assert_eq!((&document["schema"], &document["status"]), (&"planb.event/v1".into(), &"failed".into()));
    assert_eq!(document["error"]["message"], "pg_dump: exit code 1");
    // What dbstash sends.
    assert_eq!(document["text"], "Plan B backup failure: pg/orders");
    let engine = serde_json::json!({"title": "Engine", "value": "pg", "short": true});
    assert_eq!(document["attachments"][0]["fields"][1], engine);
    assert_eq!(seen[1].json()["phase"], "started");
}

#[tokio::test]
async fn pings_go_to_start_the_url_and_fail() {
    let server = Server::start(vec![reply(200)]).await;
    let notifier = notifier(&format!("type = 'ping'\nurl = '{}?create=1'", server.url()));
    for event in [started(), succeeded(), failed()] {
        assert!(only(&notifier, &event).await.ok);
    }
    // Somebody else is at it, or it is no run at all.
    let skipped = Event::new(Kind::Run, Phase::Finished, Status::Skipped, "nightly");
    assert_eq!(notifier.send(&skipped).await, []);
    assert_eq!(notifier.send(&Event { kind: Kind::Prune, ..failed() }).await, []);
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|request| request.line.replace(TOKEN, "x")).collect();
    assert_eq!(
        lines,
        [
            "POST /hooks/x/start?create=1 HTTP/1.1",
            "POST /hooks/x?create=1 HTTP/1.1",
            "POST /hooks/x/fail?create=1 HTTP/1.1"
        ]
    );
    assert!(String::from_utf8_lossy(&seen[2].body).contains("pg_dump: exit code 1"));
}

#[tokio::test]
async fn ntfy_is_published_to_as_json() {
    let server = Server::start(vec![reply(200)]).await;
    let notifier = notifier(&format!("type = 'ntfy'\nurl = 'http://{}/my-topic'\ntoken = '{TOKEN}'", server.address));
    let event = Event { job: "größe\r\nX-Priority: 1".to_owned(), ..failed() };
    assert!(only(&notifier, &event).await.ok);
    let request = server.seen().remove(0);
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.header("authorization").unwrap(), format!("Bearer {TOKEN}"));
    assert_eq!(request.header("x-priority"), None);
    assert_eq!(request.json()["topic"], "my-topic");
    assert_eq!(request.json()["title"], "Backup of größe X-Priority: 1 failed");
}

#[tokio::test]
async fn targets_are_told_at_the_same_time_and_one_does_not_hold_up_another() {
    let hanging = Server::start(vec![Reply::Hang]).await;
    let quick_one = Server::start(vec![reply(200)]).await;
    let settings =
        |server: &Server, on: &str| target(&format!("type = 'slack'\nurl = '{}'\non = '{on}'", server.url()));
    let notifier = Notifier::new(vec![
        ("hanging".to_owned(), settings(&hanging, "failure")),
        ("quick".to_owned(), settings(&quick_one, "failure")),
        ("unasked".to_owned(), settings(&quick_one, "success")),
    ]);
    let event = failed();
    // The first never comes back, and the second got its message nevertheless.
    let sending = notifier.send(&event);
    let arrived = async {
        while quick_one.seen().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = sending => panic!("a server that hangs cannot have been told within a try"),
        () = arrived => {}
    }
    let chosen = notifier.send_to(&event, |name| name != "hanging").await;
    assert_eq!(chosen, [Delivery { target: "quick".to_owned(), ok: true, attempts: 1, error: None }]);
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_failure_shows_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = format!("{TOKEN} and {} are wrong", TOKEN.replace('-', "%2D"));
    let replies = [Reply::With(403, &[], echo.clone()), Reply::With(500, &[], echo), Reply::Close, Reply::Hang];
    let mut shown = Vec::new();
    for answer in replies {
        let server = Server::start(vec![answer]).await;
        let url = server.url();
        let settings = [
            format!("type = 'slack'\nurl = '{url}?key={TOKEN}'"),
            format!("type = 'discord'\nurl = 'http://user:{TOKEN}@{}/'", server.address),
            format!(
                "type = 'webhook'\nurl = '{url}'\ntoken = '{TOKEN}'\nsecret = '{TOKEN}'\nheaders = {{ X-Key = '{TOKEN}' }}"
            ),
            format!("type = 'callback'\nurl = '{url}'\nsecret = '{TOKEN}'"),
            format!("type = 'ping'\nurl = '{url}'"),
            format!("type = 'ntfy'\nurl = '{url}'\ntoken = '{TOKEN}'"),
        ];
        let targets = settings.iter().map(|settings| (settings[..15].to_owned(), target(settings))).collect();
        let limits = Limits { retries: 1, per_try: Duration::from_millis(300), ..quick() };
        let notifier = Notifier::new(targets).with_limits(limits);
        shown.push(format!("{notifier:?}"));
        let deliveries = notifier.send(&failed()).await;
        assert!(deliveries.len() == 6 && deliveries.iter().all(|delivery| !delivery.ok));
        shown.extend(deliveries.into_iter().map(|delivery| delivery.error.unwrap()));
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a notification was not delivered"));
    shown.push(logged);
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
