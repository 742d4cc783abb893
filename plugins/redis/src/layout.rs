//! What a value of each type is made of in an RDB (rdbSaveObject in src/rdb.c of Redis 8.0 and of Valkey 9.1).

/// One piece of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// A string with its length.
    Text,
    /// A length or number in the RDB's own coding.
    Number,
    /// This many bytes.
    Bytes(u64),
    /// A score as text: one byte of length, of which the three highest stand for NaN and the infinities.
    Score,
    /// A number, and so many times these fields.
    Many(&'static [Field]),
    /// The number that stands for the name of a module's type.
    ModuleId,
    /// What a module wrote: fields that each say what they are, up to an end mark.
    Module,
}

use Field::{Bytes, Many, Module, ModuleId, Number, Score, Text};

/// Which fork of the format: they gave the same numbers to different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fork {
    #[default]
    Redis,
    /// `VALKEY080` and above. Valkey 7 and 8 write what Redis 7.2 wrote.
    Valkey,
}

/// A kind of value, by the word that TYPE answers, and its fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) word: &'static str,
    pub(crate) fields: &'static [Field],
    /// Its fields can expire one by one.
    pub(crate) field_expiry: bool,
}

const PENDING: &[Field] = &[Bytes(24), Number];
const OWNED: &[Field] = &[Bytes(16)];
const CONSUMER: &[Field] = &[Text, Bytes(8), Many(OWNED)];
const CONSUMER_3: &[Field] = &[Text, Bytes(16), Many(OWNED)];
const GROUP: &[Field] = &[Text, Number, Number, Many(PENDING), Many(CONSUMER)];
const GROUP_2: &[Field] = &[Text, Number, Number, Number, Many(PENDING), Many(CONSUMER)];
const GROUP_3: &[Field] = &[Text, Number, Number, Number, Many(PENDING), Many(CONSUMER_3)];
const NODES: Field = Many(&[Text, Text]);

/// All types are below.
pub(crate) const KINDS: usize = 32;

/// The layout of a type. None: not one that this engine knows.
pub(crate) fn of(kind: u8, fork: Fork) -> Option<Layout> {
    let (word, fields): (_, &'static [Field]) = match kind {
        0 => ("string", &[Text]),
        1 | 14 => ("list", &[Many(&[Text])]),
        2 => ("set", &[Many(&[Text])]),
        3 => ("zset", &[Many(&[Text, Score])]),
        4 => ("hash", &[Many(&[Text, Text])]),
        5 => ("zset", &[Many(&[Text, Bytes(8)])]),
        // TYPE answers with the name of the module's type.
        7 => ("module", &[ModuleId, Module]),
        // Zipmap, ziplist, intset and listpack: the whole value as one string.
        9 | 13 | 16 => ("hash", &[Text]),
        10 => ("list", &[Text]),
        11 | 20 => ("set", &[Text]),
        12 | 17 => ("zset", &[Text]),
        15 => ("stream", &[NODES, Number, Number, Number, Many(GROUP)]),
        18 => ("list", &[Many(&[Number, Text])]),
        19 => ("stream", &[NODES, Number, Number, Number, Number, Number, Number, Number, Number, Many(GROUP_2)]),
        21 => ("stream", &[NODES, Number, Number, Number, Number, Number, Number, Number, Number, Many(GROUP_3)]),
        22 if fork == Fork::Valkey => ("hash", &[Many(&[Text, Text, Bytes(8)])]),
        // Of the release candidates of Redis 7.4.
        22 => ("hash", &[Many(&[Number, Text, Text])]),
        23 if fork == Fork::Redis => ("hash", &[Text]),
        24 if fork == Fork::Redis => ("hash", &[Bytes(8), Many(&[Number, Text, Text])]),
        25 if fork == Fork::Redis => ("hash", &[Bytes(8), Text]),
        _ => return None,
    };
    Some(Layout { word, fields, field_expiry: kind >= 22 })
}

/// What stands between keys: fields that belong to no value.
pub(crate) const MODULE_AUX: &[Field] = &[Number, Number, Module];
/// What modules of Redis 8.6 keep about the key that follows.
pub(crate) const KEY_META: &[Field] = &[Bytes(4), Module];
/// A slot that is on its way to this node (clusterRDBSaveSlotImports in Valkey 9).
pub(crate) const SLOT_IMPORT: &[Field] = &[Text, Many(&[Number, Number])];
