//! What the unit tests share: private files as text, archives, and a repository built from the documented layout.

use planb_sdk::{PrivateFile, PrivatePiece};

/// A private file with the names of its secrets.
pub(crate) fn text(file: &PrivateFile) -> String {
    let piece = |piece: &PrivatePiece| match piece {
        PrivatePiece::Text(text) => text.clone(),
        PrivatePiece::Path(path) => format!("{{work}}/{path}"),
        PrivatePiece::Secret(secret) => format!("{{secret {}}}", secret.name),
    };
    file.content.iter().map(piece).collect()
}

/// An archive as GNU tar writes it: names, kinds and contents.
pub(crate) fn archive<B: AsRef<[u8]>>(members: &[(&str, u8, B)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, kind, bytes) in members {
        let bytes = bytes.as_ref();
        if path.len() > 100 {
            member(&mut out, "././@LongLink", b'L', format!("{path}\0").as_bytes());
        }
        member(&mut out, path, *kind, bytes);
    }
    out.extend([0; 1024]);
    out.resize(out.len().next_multiple_of(10240), 0);
    out
}

fn member(out: &mut Vec<u8>, path: &str, kind: u8, bytes: &[u8]) {
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes().get(..100).unwrap_or(path.as_bytes()));
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar  \0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend(header);
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// The files of a snapshot of two indices. The contents of `.dat` files stand for what the server writes there.
pub(crate) fn sample() -> Vec<(String, Vec<u8>)> {
    let list = r#"{"min_version":"7.12.0","uuid":"r","snapshots":[{"name":"planb","uuid":"u","state":1,"version":"8.11.1"}],
        "indices":{"movies":{"id":"m","snapshots":["u"],"shard_generations":["g"]},"actors":{"id":"a","snapshots":["u"],"shard_generations":["g"]},
        "gone":{"id":"x","snapshots":["old"],"shard_generations":["g"]}},"index_metadata_identifiers":{}}"#;
    let shard =
        "\u{1}name\u{17}__abcdefghijklmnopqrst-_\u{17}v__bcdefghijklmnopqrstuvw\u{17}__0123456789012345678901\u{2}";
    [
        ("index-0", "{}"),
        ("index-1", list),
        ("index.latest", "\0\0\0\0\0\0\0\u{1}"),
        ("snap-u.dat", "x"),
        ("meta-u.dat", "x"),
        ("indices/m/meta-1.dat", "x"),
        ("indices/m/0/snap-u.dat", shard),
        ("indices/m/0/index-g", "x"),
        ("indices/m/0/__abcdefghijklmnopqrst-_", "data"),
        ("indices/m/0/__0123456789012345678901.part0", "data"),
        ("indices/a/meta-2.dat", "x"),
        ("indices/a/0/snap-u.dat", "nothing"),
    ]
    .into_iter()
    .filter(|(path, _)| *path != "index-0")
    .map(|(path, text)| (format!("planb-backup/{path}"), text.as_bytes().to_vec()))
    .collect()
}
