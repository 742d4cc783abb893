//! A manifest comes from a store that others may write to: whatever stands in it, it is refused, or it is safe to use.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use planb_model::manifest::{Manifest, is_plain_relative};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX / 2 + 1), any::<u64>()].prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![
            Just("../../etc/passwd".to_owned()),
            Just("/etc/passwd".to_owned()),
            Just("a/../b".to_owned()),
            Just("a\\..\\b".to_owned()),
            Just(String::new()),
            Just("9999-12-31T23:59:59Z".to_owned()),
            Just("planb.manifest/v1".to_owned()),
            "[0-9a-f]{64}",
            any::<String>(),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// The places in a document, as JSON pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), out)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), out)),
        _ => {}
    }
}

/// An example with several files of several volumes, so that there is something to walk out of.
fn example() -> Value {
    let mut manifest = serde_json::to_value(Manifest::example()).unwrap();
    let file = manifest["files"][0].clone();
    let mut second = file.clone();
    second["path"] = "data/second".into();
    manifest["files"][0]["path"] = "data/first".into();
    manifest["files"].as_array_mut().unwrap().push(second);
    for sum in ["plain_bytes", "stored_bytes"] {
        manifest[sum] = (file[sum].as_u64().unwrap() * 2).into();
    }
    manifest["inspection"]["objects"] =
        json!([{ "kind": "table", "name": "a", "rows": 1 }, { "kind": "table", "name": "b", "rows": 2 }]);
    manifest
}

fn safe(manifest: &Manifest) -> Result<(), TestCaseError> {
    let single = manifest.files.len() == 1;
    let (mut plain, mut stored) = (0_u64, 0_u64);
    for file in &manifest.files {
        prop_assert!(is_plain_relative(&file.path) || (single && file.path.is_empty()), "{:?}", file.path);
        prop_assert!(file.volumes.iter().all(|volume| is_plain_relative(&volume.key)));
        prop_assert_eq!(file.volumes.iter().map(|volume| volume.bytes).sum::<u64>(), file.stored_bytes);
        plain = plain.checked_add(file.plain_bytes).unwrap();
        stored = stored.checked_add(file.stored_bytes).unwrap();
    }
    prop_assert_eq!((plain, stored), (manifest.plain_bytes, manifest.stored_bytes));
    prop_assert!(!manifest.files.is_empty());
    // What is shown of it, however large its numbers are.
    prop_assert!(!manifest.short_id().is_empty());
    let _ = (manifest.inspection.rows(), manifest.source());
    Ok(())
}

#[test]
fn the_example_is_one() {
    safe(&Manifest::parse(example().to_string().as_bytes()).unwrap()).unwrap();
}

proptest! {
    #[test]
    fn whatever_stands_anywhere(changes in proptest::collection::vec((any::<proptest::sample::Index>(), value()), 1..4)) {
        let mut manifest = example();
        for (place, value) in changes {
            let mut all = Vec::new();
            places(&manifest, "", &mut all);
            *manifest.pointer_mut(&all[place.index(all.len())]).unwrap() = value;
        }
        if let Ok(manifest) = Manifest::parse(manifest.to_string().as_bytes()) {
            safe(&manifest)?;
        }
    }

    /// Sizes that add up only if one forgets that numbers end.
    #[test]
    fn sizes_that_overflow(a in any::<u64>(), b in any::<u64>()) {
        let mut manifest = example();
        for (at, bytes) in [(0, a), (1, b)] {
            manifest["files"][at]["plain_bytes"] = bytes.into();
            manifest["files"][at]["stored_bytes"] = bytes.into();
            manifest["files"][at]["volumes"] = json!([{ "key": "x", "bytes": bytes }]);
        }
        manifest["plain_bytes"] = a.wrapping_add(b).into();
        manifest["stored_bytes"] = a.wrapping_add(b).into();
        let read = Manifest::parse(manifest.to_string().as_bytes());
        prop_assert_eq!(read.is_ok(), a.checked_add(b).is_some());
    }

    #[test]
    fn rows_that_overflow(a in any::<u64>(), b in any::<u64>()) {
        let mut manifest = example();
        manifest["inspection"]["objects"] = json!([{ "kind": "t", "name": "a", "rows": a }, { "kind": "t", "name": "b", "rows": b }]);
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        prop_assert_eq!(manifest.inspection.rows(), a.saturating_add(b));
    }
}
