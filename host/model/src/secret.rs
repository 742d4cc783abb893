//! Secrets: values that never show themselves, and the escapings that put them where a tool reads them.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use crate::plan::Encoding;

/// A value that must not be shown: it is wiped from memory when dropped, and prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Every call is a place where it could leak; there are few.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value as it has to stand in its place.
    ///
    /// # Errors
    /// [`SecretError`] where that place cannot hold it: nothing is ever cut off or half escaped.
    pub fn encode(&self, name: &str, encoding: &Encoding) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let value = self.expose();
        if value.contains('\0') {
            return Err(SecretError::Forbidden { name: name.to_owned(), character: "a NUL".to_owned() });
        }
        let encoded = match encoding {
            Encoding::Raw => value.to_owned(),
            Encoding::Percent => percent_encode(value.as_bytes(), UNRESERVED).to_string(),
            Encoding::Json => {
                let quoted = Zeroizing::new(serde_json::Value::from(value).to_string());
                quoted[1..quoted.len() - 1].to_owned()
            }
            Encoding::Backslash { special, forbidden } => {
                if let Some(found) = value.chars().find(|c| forbidden.contains(*c)) {
                    return Err(SecretError::Forbidden { name: name.to_owned(), character: describe(found) });
                }
                let mut out = String::with_capacity(value.len() * 2);
                for c in value.chars() {
                    if special.contains(c) {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out
            }
            Encoding::Doubled(special) => {
                let mut out = String::with_capacity(value.len() * 2);
                for c in value.chars() {
                    if special.contains(c) {
                        out.push(c);
                    }
                    out.push(c);
                }
                out
            }
        };
        Ok(Zeroizing::new(encoded.into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// RFC 3986, 2.3: what needs no escaping anywhere in a URL.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn describe(c: char) -> String {
    match c {
        '\n' => "a newline".to_owned(),
        '\r' => "a carriage return".to_owned(),
        '\t' => "a tab".to_owned(),
        c if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        c => format!("the character {c:?}"),
    }
}

/// Why a secret cannot be used. Says its name, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The place where it has to stand has no way to write one of its characters.
    #[error("the secret `{name}` contains {character}, which the place where this tool reads it cannot hold")]
    Forbidden {
        /// Its name.
        name: String,
        /// Which character, in words.
        character: String,
    },
    /// A plan names a secret that the request does not have.
    #[error("the plan uses the secret `{0}`, which was not given to this run")]
    Unknown(String),
}

/// The secrets of one run by their names.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// Adds or replaces one.
    pub fn insert(&mut self, name: impl Into<String>, secret: Secret) {
        self.0.insert(name.into(), secret);
    }

    /// One by its name.
    pub fn get(&self, name: &str) -> Result<&Secret, SecretError> {
        self.0.get(name).ok_or_else(|| SecretError::Unknown(name.to_owned()))
    }

    /// The names alone: what a plugin is told.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// All values, for the redactor.
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: &str, encoding: &Encoding) -> Result<String, SecretError> {
        let bytes = Secret::new(value.to_owned()).encode("password", encoding)?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn pgpass() -> Encoding {
        Encoding::Backslash { special: ":\\".to_owned(), forbidden: "\n\r".to_owned() }
    }

    #[test]
    fn a_secret_never_prints_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "***");
    }

    #[test]
    fn what_a_place_cannot_hold_is_refused_by_name() {
        let error = encoded("a\nb", &pgpass()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the secret `password` contains a newline, which the place where this tool reads it cannot hold"
        );
        assert!(encoded("a\0b", &Encoding::Raw).is_err());
    }

    proptest! {
        #[test]
        fn percent_decodes_to_the_same(value in "[^\0]*") {
            let text = encoded(&value, &Encoding::Percent).unwrap();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(percent_encoding::percent_decode_str(&text).decode_utf8().unwrap(), value);
        }

        #[test]
        fn json_parses_to_the_same(value in "[^\0]*") {
            let text = format!("\"{}\"", encoded(&value, &Encoding::Json).unwrap());
            prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
        }

        #[test]
        fn backslashes_unescape_to_the_same(value in "[^\0\n\r]*") {
            let text = encoded(&value, &pgpass()).unwrap();
            let mut back = String::new();
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, ':');
                back.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            prop_assert_eq!(back, value);
        }

        #[test]
        fn doubling_is_undone_by_halving(value in "[^\0]*") {
            let text = encoded(&value, &Encoding::Doubled("'".to_owned())).unwrap();
            prop_assert_eq!(text.replace("''", "'"), value);
        }
    }
}
