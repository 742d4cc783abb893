#![allow(clippy::unwrap_used, reason = "tests")]

use planb_model::engine::{Mode, NamedSecret, Object, ScopeKind, Setting, SettingKind, ToolSpec};
use planb_model::plan::{Encoding, EnvVar, SecretRef};
use proptest::prelude::*;

use super::*;

fn description() -> Description {
    let setting =
        |name: &str| Setting { name: name.to_owned(), kind: SettingKind::Text, default: None, summary: String::new() };
    Description {
        key: "toy".into(),
        name: "Toy".into(),
        aliases: vec![],
        version: "0.1.0".into(),
        schemes: vec!["toy".into()],
        default_port: None,
        default_user: None,
        file_based: true,
        tools: vec![ToolSpec {
            id: "cat".into(),
            programs: vec!["cat".into()],
            version_args: vec![],
            version_ok: vec![],
            version_req: None,
            used_for: vec![],
            install_hint: None,
        }],
        env: vec!["TOY".into()],
        inherit: vec![],
        params: vec![setting("tls")],
        secrets: vec![NamedSecret { name: "token".into(), summary: String::new() }],
        settings: vec![setting("attack")],
        modes: vec![Mode::Stream],
        scopes: vec![ScopeKind::Database],
        native_compression: false,
        stream_conflicts: vec![],
        plans_by_inventory: false,
        restores_offline: false,
    }
}

fn request(database: &str) -> Request {
    Request {
        connection: Connection::default(),
        scope: Scope::Database(database.to_owned()),
        mode: Mode::Stream,
        native_compression: false,
        settings: vec![],
        extra_args: vec!["-x".into(), String::new()],
        tools: vec![],
        server_version: None,
        objects: None,
        serve_at: None,
    }
}

fn cat(args: Vec<Arg>) -> Command {
    Command { tool: "cat".into(), args, env: vec![], stdin: None, stdin_from: None, stdout_to: None, ok: vec![] }
}

fn text(text: &str) -> Vec<ArgPiece> {
    vec![ArgPiece::Text(text.to_owned())]
}

fn path(path: &str) -> Vec<ArgPiece> {
    vec![ArgPiece::Path(path.to_owned())]
}

fn secret(name: &str) -> PrivatePiece {
    PrivatePiece::Secret(SecretRef { name: name.to_owned(), encoding: Encoding::Raw })
}

fn private(path: &str, content: Vec<PrivatePiece>) -> PrivateFile {
    PrivateFile { path: path.to_owned(), content }
}

fn artifact() -> Artifact {
    Artifact {
        extension: "sql".into(),
        media_type: "application/vnd.toy+sql".into(),
        compressed: false,
        format: "plain".into(),
    }
}

fn backup_of(source: Source) -> BackupPlan {
    BackupPlan { files: vec![], prepare: vec![], source, cleanup: vec![], artifact: artifact(), warnings: vec![] }
}

fn backup() -> BackupPlan {
    backup_of(Source::Stdout { command: cat(vec![Arg::Value(text("notes"))]), trim: None })
}

fn restore(sink: Sink) -> RestorePlan {
    let none = || vec![];
    RestorePlan {
        files: vec![],
        prepare: none(),
        sink,
        finish: none(),
        cleanup: none(),
        filter: false,
        warnings: vec![],
    }
}

fn checked(database: &str, change: impl FnOnce(&mut BackupPlan)) -> Result<BackupPlan, String> {
    let (d, mut plan) = (description(), backup());
    change(&mut plan);
    Rules::new(&d, &request(database)).backup(&mut plan).map(|()| plan)
}

fn refused(change: impl FnOnce(&mut BackupPlan)) -> String {
    checked("notes", change).unwrap_err()
}

/// In the command that makes the dump.
fn refused_arg(arg: Arg) -> String {
    refused(|plan| plan.prepare.push(cat(vec![arg])))
}

#[test]
fn a_decent_plan_passes() {
    let plan = checked("notes", |plan| {
        plan.files.push(private("login/file", vec![secret("password"), secret("token")]));
        let command = cat(vec![
            Arg::Literal("--x".into()),
            Arg::Option { name: "--file=".into(), value: path("out/a") },
            Arg::Extra,
            Arg::Value(path("")),
        ]);
        plan.prepare.push(Command { stdout_to: Some("list".into()), ok: vec![0, 1], ..command });
        plan.prepare.push(Command {
            stdin_from: Some("list".into()),
            env: vec![EnvVar { name: "TOY".into(), value: vec![secret("token")] }],
            ..cat(vec![])
        });
        plan.warnings.push("mind\u{1b}[2J".into());
    });
    assert_eq!(plan.unwrap().warnings, ["mind[2J"]);
}

#[test]
fn what_the_author_wrote_is_the_plugins() {
    let long = "x".repeat(200_000);
    for arg in [
        Arg::Literal(String::new()),
        Arg::Literal("a\0".into()),
        Arg::Literal(long.clone()),
        Arg::Script("-x".into()),
        Arg::Script(String::new()),
        Arg::Value(vec![]),
        Arg::Value(text("")),
        Arg::Value(text("-x")),
        Arg::Value(text("a\0")),
        Arg::Value(text(&long)),
        Arg::Value(path("/etc/passwd")),
        Arg::Value(path("../x")),
        Arg::Value(path("a\nb")),
        Arg::Value(path(&"a/".repeat(600))),
        Arg::Option { name: "host".into(), value: text("x") },
        Arg::Pair { name: "-h".into(), value: text("-x") },
        Arg::Option { name: "--f=".into(), value: path("..") },
    ] {
        refused_arg(arg);
    }
    assert!(refused(|plan| plan.prepare.push(cat(vec![Arg::Extra, Arg::Extra]))).contains("twice"));
}

#[test]
fn what_the_user_gave_is_not() {
    let with = |value: &str, arg: Arg| checked(value, |plan| plan.prepare.push(cat(vec![arg]))).map(drop);
    for value in ["-rf", "", "a\0b", &"x".repeat(200_000)] {
        assert_eq!(with(value, Arg::Value(text(value))), Ok(()));
        // A path is the plugin's, whatever was given.
        with(value, Arg::Value(path("../x"))).unwrap_err();
    }
    let objects = Some(vec![Object { kind: "table".into(), name: "-t".into(), rows: None }]);
    let (d, mut plan) = (description(), backup());
    plan.prepare.push(cat(vec![Arg::Value(text("-t"))]));
    assert_eq!(Rules::new(&d, &Request { objects, ..request("notes") }).backup(&mut plan), Ok(()));
}

#[test]
fn only_what_is_declared() {
    assert!(refused(|plan| plan.prepare.push(Command { tool: "sh".into(), ..cat(vec![]) })).contains("sh"));
    assert!(refused(|plan| plan.cleanup.push(Command { tool: "sh".into(), ..cat(vec![]) })).contains("sh"));
    let variable = |name: &str, value| Command { env: vec![EnvVar { name: name.into(), value }], ..cat(vec![]) };
    refused(|plan| plan.prepare.push(variable("PATH", vec![])));
    refused(|plan| plan.prepare.push(variable("TOY", vec![PrivatePiece::Text("a\0".into())])));
    refused(|plan| plan.prepare.push(variable("TOY", vec![secret("admin")])));
    refused(|plan| plan.prepare.push(Command { stdin: Some(vec![secret("admin")]), ..cat(vec![]) }));
    assert!(refused(|plan| plan.files.push(private("login", vec![secret("admin")]))).contains("admin"));
}

#[test]
fn every_path_stays_below() {
    for bad in ["", ".", "/abs", "../up", "a/../../up", "a\\b", "a\nb", "a\0b", &"a".repeat(1001)] {
        refused(|plan| plan.files.push(private(bad, vec![])));
        refused(|plan| plan.prepare.push(Command { stdin_from: Some(bad.into()), ..cat(vec![]) }));
        refused(|plan| plan.prepare.push(Command { stdout_to: Some(bad.into()), ..cat(vec![]) }));
        refused(|plan| plan.source = Source::File { command: cat(vec![]), path: bad.into() });
        refused(|plan| plan.source = Source::Tree { command: cat(vec![]), path: bad.into() });
        let d = description();
        for sink in [
            Sink::File { command: cat(vec![]), path: bad.into() },
            Sink::Tree { command: cat(vec![]), path: bad.into() },
        ] {
            Rules::new(&d, &request("notes")).restore(&mut restore(sink)).unwrap_err();
        }
    }
}

#[test]
fn no_secret_is_part_of_a_dump() {
    for (dump, file) in [("login", "login"), ("d", "d/e/login"), ("d", "./d//login")] {
        let covered = |tree: bool, content: Vec<PrivatePiece>| {
            checked("notes", |plan| {
                plan.files.push(private(file, content));
                let (command, path) = (cat(vec![]), dump.to_owned());
                plan.source = if tree { Source::Tree { command, path } } else { Source::File { command, path } };
            })
        };
        assert!(covered(true, vec![secret("password")]).unwrap_err().contains("secret"));
        covered(true, vec![PrivatePiece::Text("x".into())]).unwrap();
        assert!(covered(false, vec![secret("password")]).is_err());
    }
    checked("notes", |plan| {
        plan.files.push(private("dump-login", vec![secret("password")]));
        plan.source = Source::Tree { command: cat(vec![]), path: "dump".into() };
    })
    .unwrap();
}

#[test]
fn everything_has_a_number() {
    let many = |n| vec![cat(vec![]); n];
    refused(|plan| plan.prepare = many(10_001));
    refused(|plan| (plan.prepare, plan.cleanup) = (many(5_000), many(5_000)));
    checked("notes", |plan| (plan.prepare, plan.cleanup) = (many(5_000), many(4_999))).unwrap();
    refused(|plan| plan.files = (0..1_001).map(|n| private(&n.to_string(), vec![])).collect());
    refused(|plan| plan.prepare.push(cat(vec![Arg::Literal("x".into()); 10_001])));
    refused(|plan| plan.prepare.push(Command { ok: vec![0; 257], ..cat(vec![]) }));
    let variable = EnvVar { name: "TOY".into(), value: vec![] };
    refused(|plan| plan.prepare.push(Command { env: vec![variable.clone(); 1_001], ..cat(vec![]) }));
    let pieces = vec![PrivatePiece::Text(String::new()); 100_001];
    refused(|plan| plan.files.push(private("x", pieces.clone())));
    refused(|plan| plan.prepare.push(Command { stdin: Some(pieces.clone()), ..cat(vec![]) }));
    refused_arg(Arg::Value(vec![ArgPiece::Text("x".into()); 100_001]));
}

#[test]
fn warnings_are_cut_and_counted() {
    let plan = checked("notes", |plan| plan.warnings = vec!["x".repeat(60_000); 100_000]).unwrap();
    assert_eq!(plan.warnings.len(), 101);
    assert!(plan.warnings.iter().all(|warning| warning.len() < 5_000));
    let mut plan = restore(Sink::Stdin(cat(vec![])));
    plan.warnings = vec!["a\u{202e}".into()];
    Rules::new(&description(), &request("notes")).restore(&mut plan).unwrap();
    assert_eq!(plan.warnings, ["a"]);
}

#[test]
fn a_trim_has_an_end() {
    let trimmed = |head_line: Option<&str>, tail_bytes| {
        let trim = Some(Trim { head_line: head_line.map(str::to_owned), tail_bytes });
        checked("notes", |plan| plan.source = Source::Stdout { command: cat(vec![]), trim })
    };
    trimmed(Some("/*M!"), 1 << 20).unwrap();
    assert!(trimmed(None, (1 << 20) + 1).is_err());
    assert!(trimmed(None, u32::MAX).is_err());
    assert!(trimmed(Some(&"x".repeat(1001)), 0).is_err());
    assert!(trimmed(Some("a\nb"), 0).is_err());
}

#[test]
fn what_this_host_does_not_do_is_refused() {
    refused(|plan| plan.source = Source::Served(cat(vec![])));
    let kept = Command { stdout_to: Some("x".into()), ..cat(vec![]) };
    refused(|plan| plan.source = Source::Stdout { command: kept.clone(), trim: None });
    refused(|plan| {
        plan.prepare.push(Command { stdin: Some(vec![]), stdin_from: Some("x".into()), ..cat(vec![]) });
    });
    let d = description();
    let rules = Rules::new(&d, &request("notes"));
    rules.restore(&mut restore(Sink::Served(cat(vec![])))).unwrap_err();
    let tree = restore(Sink::Tree { command: cat(vec![]), path: "dump".into() });
    rules.restore(&mut RestorePlan { filter: true, ..tree.clone() }).unwrap_err();
    rules.restore(&mut tree.clone()).unwrap();
    rules.query(&QueryPlan { files: vec![], prepare: vec![], command: kept }).unwrap_err();
    rules.query(&QueryPlan { files: vec![], prepare: vec![], command: cat(vec![]) }).unwrap();
}

#[test]
fn an_extension_is_a_plain_end_of_a_name() {
    for extension in ["sql", "accounts.sql", "bak.tar", "archive.gz", "json", "sqlite3", "7z", "A-b_c"] {
        checked("notes", |plan| plan.artifact.extension = extension.into()).unwrap();
    }
    let bad = [
        "",
        ".",
        ".sql",
        "sql.",
        "a..b",
        "/abs",
        "a/b",
        "a\\b",
        "..",
        "a\nb",
        "a\0",
        "ä",
        "a b",
        "manifest.json",
        "Manifest.JSON",
        "x.manifest.json",
        "hold.json",
        "manifest.json.minisig",
        "minisig",
        "manifest",
    ];
    for extension in bad.into_iter().chain([&*"x".repeat(33)]) {
        let why = refused(|plan| plan.artifact.extension = extension.into());
        assert!(why.len() < 300, "{why}");
    }
    for media in ["", "x", "/", "a/", "/b", "a/b c", "a/b\r\nx: y", "a/b/c", &format!("a/{}", "b".repeat(99))] {
        refused(|plan| plan.artifact.media_type = media.into());
    }
    for format in ["", "a b", "a\n", "a/b", &"x".repeat(65)] {
        refused(|plan| plan.artifact.format = format.into());
    }
}

fn scratch() -> ScratchPlan {
    ScratchPlan {
        files: vec![],
        prepare: vec![],
        server: Some(cat(vec![])),
        ready: vec![],
        connection: Connection {
            scheme: Some("toy".into()),
            host: Some("127.0.0.1".into()),
            secrets: vec!["password".into()],
            params: vec![("tls".into(), "off".into())],
            ..Connection::default()
        },
        scope: Scope::Database("data/x.db".into()),
        settings: vec![("attack".into(), path("conf"))],
        restore_stopped: false,
    }
}

#[test]
fn a_throw_away_server_is_here() {
    let d = description();
    let rules = Rules::new(&d, Given::default());
    rules.scratch(&scratch()).unwrap();
    let refused = |change: &dyn Fn(&mut ScratchPlan)| {
        let mut plan = scratch();
        change(&mut plan);
        rules.scratch(&plan).unwrap_err()
    };
    refused(&|plan| plan.connection.host = Some("db.example".into()));
    refused(&|plan| plan.connection.host = Some("0.0.0.0".into()));
    refused(&|plan| plan.connection.others.push(("127.0.0.1".into(), None)));
    refused(&|plan| plan.connection.socket = Some("/run/postgresql".into()));
    refused(&|plan| plan.connection.socket = Some("../x".into()));
    refused(&|plan| plan.connection.scheme = Some("https".into()));
    refused(&|plan| plan.connection.secrets.push("admin".into()));
    refused(&|plan| plan.connection.secrets = vec!["password".into(); 3]);
    refused(&|plan| plan.connection.params.push(("other".into(), String::new())));
    refused(&|plan| plan.connection.user = Some("a\nb".into()));
    refused(&|plan| plan.scope = Scope::Database("/var/lib/app.db".into()));
    refused(&|plan| plan.settings.push(("attack".into(), path("../x"))));
    refused(&|plan| plan.settings = vec![("attack".into(), path("../x"))]);
    refused(&|plan| plan.ready.push(Command { tool: "sh".into(), ..cat(vec![]) }));
    let holds = vec![Object { kind: "table".into(), name: "x".into(), rows: None }; 1_001];
    rules.seed(&SeedPlan { files: vec![], commands: vec![cat(vec![])], holds }).unwrap_err();
}

proptest! {
    /// An extension that passes makes a key of one more part, which no other object of Plan B's is called like.
    #[test]
    fn no_extension_makes_another_key(extension in "[a-z.]{1,14}|.*|(x\\.)?(manifest|hold|drill-[0-9]{1,4})\\.json(\\.minisig)?") {
        let passed = checked("notes", |plan| plan.artifact.extension.clone_from(&extension)).is_ok();
        let key = format!("nightly.{extension}");
        let taken = [".manifest.json", ".hold.json", ".minisig"].iter().any(|end| key.ends_with(end));
        let taken = taken || (key.contains(".drill-") && key.strip_suffix(".json").is_some());
        let plain = !extension.is_empty() && !extension.contains(['/', '\\', '\0', '\n']) && !key.contains("..");
        prop_assert!(!passed || (plain && !taken && extension.is_ascii()));
    }
}
