//! A small S3 client, so that looking at a bucket takes a test a millisecond: signed requests, one for a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::moment::Moment;

/// Asks a server on loopback.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    id: String,
    secret: String,
}

impl Client {
    /// For the server at `http://127.0.0.1:PORT`, with an account's key id and secret.
    pub fn new(endpoint: &str, id: &str, secret: &str) -> Self {
        let address = endpoint.trim_start_matches("http://").to_owned();
        Self { address, id: id.to_owned(), secret: secret.to_owned() }
    }

    /// The keys and sizes of all objects whose keys begin with this.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<(String, u64)> {
        let query = format!("list-type=2&max-keys=1000&prefix={}", encode(prefix, false));
        let text = self.text(bucket, &query);
        assert!(!text.contains("<IsTruncated>true"), "more than a test should have made");
        let sizes = between(&text, "Size").into_iter().map(|size| size.parse().expect("a size"));
        between(&text, "Key").into_iter().zip(sizes).collect()
    }

    /// The keys of multipart uploads that were begun and neither finished nor aborted.
    pub fn unfinished_uploads(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let keys = between(&self.text(bucket, "uploads="), "Key");
        keys.into_iter().filter(|key| key.starts_with(prefix)).collect()
    }

    /// The bytes of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let (status, body) = self.send("GET", &format!("/{bucket}/{}", encode(key, true)), "", b"");
        assert_eq!(status, 200, "{key}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Writes an object over whatever is there.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let (status, body) = self.send("PUT", &format!("/{bucket}/{}", encode(key, true)), "", bytes);
        assert_eq!(status, 200, "{key}: {}", String::from_utf8_lossy(&body));
    }

    fn text(&self, bucket: &str, query: &str) -> String {
        let (status, body) = self.send("GET", &format!("/{bucket}"), query, b"");
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// `query` has its names in order, as a signature needs them.
    fn send(&self, method: &str, path: &str, query: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let Moment { year, month, day, hour, minute, second } = Moment::from_now(0);
        let (date, time) = (format!("{year:04}{month:02}{day:02}"), format!("{hour:02}{minute:02}{second:02}"));
        let digest = hex::encode(Sha256::digest(body));
        let headers = format!("host:{}\nx-amz-content-sha256:{digest}\nx-amz-date:{date}T{time}Z\n", self.address);
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{digest}");
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}T{time}Z\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = hmac(format!("AWS4{}", self.secret).as_bytes(), date.as_bytes());
        for part in ["us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
        let question = if query.is_empty() { "" } else { "?" };
        let head = format!(
            "{method} {path}{question}{query} HTTP/1.1\r\nHost: {}\r\nx-amz-content-sha256: {digest}\r\nx-amz-date: {date}T{time}Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            self.id,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = answer.split_off(end + 4);
        (status, if head.contains("transfer-encoding: chunked") { unchunked(&body) } else { body })
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&body[..end]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
        if size == 0 {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    out
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad).to_vec();
    let inner = Sha256::digest([padded(0x36), text.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn encode(text: &str, keep_slashes: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep_slashes && byte == b'/';
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The texts of all elements of a name.
fn between(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = text.split(&open).skip(1).filter_map(|piece| Some(piece.split_once(&close)?.0));
    pieces.map(|piece| piece.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_of_rfc_4231() {
        let hash = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(hash), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn chunks() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), b"abcde");
    }
}
