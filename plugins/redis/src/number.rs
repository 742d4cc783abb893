//! Numbers and lengths as an RDB has them (rdbLoadLenByRef in src/rdb.c). They may not be here to their end yet: that is `None`.

use crate::strings::Coding;
use crate::visitor::Stop;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Of the length itself, and of the bytes behind it.
    pub(crate) size: usize,
    pub(crate) coding: Coding,
    pub(crate) length: u64,
}

/// A number, or the way in which a string is stored.
type Stored = Result<u64, u8>;

/// A number as rdbSaveLen writes it, or the kind of a specially stored string. None: its end is not here yet.
#[inline]
fn number(bytes: &[u8]) -> Result<Option<(Stored, usize)>, Stop> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let low = first & 0x3f;
    Ok(match (first >> 6, first) {
        (0, _) => Some((Ok(u64::from(low)), 1)),
        (1, _) => rest.first().map(|&second| (Ok(u64::from(low) << 8 | u64::from(second)), 2)),
        (3, _) => Some((Err(low), 1)),
        (_, 0x80) => rest.first_chunk::<4>().map(|bytes| (Ok(u64::from(u32::from_be_bytes(*bytes))), 5)),
        (_, 0x81) => rest.first_chunk::<8>().map(|bytes| (Ok(u64::from_be_bytes(*bytes)), 9)),
        _ => return Err(Stop::Damaged(format!("a length begins with {first:#04x}, which none does"))),
    })
}

pub(crate) fn plain_number(bytes: &[u8]) -> Result<Option<(u64, usize)>, Stop> {
    match number(bytes)? {
        None => Ok(None),
        Some((Ok(number), size)) => Ok(Some((number, size))),
        Some((Err(_), _)) => Err(Stop::Damaged("a string stands where a number has to".to_owned())),
    }
}

#[inline]
pub(crate) fn text_head(bytes: &[u8]) -> Result<Option<Head>, Stop> {
    let Some((length, size)) = number(bytes)? else {
        return Ok(None);
    };
    let (coding, length) = match length {
        Ok(length) => (Coding::Plain, length),
        Err(0) => (Coding::Number, 1),
        Err(1) => (Coding::Number, 2),
        Err(2) => (Coding::Number, 4),
        Err(3) => {
            let Some((packed, packed_size)) = plain_number(bytes.get(size..).unwrap_or_default())? else {
                return Ok(None);
            };
            let size = size + packed_size;
            let Some((length, length_size)) = plain_number(bytes.get(size..).unwrap_or_default())? else {
                return Ok(None);
            };
            return Ok(Some(Head { size: size + length_size, coding: Coding::Lzf(length), length: packed }));
        }
        Err(other) => return Err(Stop::Damaged(format!("a string is stored in way {other}, which none is"))),
    };
    Ok(Some(Head { size, coding, length }))
}

pub(crate) enum ModuleField {
    End(usize),
    /// So many bytes, and so many that may lie beyond.
    Some(usize, u64),
}

/// RDB_MODULE_OPCODE_*: each field of a module's value says what it is.
pub(crate) fn module_field(bytes: &[u8]) -> Result<Option<ModuleField>, Stop> {
    let Some((code, size)) = plain_number(bytes)? else {
        return Ok(None);
    };
    let rest = bytes.get(size..).unwrap_or_default();
    Ok(match code {
        0 => Some(ModuleField::End(size)),
        1 | 2 => plain_number(rest)?.map(|(_, number)| ModuleField::Some(size + number, 0)),
        3 => Some(ModuleField::Some(size, 4)),
        4 => Some(ModuleField::Some(size, 8)),
        5 => text_head(rest)?.map(|head| ModuleField::Some(size + head.size, head.length)),
        other => return Err(Stop::Damaged(format!("a module's value has a field of kind {other}, which none has"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_size() {
        for (bytes, value) in [
            (&[0x05][..], 5),
            (&[0x41, 0x02], 0x102),
            (&[0x80, 0, 1, 0, 0], 0x1_0000),
            (&[0x81, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
        ] {
            assert_eq!(plain_number(bytes).unwrap(), Some((value, bytes.len())));
            for end in 0..bytes.len() {
                assert_eq!(plain_number(&bytes[..end]).unwrap(), None);
            }
        }
        assert!(plain_number(&[0x82]).is_err());
        assert!(plain_number(&[0xc0]).is_err());
        assert!(text_head(&[0xc4]).is_err());
        let head = text_head(&[0xc3, 0x09, 0x28]).unwrap().unwrap();
        assert_eq!((head.size, head.length, head.coding), (3, 9, Coding::Lzf(40)));
        assert!(text_head(&[0xc3, 0x09]).unwrap().is_none());
    }
}
