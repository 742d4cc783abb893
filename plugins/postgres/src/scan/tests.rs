//! Scripts that are easy to read wrongly, in chunks of every size.

use super::*;

/// Everything that ends in a script, in chunks of a size.
fn events(script: &[u8], size: usize) -> Vec<String> {
    let mut scanner = Scanner::new();
    let mut seen = Vec::new();
    for chunk in script.chunks(size) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (read, event) = scanner.next(rest);
            rest = &rest[read..];
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match event {
                Some(Event::Statement) => seen.push(format!("S {} {}", text(scanner.head()), scanner.take_rows())),
                Some(Event::Comment) => seen.push(format!("C {}", text(scanner.comment()))),
                Some(Event::Meta) => seen.push(format!("M {} {}", text(scanner.meta()), scanner.meta_stands_alone())),
                Some(Event::Rows) => seen.push(format!("R {}", scanner.take_rows())),
                None => {}
            }
        }
    }
    seen
}

#[track_caller]
fn check(script: &str, expected: &[&str]) {
    for size in 1..=script.len() {
        assert_eq!(events(script.as_bytes(), size), expected, "chunks of {size}");
    }
}

#[test]
fn strings_comments_and_quotes() {
    check(
        "SELECT 'a;''b';\n-- c;\nSELECT \"x;\"\"\", 1-1, 4/2;\n",
        &["S SELECT 'a;''b' 0", "C -- c;", "S SELECT \"x;\"\"\", 1-1, 4/2 0"],
    );
    check("SELECT E'\\';' /* ; /* ' */ ; */;SELECT 1;\n", &["S SELECT E'\\';'  0", "S SELECT 1 0"]);
    check("SELECT E'a'\n'\\'; \\!';\n", &["S SELECT E'a'\n'\\'; \\!' 0"]);
    check("SELECT 'a\\'; \\! x\n", &["S SELECT 'a\\' 0", "M \\! x false"]);
    check(
        "SET standard_conforming_strings = off;\nSELECT 'a\\'; \\! x';\n",
        &["S SET standard_conforming_strings = off 0", "S SELECT 'a\\'; \\! x' 0"],
    );
    check(
        "DO $a$ ; $b$ $ $a $a$;\nSELECT $1; SELECT a$b$c;\n",
        &["S DO $a$...$ 0", "S SELECT $1 0", "S SELECT a$b$c 0"],
    );
}

#[test]
fn bodies() {
    check(
        "CREATE RULE r DO (SELECT 1; SELECT 2);SELECT 3;",
        &["S CREATE RULE r DO (SELECT 1; SELECT 2) 0", "S SELECT 3 0"],
    );
    check(
        "CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 1; END;SELECT 2;",
        &[
            "S CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; SELECT 1; END 0",
            "S SELECT 2 0",
        ],
    );
}

#[test]
fn rows() {
    check(
        "COPY t (a) FROM stdin;\n1\n\\\\.\n\n;'\n\\.\n\nSELECT 1;",
        &["S COPY t (a) FROM stdin 0", "R 4", "S SELECT 1 0"],
    );
    check("COPY t FROM stdin;\n\\.\n\\.x\n", &["S COPY t FROM stdin 0", "R 0", "M \\.x true"]);
    check("COPY t FROM stdin;\n\\.x\n\\\n\\.\r\n\\! x\n", &["S COPY t FROM stdin 0", "R 2", "M \\! x true"]);
    check("INSERT INTO t VALUES (1, '(', (2));\n", &["S INSERT INTO t VALUES (1, '(', (2)) 1"]);
    check(
        "INSERT INTO t (values, b) VALUES\n\t(1),\n\t(2);\n",
        &["S INSERT INTO t (values, b) VALUES\n\t(1),\n\t(2) 2"],
    );
    check("INSERT INTO t DEFAULT VALUES;\n", &["S INSERT INTO t DEFAULT VALUES 1"]);
}

#[test]
fn oddities() {
    let is_odd = |script: &str| {
        let mut scanner = Scanner::new();
        let mut rest = script.as_bytes();
        while !rest.is_empty() {
            let (read, _) = scanner.next(rest);
            rest = &rest[read..];
        }
        scanner.odd().is_some()
    };
    assert!(!is_odd("COPY t FROM stdin;\n1\n\\.\n"));
    assert!(is_odd("COPY t FROM stdin; SELECT '\n"));
    assert!(is_odd("copy t from program 'rm';"));
    assert!(is_odd("SET client_encoding = 'SJIS';"));
}
