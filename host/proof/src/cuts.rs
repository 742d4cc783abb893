//! Damage: a dump that was cut short is found incomplete wherever it was cut, and a changed byte is found by verify.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use planb_model::engine::{Artifact, Inspection, Mode, Request};
use planb_pipeline::RunError;
use planb_plugin::Plugin;

use crate::round_trip::Taken;

/// About how many cuts of one dump are tried.
const CUTS: usize = 300;
/// At the ends of a dump, where marks are, each byte is tried.
const CLOSE: usize = 64;
const CHUNK: usize = 4099;

/// The files of a dump as the inspector sees them.
type Files = Vec<(String, Vec<u8>)>;

/// The plain files of a backup that was stored as it is.
pub(crate) fn files_of(taken: &Taken, folder: &Path) -> Result<Files, RunError> {
    let manifest = &taken.entry.manifest;
    let mut files = Vec::new();
    for file in &manifest.files {
        let mut bytes = Vec::new();
        for volume in &file.volumes {
            bytes.extend(fs::read(folder.join(taken.entry.volume_key(&volume.key))).map_err(RunError::Work)?);
        }
        if manifest.mode == Mode::Tar {
            files.extend(untar(&bytes).map_err(RunError::Work)?);
        } else {
            files.push((file.path.clone(), bytes));
        }
    }
    Ok(files)
}

fn untar(bytes: &[u8]) -> std::io::Result<Files> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push((path, content));
    }
    Ok(files)
}

/// What a fresh inspector says of files of which one is cut (`Some(length)`) or left out (`None`).
async fn inspect(
    plugin: &Plugin,
    request: &Request,
    artifact: &Artifact,
    files: &Files,
    change: Option<(usize, Option<usize>)>,
    chunk: usize,
) -> Result<Inspection, RunError> {
    let mut session = plugin.session().await?;
    session.inspect(request, artifact).await?;
    for (at, (path, bytes)) in files.iter().enumerate() {
        let mut bytes = bytes.as_slice();
        match change {
            Some((changed, None)) if changed == at => continue,
            Some((changed, Some(length))) if changed == at => bytes = &bytes[..length],
            _ => {}
        }
        session.inspect_open(path).await?;
        for chunk in bytes.chunks(chunk) {
            session.inspect_feed(chunk).await?;
        }
    }
    Ok(session.inspect_finish().await?)
}

/// Where to cut a file of this length: at both ends byte by byte, in between evenly.
fn cuts(length: usize, wanted: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..length.min(CLOSE)).chain(length.saturating_sub(CLOSE)..length).collect();
    let step = (length / wanted.max(1)).max(1);
    cuts.extend((0..length).step_by(step));
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Cuts the dump at many places, and leaves files out: the inspector has to notice each.
pub(crate) async fn every_cut_is_found(
    plugin: &Plugin,
    taken: &Taken,
    folder: &Path,
) -> Result<Result<String, String>, RunError> {
    let files = files_of(taken, folder)?;
    let (request, artifact) = (&taken.request, &taken.entry.manifest.artifact);
    // Not the size that the host uses: borders mean nothing.
    let small = if files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 1 << 20 { CHUNK } else { 7 };
    let whole = inspect(plugin, request, artifact, &files, None, small).await?;
    if !whole.complete {
        return Ok(Err(format!(
            "fed in other chunks, it does not find the whole dump complete: {}",
            whole.findings.join("; ")
        )));
    }
    let mut expected = taken.entry.manifest.inspection.objects.clone();
    let mut seen = whole.objects;
    expected.sort();
    seen.sort();
    if expected != seen {
        return Ok(Err("fed in other chunks, it sees other objects".to_owned()));
    }
    let (mut tried, each) = (0, (CUTS / files.len().max(1)).max(4));
    for (at, (path, bytes)) in files.iter().enumerate() {
        let name = if path.is_empty() { "the dump".to_owned() } else { format!("{path:?}") };
        for cut in cuts(bytes.len(), each) {
            // Line breaks at the very end are none of the dump.
            if bytes[cut..].iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            tried += 1;
            if inspect(plugin, request, artifact, &files, Some((at, Some(cut))), CHUNK).await?.complete {
                return Ok(Err(format!("{name}, cut after {cut} of its {} bytes, counts as complete", bytes.len())));
            }
        }
        if files.len() > 1 {
            tried += 1;
            if inspect(plugin, request, artifact, &files, Some((at, None)), CHUNK).await?.complete {
                return Ok(Err(format!("the dump without its file {name} counts as complete")));
            }
        }
    }
    Ok(Ok(format!("{tried} cuts of {} files", files.len())))
}

/// A stored object with one changed byte, put right again when it is dropped.
pub(crate) struct Changed {
    path: PathBuf,
    original: Vec<u8>,
}

impl Changed {
    /// Changes a byte in the middle of the largest object of a backup.
    pub(crate) fn one_byte(taken: &Taken, folder: &Path) -> Result<Self, RunError> {
        let volumes = taken.entry.manifest.files.iter().flat_map(|file| &file.volumes);
        let largest = volumes.max_by_key(|volume| volume.bytes);
        let largest = largest.ok_or_else(|| RunError::Internal("a backup without objects".to_owned()))?;
        let path = folder.join(taken.entry.volume_key(&largest.key));
        let original = fs::read(&path).map_err(RunError::Work)?;
        let mut changed = original.clone();
        if let Some(byte) = changed.get_mut(original.len() / 2) {
            *byte ^= 1;
        }
        fs::write(&path, changed).map_err(RunError::Work)?;
        Ok(Self { path, original })
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.original) {
            tracing::warn!(path = %self.path.display(), %error, "a changed byte could not be put right");
        }
    }
}
