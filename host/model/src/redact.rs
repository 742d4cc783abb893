//! The redactor: the last gate before a text reaches a person, a log or a file.
//!
//! Secrets are kept out of messages by their types; the redactor is for texts that come from elsewhere: what a tool
//! prints, what a server answers, what a library puts into its errors.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use crate::secret::{Secret, UNRESERVED};

/// Shorter values are not replaced: a password `a` would blot out every text and thereby tell itself.
const SHORTEST: usize = 4;

/// Replaces known secret values, in the forms in which they are met, by `***`.
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<Zeroizing<String>>,
}

impl Redactor {
    /// One that knows these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut redactor = Self::default();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor
    }

    /// Makes one more secret known: as it is, percent-encoded with and without what needs no escaping, and as the inside of a JSON
    /// string.
    pub fn add(&mut self, secret: &Secret) {
        let value = secret.expose();
        let json = Zeroizing::new(serde_json::Value::from(value).to_string());
        let forms = [
            value.to_owned(),
            percent_encode(value.as_bytes(), NON_ALPHANUMERIC).to_string(),
            percent_encode(value.as_bytes(), UNRESERVED).to_string(),
            json[1..json.len() - 1].to_owned(),
        ];
        for form in forms {
            if form.len() >= SHORTEST && !self.needles.iter().any(|needle| **needle == form) {
                self.needles.push(Zeroizing::new(form));
            }
        }
        // The longest first, so that no secret is left in part when another is its beginning.
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for needle in &self.needles {
            if out.contains(needle.as_str()) {
                out = out.replace(needle.as_str(), "***");
            }
        }
        out
    }

    /// The text without secrets and without control characters: fit for a terminal.
    pub fn clean(&self, text: &str) -> String {
        strip_control(&self.redact(text))
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} forms)", self.needles.len())
    }
}

/// Leaves out what could steer a terminal: every control character but newline and tab, and the bidirectional and
/// zero-width format characters with which a text can pretend to be another.
pub fn strip_control(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || *c == '\t' || !(c.is_control() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_secret_is_replaced() {
        let redactor = Redactor::new(&[Secret::new("p@ss \"word".to_owned())]);
        assert_eq!(
            redactor.redact(r#"as it is p@ss "word, in a URL p%40ss%20%22word, in JSON p@ss \"word"#),
            "as it is ***, in a URL ***, in JSON ***"
        );
    }

    #[test]
    fn the_longer_of_two_secrets_goes_first() {
        let redactor = Redactor::new(&[Secret::new("secret".to_owned()), Secret::new("secret-two".to_owned())]);
        assert_eq!(redactor.redact("secret-two"), "***");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(Redactor::default().clean("a\u{1b}[31mb\r\u{7}c\nd\u{202e}e"), "a[31mbc\nde");
    }

    proptest! {
        #[test]
        fn a_secret_is_gone_wherever_it_stands(before in ".*", secret in "[a-z0-9:@/ '\"]{4,40}", after in ".*") {
            let redactor = Redactor::new(&[Secret::new(secret.clone())]);
            let text = redactor.redact(&format!("{before}{secret}{after}"));
            prop_assert!(!text.contains(&secret) || "***".contains(&secret));
        }
    }
}
