//! What a plugin says of itself and cannot be: refused by the rule, when it is loaded.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use planb_hostile_tests::{Cases, Place, plant, watched};

/// What a plugin says of itself and cannot be, with a part of the rule that it breaks.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("key@describe=../x", "the key"),
    ("key@describe=", "the key"),
    ("key@describe=Hostile", "the key"),
    ("name@describe=", "its name"),
    ("name@describe=a\\nTRUST built with this planb", "control characters"),
    ("name@describe=\\e[2J", "control characters"),
    ("name@describe=\\bx", "control characters"),
    ("version@describe=new", "not semver"),
    ("alias@describe=../pg", "aliases"),
    ("scheme@describe=1:", "URL schemes"),
    ("no-mode@describe", "no mode or no scope"),
    ("no-scope@describe", "no mode or no scope"),
    // Tools are the names of programs.
    ("tool@describe=../sh", "tools (plain names)"),
    ("tool@describe=/bin/sh", "tools (plain names)"),
    ("tool@describe=-c", "tools (plain names)"),
    ("tool@describe=", "tools (plain names)"),
    ("tool@describe=..", "tools (plain names)"),
    ("tool@describe=a b", "tools (plain names)"),
    ("tool@describe=cat\\nsh", "tools (plain names)"),
    ("tool-twice@describe", "stands twice"),
    ("program@describe=/bin/sh", "plain file names"),
    ("program@describe=../../bin/sh", "plain file names"),
    ("program@describe=", "plain file names"),
    ("program@describe=-c", "plain file names"),
    ("program-none@describe", "has no program"),
    ("version-args@describe=x", "version arguments"),
    ("version-req@describe=new", "not semver"),
    ("install-hint@describe=a\\nb", "control characters"),
    ("summary@describe=\\e[2J", "control characters"),
    ("secret-summary@describe=a\\nb", "control characters"),
    // Names that decide what code a tool runs.
    ("env@describe=LD_PRELOAD", "environment variables that its plans may set"),
    ("env@describe=LD_LIBRARY_PATH", "environment variables that its plans may set"),
    ("env@describe=DYLD_INSERT_LIBRARIES", "environment variables that its plans may set"),
    ("env@describe=PATH", "environment variables that its plans may set"),
    ("env@describe=HOME", "environment variables that its plans may set"),
    ("env@describe=IFS", "environment variables that its plans may set"),
    ("env@describe=BASH_ENV", "environment variables that its plans may set"),
    ("env@describe=ENV", "environment variables that its plans may set"),
    ("env@describe=PYTHONPATH", "environment variables that its plans may set"),
    ("env@describe=PERL5OPT", "environment variables that its plans may set"),
    ("env@describe=NODE_OPTIONS", "environment variables that its plans may set"),
    ("env@describe=JAVA_TOOL_OPTIONS", "environment variables that its plans may set"),
    ("env@describe=BASH_FUNC_cat%%", "environment variables that its plans may set"),
    ("env@describe=A=B", "environment variables that its plans may set"),
    ("env@describe=", "environment variables that its plans may set"),
    ("inherit@describe=LD_PRELOAD", "environment variables that its tools may get"),
    ("inherit@describe=PATH", "environment variables that its tools may get"),
    ("inherit@describe=PLANB_TOOL_PATH", "environment variables that its tools may get"),
    // More than may pass.
    ("many-tools@describe", "too much data"),
    ("long-name@describe", "too much data"),
];

fn described(cases: &mut Cases, all: &[(&str, &str)]) {
    let place = Place::new();
    for (order, rule) in all {
        let plugin = place.plugin("described.wasm", plant(order));
        cases.case(*order, watched(&place.inspect(&plugin)).refused(&plugin, rule).and(place.bare()));
    }
}

#[test]
fn descriptions_that_cannot_be() {
    described(&mut Cases::new(), DESCRIPTIONS);
}

/// The names that a plugin gives to what a user may set are printed beside the question whether to trust it.
#[test]
fn names_that_forge_a_line() {
    let rule = "what it says of itself is not possible";
    described(
        &mut Cases::new(),
        &[
            ("setting@describe=a\\n  trust     built with this planb", rule),
            ("setting@describe=", rule),
            ("setting@describe=a=b", rule),
            ("setting@describe=attack", rule),
            ("default@describe=x\\n\\e[2J", rule),
            ("param@describe=a\\nb", rule),
            ("secret@describe=a\\nb", rule),
            ("secret@describe=../../etc/shadow", rule),
            ("secret@describe=password", rule),
            ("many-aliases@describe", rule),
        ],
    );
}

/// Variables of planb's own environment hold the keys of the stores and the passwords of other databases.
#[test]
fn secrets_of_the_environment() {
    let rule = "environment variables that its tools may get";
    let mut cases = Cases::new();
    for name in [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "STORAGE_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "DB_PASSWORD_FILE",
        "DB_URI",
        "DB_SECRET_TOKEN",
        "SSH_AUTH_SOCK",
        "GITHUB_TOKEN",
        "SMTP_PASSWORD",
    ] {
        described(&mut cases, &[(&format!("inherit@describe={name}"), rule)]);
    }
    // What is not declared is not there: the environment of a tool, as it sees it.
    let place = Place::new();
    let plugin = place.engine("");
    let run = place.run(&plugin, "source-shell@plan=env").args(["--compress", "none"]);
    let secret = [
        ("AWS_SECRET_ACCESS_KEY", "topsecret-aws"),
        ("DB_PASSWORD", "topsecret-db"),
        ("GITHUB_TOKEN", "topsecret-token"),
    ];
    let code = [
        ("LD_LIBRARY_PATH", "/evil"),
        ("PYTHONPATH", "/evil"),
        ("BASH_ENV", "/evil"),
        ("PERL5LIB", "/evil"),
        ("IFS", "/evil"),
    ];
    let run = secret.into_iter().chain(code).fold(run, |run, (name, value)| run.env(name, value));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let run = run.env("PATH", format!("/evil:{}", path.display()));
    cases.case("a run", watched(&run).ended(0));
    let seen = place.dump();
    for (name, value) in secret.into_iter().chain(code).chain([("PATH", "/evil")]) {
        let shut = !seen.contains(value) && (name == "PATH" || !seen.contains(name));
        cases.case(format!("{name} in a tool"), if shut { Ok(()) } else { Err(seen.clone()) });
    }
    let path = seen.lines().find(|line| line.starts_with("PATH="));
    cases.case("the PATH of a tool is planb's", if path.is_some() { Ok(()) } else { Err(seen.clone()) });
}
