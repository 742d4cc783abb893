//! A faulty way to a real S3 server: each request goes as a rule says.
//!
//! The proxy knows one request at a time: it reads its head, asks the rule, and then forwards it, breaks it off at a
//! chosen moment, answers it itself, or kills the process that sent it. What the real server was told is therefore
//! known exactly, which a network that fails by bytes cannot give.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{self, Head, Listener};
use crate::s3_call::{S3Call, S3Request, split};

/// When something happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The server has not heard of it.
    Before,
    /// The server has its head and half of its body, and then the connection ends.
    Half,
    /// The server has done it, and its answer is lost.
    After,
    /// Half of the server's answer has come.
    HalfAnswer,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is forwarded, and so is the answer.
    Pass,
    /// The process that sends it ([`Proxy::victim`]) is killed.
    Kill(Moment),
    /// The connection breaks.
    Cut(Moment),
    /// The server's answer is replaced, or it is not even asked: a status, and S3's code and message.
    Refuse(Moment, u16, &'static str, &'static str),
    /// It waits for this long, and is then forwarded.
    Late(Duration),
    /// It waits until [`Proxy::release`], and is then forwarded.
    Hold,
}

type Rule = Box<dyn Fn(&S3Request) -> Fate + Send + Sync>;

struct State {
    rule: Arc<Rule>,
    victim: Option<u32>,
    seen: Vec<(S3Request, Fate)>,
    counts: HashMap<S3Call, usize>,
    held: usize,
    released: u64,
}

struct Shared {
    server: String,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a server. It ends with this guard.
pub struct Proxy {
    listener: Listener,
    shared: Arc<Shared>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({} to {})", self.endpoint(), self.shared.server)
    }
}

impl Proxy {
    /// A way to the server at this address (`http://127.0.0.1:PORT`), without faults.
    #[must_use]
    pub fn to(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let state = State {
            rule: Arc::new(Box::new(|_: &S3Request| Fate::Pass)),
            victim: None,
            seen: Vec::new(),
            counts: HashMap::new(),
            held: 0,
            released: 0,
        };
        let shared = Arc::new(Shared { server, state: Mutex::new(state), changed: Condvar::new() });
        let serving = Arc::clone(&shared);
        // Whoever is killed or cut sees to it himself: an error ends the connection.
        let listener = Listener::start(move |client| drop(serve(&client, &serving)));
        Self { listener, shared }
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// The URL of a place in a bucket, by this way.
    #[must_use]
    pub fn url(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint={}", self.endpoint())
    }

    /// From now on requests go as this says. Counting and the record begin anew, and nobody is the victim.
    pub fn rule(&self, rule: impl Fn(&S3Request) -> Fate + Send + Sync + 'static) {
        let mut state = self.shared.state();
        state.rule = Arc::new(Box::new(rule));
        state.victim = None;
        state.seen.clear();
        state.counts.clear();
        state.held = 0;
    }

    /// Names the process that [`Fate::Kill`] kills; until then such a request waits.
    pub fn victim(&self, pid: u32) {
        self.shared.state().victim = Some(pid);
        self.shared.changed.notify_all();
    }

    /// Lets the held requests go on.
    pub fn release(&self) {
        self.shared.state().released += 1;
        self.shared.changed.notify_all();
    }

    /// Waits until a request is held.
    pub fn wait_for_held(&self) {
        let state = self.shared.state();
        let waited = self.shared.changed.wait_timeout_while(state, Duration::from_mins(2), |state| state.held == 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.held > 0, "no request is held");
    }

    /// What came since the rule was set, with what became of it.
    #[must_use]
    pub fn seen(&self) -> Vec<(S3Request, Fate)> {
        self.shared.state().seen.clone()
    }
}

impl Shared {
    /// Counts a request and asks the rule.
    fn judge(&self, head: &Head) -> Fate {
        let (bucket, key) = split(&head.path);
        let mut state = self.state();
        let call = S3Call::of(head);
        let nth = state.counts.entry(call.kind()).or_default();
        *nth += 1;
        let request = S3Request {
            nth: *nth,
            number: state.seen.len() + 1,
            call,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            length: head.length().unwrap_or(0),
        };
        let fate = (state.rule)(&request);
        state.seen.push((request, fate.clone()));
        fate
    }

    fn kill(&self) {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, Duration::from_mins(1), |state| state.victim.is_none());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let pid = state.victim.take().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn hold(&self) {
        let mut state = self.state();
        let turn = state.released;
        state.held += 1;
        self.changed.notify_all();
        let limit = Duration::from_mins(2);
        drop(self.changed.wait_timeout_while(state, limit, |state| state.released == turn));
    }
}

fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from = http::reader(client)?;
    let Some(head) = Head::read(&mut from) else { return Ok(()) };
    let fate = shared.judge(&head);
    let length = head.length().unwrap_or(0);
    let mut body = Vec::with_capacity(usize::try_from(length.min(64 << 20)).unwrap_or(0));
    let moment = match &fate {
        Fate::Pass => None,
        Fate::Late(time) => {
            std::thread::sleep(*time);
            None
        }
        Fate::Hold => {
            shared.hold();
            None
        }
        Fate::Kill(moment) | Fate::Cut(moment) | Fate::Refuse(moment, ..) => Some(*moment),
    };
    match moment {
        // Half of a body has to have been sent for planb to be in the middle of it.
        Some(Moment::Before) => {}
        Some(Moment::Half) => {
            (&mut from).take(length / 2).read_to_end(&mut body)?;
            let server = TcpStream::connect(&shared.server)?;
            (&server).write_all(&head.raw)?;
            (&server).write_all(&body)?;
            // The server has to have it before the connection ends.
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Moment::After | Moment::HalfAnswer) | None => {
            (&mut from).take(length).read_to_end(&mut body)?;
            let server = TcpStream::connect(&shared.server)?;
            server.set_nodelay(true)?;
            // Neither header is signed. One request for a connection: then its end is the answer's.
            (&server).write_all(&with_close(&head.raw))?;
            (&server).write_all(&body)?;
            let mut answer = http::reader(&server)?;
            if moment.is_none() {
                io::copy(&mut answer, &mut &*client)?;
                return client.shutdown(Shutdown::Write);
            }
            let mut all = Vec::new();
            answer.read_to_end(&mut all)?;
            if moment == Some(Moment::HalfAnswer) {
                (&mut &*client).write_all(&all[..all.len() / 2])?;
            }
        }
    }
    match fate {
        Fate::Kill(_) => shared.kill(),
        Fate::Refuse(_, status, code, message) => {
            // A client that still sends its body would take the end of the connection for the answer.
            io::copy(&mut (&mut from).take(length.saturating_sub(body.len() as u64)), &mut io::sink())?;
            let text = http::refusal(code, message);
            let text = if head.method == "HEAD" { Vec::new() } else { text };
            let kind = [("Content-Type".to_owned(), "application/xml".to_owned())];
            http::answer(&mut &*client, status, &kind, text.len() as u64, &text)?;
            return client.shutdown(Shutdown::Write);
        }
        _ => {}
    }
    http::cut(client);
    Ok(())
}

/// The head with `Connection: close` for whatever it said of that.
fn with_close(raw: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(raw);
    let mut lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_lowercase().starts_with("connection:"));
    let mut out = lines.join("\r\n").into_bytes();
    out.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
    out
}
