//! The recipes of docs/cookbook.md: each is a file that is read or run here, and the page says what the files say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Output, Planb, provision, skip, workspace};
use serde_json::Value;
use support::{files, folder};

const AGE_KEY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n";
/// Its public half.
const AGE_RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn text(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The recipes in the page: file, and what the page says it holds.
fn recipes(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in page.split("<!-- file: ").skip(1) {
        let (path, rest) = part.split_once(" -->\n```").expect("a fence follows");
        let (_, rest) = rest.split_once('\n').expect("a first line");
        let (block, _) = rest.split_once("```\n").expect("the fence ends");
        found.push((path.to_owned(), block.to_owned()));
    }
    found
}

#[test]
fn the_page_says_what_the_files_say() {
    let place = workspace().join("docs/cookbook.md");
    let page = fs::read_to_string(&place).unwrap();
    // The same variable as for the published schemas.
    if std::env::var_os("PLANB_WRITE_SCHEMA").is_some() {
        let mut written = String::new();
        for (number, part) in page.split("<!-- file: ").enumerate() {
            if number == 0 {
                written.push_str(part);
                continue;
            }
            let (path, rest) = part.split_once(" -->\n```").unwrap();
            let (word, rest) = rest.split_once('\n').unwrap();
            let (_, rest) = rest.split_once("```\n").unwrap();
            written.push_str(&format!("<!-- file: {path} -->\n```{word}\n{}```\n{rest}", text(path)));
        }
        fs::write(&place, written).unwrap();
        return;
    }
    let recipes = recipes(&page);
    for (path, block) in &recipes {
        assert!(*block == text(path), "docs/cookbook.md differs from {path}: PLANB_WRITE_SCHEMA=1 writes it");
    }
    // No recipe lies about without being in the page.
    let shown: BTreeSet<_> = recipes.iter().map(|(path, _)| path.clone()).collect();
    let there: BTreeSet<_> =
        files(&workspace().join("examples")).into_iter().map(|path| format!("examples/{path}")).collect();
    assert!(there.is_subset(&shown), "not in the page: {:?}", there.difference(&shown).collect::<Vec<_>>());
}

/// A copy of a folder of recipes, with planb.toml for its owner alone.
fn copied(path: &str, to: &Path) -> PathBuf {
    let place = to.join(Path::new(path).file_name().unwrap());
    fs::write(&place, text(path)).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
    place
}

/// The small company's planb.toml with its secrets.
fn company(at: &Path) -> PathBuf {
    let place = copied("examples/small-company/planb.toml", at);
    fs::create_dir(at.join("secrets")).unwrap();
    let secrets = [
        ("offsite", "wJalrXUtnFEMIEXAMPLEKEY"),
        ("shop", "a-password-of-shop"),
        ("wiki", "a-password-of-wiki"),
        ("age-key", AGE_KEY),
        ("slack", "https://hooks.slack.com/services/T0/B0/xxxxxxxx"),
        ("healthchecks", "https://hc-ping.com/5f0b1c3e-0000-4000-8000-000000000000"),
        ("token", "c2l4dGVlbiBsZXR0ZXJzIQ=="),
    ];
    for (name, secret) in secrets {
        fs::write(at.join("secrets").join(name), secret).unwrap();
    }
    place
}

#[test]
fn a_small_company() {
    let at = folder();
    let config = company(at.path());
    let planb = |args: &[&str]| Planb::new().args(args).arg("--config").arg(&config).args(["--output", "json"]);
    let checked = planb(&["config", "check"]).run().ok().json();
    assert_eq!(
        (checked["ok"].as_bool(), checked["checks"].as_array().unwrap().len() >= 3),
        (Some(true), true),
        "{checked}"
    );
    let shown = planb(&["config", "show"]).run().ok();
    for secret in ["wJalrXUtnFEMIEXAMPLEKEY", "a-password-of", "AGE-SECRET", "xxxxxxxx"] {
        assert!(!shown.stdout.contains(secret), "{secret} in {shown:?}");
    }
    let shown = shown.json();
    let value = |setting: &str| {
        let found = shown.as_array().unwrap().iter().find(|one| one["setting"] == setting);
        found.unwrap_or_else(|| panic!("{setting} in {shown}"))["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(value("jobs.shop.retention.monthly"), "12");
    assert_eq!(value("stores.here.retention.daily"), "7");
    assert_eq!(value("jobs.tickets.timezone"), "\"Europe/Berlin\"");
    assert_eq!(value("jobs.wiki.drill.schedule"), "\"30 6 * * SUN\"");
    // The schema in the first line knows every key of it.
    let schema = Planb::new().args(["config", "schema"]).run().ok().json();
    assert!(schema["properties"]["jobs"].is_object(), "{schema}");
}

/// What a job of the small company really does, with databases and stores in the place of its own.
#[test]
fn a_small_company_at_work() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let config = company(at.path());
    let db = support::small(at.path());
    let toml = fs::read_to_string(&config).unwrap();
    let here = at.path().join("backups");
    let toml = toml
        .replace("sqlite:///srv/tickets/tickets.db", &support::sqlite_url(&db))
        .replace("/var/backups/planb", &here.display().to_string())
        .replace("to = [\"here\", \"offsite\"]", "to = [\"here\"]")
        .replace("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", AGE_RECIPIENT)
        .replace("notify = [\"chat\", \"watch\"]", "notify = []");
    fs::write(&config, toml).unwrap();
    let planb = |args: &[&str]| Planb::new().args(args).arg("--config").arg(&config);
    for _ in 0..2 {
        planb(&["run", "--job", "tickets", "--output", "json"]).run().ok();
    }
    let listed =
        planb(&["list", "--from", "here", "--with-label", "job=tickets", "--output", "json"]).run().ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let key = at.path().join("secrets/age-key").display().to_string();
    let drill = ["drill", "latest", "--from", "here", "--with-label", "job=tickets", "--identity", &key];
    planb(&drill).run().ok();
    // Without the key nobody sees more than that its bytes are there.
    planb(&["verify", "latest", "--from", "here"]).run().ok().says(&["encrypted and no key was given"]);
    // The page's own words for what would be removed.
    let page = text("docs/cookbook.md");
    let line = page.lines().map(str::trim).find(|line| line.starts_with("planb prune --from offsite")).unwrap();
    let words: Vec<_> = line.split(' ').skip(1).map(|word| if word == "offsite" { "here" } else { word }).collect();
    let words: Vec<_> = words.iter().map(|word| if *word == "job=shop" { "job=tickets" } else { word }).collect();
    let pruned = planb(&words).args(["--output", "json"]).run().ok().json();
    assert_eq!(pruned["backups"].as_array().unwrap().len(), 2);
}

#[test]
fn units_of_systemd() {
    if provision::program("systemd-analyze").is_none() {
        skip!("systemd-analyze", "this system has no systemd");
    }
    let at = folder();
    // Where it is installed there is nothing here: the units name the binary of the tests.
    let binary = Planb::binary().display().to_string();
    for unit in ["planb.service", "planb-run@.service", "planb-run@.timer"] {
        let unit_text = text(&format!("examples/systemd/{unit}")).replace("/usr/local/bin/planb", &binary);
        fs::write(at.path().join(unit), unit_text).unwrap();
    }
    for unit in ["planb.service", "planb-run@shop.service", "planb-run@shop.timer"] {
        let output = Command::new("systemd-analyze").arg("verify").arg(at.path().join(unit)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains(unit), "{unit}: {said}");
    }
    // Their commands are commands of planb.
    for unit in ["planb.service", "planb-run@.service"] {
        let unit_text = text(&format!("examples/systemd/{unit}"));
        for line in unit_text.lines().filter_map(|line| line.strip_prefix("ExecStart")) {
            let words: Vec<_> = line.split_once("planb ").unwrap().1.split(' ').collect();
            let output = Planb::new().args(&words).arg("--help").run().ok();
            assert!(output.stdout.contains("Usage: planb"), "{line}");
        }
    }
    // Its folders are where planb looks for them.
    let service = text("examples/systemd/planb.service");
    assert!(service.contains("StateDirectory=planb") && service.contains("XDG_STATE_HOME=/var/lib "));
    assert!(text("examples/small-company/planb.toml").contains("state_dir = \"/var/lib/planb\""));
}

/// `planb config check` with an environment, and nothing else.
fn checked(env: &BTreeMap<String, String>) -> Output {
    let planb = Planb::new().args(["config", "check", "--output", "json"]);
    env.iter().fold(planb, |planb, (name, value)| planb.env(name, value)).run()
}

/// What `planb config show` says of an environment: settings and their values.
fn shown(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let planb = Planb::new().args(["config", "show", "--output", "json"]);
    let output = env.iter().fold(planb, |planb, (name, value)| planb.env(name, value)).run().ok();
    assert!(!output.stderr.contains("warning"), "{output:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    output.json().as_array().unwrap().iter().map(|one| (text(&one["setting"]), text(&one["value"]))).collect()
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn compose() {
    let compose = yaml("docker/compose.yaml");
    let at = folder();
    let conf = text("examples/rclone/rclone.conf").replace("[s3-backup]", "[s3]");
    fs::write(at.path().join("pg_uri"), "postgresql://app:secret-word@db.example/orders\n").unwrap();
    fs::write(at.path().join("mongo_password"), "secret-word\n").unwrap();
    fs::write(at.path().join("rclone_conf"), conf).unwrap();
    for (service, engine, keep) in [("backup-pg", "postgres", "max_files"), ("backup-mongo", "mongodb", "max_days")] {
        let service_of = &compose["services"][service];
        let mut env: BTreeMap<_, _> = service_of["environment"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), scalar(value)))
            .collect();
        for value in env.values_mut() {
            // What compose itself puts there.
            *value = value.replace("/run/secrets", &at.path().display().to_string());
            *value = value.replace("${DISCORD_WEBHOOK_URL}", "https://discord.com/api/webhooks/1/x");
            *value = value.replace("${SLACK_WEBHOOK_URL}", "https://hooks.slack.com/services/T0/B0/x");
        }
        // And the image.
        env.insert("DB_ENGINE".to_owned(), engine.to_owned());
        let output = checked(&env).ok();
        assert!(!output.stderr.contains("warning"), "{output:?}");
        let shown = shown(&env);
        assert!(shown.values().any(|value| value.contains("Asia/Kolkata")), "{shown:?}");
        assert!(shown.keys().any(|setting| setting.ends_with(&format!("retention.{keep}"))), "{shown:?}");
        assert!(!format!("{shown:?}").contains("secret-word"));
        // Each secret and volume that a service names is declared.
        for secret in service_of["secrets"].as_array().unwrap() {
            assert!(compose["secrets"][secret.as_str().unwrap()]["file"].is_string(), "{secret}");
        }
        for volume in service_of["volumes"].as_array().unwrap() {
            let name = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(compose["volumes"].as_object().unwrap().contains_key(name), "{name}");
        }
    }
}

/// The environment of a container in Kubernetes' form, with these for its secrets.
fn environment(container: &Value, secrets: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for one in container["env"].as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        let value = match one.get("value") {
            Some(value) => value.as_str().unwrap_or_else(|| panic!("{name} has to be a text")).to_owned(),
            None => {
                let secret = one["valueFrom"]["secretKeyRef"]["name"].as_str().unwrap();
                secrets.iter().find(|(known, _)| *known == secret).unwrap().1.to_owned()
            }
        };
        env.insert(name.to_owned(), value);
    }
    env
}

#[test]
fn a_cloud_run_job() {
    let job = yaml("examples/cloud-run/job.yaml");
    assert_eq!((job["apiVersion"].as_str(), job["kind"].as_str()), (Some("run.googleapis.com/v1"), Some("Job")));
    let container = &job["spec"]["template"]["spec"]["template"]["spec"]["containers"][0];
    let secrets =
        [("orders-password", "secret-one"), ("backups-bucket-key", "secret-two"), ("callback-secret", "secret-three")];
    let env = environment(container, &secrets);
    let output = checked(&env).ok();
    assert!(!output.stderr.contains("warning"), "{output:?}");
    let shown = shown(&env);
    let text = format!("{shown:?}");
    assert!(!text.contains("secret-"), "{text}");
    for part in ["sslmode", "daily/", "10.8.0.3"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_cron_job() {
    let job = yaml("examples/kubernetes/cronjob.yaml");
    assert_eq!((job["apiVersion"].as_str(), job["kind"].as_str()), (Some("batch/v1"), Some("CronJob")));
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let env = environment(container, &[("mariadb", "secret-word")]);
    let output = checked(&env).ok();
    assert!(!output.stderr.contains("warning"), "{output:?}");
    let text = format!("{:?}", shown(&env));
    assert!(text.contains("startree-mariadb-ha") && !text.contains("secret-word"), "{text}");
    // Everything that is mounted is there, and what planb writes to is.
    let volumes: Vec<_> = pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(volumes.contains(&&mount["name"]), "{mount}");
    }
    assert!(
        container["volumeMounts"].as_array().unwrap().iter().any(|mount| mount["mountPath"] == env["HOME"].as_str())
    );
}

#[test]
fn the_image() {
    let dockerfile = text("docker/Dockerfile");
    let joined = dockerfile.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known = ["ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"];
    let (mut stages, mut copied) = (Vec::new(), Vec::new());
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap();
        assert!(known.contains(&word), "{line}");
        match word {
            "FROM" => stages.extend(rest.split_once(" AS ").map(|(_, name)| name.to_owned())),
            "COPY" => {
                match rest.strip_prefix("--from=").and_then(|rest| rest.split_once(' ')) {
                    Some((stage, _)) => assert!(stages.contains(&stage.to_owned()), "{line}"),
                    // From the sources: it has to be there.
                    None => {
                        let source = rest.split(' ').next().unwrap();
                        assert!(workspace().join(source).exists(), "{line}");
                    }
                }
                copied.push(rest.rsplit(' ').next().unwrap().to_owned());
            }
            "ENTRYPOINT" | "CMD" => drop(serde_json::from_str::<Vec<String>>(rest).unwrap()),
            _ => {}
        }
    }
    // Where they are put is where they are looked for.
    assert!(copied.contains(&"/usr/local/lib/planb/plugins/".to_owned()), "{copied:?}");
    assert!(copied.contains(&"/usr/local/bin/planb-entrypoint".to_owned()), "{copied:?}");
    // The tools that it asks for are those of the plugin.
    let inspected = Planb::new().args(["plugin", "inspect", "postgres"]).run().ok().stdout;
    let tools = dockerfile.split("ARG TOOLS=\"").nth(1).unwrap().split('"').next().unwrap();
    for tool in tools.split(' ') {
        assert!(inspected.lines().any(|line| line.starts_with(tool)), "{tool}");
    }
    // The toolchain of the workspace.
    let manifest = text("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "{version}");
    // The entry point passes on what it is given.
    let said = Command::new("/bin/sh")
        .arg(workspace().join("docker/entrypoint.sh"))
        .args(["plugin", "list", "--help"])
        .env("PATH", with_planb(folder().keep().as_path()))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("Usage: planb plugin list"), "{said:?}");
}

/// A PATH on which planb is.
fn with_planb(at: &Path) -> String {
    let bin = at.join("bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(Planb::binary(), bin.join("planb")).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
}

/// Runs a script of the recipes.
#[track_caller]
fn script(path: &str, args: &[&str], env: &[(&str, String)]) -> String {
    let output = Command::new("/bin/sh")
        .arg(workspace().join(path))
        .args(args)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (*name, value)))
        .env("XDG_CACHE_HOME", workspace().join("target/planb-cache"))
        .env("PLANB_PLUGIN_PATH", Planb::plugins())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{path}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn step_by_step() {
    let server =
        skip!(Postgres::start(Version::V15, Options { password: Some("it's".to_owned()), ..Options::default() }));
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("backup-tests");
    for name in ["arborist", "fence"] {
        server.create_database(name);
        server.psql(name, &format!("CREATE TABLE {name}_t AS SELECT g AS a FROM generate_series(1, 100) g"));
    }
    let at = folder();
    let mut env = bucket.env();
    env.extend([
        ("PATH", with_planb(at.path())),
        ("HOME", at.path().display().to_string()),
        ("PLANB_TOOL_PATH", server.bin_dir().display().to_string()),
        ("DB_HOST", "127.0.0.1".to_owned()),
        ("DB_PORT", server.port().to_string()),
        ("DB_USER", "postgres".to_owned()),
        ("DB_PASSWORD", "it's".to_owned()),
        ("DUMPS", at.path().join("dumps").display().to_string()),
        ("STORE", bucket.url("backup-tests", "pg")),
    ]);
    let said = script("examples/split-steps/backup.sh", &[], &env);
    assert!(said.contains("arborist") && said.contains("fence") && !said.contains("template0"), "{said}");
    let manifests = |keys: Vec<String>| keys.iter().filter(|key| key.ends_with(".manifest.json")).count();
    let local = manifests(files(&at.path().join("dumps")));
    let keys: Vec<_> = bucket.objects("backup-tests").into_iter().map(|(key, _)| key).collect();
    assert!(local >= 3 && manifests(keys.clone()) == local, "{keys:?}");
    // Once more: what is there is not sent again, and nothing is there twice.
    let upload = Planb::new().args(["upload", "--dir"]).arg(at.path().join("dumps"));
    support::with(upload.args(["--to", &bucket.url("backup-tests", "pg")]), &bucket.env()).run().ok();
    let again: Vec<_> = bucket.objects("backup-tests").into_iter().map(|(key, _)| key).collect();
    assert_eq!(again, keys);
    // The way back, into another folder, on a server that lost it.
    server.psql("postgres", "DROP DATABASE fence");
    env.retain(|(name, _)| *name != "DUMPS");
    env.push(("DUMPS", at.path().join("back").display().to_string()));
    script("examples/split-steps/restore.sh", &["fence"], &env);
    assert_eq!(server.psql("fence", "SELECT count(*) FROM fence_t").trim(), "100");
    assert_eq!(manifests(files(&at.path().join("back"))), 1);
}

#[test]
fn an_rclone_conf() {
    skip!(provision::apt(&["sqlite3"]));
    let at = folder();
    let conf = copied("examples/rclone/rclone.conf", at.path());
    let page = text("docs/cookbook.md");
    let line = page.lines().find(|line| line.contains("planb config import")).unwrap();
    let words: Vec<_> = line.split("planb ").nth(1).unwrap().split(" >").next().unwrap().split(' ').collect();
    let words: Vec<_> =
        words.iter().map(|word| if *word == "rclone.conf" { conf.to_str().unwrap() } else { word }).collect();
    let stores = Planb::new().args(&words).run().ok().stdout;
    // With a job it is a planb.toml.
    let db = support::small(at.path());
    let config = at.path().join("planb.toml");
    let job =
        format!("[jobs.shop]\ndb = \"{}\"\nto = [\"s3-backup\", \"s3-backup-encrypted\"]\n", support::sqlite_url(&db));
    let account = at.path().join("service-account.json");
    fs::write(&account, "{}").unwrap();
    let stores = stores.replace("gs://BUCKET", "gs://my-bucket");
    let stores = stores.replace("/etc/planb/secrets/service-account.json", &account.display().to_string());
    fs::write(&config, format!("{stores}\n{job}")).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let planb = |args: &[&str]| Planb::new().args(args).arg("--config").arg(&config).args(["--output", "json"]);
    planb(&["config", "check"]).run().ok();
    let shown = planb(&["config", "show"]).run().ok();
    for (setting, value) in [
        ("stores.s3-backup.url", "s3://my-bucket/backups"),
        ("stores.s3-backup.storage_class", "STANDARD_IA"),
        ("stores.s3-backup-encrypted.url", "rclone://s3-backup-encrypted/"),
    ] {
        let all = shown.json();
        let found = all.as_array().unwrap().iter().find(|one| one["setting"] == setting).unwrap();
        assert!(found["value"].as_str().unwrap().contains(value), "{found}");
    }
    assert!(!shown.stdout.contains("wJalrXUtnFEMIEXAMPLEKEY"), "{shown:?}");
    // Others may not read a file with secrets in it.
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    planb(&["config", "check"]).run().expect_code(2).says(&["chmod 600"]);
}
