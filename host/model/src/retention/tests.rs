//! What each rule does, with its reasons.
#![allow(clippy::unwrap_used, reason = "tests")]
use jiff::ToSpan as _;

use super::*;

/// Central Europe's rules of today, without a table of zones.
pub(super) fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn backup(at: &str) -> Candidate {
    Candidate {
        id: at.to_owned(),
        key: format!("{at}.manifest.json"),
        created_at: time(at),
        stored_bytes: 100,
        good: true,
        proven: false,
        held: false,
    }
}

fn backups(times: &[&str]) -> Vec<Candidate> {
    times.iter().map(|at| backup(at)).collect()
}

/// One at 02:00 UTC of each of the last days before `now`, the newest first.
fn days(number: i64, now: Timestamp) -> Vec<Candidate> {
    (0..number).map(|day| backup(&now.checked_sub((24 * day).hours()).unwrap().to_string())).collect()
}

fn kept(rules: &Retention, all: &[Candidate], now: &str, zone: &TimeZone) -> Vec<String> {
    let decisions = decide(rules, all, time(now), zone);
    assert_eq!(decisions.len(), all.len());
    let kept = all.iter().zip(decisions).filter(|(_, decision)| decision.keep);
    kept.map(|(candidate, _)| candidate.id.clone()).collect()
}

fn lines(rules: &Retention, all: &[Candidate], now: &str, zone: &TimeZone) -> Vec<String> {
    let line = |(candidate, decision): (&Candidate, Decision)| {
        let verdict = if decision.keep { "keep" } else { "remove" };
        format!("{} {verdict}: {}", candidate.created_at, decision.reasons.join("; "))
    };
    all.iter().zip(decide(rules, all, time(now), zone)).map(line).collect()
}

#[test]
fn without_a_rule_everything_stays() {
    let mut all = backups(&["2001-01-01T00:00:00Z", "2026-11-20T02:00:00Z"]);
    all[0].good = false;
    for rules in [Retention::default(), Retention { keep_last: Some(0), max_days: Some(0), ..Retention::default() }] {
        assert!(rules.is_empty());
        assert_eq!(kept(&rules, &all, "2026-11-20T03:00:00Z", &TimeZone::UTC).len(), 2);
    }
    // A 0 does not hide the rule beside it.
    assert!(!Retention { max_files: Some(0), max_days: Some(3), ..Retention::default() }.is_empty());
}

#[test]
fn the_reasons_of_a_grandfather_father_son() {
    let rules =
        Retention { keep_last: Some(2), daily: Some(2), weekly: Some(2), monthly: Some(2), ..Retention::default() };
    let all = backups(&[
        "2026-11-20T02:00:00Z",
        "2026-11-19T14:00:00Z",
        "2026-11-19T02:00:00Z",
        "2026-11-18T02:00:00Z",
        "2026-11-15T02:00:00Z",
        "2026-10-31T02:00:00Z",
        "2026-09-30T02:00:00Z",
    ]);
    assert_eq!(
        lines(&rules, &all, "2026-11-20T03:00:00Z", &TimeZone::UTC),
        [
            "2026-11-20T02:00:00Z keep: newest good backup: never removed; one of the 2 newest; newest of the day \
             2026-11-20; newest of the week 2026-W47; newest of the month 2026-11",
            "2026-11-19T14:00:00Z keep: one of the 2 newest; newest of the day 2026-11-19",
            "2026-11-19T02:00:00Z remove: no rule keeps it",
            "2026-11-18T02:00:00Z remove: no rule keeps it",
            "2026-11-15T02:00:00Z keep: newest of the week 2026-W46",
            "2026-10-31T02:00:00Z keep: newest of the month 2026-10",
            "2026-09-30T02:00:00Z remove: no rule keeps it",
        ]
    );
}

#[test]
fn periods_without_a_backup_are_no_periods() {
    let rules = Retention { yearly: Some(2), ..Retention::default() };
    let all =
        backups(&["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2019-06-01T00:00:00Z", "2011-06-01T00:00:00Z"]);
    let stay = kept(&rules, &all, "2026-03-02T00:00:00Z", &TimeZone::UTC);
    assert_eq!(stay, ["2026-03-01T00:00:00Z", "2019-06-01T00:00:00Z"]);
}

#[test]
fn a_day_is_the_zones_day() {
    let rules = Retention { daily: Some(9), ..Retention::default() };
    // 23:30 UTC is the next day in Berlin.
    let all = backups(&["2026-07-02T02:00:00Z", "2026-07-01T23:30:00Z"]);
    assert_eq!(kept(&rules, &all, "2026-07-03T00:00:00Z", &TimeZone::UTC).len(), 2);
    assert_eq!(kept(&rules, &all, "2026-07-03T00:00:00Z", &berlin()), ["2026-07-02T02:00:00Z"]);
}

#[test]
fn the_days_on_which_clocks_change() {
    // Both hours that are called 02:00 on 25 October 2026 are hours.
    let rules = Retention { hourly: Some(9), ..Retention::default() };
    let autumn =
        backups(&["2026-10-25T02:10:00Z", "2026-10-25T01:30:00Z", "2026-10-25T00:40:00Z", "2026-10-25T00:30:00Z"]);
    assert_eq!(
        lines(&rules, &autumn, "2026-10-25T03:00:00Z", &berlin()),
        [
            "2026-10-25T02:10:00Z keep: newest good backup: never removed; newest of the hour 2026-10-25 03:00 CET",
            "2026-10-25T01:30:00Z keep: newest of the hour 2026-10-25 02:00 CET",
            "2026-10-25T00:40:00Z keep: newest of the hour 2026-10-25 02:00 CEST",
            "2026-10-25T00:30:00Z remove: no rule keeps it",
        ]
    );
    // The day of 25 hours is one, and so is that of 23 on 29 March.
    let rules = Retention { daily: Some(9), ..Retention::default() };
    let ends = ["2026-10-25T22:59:00Z", "2026-10-24T22:00:00Z", "2026-03-29T21:59:00Z", "2026-03-28T23:00:00Z"];
    let stay = kept(&rules, &backups(&ends), "2026-10-26T00:00:00Z", &berlin());
    assert_eq!(stay, ["2026-10-25T22:59:00Z", "2026-03-29T21:59:00Z"]);
}

#[test]
fn weeks_at_the_turn_of_the_year() {
    // 29 December 2025 to 4 January 2026 is week 1 of 2026; 30 December 2024 belongs to week 1 of 2025.
    let rules = Retention { weekly: Some(9), ..Retention::default() };
    let all =
        backups(&["2026-01-04T23:00:00Z", "2025-12-29T01:00:00Z", "2025-12-28T23:00:00Z", "2024-12-30T00:00:00Z"]);
    assert_eq!(
        lines(&rules, &all, "2026-01-05T00:00:00Z", &TimeZone::UTC),
        [
            "2026-01-04T23:00:00Z keep: newest good backup: never removed; newest of the week 2026-W01",
            "2025-12-29T01:00:00Z remove: no rule keeps it",
            "2025-12-28T23:00:00Z keep: newest of the week 2025-W52",
            "2024-12-30T00:00:00Z keep: newest of the week 2025-W01",
        ]
    );
}

#[test]
fn two_backups_at_the_same_instant() {
    let mut all = backups(&["2026-11-20T02:00:00Z", "2026-11-20T02:00:00Z"]);
    all[1].id = "b".to_owned();
    let rules = Retention { keep_last: Some(1), ..Retention::default() };
    let now = "2026-11-20T03:00:00Z";
    assert_eq!(kept(&rules, &all, now, &TimeZone::UTC), ["b"]);
    all.reverse();
    assert_eq!(kept(&rules, &all, now, &TimeZone::UTC), ["b"]);
    // Nor do two of the same id, copies under two keys, both go.
    all[0].id = all[1].id.clone();
    all[0].key = "copy".to_owned();
    assert_eq!(kept(&rules, &all, now, &TimeZone::UTC).len(), 1);
}

#[test]
fn limits_alone() {
    let now = "2026-11-20T02:00:00Z";
    let all = days(10, time(now));
    let limit = |rules: Retention| kept(&rules, &all, now, &TimeZone::UTC).len();
    assert_eq!(limit(Retention { max_files: Some(3), ..Retention::default() }), 3);
    // The one that is seven days old to the second is not older than seven days.
    assert_eq!(limit(Retention { max_days: Some(7), ..Retention::default() }), 8);
    assert_eq!(limit(Retention { max_bytes: Some(450), ..Retention::default() }), 4);
    assert_eq!(limit(Retention { max_bytes: Some(1), ..Retention::default() }), 1);
    let rules = Retention { max_files: Some(1), max_days: Some(1), max_bytes: Some(450), ..Retention::default() };
    assert_eq!(
        lines(&rules, &all[..3], now, &TimeZone::UTC),
        [
            "2026-11-20T02:00:00Z keep: newest good backup: never removed",
            "2026-11-19T02:00:00Z remove: beyond the newest",
            "2026-11-18T02:00:00Z remove: older than 1 day",
        ]
    );
}

#[test]
fn limits_take_from_what_keep_rules_keep() {
    let now = "2026-11-20T02:00:00Z";
    let all =
        backups(&["2026-11-20T01:00:00Z", "2026-10-20T01:00:00Z", "2026-09-20T01:00:00Z", "2026-09-19T01:00:00Z"]);
    let rules = Retention { monthly: Some(12), max_days: Some(40), ..Retention::default() };
    assert_eq!(kept(&rules, &all, now, &TimeZone::UTC), ["2026-11-20T01:00:00Z", "2026-10-20T01:00:00Z"]);
}

#[test]
fn a_count_includes_what_no_rule_removes() {
    let now = "2026-11-20T02:00:00Z";
    let mut all = days(5, time(now));
    all[4].proven = true;
    let rules = Retention { max_files: Some(3), ..Retention::default() };
    let stay = kept(&rules, &all, now, &TimeZone::UTC);
    assert_eq!(stay, ["2026-11-20T02:00:00Z", "2026-11-19T02:00:00Z", "2026-11-16T02:00:00Z"]);
}

#[test]
fn a_hold_costs_no_other_its_place() {
    let now = "2026-11-20T02:00:00Z";
    let mut all = days(5, time(now));
    all[0].held = true;
    all[4].held = true;
    for rules in [
        Retention { keep_last: Some(2), ..Retention::default() },
        Retention { max_files: Some(2), ..Retention::default() },
    ] {
        assert_eq!(
            kept(&rules, &all, now, &TimeZone::UTC),
            ["2026-11-20T02:00:00Z", "2026-11-19T02:00:00Z", "2026-11-18T02:00:00Z", "2026-11-16T02:00:00Z"]
        );
    }
}

/// For a week the dumps break off. No good one may go for them, and the last good ones stay.
#[test]
fn truncated_backups_do_not_evict_good_ones() {
    let now = "2026-11-20T02:00:00Z";
    let mut all = days(14, time(now));
    for broken in &mut all[..7] {
        broken.good = false;
    }
    for rules in [
        Retention { keep_last: Some(7), ..Retention::default() },
        Retention { daily: Some(7), ..Retention::default() },
        Retention { max_files: Some(7), ..Retention::default() },
    ] {
        let decisions = decide(&rules, &all, time(now), &TimeZone::UTC);
        assert!(decisions[7..].iter().all(|decision| decision.keep), "{rules:?}");
    }
    // By age they do go, but not the last one.
    let rules = Retention { max_days: Some(7), ..Retention::default() };
    let decisions = decide(&rules, &all, time(now), &TimeZone::UTC);
    assert!(decisions[7].keep && decisions[7].reasons == ["newest good backup: never removed"]);
}

#[test]
fn what_is_not_good_goes_after_the_good_ones() {
    let now = "2026-11-20T02:00:00Z";
    let mut all = days(6, time(now));
    for at in [1, 3, 5] {
        all[at].good = false;
    }
    let rules = Retention { keep_last: Some(2), ..Retention::default() };
    assert_eq!(
        lines(&rules, &all, now, &TimeZone::UTC),
        [
            "2026-11-20T02:00:00Z keep: newest good backup: never removed; one of the 2 newest",
            "2026-11-19T02:00:00Z keep: not good: it counts for no rule, and stays until every good backup that stays is newer",
            "2026-11-18T02:00:00Z keep: one of the 2 newest",
            "2026-11-17T02:00:00Z remove: not good, and older than every good backup that stays",
            "2026-11-16T02:00:00Z remove: no rule keeps it",
            "2026-11-15T02:00:00Z remove: not good, and older than every good backup that stays",
        ]
    );
    let rules = Retention { max_days: Some(2), yearly: Some(3), ..Retention::default() };
    all[4].proven = true;
    let stay = lines(&rules, &all, now, &TimeZone::UTC);
    assert_eq!(stay[3], "2026-11-17T02:00:00Z remove: not good, older than 2 days, and a newer good backup stays");
    assert_eq!(stay[4], "2026-11-16T02:00:00Z keep: newest that a drill or a full check has proven: never removed");
    // Where nothing is good, nothing takes their place.
    for one in &mut all {
        one.good = false;
    }
    assert_eq!(kept(&rules, &all, now, &TimeZone::UTC).len(), 6);
}

#[test]
fn the_future_is_left_alone() {
    let rules = Retention { keep_last: Some(1), max_files: Some(1), ..Retention::default() };
    let mut all =
        backups(&["2031-01-01T00:00:00Z", "2026-11-20T02:04:00Z", "2026-11-20T02:00:00Z", "2026-11-19T02:00:00Z"]);
    assert_eq!(
        lines(&rules, &all, "2026-11-20T02:00:00Z", &TimeZone::UTC),
        [
            "2031-01-01T00:00:00Z keep: from the future: a clock was wrong, so its age is not known",
            // Another machine's clock that goes a little fast is no future.
            "2026-11-20T02:04:00Z keep: newest good backup: never removed; the newest",
            "2026-11-20T02:00:00Z remove: no rule keeps it",
            "2026-11-19T02:00:00Z remove: no rule keeps it",
        ]
    );
    // This machine's clock fell back: everything is from the future.
    all[3].good = false;
    assert_eq!(kept(&rules, &all, "1970-01-01T00:00:00Z", &TimeZone::UTC).len(), 4);
}

#[test]
fn a_clock_that_runs_ahead_leaves_the_newest() {
    let all = days(5, time("2026-11-20T02:00:00Z"));
    for rules in [Retention { max_days: Some(30), ..Retention::default() }, Retention::nectgmbh_default()] {
        assert_eq!(kept(&rules, &all, "2999-01-01T00:00:00Z", &TimeZone::UTC), ["2026-11-20T02:00:00Z"]);
    }
}

#[test]
fn the_first_of_a_period_holds_it() {
    let rules = Retention { periods: vec!["%Y-%m=40d".parse().unwrap()], ..Retention::default() };
    let all =
        backups(&["2026-11-19T02:00:00Z", "2026-11-18T02:00:00Z", "2026-10-02T02:00:00Z", "2026-10-01T02:00:00Z"]);
    // 40 days from the beginning of the period, not from the backup on.
    assert_eq!(
        lines(&rules, &all[2..], "2026-11-09T23:59:59Z", &TimeZone::UTC)[1],
        "2026-10-01T02:00:00Z keep: first of 2026-10, kept for 40d"
    );
    assert_eq!(
        lines(&rules, &all, "2026-11-20T00:00:00Z", &TimeZone::UTC),
        [
            "2026-11-19T02:00:00Z keep: newest good backup: never removed",
            "2026-11-18T02:00:00Z keep: first of 2026-11, kept for 40d",
            "2026-10-02T02:00:00Z remove: no rule keeps it",
            "2026-10-01T02:00:00Z remove: no rule keeps it",
        ]
    );
}

#[test]
fn nectgmbhs_default() {
    let rules = Retention::nectgmbh_default();
    assert_eq!(rules.periods.len(), 5);
    let now = "2026-11-20T03:00:00Z";
    let mut all = days(800, time("2026-11-20T02:00:00Z"));
    all.extend(backups(&["2026-11-20T02:30:00Z", "2026-11-20T01:30:00Z"]));
    let stay = kept(&rules, &all, now, &TimeZone::UTC);
    // The first of 13 months (November 2025 ended its 372 days on the 8th), of weeks and of days that still run.
    assert!(stay.contains(&"2025-12-01T02:00:00Z".to_owned()) && !stay.contains(&"2025-11-01T02:00:00Z".to_owned()));
    assert!(stay.contains(&"2026-10-26T02:00:00Z".to_owned()) && !stay.contains(&"2026-10-19T02:00:00Z".to_owned()));
    assert!(stay.contains(&"2026-11-14T02:00:00Z".to_owned()) && !stay.contains(&"2026-11-12T02:00:00Z".to_owned()));
    // Each for an hour from its second on.
    assert!(stay.contains(&"2026-11-20T02:30:00Z".to_owned()));
}

#[test]
fn a_week_of_the_calendar_year_is_the_weeks_year() {
    // By `%Y-w%V` both would be 2024-w01, and the later one nobody's first.
    let rules = Retention { periods: vec!["%Y-w%V=31d".parse().unwrap()], ..Retention::default() };
    let all = backups(&["2025-01-08T02:00:00Z", "2024-12-30T02:00:00Z", "2024-01-02T02:00:00Z"]);
    assert_eq!(
        lines(&rules, &all, "2025-01-10T00:00:00Z", &TimeZone::UTC)[1],
        "2024-12-30T02:00:00Z keep: first of 2025-w01, kept for 31d"
    );
}

#[test]
fn periods_are_read_and_written() {
    for text in ["%Y-%m=372d", "%G-W%V=31d", "%F=7d", "%F %R=24h", "%j/%Y=1h 30m", "at %s=36h", "%Y=1d"] {
        let period: Period = text.parse().unwrap();
        let again: Period = period.to_string().parse().unwrap();
        assert_eq!(period, again);
    }
    assert_eq!("%Y=2w".parse::<Period>().unwrap().to_string(), "%Y=14d");
    let error = |text: &str| text.parse::<Period>().unwrap_err().to_string();
    assert!(error("%Y-%m").starts_with("a period is given as FORMAT=DURATION"));
    for text in ["%Y=1mo", "%Y=0d", "%Y=-3d", "%Y=", "%Y=soon"] {
        assert!(error(text).contains("is no duration for the period \"%Y\""), "{text}");
    }
    assert!(error("%Y-%Q=1d").contains("has %Q"));
    assert!(error("%Y-%=1d").contains("has %"));
    for (format, lacks) in [
        ("backup", "it lacks the year"),
        ("%m", "it lacks the year"),
        ("%Y-%d", "a day, %d, needs its month"),
        ("%Y-%m-%H", "an hour, %H, needs its day"),
        ("%Y-%M", "a minute, %M, needs its hour, %H; a month is %m"),
        ("%F %H:%S", "a second, %S, needs its minute"),
        ("%Y-%m-w%V", "a week, %V, goes with a year"),
    ] {
        assert!(error(&format!("{format}=1d")).contains(lacks), "{format}: {}", error(&format!("{format}=1d")));
    }
}

#[test]
fn rules_as_files_have_them() {
    let text = r#"{"keep_last":3,"max_bytes":5,"periods":{"%Y":"366d","%Y-%m":"372d"}}"#;
    let rules: Retention = serde_json::from_str(text).unwrap();
    assert_eq!((rules.keep_last, rules.max_bytes, rules.periods.len()), (Some(3), Some(5), 2));
    assert_eq!(serde_json::to_string(&rules).unwrap(), text);
    let error = |text: &str| serde_json::from_str::<Retention>(text).unwrap_err().to_string();
    assert!(error(r#"{"keep_lats":3}"#).contains("unknown field `keep_lats`"));
    assert!(error(r#"{"periods":{"%m":"1d"}}"#).contains("it lacks the year"));
    let schema = schemars::schema_for!(Retention).to_value();
    assert_eq!(schema["properties"]["periods"]["additionalProperties"]["type"], "string");
    assert_eq!(schema["additionalProperties"], false);
}
