//! Dumps in pieces of every size.

use super::*;

fn events(script: &[u8], size: usize) -> Vec<String> {
    let mut scanner = Scanner::default();
    let mut seen = Vec::new();
    for chunk in script.chunks(size) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (read, event) = scanner.next(rest);
            rest = &rest[read..];
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match event {
                Some(Event::Statement) if scanner.rows() > 0 => seen.push(format!("{} rows", scanner.rows())),
                Some(Event::Statement | Event::Values) => seen.push(text(scanner.head())),
                Some(Event::Comment) => seen.push(text(scanner.comment())),
                Some(Event::Delimiter) => seen.push("delimiter".to_owned()),
                None => {}
            }
        }
    }
    if !scanner.at_rest() {
        seen.push("...".to_owned());
    }
    seen
}

#[track_caller]
fn check(script: &str, expected: &[&str]) {
    for size in 1..=script.len().max(1) {
        assert_eq!(events(script.as_bytes(), size), expected, "pieces of {size}");
    }
}

#[test]
fn statements_and_strings() {
    check("SET a='x;''\\';', b=\"y\\\";\";\nSELECT `;\\`;\n", &["SET a='x;''\\';', b=\"y\\\";\"", "SELECT `;\\`"]);
    check("SELECT 1\n  -1;;SELECT\t2 - 3/4*5;", &["SELECT 1 -1", "SELECT 2 - 3/4*5"]);
    check("SELECT 'never closed;", &["..."]);
    check(" \n", &[]);
}

#[test]
fn comments() {
    check("-- a; 'b\n#c\n--\n--x;\nSELECT 1 -- y ;\n+ 2 # z\n;", &["-- a; 'b", "#c", "--", "--x", "SELECT 1 + 2"]);
    check("/* ' ; */SELECT/*+ x */ 1/**/;/*M a*/", &["SELECT 1"]);
    check("/*!40101 SET NAMES utf8mb4 */;\n/*M!100616 SET a=1 */;/*!*/;", &["SET NAMES utf8mb4", "SET a=1", ""]);
    check("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n", &["-- MariaDB dump"]);
    check("/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t */;", &["CREATE DEFINER=`a`@`b` TRIGGER t"]);
    check("-- Dump completed on 2026-11-21", &["..."]);
}

#[test]
fn delimiters() {
    check(
        "DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT ';;'; -- it's ;; x\n INSERT INTO x VALUES (1); END ;;\nDELIMITER ;\nSELECT 1;",
        &[
            "delimiter",
            "CREATE PROCEDURE p() BEGIN SELECT ';;'; INSERT INTO x VALUES (1); END",
            "delimiter",
            "SELECT 1",
        ],
    );
    check("delimiter //\nSELECT 4/2//\nSELECT `delimiter` x//\n", &["delimiter", "SELECT 4/2", "SELECT `delimiter` x"]);
}

#[test]
fn backslashes_that_escape_nothing() {
    let routine = "BEGIN SELECT '\\'; SELECT 'INSERT INTO x VALUES (1);'; END";
    check(
        &format!(
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES' ;\nDELIMITER ;;\n{routine} ;;\nDELIMITER ;\nSET sql_mode = @saved_sql_mode ;\nSELECT '\\';';"
        ),
        &[
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
            "delimiter",
            routine,
            "delimiter",
            "SET sql_mode = @saved_sql_mode",
            "SELECT '\\';'",
        ],
    );
}

#[test]
fn rows() {
    check(
        "INSERT INTO `a` VALUES (1,'x),(;\\'',NULL,-1.5e3,0xFF),(2,_binary 'it''s',\"\\\";(\");\nINSERT INTO `b`\n(`x VALUES (`) VALUES\n(1),\n(2),\n(3);\n",
        &["INSERT INTO `a` VALUES (", "2 rows", "INSERT INTO `b` (`x VALUES (`) VALUES (", "3 rows"],
    );
    check(
        "REPLACE INTO a VALUES (1);INSERT INTO a SELECT 1;",
        &["REPLACE INTO a VALUES (", "1 rows", "INSERT INTO a SELECT 1"],
    );
    check("INSERT INTO a VALUES (1,'", &["INSERT INTO a VALUES (", "..."]);
    check("INSERT INTO a VALUES (1),(2", &["INSERT INTO a VALUES (", "..."]);
}

#[test]
fn memory_is_bounded() {
    let mut scanner = Scanner::default();
    let name = format!("CREATE TABLE a (`{}` x y {} ", "n".repeat(9000), "z ".repeat(9000));
    for _ in 0..10 {
        scanner.next(name.as_bytes());
        scanner.next(b"-- ");
        scanner.next(&[b'c'; 9000]);
        scanner.next(b"\n");
    }
    assert!(scanner.head.len() <= HEAD + 1 && scanner.comment.len() <= COMMENT && scanner.word.len() <= 10);
    assert_eq!(scanner.next(b";").1, Some(Event::Statement));
}
