//! Pins the plugins that were built together with this binary: their digests become a part of it.
//!
//! `cargo xtask build` names the file of digests (`sha256  name.wasm` a line) in `PLANB_PINNED_PLUGINS`. Without it
//! nothing is pinned, and every plugin has to be granted its tools.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=PLANB_PINNED_PLUGINS");
    let mut code = String::from(
        "/// File names and SHA-256 digests of the plugins built with this binary.\npub(crate) const PINNED: &[(&str, &str)] = &[\n",
    );
    if let Some(path) = std::env::var_os("PLANB_PINNED_PLUGINS") {
        println!("cargo::rerun-if-changed={}", Path::new(&path).display());
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display()));
        for line in text.lines() {
            let Some((digest, name)) = line.split_once("  ") else { panic!("not a line of digests: {line}") };
            assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "not a digest: {digest}");
            let _ = writeln!(code, "    ({name:?}, {digest:?}),");
        }
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").unwrap_or_default();
    if let Err(error) = std::fs::write(Path::new(&out).join("pinned.rs"), code) {
        panic!("{}: {error}", Path::new(&out).display());
    }
}
