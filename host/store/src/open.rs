//! From a URL to an operator: builders, credentials, retries and time-outs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opendal::layers::{RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{ErrorKind, Operator, services};

use crate::error::{StoreError, StoreErrorKind};
use crate::url::{Kind, StoreUrl};

/// Where the file system store keeps objects that are not whole yet; on the same file system, so that a rename publishes them.
const FS_TEMP: &str = ".planb-tmp";

/// For calls without a body.
const CALL_TIME: Duration = Duration::from_mins(1);
/// The slowest link that is worth waiting for, in bytes per second. The time for a part follows from it.
const SLOWEST: u64 = 64 << 10;

/// How objects are cut into parts.
#[derive(Debug, Clone, Copy)]
pub struct WriteSettings {
    /// Size of every part but the last: some providers want them equal.
    pub part_bytes: usize,
    /// Parts on their way at once, for each store. Memory is about (this + 2) parts.
    pub concurrency: usize,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self { part_bytes: 16 << 20, concurrency: 3 }
    }
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A folder that is missing is an error.
    Read,
    /// A folder that is missing is made.
    Write,
}

/// A place for backups.
#[derive(Clone)]
pub struct Store {
    pub(crate) op: Operator,
    pub(crate) url: StoreUrl,
    pub(crate) settings: WriteSettings,
    pub(crate) conditional: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.url.shown())
    }
}

impl Store {
    /// Opens the store at a URL. Nothing is sent yet.
    ///
    /// # Errors
    /// [`StoreError`] with the kind `Settings`, or `NotFound` for a missing folder.
    pub fn open(url: &StoreUrl, access: Access, settings: WriteSettings) -> Result<Self, StoreError> {
        // Without it OpenDAL has no HTTP client (its own start-up code for that is a feature that we leave out).
        static TRANSPORT: std::sync::Once = std::sync::Once::new();
        TRANSPORT.call_once(opendal::install_default);
        let built = match url.kind {
            Kind::File => file(url, access)?,
            Kind::S3 => s3(url)?,
            Kind::Gcs => gcs(url)?,
            Kind::Azblob => azblob(url)?,
            Kind::Memory => Operator::new(services::Memory::default().root(&url.root)),
        };
        let op = built.map_err(|error| StoreError::from_opendal(&error, "opening", url.shown().to_owned()))?;
        let part_time = Duration::from_secs(settings.part_bytes as u64 / SLOWEST).max(CALL_TIME);
        let shown = url.shown().to_owned();
        // The time-out inside, the retries outside: the other way round a retry loses the writer's state.
        let op = op
            .layer(TimeoutLayer::new().with_timeout(CALL_TIME).with_io_timeout(part_time))
            .layer(
                RetryLayer::new()
                    .with_jitter()
                    .with_min_delay(Duration::from_millis(500))
                    .with_max_delay(Duration::from_secs(20))
                    .with_max_times(4)
                    .with_notify(move |event: RetryEvent<'_>| {
                        tracing::warn!(store = shown, error = event.err.message(), attempt = event.attempt, wait = ?event.retry_after, "the store failed, trying again");
                    }),
            );
        // A condition is the only protection against two runs that take the same key at the same moment; where the
        // store does not know it, the look before writing has to do. On a file system a rename has no condition.
        let conditional = url.toggle("conditional")?.unwrap_or(true)
            && op.info().capability().write_with_if_not_exists
            && url.kind != Kind::File;
        Ok(Self { op, url: url.clone(), settings, conditional })
    }

    /// The folder that it is, where it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        (self.url.kind == Kind::File).then(|| Path::new(&self.url.root))
    }

    /// The store's URL as it may be printed.
    pub fn shown(&self) -> &str {
        self.url.shown()
    }

    /// Whether one object may have any size: then a backup needs no volumes.
    pub fn unbounded_objects(&self) -> bool {
        matches!(self.url.kind, Kind::File | Kind::Memory)
    }

    pub(crate) fn at(&self, key: &str) -> String {
        let base = self.url.shown().split('?').next().unwrap_or_default().trim_end_matches('/');
        format!("{base}/{key}")
    }

    pub(crate) fn error(&self, error: &opendal::Error, doing: &'static str, key: &str) -> StoreError {
        StoreError::from_opendal(error, doing, if key.is_empty() { self.shown().to_owned() } else { self.at(key) })
    }

    /// The size of an object; none where there is no such object.
    ///
    /// # Errors
    /// [`StoreError`] other than `NotFound`.
    pub async fn size_of(&self, key: &str) -> Result<Option<u64>, StoreError> {
        match self.op.stat(key).await {
            Ok(meta) => Ok(Some(meta.content_length())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error(&error, "looking at", key)),
        }
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.op.delete(key).await.map_err(|error| self.error(&error, "removing", key))
    }

    /// On a file system: takes a name for oneself until the object is whole. A rename has no condition, so that two
    /// runs of the same second would otherwise write over each other.
    pub(crate) fn claim(&self, key: &str) -> Result<bool, StoreError> {
        let Some(path) = self.claim_path(key) else { return Ok(false) };
        let mut made = Err(std::io::Error::other("it was not tried"));
        // Another run that ends removes the folder when it is empty, also between these two lines.
        for _ in 0..5 {
            made = std::fs::create_dir_all(Path::new(&self.url.root).join(FS_TEMP))
                .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).open(&path));
            if !made.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                break;
            }
        }
        made.map(|_| true).map_err(|error| StoreError {
            kind: match error.kind() {
                std::io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
                _ => kind_of(&error),
            },
            doing: "writing",
            at: self.at(key),
            detail: error.to_string(),
        })
    }

    /// Gives a claimed name back.
    pub(crate) fn unclaim(&self, key: &str) {
        if let Some(path) = self.claim_path(key) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Beside the unfinished objects, where a killed run's is swept with them.
    fn claim_path(&self, key: &str) -> Option<PathBuf> {
        if self.url.kind != Kind::File {
            return None;
        }
        let name = key.replace('/', "%2F");
        let from = name.char_indices().map(|(at, _)| at).find(|at| name.len() - at <= 240).unwrap_or(0);
        Some(Path::new(&self.url.root).join(FS_TEMP).join(format!("{}.claim", &name[from..])))
    }

    /// Makes what was renamed into a folder survive a power cut (OpenDAL syncs the file, not its folder), and
    /// removes the folder for unfinished objects if it is empty.
    pub(crate) fn settle(&self, key: &str) {
        if self.url.kind != Kind::File {
            return;
        }
        let path = Path::new(&self.url.root).join(key);
        let mut folder = path.parent();
        while let Some(at) = folder {
            if let Ok(handle) = std::fs::File::open(at)
                && let Err(error) = handle.sync_all()
            {
                tracing::debug!(folder = %at.display(), %error, "the folder could not be synced");
            }
            if at == Path::new(&self.url.root) {
                break;
            }
            folder = at.parent();
        }
    }

    /// Takes away what is only there while objects are written. Call it when a run is over.
    pub fn finish(&self) {
        if self.url.kind == Kind::File {
            // Fails where another run has an unfinished object in it, and then has to.
            let _ = std::fs::remove_dir(Path::new(&self.url.root).join(FS_TEMP));
        }
    }
}

fn kind_of(error: &std::io::Error) -> StoreErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => StoreErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Other,
    }
}

fn file(url: &StoreUrl, access: Access) -> Result<opendal::Result<Operator>, StoreError> {
    let root = PathBuf::from(&url.root);
    let fail = |kind, error: &std::io::Error| StoreError {
        kind,
        doing: "opening",
        at: url.shown().to_owned(),
        detail: error.to_string(),
    };
    let mut builder = services::Fs::default().root(&url.root);
    match access {
        Access::Read => {
            std::fs::read_dir(&root).map_err(|error| fail(kind_of(&error), &error))?;
        }
        Access::Write => {
            let temp = root.join(FS_TEMP);
            std::fs::create_dir_all(&temp).map_err(|error| fail(kind_of(&error), &error))?;
            sweep(&temp);
            builder = builder.atomic_write_dir(&temp.to_string_lossy());
        }
    }
    Ok(Operator::new(builder))
}

/// Removes unfinished objects that nobody has written to for a day: a killed run's.
fn sweep(temp: &Path) {
    let Ok(entries) = std::fs::read_dir(temp) else { return };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_hours(24)));
        if old {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The services' usual variables. OpenDAL reads most itself; these it does not, or not under every name.
#[expect(clippy::disallowed_methods, reason = "the stores' settings by environment belong here")]
fn env(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn s3(url: &StoreUrl) -> Result<opendal::Result<Operator>, StoreError> {
    let mut b = services::S3::default().bucket(&url.bucket).root(&url.root);
    let endpoint = url.get("endpoint").map(str::to_owned).or_else(|| env(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    // Only Amazon's own machines have the metadata service that credentials are otherwise asked of.
    let amazon = |endpoint: &String| endpoint.contains(".amazonaws.com");
    if endpoint.as_ref().is_some_and(|endpoint| !amazon(endpoint)) {
        b = b.disable_ec2_metadata();
    }
    if let Some(endpoint) = &endpoint {
        b = b.endpoint(endpoint);
    }
    let region = url.get("region").map(str::to_owned).or_else(|| env(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
    b = b.region(region.as_deref().unwrap_or("us-east-1"));
    if let Some(profile) = url.get("profile") {
        b = b.profile(profile);
    }
    match (url.get("access_key_id"), url.secret_file("secret_access_key_file")?) {
        (Some(id), Some(key)) => b = b.access_key_id(id).secret_access_key(&key),
        (None, None) => {}
        _ => return Err(url.error("`access_key_id` and `secret_access_key_file` go together").into()),
    }
    if let Some(token) = url.secret_file("session_token_file")? {
        b = b.session_token(&token);
    }
    if let Some(arn) = url.get("role_arn") {
        b = b.role_arn(arn);
    }
    if let Some(id) = url.get("external_id") {
        b = b.external_id(id);
    }
    if url.toggle("anonymous")? == Some(true) {
        b = b.skip_signature();
    }
    if url.toggle("virtual_host")? == Some(true) {
        b = b.enable_virtual_host_style();
    }
    if let Some(class) = url.get("storage_class") {
        b = b.default_storage_class(class);
    }
    match url.get("sse") {
        None => {}
        Some("AES256") => b = b.server_side_encryption_with_s3_key(),
        Some("aws:kms") => match url.get("sse_kms_key_id") {
            Some(key) => b = b.server_side_encryption_with_customer_managed_kms_key(key),
            None => b = b.server_side_encryption_with_aws_managed_kms_key(),
        },
        Some(other) => return Err(url.error(format!("`sse` is AES256 or aws:kms, not {other:?}")).into()),
    }
    match url.get("checksum") {
        None | Some("none") => {}
        Some("crc32c") => b = b.checksum_algorithm("crc32c"),
        Some(other) => return Err(url.error(format!("`checksum` is crc32c or none, not {other:?}")).into()),
    }
    Ok(Operator::new(b))
}

fn gcs(url: &StoreUrl) -> Result<opendal::Result<Operator>, StoreError> {
    let mut b = services::Gcs::default().bucket(&url.bucket).root(&url.root);
    if let Some(endpoint) = url.get("endpoint").map(str::to_owned).or_else(|| env(&["STORAGE_EMULATOR_HOST"])) {
        b = b.endpoint(&endpoint);
    }
    if let Some(path) = url.get("credential_file") {
        b = b.credential_path(path);
    }
    if let Some(class) = url.get("storage_class") {
        b = b.default_storage_class(class);
    }
    if url.toggle("anonymous")? == Some(true) {
        b = b.skip_signature().disable_vm_metadata().disable_config_load();
    }
    Ok(Operator::new(b))
}

fn azblob(url: &StoreUrl) -> Result<opendal::Result<Operator>, StoreError> {
    let mut b = services::Azblob::default().container(&url.bucket).root(&url.root);
    let account = url
        .get("account_name")
        .map(str::to_owned)
        .or_else(|| env(&["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]));
    if let Some(account) = &account {
        b = b.account_name(account);
    }
    match (url.get("endpoint"), &account) {
        (Some(endpoint), _) => b = b.endpoint(endpoint),
        (None, Some(account)) => b = b.endpoint(&format!("https://{account}.blob.core.windows.net")),
        (None, None) => {
            let error = url.error("the account is missing: set AZURE_STORAGE_ACCOUNT, or `account_name=` in the URL");
            return Err(error.into());
        }
    }
    if let Some(key) =
        url.secret_file("account_key_file")?.or_else(|| env(&["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]))
    {
        b = b.account_key(&key);
    }
    if let Some(token) = url.secret_file("sas_token_file")?.or_else(|| env(&["AZURE_STORAGE_SAS_TOKEN"])) {
        b = b.sas_token(&token);
    }
    if url.toggle("anonymous")? == Some(true) {
        b = b.skip_signature();
    }
    Ok(Operator::new(b))
}
