//! What goes wrong with disks, objects and tools: each with its own words and exit code, nothing listed, nothing left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use planb_harness::{Output, Planb, provision, skip};
use support::{
    assert_bare, assert_empty, assert_nothing_listed, backed_up, dump, fake_sqlite3, folder, keys, large, list,
    manifest, restore, run, small, sqlite3, verify,
};

/// A small disk in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, mib: u32) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let size = format!("size={mib}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at).status();
        done.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_keeps_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let Some(disk) = Disk::mount(at.path().join("disk"), 8) else {
        skip!("a full disk", "mounting a small one needs root");
    };
    let db = large(at.path(), 20);
    let work = at.path().join("work");
    let done = run(&db).args(["--compress", "none", "--work-dir"]).arg(&work).arg("--to").arg(&disk.0).run();
    done.expect_code(1).says(&["(storage)", "the store is full", "hint: make room"]);
    assert_nothing_listed(&disk.0.display().to_string());
    assert_empty(&disk.0);
    assert_bare(&work);

    // A store beside it that has room keeps its copy.
    let good = at.path().join("good");
    let both = run(&db).args(["--compress", "none", "--to"]).arg(&disk.0).arg("--to").arg(&good).run().expect_code(3);
    assert_eq!(both.json()["status"], "partial");
    verify(&good.display().to_string()).run().ok();
    assert_nothing_listed(&disk.0.display().to_string());
    assert_empty(&disk.0);

    // The same, where the disk of the work directory is the full one.
    let done = run(&db)
        .args(["--mode", "file", "--option", "format=binary", "--work-dir"])
        .arg(disk.0.join("work"))
        .arg("--to")
        .arg(at.path().join("never"))
        .run();
    done.expect_code(1).says(&["full"]);
    assert_empty(&at.path().join("never"));
    assert_empty(&disk.0);
}

/// `verify` and `restore` both refuse it with exit code 5, and no target comes to be or changes.
#[track_caller]
fn damaged(store: &Path) -> Output {
    let from = store.display().to_string();
    let words = verify(&from).run().expect_code(5);
    let at = folder();
    let new = at.path().join("new.db");
    restore(&from, &new).run().expect_code(5);
    assert!(!new.exists(), "a target was made");
    let there = at.path().join("there.db");
    sqlite3(&there, "CREATE TABLE mine(x); INSERT INTO mine VALUES(1)");
    let before = fs::read(&there).unwrap();
    restore(&from, &there).arg("--replace").run().expect_code(5);
    assert_eq!(fs::read(&there).unwrap(), before, "the target was changed");
    // A restore into nothing leaves nothing beside it either.
    assert_eq!(support::files(at.path()), ["there.db"]);
    words
}

#[test]
fn a_damaged_object_is_seen_and_not_restored() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = large(at.path(), 2);
    for how in ["none", "zstd", "gzip"] {
        let store = at.path().join(how);
        backed_up(&db, &store, &["--compress", how]);
        let (_, manifest) = manifest(&store);
        let object = store.join(&keys(&manifest)[0]);
        let whole = fs::read(&object).unwrap();

        fs::write(&object, &whole[..whole.len() / 2]).unwrap();
        damaged(&store);
        fs::write(&object, &whole[..whole.len() - 1]).unwrap();
        damaged(&store);
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&object, &changed).unwrap();
        damaged(&store);
        let mut longer = whole.clone();
        longer.push(b'\n');
        fs::write(&object, &longer).unwrap();
        damaged(&store);
        fs::remove_file(&object).unwrap();
        damaged(&store);

        fs::write(&object, &whole).unwrap();
        verify(&store.display().to_string()).run().ok();
    }
}

#[test]
fn swapped_objects_are_seen() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let (one, two) = (at.path().join("one"), at.path().join("two"));
    let db = small(at.path());
    backed_up(&db, &one, &["--compress", "none", "--name", "same"]);
    // Of the same length, so that only its digest tells.
    sqlite3(&db, "UPDATE customer SET name = 'Eve' WHERE name = 'Ann'");
    backed_up(&db, &two, &["--compress", "none", "--name", "same"]);
    let (a, b) = (one.join("same.sql"), two.join("same.sql"));
    assert_eq!(fs::metadata(&a).unwrap().len(), fs::metadata(&b).unwrap().len());
    let keep = at.path().join("keep");
    fs::rename(&a, &keep).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&keep, &b).unwrap();
    damaged(&one);
    damaged(&two);
}

#[test]
fn a_forged_manifest_leads_nowhere() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let store = at.path().join("deep/store");
    backed_up(&db, &store, &[]);
    let (path, honest) = manifest(&store);
    let key = keys(&honest).remove(0);
    let id = honest["id"].as_str().unwrap();
    fs::copy(store.join(&key), at.path().join("outside")).unwrap();
    let honest = fs::read_to_string(&path).unwrap();
    let from = store.display().to_string();
    for forged in ["../outside", "../../outside", "/etc/passwd", "a/../../../outside", "..", "", "."] {
        fs::write(&path, honest.replace(&format!("\"key\": \"{key}\""), &format!("\"key\": \"{forged}\""))).unwrap();
        let listed = list(&from).run().ok();
        assert_eq!(listed.json(), serde_json::json!([]), "{forged}: {listed:?}");
        listed.says(&["cannot be read"]);
        let target = at.path().join("target.db");
        for backup in ["latest", id] {
            let restore =
                Planb::new().args(["restore", backup, "--from", &from, "--db", &support::sqlite_url(&target)]);
            let done = restore.run();
            assert!(matches!(done.code, Some(1 | 5)), "{done:?}");
            assert!(!target.exists(), "{forged}");
        }
    }
    for broken in ["", "{", "[]", "{\"schema\": \"planb.manifest/v9\"}", "\u{0}"] {
        fs::write(&path, broken).unwrap();
        list(&from).run().ok().says(&["cannot be read"]);
    }
}

#[test]
fn encrypted_backups_open_with_the_key_only_and_without_plan_b() {
    skip!(provision::apt(&["sqlite3", "age", "zstd"]));
    let at = folder();
    let db = small(at.path());
    let key = |name: &str| {
        let path = at.path().join(name);
        assert!(Command::new("age-keygen").arg("-o").arg(&path).output().unwrap().status.success());
        let text = fs::read_to_string(&path).unwrap();
        let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
        (path, public)
    };
    let (mine, other, stranger) = (key("mine"), key("other"), key("stranger"));
    let store = at.path().join("store");
    let from = store.display().to_string();
    backed_up(&db, &store, &["--encrypt-to", &mine.1, "--encrypt-to", &other.1]);
    for (number, (identity, _)) in [&mine, &other].into_iter().enumerate() {
        let target = at.path().join(format!("restored{number}.db"));
        restore(&from, &target).arg("--identity").arg(identity).run().ok();
        assert_eq!(dump(&db), dump(&target));
        verify(&from).arg("--identity").arg(identity).run().ok();
    }
    let target = at.path().join("never.db");
    restore(&from, &target).arg("--identity").arg(&stranger.0).run().expect_code(1).says(&["none of the given keys"]);
    restore(&from, &target).run().expect_code(2).says(&["is encrypted", "--identity"]);
    verify(&from).arg("--identity").arg(&stranger.0).run().expect_code(1);
    assert!(!target.exists());

    // With nothing but age, zstd, sqlite3 and sha256sum.
    let (_, manifest) = manifest(&store);
    let object = store.join(&keys(&manifest)[0]);
    let bytes = fs::read(&object).unwrap();
    assert_eq!(support::sha256(&bytes), manifest["stored_sha256"]);
    assert!(!bytes.windows(8).any(|window| window == b"customer"));
    let script = "set -eu; age -d -i \"$1\" \"$2\" | zstd -dc | tee \"$3.sql\" | sqlite3 \"$3\"; sha256sum <\"$3.sql\"";
    let copy = at.path().join("by-hand.db");
    let by_hand = Command::new("sh").args(["-c", script, "sh"]).args([&mine.0, &object, &copy]).output().unwrap();
    let said = String::from_utf8_lossy(&by_hand.stdout).into_owned();
    assert!(by_hand.status.success(), "{}", String::from_utf8_lossy(&by_hand.stderr));
    assert_eq!(said.split_whitespace().next(), manifest["plain_sha256"].as_str());
    assert_eq!(dump(&db), dump(&copy));

    // A changed byte of a sealed backup is seen, and gets nowhere.
    let mut changed = bytes.clone();
    let last = changed.len() - 20;
    changed[last] ^= 1;
    fs::write(&object, &changed).unwrap();
    verify(&from).arg("--identity").arg(&mine.0).run().expect_code(5);
    restore(&from, &target).arg("--identity").arg(&mine.0).run().expect_code(5);
    assert!(!target.exists());
}

#[test]
fn a_passphrase_seals_too() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let file = |name: &str, text: &str| {
        let path = at.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (right, wrong, empty) = (file("right", "correct horse\n"), file("wrong", "battery\n"), file("empty", "\n"));
    let store = at.path().join("store");
    let from = store.display().to_string();
    backed_up(&db, &store, &["--passphrase-file", &right]);
    let target = at.path().join("restored.db");
    restore(&from, &target).args(["--passphrase-file", &wrong]).run().expect_code(1).says(&["none of the given keys"]);
    restore(&from, &target).run().expect_code(2).says(&["--passphrase-file"]);
    assert!(!target.exists());
    restore(&from, &target).args(["--passphrase-file", &right]).run().ok();
    assert_eq!(dump(&db), dump(&target));
    // An empty passphrase protects nothing, and a file that is not there is not an empty one.
    let never = at.path().join("never");
    run(&db).arg("--to").arg(&never).args(["--passphrase-file", &empty]).run().expect_code(2);
    run(&db).arg("--to").arg(&never).args(["--passphrase-file", "/nonexistent"]).run().expect_code(2);
    run(&db).arg("--to").arg(&never).args(["--encrypt-to", "age1nonsense"]).run().expect_code(2);
    assert_empty(&never);
}

/// Runs a backup with a tool that does this, and gives what came of it. Nothing may be left, whatever it was.
fn with_tool(body: &str, more: &[&str], code: i32) -> Output {
    let at = folder();
    let db = small(at.path());
    let tool = fake_sqlite3(at.path(), body);
    let (work, store) = (at.path().join("work"), at.path().join("store"));
    let tool = format!("sqlite3={}", tool.display());
    let done =
        run(&db).args(["--tool-path", &tool]).args(more).arg("--work-dir").arg(&work).arg("--to").arg(&store).run();
    let done = done.expect_code(code);
    assert_bare(&work);
    let left = support::processes_with(&work.display().to_string());
    assert!(left.is_empty(), "still running: {left:?}");
    if code != 0 {
        assert_nothing_listed(&store.display().to_string());
        assert_empty(&store);
    }
    done
}

#[test]
fn a_tool_that_fails_after_all_its_output() {
    skip!(provision::apt(&["sqlite3"]));
    with_tool("sqlite3 \"$@\"; echo 'the disk went away' >&2; exit 1", &[], 1).says(&[
        "(tool)",
        "exit code 1",
        "the disk went away",
    ]);
    with_tool("sqlite3 \"$@\"; kill -SEGV $$", &[], 1).says(&["(tool)", "killed by signal 11"]);
}

#[test]
fn a_tool_that_ends_well_after_half_its_output() {
    skip!(provision::apt(&["sqlite3"]));
    with_tool("sqlite3 \"$@\" | head -c 200", &[], 1).says(&["(tool)", "its dump is not whole", "hint: "]);
}

#[test]
fn a_tool_that_prints_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    with_tool("exit 0", &[], 1).says(&["(tool)", "wrote nothing at all", "hint: "]);
}

#[test]
fn a_tool_that_talks_without_end() {
    skip!(provision::apt(&["sqlite3"]));
    let failed = with_tool("yes 'a long story' | head -c 50000000 >&2; echo 'the end' >&2; exit 3", &[], 1);
    let failed = failed.says(&["(tool)", "exit code 3", "the end"]);
    assert!(failed.stderr.len() < 200_000, "{} bytes on stderr", failed.stderr.len());
    with_tool("head -c 50000000 /dev/zero | tr '\\0' x >&2; exec sqlite3 \"$@\"", &[], 0);
}

#[test]
fn a_tool_that_hangs() {
    skip!(provision::apt(&["sqlite3"]));
    with_tool("echo BEGIN; sleep 1000", &["--stall-timeout", "2s"], 1)
        .says(&["wrote nothing for 2 s", "--stall-timeout"]);
    with_tool("echo BEGIN; sleep 1000", &["--timeout", "2s"], 1).says(&["took longer than 2 s", "--timeout"]);
    // One that goes on and on is stopped by the one and not by the other.
    with_tool("while :; do echo x; sleep 0.2; done", &["--stall-timeout", "10s", "--timeout", "3s"], 1)
        .says(&["took longer than 3 s"]);
}

#[test]
fn a_tool_that_does_not_heed_term() {
    skip!(provision::apt(&["sqlite3"]));
    with_tool("trap '' TERM; echo BEGIN; while :; do sleep 1; done", &["--timeout", "2s"], 1)
        .says(&["took longer than 2 s"]);
}

#[test]
fn a_tool_that_leaves_a_child_with_its_output() {
    skip!(provision::apt(&["sqlite3"]));
    // The dump is whole and the tool said so: what it left behind is ended, and not waited for.
    with_tool("sleep 1000 & exec sqlite3 \"$@\"", &["--stall-timeout", "60s"], 0);
    with_tool("setsid sleep 1000 & exec sqlite3 \"$@\"", &["--stall-timeout", "60s"], 0);
    with_tool("setsid sleep 1000 & exit 1", &["--stall-timeout", "60s"], 1).says(&["(tool)", "exit code 1"]);
    with_tool("setsid sh -c 'trap \"\" TERM HUP; sleep 1000' & sleep 1000", &["--timeout", "2s"], 1);
}

#[test]
fn a_tool_that_is_none() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let never = at.path().join("never");
    let with = |tool: &str| run(&db).arg("--to").arg(&never).args(["--tool-path", &format!("sqlite3={tool}")]).run();
    with("/nonexistent/sqlite3").expect_code(2).says(&["sqlite3", "/nonexistent/sqlite3"]);
    with(&at.path().display().to_string()).expect_code(2).says(&["sqlite3"]);
    let old = at.path().join("old");
    fs::write(&old, "#!/bin/sh\necho '3.8.2 2013-12-06'\n").unwrap();
    fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    with(&old.display().to_string()).expect_code(1).says(&["3.8.2", ">=3.27", "hint: "]);
    run(&db)
        .arg("--to")
        .arg(&never)
        .env("PATH", "/nonexistent")
        .run()
        .expect_code(1)
        .says(&["sqlite3 is not installed", "hint: install"]);
    assert_empty(&never);
}
