//! Grants: an empty one is none, and one broken plugin does not hide the others.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panicking, and start sqlite3 themselves"
)]

use std::path::{Path, PathBuf};

use planb_harness::{Planb, provision, skip};
use tempfile::TempDir;

/// A copy of the SQLite plugin that is another plugin by its digest: it got a custom section.
fn stranger(folder: &Path) -> PathBuf {
    let mut bytes = std::fs::read(Planb::plugins().join("sqlite.wasm")).unwrap();
    // Section 0, 5 bytes: a name of 4 bytes, no content.
    bytes.extend_from_slice(&[0, 5, 4, b'm', b'i', b'n', b'e']);
    let file = folder.join("stranger.wasm");
    std::fs::write(&file, bytes).unwrap();
    file
}

fn database(folder: &Path) -> PathBuf {
    let file = folder.join("x.db");
    let sqlite =
        std::process::Command::new("sqlite3").arg(&file).arg("CREATE TABLE t (a); INSERT INTO t VALUES (1);").status();
    assert!(sqlite.unwrap().success());
    file
}

#[test]
fn an_empty_grant_is_no_grant() {
    skip!(provision::apt(&["sqlite3"]));
    let folder = TempDir::new().unwrap();
    let (plugin, db) = (stranger(folder.path()), database(folder.path()));
    let base = Planb::new();
    base.clone().args(["plugin", "add"]).arg(&plugin).run().expect_code(2).says(&["--allow-all"]);
    base.clone().args(["plugin", "add", "--allow-all"]).arg(&plugin).run().ok();
    // Empty the list by hand, wherever planb keeps it.
    let mut grants = Vec::new();
    find(base.home(), "json", &mut grants);
    assert_eq!(grants.len(), 1, "{grants:?}");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&grants[0]).unwrap()).unwrap();
    for (_, plugin) in kept["plugins"].as_object_mut().unwrap() {
        assert_eq!(plugin["tools"], serde_json::json!(["sqlite3"]));
        plugin["tools"] = serde_json::json!([]);
    }
    std::fs::write(&grants[0], kept.to_string()).unwrap();
    let run =
        base.args(["run", "--plugin"]).arg(&plugin).arg("--db").arg(&db).arg("--to").arg(folder.path().join("s")).run();
    run.expect_code(4);
}

fn find(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, extension, found);
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
}

#[test]
fn a_broken_plugin_in_the_folder_does_not_hide_the_others() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("broken.wasm"), "not wasm").unwrap();
    std::fs::copy(Planb::plugins().join("sqlite.wasm"), folder.path().join("sqlite.wasm")).unwrap();
    let listed =
        Planb::new().env("PLANB_PLUGIN_PATH", folder.path()).args(["plugin", "list", "--output", "json"]).run().ok();
    let names: Vec<_> = listed.json().as_array().unwrap().iter().map(|plugin| plugin["name"].clone()).collect();
    assert!(names.contains(&"sqlite".into()) && !names.contains(&"broken".into()), "{names:?}");
    assert!(listed.stderr.contains("broken.wasm"), "{listed:?}");
}
