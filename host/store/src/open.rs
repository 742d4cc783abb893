//! From a URL to an operator: builders, credentials, retries and time-outs.

use std::fmt;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use opendal::layers::{RetryEvent, RetryLayer, TimeoutLayer};
use opendal::{ErrorKind, Operator, services};
use planb_model::secret::Secret;

use crate::error::{StoreError, StoreErrorKind, detail};
use crate::presence::Presence;
use crate::rclone;
use crate::url::{Kind, StoreUrl};

/// Where the file system store keeps objects that are not whole yet; on the same file system, so that a rename publishes them.
pub(crate) const FS_TEMP: &str = ".planb-tmp";

/// For calls without a body.
const CALL_TIME: Duration = Duration::from_mins(1);
/// How often a call that may be repeated is tried again: with waits of 0.5 to 20 s about 15 s in all.
const RETRIES: usize = 4;
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

/// A name in a folder that is ours until this is dropped. The lock goes with the process, so that what a killed run left is
/// in nobody's way.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    _file: File,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While the lock is held: whoever has opened it meanwhile sees that it is gone.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A place for backups.
#[derive(Clone)]
pub struct Store {
    pub(crate) op: Operator,
    pub(crate) url: StoreUrl,
    pub(crate) settings: WriteSettings,
    pub(crate) conditional: bool,
    /// rclone's file of remotes, where it was given as a text.
    _conf: Option<Arc<tempfile::NamedTempFile>>,
    /// In a folder that is written to: keeps others from tidying up meanwhile.
    present: Option<Arc<Presence>>,
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
        let (mut conf, mut present) = (None, None);
        let built = match url.kind {
            Kind::File => {
                let (built, come) = file(url, access)?;
                present = come;
                built
            }
            Kind::S3 => s3(url)?,
            Kind::Gcs => gcs(url)?,
            Kind::Azblob => azblob(url)?,
            Kind::Rclone => {
                let (built, file) = through_rclone(url)?;
                conf = file;
                built
            }
            Kind::Memory => Operator::new(services::Memory::default().root(&url.root)),
        };
        let op = built.map_err(|error| StoreError::from_opendal(&error, "opening", url.shown().to_owned()))?;
        let call_time = url.number("timeout")?.map_or(CALL_TIME, Duration::from_secs);
        let part_time = Duration::from_secs(settings.part_bytes as u64 / SLOWEST).max(CALL_TIME);
        // Who wants it short for calls wants it short for parts.
        let part_time = if call_time < CALL_TIME { call_time } else { part_time.max(call_time) };
        let retries = url.number("retries")?.map_or(RETRIES, |n| usize::try_from(n).unwrap_or(RETRIES));
        let shown = url.shown().to_owned();
        // The time-out inside, the retries outside: the other way round a retry loses the writer's state.
        let op = op.layer(TimeoutLayer::new().with_timeout(call_time).with_io_timeout(part_time));
        // A disk's error does not go away by asking again, and a sync that failed must never be asked again: the second
        // answers for nothing, since the kernel has forgotten the bytes by then.
        let op = if url.kind == Kind::File {
            op
        } else {
            op.layer(
                RetryLayer::new()
                    .with_jitter()
                    .with_min_delay(Duration::from_millis(500))
                    .with_max_delay(Duration::from_secs(20))
                    .with_max_times(retries)
                    .with_notify(move |event: RetryEvent<'_>| {
                        tracing::warn!(store = shown, error = detail(event.err), attempt = event.attempt, wait = ?event.retry_after, "the store failed, trying again");
                    }),
            )
        };
        // A condition is the only protection against two runs that take the same key at the same moment; where the
        // store does not know it, the look before writing has to do. On a file system a rename has no condition.
        let conditional = url.toggle("conditional")?.unwrap_or(true)
            && op.info().capability().write_with_if_not_exists
            && url.kind != Kind::File;
        Ok(Self {
            op,
            url: url.clone(),
            settings,
            conditional,
            _conf: conf.map(Arc::new),
            present: present.map(Arc::new),
        })
    }

    /// The folder that it is, where it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.url.folder()
    }

    /// Whether an object is read as one stream.
    pub(crate) fn one_stream(&self) -> bool {
        self.url.kind == Kind::Rclone
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
            // A pipe would be waited for, and a device read for ever.
            Ok(meta) if meta.mode() == opendal::EntryMode::Unknown => Err(StoreError {
                kind: StoreErrorKind::Damaged,
                doing: "looking at",
                at: self.at(key),
                detail: "it is no file".to_owned(),
            }),
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
        match self.op.delete(key).await {
            // In a folder it is looked at first, and may go in between.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.map_err(|error| self.error(&error, "removing", key)),
        }
    }

    /// On a file system: takes a name for oneself until the object is whole. A rename has no condition, so that two
    /// runs of the same second would otherwise write over each other. None: the store has conditions, or needs none.
    pub(crate) fn claim(&self, key: &str) -> Result<Option<Claim>, StoreError> {
        let Some(path) = self.claim_path(key) else { return Ok(None) };
        let fail = |kind, detail: String| StoreError { kind, doing: "writing", at: self.at(key), detail };
        // Others that end remove the file, and its folder when that is empty, also between these lines.
        for _ in 0..20 {
            let made = std::fs::create_dir_all(Path::new(&self.url.root).join(FS_TEMP))
                .and_then(|()| File::options().write(true).create(true).truncate(false).open(&path));
            let file = match made {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(kind_of(&error), error.to_string())),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(fail(StoreErrorKind::Exists, "another run is writing it".to_owned()));
                }
                // A file system without locks: then only the look before writing protects, as in a bucket without conditions.
                Err(TryLockError::Error(error)) => tracing::debug!(%error, "a claim cannot be locked"),
            }
            // Its holder may have removed it between these two: then the lock is on nothing.
            let (there, mine) = (std::fs::metadata(&path), file.metadata());
            if there.is_ok_and(|there| mine.is_ok_and(|mine| there.ino() == mine.ino())) {
                return Ok(Some(Claim { path, _file: file }));
            }
        }
        Err(fail(StoreErrorKind::Other, "its claim keeps changing hands".to_owned()))
    }

    /// Whether another run that goes on is writing an object of this key.
    pub fn claimed(&self, key: &str) -> bool {
        let Some(path) = self.claim_path(key) else { return false };
        File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Beside the unfinished objects, where a killed run's is swept with them.
    pub(crate) fn claim_path(&self, key: &str) -> Option<PathBuf> {
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
            if let Ok(handle) = File::open(at)
                && let Err(error) = handle.sync_all()
            {
                tracing::warn!(folder = %at.display(), %error, "the folder could not be synced: what was just written may not survive a power cut");
            }
            if at == Path::new(&self.url.root) {
                break;
            }
            folder = at.parent();
        }
    }

    /// Takes away what is only there while objects are written. Call it when a run is over.
    pub fn finish(&self) {
        self.if_alone(|root| {
            crate::lease::tidy(root);
            // Fails where a killed run's object is in it, and then has to.
            let _ = std::fs::remove_dir(root.join(FS_TEMP));
        });
    }

    /// Whether it was opened for reading alone.
    pub(crate) fn is_reader(&self) -> bool {
        self.present.is_none()
    }

    /// In a folder: does something while nobody else writes there, or not at all. Whether it was done.
    pub(crate) fn if_alone(&self, work: impl FnOnce(&Path)) -> bool {
        let Some(root) = self.folder() else { return false };
        match &self.present {
            Some(present) => present.if_alone(|| work(root)),
            None => crate::presence::if_alone(root, || work(root)),
        }
    }
}

pub(crate) fn kind_of(error: &std::io::Error) -> StoreErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => StoreErrorKind::NotFound,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
        std::io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Other,
    }
}

fn file(url: &StoreUrl, access: Access) -> Result<(opendal::Result<Operator>, Option<Presence>), StoreError> {
    let root = PathBuf::from(&url.root);
    let fail = |kind, error: &std::io::Error| StoreError {
        kind,
        doing: if access == Access::Write { "making" } else { "opening" },
        at: url.shown().to_owned(),
        detail: error.to_string(),
    };
    let mut present = None;
    let mut builder = services::Fs::default().root(&url.root);
    match access {
        Access::Read => {
            std::fs::read_dir(&root).map_err(|error| fail(kind_of(&error), &error))?;
        }
        Access::Write => {
            let temp = root.join(FS_TEMP);
            present = Presence::come(&root).map_err(|error| fail(kind_of(&error), &error))?;
            std::fs::create_dir_all(&temp).map_err(|error| fail(kind_of(&error), &error))?;
            sweep(&temp);
            builder = builder.atomic_write_dir(&temp.to_string_lossy());
        }
    }
    Ok((Operator::new(builder), present))
}

/// Removes unfinished objects that nobody has written to for a day: a killed run's.
fn sweep(temp: &Path) {
    let Ok(entries) = std::fs::read_dir(temp) else { return };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_hours(24)));
        // A claim is as old as its run, which may take days and goes on.
        let claimed =
            || File::open(entry.path()).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
        if old && !claimed() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Through the rclone program; with the file of remotes that was written for it, if one was.
fn through_rclone(url: &StoreUrl) -> Result<(opendal::Result<Operator>, Option<tempfile::NamedTempFile>), StoreError> {
    let fail = |error: &dyn fmt::Display| url.error(error.to_string());
    let remote = url.remote.clone().ok_or_else(|| url.error("it names no remote"))?;
    let mut file = None;
    if let Some(text) = url.secret_file("config_text_file")? {
        // 0600 in the folder for temporary files, for as long as the store is open.
        let mut written = tempfile::NamedTempFile::new().map_err(|error| fail(&error))?;
        std::io::Write::write_all(&mut written, text.as_bytes()).map_err(|error| fail(&error))?;
        file = Some(written);
    }
    let config = file.as_ref().map(|file| file.path().to_owned()).or_else(|| url.get("config").map(PathBuf::from));
    let secrets = url.secret_file("config_pass_file")?.map(|pass| ("RCLONE_CONFIG_PASS".to_owned(), Secret::new(pass)));
    let program = crate::program::program(secrets.into_iter().collect())
        .ok_or_else(|| url.error("this program was built without a way to start rclone"))?;
    let settings = rclone::RcloneSettings { remote, config, extra_args: url.rclone_args.clone() };
    Ok((rclone::operator(program, &settings), file))
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
    if let Some(json) = url.given("credential") {
        b = b.credential(&base64::engine::general_purpose::STANDARD.encode(json.expose()));
    } else if let Some(path) = url.get("credential_file") {
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
