//! Signed manifests: what the key signed is taken, and nothing else.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::fs;
use std::process::Command;

use planb_faults::cases::Cases;
use planb_faults::forge::{object, path};
use planb_faults::place::{Place, has_flag};
use planb_faults::shop::dump;
use planb_harness::{provision, skip};

/// A pair of minisign's keys: the secret one's path, and the public one's.
fn key(place: &Place, name: &str) -> (String, String) {
    let (public, secret) = (place.path(&format!("{name}.pub")), place.path(&format!("{name}.sec")));
    let made = Command::new("minisign").args(["-G", "-W", "-p"]).arg(&public).arg("-s").arg(&secret).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (secret.display().to_string(), public.display().to_string())
}

#[test]
fn signatures() {
    skip!(provision::apt(&["sqlite3", "minisign"]));
    if !has_flag("run", "--sign-key") {
        skip!("signatures", "this planb makes none");
    }
    let mut cases = Cases::new("tampering");
    let place = Place::new();
    let (mine, other) = (key(&place, "mine"), key(&place, "other"));
    let made = |name: &str, more: &[&str]| {
        let done = place.run().args(["--name", name]).args(more).run().ok().json();
        done["id"].as_str().unwrap().to_owned()
    };
    let signed = made("signed", &["--sign-key", &mine.0]);
    let second = made("second", &["--sign-key", &mine.0]);
    let by_other = made("other", &["--sign-key", &other.0]);
    let unsigned = made("unsigned", &[]);
    let trusted = |command: &str, id: &str, key: &str| {
        let call = match command {
            "restore" => place.restore(id, "copy.db").args(["--replace"]),
            _ => place.read(command, id),
        };
        call.args(["--trust-key", key]).run()
    };
    let refused = |id: &str| {
        let _ = fs::remove_file(place.path("copy.db"));
        for command in ["restore", "verify", "show", "drill"] {
            let done = trusted(command, id, &mine.1);
            assert_eq!(done.code, Some(5), "{command}: {done:?}");
            assert!(!done.stdout.contains("plain_sha256"), "{command} shows it all the same: {done:?}");
        }
        assert!(!place.path("copy.db").exists(), "a target was made");
    };
    let signature = path(&place, "signed.manifest.json.minisig");
    let manifest_at = path(&place, "signed.manifest.json");
    let (honest, honest_signature) = (fs::read(&manifest_at).unwrap(), fs::read(&signature).unwrap());
    let with = |what: &str, cases: &mut Cases, change: &dyn Fn(), id: &str| {
        cases.case(what, || {
            change();
            refused(id);
        });
        fs::write(&manifest_at, &honest).unwrap();
        fs::write(&signature, &honest_signature).unwrap();
    };
    let good = |cases: &mut Cases, what: &str| {
        cases.case(what, || {
            for command in ["restore", "verify", "show", "drill"] {
                trusted(command, &signed, &mine.1).ok();
            }
            assert_eq!(dump(&place.path("copy.db")), dump(&place.db));
        });
    };
    good(&mut cases, "what the key signed is trusted");
    with("by another key", &mut cases, &|| {}, &by_other);
    with("not signed", &mut cases, &|| {}, &unsigned);
    with("the signature is gone", &mut cases, &|| fs::remove_file(&signature).unwrap(), &signed);
    with(
        "the signature is of another backup",
        &mut cases,
        &|| assert!(fs::copy(path(&place, "second.manifest.json.minisig"), &signature).unwrap() > 0),
        &signed,
    );
    with(
        "the signature is another key's",
        &mut cases,
        &|| {
            let done = Command::new("minisign")
                .args(["-S", "-W", "-s", &other.0, "-m"])
                .arg(&manifest_at)
                .arg("-x")
                .arg(&signature)
                .output()
                .unwrap();
            assert!(done.status.success());
        },
        &signed,
    );
    with("the signature is empty", &mut cases, &|| fs::write(&signature, "").unwrap(), &signed);
    with("the signature is nonsense", &mut cases, &|| fs::write(&signature, vec![0xff; 5000]).unwrap(), &signed);
    with(
        "the signature is a gigabyte",
        &mut cases,
        &|| {
            fs::File::create(&signature).unwrap().set_len(1 << 30).unwrap();
        },
        &signed,
    );
    with(
        "a changed manifest",
        &mut cases,
        &|| {
            let text = String::from_utf8(honest.clone()).unwrap();
            fs::write(&manifest_at, text.replacen("\"rows\": 4", "\"rows\": 5", 1)).unwrap();
        },
        &signed,
    );
    with(
        "the manifest of an unsigned backup under a signed one's name",
        &mut cases,
        &|| assert!(fs::copy(path(&place, "unsigned.manifest.json"), &manifest_at).unwrap() > 0),
        &unsigned,
    );
    with(
        "a byte of space behind it",
        &mut cases,
        &|| {
            let mut longer = honest.clone();
            longer.push(b' ');
            fs::write(&manifest_at, longer).unwrap();
        },
        &signed,
    );
    good(&mut cases, "and still is after all that");
    cases.case("the object of a signed backup is changed", || {
        let object = object(&place, "second");
        let bytes = fs::read(&object).unwrap();
        let mut changed = bytes.clone();
        let last = changed.len() - 3;
        changed[last] ^= 1;
        fs::write(&object, changed).unwrap();
        assert_eq!(trusted("restore", &second, &mine.1).code, Some(5));
        assert_eq!(trusted("verify", &second, &mine.1).code, Some(5));
        fs::write(&object, bytes).unwrap();
    });
    cases.case("minisign itself agrees", || {
        let check =
            |key: &str| Command::new("minisign").args(["-V", "-p", key, "-m"]).arg(&manifest_at).output().unwrap();
        assert!(check(&mine.1).status.success());
        assert!(!check(&other.1).status.success());
    });
    cases.case("a key that is none is no key at all", || {
        for key in ["/nonexistent", "", "RWQnonsense"] {
            let done = trusted("restore", &signed, key);
            assert_eq!(done.code, Some(2), "{key:?}: {done:?}");
            let done = place.run().args(["--sign-key", key]).run();
            assert_eq!(done.code, Some(2), "{key:?}: {done:?}");
        }
    });
    cases.case("a pruned backup's signature goes with it", || {
        place.prune(&["--keep-last", "1"]).run().ok();
        let left = place.keys();
        // (`signed` was proven by a drill.)
        assert!(left.iter().all(|key| !key.starts_with("second.")), "{left:?}");
        assert!(left.contains("signed.manifest.json.minisig"), "{left:?}");
    });
}
