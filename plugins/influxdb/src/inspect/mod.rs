//! What a portable backup held, and whether it is whole.
//!
//! Its files (cmd/influxd/backup_util and cmd/influxd/backup in InfluxDB 1.x): a manifest in JSON that names the others with their sizes, the
//! metastore as a protobuf message, and for each shard a tar of its files, compressed by gzip. The manifest is written last.

mod proto;
mod shard;
mod tsm;

use std::collections::BTreeMap;

use planb_sdk::{Artifact, Inspection, Inspector, Object, Request, Scope};
use serde_json::Value as Json;

use shard::{Shard, ShardReader};

/// A manifest or metastore that is larger is not read.
const LARGEST: usize = 64 << 20;
/// More names than this are not kept.
const OBJECTS: usize = 500_000;

/// The inspector of the files of a backup.
#[derive(Debug)]
pub struct PortableInspector {
    /// Names begin with the database's.
    all: bool,
    name: String,
    file: File,
    manifests: Vec<Vec<u8>>,
    metas: BTreeMap<String, Vec<u8>>,
    shards: BTreeMap<String, Shard>,
}

/// The file under way.
#[derive(Debug)]
enum File {
    Small(Vec<u8>),
    Shard(Box<ShardReader>),
    Other,
}

impl Inspector for PortableInspector {
    fn new(request: &Request, _: &Artifact) -> Self {
        Self {
            all: request.scope == Scope::All,
            name: String::new(),
            file: File::Other,
            manifests: Vec::new(),
            metas: BTreeMap::new(),
            shards: BTreeMap::new(),
        }
    }

    fn open(&mut self, path: &str) {
        self.close();
        path.rsplit('/').next().unwrap_or(path).clone_into(&mut self.name);
        self.file = match self.name.split_once('.') {
            Some((_, "manifest" | "meta")) => File::Small(Vec::new()),
            Some((_, parts)) if parts.ends_with("tar.gz") => File::Shard(Box::new(ShardReader::new())),
            _ => File::Other,
        };
    }

    fn feed(&mut self, chunk: &[u8]) {
        match &mut self.file {
            File::Small(bytes) if bytes.len() < LARGEST => bytes.extend_from_slice(chunk),
            File::Shard(reader) => reader.feed(chunk),
            File::Small(_) | File::Other => {}
        }
    }

    fn finish(mut self) -> Inspection {
        self.close();
        match self.judge() {
            Ok((objects, findings)) => Inspection { complete: true, objects, findings },
            Err(finding) => Inspection { complete: false, objects: Vec::new(), findings: vec![finding] },
        }
    }
}

impl PortableInspector {
    fn close(&mut self) {
        let name = std::mem::take(&mut self.name);
        match std::mem::replace(&mut self.file, File::Other) {
            File::Small(bytes) if name.ends_with(".manifest") => self.manifests.push(bytes),
            File::Small(bytes) => {
                self.metas.insert(name, bytes);
            }
            File::Shard(reader) => {
                self.shards.insert(name, reader.finish());
            }
            File::Other => {}
        }
    }

    /// What is there, or why it is not whole.
    fn judge(&self) -> Result<(Vec<Object>, Vec<String>), String> {
        let [manifest] = self.manifests.as_slice() else {
            return Err(match self.manifests.len() {
                0 => "the backup has no manifest: it was not finished".to_owned(),
                many => format!("the backup has {many} manifests"),
            });
        };
        let manifest: Json = serde_json::from_slice(manifest)
            .map_err(|_| "the backup's manifest is cut off or was changed".to_owned())?;
        let defaults = self.defaults(&manifest)?;
        let mut fields: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut counted = true;
        for file in manifest.get("files").and_then(Json::as_array).into_iter().flatten() {
            let text = |key| file.get(key).and_then(Json::as_str).unwrap_or_default();
            let (name, database, policy) = (text("fileName"), text("database"), text("policy"));
            let shard = self
                .shards
                .get(name)
                .ok_or_else(|| format!("the file {name}, which the manifest names, is missing"))?;
            if !shard.whole || file.get("size").and_then(Json::as_u64) != Some(shard.bytes) {
                return Err(format!("the file {name} is cut off or was changed"));
            }
            // The server's doings, in every server.
            if database == "_internal" {
                continue;
            }
            counted &= shard.read;
            let mut prefix = if self.all { format!("{database}.") } else { String::new() };
            // As a question names it: what is of another policy than the usual one has the policy's name.
            if defaults.get(database).is_none_or(|usual| usual != policy) {
                prefix.push_str(&format!("{policy}."));
            }
            for (field, values) in &shard.fields {
                if fields.len() < OBJECTS {
                    let sum = fields.entry(format!("{prefix}{field}")).or_insert(Some(0));
                    *sum = sum.and_then(|sum| Some(sum + (*values)?));
                }
            }
        }
        let mut findings = Vec::new();
        if manifest.get("limited").and_then(Json::as_bool) == Some(true) {
            findings.push("the backup is of a part only: of some time, one retention policy or one shard".to_owned());
        }
        if !counted {
            findings.push("some files are too large for their values to be counted".to_owned());
        }
        let rows = |rows: Option<u64>| rows.filter(|_| counted);
        Ok((fields.into_iter().map(|(name, values)| Object::new("field", name).rows(rows(values))).collect(), findings))
    }

    /// The usual retention policy of each database, by the metastore; an error where it is not whole.
    fn defaults(&self, manifest: &Json) -> Result<BTreeMap<String, String>, String> {
        let meta = manifest.get("meta");
        let name = meta.and_then(|meta| meta.get("fileName")).and_then(Json::as_str).unwrap_or_default();
        let size = meta.and_then(|meta| meta.get("size")).and_then(Json::as_u64);
        let bytes = self
            .metas
            .get(name)
            .ok_or_else(|| format!("the metastore {name}, which the manifest names, is missing"))?;
        // PortablePacker: the metastore is field 1, and after it comes a number, field 2, which is always written.
        let data = match proto::all(bytes).as_deref() {
            Some([(1, proto::Value::Bytes(data)), (2, proto::Value::Number)]) if size == Some(data.len() as u64) => {
                *data
            }
            _ => return Err(format!("the metastore {name} is cut off or was changed")),
        };
        // Data: databases are field 5. DatabaseInfo: the name is field 1, the usual policy field 2.
        let mut defaults = BTreeMap::new();
        for (number, value) in proto::all(data).unwrap_or_default() {
            let (5, proto::Value::Bytes(database)) = (number, value) else { continue };
            let text = |wanted| {
                proto::all(database).unwrap_or_default().into_iter().find_map(|field| match field {
                    (number, proto::Value::Bytes(text)) if number == wanted => {
                        Some(String::from_utf8_lossy(text).into_owned())
                    }
                    _ => None,
                })
            };
            defaults.insert(text(1).unwrap_or_default(), text(2).unwrap_or_default());
        }
        Ok(defaults)
    }
}
