//! From `--plugin NAME|FILE` to a file.

use std::path::{Path, PathBuf};

use crate::error::PluginError;

/// The folders in which a plugin is looked for by its name, first one first.
#[derive(Debug, Clone, Default)]
pub struct PluginFolders(pub Vec<PathBuf>);

impl PluginFolders {
    fn listed(&self) -> String {
        let folders: Vec<_> = self.0.iter().map(|folder| folder.display().to_string()).collect();
        if folders.is_empty() { "no folder".to_owned() } else { folders.join(", ") }
    }

    /// All plugins there, by file name; of two with the same name the first counts.
    pub fn all(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for folder in &self.0 {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut here: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| is_wasm(path)).collect();
            here.sort();
            for path in here {
                if !found.iter().any(|known| known.file_name() == path.file_name()) {
                    found.push(path);
                }
            }
        }
        found
    }
}

/// The file that is meant: a path where it looks like one (a `/`, or ending in `.wasm`), else `NAME.wasm` in a folder.
///
/// # Errors
/// [`PluginError::NotFound`], which says where it was looked for.
pub fn find(name: &str, folders: &PluginFolders) -> Result<PathBuf, PluginError> {
    let path = Path::new(name);
    if name.contains('/') || is_wasm(path) {
        if path.is_file() {
            return Ok(path.to_path_buf());
        }
        let error = std::fs::metadata(path).err();
        let source = error.unwrap_or_else(|| std::io::Error::other("it is not a file"));
        return Err(PluginError::Read { plugin: path.to_path_buf(), source });
    }
    let file = format!("{name}.wasm");
    let found = folders.0.iter().map(|folder| folder.join(&file)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let all = folders.all();
        let names: Vec<_> = all.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
        let nearest = planb_model::connection::did_you_mean(name, names).replace("; did", " (did").replace('?', "?)");
        PluginError::NotFound { name: name.to_owned(), nearest, searched: folders.listed() }
    })
}

fn is_wasm(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_is_looked_for_in_order_and_a_path_is_taken_as_it_is() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(b.path().join("pg.wasm"), "").unwrap();
        let folders = PluginFolders(vec![a.path().into(), b.path().into()]);
        assert_eq!(find("pg", &folders).unwrap(), b.path().join("pg.wasm"));
        std::fs::write(a.path().join("pg.wasm"), "").unwrap();
        assert_eq!(find("pg", &folders).unwrap(), a.path().join("pg.wasm"));
        assert_eq!(folders.all(), [a.path().join("pg.wasm")]);
        let missing = find("nope", &folders).unwrap_err().to_string();
        assert!(missing.contains("nope.wasm") && missing.contains(&b.path().display().to_string()), "{missing}");
        assert!(matches!(find("./nope.wasm", &folders), Err(PluginError::Read { .. })));
    }
}
