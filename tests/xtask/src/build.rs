//! `cargo xtask build`: the plugins first, then the host that knows their digests.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::sh::{Done, cargo, cmd, has, read, root, run, target};

const WASM: &str = "wasm32-wasip2";

/// Builds everything; gives the path of `planb`.
pub(crate) fn all() -> Done<PathBuf> {
    wasm_target()?;
    let digests = plugins()?;
    // The others beside it, though nobody needs them here: with them the dependencies have the features that they have in the
    // tests (of libc, for one), and Wasmtime is compiled once.
    let packages = ["planb", "planb-sdk", "planb-faults", "planb-e2e"].map(|name| ["--package", name]);
    run(cargo().args(["build", "--release"]).args(packages.concat()).env("PLANB_PINNED_PLUGINS", &digests))?;
    let planb = target().join("release/planb");
    eprintln!("built {} and {}", planb.display(), target().join("plugins").display());
    Ok(planb)
}

/// The compiler's target for components, installed where rustup can do it.
fn wasm_target() -> Done {
    let sysroot = read(cmd("rustc").args(["--print", "sysroot"]))?;
    if PathBuf::from(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
        return Ok(());
    }
    if has("rustup", "--version") {
        return run(cmd("rustup").args(["target", "add", WASM]));
    }
    Err(format!(
        "the Rust target {WASM} is missing and there is no rustup to add it; install it with your package manager"
    ))
}

/// Builds all of `plugins/`, puts them into `target/plugins` under their short names, and writes their digests.
fn plugins() -> Done<PathBuf> {
    let fail = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let mut names: Vec<String> = std::fs::read_dir(root().join("plugins"))
        .map_err(|error| fail("plugins", &error))?
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut build = cargo();
    build.args(["build", "--profile", "plugin", "--target", WASM]);
    for name in &names {
        build.arg("--package").arg(format!("planb-engine-{name}"));
    }
    run(&mut build)?;
    let folder = target().join("plugins");
    std::fs::create_dir_all(&folder).map_err(|error| fail("target/plugins", &error))?;
    let mut digests = String::new();
    for name in &names {
        let built = target().join(WASM).join("plugin").join(format!("planb_engine_{}.wasm", name.replace('-', "_")));
        let bytes = std::fs::read(&built).map_err(|error| fail(&built.display().to_string(), &error))?;
        let file = format!("{name}.wasm");
        digests.push_str(&format!("{}  {file}\n", hex::encode(Sha256::digest(&bytes))));
        write_if_changed(&folder.join(file), &bytes)?;
    }
    let list = folder.join("DIGESTS");
    write_if_changed(&list, digests.as_bytes())?;
    Ok(list)
}

/// The engines that the tests need: one with faults to plant for the conformance suite, one that is hostile.
pub(crate) fn test_engines() -> Done {
    wasm_target()?;
    let packages = ["--package", "planb-faulty-engine", "--package", "planb-hostile-engine"];
    run(cargo().args(["build", "--profile", "plugin", "--target", WASM]).args(packages))
}

/// Leaves a file alone that is right already: what depends on it is then not built again.
fn write_if_changed(path: &std::path::Path, bytes: &[u8]) -> Done {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// `cargo xtask schema`.
pub(crate) fn schema() -> Done {
    run(cargo()
        .args(["test", "--release", "--package", "planb-model", "the_published_schema"])
        .env("PLANB_WRITE_SCHEMA", "1"))
}
