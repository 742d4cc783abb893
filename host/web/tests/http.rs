//! The server over real connections: what each address answers, and what it refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use planb_model::secret::Secret;
use planb_web::status::{Reason, ReasonKind};
use planb_web::{Board, Limits, Options, Server, Snapshot, TriggerError, WebError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token-of-some-length";

/// A board that answers as it is told, and remembers what was triggered.
struct Fake {
    snapshot: Snapshot,
    answer: Result<String, TriggerError>,
    /// Never answers, until it is dropped from outside.
    silent: Option<Mutex<std::sync::mpsc::Receiver<()>>>,
    triggered: Arc<Mutex<Vec<String>>>,
}

impl Board for Fake {
    fn snapshot(&self) -> Snapshot {
        if let Some(silent) = &self.silent {
            let _ = silent.lock().unwrap().recv();
        }
        self.snapshot.clone()
    }

    fn trigger(&self, job: &str) -> Result<String, TriggerError> {
        self.triggered.lock().unwrap().push(job.to_owned());
        self.answer.clone()
    }
}

fn calm() -> Snapshot {
    let now = Timestamp::from_second(1_795_000_000).unwrap();
    let mut snapshot = Snapshot::example(now);
    snapshot.jobs.retain(|job| job.judge(now).troubles.is_empty());
    snapshot.reasons.clear();
    snapshot.config_problem = None;
    snapshot.healthy = true;
    snapshot
}

fn board(snapshot: Snapshot) -> Fake {
    Fake { snapshot, answer: Ok("it begins".to_owned()), silent: None, triggered: Arc::default() }
}

/// A server on a port of its own.
struct Running {
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

async fn start(board: Fake, change: impl FnOnce(&mut Options)) -> Running {
    let mut options = Options::new("127.0.0.1:0".parse().unwrap());
    options.token = Some(Secret::new(TOKEN.to_owned()));
    change(&mut options);
    let server = Server::bind(options, Arc::new(board)).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { address, stop: Some(stop), task }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Running {
    /// Sends bytes and reads until the server closes.
    async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses early need not read to the end.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    async fn trigger(&self, job: &str, token: &str) -> Answer {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
        self.ask("POST", &format!("/api/jobs/{job}/trigger"), &headers).await
    }
}

#[tokio::test]
async fn health_tells_the_truth() {
    let server = start(board(calm()), |_| {}).await;
    let answer = server.get("/healthz").await;
    assert_eq!((answer.status, &answer.json()["healthy"]), (200, &true.into()));
    assert_eq!(server.get("/readyz").await.status, 200);

    // Nobody but the clock says that a run hangs.
    let mut hung = calm();
    let job = hung.jobs.iter_mut().find(|job| job.running.is_some()).unwrap();
    let name = job.name.clone();
    job.running.as_mut().unwrap().deadline = Some(hung.started_at);
    let server = start(board(hung), |_| {}).await;
    let answer = server.get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0]["kind"], "run-hung");
    assert_eq!(answer.json()["reasons"][0]["job"], name);

    for kind in ReasonKind::ALL {
        let mut ill = calm();
        ill.reasons.push(Reason { kind, job: None, detail: "the state file is on a full disk".to_owned() });
        ill.ready = false;
        let server = start(board(ill), |_| {}).await;
        let answer = server.get("/healthz").await;
        assert_eq!((answer.status, &answer.json()["reasons"][0]["kind"]), (503, &kind.as_str().into()));
        assert_eq!(server.get("/readyz").await.status, 503);
        // The page and the metrics are there all the same.
        assert_eq!(server.get("/").await.status, 200);
        assert!(server.get("/metrics").await.body.contains("\nplanb_healthy 0\n"));
    }
}

#[tokio::test]
async fn a_board_that_does_not_answer_is_unhealthy_however_often_it_is_asked() {
    let (hold, silent) = std::sync::mpsc::channel();
    let fake = Fake { silent: Some(Mutex::new(silent)), ..board(calm()) };
    let server = start(fake, |options| options.limits.board = Duration::from_millis(50)).await;
    for _ in 0..8 {
        let answer = server.get("/healthz").await;
        assert_eq!((answer.status, &answer.json()["reasons"][0]["kind"]), (503, &"scheduler-stuck".into()));
    }
    for path in ["/readyz", "/metrics", "/", "/api/status"] {
        assert_eq!(server.get(path).await.status, 503, "{path}");
    }
    // It answers again: so does the server.
    drop(hold);
    while server.get("/healthz").await.status != 200 {}
}

#[tokio::test]
async fn each_address_has_its_kind_and_all_have_the_same_guards() {
    let server = start(board(calm()), |_| {}).await;
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/?state=ok&q=o&refresh=off&page=7&x=%ff", 200, "text/html; charset=utf-8"),
        ("/jobs/orders", 200, "text/html; charset=utf-8"),
        ("/jobs/nosuch", 404, "text/html; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/status", 200, "application/json"),
        ("/healthz", 200, "application/json"),
        ("/readyz", 200, "application/json"),
        ("/nosuch", 404, "application/json"),
        ("/jobs/", 404, "application/json"),
        ("/jobs/%ff", 404, "application/json"),
        ("/jobs/orders/more", 404, "application/json"),
        ("/favicon.ico", 404, "application/json"),
        ("/../etc/passwd", 404, "application/json"),
        ("//", 404, "application/json"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let server = start(board(calm()), |_| {}).await;
    for path in ["/", "/jobs/orders", "/metrics", "/api/status", "/healthz", "/readyz"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let answer = server.ask(method, path, "Content-Length: 0\r\n").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method} {path}");
        }
        let (head, get) = (server.ask("HEAD", path, "").await, server.get(path).await);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
    for method in ["GET", "HEAD", "PUT", "OPTIONS"] {
        let answer = server.ask(method, "/api/jobs/orders/trigger", "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
    }
}

#[tokio::test]
async fn the_status_is_what_the_board_said() {
    let snapshot = calm();
    let server = start(board(snapshot.clone()), |_| {}).await;
    let read: Snapshot = serde_json::from_str(&server.get("/api/status").await.body).unwrap();
    assert_eq!(read, snapshot);
    let short: Snapshot = serde_json::from_str(&server.get("/api/status?history=2").await.body).unwrap();
    assert!(short.jobs.iter().all(|job| job.history.len() <= 2));
    assert_eq!(short.jobs[0].history[..], snapshot.jobs[0].history[snapshot.jobs[0].history.len() - 2..]);
}

#[tokio::test]
async fn a_trigger_needs_the_token_and_a_job_that_can_run() {
    let fake = board(calm());
    let triggered = Arc::clone(&fake.triggered);
    let server = start(fake, |_| {}).await;
    for wrong in ["", "x", "a-token-of-some-lengtH", "a-token-of-some-length-and-more"] {
        let answer = server.trigger("orders", wrong).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{wrong:?}");
        assert!(!answer.body.contains(TOKEN));
    }
    assert_eq!(server.ask("POST", "/api/jobs/orders/trigger", "Content-Length: 0\r\n").await.status, 401);
    assert!(triggered.lock().unwrap().is_empty());
    let answer = server.trigger("a%2Fb%20%C3%A9", TOKEN).await;
    assert_eq!((answer.status, &answer.json()["message"]), (202, &"it begins".into()));
    assert_eq!(*triggered.lock().unwrap(), ["a/b é"]);

    for (error, status) in [
        (TriggerError::Unknown("why Unknown".to_owned()), 404),
        (TriggerError::Busy("why Busy".to_owned()), 409),
        (TriggerError::Disabled("why Disabled".to_owned()), 409),
        (TriggerError::Stopping("why Stopping".to_owned()), 503),
        (TriggerError::Failed("no".to_owned()), 500),
    ] {
        let said = error.to_string();
        let server = start(Fake { answer: Err(error), ..board(calm()) }, |_| {}).await;
        let answer = server.trigger("orders", TOKEN).await;
        assert_eq!((answer.status, &answer.json()["error"]["message"]), (status, &said.into()));
    }

    let fake = board(calm());
    let triggered = Arc::clone(&fake.triggered);
    let server = start(fake, |options| options.token = None).await;
    assert_eq!(server.trigger("orders", TOKEN).await.status, 403);
    assert_eq!(server.trigger("orders", "").await.status, 403);
    assert!(triggered.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_refused() {
    for token in ["", "short", "fifteen-letters", "sixteen letters!", "sixteen-letters\u{e9}"] {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.token = Some(Secret::new(token.to_owned()));
        let refused = Server::bind(options, Arc::new(board(calm()))).await;
        assert!(matches!(refused, Err(WebError::Token)), "{token:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = start(board(calm()), |_| {}).await;
    let options = Options::new(server.address);
    let error = Server::bind(options, Arc::new(board(calm()))).await.unwrap_err();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[tokio::test]
async fn a_name_that_is_not_its_own_is_refused() {
    let server = start(board(calm()), |options| options.hosts = vec!["backup.example".to_owned()]).await;
    let port = server.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("backup.example".to_owned(), 200),
        (format!("evil.example:{port}"), 421),
        ("127.0.0.1.evil.example".to_owned(), 421),
    ] {
        for path in ["/", "/metrics", "/api/status", "/nosuch"] {
            let answer = server.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
            let status = if path == "/nosuch" && status == 200 { 404 } else { status };
            assert_eq!(answer.status, status, "{host} {path}");
        }
    }
    assert_eq!(server.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").await.status, 421);
    assert_eq!(server.send(b"GET / HTTP/1.1\r\n\r\n").await.status, 421);
    assert_eq!(server.send(b"GET / HTTP/1.0\r\n\r\n").await.status, 421);
    assert_eq!(server.send(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await.status, 421);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = start(board(calm()), |_| {}).await;
    let long = "x".repeat(40_000);
    let answer = server.get(&format!("/{long}")).await;
    assert!([414, 431].contains(&answer.status), "{}", answer.status);
    assert_eq!(server.ask("GET", "/", &format!("X-Long: {long}\r\n")).await.status, 431);
    let many = "X-A: b\r\n".repeat(200);
    assert_eq!(server.ask("GET", "/", &many).await.status, 431);
    let body = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    assert_eq!(server.ask("POST", "/api/jobs/orders/trigger", &body).await.status, 413);
    // It goes on.
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn who_is_too_slow_is_let_go() {
    let limits = Limits { head: Duration::from_millis(100), connections: 2, ..Limits::default() };
    let server = start(board(calm()), |options| options.limits = limits).await;
    // More than there is room for, none of which says anything whole.
    let mut slow = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: local").await.unwrap();
        slow.push(stream);
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    for mut stream in slow {
        let mut rest = Vec::new();
        // An end, or a reset: no hanging, and no page.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }

    // A body that never comes, and a reader that never reads.
    let limits = Limits { connection: Duration::from_millis(200), connections: 1, ..Limits::default() };
    let server = start(board(calm()), |options| options.limits = limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"POST /api/jobs/orders/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn garbage_ends_only_its_own_connection() {
    let server = start(board(calm()), |_| {}).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\0\n\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn it_stops_when_told_to() {
    let mut server = start(board(calm()), |_| {}).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    drop(server.stop.take());
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
