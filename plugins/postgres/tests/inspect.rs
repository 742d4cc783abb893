//! The inspector against dumps that the real tools wrote, cut at every byte and fed in chunks of any size.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_postgres::Postgres;
use planb_sdk::{Artifact, Engine, Inspection, testing};

type Inspector = <Postgres as Engine>::Inspector;

fn artifact(format: &str) -> Artifact {
    Artifact::new("x", "x/x", format)
}

fn inspect(format: &str, dump: &[u8], chunk: usize) -> Inspection {
    testing::inspect::<Inspector>(&testing::request("x"), &artifact(format), dump, chunk)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn rendered(inspection: &Inspection) -> String {
    let rows = |rows: Option<u64>| rows.map_or("-".to_owned(), |rows| rows.to_string());
    let objects: Vec<String> = inspection
        .objects
        .iter()
        .map(|object| format!("{} {} {}", object.kind, object.name, rows(object.rows)))
        .collect();
    objects.join("\n")
}

const OBJECTS: &str = "\
schema app -
sequence app.\"Odd \"\"Name_id_seq\" -
table app.\"Odd \"\"Name\" 2
table public.empty_one 0
table public.movies 3
table public.parted -
view public.v -
large-object pg_largeobject 2";

/// The same answer for any chunks, and no prefix of the dump that is taken for whole.
#[track_caller]
fn check(format: &str, dump: &[u8], objects: &str) {
    let whole = inspect(format, dump, usize::MAX);
    assert_eq!(rendered(&whole), objects);
    assert!(whole.complete, "{:?}", whole.findings);
    assert_eq!(whole.findings, Vec::<String>::new());
    for chunk in [1, 2, 3, 7, 64, 65536] {
        assert_eq!(inspect(format, dump, chunk), whole, "chunks of {chunk}");
    }
    testing::inspect_cut_anywhere::<Inspector>(&testing::request("x"), &artifact(format), dump);
    // Nor one without its last empty lines.
    for end in dump.trim_ascii_end().len()..dump.len() {
        assert!(!inspect(format, &dump[..end], 65536).complete, "cut at {end}");
    }
    assert!(!inspect(format, &[dump, b"x"].concat(), 65536).complete, "one byte too many");
}

#[test]
fn plain() {
    let dump = include_bytes!("fixtures/plain-15.sql");
    check("plain", dump, OBJECTS);
}

#[test]
fn plain_with_inserts() {
    // A table without rows has no statement of its own.
    check("plain", include_bytes!("fixtures/inserts-15.sql"), &OBJECTS.replace("empty_one 0", "empty_one -"));
}

#[test]
fn globals() {
    check("globals", include_bytes!("fixtures/globals-15.sql"), "role postgres -");
}

#[test]
fn custom() {
    check("custom", &unhex(include_str!("fixtures/custom-15.hex")), OBJECTS);
}

#[test]
fn not_what_it_says() {
    let plain = include_bytes!("fixtures/plain-15.sql");
    let custom = unhex(include_str!("fixtures/custom-15.hex"));
    assert!(!inspect("custom", plain, 64).complete);
    assert!(inspect("custom", plain, 64).findings.concat().contains("PGDMP"));
    assert!(!inspect("plain", &custom, 64).complete);
    // A dump of roles is no dump of a database.
    assert!(!inspect("plain", include_bytes!("fixtures/globals-15.sql"), 64).complete);
}

/// Random damage may go unseen, but does not stop the plugin.
#[test]
fn damage_is_survived() {
    let custom = unhex(include_str!("fixtures/custom-15.hex"));
    for at in 0..custom.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = custom.clone();
            damaged[at] = value;
            let _ = inspect("custom", &damaged, 4096);
        }
    }
}

/// Version 1.16 of the format: pg_dump 17 and 18.
#[test]
fn custom_of_a_newer_tool() {
    check("custom", &unhex(include_str!("fixtures/custom-18.hex")), OBJECTS);
}

/// The files of a directory dump, in any order.
#[test]
fn directory() {
    let file = |name: &'static str, text: &str| (name, unhex(text));
    let files = vec![
        file("3360.dat", include_str!("fixtures/directory-15/3360.dat.hex")),
        file("3362.dat", include_str!("fixtures/directory-15/3362.dat.hex")),
        file("3363.dat", include_str!("fixtures/directory-15/3363.dat.hex")),
        file("blob_16456.dat", include_str!("fixtures/directory-15/blob_16456.dat.hex")),
        file("blob_16457.dat", include_str!("fixtures/directory-15/blob_16457.dat.hex")),
        file("blobs.toc", include_str!("fixtures/directory-15/blobs.toc.hex")),
        file("toc.dat", include_str!("fixtures/directory-15/toc.dat.hex")),
    ];
    let inspect = |files: &[(&str, Vec<u8>)], chunk: usize| {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        testing::inspect_files::<Inspector>(&testing::request("x"), &artifact("directory"), &files, chunk)
    };
    let whole = inspect(&files, 65536);
    assert_eq!(rendered(&whole), OBJECTS);
    assert!(whole.complete, "{:?}", whole.findings);
    let mut turned = files.clone();
    turned.reverse();
    for chunk in [1, 2, 3, 7, 64] {
        assert_eq!(inspect(&turned, chunk), whole, "chunks of {chunk}");
    }
    for missing in 0..files.len() {
        let mut files = files.clone();
        let (name, _) = files.remove(missing);
        assert!(!inspect(&files, 64).complete, "without {name}");
    }
    // What a large object held cannot be told from what is left of it; everything else can.
    for file in (0..files.len()).filter(|&file| !files[file].0.starts_with("blob_")) {
        for end in 0..files[file].1.len() {
            let mut files = files.clone();
            files[file].1.truncate(end);
            assert!(!inspect(&files, 65536).complete, "{} cut at {end}", files[file].0);
        }
    }
}

/// The tables' rows are counted where the data is unpacked, and not known where it is not.
fn without_rows() -> String {
    let unknown = |line: &str| match line.rsplit_once(' ') {
        Some((head, _)) if line.starts_with("table ") => format!("{head} -"),
        _ => line.to_owned(),
    };
    OBJECTS.lines().map(unknown).collect::<Vec<_>>().join("\n")
}

#[test]
fn custom_and_compressed() {
    check("custom", &unhex(include_str!("fixtures/custom-15-gzip.hex")), OBJECTS);
    check("custom", &unhex(include_str!("fixtures/custom-17-zstd.hex")), &without_rows());
}

/// The end of every compressed file is looked for, that of a large object too.
#[test]
fn directories_that_are_compressed() {
    for (listing, objects) in [
        (include_str!("fixtures/directory-17-gzip.txt"), OBJECTS.to_owned()),
        (include_str!("fixtures/directory-17-zstd.txt"), without_rows()),
        (include_str!("fixtures/directory-17-lz4.txt"), without_rows()),
    ] {
        let files: Vec<(&str, Vec<u8>)> = listing
            .lines()
            .map(|line| line.split_once(' ').map(|(name, digits)| (name, unhex(digits))).unwrap())
            .collect();
        let inspect = |changed: Option<(usize, &[u8])>, chunk: usize| {
            let files: Vec<(&str, &[u8])> = (files.iter().enumerate())
                .map(|(at, (name, bytes))| match changed {
                    Some((file, bytes)) if file == at => (*name, bytes),
                    _ => (*name, bytes.as_slice()),
                })
                .collect();
            testing::inspect_files::<Inspector>(&testing::request("x"), &artifact("directory"), &files, chunk)
        };
        let whole = inspect(None, 65536);
        assert_eq!(rendered(&whole), objects);
        assert!(whole.complete, "{:?}", whole.findings);
        assert_eq!(inspect(None, 1), whole);
        for (at, (name, bytes)) in files.iter().enumerate() {
            for end in 0..bytes.len() {
                assert!(!inspect(Some((at, &bytes[..end])), 65536).complete, "{name} cut at {end}");
            }
        }
    }
}
