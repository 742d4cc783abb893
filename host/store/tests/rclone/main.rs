//! Stores behind rclone, with the real program: a disk, a crypt over it, S3, and what goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; rclone is started here as planb-tool does elsewhere"
)]

mod installed;

use std::fs::{self, FileTimes};
use std::time::{Duration, SystemTime};

use futures::TryStreamExt as _;
use installed::{Remotes, gone, kill, program};
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{Buffer, ErrorKind, Operator};
use planb_harness::skip;
use planb_harness::stores::SeaweedFs;

/// Bytes that compress to nothing and that no two places of an object share.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).unwrap()
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// More than rclone reads before it begins to upload, and than a pipe holds.
const PART: usize = 300_000;

async fn keys(op: &Operator) -> Vec<(String, u64)> {
    let lister = op.lister_with("").recursive(true).await.unwrap();
    let entries: Vec<_> = lister.try_collect().await.unwrap();
    let mut keys: Vec<_> =
        entries.iter().map(|entry| (entry.path().to_owned(), entry.metadata().content_length())).collect();
    keys.sort();
    keys
}

/// With the layers of the real thing, but impatient.
fn patient(op: &Operator) -> Operator {
    op.clone()
        .layer(TimeoutLayer::new().with_timeout(Duration::from_mins(1)).with_io_timeout(Duration::from_mins(1)))
        .layer(RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(3))
}

/// Everything that a store has to do.
async fn does_what_a_store_does(op: &Operator) {
    let op = patient(op);
    assert_eq!(keys(&op).await, []);
    let small = b"{\"schema\":\"planb.manifest/v1\"}".to_vec();
    let whole = bytes(5 * PART + 17);
    let strange = "Ordner mit Raum/été {a,b} [x] *? 100%.sql";
    op.write("daily/orders.manifest.json", small.clone()).await.unwrap();
    op.write(strange, small.clone()).await.unwrap();
    op.write("empty", Buffer::new()).await.unwrap();
    let mut writer = op.writer_with("daily/orders.sql").chunk(PART).concurrent(3).await.unwrap();
    for piece in whole.chunks(70_001) {
        writer.write(piece.to_vec()).await.unwrap();
    }
    assert!(!op.exists("daily/orders.sql").await.unwrap());
    let meta = writer.close().await.unwrap();
    assert_eq!(meta.content_length(), whole.len() as u64);
    let mut expected = [
        ("daily/orders.manifest.json", small.len()),
        ("daily/orders.sql", whole.len()),
        ("empty", 0),
        (strange, small.len()),
    ]
    .map(|(key, size)| (key.to_owned(), size as u64));
    expected.sort();
    assert_eq!(keys(&op).await, expected);

    let stat = op.stat("daily/orders.sql").await.unwrap();
    assert_eq!(stat.content_length(), whole.len() as u64);
    let age = SystemTime::now().duration_since(stat.last_modified().unwrap().into()).unwrap_or_default();
    assert!(age < Duration::from_hours(1), "{age:?}");
    assert_eq!(op.read(strange).await.unwrap().to_vec(), small);
    assert_eq!(op.read("empty").await.unwrap().to_vec(), b"");
    assert!(op.read("daily/orders.sql").await.unwrap().to_vec() == whole);
    let range = op.read_with("daily/orders.sql").range(PART as u64 + 5..PART as u64 + 905).await.unwrap();
    assert!(range.to_vec() == whole[PART + 5..PART + 905]);
    let reader = op.reader_with("daily/orders.sql").chunk(PART).concurrent(4).await.unwrap();
    assert!(reader.read(0..whole.len() as u64).await.unwrap().to_vec() == whole);

    // What is not there.
    for missing in ["nothing", "no/folder/nothing", "daily"] {
        assert_eq!(op.stat(missing).await.unwrap_err().kind(), ErrorKind::NotFound, "{missing}");
        let error = op.read(missing).await.map(|bytes| bytes.len()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{missing}");
    }
    op.delete("no/folder/nothing").await.unwrap();
    let below = op.list_with("no/folder/").recursive(true).await.unwrap();
    assert!(below.is_empty());
    let folder = op.list("daily/").await.unwrap();
    let mut names: Vec<_> = folder.iter().map(|entry| entry.path()).collect();
    names.sort_unstable();
    assert_eq!(names, ["daily/orders.manifest.json", "daily/orders.sql"]);

    // A lease is written over.
    op.write("empty", "now it is not").await.unwrap();
    assert_eq!(op.read("empty").await.unwrap().to_vec(), b"now it is not");

    for (key, _) in keys(&op).await {
        op.delete(&key).await.unwrap();
    }
    assert_eq!(keys(&op).await, []);
}

/// Begins an object that is long enough to be under way, and gives its writer.
async fn begun(op: &Operator) -> opendal::Writer {
    let mut writer = op.writer("daily/orders.sql").await.unwrap();
    for _ in 0..4 {
        writer.write(bytes(PART)).await.unwrap();
    }
    writer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk() {
    let remotes = Remotes::new(&skip!(program()));
    does_what_a_store_does(&remotes.open("disk:")).await;
    assert_eq!(remotes.files("data"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crypt_over_a_disk() {
    let remotes = Remotes::new(&skip!(program()));
    let op = remotes.open("crypt:jobs/nightly");
    does_what_a_store_does(&op).await;
    op.write("orders.sql", "in clear").await.unwrap();
    let files = remotes.files("sealed");
    assert_eq!(files.len(), 1);
    let sealed = fs::read(remotes.path("sealed").join(&files[0].0)).unwrap();
    assert!(!files[0].0.contains("orders") && !sealed.windows(8).any(|bytes| bytes == b"in clear"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket() {
    let program = skip!(program());
    let server = skip!(SeaweedFs::start());
    let remotes = Remotes::new(&program).with(&section(&server));
    server.create_bucket("backups");
    let op = remotes.open("s3:backups/jobs");
    does_what_a_store_does(&op).await;
    assert_eq!(server.objects("backups"), []);
    // It cannot move, so nothing is written elsewhere, and it shows nothing before the end.
    let mut writer = begun_large(&op).await;
    assert_eq!(server.objects("backups"), []);
    let rcat = remotes.newest("rcat");
    writer.abort().await.unwrap();
    gone(rcat).await;
    assert_eq!(server.objects("backups"), []);
    // It was asked to end before it was killed, so it took its parts back.
    assert_eq!(server.unfinished_uploads("backups"), 0);
    let mut writer = begun_large(&op).await;
    kill(remotes.newest("rcat"));
    gone(remotes.newest("rcat")).await;
    assert!(writer.close().await.is_err());
    let _ = writer.abort().await;
    assert_eq!(server.objects("backups"), []);
    // Nor does one appear that is only dropped: the process goes before its input ends.
    let writer = begun_large(&op).await;
    drop(writer);
    gone(remotes.newest("rcat")).await;
    assert_eq!(server.objects("backups"), []);
    assert!(!remotes.calls().contains(&"moveto".to_owned()));

    // Words that services use have kinds.
    let denied = remotes
        .with(&section(&server).replace("[s3]", "[denied]").replace("secret_access_key = ", "secret_access_key = x"));
    assert_eq!(denied.open("denied:backups").stat("x").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// More than one of S3's parts, so that a multipart upload is under way.
async fn begun_large(op: &Operator) -> opendal::Writer {
    let mut writer = op.writer("daily/orders.sql").await.unwrap();
    for _ in 0..24 {
        writer.write(bytes(1 << 20)).await.unwrap();
    }
    writer
}

fn section(server: &SeaweedFs) -> String {
    let env = server.env();
    let value = |name: &str| env.iter().find(|(key, _)| *key == name).unwrap().1.clone();
    format!(
        "[s3]\ntype = s3\nprovider = Other\nregion = us-east-1\nendpoint = {}\naccess_key_id = {}\nsecret_access_key = {}",
        server.endpoint(),
        value("AWS_ACCESS_KEY_ID"),
        value("AWS_SECRET_ACCESS_KEY"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_not_there_before_its_end() {
    let remotes = Remotes::new(&skip!(program()));
    for (remote, folder) in [("disk:", "data"), ("crypt:", "sealed")] {
        let op = remotes.open(remote);
        let mut writer = begun(&op).await;
        // The process has written something: on a disk rclone shows that at once, and it is not where objects are.
        while remotes.files(folder).iter().all(|(_, size)| *size == 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(keys(&op).await, []);
        assert!(!op.exists("daily/orders.sql").await.unwrap());
        writer.close().await.unwrap();
        assert_eq!(keys(&op).await, [("daily/orders.sql".to_owned(), 4 * PART as u64)]);
        assert_eq!(remotes.files(folder).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_object_leaves_nothing() {
    let remotes = Remotes::new(&skip!(program()));
    let op = remotes.open("disk:");
    let mut writer = begun(&op).await;
    let rcat = remotes.newest("rcat");
    writer.abort().await.unwrap();
    gone(rcat).await;
    assert_eq!(remotes.files("data"), []);
    // One that was never sent has nothing to take back.
    let mut writer = op.writer("x").await.unwrap();
    writer.write("small").await.unwrap();
    writer.abort().await.unwrap();
    assert_eq!(remotes.files("data"), []);
    assert_eq!(remotes.calls().iter().filter(|call| *call == "rcat").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_object_does_not_appear() {
    let remotes = Remotes::new(&skip!(program()));
    let op = remotes.open("disk:");
    let writer = begun(&op).await;
    let rcat = remotes.newest("rcat");
    drop(writer);
    gone(rcat).await;
    assert_eq!(keys(&op).await, []);
    // What is left of it lies where the next writer finds it.
    assert!(remotes.files("data").iter().all(|(file, _)| file.starts_with(".planb-tmp/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rclone_leaves_nothing() {
    let remotes = Remotes::new(&skip!(program()));
    for remote in ["disk:", "crypt:"] {
        let op = patient(&remotes.open(remote));
        // In the midst of writing: the next write, or the one behind it, does not arrive.
        let mut writer = begun(&op).await;
        kill(remotes.newest("rcat"));
        let mut error = None;
        for _ in 0..8 {
            error = error.or(writer.write(bytes(PART)).await.err());
        }
        assert!(error.unwrap().to_string().contains("killed"));
        writer.abort().await.unwrap();
        // Before the end: it is not taken for a good one.
        let mut writer = begun(&op).await;
        kill(remotes.newest("rcat"));
        gone(remotes.newest("rcat")).await;
        assert!(writer.close().await.unwrap_err().to_string().contains("killed"));
        writer.abort().await.unwrap();
        assert_eq!(keys(&op).await, []);
    }
    assert_eq!((remotes.files("data"), remotes.files("sealed")), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rclone_that_loses_bytes_is_found_out() {
    let truncated = r#"[ "$1" = rcat ] && { head -c 400000 | "$real" "$@"; status=$?; cat >/dev/null; exit $status; }"#;
    let remotes = Remotes::new(&skip!(program())).behind(truncated);
    let op = patient(&remotes.open("disk:"));
    let mut writer = begun(&op).await;
    let error = writer.close().await.unwrap_err().to_string();
    assert!(error.contains("rclone wrote 1200000 bytes") && error.contains("400000 bytes arrived"), "{error}");
    writer.abort().await.unwrap();
    assert_eq!(remotes.files("data"), []);
    // With a size it is rclone itself that sees it.
    assert!(op.write("x", bytes(500_000)).await.is_err());
    assert_eq!(keys(&op).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_failure_is_tried_again_where_all_bytes_are_here() {
    let once = r#"if [ "$1" = rcat ] && [ ! -e "$here/failed" ]; then touch "$here/failed"; head -c 100 >/dev/null; exit 5; fi"#;
    let remotes = Remotes::new(&skip!(program())).behind(once);
    let op = patient(&remotes.open("disk:"));
    op.write("orders.manifest.json", bytes(PART)).await.unwrap();
    assert!(op.read("orders.manifest.json").await.unwrap().to_vec() == bytes(PART));
    // Of a longer one they are not.
    fs::remove_file(remotes.path("failed")).unwrap();
    let mut writer = op.writer("orders.sql").await.unwrap();
    let mut error = None;
    for _ in 0..8 {
        error = error.or(writer.write(bytes(PART)).await.err());
    }
    assert!(error.unwrap().to_string().contains("exit code 5"));
    assert!(writer.close().await.is_err());
    writer.abort().await.unwrap();
    assert_eq!(keys(&op).await, [("orders.manifest.json".to_owned(), PART as u64)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_whose_answer_is_lost_is_a_move() {
    let lost = r#"if [ "$1" = moveto ]; then "$real" "$@"; exit 5; fi"#;
    let remotes = Remotes::new(&skip!(program())).behind(lost);
    let op = patient(&remotes.open("disk:"));
    let mut writer = begun(&op).await;
    writer.close().await.unwrap();
    assert_eq!(remotes.files("data"), [("daily/orders.sql".to_owned(), 4 * PART as u64)]);
    // And where it is to be taken back, it is taken back.
    let op = remotes.open("disk:");
    let mut writer = op.writer("other.sql").await.unwrap();
    writer.write(bytes(PART)).await.unwrap();
    assert!(writer.close().await.unwrap_err().is_temporary());
    writer.abort().await.unwrap();
    assert_eq!(keys(&op).await, [("daily/orders.sql".to_owned(), 4 * PART as u64)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_nothing() {
    let refused = r#"if [ "$1" = moveto ]; then echo "ERROR : no space left on device" >&2; exit 1; fi"#;
    let remotes = Remotes::new(&skip!(program())).behind(refused);
    let op = patient(&remotes.open("disk:"));
    let error = op.write("orders.sql", "small").await.unwrap_err();
    assert!(error.message().contains("no space left on device"), "{error}");
    let mut writer = begun(&op).await;
    assert!(writer.close().await.is_err());
    writer.abort().await.unwrap();
    assert_eq!(keys(&op).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_is_none() {
    let half = r#"if [ "$1" = lsjson ] && [ -e "$here/half" ]; then "$real" "$@" | head -n 3; exit 1; fi"#;
    let remotes = Remotes::new(&skip!(program())).behind(half);
    let op = patient(&remotes.open("disk:"));
    for key in ["a", "b", "c", "d"] {
        op.write(key, key).await.unwrap();
    }
    assert_eq!(keys(&op).await.len(), 4);
    fs::write(remotes.path("half"), "").unwrap();
    let lister = op.lister_with("").recursive(true).await.unwrap();
    assert!(lister.try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_is_taken_up() {
    // The first breaks off in the middle, once with a failure that goes away and once as if all were well.
    let broken = r#"if [ "$1" = cat ] && [ -e "$here/code" ]; then
        code=$(cat "$here/code"); rm "$here/code"; "$real" "$@" | head -c 250000; exit $code; fi"#;
    let remotes = Remotes::new(&skip!(program())).behind(broken);
    let op = patient(&remotes.open("disk:"));
    let whole = bytes(3 * PART);
    op.write("orders.sql", whole.clone()).await.unwrap();
    let read = || async {
        let reader = op.reader("orders.sql").await.unwrap();
        let stream = reader.into_bytes_stream(0..whole.len() as u64).await.unwrap();
        stream.try_collect::<Vec<_>>().await.map(|pieces| pieces.concat())
    };
    fs::write(remotes.path("code"), "5").unwrap();
    assert!(read().await.unwrap() == whole);
    fs::write(remotes.path("code"), "0").unwrap();
    assert!(read().await.is_err());
    fs::write(remotes.path("code"), "0").unwrap();
    assert!(op.read("orders.sql").await.is_err());
    assert!(read().await.unwrap() == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_swept() {
    let remotes = Remotes::new(&skip!(program()));
    let staging = remotes.path("data/.planb-tmp");
    fs::create_dir_all(&staging).unwrap();
    for (name, hours) in [("left", 30), ("in-use", 1)] {
        let file = fs::File::create(staging.join(name)).unwrap();
        let time = SystemTime::now() - Duration::from_hours(hours);
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    let op = remotes.open("disk:");
    op.write("orders.sql", "small").await.unwrap();
    op.write("others.sql", "small").await.unwrap();
    assert!(!staging.join("left").exists() && staging.join("in-use").exists());
    let shown = op.list("").await.unwrap();
    assert_eq!(shown.iter().map(|entry| entry.path()).collect::<Vec<_>>(), ["orders.sql", "others.sql"]);
    // Asked and swept once, however many are written.
    for command in ["backend", "delete"] {
        assert_eq!(remotes.calls().iter().filter(|call| *call == command).count(), 1, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_say_so() {
    let program = skip!(program());
    let error = Remotes::new(&program).open("nosuch:x").stat("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("nosuch"), "{error}");
    let remotes = Remotes::new(&program).behind(r#"set -- "$@" --nosuchflag"#);
    let error = remotes.open("disk:").stat("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().starts_with("unknown flag: --nosuchflag"), "{error}");
    // Nobody is asked for a password that a configuration file is sealed with.
    let sealed = Remotes::new(&program);
    fs::write(sealed.path("rclone.conf"), "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n")
        .unwrap();
    assert!(sealed.open("disk:").stat("x").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_answers() {
    let dead = format!(
        "[s3]\ntype = s3\nprovider = Other\nendpoint = http://127.0.0.1:{}\naccess_key_id = a\nsecret_access_key = b",
        planb_harness::free_port()
    );
    let remotes = Remotes::new(&skip!(program())).with(&dead);
    let error = remotes.open("s3:backups").stat("x").await.unwrap_err();
    assert!(error.message().starts_with("no connection: "), "{error}");
    // Whoever waits above may ask again.
    assert!(error.is_temporary());
}

#[tokio::test]
async fn without_rclone_its_absence_is_named() {
    #[derive(Debug)]
    struct Missing;
    impl planb_store::rclone::Rclone for Missing {
        fn start(&self, _: &[String], _: bool) -> std::io::Result<planb_store::rclone::Started> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let settings = planb_store::rclone::RcloneSettings {
        remote: "disk:/x".parse().unwrap(),
        config: None,
        extra_args: Vec::new(),
    };
    let op = planb_store::rclone::operator(std::sync::Arc::new(Missing), &settings).unwrap();
    let error = op.stat("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().ends_with("; is it installed?"), "{error}");
}
