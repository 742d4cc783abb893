//! Files that are no plugins, or that no compiler would have written: refused before anything of them runs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use planb_harness::Planb;
use planb_hostile_tests::binary::{
    COMPONENT, MODULE, beside, component, functions, lists, long_body, nested, nested_types, section, tuples,
    with_section,
};
use planb_hostile_tests::{Cases, Guest, Place, watched};

/// `planb` with a cold cache: what is known from before is not compiled.
fn cold(place: &Place, planb: Planb) -> Planb {
    planb.env("XDG_CACHE_HOME", place.plugins().join("cache"))
}

/// Every command that takes a plugin refuses this file, by its name and the rule.
fn refused(cases: &mut Cases, what: &str, bytes: &[u8], rule: &str) {
    let place = Place::new();
    let plugin = place.plugin("odd.wasm", bytes);
    let add = place.planb().args(["plugin", "add", "--allow-all"]).arg(&plugin);
    let home = add.home().to_owned();
    for (verb, command) in [("inspect", place.inspect(&plugin)), ("run", place.run_raw(&plugin)), ("add", add)] {
        let held = watched(&cold(&place, command)).refused(&plugin, rule).and(place.bare());
        cases.case(format!("{what}, by {verb}"), held);
    }
    let added = Place::files(&home);
    cases.case(format!("{what}, added"), if added.is_empty() { Ok(()) } else { Err(format!("{added:?}")) });
}

/// The same for what takes its time: looked at once.
fn refused_once(cases: &mut Cases, what: &str, bytes: &[u8], rule: &str) {
    let place = Place::new();
    let plugin = place.plugin("odd.wasm", bytes);
    cases.case(what, watched(&cold(&place, place.inspect(&plugin))).refused(&plugin, rule).and(place.bare()));
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn files_that_are_no_components() {
    let mut cases = Cases::new();
    for (what, bytes, rule) in [
        ("an empty file", Vec::new(), "this is an empty file"),
        ("a script", b"#!/bin/sh\nrm -rf /\n".to_vec(), "not a WebAssembly component"),
        ("WebAssembly text", b"(component)\n".to_vec(), "WebAssembly text"),
        ("WebAssembly text behind space", b" \n\t(module (func))\n".to_vec(), "WebAssembly text"),
        ("a native program", fs::read("/proc/self/exe").unwrap()[..4096].to_vec(), "a native program"),
        ("four letters", b"\0asm".to_vec(), "WebAssembly of an unknown kind"),
        ("another layer", b"\0asm\x0d\0\x07\0".to_vec(), "WebAssembly of an unknown kind"),
        ("a core module", text("(module (func (export \"describe\")))"), "a core WebAssembly module"),
        ("an empty module", MODULE.to_vec(), "a core WebAssembly module"),
        ("a core module in disguise", [COMPONENT, b"\x01\x04\x01\x60\0\0"].concat(), "not a valid component"),
        ("an empty component", COMPONENT.to_vec(), "it exports nothing"),
        ("a gzip file", b"\x1f\x8b\x08\0".to_vec(), "no WebAssembly at all"),
    ] {
        refused(&mut cases, what, &bytes, rule);
    }
}

#[test]
fn components_of_other_worlds() {
    let mut cases = Cases::new();
    let exporting = |name: &str| text(&format!("(component (instance $i) (export \"{name}\" (instance $i)))"));
    refused(
        &mut cases,
        "a command of WASI",
        &exporting("wasi:cli/run@0.2.6"),
        "it exports wasi:cli/run@0.2.6, and not planb:engine/engine",
    );
    refused(
        &mut cases,
        "no functions at all",
        &exporting("planb:engine/engine@0.1.0"),
        "other types than planb:engine 0.1",
    );
    for (version, rule) in [
        ("0.0.9", "it is written for planb:engine 0.0.9; this planb offers 0.1.0"),
        ("0.1.1", "it is written for planb:engine 0.1.1; this planb offers 0.1.0"),
        ("0.2.0", "it is written for planb:engine 0.2.0; this planb offers 0.1.0"),
        ("1.0.0", "it is written for planb:engine 1.0.0; this planb offers 0.1.0"),
        ("18446744073709551615.0.0", "it is written for planb:engine 18446744073709551615.0.0"),
        ("0.1.0-rc.1", "0.1"),
    ] {
        let whole = Guest::new().describes().exported_as(&format!("planb:engine/engine@{version}")).build();
        refused(&mut cases, version, &whole, rule);
    }
    // Which side is to be upgraded depends on which is older.
    let place = Place::new();
    for (version, hint) in [("0.0.9", "upgrade the plugin"), ("0.2.0", "upgrade planb")] {
        let plugin =
            place.plugin("x.wasm", Guest::new().exported_as(&format!("planb:engine/engine@{version}")).build());
        cases.case(format!("the hint for {version}"), watched(&place.inspect(&plugin)).says(hint));
    }
    for function in ["describe", "explain", "[method]inspector.feed", "[constructor]filter", "plan-seed"] {
        let rule = "its functions have other types than planb:engine 0.1";
        refused(&mut cases, &format!("without {function}"), &Guest::new().describes().without(function).build(), rule);
    }
    for function in ["describe", "plan-backup", "read-query", "explain"] {
        let rule = "its functions have other types than planb:engine 0.1";
        refused(&mut cases, &format!("another {function}"), &Guest::new().describes().mistyped(function).build(), rule);
    }
}

#[test]
fn imports_of_what_no_plugin_gets() {
    let mut cases = Cases::new();
    let forbidden = [
        ("wasi:sockets/tcp@0.2.6", "open network connections"),
        ("wasi:sockets/udp@0.2.0", "open network connections"),
        ("wasi:sockets/instance-network@0.2.6", "open network connections"),
        ("wasi:sockets/ip-name-lookup@0.2.0", "open network connections"),
        ("wasi:http/outgoing-handler@0.2.6", "send and receive HTTP"),
        ("wasi:http/types@0.2.6", "send and receive HTTP"),
        ("wasi:keyvalue/store@0.2.0-draft", "outside its sandbox"),
        ("wasi:config/store@0.2.0-draft", "outside its sandbox"),
    ];
    let importing = |import: &str| Guest::new().describes().component(import).build();
    for (interface, power) in forbidden {
        let import = format!("(import \"{interface}\" (instance (export \"x\" (func))))");
        refused(&mut cases, interface, &importing(&import), &format!("it asks for {interface}, which would let it"));
        let place = Place::new();
        let plugin = place.plugin("x.wasm", importing(&import));
        cases.case(format!("the power of {interface}"), watched(&place.inspect(&plugin)).says(power));
        // Also where it asks for no function of it.
        refused_once(&mut cases, interface, &importing(&format!("(import \"{interface}\" (instance))")), interface);
    }
    for (import, name) in [
        ("(import \"acme:backdoor/open@1.0.0\" (instance))", "acme:backdoor/open@1.0.0"),
        ("(import \"planb:host/shell@0.1.0\" (instance))", "planb:host/shell@0.1.0"),
        ("(import \"spawn\" (func (param \"command\" string)))", "spawn"),
        ("(import \"wasi:cli\" (func))", "wasi:cli"),
    ] {
        // A name that the text's parser does not take is none that a plugin could have.
        let text = format!("(component {import} (instance $i) (export \"planb:engine/engine@0.1.0\" (instance $i)))");
        let Ok(bytes) = wat::parse_str(&text) else { continue };
        refused(&mut cases, name, &bytes, name);
    }
    for (what, import) in [
        (
            "a function of the contract's types",
            "(import \"planb:engine/types@0.1.1\" (instance (export \"spawn\" (func))))",
        ),
        (
            "a function that wasi:cli has not",
            "(import \"wasi:cli/environment@0.2.6\" (instance (export \"set-variable\" (func))))",
        ),
        (
            "another type of a function of wasi:cli",
            "(import \"wasi:cli/environment@0.2.6\" (instance (export \"get-arguments\" (func (result u32)))))",
        ),
        (
            "a function of wasi:filesystem that opens",
            "(import \"wasi:filesystem/preopens@0.2.6\" (instance (export \"open\" (func (param \"path\" string)))))",
        ),
    ] {
        refused(&mut cases, what, &importing(import), "plugin ");
    }
}

#[test]
fn monsters() {
    let mut cases = Cases::new();
    let custom =
        |bytes: usize| component(&[with_section(section::CUSTOM, &[&b"\x04mine"[..], &vec![b'x'; bytes]].concat())]);
    for (what, bytes, rule) in [
        ("a custom section of 62 MiB", custom(62 << 20), "plugin "),
        ("a file of more than 64 MiB", custom(65 << 20), "a plugin may have 67108864"),
        ("ten million custom sections", [COMPONENT.to_vec(), b"\0\x02\x01x".repeat(10_000_000)].concat(), "plugin "),
        ("1,000 components inside each other", nested(1000), "plugin "),
        ("1,000 components beside each other", beside(1000), "plugin "),
        ("100,000 components beside each other", beside(100_000), "plugin "),
        (
            "2,000 core modules",
            [COMPONENT.to_vec(), with_section(section::MODULE, MODULE).repeat(2000)].concat(),
            "plugin ",
        ),
        ("a type of depth 150", lists(150), "type nesting is too deep"),
        ("a type of depth 10,000", lists(10_000), "type nesting is too deep"),
        ("a type of 2^60 parts", tuples(60, 2), "type size exceeds the limit"),
        ("a type of 10^30 parts", tuples(30, 10), "type size exceeds the limit"),
        (
            "a section of 4 GiB that is not there",
            [COMPONENT, b"\x07\xff\xff\xff\xff\x0f"].concat(),
            "not a valid component",
        ),
        (
            "four billion types",
            component(&[with_section(section::TYPE, b"\xff\xff\xff\xff\x0f")]),
            "not a valid component",
        ),
        ("a number that does not end", [COMPONENT, &[0x80; 100]].concat(), "not a valid component"),
    ] {
        refused_once(&mut cases, what, &bytes, rule);
    }
}

/// Small files whose compiling would take the machine's memory, its stack or the day.
#[test]
fn bombs_for_the_compiler() {
    let mut cases = Cases::new();
    for (what, bytes) in [
        ("1,000 types of instances inside each other", nested_types(1000, 0x42)),
        ("20,000 types of components inside each other", nested_types(20_000, 0x41)),
        ("5,000 components inside each other", nested(5000)),
        ("components that each hold the next twice", doubling(22)),
        ("a function of 1 MB", component(&[with_section(section::MODULE, &functions(1, &long_body(1_000_000)))])),
        ("200,000 functions", component(&[with_section(section::MODULE, &functions(200_000, &long_body(3)))])),
    ] {
        refused_once(&mut cases, what, &bytes, "plugin ");
    }
}

/// A component of which each part is instantiated twice by the next.
fn doubling(parts: usize) -> Vec<u8> {
    let mut all = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))");
    for part in 1..parts {
        all.push_str(&format!(
            "(component $c{part} (alias outer 1 {} (component $x)) (instance (instantiate $x)) (instance (instantiate $x)))",
            part - 1
        ));
    }
    all.push_str(&format!("(instance (instantiate $c{})))", parts - 1));
    text(&all)
}

/// A real plugin, cut.
#[test]
fn a_plugin_cut_anywhere() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let whole = fs::read(Planb::plugins().join("sqlite.wasm")).unwrap();
    // Every length up to the first sections, then places throughout, then every length near the end.
    let mut lengths: Vec<usize> = (0..64).chain((64..whole.len()).step_by(whole.len() / 150)).collect();
    lengths.extend(whole.len() - 32..whole.len());
    for length in &lengths {
        place.plugin(&format!("cut-{length}.wasm"), &whole[..*length]);
    }
    place.plugin("zz-good.wasm", &whole);
    let list = place.planb().env("PLANB_PLUGIN_PATH", place.plugins()).args(["plugin", "list", "--output", "json"]);
    let all = watched(&list);
    cases.case("all of them in one process", all.ended(0));
    for length in lengths {
        let name = format!("cut-{length}.wasm");
        cases.case(&name, all.says(&name).and_then(|()| absent(&all.output.stdout, &name)));
        cases.case(format!("{name} is named with its fault"), all.says(&format!("{name}: ")));
    }
    cases.case("the whole one after them", present(&all.output.stdout, "zz-good.wasm"));
}

fn present(text: &str, name: &str) -> Result<(), String> {
    if text.contains(name) { Ok(()) } else { Err(format!("no {name}")) }
}

fn absent(text: &str, name: &str) -> Result<(), String> {
    if text.contains(name) { Err(format!("there is {name}")) } else { Ok(()) }
}

/// A real plugin with a bit flipped: refused, stopped, or another plugin, which has no grant.
#[test]
fn a_plugin_with_a_bit_flipped_anywhere() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let whole = fs::read(Planb::plugins().join("sqlite.wasm")).unwrap();
    let mut places: Vec<usize> = (0..24).chain((24..whole.len()).step_by(whole.len() / 40)).collect();
    // A generator of one's own, so that a failure can be repeated.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..24 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        places.push(usize::try_from(seed % whole.len() as u64).unwrap());
    }
    let db = place.notes();
    for at in places {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let plugin = place.plugin("flipped.wasm", flipped);
        // Asked to run, it is refused as it is, or for want of a grant.
        let run =
            place.planb().args(["run", "--plugin"]).arg(&plugin).arg("--db").arg(&db).arg("--to").arg(place.store());
        let held = watched(&cold(&place, run)).refused(&plugin, "plugin ").and(place.bare());
        cases.case(format!("bit {} of byte {at}", at % 8), held);
    }
}

/// What else a path can lead to.
#[test]
fn paths_that_lead_to_no_file() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let good = place.engine("");
    let link = place.plugins().join("link.wasm");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    let dangling = place.plugins().join("dangling.wasm");
    std::os::unix::fs::symlink(place.plugins().join("nowhere"), &dangling).unwrap();
    let around = place.plugins().join("around.wasm");
    std::os::unix::fs::symlink(&around, &around).unwrap();
    let zero = place.plugins().join("zero.wasm");
    std::os::unix::fs::symlink("/dev/zero", &zero).unwrap();
    let folder = place.plugins().join("folder.wasm");
    fs::create_dir(&folder).unwrap();
    let pipe = place.plugins().join("pipe.wasm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    for path in [&dangling, &around, &zero, &folder, &pipe] {
        cases.case(path.display().to_string(), watched(&place.inspect(path)).refused(path, "cannot be read"));
    }
    // What is behind a link is what is granted and run: the bytes, not the name.
    cases.case("a link to a plugin", watched(&place.inspect(&link)).ended(0));
    let run = |plugin: &std::path::Path| {
        place
            .planb()
            .arg("run")
            .arg("--plugin")
            .arg(plugin)
            .arg("--db")
            .arg(place.notes())
            .arg("--to")
            .arg(place.store())
    };
    cases.case("a link brings no grant", watched(&run(&link)).refused(&link, "may not use the tool"));
    let locked = place.plugins().join("locked.wasm");
    fs::copy(&good, &locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    let code = watched(&place.inspect(&locked)).output.code;
    cases.case(
        "a file that may not be read",
        if matches!(code, Some(0 | 4)) { Ok(()) } else { Err(format!("{code:?}")) },
    );
    // All of them in the folder that is looked through, and a good one behind.
    let list = place.planb().env("PLANB_PLUGIN_PATH", place.plugins()).args(["plugin", "list", "--output", "json"]);
    let all = watched(&list);
    cases.case("all of them in a folder", all.ended(0).and_then(|()| present(&all.output.stdout, "hostile.wasm")));
}
