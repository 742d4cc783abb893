//! Somebody changes what is in a store. Nothing of it is restored as a backup, nothing is read or written elsewhere, and
//! the honest backup beside it is as good as before.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::fs;
use std::time::Duration;

use planb_faults::cases::Cases;
use planb_faults::forge::{good_and_evil, good_is_good, id, is_refused, manifest, object, path, put_manifest};
use planb_faults::place::{Place, has_flag};
use planb_faults::shop::{dump, files, large, peak_memory, sqlite3};
use planb_harness::{provision, skip};
use serde_json::{Value, json};

#[test]
fn a_changed_byte_anywhere() {
    skip!(provision::apt(&["sqlite3", "age"]));
    let mut cases = Cases::new("tampering");
    let mut place = Place::new();
    place.db = large(&place.path("home"), "large.db", 1);
    fs::write(place.path("passphrase"), "correct horse\n").unwrap();
    let phrase = place.path("passphrase").display().to_string();
    for (how, more) in [("none", &[][..]), ("zstd", &[]), ("gzip", &[]), ("zstd", &["--passphrase-file", &phrase])] {
        let name = format!("{how}{}", more.len());
        place.run().args(["--name", &name, "--compress", how]).args(more).run().ok();
        let (object, id) = (object(&place, &name), id(&place, &name));
        let honest = fs::read(&object).unwrap();
        let step = honest.len() / 12;
        // Both ends too: headers, checksums, authentication.
        let places = (0..12).map(|n| n * step).chain([4, 17, honest.len() - 1, honest.len() - 9]);
        for at in places {
            cases.case(format!("{name}: byte {at} of {} changed", honest.len()), || {
                let mut changed = honest.clone();
                changed[at] ^= 0x10;
                fs::write(&object, &changed).unwrap();
                let verified = place.read("verify", &id).args(more).run();
                assert_eq!(verified.code, Some(5), "{verified:?}");
                let restored = place.restore(&id, "never.db").args(more).run();
                assert_eq!(restored.code, Some(5), "{restored:?}");
                assert!(!place.path("never.db").exists());
            });
        }
        fs::write(&object, &honest).unwrap();
        place.read("verify", &id).args(more).run().ok();
    }
}

#[test]
fn objects_and_manifests_that_changed_places() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tampering");
    cases.case("the objects of two backups swapped", || {
        let mut place = good_and_evil();
        // Of the same length, so that only the digest tells.
        sqlite3(&place.db, "UPDATE customer SET name = 'Eve' WHERE name = 'Ann'");
        place.run().args(["--name", "later", "--compress", "none"]).run().ok();
        let (a, b) = (object(&place, "evil"), object(&place, "later"));
        assert_eq!(fs::metadata(&a).unwrap().len(), fs::metadata(&b).unwrap().len());
        let (first, second) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
        fs::write(&a, second).unwrap();
        fs::write(&b, first).unwrap();
        is_refused(&place, &id(&place, "evil"));
        is_refused(&place, &id(&place, "later"));
        sqlite3(&place.db, "UPDATE customer SET name = 'Ann' WHERE name = 'Eve'");
        place.db = place.path("shop.db");
        good_is_good(&place, &id(&place, "good"));
    });
    cases.case("a manifest under another backup's name", || {
        let place = good_and_evil();
        let good = id(&place, "good");
        put_manifest(&place, "evil", &manifest(&place, "good"));
        // Two that say they are the same backup: whichever it takes is that backup, or it asks which.
        let restored = place.restore(&good, "copy.db").run();
        assert!(matches!(restored.code, Some(0 | 2)), "{restored:?}");
        if restored.code == Some(0) {
            assert_eq!(dump(&place.path("copy.db")), dump(&place.db));
        }
        // Removing the copy does not remove what the original needs.
        place.prune(&["--keep-last", "1"]).run().ok();
        assert!(object(&place, "good").exists());
    });
    cases.case("a forged backup that names another's objects is pruned", || {
        let place = good_and_evil();
        let mut forged = manifest(&place, "evil");
        forged["files"] = manifest(&place, "good")["files"].clone();
        forged["created_at"] = "2001-01-01T00:00:00Z".into();
        put_manifest(&place, "evil", &forged);
        place.prune(&["--keep-last", "1"]).run().ok();
        good_is_good(&place, &id(&place, "good"));
    });
    cases.case("a manifest of a database of another engine", || {
        let place = good_and_evil();
        let mut forged = manifest(&place, "evil");
        forged["engine"] = "pg".into();
        put_manifest(&place, "evil", &forged);
        let evil = id(&place, "evil");
        let done = place.restore(&evil, "never.db").run();
        assert_ne!(done.code, Some(0), "{done:?}");
        assert!(!place.path("never.db").exists());
        good_is_good(&place, &id(&place, "good"));
    });
}

/// A manifest is changed at one place (a JSON pointer): either it is no manifest any more, or what it says is found
/// not to be so.
#[test]
fn forged_manifests() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tampering");
    let huge = u64::MAX;
    let forgeries: Vec<(&str, Value)> = vec![
        ("/files/0/volumes/0/key", json!("../outside")),
        ("/files/0/volumes/0/key", json!("/etc/passwd")),
        ("/files/0/volumes/0/key", json!("a/../../outside")),
        ("/files/0/volumes/0/key", json!("./good.sql")),
        ("/files/0/volumes/0/key", json!("good.sql\u{0}")),
        ("/files/0/volumes/0/key", json!("..\\outside")),
        ("/files/0/volumes/0/key", json!("")),
        ("/files/0/volumes/0/key", json!("nothing-there")),
        ("/files/0/volumes/0/key", json!("good.manifest.json")),
        ("/files/0/volumes/0/bytes", json!(1)),
        ("/files/0/volumes/0/bytes", json!(huge)),
        ("/files/0/volumes/0/bytes", json!(-1)),
        ("/files/0/volumes", json!([])),
        ("/files/0/plain_bytes", json!(0)),
        ("/files/0/plain_bytes", json!(huge)),
        ("/files/0/stored_bytes", json!(huge)),
        ("/files/0/plain_sha256", json!("0".repeat(64))),
        ("/files/0/stored_sha256", json!("0".repeat(64))),
        ("/files/0/stored_sha256", json!("")),
        ("/files/0/plain_sha256", json!("zz")),
        ("/files/0/path", json!("../../etc/cron.d/x")),
        ("/files", json!([])),
        ("/files", json!(null)),
        ("/plain_bytes", json!(1)),
        ("/stored_bytes", json!(1)),
        ("/compression", json!("zstd:3")),
        ("/compression", json!("gzip:6")),
        ("/compression", json!("rot13")),
        ("/encryption", json!({"format": "age", "recipients": ["age1x"], "passphrase": false})),
        ("/id", json!("../../x")),
        ("/id", json!("")),
        ("/id", json!("12345678\u{1b}[2J")),
        ("/schema", json!("planb.manifest/v2")),
        ("/created_at", json!("yesterday")),
        ("/inspection/objects", json!([])),
        ("/mode", json!("tar")),
    ];
    for (at, value) in forgeries {
        cases.case(format!("a manifest with {at} = {value}"), || {
            let place = good_and_evil();
            let good = id(&place, "good");
            fs::write(place.path("outside"), fs::read(object(&place, "good")).unwrap()).unwrap();
            let evil = id(&place, "evil");
            let mut forged = manifest(&place, "evil");
            match forged.pointer_mut(at) {
                Some(there) => *there = value.clone(),
                // A field that is left out where it has no value.
                None => forged[at.trim_start_matches('/')] = value.clone(),
            }
            put_manifest(&place, "evil", &forged);
            let before = files(&place.path(""));
            let listed = place.call(&["list", "--output", "json", "--from", &place.url()]).run().ok();
            let shown = listed.json().as_array().unwrap().iter().any(|entry| entry["id"] == evil.as_str());
            if !shown {
                listed.says(&["cannot be read"]);
            }
            let verified = place.read("verify", &evil).run();
            let restored = place.restore(&evil, "never.db").run();
            // What the inspector of today finds is not what the manifest says: that is found by verifying alone.
            if at.starts_with("/inspection") {
                assert_eq!(verified.code, Some(5), "{verified:?}");
            } else {
                // A restore may also find that what it says does not matter: then what comes back is what was backed up.
                // Without a key only what is stored can be verified, and it says so.
                let sealed = at == "/encryption" && verified.stderr.contains("it is encrypted and no key was given");
                assert!(sealed || matches!(verified.code, Some(1 | 2 | 5)), "{verified:?}");
                let never = place.path("never.db");
                if restored.code == Some(0) {
                    assert_eq!(dump(&never), dump(&place.db), "{restored:?}");
                    fs::remove_file(never).unwrap();
                } else {
                    assert!(matches!(restored.code, Some(1 | 2 | 5)) && !never.exists(), "{restored:?}");
                }
                let after = files(&place.path(""));
                assert_eq!(after, before, "something was written");
            }
            for done in [&verified, &restored] {
                assert!(!done.stderr.contains("panicked") && done.code != Some(101), "{done:?}");
                assert!(!done.stderr.contains('\u{1b}'), "{done:?}");
            }
            good_is_good(&place, &good);
        });
    }
}

#[test]
fn manifests_that_are_bombs_themselves() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tampering");
    let deep = "[".repeat(1_000_000);
    let honest = good_and_evil();
    let many = {
        let mut json = manifest(&honest, "evil");
        let file = json["files"][0].clone();
        let files = (0..150_000).map(|n| {
            let mut file = file.clone();
            file["path"] = format!("f{n}").into();
            file
        });
        json["files"] = files.collect::<Vec<_>>().into();
        serde_json::to_vec(&json).unwrap()
    };
    let padded = {
        let mut json = manifest(&honest, "evil");
        json["labels"]["x"] = "x".repeat(65 << 20).into();
        serde_json::to_vec(&json).unwrap()
    };
    for (what, bytes) in [
        ("a million brackets", deep.clone().into_bytes()),
        (
            "a million brackets inside a field",
            format!("{{\"schema\": \"planb.manifest/v1\", \"x\": {deep}").into_bytes(),
        ),
        ("150,000 files whose sizes do not add up", many),
        ("more than 64 MiB", padded),
        ("zeros", vec![0; 1 << 20]),
        ("text that is not UTF-8", b"{\"schema\": \"planb.manifest/v1\", \"id\": \"\xff\xfe\"}".to_vec()),
        ("numbers without end", format!("{{\"schema\": 1{}", "0".repeat(1 << 20)).into_bytes()),
    ] {
        cases.case(format!("a manifest of {what}"), || {
            let place = good_and_evil();
            let good = id(&place, "good");
            fs::write(path(&place, "evil.manifest.json"), &bytes).unwrap();
            let mut running = place.call(&["list", "--output", "json", "--from", &place.url()]).spawn();
            let mut peak = 0;
            while !running.ended() {
                peak = peak_memory(running.pid()).unwrap_or(0).max(peak);
                std::thread::sleep(Duration::from_millis(5));
            }
            let listed = running.wait().ok().says(&["evil.manifest.json", "cannot be read"]);
            assert!(listed.stderr.len() < 4000, "{} bytes for people", listed.stderr.len());
            assert!(peak < 700 << 10, "{peak} KiB for a manifest of {} bytes", bytes.len());
            good_is_good(&place, &good);
        });
    }
}

/// What planb keeps for itself in a store can be forged as well.
#[test]
fn forged_bookkeeping() {
    skip!(provision::apt(&["sqlite3"]));
    if !has_flag("run", "--wait-lock") {
        skip!("leases", "this planb has none");
    }
    let mut cases = Cases::new("tampering");
    for (what, key, bytes) in [
        (
            "a removal of what is outside",
            ".planb/removing/x.json",
            json!({"schema": "planb.removal/v1", "id": "x", "manifest": "gone.manifest.json", "keys": ["../outside", "/outside", "a/../../outside"]}),
        ),
        (
            "a removal of a good backup's object",
            ".planb/removing/x.json",
            json!({"schema": "planb.removal/v1", "id": "x", "manifest": "gone.manifest.json", "keys": ["good.sql", "good.manifest.json"]}),
        ),
        (
            "a crashed run that wrote a good backup's object",
            ".planb/crashed/x.json",
            json!({"schema": "planb.lease/v1", "id": "x", "job": "x", "host": "h", "machine": "m", "pid": 1, "started": "1", "begun_at": "2001-01-01T00:00:00Z", "renewed_at": "2001-01-01T00:00:00Z", "expires_at": "2001-01-01T00:00:00Z", "keys": ["good.sql", "good/", "evil.sql"], "manifest": "good.manifest.json"}),
        ),
        (
            "a crashed run that wrote outside",
            ".planb/crashed/x.json",
            json!({"schema": "planb.lease/v1", "id": "x", "job": "x", "host": "h", "machine": "m", "pid": 1, "started": "1", "begun_at": "2001-01-01T00:00:00Z", "renewed_at": "2001-01-01T00:00:00Z", "expires_at": "2001-01-01T00:00:00Z", "keys": ["../outside", "../"], "manifest": "../outside"}),
        ),
        ("a hold that is none", "good.hold.json", json!("held")),
        ("a drill that is none", "good.drill.x.json", json!([1])),
        ("a mark of a reader that is none", ".planb/reading/x.json", json!({"a": 1})),
    ] {
        cases.case(what, || {
            let place = good_and_evil();
            let good = id(&place, "good");
            fs::write(place.path("outside"), "mine").unwrap();
            let at = path(&place, key);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, bytes.to_string()).unwrap();
            place.prune(&["--orphans", "--older-than", "0s", "--keep-last", "9"]).run().ok();
            assert_eq!(fs::read_to_string(place.path("outside")).unwrap(), "mine");
            assert_eq!(place.all_whole().len(), 2);
            good_is_good(&place, &good);
            place.run().run().ok();
        });
    }
}
