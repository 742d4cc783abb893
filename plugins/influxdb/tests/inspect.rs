//! The inspector against a backup that influxd 1.6.7 wrote, each file cut at every byte, left out, and fed in chunks of any size.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_influxdb::InfluxDb;
use planb_sdk::{Artifact, Engine, Inspection, Mode, Scope, testing};

const FILES: [(&str, &[u8]); 4] = [
    ("20261121T115330Z.manifest", include_bytes!("fixtures/cinema/20261121T115330Z.manifest")),
    ("20261121T115330Z.meta", include_bytes!("fixtures/cinema/20261121T115330Z.meta")),
    ("20261121T115330Z.s1.tar.gz", include_bytes!("fixtures/cinema/20261121T115330Z.s1.tar.gz")),
    ("20261121T115330Z.s2.tar.gz", include_bytes!("fixtures/cinema/20261121T115330Z.s2.tar.gz")),
];

fn inspect_scope(scope: Scope, files: &[(&str, &[u8])], chunk: usize) -> Inspection {
    let request = testing::request("cinema").scope(scope).mode(Mode::Directory);
    let artifact = Artifact::new("influx", "application/octet-stream", "portable");
    testing::inspect_files::<<InfluxDb as Engine>::Inspector>(&request, &artifact, files, chunk)
}

fn inspect(files: &[(&str, &[u8])], chunk: usize) -> Inspection {
    inspect_scope(Scope::Database("cinema".to_owned()), files, chunk)
}

fn objects(inspection: &Inspection) -> String {
    let rows = |rows: Option<u64>| rows.map_or("-".to_owned(), |rows| rows.to_string());
    inspection.objects.iter().map(|object| format!("{} {} {}\n", object.kind, object.name, rows(object.rows))).collect()
}

#[test]
fn fields_and_values() {
    let whole = inspect(&FILES, usize::MAX);
    assert!(whole.complete && whole.findings.is_empty(), "{:?}", whole.findings);
    assert_eq!(
        objects(&whole),
        "field actors.born 3\nfield movies.rating 1\nfield movies.year 3\nfield odd \"na,me.v 1\n"
    );
    for chunk in [1, 2, 3, 7, 64, 65536] {
        assert_eq!(inspect(&FILES, chunk), whole, "chunks of {chunk}");
    }
    assert!(objects(&inspect_scope(Scope::All, &FILES, 100)).starts_with("field cinema.actors.born 3\n"));
}

#[test]
fn a_cut_is_found_anywhere() {
    for at in 0..FILES.len() {
        let mut files = FILES;
        for end in 0..FILES[at].1.len() {
            files[at].1 = &FILES[at].1[..end];
            let cut = inspect(&files, 65536);
            assert!(!cut.complete && !cut.findings.is_empty(), "{} cut at {end}", FILES[at].0);
        }
        let left: Vec<_> = FILES.iter().copied().filter(|file| file.0 != FILES[at].0).collect();
        assert!(!inspect(&left, 65536).complete, "without {}", FILES[at].0);
    }
}

#[test]
fn a_change_is_found() {
    let mut changed = FILES[2].1.to_vec();
    changed[200] ^= 1;
    let mut files = FILES;
    files[2].1 = &changed;
    assert!(!inspect(&files, 65536).complete);
    let mut longer = FILES[2].1.to_vec();
    longer.push(0);
    files[2].1 = &longer;
    assert!(!inspect(&files, 65536).complete);
}
