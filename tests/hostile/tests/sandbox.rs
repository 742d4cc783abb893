//! What a plugin can see and steer: nothing real, and nobody's terminal.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use planb_harness::Planb;
use planb_hostile_tests::{Cases, Place, watched};
use serde_json::Value;

/// Files, clocks and chance are linked for a plugin that asks for them, and there is nothing behind them.
#[test]
fn files_clocks_and_chance_are_void() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    let inspect = watched(&place.inspect(&plugin));
    for interface in [
        "wasi:filesystem/types",
        "wasi:filesystem/preopens",
        "wasi:clocks/wall-clock",
        "wasi:clocks/monotonic-clock",
        "wasi:random/",
    ] {
        let line = inspect.output.stdout.lines().find(|line| line.contains("imports")).unwrap_or_default();
        let import = line.split(", ").find(|import| import.contains(interface)).unwrap_or_default();
        let told = import.trim_end().ends_with("(void)");
        cases.case(format!("{interface} is said to be void"), if told { Ok(()) } else { Err(format!("{import:?}")) });
    }
    let mut chances = BTreeSet::new();
    for time in 0..3 {
        place.clear();
        // Where it is run, with what, and when does not show either.
        let run = place.run(&plugin, &format!("look@plan={}", place.outside().display()));
        let run =
            run.env("AWS_SECRET_ACCESS_KEY", "topsecret").env("NUMBER", time.to_string()).current_dir(place.outside());
        cases.case("the run", watched(&run).ended(0).and(place.unharmed()));
        let manifest = place.manifest();
        let seen: Vec<&str> = manifest["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        cases.case("it looked at all", if seen.len() == 13 { Ok(()) } else { Err(format!("{seen:?}")) });
        for sight in seen {
            if let Some(chance) = sight.strip_prefix("chance sees ") {
                chances.insert(chance.to_owned());
            } else {
                cases.case(sight, if sight.contains(" is blind: ") { Ok(()) } else { Err("it sees".to_owned()) });
            }
        }
    }
    cases.case("chance is always the same", if chances.len() == 1 { Ok(()) } else { Err(format!("{chances:?}")) });
}

/// Nothing is remembered from one call to the next process, nor from one operation to the next.
#[test]
fn answers_cannot_change() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("changes@describe");
    let names: BTreeSet<String> = (0..4)
        .map(|_| {
            let inspect = place.inspect(&plugin).args(["--output", "json"]).run().ok().json();
            inspect["description"]["name"].as_str().unwrap().to_owned()
        })
        .collect();
    cases.case("what it says of itself", if names.len() == 1 { Ok(()) } else { Err(format!("{names:?}")) });

    let dry = place.run(&plugin, "changes@plan").args(["--dry-run", "--output", "json"]);
    let shown: BTreeSet<String> = (0..3).map(|_| dry.run().ok().stdout).collect();
    cases.case("the plan that is shown", if shown.len() == 1 { Ok(()) } else { Err(format!("{shown:?}")) });
    cases.case("the run", watched(&place.run(&plugin, "changes@plan")).ended(0).and(place.unharmed()));
    let ran = place.manifest()["warnings"][0].as_str().unwrap().to_owned();
    let same = ran.starts_with("plan 1 ") && shown.iter().all(|plan| plan.contains(&ran));
    cases.case("the plan that is run", if same { Ok(()) } else { Err(format!("{ran} is not in {shown:?}")) });

    // Each database of one run is asked for afresh.
    for name in ["a.txt", "b.txt"] {
        fs::write(place.data().join(name), "end\n").unwrap();
    }
    let all = place
        .run_of(&place.data().join("*.txt"), &plugin, "changes@plan")
        .args(["--dry-run", "--output", "json"])
        .run();
    let firsts = all.stdout.matches(&ran).count();
    cases.case("each of several", if firsts == 3 { Ok(()) } else { Err(format!("{firsts}: {all:?}")) });
}

/// Whatever it says, where it is said: a line of text and no more.
#[test]
fn what_it_says_does_not_steer_a_terminal() {
    let mut cases = Cases::new();
    let steer = "\\e[2J\\e[H\\e]0;x\\ball is well\\r";
    for (orders, code) in [
        (format!("warning@plan={steer}"), 0),
        (format!("finding@inspection={steer}"), 0),
        (format!("finding@inspection={steer};;incomplete@inspection"), 1),
        (format!("fails@plan={steer}"), 4),
        (format!("version@answer={steer}"), 0),
        (format!("tool@plan={steer}"), 4),
        (format!("env@plan={steer}"), 4),
        (format!("file@plan=../{steer}"), 4),
        ("panic@plan-backup".to_owned(), 4),
        (format!("source-shell@plan=echo 'attack message@explained={steer}' >&2; exit 3"), 1),
        ("source-shell@plan=printf '\\e[2J' >&2; exit 3".to_owned(), 1),
    ] {
        let place = Place::new();
        let plugin = place.engine("");
        let run = watched(&place.run(&plugin, &orders));
        cases.case(&orders, run.ended(code).and(place.unharmed()));
        // Nor later, from what is kept.
        for verb in ["list", "show", "verify"] {
            if code != 0 {
                break;
            }
            let which = if verb == "list" { vec![verb] } else { vec![verb, "latest"] };
            let later = place.planb().args(which).arg("--from").arg(place.store());
            let later = later.env("PLANB_PLUGIN_PATH", place.plugins());
            cases.case(format!("{orders}, {verb}"), watched(&later).ended(0));
        }
    }
    let place = Place::new();
    let odd = place.plugins().join("\u{1b}[2J.wasm");
    fs::copy(Planb::plugins().join("DIGESTS"), &odd).unwrap();
    cases.case("the name of its file", watched(&place.inspect(&odd)).ended(4));
}
