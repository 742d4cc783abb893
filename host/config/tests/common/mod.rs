//! What the tests of environments have in common.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test has its own part of it")]

use std::collections::BTreeMap;

use planb_config::{Env, EnvJob, FixedEnv};

pub const RCLONE: &str = include_str!("../fixtures/rclone.conf");

/// The same with further variables; one that is set to nothing is taken out.
pub fn with(env: &FixedEnv, pairs: &[(&str, &str)]) -> FixedEnv {
    let mut all: BTreeMap<String, String> =
        env.names().into_iter().map(|name| (name.clone(), env.get(&name).unwrap())).collect();
    all.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    all.into_iter().collect()
}

pub fn env(pairs: &[(&str, &str)]) -> FixedEnv {
    pairs.iter().copied().collect()
}

pub fn job(env: &FixedEnv) -> EnvJob {
    EnvJob::from_env(env).unwrap_or_else(|problems| panic!("{problems:?}")).unwrap()
}

pub fn wrong(env: &FixedEnv) -> String {
    let problems = EnvJob::from_env(env).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub fn warned(job: &EnvJob) -> String {
    job.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub fn secrets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("pg_uri", "postgresql://app:p%40ss@db:5432/myapp?sslmode=require\n"),
        ("mongo_password", "mongo pass\r\n"),
        ("rclone_conf", RCLONE),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}
