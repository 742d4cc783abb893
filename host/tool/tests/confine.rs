//! Where tools may write: seen on this machine's kernel.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bench;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use bench::{Bench, LIMITS, bench, confines, instead_of_sh, program, sh, text};
use planb_model::plan::{Arg, ArgPiece};
use planb_tool::{Account, Bounds, Confine, Confinement, Limits, confinement};

/// A bench that confines, with these folders below its base made and writable.
async fn walled(writable: &[&OsStr]) -> Bench {
    let mut b = bench().await;
    let paths: Vec<PathBuf> = writable.iter().map(|name| b.base.join(name)).collect();
    for path in &paths {
        fs::create_dir_all(path).unwrap();
    }
    b.launcher = b.launcher.with_confine(Confine::WorkDir, to(paths));
    b
}

fn to(writable: Vec<PathBuf>) -> Bounds {
    Bounds { writable, ..Bounds::default() }
}

async fn code(b: &Bench, script: &str) -> Option<i32> {
    b.launcher.run(&b.toolbox, &sh(script), LIMITS).await.unwrap().0.code
}

#[tokio::test(flavor = "multi_thread")]
async fn the_work_directory_can_be_written_to_in_every_way() {
    let b = walled(&[]).await;
    let script = "set -e; echo x >a; mkdir -p d/e; mv a d/e/b; ln -s b d/e/l; ln d/e/b hard; : >d/e/b; mkfifo p; \
                  mv hard \"$HOME/h\"; echo t >\"$TMPDIR/t\"; mv \"$TMPDIR/t\" .; rm -r d; rm p t; echo x >/dev/null; \
                  echo x >/dev/stderr; echo done";
    let (exit, out) = b.launcher.run(&b.toolbox, &sh(script), LIMITS).await.unwrap();
    assert_eq!((exit.code, text(&out).as_str()), (Some(0), "done\n"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_can_be_written_to_and_everything_read() {
    if !confines() {
        return;
    }
    let b = walled(&[]).await;
    let outside = b.base.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "as it was").unwrap();
    fs::create_dir(outside.join("empty")).unwrap();
    let o = outside.display();
    for (what, script) in [
        ("write", format!("echo x >>{o}/file")),
        ("make a file", format!("echo x >{o}/new")),
        ("make a folder", format!("mkdir {o}/new")),
        ("make a link", format!("ln -s file {o}/new")),
        ("make a fifo", format!("mkfifo {o}/new")),
        ("remove a file", format!("rm -f {o}/file")),
        ("remove a folder", format!("rmdir {o}/empty")),
        ("rename", format!("mv {o}/file {o}/new")),
        ("move out", format!("echo x >x; mv x {o}/new")),
        ("move in", format!("mv {o}/file x && echo moved && rm {o}/file")),
        ("link in and write", format!("ln {o}/file x && echo x >>x")),
        ("by a link", format!("ln -s {o}/file x; echo x >>x")),
        ("in a session of its own", format!("setsid sh -c 'echo x >>{o}/file'")),
        ("the lock", "echo x >>../lock".to_owned()),
        ("the folder of the lock", "echo x >../new".to_owned()),
        ("a terminal", "echo x >/dev/tty".to_owned()),
    ] {
        assert_ne!(code(&b, &script).await, Some(0), "{what}");
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "as it was", "{what}");
        let mut names: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["empty", "file"], "{what}");
        let _ = code(&b, "rm -f x").await;
    }
    assert_eq!(
        code(&b, &format!("cat {o}/file && ls / && /bin/true && [ \"$(cat {o}/file)\" = 'as it was' ]")).await,
        Some(0)
    );
    // By its path, without opening it. A kernel that does not know of this says so.
    match code(&b, &format!("exec perl -e 'truncate($ARGV[0], 0) or exit 1' {o}/file")).await {
        Some(127) => drop(bench::not_run("there is no perl")),
        emptied => {
            let partly = matches!(confinement(), Confinement::Partial(but) if but.contains("emptying"));
            assert_eq!(emptied == Some(0), partly);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_names_can_be_written_to() {
    let odd = OsStr::from_bytes(b"=a\xff\n\x01 \"'--=");
    let b = walled(&[odd, OsStr::new("plain")]).await;
    assert_eq!(code(&b, &format!("cd {}/*a*/ && mkdir d && echo x >d/f && mv d/f g", b.base.display())).await, Some(0));
    assert_eq!(fs::read_to_string(b.base.join(odd).join("g")).unwrap(), "x\n");
    // From one to the other.
    assert_eq!(code(&b, &format!("cd {0}/*a*/ && mv g {0}/plain/h", b.base.display())).await, Some(0));
    assert!(b.base.join("plain/h").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_yet_can_be_made() {
    let mut b = bench().await;
    fs::create_dir(b.base.join("there")).unwrap();
    fs::write(b.base.join("file"), "old").unwrap();
    std::os::unix::fs::symlink("there/led", b.base.join("link")).unwrap();
    let named = ["there/new/er", "file", "link"].map(|name| b.base.join(name));
    b.launcher = b.launcher.with_confine(Confine::WorkDir, to(named.to_vec()));
    let base = b.base.display().to_string();
    assert_eq!(code(&b, &format!("mkdir -p {base}/there/new/er && echo x >{base}/there/new/er/f")).await, Some(0));
    assert_eq!(code(&b, &format!("mkdir {base}/link/.. 2>/dev/null; mkdir {base}/there/led")).await, Some(0));
    assert_eq!(code(&b, &format!("echo new >{base}/file")).await, Some(0));
    if confines() {
        assert_ne!(code(&b, &format!("echo x >{base}/other")).await, Some(0), "beside a file that was named");
        assert_ne!(code(&b, &format!("rm -f {base}/file")).await, Some(0), "the folder of a file that was named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_switched_off_and_some_programs_are_left_alone() {
    let mut b = bench().await;
    let file = b.base.join("file");
    let write = sh(&format!("echo x >{}", file.display()));
    let off = b.launcher.clone().with_confine(Confine::Off, Bounds::default());
    assert_eq!(off.run(&b.toolbox, &write, LIMITS).await.unwrap().0.code, Some(0));
    let slapcat = program(&b, "slapcat", "exec sh \"$@\"").await;
    let slapdog = program(&b, "slapdog", "exec sh \"$@\"").await;
    b.launcher = b.launcher.with_confine(Confine::WorkDir, Bounds { servers_own: true, ..Bounds::default() });
    // It works on a server's files, wherever these are.
    let own = instead_of_sh(&b, &slapcat).await;
    assert_eq!(b.launcher.run(&own, &write, LIMITS).await.unwrap().0.code, Some(0));
    if !confines() {
        return;
    }
    let other = instead_of_sh(&b, &slapdog).await;
    let (exit, _) = b.launcher.run(&other, &write, LIMITS).await.unwrap();
    assert_ne!(exit.code, Some(0));
    assert!(b.launcher.confine_hint(&exit).unwrap().contains("docs/confinement.md"), "{}", exit.stderr);
    let (exit, _) = off.run(&other, &sh("echo Permission denied >&2; exit 1"), LIMITS).await.unwrap();
    assert_eq!(off.confine_hint(&exit), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_for_another_user_too() {
    let mut b = bench().await;
    let Some(account) = Account::for_servers() else {
        bench::not_run("only root can run tools as another user");
        return;
    };
    // Where everybody may write, the kernel's bounds are all there is. The base is root's, and nobody else can look into it.
    let open = b.base.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(&b.base, fs::Permissions::from_mode(0o711)).unwrap();
    b.launcher.work().give_to(account).unwrap();
    b.launcher = b.launcher.as_account(Some(account));
    let (own, there) = ("id -u >f && cat f && mkdir d && mv f d", format!("echo x >{}/f", open.display()));
    assert_eq!(code(&b, &there).await, Some(0));
    b.launcher = b.launcher.with_confine(Confine::WorkDir, Bounds::default());
    let (exit, out) = b.launcher.run(&b.toolbox, &sh(own), LIMITS).await.unwrap();
    assert_eq!((exit.code, text(&out)), (Some(0), format!("{}\n", account.uid)), "{}", exit.stderr);
    if confines() {
        assert_ne!(code(&b, &there).await, Some(0));
    }
    b.launcher.also_writable(vec![open]);
    assert_eq!(code(&b, &there).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_a_file_needs_its_folder() {
    let b = bench().await;
    let sqlite = PathBuf::from("/usr/bin/sqlite3");
    if !sqlite.exists() {
        bench::not_run("there is no sqlite3");
        return;
    }
    // In WAL mode even a reader writes beside it.
    let folder = b.base.join("data");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("app.db");
    let toolbox = instead_of_sh(&b, &sqlite).await;
    let ask = |sql: &str| {
        let file = Arg::Value(vec![ArgPiece::Text(file.display().to_string())]);
        planb_model::plan::Command { args: vec![Arg::Literal("-bail".into()), file, Arg::Script(sql.into())], ..sh("") }
    };
    let make = ask("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1);");
    b.launcher.run(&toolbox, &make, LIMITS).await.unwrap();
    let read = ask("SELECT count(*) FROM t");
    let mut near = b.launcher.clone().with_confine(Confine::WorkDir, Bounds::default());
    near.also_writable(vec![folder]);
    let (exit, out) = near.run(&toolbox, &read, LIMITS).await.unwrap();
    assert_eq!((exit.code, text(&out).as_str()), (Some(0), "1\n"), "{}", exit.stderr);
    if confines() {
        let far = b.launcher.clone().with_confine(Confine::WorkDir, Bounds::default());
        assert_ne!(far.run(&toolbox, &read, LIMITS).await.unwrap().0.code, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits() {
    let mut b = bench().await;
    let (_, out) = b.launcher.run(&b.toolbox, &sh("ulimit -Sn; ulimit -Hn; ulimit -f"), LIMITS).await.unwrap();
    let out = text(&out);
    let lines: Vec<_> = out.lines().collect();
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    assert!(number(lines[0]) >= number(lines[1]).min(65_536), "{out}");
    assert_eq!(lines[2], "unlimited");
    #[cfg(target_os = "linux")]
    {
        let (_, out) = b.launcher.run(&b.toolbox, &sh("cat /proc/self/oom_score_adj"), LIMITS).await.unwrap();
        assert!(text(&out).trim().parse::<i32>().unwrap() >= 500);
    }
    b.launcher = b.launcher.with_limits(Limits { file_bytes: Some(4096), open_files: 1, ..Limits::default() });
    let (exit, out) =
        b.launcher.run(&b.toolbox, &sh("ulimit -Sn; exec head -c 100000 /dev/zero >f"), LIMITS).await.unwrap();
    assert!(number(text(&out).trim()) > 1, "lowered");
    assert_eq!(exit.describe(), "killed by signal 25");
    assert_eq!(fs::metadata(b.launcher.work().below("f").unwrap()).unwrap().len(), 4096);
    // A dump that streams is not held up by it.
    let (exit, out) = b.launcher.run(&b.toolbox, &sh("head -c 100000 /dev/zero"), LIMITS).await.unwrap();
    assert_eq!((exit.code, out.len()), (Some(0), 100_000));
}
