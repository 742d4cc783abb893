//! A folder whose disk fails: each call that planb makes there fails once, or all of them from one on.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use planb_faults::cases::{Case, Cases};
use planb_faults::place::{Place, Store, has_command};
use planb_faults::trace::{Act, Kind, Step, possible, trace};
use planb_harness::{provision, skip};

const EIO: i32 = 5;
const NO_SPACE: i32 = 28;
const READ_ONLY: i32 = 30;

/// Below the store that fails, and not the second one.
fn of_store(step: &Step) -> bool {
    step.kind == Kind::File && step.path.contains("/store")
}

/// Fails the calls below the store whose numbers are among these.
fn failing(from: usize, to: usize, errno: i32) -> impl FnMut(&Step) -> Act + Send {
    let mut number = 0;
    move |step| {
        if !of_store(step) {
            return Act::Go;
        }
        number += 1;
        if (from..=to).contains(&number) { Act::Fail(errno) } else { Act::Go }
    }
}

/// Cases that go on at once: a call that fails is tried again, after a while.
const AT_ONCE: usize = 6;

macro_rules! traced {
    () => {{
        skip!(provision::apt(&["sqlite3"]));
        if !possible() {
            skip!("ptrace", "this machine does not let a process trace its children");
        }
        let place = Place::new();
        let good = trace(&place.run(), &mut |_| Act::Go);
        assert_eq!(good.code, Some(0), "{}", good.stderr);
        let steps: Vec<_> = good.steps.into_iter().filter(of_store).collect();
        assert!(steps.len() > 10, "{steps:?}");
        steps
    }};
}

#[test]
fn a_call_that_fails_once() {
    let steps = traced!();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        for (error, errno) in [("EIO", EIO), ("ENOSPC", NO_SPACE)] {
            let steps = &steps;
            let body = move || {
                let place = Place::new();
                let call = place.run().args(["--name", "nightly"]);
                let done = trace(&call, &mut failing(at + 1, at + 1, errno));
                assert!(done.acted, "it did not come there");
                let listed = place.all_whole();
                match done.code {
                    // Tried again, or of no consequence.
                    Some(0) => assert_eq!(listed.len(), 1, "{}", done.stderr),
                    Some(1) => {
                        assert!(listed.is_empty(), "{}", done.stderr);
                        assert!(
                            done.stderr.contains("(storage)") && done.stderr.contains(&place.url()),
                            "{}",
                            done.stderr
                        );
                    }
                    other => panic!("exit code {other:?}: {}", done.stderr),
                }
                // What a disk did not take when it was told to sync is not there, whatever it says the next time.
                if step.call == "fsync" && (step.path.contains(".sql") || step.path.contains(".manifest.json")) {
                    let written_again = done.steps.iter().filter(|other| other.call == "pwrite").count()
                        > steps.iter().filter(|other| other.call == "pwrite").count();
                    assert!(done.code == Some(1) || written_again, "a failed sync was forgotten: {}", done.stderr);
                }
                place.holds_up(&call, false);
            };
            cases.push((format!("{error} once at {} {}", step.call, step.path), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

#[test]
fn a_disk_that_fails_from_one_call_on() {
    let steps = traced!();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        for (nth, (error, errno)) in [("EIO", EIO), ("ENOSPC", NO_SPACE), ("EROFS", READ_ONLY)].into_iter().enumerate()
        {
            // One of the three for each call.
            if at % 3 != nth {
                continue;
            }
            let body = move || {
                let mut place = Place::new();
                let disk = place.path("second");
                let call = place.run().args(["--name", "nightly", "--to"]).arg(&disk);
                let done = trace(&call, &mut failing(at + 1, usize::MAX, errno));
                let listed = place.all_whole();
                match done.code {
                    Some(0) => assert_eq!(listed.len(), 1, "{}", done.stderr),
                    Some(3) => {
                        // A manifest whose removal failed as well may be there, with all that it names.
                        assert!(done.stderr.contains(&place.url()), "{}", done.stderr);
                    }
                    // A store whose folder cannot be made ends the run before it begins.
                    Some(1) => assert!(step.call == "mkdir" && listed.is_empty(), "{}", done.stderr),
                    other => panic!("exit code {other:?}: {}", done.stderr),
                }
                if matches!(done.code, Some(0 | 3)) {
                    // The healthy one has its copy.
                    let failing = std::mem::replace(&mut place.store, Store::Folder(disk));
                    let [backup] = &place.all_whole()[..] else { panic!("not one backup: {:?}", place.list()) };
                    place.restores(&backup.id);
                    place.store = failing;
                }
                place.holds_up(&call, false);
            };
            cases.push((format!("{error} from {} {} on", step.call, step.path), Box::new(body)));
        }
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}

#[test]
fn a_prune_on_a_disk_that_fails() {
    let _ = traced!();
    if !has_command("prune") {
        skip!("planb prune", "this planb has no such command");
    }
    // A prune whose disk fails says so, and goes on where it was the next time.
    let filled = || {
        let place = Place::new();
        for name in ["a", "b", "c"] {
            place.run().args(["--name", name]).run().ok();
        }
        place
    };
    let place = filled();
    let rules = ["--keep-last", "1"];
    let good = trace(&place.prune(&rules), &mut |_| Act::Go);
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (at, step) in good.steps.iter().filter(|step| of_store(step)).enumerate() {
        let body = move || {
            let place = filled();
            let newest = place.list().pop().unwrap();
            let done = trace(&place.prune(&rules), &mut failing(at + 1, usize::MAX, EIO));
            assert_eq!(place.all_whole().last(), Some(&newest), "{}", done.stderr);
            assert!(matches!(done.code, Some(0 | 1)), "exit code {:?}: {}", done.code, done.stderr);
            place.prune(&rules).run().ok();
            assert_eq!(place.all_whole(), [newest]);
            place.sweep_orphans();
        };
        cases.push((format!("EIO to a prune from {} {} on", step.call, step.path), Box::new(body)));
    }
    Cases::new("store-faults").at_once(AT_ONCE, cases);
}
