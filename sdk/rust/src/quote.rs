//! Quoting for the places where a value stands inside a statement that the author wrote.

/// An SQL identifier in double quotes: `a"b` becomes `"a""b"`. Never folded, never a keyword.
pub fn sql_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A standard SQL string: `it's` becomes `'it''s'`. Right where a backslash has no meaning of its own in strings.
pub fn sql_string(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A value of a libpq connection string, in single quotes: `a'b\` becomes `'a\'b\\'`.
/// (PostgreSQL manual, 34.1.1.1 "Keyword/Value Connection Strings".)
pub fn conninfo_value(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Percent-encodes every byte but `A-Z a-z 0-9 - . _ ~` and those of `keep`, for a component of a URL (RFC 3986, 2.3).
pub fn percent(value: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte);
        if plain {
            encoded.push(char::from(byte));
        } else {
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
        // The sign comes before its digits.
        if !plain {
            encoded.insert(encoded.len() - 2, '%');
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(sql_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(sql_string("it's"), "'it''s'");
        assert_eq!(conninfo_value("a'b\\"), "'a\\'b\\\\'");
        assert_eq!(percent("/a b?é", "/"), "/a%20b%3F%C3%A9");
    }
}
