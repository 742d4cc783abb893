//! Every kind of store: what is written, listed, verified and restored, and what a store can refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs, reason = "tests")]

mod support;

use std::fs;

use planb_harness::stores::{Azurite, FakeGcs, SeaweedFs};
use planb_harness::{Planb, provision, skip};
use serde_json::Value;
use support::{dump, files, folder, keys, large, list, restore, run, sha256, small, verify, with};

#[test]
fn a_folder_and_s3_in_one_pass() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("backups");
    let at = folder();
    let db = small(at.path());
    let (disk, bucket) = (at.path().join("disk").display().to_string(), s3.url("backups", "shop/daily"));
    let done = with(run(&db), &s3.env()).args(["--to", &disk, "--to", &bucket, "--label", "why=test"]).run().ok();
    let report = done.json();
    assert_eq!(report["status"], "success");
    assert_eq!(report["stores"].as_array().map(Vec::len), Some(2));

    let (_, manifest) = support::manifest(disk.as_ref());
    assert_eq!(manifest["labels"]["why"], "test");
    let [key] = keys(&manifest).try_into().expect("one object");
    let on_disk = fs::read(at.path().join("disk").join(&key)).unwrap();
    let in_bucket = s3.get("backups", &format!("shop/daily/{key}"));
    assert_eq!(on_disk, in_bucket);
    assert_eq!(sha256(&on_disk), manifest["stored_sha256"]);
    let mut stored: Vec<String> = s3.objects("backups").into_iter().map(|(key, _)| key).collect();
    stored.sort();
    let mut here: Vec<String> = files(disk.as_ref()).into_iter().map(|key| format!("shop/daily/{key}")).collect();
    here.sort();
    assert_eq!(stored, here);
    assert_eq!(s3.unfinished_uploads("backups"), 0);

    for (number, from) in [&disk, &bucket].into_iter().enumerate() {
        let listed = with(list(from), &s3.env()).run().ok().json();
        assert_eq!(listed[0]["id"], report["id"]);
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        let id = report["id"].as_str().unwrap();
        let show = with(Planb::new().args(["show", &id[..6], "--output", "json", "--from", from]), &s3.env());
        assert!(show.run().ok().stdout.contains(id));
        assert_eq!(with(verify(from), &s3.env()).run().ok().json()["ok"], true);
        let target = at.path().join(format!("restored{number}.db"));
        with(restore(from, &target), &s3.env()).run().ok();
        assert_eq!(dump(&db), dump(&target));
    }
}

#[test]
fn a_long_dump_goes_on_in_volumes() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("volumes");
    let at = folder();
    let db = large(at.path(), 21);
    let url = s3.url("volumes", "");
    let small_parts = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];
    let done = with(run(&db), &s3.env()).args(["--to", &url]).args(small_parts).run().ok().json();
    let objects = s3.objects("volumes");
    let volumes: Vec<_> = objects.iter().filter(|(key, _)| !key.ends_with(".manifest.json")).collect();
    assert_eq!(volumes.len(), 4, "{objects:?}");
    assert!(volumes.iter().all(|(_, size)| *size <= 6 << 20), "{volumes:?}");
    assert!(volumes.iter().any(|(key, _)| key.ends_with(".001")), "{volumes:?}");
    let (manifest, _) = objects.iter().find(|(key, _)| key.ends_with(".manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&s3.get("volumes", manifest)).unwrap();
    // In the manifest's order, put together, they are the dump.
    let all: Vec<u8> = keys(&manifest).iter().flat_map(|key| s3.get("volumes", key)).collect();
    assert_eq!(sha256(&all), done["stored_sha256"]);
    assert_eq!(sha256(&all), done["plain_sha256"]);
    assert_eq!(with(verify(&url), &s3.env()).run().ok().json()["ok"], true);
    let target = at.path().join("restored.db");
    with(restore(&url, &target), &s3.env()).run().ok();
    assert!(dump(&db) == dump(&target), "the restored database differs");

    let last = keys(&manifest).pop().unwrap();
    s3.delete("volumes", &last);
    with(verify(&url), &s3.env()).run().expect_code(5);
    let target = at.path().join("never.db");
    with(restore(&url, &target), &s3.env()).run().expect_code(5);
    assert!(!target.exists());
}

#[test]
fn a_name_can_have_folders_and_is_never_taken_twice() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("names");
    let at = folder();
    let db = small(at.path());
    let url = s3.url("names", "p");
    let to_both = |name: &str| {
        let disk = at.path().join("disk").display().to_string();
        with(run(&db), &s3.env()).args(["--to", &disk, "--to", &url, "--name", name]).run()
    };
    let first = to_both("{engine}/{db}/{date}/nightly").ok();
    let second = to_both("{engine}/{db}/{date}/nightly");
    // A taken key is no reason to lose a backup, and never one to write over another.
    let listed = with(list(&url), &s3.env()).run().ok();
    let all = listed.json();
    let keys: Vec<_> = all.as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap()).collect();
    assert!(keys.iter().all(|key| key.starts_with("sqlite/shop/")), "{keys:?}");
    assert_eq!(all.as_array().map(Vec::len), Some(1 + usize::from(second.code == Some(0))), "{second:?}");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let verify = Planb::new().args(["verify", &id, "--from", &url]);
    with(verify, &s3.env()).run().ok();

    // The usual name has seconds: runs of one second meet, those of different jobs find different names.
    let from = s3.url("names", "q");
    let at_once: Vec<_> = (0..4)
        .map(|n| with(run(&db), &s3.env()).args(["--to", &from, "--label", &format!("job={n}")]).spawn())
        .collect();
    for running in at_once {
        running.wait().ok();
    }
    let listed = with(list(&from), &s3.env()).run().ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed:#}");
    for entry in listed.as_array().unwrap() {
        let verify = Planb::new().args(["verify", entry["id"].as_str().unwrap(), "--from", &from]);
        with(verify, &s3.env()).run().ok();
    }
    // Of one job only one runs at a time, and the others say so.
    let at_once: Vec<_> =
        (0..4).map(|_| with(run(&db), &s3.env()).args(["--to", &s3.url("names", "r")]).spawn()).collect();
    let done: Vec<_> = at_once.into_iter().map(|running| running.wait()).collect();
    assert!(done.iter().any(|output| output.code == Some(0)), "{done:?}");
    for late in done.into_iter().filter(|output| output.code != Some(0)) {
        late.expect_code(1).says(&["another run of sqlite ", "is under way"]);
    }
}

#[test]
fn storage_is_to_blame_for_what_storage_does() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("refused");
    let at = folder();
    let db = small(at.path());
    let good = s3.url("refused", "x");
    let mut wrong_secret = s3.env();
    "not-the-secret".clone_into(&mut wrong_secret[1].1);
    let free = planb_harness::free_port();
    let nowhere = format!("s3://refused/x?endpoint=http://127.0.0.1:{free}");
    for (what, env, url, words) in [
        ("wrong secret", wrong_secret, good.clone(), ["access was denied", "AWS_SECRET_ACCESS_KEY"]),
        ("may only read", s3.read_only_env(), good.clone(), ["access was denied", "write"]),
        ("nobody there", s3.env(), nowhere, ["cannot be reached", "check the endpoint"]),
        ("no bucket", s3.env(), s3.url("nobucket", "x"), ["nobucket", "check the name of the bucket"]),
    ] {
        eprintln!("{what}");
        let work = at.path().join("work");
        let done = with(run(&db), &env).args(["--to", &url, "--work-dir"]).arg(&work).run();
        done.expect_code(1).says(&["(storage)", "hint: "]).says(&words);
        support::assert_bare(&work);
        assert!(s3.objects("refused").is_empty());
        assert_eq!(s3.unfinished_uploads("refused"), 0);

        // The good store of two keeps its copy.
        let disk = at.path().join(what).display().to_string();
        let done = with(run(&db), &env).args(["--to", &disk, "--to", &url]).run().expect_code(3);
        let report = done.json();
        assert_eq!(report["status"], "partial", "{done:?}");
        assert!(report["stores"].as_array().unwrap().iter().any(|store| store["error"].is_string()), "{done:?}");
        assert_eq!(list(&disk).run().ok().json().as_array().map(Vec::len), Some(1));
        verify(&disk).run().ok();
    }
    // Reading and listing work with the account that may do only that.
    let (bucket, env) = (s3.url("refused", "y"), s3.read_only_env());
    with(run(&db), &s3.env()).args(["--to", &bucket]).run().ok();
    with(verify(&bucket), &env).run().ok();
    with(restore(&bucket, &at.path().join("r.db")), &env).run().ok();
}

#[test]
fn no_credentials_at_all() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let db = small(at.path());
    let port = planb_harness::free_port();
    let url = format!("s3://bucket?endpoint=http://127.0.0.1:{port}");
    run(&db).args(["--to", &url]).run().expect_code(1).says(&["AWS_ACCESS_KEY_ID"]);
}

#[test]
fn azure() {
    skip!(provision::apt(&["sqlite3"]));
    let azure = skip!(Azurite::start());
    azure.create_container("backups");
    let at = folder();
    let db = large(at.path(), 13);
    let url = azure.url("backups", "deep/er");
    let parts = ["--compress", "none", "--part-size", "5", "--volume-size", "6"];
    let done = with(run(&db), &azure.env()).args(["--to", &url]).args(parts).run().ok().json();
    assert_eq!(done["status"], "success");
    let objects = azure.objects("backups");
    let (manifest, _) = objects.iter().find(|(key, _)| key.ends_with(".manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&azure.get("backups", manifest)).unwrap();
    let all: Vec<u8> = keys(&manifest).iter().flat_map(|key| azure.get("backups", &format!("deep/er/{key}"))).collect();
    assert_eq!(sha256(&all), done["stored_sha256"]);
    assert_eq!(objects.len(), 4, "{objects:?}");
    assert_eq!(with(list(&url), &azure.env()).run().ok().json()[0]["id"], done["id"]);
    with(verify(&url), &azure.env()).run().ok();
    let target = at.path().join("restored.db");
    with(restore(&url, &target), &azure.env()).run().ok();
    assert!(dump(&db) == dump(&target), "the restored database differs");

    let wrong = [azure.env()[0].clone(), ("AZURE_STORAGE_KEY", "bm90LXRoZS1rZXk=".to_owned())];
    with(run(&db), &wrong).args(["--to", &url]).run().expect_code(1).says(&[
        "(storage)",
        "access was denied",
        "AZURE_STORAGE_KEY",
    ]);
    let missing = azure.url("nothere", "");
    with(run(&db), &azure.env()).args(["--to", &missing]).run().expect_code(1).says(&["hint: "]);
    assert_eq!(with(list(&url), &azure.env()).run().ok().json().as_array().map(Vec::len), Some(1));
}

/// The emulator checks no credentials, and answers multipart uploads by the XML interface with an error: a dump of
/// more than one part, wrong keys and forbidden buckets can only be seen with Google's own service.
#[test]
fn google_as_far_as_its_emulator_goes() {
    skip!(provision::apt(&["sqlite3"]));
    let gcs = skip!(FakeGcs::start());
    gcs.create_bucket("backups");
    let at = folder();
    let db = small(at.path());
    let url = gcs.url("backups", "deep/er");
    let done = run(&db).args(["--to", &url]).run().ok().json();
    assert_eq!(done["status"], "success");
    let objects = gcs.objects("backups");
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert!(objects.iter().all(|(key, _)| key.starts_with("deep/er/")), "{objects:?}");
    assert_eq!(list(&url).run().ok().json()[0]["id"], done["id"]);
    verify(&url).run().ok();
    let target = at.path().join("restored.db");
    restore(&url, &target).run().ok();
    assert_eq!(dump(&db), dump(&target));
    let missing = gcs.url("nothere", "");
    run(&db).args(["--to", &missing]).run().expect_code(1).says(&["(storage)", "hint: "]);
}
