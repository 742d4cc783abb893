//! Two databases of different engines, two stores, and all that a job can have, with a restart in the middle.

use std::collections::BTreeSet;
use std::fs;

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Planb, provision, skip};

use crate::served::{Served, ends, lines, listed, metric};
use crate::support::{dump, folder, small, sqlite_url, until, with};
use crate::web::{Ear, Heard, get};

#[test]
fn two_databases_two_stores_and_a_restart() {
    skip!(provision::apt(&["sqlite3"]));
    let server =
        skip!(Postgres::start(Version::V15, Options { password: Some("pass: wörd".to_owned()), ..Options::default() }));
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("jobs");
    server.create_database("orders");
    server.psql("orders", "CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 1000) g");
    let at = folder();
    let db = small(at.path());
    let ear = Ear::start();
    let env = bucket.env();
    let toml = format!(
        r#"
        [stores.here]
        url = "here"

        [stores.bucket]
        url = "s3://jobs/all"
        endpoint = "{endpoint}"
        region = "us-east-1"
        access_key_id = "{id}"
        secret_access_key_env = "BUCKET_SECRET"

        [defaults]
        to = ["here", "bucket"]
        notify = ["inventory", "platform"]
        timezone = "Asia/Kolkata"
        retention = {{ keep_last = 3 }}
        timeout = "2m"
        max_age = "1h"

        [jobs.shop]
        db = "{shop}"
        schedule = "every 2s"
        drill = {{ schedule = "every 5s" }}

        [jobs.shop.hooks]
        pre = "echo \"$PLANB_HOOK $PLANB_JOB\" >> {at}/hooks"
        post = ["/bin/sh", "-c", "echo \"$PLANB_HOOK $DBSTASH_STATUS $PLANB_STATUS $DBSTASH_FILE\" >> {at}/hooks"]
        on_success = "echo \"$PLANB_HOOK $PLANB_DATABASES\" >> {at}/hooks"
        on_failure = "echo \"$PLANB_HOOK\" >> {at}/hooks"

        [jobs.orders]
        db = "{orders}"
        password_file = "orders-password"
        schedule = "*/3 * * * * *"
        name = "{{engine}}/{{db}}-{{timestamp}}"

        [notify.inventory]
        type = "webhook"
        url = "{webhook}"
        token = "the-token"
        secret_file = "hmac-key"
        on = "always"
        started = true

        [notify.platform]
        type = "callback"
        url = "{callback}"
        secret = "the-callback-secret"

        [serve]
        token = "a-token-of-the-tests"
        concurrency = 4
        "#,
        endpoint = bucket.endpoint(),
        id = env[0].1,
        shop = sqlite_url(&db),
        orders = server.url("orders"),
        at = at.path().display(),
        webhook = ear.url("/events"),
        callback = ear.url("/callback"),
    )
    .replace("\n        ", "\n");
    fs::write(at.path().join("orders-password"), "pass: wörd\n").unwrap();
    fs::write(at.path().join("hmac-key"), "the-hmac-key\n").unwrap();
    let planb = with(Planb::new(), &env).env("BUCKET_SECRET", &env[1].1).env("PLANB_TOOL_PATH", server.bin_dir());
    let mut served = Served::start(at.path(), &planb, &toml);
    let stores = ["here".to_owned(), bucket.url("jobs", "all")];

    served.wait_for("shop", "success", 5);
    served.wait_for("orders", "success", 5);
    until("a drill of shop", || served.job("shop")["last_drill"]["ok"] == true);

    // All addresses agree.
    assert_eq!(get(&served.address, "/healthz").unwrap().status, 200);
    let page = get(&served.address, "/").unwrap();
    assert!(page.status == 200 && page.body.contains("orders") && page.body.contains("shop"), "{}", page.body);
    let page = get(&served.address, "/jobs/shop").unwrap();
    assert!(page.status == 200 && page.body.contains("customer"), "the inspection is shown");
    let metrics = get(&served.address, "/metrics").unwrap().body;
    for job in ["shop", "orders"] {
        let counted = metric(&metrics, &format!("planb_runs_total{{job_name=\"{job}\",status=\"success\"}}"));
        assert!(counted.is_some_and(|count| count >= 5.0), "{metrics}");
        assert_eq!(metric(&metrics, &format!("planb_job_stale{{job_name=\"{job}\"}}")), Some(0.0), "{metrics}");
    }
    assert_eq!(metric(&metrics, "planb_job_last_backup_rows{job_name=\"orders\"}"), Some(1000.0), "{metrics}");
    assert_eq!(metric(&metrics, "planb_job_last_drill_success{job_name=\"shop\"}"), Some(1.0), "{metrics}");
    for store in ["here", "bucket"] {
        let up = metric(&metrics, &format!("planb_store_up{{job_name=\"shop\",store=\"{store}\"}}"));
        assert_eq!(up, Some(1.0), "{metrics}");
    }
    let job = served.job("orders");
    assert_eq!((job["engine"].as_str(), job["database"].as_str()), (Some("pg"), Some("orders")), "{job}");
    assert_eq!(job["timezone"], "Asia/Kolkata");
    assert!(job["retention"]["error"].is_null() && job["next_run"].is_string(), "{job}");
    let text = served.planb(&["status"]).run().ok();
    assert!(text.stdout.contains("orders") && text.stdout.contains("shop"), "{text:?}");

    // A restart in the middle.
    let before = served.status();
    let ended = served.stop().ok();
    assert!(ended.stderr.contains("serving 2 jobs"), "{ended:?}");
    assert!(get(&served.address, "/healthz").is_none());
    served.planb(&["status"]).run().expect_code(1).says(&["planb serve"]);
    served.again();
    for job in before["jobs"].as_array().unwrap() {
        let name = job["name"].as_str().unwrap();
        let now = served.job(name);
        assert!(now["runs"]["success"].as_u64() >= job["runs"]["success"].as_u64(), "{now}");
        let ids: Vec<_> = now["history"].as_array().unwrap().iter().map(|run| run["id"].clone()).collect();
        for run in job["history"].as_array().unwrap() {
            assert_eq!(ids.iter().filter(|id| **id == run["id"]).count(), 1, "{} of {name}: {ids:?}", run["id"]);
        }
    }
    let so_far = served.runs("orders", "success");
    served.wait_for("orders", "success", so_far + 2);
    let so_far = served.runs("shop", "success");
    served.wait_for("shop", "success", so_far + 2);
    let last = served.status();
    assert_eq!((last["healthy"].as_bool(), last["config_problem"].is_null()), (Some(true), true));
    served.stop().ok();

    // No tick was run twice, and what is said of runs is what was told of them.
    let heard = ear.at("/events");
    let told = ends(&heard, "run");
    for name in ["shop", "orders"] {
        let kept = served.kept(name);
        let history = kept["backup"]["history"].as_array().unwrap_or_else(|| panic!("{kept}")).clone();
        let ticks: Vec<_> = history
            .iter()
            .filter(|run| run["cause"] == "schedule" || run["cause"] == "catch-up")
            .map(|run| run["tick"].as_str().unwrap().to_owned())
            .collect();
        let different: BTreeSet<_> = ticks.iter().collect();
        assert_eq!(different.len(), ticks.len(), "{name} ran a tick twice: {ticks:?}");
        assert!(ticks.len() >= 7, "{ticks:?}");
        let of_job = |one: &&&Heard| one.text("job") == name;
        assert_eq!(told.iter().filter(of_job).count(), history.len(), "{name}");
    }
    for one in &heard {
        assert!(one.bears("the-token") && one.signed_by("the-hmac-key"), "{one:?}");
        assert_eq!((one.text("schema"), one.method.as_str()), ("planb.event/v1", "POST"));
    }
    for one in &told {
        assert_eq!((one.text("status"), one.body["stores"].as_array().unwrap().len()), ("success", 2), "{one:?}");
        let rows = if one.text("job") == "shop" { 6 } else { 1000 };
        assert_eq!(one.body["rows"], rows, "{one:?}");
        assert!(one.body["stored_bytes"].as_u64() > Some(0), "{one:?}");
    }
    let drills = ends(&heard, "drill");
    assert!(!drills.is_empty() && drills.iter().all(|one| one.text("status") == "success"), "{drills:?}");
    let started = heard.iter().filter(|one| one.text("kind") == "run" && one.text("phase") == "started").count();
    assert_eq!(started, told.len());

    // The callback: for each run running, the metadata, success.
    let said: Vec<_> = ear.at("/callback").iter().map(|one| one.text("status").to_owned()).collect();
    let count = |status: &str| said.iter().filter(|one| *one == status).count();
    assert_eq!((count("running"), count("success")), (told.len(), told.len()), "{said:?}");
    let metadata = ear.at("/callback/metadata");
    assert_eq!(metadata.len(), told.len());
    assert!(metadata.iter().all(|one| one.bears("the-callback-secret") && one.body["metadata"]["bytes"].is_u64()));

    // Retention kept three of each job in each store, and what a drill has proven. The last prune may not have been.
    for store in &stores {
        for job in ["shop", "orders"] {
            let there = listed(&served, store, job);
            assert!((3..=5).contains(&there.len()), "{store}: {there:?}");
            assert!(
                there.iter().all(|backup| backup["status"] == "complete" || backup["status"] == "success"),
                "{there:?}"
            );
        }
        let pruned = served.planb(&["prune", "--orphans", "--older-than", "0s", "--dry-run", "--output", "json"]);
        let pruned = pruned.args(["--from", store]).run().ok().json();
        assert_eq!(pruned["orphans"], serde_json::json!([]), "{store}");
        for job in ["shop", "orders"] {
            let label = format!("job={job}");
            served.planb(&["verify", "latest", "--from", store, "--with-label", &label]).run().ok();
        }
    }
    assert_eq!(bucket.unfinished_uploads("jobs"), 0);
    for backup in listed(&served, "here", "orders") {
        let key = backup["key"].as_str().unwrap();
        assert!(key.starts_with("pg/orders-") && key.contains("+0530"), "its own name, in its job's zone: {key}");
    }

    // The hooks of shop, once each for a run, in their order; none of a failure.
    let hooks = lines(&at.path().join("hooks"));
    let runs = told.iter().filter(|one| one.text("job") == "shop").count();
    assert_eq!(hooks.len(), 3 * runs, "{hooks:?}");
    for three in hooks.chunks(3) {
        assert_eq!(
            (three[0].as_str(), three[1].as_str()),
            ("pre shop", format!("on_success {}", db.display()).as_str()),
            "{hooks:?}"
        );
        assert!(three[2].starts_with("post success success shop-20"), "{hooks:?}");
    }
    // A store gives back what the databases hold.
    let copy = at.path().join("copy.db");
    let back = served.planb(&["restore", "latest", "--from", &stores[1], "--with-label", "job=shop", "--db"]);
    back.arg(sqlite_url(&copy)).run().ok();
    assert_eq!(dump(&copy), dump(&db));
}
