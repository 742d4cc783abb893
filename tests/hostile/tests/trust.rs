//! Who may run what: grants, the bytes that they are for, and the compiled code of those bytes.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use planb_harness::Planb;
use planb_hostile_tests::{Cases, Place, plant, watched};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn check(held: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if held { Ok(()) } else { Err(why()) }
}

/// A run of the database with nothing granted.
fn ungranted(place: &Place, planb: &Planb, plugin: impl AsRef<std::ffi::OsStr>) -> Planb {
    let run = planb.clone().arg("--work-dir").arg(place.work()).arg("run").arg("--plugin").arg(plugin);
    run.arg("--db").arg(place.notes()).arg("--to").arg(place.store())
}

/// A copy of the engine that does the same and is another by its digest.
fn marked(mark: &str) -> Vec<u8> {
    let mut bytes = plant("");
    let length = u8::try_from(mark.len()).unwrap();
    bytes.extend([0, length + 1, length]);
    bytes.extend(mark.as_bytes());
    bytes
}

#[test]
fn an_unknown_plugin_runs_no_tool_until_it_may() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.plugin("mine.wasm", marked("mine"));
    // A program that would tell that it was run, were it only for its version.
    let (tool, told) = (place.plugins().join("tell"), place.data().join("told"));
    fs::write(&tool, format!("#!/bin/sh\ntouch {}\nexec cat \"$@\"\n", told.display())).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let planb = Planb::new();
    let run = || ungranted(&place, &planb, &plugin).arg("--tool-path").arg(format!("cat={}", tool.display()));
    let refused = |planb: Planb| watched(&planb).refused(&plugin, "may not use the tool").and(place.bare());
    cases.case("without a grant", refused(run()));
    cases.case("what to type", watched(&run()).says("--allow-tool cat"));
    cases.case("only shown", refused(run().arg("--dry-run")));
    cases.case("another tool's grant", refused(run().args(["--allow-tool", "tee"])));
    cases.case(
        "a tool that it does not declare",
        watched(&run().args(["--allow-tool", "rm"])).ended(2).and(place.bare()),
    );
    cases.case("its tool", check(!told.exists(), || "it was run".to_owned()));
    cases.case("for one run", watched(&run().args(["--allow-tool", "cat"])).ended(0));
    cases.case("its tool then", check(told.exists(), || "it was not run".to_owned()));
    place.clear();
    cases.case("the next run", refused(run()));

    // For good, and for these bytes only.
    let add = planb.clone().args(["plugin", "add"]).arg(&plugin);
    cases.case("added without a word on tools", watched(&add).ended(2).and_then(|()| refused(run())));
    cases.case(
        "added for another tool",
        watched(&add.clone().args(["--allow-tool", "rm"])).ended(2).and_then(|()| refused(run())),
    );
    cases.case("added", watched(&add.arg("--allow-all")).ended(0));
    cases.case("granted", watched(&run()).ended(0));
    place.clear();
    let listed = planb.clone().args(["plugin", "list", "--output", "json"]).run().ok().json();
    let mine = listed.as_array().unwrap().iter().find(|entry| entry["name"] == "mine").cloned().unwrap();
    let digest = hex::encode(Sha256::digest(fs::read(&plugin).unwrap()));
    cases
        .case("its entry", check(mine["trust"] == "granted" && mine["sha256"] == digest.as_str(), || mine.to_string()));
    let pinned = listed.as_array().unwrap().iter().find(|entry| entry["name"] == "sqlite").unwrap();
    cases.case("one of planb's own", check(pinned["trust"] == "built with this planb", || pinned.to_string()));
    cases.case("by its name", watched(&ungranted(&place, &planb, "mine")).ended(0));
    place.clear();

    // A changed file is another plugin, whatever it is called.
    place.plugin("mine.wasm", marked("else"));
    cases.case("changed", refused(run()));
    place.plugin("mine.wasm", marked("mine"));
    cases.case("as it was", watched(&run()).ended(0));
    place.clear();
    cases.case("removed", watched(&planb.clone().args(["plugin", "remove", "mine"])).ended(0));
    cases.case("after that", refused(run()));
    cases.case("removed twice", watched(&planb.clone().args(["plugin", "remove", "mine"])).ended(2));
    // One of planb's own with a byte more is nobody's.
    let mut own = fs::read(Planb::plugins().join("sqlite.wasm")).unwrap();
    own.extend([0, 5, 4, b'm', b'i', b'n', b'e']);
    let own = place.plugin("sqlite.wasm", own);
    cases.case(
        "a copy of planb's own",
        watched(&ungranted(&place, &planb, &own)).refused(&own, "may not use the tool").and(place.bare()),
    );
}

#[test]
fn what_is_run_is_what_was_read() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    let digest = hex::encode(Sha256::digest(fs::read(&plugin).unwrap()));
    let go = place.plugins().join("go");
    // Shown, granted, exchanged: the grant stays with what was shown.
    let planb = Planb::new();
    cases.case("added", watched(&planb.clone().args(["plugin", "add", "--allow-all"]).arg(&plugin)).ended(0));
    cases.case("shown", watched(&ungranted(&place, &planb, &plugin).arg("--dry-run")).ended(0));
    place.plugin("hostile.wasm", marked("else"));
    let held = watched(&ungranted(&place, &planb, &plugin)).refused(&plugin, "may not use the tool");
    cases.case("exchanged after it was shown", held.and(place.bare()));

    // Exchanged while it runs: the run goes on with what it read, and says so.
    place.engine("");
    let waits = format!("source-shell@plan=until test -e {}; do sleep 0.05; done; echo dump", go.display());
    let running = place.run(&plugin, &waits).spawn();
    // It has read the file once its tool runs.
    let begin = std::time::Instant::now();
    while running.descendants().is_empty() && begin.elapsed() < std::time::Duration::from_mins(1) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    place.engine("unreachable@finish");
    fs::write(&go, "").unwrap();
    let output = running.wait();
    cases.case("exchanged while it runs", check(output.code == Some(0), || format!("{output:?}")));
    let manifest = place.manifest();
    cases.case(
        "what the manifest says",
        check(manifest["plugin"]["sha256"] == digest.as_str(), || manifest["plugin"].to_string()),
    );
    // The kept copy is the one that was granted, too.
    fs::remove_file(&go).unwrap();
    let kept: Vec<PathBuf> =
        Place::files(planb.home()).into_keys().filter(|path| path.ends_with("plugins/hostile.wasm")).collect();
    cases.case("the copy that was kept", check(kept.len() == 1, || format!("{kept:?}")));
    for path in kept {
        let path = planb.home().join(path);
        fs::write(&path, marked("else")).unwrap();
        let held = watched(&ungranted(&place, &planb, "hostile")).refused(&path, "may not use the tool");
        cases.case("the copy exchanged", held.and(place.unharmed()));
    }
}

fn grants_of(planb: &Planb) -> PathBuf {
    planb.home().join(".config/planb/grants.json")
}

#[test]
fn grants_that_are_none() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    let digest = hex::encode(Sha256::digest(fs::read(&plugin).unwrap()));
    let refused = |planb: &Planb| {
        watched(&ungranted(&place, planb, &plugin)).refused(&plugin, "may not use the tool").and(place.bare())
    };
    let write = |planb: &Planb, grants: &Value| {
        fs::create_dir_all(grants_of(planb).parent().unwrap()).unwrap();
        fs::write(grants_of(planb), grants.to_string()).unwrap();
    };
    let granted = |tools: Value| json!({ "plugins": { &digest: { "name": "hostile", "tools": tools } } });
    let planb = Planb::new();
    write(&planb, &granted(json!(["cat"])));
    cases.case("a grant", watched(&ungranted(&place, &planb, &plugin)).ended(0));
    place.clear();
    for (what, grants) in [
        ("an empty list of tools", granted(json!([]))),
        ("an empty name", granted(json!([""]))),
        ("a star", granted(json!(["*"]))),
        ("the program's path", granted(json!(["/usr/bin/cat", "/bin/cat", "../cat"]))),
        ("in capitals", granted(json!(["CAT"]))),
        ("no plugin", json!({ "plugins": {} })),
        ("a star for the digest", json!({ "plugins": { "*": { "name": "*", "tools": ["cat"] } } })),
        ("an empty digest", json!({ "plugins": { "": { "name": "hostile", "tools": ["cat"] } } })),
        (
            "the beginning of the digest",
            json!({ "plugins": { &digest[..32]: { "name": "hostile", "tools": ["cat"] } } }),
        ),
        (
            "the digest in capitals",
            json!({ "plugins": { digest.to_uppercase(): { "name": "hostile", "tools": ["cat"] } } }),
        ),
        (
            "the path for the digest",
            json!({ "plugins": { plugin.display().to_string(): { "name": "hostile", "tools": ["cat"] } } }),
        ),
        ("the name for the digest", json!({ "plugins": { "hostile": { "name": "hostile", "tools": ["cat"] } } })),
    ] {
        write(&planb, &grants);
        cases.case(what, refused(&planb));
    }
    // What cannot be read is neither empty nor full; nobody knows what it grants.
    for broken in ["", "{", "[]", "\"*\"", "null", "{\"plugins\": {\"*\": true}}", "{\"plugins\": [\"cat\"]}"] {
        fs::write(grants_of(&planb), broken).unwrap();
        let run = watched(&ungranted(&place, &planb, &plugin));
        cases.case(broken, run.ended(2).and_then(|()| run.says("grants.json")).and(place.bare()));
    }
    fs::remove_file(grants_of(&planb)).unwrap();
    fs::create_dir(grants_of(&planb)).unwrap();
    cases.case("a folder", watched(&ungranted(&place, &planb, &plugin)).ended(2).and(place.bare()));
}

/// A tool's id is what a grant names. Where its program is another, whoever grants it has to see that.
#[test]
fn a_program_behind_another_name() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("program@describe=rmdir");
    let run = place.planb().arg("run").arg("--plugin").arg(&plugin).arg("--db").arg(place.notes());
    let run = run.args(["--option", "attack=tool@plan=harmless", "--to"]).arg(place.store());
    let run = watched(&run);
    cases.case("a run", run.refused(&plugin, "harmless").and_then(|()| run.says("rmdir")).and(place.bare()));
    let add = watched(&place.planb().args(["plugin", "add"]).arg(&plugin));
    cases.case("the question", add.ended(2).and_then(|()| add.says("rmdir")));
    let inspect = watched(&place.inspect(&plugin));
    cases.case(
        "the table",
        inspect.ended(0).and(check(inspect.output.stdout.contains("rmdir"), || format!("{inspect:?}"))),
    );
}

/// An engine's key, alias or scheme in a plugin that was added: planb's own come first.
#[test]
fn a_plugin_that_claims_to_be_another() {
    let (mut cases, place) = (Cases::new(), Place::new());
    // A backup by an engine that calls itself as planb's own does, from a file that comes before that.
    let claims = place.plugin("sqa.wasm", plant("key@describe=sqlite"));
    cases.case("the backup", watched(&place.run(&claims, "")).ended(0));
    place.plugin("sqa.wasm", plant("loop@feed;;key@describe=sqlite;;schemes@describe=sqlite;;alias@describe=sqlite3"));
    fs::copy(Planb::plugins().join("sqlite.wasm"), place.plugins().join("sqlite.wasm")).unwrap();
    let with = |planb: Planb| watched(&planb.env("PLANB_PLUGIN_PATH", place.plugins()));
    let not_asked =
        |output: &planb_harness::Output| check(!output.stderr.contains("sqa.wasm"), || format!("{output:?}"));
    // Planb's own finds no SQLite in it.
    let verify = with(place.planb().args(["verify", "latest", "--from"]).arg(place.store()));
    cases.case("verify", verify.ended(5).and_then(|()| not_asked(&verify.output)));
    for name in ["sqlite", "sqlite3"] {
        let run = with(
            place.planb().args(["run", "--plugin", name, "--dry-run", "--db"]).arg(place.notes()).args(["--to", "x"]),
        );
        cases.case(format!("by the name {name}"), not_asked(&run.output));
    }
    let url = format!("sqlite://{}", place.notes().display());
    let run = with(place.planb().args(["run", "--dry-run", "--db", &url, "--to", "x"]));
    cases.case("by the scheme", not_asked(&run.output));
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let all = Place::files(cache).into_keys().map(|path| cache.join(path));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

/// Code that someone has written into the cache is not run: neither that of the engine nor anyone's.
#[test]
fn an_edited_entry_of_the_compile_cache() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    let cache = place.plugins().join("cache");
    let inspect = || watched(&place.inspect(&plugin).env("XDG_CACHE_HOME", &cache).args(["--log-level", "warn"]));
    cases.case("cold", inspect().ended(0));
    let [entry] = entries(&cache).try_into().unwrap_or_else(|all| panic!("{all:?}"));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let folder = mode(entry.parent().unwrap());
    cases.case(
        "the folder is its user's alone",
        check(folder == 0o700 && mode(&entry) == 0o600, || format!("{folder:o}")),
    );
    let whole = fs::read(&entry).unwrap();
    for at in [0, 31, 32, 100, whole.len() / 4, whole.len() / 2, whole.len() - 1] {
        let mut edited = whole.clone();
        edited[at] ^= 0x40;
        fs::write(&entry, &edited).unwrap();
        let run = inspect();
        cases.case(
            format!("byte {at} edited"),
            run.ended(0).and_then(|()| run.says("a damaged entry of the compile cache")),
        );
        cases.case("made anew", check(fs::read(&entry).unwrap() == whole, || "it was left as it was".to_owned()));
    }
    // With the right digest, but the code of another plugin: it is another name that is asked for.
    let other = place.plugin("other.wasm", plant("unreachable@describe"));
    cases.case("another plugin", watched(&place.inspect(&other).env("XDG_CACHE_HOME", &cache)).ended(4));
    for part in [&whole[..whole.len() / 2], &whole[..32], &whole[..31], &[]] {
        fs::write(&entry, part).unwrap();
        cases.case(format!("{} bytes of it", part.len()), inspect().ended(0));
        cases.case("made anew", check(fs::read(&entry).unwrap() == whole, || "it was left as it was".to_owned()));
    }
    // Not code at all, with the right digest before it.
    let junk = vec![0x90; 10_000];
    fs::write(&entry, [&Sha256::digest(&junk)[..], &junk].concat()).unwrap();
    cases.case("no code", inspect().ended(0));
    // Whoever else can write to it can put anything there.
    fs::write(&entry, &whole).unwrap();
    for bits in [0o666, 0o622, 0o602, 0o620] {
        fs::set_permissions(&entry, fs::Permissions::from_mode(bits)).unwrap();
        cases.case(format!("an entry of mode {bits:o}"), inspect().ended(0));
        cases.case("made anew", check(mode(&entry) & 0o022 == 0, || format!("{:o}", mode(&entry))));
    }
    // A link to something that others wrote, which no file of this user is.
    let elsewhere = place.plugins().join("elsewhere");
    fs::write(&elsewhere, &junk).unwrap();
    fs::remove_file(&entry).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    cases.case("a link", inspect().ended(0).and(place.bare()));
    cases.case("what it led to", check(fs::read(&elsewhere).unwrap() == junk, || "it was written to".to_owned()));
}

#[test]
fn a_compile_cache_that_others_can_write_to() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    let cache = place.plugins().join("cache");
    let compiled = cache.join("planb/compiled");
    let inspect = || watched(&place.inspect(&plugin).env("XDG_CACHE_HOME", &cache).args(["--log-level", "warn"]));
    fs::create_dir_all(&compiled).unwrap();
    for bits in [0o777, 0o770, 0o1777, 0o702] {
        fs::set_permissions(&compiled, fs::Permissions::from_mode(bits)).unwrap();
        let run = inspect();
        cases.case(format!("mode {bits:o}"), run.ended(0).and_then(|()| run.says("the compile cache is not used")));
        cases.case("nothing was put there", check(entries(&cache).is_empty(), || format!("{:?}", entries(&cache))));
    }
    fs::remove_dir(&compiled).unwrap();
    let elsewhere = place.plugins().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &compiled).unwrap();
    let run = inspect();
    cases.case("a link", run.ended(0).and_then(|()| run.says("the compile cache is not used")));
    cases.case(
        "nothing was put behind it",
        check(Place::files(&elsewhere).is_empty(), || format!("{:?}", Place::files(&elsewhere))),
    );
}

/// One that is broken does not hide the others of a folder.
#[test]
fn a_broken_plugin_in_a_folder() {
    let (mut cases, place) = (Cases::new(), Place::new());
    place.plugin("broken.wasm", "not wasm");
    fs::copy(Planb::plugins().join("sqlite.wasm"), place.plugins().join("sqlite.wasm")).unwrap();
    let list = place.planb().env("PLANB_PLUGIN_PATH", place.plugins()).args(["plugin", "list", "--output", "json"]);
    let list = watched(&list);
    cases.case("the list", list.ended(0).and_then(|()| list.says("broken.wasm")));
    let names: Vec<Value> =
        list.output.json().as_array().unwrap().iter().map(|plugin| plugin["name"].clone()).collect();
    cases.case(
        "its names",
        check(names.contains(&json!("sqlite")) && !names.contains(&json!("broken")), || format!("{names:?}")),
    );
}
