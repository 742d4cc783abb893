//! What people read, word for word.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::event::{Previous, Problem, Pruned, Staleness, StoreResult};
use planb_model::Blame;

fn said(event: &Event) -> String {
    let message = Message::of(event);
    format!("{:?} {}\n{}", message.tone, message.subject(), message.body())
}

fn run() -> Event {
    Event {
        run_id: Some("16e27f5f".to_owned()),
        engine: Some("pg".to_owned()),
        database: Some("orders".to_owned()),
        server: Some("db.example:5432".to_owned()),
        duration_ms: Some(3_250),
        plain_bytes: Some(1_200_000_000),
        stored_bytes: Some(130_000_000),
        rows: Some(1_000_000),
        previous: Some(Previous { plain_bytes: Some(1_190_000_000), rows: Some(990_000) }),
        object_key: Some("daily/orders-2026-11-21-020000.sql.zst".to_owned()),
        stores: vec![StoreResult {
            url: "s3://backups/daily".to_owned(),
            status: Status::Success,
            key: Some("daily/orders-2026-11-21-020000.sql.zst".to_owned()),
            error: None,
        }],
        host: Some("backup-1".to_owned()),
        ..Event::new(Kind::Run, Phase::Finished, Status::Success, "nightly")
    }
}

fn failed() -> Event {
    Event {
        previous_status: Some(Status::Success),
        error: Some(Problem {
            message: "database \"nosuch\" does not exist (psql: exit code 2)".to_owned(),
            blame: Some(Blame::Settings),
            hint: Some("check the name; planb databases lists those that exist".to_owned()),
            last_words: Some("psql: error: connection failed\nFATAL: no such database\n".to_owned()),
        }),
        database: Some("nosuch".to_owned()),
        failures: Some(3),
        retry_at: Some("2026-11-21T02:05:00Z".parse().unwrap()),
        ..Event::new(Kind::Run, Phase::Finished, Status::Failed, "nightly")
    }
}

#[test]
fn a_success() {
    insta::assert_snapshot!(said(&run()), @r"
    Good Backup of nightly succeeded
    Status: success
    Engine: pg
    Database: orders
    Server: db.example:5432
    Size: 1.2 GB, stored 130 MB
    Duration: 3.2 s
    Rate: 369 MB/s
    Change: +0% bytes (1.2 GB before), +1% rows (990,000 before)
    Object: daily/orders-2026-11-21-020000.sql.zst
    Store: s3://backups/daily: success
    Run: 16e27f5f
    Host: backup-1
    ");
}

#[test]
fn a_failure() {
    insta::assert_snapshot!(said(&failed()), @r#"
    Bad Backup of nightly failed
    Status: failed
    Database: nosuch
    Failures in a row: 3
    Next try: 2026-11-21T02:05:00Z

    Error (settings): database "nosuch" does not exist (psql: exit code 2)
    What to do: check the name; planb databases lists those that exist
    psql: error: connection failed
    FATAL: no such database
    "#);
}

#[test]
fn a_dump_that_shrank() {
    let mut event = run();
    event.previous = Some(Previous { plain_bytes: Some(2_600_000_000), rows: Some(2_100_000) });
    event.warnings.push("the server is older than the tool".to_owned());
    insta::assert_snapshot!(said(&event), @r"
    Warning Backup of nightly succeeded, but it shrank
    Status: success
    Engine: pg
    Database: orders
    Server: db.example:5432
    Size: 1.2 GB, stored 130 MB
    Duration: 3.2 s
    Rate: 369 MB/s
    Change: -53% bytes (2.6 GB before), -52% rows (2,100,000 before)
    Object: daily/orders-2026-11-21-020000.sql.zst
    Store: s3://backups/daily: success
    Run: 16e27f5f
    Host: backup-1
    Warning: half of the last dump or more is gone: 1.2 GB instead of 2.6 GB, 1,000,000 rows instead of 2,100,000 rows
    Warning: the server is older than the tool
    ");
}

#[test]
fn some_stores_only() {
    let mut event = run();
    event.status = Status::Partial;
    event.stores.push(StoreResult {
        url: "file:///mnt/nas".to_owned(),
        status: Status::Failed,
        key: None,
        error: Some("no space left on device".to_owned()),
    });
    insta::assert_snapshot!(said(&event), @r"
    Warning Backup of nightly is not in every store
    Status: partial
    Engine: pg
    Database: orders
    Server: db.example:5432
    Size: 1.2 GB, stored 130 MB
    Duration: 3.2 s
    Rate: 369 MB/s
    Change: +0% bytes (1.2 GB before), +1% rows (990,000 before)
    Object: daily/orders-2026-11-21-020000.sql.zst
    Store: s3://backups/daily: success
    Store: file:///mnt/nas: failed: no space left on device
    Run: 16e27f5f
    Host: backup-1
    ");
}

#[test]
fn the_others_on_one_line() {
    let event = |kind, phase, status| Event::new(kind, phase, status, "nightly");
    let subject = |event: Event| Message::of(&event).subject();
    let stale = Staleness { wanted: Wanted::Drill, last: None, age_seconds: 700_000, limit_seconds: 604_800 };
    let pruned = Pruned { removed: 3, kept: 9, freed_bytes: 1_500_000 };
    let finished = |kind, status| event(kind, Phase::Finished, status);
    let lines = [
        subject(event(Kind::Run, Phase::Started, Status::Running)),
        subject(finished(Kind::Run, Status::Skipped)),
        subject(Event { previous_status: Some(Status::Failed), ..finished(Kind::Run, Status::Success) }),
        subject(finished(Kind::Restore, Status::Success)),
        subject(finished(Kind::Drill, Status::Failed)),
        subject(Event { pruned: Some(pruned), ..finished(Kind::Prune, Status::Success) }),
        subject(Event { stale: Some(stale), ..finished(Kind::Stale, Status::Failed) }),
        subject(finished(Kind::Stale, Status::Recovered)),
        subject(event(Kind::Hung, Phase::Started, Status::Running)),
        subject(Event {
            database: Some("orders".to_owned()),
            ..Event::new(Kind::Run, Phase::Finished, Status::Success, "")
        }),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    Backup of nightly started
    Backup of nightly was skipped
    Backup of nightly succeeded again
    Restore of nightly succeeded
    Drill of nightly failed
    Prune of nightly removed 3 backups
    No good drill of nightly for 8 days
    There is a new backup of nightly again
    Run of nightly does not end
    Backup of orders succeeded
    ");
}

#[test]
fn what_is_stale_says_since_when() {
    let last = Some("2026-11-20T02:00:00Z".parse().unwrap());
    let event = Event {
        stale: Some(Staleness { wanted: Wanted::Backup, last, age_seconds: 108_000, limit_seconds: 93_600 }),
        ..Event::new(Kind::Stale, Phase::Finished, Status::Failed, "nightly")
    };
    insta::assert_snapshot!(said(&event), @r"
    Bad No good backup of nightly for 30 h
    Status: failed
    Last good one: 2026-11-20T02:00:00Z
    Allowed age: 26 h
    ");
}

#[test]
fn no_value_makes_a_line_of_its_own() {
    let mut event = failed();
    event.job = "a\r\nb".to_owned();
    event.database = Some("x\nStatus: success".to_owned());
    event.warnings.push("one\ntwo".to_owned());
    let message = Message::of(&event);
    assert_eq!(message.subject(), "Backup of a b failed");
    assert!(!message.body().lines().any(|line| line == "Status: success" || line == "two"));
}
