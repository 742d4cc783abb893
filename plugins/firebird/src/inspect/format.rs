//! The records of a backup and their attributes, as src/burp/burp.h numbers them, formats 6 (Firebird 1) to 11 (Firebird 5).
//!
//! Nearly every attribute is its number, a byte of length and as many bytes. What is longer, sources and compiled code, is a
//! number in that form and then as many bytes as it says (backup.epp, put_blr_blob and put_source_blob).

/// The newest format whose records are known here.
pub(super) const NEWEST: u64 = 11;

pub(super) const BURP: u8 = 0;
pub(super) const RELATION: u8 = 3;
pub(super) const DATA: u8 = 6;
pub(super) const BLOB: u8 = 7;
pub(super) const RELATION_DATA: u8 = 8;
pub(super) const RELATION_END: u8 = 9;
pub(super) const END: u8 = 10;
pub(super) const FUNCTION_END: u8 = 17;
pub(super) const ARRAY: u8 = 23;
pub(super) const GENERATOR: u8 = 26;
pub(super) const PROCEDURE_END: u8 = 29;
pub(super) const EXCEPTION: u8 = 30;

pub(super) const BURP_FORMAT: u8 = 2;
pub(super) const BURP_COMPRESS: u8 = 4;
pub(super) const BURP_TRANSPORTABLE: u8 = 5;
pub(super) const BURP_ZIP: u8 = 10;
pub(super) const BURP_CRYPT: u8 = 12;

/// The name of a relation, of a relation's data, and of a generator.
pub(super) const NAME: u8 = 1;
pub(super) const RELATION_VIEW: u8 = 2;
pub(super) const RELATION_FILE: u8 = 17;
pub(super) const RELATION_TYPE: u8 = 18;

pub(super) const DATA_LENGTH: u8 = 1;
pub(super) const DATA_DATA: u8 = 2;
/// The length of a row in its portable form, which replaces the other.
pub(super) const XDR_LENGTH: u8 = 17;

pub(super) const BLOB_SEGMENTS: u8 = 5;
pub(super) const BLOB_DATA: u8 = 7;
pub(super) const XDR_ARRAY: u8 = 18;

/// A message longer than 255 bytes, whose length has two.
pub(super) const EXCEPTION_MESSAGE: u8 = 5;

/// The long attributes of a record. None: no such record is known.
pub(super) fn long_attributes(record: u8) -> Option<&'static [u8]> {
    Some(match record {
        1 => &[6, 10],                                                 // database
        2 | 4 => &[6, 15, 16, 17, 18, 19, 20, 21, 35, 36, 37, 39, 40], // global and local field
        RELATION => &[2, 3, 9, 11, 13, 14, 15],
        5 => &[6, 9, 10, 11],         // index
        12 => &[12, 13, 19],          // security class
        13 => &[2, 3, 7, 10, 11, 14], // trigger
        15 => &[2, 9, 13, 14, 16],    // function
        16 => &[13, 14, 20],          // argument of a function
        19 => &[4, 13],               // type
        20 => &[7, 12],               // filter
        GENERATOR => &[4],
        27 => &[4, 5, 6, 7, 8, 13], // procedure
        28 => &[5, 6, 7, 8],        // parameter of a procedure
        EXCEPTION => &[3, 4],
        34 => &[7],       // character set
        35 => &[7, 10],   // collation
        36 => &[3],       // role
        37 => &[10],      // mapping
        38 => &[2, 3, 7], // package
        BURP | DATA..=END | 11 | 14 | FUNCTION_END | 18 | 21..=25 | PROCEDURE_END | 31..=33 | 39..=41 => &[],
        _ => return None,
    })
}
