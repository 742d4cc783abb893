//! Files that are no plugins, plugins that want too much, and who may use which tool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use planb_harness::{Output, Planb, provision, skip};
use support::{assert_empty, folder, sha256, small, sqlite_url, verify};

/// Every command that loads it refuses such a file, by its name.
#[track_caller]
fn refused(name: &str, bytes: &[u8], words: &[&str]) {
    let at = folder();
    let file = at.path().join(name);
    fs::write(&file, bytes).unwrap();
    let path = file.display().to_string();
    let cache = at.path().join("cache");
    let planb = || Planb::new().env("XDG_CACHE_HOME", &cache);
    let inspect = planb().args(["plugin", "inspect", &path]).run().expect_code(4);
    inspect.says(&["(plugin)", &path]).says(words);
    let db = at.path().join("x.db");
    fs::write(&db, "").unwrap();
    let store = at.path().join("store");
    let run = planb().args(["run", "--plugin", &path, "--db", &sqlite_url(&db), "--to"]).arg(&store);
    run.run().expect_code(4).says(&["(plugin)", &path]).says(words);
    assert_empty(&store);
    let add = planb().args(["plugin", "add", &path, "--allow-all"]);
    let home = add.home().to_owned();
    add.run().expect_code(4).says(&[&path]);
    assert_empty(&home);
}

#[track_caller]
fn refused_text(name: &str, text: &str, words: &[&str]) {
    refused(name, &wat::parse_str(text).unwrap(), words);
}

#[test]
fn files_that_are_no_components() {
    refused("empty.wasm", b"", &["an empty file", "not a WebAssembly component"]);
    refused("text.wasm", b"#!/bin/sh\nrm -rf /\n", &["not a WebAssembly component"]);
    refused("source.wasm", b"(component)\n", &["WebAssembly text", "wasm-tools parse"]);
    refused("program.wasm", &fs::read("/proc/self/exe").unwrap()[..4096], &["a native program"]);
    refused("short.wasm", b"\0asm", &["WebAssembly of an unknown kind"]);
    refused("strange.wasm", b"\0asm\x0d\0\x07\0", &["WebAssembly of an unknown kind"]);
    refused_text("core.wasm", "(module (func (export \"run\")))", &["a core WebAssembly module", "wasm32-wasip2"]);
}

#[test]
fn components_of_other_worlds() {
    refused_text("bare.wasm", "(component)", &["it exports nothing", "not planb:engine/engine"]);
    refused_text(
        "other.wasm",
        "(component (instance $i) (export \"wasi:cli/run@0.2.6\" (instance $i)))",
        &["wasi:cli/run@0.2.6", "not planb:engine/engine"],
    );
    refused_text(
        "newer.wasm",
        "(component (instance $i) (export \"planb:engine/engine@0.2.0\" (instance $i)))",
        &["planb:engine 0.2.0", "this planb offers 0.1", "upgrade planb"],
    );
    refused_text(
        "hollow.wasm",
        "(component (instance $i) (export \"planb:engine/engine@0.1.0\" (instance $i)))",
        &["planb:engine 0.1", "types"],
    );
}

#[test]
fn components_that_want_too_much() {
    for (name, interface) in [
        ("sockets.wasm", "wasi:sockets/tcp@0.2.6"),
        ("lookup.wasm", "wasi:sockets/ip-name-lookup@0.2.0"),
        ("http.wasm", "wasi:http/outgoing-handler@0.2.6"),
    ] {
        let text = format!(
            "(component (import \"{interface}\" (instance))
             (instance $i) (export \"planb:engine/engine@0.1.0\" (instance $i)))"
        );
        refused_text(name, &text, &[interface, "no engine plugin gets that"]);
    }
    refused_text(
        "strange.wasm",
        "(component (import \"acme:backdoor/open@1.0.0\" (instance))
         (instance $i) (export \"planb:engine/engine@0.1.0\" (instance $i)))",
        &["acme:backdoor/open@1.0.0", "does not know"],
    );
}

#[test]
fn damaged_plugins() {
    let whole = fs::read(Planb::plugins().join("postgres.wasm")).unwrap();
    for part in [9, 100, whole.len() / 2, whole.len() - 1] {
        refused("cut.wasm", &whole[..part], &["cut.wasm"]);
    }
    // A flipped bit can hide where nothing looks at it; it then is another plugin, which nobody trusts.
    let at = folder();
    let file = at.path().join("flipped.wasm");
    for step in 1..12 {
        let mut flipped = whole.clone();
        let place = whole.len() / 12 * step;
        flipped[place] ^= 1 << (step % 8);
        fs::write(&file, &flipped).unwrap();
        let planb = Planb::new().env("XDG_CACHE_HOME", at.path().join("cache"));
        let run = planb.args(["run", "--plugin"]).arg(&file);
        let store = at.path().join("store");
        let done = run.args(["--db", "postgresql://u@127.0.0.1:1/x", "--to"]).arg(&store).run().expect_code(4);
        let done = done.says(&["flipped.wasm"]);
        assert!(!done.stderr.contains("panicked at host"), "{done:?}");
        assert_empty(&store);
    }
}

/// A plugin of another digest that does the same: an empty custom section at its end changes nothing else.
fn unpinned(folder: &Path, name: &str, mark: &str) -> PathBuf {
    let mut bytes = fs::read(Planb::plugins().join("sqlite.wasm")).unwrap();
    let length = u8::try_from(mark.len()).unwrap();
    bytes.extend([0, length + 1, length]);
    bytes.extend(mark.as_bytes());
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn an_unknown_plugin_runs_no_tool_until_it_may() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let plugin = unpinned(at.path(), "mine.wasm", "mine");
    let store = at.path().join("store");
    // A program that would tell that it was run, were it only for its version.
    let tool = at.path().join("tell");
    let told = at.path().join("told");
    fs::write(&tool, format!("#!/bin/sh\ntouch {}\nexec sqlite3 \"$@\"\n", told.display())).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |planb: &Planb| {
        let planb = planb.clone().arg("run").arg("--plugin").arg(&plugin).args(["--db", &sqlite_url(&db)]);
        planb.arg("--tool-path").arg(format!("sqlite3={}", tool.display())).arg("--to").arg(&store)
    };
    let planb = Planb::new();
    let done = run(&planb).run().expect_code(4);
    done.says(&["may not use the tool", "sqlite3", "--allow-tool sqlite3", &plugin.display().to_string()]);
    run(&planb).args(["--allow-tool", "sqlite"]).run().expect_code(2).says(&["declares no tool `sqlite`", "sqlite3"]);
    run(&planb).arg("--dry-run").run().expect_code(4);
    assert!(!told.exists(), "the tool was run");
    assert_empty(&store);
    // For one run.
    run(&planb).args(["--allow-tool", "sqlite3"]).run().ok();
    assert!(told.exists());
    run(&planb).run().expect_code(4);

    // For good, and for this file only.
    let add = planb.clone().args(["plugin", "add"]).arg(&plugin);
    add.clone().run().expect_code(2).says(&["--allow-all", "--allow-tool sqlite3"]);
    run(&planb).run().expect_code(4);
    add.clone().args(["--allow-tool", "rm"]).run().expect_code(2).says(&["does not declare the tool `rm`"]);
    let added = add.arg("--allow-all").run().ok();
    assert!(added.stdout.contains("sqlite3"), "{added:?}");
    run(&planb).args(["--name", "granted"]).run().ok();
    let listed = planb.clone().args(["plugin", "list", "--output", "json"]).run().ok().json();
    let mine = listed.as_array().unwrap().iter().find(|entry| entry["name"] == "mine").cloned().unwrap();
    assert_eq!((&mine["trust"], &mine["key"]), (&"granted".into(), &"sqlite".into()));
    assert_eq!(mine["sha256"], sha256(&fs::read(&plugin).unwrap()));
    let pinned = listed.as_array().unwrap().iter().find(|entry| entry["name"] == "sqlite").unwrap();
    assert_eq!(pinned["trust"], "built with this planb");
    // By its name now.
    let by_name = planb.clone().args(["run", "--plugin", "mine", "--db", &sqlite_url(&db), "--name", "named", "--to"]);
    by_name.arg(&store).run().ok();

    // A changed file is another plugin.
    unpinned(at.path(), "mine.wasm", "else");
    run(&planb).run().expect_code(4).says(&["--allow-tool sqlite3"]);
    unpinned(at.path(), "mine.wasm", "mine");
    run(&planb).args(["--name", "again"]).run().ok();

    planb.clone().args(["plugin", "remove", "mine"]).run().ok();
    run(&planb).run().expect_code(4);
    let listed = planb.clone().args(["plugin", "list", "--output", "json"]).run().ok();
    assert!(!listed.stdout.contains("\"mine\""), "{listed:?}");
    planb.args(["plugin", "remove", "mine"]).run().expect_code(2).says(&["is not there"]);
}

#[test]
fn grants_that_cannot_be_read_are_no_grants() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let planb = Planb::new();
    let grants = planb.home().join(".config/planb/grants.json");
    fs::create_dir_all(grants.parent().unwrap()).unwrap();
    for broken in ["{", "[]", "\"*\"", "{\"plugins\": {\"*\": true}}"] {
        fs::write(&grants, broken).unwrap();
        let run = planb.clone().args(["run", "--db", &sqlite_url(&db), "--to"]).arg(at.path().join("never"));
        run.run().expect_code(2).says(&["grants.json"]);
        assert_empty(&at.path().join("never"));
    }
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let all = support::files(cache).into_iter().map(|path| cache.join(path));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[test]
fn an_edited_entry_of_the_compile_cache_is_not_run() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let cache = at.path().join("cache");
    let run = |name: &str| {
        let planb = Planb::new().env("XDG_CACHE_HOME", &cache);
        let planb = planb.args(["run", "--plugin", "sqlite", "--db", &sqlite_url(&db), "--name", name, "--to"]);
        planb.arg(at.path().join("store")).run().ok()
    };
    run("cold");
    let [entry] = entries(&cache).try_into().unwrap_or_else(|all| panic!("{all:?}"));
    assert_eq!(entry.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let whole = fs::read(&entry).unwrap();
    for (number, place) in [0, 31, 32, 100, whole.len() / 2, whole.len() - 1].into_iter().enumerate() {
        let mut edited = whole.clone();
        edited[place] ^= 0x40;
        fs::write(&entry, &edited).unwrap();
        run(&format!("edited{number}")).says(&["compile cache"]);
        // It was made anew.
        assert_eq!(fs::read(&entry).unwrap()[..], whole[..], "byte {place}");
    }
    fs::write(&entry, &whole[..whole.len() / 2]).unwrap();
    run("cut");
    fs::write(&entry, "").unwrap();
    run("empty");
    // Whoever else may write to it can put anything there: it is not read.
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    run("writable");
}

#[test]
fn a_compile_cache_that_others_can_write_to_is_not_used() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let cache = at.path().join("cache");
    let compiled = cache.join("planb/compiled");
    let run = || -> Output {
        let planb = Planb::new().env("XDG_CACHE_HOME", &cache);
        let planb = planb.args(["run", "--plugin", "sqlite", "--db", &sqlite_url(&db), "--to"]);
        planb.arg(at.path().join("store")).run().ok()
    };
    fs::create_dir_all(&compiled).unwrap();
    fs::set_permissions(&compiled, fs::Permissions::from_mode(0o777)).unwrap();
    run().says(&["compile cache is not used"]);
    assert_eq!(entries(&cache), Vec::<PathBuf>::new());
    // Nor is one behind a link.
    fs::remove_dir(&compiled).unwrap();
    let elsewhere = at.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &compiled).unwrap();
    run().says(&["compile cache is not used"]);
    assert_empty(&elsewhere);
    verify(&at.path().join("store").display().to_string()).run().ok();
}
