//! Where to, as each of the systems that Plan B replaces says it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use base64::Engine as _;
use common::{RCLONE, env, job, secrets, warned, wrong};

#[test]
fn where_a_backup_path_leads() {
    let place = |path: &str| {
        let run = job(&env(&[("STORAGE_BUCKET", "b"), ("BACKUP_PATH", path)]));
        assert_eq!(run.stores()[0].url, "s3://b");
        let compress = run.job.compress.map_or_else(|| "-".to_owned(), |how| how.to_string());
        let warned = if run.warnings.is_empty() { "" } else { " !" };
        format!("{} {} {compress}{warned}", run.job.name.unwrap(), run.job.extension.unwrap_or_else(|| "-".to_owned()))
    };
    assert_eq!(place("daily/2025-01-15/"), "daily/2025-01-15/{db}-{date}-{time} - -");
    assert_eq!(place("/"), "{db}-{date}-{time} - -");
    assert_eq!(place("daily/app.sql.gz"), "daily/app sql gzip:6");
    assert_eq!(place("/daily//app.sql.zst.age"), "daily/app sql zstd:3");
    assert_eq!(place("app.sql"), "app sql none");
    assert_eq!(place("app"), "app - -");
    assert_eq!(place("app.prod"), "app.prod - -");
    assert_eq!(place(".sql"), ".sql - -");
    assert_eq!(place("v1.2/{db}.dump"), "v1.2/{db} dump none");
    // What planb does not write is said.
    assert_eq!(place("app.sql.bz2"), "app sql zstd:3 !");
    assert_eq!(place("app.tar.gz"), "app - gzip:6 !");
    assert_eq!(place("app.tgz"), "app - gzip:6 !");
    let tar = job(&env(&[("STORAGE_BUCKET", "b"), ("BACKUP_PATH", "app.tar.gz"), ("BACKUP_MODE", "tar")]));
    assert_eq!(tar.warnings, []);
    // What is said by name beats it.
    let said = job(&env(&[
        ("STORAGE_BUCKET", "b"),
        ("BACKUP_PATH", "daily/app.sql.gz"),
        ("BACKUP_COMPRESS", "zstd:9"),
        ("BACKUP_NAME_TEMPLATE", "{uuid}"),
    ]));
    assert_eq!((said.job.name.as_deref(), said.job.extension), (Some("daily/{uuid}"), None));
    assert_eq!(said.job.compress.unwrap().to_string(), "zstd:9");
    for path in ["../x", "a/{nope}", "a/{db"] {
        assert!(wrong(&env(&[("BACKUP_PATH", path)])).starts_with("BACKUP_PATH: it takes a name"), "{path}");
    }
}

#[test]
fn each_kind_of_storage() {
    let url = |pairs: &[(&str, &str)]| {
        let run = job(&env(pairs));
        let secrets: Vec<_> = run.stores()[0].secrets.keys().cloned().collect();
        (run.stores()[0].url.clone(), secrets.join(" "))
    };
    let keys = [("STORAGE_ACCESS_KEY_ID", "id"), ("STORAGE_SECRET_ACCESS_KEY", "key"), ("STORAGE_BUCKET", "b")];
    let of = |kind: &'static str, more: &[(&'static str, &'static str)]| {
        let pairs: Vec<_> = [("STORAGE_TYPE", kind)].into_iter().chain(keys).chain(more.iter().copied()).collect();
        url(&pairs)
    };
    assert_eq!(
        of("s3", &[("STORAGE_ENDPOINT", "http://minio:9000")]),
        ("s3://b?access_key_id=id&endpoint=http://minio:9000".to_owned(), "secret_access_key".to_owned())
    );
    assert_eq!(of("gcs", &[]).0, "s3://b?access_key_id=id&endpoint=https://storage.googleapis.com&region=auto");
    assert_eq!(of("azure", &[]), ("azblob://b?account_name=id".to_owned(), "account_key".to_owned()));
    assert_eq!(url(&[("STORAGE_TYPE", "gcs"), ("STORAGE_BUCKET", "b")]).0, "gs://b");
    assert_eq!(url(&[("STORAGE_TYPE", "file"), ("STORAGE_BUCKET", "/var/backups")]).0, "/var/backups");
    // Half a key is none.
    let half = wrong(&env(&[("STORAGE_BUCKET", "b"), ("STORAGE_ACCESS_KEY_ID", "id")]));
    assert!(half.contains("`secret_access_key` is missing"), "{half}");
    assert_eq!(wrong(&env(&[("STORAGE_TYPE", "s3")])), "STORAGE_TYPE: the bucket is missing: STORAGE_BUCKET");
}

#[test]
fn rclone_in_each_form() {
    let folder = secrets();
    let file = folder.path().join("rclone_conf");
    let file = file.to_str().unwrap();
    let packed = base64::engine::general_purpose::STANDARD.encode(RCLONE);
    let wrapped: String =
        packed.chars().enumerate().flat_map(|(at, c)| [Some(c), (at % 76 == 75).then_some('\n')]).flatten().collect();
    let of = |pairs: &[(&str, &str)]| job(&env(pairs)).stores()[0].clone();
    let s3 = "s3://b/p?access_key_id=AKIAEXAMPLE&region=eu-central-1";
    for conf in [
        ("RCLONE_CONFIG", packed.as_str()),
        ("RCLONE_CONFIG", &wrapped),
        ("RCLONE_CONFIG", file),
        ("RCLONE_CONFIG_FILE", file),
    ] {
        assert_eq!(of(&[("RCLONE_REMOTE", "s3:b/p"), conf]).url, s3);
    }
    // rclone's own variables beat its file, and can be all there is.
    let region =
        of(&[("RCLONE_REMOTE", "s3:b/p"), ("RCLONE_CONFIG_FILE", file), ("RCLONE_CONFIG_S3_REGION", "eu-north-1")]);
    assert!(region.url.ends_with("region=eu-north-1"));
    let alone = of(&[
        ("RCLONE_REMOTE", "x:b"),
        ("RCLONE_CONFIG_X_TYPE", "s3"),
        ("RCLONE_CONFIG_X_ENV_AUTH", "true"),
        ("HOME", "/nowhere"),
    ]);
    assert_eq!(alone.url, "s3://b");
    assert_eq!(of(&[("RCLONE_REMOTE", "/backups"), ("HOME", "/nowhere")]).url, "file:///backups");

    // Through the rclone program: with its file, or with the text where there is none.
    let dav =
        of(&[("RCLONE_REMOTE", "dav:/srv/x y"), ("RCLONE_CONFIG_FILE", file), ("RCLONE_EXTRA_ARGS", "--tpslimit 4")]);
    assert_eq!(dav.url, format!("rclone://dav//srv/x%20y?config={file}"));
    assert_eq!(dav.rclone_args, ["--tpslimit", "4"]);
    assert!(dav.hidden.iter().any(|secret| secret.expose() == "potato"));
    let crypt = of(&[("RCLONE_REMOTE", "secret:"), ("RCLONE_CONFIG", &packed)]);
    assert_eq!(crypt.url, "rclone://secret/");
    assert!(crypt.secrets["config_text"].expose().contains("[secret]"));
    let spot = of(&[("RCLONE_REMOTE", ":sftp,host=h,pass=\"a,b\":dir"), ("HOME", "/nowhere")]);
    assert!(spot.secrets["config_text"].expose().contains("pass = a,b") && !spot.url.contains("a,b"));
    std::fs::write(folder.path().join("locked"), "RCLONE_ENCRYPT_V0:\nabcd\n").unwrap();
    let locked = folder.path().join("locked");
    let locked = of(&[
        ("RCLONE_REMOTE", "x:y"),
        ("RCLONE_CONFIG_FILE", locked.to_str().unwrap()),
        ("RCLONE_CONFIG_PASS", "open"),
    ]);
    assert_eq!(
        (locked.url.starts_with("rclone://x/y?config="), locked.secrets["config_pass"].expose()),
        (true, "open")
    );

    // Flags of a program that does not run.
    let idle =
        job(&env(&[("RCLONE_REMOTE", "s3:b/p"), ("RCLONE_CONFIG_FILE", file), ("RCLONE_EXTRA_ARGS", "--bwlimit 1M")]));
    assert!(warned(&idle).starts_with("RCLONE_EXTRA_ARGS: not used"));

    for (pairs, says) in [
        (
            &[("RCLONE_REMOTE", "s4:b"), ("RCLONE_CONFIG_FILE", file)][..],
            "rclone.conf has no remote `s4`; did you mean `s3`?",
        ),
        (&[("RCLONE_REMOTE", "s3:"), ("RCLONE_CONFIG_FILE", file)], "the path has no bucket"),
        (
            &[("RCLONE_REMOTE", "s3:b"), ("RCLONE_CONFIG_FILE", "/nowhere/x")],
            "RCLONE_CONFIG_FILE: /nowhere/x cannot be read",
        ),
        (&[("RCLONE_REMOTE", "s3:b"), ("RCLONE_CONFIG", "not base64!")], "it is not base64"),
        (&[("RCLONE_REMOTE", ":s3")], "it is no remote of rclone"),
    ] {
        let text = wrong(&env(pairs));
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn several_stores_at_once() {
    let run = job(&env(&[
        ("STORAGE_BUCKET", "one"),
        ("CLOUD_PROVIDER", "gcp"),
        ("GCS_BUCKET", "two"),
        ("RCLONE_REMOTE", "/three"),
        ("HOME", "/nowhere"),
    ]));
    let urls: Vec<_> = run.stores().iter().map(|store| store.url.as_str()).collect();
    assert_eq!(urls, ["s3://one", "gs://two", "file:///three"]);
}
