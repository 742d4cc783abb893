//! Dumps that mariadb-dump wrote, read in pieces of every size, and cut anywhere.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_mariadb::MariaDb;
use planb_sdk::{Artifact, Engine, Object, Scope, TargetState, testing};

type Inspector = <MariaDb as Engine>::Inspector;
type Filter = <MariaDb as Engine>::Filter;

/// Strings, names and routines as nasty as they can be, of mariadb-dump 11.8.6 and 10.11.19, the second with its first line.
const DUMPS: [&[u8]; 2] = [include_bytes!("fixtures/shop-11.8.sql"), include_bytes!("fixtures/shop-10.11.sql")];

fn sql() -> Artifact {
    Artifact::new("sql", "application/sql", "sql")
}

fn objects() -> Vec<Object> {
    let table = |name: &str, rows| Object::new("table", name).rows(rows);
    vec![
        Object::new("event", "e1"),
        Object::new("function", "f1"),
        Object::new("package", "pk1"),
        Object::new("package-body", "pk1"),
        Object::new("procedure", "p1"),
        Object::new("procedure", "p2"),
        Object::new("sequence", "s1"),
        table("empty_one", 0),
        table("gen", 2),
        table("movies", 3),
        table("odd `\"'\\;name", 2),
        table("parted", 5),
        table("sysv", 1),
        table("u", 1),
        Object::new("trigger", "t1"),
        Object::new("view", "v0"),
        Object::new("view", "v1"),
    ]
}

#[test]
fn what_it_held() {
    for (dump, size) in DUMPS.iter().flat_map(|dump| [1, 7, 64 << 10].map(|size| (dump, size))) {
        let inspection = testing::inspect::<Inspector>(&testing::request("shop"), &sql(), dump, size);
        assert_eq!(inspection.objects, objects(), "pieces of {size}");
        assert!(inspection.complete && inspection.findings.is_empty());
    }
}

#[test]
fn rows_of_the_past_are_not_counted() {
    let request = testing::request("shop").with_setting("history", "true");
    let inspection = testing::inspect::<Inspector>(&request, &sql(), DUMPS[0], 4096);
    let rows = |name: &str| inspection.objects.iter().find(|object| object.name == name).unwrap().rows;
    assert_eq!((rows("sysv"), rows("u")), (None, Some(1)));
}

#[test]
fn cut_anywhere() {
    for dump in DUMPS {
        testing::inspect_cut_anywhere::<Inspector>(&testing::request("shop"), &sql(), dump);
    }
}

/// What `mariadb-dump --system=users --insert-ignore` writes, in parts.
const ACCOUNTS: &str = "\
CREATE USER IF NOT EXISTS `root`@`localhost`;
CREATE USER IF NOT EXISTS `app`@`%` IDENTIFIED BY PASSWORD '*D7112971B153167836C5172704FA59ADA0B4DDF6';
CREATE ROLE IF NOT EXISTS mariadb_dump_import_role;
/*!80001 CREATE ROLE IF NOT EXISTS 'r1' */;
/*M!100005 CREATE ROLE IF NOT EXISTS 'r1' WITH ADMIN mariadb_dump_import_role */;
GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*D7112971B153167836C5172704FA59ADA0B4DDF6';

-- Dump completed on 2026-11-21 11:35:18
";

#[test]
fn accounts() {
    let request = testing::request("x").scope(Scope::Globals);
    let artifact = Artifact::new("accounts.sql", "application/sql", "accounts");
    let inspection = testing::inspect::<Inspector>(&request, &artifact, ACCOUNTS.as_bytes(), 7);
    let expected =
        [Object::new("account", "app@%"), Object::new("account", "root@localhost"), Object::new("role", "r1")];
    assert_eq!(inspection.objects, expected);
    testing::inspect_cut_anywhere::<Inspector>(&request, &artifact, ACCOUNTS.as_bytes());
    let restore = request.restore(artifact, TargetState::Unknown);
    assert_eq!(testing::filter::<Filter>(&restore, ACCOUNTS.as_bytes(), 7), Ok(ACCOUNTS.as_bytes().to_vec()));
}

#[test]
fn back_again_unchanged() {
    let restore = testing::request("shop").restore(sql(), TargetState::Empty);
    for (dump, size) in DUMPS.iter().flat_map(|dump| [1, 7, 64 << 10].map(|size| (dump, size))) {
        assert!(testing::filter::<Filter>(&restore, dump, size).unwrap() == *dump, "pieces of {size}");
    }
    let no_definer = testing::request("shop").with_setting("no-definer", "true").restore(sql(), TargetState::Empty);
    let out = testing::filter::<Filter>(&no_definer, DUMPS[0], 4096).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!((text.matches("DEFINER=").count(), text.matches("SQL SECURITY DEFINER").count()), (0, 2));
}
