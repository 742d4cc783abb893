//! Compiled plugins on disk, so that a start costs milliseconds.
//!
//! A compiled component is native code, and loading one means trusting its bytes. Hence: the folder belongs to this
//! user and nobody else may write to it, or it is not used; a file's name holds the digest of the plugin and of
//! everything about this build of Wasmtime that shapes the code; and the file begins with the digest of the rest, so that a
//! damaged one is compiled anew. (Another process of the same user could forge all of it, but it could as well
//! replace `planb`.)

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const DIGEST: usize = 32;
/// Entries that were not used for this long are removed when a new one is written.
const KEEP: std::time::Duration = std::time::Duration::from_hours(24 * 60);

/// A folder of compiled plugins.
#[derive(Debug, Clone)]
pub struct CompileCache {
    folder: PathBuf,
}

impl CompileCache {
    /// Uses this folder, making it where it is missing.
    ///
    /// None where it cannot be made private: then every plugin is compiled anew, which is slower and safe.
    pub fn open(folder: &Path) -> Option<Self> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        if let Err(error) = made {
            tracing::debug!(folder = %folder.display(), %error, "no compile cache");
            return None;
        }
        let meta = fs::symlink_metadata(folder).ok()?;
        let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
        if !ours {
            tracing::warn!(
                folder = %folder.display(),
                "the compile cache is not used: its folder has to be yours and not writable by others"
            );
            return None;
        }
        Some(Self { folder: folder.to_path_buf() })
    }

    fn file(&self, engine: &Engine, plugin_sha256: &str) -> PathBuf {
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let build = hex::encode(hasher.0.finalize());
        self.folder.join(format!("{plugin_sha256}-{}.cwasm", &build[..16]))
    }

    /// The compiled form of the plugin with this digest, if it is there and whole.
    pub(crate) fn get(&self, engine: &Engine, plugin_sha256: &str) -> Option<Component> {
        let path = self.file(engine, plugin_sha256);
        let mut file = fs::File::open(&path).ok()?;
        // Of the opened file, not of its name: what is checked is what is read.
        let meta = file.metadata().ok()?;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let (digest, code) = bytes.split_at_checked(DIGEST)?;
        if Sha256::digest(code).as_slice() != digest {
            tracing::warn!(file = %path.display(), "a damaged entry of the compile cache is left out");
            return None;
        }
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::debug!(%error, "an entry of the compile cache does not suit this planb");
                None
            }
        }
    }

    /// Keeps a compiled plugin. A failure costs only time at the next start.
    pub(crate) fn put(&self, engine: &Engine, plugin_sha256: &str, component: &Component) {
        let result = component.serialize().map_err(std::io::Error::other).and_then(|code| {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&Sha256::digest(&code))?;
            file.write_all(&code)?;
            file.persist(self.file(engine, plugin_sha256)).map_err(|error| error.error)?;
            Ok(())
        });
        if let Err(error) = result {
            tracing::debug!(%error, "a compiled plugin is not kept");
        }
        self.sweep();
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let old = entry
                .metadata()
                .and_then(|meta| meta.accessed())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEEP));
            let ours = entry.path().extension().is_some_and(|ext| ext == "cwasm");
            if old && ours {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[expect(unsafe_code, reason = "the one place: Wasmtime cannot check that these bytes came from its compiler")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were read into our own memory from a file that is this user's and that nobody else can
    // write, in a folder of which the same was checked, and their digest is the one this program wrote with them.
    unsafe { Component::deserialize(engine, code) }
}

/// SHA-256 behind the `Hash` that Wasmtime offers: the standard hasher is no match for a key on disk.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
