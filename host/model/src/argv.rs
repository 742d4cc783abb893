//! From a plan's arguments to the items of a command line: the one place where what a user gave and what a
//! plugin's author wrote are put side by side.
//!
//! The rules (CWE-88, argument injection): a value never becomes an option, a NUL never passes, a path never leaves
//! the work directory, and no single item grows past what every system takes.

use std::path::{Component, Path, PathBuf};

use crate::plan::{Arg, ArgPiece};

/// Linux' MAX_ARG_STRLEN, the smallest limit of one item on the systems Plan B runs on.
const LONGEST_ITEM: usize = 128 * 1024 - 1;

/// Why a command line cannot be made. The message names the value's place, never a secret (there is none here).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ArgError {
    #[error("the value {value:?} starts with a dash; the tool `{tool}` would take it for an option")]
    LooksLikeOption { tool: String, value: String },
    #[error("an argument for `{tool}` contains a NUL, which no command line can hold")]
    Nul { tool: String },
    #[error("an argument for `{tool}` is empty where a value has to stand")]
    Empty { tool: String },
    #[error("an argument for `{tool}` has {length} bytes; systems take at most {LONGEST_ITEM}")]
    TooLong { tool: String, length: usize },
    #[error("the path {path:?} leaves the private work directory")]
    Escapes { path: String },
    #[error("the plan for `{tool}` asks for the extra arguments twice")]
    ExtraTwice { tool: String },
    #[error("the option name {name:?} in the plan for `{tool}` is not one")]
    BadOptionName { tool: String, name: String },
}

/// Joins a path of a plan to the work directory.
///
/// # Errors
/// [`ArgError::Escapes`] for an absolute path, `..`, or a NUL.
pub fn below(work: &Path, path: &str) -> Result<PathBuf, ArgError> {
    let escapes = || ArgError::Escapes { path: path.to_owned() };
    if path.contains('\0') || path.contains('\\') {
        return Err(escapes());
    }
    let mut out = work.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => return Err(escapes()),
        }
    }
    Ok(out)
}

/// Renders the arguments of one command.
///
/// `tool` is only for messages; `extra` goes where the plan has [`Arg::Extra`], as the user wrote it.
///
/// # Errors
/// [`ArgError`], before anything runs.
pub fn render(tool: &str, args: &[Arg], work: &Path, extra: &[String]) -> Result<Vec<String>, ArgError> {
    let mut items = Vec::with_capacity(args.len() + extra.len());
    let mut extra_done = false;
    for arg in args {
        match arg {
            Arg::Literal(text) => items.push(text.clone()),
            Arg::Option { name, value } => {
                check_name(tool, name)?;
                items.push(format!("{name}{}", join(value, work)?));
            }
            Arg::Pair { name, value } => {
                check_name(tool, name)?;
                items.push(name.clone());
                items.push(not_an_option(tool, join(value, work)?)?);
            }
            Arg::Value(value) => items.push(not_an_option(tool, join(value, work)?)?),
            Arg::Script(text) => items.push(not_an_option(tool, text.clone())?),
            Arg::Extra if extra_done => return Err(ArgError::ExtraTwice { tool: tool.to_owned() }),
            Arg::Extra => {
                extra_done = true;
                items.extend(extra.iter().cloned());
            }
        }
    }
    for item in &items {
        if item.contains('\0') {
            return Err(ArgError::Nul { tool: tool.to_owned() });
        }
        if item.len() > LONGEST_ITEM {
            return Err(ArgError::TooLong { tool: tool.to_owned(), length: item.len() });
        }
    }
    Ok(items)
}

/// An option's name is the author's. One without a dash would make its value a positional argument.
fn check_name(tool: &str, name: &str) -> Result<(), ArgError> {
    let word = name.trim_start_matches('-');
    if word.is_empty()
        || word.len() == name.len()
        || !word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=.".contains(c))
    {
        return Err(ArgError::BadOptionName { tool: tool.to_owned(), name: name.to_owned() });
    }
    Ok(())
}

fn not_an_option(tool: &str, value: String) -> Result<String, ArgError> {
    if value.is_empty() {
        Err(ArgError::Empty { tool: tool.to_owned() })
    } else if value.starts_with('-') {
        Err(ArgError::LooksLikeOption { tool: tool.to_owned(), value: shorten(&value) })
    } else {
        Ok(value)
    }
}

fn shorten(value: &str) -> String {
    value.chars().take(80).collect()
}

fn join(pieces: &[ArgPiece], work: &Path) -> Result<String, ArgError> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            ArgPiece::Text(text) => out.push_str(text),
            ArgPiece::Path(path) => out.push_str(&below(work, path)?.to_string_lossy()),
        }
    }
    Ok(out)
}

/// A command line as a person would type it: for `--dry-run`, logs and errors.
pub fn shell(program: &str, items: &[String]) -> String {
    let mut out = shell_word(program);
    for item in items {
        out.push(' ');
        out.push_str(&shell_word(item));
    }
    out
}

/// One word as a shell reads it back.
pub fn shell_word(item: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !item.is_empty() && item.chars().all(plain) {
        item.to_owned()
    } else {
        format!("'{}'", item.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn text(value: &str) -> Vec<ArgPiece> {
        vec![ArgPiece::Text(value.to_owned())]
    }

    #[test]
    fn each_kind_has_its_form() {
        let args = [
            Arg::Literal("--no-password".into()),
            Arg::Option { name: "--host=".into(), value: text("db") },
            Arg::Pair { name: "-p".into(), value: text("5432") },
            Arg::Option { name: "--file=".into(), value: vec![ArgPiece::Path("out/dump".into())] },
            Arg::Extra,
            Arg::Value(text("orders")),
        ];
        let items = render("pg_dump", &args, Path::new("/w"), &["--verbose".to_owned()]).unwrap();
        assert_eq!(items, ["--no-password", "--host=db", "-p", "5432", "--file=/w/out/dump", "--verbose", "orders"]);
    }

    #[test]
    fn paths_stay_below_the_work_directory() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a\0b", "a\\..\\b"] {
            assert!(matches!(below(Path::new("/w"), path), Err(ArgError::Escapes { .. })), "{path:?}");
        }
        assert_eq!(below(Path::new("/w"), "").unwrap(), Path::new("/w"));
        assert_eq!(below(Path::new("/w"), "./a/b").unwrap(), Path::new("/w/a/b"));
    }

    #[test]
    fn an_option_name_is_a_name() {
        for name in ["", "--", "host=", "--ho st=", "-\n"] {
            let arg = Arg::Option { name: name.into(), value: text("x") };
            assert!(
                matches!(render("t", &[arg], Path::new("/w"), &[]), Err(ArgError::BadOptionName { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_command_line_reads_as_typed() {
        assert_eq!(shell("pg_dump", &["--dbname=it's".into(), String::new()]), "pg_dump '--dbname=it'\\''s' ''");
    }

    proptest! {
        /// Whatever a user gives: a positional never starts with a dash, an option's value stays in its item,
        /// and no item holds a NUL.
        #[test]
        fn a_value_never_becomes_an_option(value in "\\PC*|-.*|.*\0.*") {
            let args = [
                Arg::Option { name: "--db=".into(), value: text(&value) },
                Arg::Value(text(&value)),
            ];
            match render("t", &args, Path::new("/w"), &[]) {
                Ok(items) => {
                    prop_assert_eq!(items.len(), 2);
                    prop_assert_eq!(&items[0], &format!("--db={value}"));
                    prop_assert!(!items[1].starts_with('-') && !items[1].is_empty());
                    prop_assert!(items.iter().all(|item| !item.contains('\0')));
                }
                Err(_) => prop_assert!(value.is_empty() || value.starts_with('-') || value.contains('\0')),
            }
        }
    }
}
