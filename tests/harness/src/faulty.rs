//! The engine with faults to plant.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// The engine with this fault planted, in a folder that goes with the guard. The empty fault is none.
#[must_use]
pub fn faulty_engine(fault: &str) -> (TempDir, PathBuf) {
    const MARK: &[u8] = b"planb-planted-fault:";
    const ROOM: usize = 44;
    let built = crate::workspace().join("target/wasm32-wasip2/plugin/planb_faulty_engine.wasm");
    let mut bytes =
        fs::read(&built).unwrap_or_else(|error| panic!("{}: {error}; cargo xtask test builds it", built.display()));
    let at = bytes.windows(MARK.len()).position(|window| window == MARK).expect("the mark") + MARK.len();
    bytes[at..at + ROOM].fill(b'-');
    bytes[at..at + fault.len()].copy_from_slice(fault.as_bytes());
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("notes.wasm");
    fs::write(&path, bytes).expect("the plugin");
    (folder, path)
}
