//! Dumps that mysqldump wrote, read in pieces of every size, and cut anywhere.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_mysql::MySql;
use planb_sdk::{Artifact, Engine, Object, Scope, TargetState, testing};

type Inspector = <MySql as Engine>::Inspector;
type Filter = <MySql as Engine>::Filter;

/// Strings, names and routines as nasty as they can be, of mysqldump 9.7.4.
const SHOP: &[u8] = include_bytes!("fixtures/shop-9.7.sql");

fn sql() -> Artifact {
    Artifact::new("sql", "application/sql", "sql")
}

fn objects() -> Vec<Object> {
    let table = |name: &str, rows| Object::new("table", name).rows(rows);
    vec![
        Object::new("event", "e1"),
        Object::new("function", "f1"),
        Object::new("procedure", "p1"),
        Object::new("procedure", "p2"),
        table("empty_one", 0),
        table("gen", 2),
        table("movies", 3),
        table("odd `\"'\\;name", 2),
        table("parted", 5),
        Object::new("trigger", "t1"),
        Object::new("view", "v0"),
        Object::new("view", "v1"),
    ]
}

#[test]
fn what_it_held() {
    for size in [1, 7, 64 << 10] {
        let inspection = testing::inspect::<Inspector>(&testing::request("shop"), &sql(), SHOP, size);
        assert_eq!(inspection.objects, objects(), "pieces of {size}");
        assert!(inspection.complete && inspection.findings.is_empty());
    }
}

#[test]
fn cut_anywhere() {
    testing::inspect_cut_anywhere::<Inspector>(&testing::request("shop"), &sql(), SHOP);
}

#[test]
fn of_several_databases() {
    let part = |name: &str| {
        format!(
            "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `{name}` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n\nUSE `{name}`;\n"
        )
    };
    let rows =
        "--\n-- Dumping data for table `t`\n--\n\nINSERT INTO `t` VALUES (1),(2);\nINSERT INTO `t` VALUES (3);\n";
    let none = "CREATE TABLE `t` (a int);\n-- Dumping data for table `t`\n";
    let dump = [
        part("mysql"),
        rows.to_owned(),
        part("a"),
        rows.to_owned(),
        part("b.c"),
        rows.to_owned(),
        part("d"),
        none.to_owned(),
        "-- Dump completed\n".to_owned(),
    ];
    let request = testing::request("x").scope(Scope::All);
    let inspection = testing::inspect::<Inspector>(&request, &sql(), dump.concat().as_bytes(), 5);
    let table = |name: &str, rows| Object::new("table", name).rows(rows);
    let databases = ["a", "b.c", "d"].map(|name| Object::new("database", name));
    assert_eq!(
        inspection.objects,
        [databases.to_vec(), vec![table("`b.c`.t", 3), table("a.t", 3), table("d.t", 0)]].concat()
    );
    assert!(inspection.complete);
}

#[test]
fn what_could_not_be_dumped() {
    let dump =
        b"-- insufficient privileges to SHOW CREATE PROCEDURE `p`\n-- does root have permissions?\n-- Dump completed\n";
    let inspection = testing::inspect::<Inspector>(&testing::request("x"), &sql(), dump, 3);
    assert_eq!(inspection.findings, ["insufficient privileges to SHOW CREATE PROCEDURE `p`"]);
    let empty = testing::inspect::<Inspector>(&testing::request("x"), &sql(), b"", 1);
    assert_eq!((empty.complete, empty.findings), (false, vec!["the dump is empty".to_owned()]));
}

#[test]
fn back_again_unchanged() {
    let restore = testing::request("shop").restore(sql(), TargetState::Empty);
    for size in [1, 7, 64 << 10] {
        assert!(testing::filter::<Filter>(&restore, SHOP, size).unwrap() == SHOP, "pieces of {size}");
    }
    let no_definer = testing::request("shop").with_setting("no-definer", "true").restore(sql(), TargetState::Empty);
    let out = testing::filter::<Filter>(&no_definer, SHOP, 4096).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!((text.matches("DEFINER=`").count(), text.matches("SQL SECURITY DEFINER").count()), (0, 2));
}
