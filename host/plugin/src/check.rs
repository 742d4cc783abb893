//! What a plugin says is checked before anyone acts on it: its description once, each plan before its first command.

use std::collections::BTreeSet;

use planb_model::engine::Description;
use planb_model::plan::{Arg, Command, PrivatePiece};
use planb_model::redact::strip_control;

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

fn env_allowed(name: &str) -> bool {
    let shape = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64;
    shape && !ENV_REFUSED.contains(&name) && !ENV_REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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

/// Whether a description can be true. The message ends the sentence "what it says of itself is not possible: ...".
pub(crate) fn check_description(d: &Description) -> Result<(), String> {
    if !is_key(&d.key) {
        return Err(format!("the key {:?} has to be small letters, digits and dashes", d.key));
    }
    if let Some(alias) = d.aliases.iter().find(|alias| !is_key(alias)) {
        return Err(format!("the alias {alias:?} has to be small letters, digits and dashes"));
    }
    // These are printed beside a question whose answer grants something.
    let texts =
        [&d.name].into_iter().chain(d.settings.iter().map(|s| &s.summary)).chain(d.secrets.iter().map(|s| &s.summary));
    let texts = texts.chain(d.tools.iter().filter_map(|tool| tool.install_hint.as_ref()));
    if let Some(text) =
        texts.into_iter().find(|text| text.contains('\n') || strip_control(text) != **text || text.len() > 1000)
    {
        return Err(format!(
            "the text {:?} is too long or holds control characters",
            text.chars().take(40).collect::<String>()
        ));
    }
    if d.name.is_empty() || d.name.chars().count() > 60 {
        return Err("its name has to have 1 to 60 characters".to_owned());
    }
    if let Err(error) = semver::Version::parse(&d.version) {
        return Err(format!("the version {:?} is not semver: {error}", d.version));
    }
    if d.modes.is_empty() || d.scopes.is_empty() {
        return Err("it declares no mode or no scope".to_owned());
    }
    let mut ids = BTreeSet::new();
    for tool in &d.tools {
        if !is_program(&tool.id) || !ids.insert(tool.id.as_str()) {
            return Err(format!("the tool id {:?} is not a plain name, or stands twice", tool.id));
        }
        if tool.programs.is_empty() {
            return Err(format!("the tool `{}` has no program", tool.id));
        }
        if let Some(program) = tool.programs.iter().find(|program| !is_program(program)) {
            return Err(format!("the program {program:?} of the tool `{}` is not a plain file name", tool.id));
        }
        if let Some(req) = &tool.version_req
            && let Err(error) = semver::VersionReq::parse(req)
        {
            return Err(format!("the version requirement {req:?} of the tool `{}` is not semver: {error}", tool.id));
        }
        if tool.version_args.len() > 8 || tool.version_args.iter().any(|arg| arg.contains('\0')) {
            return Err(format!("the version arguments of the tool `{}` are not possible", tool.id));
        }
    }
    if let Some(name) = d.env.iter().find(|name| !env_allowed(name)) {
        return Err(format!("its plans may not set the environment variable {name:?}"));
    }
    if let Some(name) = d.inherit.iter().find(|name| !env_allowed(name)) {
        return Err(format!("its tools may not get the environment variable {name:?}"));
    }
    let scheme_ok = |scheme: &String| {
        scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    if let Some(scheme) = d.schemes.iter().find(|scheme| !scheme_ok(scheme)) {
        return Err(format!("{scheme:?} is not a URL scheme"));
    }
    Ok(())
}

/// Whether all these commands keep to what the description declares: its tools, its environment names.
///
/// # Errors
/// The end of the sentence "its plan is not possible: ...".
pub fn check_commands<'a>(d: &Description, commands: impl IntoIterator<Item = &'a Command>) -> Result<(), String> {
    const MOST_ITEMS: usize = 10_000;
    for command in commands {
        if !d.tools.iter().any(|tool| tool.id == command.tool) {
            return Err(format!("it names the tool {:?}, which the plugin does not declare", command.tool));
        }
        if command.args.len() > MOST_ITEMS || command.env.len() > MOST_ITEMS {
            return Err(format!("the command of `{}` has more than {MOST_ITEMS} arguments", command.tool));
        }
        for arg in &command.args {
            if let Arg::Literal(text) = arg
                && (text.is_empty() || text.contains('\0'))
            {
                return Err(format!("a literal argument of `{}` is empty or contains a NUL", command.tool));
            }
        }
        if command.stdin.is_some() && command.stdin_from.is_some() {
            return Err(format!("the command of `{}` has two things to read from", command.tool));
        }
        for var in &command.env {
            if !d.env.contains(&var.name) {
                return Err(format!(
                    "it sets the environment variable {:?}, which the plugin does not declare",
                    var.name
                ));
            }
            let text_has_nul = |piece: &PrivatePiece| matches!(piece, PrivatePiece::Text(text) if text.contains('\0'));
            if var.value.iter().any(text_has_nul) {
                return Err(format!("the environment variable {:?} contains a NUL", var.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_program_is_a_file_name() {
        for name in ["", "../pg_dump", "/bin/sh", "-x", "a b", "a/b", "."] {
            assert!(!is_program(name), "{name:?}");
        }
        assert!(is_program("pg_dump") && is_program("mariadb-dump") && is_program("sqlite3"));
    }
}
