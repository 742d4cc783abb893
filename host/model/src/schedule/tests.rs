#![allow(clippy::unwrap_used, reason = "tests")]
use std::collections::BTreeSet;

use jiff::civil::Date;
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next ticks after an instant, as local times with their offsets.
fn ticks(schedule: &str, name: &str, after: &str, count: usize) -> Vec<String> {
    let (schedule, zone) = (Schedule::parse(schedule).unwrap(), zone(name));
    let mut from = at(after);
    let mut found = Vec::new();
    for _ in 0..count {
        from = schedule.next(from, &zone).unwrap();
        found.push(from.to_zoned(zone.clone()).strftime("%m-%d %H:%M%:z").to_string());
    }
    found
}

#[test]
fn a_fixed_time_runs_once_on_the_day_clocks_go_forward() {
    // 02:00 becomes 03:00 on 29 March 2026.
    assert_eq!(
        ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
        ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]
    );
    // Two ticks in the hour that is left out are one run, and one that falls on its end is no second.
    assert_eq!(
        ticks("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["03-29 03:00+02:00", "03-29 03:30+02:00", "03-30 02:00+02:00"]
    );
    assert_eq!(
        ticks("30 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", 2),
        ["03-08 03:00-04:00", "03-09 02:30-04:00"]
    );
    // Half an hour only.
    assert_eq!(
        ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
        ["10-04 02:30+11:00", "10-05 02:15+11:00"]
    );
    // A day that has no midnight.
    assert_eq!(ticks("@daily", "Africa/Cairo", "2026-04-23T12:00:00Z", 2), ["04-24 01:00+03:00", "04-25 00:00+03:00"]);
}

#[test]
fn a_fixed_time_runs_once_on_the_day_clocks_go_back() {
    assert_eq!(
        ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T10:00:00Z", 2),
        ["10-25 02:30+02:00", "10-26 02:30+01:00"]
    );
    // Asked between the two: the first was the one.
    assert_eq!(ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["10-26 02:30+01:00"]);
    assert_eq!(
        ticks("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
        ["11-01 01:30-04:00", "11-02 01:30-05:00"]
    );
    assert_eq!(
        ticks("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2),
        ["04-05 01:45+11:00", "04-06 01:45+10:30"]
    );
}

#[test]
fn every_hour_follows_the_wall() {
    assert_eq!(
        ticks("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
        ["03-29 01:30+01:00", "03-29 03:00+02:00", "03-29 03:30+02:00"]
    );
    assert_eq!(
        ticks("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5),
        ["10-25 02:00+02:00", "10-25 02:30+02:00", "10-25 02:00+01:00", "10-25 02:30+01:00", "10-25 03:00+01:00"]
    );
    assert_eq!(
        ticks("*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:40:00Z", 4),
        ["04-05 01:45+11:00", "04-05 01:30+10:30", "04-05 01:45+10:30", "04-05 02:00+10:30"]
    );
}

#[test]
fn a_zone_without_changes() {
    assert_eq!(
        ticks("30 2 * * MON-FRI", "Asia/Kolkata", "2026-03-27T00:00:00Z", 3),
        ["03-30 02:30+05:30", "03-31 02:30+05:30", "04-01 02:30+05:30"]
    );
    assert_eq!(ticks("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", 1), ["02-29 00:00+00:00"]);
    let fixed = TimeZone::fixed(jiff::tz::offset(-3));
    let next = Schedule::parse("0 3 * * *").unwrap().next(at("2026-01-01T00:00:00Z"), &fixed);
    assert_eq!(next, Some(at("2026-01-01T06:00:00Z")));
}

#[test]
fn intervals_are_counted_from_1970_and_know_no_zone() {
    for text in ["every 6h", "6h", "@every 6h", "EVERY 6h", "every 360m"] {
        let schedule = Schedule::parse(text).unwrap();
        let next = schedule.next(at("2026-03-29T00:00:00.5Z"), &zone("Europe/Berlin"));
        assert_eq!(next, Some(at("2026-03-29T06:00:00Z")), "{text}");
    }
    let days = Schedule::parse("every 1d").unwrap();
    assert_eq!(days.next(at("2026-01-01T00:00:00Z"), &TimeZone::UTC), Some(at("2026-01-02T00:00:00Z")));
    let before = Schedule::parse("every 10s").unwrap().next(at("1969-12-31T23:59:49.5Z"), &TimeZone::UTC);
    assert_eq!(before, Some(at("1969-12-31T23:59:50Z")));
}

#[test]
fn seconds_are_the_first_of_six_fields() {
    let schedule = Schedule::parse("*/20 * * * * *").unwrap();
    assert_eq!(schedule.next(at("2026-01-01T00:00:01Z"), &TimeZone::UTC), Some(at("2026-01-01T00:00:20Z")));
}

#[test]
fn some_have_no_tick() {
    for text in ["once", "manual", "none", "off", " Once "] {
        let schedule = Schedule::parse(text).unwrap();
        assert!(!schedule.ticks() && schedule.next(at("2026-01-01T00:00:00Z"), &TimeZone::UTC).is_none());
    }
    assert!(Schedule::parse("once").unwrap().is_once() && !Schedule::manual().is_once());
}

#[test]
fn of_many_missed_ticks_the_newest_counts() {
    let due = |text: &str, since: &str, now: &str| {
        Schedule::parse(text).unwrap().latest_due(at(since), at(now), &TimeZone::UTC).map(|tick| tick.to_string())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(due("0 3 * * *", "2026-01-01T03:00:00Z", "2026-02-10T02:59:59Z"), some("2026-02-09T03:00:00Z"));
    assert_eq!(due("0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"), some("2026-01-02T03:00:00Z"));
    assert_eq!(due("0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T02:59:59Z"), None);
    assert_eq!(due("* * * 1 * *", "2020-01-01T00:00:00Z", "2026-05-31T00:00:00Z"), some("2026-05-01T23:59:59Z"));
    assert_eq!(due("0 0 1 1 *", "2020-06-01T00:00:00Z", "2020-07-01T00:00:00Z"), None);
    assert_eq!(due("every 1s", "2026-01-01T00:00:00Z", "2026-01-01T00:00:09.9Z"), some("2026-01-01T00:00:09Z"));
    assert_eq!(due("0 3 * * *", "2026-02-10T03:00:00Z", "2026-01-01T00:00:00Z"), None);
}

#[test]
fn words_for_people() {
    let words = |text: &str| Schedule::parse(text).unwrap().words();
    assert_eq!(words("0 3 * * *"), "at 03:00 every day");
    assert_eq!(words("@daily"), "at 00:00 every day");
    assert_eq!(words("*/15 * * * *"), "every 15 minutes");
    assert_eq!(words("30 2 * * MON"), "at 02:30, on Monday");
    assert_eq!(words("0 0 LW * *"), "at 00:00, on the last working day of the month");
    assert_eq!(words("every 90m"), "every 90 minutes");
    assert_eq!(words("1h"), "every hour");
    assert_eq!(words("manual"), "only when asked");
    assert_eq!(Schedule::parse("  0   3 * *  * ").unwrap().to_string(), "0 3 * * *");
}

#[test]
fn errors_name_the_field_and_say_what_it_takes() {
    let error = |text: &str| Schedule::parse(text).unwrap_err().to_string();
    for (text, part) in [
        ("", "empty"),
        ("nightly", "is not a schedule"),
        ("* * * *", "has 4 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("60 2 * * *", "the minute \"60\" is wrong: it is out of range; it takes 0 to 59"),
        ("30 24 * * *", "the hour \"24\""),
        ("30 2 0 * *", "the day of the month \"0\""),
        ("30 2 * 13 *", "the month \"13\""),
        ("30 2 * * 8", "the day of the week \"8\""),
        ("70 * * * * *", "the second \"70\""),
        ("30 2 * * MONDAY", "\"MONDAY\" does not belong there"),
        ("MON 2 * * *", "the minute \"MON\""),
        ("30 2 * MON *", "the month \"MON\""),
        ("1,,2 2 * * *", "an item of the list is empty"),
        (", * * * *", "an item of the list is empty"),
        ("*/90 * * * *", "there are only 60"),
        ("0 22-2 * * *", "a range goes upwards"),
        ("0 2-x * * *", "the hour \"2-x\""),
        ("*/0 * * * *", "the minute \"*/0\""),
        ("0 0 * * L", "`L` needs a day in front, as in `5L`"),
        ("0 0 30 2 *", "never runs"),
        ("0 0 31 2,4,6 *", "never runs"),
        ("@nightly", "is not known"),
        ("@reboot", "on_start"),
        ("CRON_TZ=Europe/Berlin 0 2 * * *", "names a time zone"),
        ("every 0s", "the shortest is a second"),
        ("every 1500ms", "parts of a second"),
        ("every -3h", "the shortest is a second"),
        ("every 2 months", "differ in length"),
        ("every 400d", "the longest is 366 days"),
        ("every blue", "not a number and a unit"),
        ("30", "not a number and a unit"),
    ] {
        assert!(error(text).contains(part), "{text:?}: {}", error(text));
    }
}

#[test]
fn jitter_is_the_same_each_time_and_stays_before_the_next_tick() {
    let schedule = Schedule::parse("0 3 * * *").unwrap();
    let (tick, max) = (at("2026-01-01T03:00:00Z"), SignedDuration::from_mins(30));
    let jitter = |name: &str, max| schedule.jitter(name, tick, max, &TimeZone::UTC);
    let spread: BTreeSet<_> = (0..50).map(|i| jitter(&format!("job-{i}"), max)).collect();
    assert!(spread.len() > 40 && spread.iter().all(|by| !by.is_negative() && *by < max));
    assert_eq!(jitter("a", max), jitter("a", max));
    assert_eq!(jitter("a", SignedDuration::ZERO), SignedDuration::ZERO);
    let often = Schedule::parse("* * * * *").unwrap();
    let all = (0..50).map(|i| often.jitter(&format!("job-{i}"), tick, max, &TimeZone::UTC));
    assert!(all.into_iter().all(|by| by < SignedDuration::from_secs(30)));
}

/// A cron expression with minutes and hours as sets, to be looked at without the library.
#[derive(Debug, Clone)]
struct Plain {
    text: String,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    wall: bool,
}

fn plain() -> impl Strategy<Value = Plain> {
    let set = |max: i8| proptest::collection::btree_set(0..max, 1..4);
    let hours = prop_oneof![
        set(24).prop_map(Some),
        // The hours that clocks are changed in.
        proptest::collection::btree_set(0..4_i8, 1..4).prop_map(Some),
        Just(None),
    ];
    (set(60), hours).prop_map(|(minutes, hours)| {
        let list = |set: &BTreeSet<i8>| set.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let text = format!("{} {} * * *", list(&minutes), hours.as_ref().map_or("*".to_owned(), list));
        let wall = hours.is_none();
        Plain { text, minutes, hours: hours.unwrap_or_else(|| (0..24).collect()), wall }
    })
}

impl Plain {
    fn shows(&self, local: DateTime) -> bool {
        self.minutes.contains(&local.minute()) && self.hours.contains(&local.hour())
    }

    /// Whether it runs at this minute, by the rules as people say them.
    fn runs(&self, minute: Timestamp, zone: &TimeZone) -> bool {
        let one = SignedDuration::from_mins(1);
        let local = zone.to_datetime(minute);
        if self.wall {
            return self.shows(local);
        }
        let mut left_out = zone.to_datetime(minute - one) + one;
        while left_out < local {
            if self.shows(left_out) {
                return true;
            }
            left_out += one;
        }
        let first = zone.to_ambiguous_timestamp(local).earlier().unwrap();
        self.shows(local) && first == minute
    }
}

fn changes() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let days: Vec<(&str, Date)> = [
        ("Europe/Berlin", (2026, 3, 29)),
        ("Europe/Berlin", (2026, 10, 25)),
        ("America/New_York", (2026, 3, 8)),
        ("America/New_York", (2026, 11, 1)),
        ("Australia/Lord_Howe", (2026, 4, 5)),
        ("Australia/Lord_Howe", (2026, 10, 4)),
        ("Africa/Cairo", (2026, 4, 24)),
        ("Asia/Kolkata", (2026, 4, 24)),
        // A day was left out.
        ("Pacific/Apia", (2011, 12, 30)),
        // Rules beyond the table of the zone.
        ("Europe/Berlin", (2045, 3, 26)),
    ]
    .map(|(zone, (year, month, day))| (zone, Date::constant(year, month, day)))
    .to_vec();
    (proptest::sample::select(days), 0..48 * 60_i64).prop_map(|((zone, day), minutes)| {
        let start = day.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
        (zone, start + SignedDuration::from_mins(minutes - 36 * 60))
    })
}

proptest! {
    #[test]
    fn ticks_are_those_found_minute_by_minute(plain in plain(), (name, after) in changes()) {
        let (schedule, zone) = (Schedule::parse(&plain.text).unwrap(), zone(name));
        let end = after + SignedDuration::from_hours(50);
        let mut minute = after + SignedDuration::from_mins(1);
        let mut slow = Vec::new();
        while minute <= end {
            if plain.runs(minute, &zone) {
                slow.push(minute);
            }
            minute += SignedDuration::from_mins(1);
        }
        let mut quick = Vec::new();
        let mut from = after;
        while let Some(next) = schedule.next(from, &zone).filter(|next| *next <= end) {
            prop_assert!(next > from);
            quick.push(next);
            from = next;
        }
        prop_assert_eq!(&quick, &slow);
        prop_assert_eq!(schedule.latest_due(after, end, &zone), slow.last().copied());
    }

    #[test]
    fn anything_is_read_or_refused(text in "\\PC{0,30}|[0-9*/,LW# -]{0,24}|(every )?[0-9]{0,20}[a-z]{0,6}") {
        if let Ok(schedule) = Schedule::parse(&text) {
            let now = at("2026-01-01T00:00:00Z");
            prop_assert_eq!(schedule.next(now, &TimeZone::UTC).is_some(), schedule.ticks());
            prop_assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        }
    }
}
