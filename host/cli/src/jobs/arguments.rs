//! From a job's settings to the arguments of `planb run`: what can be said of a run is said in one way, and checked in one.

use planb_config::{JobConfig, StoreConfig};

use crate::args::RunArgs;
use crate::report::Report;

/// The arguments of a job, with `typed` behind them: what was typed for this run beats what is configured.
///
/// `database`: whether the job also says which database is meant; the environment's own variables say it elsewhere.
pub(crate) fn of(job: &JobConfig, typed: Vec<String>, database: bool) -> Result<RunArgs, Report> {
    let mut words = words(job, database);
    for flag in ["--encrypt-to", "--passphrase-file"] {
        if has(&typed, flag) {
            drop_flag(&mut words, "--encrypt-to");
        }
    }
    for (one, other) in [("--no-lock", "--wait-lock"), ("--wait-lock", "--no-lock"), ("--database", "--all-databases")]
    {
        if has(&typed, one) {
            drop_flag(&mut words, other);
        }
    }
    words.extend(typed);
    if !job.extra_args.is_empty() && !words.iter().any(|word| word == "--") {
        words.push("--".to_owned());
        words.extend(job.extra_args.iter().cloned());
    }
    let mut args = RunArgs::typed(words).map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Report::usage(format!("the job {}: {line}", job.job))
    })?;
    args.native_if_known = job.native_if_known;
    args.extension.clone_from(&job.extension);
    args.zone.clone_from(&job.timezone);
    if args.to.is_empty() {
        args.stores.clone_from(&job.to);
    }
    if args.encrypt_to.is_empty() && args.passphrase_file.is_none() {
        args.passphrase.clone_from(&job.passphrase);
    }
    args.sign_password.clone_from(&job.sign_password);
    if database {
        args.db.params = job.params.clone().into_iter().collect();
        args.db.alone = true;
        args.db.of_job = true;
        args.db.url.clone_from(&job.db);
        if args.db.password_file.is_none() {
            args.db.password.clone_from(&job.password);
        }
        args.db.secrets = job.secrets.clone().into_iter().collect();
    }
    Ok(args)
}

/// Whether a flag was typed.
fn has(words: &[String], flag: &str) -> bool {
    let own = words.iter().take_while(|word| *word != "--");
    own.into_iter().any(|word| word == flag || word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')))
}

fn drop_flag(words: &mut Vec<String>, flag: &str) {
    words.retain(|word| word != flag && !word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')));
}

/// Every setting that a flag has. Values are joined to their flags, so that none becomes a flag.
fn words(job: &JobConfig, database: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut set = |flag: &str, value: Option<String>| words.extend(value.map(|value| format!("{flag}={value}")));
    let seconds = |time: std::time::Duration| format!("{}ms", time.as_millis());
    if database {
        set("--plugin", job.plugin.clone());
        set("--host", job.host.clone());
        set("--port", job.port.map(|port| port.to_string()));
        set("--user", job.user.clone());
        set("--database", job.database.clone());
    }
    for (name, value) in &job.options {
        set("--option", Some(format!("{name}={value}")));
    }
    for (tool, path) in &job.tool_paths {
        set("--tool-path", Some(format!("{tool}={}", path.display())));
    }
    for tool in &job.allow_tools {
        set("--allow-tool", Some(tool.clone()));
    }
    set("--mode", job.mode.clone());
    set("--compress", job.compress.as_ref().map(ToString::to_string));
    for recipient in &job.encrypt_to {
        set("--encrypt-to", Some(recipient.clone()));
    }
    set("--sign-key", job.sign_key.as_ref().map(|path| path.display().to_string()));
    set("--name", job.name.clone());
    for (name, value) in &job.labels {
        set("--label", Some(format!("{name}={value}")));
    }
    set("--timeout", job.timeout.map(seconds));
    set("--stall-timeout", job.stall_timeout.map(seconds));
    set("--threads", job.threads.map(|threads| threads.to_string()));
    let mebibytes = |bytes: u64| (bytes >> 20).max(1).to_string();
    // One stream goes to all stores: the smallest that any of them asks for.
    let smallest = |of: fn(&StoreConfig) -> Option<u64>, own| job.to.iter().filter_map(of).min().or(own);
    set("--part-size", smallest(|store| store.part_size, job.part_size).map(mebibytes));
    set("--volume-size", smallest(|store| store.volume_size, job.volume_size).map(mebibytes));
    if job.lock {
        set("--wait-lock", job.wait_lock.map(seconds));
    }
    if !job.lock {
        words.push("--no-lock".to_owned());
    }
    if let Some(jobs) = job.jobs {
        words.push(format!("--jobs={jobs}"));
    }
    if job.all_databases {
        words.push("--all-databases".to_owned());
    }
    if job.globals {
        words.push("--globals".to_owned());
    }
    words
}
