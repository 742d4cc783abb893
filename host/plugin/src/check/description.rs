//! What a plugin says of itself.
//!
//! It is printed beside a question whose answer grants something, names what users type, and ends up in keys of objects: each name in
//! it has a shape, each list an end.

use std::collections::BTreeSet;

use planb_model::engine::{Description, Setting, SettingKind, ToolSpec};
use planb_model::settings;

use super::{is_clean, short, within};

/// Names that no plan may set: they decide what code a child runs, or are the host's own.
const ENV_REFUSED: [&str; 20] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELL",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "CDPATH",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "GCONV_PATH",
    "OPENSSL_CONF",
];
const ENV_REFUSED_PREFIXES: [&str; 9] =
    ["LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "MALLOC_", "GLIBC_", "PLANB_", "BASH_FUNC_"];

/// How the names of variables end that tell where a program and its settings are. Of planb's own environment tools get no others.
const PLACES: [&str; 9] = ["_HOME", "_BASE", "_ROOT", "_DIR", "_CONF", "_ADMIN", "_SID", "_INSTANCE", "_LANG"];
/// Whose variables open a store or a database, whatever they end in.
const KEEPERS: [&str; 12] =
    ["AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "GCP_", "S3_", "B2_", "RCLONE_", "DB_", "SMTP_", "SSH_", "XDG_"];
/// What is in the names of secrets.
const SECRETIVE: [&str; 7] = ["PASS", "PWD", "SECRET", "TOKEN", "KEY", "CRED", "AUTH"];

const TEXT: usize = 1_000;

/// A variable that a plan may set for a tool.
fn env_allowed(name: &str) -> bool {
    let shape = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64;
    shape && !ENV_REFUSED.contains(&name) && !ENV_REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A variable of planb's own environment that a tool may get: the place of something, and no secret.
fn inherit_allowed(name: &str) -> bool {
    env_allowed(name)
        && PLACES.iter().any(|end| name.len() > end.len() && name.ends_with(end))
        && !KEEPERS.iter().any(|prefix| name.starts_with(prefix))
        && !SECRETIVE.iter().any(|word| name.contains(word))
}

fn is_key(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_program(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// What a user types before a `=`.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn is_scheme(scheme: &str) -> bool {
    scheme.len() <= 32
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_text(what: &str, text: &str) -> Result<(), String> {
    if text.len() <= TEXT && is_clean(text) {
        return Ok(());
    }
    Err(format!("{what} {:?} is too long or holds control characters", short(text)))
}

/// Each of them as it has to be, not too many, and none twice.
fn all<'a>(
    what: &str,
    limit: usize,
    names: impl IntoIterator<Item = &'a String>,
    fits: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for (at, name) in names.into_iter().enumerate() {
        within(what, at + 1, limit)?;
        if !fits(name) {
            return Err(format!("{:?} is not possible among its {what}", short(name)));
        }
        if !known.insert(name.as_str()) {
            return Err(format!("{name:?} stands twice among its {what}"));
        }
    }
    Ok(())
}

/// Whether a description can be true. The message ends the sentence "what it says of itself is not possible: ...".
pub(crate) fn check_description(d: &Description) -> Result<(), String> {
    if !is_key(&d.key) {
        return Err(format!("the key {:?} has to be small letters, digits and dashes", short(&d.key)));
    }
    is_text("the name", &d.name)?;
    if d.name.is_empty() || d.name.chars().count() > 60 {
        return Err("its name has to have 1 to 60 characters".to_owned());
    }
    within("bytes in its version", d.version.len(), 64)?;
    if let Err(error) = semver::Version::parse(&d.version) {
        return Err(format!("the version {:?} is not semver: {error}", short(&d.version)));
    }
    all("aliases (small letters, digits and dashes)", 32, &d.aliases, is_key)?;
    all("URL schemes", 32, &d.schemes, is_scheme)?;
    if let Some(user) = &d.default_user {
        is_text("the default user", user)?;
    }
    within("modes", d.modes.len(), 4)?;
    within("scopes", d.scopes.len(), 3)?;
    if d.modes.is_empty() || d.scopes.is_empty() {
        return Err("it declares no mode or no scope".to_owned());
    }
    all("tools (plain names)", 64, d.tools.iter().map(|tool| &tool.id), is_program)?;
    d.tools.iter().try_for_each(check_tool)?;
    all("environment variables that its plans may set", 200, &d.env, env_allowed)?;
    all(
        "environment variables that its tools may get (places of programs: names that end in _HOME, _DIR, _CONF and the like)",
        16,
        &d.inherit,
        inherit_allowed,
    )?;
    all("parameters", 200, d.params.iter().map(|param| &param.name), is_name)?;
    all("options", 200, d.settings.iter().map(|setting| &setting.name), is_name)?;
    d.params.iter().chain(&d.settings).try_for_each(check_setting)?;
    all("secrets", 32, d.secrets.iter().map(|secret| &secret.name), |name| is_name(name) && name != "password")?;
    d.secrets.iter().try_for_each(|secret| is_text("the text", &secret.summary))?;
    all("conflicts with streams", 100, &d.stream_conflicts, |flag| {
        !flag.is_empty() && flag.len() <= 64 && is_clean(flag)
    })
}

fn check_tool(tool: &ToolSpec) -> Result<(), String> {
    let id = &tool.id;
    if tool.programs.is_empty() {
        return Err(format!("the tool `{id}` has no program"));
    }
    all(&format!("programs of the tool `{id}` (plain file names)"), 16, &tool.programs, is_program)?;
    if let Some(req) = &tool.version_req {
        within("bytes in a version requirement", req.len(), 100)?;
        if let Err(error) = semver::VersionReq::parse(req) {
            return Err(format!("the version requirement {:?} of the tool `{id}` is not semver: {error}", short(req)));
        }
    }
    within(&format!("version arguments of the tool `{id}`"), tool.version_args.len(), 8)?;
    for arg in &tool.version_args {
        is_text(&format!("the version argument of the tool `{id}`"), arg)?;
    }
    within(&format!("exit codes of the tool `{id}`"), tool.version_ok.len(), 256)?;
    within(&format!("purposes of the tool `{id}`"), tool.used_for.len(), 4)?;
    tool.install_hint.as_ref().map_or(Ok(()), |hint| is_text("the text", hint))
}

fn check_setting(setting: &Setting) -> Result<(), String> {
    is_text("the text", &setting.summary)?;
    if let SettingKind::Choice(words) = &setting.kind {
        let word = |word: &str| (1..=64).contains(&word.len()) && word.chars().all(|c| c.is_ascii_graphic());
        all(&format!("choices of `{}`", setting.name), 100, words, word)?;
        if words.is_empty() {
            return Err(format!("`{}` has no choice", setting.name));
        }
    }
    if let Some(default) = &setting.default {
        is_text(&format!("the default of `{}`", setting.name), default)?;
        settings::value(setting, default).map_err(|takes| {
            format!("the default of `{}` is {:?}, and it takes {takes}", setting.name, short(default))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_model::engine::{Mode, NamedSecret, ScopeKind};

    fn setting(name: &str) -> Setting {
        Setting { name: name.to_owned(), kind: SettingKind::Text, default: None, summary: String::new() }
    }

    fn good() -> Description {
        Description {
            key: "toy".into(),
            name: "Toy".into(),
            aliases: vec!["toys".into()],
            version: "0.1.0".into(),
            schemes: vec!["toy+srv".into()],
            default_port: None,
            default_user: Some("root".into()),
            file_based: false,
            tools: vec![ToolSpec {
                id: "toydump".into(),
                programs: vec!["toydump".into()],
                version_args: vec!["--version".into()],
                version_ok: vec![0],
                version_req: Some(">=1".into()),
                used_for: vec![],
                install_hint: Some("toy-client".into()),
            }],
            env: vec!["TOY_OPTS".into()],
            inherit: vec!["TOY_HOME".into()],
            params: vec![setting("tlsCAFile")],
            secrets: vec![NamedSecret { name: "key-password".into(), summary: String::new() }],
            settings: vec![setting("jobs"), setting("application_name")],
            modes: vec![Mode::Stream],
            scopes: vec![ScopeKind::Database],
            native_compression: false,
            stream_conflicts: vec!["-F d".into()],
            plans_by_inventory: false,
            restores_offline: false,
        }
    }

    fn refused(change: impl Fn(&mut Description)) -> String {
        let mut d = good();
        change(&mut d);
        check_description(&d).unwrap_err()
    }

    #[test]
    fn a_decent_description_passes() {
        check_description(&good()).unwrap();
    }

    #[test]
    fn every_name_has_a_shape() {
        for bad in ["", "a b", "a\nTRUST built in", "--x", "a=b", "a\u{202e}", "ä", "a\0", &"x".repeat(65)] {
            refused(|d| d.key = bad.into());
            refused(|d| d.aliases.push(bad.into()));
            refused(|d| d.schemes.push(bad.into()));
            refused(|d| d.settings.push(setting(bad)));
            refused(|d| d.params.push(setting(bad)));
            refused(|d| d.secrets.push(NamedSecret { name: bad.into(), summary: String::new() }));
            refused(|d| d.tools[0].id = bad.into());
            refused(|d| d.tools[0].programs.push(bad.into()));
            refused(|d| d.env.push(bad.into()));
            refused(|d| d.inherit.push(bad.into()));
        }
    }

    #[test]
    fn every_text_is_one_clean_line() {
        for bad in ["a\nb", "a\tb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(1001)] {
            refused(|d| d.name = bad.into());
            refused(|d| d.version = bad.into());
            refused(|d| d.default_user = Some(bad.into()));
            refused(|d| d.settings[0].summary = bad.into());
            refused(|d| d.settings[0].default = Some(bad.into()));
            refused(|d| d.settings[0].kind = SettingKind::Choice(vec![bad.into()]));
            refused(|d| d.params[0].summary = bad.into());
            refused(|d| d.secrets[0].summary = bad.into());
            refused(|d| d.tools[0].install_hint = Some(bad.into()));
            refused(|d| d.tools[0].version_args.push(bad.into()));
            refused(|d| d.tools[0].version_req = Some(bad.into()));
            refused(|d| d.stream_conflicts.push(bad.into()));
        }
    }

    #[test]
    fn every_list_has_an_end_and_nothing_twice() {
        assert!(refused(|d| d.aliases.extend((0..1_000_000).map(|n| format!("a{n}")))).contains("limit is 32"));
        refused(|d| d.settings.extend((0..201).map(|n| setting(&n.to_string()))));
        refused(|d| d.tools = vec![d.tools[0].clone(); 2]);
        refused(|d| d.settings.push(setting("jobs")));
        refused(|d| d.secrets[0].name = "password".into());
        refused(|d| d.modes = vec![Mode::Stream; 5]);
        refused(|d| d.modes.clear());
        refused(|d| d.tools[0].version_ok = vec![0; 257]);
        refused(|d| d.tools[0].version_args = vec!["x".into(); 9]);
    }

    #[test]
    fn a_default_is_a_value_of_its_kind() {
        refused(|d| (d.settings[0].kind, d.settings[0].default) = (SettingKind::Number, Some("many".into())));
        refused(|d| d.settings[0].kind = SettingKind::Choice(vec![]));
        let choice = SettingKind::Choice(vec!["sql".into()]);
        refused(|d| (d.settings[0].kind, d.settings[0].default) = (choice.clone(), Some("binary".into())));
    }

    #[test]
    fn what_decides_over_code_may_not_be_set() {
        for name in ["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "BASH_ENV", "HOME", "", "1A", "A=B", "a b"]
        {
            assert!(!env_allowed(name), "{name:?}");
        }
        for name in ["PGHOST", "PGPASSFILE", "REDISCLI_AUTH", "MYSQL_TEST_LOGIN_FILE"] {
            assert!(env_allowed(name), "{name:?}");
        }
    }

    #[test]
    fn tools_inherit_places_and_no_secrets() {
        for name in ["JAVA_HOME", "ORACLE_HOME", "ORACLE_SID", "TNS_ADMIN", "NEO4J_HOME", "NEO4J_CONF", "NLS_LANG"] {
            assert!(inherit_allowed(name), "{name}");
        }
        let secrets =
            ["AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "DATABASE_URL", "SLACK_WEBHOOK", "GITHUB_PAT", "NPM_TOKEN"];
        let places = [
            "AWS_CONFIG_DIR",
            "DB_HOME",
            "TOKEN_DIR",
            "PASSWORD_STORE_DIR",
            "_HOME",
            "HOME",
            "PYTHONHOME",
            "XDG_CONFIG_HOME",
        ];
        for name in secrets.into_iter().chain(places).chain(["PLANB_SIGN_CONF", "LD_CONF", "AUTH_CONF", "kms_key_dir"])
        {
            assert!(!inherit_allowed(name), "{name}");
        }
    }

    #[test]
    fn a_program_is_a_file_name() {
        for name in ["", "../pg_dump", "/bin/sh", "-x", "a b", "a/b", "."] {
            assert!(!is_program(name), "{name:?}");
        }
        assert!(is_program("pg_dump") && is_program("mariadb-dump") && is_program("sqlite3"));
    }
}
