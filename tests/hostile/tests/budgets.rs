//! Attacks with instructions alone, in every call: each ends within its budget, and the host lives on.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;

use planb_harness::Planb;
use planb_hostile_tests::{Cases, Place, watched};

/// What is done, and what the message names.
const DEEDS: [(&str, &str); 6] = [
    ("loop", "used more than its budget of computing"),
    ("memory", "of memory; the limit is 256 MiB"),
    ("recursion", "call stack exhausted"),
    ("unreachable", "unreachable"),
    ("panic", "failed inside the plugin"),
    ("exit", "failed inside the plugin: Exited"),
];

/// The orders of the tool for the calls that no request comes with: the engine reads them from its stderr.
fn orders(deed: &str, call: &str) -> String {
    match call {
        "explain" => format!("source-shell@plan=echo 'attack {deed}@explain' >&2; exit 3"),
        _ => format!("{deed}@{call}"),
    }
}

/// Each call of a backup, and as what the message knows it.
const BACKUP: [(&str, &str); 9] = [
    ("plan-query", "`plan-query`"),
    ("read-query", "`read-query`"),
    ("plan-backup", "`plan-backup`"),
    ("inspector", "`inspector`"),
    ("open", "`inspector.open`"),
    ("feed", "`inspector.feed`"),
    ("finish", "`inspector.finish`"),
    ("explain", "`explain`"),
    ("describe", "`describe`"),
];

#[test]
fn in_each_call_of_a_backup() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plain = place.engine("");
    for (call, named) in BACKUP {
        for (deed, rule) in DEEDS {
            let orders = orders(deed, call);
            // Before any request there is only what was planted.
            let planted = call == "describe";
            let plugin =
                if planted { place.plugin("planted.wasm", planb_hostile_tests::plant(&orders)) } else { plain.clone() };
            let run = watched(&place.run(&plugin, if planted { "" } else { &orders }));
            let held = run.refused(&plugin, rule).and_then(|()| run.says(named)).and(place.bare());
            cases.case(format!("{deed} in {call}"), held);
        }
    }
    // The same file, the same cache, the same home: a good run right after.
    cases.case("a good backup after them", watched(&place.run(&plain, "")).ended(0).and(place.unharmed()));
}

#[test]
fn in_each_call_of_a_restore() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    cases.case("the backup", watched(&place.run(&plugin, "")).ended(0));
    let calls = [
        ("plan-restore", "`plan-restore`"),
        ("filter", "`filter`"),
        ("push", "`filter.push`"),
        ("filter-finish", "`filter.finish`"),
    ];
    let copy = place.copy();
    for (call, named) in calls {
        for (deed, rule) in DEEDS {
            drop(fs::remove_file(&copy));
            let run = watched(&place.restore(&plugin, &format!("{deed}@{call}")));
            let held = run.refused(&plugin, rule).and_then(|()| run.says(named)).and(place.unharmed());
            cases.case(format!("{deed} in {call}"), held);
            // What is held back at the end never reached the tool.
            let left = fs::read(&copy).unwrap_or_default();
            cases.case("what the target got", if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) });
        }
    }
    drop(fs::remove_file(&copy));
    cases.case("a good restore after them", watched(&place.restore(&plugin, "")).ended(0).and(place.unharmed()));
    cases.case("what it restored", same(&place, &copy));
}

fn same(place: &Place, copy: &std::path::Path) -> Result<(), String> {
    if fs::read(place.notes()).ok() == fs::read(copy).ok() { Ok(()) } else { Err("it is not the same".to_owned()) }
}

#[test]
fn while_a_backup_is_verified() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plain = place.engine("");
    cases.case("the backup", watched(&place.run(&plain, "")).ended(0));
    for (deed, rule) in DEEDS {
        let plugin = place.plugin("judge.wasm", planb_hostile_tests::plant(&format!("{deed}@feed")));
        let verify = place.planb().args(["verify", "latest", "--plugin"]).arg(&plugin).arg("--from").arg(place.store());
        cases.case(deed, watched(&verify).refused(&plugin, rule).and(place.unharmed()));
    }
    let verify = place.planb().args(["verify", "latest", "--plugin"]).arg(&plain).arg("--from").arg(place.store());
    cases.case("a good verification after them", watched(&verify).ended(0));
}

#[test]
fn while_the_suite_tests_it() {
    let (mut cases, place) = (Cases::new(), Place::new());
    for call in ["plan-scratch", "plan-seed", "describe"] {
        for deed in ["loop", "memory", "unreachable"] {
            let plugin = place.plugin("suite.wasm", planb_hostile_tests::plant(&format!("{deed}@{call}")));
            let test =
                place.planb().args(["plugin", "test", "--allow-tool", "cat", "--allow-tool", "tee"]).arg(&plugin);
            cases.case(format!("{deed} in {call}"), watched(&test).ended(4).and(place.bare()));
        }
    }
}

/// A storm goes nowhere: it uses up its own budget.
#[test]
fn storms_of_logs() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    for storm in ["stdout", "stderr"] {
        for call in ["plan-backup", "feed"] {
            let run = watched(&place.run(&plugin, &format!("{storm}@{call}")));
            let held = run.refused(&plugin, "").and(place.bare());
            cases.case(format!("{storm} in {call}"), held);
            let (said, shown) = (run.output.stderr.len(), run.output.stdout.len());
            let quiet = said < 20_000 && shown == 0;
            cases.case("what of it was shown", if quiet { Ok(()) } else { Err(format!("{said} and {shown} bytes")) });
        }
    }
}

/// Waiting uses no fuel; the clock on the wall ends it.
#[test]
fn calls_that_wait() {
    let mut cases = Cases::new();
    let waiting: Vec<_> = ["plan-query", "plan-backup", "feed", "finish"]
        .into_iter()
        .map(|call| {
            std::thread::spawn(move || {
                let place = Place::new();
                let plugin = place.engine("");
                (
                    call,
                    watched(&place.run(&plugin, &format!("sleep@{call}")))
                        .refused(&plugin, "took longer than 30 s")
                        .and(place.bare()),
                )
            })
        })
        .collect();
    for one in waiting {
        let (call, held) = one.join().unwrap();
        cases.case(format!("waiting in {call}"), held);
    }
}

/// Of several databases in one process, those that it is not asked to attack are backed up.
#[test]
fn the_same_process_goes_on() {
    let mut cases = Cases::new();
    for deed in ["loop", "memory", "unreachable", "recursion"] {
        for call in ["plan-backup", "inspector", "feed", "finish"] {
            let place = Place::new();
            let plugin = place.engine("");
            for name in ["a.txt", "evil.txt", "z.txt"] {
                fs::rename(place.notes(), place.data().join(name))
                    .or_else(|_| fs::write(place.data().join(name), "end\n"))
                    .unwrap();
            }
            let run = place.run_of(&place.data().join("*.txt"), &plugin, &format!("{deed}@{call}"));
            let run = run.args(["--option", "only=evil"]);
            let run = watched(&run);
            let held = run.ended(3).and_then(|()| run.says(&plugin.display().to_string()));
            let held = held.and_then(|()| run.says("evil.txt: plugin ")).and(place.unharmed());
            cases.case(format!("{deed} in {call}"), held);
            let kept = Place::files(&place.store()).len();
            // A dump and a manifest of each of the two.
            cases.case("the other two", if kept == 4 { Ok(()) } else { Err(format!("{kept} objects")) });
        }
    }
}

/// A plugin that is loaded with others does not keep them from being loaded.
#[test]
fn the_others_of_a_folder() {
    let (mut cases, place) = (Cases::new(), Place::new());
    for (at, (deed, _)) in DEEDS.iter().enumerate() {
        place.plugin(&format!("{at}-{deed}.wasm"), planb_hostile_tests::plant(&format!("{deed}@describe")));
    }
    fs::copy(Planb::plugins().join("sqlite.wasm"), place.plugins().join("zz-good.wasm")).unwrap();
    let list = place.planb().env("PLANB_PLUGIN_PATH", place.plugins()).args(["plugin", "list", "--output", "json"]);
    let all = watched(&list);
    cases.case("all in one process", all.ended(0).and(place.bare()));
    for (deed, _) in DEEDS {
        cases.case(deed, all.says(&format!("{deed}.wasm: `describe`")));
    }
    let good = all.output.stdout.contains("zz-good.wasm");
    cases.case("the good one", if good { Ok(()) } else { Err(format!("{:?}", all.output)) });
}
