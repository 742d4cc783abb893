//! `cargo xtask test` and `cargo xtask ci`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use planb_harness::provision;

use crate::build;
use crate::sh::{Done, cargo, cmd, has};

/// Builds, sets up servers and stores, and runs all tests. What could not be had is named at the end.
pub(crate) fn run_all(fast: bool, runner: &[String], require_all: bool) -> Done {
    build::all()?;
    build::test_engines()?;
    let cases = crate::sh::target().join("planb-cases");
    let _ = std::fs::remove_dir_all(&cases);
    let skipped = provision::folder().join("skipped.txt");
    let _ = std::fs::remove_file(&skipped);
    if !fast {
        for (name, outcome) in provision::all() {
            match outcome {
                Ok(()) => eprintln!("ready: {name}"),
                Err(why) => eprintln!("NOT READY: {name}: {why}"),
            }
        }
    }
    let nextest = has("cargo", "nextest")
        || cmd("cargo")
            .args(["nextest", "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
    let mut tests = cargo();
    if nextest {
        tests.args(["nextest", "run", "--release", "--workspace", "--no-fail-fast"]);
    } else {
        eprintln!("cargo-nextest is not here; cargo test does the same, slower and less readable");
        tests.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    }
    if fast {
        for slow in ["planb-e2e", "planb-faults", "planb-hostile-tests"] {
            tests.args(["--exclude", slow]);
        }
    }
    tests.args(runner);
    // Deterministic cases for CI and for people alike; a longer search is PROPTEST_CASES=100000.
    if require_all {
        tests.env("PLANB_REQUIRE_ALL", "1");
    }
    let (done, closing) = run_and_keep_summary(&mut tests)?;
    // nextest leaves out examples in documentation.
    let docs = if nextest {
        // All of them, though few have any: a part of the workspace would have other features, and be compiled anew.
        crate::sh::run(cargo().args(["test", "--release", "--doc", "--workspace", "--quiet"]))
    } else {
        Ok(())
    };
    if let Ok(lines) = std::fs::read_to_string(&skipped) {
        eprintln!("\nskipped, because something could not be had here:");
        for line in lines.lines() {
            eprintln!("  {line}");
        }
    }
    for line in sums(&cases) {
        println!("{line}");
    }
    if let Some(closing) = closing {
        println!("{closing}");
    }
    if !done {
        return Err("tests failed".to_owned());
    }
    docs
}

/// What the suites of faults and of hostile plugins have tried, one line for each: every case is one kill, one fault, one
/// plugin.
fn sums(folder: &std::path::Path) -> Vec<String> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut sums = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        // `CASES crash-matrix: 120 tried, 0 lost`
        let numbers = |line: &str| -> Option<(String, u64, u64, String)> {
            let (name, rest) = line.strip_prefix("CASES ")?.split_once(": ")?;
            let mut words = rest.split([' ', ',']).filter(|word| !word.is_empty());
            let tried = words.next()?.parse().ok()?;
            let bad = words.nth(1)?.parse().ok()?;
            Some((name.to_owned(), tried, bad, words.collect::<Vec<_>>().join(" ")))
        };
        let lines: Vec<_> = text.lines().filter_map(numbers).collect();
        let Some((name, _, _, word)) = lines.first() else { continue };
        let tried: u64 = lines.iter().map(|line| line.1).sum();
        let bad: u64 = lines.iter().map(|line| line.2).sum();
        sums.push(format!("{name}: {tried} cases tried, {bad} {word}"));
    }
    sums
}

/// `cargo xtask test`.
pub(crate) fn run(fast: bool, runner: &[String]) -> Done {
    run_all(fast, runner, std::env::var_os("PLANB_REQUIRE_ALL").is_some())
}

/// Shows what the runner prints as it does, and keeps its closing line.
fn run_and_keep_summary(command: &mut std::process::Command) -> Done<(bool, Option<String>)> {
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut closing = None;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            if line.contains("Summary [") || line.starts_with("test result:") {
                closing = Some(line);
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok((status.success(), closing))
}

/// `cargo xtask ci`.
pub(crate) fn ci() -> Done {
    let sh = crate::sh::run;
    sh(cargo().args(["fmt", "--all", "--check"]))?;
    sh(cargo().args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    sh(cargo().args(["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    if has("cargo-deny", "--version") {
        sh(cargo().args(["deny", "check", "bans", "licenses", "sources"]))?;
    } else {
        eprintln!("cargo-deny is not here: dependencies were not checked (cargo install cargo-deny)");
    }
    run_all(false, &[], true)
}
