//! A plugin against the host: it is stopped within its budget, the message names it and the rule, and the host lives on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use planb_harness::{Planb, faulty_engine, provision, skip};
use support::{assert_bare, backed_up, dump, folder, keys, manifest, restore, sha256, small};

fn run(plugin: &Path, folder: &Path) -> Planb {
    let notes: PathBuf = folder.join("notes.txt");
    fs::write(&notes, "movie\tMetropolis\nend\n").unwrap();
    Planb::new()
        .args(["run", "--allow-tool", "cat", "--allow-tool", "tee", "--plugin"])
        .arg(plugin)
        .arg("--db")
        .arg(&notes)
        .arg("--to")
        .arg(folder.join("store"))
}

#[test]
fn attacks_end_within_their_budget() {
    for (fault, words) in [
        ("computes-for-ever", "budget of computing"),
        ("eats-memory", "memory"),
        ("recurses", "stack"),
        ("aborts", "unreachable"),
        ("floods", "plan-backup"),
    ] {
        let folder = folder();
        let (_kept, plugin) = faulty_engine(fault);
        let output = run(&plugin, folder.path()).run();
        let said = output.stderr.to_lowercase();
        assert_eq!(output.code, Some(4), "{fault}: {output:?}");
        assert!(said.contains(words), "{fault}: {said}");
        assert!(said.contains("notes.wasm"), "{fault}: {said}");
        assert_bare(&folder.path().join("store"));
    }
}

#[test]
fn what_a_plugin_says_does_not_steer_the_terminal() {
    let folder = folder();
    let (_kept, plugin) = faulty_engine("steers-the-terminal");
    let output = run(&plugin, folder.path()).run().ok();
    assert!(output.stderr.contains("all is well") && !output.stderr.contains('\u{1b}'), "{output:?}");
}

#[test]
fn a_backup_that_unpacks_without_end_is_cut_off() {
    skip!(provision::apt(&["sqlite3", "zstd"]));
    let folder = folder();
    let (db, to) = (small(folder.path()), folder.path().join("store"));
    backed_up(&db, &to, &[]);
    let (path, mut json) = manifest(&to);
    let object = to.join(&keys(&json)[0]);
    // 4 GiB of zeros in some hundred kilobytes, and a manifest that fits it in all but the size.
    let bomb = Command::new("sh").args(["-c", "head -c 4294967296 /dev/zero | zstd -q -3 -c"]).output().unwrap().stdout;
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    fs::write(&object, &bomb).unwrap();
    let (bytes, digest) = (bomb.len(), sha256(&bomb));
    json["stored_bytes"] = bytes.into();
    json["stored_sha256"] = digest.clone().into();
    json["files"][0]["stored_bytes"] = bytes.into();
    json["files"][0]["stored_sha256"] = digest.into();
    json["files"][0]["volumes"][0]["bytes"] = bytes.into();
    fs::write(&path, json.to_string()).unwrap();
    let copy = folder.path().join("copy.db");
    let output = restore(&to.display().to_string(), &copy).run().expect_code(5);
    output.says(&["unpacks to more than"]);
    assert!(!copy.exists() || dump(&copy).len() < 100);
    Planb::new().args(["verify", "latest", "--from"]).arg(&to).run().expect_code(5);
}
