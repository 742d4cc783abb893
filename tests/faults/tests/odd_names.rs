//! Names and kinds of files in a store that nobody would give them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use planb_faults::cases::Cases;
use planb_faults::forge::{good_and_evil, good_is_good, id, path};
use planb_harness::{provision, skip};

/// Something that is no plain file, and how it is made.
type Made = (&'static str, fn(&Path));

#[test]
fn odd_names_in_a_store() {
    skip!(provision::apt(&["sqlite3"]));
    let mut cases = Cases::new("tampering");
    let odd: Vec<Vec<u8>> = vec![
        b"-rf.manifest.json".to_vec(),
        b" .manifest.json".to_vec(),
        b".manifest.json".to_vec(),
        b"a\nb.manifest.json".to_vec(),
        b"\x1b[2J.manifest.json".to_vec(),
        "\u{202e}evil.manifest.json".into(),
        b"\xff\xfe.manifest.json".to_vec(),
        b"%2e%2e%2f.manifest.json".to_vec(),
        b"*?[x].manifest.json".to_vec(),
        b"a\\b.manifest.json".to_vec(),
        [vec![b'x'; 240], b".manifest.json".to_vec()].concat(),
    ];
    for name in odd {
        cases.case(format!("a manifest called {:?}", String::from_utf8_lossy(&name)), || {
            let place = good_and_evil();
            let good = id(&place, "good");
            let at = path(&place, "").join(std::ffi::OsStr::from_bytes(&name));
            fs::copy(path(&place, "evil.manifest.json"), &at).unwrap();
            let listed = place.call(&["list", "--from", &place.url()]).run().ok();
            for text in [&listed.stdout, &listed.stderr] {
                assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{listed:?}");
            }
            good_is_good(&place, &good);
            place.prune(&["--orphans", "--older-than", "0s", "--keep-last", "9"]).run().ok();
            good_is_good(&place, &good);
        });
    }
    let make: [Made; 6] = [
        ("a folder", |at| fs::create_dir(at).unwrap()),
        ("a link to nothing", |at| std::os::unix::fs::symlink("/nonexistent", at).unwrap()),
        ("a link to itself", |at| std::os::unix::fs::symlink(at, at).unwrap()),
        ("a link to a file of others", |at| std::os::unix::fs::symlink("/etc/passwd", at).unwrap()),
        ("a link to a device", |at| std::os::unix::fs::symlink("/dev/zero", at).unwrap()),
        ("a pipe", |at| assert!(Command::new("mkfifo").arg(at).status().unwrap().success())),
    ];
    for (what, make) in make {
        cases.case(format!("a manifest that is {what}"), || {
            let place = good_and_evil();
            let good = id(&place, "good");
            make(&path(&place, "odd.manifest.json"));
            for args in [&["list"][..], &["prune", "--orphans", "--older-than", "0s"], &["verify", &good]] {
                let mut running = place.call(args).args(["--from", &place.url()]).spawn();
                for _ in 0..1000 {
                    if running.ended() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                assert!(running.ended(), "{args:?} waits for ever");
                running.wait().ok();
            }
            good_is_good(&place, &good);
        });
    }
    cases.case("folders that lead in circles", || {
        let place = good_and_evil();
        let good = id(&place, "good");
        std::os::unix::fs::symlink(path(&place, ""), path(&place, "circle")).unwrap();
        let listed = place.list();
        assert_eq!(listed.len(), 2, "{listed:?}");
        good_is_good(&place, &good);
    });
}
