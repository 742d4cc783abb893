//! `planb config import rclone.conf`: the remotes as stores of a planb.toml.

use std::fmt::Write as _;
use std::path::Path;

use toml::Value;

use super::conf::{RcloneConf, RcloneError};
use super::remote::{Remote, Where};
use super::translate::{Translated, translate};

/// The types whose paths begin with a bucket.
const BUCKETS: [&str; 7] =
    ["s3", "google cloud storage", "azureblob", "b2", "swift", "oracleobjectstorage", "qingstor"];
/// What stands for a bucket that the remote does not name.
const BUCKET: &str = "BUCKET";

/// The text of a planb.toml with a store for each remote. `paths` are remotes with their paths (`s3:bucket/backups`): such a
/// store is complete, the others of buckets have `BUCKET` in their URL, to be replaced. `file` is where the rclone.conf is,
/// for the remotes that go through the rclone program.
///
/// Secrets are written as they are, so that the result works at once: it has to be kept where only its owner can read it.
///
/// # Errors
/// [`RcloneError`].
pub fn import_rclone(text: &str, paths: &[String], file: Option<&Path>) -> Result<String, RcloneError> {
    let conf = RcloneConf::parse(text)?;
    if conf.encrypted.is_some() && paths.is_empty() {
        return Err(RcloneError::Encrypted);
    }
    let conf = file.map_or_else(|| conf.clone(), |path| conf.clone().of_file(path));
    let mut out = String::from(
        "# From an rclone.conf, by planb config import.\n\
         # It holds secrets: chmod 600, or move them into files (KEY_file) or variables (KEY_env).\n",
    );
    let mut named: Vec<String> = Vec::new();
    for path in paths {
        match Remote::parse(path) {
            Ok(remote) => {
                if let Where::Named(name) = &remote.at {
                    named.push(name.clone());
                }
                store(&mut out, &conf, &remote, path);
            }
            Err(why) => drop(writeln!(out, "\n# {}: {why}", comment(path))),
        }
    }
    for name in conf.names().filter(|name| !named.iter().any(|known| known == name)) {
        let at = Where::Named(name.to_owned());
        // An alias has a bucket, or its remote has none.
        let plain = Remote { at: at.clone(), keys: Vec::new(), path: String::new() };
        let buckets = conf.get(name, "type").is_some_and(|kind| BUCKETS.contains(&kind));
        let remote = match translate(&conf, &plain) {
            Ok(_) if !buckets => plain,
            _ => Remote { at, keys: Vec::new(), path: BUCKET.to_owned() },
        };
        store(&mut out, &conf, &remote, name);
    }
    Ok(out)
}

fn store(out: &mut String, conf: &RcloneConf, remote: &Remote, what: &str) {
    let name = match &remote.at {
        Where::Named(name) | Where::Made(name) => name.as_str(),
        Where::Here => "folder",
    };
    let kind = conf.get(name, "type").unwrap_or("unknown");
    let _ = writeln!(out, "\n# {}, of the type {}", comment(what), comment(kind));
    match translate(conf, remote) {
        Ok(translated) => write(out, name, &translated),
        Err(why) => drop(writeln!(out, "# not translated: {}", comment(&why))),
    }
}

fn write(out: &mut String, name: &str, store: &Translated) {
    if let Some(why) = &store.through {
        let _ = writeln!(out, "# goes through the rclone program: {}", comment(why));
    }
    for note in &store.notes {
        let _ = writeln!(out, "# {}", comment(note));
    }
    let text = |text: &str| Value::String(text.to_owned());
    let _ = writeln!(out, "[stores.{}]", text(&safe(name)));
    let _ = writeln!(out, "url = {}", text(&store.url));
    for (key, value) in &store.keys {
        let value = if value == "true" { Value::Boolean(true) } else { text(value) };
        let _ = writeln!(out, "{key} = {value}");
    }
    for (key, secret) in &store.secrets {
        let _ = match *key {
            "config_text" => writeln!(out, "# config = \"/path/to/rclone.conf\""),
            key => writeln!(out, "{key} = {}", text(secret.expose())),
        };
    }
}

/// One line, whatever it was.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name that a store can have.
fn safe(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).take(64).collect();
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        name
    } else {
        format!("x{}", name.chars().take(63).collect::<String>())
    }
}
