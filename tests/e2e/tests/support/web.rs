//! A server that writes down what planb tells it, and a client that asks planb.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// One request that came in.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) raw: Vec<u8>,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?} {:#}", self.method, self.path, self.headers, self.body)
    }
}

impl Heard {
    /// A text of its body.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Whether it carries this token.
    pub(crate) fn bears(&self, token: &str) -> bool {
        self.headers.get("authorization").is_some_and(|value| *value == format!("Bearer {token}"))
    }

    /// Whether its signature is the one that this secret gives.
    pub(crate) fn signed_by(&self, secret: &str) -> bool {
        let (Some(time), Some(signature)) =
            (self.headers.get("x-planb-timestamp"), self.headers.get("x-planb-signature"))
        else {
            return false;
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&self.raw);
        *signature == format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }
}

/// What a request is answered with.
type Rule = Box<dyn Fn(&Heard) -> u16 + Send + Sync>;

/// A small HTTP server on loopback that writes down every request.
pub(crate) struct Ear {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Ear {
    /// Answers 200 to everything.
    pub(crate) fn start() -> Self {
        Self::answering(|_| 200)
    }

    /// Answers as the rule says.
    pub(crate) fn answering(rule: impl Fn(&Heard) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (writes, rule): (_, Arc<Rule>) = (Arc::clone(&heard), Arc::new(Box::new(rule)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (writes, rule) = (Arc::clone(&writes), Arc::clone(&rule));
                std::thread::spawn(move || {
                    let Some(one) = read(&stream) else { return };
                    let status = rule(&one);
                    writes.lock().expect("no panic").push(one);
                    let head = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    drop((&stream).write_all(head.as_bytes()));
                });
            }
        });
        Self { port, heard }
    }

    /// Its address with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All that it has heard until now.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// What it has heard at one path.
    pub(crate) fn at(&self, path: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|one| one.path == path).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Heard> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut raw = vec![0; length];
    reader.read_exact(&mut raw).ok()?;
    let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    Some(Heard { method, path, headers, raw, body })
}

/// What planb answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// Its body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Asks a server. None: nobody listens there, or it does not answer.
pub(crate) fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// Asks with GET.
pub(crate) fn get(address: &str, path: &str) -> Option<Answer> {
    ask(address, "GET", path, &[])
}
