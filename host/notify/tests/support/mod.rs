//! What the tests of this crate talk to: an HTTP server that answers as it is told, certificates, and events.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "test support, of which each file uses a part; certificates are made by openssl"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use planb_harness::{Skip, provision};
use planb_model::secret::Secret;
use planb_notify::{Event, Kind, Limits, Notifier, Phase, Problem, SecretSource, Status, Target, TargetSettings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The token in every address and the value of every secret of these tests.
pub const TOKEN: &str = "hunter2-hunter2";

/// How the server answers one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// By a status, headers and a body.
    With(u16, &'static [(&'static str, &'static str)], String),
    /// Never.
    Hang,
    /// By closing the connection.
    Close,
}

/// An answer without headers.
pub fn reply(status: u16) -> Reply {
    Reply::With(status, &[], String::new())
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| &**value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server on loopback. It answers the first request by the first reply, and those beyond the last as the last.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(replies: Vec<Reply>) -> Self {
        Self::with(replies, None).await
    }

    pub async fn with(replies: Vec<Reply>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (replies, log, tls) = (replies.clone(), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &replies, &log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &replies, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks/{TOKEN}", self.address)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, replies: &[Reply], log: &Mutex<Vec<Request>>) {
    let Some(request) = read(&mut stream).await else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(request);
        log.len()
    };
    match replies.get(number - 1).or(replies.last()).unwrap() {
        Reply::Close => {}
        Reply::Hang => std::future::pending().await,
        Reply::With(status, headers, body) => {
            let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            for (name, value) in *headers {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
            answer.push_str(&format!("\r\n{body}"));
            drop(stream.write_all(answer.as_bytes()).await);
            drop(stream.shutdown().await);
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { line, headers, body })
}

/// An authority (`ca.crt`) and certificates by it, for this machine (`good.crt`) and for another (`other.crt`).
pub fn certificates(folder: &Path) -> Result<(), Skip> {
    provision::apt(&["openssl"])?;
    let openssl = |line: &str| {
        let output =
            Command::new("openssl").args(line.split(' ')).current_dir(folder).output().expect("openssl starts");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.crt {key}"));
    for (name, names) in [("good", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:other.example")] {
        fs::write(folder.join("names"), format!("subjectAltName={names}\n")).unwrap();
        openssl(&format!("req -subj /CN=server -keyout {name}.key -out {name}.csr {key}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
        ));
    }
    Ok(())
}

/// TLS with one of these certificates.
pub fn acceptor(folder: &Path, name: &str) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    // By name, since a whole workspace may have several.
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Reads secrets from files as a program would, and none from the environment.
pub fn secrets(source: SecretSource) -> Result<Secret, String> {
    match source {
        SecretSource::Value(secret) => Ok(secret),
        SecretSource::File(path) => fs::read_to_string(path).map(Secret::new).map_err(|error| error.to_string()),
        SecretSource::Env(name) => Err(format!("{name} is not set")),
    }
}

/// A target from settings as TOML has them.
pub fn target(settings: &str) -> Target {
    let settings: TargetSettings = toml::from_str(settings).unwrap();
    settings.resolve(&secrets).unwrap()
}

/// Waits that no test notices.
pub fn quick() -> Limits {
    Limits { first_wait: Duration::from_millis(1), per_try: Duration::from_secs(20), ..Limits::default() }
}

pub fn notifier(settings: &str) -> Notifier {
    Notifier::new(vec![("one".to_owned(), target(settings))]).with_limits(quick())
}

/// The end of a backup that failed.
pub fn failed() -> Event {
    Event {
        engine: Some("pg".to_owned()),
        database: Some("orders".to_owned()),
        error: Some(Problem { message: "pg_dump: exit code 1".to_owned(), ..Problem::default() }),
        ..Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly")
    }
}

/// The end of one that did not.
pub fn succeeded() -> Event {
    Event {
        job_id: Some("42".to_owned()),
        stored_bytes: Some(1234),
        object_key: Some("daily/orders.sql.zst".to_owned()),
        ..Event::new(Kind::Run, Phase::Finished, Status::Success, "nightly")
    }
}

/// Its beginning.
pub fn started() -> Event {
    Event { job_id: Some("42".to_owned()), ..Event::new(Kind::Run, Phase::Started, Status::Running, "nightly") }
}
