//! As much of the protobuf wire format as is needed to find a name (protobuf.dev, "Encoding").

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string, bytes, or a message.
    Bytes(&'a [u8]),
    /// A number.
    Number,
}

/// The fields of a message. `None` for one that is cut or unknown, and nothing after it.
fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, Value<'_>)>> {
    let mut rest = message;
    let mut broken = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || broken {
            return None;
        }
        let field = field(&mut rest);
        broken = field.is_none();
        Some(field)
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = varint(rest)?;
    let value = match tag & 7 {
        0 => varint(rest).map(|_| Value::Number)?,
        1 => take(rest, 8).map(|_| Value::Number)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Value::Number)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

/// A number in base 128, least significant group first.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// All fields of a message, or none of one that is cut.
pub(super) fn all(message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    fields(message).collect()
}
