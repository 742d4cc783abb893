//! Secrets from files: the whole content but its last newline, or an error. Never half of one, never an empty one.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use planb_model::secret::Secret;

/// No file of a secret is larger; an rclone.conf is the largest there is.
const LARGEST: u64 = 1 << 20;

/// Reads a secret from its file.
///
/// # Errors
/// Why it cannot be read, with the file's name.
pub fn from_file(path: &Path) -> Result<Secret, String> {
    let text = text_of(path, LARGEST)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Reads a text file of a bounded size.
///
/// # Errors
/// Why it cannot be read, with the file's name.
pub(crate) fn text_of(path: &Path, largest: u64) -> Result<String, String> {
    let shown = path.display();
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(largest + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 > largest => Err(format!("{shown} is larger than {largest} bytes")),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(format!("{shown} is not UTF-8")),
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}
