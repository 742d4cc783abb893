//! RDBs that real servers wrote, with a key of each encoding, inspected and turned into commands. The servers' limits were set low, so that
//! small values take the encodings of large ones too.
#![allow(clippy::unwrap_used, reason = "tests")]

use planb_engine_redis::{RedisInspector, RestoreFilter};
use planb_sdk::{Artifact, Failure, Filter, Inspection, Request, RestoreRequest, Scope, TargetState, testing};

const DUMPS: [(&str, &[u8]); 6] = [
    ("7.0", include_bytes!("fixtures/redis-7.0.15.rdb")),
    ("7.0 with frequencies", include_bytes!("fixtures/redis-7.0.15-lfu.rdb")),
    ("8.0", include_bytes!("fixtures/redis-8.0.2.rdb")),
    ("8.0, of a cluster", include_bytes!("fixtures/redis-8.0.2-cluster.rdb")),
    ("8.1 of Valkey", include_bytes!("fixtures/valkey-8.1.1.rdb")),
    ("9.1 of Valkey", include_bytes!("fixtures/valkey-9.1.2.rdb")),
];
const NO_CHECKSUM: &[u8] = include_bytes!("fixtures/no-checksum.rdb");
/// As a server makes it: 40 letters behind the RDB.
const MARK: &[u8; 40] = b"927ab8c1f3fe7441cfe4cf170592b6e07d3ef1de";

fn request() -> Request {
    testing::request("").scope(Scope::All)
}

fn artifact() -> Artifact {
    Artifact::new("rdb", "application/octet-stream", "rdb")
}

fn inspect(dump: &[u8], chunk: usize) -> Inspection {
    testing::inspect::<RedisInspector>(&request(), &artifact(), dump, chunk)
}

fn filter(request: &RestoreRequest, dump: &[u8], chunk: usize) -> Result<Vec<u8>, Failure> {
    let mut filter = RestoreFilter::new(request);
    let mut out = Vec::new();
    for chunk in dump.chunks(chunk) {
        out.extend(filter.push(chunk.to_vec())?);
    }
    out.extend(filter.finish()?);
    Ok(out)
}

fn restore() -> RestoreRequest {
    request().restore(artifact(), TargetState::Empty)
}

/// The commands of a stream of RESP arrays.
fn commands(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn line<'a>(bytes: &mut &'a [u8], sign: u8) -> &'a str {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let (line, rest) = bytes.split_at(end);
        *bytes = &rest[2..];
        assert_eq!(line[0], sign);
        std::str::from_utf8(&line[1..]).unwrap()
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let count: usize = line(&mut bytes, b'*').parse().unwrap();
        let mut command = Vec::new();
        for _ in 0..count {
            let length: usize = line(&mut bytes, b'$').parse().unwrap();
            command.push(bytes[..length].to_vec());
            assert_eq!(&bytes[length..length + 2], b"\r\n");
            bytes = &bytes[length + 2..];
        }
        commands.push(command);
    }
    commands
}

#[test]
fn what_they_hold() {
    let (_, dump) = DUMPS[2];
    let inspection = inspect(dump, 1 << 16);
    let objects: Vec<String> = inspection
        .objects
        .iter()
        .map(|object| {
            format!("{} {} {}", object.kind, object.name, object.rows.map_or("-".to_owned(), |rows| rows.to_string()))
        })
        .collect();
    assert_eq!(
        objects.join("\n"),
        "database db0 20\ntype db0/hash 4\ntype db0/list 1\ntype db0/set 3\ntype db0/stream 1\ntype db0/string 9\ntype db0/zset 2\n\
         prefix db0/bin:* 1\nprefix db0/h:* 2\nprefix db0/hfe:* 2\nprefix db0/list:* 1\nprefix db0/movies:* 5\nprefix db0/set:* 3\n\
         prefix db0/stream:* 1\nprefix db0/ttl:* 1\nprefix db0/z:* 2\nprefix db0/* 2\ndatabase db3 2\ntype db3/list 1\n\
         type db3/string 1\nprefix db3/other:* 1\nprefix db3/* 1\nfunction-library mylib -"
    );
    assert_eq!(
        inspection.findings,
        [
            "1 key with a time to live: what has expired by the time of a restore does not come back",
            "2 keys with fields that expire on their own"
        ]
    );
    for (name, dump) in DUMPS {
        let keys = inspect(dump, 1 << 16).objects[0].rows.unwrap();
        assert_eq!(
            keys,
            [18, 18, 20, 50, 18, 20][DUMPS.iter().position(|(other, _)| *other == name).unwrap()],
            "{name}"
        );
    }
}

#[test]
fn chunks_mean_nothing() {
    for (name, dump) in DUMPS {
        let whole = inspect(dump, 1 << 16);
        assert!(whole.complete, "{name}");
        let sent = filter(&restore(), dump, 1 << 16).unwrap();
        for chunk in [1, 2, 7, 63, 64, 65, 127] {
            assert_eq!(inspect(dump, chunk), whole, "{name} in chunks of {chunk}");
            assert_eq!(filter(&restore(), dump, chunk).unwrap(), sent, "{name} in chunks of {chunk}");
        }
    }
}

#[test]
fn a_cut_or_changed_dump_is_not_complete() {
    for (name, dump) in DUMPS {
        for end in 0..dump.len() {
            assert!(!inspect(&dump[..end], 64).complete, "{name} cut at {end}");
            assert!(filter(&restore(), &dump[..end], 64).is_err(), "{name} cut at {end}");
        }
        let mut changed = dump.to_vec();
        for at in 0..dump.len() {
            for flip in [0x01, 0x80, 0xff] {
                changed[at] ^= flip;
                assert!(!inspect(&changed, 1000).complete, "{name} changed at {at}");
                assert!(filter(&restore(), &changed, 1000).is_err(), "{name} changed at {at}");
                changed[at] ^= flip;
            }
        }
    }
    for end in 0..NO_CHECKSUM.len() {
        assert!(!inspect(&NO_CHECKSUM[..end], 64).complete, "cut at {end}");
    }
    let inspection = inspect(NO_CHECKSUM, 64);
    assert!(inspection.complete && inspection.findings[0].contains("no checksum"));
}

#[test]
fn what_lies_behind_the_end() {
    let (_, dump) = DUMPS[0];
    let marked = [dump, MARK].concat();
    for chunk in [1, 40, 1 << 16] {
        let inspection = inspect(&marked, chunk);
        assert!(inspection.complete && inspection.findings[0].contains("40-byte mark"), "{inspection:?}");
        assert_eq!(filter(&restore(), &marked, chunk).unwrap(), filter(&restore(), dump, chunk).unwrap());
    }
    // A dump without a mark of which forty bytes were taken all the same.
    assert!(!inspect(&dump[..dump.len() - 40], 64).complete);
    for behind in [&MARK[..39], b"x", &[MARK, &b"0"[..]].concat(), &[b'X'; 40]] {
        let inspection = inspect(&[dump, behind].concat(), 64);
        assert!(!inspection.complete && inspection.findings[0].contains("behind the end"), "{inspection:?}");
    }
    for other in [&b""[..], b"REDIS", b"VALK", b"REDIS00", b"REDISxxxx", b"<html>", b"REDIS0004\xff"] {
        assert!(!inspect(other, 64).complete);
    }
}

#[test]
fn as_commands() {
    let (_, dump) = DUMPS[0];
    let sent = commands(&filter(&restore(), dump, 64).unwrap());
    let words = |command: &[Vec<u8>]| command.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(words(&sent[0])[..2], ["FUNCTION", "LOAD"]);
    assert!(sent[0][2].starts_with(b"#!lua name=mylib\n-- words"), "unpacked");
    let find = |name: &[u8]| sent.iter().find(|command| command[1] == name).unwrap();
    // Redis 7.0 answered this to DUMP of the same value.
    assert_eq!(words(find(b"movies:1"))[2..], ["0", "\\x00\\nMetropolis\\n\\x00\\x8e\\xae\\xee\\x94`b\\xb2\\x01"]);
    assert_eq!(words(find(b"12345")).len(), 4, "a key that is stored as a number");
    assert_eq!(find(&b"long".repeat(20)).len(), 4, "a key that is stored compressed");
    let expiring = words(find(b"ttl:1"));
    assert_eq!((expiring[2].as_str(), expiring[4].as_str()), ("4102444800000", "ABSTTL"));
    assert!(sent.iter().any(|command| words(command) == ["SELECT", "3"]));
    assert_eq!(sent.iter().filter(|command| command[0] == b"RESTORE").count(), 20);

    let mut replace = restore();
    replace.replace = true;
    let sent = commands(&filter(&replace, DUMPS[1].1, 64).unwrap());
    assert_eq!(words(&sent[0])[..3], ["FUNCTION", "LOAD", "REPLACE"]);
    let restores: Vec<_> = sent.iter().filter(|command| command[0] == b"RESTORE").collect();
    assert!(restores.iter().all(|command| command.iter().any(|word| word == b"REPLACE")));
    assert!(restores.iter().all(|command| words(command).windows(2).any(|pair| pair[0] == "FREQ")));
}

#[test]
fn into_a_folder_it_goes_as_it_is() {
    for (name, dump) in DUMPS {
        let request = request().with_setting("data-dir", "/var/lib/redis").restore(artifact(), TargetState::Unknown);
        assert_eq!(filter(&request, dump, 100).unwrap(), dump, "{name}");
        assert!(filter(&request, &dump[..dump.len() - 1], 100).is_err(), "{name}");
    }
}

#[test]
fn an_older_server_is_refused() {
    let to = |server: &str| request().server_is(server).restore(artifact(), TargetState::Empty);
    for (server, dump, takes) in [
        ("Redis 7.0.15", 0, true),
        ("Redis 7.0.15", 2, false),
        ("Valkey 8.1.1", 2, false),
        ("Valkey 8.1.1", 5, false),
        ("Valkey 9.1.2", 5, true),
        ("Redis 8.0.2", 4, true),
        ("Redis 8.0.2", 5, false),
        ("Redis 7.0.15 (3 databases)", 0, false),
    ] {
        assert_eq!(filter(&to(server), DUMPS[dump].1, 64).is_ok(), takes, "{server} {}", DUMPS[dump].0);
    }
}
