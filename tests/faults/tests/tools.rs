//! Tools that fail, lie, hang, flood or are exchanged: whatever they do, nothing half-done is listed or left, and the
//! terminal, the memory and the target are safe. (The plain cases of a backup are in `planb-e2e`, `faults.rs`.)
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use planb_faults::bucket::Bucket;
use planb_faults::cases::Cases;
use planb_faults::place::{Call, Place};
use planb_faults::shop::{dump, fake_sqlite3, large, peak_memory, program, sqlite3};
use planb_harness::{Output, provision, skip};

/// What holds after every failed run: nothing is listed, left or running.
#[track_caller]
fn nothing_of_it(place: &Place) {
    assert_eq!(place.list(), []);
    let left: Vec<_> = place.keys().into_iter().collect();
    assert!(left.is_empty(), "the store still holds {left:?}");
    place.nothing_runs();
}

/// Runs with a tool that does this, and gives what came of it and the most memory that planb had, in KiB.
fn with_memory(call: &Call) -> (Output, u64) {
    let mut running = call.spawn();
    let mut peak = 0;
    while !running.ended() {
        peak = peak_memory(running.pid()).unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(peak > 0, "its memory was never seen");
    (running.wait(), peak)
}

#[test]
fn a_gibibyte_on_stderr_costs_no_memory() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tool-faults");
    let quiet = {
        let place = Place::new();
        let tool = fake_sqlite3(&place.path("home"), "sqlite3 \"$@\"; sleep 0.3; exit 3");
        let (done, peak) = with_memory(&place.run().args(["--tool-path", &tool]));
        done.expect_code(1);
        peak
    };
    // Of lines, and of one line without end.
    for (what, flood) in [
        ("lines", "yes 'a long story' | head -c 1073741824 >&2"),
        ("one line", "head -c 1073741824 /dev/zero | tr '\\0' x >&2"),
    ] {
        cases.case(format!("1 GiB on stderr: {what}"), || {
            let place = Place::new();
            let body = format!("sqlite3 \"$@\"; {flood}; echo >&2; echo 'the end' >&2; exit 3");
            let tool = fake_sqlite3(&place.path("home"), &body);
            let (done, peak) = with_memory(&place.run().args(["--tool-path", &tool]));
            let done = done.expect_code(1).says(&["(tool)", "exit code 3", "the end"]);
            assert!(done.stderr.len() < 200_000, "{} bytes reach the person", done.stderr.len());
            assert!(peak < quiet + (16 << 10), "{peak} KiB, and {quiet} KiB for a quiet tool");
            nothing_of_it(&place);
        });
    }
}

#[test]
fn what_a_tool_prints_does_not_steer_the_terminal() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tool-faults");
    // Escape, bell, backspace, a carriage return, one byte that begins a sequence, the same as UTF-8, and letters that
    // turn the direction of a line around.
    let attack = r"\033]0;owned\007\033[2J\033[1;1H\010\010\015all is well\033[8m \233\061m \302\233 \342\200\256dlrow \342\201\246";
    for fails in ["backup", "probe", "restore"] {
        for more in [&["--log-level", "trace"][..], &["--log-level", "trace", "--log-format", "json"], &[]] {
            cases.case(format!("control characters on stderr of a {fails} {more:?}"), || {
                let place = Place::new();
                let say = format!("printf '{attack}\\n' >&2; exit 1");
                let call = match fails {
                    "backup" => place.run().args(["--tool-path", &fake_sqlite3(&place.path("home"), &say)]),
                    "probe" => {
                        let tool = program(&place.path("home").join("sqlite3"), &format!("#!/bin/sh\n{say}\n"));
                        place.run().args(["--tool-path", &format!("sqlite3={}", tool.display())])
                    }
                    _ => {
                        place.run().run().ok();
                        let tool = fake_sqlite3(&place.path("home"), &say);
                        place.restore("latest", "target.db").args(["--tool-path", &tool])
                    }
                };
                let done = call.args(more).run().expect_code(1);
                for (stream, text) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
                    // Colours of planb's own log are for terminals, and this is none.
                    let odd = |c: &char| {
                        c.is_control() && *c != '\n' || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                    };
                    let found: Vec<_> = text.chars().filter(odd).collect();
                    assert!(found.is_empty(), "{found:?} on {stream} of\n{done:?}");
                }
                assert!(done.stderr.contains("all is well"), "the rest is told: {done:?}");
            });
        }
    }
}

/// What was asked for its version is what is run: a tool that is exchanged in between is not.
#[test]
fn a_tool_that_is_exchanged_after_its_version_was_asked() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tool-faults");
    for (what, exchange) in [
        ("another file takes its place", "mv \"$0.next\" \"$0\""),
        ("it is written over", "cat \"$0.next\" >\"$0.copy\" && cat \"$0.copy\" >\"$0\""),
        ("a link takes its place", "ln -sf \"$0.next\" \"$0\""),
    ] {
        cases.case(format!("exchanged tool: {what}"), || {
            // Its answer is the last thing that the first one does.
            let first = format!(
                "#!/bin/sh\ncase \"$*\" in\n*sqlite_version*) exec sqlite3 \"$@\";;\n*--version*) {exchange}; exec sqlite3 \"$@\";;\nesac\nexec sqlite3 \"$@\"\n"
            );
            let run = |confine: &str| {
                let place = Place::new();
                let (home, ran) = (place.path("home"), place.path("ran"));
                let tool = home.join("sqlite3");
                program(&tool, &first);
                let other = format!("#!/bin/sh\ntouch {}\nexec sqlite3 \"$@\"\n", ran.display());
                program(&home.join("sqlite3.next"), &other);
                let tool = format!("sqlite3={}", tool.display());
                let done = place.run().args(["--tool-path", &tool]).env("PLANB_CONFINE", confine).run();
                assert!(!ran.exists(), "the other one was run: {done:?}");
                (place, done)
            };
            // A tool that is confined cannot even do it itself. Somebody else can.
            run("on");
            let (place, done) = run("off");
            done.expect_code(1).says(&["sqlite3", "was replaced since it was approved"]);
            nothing_of_it(&place);
        });
    }
}

/// The database before and after a restore that failed.
fn failed_restore(place: &Place, target: &str, body: &str, more: &[&str]) -> Output {
    let tool = fake_sqlite3(&place.path("home"), body);
    let path = place.path(target);
    let before = path.exists().then(|| fs::read(&path).unwrap());
    let done = place.restore("latest", target).args(["--replace", "--tool-path", &tool]).args(more).run();
    let after = path.exists().then(|| fs::read(&path).unwrap());
    assert!(before == after, "the target was changed: {done:?}");
    place.nothing_runs();
    done
}

#[test]
fn a_restore_whose_tool_fails_leaves_the_target_alone() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tool-faults");
    let mut place = Place::new();
    place.db = large(&place.path("home"), "large.db", 4);
    place.run().run().ok();
    sqlite3(&place.path("there.db"), "CREATE TABLE mine(x); INSERT INTO mine VALUES (1)");
    // Of the steps of a restore the one that loads has `-cmd`, the one that checks has a constraint.
    let loads = |then: &str| format!("case \"$*\" in *-cmd*) {then};; esac\nexec sqlite3 \"$@\"");
    let checks = |then: &str| format!("case \"$*\" in *integrity_check*) {then};; esac\nexec sqlite3 \"$@\"");
    for (what, body, more, code) in [
        ("reads nothing and fails", loads("exit 1"), &[][..], 1),
        ("reads half and fails", loads("head -c 1000000 >/dev/null; exit 1"), &[], 1),
        ("reads all and fails", loads("cat >/dev/null; exit 1"), &[], 1),
        ("restores all and fails", loads("sqlite3 \"$@\"; exit 1"), &[], 1),
        ("is killed", loads("head -c 1000000 >/dev/null; kill -KILL $$"), &[], 1),
        ("hangs", loads("head -c 1000000 >/dev/null; sleep 1000"), &["--timeout", "2s"], 1),
        ("hangs and does not heed TERM", loads("trap '' TERM; while :; do sleep 1; done"), &["--timeout", "2s"], 1),
        ("reads nothing and says that all is well", loads("exit 0"), &[], 1),
        ("reads half and says that all is well", loads("head -c 1000000 >/dev/null; exit 0"), &[], 1),
        ("fails its check", checks("echo 'Error: stepping, integrity_check has to answer ok' >&2; exit 1"), &[], 1),
    ] {
        for target in ["there.db", "missing.db"] {
            cases.case(format!("restore into {target}, tool {what}"), || {
                failed_restore(&place, target, &body, more).expect_code(code);
            });
        }
    }
    let id = place.list().pop().unwrap().id;
    place.restores(&id);
}

#[test]
fn a_dump_by_a_file_that_is_not_as_the_tool_says() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tool-faults");
    let file = ["--mode", "file", "--option", "format=binary"];
    // The dump of this mode is the copy that `VACUUM INTO` makes.
    let dumps = |then: &str| format!("case \"$*\" in *VACUUM*) {then};; esac\nexec sqlite3 \"$@\"");
    for (what, body, more) in [
        ("writes no file and says that all is well", dumps("exit 0"), &[][..]),
        ("writes an empty file", dumps(": >backup.db; exit 0"), &[]),
        ("writes half a file", dumps("sqlite3 \"$@\"; truncate -s 8000 backup.db; exit 0"), &[]),
        ("writes a folder", dumps("mkdir backup.db; exit 0"), &[]),
        ("writes a link to elsewhere", dumps("ln -s /etc/hostname backup.db; exit 0"), &[]),
        ("writes a pipe", dumps("mkfifo backup.db; exit 0"), &[]),
        ("writes all and fails", dumps("sqlite3 \"$@\"; exit 1"), &[]),
        ("is killed after all", dumps("sqlite3 \"$@\"; kill -SEGV $$"), &[]),
        ("hangs after half", dumps("head -c 5000 /dev/zero >backup.db; sleep 1000"), &["--stall-timeout", "2s"]),
        ("hangs after all", dumps("sqlite3 \"$@\"; sleep 1000"), &["--timeout", "2s"]),
    ] {
        cases.case(format!("dump by a file: the tool {what}"), || {
            let place = Place::new();
            let tool = fake_sqlite3(&place.path("home"), &body);
            let done = place.run().args(file).args(["--tool-path", &tool]).args(more).run();
            // What is no plain file is as much as a plugin can do to have something else read: that is refused as such.
            let refused = ["folder", "link", "pipe"].iter().any(|odd| what.contains(odd));
            assert_eq!(done.code, Some(if refused { 4 } else { 1 }), "{done:?}");
            nothing_of_it(&place);
        });
    }
    let place = Place::new();
    let id = place.run().args(file).run().ok().json()["id"].as_str().unwrap().to_owned();
    place.restores(&id);
}

/// A tool that fails late, when volumes are in a bucket already and another upload is open.
#[test]
fn a_tool_that_fails_late_leaves_nothing_in_a_bucket() {
    skip!(provision::apt(&["sqlite3"]));
    let bucket = skip!(Bucket::start("late"));
    let seed = Place::new();
    let db = large(&seed.path("home"), "large.db", 18);
    let mut cases = Cases::new("tool-faults");
    for (number, (what, end, more)) in [
        ("exits with 1 after all of it", "exit 1", &[][..]),
        ("is killed", "kill -SEGV $$", &[]),
        ("hangs", "sleep 1000", &["--stall-timeout", "2s"]),
    ]
    .into_iter()
    .enumerate()
    {
        cases.case(format!("volumes in a bucket: the tool {what}"), || {
            let mut place = Place::in_bucket(&bucket, &format!("late{number}"));
            place.db.clone_from(&db);
            let tool = fake_sqlite3(&place.path("home"), &format!("sqlite3 \"$@\"; {end}"));
            let sizes = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];
            let done =
                place.run().args(sizes).args(more).args(["--tool-path", &tool, "--to"]).arg(place.path("disk")).run();
            done.expect_code(1).says(&["(tool)"]);
            nothing_of_it(&place);
            let left = planb_faults::shop::files(&place.path("disk"));
            assert!(left.is_empty(), "the folder still holds {left:?}");
            let prefix = format!("late{number}/");
            assert_eq!(bucket.client.unfinished_uploads("late", &prefix), Vec::<String>::new());
        });
    }
}

#[test]
fn the_database_is_not_harmed_by_any_of_it() {
    skip!(provision::apt(&["sqlite3"]));
    let place = Place::new();
    let before = (fs::read(&place.db).unwrap(), dump(&place.db));
    let mut cases = Cases::new("tool-faults");
    for body in ["exit 1", "sqlite3 \"$@\"; exit 1", "kill -KILL $$", "sqlite3 \"$@\" | head -c 100"] {
        cases.case(format!("the source after a tool that does: {body}"), || {
            let tool = fake_sqlite3(&place.path("home"), body);
            place.run().args(["--tool-path", &tool]).run().expect_code(1);
            assert_eq!((fs::read(&place.db).unwrap(), dump(&place.db)), before);
            let beside = |name: &str| Path::new(&format!("{}{name}", place.db.display())).exists();
            assert!(!beside("-wal") && !beside("-journal") && !beside("-shm"), "files are left beside it");
        });
    }
}
