//! planb is killed at each of its own calls that changes a file, starts a process or moves the stream; the stores are
//! folders. After each kill the store is as it was or one whole backup richer, and the next run works.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use planb_faults::cases::Cases;
use planb_faults::place::{Call, Place, Store, has_command, has_flag};
use planb_faults::shop::{copy_folder, dump, large, sqlite3};
use planb_faults::trace::{Act, Kind, Step, possible, trace};
use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{provision, skip};

/// An error that nobody tries again.
const DENIED: i32 = 13;

/// How often the restored copy is compared: each third case.
const SAMPLE: usize = 3;

/// A kill: at which step of which kind, and how.
#[derive(Debug, Clone)]
struct Kill {
    at: Step,
    act: Act,
}

impl Kill {
    /// A decision that kills there and nowhere else.
    fn decide(&self) -> impl FnMut(&Step) -> Act + Send {
        let (kind, number, act) = (self.at.kind, self.at.number, self.act);
        move |step| if step.kind == kind && step.number == number { act } else { Act::Go }
    }

    fn words(&self, of: &str) -> String {
        let Step { number, kind, call, path, .. } = &self.at;
        format!("{of}: {:?} at {kind:?} call {number}, {call} {path}", self.act)
    }
}

/// The kills for the steps of a good run: at every call on a file and at every start of a process, in the middle of
/// each write, and of the stream's calls not more than `pipes`, first and last ones among them.
fn kills(steps: &[Step], pipes: usize) -> Vec<Kill> {
    let mut totals: HashMap<Kind, usize> = HashMap::new();
    for step in steps {
        *totals.entry(step.kind).or_default() += 1;
    }
    let all = totals.get(&Kind::Pipe).copied().unwrap_or(0);
    // Both ends and what lies evenly between them.
    let step = all.div_ceil(pipes.saturating_sub(4).max(1));
    let sampled = |number: usize| number <= 2 || number + 2 > all || all <= pipes || number.is_multiple_of(step);
    let mut kills = Vec::new();
    for step in steps {
        if step.kind == Kind::Pipe && !sampled(step.number) {
            continue;
        }
        let mut add = |act| kills.push(Kill { at: step.clone(), act });
        add(Act::KillBefore);
        if step.kind == Kind::File && step.bytes > 1 {
            add(Act::KillHalf);
        }
        if step.kind == Kind::File && step.number == totals[&Kind::File] {
            add(Act::KillAfter);
        }
    }
    kills
}

fn folder(place: &Place) -> &Path {
    match &place.store {
        Store::Folder(path) => path,
        Store::Bucket(..) => unreachable!("these are folders"),
    }
}

/// A place with one backup in it that must not be harmed.
struct Seeded {
    store: tempfile::TempDir,
}

impl Seeded {
    fn new() -> Self {
        let place = Place::new();
        place.run().args(["--name", "before"]).run().ok();
        let store = tempfile::tempdir().unwrap();
        copy_folder(folder(&place), store.path());
        Self { store }
    }

    fn place(&self) -> Place {
        let place = Place::new();
        copy_folder(self.store.path(), folder(&place));
        place
    }
}

/// The same name for the run that is killed and for the next one: what the first has left must not be in its way.
fn nightly(place: &Place) -> Call {
    place.run().args(["--name", "nightly"])
}

/// The steps of a run that nobody disturbs.
fn steps(call: &Call) -> Vec<Step> {
    let good = trace(call, &mut |_| Act::Go);
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    assert!(!good.steps.is_empty(), "the tracer saw nothing");
    good.steps
}

macro_rules! traced {
    () => {
        skip!(provision::apt(&["sqlite3"]));
        if !possible() {
            skip!("ptrace", "this machine does not let a process trace its children");
        }
    };
}

#[test]
fn a_run_killed_at_every_call() {
    traced!();
    let seeded = Seeded::new();
    let mut cases = Cases::new("crash-matrix");
    for kill in kills(&steps(&nightly(&seeded.place())), 20) {
        let sample = cases.tried().is_multiple_of(SAMPLE);
        cases.case(kill.words("run"), || {
            let place = seeded.place();
            let call = nightly(&place);
            trace(&call, &mut kill.decide());
            let listed = place.list().len();
            assert!((1..=2).contains(&listed), "{listed} are listed");
            place.holds_up(&call, sample);
        });
    }
}

#[test]
fn a_long_run_killed_in_its_stream() {
    traced!();
    let at = tempfile::tempdir().unwrap();
    let db = large(at.path(), "large.db", 6);
    let place = || {
        let mut place = Place::new();
        fs::copy(&db, place.path("large.db")).unwrap();
        place.db = place.path("large.db");
        place
    };
    let call = |place: &Place| nightly(place).args(["--compress", "none"]);
    let mut cases = Cases::new("crash-matrix");
    let all = steps(&call(&place()));
    // The calls of a large artifact's writing and the stream itself; the others are those of a small one.
    let of_stream = |kill: &Kill| kill.at.kind == Kind::Pipe || kill.at.call == "pwrite";
    let kills: Vec<_> = kills(&all, 12).into_iter().filter(of_stream).collect();
    let every = kills.len().div_ceil(24);
    for kill in kills.iter().step_by(every) {
        cases.case(kill.words("long run"), || {
            let place = place();
            let call = call(&place);
            trace(&call, &mut kill.decide());
            place.holds_up(&call, true);
        });
    }
}

#[test]
fn a_run_into_two_folders_killed_at_every_call() {
    traced!();
    let seeded = Seeded::new();
    let mut cases = Cases::new("crash-matrix");
    let both = |place: &Place| nightly(place).arg("--to").arg(place.path("second"));
    let place = seeded.place();
    let all = steps(&both(&place));
    // The calls before the stores are opened are those of a run into one.
    let of_stores = |kill: &Kill| {
        let there = kill.at.path.contains("/store") || kill.at.path.contains("/second");
        // That a folder is there already changes nothing.
        there && (kill.at.call != "mkdir" || kill.at.number.is_multiple_of(3))
    };
    for kill in kills(&all, 0).into_iter().filter(of_stores) {
        let sample = cases.tried().is_multiple_of(SAMPLE);
        cases.case(kill.words("run into two"), || {
            let mut place = seeded.place();
            let call = both(&place);
            trace(&call, &mut kill.decide());
            place.holds_up(&call, sample);
            // The other store by itself.
            place.store = Store::Folder(place.path("second"));
            let listed = place.all_whole().len();
            assert!((1..=2).contains(&listed), "{listed} are listed");
            if has_command("prune") {
                place.sweep_orphans();
            }
        });
    }
}

/// A commit that fails is taken back, and planb is killed while it does that.
#[test]
fn a_run_killed_while_it_takes_back() {
    traced!();
    let seeded = Seeded::new();
    let mut cases = Cases::new("crash-matrix");
    // Fails the manifest, and then kills at the n-th call after that.
    let decide = |n: usize| {
        let mut after = None;
        move |step: &Step| {
            if step.kind != Kind::File {
                return Act::Go;
            }
            if let Some(calls) = &mut after {
                *calls += 1;
                return if *calls == n { Act::KillBefore } else { Act::Go };
            }
            if step.call == "openat" && step.path.contains(".manifest.json") {
                after = Some(0);
                return Act::Fail(DENIED);
            }
            Act::Go
        }
    };
    let place = seeded.place();
    let failed = trace(&nightly(&place), &mut decide(usize::MAX));
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    let is_failure = |step: &&Step| step.call == "openat" && step.path.contains(".manifest.json");
    let first = failed.steps.iter().filter(|step| step.kind == Kind::File).position(|step| is_failure(&step)).unwrap();
    let after = failed.steps.iter().filter(|step| step.kind == Kind::File).count() - first - 1;
    assert!(after > 3, "it takes nothing back: {:?}", failed.steps);
    for n in 1..=after {
        cases.case(format!("take-back: killed at call {n} after the manifest failed"), || {
            let place = seeded.place();
            let call = nightly(&place);
            let killed = trace(&call, &mut decide(n));
            assert_eq!(killed.code, None, "{}", killed.stderr);
            assert_eq!(place.list().len(), 1);
            place.holds_up(&call, false);
        });
    }
}

#[test]
fn a_restore_killed_at_every_call() {
    traced!();
    let seeded = Seeded::new();
    let mut cases = Cases::new("crash-matrix");
    let good = seeded.place();
    let wanted = dump(&good.db);
    for (what, occupied) in [("restore", false), ("restore over data", true)] {
        let prepare = |place: &Place| {
            let target = place.path("target.db");
            if occupied {
                sqlite3(&target, "CREATE TABLE mine(x); INSERT INTO mine VALUES (1), (2)");
            }
            let call = place.restore("latest", "target.db").args(if occupied { &["--replace"][..] } else { &[] });
            (target, call)
        };
        let (target, call) = prepare(&good);
        let all = steps(&call);
        fs::remove_file(target).unwrap();
        // What comes before the target is touched is the same for both.
        for (number, kill) in kills(&all, 10).into_iter().enumerate() {
            if occupied && !number.is_multiple_of(2) {
                continue;
            }
            cases.case(kill.words(what), || {
                let place = seeded.place();
                let (target, call) = prepare(&place);
                let before = target.exists().then(|| dump(&target));
                trace(&call, &mut kill.decide());
                // Nothing, what was there, or all of it: sqlite3 itself heals what was cut off.
                let now = target.exists().then(|| dump(&target));
                let empty = |now: &String| !now.contains("CREATE");
                let ok = now == before
                    || now.as_ref() == Some(&wanted)
                    || (before.is_none() && now.as_ref().is_some_and(empty));
                assert!(ok, "the target is neither as before nor restored: {now:?}");
                assert_eq!(place.all_whole().len(), 1, "a restore does not change its store");
                place.restore("latest", "target.db").args(["--replace"]).run().ok();
                assert_eq!(dump(&target), wanted);
                place.nothing_runs();
            });
        }
    }
}

#[test]
fn a_verification_killed_at_every_call() {
    traced!();
    let seeded = Seeded::new();
    let mut cases = Cases::new("crash-matrix");
    let good = seeded.place();
    let found = trace(&good.read("verify", "latest"), &mut |_| Act::Go);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    for kill in kills(&found.steps, 0) {
        cases.case(kill.words("verify"), || {
            let place = seeded.place();
            let before = place.keys();
            trace(&place.read("verify", "latest"), &mut kill.decide());
            // That it was being read may still be said, or be half written where nobody reads it.
            let after: BTreeSet<_> = place.keys().into_iter().filter(|key| !key.starts_with(".planb")).collect();
            assert_eq!(after, before, "it changes no backup");
            place.holds_up(&nightly(&place), false);
            place.sweep_orphans();
        });
    }
}

#[test]
fn a_prune_killed_at_every_call() {
    traced!();
    if !has_command("prune") {
        skip!("planb prune", "this planb has no such command");
    }
    // Four backups of one job, oldest first; the rule keeps the newest.
    let place = Place::new();
    for name in ["a", "b", "c", "d"] {
        place.run().args(["--name", name]).run().ok();
    }
    let ids: Vec<_> = place.all_whole().into_iter().map(|backup| backup.id).collect();
    let seed = tempfile::tempdir().unwrap();
    copy_folder(folder(&place), seed.path());
    let mut cases = Cases::new("crash-matrix");
    let rules = ["--keep-last", "1"];
    for kill in kills(&steps(&place.prune(&rules)), 0) {
        cases.case(kill.words("prune"), || {
            let place = Place::new();
            copy_folder(seed.path(), folder(&place));
            trace(&place.prune(&rules), &mut kill.decide());
            let left: Vec<_> = place.all_whole().into_iter().map(|backup| backup.id).collect();
            assert_eq!(left.last(), ids.last(), "the newest has to stay: {left:?}");
            // It is resumed, and objects whose manifest had gone already are found.
            place.prune(&rules).run().ok();
            assert_eq!(place.all_whole().len(), 1);
            place.sweep_orphans();
            place.restores(&ids[3]);
            place.holds_up(&nightly(&place), false);
        });
    }
}

/// The signature is written before the manifest: killed in between, it is an orphan and no backup.
#[test]
fn a_signed_run_killed_around_its_commit() {
    traced!();
    skip!(provision::apt(&["minisign"]));
    if !has_flag("run", "--sign-key") {
        skip!("signatures", "this planb makes none");
    }
    let keys = tempfile::tempdir().unwrap();
    let (public, secret) = (keys.path().join("key.pub"), keys.path().join("key.sec"));
    let made = Command::new("minisign").args(["-G", "-W", "-p"]).arg(&public).arg("-s").arg(&secret).output().unwrap();
    assert!(made.status.success());
    let seeded = Seeded::new();
    let signed = |place: &Place| nightly(place).arg("--sign-key").arg(&secret);
    let mut cases = Cases::new("crash-matrix");
    let of_commit = |kill: &Kill| kill.at.path.contains(".minisig") || kill.at.path.contains(".manifest.json");
    let all = kills(&steps(&signed(&seeded.place())), 0);
    assert!(all.iter().any(|kill| kill.at.path.contains(".minisig")), "it signs nothing");
    for kill in all.into_iter().filter(of_commit) {
        cases.case(kill.words("signed run"), || {
            let place = seeded.place();
            let call = signed(&place);
            trace(&call, &mut kill.decide());
            // Whatever is listed and of this job is signed.
            let trusted = |id: &str| place.read("verify", id).arg("--trust-key").arg(&public).run();
            for backup in place.list().iter().filter(|backup| backup.key.starts_with("nightly")) {
                trusted(&backup.id).ok();
            }
            let again = call.run().ok().json();
            trusted(again["id"].as_str().unwrap()).ok();
            place.all_whole();
            place.nothing_runs();
            place.sweep_orphans();
        });
    }
}

/// A directory's files are closed one by one.
#[test]
fn a_directory_killed_between_its_files() {
    traced!();
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("app");
    for table in ["a", "b", "c"] {
        server.psql("app", &format!("CREATE TABLE {table} AS SELECT generate_series(1, 100) AS n"));
    }
    let run = |place: &Place| {
        let url = server.url("app");
        let run = ["run", "--output", "json", "--plugin", "postgres", "--db", &url, "--mode", "directory"];
        place.call(&run).args(["--to", &place.url(), "--name", "nightly"]).env("PLANB_TOOL_PATH", server.bin_dir())
    };
    let mut cases = Cases::new("crash-matrix");
    let all = kills(&steps(&run(&Place::new())), 0);
    let of_store: Vec<_> = all.into_iter().filter(|kill| kill.at.path.contains("/store")).collect();
    assert!(of_store.len() > 30, "{of_store:?}");
    // Every third one: the files are alike.
    for kill in of_store.iter().step_by(3) {
        cases.case(kill.words("directory"), || {
            let place = Place::new();
            let call = run(&place);
            trace(&call, &mut kill.decide());
            assert!(place.list().len() <= 1);
            place.holds_up(&call, false);
        });
    }
}

/// Small commands that write to a store.
#[test]
fn marks_killed_at_every_call() {
    traced!();
    if !has_command("hold") {
        skip!("planb hold", "this planb has no such command");
    }
    // Of one job with the newer one below.
    let seeded = || {
        let place = Place::new();
        place.run().args(["--name", "before"]).run().ok();
        place
    };
    let mut cases = Cases::new("crash-matrix");
    for command in ["hold", "release", "drill"] {
        let call = |place: &Place| {
            if command == "release" {
                place.read("hold", "latest").run().ok();
            }
            place.read(command, "latest")
        };
        for kill in kills(&steps(&call(&seeded())), 0) {
            let elsewhere = kill.at.kind == Kind::File && !kill.at.path.contains("/store");
            let alike = kill.at.kind != Kind::File && kill.at.number > 3 && !kill.at.number.is_multiple_of(8);
            if elsewhere || alike {
                continue;
            }
            cases.case(kill.words(command), || {
                let place = seeded();
                let call = call(&place);
                trace(&call, &mut kill.decide());
                assert_eq!(place.all_whole().len(), 1);
                if command == "drill" && kill.at.kind == Kind::File {
                    // A drill's result is named by its second.
                    std::thread::sleep(std::time::Duration::from_millis(1100));
                }
                call.run().ok();
                place.nothing_runs();
                place.run().args(["--name", "newer"]).run().ok();
                place.prune(&["--keep-last", "1"]).run().ok();
                // A hold and a proof protect; what was released does not stay.
                assert_eq!(place.all_whole().len(), if command == "release" { 1 } else { 2 });
            });
        }
    }
}
