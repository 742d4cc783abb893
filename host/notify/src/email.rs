//! E-mail by SMTP: plain text, and the same as simple HTML.
//!
//! Headers are made by the mail library from typed values; the subject is one line without control characters before it
//! gets there. All retries of a message carry the same Message-ID.

use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as SmtpTls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport as _, Message as Mail, Tokio1Executor};
use planb_model::redact::Redactor;
use planb_model::secret::Secret;

use crate::event::Event;
use crate::http::{chain, refused_by_tls};
use crate::message::Message;
use crate::retry::{Outcome, timed_out};
use crate::target::Tls;
use crate::words::{head, one_line};

/// A mail server and whom to write to.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) login: Option<(String, Secret)>,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
}

/// The letter.
pub(crate) fn compose(server: &Server, event: &Event, message: &Message) -> Result<Mail, String> {
    let subject = head(&one_line(&format!("[planb] {}", message.subject())), 180);
    let mut builder = Mail::builder()
        .from(server.from.clone())
        .subject(subject)
        .message_id(None)
        .date_now()
        // No answers from absence notes.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    for to in &server.to {
        builder = builder.to(to.clone());
    }
    let text = format!("{}\n\n{}", message.subject(), message.body());
    builder
        .multipart(MultiPart::alternative_plain_html(text, html(event, message)))
        .map_err(|error| format!("the mail cannot be written: {error}"))
}

/// Sends it once.
pub(crate) async fn send(
    server: &Server,
    authority: Option<&[u8]>,
    event: &Event,
    mail: Mail,
    redactor: &Redactor,
    limit: Duration,
) -> Outcome {
    let transport = match transport(server, authority, event, limit) {
        Ok(transport) => transport,
        Err(error) => return Outcome::Never { why: one_line(&redactor.redact(&chain(&error))) },
    };
    let error = match tokio::time::timeout(limit, transport.send(mail)).await {
        Ok(Ok(_)) => return Outcome::Done,
        Ok(Err(error)) => error,
        Err(_) => return Outcome::Again { why: timed_out(limit), after: None },
    };
    let why = head(&one_line(&redactor.redact(&chain(&error))), 300);
    if error.is_permanent() || error.is_client() || error.is_response() || error.is_tls() || refused_by_tls(&error) {
        Outcome::Never { why }
    } else {
        Outcome::Again { why, after: None }
    }
}

fn transport(
    server: &Server,
    authority: Option<&[u8]>,
    event: &Event,
    limit: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, smtp::Error> {
    let parameters = || {
        let mut parameters = TlsParameters::builder(server.host.clone());
        if let Some(authority) = authority {
            parameters = parameters.add_root_certificate(Certificate::from_pem(authority)?);
        }
        parameters.build()
    };
    let tls = match server.tls {
        Tls::None => SmtpTls::None,
        Tls::Starttls => SmtpTls::Required(parameters()?),
        Tls::Tls => SmtpTls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(limit));
    if let Some(host) = event.host.as_deref().filter(|host| is_host(host)) {
        builder = builder.hello_name(ClientId::Domain(host.to_owned()));
    }
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

fn html(event: &Event, message: &Message) -> String {
    let mut rows = String::new();
    for fact in &message.facts {
        rows.push_str(&format!(
            "<tr><td style=\"padding:2px 16px 2px 0;color:#666\">{}</td><td>{}</td></tr>\n",
            fact.label,
            escape(&fact.value)
        ));
    }
    let mut below = String::new();
    for warning in &message.warnings {
        below.push_str(&format!("<p><b>Warning:</b> {}</p>\n", escape(warning)));
    }
    if !message.trouble.is_empty() {
        below.push_str(&format!(
            "<pre style=\"background:#f4f4f4;padding:8px;white-space:pre-wrap\">{}</pre>\n",
            escape(&message.trouble.join("\n"))
        ));
    }
    format!(
        "<!doctype html>\n<html><body style=\"font-family:sans-serif\">\n\
         <h3 style=\"border-left:6px solid #{:06x};padding-left:8px\">{}</h3>\n<table>\n{rows}</table>\n{below}\
         <p style=\"color:#999\">Plan B, {}</p>\n</body></html>\n",
        message.tone.colour(),
        escape(&message.subject()),
        event.at
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_value_is_shown_not_obeyed() {
        use crate::event::{Kind, Phase, Status};
        let event = Event::new(Kind::Run, Phase::Finished, Status::Failed, "<img src=x onerror=\"alert(1)\">");
        let html = html(&event, &Message::of(&event));
        assert!(html.contains("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;") && !html.contains("<img"));
    }

    #[test]
    fn only_a_hosts_name_is_said_to_a_server() {
        assert!(is_host("backup-1.example") && !is_host("a b") && !is_host("x\r\nMAIL") && !is_host(""));
    }
}
