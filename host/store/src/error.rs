//! Errors of stores.
//!
//! Policy: one type, which says what was done, to which object of which store, and one of a few kinds that callers
//! and hints tell apart. OpenDAL's own text is kept as the detail, without the requests' headers and addresses.
//! An error that could go away was already tried again when it gets here.

use std::fmt;

use crate::url::StoreUrlError;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The URL or the settings cannot work.
    Settings,
    /// The object, the bucket or the folder is not there.
    NotFound,
    /// The credentials are wrong or may not do this.
    Denied,
    /// Nothing answers, or not in time.
    Unreachable,
    /// The disk or the quota is full.
    Full,
    /// An object of this name is there already.
    Exists,
    /// What is there is not what was written.
    Damaged,
    /// The credentials were right once.
    Expired,
    /// This machine's clock and the store's differ.
    Clock,
    /// The bucket is in another region.
    Region,
    /// The store answers that it cannot, or has too much to do.
    Failing,
    /// Everything else.
    Other,
}

/// A store did not do what was asked of it.
#[derive(Debug, Clone)]
pub struct StoreError {
    /// For decisions and hints.
    pub kind: StoreErrorKind,
    /// What was done: `writing`, `listing`.
    pub doing: &'static str,
    /// The store's printable URL, with the object's key where there is one.
    pub at: String,
    /// What the store said.
    pub detail: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Settings => "the settings do not work",
            StoreErrorKind::NotFound => "it is not there",
            StoreErrorKind::Denied => "access was denied",
            StoreErrorKind::Unreachable => "the store cannot be reached",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::Exists => "it exists already",
            StoreErrorKind::Damaged => "it is damaged",
            StoreErrorKind::Expired => "the credentials have expired",
            StoreErrorKind::Clock => "the clocks differ",
            StoreErrorKind::Region => "the bucket is in another region",
            StoreErrorKind::Failing => "the store itself fails",
            StoreErrorKind::Other => "the store failed",
        };
        write!(f, "{} {}: {what}", self.doing, self.at)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl std::error::Error for StoreError {}

impl From<StoreUrlError> for StoreError {
    fn from(error: StoreUrlError) -> Self {
        Self { kind: StoreErrorKind::Settings, doing: "opening", at: error.shown.clone(), detail: error.to_string() }
    }
}

impl StoreError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let text = match self.kind {
            StoreErrorKind::Clock => "set this machine's clock (NTP): requests are signed with the time",
            StoreErrorKind::Expired => {
                "renew the credentials (AWS_SESSION_TOKEN and its keys), or use some that renew themselves: a profile, web identity, the machine's role"
            }
            StoreErrorKind::Region => "set region= in the store's URL, or AWS_REGION",
            StoreErrorKind::Failing if self.says(&["slow", "429", "503"]) => {
                "it was tried again several times; fewer runs at once or larger parts (--part-size) ask less of it; try again later"
            }
            StoreErrorKind::Failing => {
                "it was tried again several times; try again later, or look at the store's own state"
            }
            StoreErrorKind::Denied if self.at.starts_with("file:") => {
                "check who owns the folder and who may write to it"
            }
            StoreErrorKind::Denied if self.at.starts_with("s3:") => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete here"
            }
            StoreErrorKind::Denied if self.at.starts_with("azblob:") => {
                "check AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY"
            }
            StoreErrorKind::Denied if self.at.starts_with("gs:") => {
                "check GOOGLE_APPLICATION_CREDENTIALS and the roles of its account"
            }
            StoreErrorKind::Unreachable => "check the endpoint and region in the store's URL, and the network",
            // The answer to a HEAD has no words.
            StoreErrorKind::Other if self.at.starts_with("s3:") && self.says(&["http status 400"]) => {
                "S3 answers so to expired credentials and to a wrong region: check AWS_SESSION_TOKEN, and region= in the store's URL"
            }
            StoreErrorKind::NotFound if self.at.starts_with("file:") && self.doing == "making" => {
                "check the path: a folder above it is missing, or takes no new folders"
            }
            StoreErrorKind::NotFound if self.at.starts_with("file:") => {
                "check the path; for a new store, write a backup to it first"
            }
            StoreErrorKind::NotFound => "check the name of the bucket or container; planb does not create it",
            StoreErrorKind::Full => "make room, or remove old backups",
            _ => return None,
        };
        Some(text.to_owned())
    }

    fn says(&self, words: &[&str]) -> bool {
        let lower = self.detail.to_lowercase();
        words.iter().any(|word| lower.contains(word))
    }

    pub(crate) fn from_opendal(error: &opendal::Error, doing: &'static str, at: String) -> Self {
        use opendal::ErrorKind as K;
        let detail = detail(error);
        let lower = detail.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let kind = match error.kind() {
            // Some services' answer to this comes as a wrong setting.
            _ if says(&["nosuchbucket", "containernotfound"]) => StoreErrorKind::NotFound,
            _ if says(&["requesttimetooskewed"]) => StoreErrorKind::Clock,
            _ if says(&["expiredtoken", "token has expired", "expired token"]) => StoreErrorKind::Expired,
            _ if says(&[
                "authorizationheadermalformed",
                "permanentredirect",
                "illegallocationconstraint",
                "http status 301",
            ]) =>
            {
                StoreErrorKind::Region
            }
            K::NotFound => StoreErrorKind::NotFound,
            K::PermissionDenied => StoreErrorKind::Denied,
            K::ConfigInvalid => StoreErrorKind::Settings,
            K::AlreadyExists | K::ConditionNotMatch => StoreErrorKind::Exists,
            _ if says(&["no space left", "storage full", "quota", "storagefull"]) => StoreErrorKind::Full,
            _ if says(&[
                "invalidaccesskeyid",
                "signaturedoesnotmatch",
                "accessdenied",
                "authenticationfailed",
                "permission denied",
                "no credential",
                "loading credential",
                "signing credential",
                "authorizationfailure",
                "forbidden",
            ]) =>
            {
                StoreErrorKind::Denied
            }
            _ if says(&["nosuchbucket", "containernotfound"]) => StoreErrorKind::NotFound,
            _ if says(&["error sending request", "timeout", "timed out", "connection", "dns", "connect error"]) => {
                StoreErrorKind::Unreachable
            }
            _ if says(&[
                "slowdown",
                "internalerror",
                "serviceunavailable",
                "toomanyrequests",
                "http status 5",
                "http status 429",
            ]) =>
            {
                StoreErrorKind::Failing
            }
            _ => StoreErrorKind::Other,
        };
        Self { kind, doing, at, detail }
    }
}

/// The message and its innermost cause in one line. OpenDAL's own rendering shows whole requests.
pub(crate) fn detail(error: &opendal::Error) -> String {
    let mut parts = vec![error.message().to_owned()];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    parts.dedup();
    let mut text = parts.join(": ");
    // S3 and Azure answer in XML; its Code and Message are what a person needs.
    if let Some(code) = between(&text, "<Code>", "</Code>") {
        text = match between(&text, "<Message>", "</Message>") {
            Some(message) if !message.is_empty() => format!("{code}: {message}"),
            _ => code,
        };
    } else if let Some(code) = between(&text, "code: \"", "\"") {
        let message = between(&text, "message: \"", "\"").unwrap_or_default();
        text = format!("{code}: {message}");
    }
    if text.trim().is_empty() {
        // The answer to a HEAD has no body; its status is in the error's context.
        text = match between(&format!("{error:?}"), "status: ", ",") {
            Some(status) => format!("HTTP status {status}"),
            None => error.kind().to_string(),
        };
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = hide_query(&line);
    if line.len() > 400 { line.chars().take(400).chain("...".chars()).collect() } else { line }
}

/// The query of an address can hold a signature.
fn hide_query(text: &str) -> String {
    text.split(' ')
        .map(|word| match word.split_once('?') {
            Some((address, _)) if address.contains("://") => format!("{address}?..."),
            _ => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let from = text.find(start)? + start.len();
    let to = text[from..].find(end)? + from;
    Some(text[from..to].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_query() {
        assert_eq!(hide_query("for url (http://h/b/k?X-Amz-Signature=abc) failed"), "for url (http://h/b/k?... failed");
    }
}
