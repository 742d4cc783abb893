//! Secrets: what is escaped comes back whole, and what is written in a known form is found again by the redactor.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use planb_model::plan::Encoding;
use planb_model::redact::{Redactor, strip_control};
use planb_model::secret::Secret;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9@:/#?&=%+'\" \\\\._~-]{0,24}", "\\PC{0,24}", any::<String>()]
}

fn encoded(value: &str, encoding: &Encoding) -> Option<String> {
    let bytes = Secret::new(value.to_owned()).encode("password", encoding).ok()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

proptest! {
    /// The characters are the plugin's choice, and may be any.
    #[test]
    fn a_backslash_stands_before_each_special_character(value in value(), special in "\\PC{0,4}|[:\\\\' ]{0,4}", forbidden in "\\PC{0,2}|\n?") {
        let encoding = Encoding::Backslash { special: special.clone(), forbidden: forbidden.clone() };
        match encoded(&value, &encoding) {
            None => prop_assert!(value.contains('\0') || value.chars().any(|c| forbidden.contains(c))),
            Some(text) => {
                prop_assert!(!value.contains('\0') && !value.chars().any(|c| forbidden.contains(c)));
                let more = value.chars().filter(|c| special.contains(*c)).count();
                prop_assert_eq!(text.chars().count(), value.chars().count() + more);
                // Where the backslash is special too, reading it back is possible, and gives the same.
                if special.contains('\\') {
                    let (mut back, mut chars) = (String::new(), text.chars());
                    while let Some(c) = chars.next() {
                        back.push(if c == '\\' { chars.next().unwrap() } else { c });
                    }
                    prop_assert_eq!(back, value);
                }
            }
        }
    }

    #[test]
    fn each_doubled_character_stands_twice(value in value(), special in "\\PC{0,4}|['\"`]{0,3}") {
        if let Some(text) = encoded(&value, &Encoding::Doubled(special.clone())) {
            let (mut back, mut chars) = (String::new(), text.chars());
            while let Some(c) = chars.next() {
                if special.contains(c) {
                    prop_assert_eq!(chars.next(), Some(c));
                }
                back.push(c);
            }
            prop_assert_eq!(back, value);
        } else {
            prop_assert!(value.contains('\0'));
        }
    }

    /// In the forms in which planb itself writes it: as it is, in a URL, in JSON.
    #[test]
    fn the_redactor_knows_what_was_written(value in value(), before in "[a-z =\"]{0,4}", after in "[a-z =\"]{0,4}") {
        let redactor = Redactor::new(&[Secret::new(value.clone())]);
        for encoding in [Encoding::Raw, Encoding::Percent, Encoding::Json] {
            let Some(form) = encoded(&value, &encoding) else { continue };
            if form.len() < 4 || "***".contains(&form) {
                continue;
            }
            let text = redactor.redact(&format!("{before}{form}{after}"));
            prop_assert!(!text.contains(&form), "{:?} leaves {:?}", encoding, text);
        }
    }

    #[test]
    fn what_is_shown_steers_nothing(text in any::<String>()) {
        let shown = strip_control(&text);
        prop_assert!(shown.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        prop_assert_eq!(strip_control(&shown), shown);
    }

    #[test]
    fn a_secret_prints_nothing(value in "[a-z]{6,20}") {
        let shown = format!("{:?}", Secret::new(value.clone()));
        prop_assert!(!shown.contains(&value));
    }
}
