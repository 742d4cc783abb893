//! Names of backups: whatever the template, the database and the id are, the key stays in its folder.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use planb_model::manifest::is_plain_relative;
use planb_model::name::{NameTemplate, NameValues, safe};
use proptest::prelude::*;

fn template() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        "{db}",
        "{engine}",
        "{date}",
        "{time}",
        "{ts}",
        "{timestamp}",
        "{uuid}",
        "/",
        ".",
        "..",
        "-",
        " ",
        "a",
        "é",
        "{",
        "}",
        "{}",
        "\\",
        "\0",
        "\n",
        "\u{1b}",
        "{DB}",
    ]);
    prop_oneof![
        4 => proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
        1 => Just("{db}-{date}-{time}".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["(\\.|/|\\\\|\0|\n|a|é| |-|\u{202e}){0,10}", any::<String>(), "[a-zé]{70,200}"]
}

proptest! {
    #[test]
    fn a_key_stays_in_its_folder(
        template in template(),
        database in name(),
        id in "[0-9a-f-]{0,36}|é{0,8}",
        second in -300_000_000_000_i64..250_000_000_000,
    ) {
        let Ok(parsed) = template.parse::<NameTemplate>() else { return Ok(()) };
        let at = Timestamp::from_second(second).unwrap_or_default().to_zoned(TimeZone::UTC);
        let Ok(key) = parsed.fill(&NameValues { database: &database, engine: "pg", at: &at, id: &id }) else { return Ok(()) };
        prop_assert!(key.len() <= 180);
        prop_assert!(key.chars().all(|c| !c.is_control() && c != '\\'), "{:?}", key);
        // A part that an empty id leaves empty is the only one that could be.
        if id.len() >= 8 {
            prop_assert!(is_plain_relative(&key), "{:?}", key);
            let manifest = format!("{key}.manifest.json");
            prop_assert!(is_plain_relative(&manifest));
        }
    }

    #[test]
    fn a_database_is_one_part(database in name()) {
        let part = safe(&database);
        prop_assert!(is_plain_relative(&part) && !part.contains('/') && !part.starts_with('.') && part.len() <= 80, "{:?}", part);
    }
}
