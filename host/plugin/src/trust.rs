//! Which tools a plugin may have run.
//!
//! A plugin whose digest is pinned in the binary has the tools it declares. Any other has none until they are granted:
//! for one run (`--allow-tool`), or kept in the grants file (`planb plugin add`). A grant belongs to a digest, never to
//! a path or a name: a changed file is another plugin. An empty list means that nothing runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The tools that each plugin may use.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Digests of the plugins that were built together with this binary.
    pub pinned: BTreeSet<String>,
    /// Granted and kept: digest to tool ids.
    pub kept: BTreeMap<String, BTreeSet<String>>,
    /// Granted for this run.
    pub once: BTreeSet<String>,
}

/// Why the grants file cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TrustError {
    #[error("the grants in {path} cannot be read: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the grants in {path} are not what planb writes: {source}")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("the grants in {path} cannot be written: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}

#[derive(Default, Serialize, Deserialize)]
struct GrantsFile {
    /// Digest of a plugin to what it may use.
    plugins: BTreeMap<String, Granted>,
}

#[derive(Default, Serialize, Deserialize)]
struct Granted {
    /// For whoever reads the file.
    name: String,
    tools: BTreeSet<String>,
}

impl Grants {
    /// The grants of this binary and of a grants file; a missing file grants nothing.
    ///
    /// # Errors
    /// [`TrustError`]; an unreadable file is never taken for an empty one silently, nor for a full one.
    pub fn load(path: &Path, pinned: impl IntoIterator<Item = String>) -> Result<Self, TrustError> {
        let file = read(path)?;
        let kept = file.plugins.into_iter().map(|(digest, granted)| (digest, granted.tools)).collect();
        Ok(Self { pinned: pinned.into_iter().collect(), kept, once: BTreeSet::new() })
    }

    /// Whether the plugin with this digest may have this tool run.
    pub fn allows(&self, plugin_sha256: &str, tool: &str) -> bool {
        self.pinned.contains(plugin_sha256)
            || self.once.contains(tool)
            || self.kept.get(plugin_sha256).is_some_and(|tools| tools.contains(tool))
    }

    /// Keeps a grant: from now on the plugin with this digest may use exactly these tools. An empty set takes all back.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn keep(path: &Path, plugin_sha256: &str, name: &str, tools: BTreeSet<String>) -> Result<(), TrustError> {
        let mut file = read(path)?;
        if tools.is_empty() {
            file.plugins.remove(plugin_sha256);
        } else {
            file.plugins.insert(plugin_sha256.to_owned(), Granted { name: name.to_owned(), tools });
        }
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut temp = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut temp, &file)?;
            temp.write_all(b"\n")?;
            temp.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| TrustError::Write { path: path.to_path_buf(), source })
    }
}

fn read(path: &Path) -> Result<GrantsFile, TrustError> {
    match std::fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|source| TrustError::Parse { path: path.to_path_buf(), source })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(GrantsFile::default()),
        Err(source) => Err(TrustError::Read { path: path.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn nothing_is_granted_by_default() {
        let grants = Grants::default();
        assert!(!grants.allows("aa", "pg_dump") && !grants.allows("", ""));
    }

    #[test]
    fn a_grant_belongs_to_a_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/grants.json");
        Grants::keep(&path, "aa", "pg", ["pg_dump".to_owned()].into()).unwrap();
        let grants = Grants::load(&path, ["pp".to_owned()]).unwrap();
        assert!(grants.allows("aa", "pg_dump") && !grants.allows("aa", "psql") && !grants.allows("bb", "pg_dump"));
        assert!(grants.allows("pp", "anything"));
        Grants::keep(&path, "aa", "pg", BTreeSet::new()).unwrap();
        assert!(!Grants::load(&path, []).unwrap().allows("aa", "pg_dump"));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Grants::load(&path, []), Err(TrustError::Parse { .. })));
    }
}
