//! A dump, inspected and turned into commands. The answers are those of memcached 1.6.18.

use planb_sdk::{Artifact, Failure, Filter, Inspection, RestoreRequest, Scope, TargetState, testing};

use crate::filter::RestoreFilter;
use crate::groups;
use crate::inspect::MemcachedInspector;

const DUMP: &[u8] = b"STAT pid 6189\r\nSTAT time 1795262427\r\nSTAT curr_items 7\r\nSTAT bytes 99\r\nEND\r\n\
VA 10 kmovies:1 f7 t-1\r\nMetropolis\r\n\
VA 14 kmovies:2 f0 t995\r\nVA 1\r\nMN\r\nEN\r\n\r\n\
VA 3 kYmluOiBrZXk= b f0 t-1\r\nabc\r\n\
EN knosuch\r\n\
EN\r\n\
VA 0 kuni\xc3\xa9 f1 t0\r\n\r\n\
MN\r\n";

fn artifact() -> Artifact {
    Artifact::new("memcached", "application/octet-stream", "meta")
}

fn inspect(dump: &[u8], chunk: usize) -> Inspection {
    testing::inspect::<MemcachedInspector>(&testing::request("").scope(Scope::All), &artifact(), dump, chunk)
}

fn filter(replace: bool, dump: &[u8], chunk: usize) -> Result<Vec<u8>, Failure> {
    let mut request: RestoreRequest = testing::request("").scope(Scope::All).restore(artifact(), TargetState::Empty);
    request.replace = replace;
    let mut filter = RestoreFilter::new(&request);
    let mut out = Vec::new();
    for chunk in dump.chunks(chunk) {
        out.extend(filter.push(chunk.to_vec())?);
    }
    out.extend(filter.finish()?);
    Ok(out)
}

#[test]
fn what_it_holds() {
    let inspection = inspect(DUMP, 1 << 16);
    assert!(inspection.complete);
    assert_eq!(
        inspection.objects,
        [
            groups::all(4),
            groups::with_prefix(Some(b"bin"), 1),
            groups::with_prefix(Some(b"movies"), 2),
            groups::with_prefix(None, 1)
        ]
    );
    assert_eq!(
        inspection.findings,
        [
            "the server counted 7 items, of which 4 were had: the others had expired, or went or came meanwhile",
            "2 items of the list had gone when asked for",
            "2 items with a time to live: what has expired by the time of a restore does not come back"
        ]
    );
    for chunk in 1..DUMP.len() {
        assert_eq!(inspect(DUMP, chunk), inspection, "chunks of {chunk}");
    }
}

#[test]
fn a_cut_dump_is_not_complete() {
    for end in 0..DUMP.len() {
        assert!(!inspect(&DUMP[..end], 9).complete, "cut at {end}");
        assert!(filter(false, &DUMP[..end], 9).is_err(), "cut at {end}");
    }
    for behind in [&b"x"[..], b"\r\n", b"EN\r\n", b"MN\r\n"] {
        assert!(!inspect(&[DUMP, behind].concat(), 9).complete);
    }
}

#[test]
fn errors_in_place_of_items() {
    for line in
        ["SERVER_ERROR out of memory writing get response", "ERROR", "VA x kmovies:1", "VA 1 f0", "VA 1 ka\x7fb", "HD"]
    {
        let dump = [b"END\r\n", line.as_bytes(), b"\r\nMN\r\n"].concat();
        let inspection = inspect(&dump, 64);
        assert!(!inspection.complete && inspection.findings[0].contains("no item"), "{line}: {inspection:?}");
    }
    assert!(inspect(b"END\r\nMN\r\n", 64).complete, "an empty cache");
    assert!(!inspect(&[b"END\r\n", &[b'x'; 9000][..]].concat(), 64).complete);
}

#[test]
fn as_commands() {
    let expected: &[u8] = b"stats\r\n\
ms movies:1 10 F7 ME\r\nMetropolis\r\n\
ms movies:2 14 F0 T1795263422 ME\r\nVA 1\r\nMN\r\nEN\r\n\r\n\
ms YmluOiBrZXk= 3 F0 ME b\r\nabc\r\n\
ms uni\xc3\xa9 0 F1 T1795262427 ME\r\n\r\n\
stats\r\nmn\r\n";
    for chunk in 1..DUMP.len() {
        assert_eq!(filter(false, DUMP, chunk).unwrap().escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
    let replaced = filter(true, DUMP, 64).unwrap();
    assert_eq!(replaced.escape_ascii().to_string(), expected.escape_ascii().to_string().replace(" ME", " MS"));
    assert!(
        filter(false, b"END\r\nVA 1 ka f0 t5\r\nx\r\nMN\r\n", 64).unwrap_err().message.contains("when it was made")
    );
}

#[test]
fn too_many_beginnings() {
    let mut dump = b"END\r\n".to_vec();
    for at in 0..=groups::GROUPS {
        dump.extend(format!("VA 1 kp{at}:1 f0 t-1\r\nx\r\n").bytes());
    }
    let inspection = inspect(&[&dump[..], b"MN\r\n"].concat(), 4096);
    assert_eq!(inspection.objects, [groups::all(1001)]);
    assert!(inspection.findings[0].contains("more than 1000 different beginnings"));
}
