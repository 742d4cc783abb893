//! The tables of docs/config.md and docs/environment.md, made from the code. A test compares; with PLANB_WRITE_SCHEMA=1 it
//! writes.

use std::path::PathBuf;

use crate::keys::{DRILL, HOOKS, JOB, Key, NOTIFY, RETENTION, SERVE, STORE, spellings};
use crate::kind::Kind;
use crate::variables::{Group, Seed, VARIABLES};

const END: &str = "<!-- end -->";

fn keys_table(keys: &[Key]) -> String {
    let mut out = String::from("| Key | Takes | Meaning | Without it |\n|---|---|---|---|\n");
    for key in keys {
        let name =
            format!("`{}`", if key.kind.is_secret() { spellings(&[*key]).join("`, `") } else { key.name.to_owned() });
        let takes = match key.kind {
            Kind::Table(_) => format!("a table, [see below](#{})", key.name),
            Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Kind::Map | Kind::Paths | Kind::Secrets | Kind::Texts | Kind::Toggle => key.kind.takes(),
            Kind::Recipients => Kind::Texts.takes(),
            Kind::Periods => "a table or a text".to_owned(),
            Kind::Duration => "a time".to_owned(),
            Kind::Size(..) => "a size".to_owned(),
            Kind::Count(..) => "a number".to_owned(),
            Kind::Command => "a list or a text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Address => "`ADDRESS:PORT`".to_owned(),
            Kind::Text
            | Kind::Secret
            | Kind::Url
            | Kind::Compression
            | Kind::Schedule
            | Kind::Name
            | Kind::Timezone => "a text".to_owned(),
        };
        let of: Vec<_> = key.of.iter().map(|kind| format!("`{kind}:`")).collect();
        let of = if of.is_empty() { String::new() } else { format!(" ({})", of.join(", ")) };
        out.push_str(&format!("| {name} | {takes} | {}{of} | {} |\n", key.meaning, key.default));
    }
    out
}

fn variables_table(group: Group) -> String {
    let flags = VARIABLES.iter().any(|variable| variable.group == group && !variable.flag.is_empty());
    let mut out = String::from(if flags {
        "| Variable | Flag | Meaning | Default | Known from |\n|---|---|---|---|---|\n"
    } else {
        "| Variable | Meaning | Default | Known from |\n|---|---|---|---|\n"
    });
    for variable in VARIABLES.iter().filter(|variable| variable.group == group) {
        let file = if variable.file_variant { format!(", `{}_FILE`", variable.name) } else { String::new() };
        let name = format!("`{}`{file}", variable.name);
        let meaning = match variable.alias_of {
            Some(other) => format!("Another name of `{other}`, which beats it"),
            None => variable.meaning.to_owned(),
        };
        let flag = match variable.flag {
            plain if plain.is_empty() || plain.contains('`') => plain.to_owned(),
            plain => format!("`{plain}`"),
        };
        let default = match (variable.alias_of, variable.default) {
            (None, "") if variable.file_variant => "none",
            (_, default) => default,
        };
        let seeds = variable.seeds.iter().filter_map(|seed| match seed {
            Seed::Dbstash => Some("dbstash"),
            Seed::Runner => Some("runner"),
            Seed::StarTree => Some("StarTree"),
            Seed::PlanB | Seed::Common => None,
        });
        let seeds: Vec<_> = seeds.collect();
        let flag = if flags { format!(" {flag} |") } else { String::new() };
        out.push_str(&format!("| {name} |{flag} {meaning} | {default} | {} |\n", seeds.join(", ")));
    }
    out
}

fn table(name: &str) -> String {
    match name {
        "stores" => keys_table(STORE),
        "jobs" => keys_table(JOB),
        "retention" => keys_table(RETENTION),
        "hooks" => keys_table(HOOKS),
        "drill" => keys_table(DRILL),
        "serve" => keys_table(SERVE),
        "notify" => keys_table(NOTIFY),
        "database" => variables_table(Group::Database),
        "run" => variables_table(Group::Run),
        "storage" => variables_table(Group::Storage),
        "cloud" => variables_table(Group::Cloud),
        "rclone" => variables_table(Group::Rclone),
        "when" => variables_table(Group::When),
        "kept" => variables_table(Group::Retention),
        "messages" => variables_table(Group::Messages),
        "startree" => variables_table(Group::StarTree),
        "tools" => variables_table(Group::Tools),
        "log" => variables_table(Group::Log),
        "services" => variables_table(Group::Services),
        "ignored" => variables_table(Group::Ignored),
        "building" => variables_table(Group::Building),
        other => panic!("there is no table {other}"),
    }
}

/// The page with its tables made anew, and their names.
fn filled(page: &str) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut rest = page;
    while let Some((before, behind)) = rest.split_once("<!-- table: ") {
        let (name, behind) = behind.split_once(" -->\n").expect("the mark of a table ends");
        let (_, behind) = behind.split_once(END).expect("a table ends");
        out.push_str(&format!("{before}<!-- table: {name} -->\n{}{END}", table(name)));
        names.push(name.to_owned());
        rest = behind;
    }
    (out + rest, names)
}

fn page(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../docs", name].iter().collect()
}

fn check(name: &str, tables: &[&str]) {
    let text = std::fs::read_to_string(page(name)).expect("the page is there");
    let (made, names) = filled(&text);
    assert_eq!(names, tables, "the tables of {name}");
    if std::env::var_os("PLANB_WRITE_SCHEMA").is_some() {
        std::fs::write(page(name), &made).expect("the page can be written");
        return;
    }
    assert!(
        made == text,
        "the tables of docs/{name} are not those of the code: run this test with PLANB_WRITE_SCHEMA=1"
    );
}

#[test]
fn the_tables_of_the_environment_are_those_of_the_code() {
    check(
        "environment.md",
        &[
            "database", "run", "storage", "cloud", "rclone", "when", "kept", "messages", "startree", "tools", "log",
            "services", "ignored", "building",
        ],
    );
}

#[test]
fn the_tables_of_the_settings_are_those_of_the_code() {
    check("config.md", &["stores", "jobs", "retention", "hooks", "drill", "notify", "serve"]);
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let path = page("planb.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&crate::json_schema()).expect("JSON"));
    if std::env::var_os("PLANB_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &text).expect("the schema can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == text, "docs/planb.schema.json is not that of the code: run this test with PLANB_WRITE_SCHEMA=1");
}

#[test]
fn every_variable_stands_once_and_aliases_lead_somewhere() {
    for (at, variable) in VARIABLES.iter().enumerate() {
        assert!(!VARIABLES[..at].iter().any(|other| other.name == variable.name), "{} twice", variable.name);
        if let Some(other) = variable.alias_of {
            let other = VARIABLES.iter().find(|known| known.name == other).expect("an alias of something");
            assert!(other.alias_of.is_none() && other.group == variable.group, "{}", variable.name);
        }
        assert!(!variable.meaning.is_empty() && !variable.seeds.is_empty(), "{}", variable.name);
    }
}

#[test]
fn every_key_stands_once() {
    for keys in [STORE, JOB, RETENTION, HOOKS, DRILL, SERVE, NOTIFY] {
        let mut names = spellings(keys);
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
