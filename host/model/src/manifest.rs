//! The manifest: the JSON beside an artifact that makes it a backup. A backup exists if and only if its manifest does.
//!
//! The format is `planb.manifest/v1`; `docs/manifest.md` describes it and `docs/manifest.schema.json` is generated
//! from these types. Fields are only ever added; a reader leaves unknown ones alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{Artifact, Inspection, Mode, Scope, ScopeKind};

/// The value of `schema`.
pub const SCHEMA: &str = "planb.manifest/v1";

/// What a manifest's key ends with.
pub const SUFFIX: &str = ".manifest.json";

/// No manifest is larger: 64 MiB hold the inspection of several 100,000 tables.
pub const LARGEST: u64 = 64 << 20;

/// A committed backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Always `planb.manifest/v1`.
    pub schema: String,
    /// The backup's id, a random UUID.
    pub id: String,
    /// The engine's key: `pg`, `sqlite`.
    pub engine: String,
    /// What of the server was backed up.
    pub scope: ScopeKind,
    /// The database's name (a path for a file-based engine), or the scope's word.
    pub database: String,
    /// Where it was: `host:port`, the path of a socket. None for an engine whose database is a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server: Option<String>,
    /// How the dump was taken.
    pub mode: Mode,
    /// The start of the run: the dump holds what was committed then.
    pub created_at: Timestamp,
    /// When the last byte was in the store.
    pub finished_at: Timestamp,
    /// The version of planb that wrote it.
    pub planb_version: String,
    /// The plugin that planned it.
    pub plugin: PluginRecord,
    /// The native programs that made it.
    pub tools: Vec<ToolRecord>,
    /// What the server said it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub server_version: Option<String>,
    /// The settings that shaped the dump. Never a secret.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What the user gave the dump tool beside the plan, redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_args: Vec<String>,
    /// What the dump is.
    pub artifact: Artifact,
    /// `zstd:3`, `gzip:6`, `none` or `native`.
    pub compression: String,
    /// How it was encrypted. None: it was not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub encryption: Option<EncryptionRecord>,
    /// What the dump consists of: one file with an empty path, or all files of a directory.
    pub files: Vec<FileRecord>,
    /// Sum over the files, before compression.
    pub plain_bytes: u64,
    /// Sum over the files, as stored.
    pub stored_bytes: u64,
    /// SHA-256 of the plain bytes of the one file; of many, see [`combined_sha256`].
    pub plain_sha256: String,
    /// The same of the stored bytes.
    pub stored_sha256: String,
    /// What the plugin saw in the bytes.
    pub inspection: Inspection,
    /// What the user put on it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What was odd about the run.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// The plugin that planned a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginRecord {
    /// For people: `PostgreSQL`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub sha256: String,
}

/// A native program that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolRecord {
    /// Its id in the plugin.
    pub id: String,
    /// Where it was.
    pub path: String,
    /// What it printed as its version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
}

/// How a backup is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EncryptionRecord {
    /// `age` (<https://age-encryption.org/v1>).
    pub format: String,
    /// The public keys that can open it; empty for a passphrase.
    pub recipients: Vec<String>,
    /// It opens with a passphrase.
    #[serde(default)]
    pub passphrase: bool,
}

/// One file of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// Relative to the dump's directory; empty where the dump is one stream.
    pub path: String,
    /// Size before compression.
    pub plain_bytes: u64,
    /// SHA-256 before compression, in hex.
    pub plain_sha256: String,
    /// Size as stored, over all volumes.
    pub stored_bytes: u64,
    /// SHA-256 as stored, over all volumes in their order.
    pub stored_sha256: String,
    /// The objects that hold it, to be read one after the other.
    pub volumes: Vec<VolumeRecord>,
}

/// One object of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VolumeRecord {
    /// Its key, relative to the manifest's folder in the store.
    pub key: String,
    /// Its size.
    pub bytes: u64,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ManifestError {
    #[error("it is not JSON of the expected shape: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it has the schema {0:?}; this planb reads {SCHEMA}")]
    Schema(String),
    #[error("its {field} is not possible: {value:?}")]
    Field { field: &'static str, value: String },
    #[error("its sizes do not add up: {0}")]
    Sizes(&'static str),
}

impl Manifest {
    /// Reads one, trusting nothing in it: a manifest comes from a store that others may write to.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.schema != SCHEMA {
            return Err(ManifestError::Schema(head.schema));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let field = |field, value: &str| Err(ManifestError::Field { field, value: value.chars().take(80).collect() });
        if self.id.len() < 8 || !self.id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            return field("id", &self.id);
        }
        if self.files.is_empty() {
            return Err(ManifestError::Sizes("it names no files"));
        }
        let (mut plain, mut stored) = (0u64, 0u64);
        for file in &self.files {
            // A path is joined to a work directory at restore, a key to a store's prefix: neither may walk out.
            let alone = file.path.is_empty() && self.files.len() == 1;
            if !alone && !is_plain_relative(&file.path) {
                return field("file path", &file.path);
            }
            for volume in &file.volumes {
                if !is_plain_relative(&volume.key) {
                    return field("volume key", &volume.key);
                }
            }
            if !is_sha256(&file.plain_sha256) || !is_sha256(&file.stored_sha256) {
                return field("digest", &file.plain_sha256);
            }
            let volumes = file.volumes.iter().try_fold(0u64, |sum, volume| sum.checked_add(volume.bytes));
            if volumes != Some(file.stored_bytes) {
                return Err(ManifestError::Sizes("the volumes of a file are not as large as the file"));
            }
            plain = plain.checked_add(file.plain_bytes).ok_or(ManifestError::Sizes("they overflow"))?;
            stored = stored.checked_add(file.stored_bytes).ok_or(ManifestError::Sizes("they overflow"))?;
        }
        if plain != self.plain_bytes || stored != self.stored_bytes {
            return Err(ManifestError::Sizes("the files are not as large as the whole"));
        }
        Ok(())
    }

    /// What was backed up.
    pub fn source(&self) -> Scope {
        Scope::from_parts(self.scope, &self.database)
    }

    /// The first letters of the id: enough to name it nearly everywhere.
    pub fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }

    /// A whole one, for tests and documentation.
    pub fn example() -> Self {
        let at = Timestamp::from_second(1_770_429_600).unwrap_or_default();
        let zeros = "0".repeat(64);
        Self {
            schema: SCHEMA.to_owned(),
            id: "8f14e45f-ceea-467f-a8c2-9a1f0d2b6c11".to_owned(),
            engine: "pg".to_owned(),
            scope: ScopeKind::Database,
            database: "orders".to_owned(),
            server: Some("db.example:5432".to_owned()),
            mode: Mode::Stream,
            created_at: at,
            finished_at: at,
            planb_version: "0.1.0".to_owned(),
            plugin: PluginRecord { name: "PostgreSQL".to_owned(), version: "0.1.0".to_owned(), sha256: zeros.clone() },
            tools: Vec::new(),
            server_version: None,
            options: BTreeMap::new(),
            extra_args: Vec::new(),
            artifact: Artifact {
                extension: "sql".to_owned(),
                media_type: "application/sql".to_owned(),
                compressed: false,
                format: "plain".to_owned(),
            },
            compression: "none".to_owned(),
            encryption: None,
            files: vec![FileRecord {
                path: String::new(),
                plain_bytes: 3,
                plain_sha256: zeros.clone(),
                stored_bytes: 3,
                stored_sha256: zeros.clone(),
                volumes: vec![VolumeRecord { key: "orders.sql".to_owned(), bytes: 3 }],
            }],
            plain_bytes: 3,
            stored_bytes: 3,
            plain_sha256: zeros.clone(),
            stored_sha256: zeros,
            inspection: Inspection::default(),
            labels: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

/// One digest for the whole backup: the file's own where there is one, else SHA-256 over the lines
/// `{digest}  {path}\n` of all files in their order, which is what `sha256sum` prints for them.
pub fn combined_sha256<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    use sha2::{Digest, Sha256};
    let files: Vec<_> = files.into_iter().collect();
    if let [(_, digest)] = files.as_slice() {
        return (*digest).to_owned();
    }
    let mut hash = Sha256::new();
    for (path, digest) in files {
        hash.update(format!("{digest}  {path}\n"));
    }
    hex::encode(hash.finalize())
}

/// Whether a path of `/`-separated parts stays below where it is joined to.
pub fn is_plain_relative(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 1024
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The JSON Schema of [`Manifest`], as it is published in `docs/manifest.schema.json`.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_it_writes_it_reads() {
        let example = Manifest::example();
        assert_eq!(Manifest::parse(&serde_json::to_vec(&example).unwrap()).unwrap(), example);
    }

    #[test]
    fn an_unknown_field_is_left_alone_and_an_unknown_schema_is_not() {
        let mut json = serde_json::to_value(Manifest::example()).unwrap();
        json["from_the_future"] = 1.into();
        assert!(Manifest::parse(json.to_string().as_bytes()).is_ok());
        json["schema"] = "planb.manifest/v2".into();
        assert!(matches!(Manifest::parse(json.to_string().as_bytes()), Err(ManifestError::Schema(_))));
    }

    #[test]
    fn a_forged_manifest_walks_nowhere() {
        for key in ["../other", "/etc/passwd", "a//b", "a/../../b", "a\\..\\b", ""] {
            let mut forged = Manifest::example();
            forged.files[0].volumes[0].key = key.to_owned();
            let json = serde_json::to_vec(&forged).unwrap();
            assert!(matches!(Manifest::parse(&json), Err(ManifestError::Field { .. })), "{key:?}");
        }
        let mut forged = Manifest::example();
        forged.files[0].stored_bytes = 4;
        assert!(matches!(Manifest::parse(&serde_json::to_vec(&forged).unwrap()), Err(ManifestError::Sizes(_))));
    }

    #[test]
    fn the_published_schema_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manifest.schema.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
        if std::env::var_os("PLANB_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text, "run this test with PLANB_WRITE_SCHEMA=1 to write it");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
        }

        #[test]
        fn a_flipped_byte_is_read_or_refused(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut json = serde_json::to_vec(&Manifest::example()).unwrap();
            let at = at.index(json.len());
            json[at] = byte;
            let _ = Manifest::parse(&json);
        }
    }
}
