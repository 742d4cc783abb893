//! From a remote of rclone to a store of planb.
//!
//! A remote is translated only if all its keys are understood: those that say where and as whom, and those that change
//! nothing but how rclone itself works. One key that is neither, and the remote goes through the rclone program.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use planb_model::connection::did_you_mean;
use planb_model::secret::Secret;

use super::conf::RcloneConf;
use super::remote::{Remote, Where};

/// A remote as a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Translated {
    /// The URL without its settings.
    pub(crate) url: String,
    /// Settings by the names of a store's keys.
    pub(crate) keys: Vec<(&'static str, String)>,
    pub(crate) secrets: BTreeMap<&'static str, Secret>,
    /// Why it goes through rclone. None: it does not.
    pub(crate) through: Option<String>,
    /// What is different from rclone.
    pub(crate) notes: Vec<String>,
    /// What has to be kept out of sight beside `secrets`.
    pub(crate) hidden: Vec<Secret>,
}

/// What a path may hold as it is.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'+').remove(b'=');
/// An alias of an alias of an alias: nobody has more on purpose.
const DEEPEST: usize = 8;

/// Keys that say nothing of where the data is or who may see it.
const S3_TUNING: &[&str] = &[
    "provider",
    "location_constraint",
    "bucket_acl",
    "chunk_size",
    "upload_cutoff",
    "copy_cutoff",
    "upload_concurrency",
    "max_upload_parts",
    "no_check_bucket",
    "no_head",
    "no_head_object",
    "list_chunk",
    "list_version",
    "list_url_encode",
    "encoding",
    "memory_pool_flush_time",
    "memory_pool_use_mmap",
    "disable_http2",
    "disable_checksum",
    "use_multipart_uploads",
    "use_multipart_etag",
    "use_presigned_request",
    "use_already_exists",
    "use_accept_encoding_gzip",
    "might_gzip",
    "leave_parts_on_error",
    "use_accelerate_endpoint",
    "use_unsigned_payload",
    "directory_markers",
    "no_system_metadata",
    "sts_endpoint",
    "use_x_id",
    "sign_accept_encoding",
    "use_data_integrity_protections",
];
const GCS_TUNING: &[&str] = &[
    "project_number",
    "bucket_policy_only",
    "object_acl",
    "bucket_acl",
    "location",
    "chunk_size",
    "encoding",
    "no_check_bucket",
    "directory_markers",
    "decompress",
];
const AZURE_TUNING: &[&str] = &[
    "chunk_size",
    "upload_cutoff",
    "upload_concurrency",
    "list_chunk",
    "encoding",
    "memory_pool_flush_time",
    "memory_pool_use_mmap",
    "disable_checksum",
    "no_check_container",
    "no_head_object",
    "directory_markers",
    "archive_tier_delete",
    "public_access",
    "delete_snapshots",
    "disable_instance_discovery",
    "use_copy_blob",
    "copy_cutoff",
    "copy_concurrency",
    "copy_total_concurrency",
];

/// Translates a remote.
///
/// # Errors
/// What is wrong with it, without a secret.
pub(crate) fn translate(conf: &RcloneConf, remote: &Remote) -> Result<Translated, String> {
    step(conf, remote, 0)
}

fn step(conf: &RcloneConf, remote: &Remote, depth: usize) -> Result<Translated, String> {
    let (name, mut keys) = match &remote.at {
        Where::Here => return Ok(Translated { url: folder(&remote.path), ..Translated::default() }),
        Where::Named(name) => match conf.remotes.get(name) {
            Some(keys) => (name.as_str(), keys.clone()),
            None if conf.encrypted.is_some() => return Ok(through(conf, remote, name, "its file is encrypted")),
            None => {
                let nearest = did_you_mean(name, conf.names());
                return Err(format!("rclone.conf has no remote `{name}`{nearest}"));
            }
        },
        Where::Made(kind) => ("planb", BTreeMap::from([("type".to_owned(), kind.clone())])),
    };
    keys.extend(remote.keys.iter().cloned());
    let kind = keys.get("type").map_or("", String::as_str).to_owned();
    if kind.is_empty() {
        return Err(format!("the remote `{name}` has no type"));
    }
    let view = View { keys: &keys, path: &remote.path };
    let told = match kind.as_str() {
        "s3" => view.s3(),
        "google cloud storage" | "gcs" | "googlecloudstorage" => view.gcs(),
        "azureblob" => view.azure(),
        "local" => Ok(Translated { url: folder(&remote.path), ..Translated::default() }),
        "memory" => Ok(Translated { url: format!("memory:///{}", encoded(&remote.path)), ..Translated::default() }),
        "alias" if depth < DEEPEST => {
            let target = view.get("remote").ok_or_else(|| format!("the alias `{name}` names no remote"))?;
            let mut target = Remote::parse(target).map_err(|why| format!("the alias `{name}`: {why}"))?;
            target.path = joined(&target.path, &remote.path);
            return step(conf, &target, depth + 1);
        }
        "alias" => return Err(format!("the alias `{name}` leads in a circle")),
        other => Err(No::Through(format!("planb has no stores of the type {other}"))),
    };
    match told {
        Ok(translated) => Ok(translated),
        Err(No::Wrong(why)) => Err(format!("the remote `{name}`: {why}")),
        Err(No::Through(why)) => {
            let mut conf = conf.clone();
            if conf.remotes.get(name) != Some(&keys) {
                conf.remotes.insert(name.to_owned(), keys);
                conf.changed = true;
            }
            Ok(through(&conf, remote, name, &why))
        }
    }
}

/// Through the rclone program: with its own file where that says all, so that rclone can write new tokens into it.
fn through(conf: &RcloneConf, remote: &Remote, name: &str, why: &str) -> Translated {
    let mut translated = Translated {
        url: format!("rclone://{}/{}", utf8_percent_encode(name, PATH), encoded(&remote.path)),
        through: Some(why.to_owned()),
        hidden: conf.secrets(),
        ..Translated::default()
    };
    match &conf.file {
        Some(path) if !conf.changed => translated.keys.push(("config", path.to_string_lossy().into_owned())),
        _ => drop(translated.secrets.insert("config_text", conf.text())),
    }
    translated
}

/// Why there is no translation.
enum No {
    /// rclone has to do it.
    Through(String),
    /// Nobody can.
    Wrong(String),
}

/// The keys of one remote.
struct View<'a> {
    keys: &'a BTreeMap<String, String>,
    path: &'a str,
}

impl View<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// Every key has to be one of those that are translated or that may be left out.
    fn only(&self, translated: &[&str], tuning: &[&str]) -> Result<(), No> {
        let known =
            |key: &str| matches!(key, "type" | "description") || translated.contains(&key) || tuning.contains(&key);
        // What is off, or set to nothing, asks for nothing.
        let silent = |value: &str| matches!(value, "" | "false" | "off");
        match self.keys.iter().find(|(key, value)| !known(key) && !silent(value)) {
            Some((key, _)) => Err(No::Through(format!("its key `{key}` has no counterpart in planb"))),
            None => Ok(()),
        }
    }

    fn bucket(&self, scheme: &str) -> Result<String, No> {
        let path = self.path.trim_matches('/');
        if path.is_empty() {
            return Err(No::Wrong("the path has no bucket: REMOTE:bucket/path".to_owned()));
        }
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let bucket = utf8_percent_encode(bucket, PATH);
        Ok(if prefix.is_empty() {
            format!("{scheme}://{bucket}")
        } else {
            format!("{scheme}://{bucket}/{}", encoded(prefix))
        })
    }

    fn s3(&self) -> Result<Translated, No> {
        const KEYS: &[&str] = &[
            "env_auth",
            "access_key_id",
            "secret_access_key",
            "session_token",
            "region",
            "endpoint",
            "storage_class",
            "server_side_encryption",
            "sse_kms_key_id",
            "profile",
            "role_arn",
            "role_external_id",
            "force_path_style",
            "acl",
        ];
        self.only(KEYS, S3_TUNING)?;
        let provider = self.get("provider").unwrap_or("AWS");
        if provider != "AWS" && self.get("endpoint").is_none() {
            return Err(No::Through(format!("it has no endpoint, and planb does not know {provider}'s")));
        }
        if self.get("region") == Some("other-v2-signature") {
            return Err(No::Through("it wants signatures of version 2".to_owned()));
        }
        let mut store = Translated { url: self.bucket("s3")?, ..Translated::default() };
        if let Some(endpoint) = self.get("endpoint") {
            store.keys.push(("endpoint", with_scheme(endpoint)));
        }
        for (theirs, ours) in [
            ("region", "region"),
            ("storage_class", "storage_class"),
            ("profile", "profile"),
            ("role_arn", "role_arn"),
            ("role_external_id", "external_id"),
            ("sse_kms_key_id", "sse_kms_key_id"),
        ] {
            store.keys.extend(self.get(theirs).map(|value| (ours, value.to_owned())));
        }
        match self.get("server_side_encryption") {
            None => {}
            Some(sse @ ("AES256" | "aws:kms")) => store.keys.push(("sse", sse.to_owned())),
            Some(other) => return Err(No::Through(format!("planb does not know the encryption {other}"))),
        }
        match (self.get("access_key_id"), self.get("secret_access_key")) {
            (Some(id), Some(key)) => {
                store.keys.push(("access_key_id", id.to_owned()));
                store.secrets.insert("secret_access_key", Secret::new(key.to_owned()));
                let token = self.get("session_token").map(|token| Secret::new(token.to_owned()));
                store.secrets.extend(token.map(|token| ("session_token", token)));
            }
            (None, None) if self.is_on("env_auth") || self.get("profile").is_some() => {}
            (None, None) => store.keys.push(("anonymous", "true".to_owned())),
            _ => return Err(No::Wrong("access_key_id and secret_access_key go together".to_owned())),
        }
        if self.get("force_path_style") == Some("false") {
            store.keys.push(("virtual_host", "true".to_owned()));
        }
        if let Some(acl) = self.get("acl").filter(|acl| *acl != "private") {
            store.notes.push(format!("planb sets no ACL on objects, rclone set {acl}"));
        }
        Ok(store)
    }

    fn gcs(&self) -> Result<Translated, No> {
        const KEYS: &[&str] = &[
            "service_account_file",
            "service_account_credentials",
            "anonymous",
            "env_auth",
            "storage_class",
            "endpoint",
        ];
        self.only(KEYS, GCS_TUNING)?;
        let mut store = Translated { url: self.bucket("gs")?, ..Translated::default() };
        if let Some(path) = self.get("service_account_file") {
            // rclone expands these itself.
            if path.starts_with('~') || path.contains('$') {
                return Err(No::Through("rclone expands the path of its service_account_file".to_owned()));
            }
            store.keys.push(("credential_file", path.to_owned()));
        } else if let Some(credentials) = self.get("service_account_credentials") {
            store.secrets.insert("credential", Secret::new(credentials.to_owned()));
        } else if self.is_on("anonymous") {
            store.keys.push(("anonymous", "true".to_owned()));
        }
        store.keys.extend(self.get("storage_class").map(|class| ("storage_class", class.to_owned())));
        store.keys.extend(self.get("endpoint").map(|endpoint| ("endpoint", with_scheme(endpoint))));
        Ok(store)
    }

    fn azure(&self) -> Result<Translated, No> {
        const KEYS: &[&str] = &["account", "key", "sas_url", "endpoint", "env_auth", "access_tier"];
        self.only(KEYS, AZURE_TUNING)?;
        let mut store = Translated { url: self.bucket("azblob")?, ..Translated::default() };
        if let Some(sas) = self.get("sas_url") {
            let (account, endpoint, token) =
                account_of(sas).ok_or_else(|| No::Wrong("sas_url is not https://ACCOUNT.../?TOKEN".to_owned()))?;
            store.keys.push(("account_name", account));
            store.keys.push(("endpoint", endpoint));
            store.secrets.insert("sas_token", Secret::new(token));
            return Ok(store);
        }
        let Some(account) = self.get("account") else { return Err(No::Wrong("it has no account".to_owned())) };
        store.keys.push(("account_name", account.to_owned()));
        // rclone wants the endpoint without the account, planb the whole address.
        if let Some(endpoint) = self.get("endpoint") {
            let bare = endpoint.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
            let scheme = if endpoint.starts_with("http://") { "http" } else { "https" };
            let whole =
                if bare.starts_with(&format!("{account}.")) { bare.to_owned() } else { format!("{account}.{bare}") };
            store.keys.push(("endpoint", format!("{scheme}://{whole}")));
        }
        match self.get("key") {
            Some(key) => drop(store.secrets.insert("account_key", Secret::new(key.to_owned()))),
            None if self.is_on("env_auth") => {}
            None => return Err(No::Through("it names neither a key nor a SAS URL".to_owned())),
        }
        if let Some(tier) = self.get("access_tier") {
            store.notes.push(format!("planb sets no access tier, rclone set {tier}"));
        }
        Ok(store)
    }
}

/// Account, endpoint and token of a SAS URL.
fn account_of(url: &str) -> Option<(String, String, String)> {
    let (place, token) = url.split_once('?')?;
    let (scheme, rest) = place.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http"))?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let account = host.split('.').next().filter(|account| !account.is_empty())?;
    (!token.is_empty()).then(|| (account.to_owned(), format!("{scheme}://{host}"), token.to_owned()))
}

/// rclone takes an endpoint without a scheme for https.
pub(crate) fn with_scheme(endpoint: &str) -> String {
    if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") }
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// A folder as a store: a path needs no scheme, and a relative one has none.
fn folder(path: &str) -> String {
    if path.starts_with('/') {
        format!("file://{}", encoded(path))
    } else if path.is_empty() {
        ".".to_owned()
    } else {
        path.to_owned()
    }
}

fn joined(base: &str, path: &str) -> String {
    match (base.trim_end_matches('/'), path.trim_start_matches('/')) {
        (base, "") => base.to_owned(),
        ("", path) if base.starts_with('/') => format!("/{path}"),
        ("", path) => path.to_owned(),
        (base, path) => format!("{base}/{path}"),
    }
}
