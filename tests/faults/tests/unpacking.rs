//! What unpacks to more than it says, and what unpacks to elsewhere.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use planb_faults::cases::Cases;
use planb_faults::forge::{exchange, good_and_evil, good_is_good, id, is_refused, manifest, object, put_manifest};
use planb_faults::place::Place;
use planb_faults::shop::{files, peak_memory};
use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::{provision, skip};

/// What unpacks to much more than it says is cut off there, without the memory or the disk for it.
#[test]
fn bombs() {
    skip!(provision::apt(&["sqlite3", "zstd", "gzip"]));
    let mut cases = Cases::new("tampering");
    let made = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap().stdout;
    for (what, compression, script) in [
        ("zstd of 2 GiB", "zstd:3", "head -c 2147483648 /dev/zero | zstd -q -3 -c"),
        ("zstd with a window of 2 GiB", "zstd:3", "head -c 2147483648 /dev/zero | zstd -q -3 --long=31 -c"),
        ("gzip of 1 GiB", "gzip:6", "head -c 1073741824 /dev/zero | gzip -1 -c"),
        (
            "a thousand gzip members",
            "gzip:6",
            "head -c 1000000 /dev/zero | gzip -c >$$; for i in $(seq 1000); do cat $$; done; rm $$",
        ),
        (
            "zstd in many frames",
            "zstd:3",
            "head -c 10000000 /dev/zero | zstd -q -c >$$; for i in $(seq 200); do cat $$; done; rm $$",
        ),
    ] {
        cases.case(what, || {
            let place = good_and_evil();
            let bomb = made(&format!("cd {}; {script}", place.path("home").display()));
            assert!(!bomb.is_empty() && bomb.len() < 16 << 20, "{} bytes", bomb.len());
            let mut forged = manifest(&place, "evil");
            let plain = (forged["plain_bytes"].as_u64().unwrap(), forged["plain_sha256"].as_str().unwrap().to_owned());
            forged["compression"] = compression.into();
            put_manifest(&place, "evil", &forged);
            exchange(&place, "evil", &bomb, Some(plain));
            let evil = id(&place, "evil");
            is_refused(&place, &evil);
            let mut running = place.read("verify", &evil).spawn();
            let mut peak = 0;
            while !running.ended() {
                peak = peak_memory(running.pid()).unwrap_or(0).max(peak);
                std::thread::sleep(Duration::from_millis(2));
            }
            running.wait().expect_code(5);
            assert!(peak < 400 << 10, "{peak} KiB");
            good_is_good(&place, &id(&place, "good"));
        });
    }
}

/// A tar by Python, which lets one write anything: entries are `(name, type, link)`.
fn tar(at: &Path, entries: &str) -> Vec<u8> {
    let script = format!(
        "import tarfile, io, sys\n\
         t = tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT)\n\
         for name, kind, link in {entries}:\n\
         \ti = tarfile.TarInfo(name); i.type = getattr(tarfile, kind); i.linkname = link\n\
         \ti.size = 5 if kind == 'REGTYPE' else 0\n\
         \tt.addfile(i, io.BytesIO(b'owned'))\n\
         t.close()\n"
    );
    let out = at.join("evil.tar");
    let done = Command::new("python3").args(["-c", &script]).arg(&out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(out).unwrap()
}

#[test]
fn paths_that_lead_out_of_a_tar_or_a_directory() {
    let server = skip!(Postgres::start(Version::V15, Options::default()));
    server.create_database("app");
    server.psql("app", "CREATE TABLE t AS SELECT generate_series(1, 10) AS a");
    let mut cases = Cases::new("tampering");
    let place = Place::new();
    let run = |name: &str, mode: &str| {
        let url = server.url("app");
        let run = place.call(&[
            "run",
            "--plugin",
            "postgres",
            "--db",
            &url,
            "--mode",
            mode,
            "--name",
            name,
            "--compress",
            "none",
        ]);
        run.args(["--to", &place.url()]).env("PLANB_TOOL_PATH", server.bin_dir()).run().ok();
    };
    run("tar", "tar");
    run("tree", "directory");
    let restore = |id: &str| {
        server.psql("postgres", "DROP DATABASE IF EXISTS target");
        let url = server.url("target");
        let restore = place.call(&["restore", id, "--plugin", "postgres", "--db", &url, "--from", &place.url()]);
        restore.env("PLANB_TOOL_PATH", server.bin_dir()).run()
    };
    let absolute = place.path("absolute");
    for (what, entries) in [
        ("a path upwards", "[('../evil', 'REGTYPE', '')]".to_owned()),
        ("a path upwards, hidden", "[('a/../../evil', 'REGTYPE', '')]".to_owned()),
        ("an absolute path", format!("[('{}', 'REGTYPE', '')]", absolute.display())),
        (
            "a link and a file through it",
            format!("[('x', 'SYMTYPE', '{}'), ('x/evil', 'REGTYPE', '')]", place.path("home").display()),
        ),
        ("a link in place of a file", "[('toc.dat', 'SYMTYPE', '/etc/passwd')]".to_owned()),
        ("a hard link", "[('toc.dat', 'LNKTYPE', '/etc/passwd')]".to_owned()),
        ("a device", "[('x', 'CHRTYPE', '')]".to_owned()),
        ("a pipe", "[('x', 'FIFOTYPE', '')]".to_owned()),
        ("a folder", "[('x', 'DIRTYPE', '')]".to_owned()),
        ("the same name twice", "[('x', 'REGTYPE', ''), ('x', 'REGTYPE', '')]".to_owned()),
        ("a name that is empty", "[('', 'REGTYPE', '')]".to_owned()),
        ("a file and a file below it", "[('x', 'REGTYPE', ''), ('x/y', 'REGTYPE', '')]".to_owned()),
        ("a name of 5,000 letters", "[('x' * 5000, 'REGTYPE', '')]".to_owned()),
        (
            "a hundred thousand empty names",
            "[('%d' % n, 'REGTYPE', '') for n in range(3000)] + [('../evil', 'REGTYPE', '')]".to_owned(),
        ),
    ] {
        cases.case(format!("a tar with {what}"), || {
            let honest = (fs::read(object(&place, "tar")).unwrap(), manifest(&place, "tar"));
            exchange(&place, "tar", &tar(&place.path("home"), &entries), None);
            let outside = || -> BTreeSet<String> {
                files(&place.path("")).into_iter().filter(|file| !file.starts_with("work/")).collect()
            };
            let before = outside();
            let done = restore(&id(&place, "tar"));
            assert!(matches!(done.code, Some(1 | 5)), "{done:?}");
            assert_eq!(outside(), before, "something was written");
            assert!(!absolute.exists());
            assert!(!Path::new("/tmp/evil").exists());
            place.nothing_runs();
            fs::write(object(&place, "tar"), &honest.0).unwrap();
            put_manifest(&place, "tar", &honest.1);
        });
    }
    cases.case("the honest tar", || drop(restore(&id(&place, "tar")).ok()));
    let honest = manifest(&place, "tree");
    for name in ["../evil", "/tmp/evil", "a/../../evil", "..", "", ".", "toc.dat/", "a//b", "a\u{0}b", "a\\..\\b"] {
        cases.case(format!("a directory with the file {name:?}"), || {
            let mut forged = honest.clone();
            forged["files"][0]["path"] = name.into();
            put_manifest(&place, "tree", &forged);
            let done = restore(honest["id"].as_str().unwrap());
            assert!(matches!(done.code, Some(1 | 2 | 5)), "{done:?}");
            assert!(!Path::new("/tmp/evil").exists());
            place.nothing_runs();
            put_manifest(&place, "tree", &honest);
        });
    }
    cases.case("a directory with one file twice", || {
        let mut forged = honest.clone();
        let twice = forged["files"][0].clone();
        for field in ["plain_bytes", "stored_bytes"] {
            forged[field] = (forged[field].as_u64().unwrap() + twice[field].as_u64().unwrap()).into();
        }
        forged["files"].as_array_mut().unwrap().push(twice);
        put_manifest(&place, "tree", &forged);
        let done = restore(honest["id"].as_str().unwrap());
        assert_ne!(done.code, Some(0), "{done:?}");
        put_manifest(&place, "tree", &honest);
    });
    cases.case("the honest directory", || drop(restore(&id(&place, "tree")).ok()));
}
