//! What holds whatever the rules, the backups and the clock are.
#![allow(clippy::unwrap_used, reason = "tests")]
use jiff::ToSpan as _;
use proptest::prelude::*;

use super::tests::{berlin, time};
use super::*;

/// Times that meet: few distinct ones, around a change of clocks and around now.
fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0_i64..4000, 0_u64..1000, any::<[bool; 3]>(), 0_u8..6, 0..3_u8).prop_map(
        |(hours, bytes, flags, id, scale)| {
            let step = [SignedDuration::from_mins(7), SignedDuration::from_hours(5), SignedDuration::from_hours(24)];
            let back = step[usize::from(scale)].checked_mul(i32::try_from(hours).unwrap()).unwrap();
            let from = time("2026-11-25T00:00:00Z");
            Candidate {
                id: format!("{id}"),
                key: format!("{id}.json"),
                created_at: from.checked_sub(back).unwrap(),
                stored_bytes: bytes,
                good: flags[0],
                proven: flags[1],
                held: flags[2] && bytes % 4 == 0,
            }
        },
    );
    prop::collection::vec(one, 0..40)
}

fn rules() -> impl Strategy<Value = Retention> {
    let number = || prop::option::of(0_u32..6);
    let periods = prop::collection::vec(
        prop::sample::select(vec!["%Y-%m=60d", "%G-%V=31d", "%F=7d", "%FT%H=24h", "%FT%H-%M-%S=1h"]),
        0..3,
    );
    (
        (number(), number(), number(), number(), number(), number()),
        number(),
        number(),
        prop::option::of(0_u64..4000),
        periods,
    )
        .prop_map(
            |((keep_last, hourly, daily, weekly, monthly, yearly), max_files, max_days, max_bytes, periods)| {
                let periods = periods.into_iter().map(|period| period.parse().unwrap()).collect();
                Retention { keep_last, hourly, daily, weekly, monthly, yearly, max_files, max_days, max_bytes, periods }
            },
        )
}

/// Around the backups, and where a clock that jumps can be.
fn instants() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (-4000_i64..100).prop_map(|hours| time("2026-11-25T00:00:00Z").checked_add(hours.hours()).unwrap()),
        Just(Timestamp::UNIX_EPOCH),
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        any::<i64>().prop_map(|second| Timestamp::from_second(second % 100_000_000_000).unwrap()),
    ]
}

proptest! {
    #[test]
    fn the_floors_hold(rules in rules(), all in candidates(), now in instants(), summer in any::<bool>()) {
        let zone = if summer { berlin() } else { TimeZone::UTC };
        let decisions = decide(&rules, &all, now, &zone);
        prop_assert_eq!(decisions.len(), all.len());
        prop_assert!(decisions.iter().all(|decision| !decision.reasons.is_empty()));
        let ahead = |candidate: &Candidate| candidate.created_at.duration_since(now) > SignedDuration::from_mins(5);
        for (candidate, decision) in all.iter().zip(&decisions) {
            prop_assert!(decision.keep || !(candidate.held || ahead(candidate) || rules.is_empty()), "{:?}", candidate);
        }
        // The newest by time, of those at the same instant at least one; whatever else is in the store.
        let newest = |which: fn(&Candidate) -> bool| {
            let past = all.iter().filter(|candidate| !ahead(candidate) && which(candidate));
            past.map(|candidate| candidate.created_at).max()
        };
        for which in [|c: &Candidate| c.good, |c: &Candidate| c.proven, |c: &Candidate| c.good && c.proven] {
            if let Some(newest) = newest(which) {
                let mut there = all.iter().zip(&decisions).filter(|(c, _)| which(c) && c.created_at == newest);
                prop_assert!(there.any(|(_, decision)| decision.keep));
            }
        }
        if all.iter().any(|candidate| candidate.good) {
            prop_assert!(all.iter().zip(&decisions).any(|(candidate, decision)| candidate.good && decision.keep));
        }
    }

    #[test]
    fn deciding_again_changes_nothing(rules in rules(), all in candidates(), now in instants()) {
        let first = decide(&rules, &all, now, &berlin());
        let stay: Vec<_> = all.iter().zip(first).filter(|(_, d)| d.keep).map(|(c, _)| c.clone()).collect();
        let second = decide(&rules, &stay, now, &berlin());
        for (candidate, decision) in stay.iter().zip(second) {
            prop_assert!(decision.keep, "{:?}: {:?}", candidate, decision.reasons);
        }
    }

    #[test]
    fn the_order_does_not_matter(rules in rules(), all in candidates(), now in instants()) {
        let mut all = all;
        for (number, candidate) in all.iter_mut().enumerate() {
            candidate.key = format!("{number}");
        }
        let forward = decide(&rules, &all, now, &TimeZone::UTC);
        all.reverse();
        let mut backward = decide(&rules, &all, now, &TimeZone::UTC);
        backward.reverse();
        prop_assert_eq!(forward, backward);
    }

    /// Neither a broken backup, nor one from the future, nor a hold costs a good backup its place.
    #[test]
    fn nothing_else_evicts_a_good_one(rules in rules(), all in candidates(), now in instants()) {
        let ahead = |candidate: &Candidate| candidate.created_at.duration_since(now) > SignedDuration::from_mins(5);
        let ordinary = |candidate: &Candidate| candidate.good && !candidate.held && !ahead(candidate);
        // A broken one that is proven, or a held one that is newest, takes a floor's place and no rule's.
        let mut all = all;
        for (number, candidate) in all.iter_mut().enumerate() {
            candidate.key = format!("{number}");
            candidate.proven = false;
        }
        let with = decide(&rules, &all, now, &TimeZone::UTC);
        let alone: Vec<_> = all.iter().filter(|candidate| ordinary(candidate)).cloned().collect();
        let without = decide(&rules, &alone, now, &TimeZone::UTC);
        let newest = alone.iter().map(|candidate| candidate.created_at).max();
        let with = all.iter().zip(with).filter(|(candidate, _)| ordinary(candidate));
        for ((candidate, with), without) in with.zip(without) {
            prop_assert!(with.keep || !without.keep || Some(candidate.created_at) == newest, "{:?}", candidate);
        }
    }

    #[test]
    fn limits_are_kept(all in candidates(), most in 1_u32..6, bytes in 1_u64..3000) {
        let now = time("2027-01-01T00:00:00Z");
        let rules = Retention { max_files: Some(most), max_bytes: Some(bytes), ..Retention::default() };
        let decisions = decide(&rules, &all, now, &TimeZone::UTC);
        let stay = all.iter().zip(&decisions).filter(|(c, d)| d.keep && c.good && !c.held);
        let (free, floors): (Vec<_>, Vec<_>) = stay.partition(|(_, d)| d.reasons == ["within the limits"]);
        let sum: u64 = free.iter().chain(&floors).map(|(c, _)| c.stored_bytes).sum();
        prop_assert!(free.is_empty() || (free.len() + floors.len() <= most as usize && sum <= bytes));
    }

    #[test]
    fn no_text_makes_a_period_panic(text in "(%[a-zA-Z%]|[-T:= 0-9dhm]){0,12}", at in any::<i64>()) {
        if let Ok(period) = text.parse::<Period>() {
            let at = Timestamp::from_second(at % 200_000_000_000).unwrap_or(Timestamp::MAX).to_zoned(berlin());
            prop_assert!(period.start(&at) <= at.timestamp());
            prop_assert!(!period.label(&at).contains('%') || period.format().contains("%%"));
        }
    }
}
