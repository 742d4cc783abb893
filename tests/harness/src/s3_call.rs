//! What a request wants of an S3 server.

use crate::http::Head;

/// The operations that Plan B uses, and those that its tests look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum S3Call {
    /// Begins a multipart upload.
    CreateUpload,
    /// One part of it, counted from 1.
    Part(u32),
    /// Makes it an object.
    Complete,
    /// Throws it away.
    Abort,
    /// An object in one go.
    Put,
    /// An object's bytes.
    Get,
    /// An object's size.
    Head,
    /// Removes an object.
    Delete,
    /// Lists objects.
    List,
    /// Something else.
    Other,
}

/// A request, as a rule sees it.
#[derive(Debug, Clone)]
pub struct S3Request {
    /// Its place among all requests since the rule was set, from 1.
    pub number: usize,
    /// Its place among those of the same operation (all parts are one), from 1.
    pub nth: usize,
    /// What it wants.
    pub call: S3Call,
    /// The bucket.
    pub bucket: String,
    /// The key; empty for a list.
    pub key: String,
    /// Length of its body.
    pub length: u64,
}

impl S3Call {
    /// The same for all parts, for counting.
    #[must_use]
    pub fn kind(self) -> Self {
        match self {
            Self::Part(_) => Self::Part(0),
            other => other,
        }
    }

    pub(crate) fn of(head: &Head) -> Self {
        let has = |name: &str| head.asked(name).is_some();
        let object = !split(&head.path).1.is_empty();
        match head.method.as_str() {
            "POST" if has("uploads") => Self::CreateUpload,
            "POST" if has("uploadId") => Self::Complete,
            "PUT" if has("uploadId") => {
                Self::Part(head.asked("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0))
            }
            "PUT" if object => Self::Put,
            "DELETE" if has("uploadId") => Self::Abort,
            "DELETE" if object => Self::Delete,
            "GET" if object => Self::Get,
            "GET" => Self::List,
            "HEAD" if object => Self::Head,
            _ => Self::Other,
        }
    }
}

impl S3Request {
    /// Whether it is about a manifest.
    #[must_use]
    pub fn of_manifest(&self) -> bool {
        self.key.ends_with(".manifest.json")
    }

    /// Whether it is about what is written beside backups (leases and the like).
    #[must_use]
    pub fn of_bookkeeping(&self) -> bool {
        self.key.split('/').any(|part| part.starts_with(".planb"))
    }
}

/// Bucket and key of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""))
}
