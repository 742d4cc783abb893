//! What the unit tests share: private files as text, and dumps built from the documented formats.

use planb_sdk::{Encoding, PrivateFile, PrivatePiece};

use crate::crc::Crc;

/// A private file with the names of its secrets and how they are escaped.
pub(crate) fn text(file: &PrivateFile) -> String {
    let piece = |piece: &PrivatePiece| match piece {
        PrivatePiece::Text(text) => text.clone(),
        PrivatePiece::Path(path) => format!("{{work}}/{path}"),
        PrivatePiece::Secret(secret) => {
            let how = match secret.encoding {
                Encoding::Percent => "percent",
                Encoding::Json => "json",
                _ => "other",
            };
            format!("{{{how} {}}}", secret.name)
        }
    };
    file.content.iter().map(piece).collect()
}

/// A value of a document.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Int(i32),
    Long(i64),
    Bool(bool),
}

/// A document as BSON has it (bsonspec.org, version 1.1).
pub(crate) fn document(fields: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let (kind, bytes) = match value {
            Value::Text(text) => {
                let mut bytes = i32::try_from(text.len() + 1).unwrap().to_le_bytes().to_vec();
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
                (2, bytes)
            }
            Value::Bool(on) => (8, vec![u8::from(*on)]),
            Value::Int(value) => (16, value.to_le_bytes().to_vec()),
            Value::Long(value) => (18, value.to_le_bytes().to_vec()),
        };
        body.push(kind);
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        body.extend(bytes);
    }
    let mut document = i32::try_from(body.len() + 5).unwrap().to_le_bytes().to_vec();
    document.extend(body);
    document.push(0);
    document
}

const TERMINATOR: [u8; 4] = [0xff; 4];

/// An archive as its specification has it (common/archive/spec.md of the tools).
#[derive(Default)]
pub(crate) struct ArchiveBuilder {
    prelude: Vec<u8>,
    blocks: Vec<u8>,
}

impl ArchiveBuilder {
    /// A collection that the archive promises.
    pub(crate) fn promise(mut self, database: &str, collection: &str, kind: &str, metadata: &str) -> Self {
        self.prelude.extend(document(&[
            ("db", Value::Text(database)),
            ("collection", Value::Text(collection)),
            ("metadata", Value::Text(metadata)),
            ("size", Value::Int(0)),
            ("type", Value::Text(kind)),
        ]));
        self
    }

    /// A part of a collection.
    pub(crate) fn part(mut self, database: &str, collection: &str, documents: &[Vec<u8>]) -> Self {
        self.blocks.extend(header(database, collection, false, 0));
        self.blocks.extend(documents.concat());
        self.blocks.extend(TERMINATOR);
        self
    }

    /// The end of a collection that held these documents.
    pub(crate) fn end(mut self, database: &str, collection: &str, documents: &[Vec<u8>]) -> Self {
        let mut crc = Crc::default();
        crc.update(&documents.concat());
        self.blocks.extend(header(database, collection, true, crc.sum().cast_signed()));
        self.blocks.extend(TERMINATOR);
        self
    }

    pub(crate) fn build(self) -> Vec<u8> {
        let mut archive = 0x8199_e26d_u32.to_le_bytes().to_vec();
        archive.extend(document(&[
            ("concurrent_collections", Value::Int(4)),
            ("version", Value::Text("0.1")),
            ("server_version", Value::Text("8.0.4")),
            ("tool_version", Value::Text("100.10.0")),
        ]));
        archive.extend(self.prelude);
        archive.extend(TERMINATOR);
        archive.extend(self.blocks);
        archive
    }
}

fn header(database: &str, collection: &str, eof: bool, crc: i64) -> Vec<u8> {
    document(&[
        ("db", Value::Text(database)),
        ("collection", Value::Text(collection)),
        ("EOF", Value::Bool(eof)),
        ("CRC", Value::Long(crc)),
    ])
}

/// So many small documents.
pub(crate) fn documents(count: i32) -> Vec<Vec<u8>> {
    (0..count).map(|at| document(&[("_id", Value::Int(at)), ("title", Value::Text("Metropolis"))])).collect()
}

/// As `gzip` has it.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
