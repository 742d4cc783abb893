//! planb.toml: what it becomes, what is refused and where, and who beats whom.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use planb_config::keys::{DRILL, HOOKS, JOB, RETENTION, SERVE, STORE, spellings};
use planb_config::{Config, FixedEnv, HookCommand, Key, Kind, Origin, Place, Search, search};

const JOB_HEAD: &str = "[jobs.a]\ndb = \"postgresql://h/a\"\nto = [\"/b\"]\n";

fn read(text: &str) -> Result<Config, String> {
    read_with(text, &Place::default(), &[])
}

fn read_with(text: &str, place: &Place, env: &[(&str, &str)]) -> Result<Config, String> {
    let env: FixedEnv = env.iter().copied().collect();
    Config::from_text(text, place, &env).map_err(|problems| {
        assert!(!problems.is_empty());
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })
}

fn wrong(text: &str) -> String {
    read(text).unwrap_err()
}

/// The example of the documentation, as it stands there.
fn example() -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A folder with the files that the example names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    for (name, text) in [("orders-password", "pw"), ("ping-url", "https://hc-ping.com/x"), ("token", "t")] {
        std::fs::write(folder.path().join("secrets").join(name), format!("{text}\n")).unwrap();
    }
    folder
}

const ENV: [(&str, &str); 3] =
    [("OFFSITE_SECRET", "s3"), ("WIKI_PASSWORD", "wiki"), ("SLACK_URL", "https://hooks.slack.com/x")];

#[test]
fn the_example_of_the_documentation() {
    let folder = folder();
    let path = folder.path().join("planb.toml");
    std::fs::write(&path, example()).unwrap();
    // Others may read it: no secret stands in it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let env: FixedEnv = ENV.into_iter().collect();
    let config = Config::load(&path, &env).unwrap();
    assert_eq!(config.path.as_deref(), Some(path.as_path()));
    assert_eq!(config.warnings, []);
    let orders = &config.jobs["orders"];
    assert_eq!(orders.password.as_ref().unwrap().expose(), "pw");
    assert_eq!(orders.schedule.as_ref().unwrap().to_string(), "0 3 * * *");
    assert_eq!((orders.jitter, orders.timeout), (Duration::from_mins(10), Some(Duration::from_hours(2))));
    assert_eq!((orders.labels["team"].as_str(), orders.labels["job"].as_str()), ("shop", "orders"));
    assert_eq!(orders.hooks.pre, Some(HookCommand::Argv(vec!["/usr/local/bin/checkpoint".into(), "--wait".into()])));
    assert_eq!(orders.hooks.on_failure, Some(HookCommand::Shell("logger -t planb 'orders failed'".into())));
    assert_eq!(orders.hooks.timeout, Duration::from_mins(1));
    let drill = orders.drill.as_ref().unwrap();
    assert_eq!(drill.identity.as_deref(), Some(folder.path().join("secrets/age-key").as_path()));
    // The defaults.
    assert_eq!((orders.retries, orders.max_age), (2, Some(Duration::from_hours(26))));
    assert_eq!(orders.timezone.as_ref().unwrap().iana_name(), Some("Europe/Berlin"));
    assert_eq!(orders.notify, ["chat", "watch"]);
    let [offsite, here] = orders.to.as_slice() else { panic!("two stores") };
    assert_eq!(offsite.url, "s3://backups/orders?access_key_id=AKIAEXAMPLE&region=eu-central-1");
    assert_eq!(offsite.secrets["secret_access_key"].expose(), "s3");
    assert_eq!(
        (orders.retention_at(offsite).unwrap().daily, orders.retention_at(here).unwrap().daily),
        (Some(30), Some(7))
    );
    let wiki = &config.jobs["wiki"];
    assert!(wiki.all_databases && wiki.to.len() == 1);
    assert_eq!(wiki.schedule.as_ref().unwrap().to_string(), "every 6h");
    let chat = &config.notify["chat"];
    assert_eq!((chat.kind.as_str(), chat.table["url_env"].as_str()), ("slack", Some("SLACK_URL")));
    let watch = &config.notify["watch"];
    assert_eq!(watch.table["url_file"].as_str(), folder.path().join("secrets/ping-url").to_str());
    assert_eq!((config.serve.token.as_ref().unwrap().expose(), config.serve.concurrency), ("t", 4));
    // Where each came from.
    assert!(matches!(orders.origin("retries"), Origin::Defaults(_)));
    assert!(matches!(orders.origin("jitter"), Origin::File(_)));
    assert_eq!(orders.origin("threads"), Origin::BuiltIn);
    let line = example().lines().position(|line| line.starts_with("retries")).unwrap() + 1;
    assert_eq!(orders.origin("retries").position().unwrap().line, line);
}

#[test]
fn every_key_that_is_misspelt_is_told_with_its_place() {
    let tables: [(&str, &[Key], String); 6] = [
        ("jobs.a", JOB, JOB_HEAD.to_owned()),
        ("defaults", JOB, "[defaults]\n".to_owned()),
        ("stores.s", STORE, "[stores.s]\nurl = \"s3://b\"\n".to_owned()),
        ("serve", SERVE, "[serve]\n".to_owned()),
        ("jobs.a.hooks", HOOKS, format!("{JOB_HEAD}[jobs.a.hooks]\n")),
        ("jobs.a.drill", DRILL, format!("{JOB_HEAD}[jobs.a.drill]\n")),
    ];
    for (what, keys, head) in tables {
        for name in spellings(keys) {
            let typo = format!("{name}x");
            let line = head.lines().count() + 1;
            let text = wrong(&format!("{head}{typo} = 1\n"));
            assert!(text.starts_with(&format!("planb.toml:{line}:1: `[{what}]` has no key `{typo}`")), "{text}");
            // The nearest of a short name may be another short name.
            if name.len() > 4 {
                assert!(text.contains("; did you mean `"), "{text}");
            }
        }
    }
    assert!(
        wrong("[jobs.a]\ncompres = \"zstd\"\n").contains("`[jobs.a]` has no key `compres`; did you mean `compress`?")
    );
    assert!(
        wrong("[store.s]\nurl = \"/x\"\n")
            .contains("there is no table `store` in a planb.toml; did you mean `stores`?")
    );
    assert!(
        wrong(&format!("{JOB_HEAD}retention = {{ dayly = 7 }}\n"))
            .contains("`[jobs.a.retention]` has no key `dayly`; did you mean `daily`?")
    );
}

#[test]
fn every_key_refuses_what_it_does_not_take() {
    for (head, keys) in [
        (JOB_HEAD, JOB),
        ("[stores.s]\nurl = \"s3://b\"\n", STORE),
        ("[serve]\n", SERVE),
        ("[jobs.a]\ndb = \"x:y\"\nto = [\"/b\"]\n[jobs.a.hooks]\n", HOOKS),
        ("[jobs.a]\ndb = \"x:y\"\nto = [\"/b\"]\n[jobs.a.drill]\n", DRILL),
        ("[jobs.a]\ndb = \"x:y\"\nto = [\"/b\"]\n[jobs.a.retention]\n", RETENTION),
    ] {
        for key in keys {
            // Dates and numbers with a point are taken by none.
            for value in ["1979-05-27", "1.5", "[[1]]", "\"\""] {
                let empty_is_fine = value == "\"\"" && matches!(key.kind, Kind::Map);
                let head: String = head
                    .lines()
                    .filter(|line| !line.starts_with(&format!("{} =", key.name)))
                    .fold(String::new(), |all, line| all + line + "\n");
                let line = head.lines().count() + 1;
                let result = read(&format!("{head}{} = {value}\n", key.name));
                if !empty_is_fine {
                    let text = result.err().unwrap_or_else(|| panic!("{} takes {value}", key.name));
                    assert!(
                        text.contains(&format!("planb.toml:{line}:")) && text.contains(key.name),
                        "{} = {value}: {text}",
                        key.name
                    );
                }
            }
        }
    }
}

#[test]
fn mistakes_come_all_at_once_in_the_order_of_the_file() {
    let text = wrong(
        "[stores.s]\nurl = \"s4://b\"\n\n[jobs.a]\ndb = \"postgresql://h/a\"\nto = [\"s\", \"offsit\"]\nport = 70000\ntimeout = 30\nschedule = \"0 25 * * *\"\n\n[jobs.b]\nencrypt_to = [\"ssh-rsa x\"]\nnotify = [\"chat\"]\n\n[stores.offsite]\nregion = \"eu\"\n",
    );
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("planb.toml")).collect();
    let heads: Vec<&str> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        heads,
        [
            "planb.toml:2:1",
            "planb.toml:6:1",
            "planb.toml:7:8",
            "planb.toml:8:11",
            "planb.toml:9:12",
            "planb.toml:11:7",
            "planb.toml:11:7",
            "planb.toml:12:14",
            "planb.toml:13:1",
            "planb.toml:15:9",
        ],
        "{text}"
    );
    assert!(
        lines[0].ends_with("planb knows no stores of the kind `s4:`; did you mean `gs`?") || lines[0].contains("`s4:`")
    );
    assert!(lines[1].ends_with("there is no store `offsit`; did you mean `offsite`?"), "{text}");
    assert!(lines[2].ends_with("`port` takes a whole number from 1 to 65535, not 70000"));
    assert!(lines[3].ends_with("`timeout` takes a time with its unit, as in 90s, 30m, 6h or 7d, not 30"));
    assert!(lines[9].ends_with("the store `offsite` has no `url`"));
}

#[test]
fn a_text_that_is_no_toml_says_where() {
    let text = wrong("[jobs.a\ndb = 1\n\n[jobs.b]\ndb = \"unfinished\n");
    assert!(
        text.starts_with("planb.toml:1:") && text.contains("this is not TOML: ") && text.contains("planb.toml:5:"),
        "{text}"
    );
    // Deeper than any stack.
    assert!(wrong(&format!("[notify.n]\ntype = \"x\"\ndeep = {}", "[".repeat(100_000))).contains("this is not TOML"));
    assert!(wrong(&format!("[{}]\n", "a.".repeat(100_000))).contains("planb.toml:1:"));
    assert!(wrong("[jobs]\na = 1\n").contains("`jobs.a` has to be a table: [jobs.a]"));
    assert!(wrong("jobs = 1\n").contains("`jobs` has to be a table: [jobs]"));
    assert!(wrong("[jobs.\"a b\"]\n").contains("\"a b\" is no name"));
}

#[test]
fn what_does_not_go_together() {
    for (keys, says) in [
        ("database = \"x\"\nall_databases = true\n", "`database` and `all_databases` exclude each other"),
        ("encrypt_to = [\"age1x\"]\npassphrase = \"x\"\n", "`encrypt_to` and `passphrase` exclude each other"),
        ("password = \"x\"\npassword_env = \"HOME\"\n", "`jobs.a` gives `password` in more than one way"),
        ("secrets = { key = \"x\", key_env = \"HOME\" }\n", "`jobs.a.secrets` gives `key` in more than one way"),
        ("sign_password = \"x\"\n", "`sign_password` says nothing without `sign_key`"),
        ("jitter = \"5m\"\n", "`jitter` says nothing without `schedule`"),
        ("max_drill_age = \"5d\"\n", "`max_drill_age` says nothing without `drill`"),
        ("drill = { password = \"x\" }\n", "`password` of a drill says nothing without `into`"),
        ("lock = false\nwait_lock = \"5m\"\n", "`wait_lock` says nothing with `lock = false`"),
        ("retention = {}\n", "`retention` has no rule"),
        ("volume_size = \"1TiB\"\n", "no bucket takes more than 10,000"),
        ("notify = [\"x\"]\n", "there is no target `x` to notify"),
        ("hooks = { pre = [] }\n", "`pre` takes a list of texts"),
        ("retention = { periods = { \"%Z\" = \"7d\" } }\n", "%Z"),
        ("retention = { periods = { \"%Y\" = 7 } }\n", "`%Y` takes a time with its unit, not 7"),
        ("mode = \"steam\"\n", "`mode` takes one of stream, file, directory, tar, not \"steam\""),
        ("name = \"{nope}\"\n", "unknown token {nope}"),
        ("password_file = \"/nowhere/x\"\n", "`password_file`: /nowhere/x cannot be read"),
        ("password_env = \"NOT_SET\"\n", "`password_env`: the variable NOT_SET is not set"),
    ] {
        let text = wrong(&format!("{JOB_HEAD}{keys}"));
        assert!(text.contains(says), "{keys}: {text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("planb.toml")).count(), 1, "{text}");
    }
    for (to, says) in [
        ("[]", "`to` names no store"),
        ("[\"/b\", \"/b\"]", "the store `/b` is named twice"),
        ("[\"s3://\"]", "the bucket is missing"),
        ("[\"s3://key:hunter2@b\"]", "a store's URL holds no user or password"),
        ("[\"s3://b?secret_access_key=hunter2\"]", "a store's URL holds no credentials, so not `secret_access_key`"),
        ("[\"nowhere\"]", "there is no store `nowhere`"),
    ] {
        let text = wrong(&format!("[jobs.a]\ndb = \"postgresql://h/a\"\nto = {to}\n"));
        assert!(text.contains(says) && !text.contains("hunter2"), "{to}: {text}");
    }
    for (keys, says) in [
        ("url = \"gs://b\"\nregion = \"eu\"\n", "`region` is for stores of the kind `s3:`, and this one is `gs:`"),
        ("url = \"s3://b?region=x\"\nregion = \"eu\"\n", "`region` stands in the URL as well"),
        (
            "url = \"s3://b?secret_access_key_file=x&access_key_id=y\"\nsecret_access_key = \"z\"\n",
            "`secret_access_key` stands in the URL as well",
        ),
        ("url = \"s3://b\"\naccess_key_id = \"x\"\n", "`secret_access_key` is missing"),
        ("url = \"ftp://h/x\"\n", "planb knows no stores of the kind `ftp:`"),
    ] {
        let text = wrong(&format!("[stores.s]\n{keys}"));
        assert!(text.contains(says), "{keys}: {text}");
    }
    let nothing = wrong("[jobs.a]\n");
    assert!(nothing.contains("the job `a` names no database") && nothing.contains("the job `a` names no store"));
    // What follows from one mistake is not another.
    let once = wrong("[defaults]\nto = 5\n[jobs.a]\ndb = \"x:y\"\n[jobs.b]\ndb = \"x:y\"\n");
    assert_eq!(once, "planb.toml:2:6: `to` takes a list of texts, not 5");
}

#[test]
fn jobs_beat_defaults() {
    let config = read(
        "[defaults]\nto = [\"/d\"]\ndatabase = \"x\"\npassphrase = \"p\"\nlabels = { team = \"a\", tier = \"1\" }\noptions = { jobs = 4, schema-only = true }\nretention = { daily = 7, weekly = 4 }\njitter = \"1m\"\nextra_args = [\"-v\"]\n\
         [defaults.hooks]\npre = \"one\"\npost = [\"two\"]\n\
         [jobs.plain]\nplugin = \"pg\"\n\
         [jobs.own]\nplugin = \"pg\"\nto = [\"/o\"]\nall_databases = true\nencrypt_to = [\"age1x\"]\nlabels = { team = \"b\", job = \"mine\" }\noptions = { jobs = 1 }\nretention = { keep_last = 1 }\nextra_args = [\"-q\"]\nhooks = { pre = \"three\" }\n\
         [jobs.off]\nplugin = \"pg\"\nall_databases = false\nenabled = false\n",
    )
    .unwrap();
    let (plain, own, off) = (&config.jobs["plain"], &config.jobs["own"], &config.jobs["off"]);
    assert_eq!((plain.database.as_deref(), plain.all_databases), (Some("x"), false));
    assert_eq!((own.database.as_deref(), own.all_databases), (None, true));
    assert_eq!((off.database.as_deref(), off.all_databases, off.enabled), (Some("x"), false, false));
    assert_eq!((plain.passphrase.is_some(), plain.encrypt_to.len()), (true, 0));
    assert_eq!((own.passphrase.is_some(), own.encrypt_to.len()), (false, 1));
    assert_eq!(
        (own.labels["team"].as_str(), own.labels["tier"].as_str(), own.labels["job"].as_str()),
        ("b", "1", "mine")
    );
    assert_eq!((own.options["jobs"].as_str(), own.options["schema-only"].as_str()), ("1", "true"));
    let (rules, defaults) = (own.retention.as_ref().unwrap(), plain.retention.as_ref().unwrap());
    assert_eq!((rules.keep_last, rules.daily, defaults.daily, defaults.weekly), (Some(1), None, Some(7), Some(4)));
    assert_eq!((own.extra_args.as_slice(), own.to[0].url.as_str()), (&["-q".to_owned()][..], "/o"));
    assert_eq!(own.hooks.pre, Some(HookCommand::Shell("three".into())));
    assert_eq!(own.hooks.post, Some(HookCommand::Argv(vec!["two".into()])));
    assert!(matches!(own.origin("extra_args"), Origin::File(_)));
}

#[test]
fn secrets_in_a_file_that_others_can_read_are_refused() {
    let text = "[stores.s]\nurl = \"s3://b\"\naccess_key_id = \"id\"\nsecret_access_key = \"hunter2\"\n\
        [jobs.a]\ndb = \"postgresql://me:hunter2@h/a\"\nto = [\"s\"]\nsecrets = { key = \"hunter2\" }\nnotify = [\"n\"]\n\
        [jobs.b]\ndb = \"postgresql://me@h/a\"\nto = [\"s\"]\n\
        [notify.n]\ntype = \"webhook\"\nurl = \"https://x/hunter2\"\nheaders = { Authorization = \"hunter2\", X-Team = \"a\" }\n\
        [notify.c]\ntype = \"callback\"\nurl = \"https://x/y\"\n\
        [serve]\ntoken = \"hunter2\"\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planb.toml");
    std::fs::write(&path, text).unwrap();
    for (mode, well) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let read = Config::load(&path, &FixedEnv::default());
        assert_eq!(read.is_ok(), well, "{mode:o}");
        let Err(problems) = read else { continue };
        let keys: Vec<_> =
            problems.iter().map(|problem| problem.message.split('`').nth(1).unwrap().to_owned()).collect();
        assert_eq!(keys, ["secret_access_key", "db", "key", "url", "Authorization", "token"]);
        let shown: String = problems.iter().map(ToString::to_string).collect();
        assert!(
            shown.contains("chmod 600") && shown.contains("secret_access_key_file") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    // Nothing that is shown of a good one holds them either.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = Config::load(&path, &FixedEnv::default()).unwrap();
    let shown = format!("{config:?}{:?}{}", config.shown(), config.render(planb_config::Secrecy::Redacted));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("postgresql://me:***@h/a"), "{shown}");
    let values: Vec<_> = config.jobs["a"].all_secrets().iter().map(|secret| secret.expose().to_owned()).collect();
    // Of a database's URL its password alone: its name is in every message.
    assert_eq!(values, ["hunter2", "hunter2"]);
}

#[test]
fn a_missing_file_is_said() {
    let problems = Config::load(Path::new("/nowhere/planb.toml"), &FixedEnv::default()).unwrap_err();
    let text = problems[0].to_string();
    assert!(text.starts_with("/nowhere/planb.toml: the settings: /nowhere/planb.toml cannot be read: "), "{text}");
}

#[test]
fn relative_paths_begin_beside_the_file() {
    let place = Place { folder: Some("/etc/planb".into()), ..Place::default() };
    let text = "[stores.s]\nurl = \"backups\"\n[jobs.a]\ndb = \"x:y\"\nto = [\"s\", \"./more\", \"/abs\"]\nsign_key = \"key\"\nwork_dir = \"/scratch\"\ntool_paths = { pg_dump = \"bin/pg_dump\" }\n[serve]\nstate_dir = \"state\"\n";
    let config = read_with(text, &place, &[]).unwrap();
    let job = &config.jobs["a"];
    let urls: Vec<_> = job.to.iter().map(|store| store.url.as_str()).collect();
    assert_eq!(urls, ["/etc/planb/backups", "/etc/planb/./more", "/abs"]);
    assert_eq!(job.sign_key, Some(PathBuf::from("/etc/planb/key")));
    assert_eq!(job.work_dir, Some(PathBuf::from("/scratch")));
    assert_eq!(job.tool_paths["pg_dump"], PathBuf::from("/etc/planb/bin/pg_dump"));
    assert_eq!(config.serve.state_dir, Some(PathBuf::from("/etc/planb/state")));
}

#[test]
fn settings_of_a_store_become_its_url() {
    let config = read(
        "[stores.s]\nurl = \"s3://b/p?region=eu\"\nendpoint = \"http://h:1/?x\"\nvirtual_host = true\ntimeout = \"90s\"\nretries = 9\npart_size = \"64MiB\"\n\
         [stores.r]\nurl = \"rclone://dav/x\"\nconfig = \"/etc/rclone.conf\"\nconfig_pass = \"p\"\nrclone_args = [\"--tpslimit\", \"4\"]\n",
    )
    .unwrap();
    let s = &config.stores["s"];
    assert_eq!(s.url, "s3://b/p?region=eu&endpoint=http://h:1/%3Fx&retries=9&timeout=90&virtual_host=true");
    assert_eq!(s.part_size, Some(64 << 20));
    let r = &config.stores["r"];
    assert_eq!((r.url.as_str(), r.secrets["config_pass"].expose()), ("rclone://dav/x?config=/etc/rclone.conf", "p"));
    assert_eq!(r.rclone_args, ["--tpslimit", "4"]);
    // A store of which nobody makes use is no mistake.
    let config = read(&format!("{JOB_HEAD}[stores.idle]\nurl = \"/x\"\n")).unwrap();
    assert_eq!(config.warnings[0].to_string(), "planb.toml:5:1: no job writes to the store `idle`");
}

#[test]
fn nectgmbhs_periods_have_a_word() {
    let config = read(&format!("{JOB_HEAD}retention = {{ periods = \"nectgmbh\" }}\n")).unwrap();
    let mut periods = planb_model::retention::Retention::nectgmbh_default().periods;
    let mut read = config.jobs["a"].retention.clone().unwrap().periods;
    periods.sort_by_key(|period| period.format().to_owned());
    read.sort_by_key(|period| period.format().to_owned());
    assert_eq!(read, periods);
}

#[test]
fn what_is_shown_says_where_it_came_from() {
    let config = read("[defaults]\nto = [\"/b\"]\n[jobs.a]\ndb = \"postgresql://h/a\"\ncompress = \"zstd\"\nhooks = { pre = \"x\" }\n").unwrap();
    let shown = config.shown();
    let line = |path: &str| {
        let one = shown.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}"));
        format!("{} from {}", one.value, one.origin)
    };
    assert_eq!(line("jobs.a.compress"), "\"zstd:3\" from planb.toml:5:1");
    assert_eq!(line("jobs.a.to"), "[\"/b\"] from planb.toml:2:1 [defaults]");
    assert_eq!(line("jobs.a.hooks.pre"), "\"x\" from planb.toml:6:11");
    assert_eq!(line("jobs.a.stall_timeout"), "30m from default");
    assert_eq!(line("serve.listen"), "127.0.0.1:8080 from default");
}

#[test]
fn where_the_file_is_looked_for() {
    let env: FixedEnv = [("PLANB_CONFIG", "/x.toml"), ("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")].into_iter().collect();
    let flag = search(Some(Path::new("f.toml")), &env);
    assert_eq!(flag, Search::Named("f.toml".into(), Origin::Flag("--config".to_owned())));
    assert_eq!(search(None, &env), Search::Named("/x.toml".into(), Origin::Environment("PLANB_CONFIG".to_owned())));
    let usual = |pairs: &[(&str, &str)]| match search(None, &pairs.iter().copied().collect::<FixedEnv>()) {
        Search::Usual(paths) => paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" "),
        Search::Named(..) => panic!("nobody named one"),
    };
    assert_eq!(
        usual(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]),
        "planb.toml /c/planb/planb.toml /etc/planb/planb.toml"
    );
    assert_eq!(
        usual(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]),
        "planb.toml /h/.config/planb/planb.toml /etc/planb/planb.toml"
    );
    assert_eq!(usual(&[]), "planb.toml /etc/planb/planb.toml");
}
