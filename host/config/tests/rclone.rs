//! rclone.conf: what each remote becomes, and the planb.toml that is made of them.

#![allow(clippy::unwrap_used, reason = "tests")]

use planb_config::{Config, EnvJob, FixedEnv, Place, RcloneError, StoreConfig, import_rclone};

const RCLONE: &str = include_str!("fixtures/rclone.conf");

/// The store of a remote, as `RCLONE_REMOTE` gives it.
fn store(conf: &str, remote: &str) -> Result<StoreConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rclone.conf");
    std::fs::write(&path, conf).unwrap();
    let env: FixedEnv =
        [("RCLONE_REMOTE", remote), ("RCLONE_CONFIG_FILE", path.to_str().unwrap())].into_iter().collect();
    let job = EnvJob::from_env(&env).map_err(|problems| problems[0].to_string())?;
    Ok(job.unwrap().job.to[0].clone())
}

fn shown(conf: &str, remote: &str) -> String {
    match store(conf, remote) {
        Ok(store) => {
            let secrets: Vec<_> =
                store.secrets.iter().map(|(name, secret)| format!("{name}={}", secret.expose())).collect();
            let url = match store.url.split_once("?config=") {
                Some((url, _)) => format!("{url}?config="),
                None => store.url,
            };
            format!("{url} {}", secrets.join(" ")).trim_end().to_owned()
        }
        Err(why) => format!("! {why}"),
    }
}

#[test]
fn each_remote_of_the_file() {
    for (remote, becomes) in [
        ("s3:b/p", "s3://b/p?access_key_id=AKIAEXAMPLE&region=eu-central-1 secret_access_key=s3secret"),
        (
            "minio:b",
            "s3://b?access_key_id=minio&endpoint=https://minio.example:9000&sse=AES256&storage_class=STANDARD_IA secret_access_key=minio123",
        ),
        ("customer-key:b/p", "rclone://customer-key/b/p?config="),
        ("google:b/p", r#"gs://b/p credential={"type":"service_account","private_key":"gsecret"}"#),
        ("azure:c/p", "azblob://c/p?account_name=acct account_key=YXprZXk="),
        (
            "azure-sas:container/p",
            "azblob://container/p?account_name=acct&endpoint=https://acct.blob.core.windows.net sas_token=sv=2020&sig=sassecret",
        ),
        ("disk:/var/a b", "file:///var/a%20b"),
        (
            "short:x",
            "s3://backups/deep/x?access_key_id=minio&endpoint=https://minio.example:9000&sse=AES256&storage_class=STANDARD_IA secret_access_key=minio123",
        ),
        ("secret:x/y", "rclone://secret/x/y?config="),
        ("dav:x", "rclone://dav/x?config="),
        ("dav:/x", "rclone://dav//x?config="),
        ("s3,region=eu-west-1:b", "s3://b?access_key_id=AKIAEXAMPLE&region=eu-west-1 secret_access_key=s3secret"),
        (":s3,provider=AWS,env_auth:b", "s3://b"),
        (":memory:x", "memory:///x"),
    ] {
        assert_eq!(shown(RCLONE, remote), becomes, "{remote}");
    }
}

#[test]
fn one_key_without_a_counterpart_and_rclone_has_to_do_it() {
    let s3 = |keys: &str| shown(&format!("[x]\ntype = s3\n{keys}"), "x:b").split('?').next().unwrap().to_owned();
    assert_eq!(s3("env_auth = true\n"), "s3://b");
    assert_eq!(s3("env_auth = true\nsse_customer_key = k\n"), "rclone://x/b");
    assert_eq!(s3("env_auth = true\nrequester_pays = true\n"), "rclone://x/b");
    assert_eq!(s3("env_auth = true\nrequester_pays = false\nv2_auth =\n"), "s3://b");
    assert_eq!(s3("env_auth = true\nunheard_of = 1\n"), "rclone://x/b");
    assert_eq!(s3("provider = Wasabi\nenv_auth = true\n"), "rclone://x/b");
    assert_eq!(s3("provider = Wasabi\nenv_auth = true\nendpoint = s3.wasabisys.com\n"), "s3://b");
    assert_eq!(s3("region = other-v2-signature\nenv_auth = true\n"), "rclone://x/b");
    assert_eq!(s3("env_auth = true\nserver_side_encryption = custom\n"), "rclone://x/b");
    assert_eq!(shown("[x]\ntype = s3\n", "x:b"), "s3://b?anonymous=true");
    assert_eq!(
        shown("[x]\ntype = s3\nforce_path_style = false\nprofile = p\n", "x:b"),
        "s3://b?profile=p&virtual_host=true"
    );
    let gcs = |keys: &str| shown(&format!("[x]\ntype = google cloud storage\n{keys}"), "x:b");
    assert_eq!(gcs("env_auth = true\n"), "gs://b");
    assert_eq!(gcs("service_account_file = /etc/sa.json\n"), "gs://b?credential_file=/etc/sa.json");
    assert_eq!(gcs("service_account_file = ${HOME}/sa.json\n"), "rclone://x/b?config=");
    assert_eq!(gcs("token = {}\n"), "rclone://x/b?config=");
    let azure = |keys: &str| shown(&format!("[x]\ntype = azureblob\n{keys}"), "x:b");
    assert_eq!(
        azure("account = a\nenv_auth = true\nendpoint = blob.core.chinacloudapi.cn\n"),
        "azblob://b?account_name=a&endpoint=https://a.blob.core.chinacloudapi.cn"
    );
    assert_eq!(azure("account = a\nuse_msi = true\n"), "rclone://x/b?config=");
    assert_eq!(azure("account = a\n"), "rclone://x/b?config=");
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    for (conf, remote, says) in [
        ("[x]\ntype = s3\naccess_key_id = hunter2\n", "x:b", "access_key_id and secret_access_key go together"),
        ("[x]\nregion = eu\n", "x:b", "the remote `x` has no type"),
        ("[x]\ntype = alias\n", "x:b", "the alias `x` names no remote"),
        ("[x]\ntype = alias\nremote = y:\n[y]\ntype = alias\nremote = x:\n", "x:b", "leads in a circle"),
        ("[x]\ntype = s3\nenv_auth = true\n", "x:/", "the path has no bucket"),
        ("[x]\ntype = azureblob\nsas_url = hunter2\n", "x:b", "sas_url is not https://ACCOUNT.../?TOKEN"),
        ("[x]\nhunter2\n", "x:b", "line 2 is neither a section"),
    ] {
        let text = store(conf, remote).unwrap_err();
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_import_is_a_planb_toml_that_reads() {
    let paths = ["s3:my-bucket/backups".to_owned(), "azure:c".to_owned()];
    let text = import_rclone(RCLONE, &paths, Some("/etc/rclone.conf".as_ref())).unwrap();
    let env = FixedEnv::default();
    let config =
        Config::from_text(&text, &Place::default(), &env).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let urls: Vec<_> =
        config.stores.iter().map(|(name, store)| format!("{name} {}", store.url.split('?').next().unwrap())).collect();
    assert_eq!(
        urls,
        [
            "azure azblob://c",
            "azure-sas azblob://BUCKET",
            "customer-key rclone://customer-key/BUCKET",
            "dav rclone://dav/",
            "disk .",
            "google gs://BUCKET",
            "minio s3://BUCKET",
            "s3 s3://my-bucket/backups",
            "secret rclone://secret/",
            "short s3://backups/deep",
        ]
    );
    // The same stores as `RCLONE_REMOTE` makes.
    assert_eq!(config.stores["s3"].url, store(RCLONE, "s3:my-bucket/backups").unwrap().url);
    assert_eq!(config.stores["s3"].secrets, store(RCLONE, "s3:my-bucket/backups").unwrap().secrets);
    assert!(
        text.contains(
            "# goes through the rclone program: its key `sse_customer_algorithm` has no counterpart in planb"
        )
    );
    assert!(text.contains("# goes through the rclone program: planb has no stores of the type crypt"));
    assert!(text.contains("chmod 600"));
    // In a file that others can read it is refused, for it holds secrets.
    let open = Place { private: false, ..Place::default() };
    assert!(Config::from_text(&text, &open, &env).is_err());

    assert_eq!(import_rclone("RCLONE_ENCRYPT_V0:\nabc\n", &[], None), Err(RcloneError::Encrypted));
    assert_eq!(import_rclone("hunter2", &[], None), Err(RcloneError::Line(1)));
    let odd = import_rclone("[a b/c]\ntype = local\n[x]\ntype = s3\naccess_key_id = only\n", &[], None).unwrap();
    assert!(
        odd.contains("[stores.\"a-b-c\"]") && odd.contains("# not translated: the remote `x`: access_key_id"),
        "{odd}"
    );
    assert!(Config::from_text(&odd, &Place::default(), &env).is_ok());
}
