//! Networks that fail between planb and a store: what can be tried again is, and what cannot ends the run in time.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests fail by panicking, and start sqlite3 themselves"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use planb_harness::stores::SeaweedFs;
use planb_harness::{provision, skip};
use support::{assert_bare, dump, folder, large, list, restore, run, verify, with};

/// How the way to the server fails.
#[derive(Debug, Default)]
struct Faults {
    /// This many connections are cut in the middle...
    cuts: AtomicU64,
    /// ...once this many bytes went over one of them, in either direction.
    cut_after: AtomicU64,
    /// Connections that were cut.
    were_cut: AtomicU64,
    /// Once so many bytes went over all of them, every connection is closed and stays so.
    ends_after: AtomicU64,
    total: AtomicU64,
}

/// A way to a server: what comes in on its port goes there, as far as the faults let it. Ends with the test's process.
fn way_to(port: u16, faults: &Arc<Faults>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let here = listener.local_addr().unwrap().port();
    let faults = Arc::clone(faults);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let ended = faults.total.load(Ordering::Relaxed) >= faults.ends_after.load(Ordering::Relaxed);
            let Some(server) = (!ended).then(|| TcpStream::connect(("127.0.0.1", port)).ok()).flatten() else {
                continue;
            };
            let over_this = Arc::new(AtomicU64::new(0));
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let (faults, over_this) = (Arc::clone(&faults), Arc::clone(&over_this));
                std::thread::spawn(move || {
                    carry(&from, &to, &faults, &over_this);
                    // One direction that ends takes the other with it: HTTP has no use for half a connection.
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                });
            }
        }
    });
    here
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, faults: &Faults, over_this: &AtomicU64) {
    let mut buffer = [0; 16 << 10];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer) else { return };
        let over = over_this.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        let total = faults.total.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        if total >= faults.ends_after.load(Ordering::Relaxed) {
            return;
        }
        let cut = over >= faults.cut_after.load(Ordering::Relaxed)
            && faults.cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if cut {
            faults.were_cut.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

fn port_of(s3: &SeaweedFs) -> u16 {
    s3.endpoint().rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("flaky");
    let at = folder();
    let db = large(at.path(), 24);
    let faults = Arc::new(Faults { ends_after: u64::MAX.into(), ..Faults::default() });
    let url = format!("s3://flaky/x?endpoint=http://127.0.0.1:{}", way_to(port_of(&s3), &faults));
    let break_some = |n: u64| {
        faults.were_cut.store(0, Ordering::Relaxed);
        faults.cut_after.store(1 << 20, Ordering::Relaxed);
        faults.cuts.store(n, Ordering::Relaxed);
    };
    break_some(3);
    let made = with(run(&db), &s3.env()).args(["--to", &url, "--compress", "none", "--part-size", "5"]).run().ok();
    assert_eq!(faults.were_cut.load(Ordering::Relaxed), 3, "the network did fail");
    assert_eq!(made.json()["status"], "success");
    assert_eq!(s3.unfinished_uploads("flaky"), 0);
    // Straight, without the faults: what is there is what was dumped.
    with(verify(&s3.url("flaky", "x")), &s3.env()).run().ok();
    break_some(3);
    with(verify(&url), &s3.env()).run().ok();
    assert_eq!(faults.were_cut.load(Ordering::Relaxed), 3, "the network did fail");
    break_some(3);
    let copy = at.path().join("copy.db");
    with(restore(&url, &copy), &s3.env()).run().ok();
    assert_eq!(faults.were_cut.load(Ordering::Relaxed), 3, "the network did fail");
    assert!(dump(&copy) == dump(&db), "the copy is the same");
}

#[test]
fn a_store_that_goes_away_costs_the_other_nothing() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("gone");
    let at = folder();
    let db = large(at.path(), 40);
    let faults = Arc::new(Faults { ends_after: (12 << 20).into(), ..Faults::default() });
    let url = format!("s3://gone/x?endpoint=http://127.0.0.1:{}", way_to(port_of(&s3), &faults));
    let disk = at.path().join("disk").display().to_string();
    let work = at.path().join("work");
    let made = with(run(&db), &s3.env())
        .args(["--to", &url, "--to", &disk, "--compress", "none", "--part-size", "5", "--work-dir"])
        .arg(&work)
        .run();
    let made = made.expect_code(3);
    assert!(faults.total.load(Ordering::Relaxed) >= 12 << 20, "the network did fail");
    let report = made.json();
    assert_eq!(report["status"], "partial", "{made:?}");
    let stores = report["stores"].as_array().unwrap();
    assert_eq!((&stores[0]["status"], &stores[1]["status"]), (&"failed".into(), &"success".into()), "{made:?}");
    assert!(made.stderr.contains("cannot be reached"), "{made:?}");
    // Nothing of it is listed where it failed, and the other copy is whole.
    let there = with(list(&s3.url("gone", "x")), &s3.env()).run().ok();
    assert_eq!(there.json(), serde_json::json!([]));
    verify(&disk).run().ok();
    let copy = at.path().join("copy.db");
    restore(&disk, &copy).run().ok();
    assert!(dump(&copy) == dump(&db), "the copy is the same");
    assert_bare(&work);
}

#[test]
fn a_store_that_goes_away_in_a_restore_leaves_the_target_alone() {
    skip!(provision::apt(&["sqlite3"]));
    let s3 = skip!(SeaweedFs::start());
    s3.create_bucket("gone");
    let at = folder();
    let db = large(at.path(), 16);
    with(run(&db), &s3.env()).args(["--to", &s3.url("gone", "x"), "--compress", "none"]).run().ok();
    let faults = Arc::new(Faults { ends_after: (6 << 20).into(), ..Faults::default() });
    let url = format!("s3://gone/x?endpoint=http://127.0.0.1:{}", way_to(port_of(&s3), &faults));
    let copy = at.path().join("copy.db");
    let failed = with(restore(&url, &copy), &s3.env()).run().expect_code(1).says(&["(storage)", "cannot be reached"]);
    assert!(!copy.exists(), "{failed:?}");
    assert!(faults.total.load(Ordering::Relaxed) >= 6 << 20, "the network did fail");
}
