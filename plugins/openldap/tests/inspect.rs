//! The inspector against what the tools of OpenLDAP 2.5.13 wrote, with folded lines and names in base64, cut at every byte and fed in chunks of
//! any size.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use planb_engine_openldap::OpenLdap;
use planb_sdk::{Artifact, Engine, Inspection, testing};

const SEARCHED: &[u8] = include_bytes!("fixtures/ldapsearch-2.5.ldif");
const CAT: &[u8] = include_bytes!("fixtures/slapcat-2.5.ldif");

fn inspect(format: &str, dump: &[u8], chunk: usize) -> Inspection {
    let artifact = Artifact::new("ldif", "text/x-ldif", format);
    testing::inspect::<<OpenLdap as Engine>::Inspector>(&testing::request("dc=example,dc=org"), &artifact, dump, chunk)
}

const OBJECTS: &str = "\
suffix dc=example,dc=org 9
container dc=example,dc=org 2
container ou=actors,dc=example,dc=org 3
container ou=movies,dc=example,dc=org 3";

#[test]
fn entries_by_their_containers() {
    for (format, dump) in [("ldapsearch", SEARCHED), ("slapcat", CAT)] {
        let whole = inspect(format, dump, usize::MAX);
        let objects: Vec<String> = whole
            .objects
            .iter()
            .map(|object| format!("{} {} {}", object.kind, object.name, object.rows.unwrap()))
            .collect();
        assert_eq!(objects.join("\n"), OBJECTS);
        assert!(whole.complete && whole.findings.is_empty(), "{:?}", whole.findings);
        for chunk in [1, 2, 3, 7, 64, 65536] {
            assert_eq!(inspect(format, dump, chunk), whole, "chunks of {chunk}");
        }
    }
}

#[test]
fn a_cut_is_found_anywhere() {
    for (format, dump) in [("ldapsearch", SEARCHED), ("slapcat", CAT)] {
        for end in 0..dump.len() {
            let cut = inspect(format, &dump[..end], 65536);
            assert!(!cut.complete && !cut.findings.is_empty(), "cut at {end}");
        }
    }
}

#[test]
fn a_missing_entry_is_found() {
    let text = String::from_utf8_lossy(SEARCHED).into_owned();
    let (head, tail) = text.split_once("dn: cn=Metropolis").unwrap();
    let (_, tail) = tail.split_once("\n\n").unwrap();
    let inspection = inspect("ldapsearch", format!("{head}{tail}").as_bytes(), 100);
    assert_eq!(inspection.findings, ["the server sent 9 entries, and the dump holds 8: it was changed"]);
    // Each format has its own end.
    assert!(!inspect("slapcat", SEARCHED, 100).complete);
    assert!(!inspect("ldapsearch", CAT, 100).complete);
}
