//! The status page: HTML made here, with its style inside, no scripts and nothing from elsewhere.
//!
//! Every text of a snapshot is hostile: it goes through maud's escaping, and into a `bdi`, so that letters that turn
//! the direction of writing turn nothing but their own.

mod job;
mod overview;
mod parts;
mod plot;
mod query;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

pub(crate) use job::job;
pub(crate) use overview::overview;
pub(crate) use query::Query;

use crate::status::Snapshot;
use crate::text;
use parts::{Tone, moment};

/// How often a page asks for itself again, in seconds.
const REFRESH: u32 = 30;

const STYLE: &str = include_str!("style.css");

/// What the browser may do with a page: show it, with this one style.
pub(crate) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// What all pages share.
struct Frame<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query,
    /// Where this page is.
    path: &'a str,
    title: &'a str,
    tone: Tone,
}

impl Frame<'_> {
    fn around(&self, main: &Markup) -> Markup {
        let snapshot = self.snapshot;
        let other = self.query.with_refresh(!self.query.refresh).link(self.path);
        let body = html! {
            header.top {
                div.wrap {
                    a.brand href=(self.query.home().link("/")) { (logo()) "Plan B" }
                    span.host { bdi { (snapshot.host) } }
                    span.asof {
                        "as of " (moment(snapshot.now, snapshot.now, &TimeZone::UTC, parts::Shown::Absolute))
                        @if self.query.refresh {
                            span.extra { " · refreshes every " (REFRESH) " s · " a href=(other) { "pause" } }
                        } @else {
                            span.extra { " · paused · " a href=(other) { "resume" } }
                        }
                    }
                }
            }
            main.wrap { (main) }
            footer.wrap {
                "planb " bdi { (snapshot.version) } ", serving for "
                (text::span_between(snapshot.started_at, snapshot.now)) ". "
                a href="/api/status" { "JSON" } " · " a href="/metrics" { "metrics" } " · " a href="/healthz" { "health" }
            }
        };
        document(self.title, self.query.refresh.then_some(REFRESH), self.tone, &body)
    }
}

/// A page that says one sentence.
pub(crate) fn sentence(title: &str, text: &str) -> Markup {
    let body = html! {
        main.wrap {
            section class="verdict idle" { h1 { (title) } p { (text) } }
            p { a href="/" { "All jobs" } }
        }
    };
    document(title, None, Tone::Idle, &body)
}

fn document(title: &str, refresh: Option<u32>, tone: Tone, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                link rel="icon" type="image/svg+xml" href=(icon(tone));
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

/// The browser's tab shows the state.
fn icon(tone: Tone) -> String {
    let colour = match tone {
        Tone::Good => "1f8a53",
        Tone::Odd => "b7791f",
        Tone::Bad => "d13438",
        Tone::Busy => "2563eb",
        Tone::Idle => "667085",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' \
         r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}

fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 24 24" aria-hidden="true" {
            rect.mark x="1" y="1" width="22" height="22" rx="6" {}
            path.disc d="M6 7.5c0-1.4 2.7-2.5 6-2.5s6 1.1 6 2.5-2.7 2.5-6 2.5-6-1.1-6-2.5zm0 0v9c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5v-9M6 12c0 1.4 2.7 2.5 6 2.5s6-1.1 6-2.5" {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::status::{BLAMES, ReasonKind, RunStatus};

    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;\u{202e}\0</bdi></style>";

    fn example() -> Snapshot {
        Snapshot::example("2026-11-21T12:00:00Z".parse().unwrap())
    }

    /// The example with every free text in it replaced.
    fn filled(text: &str) -> Snapshot {
        let mut value = serde_json::to_value(example()).unwrap();
        fill(&mut value, text);
        serde_json::from_value(value).unwrap()
    }

    fn fill(value: &mut Value, text: &str) {
        let fixed = |word: &str| {
            word.parse::<Timestamp>().is_ok()
                || RunStatus::ALL.iter().any(|status| status.as_str() == word)
                || ReasonKind::ALL.iter().any(|kind| kind.as_str() == word)
                || BLAMES.iter().any(|blame| blame.to_string() == word)
        };
        match value {
            Value::String(word) if !fixed(word) => text.clone_into(word),
            Value::Array(items) => items.iter_mut().for_each(|item| fill(item, text)),
            Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, text)),
            _ => {}
        }
    }

    fn pages(snapshot: &Snapshot, query: &Query) -> Vec<String> {
        let mut pages = vec![overview(snapshot, query).0];
        pages.extend(snapshot.jobs.iter().map(|one| job(snapshot, one, query, "/jobs/x").0));
        pages
    }

    fn plain() -> Query {
        Query::parse("")
    }

    /// The tags of a page with the names of their attributes, and nothing of what is written in them.
    fn skeleton(page: &str) -> Vec<String> {
        let mut out = Vec::new();
        let mut rest = page;
        while let Some(start) = rest.find('<') {
            rest = &rest[start + 1..];
            let (mut tag, mut quoted, mut end) = (String::new(), false, rest.len());
            for (at, c) in rest.char_indices() {
                match c {
                    '"' => quoted = !quoted,
                    '>' if !quoted => {
                        end = at;
                        break;
                    }
                    c if !quoted => tag.push(c),
                    _ => {}
                }
            }
            out.push(tag);
            rest = &rest[end..];
        }
        out
    }

    #[test]
    fn every_text_of_a_snapshot_is_escaped() {
        let snapshot = filled(HOSTILE);
        // The test is about something: nearly every field was replaced.
        assert!(serde_json::to_string(&snapshot).unwrap().matches("<script>").count() > 1000);
        for page in pages(&snapshot, &plain()) {
            assert!(page.contains("&lt;script&gt;"));
            assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"'>"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn no_text_changes_the_structure_of_a_page(text in "[ -~\\x00-\\x1f<>\"'&\u{202e}é]{1,40}") {
            let (calm, hostile) = (filled("x"), filled(&text));
            for (calm, hostile) in pages(&calm, &plain()).iter().zip(pages(&hostile, &plain())) {
                prop_assert_eq!(skeleton(calm), skeleton(&hostile));
            }
        }

        #[test]
        fn no_query_changes_what_is_around_it(text in any::<String>()) {
            let mut query = plain();
            query.text = text;
            let page = overview(&example(), &query).0;
            prop_assert!(!page.contains("<script"));
            prop_assert!(page.ends_with("</html>"));
        }
    }

    #[test]
    fn a_page_asks_for_nothing_from_elsewhere() {
        for page in pages(&example(), &plain()) {
            for (at, _) in page.match_indices("http") {
                let here = &page[at..];
                assert!(here.starts_with("http-equiv") || here.starts_with("http://www.w3.org/2000/svg"));
            }
            for word in ["src=", "<script", "<iframe", "@import", "url(", " style=", "onclick", "javascript:"] {
                assert!(!page.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn the_policy_allows_this_style_and_nothing_else() {
        let page = overview(&example(), &plain()).0;
        let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let digest = STANDARD.encode(Sha256::digest(style));
        assert!(POLICY.contains(&format!("style-src 'sha256-{digest}'")), "{}", *POLICY);
        assert!(POLICY.starts_with("default-src 'none'") && !POLICY.contains("unsafe"));
    }

    #[test]
    fn every_state_is_said_in_words() {
        let page = overview(&example(), &plain()).0;
        for health in crate::Health::ALL {
            assert!(page.contains(&format!(">{}</span>", health.label())), "{health:?}");
        }
        assert!(page.contains(">running</span>"));
        assert!(page.contains("7 of 14 jobs need attention"));
    }

    #[test]
    fn every_plot_has_a_title() {
        for page in pages(&example(), &plain()) {
            let plots = page.matches("role=\"img\"").count();
            assert_eq!(plots, page.matches("role=\"img\" aria-label=\"").count());
            assert!(page.matches("<title>").count() > plots);
        }
    }

    #[test]
    fn a_thousand_jobs_come_in_pages() {
        let mut snapshot = example();
        let job = snapshot.jobs[0].clone();
        snapshot.jobs =
            (0..1000).map(|at| crate::status::JobStatus { name: format!("job-{at}"), ..job.clone() }).collect();
        let page = overview(&snapshot, &Query::parse("page=10")).0;
        assert!(page.contains(">job-999<") && !page.contains(">job-899<") && page.contains("page 10 of 10"));
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
        assert!(overview(&snapshot, &Query::parse("page=99")).0.contains("page 10 of 10"));
        let found = overview(&snapshot, &Query::parse("q=job-77")).0;
        assert!(found.contains(">job-777<") && !found.contains(">job-1<"));
    }

    #[test]
    fn nothing_at_all_is_shown_too() {
        let mut snapshot = example();
        snapshot.jobs.clear();
        assert!(overview(&snapshot, &plain()).0.contains("No jobs are set up"));
        let mut empty = crate::status::JobStatus { name: "e".into(), enabled: true, ..Default::default() };
        assert!(job(&snapshot, &empty, &plain(), "/jobs/e").0.contains("No run has ended yet"));
        // One run at one moment, and the ends of time.
        let run = example().jobs[0].history[0].clone();
        empty.record(crate::status::RunSummary { started_at: Timestamp::MIN, plain_bytes: u64::MAX, ..run.clone() });
        assert!(job(&snapshot, &empty, &plain(), "/jobs/e").0.ends_with("</html>"));
        empty.record(crate::status::RunSummary { started_at: Timestamp::MAX, duration_ms: u64::MAX, ..run });
        assert!(job(&snapshot, &empty, &plain(), "/jobs/e").0.ends_with("</html>"));
    }
}
