//! Database URLs: whatever is typed, it is understood or refused, and never repeated where it holds a password.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use planb_model::connection::Target;
use planb_model::engine::{Description, NamedSecret, ScopeKind, Setting, SettingKind};
use proptest::prelude::*;

const SECRET: &str = "hunter2-hunter2";

fn engine(file_based: bool) -> Description {
    let setting = |name: &str, kind| Setting { name: name.to_owned(), kind, default: None, summary: String::new() };
    Description {
        key: "pg".into(),
        name: "PostgreSQL".into(),
        aliases: vec![],
        version: "0.1.0".into(),
        schemes: vec!["postgresql".into(), "sqlite".into()],
        default_port: Some(5432),
        default_user: None,
        file_based,
        tools: vec![],
        env: vec![],
        inherit: vec![],
        params: vec![
            setting("sslmode", SettingKind::Text),
            setting("timeout", SettingKind::Number),
            setting("tls", SettingKind::Toggle),
        ],
        secrets: vec![NamedSecret { name: "sslpassword".into(), summary: String::new() }],
        settings: vec![],
        modes: vec![],
        scopes: vec![ScopeKind::Database],
        native_compression: false,
        stream_conflicts: vec![],
        plans_by_inventory: false,
        restores_offline: false,
    }
}

/// Parts of URLs, right ones and wrong ones, put together in any order.
fn url() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => proptest::sample::select(vec![
            "postgresql", "sqlite", "mysql", ":", "://", "/", "//", "@", "?", "&", "=", "#", ",", "[", "]", "%", "%00", "%2F",
            "%C3%A9", "%ff", "é", "localhost", "[::1]", ":5432", ":99999", "app", "..", ".", " ", "\n", "\0", "sslmode=require",
            "sslmode", "timeout=x", "tls=yes", "host=/run/pg", "port=1", "user=a", "dbname=b", "sslpassword=",
        ])
        .prop_map(str::to_owned),
        1 => Just(SECRET.to_owned()),
        1 => "\\PC{1,3}",
    ];
    let free = proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
    let formed = (
        "(postgresql|sqlite)",
        "(:|:/|://|:///)",
        "([a-z]{1,4}(:[a-z]{1,4})?@)?",
        "[a-z0-9.,:é%-]{0,12}",
        "(/.{0,8})?",
        "(\\?[a-z=&%]{0,12})?",
    );
    prop_oneof![free, formed.prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].concat())]
}

proptest! {
    #[test]
    fn whatever_is_typed(url in url(), file_based in any::<bool>()) {
        let resolved = Target::parse(&url).and_then(|target| target.resolve(&engine(file_based)));
        let Ok((connection, database, secrets)) = resolved else { return Ok(()) };
        for text in [&connection.host, &connection.socket, &connection.user, &database].into_iter().flatten() {
            prop_assert!(!text.contains('\0'), "{:?}", text);
        }
        prop_assert!(connection.host.is_none() || connection.socket.is_none());
        prop_assert_eq!(&connection.secrets, &secrets.names());
        let declared = ["sslmode", "timeout", "tls"];
        prop_assert!(connection.params.iter().all(|(name, _)| declared.contains(&name.as_str())));
        prop_assert!(database.as_deref() != Some(""));
    }

    /// A secret is known as one wherever a URL may hold it, and is in no message and in nothing that a plugin sees.
    #[test]
    fn a_password_is_not_repeated(
        before in "(postgresql|sqlite|mysql)://[a-z]{0,3}",
        after in "@[a-z0-9:%,\\[\\]]{0,8}(/[a-z]{0,4})?(\\?[a-z=&%]{0,12})?",
        in_query in any::<bool>(),
        file_based in any::<bool>(),
    ) {
        let url = if in_query { format!("{before}{after}&sslpassword={SECRET}") } else { format!("{before}:{SECRET}{after}") };
        match Target::parse(&url).and_then(|target| target.resolve(&engine(file_based))) {
            Ok((connection, database, secrets)) => {
                // Where there is no query, what looks like a parameter is a part of the name.
                if !in_query || url.contains('?') {
                    let seen = format!("{connection:?} {database:?}");
                    prop_assert!(!seen.contains("hunter2"), "{}", url);
                    prop_assert!(!secrets.names().is_empty(), "{}", url);
                }
                let shown = format!("{secrets:?}");
                prop_assert!(!shown.contains("hunter2"));
            }
            Err(error) if in_query && !url.contains('?') => drop(error),
            Err(error) => prop_assert!(!error.to_string().contains("hunter2"), "{}", error),
        }
    }

    /// The name of a database is all of what stands behind the slash, or the URL is refused.
    #[test]
    fn no_name_loses_a_letter(name in "[a-zé][a-z0-9é]{0,8}", slashes in "(/|//|//host/)?") {
        let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let url = format!("postgresql:{slashes}{encoded}");
        if let Ok((connection, database, _)) = Target::parse(&url).and_then(|target| target.resolve(&engine(false))) {
            let host = connection.host.as_deref() == Some(&name) || connection.host.as_deref() == Some(&encoded);
            // A host may come back in the form that the network has for it.
            prop_assert!(host || slashes == "//" || database.as_deref() == Some(&name), "{} gave {:?}", url, database);
        }
    }
}
