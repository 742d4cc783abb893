//! The border between a plugin and the host: addresses, lengths, texts, handles and allocators that are none.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;

use planb_harness::Planb;
use planb_hostile_tests::{Cases, Guest, Image, Place, cat, description, unsupported, watched};

/// What could be an address or a length to someone who counts badly.
const WORDS: [u32; 6] = [1, 3, 0x0001_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

#[test]
fn every_word_of_a_description_is_wrong_once() {
    let (mut cases, place) = (Cases::new(), Place::new());
    fs::copy(Planb::plugins().join("sqlite.wasm"), place.plugins().join("zz-good.wasm")).unwrap();
    let mut names = Vec::new();
    for offset in (0..140).step_by(4) {
        for word in WORDS {
            let name = format!("word-{offset}-{word:x}.wasm");
            let image = description().word(offset, word);
            place.plugin(&name, Guest::new().answers("describe", &image).build());
            names.push(name);
        }
    }
    // One process loads them all, and after them a good one.
    let list = place.planb().env("PLANB_PLUGIN_PATH", place.plugins()).args(["plugin", "list", "--output", "json"]);
    let all = watched(&list);
    cases.case("all of them in one process", all.ended(0));
    let listed: Vec<String> = all
        .output
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["file"].as_str().unwrap().to_owned())
        .collect();
    let good = listed.iter().any(|file| file.ends_with("zz-good.wasm"));
    cases.case("a good one after them", if good { Ok(()) } else { Err(format!("{listed:?}")) });
    for name in names {
        // A word that changes no meaning (a flag that was set, an alignment's gap) leaves it a plugin.
        let told = all.output.stderr.contains(&name) || listed.iter().any(|file| file.ends_with(&name));
        cases.case(name, if told { Ok(()) } else { Err("it is neither listed nor told of".to_owned()) });
    }
    cases.case("nothing outside", place.unharmed());
}

#[test]
fn texts_and_lists_that_are_none() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let d = description;
    let images: [(&str, Image); 12] = [
        ("a text that is no UTF-8", d().list(8, 2, &[0xff, 0xfe])),
        ("a text that ends within a character", d().list(8, 2, &[b'a', 0xc3])),
        ("an overlong character", d().list(8, 2, &[0xc0, 0x80])),
        ("a surrogate", d().list(8, 3, &[0xed, 0xa0, 0x80])),
        ("a character above the last", d().list(8, 4, &[0xf4, 0x90, 0x80, 0x80])),
        ("a text of 4 GiB", d().word(12, 0xffff_ffff)),
        ("a text behind the memory's end", d().word(8, 0xffff_fff0).word(12, 8)),
        ("a text across the memory's end", d().word(8, 0xfffe).word(12, 8)),
        ("a list whose size overflows", d().word(64, 0x0400_0001)),
        ("a list at an odd address", d().word(60, 1025).word(64, 1)),
        ("a mode that there is not", d().list(108, 1, &[200])),
        ("an option that is neither", d().put(44, &[7])),
    ];
    for (what, image) in images {
        let plugin = place.plugin("text.wasm", Guest::new().answers("describe", &image).build());
        cases.case(what, watched(&place.inspect(&plugin)).refused(&plugin, "`describe` failed inside the plugin"));
    }
    for (what, pointer) in
        [("an answer at the end of the address space", "-4"), ("an answer at an odd address", "1025")]
    {
        let guest = Guest::new().on("describe", &format!("(i32.const {pointer})"));
        let plugin = place.plugin("answer.wasm", guest.build());
        cases.case(what, watched(&place.inspect(&plugin)).refused(&plugin, "`describe` failed inside the plugin"));
    }
    // Nothing but a text, but of all the memory that there may be.
    let guest = Guest::new().memory("4096").answers("describe", &d().word(8, 65536).word(12, 255 << 20));
    let plugin = place.plugin("long.wasm", guest.build());
    cases.case("a text of 255 MiB", watched(&place.inspect(&plugin)).refused(&plugin, "too much data"));
    cases.case("nothing outside", place.bare());
}

#[test]
fn allocators_that_lie() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let allocators = [
        ("one behind the memory's end", "(i32.const -65536)", "plan-query"),
        ("one across the memory's end", "(i32.const 65532)", "plan-query"),
        ("one at odd addresses", "(i32.const 8193)", "plan-query"),
        ("one that traps", "unreachable", "unreachable"),
        ("one without an end", "(loop (br 0)) unreachable", "budget of computing"),
        ("one that calls itself", "(call $self (local.get $0) (local.get $1) (local.get $2) (local.get $3))", "stack"),
        ("one that always gives the same", "(i32.const 8192)", "unreachable"),
        ("one that gives what holds the description", "(i32.const 1024)", "unreachable"),
        ("one that takes all memory first", "(drop (memory.grow (i32.const 65535))) (i32.const -8)", "memory"),
    ];
    for (what, body, rule) in allocators {
        let mut guest = Guest::new().describes().realloc(body);
        if body.contains("$self") {
            guest = guest.core(
                "(func $self (param $0 i32) (param $1 i32) (param $2 i32) (param $3 i32) (result i32)
                 (call $self (local.get $0) (local.get $1) (local.get $2) (local.get $3)))",
            );
        }
        let plugin = place.plugin("allocator.wasm", guest.build());
        cases.case(what, watched(&place.run_raw(&plugin)).refused(&plugin, rule).and(place.bare()));
    }
}

#[test]
fn answers_of_later_calls_that_are_none() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let good = || Guest::new().describes().allocates();
    let planned = || good().answers("plan-query", &unsupported(3072)).answers("plan-backup", &cat(4096));
    let inspector = "[constructor]inspector";
    for (what, guest) in [
        (
            "a query that is neither plan nor failure",
            good().data(3072, &[0xff; 64]).on("plan-query", "(i32.const 3072)"),
        ),
        ("a failure of no kind", good().answers("plan-query", &unsupported(3072).put(4, &[99]))),
        ("a failure whose message is elsewhere", good().answers("plan-query", &unsupported(3072).word(8, 0xffff_0000))),
        ("a query at the end of the address space", good().on("plan-query", "(i32.const -4)")),
        ("a plan whose tool is elsewhere", planned().answers("plan-backup", &cat(4096).word(24, 0xffff_fff0))),
        ("a plan with 4 GiB of arguments", planned().answers("plan-backup", &cat(4096).word(36, 0xffff_ffff))),
        ("a plan of no kind", planned().answers("plan-backup", &cat(4096).put(20, &[77]))),
        ("an inspector that was never made", planned().on(inspector, "(i32.const 12345)")),
        ("an inspector that is none", planned().on(inspector, "(i32.const 0)")),
        ("an inspector below all", planned().on(inspector, "(i32.const -1)")),
    ] {
        let call = match what.split(' ').nth(1) {
            Some("plan") => "`plan-backup` failed inside the plugin",
            Some("inspector") => "`inspector` failed inside the plugin",
            _ => "`plan-query` failed inside the plugin",
        };
        let plugin = place.plugin("later.wasm", guest.build());
        cases.case(what, watched(&place.run_raw(&plugin)).refused(&plugin, call).and(place.bare()));
    }
}

#[test]
fn memories_and_tables_without_end() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let fill =
        "(drop (memory.grow N (i32.const 4090))) (memory.fill N (i32.const 0) (i32.const 1) (i32.const 260000000))";
    let fills = |memories: &[&str]| memories.iter().map(|name| fill.replace('N', name)).collect::<String>();
    let memories = |n: usize| (0..n).map(|at| format!("(memory $m{at} 1)")).collect::<String>();
    let instances = |n: usize, module: &str| format!("{module} {}", "(core instance (instantiate $x))".repeat(n));
    let filling = format!("(core module $x (memory 1) (func $s {}) (start $s))", fills(&["0"]));
    for (what, guest, rule) in [
        ("one of 4 GiB from the beginning", Guest::new().memory("65536"), "memory"),
        ("one of 300 MiB from the beginning", Guest::new().memory("4800"), "memory"),
        (
            "one that grows to 4 GiB and is filled",
            Guest::new().on("describe", "(drop (memory.grow (i32.const 65535))) (memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) unreachable"),
            "memory",
        ),
        (
            "eight in one module",
            Guest::new()
                .core(&memories(7))
                .on("describe", &format!("{} unreachable", fills(&["0", "$m0", "$m1", "$m2", "$m3", "$m4", "$m5", "$m6"]))),
            "memory",
        ),
        ("seven in modules beside", Guest::new().component(&instances(7, &filling)), "memory"),
        ("nine", Guest::new().core(&memories(8)), "memory count"),
        ("a memory of 64 bits", Guest::new().core("(memory $x i64 1)"), "64-bit memories"),
        ("a table of ten million", Guest::new().core("(table 10000000 funcref)"), "table"),
        (
            "a table that grows for ever",
            Guest::new()
                .core("(table $t 1 funcref)")
                .on("describe", "(loop (br_if 0 (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 10000))))) unreachable"),
            "unreachable",
        ),
        ("65 tables", Guest::new().core(&"(table 1 funcref)".repeat(65)), "table"),
        ("100 instances", Guest::new().component(&instances(100, "(core module $x)")), "instance count"),
        ("a start that does not end", Guest::new().core("(func $s (loop (br 0))) (start $s)"), "`start` used more than its budget"),
        ("a start that traps", Guest::new().core("(func $s unreachable) (start $s)"), "`start` failed inside the plugin"),
        (
            "filling the same for ever",
            Guest::new().on("describe", &format!(
                    "{} (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 260000000)) (br 0)) unreachable",
                    fills(&["0"])
                )),
            "budget of computing",
        ),
        (
            "copying a table for ever",
            Guest::new()
                .core("(table $t 100000 funcref)")
                .on("describe", "(loop (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 99999)) (br 0)) unreachable"),
            "budget of computing",
        ),
    ] {
        let plugin = place.plugin("memory.wasm", guest.build());
        cases.case(what, watched(&place.inspect(&plugin)).refused(&plugin, rule));
    }
    cases.case("nothing outside", place.bare());
}

/// A guest that holds an output stream of WASI, with which `body` does something: `$get` gives the stream, `$zeroes` writes zeroes to it.
fn with_stream(body: &str) -> Guest {
    let component = r#"
        (import "wasi:io/error@0.2.6" (instance $failures (export "error" (type (sub resource)))))
        (alias export $failures "error" (type $error))
        (import "wasi:io/streams@0.2.6" (instance $streams
            (export "output-stream" (type $stream (sub resource)))
            (alias outer 1 $error (type $e)) (export "error" (type $error (eq $e)))
            (type $stream-error-is (variant (case "last-operation-failed" (own $error)) (case "closed")))
            (export "stream-error" (type $stream-error (eq $stream-error-is)))
            (export "[method]output-stream.write-zeroes"
                (func (param "self" (borrow $stream)) (param "len" u64) (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stdout@0.2.6" (instance $stdout
            (alias outer 1 $stream (type $s)) (export "output-stream" (type $stream (eq $s)))
            (export "get-stdout" (func (result (own $stream))))))
        (core module $pages (memory (export "memory") 1))
        (core instance $pages (instantiate $pages))
        (alias core export $pages "memory" (core memory $page))
        (core func $get (canon lower (func $stdout "get-stdout")))
        (core func $zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory $page)))"#;
    let imports =
        r#"(import "w" "get" (func $get (result i32))) (import "w" "zeroes" (func $zeroes (param i32 i64 i32)))"#;
    let with = r#"(with "w" (instance (export "get" (func $get)) (export "zeroes" (func $zeroes))))"#;
    Guest::new().component(component).with(imports, with).on("describe", body)
}

/// A guest that asks for random bytes: `$random` takes how many, and where to put them.
fn with_chance(body: &str) -> Guest {
    let component = r#"
        (import "wasi:random/random@0.2.6" (instance $random
            (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
        (core module $pages (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
        (core instance $pages (instantiate $pages))
        (alias core export $pages "memory" (core memory $page))
        (alias core export $pages "realloc" (core func $take))
        (core func $bytes (canon lower (func $random "get-random-bytes") (memory $page) (realloc $take)))"#;
    let with = r#"(with "w" (instance (export "random" (func $bytes))))"#;
    Guest::new()
        .component(component)
        .with(r#"(import "w" "random" (func $random (param i64 i32)))"#, with)
        .on("describe", body)
}

#[test]
fn what_the_host_offers_is_bounded_too() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let zeroes =
        |n: &str| with_stream(&format!("(call $zeroes (call $get) (i64.const {n}) (i32.const 64)) unreachable"));
    for (what, guest, rule) in [
        ("a million handles", with_stream("(loop (drop (call $get)) (br 0)) unreachable"), "`describe` failed"),
        ("4 GiB of zeroes", zeroes("4294967296"), "more zeroes"),
        ("all zeroes that there are", zeroes("-1"), "more zeroes"),
        (
            "a stream that was never opened",
            with_stream("(call $zeroes (i32.const 77) (i64.const 1) (i32.const 64)) unreachable"),
            "`describe` failed",
        ),
        (
            "an answer behind the memory's end",
            with_stream("(call $zeroes (call $get) (i64.const 1) (i32.const -1)) unreachable"),
            "`describe` failed",
        ),
        (
            "4 GiB of chance",
            with_chance("(call $random (i64.const 4294967296) (i32.const 64)) unreachable"),
            "exceeds limit",
        ),
        (
            "more chance than memory",
            with_chance("(call $random (i64.const 1000000) (i32.const 64)) unreachable"),
            "`describe` failed",
        ),
    ] {
        let plugin = place.plugin("host.wasm", guest.build());
        cases.case(what, watched(&place.inspect(&plugin)).refused(&plugin, rule));
    }
    cases.case("nothing outside", place.bare());
}
