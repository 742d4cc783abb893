//! What holds for every planb.toml.

#![allow(clippy::unwrap_used, reason = "tests")]

use planb_config::keys::{DRILL, HOOKS, JOB, RETENTION, SERVE, STORE};
use planb_config::units::{show_duration, show_size};
use planb_config::variables::VARIABLES;
use planb_config::{Config, EnvJob, FixedEnv, Key, Kind, Place, Secrecy, import_rclone};
use proptest::prelude::*;
use proptest::sample::select;
use toml::{Table, Value};

fn text(strategy: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    strategy.prop_map(Value::String).boxed()
}

fn texts(strategy: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    proptest::collection::vec(strategy, 1..4)
        .prop_map(|texts| texts.into_iter().map(Value::String).collect::<Vec<_>>().into())
        .boxed()
}

fn map(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    proptest::collection::btree_map("[a-z][a-z. \"-]{0,8}", value, 1..3)
        .prop_map(|pairs| Value::Table(pairs.into_iter().collect()))
        .boxed()
}

/// Values that a key takes. Every secret has the word that nothing shows.
fn value(kind: Kind) -> BoxedStrategy<Value> {
    let whole = |number: u64| Value::Integer(i64::try_from(number).unwrap());
    match kind {
        Kind::Text => text("[a-z]{1,8}"),
        Kind::Path => text("/[a-z /]{1,12}"),
        Kind::Toggle => any::<bool>().prop_map(Value::Boolean).boxed(),
        Kind::Count(least, most) => (least..=most.min(1_000_000)).prop_map(whole).boxed(),
        Kind::Duration => {
            (0u64..10_000_000).prop_map(|ms| show_duration(std::time::Duration::from_millis(ms)).into()).boxed()
        }
        Kind::Size(least, most) => (least..=most.min(10 << 30)).prop_map(|bytes| show_size(bytes).into()).boxed(),
        Kind::Choice(words) => text(select(words).prop_map(str::to_owned)),
        Kind::Texts => texts("[ -~]{1,12}"),
        Kind::Map => map(prop_oneof![
            "\\PC{0,8}".prop_map(Value::String),
            any::<bool>().prop_map(Value::Boolean),
            (0i64..99).prop_map(Value::Integer)
        ]),
        Kind::Paths => map(text("/[a-z]{1,8}")),
        Kind::Periods => prop_oneof![
            Just(Value::String("nectgmbh".to_owned())),
            select(&["%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H"][..]).prop_flat_map(|format| (1u32..99).prop_map(
                move |days| Value::Table(
                    [(format.to_owned(), Value::String(format!("{days}d")))].into_iter().collect()
                )
            )),
        ]
        .boxed(),
        Kind::Secret => text("hunter2[ -~]{0,8}"),
        Kind::Url => text("postgresql://me:hunter2[a-z]{0,4}@h[a-z]{0,3}/db\\?sslpassword=hunter2"),
        Kind::Secrets => map(text("hunter2[ -~]{0,8}")),
        Kind::Command => prop_oneof![text("[ -~]{1,12}"), texts("[!-~]{1,8}")].boxed(),
        Kind::Compression => text(select(&["zstd", "zstd:9", "gzip", "none", "native"][..]).prop_map(str::to_owned)),
        Kind::Name => text(select(&["{db}", "a/{engine}-{ts}", "x"][..]).prop_map(str::to_owned)),
        Kind::Schedule => {
            text(select(&["0 3 * * *", "every 6h", "once", "manual", "@daily"][..]).prop_map(str::to_owned))
        }
        Kind::Timezone => text(select(&["UTC", "Europe/Berlin", "Asia/Kolkata"][..]).prop_map(str::to_owned)),
        Kind::Address => text(select(&["127.0.0.1:1", "[::1]:9090"][..]).prop_map(str::to_owned)),
        Kind::Recipients => texts("age1[a-z0-9]{1,8}"),
        Kind::Table(keys) => table(keys, 1).prop_map(Value::Table).boxed(),
    }
}

/// Some of the keys, at least so many.
fn table(keys: &'static [Key], least: usize) -> BoxedStrategy<Table> {
    proptest::sample::subsequence(keys, least..=keys.len())
        .prop_flat_map(|keys| {
            keys.into_iter()
                .map(|key| value(key.kind).prop_map(move |value| (key.name.to_owned(), value)))
                .collect::<Vec<_>>()
        })
        .prop_map(|pairs| pairs.into_iter().collect())
        .boxed()
}

fn drop_without(table: &mut Table, key: &str, needs: &str) {
    if !table.contains_key(needs) {
        table.remove(key);
    }
}

/// A job without what excludes each other.
fn job() -> impl Strategy<Value = Table> {
    table(JOB, 0).prop_map(|mut job| {
        job.insert("to".to_owned(), Value::Array(vec!["s".into(), "/b c".into()]));
        job.insert("plugin".to_owned(), "pg".into());
        if job.contains_key("database") {
            job.remove("all_databases");
        }
        if job.contains_key("encrypt_to") {
            job.remove("passphrase");
        }
        for (key, needs) in [("sign_password", "sign_key"), ("jitter", "schedule"), ("max_drill_age", "drill")] {
            drop_without(&mut job, key, needs);
        }
        job.remove("lock");
        job.remove("notify");
        if let Some(Value::Table(drill)) = job.get_mut("drill") {
            drop_without(drill, "password", "into");
        }
        job
    })
}

fn store() -> impl Strategy<Value = Table> {
    table(STORE, 0).prop_map(|mut store| {
        let other = |key: &&Key| !key.of.is_empty() && !key.of.contains(&"s3");
        STORE.iter().filter(other).for_each(|key| drop(store.remove(key.name)));
        store.insert("url".to_owned(), "s3://b/p".into());
        drop_without(&mut store, "secret_access_key", "access_key_id");
        drop_without(&mut store, "access_key_id", "secret_access_key");
        store
    })
}

fn config() -> impl Strategy<Value = String> {
    (store(), job(), proptest::collection::btree_map("[a-z][a-z0-9._-]{0,6}", job(), 0..3), table(SERVE, 0)).prop_map(
        |(store, defaults, jobs, serve)| {
            let jobs: Table = jobs.into_iter().map(|(name, job)| (name, Value::Table(job))).collect();
            let stores: Table = [("s".to_owned(), Value::Table(store))].into_iter().collect();
            let target: Table = [("type", "ntfy"), ("url", "https://x/hunter2")]
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect();
            let targets: Table = [("n".to_owned(), Value::Table(target))].into_iter().collect();
            let parts =
                [("stores", stores), ("jobs", jobs), ("defaults", defaults), ("notify", targets), ("serve", serve)];
            parts.into_iter().map(|(name, table)| (name.to_owned(), Value::Table(table))).collect::<Table>().to_string()
        },
    )
}

fn read(text: &str) -> Config {
    Config::from_text(text, &Place::default(), &FixedEnv::default()).unwrap_or_else(|problems| {
        panic!("{}\n{text}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_rendered_reads_as_the_same(text in config()) {
        let first = read(&text);
        let rendered = first.render(Secrecy::Exposed);
        let second = read(&rendered);
        prop_assert_eq!(&second, &first);
        prop_assert_eq!(second.render(Secrecy::Exposed), rendered);
    }

    #[test]
    fn nothing_that_is_shown_holds_a_secret(text in config()) {
        let config = read(&text);
        let shown = format!("{config:?} {:?} {}", config.shown(), config.render(Secrecy::Redacted));
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
        // And where it is refused, the mistakes do not tell either.
        let open = Place { private: false, ..Place::default() };
        let problems = Config::from_text(&text, &open, &FixedEnv::default()).unwrap_err();
        let told = format!("{problems:?}");
        prop_assert!(!told.contains("hunter2"), "{}", told);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(text in config(), cut in any::<proptest::sample::Index>(), letter in "[\\[\\]={}\"'.,#\na0]") {
        let mut text: Vec<char> = text.chars().collect();
        let at = cut.index(text.len());
        text.splice(at..=at, letter.chars());
        let text: String = text.into_iter().collect();
        if let Err(problems) = Config::from_text(&text, &Place::default(), &FixedEnv::default()) {
            prop_assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}|(\\[(jobs|stores|defaults|notify|serve|x)(\\.[a-z]{1,2})?\\]\n|(db|to|url|type|retention|hooks|port|\u{e4}|password_file) ?= ?(1|\"\u{e4}\\PC?\"|\\[\"x\"\\]|\\{ pre = 1 \\}|true)\n|.{0,6}\n){0,10}") {
        let _ = Config::from_text(&text, &Place::default(), &FixedEnv::default());
        let _ = import_rclone(&text, &[], None);
    }

    #[test]
    fn no_environment_makes_it_panic(pairs in proptest::collection::vec((select(VARIABLES), "(true|file|s3|azure|/|:s3,a=b:c|x:y|[a-z/:.{}'\"*]{0,12}|\\PC{0,8})"), 0..8)) {
        let env: FixedEnv = pairs.iter().map(|(variable, value)| (variable.name.to_owned(), value.clone())).collect();
        if let Ok(Some(job)) = EnvJob::from_env(&env) {
            let shown = format!("{job:?}");
            prop_assert!(!shown.is_empty());
        }
    }
}

#[test]
fn each_table_is_tried() {
    // The strategies above reach all of them through JOB and STORE.
    for keys in [RETENTION, HOOKS, DRILL] {
        let name = |table: &Key| matches!(table.kind, Kind::Table(inner) if std::ptr::eq(inner, keys));
        assert!(JOB.iter().any(name));
    }
}
