//! SECURITY.md names a test for each threat: they are there.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::fs;

use planb_harness::workspace;

#[test]
fn every_threat_has_its_tests() {
    let paper = fs::read_to_string(workspace().join("SECURITY.md")).unwrap();
    let threats = paper.split("## Threats").nth(1).unwrap().split("## How secrets travel").next().unwrap();
    let mut rows = 0;
    for row in threats.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What could happen")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, _, tests] = cells[..] else { panic!("not three cells: {row}") };
        let mut source: Option<(&str, String)> = None;
        // Between backticks stand a file and then its functions.
        for named in tests.split('`').skip(1).step_by(2) {
            if named.contains('/') {
                let file = workspace().join(named);
                source = Some((named, fs::read_to_string(&file).unwrap_or_else(|error| panic!("{named}: {error}"))));
            } else if !named.contains(' ') {
                let (file, text) = source.as_ref().unwrap_or_else(|| panic!("`{named}` of no file: {row}"));
                assert!(text.contains(&format!("fn {named}(")), "{file} has no test {named}");
            }
        }
        assert!(source.is_some(), "no test: {row}");
        rows += 1;
    }
    assert!(rows > 30, "{rows} threats");
}
