//! Whatever a plan and a user say: what comes of it is a command line in which each item is what it was meant to be.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::{Component, Path};

use planb_model::argv::{below, render, shell};
use planb_model::plan::{Arg, ArgPiece};
use proptest::prelude::*;

/// Texts in which dashes, NULs, quotes, slashes and line breaks are frequent.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z-]{0,6}",
        2 => "(-|--|/|\\.\\./|\\.|\0|'|\"|\n|\\\\| |=|é|a){0,6}",
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
}

fn piece() -> impl Strategy<Value = ArgPiece> {
    prop_oneof![text().prop_map(ArgPiece::Text), text().prop_map(ArgPiece::Path)]
}

fn pieces() -> impl Strategy<Value = Vec<ArgPiece>> {
    proptest::collection::vec(piece(), 0..4)
}

fn arg() -> impl Strategy<Value = Arg> {
    let name = prop_oneof![Just("--host=".to_owned()), Just("-p".to_owned()), text()];
    prop_oneof![
        text().prop_map(Arg::Literal),
        (name.clone(), pieces()).prop_map(|(name, value)| Arg::Option { name, value }),
        (name, pieces()).prop_map(|(name, value)| Arg::Pair { name, value }),
        pieces().prop_map(Arg::Value),
        text().prop_map(Arg::Script),
        Just(Arg::Extra),
    ]
}

/// What a shell makes of a line: its words, unquoted.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => all.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

proptest! {
    #[test]
    fn no_value_becomes_an_option(
        args in proptest::collection::vec(arg(), 0..6),
        extra in proptest::collection::vec(text(), 0..3),
    ) {
        let work = Path::new("/run/planb/work");
        let Ok(items) = render("tool", &args, work, &extra) else { return Ok(()) };
        let mut rest = items.iter();
        for arg in &args {
            match arg {
                Arg::Literal(text) => prop_assert_eq!(rest.next(), Some(text)),
                Arg::Option { name, .. } => {
                    let item = rest.next().unwrap();
                    prop_assert!(name.starts_with('-') && item.starts_with(name.as_str()), "{:?}", item);
                }
                Arg::Pair { name, .. } => {
                    prop_assert_eq!(rest.next(), Some(name));
                    let value = rest.next().unwrap();
                    prop_assert!(name.starts_with('-') && !value.is_empty() && !value.starts_with('-'), "{:?}", value);
                }
                Arg::Value(_) | Arg::Script(_) => {
                    let value = rest.next().unwrap();
                    prop_assert!(!value.is_empty() && !value.starts_with('-'), "{:?}", value);
                }
                Arg::Extra => {
                    for text in &extra {
                        prop_assert_eq!(rest.next(), Some(text));
                    }
                }
            }
        }
        prop_assert_eq!(rest.next(), None);
        prop_assert!(items.iter().all(|item| !item.contains('\0') && item.len() < 128 * 1024));
    }

    #[test]
    fn no_path_leaves_the_work_directory(path in "(\\.\\.|\\.|/|a|b|\0|\\\\| |é|-){0,10}|.*") {
        let work = Path::new("/run/planb/work");
        if let Ok(place) = below(work, &path) {
            let inside = place.strip_prefix(work).unwrap();
            prop_assert!(inside.components().all(|part| matches!(part, Component::Normal(_))), "{:?}", place);
            prop_assert!(!path.contains('\0') && !path.starts_with('/'));
        } else {
            prop_assert!(path.contains("..") || path.starts_with('/') || path.contains(['\0', '\\']), "{:?}", path);
        }
    }

    /// What `--dry-run` shows can be typed.
    #[test]
    fn a_shown_command_line_reads_back(items in proptest::collection::vec("[^\0]{0,12}|(')*|(\\\\|'| |\"|\\$|;)*", 0..5)) {
        let mut expected = vec!["tool".to_owned()];
        expected.extend(items.iter().cloned());
        prop_assert_eq!(words(&shell("tool", &items)), expected);
    }
}
