//! A strict S3 server in memory: it enforces the rules of multipart uploads, at sizes that a test can reach, and keeps
//! a list of every rule that was broken.
//!
//! It checks no signatures.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::{self, Head, Listener};
use crate::pattern::{Content, Keep};
use crate::s3_call::{S3Call, split};

/// What the server insists on.
#[derive(Debug, Clone, Copy)]
pub struct S3Rules {
    /// A part that is not the last has this size at least.
    pub part_min: u64,
    /// No part is larger.
    pub part_max: u64,
    /// An upload has not more parts.
    pub parts: u32,
    /// All parts but the last have one size, and the last is not larger (Cloudflare R2).
    pub equal_parts: bool,
    /// No object is larger.
    pub object_max: u64,
    /// A list has not more keys on a page.
    pub page: usize,
}

impl Default for S3Rules {
    /// Amazon's own.
    fn default() -> Self {
        Self {
            part_min: 5 << 20,
            part_max: 5 << 30,
            parts: 10_000,
            equal_parts: false,
            object_max: 5 << 40,
            page: 1000,
        }
    }
}

#[derive(Debug, Clone)]
struct Object {
    parts: Vec<Content>,
    headers: Vec<(String, String)>,
    etag: String,
}

impl Object {
    fn len(&self) -> u64 {
        self.parts.iter().map(Content::len).sum()
    }
}

#[derive(Debug)]
struct Upload {
    key: String,
    headers: Vec<(String, String)>,
    parts: BTreeMap<u32, (String, Content)>,
}

#[derive(Debug, Default)]
struct State {
    /// By bucket and key, as in a path.
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    broken: Vec<String>,
    part_counts: BTreeMap<String, usize>,
}

struct Shared {
    rules: S3Rules,
    keep: Keep,
    state: Mutex<State>,
    tags: AtomicU64,
}

/// The server. Every bucket is there. It ends with this guard.
pub struct StrictS3 {
    listener: Listener,
    shared: Arc<Shared>,
}

impl fmt::Debug for StrictS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StrictS3({})", self.endpoint())
    }
}

impl StrictS3 {
    /// Starts one.
    #[must_use]
    pub fn start(rules: S3Rules, keep: Keep) -> Self {
        let shared = Arc::new(Shared { rules, keep, state: Mutex::default(), tags: AtomicU64::new(1) });
        let serving = Arc::clone(&shared);
        let listener = Listener::start(move |client| drop(serving.serve(&client)));
        Self { listener, shared }
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// The URL of a place in a bucket.
    #[must_use]
    pub fn url(&self, bucket: &str, prefix: &str) -> String {
        format!("s3://{bucket}/{prefix}?endpoint={}", self.endpoint())
    }

    /// Variables with which `planb` gets in, as it would with any.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "anyone".to_owned())).to_vec()
    }

    /// `bucket/key`, size and number of parts of each object.
    #[must_use]
    pub fn objects(&self) -> Vec<(String, u64, usize)> {
        let state = self.shared.state();
        let parts = |key: &str| state.part_counts.get(key).copied().unwrap_or(0);
        state.objects.iter().map(|(key, object)| (key.clone(), object.len(), parts(key))).collect()
    }

    /// The bytes of an object, by `bucket/key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Vec<u8> {
        let state = self.shared.state();
        let object = state.objects.get(key).unwrap_or_else(|| panic!("no object {key}"));
        self.shared.keep.bytes(&object.parts, 0, object.len())
    }

    /// Uploads that were begun and neither finished nor aborted.
    #[must_use]
    pub fn unfinished_uploads(&self) -> usize {
        self.shared.state().uploads.len()
    }

    /// Each rule that was broken, as it was answered.
    #[must_use]
    pub fn broken_rules(&self) -> Vec<String> {
        self.shared.state().broken.clone()
    }
}

/// What is answered.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Of an object whose bytes are not sent (HEAD).
    length: Option<u64>,
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), length: None }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A request that is refused: status, code, message.
type Refused = (u16, &'static str, String);

fn no(status: u16, code: &'static str, why: impl Into<String>) -> Refused {
    (status, code, why.into())
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut from = http::reader(client)?;
        let Some(head) = Head::read(&mut from) else { return Ok(()) };
        let call = S3Call::of(&head);
        let outcome = match (head.method.as_str(), head.length()) {
            ("PUT", None) => Err(no(411, "MissingContentLength", "a body needs its length")),
            (_, length) => {
                let length = length.unwrap_or(0);
                let mut body = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
                from.take(length).read_to_end(&mut body)?;
                if body.len() as u64 == length {
                    self.act(call, &head, body)
                } else {
                    Err(no(400, "IncompleteBody", "the body is shorter than its length"))
                }
            }
        };
        let mut answer = outcome.unwrap_or_else(|(status, code, message)| {
            // What is not there, or there already, is no mistake of the one who asks.
            if !matches!(status, 404 | 412) {
                self.state().broken.push(format!("{call:?} {}: {code}: {message}", head.path));
            }
            Answer::new(status, http::refusal(code, &message))
        });
        let length = answer.length.unwrap_or(answer.body.len() as u64);
        if head.method == "HEAD" {
            answer.body.clear();
        }
        http::answer(&mut &*client, answer.status, &answer.headers, length, &answer.body)?;
        client.shutdown(Shutdown::Write)
    }

    fn act(&self, call: S3Call, head: &Head, body: Vec<u8>) -> Result<Answer, Refused> {
        let path = head.path.trim_start_matches('/').to_owned();
        match call {
            S3Call::CreateUpload => {
                let id = self.tag();
                let upload = Upload { key: path, headers: kept(head), parts: BTreeMap::new() };
                self.state().uploads.insert(id.clone(), upload);
                Ok(Answer::new(
                    200,
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
                ))
            }
            S3Call::Part(number) => self.part(head, number, body),
            S3Call::Complete => self.complete(head, &body),
            S3Call::Abort => {
                let id = head.asked("uploadId").unwrap_or_default();
                self.state().uploads.remove(id).ok_or_else(no_upload)?;
                Ok(Answer::new(204, ""))
            }
            S3Call::Put => {
                // What is small is no part of a dump: manifests, leases.
                let content = if body.len() < 1 << 20 {
                    Keep::Bytes.take(&path, 0, body)
                } else {
                    self.keep.take(&path, 0, body)
                };
                let content = content.ok_or_else(|| no(400, "BadDigest", format!("{path} is not as it should be")))?;
                let mut state = self.state();
                free(&state, head, &path)?;
                let etag = self.tag();
                let answer = Answer::new(200, "").with("ETag", &quoted(&etag));
                state.part_counts.remove(&path);
                let object = Object { parts: vec![content], headers: kept(head), etag };
                state.objects.insert(path, object);
                Ok(answer)
            }
            S3Call::Get | S3Call::Head => self.read(call, head, &path),
            S3Call::Delete => {
                self.state().objects.remove(&path);
                Ok(Answer::new(204, ""))
            }
            S3Call::List => Ok(self.list(head)),
            S3Call::Other => Err(no(400, "InvalidRequest", format!("{} is not known here", head.method))),
        }
    }

    fn part(&self, head: &Head, number: u32, body: Vec<u8>) -> Result<Answer, Refused> {
        let rules = &self.rules;
        if number == 0 || number > rules.parts {
            return Err(no(400, "InvalidArgument", format!("part {number} is not among 1 to {}", rules.parts)));
        }
        if body.len() as u64 > rules.part_max {
            return Err(no(400, "EntityTooLarge", format!("part {number} has {} bytes", body.len())));
        }
        let id = head.asked("uploadId").unwrap_or_default();
        let (key, size) = {
            let state = self.state();
            let upload = state.uploads.get(id).ok_or_else(no_upload)?;
            // Where parts are equal the first one tells where each belongs.
            let first = upload.parts.get(&1).map(|(_, content)| content.len());
            (upload.key.clone(), first.unwrap_or(body.len() as u64))
        };
        let content = self.keep.take(&key, u64::from(number - 1) * size, body);
        let content =
            content.ok_or_else(|| no(400, "BadDigest", format!("part {number} of {key} is not as it should be")))?;
        let etag = self.tag();
        let mut state = self.state();
        let upload = state.uploads.get_mut(id).ok_or_else(no_upload)?;
        upload.parts.insert(number, (etag.clone(), content));
        Ok(Answer::new(200, "").with("ETag", &quoted(&etag)))
    }

    fn complete(&self, head: &Head, body: &[u8]) -> Result<Answer, Refused> {
        let rules = &self.rules;
        let text = String::from_utf8_lossy(body).into_owned();
        let numbers = between(&text, "PartNumber");
        let tags = between(&text, "ETag");
        let mut state = self.state();
        let id = head.asked("uploadId").unwrap_or_default();
        let upload = state.uploads.get(id).ok_or_else(no_upload)?;
        free(&state, head, &upload.key)?;
        let mut sizes = Vec::new();
        let mut parts = Vec::new();
        for (at, (number, tag)) in numbers.iter().zip(&tags).enumerate() {
            let number: u32 = number.parse().unwrap_or(0);
            if number as usize != at + 1 {
                return Err(no(400, "InvalidPartOrder", format!("part {number} stands at place {}", at + 1)));
            }
            let known =
                upload.parts.get(&number).filter(|(etag, _)| *etag == tag.replace("&quot;", "").replace('"', ""));
            let (_, content) = known.ok_or_else(|| no(400, "InvalidPart", format!("part {number} is another")))?;
            sizes.push(content.len());
            parts.push(content.clone());
        }
        if sizes.len() != upload.parts.len() || sizes.is_empty() {
            let why = format!("{} of {} parts are listed", sizes.len(), upload.parts.len());
            return Err(no(400, "InvalidPart", why));
        }
        let last = sizes.pop().unwrap_or(0);
        if let Some(small) = sizes.iter().find(|size| **size < rules.part_min) {
            return Err(no(400, "EntityTooSmall", format!("a part before the last has {small} bytes")));
        }
        let uneven = sizes.windows(2).any(|pair| pair[0] != pair[1]) || sizes.first().is_some_and(|size| last > *size);
        if rules.equal_parts && uneven {
            return Err(no(400, "InvalidPart", "all non-trailing parts must have the same length"));
        }
        let whole = sizes.iter().sum::<u64>() + last;
        if whole > rules.object_max {
            return Err(no(400, "EntityTooLarge", format!("the object would have {whole} bytes")));
        }
        let etag = self.tag();
        let upload = state.uploads.remove(id).ok_or_else(no_upload)?;
        state.part_counts.insert(upload.key.clone(), parts.len());
        let text = format!(
            "<CompleteMultipartUploadResult><Key>{}</Key><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>",
            upload.key
        );
        state.objects.insert(upload.key, Object { parts, headers: upload.headers, etag });
        Ok(Answer::new(200, text))
    }

    fn read(&self, call: S3Call, head: &Head, path: &str) -> Result<Answer, Refused> {
        let object = self.state().objects.get(path).cloned();
        let object = object.ok_or_else(|| no(404, "NoSuchKey", "the key is not there"))?;
        let size = object.len();
        let range = head.header("range").and_then(|range| {
            let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
            let from: u64 = from.parse().ok()?;
            Some((from, to.parse::<u64>().map_or(size, |to| (to + 1).min(size))))
        });
        let (from, to) = range.unwrap_or((0, size));
        if from >= to && size > 0 {
            return Err(no(416, "InvalidRange", format!("{from} to {to} of {size}")));
        }
        let mut answer = Answer::new(if range.is_some() { 206 } else { 200 }, "");
        if call == S3Call::Get {
            answer.body = self.keep.bytes(&object.parts, from, to);
        } else {
            answer.length = Some(to - from);
        }
        if range.is_some() {
            answer = answer.with("Content-Range", &format!("bytes {from}-{}/{size}", to - 1));
        }
        answer.headers.extend(object.headers.clone());
        Ok(answer.with("ETag", &quoted(&object.etag)).with("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT"))
    }

    fn list(&self, head: &Head) -> Answer {
        let bucket = split(&head.path).0.to_owned();
        let prefix = format!("{bucket}/{}", head.asked("prefix").unwrap_or_default());
        let after = head.asked("continuation-token").or(head.asked("start-after")).unwrap_or_default().to_owned();
        let state = self.state();
        let all = state.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        let mut rest = all.map(|(key, object)| (&key[bucket.len() + 1..], object)).filter(|(key, _)| **key > *after);
        let page: Vec<_> = rest.by_ref().take(self.rules.page).collect();
        let mut text = format!("<ListBucketResult><IsTruncated>{}</IsTruncated>", rest.next().is_some());
        for (key, object) in &page {
            let key = key.replace('&', "&amp;").replace('<', "&lt;");
            text.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2022-01-01T00:00:00.000Z</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size></Contents>",
                object.etag,
                object.len()
            ));
        }
        if let Some((last, _)) = page.last() {
            text.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
        }
        text.push_str("</ListBucketResult>");
        Answer::new(200, text).with("Content-Type", "application/xml")
    }

    /// A tag that nothing else has.
    fn tag(&self) -> String {
        format!("{:016x}", self.tags.fetch_add(1, Ordering::Relaxed))
    }
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

fn no_upload() -> Refused {
    no(404, "NoSuchUpload", "there is no such upload")
}

/// Refuses where a condition of the request says that the key has to be free, or to hold what was read.
fn free(state: &State, head: &Head, path: &str) -> Result<(), Refused> {
    let there = state.objects.get(path);
    let taken = head.header("if-none-match") == Some("*") && there.is_some();
    let other =
        head.header("if-match").is_some_and(|tag| there.is_none_or(|object| object.etag != tag.trim_matches('"')));
    if taken || other { Err(no(412, "PreconditionFailed", "the key is not as expected")) } else { Ok(()) }
}

/// Headers that belong to an object.
fn kept(head: &Head) -> Vec<(String, String)> {
    let ours = |name: &str| name.starts_with("x-amz-meta-") || name == "content-type";
    head.headers.iter().filter(|(name, _)| ours(name)).cloned().collect()
}

/// The texts of all elements of a name.
fn between(text: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = text.split(&open).skip(1);
    pieces.filter_map(|piece| Some(piece.split_once(&close)?.0.to_owned())).collect()
}
