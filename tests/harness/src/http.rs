//! Just enough of HTTP/1.1 for servers that stand in for, or in front of, a store: one request for each connection.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest head that is read.
const LONGEST_HEAD: usize = 64 << 10;

/// What stands before a body.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The first line and the headers, to their empty line.
    pub(crate) raw: Vec<u8>,
    pub(crate) method: String,
    /// Decoded.
    pub(crate) path: String,
    /// Decoded; a word without a value has an empty one.
    pub(crate) query: Vec<(String, String)>,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads one; none where the connection ends before it.
    pub(crate) fn read(from: &mut impl Read) -> Option<Self> {
        let mut raw = Vec::new();
        let mut byte = [0];
        while !raw.ends_with(b"\r\n\r\n") {
            if raw.len() > LONGEST_HEAD || from.read_exact(&mut byte).is_err() {
                return None;
            }
            raw.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        Some(Self { method, path: decode(path), query: query.collect(), headers, raw })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long its body says it is.
    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length").and_then(|length| length.parse().ok())
    }
}

/// Undoes percent-encoding.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes an answer after which the connection is closed.
pub(crate) fn answer(
    to: &mut impl Write,
    status: u16,
    headers: &[(String, String)],
    length: u64,
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} {}\r\nContent-Length: {length}\r\nConnection: close\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    to.write_all(head.as_bytes())?;
    to.write_all(body)?;
    to.flush()
}

/// S3's way to say no.
pub(crate) fn refusal(code: &str, message: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>0</RequestId></Error>"
    )
    .into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        503 => "Slow Down",
        _ => "Status",
    }
}

/// A loopback port on which each connection gets a thread. Nobody listens any more once it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    port: u16,
    over: Arc<AtomicBool>,
}

impl Listener {
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let port = listener.local_addr().expect("a bound address").port();
        let over = Arc::new(AtomicBool::new(false));
        let (serve, ended) = (Arc::new(serve), Arc::clone(&over));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(client));
            }
        });
        Self { port, over }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the one that waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Ends a connection so that the other side takes it for broken and not for an answer.
pub(crate) fn cut(stream: &TcpStream) {
    drop(stream.shutdown(Shutdown::Both));
}

/// A buffered reader of a connection.
pub(crate) fn reader(stream: &TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.try_clone().map(|stream| BufReader::with_capacity(256 << 10, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_apart() {
        let text = "PUT /b/a%20%C3%A4?partNumber=2&uploads HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\nbody";
        let head = Head::read(&mut text.as_bytes()).unwrap();
        assert_eq!((head.method.as_str(), head.path.as_str()), ("PUT", "/b/a ä"));
        assert_eq!((head.asked("partNumber"), head.asked("uploads"), head.asked("x")), (Some("2"), Some(""), None));
        assert_eq!(head.length(), Some(7));
        assert!(head.raw.ends_with(b"\r\n\r\n"));
        assert!(Head::read(&mut &b"PUT / HTTP/1.1\r\n"[..]).is_none());
    }
}
