//! `/jobs/{name}`: one job, its runs, and what is known of each backup.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::parts::{Shown, Tone, both, drill, moment, pill, progress, zone};
use super::plot::{Measure, over_time};
use super::{Frame, Query};
use crate::health::Health;
use crate::status::{DrillSummary, JobStatus, RetentionStatus, RunSummary, Snapshot, StoreStatus};
use crate::text;

/// The page of a job.
pub(crate) fn job(snapshot: &Snapshot, job: &JobStatus, query: &Query, path: &str) -> Markup {
    let judged = job.judge(snapshot.now);
    let zone = zone(job.timezone.as_deref());
    let now = snapshot.now;
    let tone = Tone::of(judged.health);
    let main = html! {
        p.crumb { a href=(query.link("/")) { "← All jobs" } }
        div.head {
            h1 { bdi { (job.name) } }
            (pill(tone, judged.health.label()))
            @if job.running.is_some() && judged.health != Health::Hung { (pill(Tone::Busy, "running")) }
            @if job.queued_at.is_some() { (pill(Tone::Busy, "queued")) }
            p {
                bdi { (job.engine) } " · " bdi { (job.database) }
                @if let Some(server) = &job.server { " · " bdi { (server) } }
            }
        }
        @for (health, trouble) in &judged.troubles {
            div.notice.(Tone::of(*health).class()) {
                strong { (health.label()) } p { bdi { (trouble) } }
                @if let Some(hint) = hint(job, *health) { p { "Next: " bdi { (hint) } } }
            }
        }
        @if let Some(run) = &job.running {
            section.card {
                h2 { "Running now" }
                (progress(run, now))
                p.fine {
                    "Run " code { bdi { (text::short_id(&run.run_id)) } } ", begun " (moment(run.since, now, &zone, Shown::Absolute))
                    @if let Some(at) = run.deadline { "; to be ended " (moment(at, now, &zone, Shown::Absolute)) " at the latest" }
                }
            }
        }
        (facts(job, now, &zone))
        @if !job.history.is_empty() {
            div.pair {
                section.card {
                    h2 { "Size" span.legend { span.key { "before compression" } span.key.second { "stored" } } }
                    (over_time(Measure::Size, &job.history, &zone))
                }
                section.card { h2 { "Duration" } (over_time(Measure::Time, &job.history, &zone)) }
            }
        }
        @if !job.stores.is_empty() { (stores(&job.stores)) }
        (runs(job, now, &zone))
        p.fine {
            "Times are in " bdi { (zone.iana_name().unwrap_or("UTC")) } ". "
            "Since planb remembers: " (text::count(job.runs.success)) " good, " (text::count(job.runs.partial)) " partial, "
            (text::count(job.runs.failed)) " failed, " (text::count(job.runs.skipped)) " skipped."
        }
    };
    let title = format!("{} ({}) on {}", job.name, judged.health.label(), snapshot.host);
    Frame { snapshot, query, path, title: &title, tone }.around(&main)
}

/// What to do about a run that failed.
fn hint(job: &JobStatus, health: Health) -> Option<&str> {
    let run = job.last_made().filter(|_| health == Health::Failing)?;
    run.hint.as_deref()
}

fn facts(job: &JobStatus, now: Timestamp, zone: &TimeZone) -> Markup {
    let newest = job.committed().next();
    let fact = |name: &str, value: &Markup| html! { div { dt { (name) } dd { (value) } } };
    let none = |word: &str| html! { span.none { (word) } };
    let limit = |seconds: Option<u64>| {
        html! { @if let Some(seconds) = seconds { small { "may be " (text::span(seconds)) " old" } } }
    };
    html! {
        dl.facts {
            (fact("Last good backup", &html! {
                (job.last_success_at.map_or_else(|| none("never"), |at| both(at, now, zone)))
                (limit(job.max_age_seconds))
            }))
            (fact("Next run", &html! {
                (job.next_run.map_or_else(|| none("none"), |at| both(at, now, zone)))
                @if let Some(at) = job.retry_at { small { "the failed one again " (text::relative(at, now)) } }
                @if let Some(at) = job.queued_at { small { "one waits for its turn for " (text::span_between(at, now)) } }
            }))
            (fact("Schedule", &html! {
                @match &job.schedule { Some(schedule) => code { bdi { (schedule) } }, None => "on request" }
                @if let Some(zone) = &job.timezone { small { bdi { (zone) } } }
            }))
            (fact("Newest backup", &newest.map_or_else(|| none("none"), |run| html! {
                (text::bytes(run.plain_bytes)) small { (text::bytes(run.stored_bytes)) " stored" (percent(run)) }
            })))
            (fact("Holds", &newest.map_or_else(|| none("none"), holds)))
            (fact("Took", &newest.map_or_else(|| none("none"), |run| html! {
                (text::duration(run.duration_ms)) small { (text::bytes(text::rate(run.plain_bytes, run.duration_ms))) "/s" }
            })))
            (fact("Last drill", &html! {
                @match &job.last_drill { Some(last) => (drill(last, now, zone)), None => (none("none")) }
                (limit(job.drill_max_age_seconds))
                @if let Some(at) = job.next_drill { small { "next " (moment(at, now, zone, Shown::Relative)) } }
            }))
            (fact("Retention", &job.retention.as_ref().map_or_else(|| none("none"), |kept| retention(kept, now, zone))))
        }
    }
}

fn percent(run: &RunSummary) -> Markup {
    let percent = u128::from(run.stored_bytes) * 100 / u128::from(run.plain_bytes.max(1));
    html! { @if run.plain_bytes > 0 { " (" (percent) " %)" } }
}

fn holds(run: &RunSummary) -> Markup {
    html! {
        @match (run.objects, run.rows) {
            (None, None) => span.none { "not shown by its format" },
            (objects, rows) => {
                @if let Some(objects) = objects { (text::plural(objects, "object")) }
                @if let Some(rows) = rows { small { (text::plural(rows, "row")) } }
            }
        }
    }
}

fn retention(kept: &RetentionStatus, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        (text::count(kept.kept)) " kept" small {
            (text::count(kept.removed)) " removed"
            @if let Some(at) = kept.last_at { ", last " (moment(at, now, zone, Shown::Relative)) }
        }
    }
}

fn stores(stores: &[StoreStatus]) -> Markup {
    html! {
        section.card {
            h2 { "Stores" }
            div.scroll { table.plain {
                thead { tr { th { "Store" } th { "State" } th { "Answers in" } th { "Backups" } th { "Size" } } }
                tbody {
                    @for store in stores {
                        tr {
                            td { bdi { (store.name) } @if let Some(url) = &store.url { small { bdi { (url) } } } }
                            td {
                                @if store.ok { (pill(Tone::Good, "ok")) } @else { (pill(Tone::Bad, "failing")) }
                                @if let Some(error) = &store.error { small { bdi { (error) } } }
                            }
                            td { @match store.last_latency_ms { Some(ms) => (text::duration(ms)), None => "" } }
                            td { @match store.backups { Some(backups) => (text::count(backups)), None => "" } }
                            td { @match store.bytes { Some(bytes) => (text::bytes(bytes)), None => "" } }
                        }
                    }
                }
            } }
        }
    }
}

fn runs(job: &JobStatus, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        section.card {
            h2 { "Runs" span.legend { "newest first; open one for what is known of it" } }
            @if job.history.is_empty() { p.none { "No run has ended yet." } }
            ol.runs {
                @for (at, run) in job.history.iter().rev().enumerate() {
                    li { details open[at == 0] { (line(run, now, zone)) (details(run, now, zone)) } }
                }
            }
        }
    }
}

fn line(run: &RunSummary, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        summary {
            (pill(Tone::of_run(run.status), run.status.as_str()))
            span.when { (moment(run.started_at, now, zone, Shown::Short)) small { (text::relative(run.started_at, now)) } }
            span.size {
                @if run.status.committed() { (text::bytes(run.plain_bytes)) small { (text::bytes(run.stored_bytes)) " stored" } }
            }
            span.took { @if run.duration_ms > 0 { (text::duration(run.duration_ms)) } }
            span.rows { @if let Some(rows) = run.rows { (text::plural(rows, "row")) } }
            span.tried {
                @if let Some(drill) = &run.drill {
                    span.said.(if drill.ok { "good" } else { "bad" }) { "drill " (if drill.ok { "passed" } else { "failed" }) }
                }
            }
        }
    }
}

fn details(run: &RunSummary, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        div.details {
            p.fine {
                "Id " code { bdi { (run.id) } } ", begun " (moment(run.started_at, now, zone, Shown::Absolute))
                @if run.status.committed() { ", " (text::bytes(text::rate(run.plain_bytes, run.duration_ms))) "/s" }
            }
            @if let Some(error) = &run.error {
                p.trouble.bad {
                    @if let Some(blame) = run.blame { strong { (blame) ": " } }
                    bdi { (error) }
                }
            }
            @if let Some(hint) = &run.hint { p { "Next: " bdi { (hint) } } }
            @for warning in &run.warnings { p.trouble.odd { bdi { (warning) } } }
            @if !run.stores.is_empty() {
                ul.marks {
                    @for store in &run.stores {
                        li.(mark(store.ok)) {
                            bdi { (store.name) }
                            @if let Some(error) = &store.error { ": " bdi { (error) } }
                        }
                    }
                }
            }
            @if let Some(seen) = &run.inspection {
                h3 { "Inspection" }
                ul.marks {
                    li.(mark(seen.complete)) { @if seen.complete { "the dump's end was there" } @else { "the dump's end was not there" } }
                    @for finding in &seen.findings { li.odd { bdi { (finding) } } }
                }
                @if !seen.objects.is_empty() {
                    div.scroll { table.plain {
                        thead { tr { th { "Object" } th { "Kind" } th { "Rows" } } }
                        tbody {
                            @for object in &seen.objects {
                                tr {
                                    td { bdi { (object.name) } } td { bdi { (object.kind) } }
                                    td { @if let Some(rows) = object.rows { (text::count(rows)) } }
                                }
                            }
                        }
                    } }
                    @if seen.more > 0 { p.fine { "and " (text::plural(seen.more, "object")) " more" } }
                }
            }
            @if let Some(drill) = &run.drill { (drilled(drill, now, zone)) }
        }
    }
}

fn drilled(drill: &DrillSummary, now: Timestamp, zone: &TimeZone) -> Markup {
    html! {
        h3 { "Drill" }
        p.fine {
            @if drill.ok { "It came back as it was, " } @else { "It did not come back as it was, " }
            (moment(drill.at, now, zone, Shown::Absolute)) ", in " (text::duration(drill.duration_ms))
        }
        @if let Some(error) = &drill.error { p.trouble.bad { bdi { (error) } } }
        ul.marks { @for check in &drill.checks { li.(mark(check.ok)) { bdi { (check.name) } ": " bdi { (check.detail) } } } }
    }
}

fn mark(ok: bool) -> &'static str {
    if ok { "good" } else { "bad" }
}
