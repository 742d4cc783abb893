//! Where to: `STORAGE_*` of the runner, `CLOUD_PROVIDER` of StarTree, `RCLONE_*` of dbstash. Who sets several gets all.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use planb_model::secret::Secret;

use super::{Operation, Variables};
use crate::kind::Kind;
use crate::origin::{Origin, Problem};
use crate::rclone::{RcloneConf, Remote, translate};
use crate::secret::from_file;
use crate::store::StoreConfig;
use crate::value::{Settings, Value};

/// Where dbstash's containers have it.
const RCLONE_CONF: &str = "/config/rclone.conf";
/// Google's storage as S3 has it: the only way in for a key with an id.
const GOOGLE_AS_S3: &str = "https://storage.googleapis.com";

/// What a dump is called by its tools. Planb's engines put theirs behind the name themselves.
const EXTENSIONS: [&str; 18] = [
    "sql", "dump", "archive", "rdb", "tar", "bak", "backup", "json", "jsonl", "ldif", "snap", "snapshot", "db",
    "sqlite", "sqlite3", "fbk", "cql", "tsv",
];

const BUCKET: &str = "STORAGE_BUCKET";

/// A store while it is put together.
struct Draft {
    url: String,
    from: &'static str,
    settings: Settings,
}

impl Draft {
    fn new(url: String, from: &'static str) -> Self {
        Self { url, from, settings: Settings::default() }
    }

    fn text(&mut self, key: &'static str, value: Option<String>, name: &str) {
        if let Some(value) = value {
            self.settings.set(key, Value::Text(value), Origin::Environment(name.to_owned()));
        }
    }

    fn secret(&mut self, key: &'static str, secret: Option<(Secret, Origin)>) {
        if let Some((secret, origin)) = secret {
            self.settings.set(key, Value::Secret(secret), origin);
        }
    }
}

impl Variables<'_> {
    /// All stores that the environment names, and the place in them.
    pub(super) fn storage(&mut self, operation: Operation) -> Vec<StoreConfig> {
        let mut to = Vec::new();
        let drafts = [("storage", self.of_the_runner()), ("cloud", self.of_startree())];
        for (name, draft) in drafts {
            let Some(mut draft) = draft else { continue };
            let origin = Origin::Environment(draft.from.to_owned());
            draft.settings.set("url", Value::Text(draft.url), origin);
            to.extend(StoreConfig::resolve(name, draft.settings, None, &mut self.problems));
        }
        to.extend(self.of_dbstash());
        if operation == Operation::Backup {
            self.place();
        }
        to
    }

    fn of_the_runner(&mut self) -> Option<Draft> {
        let id = self.secret("STORAGE_ACCESS_KEY_ID").map(|(id, origin)| (id.expose().to_owned(), origin));
        let key = self.secret("STORAGE_SECRET_ACCESS_KEY");
        let bucket = match (self.env.get("STORAGE_BUCKET"), self.env.get("STORAGE_TYPE")) {
            (Some(bucket), _) => bucket.trim_matches('/').to_owned(),
            (None, Some(_)) => {
                self.problem("STORAGE_TYPE", "the bucket is missing: STORAGE_BUCKET");
                return None;
            }
            (None, None) => return None,
        };
        let kind = self.env.get("STORAGE_TYPE").map_or_else(|| "s3".to_owned(), |kind| kind.to_ascii_lowercase());
        let endpoint = self.env.get("STORAGE_ENDPOINT").map(|endpoint| crate::rclone::with_scheme(&endpoint));
        let region = self.env.get("STORAGE_REGION");
        let named = |draft: &mut Draft, key, id: Option<(String, Origin)>| {
            if let Some((id, origin)) = id {
                draft.settings.set(key, Value::Text(id), origin);
            }
        };
        match kind.as_str() {
            // A key with an id is not Google's own way in, but it is S3's there.
            "s3" | "minio" | "gcs" | "gs" | "google" if kind == "s3" || kind == "minio" || id.is_some() => {
                let google = (kind != "s3" && kind != "minio").then(|| GOOGLE_AS_S3.to_owned());
                let region = region.or_else(|| google.as_ref().map(|_| "auto".to_owned()));
                let mut draft = Draft::new(format!("s3://{bucket}"), BUCKET);
                draft.text("endpoint", endpoint.or(google), "STORAGE_ENDPOINT");
                draft.text("region", region, "STORAGE_REGION");
                named(&mut draft, "access_key_id", id);
                draft.secret("secret_access_key", key);
                Some(draft)
            }
            "gcs" | "gs" | "google" => {
                let mut draft = Draft::new(format!("gs://{bucket}"), BUCKET);
                draft.text("endpoint", endpoint, "STORAGE_ENDPOINT");
                Some(draft)
            }
            "azure" | "azblob" | "azureblob" => {
                let mut draft = Draft::new(format!("azblob://{bucket}"), BUCKET);
                draft.text("endpoint", endpoint, "STORAGE_ENDPOINT");
                named(&mut draft, "account_name", id);
                draft.secret("account_key", key);
                Some(draft)
            }
            "file" | "local" | "fs" => {
                // A folder: its slashes are its own.
                Some(Draft::new(self.env.get(BUCKET).unwrap_or_default(), BUCKET))
            }
            other => {
                self.problem("STORAGE_TYPE", format!("it is s3, gcs, azure or file, not {other:?}"));
                None
            }
        }
    }

    fn of_startree(&mut self) -> Option<Draft> {
        let provider = self.env.get("CLOUD_PROVIDER")?.to_ascii_lowercase();
        let (scheme, bucket) = match provider.as_str() {
            "aws" => ("s3", "S3_BUCKET"),
            "azure" => ("azblob", "AZURE_STORAGE_CONTAINER"),
            "gcp" => ("gs", "GCS_BUCKET"),
            other => {
                self.problem("CLOUD_PROVIDER", format!("it is aws, azure or gcp, not {other:?}"));
                return None;
            }
        };
        let Some(name) = self.env.get(bucket) else {
            // In many environments it says only where the machine is.
            if self.env.get("MARIADB_HA_SERVICE_NAME").is_some() {
                self.problem("CLOUD_PROVIDER", format!("{provider} needs {bucket}"));
            }
            return None;
        };
        let mut draft = Draft::new(format!("{scheme}://{}", name.trim_matches('/')), bucket);
        if scheme == "s3" {
            draft.text("region", self.env.get("S3_REGION"), "S3_REGION");
        }
        Some(draft)
    }

    fn of_dbstash(&mut self) -> Option<StoreConfig> {
        const REMOTE: &str = "RCLONE_REMOTE";
        let text = self.env.get(REMOTE)?;
        let remote = match Remote::parse(&text) {
            Ok(remote) => remote,
            Err(why) => {
                self.problem(REMOTE, format!("it is no remote of rclone: {why}"));
                return None;
            }
        };
        let mut conf = self.rclone_conf()?;
        if let Some(name) = remote.name() {
            conf.add_env(name, self.env);
        }
        let mut translated = match translate(&conf, &remote) {
            Ok(translated) => translated,
            Err(why) => {
                self.problem(REMOTE, why);
                return None;
            }
        };
        if translated.through.is_some()
            && conf.encrypted.is_some()
            && let Some((pass, _)) = self.secret("RCLONE_CONFIG_PASS")
        {
            translated.secrets.insert("config_pass", pass);
        }
        for note in &translated.notes {
            self.warn(REMOTE, note.clone());
        }
        let args = match self.env.get("RCLONE_EXTRA_ARGS") {
            None => Vec::new(),
            Some(text) => shlex::split(&text).unwrap_or_else(|| {
                self.problem("RCLONE_EXTRA_ARGS", "it takes words of a shell, and a quote has no partner");
                Vec::new()
            }),
        };
        if translated.through.is_none() && !args.is_empty() {
            self.warn("RCLONE_EXTRA_ARGS", "not used: planb writes to this store itself, without the rclone program");
        }
        let origin = Origin::Environment(REMOTE.to_owned());
        StoreConfig::translated("rclone", translated, args, &origin, &mut self.problems)
    }

    /// rclone's file: named, in the variable itself, or where dbstash or rclone have it.
    fn rclone_conf(&mut self) -> Option<RcloneConf> {
        let file = |path: &Path| -> Result<RcloneConf, String> {
            let text = from_file(path)?;
            let conf = RcloneConf::parse(text.expose()).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(conf.of_file(path))
        };
        let named = self.env.get("RCLONE_CONFIG_FILE").map(|path| ("RCLONE_CONFIG_FILE", path));
        // rclone itself takes a path here, dbstash the content.
        let is_path = |text: &String| text.starts_with(['/', '.', '~']) && Path::new(text).is_file();
        let named = named.or_else(|| self.env.get("RCLONE_CONFIG").filter(is_path).map(|path| ("RCLONE_CONFIG", path)));
        if let Some((name, path)) = named {
            return file(Path::new(&path)).map_err(|why| self.problem(name, why)).ok();
        }
        if let Some(text) = self.env.get("RCLONE_CONFIG") {
            return match decoded(&text) {
                Ok(conf) => Some(RcloneConf { changed: true, ..conf }),
                Err(why) => {
                    let problem = Problem::new(Origin::Environment("RCLONE_CONFIG".to_owned()), why);
                    self.problems.push(problem.with_hint("it holds an rclone.conf in base64: base64 -w0 rclone.conf; a path goes into RCLONE_CONFIG_FILE"));
                    None
                }
            };
        }
        let home = self.env.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(Path::new(&self.env.get("HOME")?).join(".config")));
        let usual = [Some(RCLONE_CONF.into()), home.map(|home| home.join("rclone/rclone.conf"))];
        match usual.into_iter().flatten().find(|path| path.is_file()) {
            Some(path) => file(&path).map_err(|why| self.problem("RCLONE_CONFIG_FILE", why)).ok(),
            None => Some(RcloneConf::default()),
        }
    }

    /// `BACKUP_PATH`: a folder, or an object's key. Its folders go into the name and not into the store's URL, so that
    /// retention sees the backups of other days.
    fn place(&mut self) {
        let Some(path) = self.env.get("BACKUP_PATH") else { return };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let template = self.settings.text("name");
        let (folders, file) = match parts.split_last() {
            Some((file, folders)) if !path.ends_with('/') => (folders, Some(*file)),
            _ => (parts.as_slice(), None),
        };
        let mut name = match (&template, file) {
            (Some(template), _) => template.clone(),
            (None, Some(file)) => self.file(file),
            (None, None) => "{db}-{date}-{time}".to_owned(),
        };
        for folder in folders.iter().rev() {
            name = format!("{folder}/{name}");
        }
        match Kind::Name.read(&name) {
            Ok(value) => self.settings.set("name", value, Origin::Environment("BACKUP_PATH".to_owned())),
            Err(takes) => self.problem("BACKUP_PATH", format!("it takes {takes}")),
        }
    }

    /// The name of an object without its endings, which say how it is compressed and what is in it: planb puts its own
    /// there, and for the ones that it knows they are the same.
    fn file(&mut self, file: &str) -> String {
        const PATH: &str = "BACKUP_PATH";
        let origin = || Origin::Environment(PATH.to_owned());
        let ending = |stem: &str| -> Option<(String, String)> {
            let (stem, ending) = stem.rsplit_once('.')?;
            (!stem.is_empty()).then(|| (stem.to_owned(), ending.to_ascii_lowercase()))
        };
        let mut stem = file.to_owned();
        if let Some((rest, _)) = ending(&stem).filter(|(_, ending)| ending == "age") {
            stem = rest;
        }
        let mut compression = None;
        if let Some((rest, word)) = ending(&stem) {
            compression = match word.as_str() {
                "gz" | "tgz" => Some("gzip"),
                "zst" | "zstd" => Some("zstd"),
                "bz2" | "xz" | "lz4" | "zip" | "br" => {
                    self.warn(
                        PATH,
                        format!("planb does not compress to .{word}: the object gets the ending of what it is"),
                    );
                    Some("zstd")
                }
                _ => None,
            };
            if compression.is_some() {
                stem = rest;
            }
            if word == "tgz" {
                self.no_tar();
            }
        }
        let mut plain = false;
        if let Some((rest, word)) = ending(&stem).filter(|(_, word)| EXTENSIONS.contains(&word.as_str())) {
            stem = rest;
            plain = compression.is_none();
            if word == "tar" {
                self.no_tar();
            } else if !self.settings.has("extension") {
                self.settings.set("extension", Value::Text(word), origin());
            }
        }
        let word = compression.or(plain.then_some("none"));
        if let (Some(word), false) = (word, self.settings.has("compress")) {
            // A word of the list above.
            if let Ok(value) = Kind::Compression.read(word) {
                self.settings.set("compress", value, origin());
            }
        }
        stem
    }

    /// The runner packed its one file into a tar. Planb does not, unless the dump is a directory.
    fn no_tar(&mut self) {
        if self.settings.text("mode").as_deref() != Some("tar") {
            self.warn(
                "BACKUP_PATH",
                "the object is a tar only with BACKUP_MODE=tar; else it gets the ending of what it is",
            );
        }
    }
}

fn decoded(text: &str) -> Result<RcloneConf, String> {
    // Tools wrap it at 76 letters.
    let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(packed).map_err(|_| "it is not base64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "what it holds is not UTF-8".to_owned())?;
    RcloneConf::parse(&text).map_err(|error| format!("what it holds is no rclone.conf: {error}"))
}
