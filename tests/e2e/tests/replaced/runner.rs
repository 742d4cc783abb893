//! Plan B's runner: its Cloud Run job, its callbacks, its restores.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use planb_harness::stores::SeaweedFs;
use planb_harness::{Planb, skip};

use crate::common::{PASSWORD, but, dumps, postgres};
use crate::support::folder;
use crate::web::Ear;

/// Runs the entry point of the image, with `planb` where the image has it.
fn container(env: &[(&str, &str)], at: &Path) -> (Option<i32>, String) {
    let bin = at.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(Planb::binary(), bin.join("planb")).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = Command::new("/bin/sh")
        .arg(planb_harness::workspace().join("docker/entrypoint.sh"))
        .env_clear()
        .envs(env.iter().copied())
        .env("PATH", path)
        .env("HOME", at)
        .env("XDG_CACHE_HOME", planb_harness::workspace().join("target/planb-cache"))
        .env("PLANB_PLUGIN_PATH", Planb::plugins())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[test]
fn the_runner_on_cloud_run() {
    let server = skip!(postgres());
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("backups-bucket");
    let (ear, at) = (Ear::start(), folder());
    let (port, keys, endpoint) = (server.port().to_string(), bucket.env(), bucket.endpoint());
    let (tools, callback) = (server.bin_dir().display().to_string(), ear.url("/callback"));
    // What its images say, what its guide's job template says, and what its code asks for besides.
    let image = [("DB_TYPE", "postgresql"), ("DB_VERSION", "15"), ("CONTAINER_VERSION", "postgresql-15")];
    let template = [
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", &port),
        ("DB_NAME", "myapp"),
        ("DB_USERNAME", "postgres"),
        ("DB_PASSWORD", PASSWORD),
        ("STORAGE_TYPE", "s3"),
        ("STORAGE_ENDPOINT", &endpoint),
        ("STORAGE_BUCKET", "backups-bucket"),
        ("CALLBACK_URL", &callback),
        ("CALLBACK_SECRET", "webhook_secret_key"),
    ];
    let code = [
        ("DB_ENGINE", "postgresql"),
        ("JOB_ID", "job-42"),
        ("OPERATION_TYPE", "backup"),
        ("STORAGE_REGION", "us-east-1"),
        ("STORAGE_ACCESS_KEY_ID", &keys[0].1),
        ("STORAGE_SECRET_ACCESS_KEY", &keys[1].1),
        ("RETENTION_DAYS", "30"),
        ("SSL_MODE", "false"),
    ];
    let here = [("PLANB_TOOL_PATH", tools.as_str()), ("LOG_LEVEL", "warn")];
    let env: Vec<_> = image.iter().chain(&template).chain(&code).chain(&here).copied().collect();

    // A day's folder.
    let daily = but(&env, &[("BACKUP_PATH", Some("daily/2025-01-15/"))]);
    let (exit, said) = container(&daily, at.path());
    assert_eq!(exit, Some(0), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("webhook_secret_key"), "{said}");
    let there = dumps(&bucket, "backups-bucket");
    assert!(there.len() == 1 && there[0].starts_with("daily/2025-01-15/myapp-20"), "{there:?}");
    // running, metadata, success: each with the bearer, and signed.
    let heard = ear.heard();
    let paths: Vec<_> = heard.iter().map(|one| (one.path.as_str(), one.text("status"))).collect();
    assert_eq!(paths, [("/callback", "running"), ("/callback/metadata", ""), ("/callback", "success")]);
    for one in &heard {
        assert!(one.bears("webhook_secret_key") && one.signed_by("webhook_secret_key"), "{one:?}");
        assert_eq!(one.text("job_id"), "job-42");
        assert!(one.text("timestamp").ends_with('Z'), "{one:?}");
    }
    let metadata = &heard[1].body["metadata"];
    assert_eq!(metadata["object_key"], there[0].as_str());
    assert_eq!(metadata["bytes"].as_u64().unwrap(), bucket.get("backups-bucket", &there[0]).len() as u64);

    // An object's name, the same each day in another folder. The seed's own test: three movies, three actors, and back.
    let object = |day: &str| format!("daily/{day}/app.sql.gz");
    let days = [object("2025-01-16"), object("2025-01-17")];
    for (day, path) in days.iter().enumerate() {
        let (exit, said) = container(&but(&env, &[("BACKUP_PATH", Some(path))]), at.path());
        assert_eq!(exit, Some(0), "{said}");
        assert!(dumps(&bucket, "backups-bucket").contains(path), "{:?}", dumps(&bucket, "backups-bucket"));
        assert!(bucket.get("backups-bucket", path).starts_with(&[0x1f, 0x8b]), "gzip, as its ending says");
        if day == 0 {
            server.psql("myapp", "DELETE FROM movies; CREATE TABLE apple (a int)");
        }
    }
    // Another database whose name begins so, newer than all.
    server.create_database("apple");
    server.psql("apple", "CREATE TABLE wrong (a int)");
    let apple = but(&env, &[("DB_NAME", Some("apple")), ("BACKUP_PATH", Some("daily/2025-01-16/apple.sql.gz"))]);
    assert_eq!(container(&apple, at.path()).0, Some(0));

    let back = but(
        &env,
        &[("OPERATION_TYPE", Some("restore")), ("BACKUP_PATH", Some(&days[0])), ("JOB_ID", Some("restore-7"))],
    );
    // Onto data: refused, and the platform is told.
    let (exit, said) = container(&back, at.path());
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("--replace"), "{said}");
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "restore-7").collect();
    let said: Vec<_> = told.iter().map(|one| one.text("status")).collect();
    assert_eq!(said, ["running", "failed"], "{told:?}");
    // Into the place that is free: that object and no other.
    server.psql("postgres", "DROP DATABASE myapp");
    let (exit, said) = container(&back, at.path());
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(server.psql("myapp", "SELECT count(*) FROM movies").trim(), "3", "the first day's");
    assert_eq!(server.psql("myapp", "SELECT count(*) FROM actors").trim(), "3");
    assert!(server.try_psql("myapp", "SELECT * FROM wrong").is_err());
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "restore-7").collect();
    assert_eq!(told.last().unwrap().text("status"), "success", "{told:?}");
    // An object that is not there is nobody's.
    let missing = but(&back, &[("BACKUP_PATH", Some("daily/2025-01-18/app.sql.gz")), ("DB_NAME", Some("empty"))]);
    let (exit, said) = container(&missing, at.path());
    assert!(exit != Some(0) && said.contains("daily/2025-01-18/app.sql.gz"), "{exit:?} {said}");

    // A database that is down: failed, told, exit 1.
    let down = but(&daily, &[("DB_PORT", Some("1")), ("JOB_ID", Some("job-43"))]);
    let (exit, said) = container(&down, at.path());
    assert_eq!(exit, Some(1), "{said}");
    let told: Vec<_> = ear.heard().into_iter().filter(|one| one.text("job_id") == "job-43").collect();
    let said: Vec<_> = told.iter().map(|one| one.text("status")).collect();
    assert_eq!(said, ["running", "failed"], "{told:?}");
    assert!(told[1].text("message").contains("127.0.0.1"), "{told:?}");
    // A platform that does not answer fails no backup.
    let deaf = but(&daily, &[("CALLBACK_URL", Some("http://127.0.0.1:1/callback"))]);
    let (exit, said) = container(&deaf, at.path());
    assert_eq!(exit, Some(0), "{said}");
}
