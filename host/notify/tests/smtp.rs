//! Mail to a real SMTP server, with and without TLS.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "the tests start an SMTP server in Python")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use planb_harness::{Skip, provision, skip};
use planb_notify::{Delivery, Event, Kind, Limits, Notifier, Phase, Status};
use serde_json::Value;
use support::{TOKEN, certificates, failed, notifier, quick};

/// The SMTP server of the tests, a Python package.
const AIOSMTPD: &str = "aiosmtpd==1.4.6";

struct MailServer {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
}

impl MailServer {
    fn start(tls: &str, arguments: &[&str]) -> Result<Self, Skip> {
        let venv = provision::venv(&[AIOSMTPD])?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtp_server.py");
        let mut child = Command::new(venv.join("bin/python"))
            .arg(script)
            .arg(tls)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, lines, port: 0 };
        server.port = server.next().unwrap()["port"].as_u64().unwrap();
        Ok(server)
    }

    fn with_certificate(tls: &str, folder: &Path, name: &str, arguments: &[&str]) -> Result<Self, Skip> {
        let file = |end: &str| folder.join(format!("{name}.{end}")).to_string_lossy().into_owned();
        let (cert, key) = (file("crt"), file("key"));
        Self::start(tls, &[&["--cert", &cert, "--key", &key], arguments].concat())
    }

    /// What the server says next; `None` when it has ended.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).ok()
    }

    /// Ends it: all that it has still said.
    fn rest(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }

    fn notifier(&self, more: &str) -> Notifier {
        notifier(&format!(
            "type = 'email'\nhost = '127.0.0.1'\nport = {}\nfrom = 'Plan B <planb@example.org>'\nto = ['a@example.org', 'B <b@example.org>']\n{more}",
            self.port
        ))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
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
async fn a_letter_arrives_as_text_and_as_html() {
    let mut server = skip!(MailServer::start("none", &[]));
    let event = Event { job: "größe <b>".to_owned(), host: Some("backup-1".to_owned()), ..failed() };
    assert_eq!(only(&server.notifier("tls = 'none'"), &event).await, delivered(1));
    let letter = server.next().unwrap();
    assert_eq!(letter["from"], "planb@example.org");
    assert_eq!(letter["to"], serde_json::json!(["a@example.org", "b@example.org"]));
    assert_eq!((&letter["hello"], &letter["encrypted"]), (&"backup-1".into(), &false.into()));
    assert_eq!(letter["headers"]["subject"], "[planb] Backup of größe <b> failed");
    assert_eq!(letter["headers"]["auto-submitted"], "auto-generated");
    assert!(letter["headers"]["date"].is_string() && letter["headers"]["message-id"].is_string());
    let (text, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
    assert!(text.contains("Database: orders") && text.contains("Error: pg_dump: exit code 1"), "{text}");
    assert!(html.contains("größe &lt;b&gt; failed") && html.contains("pg_dump: exit code 1"), "{html}");
}

#[tokio::test]
async fn a_password_goes_over_starttls_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    skip!(certificates(folder.path()));
    let ca = folder.path().join("ca.crt");
    for tls in ["starttls", "tls"] {
        let login = ["--user", "planb", "--password", TOKEN];
        let mut server = skip!(MailServer::with_certificate(tls, folder.path(), "good", &login));
        let settings = format!("tls = '{tls}'\nuser = 'planb'\npassword = '{TOKEN}'\nca_file = '{}'", ca.display());
        assert_eq!(only(&server.notifier(&settings), &failed()).await, delivered(1), "{tls}");
        assert_eq!(server.next().unwrap()["login"], "planb");
        let letter = server.next().unwrap();
        assert_eq!((&letter["encrypted"], &letter["authenticated"]), (&true.into(), &true.into()), "{tls}");
    }
}

#[tokio::test]
async fn a_wrong_certificate_is_refused_before_a_password_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    skip!(certificates(folder.path()));
    let trusted = format!("ca_file = '{}'", folder.path().join("ca.crt").display());
    for tls in ["starttls", "tls"] {
        // Of an authority that nobody told us to trust; of another server.
        for (certificate, ca) in [("good", ""), ("other", &*trusted)] {
            let login = ["--user", "planb", "--password", TOKEN];
            let server = skip!(MailServer::with_certificate(tls, folder.path(), certificate, &login));
            let settings = format!("tls = '{tls}'\nuser = 'planb'\npassword = '{TOKEN}'\n{ca}");
            let delivery = only(&server.notifier(&settings), &failed()).await;
            assert_eq!((delivery.ok, delivery.attempts), (false, 1), "{delivery:?}");
            assert!(delivery.error.unwrap().contains("certificate"));
            assert_eq!(server.rest(), Vec::<Value>::new());
        }
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = skip!(MailServer::start("none", &["--user", "planb", "--password", TOKEN]));
    let settings = format!("tls = 'starttls'\nuser = 'planb'\npassword = '{TOKEN}'");
    let delivery = only(&server.notifier(&settings), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 1), "{delivery:?}");
    assert_eq!(server.rest(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_wrong_password_is_said_but_not_shown() {
    let server = skip!(MailServer::start("none", &["--user", "planb", "--password", "another"]));
    let settings = format!("tls = 'none'\nuser = 'planb'\npassword = '{TOKEN}'");
    let delivery = only(&server.notifier(&settings), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 1), "{delivery:?}");
    let error = delivery.error.unwrap();
    assert!(error.contains("535") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    let mut server = skip!(MailServer::start("none", &["--answer", "451 later", "--answer", "250 OK"]));
    assert_eq!(only(&server.notifier("tls = 'none'"), &failed()).await, delivered(2));
    let ids = [server.next().unwrap(), server.next().unwrap()].map(|letter| letter["headers"]["message-id"].clone());
    assert!(ids[0] == ids[1] && ids[0].is_string());

    let server = skip!(MailServer::start("none", &["--answer", "550 no such mailbox"]));
    let delivery = only(&server.notifier("tls = 'none'"), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 1));
    let error = delivery.error.unwrap();
    assert!(error.starts_with(&format!("127.0.0.1:{}: ", server.port)) && error.contains("no such mailbox"), "{error}");
}

#[tokio::test]
async fn no_value_becomes_a_header_or_a_receiver() {
    let mut server = skip!(MailServer::start("none", &[]));
    let notifier = server.notifier("tls = 'none'\non = 'always'");
    for end in ["\r\n", "\n", "\r", "\u{2028}", "\u{85}", "\r\n\r\n"] {
        let attack = format!("x{end}Bcc: evil@example.net{end}Subject: y{end}.{end}MAIL FROM:<evil@example.net>");
        let event = Event {
            database: Some(attack.clone()),
            server: Some(attack.clone()),
            host: Some(attack.clone()),
            run_id: Some(attack.clone()),
            warnings: vec![attack.clone()],
            ..Event::new(Kind::Run, Phase::Finished, Status::Success, attack)
        };
        assert_eq!(only(&notifier, &event).await, delivered(1));
        let letter = server.next().unwrap();
        assert_eq!(letter["to"], serde_json::json!(["a@example.org", "b@example.org"]));
        let headers = letter["headers"].as_object().unwrap();
        assert!(!headers.contains_key("bcc"), "{headers:?}");
        let subject = headers["subject"].as_str().unwrap();
        assert!(subject.starts_with("[planb] Backup of x") && subject.contains("Bcc:"), "{subject}");
    }
    assert_eq!(server.rest(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_mail_server_that_hangs_or_is_gone_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let settings = format!(
        "type = 'email'\nhost = '127.0.0.1'\nport = {port}\ntls = 'none'\nfrom = 'a@b.example'\nto = ['a@b.example']"
    );
    let limits = Limits { per_try: std::time::Duration::from_millis(300), retries: 1, ..quick() };
    let notifier = notifier(&settings).with_limits(limits);
    let delivery = only(&notifier, &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 2), "{delivery:?}");
    drop(silent);
    let delivery = only(&notifier.with_limits(Limits { retries: 1, ..quick() }), &failed()).await;
    assert_eq!((delivery.ok, delivery.attempts), (false, 2), "{delivery:?}");
    assert!(delivery.error.unwrap().contains("refused"));
}
