//! `--option`: what is resolved is declared, once, and of its kind.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeSet;

use planb_model::engine::{Description, Setting, SettingKind};
use planb_model::settings::resolve;
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = SettingKind> {
    prop_oneof![
        Just(SettingKind::Text),
        Just(SettingKind::Number),
        Just(SettingKind::Toggle),
        Just(SettingKind::Path),
        proptest::collection::vec("[a-z]{0,3}", 0..4).prop_map(SettingKind::Choice),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["(true|FALSE|yes|No|on|off|0|1|-1|00|18446744073709551616|1e3| 1)", "[a-z]{0,3}", any::<String>()]
}

fn setting() -> impl Strategy<Value = Setting> {
    ("[ab]{1,2}", kind(), proptest::option::of(value())).prop_map(|(name, kind, default)| Setting {
        name,
        kind,
        default,
        summary: String::new(),
    })
}

fn engine(settings: Vec<Setting>) -> Description {
    Description {
        key: "x".into(),
        name: "X".into(),
        aliases: vec![],
        version: "0.1.0".into(),
        schemes: vec![],
        default_port: None,
        default_user: None,
        file_based: true,
        tools: vec![],
        env: vec![],
        inherit: vec![],
        params: vec![],
        secrets: vec![],
        settings,
        modes: vec![],
        scopes: vec![],
        native_compression: false,
        stream_conflicts: vec![],
        plans_by_inventory: false,
        restores_offline: false,
    }
}

proptest! {
    #[test]
    fn what_is_resolved_is_of_its_kind(
        settings in proptest::collection::vec(setting(), 0..5),
        given in proptest::collection::vec(("[abc]{1,2}", value()), 0..4),
    ) {
        // A plugin with two settings of one name is refused when it is loaded.
        let mut names = BTreeSet::new();
        let settings: Vec<_> = settings.into_iter().filter(|setting| names.insert(setting.name.clone())).collect();
        let engine = engine(settings);
        let Ok(resolved) = resolve(&engine, &given) else { return Ok(()) };
        let mut seen = BTreeSet::new();
        for (name, value) in &resolved {
            prop_assert!(seen.insert(name.clone()), "{} stands twice", name);
            let setting = engine.settings.iter().find(|setting| setting.name == *name).unwrap();
            match &setting.kind {
                SettingKind::Text | SettingKind::Path => {}
                SettingKind::Number => prop_assert_eq!(&value.parse::<u64>().unwrap().to_string(), value),
                SettingKind::Toggle => prop_assert!(value == "true" || value == "false", "{:?}", value),
                SettingKind::Choice(words) => prop_assert!(words.contains(value), "{:?}", value),
            }
        }
        // Nothing that was given is lost.
        for (name, _) in &given {
            prop_assert!(seen.contains(name));
        }
    }
}
