//! `/`: all jobs, those that need somebody first.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::parts::{Tone, both, drill, job_path, pill, progress};
use super::plot::{Measure, bars};
use super::{Frame, Query};
use crate::health::{Health, Judgement};
use crate::status::{JobStatus, RunStatus, Snapshot};
use crate::text;

/// Jobs on one page.
const PER_PAGE: usize = 100;

/// So many jobs want a search field.
const MANY: usize = 15;

/// The page.
pub(crate) fn overview(snapshot: &Snapshot, query: &Query) -> Markup {
    let mut jobs: Vec<(&JobStatus, Judgement)> =
        snapshot.jobs.iter().map(|job| (job, job.judge(snapshot.now))).collect();
    // The order of the settings within a state.
    jobs.sort_by_key(|(_, judged)| judged.health);
    let attention = jobs.iter().filter(|(_, judged)| judged.health.needs_attention()).count() as u64;
    let tone = match jobs.first() {
        _ if !snapshot.healthy => Tone::Bad,
        Some((_, judged)) if judged.health.needs_attention() => Tone::of(judged.health),
        _ if snapshot.config_problem.is_some() || !snapshot.ready => Tone::Odd,
        Some(_) => Tone::Good,
        None => Tone::Idle,
    };
    let shown: Vec<_> = jobs.iter().filter(|(job, judged)| matches(query, job, judged)).collect();
    let pages = shown.len().div_ceil(PER_PAGE);
    let page = query.page.min(pages.saturating_sub(1));
    let title = match attention {
        0 if snapshot.healthy => format!("Plan B on {}", snapshot.host),
        _ => format!("({attention}) Plan B on {}", snapshot.host),
    };
    let main = html! {
        (verdict(snapshot, attention, tone))
        (notices(snapshot))
        @if !jobs.is_empty() {
            (tiles(&jobs, query))
            @if jobs.len() > MANY { (search(query)) }
            (table(snapshot, shown.iter().skip(page * PER_PAGE).take(PER_PAGE)))
            @if pages > 1 { (pager(query, page, pages)) }
        }
    };
    Frame { snapshot, query, path: "/", title: &title, tone }.around(&main)
}

fn matches(query: &Query, job: &JobStatus, judged: &Judgement) -> bool {
    let text = query.text.to_lowercase();
    let said = |field: &str| field.to_lowercase().contains(&text);
    query.state.is_none_or(|state| state == judged.health)
        && [&job.name, &job.engine, &job.database].into_iter().any(|f| said(f))
}

fn verdict(snapshot: &Snapshot, attention: u64, tone: Tone) -> Markup {
    let jobs = snapshot.jobs.len() as u64;
    let running = snapshot.jobs.iter().filter(|job| job.running.is_some()).count() as u64;
    let next = snapshot.jobs.iter().filter_map(|job| Some((job.next_run?, job))).min_by_key(|(at, _)| *at);
    html! {
        section.verdict.(tone.class()) {
            h1 {
                @if jobs == 0 { "No jobs are set up" }
                @else if attention == 0 { "All " (text::plural(jobs, "job")) @if jobs == 1 { " is" } @else { " are" } " in order" }
                @else { (text::count(attention)) " of " (text::plural(jobs, "job")) @if attention == 1 { " needs" } @else { " need" } " attention" }
            }
            p {
                (text::count(running)) " running"
                @if let Some((at, job)) = next {
                    ". Next: " a href=(job_path(&job.name)) { bdi { (job.name) } } " " (text::relative(at, snapshot.now))
                }
            }
        }
    }
}

fn notices(snapshot: &Snapshot) -> Markup {
    html! {
        @if !snapshot.healthy {
            div.notice.bad role="alert" {
                strong { "planb is not healthy" }
                ul { @for reason in &snapshot.reasons { li { bdi { (reason.detail) } } } }
            }
        }
        @if !snapshot.ready {
            div.notice.odd { strong { "Not ready" } p { "planb is starting or stopping and begins no runs." } }
        }
        @if let Some(why) = &snapshot.config_problem {
            div.notice.odd {
                strong { "The changed settings were refused; those from before are in force" }
                p { bdi { (why) } }
            }
        }
    }
}

fn tiles(jobs: &[(&JobStatus, Judgement)], query: &Query) -> Markup {
    let count = |health: Health| jobs.iter().filter(|(_, judged)| judged.health == health).count() as u64;
    html! {
        nav.tiles aria-label="Jobs by state" {
            a.tile href=(query.with_state(None).link("/")) aria-current=[query.state.is_none().then_some("true")] {
                b { (text::count(jobs.len() as u64)) } span { "all" }
            }
            @for health in Health::ALL {
                @let jobs = count(health);
                @if jobs > 0 {
                    a.tile.(Tone::of(health).class()) href=(query.with_state(Some(health)).link("/"))
                        aria-current=[(query.state == Some(health)).then_some("true")] {
                        b { (text::count(jobs)) } span { (health.label()) }
                    }
                }
            }
        }
    }
}

fn search(query: &Query) -> Markup {
    html! {
        form.search method="get" action="/" {
            @if let Some(state) = query.state { input type="hidden" name="state" value=(state.as_str()); }
            @if !query.refresh { input type="hidden" name="refresh" value="off"; }
            input type="search" name="q" value=(query.text) placeholder="Name, engine or database" aria-label="Find jobs";
            button { "Find" }
        }
    }
}

fn table<'a>(snapshot: &Snapshot, jobs: impl Iterator<Item = &'a &'a (&'a JobStatus, Judgement)>) -> Markup {
    let mut jobs = jobs.peekable();
    let none = jobs.peek().is_none();
    html! {
        table.jobs {
            thead {
                tr {
                    th { "State" } th { "Job" } th { "Last good backup" } th { "Size" } th { "Duration" }
                    th { "Drill" } th { "Next run" } th { "Stores" }
                }
            }
            tbody {
                @for (job, judged) in jobs { (row(job, judged, snapshot.now)) }
                @if none { tr { td.none colspan="8" { "No such jobs." } } }
            }
        }
    }
}

fn row(job: &JobStatus, judged: &Judgement, now: Timestamp) -> Markup {
    let newest = job.committed().next();
    let reachable = job.stores.iter().filter(|store| store.ok).count();
    html! {
        tr {
            td.state {
                (pill(Tone::of(judged.health), judged.health.label()))
                @if job.running.is_some() && judged.health != Health::Hung { (pill(Tone::Busy, "running")) }
                @if job.queued_at.is_some() { (pill(Tone::Busy, "queued")) }
            }
            td.job {
                a href=(job_path(&job.name)) { bdi { (job.name) } }
                small {
                    bdi { (job.engine) } " · " bdi { (job.database) }
                    " · " @match &job.schedule { Some(schedule) => bdi { (schedule) }, None => "on request" }
                }
                @for (health, trouble) in &judged.troubles {
                    p.trouble.(Tone::of(*health).class()) { bdi { (trouble) } }
                }
                @if let Some(run) = &job.running { (progress(run, now)) }
            }
            td.good-at data-label="Last good" {
                @match job.last_success_at { Some(at) => (both(at, now, &TimeZone::UTC)), None => span.none { "never" } }
            }
            td.measure data-label="Size" {
                @if let Some(run) = newest {
                    span { (text::bytes(run.plain_bytes)) small { (text::bytes(run.stored_bytes)) " stored" } }
                    (bars(Measure::Size, &job.history))
                } @else { span.none { "none" } }
            }
            td.measure data-label="Duration" {
                @if let Some(run) = newest {
                    span { (text::duration(run.duration_ms)) small { (text::bytes(text::rate(run.plain_bytes, run.duration_ms))) "/s" } }
                    (bars(Measure::Time, &job.history))
                } @else { span.none { "none" } }
            }
            td data-label="Drill" {
                @match &job.last_drill { Some(last) => (drill(last, now, &TimeZone::UTC)), None => span.none { "none" } }
            }
            td.next data-label="Next run" {
                @match job.next_run { Some(at) => (both(at, now, &TimeZone::UTC)), None => span.none { "none" } }
                @if let Some(at) = job.retry_at { small { "retry " (text::relative(at, now)) } }
            }
            td data-label="Stores" {
                @if job.stores.is_empty() { span.none { "none" } }
                @else {
                    span.said.(if reachable == job.stores.len() { "good" } else { "bad" }) {
                        (reachable) " of " (job.stores.len())
                    }
                    @if let Some(run) = newest.filter(|run| run.status == RunStatus::Partial) {
                        small { "backup in " (run.stores.iter().filter(|store| store.ok).count()) }
                    }
                }
            }
        }
    }
}

fn pager(query: &Query, page: usize, pages: usize) -> Markup {
    html! {
        nav.pager aria-label="Pages" {
            @if page > 0 { a rel="prev" href=(query.with_page(page - 1).link("/")) { "Previous" } }
            span { "page " (page + 1) " of " (pages) }
            @if page + 1 < pages { a rel="next" href=(query.with_page(page + 1).link("/")) { "Next" } }
        }
    }
}
