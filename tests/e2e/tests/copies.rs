//! Copies and signatures: `dump`, `upload`, `download`, `--jobs`, and manifests that `minisign` itself signs and checks.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::case_sensitive_file_extension_comparisons,
    missing_docs,
    reason = "tests fail by panicking, and start programs themselves"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use planb_harness::{Planb, provision, skip};
use support::{dump, folder, restore, run, small, sqlite_url, sqlite3};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_steps_of_bak_one_by_one() {
    let place = folder();
    let (dumps, store, back) = (place.path().join("dumps"), place.path().join("store"), place.path().join("back"));
    for name in ["a.db", "b.db", "c.db"] {
        sqlite3(&place.path().join(name), &format!("CREATE TABLE t(x); INSERT INTO t VALUES('{name}');"));
    }
    let pattern = format!("sqlite://{}/[abc].db", place.path().display());
    let dumped =
        Planb::new().args(["dump", "--output", "json", "--jobs", "3", "--db", &pattern, "--dir"]).arg(&dumps).run();
    let dumped = dumped.expect_code(0).json();
    // In the order in which they were begun, whichever ended first.
    let databases: Vec<_> = dumped["runs"].as_array().unwrap().iter().map(|run| &run["database"]).collect();
    assert_eq!(databases.len(), 3);
    assert!(databases.is_sorted_by_key(|name| name.as_str()), "{databases:?}");

    let upload =
        || Planb::new().args(["upload", "--output", "json", "--dir"]).arg(&dumps).arg("--to").arg(&store).run();
    let copied = upload().expect_code(0).json();
    assert!(copied["backups"].as_array().unwrap().iter().all(|backup| backup["copied"] == true));
    let again = upload().expect_code(0).json();
    assert!(again["backups"].as_array().unwrap().iter().all(|backup| backup["copied"] == false));
    assert_eq!(names(&dumps), names(&store));

    let one = place.path().join("b.db").to_string_lossy().into_owned();
    let one = ["download", "latest", "--source-database", &one, "--output", "json", "--from"];
    Planb::new().args(one).arg(&store).arg("--dir").arg(&back).run().expect_code(0);
    assert_eq!(names(&back).len(), 2);
    let target = place.path().join("restored.db");
    restore(&back.to_string_lossy(), &target).run().expect_code(0);
    assert_eq!(dump(&target), dump(&place.path().join("b.db")));
}

#[test]
fn a_damaged_backup_is_not_copied() {
    let place = folder();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    run(&small(place.path())).arg("--to").arg(&from).run().expect_code(0);
    let artifact = names(&from).into_iter().find(|name| name.ends_with(".zst")).unwrap();
    let mut bytes = fs::read(from.join(&artifact)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(from.join(&artifact), bytes).unwrap();
    let copied = Planb::new().args(["upload", "--output", "json", "--dir"]).arg(&from).arg("--to").arg(&to).run();
    let copied = copied.expect_code(5).json();
    assert_eq!(copied["failed"][0]["error"]["exit_code"], 5);
    assert_eq!(names(&to), Vec::<String>::new(), "nothing of it is left");
}

/// A key pair by the minisign program: secret and public file.
fn key(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (secret, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
    let mut made = Command::new("minisign");
    made.args(["-G", "-W", "-f", "-s"]).arg(&secret).arg("-p").arg(&public);
    assert!(made.stdout(Stdio::null()).status().unwrap().success());
    (secret, public)
}

#[test]
fn minisign_and_planb_read_each_others_signatures() {
    if skip::unavailable(provision::apt(&["minisign"])).is_none() {
        return;
    }
    let place = folder();
    let store = place.path().join("store");
    let db = small(place.path());
    let (secret, public) = key(place.path(), "ours");
    let (_, other) = key(place.path(), "other");
    run(&db).arg("--to").arg(&store).arg("--sign-key").arg(&secret).run().expect_code(0);
    run(&db).arg("--to").arg(&store).args(["--name", "unsigned"]).run().expect_code(0);

    let manifest =
        names(&store).into_iter().find(|name| name.ends_with(".manifest.json") && !name.starts_with("un")).unwrap();
    let check = Command::new("minisign").arg("-Vm").arg(store.join(&manifest)).arg("-p").arg(&public).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    let backups = Planb::new().args(["list", "--output", "json", "--from"]).arg(&store).run().expect_code(0).json();
    let id = |key: &str| {
        let all = backups.as_array().unwrap();
        let found =
            all.iter().find(|backup| backup["key"].as_str().unwrap().starts_with("unsigned") == (key == "unsigned"));
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let verify = |id: &str, key: &Path| {
        Planb::new().args(["verify", id, "--output", "json", "--from"]).arg(&store).arg("--trust-key").arg(key).run()
    };
    verify(&id("signed"), &public).expect_code(0);
    verify(&id("signed"), &other).expect_code(5);
    let refused = verify(&id("unsigned"), &public).expect_code(5).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("not signed"), "{refused}");

    // A signature covers every byte of its manifest, and no other one's.
    let path = store.join(&manifest);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("customer", "kustomer")).unwrap();
    verify(&id("signed"), &public).expect_code(5);
    fs::write(&path, text).unwrap();
    fs::copy(store.join(format!("{manifest}.minisig")), store.join("unsigned.manifest.json.minisig")).unwrap();
    verify(&id("unsigned"), &public).expect_code(5);
    let target = sqlite_url(&place.path().join("restored.db"));
    let restored = Planb::new().args(["restore", &id("signed"), "--db", &target, "--from"]).arg(&store);
    restored.arg("--trust-key").arg(&public).run().expect_code(0);
    // Removed with its manifest.
    Planb::new().args(["prune", "--max-files", "1", "--from"]).arg(&store).run().expect_code(0);
    assert!(!names(&store).contains(&format!("{manifest}.minisig")), "{:?}", names(&store));
}
