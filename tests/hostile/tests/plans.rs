//! Plans that want more than a plugin may: refused by the rule, before a command of them runs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;

use planb_hostile_tests::{Cases, Place, plant, watched};

/// Orders for a plan of a backup, refused with exit code 4 and the rule.
fn planned(cases: &mut Cases, all: &[(&str, &str)]) {
    let place = Place::new();
    let plugin = place.engine("");
    for (order, rule) in all {
        // What is planned is refused whether it is only shown or run.
        cases.case(*order, watched(&place.run(&plugin, order)).refused(&plugin, rule).and(place.bare()));
        place.clear();
        let dry = place.run(&plugin, order).arg("--dry-run");
        cases.case(format!("{order}, shown"), watched(&dry).refused(&plugin, rule).and(place.bare()));
    }
}

#[test]
fn tools_that_were_not_declared() {
    let mut cases = Cases::new();
    for place in ["tool@plan", "prepare-tool@plan", "cleanup-tool@plan", "tool@question", "prepare-tool@question"] {
        for tool in ["ls", "/bin/sh", "../sh", "", "cat ", "CAT", "sh;", "-c"] {
            planned(&mut cases, &[(&format!("{place}={tool}"), "which the plugin does not declare")]);
        }
    }
    let place = Place::new();
    let plugin = place.engine("");
    cases.case("a backup to restore", watched(&place.run(&plugin, "")).ended(0));
    for part in ["tool", "prepare-tool", "finish-tool", "cleanup-tool"] {
        for tool in ["ls", "/bin/sh", "../sh"] {
            let order = format!("{part}@restore={tool}");
            let restore = watched(&place.restore(&plugin, &order));
            cases.case(order, restore.refused(&plugin, "which the plugin does not declare").and(place.unharmed()));
        }
    }
    for part in ["server-tool@scratch=/bin/sh", "ready-tool@scratch=ls"] {
        let plugin = place.plugin("scratch.wasm", plant(part));
        let test = place.planb().args(["plugin", "test", "--allow-tool", "cat", "--allow-tool", "tee"]).arg(&plugin);
        cases.case(part, watched(&test).ended(4).and(place.unharmed()));
    }
}

#[test]
fn variables_that_were_not_declared() {
    let rule = "which the plugin does not declare";
    let mut cases = Cases::new();
    for name in ["LD_PRELOAD", "PATH", "HOME", "TMPDIR", "PGPASSWORD", "", "HOSTILE "] {
        planned(&mut cases, &[(&format!("env@plan={name}"), rule)]);
    }
    planned(&mut cases, &[("env-value@plan=a\\0b", "contains a NUL"), ("both-stdins@plan", "two things to read from")]);
}

/// What a plugin's author wrote can be wrong as well: that is the plugin's fault and not the user's.
#[test]
fn arguments_that_are_none() {
    let mut cases = Cases::new();
    let rule = "its plan is not possible";
    planned(
        &mut cases,
        &[
            ("literal@plan=", rule),
            ("literal@plan=a\\0b", rule),
            ("script@plan=-c", rule),
            ("option-name@plan=x=", rule),
            ("option-name@plan=--a b=", rule),
            ("option-name@plan=", rule),
            ("extra-twice@plan", rule),
            ("path@plan=../x", rule),
            ("path@plan=/etc/passwd", rule),
            ("path@plan=a\\0b", rule),
            ("large-arg@plan=200000", rule),
            ("many-args@plan=1000000", rule),
            ("many-env@plan=1000000", rule),
            ("source-to@plan=x", rule),
            ("stdout-to@question=x", rule),
            ("served@plan", "serve"),
        ],
    );
    planned(&mut cases, &[("many-args@plan=20000000", "of memory")]);
}

/// A value may be the user's: what it cannot be is a matter of settings, unless the message says more.
#[test]
fn values_that_would_be_options() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    for (order, rule) in [
        ("value@plan=-rf", "starts with a dash"),
        ("value@plan=--help", "starts with a dash"),
        ("value@plan=-", "starts with a dash"),
        ("value@plan=", "is empty"),
        ("value@plan=a\\0b", "contains a NUL"),
        ("pair@plan=-x", "starts with a dash"),
        ("pair@plan=", "is empty"),
        ("option@plan=a\\0b", "contains a NUL"),
    ] {
        let run = watched(&place.run(&plugin, order));
        let held = run.ended(2).or_else(|_| run.ended(4)).and_then(|()| run.says(rule)).and(place.bare());
        cases.case(order, held);
    }
    // An option's value stays in its item, whatever it is.
    let run = place.run(&plugin, "option@plan=--show-all -A").args(["--dry-run", "--output", "json"]).run().ok();
    let item = run.stdout.contains("'--name=--show-all -A'");
    cases.case("an option within an option", if item { Ok(()) } else { Err(format!("{run:?}")) });
}

#[test]
fn paths_out_of_the_work_directory() {
    let mut cases = Cases::new();
    let rule = "its plan is not possible";
    for path in ["../x", "/tmp/x", "a/../../x", "a\\0b", "..", "/"] {
        for part in ["file@plan", "print-to@plan", "read-from@plan", "file@question"] {
            planned(&mut cases, &[(&format!("{part}={path}"), rule)]);
        }
    }
    // Not below it but it.
    for order in ["file@plan=", "file@plan=.", "print-to@plan=", "read-from@plan=."] {
        planned(&mut cases, &[(order, rule)]);
    }
    let place = Place::new();
    let plugin = place.engine("");
    for (mode, part) in [("file", "source-file"), ("directory", "source-tree"), ("tar", "source-tree")] {
        for path in ["../x", "/etc/passwd", "/etc", ".."] {
            let order = format!("{part}@plan={path}");
            let run = watched(&place.run(&plugin, &order).args(["--mode", mode]));
            cases.case(format!("{order} as {mode}"), run.refused(&plugin, rule).and(place.bare()));
        }
    }
    cases.case("a backup to restore", watched(&place.run(&plugin, "")).ended(0));
    for part in ["file@restore", "sink-file@restore", "sink-tree@restore"] {
        for path in ["../x", "/tmp/x", ".."] {
            let order = format!("{part}={path}");
            cases.case(&order, watched(&place.restore(&plugin, &order)).refused(&plugin, rule).and(place.unharmed()));
        }
    }
}

/// A tool may leave links in the work directory. The host does not follow them, neither to write nor to read.
#[test]
fn links_in_the_work_directory() {
    let mut cases = Cases::new();
    // A question may be asked twice.
    let links = |place: &Place| format!("rm -rf d; ln -s {} d", place.outside().display());
    let bait = |place: &Place| format!("ln -s {}/bait l", place.outside().display());
    // What the host writes for a plan.
    let place = Place::new();
    let (plugin, counting) = (place.engine(""), place.plugin("counting.wasm", plant("by-inventory@describe")));
    for (what, plugin, order) in [
        (
            "what a command prints, below a link",
            &plugin,
            format!("shell@plan={};;print-to@plan=d/owned", links(&place)),
        ),
        (
            "what a command prints, below two",
            &plugin,
            format!("shell@plan=mkdir e; {}; ln -s ../d e/f;;print-to@plan=e/f/owned", links(&place)),
        ),
        ("a private file below a link", &counting, format!("shell@question={};;file@plan=d/owned", links(&place))),
    ] {
        let run = watched(&place.run(plugin, &order));
        let held = run.ended(4).and_then(|()| run.says("link")).and(place.bare());
        cases.case(what, held);
        drop(fs::remove_file(place.outside().join("owned")));
        place.clear();
    }
    // A link where a file is to be is put away, and what it led to stays.
    let order = format!("shell@plan={};;print-to@plan=l", bait(&place));
    cases.case(
        "what a command prints, over a link",
        watched(&place.run(&plugin, &order)).ended(0).and(place.unharmed()),
    );
    place.clear();

    // What the host reads for a plan.
    for (what, mode, order) in [
        ("a command's stdin below a link", "stream", format!("shell@plan={};;read-from@plan=d/bait", links(&place))),
        ("a command's stdin by a link", "stream", format!("shell@plan={};;read-from@plan=l", bait(&place))),
        ("the dump by a link", "file", format!("shell@plan={};;source-file@plan=l", bait(&place))),
        ("the dump below a link", "file", format!("shell@plan={};;source-file@plan=d/bait", links(&place))),
        ("a tree by a link", "directory", format!("shell@plan={};;source-tree@plan=d", links(&place))),
        (
            "a tree below a link",
            "tar",
            format!("shell@plan=ln -s {} d;;source-tree@plan=d/outside", place.root().display()),
        ),
        (
            "a link in a tree",
            "tar",
            format!("shell@plan=mkdir t; ln -s {}/bait t/l;;source-tree@plan=t", place.outside().display()),
        ),
    ] {
        let run = watched(&place.run(&plugin, &order).args(["--mode", mode]));
        let refused = if matches!(run.output.code, Some(1 | 4)) { Ok(()) } else { Err(format!("{:?}", run.output)) };
        cases.case(what, refused.and(place.bare()));
        place.clear();
    }

    // What a restore writes before a tool sees it.
    let tree = "shell@plan=mkdir t; echo x >t/f;;source-tree@plan=t";
    for (what, mode, backup, part) in [
        ("a restored file below a link", "stream", "", "sink-file@restore=d/x"),
        ("a restored tree below a link", "tar", tree, "sink-tree@restore=d/x"),
        ("a restored tree by a link", "directory", tree, "sink-tree@restore=d"),
        ("a restore's private file below a link", "stream", "", "file@restore=d/x"),
        ("a later question's private file below a link", "stream", "", "file@question=d/x"),
    ] {
        let place = Place::new();
        let plugin = place.engine("");
        cases.case("a backup to restore", watched(&place.run(&plugin, backup).args(["--mode", mode])).ended(0));
        fs::write(place.copy(), "").unwrap();
        let run = watched(&place.restore(&plugin, &format!("shell@question={};;{part}", links(&place))));
        cases.case(what, run.ended(4).and_then(|()| run.says("link")).and(place.unharmed()));
    }
}

/// A pipe has no end that anyone brings; who opens it waits for ever.
#[test]
fn pipes_in_the_work_directory() {
    let (mut cases, place) = (Cases::new(), Place::new());
    let plugin = place.engine("");
    for (mode, order) in [
        ("file", "shell@plan=mkfifo p;;source-file@plan=p"),
        ("tar", "shell@plan=mkdir t; mkfifo t/p;;source-tree@plan=t"),
        ("stream", "shell@plan=mkfifo p;;read-from@plan=p"),
    ] {
        let run = watched(&place.run(&plugin, order).args(["--mode", mode, "--timeout", "20s"]));
        let held = run.ended(4).or_else(|_| run.ended(1)).and(place.bare());
        cases.case(order, held);
    }
}

#[test]
fn secrets_that_were_not_given() {
    let mut cases = Cases::new();
    let rule = "its plan is not possible";
    let parts = ["secret@plan", "secret-env@plan", "secret-stdin@plan", "secret@question"];
    let place = Place::new();
    let plugin = place.engine("");
    for part in parts {
        for secret in ["aws", "../x", "", "PASSWORD"] {
            planned(&mut cases, &[(&format!("{part}={secret}"), rule)]);
        }
        // One that it may ask for: whether it is there is a matter of settings.
        for secret in ["password", "token"] {
            let order = format!("{part}={secret}");
            let run = watched(&place.run(&plugin, &order));
            let held = run.ended(2).or_else(|_| run.ended(4));
            cases.case(&order, held.and_then(|()| run.says("not given to this run")).and(place.bare()));
        }
    }
    // One that was given is used, and its value is nowhere to be seen.
    let order = format!("secret@plan=password;;look@plan={}", place.outside().display());
    let run = place.run(&plugin, &order).env("DB_PASSWORD", "hunter2-hunter2").args(["--log-level", "trace"]);
    let run = watched(&run);
    cases.case("one that was given", run.ended(0).and(place.unharmed()));
    let seen = format!("{:?} {}", run.output, place.manifest());
    cases.case("its value", if seen.contains("hunter2") { Err("it shows".to_owned()) } else { Ok(()) });
    // Not even where a tool prints it: the log and the errors are cleaned.
    let order = "secret@plan=password;;source-shell@plan=cat login >&2; exit 3";
    let run = watched(&place.run(&plugin, order).env("DB_PASSWORD", "hunter2-hunter2"));
    cases.case(
        "a tool that prints it",
        run.ended(1).and(if run.output.stderr.contains("hunter2") { Err("it shows".to_owned()) } else { Ok(()) }),
    );
}

/// What a plan says of the dump becomes a name in a store and a field of the manifest.
#[test]
fn artifacts_that_are_no_names() {
    let mut cases = Cases::new();
    let rule = "its plan is not possible";
    for order in [
        "extension@plan=../../../outside/evil",
        "extension@plan=/abs",
        "extension@plan=a/b/c",
        "extension@plan=",
        "extension@plan=a\\nb",
        "extension@plan=x\\0y",
        "extension@plan=\\e[2J",
        "extension@plan=..",
        "extension@plan=manifest.json",
        "large-extension@plan=1000",
        "media-type@plan=text/plain\\r\\nX-Evil: 1",
        "format@plan=\\e[2J",
    ] {
        planned(&mut cases, &[(order, rule)]);
    }
    // The name of a manifest is the manifest's, also where nothing is added to it.
    let place = Place::new();
    let plugin = place.engine("");
    let run = place.run(&plugin, "extension@plan=manifest.json").args(["--compress", "none"]);
    cases.case("a dump in a manifest's place", watched(&run).refused(&plugin, rule).and(place.bare()));
}

/// A plan is a list, and lists have an end.
#[test]
fn plans_without_measure() {
    let mut cases = Cases::new();
    let rule = "its plan is not possible";
    planned(
        &mut cases,
        &[
            ("many-commands@plan=20000", rule),
            ("many-cleanups@plan=20000", rule),
            ("many-files@plan=20000", rule),
            ("tail@plan=4294967295", rule),
            ("many-commands@plan=1000000", "too much data"),
            ("large-warning@plan=100000000", "too much data"),
        ],
    );
    let place = Place::new();
    let plugin = place.engine("");
    for order in ["large-version@answer=1000000", "wrong@answer"] {
        cases.case(order, watched(&place.run(&plugin, order)).refused(&plugin, "plugin ").and(place.bare()));
    }
    // What is only too much to read is cut, where it is shown and where it is kept.
    for order in ["many-warnings@plan=100000", "large-warning@plan=1000000", "large-finding@inspection=1000000"] {
        let run = watched(&place.run(&plugin, order));
        cases.case(order, run.ended(0).or_else(|_| run.ended(4)).and(place.unharmed()));
        let (shown, kept) = (run.output.stdout.len(), Place::files(&place.store()).values().sum::<u64>());
        let short = shown < 100_000 && kept < 1_000_000;
        cases.case("what is left of it", if short { Ok(()) } else { Err(format!("{shown} and {kept} bytes")) });
        place.clear();
    }
    // What explains a tool's failure is a sentence.
    let run = watched(&place.run(&plugin, "source-shell@plan=echo 'attack large@explained=1000000' >&2; exit 3"));
    cases.case("a failure explained at length", run.ended(1).or_else(|_| run.ended(4)).and(place.bare()));
    // Numbers that do not fit: whatever they are, the host counts on.
    let run = watched(&place.run(&plugin, "rows@inspection"));
    cases.case("more rows than there are numbers", run.ended(0).or_else(|_| run.ended(4)).and(place.unharmed()));
    let wrapped = run.output.stdout.contains("18,446,744,073,709,551,614");
    cases.case("their sum", if wrapped { Err(run.output.stdout.clone()) } else { Ok(()) });
}
