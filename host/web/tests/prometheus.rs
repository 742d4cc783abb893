//! The dashboard, the alert rules and the documentation against what `/metrics` prints; and all of them against
//! Prometheus' own tool.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; they run promtool")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use planb_harness::{Skip, provision, skip, workspace};
use planb_web::status::RunStatus;
use planb_web::{Snapshot, metrics};
use serde_json::{Value, json};

fn example() -> Snapshot {
    Snapshot::example(Timestamp::from_second(1_795_000_000).unwrap()).settled()
}

fn calm() -> Snapshot {
    let mut snapshot = example();
    let now = snapshot.now;
    snapshot.jobs.retain(|job| job.judge(now).troubles.is_empty());
    snapshot.reasons.clear();
    snapshot.config_problem = None;
    snapshot.healthy = true;
    snapshot.settled()
}

fn dashboard() -> Value {
    serde_json::from_slice(&fs::read(workspace().join("docker/grafana/dashboard.json")).unwrap()).unwrap()
}

fn alerts() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(workspace().join("docker/grafana/alerts.yaml")).unwrap()).unwrap()
}

/// Every expression that a field of this name holds, however deep.
fn expressions(value: &Value, field: &str) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| expressions(item, field)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == field => vec![text.clone()],
                other => expressions(other, field),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The metrics of an expression, each with the labels that its braces name.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    for (at, _) in expression.match_indices("planb_") {
        let rest = &expression[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let braces =
            rest[end..].strip_prefix('{').and_then(|inside| inside.split_once('}')).map_or("", |(inside, _)| inside);
        let labels =
            braces.split(',').filter_map(|pair| pair.split(['=', '!']).next()).map(|label| label.trim().to_owned());
        out.push((rest[..end].to_owned(), labels.filter(|label| !label.is_empty()).collect()));
    }
    out
}

#[test]
fn dashboard_and_alerts_use_only_metrics_and_labels_that_are_printed() {
    let printed: BTreeMap<&str, &[&str]> = metrics::METRICS.iter().map(|metric| (metric.name, metric.labels)).collect();
    let mut used = BTreeSet::new();
    let panels = expressions(&dashboard(), "expr");
    let variables = expressions(&dashboard(), "definition");
    let rules = expressions(&alerts(), "expr");
    assert!(panels.len() > 20 && variables.len() == 2 && rules.len() > 10);
    for expression in panels.iter().chain(&variables).chain(&rules) {
        let named = named(expression);
        assert!(!named.is_empty(), "{expression}");
        for (metric, labels) in named {
            // Grouping names labels of Prometheus' own too: `instance`.
            let known = printed.get(metric.as_str()).unwrap_or_else(|| panic!("{metric} in {expression}"));
            for label in labels {
                assert!(label == "instance" || known.contains(&label.as_str()), "{label} of {metric} in {expression}");
            }
            used.insert(metric);
        }
    }
    // The test finds what it looks for.
    assert!(used.contains("planb_job_stale") && used.contains("planb_store_latency_seconds"));
}

#[test]
fn every_metric_has_a_sample_in_the_example_and_base_units() {
    let text = metrics::render(&example());
    for metric in metrics::METRICS {
        let name = metric.name;
        assert!(text.contains(&format!("# TYPE {name} {}\n", metric.kind.as_str())), "{name}");
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{"))),
            "{name}"
        );
        assert_eq!(name.ends_with("_total"), metric.kind.as_str() == "counter", "{name}");
        assert!(
            metric.help.ends_with('.') && !["_ms", "_millis", "_minutes", "_mb"].iter().any(|unit| name.contains(unit))
        );
    }
    let names: BTreeSet<_> = metrics::METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), metrics::METRICS.len());
}

#[test]
fn numbers_are_those_of_the_snapshot() {
    let snapshot = example();
    let text = metrics::render(&snapshot);
    let job = snapshot.jobs.iter().find(|job| job.name == "orders").unwrap();
    let newest = job.committed().next().unwrap();
    let has = |line: String| assert!(text.lines().any(|have| have == line), "{line}");
    has(format!("planb_job_last_backup_plain_bytes{{job_name=\"orders\"}} {}", newest.plain_bytes));
    has(format!(
        "planb_job_last_success_timestamp_seconds{{job_name=\"orders\"}} {}.000",
        newest.started_at.as_second()
    ));
    let age = snapshot.now.duration_since(newest.started_at).as_secs();
    has(format!("planb_job_last_success_age_seconds{{job_name=\"orders\"}} {age}.000"));
    has(format!("planb_runs_total{{job_name=\"orders\",status=\"success\"}} {}", job.runs.success));
    has("planb_failures_total{job_name=\"billing\",blame=\"database\"} 1".to_owned());
    has("planb_job_last_run_status{job_name=\"billing\",status=\"failed\"} 1".to_owned());
    has("planb_job_last_run_status{job_name=\"billing\",status=\"success\"} 0".to_owned());
    has("planb_store_up{job_name=\"events\",store=\"offsite\"} 0".to_owned());
    has("planb_store_latency_seconds{job_name=\"events\",store=\"offsite\"} 9.400".to_owned());
    has("planb_jobs{state=\"failing\"} 2".to_owned());
    has("planb_unhealthy_reasons{kind=\"run-hung\"} 1".to_owned());
    // A job that never ran has no moments, rather than those of 1970.
    assert!(!text.contains("planb_job_last_success_timestamp_seconds{job_name=\"new-shop\"}"));
}

#[test]
fn the_documentation_lists_what_is_printed() {
    const BEGIN: &str = "<!-- metrics: written by the tests of planb-web -->\n";
    const END: &str = "<!-- end of metrics -->";
    let path = workspace().join("docs/observability.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let reference = format!("\n{}\n", metrics::reference());
    if std::env::var_os("PLANB_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{reference}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, reference, "run this test with PLANB_WRITE_DOCS=1 to write it");
    // What the prose names is there too.
    for (metric, _) in named(&format!("{before}{after}")) {
        assert!(metrics::METRICS.iter().any(|known| known.name == metric), "{metric}");
    }
    for rule in expressions(&alerts(), "alert") {
        assert!(before.contains(&rule) || after.contains(&rule), "{rule} is not in the documentation");
    }
}

/// Prometheus' own tool, from the search path or from Debian's package; the package itself is not installed, since
/// that would start a server.
fn promtool() -> Result<PathBuf, Skip> {
    if let Some(found) = provision::program("promtool") {
        return Ok(found);
    }
    let root = provision::folder().join("promtool");
    let program = root.join("usr/bin/promtool");
    if program.exists() {
        return Ok(program);
    }
    let failed = |why: String| Skip::new("promtool", why);
    let io = |error: std::io::Error| failed(error.to_string());
    fs::create_dir_all(provision::folder()).map_err(io)?;
    let scratch = tempfile::tempdir_in(provision::folder()).map_err(io)?;
    let run = |command: &mut Command| match command.current_dir(scratch.path()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(failed(String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(error) => Err(io(error)),
    };
    run(Command::new("apt-get").args(["download", "-q", "prometheus"]))?;
    run(Command::new("sh").arg("-c").arg("dpkg -x prometheus_*.deb got"))?;
    // Whole, or not at all: another test may be as far.
    let moved = fs::rename(scratch.path().join("got"), &root);
    if program.exists() {
        Ok(program)
    } else {
        Err(moved.err().map_or_else(|| failed("not in the package".into()), io))
    }
}

/// Runs it, and fails with its words.
fn check(promtool: &PathBuf, arguments: &[&str], input: &str) {
    let mut child = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn promtool_reads_the_metrics_whatever_names_the_jobs_have() {
    let promtool = skip!(promtool());
    check(&promtool, &["check", "metrics"], &metrics::render(&example()));
    let mut odd = example();
    for (job, name) in odd.jobs.iter_mut().zip(["a\"b", "a\\", "a\nb", "", "{}", "é\u{202e}", "a=\"1\",b"]) {
        job.name = name.to_owned();
        job.database = format!("{name}\\\"\n");
        job.stores[0].name = name.to_owned();
    }
    let again = odd.jobs[0].clone();
    odd.jobs.push(again);
    check(&promtool, &["check", "metrics"], &metrics::render(&odd));
    check(&promtool, &["check", "metrics"], &metrics::render(&calm()));
}

#[test]
fn promtool_reads_the_alerts_and_every_expression_of_the_dashboard() {
    let promtool = skip!(promtool());
    let alerts = workspace().join("docker/grafana/alerts.yaml");
    check(&promtool, &["check", "rules", &alerts.to_string_lossy()], "");
    let rules: Vec<Value> = expressions(&dashboard(), "expr")
        .iter()
        .enumerate()
        .map(|(at, expr)| json!({"record": format!("panel:{at}"), "expr": expr.replace("$__rate_interval", "5m")}))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yaml");
    fs::write(&file, json!({"groups": [{"name": "panels", "rules": rules}]}).to_string()).unwrap();
    check(&promtool, &["check", "rules", &file.to_string_lossy()], "");
}

/// What fires if Prometheus sees nothing but this for two hours: the alert, and the job that it names.
fn fires(promtool: &PathBuf, scraped: &str, expected: &[(&str, &str)]) {
    let series: Vec<Value> = scraped
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            json!({"series": series, "values": format!("{value}+0x120")})
        })
        .collect();
    let samples: Vec<Value> = expected
        .iter()
        .map(|(alert, job)| {
            let job = if job.is_empty() { String::new() } else { format!(", job_name=\"{job}\"") };
            json!({"labels": format!("{{alertname=\"{alert}\"{job}}}"), "value": 1})
        })
        .collect();
    let firing = "count by (alertname, job_name) (ALERTS{alertstate=\"firing\"})";
    let test = json!({
        "rule_files": [workspace().join("docker/grafana/alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series,
            "promql_expr_test": [{"expr": firing, "eval_time": "110m", "exp_samples": samples}],
        }],
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.yaml");
    fs::write(&file, test.to_string()).unwrap();
    check(promtool, &["test", "rules", &file.to_string_lossy()], "");
}

#[test]
fn each_alert_fires_for_the_job_that_it_is_about_and_for_no_other() {
    let promtool = skip!(promtool());
    let of_the_example = [
        ("PlanBUnhealthy", ""),
        ("PlanBSettingsRefused", ""),
        ("PlanBBackupFailed", "billing"),
        ("PlanBBackupPartial", "events"),
        ("PlanBBackupStale", "catalog"),
        ("PlanBBackupHung", "sessions"),
        ("PlanBBackupShrank", "search"),
        ("PlanBDrillFailed", "ledger"),
        ("PlanBDrillStale", "personnel"),
        ("PlanBStoreFailing", "events"),
    ];
    fires(&promtool, &metrics::render(&example()), &of_the_example);
    fires(&promtool, &metrics::render(&calm()), &[]);
    fires(&promtool, "up 0", &[("PlanBDown", "")]);

    let mut other = calm();
    other.ready = false;
    other.jobs[0].retention.as_mut().unwrap().error = Some("403 Forbidden".to_owned());
    let name = other.jobs[0].name.clone();
    fires(&promtool, &metrics::render(&other), &[("PlanBNotReady", ""), ("PlanBRetentionFailed", &name)]);

    let tested =
        of_the_example.iter().map(|(alert, _)| *alert).chain(["PlanBDown", "PlanBNotReady", "PlanBRetentionFailed"]);
    let tested: BTreeSet<String> = tested.map(str::to_owned).collect();
    assert_eq!(tested, expressions(&alerts(), "alert").into_iter().collect());
}

#[test]
fn a_job_that_is_switched_off_alerts_nobody() {
    let promtool = skip!(promtool());
    let mut snapshot = example();
    for job in &mut snapshot.jobs {
        job.enabled = false;
        job.running = None;
    }
    snapshot.reasons.clear();
    snapshot.config_problem = None;
    snapshot.healthy = true;
    assert!(snapshot.jobs.iter().any(|job| job.last_made().is_some_and(|run| run.status == RunStatus::Failed)));
    fires(&promtool, &metrics::render(&snapshot.settled()), &[]);
}
